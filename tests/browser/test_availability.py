"""Who is there, live: a manager sets a colleague away who is told at once, and the board follows everybody."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.events.types import SYSTEM
from tests.browser.stage import live_is_up
from tests.browser.test_access import obstacles

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]
TEAM = "/settings/availability/team"


def test_t_av_4_who_is_set_away_sees_it_at_once_and_goes_back_with_one_click(tab, office, settle) -> None:
    """T-AV-4, R-AVAIL-11: on the page that is open, without reading it again; the manager's board follows."""
    bob = tab(office.world.bob, "/inbox/all-open")
    board = tab(office.world.ada, TEAM)
    live_is_up(bob)
    live_is_up(board)
    board.get_by_role("button", name="Set Bob Noyce to available").click()
    expect(board.get_by_role("button", name="Set Bob Noyce to away")).to_be_visible()
    settle()
    alert = bob.get_by_role("group", name="Your status")
    expect(alert).to_contain_text("Ada Lovelace set you to available.")
    alert.get_by_role("button", name="Keep it").click()
    expect(alert).to_have_count(0)

    board.get_by_role("button", name="Set Bob Noyce to away").press("Enter")
    expect(board.locator(".hours-summary")).to_contain_text("0 of 4 are available now.")
    settle()
    expect(alert).to_contain_text("Ada Lovelace set you to away.")
    expect(bob.locator("#me .avatar-dot")).to_have_attribute("data-state", "away")
    assert list(obstacles(bob)) == []
    alert.get_by_role("button", name="Back to available").click()

    expect(alert).to_have_count(0)
    expect(bob.locator("#me .avatar-dot")).to_have_attribute("data-state", "available")
    settle()
    expect(board.get_by_role("button", name="Set Bob Noyce to away")).to_be_visible()
    expect(board.locator(".hours-summary")).to_contain_text("1 of 4 is available now.")


def test_a_shift_is_handed_over_by_keyboard_and_taken_back(tab, office, settle) -> None:
    """R-ROUTE-54"""
    made = [office.mail(f"Question {number}", external_id=f"{number}@x").pk for number in range(3)]
    with office.inside() as world:
        for pk in made:
            tickets.assign(pk, owner_id=world.grace.pk, by=SYSTEM)
    settle()
    page = tab(office.world.grace, "/settings/availability")
    page.get_by_role("link", name="Hand over 3 open tickets").press("Enter")
    expect(page.get_by_role("heading", name="Hand over tickets")).to_be_visible()
    assert list(obstacles(page)) == []
    page.get_by_role("checkbox", name="Bob Noyce").press("Space")
    page.get_by_label("Note, for all of them").fill("Until Monday.")
    page.get_by_role("checkbox", name="Question 2").press("Space")
    page.get_by_role("button", name="Hand over", exact=True).press("Enter")

    expect(page.locator(".toast")).to_contain_text("2 tickets handed over: Bob Noyce")
    with office.inside() as world:
        of = dict(Ticket.objects.values_list("pk", "owner_id"))
        assert [of[pk] for pk in made] == [world.bob.pk, world.bob.pk, world.grace.pk]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Taken back")
    expect(page.get_by_role("link", name="Hand over 3 open tickets")).to_be_visible()

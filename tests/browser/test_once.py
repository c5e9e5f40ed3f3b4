"""A form is sent once, however often it is pressed while it is under way."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.events.types import SYSTEM

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

STOPPED = 5_000  # as js/once.js has it


def posts(page: Page) -> list[str]:
    """What the page sends from now on."""
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    return sent


def held(page: Page, address: str) -> list[Route]:
    """What is sent to this address waits here until it is let go."""
    waiting: list[Route] = []
    page.route(address, lambda route: waiting.append(route))
    return waiting


def test_a_double_click_hands_over_once_and_undo_leads_back_to_the_first(tab, office) -> None:
    """R-ROUTE-54"""
    made = [office.mail(f"Question {number}", external_id=f"{number}@x").pk for number in range(4)]
    with office.inside() as world:
        for pk in made:
            tickets.assign(pk, owner_id=world.grace.pk, by=SYSTEM)
    page = tab(office.world.grace, f"/hand-over?of={office.world.grace.pk}")
    page.get_by_role("checkbox", name="Bob Noyce").check()
    page.get_by_role("checkbox", name="Ada Lovelace").check()
    sent = posts(page)

    page.get_by_role("button", name="Hand over", exact=True).dblclick()

    expect(page.locator(".toast")).to_contain_text("4 tickets handed over")
    expect(page.locator(".toast")).to_have_count(1)
    assert [one.rpartition("/")[2] for one in sent].count("save") == 1
    page.locator(".toast").get_by_role("button", name="Undo").dblclick()
    expect(page.locator(".toast")).to_contain_text("Taken back")
    with office.inside() as world:
        assert set(Ticket.objects.filter(pk__in=made).values_list("owner_id", flat=True)) == {world.grace.pk}


def test_a_double_click_on_a_part_of_a_page_makes_one_task(tab, office) -> None:
    """The second is not sent after the first; what the browser refused was not sent, and what is pressed later is."""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    page.get_by_role("button", name="Add a task").click()
    form = page.locator("#task-new form")
    waiting = held(page, "**/tasks")
    form.get_by_role("button", name="Save").dblclick()
    form.get_by_label("What is to be done?").fill("Call the bank")

    form.get_by_role("button", name="Save").dblclick()
    expect(form).to_be_visible()
    assert len(waiting) == 1
    waiting[0].continue_()

    expect(page.get_by_role("button", name="Edit the task: Call the bank")).to_have_count(1)
    assert len(waiting) == 1
    page.unroute("**/tasks")
    page.get_by_role("button", name="Add a task").click()
    form.get_by_label("What is to be done?").fill("Call them again")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit the task: Call them again")).to_have_count(1)
    with office.inside():
        assert Task.objects.count() == 2


def test_a_form_is_alive_again_when_somebody_comes_back_to_it(tab, office) -> None:
    """A page that the browser kept as it was left sends again."""
    page = tab(office.world.ada, "/settings/teams/new")
    save = page.locator("main form").get_by_role("button", name="Make the team")
    page.get_by_label("Name", exact=True).fill("Night shift")
    page.route("**/settings/teams/create", lambda route: route.fulfill(status=204), times=1)
    sent = posts(page)
    save.dblclick()
    save.click()
    assert len([one for one in sent if one.endswith("/create")]) == 1

    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    save.click()
    expect(page.get_by_role("heading", name="Night shift")).to_be_visible()


def test_a_form_is_alive_again_when_the_page_that_it_led_to_did_not_come(tab, office) -> None:
    """Who stopped it, or chose to stay, sends again; with htmx and without."""
    stays = {"status": 204}
    page = tab(office.world.ada, "/settings/teams/new")
    page.clock.install()
    page.get_by_label("Name", exact=True).fill("Night shift")
    page.route("**/settings/teams/create", lambda route: route.fulfill(**stays))
    sent = posts(page)
    save = page.locator("main form").get_by_role("button", name="Make the team")
    save.click()
    save.click()
    assert len(sent) == 1
    page.clock.fast_forward(STOPPED)
    save.click()
    assert len(sent) == 2

    office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open")
    page.clock.install()
    page.route("**/bulk", lambda route: route.fulfill(status=200, headers={"HX-Redirect": "/elsewhere"}))
    page.route("**/elsewhere", lambda route: route.fulfill(**stays))
    page.get_by_role("checkbox", name="Select Refund still missing").check()
    sent = posts(page)
    lead = page.locator(".bulk-bar").get_by_role("button", name="Close")
    with page.expect_request("**/elsewhere"):
        lead.click()
    lead.click()
    assert len(sent) == 1
    page.clock.fast_forward(STOPPED)
    with page.expect_request("**/elsewhere"):
        lead.click()
    assert len(sent) == 2


def test_what_is_ticked_goes_as_one_field(tab, office) -> None:
    """R-WORK-8: more rows than a form may have fields."""
    ticket = office.mail("Refund still missing")
    page = tab(office.world.grace, "/inbox/all-open")
    page.get_by_role("checkbox", name="Select Refund still missing").check()
    page.evaluate("""() => {
        const box = document.querySelector("[name=ids][form=bulk]");
        const more = Array.from({ length: 1500 }, () => box.cloneNode());
        more.forEach((one, number) => Object.assign(one, { value: 1_000_000 + number, checked: true }));
        box.after(...more);
    }""")
    with page.expect_request("**/bulk") as sent:
        page.locator(".bulk-bar").get_by_role("button", name="Close").click()
    expect(page.locator(".toast").first).to_contain_text("1 ticket: Closed")
    assert (sent.value.post_data or "").count("ids=") == 1
    with office.inside():
        assert Ticket.objects.get(pk=ticket.pk).is_closed

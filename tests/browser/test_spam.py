"""Spam with mouse, keyboard and a real browser (R-CC-12, R-SPAM-1)."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.models import Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from tests.browser.test_access import OVERFLOW, RULES, SMALL

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def row(page, ticket):
    return page.locator(f"#row-{ticket.pk}")


def mark_as_spam(page) -> None:
    page.get_by_role("button", name="More", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#more-menu")).to_be_visible()
    page.locator("#more-menu").get_by_role("button", name="Mark as spam").press("Enter")
    expect(page.get_by_text("This ticket is spam.")).to_be_visible()


def test_a_ticket_is_marked_with_the_keyboard_and_the_undo_brings_it_back_R_SPAM_1(tab, office) -> None:
    ticket, other = office.mail("Buy cheap watches"), office.mail("Refund", external_id="2@x")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")

    mark_as_spam(page)

    expect(row(page, ticket)).to_have_count(0)
    expect(row(page, other)).to_be_visible()
    expect(page.get_by_text("This ticket is spam.")).to_be_visible()
    expect(page.locator("#thread")).to_contain_text("Marked as spam · Grace Hopper")
    assert office.again(ticket).is_spam

    page.locator("#toasts").get_by_role("button", name="Undo").click()

    expect(row(page, ticket)).to_be_visible()
    expect(page.get_by_text("This ticket is spam.")).to_have_count(0)
    expect(page.locator("#subject")).to_have_text("Buy cheap watches")
    expect(page.locator("#toasts")).not_to_contain_text("Marked as spam")
    assert not office.again(ticket).is_spam


def test_an_undo_from_another_ticket_changes_nothing_on_it(tab, office) -> None:
    ticket, other = office.mail("Buy cheap watches"), office.mail("Refund", external_id="2@x")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    mark_as_spam(page)
    expect(row(page, ticket)).to_have_count(0)
    row(page, other).get_by_role("link").click()
    expect(page.locator("#subject")).to_have_text("Refund")

    page.locator("#toasts").get_by_role("button", name="Undo").click()

    expect(row(page, ticket)).to_be_visible()
    expect(page.locator("#subject")).to_have_text("Refund")
    expect(page.locator("#thread article")).to_have_count(1)
    expect(row(page, other).locator("[aria-current=true]")).to_be_visible()
    assert not office.again(ticket).is_spam


def test_a_spam_ticket_comes_back_by_its_notice(tab, office) -> None:
    ticket = office.mail("Refund")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    mark_as_spam(page)
    page.goto(f"/inbox/spam/{ticket.pk}")

    page.locator("#ticket-notice").get_by_role("button", name="Not spam").click()

    expect(page.locator("#ticket-notice .notice")).to_have_count(0)
    expect(row(page, ticket)).to_have_count(0)
    assert not office.again(ticket).is_spam


@pytest.fixture
def filtered(office) -> None:
    message = InboundMessage(
        "1@x", Mailbox("eve@special-offers-for-you-and-all-your-friends.example", "Eve"), "My parcel",
        "Where is it?\n\nEve", office.at, spam_mark="X-Spam-Flag",
    )  # fmt: skip
    with office.inside() as world:
        threads.receive(Incoming(world.channel.pk, message), at=office.at)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_what_was_filtered_is_read_and_becomes_a_ticket_R_CC_12(tab, office, filtered, scripts) -> None:
    page = tab(office.world.grace, "/inbox/spam", java_script_enabled=scripts)

    page.locator(".filtered-row summary").click()
    expect(page.locator(".filtered-row").get_by_text("Where is it?", exact=True)).to_be_visible()
    page.get_by_role("button", name="Not spam: My parcel").click()

    expect(page).to_have_url(re.compile("/inbox/all-open/"))
    expect(page.locator("#subject")).to_have_text("My parcel")
    with office.inside():
        assert Ticket.objects.get().contact.name == "Eve"
        assert not Thread.objects.get().is_spam


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390, 320])
def test_spam_puts_no_obstacle_in_anybodys_way(tab, office, filtered, width, dark) -> None:
    ticket = office.mail("Buy cheap watches")
    page = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}", width=width, dark=dark)

    def check() -> None:
        page.wait_for_timeout(200)
        assert Axe().run(page, options=RULES).response["violations"] == []
        assert page.evaluate(OVERFLOW) == []
        assert page.evaluate(SMALL) == []

    page.locator("[popovertarget=more-menu]").click()
    check()
    page.locator("#more-menu").get_by_role("button", name="Mark as spam").click()
    expect(page.get_by_text("This ticket is spam.")).to_be_visible()
    check()
    page.goto("/inbox/spam")
    check()
    page.locator(".filtered-row summary").click()
    check()
    expect(page.get_by_role("button", name="Not spam: My parcel")).to_be_in_viewport(ratio=1)

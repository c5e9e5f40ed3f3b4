"""Days of people who use it, from beginning to end: each story is what one person, or two, came to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from deskhand.accounts import first_run, policy
from deskhand.accounts.models import Account
from deskhand.crm.records.models import Task, Ticket
from deskhand.desk import snippets, threads
from deskhand.desk.models import ChannelAccount
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.web.tests.conftest import Office
from tests.browser.stage import live_is_up

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def subject(page: Page) -> Locator:
    return page.locator("#subject")


def status(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Status: {name}")


def owner(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Owner: {name}")


def written(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def said(page: Page, text: str) -> Locator:
    return page.locator("#thread article", has_text=text)


def row(page: Page, text: str) -> Locator:
    return page.locator(".row-link", has_text=text)


def is_focused(found: Locator) -> bool:
    return bool(found.evaluate("element => element === document.activeElement"))


def from_(name: str) -> Mailbox:
    return Mailbox(f"{name.split()[0].lower()}@kunder.example", name)


# ── the morning ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_morning_triage(tab, office: Office, settle) -> None:
    """What came in overnight is read, given away, answered, put off or thrown out, and the counters say so."""
    for number, (name, what) in enumerate(
        [
            ("Astrid Lindqvist", "Refund still missing"),
            ("Per Holm", "Invoice 4711 has the wrong address"),
            ("Win Now", "You have won a prize"),
            ("Ida Berg", "Does the lamp come in green"),
            ("Jonas Vik", "Parcel is broken"),
        ]
    ):
        office.mail(what, sender=from_(name), external_id=f"{number}@kunder.example")
    with office.inside() as world:
        kept = snippets.NewSnippet("Refund", "refund", "Your refund left our bank today.", "EVERYONE")
        snippets.create(policy.viewer_for(world.account.pk, world.ada.pk), kept)
    settle()
    page = tab(office.world.grace, "/inbox/unassigned")
    waiting = page.locator("#view-unassigned .side-count")
    expect(waiting).to_have_text("5")

    # The one that is urgent is taken and answered with words that are kept for it.
    row(page, "Refund still missing").click()
    expect(subject(page)).to_have_text("Refund still missing")
    page.get_by_role("button", name="No priority").click()
    page.locator("#priority-menu").get_by_role("button", name="High").click()
    expect(page.get_by_role("button", name="Priority: High")).to_be_visible()
    written(page).press_sequentially("/refu")
    page.get_by_role("option", name=re.compile("Refund")).click()
    expect(written(page)).to_have_value(re.compile("left our bank today"))
    page.locator("[data-send]").click()
    expect(said(page, "left our bank today")).to_be_visible()
    expect(owner(page, "Grace Hopper")).to_be_visible()
    expect(status(page, "Waiting on contact")).to_be_visible()
    settle()
    expect(waiting).to_have_text("4")

    # Rubbish goes.
    row(page, "You have won a prize").click()
    expect(subject(page)).to_have_text("You have won a prize")
    expect(page.locator("#composer .person-chip")).to_have_text(re.compile("Win Now"))
    page.get_by_role("button", name="More", exact=True).last.click()
    page.get_by_role("button", name="Mark as spam").last.click()
    expect(page.locator("#ticket-notice")).to_contain_text("This ticket is spam.")
    settle()
    expect(waiting).to_have_text("3")

    # Two are Bob's, both at once.
    page.get_by_label("Select Invoice 4711").check()
    page.get_by_label("Select Parcel is broken").check()
    page.locator("#bulk").get_by_role("button", name="Assign").click()
    page.locator("#bulk-owner").get_by_role("button", name="Bob Noyce").click()
    expect(page.locator("#toasts")).to_contain_text("2")
    settle()
    expect(waiting).to_have_text("1")

    # The last one waits until the day after.
    row(page, "Does the lamp come in green").click()
    expect(subject(page)).to_have_text("Does the lamp come in green")
    page.get_by_role("button", name="Owner: No owner").click()
    page.locator("#owner-menu").get_by_role("button", name="Grace Hopper").click()
    expect(owner(page, "Grace Hopper")).to_be_visible()
    page.get_by_role("button", name="Snooze", exact=True).first.click()
    page.locator("#snooze-menu").get_by_role("button", name=re.compile("^Tomorrow")).click()
    expect(page.locator("#ticket-notice")).to_contain_text("You snoozed this ticket until")
    settle()
    expect(waiting).to_be_hidden()  # a view without tickets counts nothing
    expect(page.locator("#view-my-open .side-count")).to_have_text(re.compile("[12]"))

    with office.inside() as world:
        owned = dict(Ticket.objects.filter(is_spam=False).values_list("subject", "owner_id"))
    grace, bob = world.grace.pk, world.bob.pk
    assert owned == {
        "Refund still missing": grace,
        "Does the lamp come in green": grace,
        "Invoice 4711 has the wrong address": bob,
        "Parcel is broken": bob,
    }


# ── two at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_agents_collide_and_nobodys_words_are_lost(tab, office: Office, settle) -> None:
    """R-WORK-2, R-WORK-3"""
    ticket = office.mail("Refund still missing")
    settle()
    grace = tab(office.world.grace, f"/inbox/all-open/{ticket.pk}")
    bob = tab(office.world.bob, f"/inbox/all-open/{ticket.pk}")
    expect(grace.locator("#room")).to_contain_text("Bob Noyce")
    expect(bob.locator("#room")).to_contain_text("Grace Hopper")

    written(grace).press_sequentially("It left our bank yesterday.")
    expect(bob.locator("#room-bar")).to_contain_text("Grace Hopper is writing a reply")
    written(bob).press_sequentially("I ask the bank.")
    expect(grace.locator("#room-bar")).to_contain_text("Bob Noyce is writing a reply")

    # Both send; Bob's page has not heard of Grace's reply yet, for nobody told it.
    grace.keyboard.press("Control+Enter")
    expect(said(grace, "It left our bank yesterday.")).to_be_visible()
    bob.keyboard.press("Control+Enter")
    expect(bob.get_by_role("alert")).to_contain_text("Grace Hopper wrote in the meantime.")
    expect(written(bob)).to_have_value("I ask the bank.")
    expect(bob.get_by_text("Draft saved")).to_be_visible()
    assert [message.text for message in office.messages(ticket)][1:] == ["It left our bank yesterday."]

    # Now it hears of it, shows it above what Bob wrote, and he says something else instead, to the team alone.
    settle()
    expect(said(bob, "It left our bank yesterday.")).to_be_visible()
    expect(written(bob)).to_have_value("I ask the bank.")
    bob.locator(".composer-tab", has_text="Comment").click()
    bob.locator("[data-send]").click()
    expect(bob.locator("article[data-kind=note]")).to_contain_text("I ask the bank.")
    expect(written(bob)).to_have_value("")

    settle()
    expect(grace.locator("article[data-kind=note]")).to_contain_text("I ask the bank.")
    bob.close()
    expect(grace.locator("#room")).not_to_contain_text("Bob Noyce")
    assert [message.kind for message in office.messages(ticket)] == ["MESSAGE", "MESSAGE", "COMMENT"]


# ── several days ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_customers_thread_over_days(tab, office: Office, settle) -> None:
    """Asked, answered, asked again, closed, and opened again by the customer: one thread (R-STAT-1, R-STAT-2)."""
    first = datetime.now(UTC).replace(hour=9, minute=0) - timedelta(days=6)

    def customer(text: str, at: datetime, **more: object) -> Ticket:
        office.at = at
        found = office.mail(
            "Refund still missing", text=text, external_id=f"{at.date()}@kunder.example", **more
        )
        settle()
        return found

    def last_sent() -> tuple[str, ...]:
        return (next(m.external_id for m in reversed(office.messages(ticket)) if m.direction == "OUT"),)

    with clock.stopped(first):
        ticket = customer("Where is my money?", first)
    with clock.stopped(first + timedelta(hours=2)):
        page = tab(office.world.grace, "/inbox/unassigned")
        row(page, "Refund still missing").click()
        written(page).fill("It left our bank today and takes two days.")
        page.locator("[data-send]").click()
        expect(status(page, "Waiting on contact")).to_be_visible()
        settle()
    with clock.stopped(first + timedelta(days=3)):
        again = customer("Two days have passed.", first + timedelta(days=3), answers=last_sent())
        assert again.pk == ticket.pk
        expect(said(page, "Two days have passed.")).to_be_visible()
        expect(status(page, "Waiting on us")).to_be_visible()
        written(page).fill("The bank says it was on hold; you have it tomorrow.")
        page.get_by_role("button", name="Send and set the status").click()
        page.locator("#send-menu").get_by_role("button", name="Closed").click()
        expect(status(page, "Closed")).to_be_visible()
        settle()
    with clock.stopped(first + timedelta(days=5)):
        customer("Still nothing.", first + timedelta(days=5), answers=last_sent())
        expect(status(page, "New")).to_be_visible()  # it was closed
        page.goto("/inbox/my-open")
        row(page, "Refund still missing").click()
        expect(said(page, "Still nothing.")).to_be_visible()
        texts = page.locator("#thread .message-body:not(.message-quoted *)").all_text_contents()
        assert [text.split()[0] for text in texts] == ["Where", "It", "Two", "The", "Still"]
    assert not office.again(ticket).is_closed


# ── from nothing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_admin_sets_up_a_pipeline_and_its_automation_from_nothing(tab, office: Office, settle) -> None:
    """A pipeline, its statuses, what happens in one of them, a ticket in it, and the happening."""
    page = tab(office.world.ada, "/inbox/all-open")
    page.get_by_role("link", name="Settings").first.click()
    live_is_up(page)
    page.locator("#side").get_by_role("link", name="Tickets", exact=True).click()
    page.get_by_role("link", name="All pipelines").click()
    page.get_by_label("Name").fill("Returns")
    page.get_by_role("button", name="Create pipeline").click()
    expect(page.locator("#pipeline option:checked")).to_have_text("Returns")
    live_is_up(page)

    page.get_by_role("button", name="Add status").click()
    page.keyboard.type("Parcel arrived")
    page.get_by_role("button", name="Save statuses").click()
    expect(page.get_by_label("Name of “Parcel arrived”")).to_have_value("Parcel arrived")
    live_is_up(page)

    page.get_by_role("link", name="Automate", exact=True).click()
    live_is_up(page)
    lane = page.locator(".lane").filter(has=page.get_by_role("heading", name="Parcel arrived"))
    lane.locator(".lane-plus").click()
    page.locator("#drawer .offer", has_text="Create task").click()
    page.get_by_label("Title").fill("Check the parcel")
    page.locator("#drawer").get_by_role("button", name="Save").click()
    expect(lane.locator(".bubble")).to_contain_text("Check the parcel")
    lane.get_by_role("switch", name=re.compile("Workflow is off")).click()
    expect(lane.get_by_role("switch", name=re.compile("Workflow is on"))).to_be_checked()

    page.goto("/tickets")
    live_is_up(page)
    page.locator(".work-title").click()
    page.locator("#pipelines").get_by_role("link", name="Returns").click()
    expect(page.get_by_role("heading", name="Parcel arrived")).to_be_visible()
    live_is_up(page)
    page.get_by_role("link", name="Create a ticket in Parcel arrived").click()
    page.locator("#new-subject").fill("Return of order 7")
    page.locator("#new-email").fill("eva@fjord.example")
    page.locator("#drawer").get_by_role("button", name="Create ticket").click()
    expect(subject(page)).to_have_text("Return of order 7")
    expect(status(page, "Parcel arrived")).to_be_visible()
    live_is_up(page)  # what happens before the stream is open is not heard

    settle()
    expect(page.locator("#properties")).to_contain_text("Check the parcel")
    with office.inside():
        ticket = Ticket.objects.get(subject="Return of order 7")
        assert [(task.title, task.record_id) for task in Task.objects.all()] == [
            ("Check the parcel", ticket.pk)
        ]


# ── the first ten minutes ──


def test_a_new_users_first_ten_minutes(window, address, wired, settings, settle) -> None:
    """From the address in the terminal to an answer, and to an automation that does something else."""
    settings.UNDO_SEND_SECONDS = 0
    page = window().new_page()
    page.goto(reverse("setup", args=[first_run.new_token()]))
    page.get_by_label("Name of the company").fill("Fjällbo Tents")
    page.get_by_label("Your name").fill("Astrid Lind")
    page.get_by_label("Your email").fill("astrid@fjallbo.example")
    page.get_by_label("Password").fill("a long enough one")
    page.get_by_role("button", name="Create the help desk").click()
    page.get_by_role("link", name="Connect an address").click()
    page.get_by_label("Email address").fill("support@fjallbo.example")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="support@fjallbo.example").first).to_be_visible()

    def mail(what: str, number: int) -> None:
        with account_scope(Account.objects.get().pk):
            channel = ChannelAccount.objects.get(address="support@fjallbo.example")
            message = InboundMessage(
                f"{number}@x", from_("Jonas Vik"), what, "Where is my tent?", clock.now()
            )
            threads.receive(Incoming(channel.pk, message))
        settle()

    mail("Tent has not arrived", 1)
    page.get_by_role("link", name="Inbox").first.click()
    live_is_up(page)
    page.locator("#view-all-open").click()
    live_is_up(page)
    row(page, "Tent has not arrived").click()
    written(page).fill("It leaves today.")
    page.locator("[data-send]").click()
    expect(said(page, "It leaves today.")).to_be_visible()
    expect(status(page, "Waiting on contact")).to_be_visible()

    page.get_by_role("link", name="Settings").first.click()
    live_is_up(page)
    page.locator("#side").get_by_role("link", name="Tickets", exact=True).click()
    live_is_up(page)
    page.get_by_role("link", name="Automate", exact=True).click()
    live_is_up(page)
    lane = page.locator(".lane").first
    lane.locator(".lane-plus").last.click()
    page.locator("#drawer .offer", has_text="Create task").click()
    page.get_by_label("Title").fill("Ring the customer")
    page.locator("#drawer").get_by_role("button", name="Save").click()
    expect(lane.locator(".bubble", has_text="Ring the customer")).to_be_visible()
    switch = lane.get_by_role("switch", name=re.compile("Workflow is (on|off)"))
    if switch.get_attribute("aria-checked") == "false":
        switch.click()
    expect(switch).to_be_checked()

    mail("Tent has a hole", 2)
    with account_scope(Account.objects.get().pk):
        assert [task.title for task in Task.objects.all()] == ["Ring the customer"]
    page.goto("/inbox/all-open")
    row(page, "Tent has a hole").click()
    expect(page.locator("#properties")).to_contain_text("Ring the customer")
    page.goto(reverse("start"))
    expect(page.get_by_text("3 of 4 done")).to_be_visible()


# ── on a phone ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_agent_with_a_phone_alone(tab, office: Office, settle) -> None:
    """Everything by touch on 390 pixels: find the view, read, take, answer, comment, close, and the next one."""
    office.mail("Refund still missing")
    office.mail("Parcel is broken", external_id="2@x", sender=from_("Jonas Vik"))
    settle()
    page = tab(office.world.grace, "/", width=390, is_mobile=True)

    page.get_by_role("button", name="Views").tap()
    page.locator("#view-unassigned").tap()
    expect(page.locator(".row-link")).to_have_count(2)
    live_is_up(page)
    row(page, "Refund still missing").tap()
    expect(subject(page)).to_have_text("Refund still missing")
    expect(page.locator("#tickets")).to_be_hidden()

    page.get_by_role("button", name="Owner: No owner").tap()
    page.locator("#owner-menu").get_by_role("button", name="Grace Hopper").tap()
    expect(owner(page, "Grace Hopper")).to_be_visible()
    page.locator(".composer-tab", has_text="Comment").tap()
    written(page).tap()
    page.keyboard.type("The bank had it on hold.")
    page.locator("[data-send]").tap()
    expect(page.locator("article[data-kind=note]")).to_contain_text("The bank had it on hold.")
    page.locator(".composer-tab", has_text="Reply").tap()
    written(page).tap()
    page.keyboard.type("You have it tomorrow.")
    page.locator("[data-send]").tap()
    expect(said(page, "You have it tomorrow.")).to_be_in_viewport()
    expect(status(page, "Waiting on contact")).to_be_visible()

    page.get_by_role("button", name="Details", exact=True).tap()
    expect(page.locator("#properties")).to_contain_text("astrid@fjallbo.example")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Status: Waiting on contact").tap()
    page.locator("#status-menu").get_by_role("button", name="Closed").tap()
    expect(status(page, "Closed")).to_be_visible()
    page.get_by_role("link", name="Back to the list").tap()
    expect(row(page, "Parcel is broken")).to_be_visible()

    page.locator(".tabbar").get_by_role("link", name="Contacts").tap()
    page.get_by_role("link", name="Jonas Vik").first.tap()
    expect(page.get_by_role("heading", name="Jonas Vik")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


# ── without a mouse ──────────────────────────────────────────────────────────────────────────────────────────────────


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until `wanted` has the focus, as somebody who sees it would."""
    for _press in range(60):
        if is_focused(wanted):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} is not reached with {key}.")


def test_an_agent_with_a_keyboard_alone(window, office: Office, settle) -> None:
    """From the sign-in to the sign-out without touching a mouse (WCAG 2.1.1, 2.4.3)."""
    office.mail("Refund still missing")
    second = office.mail("Parcel is broken", external_id="2@x", sender=from_("Jonas Vik"))
    settle()
    page = window().new_page()
    page.goto("/")
    tab_to(page, page.get_by_label("Email or user name"))
    page.keyboard.type("grace@nordlys.example")
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inbox/my-open")
    live_is_up(page)

    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/inbox/unassigned$"))
    live_is_up(page)
    page.keyboard.press("j")
    expect(row(page, "Parcel is broken")).to_be_focused()
    page.keyboard.press("Enter")
    expect(subject(page)).to_have_text("Parcel is broken")
    expect(subject(page)).to_be_focused()

    page.keyboard.press("m")
    expect(owner(page, "Grace Hopper")).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#priority-menu")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(subject(page)).to_be_focused()  # back where it was
    page.keyboard.press("r")
    expect(written(page)).to_be_focused()
    page.keyboard.type("A new one leaves today.")
    page.keyboard.press("Control+Enter")
    expect(said(page, "A new one leaves today.")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(written(page)).to_be_focused()
    page.keyboard.type("Ask for a picture next time.")
    tab_to(page, page.locator("[data-send]"))
    page.keyboard.press("Enter")
    expect(page.locator("article[data-kind=note]")).to_contain_text("Ask for a picture next time.")

    tab_to(page, page.locator("#ticket-head").get_by_role("button", name="More", exact=True), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#more-menu")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(subject(page)).to_have_text("Refund still missing")
    assert office.again(second).is_closed

    tab_to(page, page.locator("#me"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#me-menu")).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

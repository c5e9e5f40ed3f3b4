"""Every state of every screen: no obstacles for anybody, on any size, in light and dark.

CI takes each state in one look of the four, in turn; `make axe` takes every state in every look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from deskhand.accounts.models import User
from deskhand.automation import lanes, templates
from deskhand.channels.email.models import EmailAccount
from deskhand.crm.records import companies
from deskhand.delivery.models import SinkMail
from deskhand.desk import replies, threads
from deskhand.desk.models import Message
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, StoredFile
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, files
from deskhand.routing import availability, away_states, rules
from deskhand.routing.types import Option, Status
from deskhand.web.tests.test_system import entry, kept
from tests.browser import states

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
LOOKS = [(1440, False), (390, True), (390, False), (1440, True)]  # width, dark
WIDTHS = [1440, 390]
EVERY_LOOK = os.environ.get("DESKHAND_LOOKS") == "all"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"

# What reaches over the edge: wider than the window, and not inside something that scrolls by itself.
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  return wide > 0 ? `the page is ${wide}px too wide` : "";
}"""
# Targets under 24 × 24 CSS pixels that are neither in a sentence nor enlarged by a label or a pseudo-element.
SMALL = """() => [...document.querySelectorAll("button, a[href], select, input:not([type=hidden]), summary, textarea")]
  .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, .skip, p, dd, small"))
  .map((e) => [e, (e.closest("label") ?? e).getBoundingClientRect(), getComputedStyle(e, "::after").position])
  .filter(([e, box, after]) => box.width > 0 && (box.width < 24 || box.height < 24) && after !== "absolute")
  .map(([e, box]) => `${e.outerHTML.slice(0, 90)} is ${Math.round(box.width)} × ${Math.round(box.height)}`)"""


@pytest.fixture
def busy(office):
    """An office in which every state has something to show."""
    stored = files.put(b"PDF")
    for number in range(5):
        office.at += timedelta(seconds=1)
        ticket = office.mail(
            f"Question {number} {LONG}", html="<p>Hello</p>" if number == 2 else "", quoted="Earlier\n\nText",
            files=(StoredFile(f"{LONG}.pdf", "application/pdf", 3, stored.sha256),),
        )  # fmt: skip
        with office.inside() as world:
            if number % 2 == 0:
                replies.reply(replies.NewReply(ticket.pk, "It is on its way."), by=world.grace)
                replies.comment(ticket.pk, "Check with the bank.", by=world.bob)
    with office.inside() as world:
        world.channel.creates_tickets = False
        world.channel.save()
        hello = InboundMessage("p@x", Mailbox("eva@x.example"), f"Hello {LONG}", "Hello", office.at)
        threads.receive(Incoming(world.channel.pk, hello), at=office.at)
        firm = companies.create(f"Company {LONG}", by=SYSTEM, domain="fjallbo.example")
        companies.add_contact(firm.pk, ticket.contact_id, by=SYSTEM)
        SinkMail.objects.create(
            account_id=world.account.pk, entry_id=1, envelope_from="", recipients=["a@x.example"], subject="Kept",
            message_id="<1@x>", raw=b"Subject: Kept\r\nFrom: a@x.example\r\n\r\nText", received_at=office.at,
        )  # fmt: skip
        held, stuck = entry(world.account.pk), kept(world.account.pk, office.at)
        held.recipients, held.held_reason = [f"{LONG}@x.example"], f"550 5.1.1 {LONG}"
        held.save()
        stuck.recipient = f"{LONG}@x.example"
        stuck.save()
        templates.ensure_defaults(world.account.pk)
        new, by = world.stage("New"), world.ada.pk
        lanes.add_step("ticket", new, "send_email", {"template": "ticket_received"}, by=by)
        lane = lanes.add_step("ticket", new, "create_task", {"title": LONG}, after="1", by=by)
        lanes.comment(lane, "2", "Is this still needed?", by=world.grace.pk)
        lane.needs_review = f"Invalid: {LONG}"
        lane.save()
        EmailAccount.objects.create(
            account_id=world.account.pk, channel_account=world.channel, imap_host="imap.x.example", imap_user="desk",
            state="REFUSED", last_cause="REFUSED", last_error=LONG,
        )  # fmt: skip
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, team_ids=[world.team.pk], by=SYSTEM,
            user_ids=[world.grace.pk, world.bob.pk], fallback_user_ids=[world.ada.pk],
        )  # fmt: skip
        away_states.define(world.account.pk, f"Meeting {LONG}", by=SYSTEM)
        availability.set_by_hand(world.account.pk, world.ada.pk, Status.AWAY, by=SYSTEM, note=LONG)
        begins = clock.now() + timedelta(days=1)
        availability.set_out_of_office(
            world.account.pk, world.ada.pk, begins, begins + timedelta(days=2), by=SYSTEM
        )
        Message.objects.filter(direction="OUT").update(delivery="BOUNCED", delivery_error=f"550 5.1.1 {LONG}")
        User.objects.filter(pk=world.grace.pk).update(name=f"Grace {LONG} Hopper")
    while dispatch.Dispatcher().run_once():
        pass  # so that all of it can be found
    return office


def each_state(page: Page, share: int = 0, of: int = 1) -> Iterator[str]:
    """Bring the page into one state after the other, signed in as before; into one of `of` unless all are asked for."""
    kept = page.context.cookies()
    for number, (name, step) in enumerate(states.STATES.items()):
        if not EVERY_LOOK and number % of != share:
            continue
        page.context.clear_cookies()
        page.context.add_cookies(kept)
        step(page)
        states.settle(page)
        yield name


@pytest.mark.parametrize("look", range(len(LOOKS)), ids=["1440", "390-dark", "390", "1440-dark"])
def test_axe_finds_nothing(tab: Callable, busy, look: int) -> None:
    width, dark = LOOKS[look]
    page = tab(busy.world.ada, width=width, dark=dark)
    found = {}
    for name in each_state(page, look, len(LOOKS)):
        result = Axe().run(page, options=RULES)
        if result.violations_count:
            found[name] = result.generate_report()

    assert not found, "\n\n".join(f"{name}: {report}" for name, report in found.items())


def obstacles(page: Page, share: int = 0, of: int = 1) -> dict[str, list[str]]:
    found = {}
    for name in each_state(page, share, of):
        trouble = [page.evaluate(OVERFLOW), *page.evaluate(SMALL)]
        if any(trouble):
            found[name] = [text for text in trouble if text]
    return found


def test_nothing_reaches_over_the_edge_of_the_smallest_window(tab: Callable, busy) -> None:
    """WCAG 1.4.10 and 2.5.8"""
    assert not obstacles(tab(busy.world.ada, width=320))


@pytest.mark.parametrize("share", range(len(WIDTHS)), ids=WIDTHS)
def test_nothing_reaches_over_the_edge_and_every_target_is_big_enough(
    tab: Callable, busy, share: int
) -> None:
    """WCAG 2.5.8"""
    assert not obstacles(tab(busy.world.ada, width=WIDTHS[share]), share, len(WIDTHS))

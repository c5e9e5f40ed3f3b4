"""Every state of every screen: no obstacles for anybody, on any size, in light and dark.

CI takes a sixth of the states, each in one look of the four, and the others with the next commits; `make axe` takes
every state in every look.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, ViewportSize

from deskhand.accounts.models import User
from deskhand.automation import comments, folders, lanes, templates
from deskhand.automation.models import Enrollment, StepLog
from deskhand.channels.email.models import EmailAccount
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Reach
from deskhand.crm.records import companies, objects, task_queues, tasks
from deskhand.crm.records.models import Contact
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.segments import members as segment_members
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.delivery.models import SinkMail
from deskhand.desk import inboxes, replies, threads
from deskhand.desk.models import Message
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, StoredFile
from deskhand.events import dispatch
from deskhand.events.models import PendingEvent
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, files
from deskhand.kernel.jobs import Job
from deskhand.routing import availability, away_states, matrix, rules, simulations
from deskhand.routing.types import Option, Status
from deskhand.routing.wishes import ALL_DAYS, MADE_UP, Wish
from deskhand.testing.demo import seed
from deskhand.testing.world import World
from deskhand.web.tests.conftest import Office
from deskhand.web.tests.portals import customer, home
from deskhand.web.tests.test_system import entry, kept
from tests.browser import states
from tests.turns import turn

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
LOOKS = [(1440, False), (390, True), (390, False), (1440, True)]  # width, dark
HEIGHT = 900
HALF: ViewportSize = {"width": 720, "height": 450}
SMALLEST: ViewportSize = {"width": 320, "height": HEIGHT}
SHARES = 8  # of the states: a test each, so that none is long
PARTS = 6  # of each share: CI takes one a commit
EVERY_LOOK = os.environ.get("DESKHAND_LOOKS") == "all"
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"

# What reaches over the edge: wider than the window, or outside of it and not inside something that scrolls by itself.
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const scrolls = (e) => e && e !== document.body && (["auto", "scroll"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const outside = [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, h1, h2, p, label")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, .skip"))
    .map((e) => [e, e.getBoundingClientRect()])
    .filter(([e, box]) => box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) && !scrolls(e.parentElement));
  const high = document.querySelector(".app-body") ? document.documentElement.scrollHeight - innerHeight : 0;  // its panes scroll
  return [...wide > 0 ? [`the page is ${wide}px too wide`] : [], ...high > 0 ? [`the page is ${high}px too high`] : [], ...outside.map(([e]) => `${e.outerHTML.slice(0, 90)} is outside`)];
}"""
# Targets under 24 × 24 CSS pixels that are neither in a sentence nor enlarged by a label or a pseudo-element.
SMALL = """() => [...document.querySelectorAll("button, a[href], select, input:not([type=hidden]), summary, textarea")]
  .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, .skip, p, dd, small"))
  .map((e) => [e, (e.closest("label") ?? e).getBoundingClientRect(), getComputedStyle(e, "::after").position])
  .filter(([e, box, after]) => box.width > 0 && (box.width < 24 || box.height < 24) && after !== "absolute")
  .map(([e, box]) => `${e.outerHTML.slice(0, 90)} is ${Math.round(box.width)} × ${Math.round(box.height)}`)"""


# Text of which a part can't be read: cut off by its box, and neither scrolled to nor shortened with the whole at hand.
CUT_OFF = """() => [...document.body.querySelectorAll("*")].filter((e) => {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) return false;
  if (e.closest(".sr, .skip, iframe, option, select, textarea, [hidden]") || e.clientWidth <= 1) return false;
  if (!e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
  const style = getComputedStyle(e);
  if (style.display === "inline") return false;
  const isShort = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
  const wide = ["hidden", "clip"].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1;
  const high = ["hidden", "clip"].includes(style.overflowY) && e.scrollHeight > e.clientHeight + 3;
  return (wide || high) && !isShort;
}).map((e) => `“${e.textContent.trim().slice(0, 50)}” is cut off in ${e.outerHTML.slice(0, 90)}`)"""
# Controls that nothing draws when fills and shadows are taken away, and chosen things that look like the others.
UNDRAWN = """() => {
  const drawn = (e) => ["", "::before", "::after"].some((part) => {
    const style = getComputedStyle(e, part);
    if (part && style.content === "none") return false;
    return ["Top", "Right", "Bottom", "Left"].some((s) => style[`border${s}Style`] !== "none" && parseFloat(style[`border${s}Width`]) > 0)
      || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.forcedColorAdjust === "none"
      || style.textDecorationLine.includes("underline");
  });
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !e.closest(".sr, .skip");
  const inside = (e) => drawn(e) || [...e.querySelectorAll("*")].some((x) => shown(x) && (drawn(x) || x.localName === "svg"));
  const around = (e, depth = 4) => depth > 0 && e.parentElement && (drawn(e.parentElement) || around(e.parentElement, depth - 1));
  const bare = [...document.querySelectorAll("input:not([type=hidden]), select, textarea, .button")]
    .filter((e) => shown(e) && !inside(e) && !around(e) && !["checkbox", "radio", "file", "range", "color"].includes(e.type));
  const chosen = [...document.querySelectorAll("[aria-current]:not([aria-current=false]), [aria-selected=true], [aria-pressed=true]")]
    .filter((e) => shown(e) && !inside(e));
  const hidden = [...document.querySelectorAll(":checked:is([type=radio], [type=checkbox])")].map((e) => [e, e.closest("label")])
    .filter(([e, label]) => getComputedStyle(e).opacity === "0" && label && shown(label) && !inside(label)).map(([, label]) => label);
  return [...bare, ...chosen, ...hidden].map((e) => `nothing draws ${e.outerHTML.slice(0, 90)}`);
}"""
# What still moves for people who asked for stillness.
MOVING = """() => document.getAnimations()
  .filter((a) => a.playState === "running" && a.effect.getComputedTiming().endTime > 1)
  .map((a) => `${a.animationName ?? a.transitionProperty} moves ${a.effect.target?.outerHTML.slice(0, 90)}`)"""


@pytest.fixture
def busy(office):
    """An office in which every state has something to show."""
    stored = files.put(b"PDF")
    office.at -= timedelta(minutes=1)  # what is to be has not happened, and is told to nobody
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
        comments.add(lane, "2", "Is this still needed?", by=world.grace.pk)
        lanes.add_step("ticket", world.stage("Waiting on us"), "create_task", {"title": LONG}, by=by)
        seed.fork_lane(world.stage("Waiting on us"), by)
        deal = objects.create("deal", {"dealname": LONG, "amount": "1234567"}, by=SYSTEM).id
        calls, _other = (task_queues.create(NewQueue(name), by=SYSTEM).pk for name in ("Calls", LONG))
        for who in (None, world.ada.pk):
            tasks.create(
                "deal", deal, Wanted(LONG, LONG, who, office.at, "HIGH", "CALL", queue_id=calls), by=SYSTEM
            )
        lane.needs_review = f"Invalid: {LONG}"
        lane.save()
        run = Enrollment.objects.create(
            account_id=world.account.pk, workflow=lane, object_type="ticket", record_id=ticket.pk, revision_number=2,
            state="WAITING", step_id="2", enrolled_at=office.at, due_at=office.at + timedelta(days=1),
        )  # fmt: skip
        StepLog.objects.create(
            account_id=world.account.pk, workflow_id=lane.pk, enrollment_id=run.pk, object_type="ticket", record_id=ticket.pk,
            revision_number=2, step_id="2", kind="create_task", status="FAILED", message=LONG, at=office.at,
        )  # fmt: skip
        folders.create(world.account.pk, LONG, by=SYSTEM)
        EmailAccount.objects.create(
            account_id=world.account.pk, channel_account=world.channel, imap_host="imap.x.example", imap_user="desk",
            state="REFUSED", last_cause="REFUSED", last_error=LONG,
        )  # fmt: skip
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, team_ids=[world.team.pk], by=SYSTEM,
            user_ids=[world.grace.pk, world.bob.pk], fallback_user_ids=[world.ada.pk],
        )  # fmt: skip
        _connect_others(world)
        away_states.define(world.account.pk, f"Meeting {LONG}", by=SYSTEM)
        segment = segments.create("contact", f"Members {LONG}", SegmentKind.STATIC, by=SYSTEM)
        segment_members.add(segment.pk, list(Contact.objects.values_list("pk", flat=True)[:3]), by=SYSTEM)
        portals.change(portals.Settings(True, reach=Reach.COMPANY), by=SYSTEM)
        availability.set_by_hand(world.account.pk, world.ada.pk, Status.AWAY, by=SYSTEM, note=LONG)
        begins = clock.now() + timedelta(days=1)
        availability.set_out_of_office(
            world.account.pk, world.ada.pk, begins, begins + timedelta(days=2), by=SYSTEM
        )
        Message.objects.filter(direction="OUT").update(delivery="BOUNCED", delivery_error=f"550 5.1.1 {LONG}")
        User.objects.filter(pk=world.grace.pk).update(name=f"Grace {LONG} Hopper")
    _simulate(office)
    while dispatch.Dispatcher().run_once():
        pass  # so that all of it can be found
    assert not PendingEvent.objects.exists()
    return office


def _connect_others(world: World) -> None:
    """A chat and a telephone line, each with people who answer."""
    for kind, address in ((matrix.CHAT, states.CHAT), (matrix.CALLING, states.LINE)):
        made = inboxes.add_channel_account(world.channel.inbox, channel=kind, name=LONG, address=address)
        people = [world.grace.pk, world.bob.pk]
        rules.set_rule(
            world.account.pk, made.pk, Option.USERS_AND_TEAMS, user_ids=people, kind=kind, by=SYSTEM
        )


def _simulate(office: Office) -> None:
    """A simulation that is over: nobody works here on those that people begin."""
    now, account_id = clock.now(), office.world.account.pk
    people = (office.world.ada.pk, office.world.grace.pk)
    wish = Wish(now - timedelta(days=7), now, source=MADE_UP, a_day=20, people=people, off=ALL_DAYS, more=1)
    made = simulations.start(account_id, wish, by=people[0], now=now)
    simulations.run(Job(1, account_id, {"simulation": made.pk}, threading.Event()))


def as_customer(page: Page, office: Office) -> None:
    """Let the browser be signed in to the portal as well: nobody delivers the mail with a link here."""
    token = customer(office).cookies["portal"].value
    domain = page.context.cookies()[0]["domain"]
    page.context.add_cookies([{"name": "portal", "value": token, "domain": domain, "path": home(office)}])


def each_state(page: Page, share: int) -> Iterator[tuple[str, tuple[int, bool], list[str]]]:
    """Bring the page into one state after the other of this share, signed in as before; with its look, and why not."""
    kept = page.context.cookies()
    for number, (name, step) in enumerate(states.STATES.items()):
        part, place = number // SHARES % PARTS, number // SHARES // PARTS
        if number % SHARES != share or not (EVERY_LOOK or part == turn() % PARTS):
            continue
        for width, dark in LOOKS if EVERY_LOOK else [LOOKS[(place + turn() // PARTS) % len(LOOKS)]]:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.context.clear_cookies()
            page.context.add_cookies(kept)
            yield name, (width, dark), [*reached(page, step)]


def reached(page: Page, step: Callable[[Page], None]) -> Iterator[str]:
    """Go there; yields why not, so that the others are seen all the same."""
    try:
        step(page)
        states.settle(page)
    except (PlaywrightError, AssertionError) as problem:
        yield f"not reached, at {page.url}: {problem}"


def obstacles(page: Page) -> Iterator[str]:
    """What axe finds (WCAG 2.2 AA), what reaches over the edge, and targets that are too small (2.5.8)."""
    found = Axe().run(page, options=RULES)
    if found.violations_count:
        yield found.generate_report()
    yield from over_the_edge(page)
    page.set_viewport_size(SMALLEST)  # as who magnifies to 400 % sees it: 1.4.10
    yield from over_the_edge(page)


def large_text(page: Page) -> Iterator[str]:
    """A window whose text has twice the size has half the width for it: 1.4.4."""
    size = page.viewport_size or SMALLEST
    page.set_viewport_size(HALF)
    yield from (f"200 % text: {trouble}" for trouble in page.evaluate(OVERFLOW) + page.evaluate(CUT_OFF))
    page.set_viewport_size(size)


def own_colors(page: Page) -> Iterator[str]:
    """The system's few colors in place of ours: 1.4.1, 1.4.11."""
    page.emulate_media(forced_colors="active")
    yield from (f"forced colors: {trouble}" for trouble in page.evaluate(UNDRAWN))
    page.emulate_media(forced_colors="none")


def stillness(page: Page) -> Iterator[str]:
    """The tests' windows ask for it: 2.3.3."""
    yield from (f"reduced motion: {trouble}" for trouble in page.evaluate(MOVING))


NEEDS = [large_text, own_colors, stillness]


def needs(state: str) -> list[Callable[[Page], Iterator[str]]]:
    """CI looks at a state as one of these people does, in turn."""
    number = list(states.STATES).index(state)
    return NEEDS if EVERY_LOOK else [NEEDS[number % len(NEEDS)]]


def over_the_edge(page: Page) -> Iterator[str]:
    width = page.evaluate("innerWidth")
    yield from (f"{width} px wide: {trouble}" for trouble in page.evaluate(OVERFLOW) + page.evaluate(SMALL))


@pytest.mark.parametrize("share", range(SHARES))
def test_nobody_meets_an_obstacle(tab: Callable, busy, share: int) -> None:
    """WCAG 2.2 AA"""
    page = tab(busy.world.ada)
    as_customer(page, busy)
    found = {}
    for name, (width, dark), trouble in each_state(page, share):
        if not trouble:
            trouble = [*(said for look in needs(name) for said in look(page)), *obstacles(page)]
        if trouble:
            found[f"{name} ({width} px, {'dark' if dark else 'light'})"] = trouble

    assert not found, "\n\n".join(f"{name}: {'; '.join(trouble)}" for name, trouble in found.items())

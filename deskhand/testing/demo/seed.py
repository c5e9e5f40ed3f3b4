"""Letting 90 days of the demo company happen, through the product's own verbs, on a stopped clock and a fixed seed."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import Any

from django.utils import translation

from deskhand.accounts import accounts, teams, users
from deskhand.accounts.models import Account, Team, User
from deskhand.automation import comments, lanes, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Action, Branch, Delay, EventMatch, IfThen, UntilEvent
from deskhand.automation.engine.edit import Place
from deskhand.automation.models import Workflow
from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Reach
from deskhand.crm.filters.types import AllOf, AnyOf, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import companies, contacts, tickets
from deskhand.crm.records.models import Company, Contact, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.schema.types import Kind
from deskhand.desk import inboxes, replies, threads
from deskhand.desk.models import ChannelAccount, Follower, Inbox
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope, settle
from deskhand.routing import availability, rules
from deskhand.routing.types import Option, Status, Strategy
from deskhand.testing.demo import company, records

TICKETS = 300
DAYS = 90
LIVE = timedelta(days=2)  # lanes were switched on this long ago


@dataclass
class Staff:
    by_username: dict[str, User]
    teams: dict[str, Team]


Say = Callable[[str], None]


def seed(say: Say = lambda text: None) -> bool:
    """Make the demo account unless it is there; return whether it was made now.

    The areas must be wired. Safe to repeat after a kill: its automations come last, all at once, and half of an
    account is continued.
    """
    if company.is_there():
        return False
    account = Account.objects.filter(slug=company.SLUG).first()
    say("Hiring the people of a demo company …")
    now = clock.now()
    start = now - timedelta(days=DAYS)
    with clock.stopped(start):
        account = account or accounts.create(slug=company.SLUG, name=company.NAME, zone=company.ZONE)
        with account_scope(account.pk):
            staff = _hire(account)
            channels = _connect_channels(account, staff)
            portals.change(portals.Settings(True, reach=Reach.COMPANY), by=SYSTEM)
            _second_pipelines(account)
    _live_90_days(account, staff, channels, now, say)
    with account_scope(account.pk):
        _filter_junk(channels["support"], now)
        _automate(account, staff, now)
        _set_hours(account, staff, now)
        records.make([staff.by_username[name].pk for name in ("ada", "emma", "mette")], now)
    return True


def date_mail() -> None:
    """Say of the mail in the built-in mailbox that it left when it was written, not when the seed was sown."""
    account = Account.objects.get(slug=company.SLUG)
    with account_scope(account.pk):
        sql.execute(_DATE_MAIL, [account.pk])


_DATE_MAIL = """
update delivery_sinkmail s set received_at = o.created_at
from delivery_outboxentry o where s.account_id = %s and o.account_id = s.account_id and o.id = s.entry_id
"""


def _hire(account: Account) -> Staff:
    staff = Staff({}, {})
    for name in dict.fromkeys(c.team for c in company.COLLEAGUES):
        staff.teams[name] = Team.objects.filter(account=account, name=name).first() or teams.create(
            account.pk, name, by=SYSTEM
        )
    for colleague in company.COLLEAGUES:
        user = User.objects.filter(username=colleague.username).first() or users.create(
            email=f"{colleague.username}@demo.example", name=colleague.name, username=colleague.username, password=company.PASSWORD,
            locale=colleague.locale, zone=company.ZONE,
        )  # fmt: skip
        if not user.memberships.filter(account=account).exists():
            users.add_to_account(
                account.pk, user.pk, is_super_admin=colleague.super_admin, has_seat=colleague.seat, by=SYSTEM
            )
        teams.set_teams_of(account.pk, user.pk, main_id=staff.teams[colleague.team].pk, by=SYSTEM)
        if colleague.seat:
            availability.set_by_hand(account.pk, user.pk, Status.AVAILABLE, by=SYSTEM)
        staff.by_username[colleague.username] = user
    return staff


def _connect_channels(account: Account, staff: Staff) -> dict[str, ChannelAccount]:
    desk = inboxes.ensure_defaults(account.pk)
    plain = Inbox.objects.filter(account_id=account.pk, kind="INBOX").first() or Inbox.objects.create(
        account_id=account.pk, name="Partners", kind="INBOX"
    )
    wanted = (
        ("support", desk, "Nordlys support", True), ("billing", desk, "Nordlys billing", True), ("partners", plain, "Nordlys partners", False),
    )  # fmt: skip
    found: dict[str, ChannelAccount] = {}
    for local, inbox, name, creates in wanted:
        address = f"{local}@demo.example"
        found[local] = ChannelAccount.objects.filter(
            account_id=account.pk, address=address, archived_at=None
        ).first() or inboxes.add_channel_account(
            inbox, channel="email", name=name, address=address, creates_tickets=creates
        )
    care, billing = staff.teams["Customer care"], staff.teams["Billing"]
    rules.set_rule(account.pk, found["support"].pk, Option.USERS_AND_TEAMS, team_ids=[care.pk], by=SYSTEM)
    rules.set_rule(
        account.pk,
        found["billing"].pk,
        Option.USERS_AND_TEAMS,
        strategy=Strategy.ROUND_ROBIN,
        team_ids=[billing.pk],
        by=SYSTEM,
    )
    return found


def _second_pipelines(account: Account) -> None:
    if len(pipelines_of("ticket").pipelines) > 1:
        return
    open_, closed = StageState.OPEN, StageState.CLOSED
    pipelines.create(
        account.pk, "ticket", "Returns",
        [NewStage("Announced", open_, "blue"), NewStage("Arrived", open_, "amber"), NewStage("Inspected", open_, "violet"), NewStage("Refunded", closed, "green")],
    )  # fmt: skip
    pipelines.create(
        account.pk, "ticket", "Wholesale",
        [NewStage("Enquiry", open_, "blue"), NewStage("Offer sent", open_, "amber"), NewStage("Won", closed, "green"), NewStage("Lost", closed, "red")],
    )  # fmt: skip


# ── 90 days ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_texts() -> list[dict[str, str]]:
    text = files("deskhand.testing.demo").joinpath("texts.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _live_90_days(
    account: Account, staff: Staff, channels: dict[str, ChannelAccount], now: datetime, say: Say
) -> None:
    chance = random.Random(2026)
    texts = read_texts()
    with account_scope(account.pk):
        there = Ticket.objects.filter(account_id=account.pk).count()
    moments = sorted(_moment(chance, now) for _ in range(TICKETS))
    for n, at in enumerate(moments):
        text, name_draw, fate = chance.choice(texts), chance.random(), chance.random()
        if n < there:
            continue
        with account_scope(account.pk):
            _one_ticket(_Story(account, staff, channels, chance, n, at, now, text, name_draw, fate))
        if n % 30 == 0:
            say(f"Writing {DAYS} days of its mail … {n} of {TICKETS}")


def _moment(chance: random.Random, now: datetime) -> datetime:
    """More lately than long ago, in the hours in which people write."""
    day = now - timedelta(days=DAYS * chance.random() ** 1.6)
    at = day.replace(
        hour=7 + int(chance.triangular(0, 12, 3)), minute=chance.randrange(60), second=chance.randrange(60)
    )
    return at if at < now - timedelta(minutes=2) else now - timedelta(minutes=2 + chance.randrange(600))


@dataclass
class _Story:
    account: Account
    staff: Staff
    channels: dict[str, ChannelAccount]
    chance: random.Random
    n: int
    at: datetime
    now: datetime
    text: dict[str, str]
    name_draw: float
    fate: float

    @property
    def name(self) -> str:
        names = company.CUSTOMERS[self.text["lang"]]
        return names[int(self.name_draw * len(names))]

    @property
    def channel(self) -> ChannelAccount:
        if self.n % 23 == 0:
            return self.channels["partners"]
        return self.channels["billing" if self.text["team"] == "billing" else "support"]


def _one_ticket(story: _Story) -> None:
    """A request, and what became of it: the older, the likelier it is closed."""
    with clock.stopped(story.at):
        received = threads.receive(
            Incoming(story.channel.pk, _message(story, 0, story.text["body"])), at=story.at
        )
        settle()
    if received.ticket_id is None:
        return
    _enrich(story, received.ticket_id)
    age = story.now - story.at
    if age < timedelta(hours=5) and story.fate < 0.7:
        return
    at = story.at + timedelta(minutes=20 + story.chance.randrange(300))
    agent = _agent(story, received.ticket_id)
    if at > story.now or agent is None:
        return
    _answer(story, received.ticket_id, agent, at, 0)
    if story.fate < 0.45 and at + timedelta(hours=3) < story.now:
        at += timedelta(hours=1 + story.chance.randrange(20))
        if at < story.now:
            _customer_answers(story, received, at)
            if story.fate < 0.25 and at + timedelta(minutes=40) < story.now:
                _comment(story, received.ticket_id, agent, at + timedelta(minutes=10))
                _answer(story, received.ticket_id, agent, at + timedelta(minutes=40), 1)
                at += timedelta(minutes=40)
    if age > timedelta(days=4 + 10 * story.fate):
        closing = min(at + timedelta(hours=4 + story.chance.randrange(60)), story.now - timedelta(minutes=5))
        with clock.stopped(closing):
            pipeline = pipelines_of("ticket").default
            assert pipeline.first_closed is not None
            tickets.move(received.ticket_id, to=pipeline.first_closed.id, by=Actor.user(agent.pk), at=closing)


def _filter_junk(channel: ChannelAccount, now: datetime) -> None:
    """What the filter of the mail server in front had marked."""
    for n, (name, address, subject, text, hours) in enumerate(company.JUNK):
        at = now - timedelta(hours=hours)
        message = InboundMessage(
            external_id=f"demo.junk.{n}@mail.example", sender=Mailbox(address, name), subject=subject, text=text, received_at=at,
            to=(Mailbox(channel.address),), spam_mark="X-Spam-Flag",
        )  # fmt: skip
        threads.receive(Incoming(channel.pk, message), at=at)


def _message(story: _Story, turn: int, text: str, **more: Any) -> InboundMessage:
    return InboundMessage(
        external_id=f"demo.{story.n}.{turn}@mail.example", sender=Mailbox(company.email_of(story.name), story.name),
        subject=story.text["subject"], text=text, received_at=clock.now(), to=(Mailbox(story.channel.address),), **more,
    )  # fmt: skip


def _enrich(story: _Story, ticket_id: int) -> None:
    priority = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"}.get(
        story.text["priority"]
    )
    values = {"priority": priority} if story.chance.random() < 0.6 and priority else {}
    if values:
        tickets.change_many([Change(ticket_id, values)], by=SYSTEM, at=story.at)
    contact = Contact.objects.get(tickets__id=ticket_id, account_id=story.account.pk)
    if contact.company_id is None and story.n % 3 == 0:
        properties = {
            "phone": f"+4{story.n % 10} 70 555 {story.n % 100:02d} {story.n * 7 % 100:02d}",
            "hs_language": story.text["lang"],
            "jobtitle": company.JOBS[story.n // 3 % len(company.JOBS)],
        }
        contacts.update(contact.pk, properties, by=SYSTEM, at=story.at)
        companies.add_contact(_company(story), contact.pk, by=SYSTEM, at=story.at)


def _company(story: _Story) -> int:
    name, domain = company.COMPANIES[story.n % len(company.COMPANIES)]
    found = Company.objects.filter(account_id=story.account.pk, name=name).first()
    return found.pk if found else companies.create(name, by=SYSTEM, domain=domain, at=story.at).pk


def _agent(story: _Story, ticket_id: int) -> User | None:
    owner_id = Ticket.objects.values_list("owner_id", flat=True).get(pk=ticket_id)
    return next((user for user in story.staff.by_username.values() if user.pk == owner_id), None)


def _answer(story: _Story, ticket_id: int, agent: User, at: datetime, turn: int) -> None:
    text = company.ANSWERS[story.text["lang"]][turn].format(
        first=story.name.split()[0], me=agent.name.split()[0]
    )
    with clock.stopped(at), translation.override("en"):
        replies.reply(NewReply(ticket_id, text, send_key=f"demo:{story.n}:{turn}"), by=agent, at=at)


def _customer_answers(story: _Story, received: Any, at: datetime) -> None:
    text = story.chance.choice(company.THANKS[story.text["lang"]]).format(n=10_000 + story.n * 37)
    with clock.stopped(at):
        message = _message(story, 1, text, thread_id=received.thread_id)
        threads.receive(Incoming(story.channel.pk, message), at=at)
        settle()


def _comment(story: _Story, ticket_id: int, agent: User, at: datetime) -> None:
    other = story.chance.choice(
        [name for name, user in story.staff.by_username.items() if user.pk != agent.pk]
    )
    with clock.stopped(at):
        replies.comment(ticket_id, story.chance.choice(company.COMMENTS).format(who=other), by=agent, at=at)
        ada = story.staff.by_username["ada"]
        Follower.objects.get_or_create(account_id=story.account.pk, ticket_id=ticket_id, user_id=ada.pk)


# ── how it stands today ──────────────────────────────────────────────────────────────────────────────────────────────


def _automate(account: Account, staff: Staff, now: datetime) -> None:
    """Lanes on the support pipeline, switched on two days ago, so that runs are under way."""
    by = staff.by_username["ada"].pk
    stages = {stage.key: stage.id for stage in pipelines_of("ticket").default.stages}
    lanes.add_step("ticket", stages["1"], "send_email", {"template": "ticket_received"}, by=by)
    waiting = lanes.add_step("ticket", stages["2"], "delay", {"minutes": 3 * 24 * 60}, by=by)
    lanes.add_step(
        "ticket",
        stages["2"],
        "create_task",
        {
            "title": "Ask {{ contact.first_name }} whether #{{ ticket.number }} is solved",
            "due_in_minutes": 1440,
        },
        after="1",
        by=by,
    )
    lanes.add_step(
        "ticket",
        stages["3"],
        "internal_email",
        {"owner": True, "subject": "{{ contact.name }} answered #{{ ticket.number }}"},
        by=by,
    )
    fork_lane(stages["3"], by)
    closed = lanes.add_step("ticket", stages["4"], "send_email", {"template": "ticket_closed"}, by=by)
    comments.add(closed, "1", "Shall we add the survey link here?", by=staff.by_username["mette"].pk)
    for stage in ("1", "2", "4"):
        lane = lanes.lane_of(stages[stage], "ticket")
        assert lane is not None
        workflows.switch(lane, True)
    Workflow.objects.filter(pk=waiting.pk).update(on_since=now - LIVE)


def fork_lane(stage_id: int, by: int) -> None:
    """Behind the first step of a lane: what is urgent becomes a task at once, the rest after a day without an answer; that lane is off."""
    is_high = AnyOf((AllOf((Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",)),)),))
    urgent = IfThen("", (Branch("Urgent", is_high),))
    task = Action("", "create_task", {"title": "Call {{ contact.first_name }}", "assignee": "owner"})
    wait = Delay("", UntilEvent(EventMatch("ticket.reply_sent"), timedelta(days=1)))
    for step, place in ((urgent, Place("1")), (task, Place("2", "0")), (wait, Place("2", "default"))):
        lanes.put_step("ticket", stage_id, partial(edit.insert, step=step, at=place), by=by)
    late = Place("4", "otherwise")
    lanes.put_step("ticket", stage_id, lambda found: (edit.go_to(found, late, "3"), ""), by=by)


def _set_hours(account: Account, staff: Staff, now: datetime) -> None:
    """Most are in, Giulia is out of office, Priya is away; Emma keeps office hours."""
    office = WeeklyHours(company.ZONE, tuple(Block(day, 8 * 60, 16 * 60) for day in range(5)))
    availability.set_hours(account.pk, staff.by_username["emma"].pk, office, by=SYSTEM)
    availability.set_out_of_office(
        account.pk,
        staff.by_username["giulia"].pk,
        now - timedelta(days=1),
        now + timedelta(days=4),
        by=SYSTEM,
    )
    availability.set_by_hand(account.pk, staff.by_username["priya"].pk, Status.AWAY, by=SYSTEM)

"""Replays: what a workflow would have done, from the log alone; nothing is touched."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Account
from deskhand.accounts.policy import viewer_for
from deskhand.automation import enroll, templates, triggers, workflows
from deskhand.automation.actions.once import reading_once
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Delay,
    Edge,
    Ends,
    EventMatch,
    Every,
    ForAmount,
    IfThen,
    Leaving,
    Manual,
    Reenrollment,
    UntilEvent,
    UntilProperty,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    WhileInside,
)
from deskhand.automation.enrolling import by_hand, schedules, standing
from deskhand.automation.enrolling.index import Entry
from deskhand.automation.enrolling.leaving import TAKEN_OVER
from deskhand.automation.models import Enrollment, Replay, ReplayEffect, ReplayRun, StepLog, Workflow
from deskhand.automation.replay import keeping, replays
from deskhand.automation.replay.limits import Today, limits_of
from deskhand.automation.replay.others import TAKES_OVER
from deskhand.automation.replay.play import Play, Surroundings
from deskhand.automation.runner import Runner
from deskhand.automation.runner import go as move
from deskhand.automation.tests.test_trial import everything
from deskhand.crm.filters.types import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    Operator,
    Span,
    Unit,
    Window,
)
from deskhand.crm.records import store
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events.dispatch import Dispatcher
from deskhand.events.queries import Log
from deskhand.events.types import Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import attempt, current_scope, read_only
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.jobs import Job, Later
from deskhand.kernel.models import Timer as KernelTimer
from deskhand.kernel.timers import TimerLoop

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
BILLING = Filter("hs_ticket_category", Kind.ENUM, Operator.ANY_OF, ("BILLING_ISSUE",))
OLD = Filter("createdate", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(2, Unit.DAY),))
TICK = timedelta(microseconds=1)


class Life:
    """Lets an account live through a stretch of time, moment by moment, with its automation running."""

    def __init__(self, world):
        self.world, self.account_id = world, world.account.pk
        self.at = MONDAY
        self.sweeps = []  # moments at which the standing condition of the workflow is looked at anew

    def flow(self, trigger, *steps, **more):
        definition = Definition(
            "ticket", trigger, start=Edge(steps[0].id), steps=steps, next_id=len(steps) + 1, **more
        )
        made = workflows.create(self.account_id, "Flow", definition, by=self.world.ada.pk)
        with clock.stopped(MONDAY - timedelta(days=1)):
            return workflows.switch(made, True)

    def go_to(self, moment):
        """Whoever is due before it goes on when the time comes."""
        while True:
            ring = (
                KernelTimer.objects.filter(kind=schedules.FIRE, due_at__lte=moment).order_by("due_at").first()
            )
            due = Enrollment.objects.filter(state="DUE", due_at__lte=moment).order_by("due_at", "id").first()
            sweep = min((at for at in self.sweeps if at <= moment), default=None)
            moments = [one.due_at for one in (due, ring) if one] + ([sweep] if sweep else [])
            if not moments:
                break
            at = max(min(moments), self.at)
            if due is None or due.due_at > min(moments):
                self.ring(at, sweep if sweep == min(moments) else ring)
                continue
            with clock.stopped(at):
                move(self.account_id, Runner().claim(self.account_id, 1, only=due.pk), at)
                self.tell()
        self.at = moment

    def ring(self, at, what):
        """A schedule fires, or time alone may have turned a condition."""
        with clock.stopped(at):
            if isinstance(what, datetime):
                self.sweeps.remove(what)
                due = [
                    timers.DueTimer(0, self.account_id, standing.SWEEP, str(w.pk), at, {})
                    for w in Workflow.objects.all()
                ]
                enroll.sweep(self.account_id, due)
            else:
                TimerLoop().work(self.account_id, TimerLoop().claim(self.account_id, 1, only=what.pk))
            self.tell()

    def do(self, moment, act):
        self.go_to(moment)
        with clock.stopped(moment):
            done = act()
            self.tell()
        self.go_to(moment)
        return done

    def tell(self):
        for _ in range(3):
            current_scope().notes.pop("events.rounds", None)
            run_hooks()
            while Dispatcher().run_once():
                run_hooks()

    def set(self, ticket, **values):
        store.change("ticket", ticket.pk, values, by=Actor.user(self.world.ada.pk))


@pytest.fixture
def life(world, wired):
    templates.ensure_defaults(world.account.pk)
    return Life(world)


def play(flow, until, definition=None, since=MONDAY - timedelta(hours=1), zone="UTC"):
    definition = definition or workflows.definition_of(flow)
    entry = Entry(flow.pk, flow.object_type, flow.revision_number, since, definition)
    playing = Play(flow.account_id, entry, until, Surroundings(zone))
    effects, runs = [], {}
    while not playing.is_over:
        with reading_once(), read_only():
            page = playing.page()
            effects += page.effects
            runs |= {one.number: one for one in page.runs}
    return effects, [runs[number] for number in sorted(runs)]


def would(effects):
    return sorted((one.record_id, one.at, one.step_id, one.status.value, one.message) for one in effects)


def did(flow):
    kinds = ("set_property", "create_task", "send_email", "create_note")
    found = StepLog.objects.filter(workflow_id=flow.pk, kind__in=kinds)
    return sorted((one.record_id, one.at, one.step_id, one.status, one.message) for one in found)


def ways(flow):
    """Each run that was, as the replay tells them."""
    return sorted(
        (one.record_id, one.enrolled_at, one.end_reason, one.ended_at, one.step_id if not one.end_reason else "")
        for one in Enrollment.objects.filter(workflow=flow)
    )  # fmt: skip


def would_go(runs):
    return sorted(
        (one.record_id, one.entered_at, one.end_reason, one.ended_at, one.position.partition(">")[0] if not one.end_reason else "")
        for one in runs
    )  # fmt: skip


def task(step_id, following=None, title="Call"):
    return Action(str(step_id), "create_task", {"title": title}, Edge(str(following)) if following else None)


def sets(step_id, following=None, **values):
    [(name, value)] = values.items()
    return Action(
        str(step_id), "set_property", {"property": name, "value": value}, Edge(str(following)) if following else None
    )  # fmt: skip


def changes(property, *after):
    kind, about = triggers.property_changed("ticket", properties_of("ticket")[property], after=after)
    return EventMatch(kind, about)


def changed(property, *after):
    return WhenEvent((changes(property, *after),))


def stories(world):
    """A workflow of each sort that the replay must tell exactly as it was."""
    created = EventMatch("ticket.created")
    return {
        "event, branch and task": (
            WhenEvent((created,), refine=HIGH),
            (
                IfThen("1", (Branch("Billing", BILLING, Edge("2")),), Edge("3")),
                task(2, title="Billing {{ ticket.subject }}"),
                task(3, title="Other"),
            ),
            {},
        ),
        "a delay, then what stands then": (
            WhenEvent((created,)),
            (
                Delay("1", ForAmount(timedelta(hours=30)), Edge("2")),
                IfThen("2", (Branch("High", HIGH, Edge("3")),), Edge("4")),
                task(3, title="Still high"),
                sets(4, hs_ticket_priority="LOW"),
            ),
            {},
        ),
        "a change, again each time": (
            changed("hs_ticket_priority"),
            (Delay("1", ForAmount(timedelta(hours=2)), Edge("2")), task(2)),
            {"reenrollment": Reenrollment(True, (), WhileInside.RESTART)},
        ),
        "a change, one after another": (
            changed("hs_ticket_priority", "HIGH", "LOW"),
            (Delay("1", ForAmount(timedelta(hours=20)), Edge("2")), task(2)),
            {"reenrollment": Reenrollment(True, (), WhileInside.QUEUE)},
        ),
        "beside each other": (
            changed("hs_ticket_category"),
            (Delay("1", ForAmount(timedelta(hours=40)), Edge("2")), task(2)),
            {"reenrollment": Reenrollment(True, (), WhileInside.PARALLEL)},
        ),
        "a standing condition": (
            WhenTrue(AllOf((HIGH, BILLING))),
            (
                sets(1, 2, hs_resolution="ISSUE_FIXED"),
                Delay("2", ForAmount(timedelta(days=1)), Edge("3")),
                task(3),
            ),
            {},
        ),
        "a standing condition, again": (
            WhenTrue(AllOf((HIGH, BILLING))),
            (task(1),),
            {"reenrollment": Reenrollment(True, (HIGH,))},
        ),
        "who no longer meets it leaves": (
            WhenTrue(HIGH),
            (Delay("1", ForAmount(timedelta(hours=36)), Edge("2")), task(2)),
            {"leaving": Leaving(when_trigger_fails=True)},
        ),
        "a goal": (
            WhenEvent((created,)),
            (Delay("1", ForAmount(timedelta(days=2)), Edge("2")), task(2)),
            {"leaving": Leaving(goal=AllOf((HIGH, BILLING)))},
        ),
        "a wait for something": (
            WhenEvent((created,)),
            (
                Delay(
                    "1",
                    UntilEvent(changes("hs_ticket_category"), timedelta(days=1)),
                    Edge("2"),
                    Edge("3"),
                ),
                task(2, title="It happened"),
                task(3, title="It did not"),
            ),
            {},
        ),
        "a wait for what it does itself, in a circle": (
            WhenEvent((created,)),
            (
                sets(1, 2, hs_ticket_priority="HIGH"),
                Delay("2", UntilEvent(changes("hs_ticket_priority"), timedelta(hours=30)), Edge("3"), Edge("5")),
                sets(3, 4, hs_ticket_priority="LOW"),
                Delay("4", UntilEvent(changes("hs_ticket_priority"), timedelta(hours=30)), Edge("1", is_goto=True), Edge("5", is_goto=True)),
                task(5, title="It rests"),
            ),
            {},
        ),
        "a wait that is cancelled": (
            WhenEvent((created,)),
            (
                Delay("1", ForAmount(timedelta(days=2)), Edge("2"), Edge("3"), cancel_if=HIGH),
                task(2, title="Nobody was in a hurry"),
                task(3, title="Somebody was"),
            ),
            {},
        ),
        "what it does starts it again": (
            changed("hs_ticket_priority", "HIGH"),
            (
                sets(1, 2, hs_ticket_priority="MEDIUM"),
                Delay("2", ForAmount(timedelta(hours=5)), Edge("3")),
                sets(3, hs_ticket_priority="HIGH"),
            ),
            {"reenrollment": Reenrollment(True)},
        ),
        "a status, with all that it brings": (
            changed("hs_ticket_category", "BILLING_ISSUE"),
            (
                sets(1, 2, hs_pipeline_stage=str(world.stage("Closed"))),
                IfThen("2", (Branch("Closed", Filter("hs_is_closed", Kind.BOOL, Operator.ANY_OF, (True,)), Edge("3")),)),
                task(3, title="It is closed"),
            ),
            {},
        ),
        "every day": (
            WhenScheduled(HIGH, Every.DAY, 8 * 60),
            (task(1, 2), Delay("2", ForAmount(timedelta(hours=30)), Edge("3")), sets(3, hs_ticket_priority="LOW")),
            {"reenrollment": Reenrollment(True)},
        ),
        "some days of the week, once each": (
            WhenScheduled(AnyOf((HIGH, BILLING)), Every.WEEK, 13 * 60 + 30, weekdays=(1, 3)),
            (task(1, 2), sets(2, hs_ticket_category="GENERAL_INQUIRY")),
            {},
        ),
        "a day of the month": (WhenScheduled(EVERYTHING, Every.MONTH, 9 * 60, day=5), (task(1),), {}),
        "a day of the year": (WhenScheduled(BILLING, Every.YEAR, 0, day=6, month=3), (task(1),), {"leaving": Leaving(condition=HIGH)}),
        "days after a date": (
            WhenDated(BILLING, "closed_date", 1, 10 * 60), (task(1),), {"reenrollment": Reenrollment(True)},
        ),
        "when it has been there for two days": (
            WhenTrue(AllOf((HIGH, OLD))),
            (task(1, 2), sets(2, hs_ticket_priority="MEDIUM")),
            {"reenrollment": Reenrollment(True)},
        ),
        "the day after": (
            WhenTrue(Filter("createdate", Kind.DATETIME, Operator.WITHIN, (Window.YESTERDAY,))), (task(1),), {},
        ),
        "a date that comes near": (
            WhenTrue(Filter("closed_date", Kind.DATETIME, Operator.LESS_THAN_AHEAD, (Span(12, Unit.HOUR),))),
            (task(1, 2), Delay("2", ForAmount(timedelta(hours=3)), Edge("3")), sets(3, closed_date="2026-03-09T12:00:00+00:00")),
            {"reenrollment": Reenrollment(True)},
        ),
        "ways by age": (
            WhenEvent((created,)),
            (
                Delay("1", ForAmount(timedelta(hours=47)), Edge("2"), Edge("5"), cancel_if=AllOf((HIGH, Filter("createdate", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(1, Unit.DAY),))))),
                IfThen("2", (Branch("Old", OLD, Edge("3")),), Edge("4")),
                task(3, title="Old"),
                Delay("4", ForAmount(timedelta(hours=2)), Edge("2", is_goto=True)),
                task(5, title="Hurry"),
            ),
            {},
        ),
        "a mail": (
            WhenEvent((created,)),
            (Action("1", "send_email", {"template": "ticket_received"}, Edge("2")), task(2)),
            {},
        ),
    }  # fmt: skip


def live_a_week(life, seed, *, with_dates=False):
    """Some tickets, of which now and then something is changed, by people."""
    life.sweeps += [datetime(2026, 3, day, tzinfo=UTC) for day in range(3, 15)]
    chance = random.Random(seed)
    made: list[Ticket] = []
    moment = MONDAY
    contact = life.world.contact()
    for _turn in range(40):
        moment += timedelta(minutes=chance.randrange(5, 400))
        if len(made) < 8 and (not made or chance.random() < 0.25):
            values = {
                "priority": chance.choice([None, "LOW", "HIGH"]),
                "category": chance.choice([None, "BILLING_ISSUE"]),
                "contact_id": contact.pk, "channel_account_id": life.world.channel.pk,
            }  # fmt: skip
            made.append(life.do(moment, lambda v=values: life.world.ticket(f"No. {len(made)}", **v)))
            life.sweeps.append(moment + timedelta(days=2, microseconds=1))
            continue
        ticket = chance.choice(made)
        values = chance.choice([
            {"priority": chance.choice(["LOW", "HIGH", "MEDIUM"])}, {"category": chance.choice(["BILLING_ISSUE", "PRODUCT_ISSUE"])},
            {"priority": "HIGH", "category": "BILLING_ISSUE"}, {"subject": f"Other {chance.random()}"},
        ])  # fmt: skip
        if with_dates and chance.random() < 0.5:
            values = {"closed_at": moment + timedelta(hours=chance.randrange(-40, 60))}
            life.sweeps += [
                at
                for at in (values["closed_at"] - timedelta(hours=12) + TICK, values["closed_at"] + TICK)
                if at > moment
            ]
        life.do(moment, lambda t=ticket, v=values: life.set(t, **v))
    life.go_to(moment + timedelta(hours=10))
    return moment + timedelta(hours=10, seconds=1)


NAMES = (
    "event, branch and task", "a delay, then what stands then", "a change, again each time", "a change, one after another",
    "beside each other", "a standing condition", "a standing condition, again", "who no longer meets it leaves", "a goal",
    "a wait for something", "a wait for what it does itself, in a circle", "a wait that is cancelled", "what it does starts it again", "a status, with all that it brings", "a mail",
    "every day", "some days of the week, once each", "a day of the month", "a day of the year", "days after a date",
    "when it has been there for two days", "the day after", "a date that comes near", "ways by age",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_of_what_happened_tells_what_happened(life, name):
    trigger, steps, more = stories(life.world)[name]
    flow = life.flow(trigger, *steps, **more)
    until = live_a_week(life, name, with_dates="date" in name)
    effects, runs = play(flow, until)
    assert would(effects) == did(flow)
    assert would_go(runs) == ways(flow)
    assert len(effects) > 1


@pytest.mark.parametrize(("ends", "is_said"), [(None, False), (Ends(), True), (Ends((7,)), True)])
def test_that_others_that_are_left_go_on_as_they_did_is_said_R_UN_6(world, ends, is_said):
    told = limits_of(Definition("ticket", leaving=Leaving(ends=ends))).today
    assert (Today.OTHERS in told) is is_said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Associated("contact", EVERYTHING), {Today.LINKS}),
        (Associated("task", EVERYTHING), {Today.ACTIVITIES}),
        (Associated("contact", Associated("task", EVERYTHING)), {Today.LINKS, Today.ACTIVITIES}),
    ],
)
def test_that_what_is_linked_is_read_as_it_is_today_is_said_where_any_of_it_will_do(world, asked, said):
    told = limits_of(Definition("ticket", leaving=Leaving(goal=asked))).today
    assert {one for one in told if one in (Today.LINKS, Today.ACTIVITIES)} == said


@pytest.fixture
def leavers(life):
    """Two workflows that hold new tickets for days, and one that takes those over that become urgent."""
    waits = Delay("1", ForAmount(timedelta(days=3)), Edge("2"))
    first, second = (
        life.flow(WhenEvent((EventMatch("ticket.created"),)), waits, task(2, title=name))
        for name in ("A", "B")
    )
    for one, name in ((first, "First"), (second, "Second")):
        Workflow.objects.filter(pk=one.pk).update(name=name)
    over = life.flow(
        WhenEvent((changes("hs_ticket_priority", "HIGH"),)), task(1), leaving=Leaving(ends=Ends())
    )
    return first, second, over


def take_overs(effects):
    return sorted(
        (one.record_id, one.at, one.step_id, one.message) for one in effects if one.kind == TAKES_OVER
    )


def urgent(life):
    """A ticket that becomes urgent after an hour, one after four days, and one that never does."""
    tickets = [life.do(MONDAY, lambda name=name: life.world.ticket(name)) for name in ("1", "2", "3")]
    life.do(MONDAY + timedelta(hours=1), lambda: life.set(tickets[0], priority="HIGH"))
    life.do(MONDAY + timedelta(days=4), lambda: life.set(tickets[1], priority="HIGH"))
    return tickets


def test_who_enters_leaves_the_others_in_a_replay_too_R_UN_6(life, leavers):
    """As it happened; whoever is not inside any more leaves nothing, and named ones alone are left where some are named."""
    first, second, over = leavers
    ticket, *_others = urgent(life)
    until = MONDAY + timedelta(days=5)

    effects, runs = play(over, until)

    at = MONDAY + timedelta(hours=1)
    assert take_overs(effects) == [
        (ticket.pk, at, f"@{first.pk}", "Leaves “First”."), (ticket.pk, at, f"@{second.pk}", "Leaves “Second”."),
    ]  # fmt: skip
    really = Enrollment.objects.filter(end_reason="taken_over").values_list(
        "record_id", "ended_at", "workflow_id"
    )
    assert sorted(really) == [(ticket.pk, at, first.pk), (ticket.pk, at, second.pk)]
    assert [line.step_id for line in runs[0].path][:3] == [f"@{first.pk}", f"@{second.pk}", "1"]
    some = replace(workflows.definition_of(over), leaving=Leaving(ends=Ends((second.pk,))))
    effects, _runs = play(over, until, some)
    assert [one[2] for one in take_overs(effects)] == [f"@{second.pk}"]


def test_one_leaves_another_once_and_those_queued_leave_at_once_in_a_replay_R_UN_6(life, leavers):
    first, second, over = leavers
    stays = Delay("1", ForAmount(timedelta(days=1)), Edge("2"))
    again = Definition(
        "ticket", WhenEvent((EventMatch("ticket.updated"),)), Reenrollment(True, while_inside=WhileInside.QUEUE), Leaving(ends=Ends()),
        start=Edge("1"), steps=(stays, task(2)), next_id=3,
    )  # fmt: skip
    ticket = life.do(MONDAY, lambda: life.world.ticket("1"))
    life.do(MONDAY + timedelta(hours=1), lambda: life.set(ticket, priority="HIGH"))
    third = life.flow(Manual(), Delay("1", ForAmount(timedelta(days=9)), Edge("2")), task(2))
    life.do(
        MONDAY + timedelta(hours=2),
        lambda: by_hand.enroll_by_hand(viewer_for(life.account_id, life.world.ada.pk), third.pk, [ticket.pk]),
    )
    life.do(MONDAY + timedelta(hours=3), lambda: life.set(ticket, category="BILLING_ISSUE"))

    effects, runs = play(over, MONDAY + timedelta(days=5), again)

    mine = [one[1:3] for one in take_overs(effects) if one[0] == ticket.pk]
    assert mine == [
        (MONDAY + timedelta(hours=1), f"@{first.pk}"), (MONDAY + timedelta(hours=1), f"@{second.pk}"),
        (MONDAY + timedelta(hours=3), f"@{third.pk}"),
    ]  # fmt: skip
    assert len([one for one in runs if one.record_id == ticket.pk]) == 2


def test_leaving_others_stands_beside_what_happened_and_survives_a_kill_R_UN_6(life, leavers):
    first, second, over = leavers
    ticket, *_others = urgent(life)
    now = MONDAY + timedelta(days=5)
    some = replace(workflows.definition_of(over), leaving=Leaving(ends=Ends((first.pk,))))
    with clock.stopped(now):
        replay = replays.start(over, some, days=7, is_draft=True, by=life.world.ada.pk, now=now)
        replays.run(Job(1, life.account_id, {"replay": replay.pk}, threading.Event()))

    replay.refresh_from_db()
    assert replay.totals["kinds"][TAKES_OVER] == {"SAME": 1, "GONE": 1}
    found = ReplayEffect.objects.filter(replay=replay, kind=TAKES_OVER).order_by("step_id")
    assert [(one.step_id, one.verdict, one.really) for one in found] == [
        (f"@{first.pk}", "SAME", "Left “First”."), (f"@{second.pk}", "GONE", "Left “Second”."),
    ]  # fmt: skip
    entry = Entry(over.pk, "ticket", 1, replay.since, some)
    playing, again = (Play(life.account_id, entry, replay.until, Surroundings("UTC")) for _ in range(2))
    while not playing.taken:
        with reading_once():
            playing.page()
    replay.kept = keeping._kept(playing)
    keeping.go_on(replay, again)
    assert again.taken == playing.taken == {Enrollment.objects.get(workflow=first, record_id=ticket.pk).pk}


@pytest.mark.parametrize(
    "name",
    [
        "a delay, then what stands then", "a change, again each time", "a change, one after another", "beside each other",
        "a standing condition", "who no longer meets it leaves", "a goal", "a wait for something", "what it does starts it again",
    ],
)  # fmt: skip
def test_whom_others_took_over_leaves_in_a_replay_too_R_UN_6(life, name):
    """Runs that wait or queue end as their record enters the other, but for those that begin by the very same event."""
    trigger, steps, more = stories(life.world)[name]
    flow = life.flow(trigger, *steps, **more)
    life.flow(
        WhenEvent((changes("hs_ticket_category"), changes("subject"))), task(1), reenrollment=Reenrollment(True), leaving=Leaving(ends=Ends())
    )  # fmt: skip
    until = live_a_week(life, name)

    effects, runs = play(flow, until)

    given_up = [(one.record_id, one.at) for one in effects if one.kind == TAKEN_OVER]
    assert would(one for one in effects if one.kind != TAKEN_OVER) == did(flow)
    assert would_go(runs) == ways(flow)
    assert sorted(given_up) == sorted((one[0], one[3]) for one in ways(flow) if one[2] == TAKEN_OVER)
    assert given_up


def test_a_run_that_is_taken_over_says_by_whom_and_when_R_UN_6(life, leavers):
    """Who entered the other only after its run here was over has nothing to leave."""
    first, _second, over = leavers
    ticket, *_others = urgent(life)

    effects, runs = play(first, MONDAY + timedelta(days=5))

    at, said = MONDAY + timedelta(hours=1), "Leaves on entering “Flow”."
    given_up = [
        (one.record_id, one.run, one.at, one.step_id, one.message)
        for one in effects
        if one.kind == TAKEN_OVER
    ]
    assert given_up == [(ticket.pk, 1, at, f"^{over.pk}", said)]
    assert (runs[0].path[-1].values["message"], runs[0].end_reason, runs[0].ended_at) == (
        said,
        TAKEN_OVER,
        at,
    )
    assert [one.end_reason for one in runs] == [TAKEN_OVER, "completed", "completed"]


def test_only_those_that_named_it_then_take_records_over_R_UN_6(life, leavers):
    """One names another workflow alone; one began to take over later than its first record came."""
    first, second, over = leavers
    definition = workflows.definition_of(over)
    named = replace(definition, leaving=Leaving(ends=Ends((second.pk,))))
    with clock.stopped(MONDAY - timedelta(hours=2)):
        over = workflows.save(over, named)
    one, other, _third = [life.do(MONDAY, lambda name=name: life.world.ticket(name)) for name in "123"]
    life.do(MONDAY + timedelta(hours=1), lambda: life.set(one, priority="HIGH"))
    life.do(MONDAY + timedelta(hours=2), lambda: workflows.save(over, definition))
    life.do(MONDAY + timedelta(hours=3), lambda: life.set(other, priority="HIGH"))
    until = MONDAY + timedelta(days=5)
    life.go_to(until)

    assert [run.record_id for run in play(second, until)[1] if run.end_reason == TAKEN_OVER] == [
        one.pk,
        other.pk,
    ]
    _effects, runs = play(first, until)
    assert [run.record_id for run in runs if run.end_reason == TAKEN_OVER] == [other.pk]
    assert would_go(runs) == ways(first)


def test_what_was_heard_late_takes_over_nobody_who_came_by_something_later_R_UN_6(life):
    """The other let the record in ten minutes late; meanwhile something newer would have begun a run here."""
    waits = Delay("1", ForAmount(timedelta(days=1)), Edge("2"))
    flow = life.flow(changed("hs_ticket_category"), waits, task(2))
    over = life.flow(changed("hs_ticket_priority"), task(1), leaving=Leaving(ends=Ends()))
    ticket, other = (life.do(MONDAY, lambda name=name: life.world.ticket(name)) for name in "12")
    for minute, one, values in (
        (0, ticket, {"priority": "HIGH"}), (0, other, {"category": "BILLING_ISSUE"}), (1, other, {"priority": "HIGH"}),
        (5, ticket, {"category": "BILLING_ISSUE"}),
    ):  # fmt: skip
        life.do(MONDAY + timedelta(minutes=minute), lambda one=one, values=values: life.set(one, **values))
    Enrollment.objects.filter(workflow=over).update(enrolled_at=MONDAY + timedelta(minutes=10))

    _effects, runs = play(flow, MONDAY + timedelta(days=2))

    assert [(run.record_id, run.end_reason) for run in runs] == [
        (other.pk, TAKEN_OVER),
        (ticket.pk, "completed"),
    ]


def test_what_it_brought_about_itself_takes_over_where_it_would_again_R_UN_6(life):
    """It set the category, which let the ticket into another workflow that took it over. A draft that sets none goes on."""
    created = WhenEvent((EventMatch("ticket.created"),))
    waits = Delay("2", ForAmount(timedelta(days=1)), Edge("3"))
    flow = life.flow(created, sets(1, 2, hs_ticket_category="BILLING_ISSUE"), waits, task(3))
    life.flow(changed("hs_ticket_category", "BILLING_ISSUE"), task(1), leaving=Leaving(ends=Ends()))
    life.do(MONDAY, lambda: life.world.ticket())
    until = MONDAY + timedelta(days=2)

    assert would_go(play(flow, until)[1]) == ways(flow)
    assert [end for _pk, _at, end, *_rest in ways(flow)] == [TAKEN_OVER]
    draft = Definition("ticket", created, start=Edge("2"), steps=(waits, task(3)), next_id=4)
    assert [run.end_reason for run in play(flow, until, draft)[1]] == ["completed"]


def test_who_is_sent_to_a_workflow_that_takes_over_does_no_later_step_R_UN_6(life):
    over = life.flow(Manual(), task(1), leaving=Leaving(ends=Ends()))
    sends = Action("1", "enroll_in_workflow", {"workflow": str(over.pk)}, Edge("2"))
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), sends, task(2))
    life.do(MONDAY, lambda: life.world.ticket())

    effects, runs = play(flow, MONDAY + timedelta(days=1))

    assert would_go(runs) == ways(flow)
    assert [(one.kind, one.step_id) for one in effects] == [
        ("enroll_in_workflow", "1"),
        (TAKEN_OVER, f"^{over.pk}"),
    ]


def test_who_goes_over_to_another_workflow_leaves_this_one_in_a_replay(life):
    other = life.flow(Manual(), task(1))
    goes = Action("1", "enroll_in_workflow", {"workflow": str(other.pk), "then": "go"}, Edge("2"))
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), goes, task(2))
    life.do(MONDAY, lambda: life.world.ticket())

    effects, runs = play(flow, MONDAY + timedelta(days=1))

    assert would_go(runs) == ways(flow)
    assert [one.message for one in effects] == ["Go over to “Flow”"]
    with clock.stopped(MONDAY + timedelta(days=1)):
        Workflow.objects.filter(pk=other.pk).update(archived_at=clock.now())
        [gone] = play(flow, MONDAY + timedelta(days=1))[0][:1]
    assert (gone.status.value, gone.message) == ("FAILED", "The workflow is not there any more.")


def test_being_taken_over_stands_beside_what_happened_R_UN_6(life, leavers):
    """The draft waits five days: the ticket that became urgent on the fourth would have left, too. It is no step of a day."""
    first, _second, over = leavers
    urgent(life)
    steps = (Delay("1", ForAmount(timedelta(days=5)), Edge("2")), task(2))
    draft = replace(workflows.definition_of(first), steps=steps)
    now = MONDAY + timedelta(days=6)
    life.go_to(now)
    with clock.stopped(now):
        before = {table: rows for table, rows in everything().items() if table not in OWN}
        found = replayed(first, draft, now)
        assert {table: rows for table, rows in everything().items() if table not in OWN} == before

    assert found.totals["kinds"][TAKEN_OVER] == {"SAME": 1, "NEW": 1}
    assert found.totals["others"] == {TAKEN_OVER: [["Flow", 2]]}
    assert found.totals["days"] == {"2026-03-05": [0, 1], "2026-03-07": [1, 1]}
    rows = ReplayEffect.objects.filter(replay=found, kind=TAKEN_OVER).order_by("at")
    assert [(one.verdict, one.really) for one in rows] == [("SAME", "Left on entering “Flow”."), ("NEW", "")]
    with clock.stopped(now):
        short = replace(draft, steps=(Delay("1", ForAmount(timedelta(minutes=5)), Edge("2")), task(2)))
        found = replayed(first, short, now)
    gone = ReplayEffect.objects.get(replay=found, kind=TAKEN_OVER)
    assert (gone.verdict, gone.message, gone.step_id) == ("GONE", "", f"^{over.pk}")


def test_the_questions_do_not_grow_with_those_who_were_taken_over_R_UN_6(life, leavers):
    first, _second, _over = leavers

    def live(first_minute, count):
        for number in range(count):
            moment = MONDAY + timedelta(minutes=first_minute + number)
            ticket = life.do(moment, lambda: life.world.ticket())
            life.do(moment + timedelta(seconds=30), lambda ticket=ticket: life.set(ticket, priority="HIGH"))

    def asked():
        with CaptureQueriesContext(connection) as found:
            effects, _runs = play(first, MONDAY + timedelta(hours=1), since=MONDAY)
        return len([one for one in effects if one.kind == TAKEN_OVER]), len(found)

    live(0, 2)
    few = asked()
    live(10, 20)
    many = asked()
    assert (few[0], many[0]) == (2, 22)
    assert many[1] == few[1]


def test_a_replay_knows_days_in_the_accounts_zone(life):
    """R-DELAY-5, R-RE-4: 1 March, 13:00 in UTC is the 2nd in Auckland."""
    Account.objects.filter(pk=life.account_id).update(zone="Pacific/Auckland")
    second = Filter("closed_date", Kind.DATETIME, Operator.ON, (date(2026, 3, 2),))
    waits = Delay("1", UntilEvent(EventMatch("ticket.property_changed", second)), Edge("2"))
    flows = [
        life.flow(WhenEvent((EventMatch("ticket.created"),)), waits, task(2)),
        life.flow(WhenTrue(second), task(1), reenrollment=Reenrollment(True, (second,))),
    ]
    ticket = life.do(MONDAY, lambda: life.world.ticket("No. 1"))
    moment = MONDAY
    for day, hour in ((1, 5), (1, 13), (2, 5)):
        moment += timedelta(hours=1)
        life.do(moment, lambda at=datetime(2026, 3, day, hour, tzinfo=UTC): life.set(ticket, closed_at=at))
    for flow in flows:
        effects, runs = play(flow, moment + timedelta(hours=1), zone="Pacific/Auckland")
        assert would(effects) == did(flow)
        assert would_go(runs) == ways(flow)
        assert [one.at for one in effects] == [MONDAY + timedelta(hours=2)]


def test_a_replay_tells_that_a_delay_looks_at_a_date_without_history(world):
    """R-DELAY-4: messages set it, so that only its value of today is known"""
    delays = [Delay("1", UntilProperty(name, days=3)) for name in ("last_reply_date", "closed_date")]
    without = [limits_of(Definition("ticket", steps=(delay,))).without_history for delay in delays]
    assert without == [("Last customer reply date",), ()]


# ── the past ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_touched_by_a_replay(life):
    trigger, steps, more = stories(life.world)["what it does starts it again"]
    flow = life.flow(trigger, *steps, **more)
    until = live_a_week(life, "untouched")
    before = everything()
    effects, _runs = play(flow, until)
    assert effects
    assert everything() == before


def test_a_replay_can_not_write_even_if_it_tried(world):
    ticket = world.ticket()
    with pytest.raises(DatabaseError), attempt(), read_only():
        Ticket.objects.filter(pk=ticket.pk).update(subject="Other")
    Ticket.objects.filter(pk=ticket.pk).update(subject="Afterwards")
    assert Ticket.objects.get(pk=ticket.pk).subject == "Afterwards"


def test_a_draft_is_replayed_on_records_without_what_the_revision_did_to_them(life):
    """The revision gave them LOW; for the draft that never happened, so HIGH is what it finds."""
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), sets(1, hs_ticket_priority="LOW"))
    ticket = life.do(MONDAY, lambda: life.world.ticket(priority="HIGH"))
    life.go_to(MONDAY + timedelta(days=1))
    assert Ticket.objects.get(pk=ticket.pk).priority == "LOW"
    steps = (
        Delay("1", ForAmount(timedelta(hours=1)), Edge("2")),
        IfThen("2", (Branch("High", HIGH, Edge("3")),), Edge("4")),
        task(3, title="Still high"),
        task(4, title="No longer"),
    )
    draft = Definition("ticket", WhenEvent((EventMatch("ticket.created"),)), start=Edge("1"), steps=steps, next_id=5)  # fmt: skip
    effects, [run] = play(flow, MONDAY + timedelta(days=1), draft)
    assert [(one.at, one.message) for one in effects] == [(MONDAY + timedelta(hours=1), "Still high")]
    assert [(line.step_id, line.what, line.values.get("name")) for line in run.path] == [
        ("1", "delayed", None), ("2", "branch", "High"), ("3", "performed", None), ("3", "ended", None),
    ]  # fmt: skip


def test_a_condition_sees_what_stood_then_and_not_what_stands_now(life):
    ticket = life.do(MONDAY, lambda: life.world.ticket(priority="LOW"))
    life.do(MONDAY + timedelta(hours=1), lambda: life.set(ticket, priority="HIGH"))
    life.do(MONDAY + timedelta(hours=2), lambda: life.set(ticket, priority="MEDIUM"))
    flow = life.flow(WhenTrue(HIGH), task(1))
    effects, _runs = play(flow, MONDAY + timedelta(days=1))
    assert [one.at for one in effects] == [MONDAY + timedelta(hours=1)]


def test_who_was_inside_before_does_not_enter_twice(life):
    """R-RE-1"""
    flow = life.flow(changed("hs_ticket_priority", "HIGH"), task(1))
    ticket = life.do(MONDAY, lambda: life.world.ticket())
    life.do(MONDAY + timedelta(hours=1), lambda: life.set(ticket, priority="HIGH"))
    life.do(MONDAY + timedelta(hours=2), lambda: life.set(ticket, priority="LOW"))
    life.do(MONDAY + timedelta(hours=3), lambda: life.set(ticket, priority="HIGH"))
    later = MONDAY + timedelta(hours=2, minutes=30)
    assert play(flow, MONDAY + timedelta(days=1), since=later) == ([], [])


def test_whom_people_enrolled_then_goes_through_the_draft_too(life):
    flow = life.flow(Manual(), task(1))
    ticket = life.do(MONDAY, lambda: life.world.ticket())
    viewer = viewer_for(life.world.account.pk, life.world.ada.pk)

    life.do(MONDAY + timedelta(hours=1), lambda: by_hand.enroll_by_hand(viewer, flow.pk, [ticket.pk]))

    draft = Definition("ticket", Manual(), start=Edge("1"), steps=(task(1, title="Another"),), next_id=2)
    effects, _runs = play(flow, MONDAY + timedelta(days=1), draft)
    assert [(one.record_id, one.at, one.message) for one in effects] == [
        (ticket.pk, MONDAY + timedelta(hours=1), "Another")
    ]


def test_the_questions_do_not_grow_with_the_records(life):
    trigger, steps, more = stories(life.world)["event, branch and task"]
    flow = life.flow(trigger, *steps, **more)
    contact = life.world.contact()

    def live(first, count):
        for number in range(count):
            moment = MONDAY + timedelta(minutes=first + number)
            life.do(
                moment, lambda: life.world.ticket(priority="HIGH", category="BILLING_ISSUE", contact_id=contact.pk)
            )  # fmt: skip

    def asked(minutes):
        with CaptureQueriesContext(connection) as found:
            effects, _runs = play(flow, MONDAY + timedelta(minutes=minutes), since=MONDAY)
        return len(effects), len(found)

    live(0, 3)
    few = asked(60)
    live(10, 25)
    many = asked(60)
    assert (few[0], many[0]) == (3, 28)
    assert many[1] == few[1]


# ── the job ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def replayed(flow, definition, until, *, stop=None):
    """Started and done by the slow job, as far as it comes."""
    found = replays.start(flow, definition, days=7, is_draft=True, by=1, now=until)
    replays.run(Job(1, flow.account_id, {"replay": found.pk}, stop or threading.Event()))
    found.refresh_from_db()
    return found


def lines(found):
    rows = ReplayEffect.objects.filter(replay=found).order_by("at", "id")
    return [(one.verdict, one.step_id, one.message, one.really) for one in rows]


def test_what_would_have_been_stands_beside_what_was(life):
    """The draft waits no more and tells high ones apart: one task is the same, one another, one is new, a mail is gone."""
    created = WhenEvent((EventMatch("ticket.created"),))
    flow = life.flow(created, task(1, 2), Action("2", "send_email", {"template": "ticket_received"}))
    contact = life.world.contact()
    life.do(
        MONDAY, lambda: life.world.ticket(contact_id=contact.pk, channel_account_id=life.world.channel.pk)
    )
    life.do(MONDAY + timedelta(hours=1), lambda: life.world.ticket(priority="HIGH"))
    until = MONDAY + timedelta(days=1)
    steps = (
        IfThen("3", (Branch("High", HIGH, Edge("4")),), Edge("1")), task(1), sets(4, hs_ticket_category="BILLING_ISSUE"),
    )  # fmt: skip
    draft = Definition("ticket", created, start=Edge("3"), steps=steps, next_id=5)
    found = replayed(flow, draft, until)
    assert (found.state, found.runs, found.events > 1) == ("DONE", 2, True)
    assert lines(found) == [
        ("SAME", "1", "Call", "Call"),
        ("GONE", "2", "", "Sent to astrid@fjallbo.example"),
        ("NEW", "4", "Category: Billing issue", ""),
        ("GONE", "1", "", "Call"),
    ]
    assert found.totals == {
        "days": {"2026-03-02": [2, 3]},
        "kinds": {
            "create_task": {"GONE": 1, "SAME": 1}, "send_email": {"GONE": 1}, "set_property": {"NEW": 1},
        },
    }  # fmt: skip
    assert replays.way(found, 2).path[0]["values"]["name"] == "High"


def test_a_replay_of_what_ran_finds_nothing_new_and_nothing_gone(life):
    trigger, steps, more = stories(life.world)["a change, again each time"]
    flow = life.flow(trigger, *steps, **more)
    until = live_a_week(life, "the same")
    found = replayed(flow, workflows.definition_of(flow), until)
    assert {verdict for verdict, *_rest in lines(found)} == {"SAME"}


OWN = {
    "automation_replay",
    "automation_replayrun",
    "automation_replayeffect",
    "procrastinate_jobs",
    "procrastinate_events",
}


def test_the_job_writes_its_own_tables_alone(life):
    trigger, steps, more = stories(life.world)["a mail"]
    flow = life.flow(trigger, *steps, **more)
    until = live_a_week(life, "the tables")
    before = {table: rows for table, rows in everything().items() if table not in OWN}
    assert replayed(flow, workflows.definition_of(flow), until).runs > 1
    assert {table: rows for table, rows in everything().items() if table not in OWN} == before


def test_a_replay_begun_twice_is_kept_once(life):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    life.do(MONDAY, lambda: life.world.ticket())
    found = replayed(flow, workflows.definition_of(flow), MONDAY + timedelta(days=1))
    once_done = lines(found)
    Replay.objects.filter(pk=found.pk).update(state="RUNNING")
    replays.run(Job(2, flow.account_id, {"replay": found.pk}, threading.Event()))
    assert lines(found) == once_done


class _Killed(BaseException):
    """As if by kill -9: nobody hears of it."""


def killed_after(monkeypatch, pages, is_stored):
    """The worker dies when it has stored so many pages: while the next one is not committed yet, or right after it is."""
    keep, left = keeping.keep, [pages]

    def dying(*told):
        left[0] -= 1
        if left[0] >= 0 or is_stored:
            keep(*told)
        if left[0] < 0:
            raise _Killed

    monkeypatch.setattr(keeping, "keep", dying)


def kept_as(found):
    """All that a replay stored, but for its own number."""
    runs = ReplayRun.objects.filter(replay=found).order_by("number")
    return (
        [(r.number, r.record_id, r.entered_at, r.reason, r.path, r.step_id, r.end_reason, r.ended_at, r.going) for r in runs],
        sorted((e.run_number, e.at, e.record_id, e.step_id, e.status, e.message, str(e.writes), e.verdict, e.really) for e in ReplayEffect.objects.filter(replay=found)),
        (found.state, found.events, found.runs, found.left_out, found.held, found.totals, found.kept),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["a change, one after another", "beside each other", "what it does starts it again", "a mail", "a date that comes near", "every day"],
)  # fmt: skip
def test_a_killed_replay_goes_on_and_comes_to_the_same(life, monkeypatch, name):
    """Whenever it is killed: between any two pages, and again and again."""
    trigger, steps, more = stories(life.world)[name]
    flow = life.flow(trigger, *steps, **more)
    until = live_a_week(life, name, with_dates="date" in name)
    monkeypatch.setattr(Log, "PAGE", 6)
    monkeypatch.setattr(Log, "_MOST", timedelta(hours=9))
    definition = workflows.definition_of(flow)
    at_once = replayed(flow, definition, until)
    assert at_once.state == "DONE"

    found = replays.start(flow, definition, days=7, is_draft=True, by=1, now=until)
    kills = 0
    while found.state in ("QUEUED", "RUNNING"):
        with monkeypatch.context() as once:
            killed_after(once, 1 + kills % 3, kills % 2 == 0)
            try:
                replays.run(Job(1, flow.account_id, {"replay": found.pk}, threading.Event()))
            except _Killed:
                kills += 1
        found.refresh_from_db()
    assert kills > 3
    assert kept_as(found) == kept_as(at_once)


def test_two_workers_at_one_replay_store_each_page_once(life, monkeypatch):
    """One that only seemed dead finds that the other came further, and lets go."""
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    for hour in range(4):
        life.do(MONDAY + timedelta(hours=hour), lambda: life.world.ticket())
    monkeypatch.setattr(Log, "_MOST", timedelta(hours=9))
    found = replays.start(flow, workflows.definition_of(flow), days=7, is_draft=True, by=1, now=MONDAY + timedelta(days=1))  # fmt: skip
    account_id, told = flow.account_id, {"replay": found.pk}

    class Asleep(threading.Event):
        """Between two pages of the one, the other does all of it."""

        times = 0

        def is_set(self):
            self.times += 1
            if self.times == 3:
                replays.run(Job(2, account_id, told, threading.Event()))
            return False

    replays.run(Job(1, account_id, told, Asleep()))
    found.refresh_from_db()
    assert (found.state, found.runs, ReplayEffect.objects.filter(replay=found, verdict="SAME").count()) == ("DONE", 4, 4)  # fmt: skip


def test_a_worker_that_is_to_stop_puts_the_replay_back(life):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Later):
        replayed(flow, workflows.definition_of(flow), MONDAY, stop=stop)
    assert replays.going(flow) is not None


def test_only_one_at_a_time_and_a_cancelled_one_does_nothing_more(life):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    life.do(MONDAY, lambda: life.world.ticket())
    definition = workflows.definition_of(flow)
    until = MONDAY + timedelta(days=1)
    found = replays.start(flow, definition, days=7, is_draft=False, by=1, now=until)
    with pytest.raises(Conflict, match="going on"):
        replays.start(flow, definition, days=7, is_draft=False, by=1, now=until)
    assert replays.cancel(found, until)
    replays.run(Job(1, flow.account_id, {"replay": found.pk}, threading.Event()))
    found.refresh_from_db()
    assert (found.state, lines(found), replays.cancel(found, until)) == ("CANCELLED", [], False)


def test_formatted_data_are_there_for_later_steps(life):
    """What an action only works out is worked out in a replay, too."""
    formatted = Action("1", "format_data", {"function": "upper", "value": "{{ ticket.subject }}"}, Edge("2"))
    flow = life.flow(
        WhenEvent((EventMatch("ticket.created"),)), formatted, task(2, title="{{ step_1.result }}")
    )
    life.do(MONDAY, lambda: life.world.ticket("Chair"))

    effects, _runs = play(flow, MONDAY + timedelta(days=1))

    assert [one.message for one in effects] == ["CHAIR", "CHAIR"]


@pytest.mark.parametrize("days", [0, 8, 365])
def test_other_spans_are_refused(life, days):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    with pytest.raises(Invalid, match="7, 30 or 90"):
        replays.start(flow, workflows.definition_of(flow), days=days, is_draft=False, by=1, now=MONDAY)


def test_replays_are_forgotten_after_a_month(life):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    life.do(MONDAY, lambda: life.world.ticket())
    replayed(flow, workflows.definition_of(flow), MONDAY + timedelta(days=1))
    assert replays.forget_old(flow.account_id, MONDAY + timedelta(days=20)) == 0
    assert replays.forget_old(flow.account_id, MONDAY + timedelta(days=40)) == 1
    assert (Replay.objects.count(), ReplayEffect.objects.count()) == (0, 0)


def test_too_many_are_not_followed_and_it_is_told(life):
    flow = life.flow(WhenEvent((EventMatch("ticket.created"),)), task(1))
    for hour in range(3):
        life.do(MONDAY + timedelta(hours=hour), lambda: life.world.ticket())
    entry = Entry(flow.pk, "ticket", 1, MONDAY, workflows.definition_of(flow))
    playing = Play(flow.account_id, entry, MONDAY + timedelta(days=1), Surroundings("UTC"), most=2)
    while not playing.is_over:
        playing.page()
    assert (playing.count, playing.is_full) == (2, True)

"""How runs are timed, held, left and ended (behaviour.md §10.7, §12.1, §13)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy
from deskhand.accounts.models import Account
from deskhand.automation import (
    budget,
    circles,
    endings,
    leaving,
    pausing,
    retention,
    templates,
    timing,
    waking,
    workflows,
)
from deskhand.automation.actions.create_task import CreateTask
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Definition,
    Delay,
    Edge,
    Ends,
    EventMatch,
    ForAmount,
    IfThen,
    Leaving,
    Missed,
    Reenrollment,
    Timing,
    UntilEvent,
    UntilProperty,
    WhenEvent,
    WhenTrue,
    WhileInside,
)
from deskhand.automation.enrolling import by_hand, guards, index
from deskhand.automation.models import (
    Budget,
    Enrollment,
    EnrollmentState,
    SendingHour,
    StepCall,
    StepLog,
    Workflow,
    WorkflowRevision,
)
from deskhand.automation.runner import Runner
from deskhand.automation.tests.runs import (
    elapse,
    enroll,
    go,
    log_of,
    make,
    make_readable,
    make_unreadable,
    of_its_own,
    task,
)
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.records import archive, associations, companies, contacts, objects, tasks, tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.schema import tags
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Option
from deskhand.crm.segments import members, segments, tag_rules
from deskhand.crm.segments.models import SegmentKind
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import merging, replies, spam, threads
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events import log
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import EventRow, PendingEvent
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.claimer import POLL, SOON
from deskhand.kernel.database.scope import account_scope, current_scope
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Invalid
from deskhand.routing import default_hours
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world

pytestmark = pytest.mark.usefixtures("wired")

HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
TWO_HOURS = ForAmount(timedelta(hours=2))


def set_to(ticket, **values):
    tickets.change_many([Change(ticket.pk, values)], by=SYSTEM, at=clock.now())


def wait(step_id=1, following=2, wait=TWO_HOURS, **more):
    return Delay(str(step_id), wait, Edge(str(following)) if following else None, **more)


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_wf_9_a_window_holds_the_action_and_not_the_delay(world):
    """R-EXEC-3, R-EXEC-5, R-EXEC-6: Thursday and two days is Saturday; it runs on Monday from 9:00 to 9:15."""
    window = tuple(Block(weekday, 9 * 60, 17 * 60) for weekday in range(4))
    made = make(world, wait(wait=ForAmount(timedelta(days=2))), task(2), timing=Timing(window))
    run = enroll(made, world.ticket().pk)
    thursday, monday = datetime(2040, 3, 1, 14, tzinfo=UTC), datetime(2040, 3, 5, 9, tzinfo=UTC)
    with clock.stopped(thursday):
        go()
    run.refresh_from_db()
    assert run.due_at == thursday + timedelta(days=2)

    with clock.stopped(run.due_at):
        elapse(run)

    run.refresh_from_db()
    assert monday <= run.due_at <= monday + timedelta(minutes=15)
    assert Task.objects.count() == 0
    with clock.stopped(run.due_at):
        elapse(run)
    assert Task.objects.count() == 1


def test_a_workflow_goes_off_after_its_last_day_R_EXEC_8(world):
    made = make(world, task(1), timing=Timing(off_after=date(2026, 3, 5)))
    Workflow.objects.update(is_on=False, on_since=None)
    workflows.switch(made, True)
    [timer] = _timers(timing.OFF)
    assert timer.due_at == datetime(2026, 3, 6, tzinfo=UTC)

    with clock.stopped(datetime(2026, 3, 5, 23, tzinfo=UTC)):
        timing.switch_off(world.account.pk, [timer])
    assert Workflow.objects.get().is_on  # somebody moved the day meanwhile

    with clock.stopped(datetime(2026, 3, 6, tzinfo=UTC)):
        timing.switch_off(world.account.pk, [timer])
    assert not Workflow.objects.get().is_on
    assert _timers(timing.OFF) == []


def _timers(kind):
    from deskhand.kernel.models import Timer

    return [
        timers.DueTimer(row.pk, row.account_id, row.kind, row.key, row.due_at, row.payload)
        for row in Timer.objects.filter(kind=kind)
    ]


def test_owners_are_told_of_unusual_rates_once_an_hour_R_EXEC_9(world):
    made = make(world, wait(following=None))
    timing.alert(made, rate_per_hour=2, by=Actor.user(world.ada.pk))
    for n in range(3):
        enroll(made, world.ticket(f"{n}").pk)

    [timer] = _timers(timing.RATES)
    timing.look_at_rates(world.account.pk, [timer])
    timing.look_at_rates(world.account.pk, _timers(timing.RATES))

    [told] = EventRow.objects.filter(kind="workflow.busy")
    assert (told.object_id, told.data["rate"]) == (made.pk, 2)

    timing.alert(made, rate_per_hour=3, by=Actor.user(world.ada.pk))
    timing.look_at_rates(
        world.account.pk, [timers.DueTimer(0, world.account.pk, timing.RATES, "", clock.now(), {})]
    )
    assert EventRow.objects.filter(kind="workflow.busy").count() == 1
    with pytest.raises(Invalid, match="rate"):
        timing.alert(made, rate_per_hour=0, by=Actor.user(world.ada.pk))


def test_rates_of_many_workflows_are_looked_at_as_often_as_that_of_one(world):
    def asked(count):
        for number in range(count):
            made = make(world, wait(following=None))
            timing.alert(made, rate_per_hour=1 + number % 2, by=Actor.user(world.ada.pk))
            for n in range(2):
                enroll(made, world.ticket(f"{number}.{n}").pk)
        with CaptureQueriesContext(connection) as queries:
            timing.look_at_rates(world.account.pk, _timers(timing.RATES))
        return len(queries)

    asked(1)
    assert asked(4) == asked(2)
    assert EventRow.objects.filter(kind="workflow.busy").count() == 1 + 2 + 1


def test_who_asks_for_another_workflow_has_nobody_told_again_R_EXEC_9(world):
    made, other = make(world, wait(following=None)), make(world, wait(following=None))
    timing.alert(made, rate_per_hour=1, by=Actor.user(world.ada.pk))
    for n in range(2):
        enroll(made, world.ticket(f"{n}").pk)
    timing.look_at_rates(world.account.pk, _timers(timing.RATES))

    timing.alert(other, rate_per_hour=1, rate_change=50, by=Actor.user(world.ada.pk))
    timing.look_at_rates(world.account.pk, _timers(timing.RATES))

    assert EventRow.objects.filter(kind="workflow.busy").count() == 1


def test_owners_are_told_of_another_pace_than_usual_once_a_day_R_EXEC_9(world):
    """Seven days with twenty enrollments each, then one with 32, and one with none. What began lately has nothing usual."""
    made, young = make(world, wait(following=None)), make(world, wait(following=None))
    by, now, day = Actor.user(world.ada.pk), datetime(2026, 3, 20, 12, tzinfo=UTC), timedelta(days=1)
    for one in (made, young):
        timing.alert(one, rate_change=50, by=by)
    Workflow.objects.filter(pk=made.pk).update(on_since=now - 30 * day)
    Workflow.objects.filter(pk=young.pk).update(on_since=now - 5 * day)
    ticket = world.ticket().pk

    def enrolled(flow, number, ago):
        for _ in range(number):
            run = enroll(flow, ticket, state="ENDED")
            Enrollment.objects.filter(pk=run.pk).update(enrolled_at=now - ago * day)

    def look(at):
        with clock.stopped(at):
            timing.look_at_rates(world.account.pk, _timers(timing.RATES))
        return [
            (one.object_id, one.data["number"])
            for one in EventRow.objects.filter(kind=timing.CHANGED).order_by("id")
        ]

    for ago in range(1, 8):
        enrolled(made, 20, ago + 0.5)
    enrolled(made, 28, 0.5)
    enrolled(young, 40, 0.5)
    assert look(now) == []
    enrolled(made, 4, 0.3)
    assert look(now + timedelta(minutes=30)) == []  # looked at within the hour
    assert look(now + timedelta(hours=1)) == [(made.pk, 32)]
    assert look(now + timedelta(hours=3)) == [(made.pk, 32)]
    assert look(now + 2 * day) == [(made.pk, 32), (made.pk, 0)]
    with pytest.raises(Invalid, match="percent"):
        timing.alert(made, rate_change=0, by=by)


# ── the order of several ─────────────────────────────────────────────────────────────────────────────────────────────


CREATED = WhenEvent((EventMatch("ticket.created"),))


def two_in_order(world):
    """The second looks at what the first did. By their ids they stand the other way round."""
    second = make(
        world, IfThen("1", (Branch("High", HIGH, Edge("2")),)), task(2, title="Saw it"), trigger=CREATED
    )
    first = make(world, sets_to("1", "HIGH", "2"), task(2, title="Did it"), trigger=CREATED)
    Workflow.objects.filter(pk=first.pk).update(created_at=clock.now() - timedelta(days=2))
    return first, second


def test_what_one_event_begins_acts_in_the_order_of_the_workflows_R_EXEC_10(world):
    """By when they were made; each goes as far as it comes before the next one looks. A third that begins with another
    action, and another record, change nothing in that."""
    first, second = two_in_order(world)
    third = make(world, task(1, title="Third"), trigger=CREATED)

    tickets_made = [world.ticket("One").pk, world.ticket("Two").pk]
    go()

    for ticket in tickets_made:
        assert [one.title for one in Task.objects.filter(record_id=ticket).order_by("id")] == [
            "Did it",
            "Saw it",
            "Third",
        ]
    places = {
        flow_id: reason.get("follows", 0)
        for flow_id, reason in Enrollment.objects.values_list("workflow_id", "reason")
    }
    assert places == {first.pk: 0, second.pk: 1, third.pk: 2}
    assert states() == ["ENDED"] * 6
    assert second.pk < first.pk


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_who_follows_waits_for_another_worker_that_holds_who_goes_first_R_EXEC_10():
    made = make_world()
    with account_scope(made.account.pk):
        two_in_order(made)
        made.ticket()
    Dispatcher().run_once()
    claimed, may_end = threading.Event(), threading.Event()

    class Slow(Runner):
        def work(self, account_id, rows):
            claimed.set()
            may_end.wait(30)
            super().work(account_id, rows)

    batch = ThreadPoolExecutor(1).submit(Slow().run_once, 1)
    assert claimed.wait(30)
    other = Runner()
    assert (other.run_once(), other.patience()) == (0, SOON)  # the first one may be through at any moment
    may_end.set()
    assert batch.result(30) == 1

    assert other.run_once() == 1
    assert (other.run_once(), other.patience()) == (0, POLL)
    with account_scope(made.account.pk):
        assert [one.title for one in Task.objects.order_by("id")] == ["Did it", "Saw it"]


# ── branches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def fork(world, *conditions):
    branches = tuple(Branch(f"B{n}", when, Edge(str(n + 2))) for n, when in enumerate(conditions))
    steps = [IfThen("1", branches, Edge("9"), "None met")]
    steps += [task(n + 2, title=f"B{n}") for n in range(len(conditions))]
    return make(world, *steps, task(9, title="Default"))


def test_t_wf_7_of_two_branches_that_match_the_first_is_taken(world):
    """R-BR-1; the log says which (R-LOG-2)."""
    run = enroll(fork(world, HIGH, HIGH), world.ticket(priority="HIGH").pk)

    go()

    assert [one.title for one in Task.objects.all()] == ["B0"]
    told = StepLog.objects.get(enrollment_id=run.pk, kind="branch").data
    assert (told["slot"], told["name"]) == ("0", "B0")


def test_t_wf_8_where_none_matches_the_default_is_taken(world):
    """R-BR-1"""
    enroll(fork(world, HIGH, HIGH), world.ticket().pk)

    go()

    assert [one.title for one in Task.objects.all()] == ["Default"]


# ── off and paused ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_t_wf_10_off_during_a_delay_elapses_and_the_action_is_skipped(world):
    """R-EXEC-15, R-EXEC-16"""
    made = make(world, wait(), task(2))
    run = enroll(made, world.ticket().pk)
    go()
    workflows.switch(made, False)

    elapse(run)
    workflows.switch(made, True)
    go()

    assert log_of(run) == [("1", "delayed", "SCHEDULED"), ("2", "off", "SKIPPED")]
    assert Task.objects.count() == 0


def test_paused_holds_who_comes_and_who_wakes_until_it_is_resumed_R_EXEC_17(world):
    made = make(world, wait(), task(2))
    inside, later = (enroll(made, world.ticket(name).pk) for name in ("inside", "later"))
    go()
    by = world.ada.pk
    workflows.pause(made, by=by)
    workflows.pause(made, by=by)
    new = enroll(made, world.ticket("new").pk)

    elapse(inside, new)

    states = dict(Enrollment.objects.values_list("pk", "state"))
    assert states == {inside.pk: "HELD", later.pk: "DUE", new.pk: "HELD"}
    assert Task.objects.count() == 0
    workflows.resume(made, by=by)
    go()
    states = dict(Enrollment.objects.values_list("pk", "state"))
    assert states == {inside.pk: "ENDED", later.pk: "DUE", new.pk: "DUE"}
    assert Task.objects.count() == 1
    kinds = EventRow.objects.filter(kind__in=("workflow.paused", "workflow.resumed")).order_by("id")
    assert list(kinds.values_list("kind", flat=True)) == ["workflow.paused", "workflow.resumed"]


def test_what_happens_during_a_pause_is_not_lost_R_EXEC_17(world):
    made = make(world, wait(wait=UntilEvent(EventMatch("ticket.moved"))), task(2))
    ticket = world.ticket()
    enroll(made, ticket.pk)
    go()
    workflows.pause(made)
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    go()
    assert (Enrollment.objects.get().state, Task.objects.count()) == ("HELD", 0)

    workflows.resume(made)
    go()

    assert Task.objects.count() == 1


def test_many_are_released_in_a_job(world, monkeypatch):
    monkeypatch.setattr(pausing, "STEP", 1)
    made = make(world, task(1))
    for n in range(2):
        enroll(made, world.ticket(f"{n}").pk, state="HELD")
    asked = []
    monkeypatch.setattr(pausing.jobs, "enqueue", lambda kind, args, one_by_one: asked.append(kind))

    pausing.release(world.account.pk)
    assert asked == [pausing.RELEASE]
    assert Enrollment.objects.filter(state="HELD").count() == 1
    pausing._release(world.account.pk)
    assert Enrollment.objects.filter(state="HELD").count() == 0


# ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("leaving", "reason"), [(Leaving(condition=HIGH), "unenrolled"), (Leaving(goal=HIGH), "goal")]
)
def test_who_meets_the_condition_leaves_at_once_R_UN_1_R_UN_5(world, leaving, reason):
    made = make(world, wait(), task(2), leaving=leaving)
    ticket = world.ticket()
    run, other = enroll(made, ticket.pk), enroll(made, world.ticket("other").pk)
    go()

    set_to(ticket, priority="HIGH")
    go()

    run.refresh_from_db()
    other.refresh_from_db()
    assert (run.state, run.end_reason, other.state) == ("ENDED", reason, "DUE")
    assert log_of(run)[-1] == ("1", "left", "SKIPPED")


def test_who_no_longer_meets_the_trigger_leaves_where_that_is_asked_for_R_UN_2(world):
    made = make(world, wait(), task(2), trigger=WhenTrue(HIGH), leaving=Leaving(when_trigger_fails=True))
    ticket = world.ticket(priority="HIGH")
    run = enroll(made, ticket.pk)
    go()

    set_to(ticket, priority="LOW")
    go()

    run.refresh_from_db()
    assert run.end_reason == "trigger_fails"


@pytest.mark.parametrize("kind", [SegmentKind.STATIC, SegmentKind.FILTER])
def test_t_wf_6_who_joins_a_suppressed_segment_in_a_delay_is_removed(world, kind):
    """R-UN-3: at once; later actions are absent."""
    by = Actor.user(world.ada.pk)
    segment = segments.create("ticket", "Urgent", kind, HIGH if kind is SegmentKind.FILTER else None, by=by)
    made = make(world, wait(), task(2), leaving=Leaving(segments=(segment.pk,)))
    ticket = world.ticket()
    run = enroll(made, ticket.pk)
    go()

    if kind is SegmentKind.FILTER:
        set_to(ticket, priority="HIGH")
    else:
        members.add(segment.pk, [ticket.pk], by=by)
    go()

    run.refresh_from_db()
    assert (run.state, run.end_reason) == ("ENDED", "suppressed")
    elapse()
    assert Task.objects.count() == 0


def test_a_change_of_what_is_linked_counts_too_R_UN_1(world):
    known = Filter("phone", Kind.TEXT, Operator.KNOWN)
    made = make(world, wait(), task(2), leaving=Leaving(condition=Associated("contact", known)))
    contact = world.contact()
    run = enroll(made, world.ticket(contact_id=contact.pk).pk)
    go()
    run.refresh_from_db()
    assert run.state == "DUE"

    objects.update("contact", contact.pk, {"phone": "+45 12345678"}, by=SYSTEM)
    go()

    run.refresh_from_db()
    assert run.end_reason == "unenrolled"


def test_a_change_two_links_away_counts_too_R_UN_1(world):
    known = Associated("contact", Associated("company", Filter("phone", Kind.TEXT, Operator.KNOWN)))
    made = make(world, wait(), task(2), leaving=Leaving(condition=known))
    company, contact = companies.create("Fjällbo", by=SYSTEM), world.contact()
    ticket = world.ticket(contact_id=contact.pk)
    associations.connect("contact", contact.pk, "company", company.pk, by=SYSTEM)
    run = enroll(made, ticket.pk)
    go()
    run.refresh_from_db()
    assert (run.state, associations.linked_ids("ticket", [ticket.pk], "company")) == ("DUE", {})

    objects.update("company", company.pk, {"phone": "+45 12345678"}, by=SYSTEM)
    go()

    run.refresh_from_db()
    assert run.end_reason == "unenrolled"


@pytest.mark.parametrize("is_put_away", [False, True])
def test_who_no_longer_meets_the_trigger_by_what_is_linked_leaves_at_once_R_UN_2(world, is_put_away):
    """Also where it asks whether there is any such record at all."""
    where = AllOf() if is_put_away else Filter("phone", Kind.TEXT, Operator.UNKNOWN)
    trigger, leaving = WhenTrue(Associated("contact", where)), Leaving(when_trigger_fails=True)
    made = make(world, wait(), task(2), trigger=trigger, leaving=leaving)
    contact = world.contact()
    run = enroll(made, world.ticket(contact_id=contact.pk).pk)
    go()
    run.refresh_from_db()
    assert run.state == "DUE"

    if is_put_away:
        archive.archive("contact", [contact.pk], by=SYSTEM)
    else:
        objects.update("contact", contact.pk, {"phone": "+45 12345678"}, by=SYSTEM)
    go()

    run.refresh_from_db()
    assert run.end_reason == "trigger_fails"


def test_where_nobody_watches_an_event_costs_one_query(world):
    made = make(world, wait(), task(2))
    ticket = world.ticket()
    enroll(made, ticket.pk)
    go()

    with CaptureQueriesContext(connection) as queries:
        leaving.look_at(world.account.pk, {("ticket", ticket.pk)}, clock.now())

    assert len(queries) == 1


def test_ten_who_leave_cost_as_much_as_two(world):
    made = make(world, wait(), task(2), leaving=Leaving(condition=HIGH))

    def asked(count):
        ids = [world.ticket(f"{count}.{n}", priority="HIGH").pk for n in range(count)]
        for pk in ids:
            enroll(made, pk, position="1>next", due_at=clock.now() + timedelta(hours=1))
        with CaptureQueriesContext(connection) as queries:
            leaving.look_at(world.account.pk, {("ticket", pk) for pk in ids}, clock.now())
        return len(queries)

    asked(1)
    assert asked(10) == asked(2)
    assert not Enrollment.objects.exclude(state="ENDED").exists()


def test_what_ten_records_ever_were_is_read_as_often_as_what_two_were(world):
    """In a branch of theirs, and in one on the contact that each is linked to."""
    was_low = Filter("hs_ticket_priority", Kind.ENUM, Operator.EVER, ("LOW",))
    was_captain = Associated("contact", Filter("jobtitle", Kind.TEXT, Operator.EVER, ("Captain",)))
    made = make(
        world,
        IfThen("1", (Branch("Low", AllOf((was_low, was_captain)), Edge("2")),)),
        task(2),
    )

    def asked(count):
        for n in range(count):
            reader = world.contact(f"{count}.{n}@ship.example")
            objects.update("contact", reader.pk, {"jobtitle": "Captain"}, by=SYSTEM)
            objects.update("contact", reader.pk, {"jobtitle": "Cook"}, by=SYSTEM)
            ticket = world.ticket(f"{count}.{n}", priority="LOW", contact_id=reader.pk)
            associations.connect("ticket", ticket.pk, "contact", reader.pk, by=SYSTEM)
            tickets.update(ticket.pk, {"hs_ticket_priority": "HIGH"}, by=SYSTEM)
            enroll(made, ticket.pk)
        while Dispatcher().run_once():
            pass
        with CaptureQueriesContext(connection) as queries:
            assert Runner().run_once() == count
        return len(queries)

    asked(1)
    assert asked(10) == asked(2)
    assert Task.objects.count() == 13


def test_a_deleted_record_leaves_before_it_can_be_restored_R_UN_7(world):
    made = make(world, wait(), task(2))
    ticket = world.ticket()
    run = enroll(made, ticket.pk)
    go()

    tickets.archive([ticket.pk], by=SYSTEM)
    go()
    tickets.restore([ticket.pk], by=SYSTEM)
    elapse()

    run.refresh_from_db()
    assert (run.end_reason, Task.objects.count()) == ("record_gone", 0)


def test_a_merged_ticket_leaves_and_the_survivor_stays_R_UN_9(world):
    from deskhand.desk import merging

    made = make(world, wait(), task(2))
    stays, goes = world.ticket("stays"), world.ticket("goes")
    runs = [enroll(made, one.pk) for one in (stays, goes)]
    go()

    merging.merge(stays.pk, goes.pk, by=Actor.user(world.ada.pk))
    go()

    assert [Enrollment.objects.get(pk=run.pk).end_reason for run in runs] == ["", "merged"]


# ── waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("late", [False, True])
def test_t_wf_16_a_delay_until_an_event_takes_the_other_way_when_nothing_happens(world, late):
    """R-DELAY-5"""
    waiting = UntilEvent(EventMatch("ticket.moved"), timedelta(days=3))
    made = make(world, wait(wait=waiting, otherwise=Edge("3")), task(2, title="Moved"), task(3, title="Not"))
    ticket = world.ticket()
    run = enroll(made, ticket.pk)
    go()

    if late:
        elapse(run)
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    go()

    assert [one.title for one in Task.objects.all()] == ["Not" if late else "Moved"]


def test_a_wait_without_end_waits_R_DELAY_5(world):
    made = make(world, wait(wait=UntilEvent(EventMatch("ticket.moved"))), task(2))
    run = enroll(made, world.ticket().pk)

    go()

    run.refresh_from_db()
    assert (run.state, run.step_id, run.due_at) == ("WAITING", "1", None)


def entered(*to):
    """A wait until the ticket reaches one of these statuses, or any."""
    about = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, tuple(map(str, to))) if to else None
    return UntilEvent(EventMatch("ticket.stage_entered", about), timedelta(days=3))


def moves(world, step_id, following, to):
    values = {"property": "hs_pipeline_stage", "value": str(world.stage(to))}
    return Action(str(step_id), "set_property", values, Edge(str(following)) if following else None)


def test_what_a_step_does_itself_does_not_end_the_wait_behind_it_R_DELAY_6(world):
    """A change by somebody else does, and what a later step does a second time round does not either."""
    closed, waiting = "Closed", "Waiting on us"
    back = Delay("4", entered(), Edge("1", is_goto=True), Edge("5"))
    steps = (moves(world, 1, 2, closed), wait(2, 3, entered()), moves(world, 3, 4, waiting), back, task(5))
    ticket = world.ticket()
    run = enroll(make(world, *steps), ticket.pk)
    go()
    run.refresh_from_db()
    assert (run.step_id, run.acted) == ("2", 1)

    for step_id, acted in (("4", 2), ("2", 3)):
        tickets.move(ticket.pk, to=world.stage("Waiting on contact"), by=SYSTEM)
        go()
        run.refresh_from_db()
        assert (run.step_id, run.acted) == (step_id, acted)


def test_an_event_from_before_the_wait_that_is_told_late_or_again_does_not_end_it_R_DELAY_6(world):
    made = make(
        world, wait(wait=entered(), otherwise=Edge("3")), task(2, title="Moved"), task(3, title="Not")
    )
    ticket = world.ticket()
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    run_hooks()
    early = [(one.pk, one.occurred_at) for one in EventRow.objects.filter(kind="ticket.moved")]
    run = enroll(made, ticket.pk)
    while Runner().run_once():  # faster than the dispatcher
        pass
    go()

    for _again in range(2):
        run.refresh_from_db()
        assert (run.state, run.waits_for) == ("DUE", "ticket.stage_entered")
        for pk, at in early:
            PendingEvent.objects.create(
                account_id=world.account.pk, id=pk, object_type="ticket", object_id=ticket.pk, occurred_at=at, due_at=at
            )  # fmt: skip
        go()
    tickets.move(ticket.pk, to=world.stage("Waiting on us"), by=SYSTEM)
    go()
    assert [one.title for one in Task.objects.all()] == ["Moved"]


def test_a_wait_that_a_pause_holds_is_the_same_wait_R_DELAY_6_R_EXEC_17(world):
    """What happens before its time is up ends it, also where that is told after the pause took hold of the run."""
    made = make(
        world, wait(wait=entered(), otherwise=Edge("3")), task(2, title="Moved"), task(3, title="Not")
    )
    ticket = world.ticket()
    run = enroll(made, ticket.pk)
    go()
    pausing.pause(made, by=world.ada.pk)
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    run_hooks()
    Enrollment.objects.filter(pk=run.pk).update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    assert Runner().run_once() == 1
    run.refresh_from_db()
    assert run.state == "HELD"

    pausing.resume(made, by=world.ada.pk)
    go()

    assert [one.title for one in Task.objects.all()] == ["Moved"]


def test_what_an_event_tells_of_days_is_told_in_the_accounts_zone_R_DELAY_5(world):
    """1 January, 13:00 in UTC is the 2nd in Auckland."""
    Account.objects.filter(pk=world.account.pk).update(zone="Pacific/Auckland")
    second = Filter("closed_date", Kind.DATETIME, Operator.ON, (date(2026, 1, 2),))
    made = make(world, wait(wait=UntilEvent(EventMatch("ticket.property_changed", second))), task(2))
    ticket = world.ticket()
    enroll(made, ticket.pk)
    go()

    for moment, released in (
        (datetime(2026, 1, 2, 13, tzinfo=UTC), 0),
        (datetime(2026, 1, 1, 13, tzinfo=UTC), 1),
    ):
        set_to(ticket, closed_at=moment)
        go()
        assert Task.objects.count() == released


@pytest.mark.parametrize("is_done", [False, True])
def test_what_happened_to_an_earlier_steps_task_counts_R_DELAY_6(world, is_done):
    """Done before the wait begins: released at once; another task that is done releases nobody."""
    waiting = UntilEvent(EventMatch("task.done"), None, of_step="1")
    steps = (task(1, 2, title="First"), wait(2, 3, TWO_HOURS), wait(3, 4, waiting), task(4, title="Then"))
    made = make(world, *steps)
    ticket = world.ticket()
    run = enroll(made, ticket.pk)
    go()
    first = Task.objects.get()
    Enrollment.objects.filter(pk=run.pk).update(outputs={"1": {"task_id": str(first.pk)}})
    by = Actor.user(world.ada.pk)
    if is_done:
        tasks.finish(first.pk, True, by=by)
        go()
    elapse(run)
    assert Task.objects.filter(title="Then").exists() is is_done
    if not is_done:
        other = tasks.create("ticket", ticket.pk, tasks.Wanted("Other"), by=by)
        tasks.finish(other, True, by=by)
        go()
        assert not Task.objects.filter(title="Then").exists()
        tasks.finish(first.pk, True, by=by)
        go()
        assert Task.objects.filter(title="Then").exists()


def test_a_new_task_is_not_taken_for_the_one_before_it_R_DELAY_6(world):
    """Where the way leads back: the task of this round is waited for, although that of the last one is done."""
    waiting = UntilEvent(EventMatch("task.done"), None, of_step="1")
    made = make(world, task(1, 2), wait(2, 3, waiting), Delay("3", TWO_HOURS, Edge("1", is_goto=True)))
    run = enroll(made, world.ticket().pk)
    go()

    for count in (2, 3):
        tasks.finish(Task.objects.latest("pk").pk, True, by=Actor.user(world.ada.pk))
        go()
        elapse(run)
        run.refresh_from_db()
        assert (Task.objects.count(), run.step_id, run.state) == (count, "2", "WAITING")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_a_task_that_is_done_while_a_batch_looks_at_it_is_not_missed_R_DELAY_6(monkeypatch):
    """Who does it waits until the batch has committed, so that whoever tells of it finds the run waiting."""
    made = make_world()
    waiting = UntilEvent(EventMatch("task.done"), None, of_step="1")
    steps = (task(1, 2, title="First"), wait(2, 3, TWO_HOURS), wait(3, 4, waiting), task(4, title="Then"))
    with account_scope(made.account.pk):
        enroll(make(made, *steps), made.ticket().pk)
    Runner().run_once()
    with account_scope(made.account.pk):
        first = Task.objects.get()
        Enrollment.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    looked, may_end, really = threading.Event(), threading.Event(), waking.happened

    def slowly(*given):
        found = really(*given)
        looked.set()
        may_end.wait(30)
        return found

    monkeypatch.setattr(waking, "happened", slowly)
    batch = ThreadPoolExecutor(1).submit(Runner().run_once)
    assert looked.wait(30)
    done = of_its_own(made, lambda: tasks.finish(first.pk, True, by=Actor.user(made.ada.pk)))
    until_somebody_waits()
    may_end.set()
    batch.result(30)
    done.result(30)

    while Dispatcher().run_once() or Runner().run_once():
        pass

    with account_scope(made.account.pk):
        assert [one.title for one in Task.objects.order_by("id")] == ["First", "Then"]


def priority_is(value):
    return EventMatch(
        "ticket.property_changed", Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, (value,))
    )


def sets_to(step_id, value, following):
    settings = {"property": "hs_ticket_priority", "value": value}
    return Action(step_id, "set_property", settings, Edge(following))


def go_on():
    """As go(), with each batch in a transaction of its own as far as the log is concerned."""
    for _ in range(100):
        current_scope().notes.pop("events.rounds", None)
        run_hooks()
        if not Dispatcher().run_once() + Runner().run_once():
            return


def test_runs_that_wait_for_each_other_do_not_go_round_for_ever_R_EXEC_21(world):
    """What one does lets the other go on, and no run begins anew: each is let go on as often as a record may enroll
    within an hour, and then waits. What a person does lets it go on all the same."""
    ping = make(
        world, sets_to("1", "HIGH", "2"), Delay("2", UntilEvent(priority_is("LOW")), Edge("1", is_goto=True))
    )
    pong = make(world, Delay("1", UntilEvent(priority_is("HIGH")), Edge("2")), sets_to("2", "LOW", "3"),
                Delay("3", UntilEvent(priority_is("HIGH")), Edge("2", is_goto=True)))  # fmt: skip
    ticket = world.ticket()
    runs = []
    for one in (pong, ping):
        runs.append(enroll(one, ticket.pk))
        go_on()

    times = [StepLog.objects.filter(enrollment_id=run.pk, kind="set_property").count() for run in runs]
    assert max(times) in (guards.PER_HOUR, guards.PER_HOUR + 1)
    assert states() == ["WAITING", "WAITING"]
    flagged = Workflow.objects.get(needs_review=waking.TOO_OFTEN)
    stopped = next(run for run, flow in zip(runs, (pong, ping), strict=True) if flow.pk == flagged.pk)
    wanted = "LOW" if flagged == ping else "HIGH"

    other = "MEDIUM"
    for value in (other, wanted):
        tickets.update(ticket.pk, {"hs_ticket_priority": value}, by=Actor.user(world.ada.pk))
        go_on()
    again = StepLog.objects.filter(enrollment_id=stopped.pk, kind="set_property").count()
    assert again > times[runs.index(stopped)]


def test_a_date_that_changes_is_waited_for_anew_R_DELAY_4(world):
    made = make(world, wait(wait=UntilProperty("closed_date")), task(2))
    now = clock.now()
    ticket = world.ticket()
    set_to(ticket, closed_at=now + timedelta(days=3))
    run = enroll(made, ticket.pk)
    go()
    run.refresh_from_db()
    assert run.due_at == now + timedelta(days=3)

    set_to(ticket, closed_at=now + timedelta(days=5))
    go()

    run.refresh_from_db()
    assert run.due_at == now + timedelta(days=5)


def writes(world, number, *answers):
    sender = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
    message = InboundMessage(f"{number}@x", sender, "Refund", "Where is it?", clock.now(), answers=answers)
    return threads.receive(Incoming(world.channel.pk, message))


@pytest.mark.parametrize(
    ("name", "happens"),
    [
        ("last_reply_date", "wrote"),
        ("hs_last_message_received_at", "merged"),
        ("last_reply_date", "no spam"),
        ("hs_last_message_sent_at", "answered"),
        ("hs_helpdesk_sort_timestamp", "answered"),
        ("hs_lastmodifieddate", "changed"),
    ],
)
def test_a_date_that_changes_without_being_named_is_waited_for_anew_R_DELAY_4(world, name, happens):
    """Dates that messages set, and those of a record's last change: their events don't name them."""
    came = writes(world, 1)
    by = Actor.user(world.ada.pk)
    ticket = Ticket.objects.get(pk=came.ticket_id)
    replies.reply(NewReply(ticket.pk, "Soon."), by=world.ada)
    other = writes(world, 2).ticket_id if happens == "merged" else 0
    if happens == "no spam":
        spam.mark(ticket.pk, by=by)
        writes(world, 3, "1@x")
    run = enroll(make(world, wait(wait=UntilProperty(name, days=3)), task(2)), ticket.pk)
    go()
    run.refresh_from_db()
    before = run.due_at

    match happens:
        case "wrote":
            writes(world, 3, "1@x")
        case "merged":
            merging.merge(ticket.pk, other, by=by)
        case "no spam":
            spam.unmark(ticket.pk, by=by)
        case "answered":
            replies.reply(NewReply(ticket.pk, "It left."), by=world.ada)
        case "changed":
            set_to(ticket, priority="HIGH")
    go()

    run.refresh_from_db()
    ticket.refresh_from_db()
    column = properties_of("ticket")[name].column
    assert run.due_at == getattr(ticket, column) + timedelta(days=3) != before


def test_a_comment_begins_no_wait_for_a_date_anew_R_DELAY_4(world):
    came = writes(world, 1)
    run = enroll(make(world, wait(wait=UntilProperty("last_reply_date", days=3)), task(2)), came.ticket_id)
    go()
    replies.comment(came.ticket_id, "Who knows him?", by=world.ada)
    tickets.move(came.ticket_id, to=world.stage("Waiting on contact"), by=SYSTEM)
    go()
    assert log_of(run) == [("1", "delayed", "SCHEDULED")]


@pytest.mark.parametrize(("way", "titles"), [(Missed.OTHERWISE, ["Off"]), (Missed.NEXT, ["On"])])
@pytest.mark.parametrize("when", ["before", "meanwhile", "at waking"])
def test_a_wait_is_cancelled_as_soon_as_its_condition_holds(world, way, titles, when):
    made = make(
        world, wait(otherwise=Edge("3") if way is Missed.OTHERWISE else None, cancel_if=HIGH, if_cancelled=way),
        task(2, title="On"), *([task(3, title="Off")] if way is Missed.OTHERWISE else []),
    )  # fmt: skip
    ticket = world.ticket()
    if when == "before":
        set_to(ticket, priority="HIGH")
    run = enroll(made, ticket.pk)
    go()
    if when == "meanwhile":
        set_to(ticket, priority="HIGH")
        go()
    if when == "at waking":
        type(ticket).objects.filter(pk=ticket.pk).update(priority="HIGH")
        elapse(run)

    assert [one.title for one in Task.objects.all()] == titles


def test_a_cancelled_wait_without_another_way_ends_the_run(world):
    run = enroll(make(world, wait(cancel_if=HIGH), task(2)), world.ticket(priority="HIGH").pk)

    go()

    run.refresh_from_db()
    assert (run.end_reason, Task.objects.count()) == ("completed", 0)
    assert log_of(run) == [("1", "cancelled", "SUCCEEDED")]


def test_working_time_leaves_nights_and_holidays_out_R_DELAY_9(world):
    by = Actor.user(world.ada.pk)
    week = tuple(Block(weekday, 9 * 60, 17 * 60) for weekday in range(5))
    default_hours.change(world.account.pk, WeeklyHours("UTC", week), by=by)
    default_hours.observe(world.account.pk, "DE", "BY", by=by)
    made = make(world, wait(wait=ForAmount(timedelta(hours=3), is_working_time=True)), task(2))
    run = enroll(made, world.ticket().pk)
    thursday, monday = datetime(2040, 1, 5, 16, tzinfo=UTC), datetime(2040, 1, 9, 11, tzinfo=UTC)

    with clock.stopped(thursday):  # before Epiphany
        go()

    run.refresh_from_db()
    assert run.due_at == monday


def test_only_known_countries_have_holidays(world):
    by = Actor.user(world.ada.pk)
    with pytest.raises(Invalid, match="first"):
        default_hours.observe(world.account.pk, "DE", by=by)
    default_hours.change(world.account.pk, WeeklyHours("UTC", (Block(0, 540, 1020),)), by=by)
    for country, region, named in (("XX", "", "country"), ("DE", "XX", "region"), ("", "BY", "region")):
        with pytest.raises(Invalid) as refusal:
            default_hours.observe(world.account.pk, country, region, by=by)
        assert refusal.value.field == named
    assert default_hours.with_holidays(world.account.pk, date(2026, 1, 1)).special_days == ()
    assert "BY" in default_hours.countries()["DE"]


@pytest.mark.parametrize("hours", [1, 5])
def test_a_changed_delay_counts_for_who_waits_where_that_is_asked_for_R_DELAY_11(world, hours):
    made = make(world, wait(), task(2))
    run = enroll(made, world.ticket().pk)
    go()
    began = StepLog.objects.get(enrollment_id=run.pk).at
    changed = edit.update(workflows.definition_of(made), wait(wait=ForAmount(timedelta(hours=hours))))
    made = workflows.save(made, changed)
    run.refresh_from_db()
    assert run.due_at == began + timedelta(hours=2)

    assert waking.recalculate(made, "1", by=world.ada.pk) == 1

    run.refresh_from_db()
    assert run.due_at == began + timedelta(hours=hours)


def test_many_are_recalculated_in_sets(world):
    made = make(world, wait(), task(2))
    made = workflows.save(
        made, edit.update(workflows.definition_of(made), wait(wait=ForAmount(timedelta(hours=1))))
    )

    def asked(count):
        for n in range(count):
            enroll(made, world.ticket(f"{count}{n}").pk)
        go()
        with CaptureQueriesContext(connection) as queries:
            waking.recalculate(made, "1", by=world.ada.pk)
        return len(queries)

    asked(1)
    assert asked(6) == asked(2)


# ── revisions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_workflows_no_revision_is_read_but_the_newest_R_EDIT_4(world):
    """Three with eight revisions each, the newest of one is a number that the others have, too."""
    flows = [make(world, task(1)) for _ in range(3)]
    for place, flow in enumerate(flows):
        for _ in range(8 - place):
            flow = workflows.save(flow, workflows.definition_of(flow))
    flows = list(Workflow.objects.order_by("id"))
    index._read.clear()
    read = []

    def note(instance, **_given):
        read.append((instance.workflow_id, instance.number))

    newest = sorted((flow.pk, flow.revision_number) for flow in flows)
    post_init.connect(note, sender=WorkflowRevision)
    try:
        assert index.definitions_of(world.account.pk, {*newest}).keys() == {*newest}
        assert sorted(read) == newest
        read.clear()
        workflows.newest_revisions(world.account.pk, flows)
        assert sorted(read) == newest
    finally:
        post_init.disconnect(note, sender=WorkflowRevision)


@pytest.mark.parametrize(("is_pinned", "title"), [(False, "New"), (True, "Old")])
def test_a_run_follows_the_newest_revision_unless_it_is_pinned_R_EDIT_5(world, is_pinned, title):
    made = make(world, wait(), task(2, title="Old"))
    run = enroll(made, world.ticket().pk)
    go()
    workflows.pin(made, is_pinned)
    workflows.save(made, edit.update_settings(workflows.definition_of(made), "2", {"title": "New"}))

    elapse(run)

    assert Task.objects.get().title == title
    run.refresh_from_db()
    assert run.revision_number == (1 if is_pinned else 2)


# ── modes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def each_time(world):
    """A workflow that every owner change enrolls into, also who is inside; and a way to bring two such changes about."""

    def begin(mode, *, at_once=False):
        trigger = WhenEvent((EventMatch("ticket.owner_set"),))
        made = make(
            world, wait(), task(2), trigger=trigger, reenrollment=Reenrollment(True, while_inside=mode)
        )
        ticket = world.ticket()
        go()
        for owner in (world.ada, world.bob):
            set_to(ticket, owner_id=owner.pk)
            if not at_once:
                go()
        go()
        return made

    return begin


def states():
    return list(Enrollment.objects.order_by("id").values_list("state", flat=True))


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (WhileInside.SKIP, ["DUE"]),
        (WhileInside.RESTART, ["ENDED", "DUE"]),
        (WhileInside.QUEUE, ["DUE", "QUEUED"]),
        (WhileInside.PARALLEL, ["DUE", "DUE"]),
    ],
)
def test_who_enrolls_again_while_inside_does_as_the_workflow_says_R_RE_6(each_time, mode, found):
    each_time(mode)
    assert states() == found


@pytest.mark.parametrize(
    ("mode", "found"), [(WhileInside.QUEUE, ["DUE", "QUEUED"]), (WhileInside.PARALLEL, ["DUE", "DUE"])]
)
def test_two_reasons_told_at_once_are_two(each_time, mode, found):
    each_time(mode, at_once=True)
    assert states() == found


def test_a_restarted_run_says_so_and_what_is_told_twice_restarts_once(world, each_time):
    from deskhand.automation import enroll as entering
    from deskhand.events import dispatch

    each_time(WhileInside.RESTART)
    first, second = Enrollment.objects.order_by("id")
    assert first.end_reason == "restarted"

    entering.enroll_matching(
        world.account.pk,
        dispatch.stored(world.account.pk, {second.event_id}, clock.now() - timedelta(days=1)),
    )

    assert states() == ["ENDED", "DUE"]


def test_two_runs_beside_each_other_act_one_after_the_other(world):
    again = Reenrollment(True, while_inside=WhileInside.PARALLEL)
    made = make(
        world,
        Action("1", "set_property", {"property": "subject", "value": "New"}, Edge("2")),
        task(2),
        reenrollment=again,
    )
    ticket = world.ticket()
    for key in (1, 2):
        enroll(made, ticket.pk, run_key=key)

    go()

    assert states() == ["ENDED", "ENDED"]
    assert Task.objects.count() == 2
    assert sorted(StepLog.objects.filter(step_id="1").values_list("message", flat=True))[0].startswith(
        "It had"
    )


def test_who_publishes_hears_that_workflows_can_call_each_other_R_EXEC_21(world):
    def sets(a, b):
        when = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, (a,))
        step = Action("1", "set_property", {"property": "hs_ticket_priority", "value": b})
        return make(world, step, trigger=WhenTrue(when), reenrollment=Reenrollment(True))

    one, other = sets("LOW", "HIGH"), sets("HIGH", "LOW")

    [warned] = circles.of(other, workflows.definition_of(other))

    assert ([flow.pk for flow in warned.workflows], warned.is_endless) == ([other.pk, one.pk], True)
    workflows.switch(one, False)
    assert circles.of(other, workflows.definition_of(other)) == []


@pytest.mark.parametrize("by", ["tag", "segment"])
def test_what_follows_filters_by_itself_is_a_part_of_a_circle_R_EXEC_21(world, by):
    """R-BOARD-3: a workflow sets what a rule looks at, and the rule's tag, or the segment, is what it waits for."""
    if by == "tag":
        tags.arrange([Option("", "Urgent")], by=SYSTEM)
        tag_rules.set_rule("1", HIGH, by=SYSTEM)
        waits_for = Filter(tags.TAGS, Kind.MULTI, Operator.ANY_OF, ("1",))
    else:
        inner = segments.create("ticket", "Urgent", SegmentKind.FILTER, HIGH, by=SYSTEM)
        outer = segments.create("ticket", "All urgent", SegmentKind.FILTER, MemberOf("segment", (inner.pk,)), by=SYSTEM)  # fmt: skip
        waits_for = MemberOf("segment", (outer.pk,))
    step = Action("1", "set_property", {"property": "hs_ticket_priority", "value": "HIGH"})
    made = make(world, step, trigger=WhenTrue(waits_for))

    [warned] = circles.of(made, workflows.definition_of(made))

    assert [flow.pk for flow in warned.workflows] == [made.pk]
    low = make(world, replace(step, settings={**step.settings, "value": "LOW"}), trigger=WhenTrue(waits_for))
    assert (circles.of(low, workflows.definition_of(low)) == []) is (by == "tag")


@pytest.mark.parametrize(
    ("kind", "settings", "activity", "leaf", "other"),
    [
        ("create_task", {"title": "Call"}, "task", ("hs_task_status", Kind.ENUM, ("NOT_STARTED",)), ("hs_task_status", Kind.ENUM, ("COMPLETED",))),
        ("create_task", {"title": "Call", "task_type": "CALL"}, "task", ("hs_task_type", Kind.ENUM, ("CALL",)), ("hs_task_type", Kind.ENUM, ("TODO",))),
        ("create_note", {"text": "Hm"}, "comment", ("text", Kind.TEXT, ("Hm",)), ("author", Kind.REF, (7,))),
        ("send_email", {"template": "x"}, "message", ("direction", Kind.ENUM, ("OUT",)), ("direction", Kind.ENUM, ("IN",))),
        ("send_sms", {"text": "Hi"}, "message", ("is_automatic", Kind.BOOL, (True,)), ("is_automatic", Kind.BOOL, (False,))),
        ("send_survey", {}, "message", ("place", Kind.MULTI, ("LAST",)), ("place", Kind.MULTI, ("LAST_RECEIVED",))),
    ],
)  # fmt: skip
def test_who_asks_for_what_its_own_steps_add_is_told_of_when_publishing_R_EXEC_21_R_TRIG_4(
    world, kind, settings, activity, leaf, other
):
    def warned(asked):
        name, kind_of, values = asked
        trigger = WhenTrue(Associated(activity, Filter(name, kind_of, Operator.ANY_OF, values)))
        definition = Definition(
            "ticket",
            trigger,
            Reenrollment(True),
            start=Edge("1"),
            steps=(Action("1", kind, settings),),
            next_id=2,
        )
        return circles.of(Workflow(account_id=world.account.pk, pk=1), definition)

    assert [one.is_endless for one in warned(leaf)] == [True]
    assert warned(other) == []


def test_a_note_calls_who_asks_for_notes_of_such_records_R_EXEC_21_R_TRIG_4(world):
    def warned(object_type):
        trigger = WhenTrue(Associated("note", AllOf()))
        step = Action("1", "create_note", {"text": "Hm"})
        definition = Definition(object_type, trigger, start=Edge("1"), steps=(step,), next_id=2)
        return circles.of(Workflow(account_id=world.account.pk, pk=1), definition)

    assert warned("contact")
    assert not warned("ticket")  # there it is a comment


def test_who_queues_begins_when_the_run_before_is_over(world, each_time):
    each_time(WhileInside.QUEUE)
    elapse(Enrollment.objects.earliest("id"))
    assert states() == ["ENDED", "DUE"]
    elapse()
    assert states() == ["ENDED", "ENDED"]
    assert Task.objects.count() == 2


def test_who_queues_begins_too_when_the_run_before_is_ended_by_something_else(world):
    made = make(world, wait(), task(2), reenrollment=Reenrollment(True, while_inside=WhileInside.QUEUE))
    ticket = world.ticket()
    first = enroll(made, ticket.pk)
    second, third = (enroll(made, ticket.pk, state="QUEUED", due_at=None) for _ in range(2))

    endings.end(world.account.pk, [first.pk], "by_hand", clock.now())
    assert states() == ["ENDED", "DUE", "QUEUED"]
    endings.end(world.account.pk, [second.pk, third.pk], "by_hand", clock.now())
    assert states() == ["ENDED"] * 3


# ── the budget ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mailing(world):
    """A workflow that tells Ada by mail, and five tickets to go through it."""
    made = make(world, Action("1", "internal_email", {"users": [world.ada.pk]}, Edge("2")), task(2))
    return made, [enroll(made, world.ticket(f"{n}").pk) for n in range(5)]


def test_past_the_budget_what_would_send_is_held_until_somebody_resumes(world, mailing):
    by = Actor.user(world.ada.pk)
    budget.change(world.account.pk, 3, by=by)
    made, _runs = mailing

    go()

    states = sorted(Enrollment.objects.values_list("state", flat=True))
    assert states == ["ENDED"] * 3 + ["HELD"] * 2
    assert Task.objects.count() == 3
    stopped = Budget.objects.get()
    assert (stopped.used, stopped.stopped_by_id) == (3, made.pk)
    assert EventRow.objects.filter(kind=budget.STOPPED, object_id=made.pk).count() == 1

    workflows.pause(made)
    workflows.resume(made)  # that alone lets nobody pass
    assert Enrollment.objects.filter(state="HELD").count() == 2
    budget.resume(world.account.pk, by=by)
    budget.resume(world.account.pk, by=by)
    go()

    assert Enrollment.objects.filter(state="ENDED").count() == 5
    assert Budget.objects.get().stopped_at is None
    assert EventRow.objects.filter(kind="automation.resumed").count() == 1


@pytest.fixture
def circular(world):
    """A mail to all contacts of a ticket: to three of the first, to none of the second, to two of the third."""
    templates.ensure_defaults(world.account.pk)
    made = make(world, Action("1", "send_email", {"template": "ticket_received", "recipients": "all"}))
    runs = []
    for count in (3, 0, 2):
        ticket = world.ticket(f"For {count}")
        for number in range(count):
            reader = world.contact(f"{number}of{count}@ship.example")
            associations.connect("ticket", ticket.pk, "contact", reader.pk, by=SYSTEM)
        runs.append(enroll(made, ticket.pk))
    return made, runs


def test_the_budget_counts_each_mail_that_leaves_and_none_that_does_not(world, circular):
    """R-MAIL-9: a step to all contacts sends several at once; one that is skipped sends none."""
    made, _runs = circular

    go()

    assert OutboxEntry.objects.count() == 5 == Budget.objects.get().used
    [row] = SendingHour.objects.all()
    assert (row.workflow_id, row.count) == (made.pk, 5)


@pytest.mark.parametrize(
    ("limit", "sent", "held"),
    [(5, 5, 0), (4, 3, 1), (3, 3, 1), (2, 0, 3)],
    ids=["all", "not-half", "just", "none"],
)
def test_a_step_that_writes_to_several_is_held_whole_where_not_all_fit(world, circular, limit, sent, held):
    """Nobody's mail goes to half of them; what was written to find out is taken back."""
    budget.change(world.account.pk, limit, by=SYSTEM)

    go()

    assert (OutboxEntry.objects.count(), Budget.objects.get().used) == (sent, sent)
    assert Enrollment.objects.filter(state="HELD").count() == held
    assert Message.objects.filter(direction="OUT").count() == sent
    told = (
        StepLog.objects.filter(status="SCHEDULED").order_by("id").values_list("message", flat=True).first()
        or ""
    )
    assert ("send 3 messages at once, more than the 2" in told) == (limit == 2)


@pytest.mark.parametrize("waits", [False, True])
def test_webhooks_are_counted_as_they_are_held(world, waits):
    """A fan-out of calls is stopped like one of mails, says who made it, and goes on when somebody lets it."""
    budget.change(world.account.pk, 3, by=SYSTEM)
    calls = Action("1", "send_webhook", {"url": "https://shop.example/hear", "waits": waits})
    made = make(world, calls)
    for number in range(5):
        enroll(made, world.ticket(f"{number}").pk)

    go()

    kept = Budget.objects.get()
    assert (OutboxEntry.objects.count(), kept.used, kept.stopped_by_id) == (3, 3, made.pk)
    assert Enrollment.objects.filter(state="HELD").count() == 2
    assert EventRow.objects.filter(kind=budget.STOPPED, object_id=made.pk).count() == 1
    assert [row.count for row in SendingHour.objects.all()] == [3]
    budget.change(world.account.pk, 5, by=SYSTEM)
    budget.resume(world.account.pk, by=SYSTEM)
    go()
    assert (OutboxEntry.objects.count(), Budget.objects.get().used) == (5, 2)  # it counts anew from then on


def test_a_new_hour_has_a_new_budget(world, mailing):
    budget.change(world.account.pk, 5, by=SYSTEM)
    Budget.objects.update(hour=clock.now() - timedelta(hours=2), used=5)

    go()

    assert Enrollment.objects.filter(state="ENDED").count() == 5
    assert Budget.objects.get().used == 5


def test_who_began_in_the_hour_before_and_books_late_does_not_bring_it_back(world, mailing):
    """Two workers around the full hour, or with clocks that differ: what either sent counts."""
    account_id, now = world.account.pk, datetime(2026, 3, 3, 13, 0, 0, tzinfo=UTC)
    budget.change(account_id, 5, by=SYSTEM)
    before, after, last = (budget.Allowance(account_id, now + timedelta(seconds=late)) for late in (-1, 1, 2))
    flow, _runs = mailing

    for one in (after, before):
        assert one.take([(flow.pk, 1)] * 2) == 2
        one.book()

    assert (Budget.objects.get().hour, Budget.objects.get().used) == (now, 4)
    assert last.take([(flow.pk, 1)] * 2) == 1


def test_by_default_the_installation_says_how_much_may_be_sent(world, mailing, settings):
    settings.AUTOMATION_SENDS_PER_HOUR = 4

    go()

    assert Enrollment.objects.filter(state="HELD").count() == 1
    assert EnrollmentState.HELD == "HELD"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_batches_beside_each_other_never_go_past_the_budget():
    """Near its end the second waits for the first, and gets what is left."""
    made, now = make_world(), clock.now()
    account_id, taken, may_end = made.account.pk, threading.Event(), threading.Event()
    with account_scope(account_id):
        budget.change(account_id, 5, by=SYSTEM)
        flow = make(made, task(1))

    def take():
        own = budget.Allowance(account_id, now)
        room = own.take([(flow.pk, 1)] * 3)
        taken.set()
        may_end.wait(30)
        own.book()
        return room

    first = of_its_own(made, take)
    assert taken.wait(30)
    second = of_its_own(made, take)
    until_somebody_waits()
    may_end.set()

    assert (first.result(30), second.result(30)) == (3, 2)
    with account_scope(account_id):
        assert Budget.objects.get().used == 5


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_far_from_its_end_nobody_waits_and_who_does_not_fit_any_more_is_undone(monkeypatch):
    made, now = make_world(), clock.now()
    account_id, both = made.account.pk, threading.Barrier(2)
    with account_scope(account_id):
        budget.change(account_id, 5, by=SYSTEM)
    monkeypatch.setattr(budget, "NEAR", -100)

    def take():
        own = budget.Allowance(account_id, now)
        room = own.take([(1, 1)] * 3)
        both.wait(30)  # neither knows of the other
        own.book()
        return room

    outcomes = [one.exception(30) for one in (of_its_own(made, take), of_its_own(made, take))]

    assert sorted(str(type(one)) for one in outcomes) == sorted([str(type(None)), str(budget.Overrun)])
    with account_scope(account_id):
        assert Budget.objects.get().used == 3


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_does_not_fit_is_worked_anew_and_sends_what_does(monkeypatch):
    """What it did is rolled back with it: nothing is sent twice, and no more than the budget."""
    made = make_world()
    with account_scope(made.account.pk):
        budget.change(made.account.pk, 3, by=SYSTEM)
        flow = make(made, Action("1", "internal_email", {"users": [made.ada.pk]}))
        for number in range(5):
            enroll(flow, made.ticket(f"{number}").pk)
    real, seen = budget.of, []

    def stale(account_id):
        """The first time as it was before others took from it."""
        found = real(account_id)
        if not seen:
            found.per_hour = budget.NEAR + 100
        seen.append(found)
        return found

    monkeypatch.setattr(budget, "of", stale)

    assert Runner().run_once() == 5

    with account_scope(made.account.pk):
        states = sorted(Enrollment.objects.values_list("state", flat=True))
        assert states == ["ENDED"] * 3 + ["HELD"] * 2
        assert OutboxEntry.objects.filter(account_id=made.account.pk).count() == 3
        assert Budget.objects.get().used == 3


@pytest.mark.parametrize("named", ["all", "one", "by hand"])
def test_who_enters_leaves_other_workflows_R_UN_6(world, named):
    """All of them, or those that are named; not one that is entered by the same event, and nobody else's."""
    left, kept = make(world, wait(following=None)), make(world, wait(following=None))
    also = make(world, wait(following=None), trigger=CREATED)
    taking = {"ends": Ends((left.pk,) if named == "one" else ())}
    over = make(world, wait(following=None), trigger=CREATED, leaving=Leaving(**taking))
    ticket, other = world.ticket("One").pk, world.ticket("Two").pk
    Enrollment.objects.all().delete()
    EventRow.objects.all().delete()
    PendingEvent.objects.all().delete()
    runs = [enroll(flow, pk) for flow in (left, kept) for pk in (ticket, other)]
    go()

    if named == "by hand":
        viewer = policy.viewer_for(world.account.pk, world.ada.pk)
        assert by_hand.enroll_by_hand(viewer, over.pk, [ticket]).enrolled == {ticket}
    else:
        log.record("ticket.created", object_type="ticket", object_id=ticket, version=9, by=SYSTEM, data={})
    go()

    ended = [Enrollment.objects.get(pk=run.pk).end_reason for run in runs]
    assert ended == ["taken_over", "", "" if named == "one" else "taken_over", ""]
    inside = Enrollment.objects.filter(workflow__in=[also, over], state="DUE").values_list(
        "workflow_id", flat=True
    )
    assert set(inside) == {over.pk} if named == "by hand" else {also.pk, over.pk}
    line = StepLog.objects.get(enrollment_id=runs[0].pk, kind="left")
    assert line.data == {"reason": "taken_over", "workflow": over.pk}


def test_who_passes_a_record_on_can_be_left_by_that_R_UN_6(world):
    """The step that enrolls it ends its own run and the one beside it: neither goes a step further, in this batch or another."""
    over = make(world, wait(following=None), leaving=Leaving(ends=Ends()))
    passing = make(
        world, Action("1", "enroll_in_workflow", {"workflow": str(over.pk)}, Edge("2")), task(2, 3), wait(3)
    )
    beside = make(world, wait(1, 2), task(2))
    ticket = world.ticket().pk
    runs = enroll(passing, ticket), enroll(beside, ticket, position="2", step_id="2")
    go()

    for run in runs:
        run.refresh_from_db()
        assert (run.state, run.end_reason) == ("ENDED", "taken_over")
    assert Enrollment.objects.get(workflow=over).state == "DUE"
    assert not Task.objects.exists()


def test_who_is_begun_anew_by_a_run_beside_it_acts_once_R_RE_6(world):
    """The run that ended by that goes no step further in the batch that both are of."""
    anew = Reenrollment(True, while_inside=WhileInside.RESTART)
    other = make(world, wait(1, 2), task(2), reenrollment=anew)
    passing = make(world, Action("1", "enroll_in_workflow", {"workflow": str(other.pk)}))
    ticket = world.ticket().pk
    enroll(passing, ticket)
    inside = enroll(other, ticket, position="2", step_id="2")
    go()

    inside.refresh_from_db()
    assert inside.end_reason == "restarted"
    assert Enrollment.objects.filter(workflow=other, state="DUE").count() == 1
    assert not Task.objects.exists()


def test_who_meets_the_end_by_a_linked_record_of_its_own_kind_leaves_R_UN_1(world):
    captain = Filter("jobtitle", Kind.TEXT, Operator.ANY_OF, ("Captain",))
    until = Leaving(goal=Associated("contact", captain))
    definition = Definition(
        "contact", start=Edge("1"), steps=(wait(following=None),), next_id=2, leaving=until
    )
    flow = workflows.create(world.account.pk, "Flow", definition)
    Workflow.objects.filter(pk=flow.pk).update(is_on=True, on_since=clock.now())
    sailor, other = world.contact("s@x.example").pk, world.contact("o@x.example").pk
    associations.connect("contact", sailor, "contact", other, by=SYSTEM)
    run = enroll(flow, sailor)
    Enrollment.objects.filter(pk=run.pk).update(object_type="contact")
    go()

    contacts.update(other, {"jobtitle": "Captain"}, by=SYSTEM)
    go()

    run.refresh_from_db()
    assert (run.state, run.end_reason) == ("ENDED", "goal")


# ── what raises ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Broken(CreateTask):
    def run(self, batch):
        raise RuntimeError("The disk is full")


def test_a_run_that_is_put_back_says_why_and_when_it_goes_on_R_LOG_2_R_LOG_6(world, monkeypatch):
    """Each try leaves a line; the last one ends the run and asks for a look (R-LOG-7). Others of the batch go on."""
    monkeypatch.setitem(ACTIONS, "create_task", Broken())
    made = make(world, wait(), task(2))
    run, beside = enroll(made, world.ticket().pk), enroll(make(world, wait(1, 0)), world.ticket("other").pk)
    go()

    elapse(run, beside)

    run.refresh_from_db()
    beside.refresh_from_db()
    line = StepLog.objects.get(enrollment_id=run.pk, kind="error")
    assert (line.step_id, line.status, line.message) == ("2", "RETRYING", "RuntimeError: The disk is full")
    assert datetime.fromisoformat(line.data["until"]) == run.due_at > clock.now()
    assert (run.state, run.attempts, beside.end_reason) == ("DUE", 1, "completed")

    for _try in range(4):
        elapse(run)
    run.refresh_from_db()
    made.refresh_from_db()
    told = (
        StepLog.objects.filter(enrollment_id=run.pk, kind="error")
        .order_by("id")
        .values_list("status", flat=True)
    )
    assert list(told) == ["RETRYING"] * 4 + ["FAILED"]
    assert (run.state, run.end_reason) == ("ENDED", "failed")
    assert "The disk is full" in made.needs_review


# ── what a newer release stored ──────────────────────────────────────────────────────────────────────────────────────


def test_runs_of_what_this_release_can_not_read_wait_and_lose_nothing(world):
    """After going back to an older release (R-LOG-7): its workflow asks for a look, others go on beside it."""
    made, other = make(world, wait(), task(2)), make(world, task(1))
    run = enroll(made, world.ticket().pk)
    go()
    before = Enrollment.objects.get(pk=run.pk).position
    Workflow.objects.filter(pk=made.pk).update(watches=True)
    readable = make_unreadable(made)
    late = enroll(other, world.ticket("other").pk)
    set_to(Ticket.objects.get(pk=run.record_id), priority="HIGH")  # of which others hear

    elapse(run, late)

    run.refresh_from_db()
    made.refresh_from_db()
    assert (run.state, run.position, run.attempts) == ("DUE", before, 0)
    assert run.due_at > clock.now() + timedelta(minutes=50)
    assert "newer release" in made.needs_review
    assert Task.objects.count() == 1
    assert not PendingEvent.objects.exists()

    make_readable(made, readable)
    elapse(run)

    assert Task.objects.count() == 2
    assert states() == ["ENDED", "ENDED"]


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_old_lines_are_forgotten_in_sets_and_that_it_ran_is_not_R_LOG_3(world, monkeypatch):
    """R-RE-1: who was in once does not come in again because the log was tidied."""
    monkeypatch.setattr(retention, "STEP", 2)
    made = make(world, task(1, 2), task(2, 3), task(3))
    run, other = (enroll(made, world.ticket(name).pk) for name in ("old", "new"))
    go()
    old = clock.now() - timedelta(days=retention.DAYS, seconds=1)
    StepLog.objects.filter(enrollment_id=run.pk).update(at=old)
    Enrollment.objects.filter(pk=run.pk).update(ended_at=old, outputs={"1": {"task_id": "1"}})

    sets = 0
    while retention.forget_some(world.account.pk, clock.now()):
        sets += 1

    assert sets == 2
    assert StepLog.objects.filter(enrollment_id=run.pk).count() == 0
    assert StepLog.objects.filter(enrollment_id=other.pk).count() == 3
    run.refresh_from_db()
    assert (run.end_reason, run.outputs) == ("completed", {})


def test_a_call_whose_run_ended_first_is_forgotten_in_its_time_R_LOG_3(world):
    """Nobody hears the answer to it, so it waits for ever."""
    now = clock.now()
    old = now - timedelta(days=retention.DAYS, seconds=1)
    given = {"account_id": world.account.pk, "enrollment_id": 1, "step_id": "1"}
    StepCall.objects.create(
        **given, key="given up", created_at=old, expires_at=old + timedelta(milliseconds=1)
    )
    kept = StepCall.objects.create(
        **given, key="waits", token="t", created_at=old, expires_at=now + timedelta(1)
    )

    retention.forget_some(world.account.pk, now)

    assert StepCall.objects.get() == kept


def test_an_account_says_how_long_the_log_is_kept_R_LOG_3(world):
    by = Actor.user(world.ada.pk)
    assert retention.days_kept(world.account.pk) == 180
    retention.keep(world.account.pk, 30, by=by)
    assert retention.days_kept(world.account.pk) == 30
    with pytest.raises(Invalid, match="7 to 3650"):
        retention.keep(world.account.pk, 1, by=by)

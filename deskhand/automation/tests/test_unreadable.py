"""What a newer release stored, or nobody can read: its workflow asks for a look, the others go on beside it (R-LOG-7)."""

from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import (
    answers,
    calls,
    coderuns,
    integrations,
    keeping,
    listing,
    timing,
    waking,
    webcalls,
    workflows,
)
from deskhand.automation.engine.definition import (
    Action,
    Delay,
    Edge,
    EventMatch,
    OnFailure,
    Timing,
    UntilEvent,
    WhenEvent,
)
from deskhand.automation.enrolling import guards
from deskhand.automation.models import CodeRun, Enrollment, StepCall, StepLog, Workflow
from deskhand.automation.tests.enrolling_cases import office
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
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Task
from deskhand.delivery.models import State
from deskhand.delivery.types import Answer as OutboxAnswer
from deskhand.delivery.types import Answered, Reply, Verdict
from deskhand.events import dispatch
from deskhand.events import queries as events
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import PendingEvent
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Invalid
from deskhand.kernel.timers import DueTimer
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world

__all__ = ["office"]
pytestmark = pytest.mark.usefixtures("wired")


def needs_a_look(workflow):
    workflow.refresh_from_db()
    return "can't read it" in workflow.needs_review


def calling(run, key, **more):
    """As if the run had called another system and waited for the answer."""
    until = clock.now() + timedelta(days=1)
    Enrollment.objects.filter(pk=run.pk).update(
        waits_for=calls.WAITS_FOR, happened="2", position="1", step_id="1", due_at=until
    )
    return StepCall.objects.create(
        account_id=run.account_id, enrollment_id=run.pk, step_id="1", key=key, created_at=clock.now(),
        expires_at=until, **more,
    )  # fmt: skip


def test_what_is_on_and_can_not_be_read_takes_nobody_in_and_the_others_do(office):
    created = WhenEvent((EventMatch("ticket.created"),))
    broken, sound = office.flow(created), office.flow(created)
    make_unreadable(broken)

    ticket = office.world.ticket()
    office.rest()

    assert office.inside() == [ticket.pk]
    assert Enrollment.objects.get().workflow_id == sound.pk
    assert needs_a_look(broken)
    assert not needs_a_look(sound)


def test_an_event_that_a_run_waits_for_lets_the_others_go_on(world):
    waiting = Delay("1", UntilEvent(EventMatch("ticket.moved")), Edge("2"))
    broken, sound = make(world, waiting, task(2)), make(world, waiting, task(2))
    ticket = world.ticket()
    for one in (broken, sound):
        enroll(one, ticket.pk)
    go()
    make_unreadable(broken)

    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    go()

    assert Task.objects.count() == 1
    assert not PendingEvent.objects.exists()
    assert needs_a_look(broken)


def test_many_runs_that_wait_in_it_cost_no_more_than_few(world):
    broken = make(world, Delay("1", UntilEvent(EventMatch("ticket.moved")), Edge("2")), task(2))

    def asked(count):
        tickets_made = [world.ticket(f"{count}.{n}").pk for n in range(count)]
        for pk in tickets_made:
            enroll(
                broken, pk, state="WAITING", due_at=None, waits_for="ticket.moved", position="1", step_id="1"
            )
        while Dispatcher().run_once():
            pass
        stored = make_unreadable(broken)
        for pk in tickets_made:
            tickets.move(pk, to=world.stage("Closed"), by=SYSTEM)
        run_hooks()
        events = dispatch.unheard(world.account.pk, 100)
        with CaptureQueriesContext(connection) as queries:
            waking.hear(world.account.pk, events)
        make_readable(broken, stored)
        return len(queries)

    asked(1)
    assert asked(8) == asked(2)
    assert needs_a_look(broken)


@pytest.mark.parametrize("failed", ["", "No route"])
def test_an_answer_is_heard_and_what_a_failure_leads_to_when_it_can_be_read_R_WFA_4(world, failed):
    """A run that may have to end waits on, and hears it then."""
    stops = Action("1", "create_task", {"title": "A"}, Edge("2"), OnFailure.STOP)
    broken, sound = (make(world, stops, task(2, title=name)) for name in ("Broken", "Sound"))
    runs = [enroll(one, world.ticket(f"{one.pk}").pk) for one in (broken, sound)]
    for run, key in zip(runs, "ab", strict=True):
        calling(run, key)
    stored = make_unreadable(broken)

    heard = calls.answered_many(
        world.account.pk, [calls.Answer("a", {"n": 1}, failed), calls.Answer("b", {"n": 1})]
    )
    go()

    assert heard == ({"b"} if failed else {"a", "b"})
    assert needs_a_look(broken)
    assert [one.title for one in Task.objects.all()] == ["Sound"]
    elapse(runs[0])  # it looks, and can't be read still
    assert Enrollment.objects.get(pk=runs[0].pk).state == "DUE"
    make_readable(broken, stored)
    elapse(runs[0])
    ended = Enrollment.objects.get(pk=runs[0].pk)
    assert (ended.state, ended.end_reason) == ("ENDED", "step_failed" if failed else "completed")
    if failed:
        assert StepLog.objects.get(enrollment_id=ended.pk, status="FAILED").message == failed


def test_who_calls_back_is_heard_when_it_can_be_read_R_WFA_4(world):
    broken = make(world, task(1, 2), task(2))
    run = enroll(broken, world.ticket().pk)
    calling(run, "a", token="secret")
    stored = make_unreadable(broken)

    integrations.complete({"secret": {"outputFields": {"n": 7}}})

    assert StepCall.objects.get().state == "WAITING"
    assert needs_a_look(broken)
    due = Enrollment.objects.get().due_at
    assert due <= clock.now() + guards.LOOK_AGAIN
    make_readable(broken, stored)
    elapse(run)
    assert StepCall.objects.get().state == "ANSWERED"
    ended = Enrollment.objects.get()
    assert (ended.state, ended.end_reason) == ("ENDED", "completed")


@pytest.mark.django_db(transaction=True)
def test_who_calls_back_waits_for_the_run_before_it_holds_anything_else_R_WFA_4():
    """The runner holds a run, then its call and its workflow: so the two never wait for each other."""
    made = make_world()
    with account_scope(made.account.pk):
        broken = make(made, task(1, 2), task(2))
        run = enroll(broken, made.ticket().pk)
        calling(run, "a", token="secret")
        make_unreadable(broken)

    with account_scope(made.account.pk):
        Enrollment.objects.select_for_update().get(pk=run.pk)
        back = of_its_own(made, lambda: integrations.complete({"secret": {}}))
        until_somebody_waits()
        assert not back.done()
        assert StepCall.objects.select_for_update(nowait=True).get().answer == {}
        assert Workflow.objects.select_for_update(nowait=True).get(pk=broken.pk).needs_review == ""

    back.result(30)
    with account_scope(made.account.pk):
        assert StepCall.objects.get().answer[calls.UNHEARD] == [{"given": {}}]


def heard_by_none(made, *flows):
    """A ticket that moves while nobody can read what waits for that; the runs, and the timers of what is unheard."""
    with account_scope(made.account.pk):
        ticket = made.ticket()
        runs = [enroll(flow, ticket.pk) for flow in flows]
        go()
        for flow in flows:
            make_unreadable(flow)
        tickets.move(ticket.pk, to=made.stage("Closed"), by=SYSTEM)
        go()
        found = {int(key.partition(":")[0]): key for key in timers.keys(made.account.pk, waking.HEAR_AGAIN)}
        return runs, [
            DueTimer(0, made.account.pk, waking.HEAR_AGAIN, found[one.pk], clock.now(), {}) for one in runs
        ]


@pytest.mark.django_db(transaction=True)
def test_who_hears_an_event_once_more_holds_its_timer_before_the_run_R_DELAY_5(wired):
    """As the loop of timers does: so an event that is told twice at one moment is heard by both, one after the other."""
    made = make_world()
    with account_scope(made.account.pk):
        broken = make(made, Delay("1", UntilEvent(EventMatch("ticket.moved")), Edge("2")), task(2))
    (run,), (again,) = heard_by_none(made, broken)

    with account_scope(made.account.pk):
        told = events.of_ids(made.account.pk, {int(again.key.partition(":")[2])})
        timers.drop_timer(made.account.pk, waking.HEAR_AGAIN, again.key)  # rung, as the loop does it first
        other = of_its_own(made, lambda: waking.hear(made.account.pk, told))
        until_somebody_waits()
        assert not other.done()
        assert Enrollment.objects.select_for_update(nowait=True).get(pk=run.pk).waits_for == "ticket.moved"
        waking.hear_again(made.account.pk, [again])

    other.result(30)
    with account_scope(made.account.pk):
        assert timers.keys(made.account.pk, waking.HEAR_AGAIN) == [again.key]


@pytest.mark.django_db(transaction=True)
def test_who_hears_once_more_keeps_that_on_and_nothing_of_others_R_DELAY_5(wired):
    """Two that ring at one moment, in two workers, don't wait for each other."""
    made = make_world()
    with account_scope(made.account.pk):
        waiting = Delay("1", UntilEvent(EventMatch("ticket.moved")), Edge("2"))
        flows = [make(made, waiting, task(2)) for _one in range(2)]
    _runs, (first, second) = heard_by_none(made, *flows)

    with account_scope(made.account.pk):
        timers.drop_timer(made.account.pk, waking.HEAR_AGAIN, first.key)
        of_its_own(made, lambda: waking.hear_again(made.account.pk, [second])).result(30)
        waking.hear_again(made.account.pk, [first])

    with account_scope(made.account.pk):
        assert {*timers.keys(made.account.pk, waking.HEAR_AGAIN)} == {first.key, second.key}


@pytest.mark.parametrize("later", [False, True])
def test_the_reply_to_a_call_is_heard_when_it_can_be_read_R_WFA_4(world, later):
    """Where it says that a callback comes, the run waits for that until its time."""
    broken = make(world, Action("1", "custom_action", {"integration": "none"}, Edge("2")), task(2))
    run = enroll(broken, world.ticket().pk)
    call = calling(run, "a", token="secret")
    stored = make_unreadable(broken)
    body = '{"outputFields": {"hs_execution_state": "BLOCK"}}' if later else '{"outputFields": {"n": 1}}'
    sent = SimpleNamespace(reference_type=webcalls.REFERENCE, reference_id=call.pk)
    told = Answered(
        sent, OutboxAnswer(Verdict.ACCEPTED, "200", reply=Reply(200, body)), State.SENT, clock.now(), ""
    )

    answers.note(world.account.pk, [told])

    assert needs_a_look(broken)
    assert log_of(run) == [("1", "", "SCHEDULED")]
    make_readable(broken, stored)
    elapse(run)
    found = Enrollment.objects.get()
    assert (found.state, Task.objects.count()) == (("DUE", 0) if later else ("ENDED", 1))
    if later:
        assert found.due_at == call.expires_at
        integrations.complete({"secret": {"outputFields": {}}})
        go()
        assert Enrollment.objects.get().end_reason == "completed"


def test_code_stays_in_its_queue_until_it_can_be_read_R_WFA_12(world):
    broken = make(
        world, Action("1", "custom_code", {"code": "def main(event): return {}"}, Edge("2")), task(2)
    )
    run = enroll(broken, world.ticket().pk)
    call = calling(run, "a")
    coderuns.place([coderuns.NewRun(run.pk, broken.pk, 1, "1", "a", {})], clock.now())
    stored = make_unreadable(broken)

    due = coderuns.claim()
    assert not coderuns.run_one(due)

    assert coderuns.claim() is None
    queued = CodeRun.objects.get()
    assert queued.tries == 0
    assert call.expires_at <= Enrollment.objects.get().due_at
    assert needs_a_look(broken)
    make_readable(broken, stored)
    CodeRun.objects.update(lease_until=None)
    assert coderuns.run_one(coderuns.claim())
    assert not CodeRun.objects.exists()


def test_its_last_day_keeps_no_other_from_going_off_R_EXEC_8(world):
    last = Timing(off_after=date(2026, 3, 5))
    broken, sound = make(world, task(1), timing=last), make(world, task(1), timing=last)
    make_unreadable(broken)

    now = clock.now()
    timing.switch_off(
        world.account.pk,
        [DueTimer(0, world.account.pk, timing.OFF, str(one.pk), now, {}) for one in (broken, sound)],
    )

    assert needs_a_look(broken)
    assert [Workflow.objects.get(pk=one.pk).is_on for one in (broken, sound)] == [True, False]


def test_it_is_listed_switched_off_and_says_what_it_can_not(world):
    broken, sound = make(world, Delay("1", UntilEvent(EventMatch("ticket.moved")))), make(world, task(1))
    make_unreadable(broken)

    rows = listing.rows_of(world.account.pk, [broken.pk, sound.pk], clock.now())
    assert [row.definition is None for row in rows] == [True, False]
    with pytest.raises(Invalid, match="can't be read"):
        waking.recalculate(broken, "1")
    workflows.switch(broken, False)
    assert not Workflow.objects.get(pk=broken.pk).is_on
    with pytest.raises(Invalid):
        workflows.switch(broken, True)


def test_what_the_plan_has_not_any_more_is_looked_for_in_the_others(world, monkeypatch):
    """A34"""
    broken, sound = make(world, task(1)), make(world, task(1))
    make_unreadable(broken)
    monkeypatch.setattr(keeping, "_has_fewer_features", lambda _event: True)
    monkeypatch.setattr(keeping.gating, "needed", lambda *_given: {"something"})

    class Changed:
        kind = "account.updated"

    keeping.rest_beyond_plan(world.account.pk, [Changed()])

    assert [Workflow.objects.get(pk=one.pk).is_on for one in (broken, sound)] == [True, False]
    assert guards.UNREADABLE not in Workflow.objects.get(pk=sound.pk).needs_review


def test_an_event_that_the_log_has_no_more_is_not_heard_again_R_DELAY_5(world):
    """Old months may be dropped."""
    run = enroll(
        make(world, Delay("1", UntilEvent(EventMatch("ticket.moved")), Edge("2")), task(2)), world.ticket().pk
    )
    go()

    waking.hear_again(
        world.account.pk,
        [DueTimer(0, world.account.pk, waking.HEAR_AGAIN, f"{run.pk}:999999999", clock.now(), {})],
    )

    assert waking.hear_kept(world.account.pk, {run.pk}) == set()
    assert Enrollment.objects.get(pk=run.pk).waits_for == "ticket.moved"


@pytest.mark.parametrize("at_most", [None, timedelta(days=1)])
def test_an_event_that_came_meanwhile_is_heard_when_it_can_be_read_R_DELAY_5(world, at_most):
    """By the clock, and before a wait's time is taken to be up."""
    waiting = Delay(
        "1", UntilEvent(EventMatch("ticket.moved"), at_most), Edge("2"), Edge("3") if at_most else None
    )
    broken = make(world, waiting, task(2, title="Moved"), task(3, title="Too late"))
    ticket = world.ticket()
    run = enroll(broken, ticket.pk)
    go()
    stored = make_unreadable(broken)
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    go()
    (key,) = timers.keys(world.account.pk, waking.HEAR_AGAIN)
    again = DueTimer(0, world.account.pk, waking.HEAR_AGAIN, key, clock.now(), {})

    waking.hear_again(world.account.pk, [again])
    go()
    assert not Task.objects.exists()
    assert timers.keys(world.account.pk, waking.HEAR_AGAIN) == [key]

    make_readable(broken, stored)
    if at_most:
        elapse(run)
    else:
        waking.hear_again(world.account.pk, [again])
        go()

    assert [one.title for one in Task.objects.all()] == ["Moved"]
    waking.hear_again(world.account.pk, [again])
    go()
    assert Task.objects.count() == 1

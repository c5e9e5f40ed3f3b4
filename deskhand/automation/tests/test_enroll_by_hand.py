"""Enrolling by hand, from another workflow, and taking out (R-EDIT-7, R-RE-8, R-UN-8)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy
from deskhand.accounts.models import AuditEntry
from deskhand.automation import workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import (
    Action,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    Leaving,
    Manual,
    WhenEvent,
    WhileInside,
)
from deskhand.automation.enrolling import by_hand, guards, leaving
from deskhand.automation.enrolling.guards import Barred
from deskhand.automation.models import Enrollment, StepLog, Workflow
from deskhand.automation.tests.enrolling_cases import TASK, has, office
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Task
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.types import DEPTH_LIMIT, SYSTEM
from deskhand.kernel.errors import Forbidden, Invalid, NotFound

__all__ = ["office"]
LONG = Delay("1", ForAmount(timedelta(days=3650)), Edge("2"))
WAITS = (LONG, Action("2", "create_task", {"title": "Look"}))


@pytest.fixture
def ada(world):
    return policy.viewer_for(world.account.pk, world.ada.pk)


def test_people_enroll_what_they_choose_whatever_the_trigger_R_EDIT_7(world, office, ada):
    flow = office.flow(WhenEvent((EventMatch("ticket.closed"),)))
    one, two = world.ticket(), world.ticket()
    done = by_hand.enroll_by_hand(ada, flow.pk, [one.pk, two.pk, 999_999])
    office.rest()

    assert (done.enrolled, done.refused) == ({one.pk, two.pk}, {999_999: by_hand.GONE})
    assert Task.objects.count() == 2
    assert Enrollment.objects.first().reason == {"by": "manual", "actor": "user", "actor_id": world.ada.pk}
    assert AuditEntry.objects.get(action="workflow.enrolled").after["count"] == 2


def test_again_by_hand_only_where_the_workflow_takes_records_in_again_R_RE_8(world, office, ada):
    once, often = office.flow(Manual()), office.flow(Manual(), again=True)
    ticket = world.ticket()
    for expected in ({}, {ticket.pk: by_hand.BEFORE}):
        assert by_hand.enroll_by_hand(ada, once.pk, [ticket.pk]).refused == expected
        assert by_hand.enroll_by_hand(ada, often.pk, [ticket.pk]).refused == {}
        office.rest()
    assert len(office.inside(often)) == 2


def test_who_is_inside_comes_in_where_the_workflow_says_what_happens_then(world, office, ada):
    """R-RE-6 leaves that to the workflow; nobody is refused for it."""
    flow = office.flow(Manual(), again=True, steps=WAITS)
    definition = workflows.definition_of(flow)
    begins_anew = replace(
        definition, reenrollment=replace(definition.reenrollment, while_inside=WhileInside.RESTART)
    )
    ticket = world.ticket()
    by_hand.enroll_by_hand(ada, flow.pk, [ticket.pk])
    workflows.save(flow, begins_anew)

    assert by_hand.enroll_by_hand(ada, flow.pk, [ticket.pk]).refused == {}
    assert len(office.inside()) == 2


def test_each_refusal_is_told_in_words(world, office, ada):
    off = office.flow(Manual(), is_on=False)
    waits = office.flow(Manual(), steps=WAITS, leaving=Leaving(has("hs_ticket_priority", "URGENT")))
    inside, urgent = world.ticket(), world.ticket(priority="URGENT")
    by_hand.enroll_by_hand(ada, waits.pk, [inside.pk])
    done = by_hand.enroll_by_hand(ada, waits.pk, [inside.pk, urgent.pk])

    assert by_hand.enroll_by_hand(ada, off.pk, [inside.pk]).refused == {inside.pk: by_hand.OFF}
    assert done.refused == {inside.pk: by_hand.INSIDE, urgent.pk: Barred.SUPPRESSED}
    assert all(str(done.sentence(pk)).endswith(".") for pk in done.refused)


def test_who_may_enroll(world, office, ada):
    flow = office.flow(Manual())
    nils = policy.viewer_for(world.account.pk, world.nils.pk)
    with pytest.raises(Forbidden):
        by_hand.enroll_by_hand(nils, flow.pk, [world.ticket().pk])
    workflows.delete(Workflow.objects.get(pk=flow.pk))
    with pytest.raises(NotFound):
        by_hand.enroll_by_hand(ada, flow.pk, [1])
    other = office.flow(Manual())
    with pytest.raises(Invalid):
        by_hand.enroll_by_hand(ada, other.pk, range(by_hand.MOST + 1))


def test_as_many_queries_for_one_as_for_many(world, office, ada):
    flow = office.flow(Manual(), again=True, leaving=Leaving(has("hs_ticket_priority", "URGENT")))

    def count(records):
        ids = [
            one.id for one in tickets.create_many([NewTicket(f"T {n}") for n in range(records)], by=SYSTEM)
        ]
        with CaptureQueriesContext(connection) as made:
            assert len(by_hand.enroll_by_hand(ada, flow.pk, ids).enrolled) == records
        return len(made)

    count(1)
    assert count(2) == count(50)


def test_taken_out_it_stays_out_R_UN_8(world, office, ada):
    flow = office.flow(Manual(), steps=WAITS)
    ticket = world.ticket()
    by_hand.enroll_by_hand(ada, flow.pk, [ticket.pk])
    office.rest()
    run = Enrollment.objects.get()
    assert leaving.unenroll(world.account.pk, [run.pk], by=world.ada.pk) == {run.pk}
    assert leaving.unenroll(world.account.pk, [run.pk], by=world.ada.pk) == set()
    office.rest()

    run.refresh_from_db()
    assert (run.state, run.end_reason, Task.objects.count()) == ("ENDED", "by_hand", 0)
    assert AuditEntry.objects.filter(action="workflow.unenrolled").count() == 1


# ── from another workflow ────────────────────────────────────────────────────────────────────────────────────────────


def sends(to, then="stay", step="1"):
    return Action(step, "enroll_in_workflow", {"workflow": str(to.pk), "then": then}, Edge("2"))


@pytest.mark.parametrize(("then", "tasks", "ended"), [("stay", 2, "completed"), ("go", 1, "went_on")])
def test_a_workflow_sends_its_records_on_to_another_and_may_let_them_go(
    world, office, ada, then, tasks, ended
):
    target = office.flow(Manual())
    first = office.flow(Manual(), steps=(sends(target, then), Action("2", "create_task", {"title": "Too"})))
    ticket = world.ticket()
    by_hand.enroll_by_hand(ada, first.pk, [ticket.pk])
    office.rest()
    here, there = Enrollment.objects.get(workflow=first), Enrollment.objects.get(workflow=target)

    assert (Task.objects.count(), here.end_reason, there.depth) == (tasks, ended, 1)
    assert there.reason["by"] == "workflow"
    assert (there.reason["workflow"], there.reason["enrollment"]) == (first.pk, here.pk)


def test_two_that_send_to_each_other_come_to_an_end_R_EXEC_21(world, office, ada):
    one, other = office.flow(Manual(), again=True), office.flow(Manual(), again=True)
    for flow, to in ((one, other), (other, one)):
        definition = workflows.definition_of(flow)
        step = sends(to, "go")
        workflows.save(flow, type(definition)("ticket", Manual(), definition.reenrollment, start=Edge("1"), steps=(step, Action("2", TASK.kind, TASK.settings)), next_id=3))  # fmt: skip
    by_hand.enroll_by_hand(ada, one.pk, [world.ticket().pk])
    office.rest()

    assert Enrollment.objects.count() == DEPTH_LIMIT + 1
    flagged = Workflow.objects.exclude(needs_review="").values_list("needs_review", flat=True)
    assert list(flagged) == [guards.TOO_DEEP]


def test_who_can_not_be_sent_is_told_and_goes_on(world, office, ada):
    off = office.flow(Manual(), is_on=False)
    first = office.flow(Manual(), steps=(sends(off), Action("2", "create_task", {"title": "Too"})))
    by_hand.enroll_by_hand(ada, first.pk, [world.ticket().pk])
    office.rest()

    assert StepLog.objects.get(kind="enroll_in_workflow").message == str(by_hand.SENTENCES[by_hand.OFF])
    assert Task.objects.count() == 1


def test_the_action_asks_for_a_workflow_that_is_there(world, office):
    action = ACTIONS["enroll_in_workflow"]
    flow = office.flow(Manual(), is_on=False)

    assert action.problems({"workflow": str(flow.pk)}) == []
    assert [field for field, _why in action.problems({})] == ["workflow"]
    assert [field for field, _why in action.problems({"workflow": "999999"})] == ["workflow"]
    assert [field for field, _why in action.problems({"workflow": str(flow.pk), "then": "x"})] == ["then"]
    assert "Flow" in action.summary({"workflow": str(flow.pk), "then": "go"})

"""R-PIPE-10: what names a deleted status or pipeline is not published nor switched on, and keeps asking for a look until
nothing that is gone is named; runs that come to it fail with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts import policy
from deskhand.automation import again, drafts, keeping, lanes, uses, workflows
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    IfThen,
    Leaving,
    OnFailure,
    ValueEquals,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.enrolling import leaving
from deskhand.automation.models import Enrollment, StepLog, Workflow
from deskhand.automation.runner import Runner
from deskhand.automation.tests.naming import HOUR, WAYS, groups, is_in, second_pipeline, with_call
from deskhand.automation.tests.runs import elapse, enroll, go, make, task
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.records import refiling, task_queues, tickets
from deskhand.crm.records.models import Task, Ticket
from deskhand.crm.records.task_queues import NewQueue
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import settle
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.models import Timer as KernelTimer

pytestmark = pytest.mark.usefixtures("wired")


@pytest.fixture
def returns(world):
    return second_pipeline(world.account.pk)


def delete(returns):
    """Whoever is in it moves to the status before it."""
    row = Pipeline.objects.get(pk=returns.id).stages.get(pk=returns.stages[1].id)
    is_used = Ticket.objects.filter(stage_id=row.pk).exists()
    refiling.delete_stage(row, move_to=returns.stages[0].id if is_used else None, by=SYSTEM)
    settle()


@pytest.mark.parametrize("way", WAYS)
def test_what_names_a_deleted_status_is_refused_and_its_mark_stays_until_it_does_not_R_PIPE_10(
    world, returns, way
):
    """One round: fine before, refused after, by name; it stays on, and the mark outlives "It is well", other edits and
    drafts, and goes with the last name."""
    field, make_of = WAYS[way]
    at, other = returns.stages[1].id, returns.stages[0].id
    flow = workflows.create(world.account.pk, "Chase", make_of(at), by=world.ada.pk)
    beside = workflows.create(world.account.pk, "Beside", make_of(other), by=world.ada.pk)
    Workflow.objects.filter(pk=flow.pk).update(is_on=True)
    assert drafts.problems(make_of(at)) == []
    assert [use.id for use in uses.stages(world.account.pk, [at])[at]] == [flow.pk]

    delete(returns)

    found = [one for one in drafts.problems(make_of(at)) if "not there any more" in workflows.said(one)]
    assert field in [one.field for one in found]
    assert all("“On hold”" in workflows.said(one) for one in found)
    flow.refresh_from_db()
    assert (flow.is_on, flow.needs_review) == (True, uses.NAMES_GONE)
    assert Workflow.objects.get(pk=beside.pk).needs_review == ""
    flow = workflows.switch(flow, False)
    with pytest.raises(Invalid, match="On hold"):
        workflows.switch(flow, True)
    with pytest.raises(Conflict):
        keeping.looked_at(flow, by=Actor.user(world.ada.pk))
    drafts.change(flow, with_call, did={}, by=world.ada.pk)
    with pytest.raises(Invalid, match="On hold"):
        drafts.publish(flow, by=world.ada.pk)
    flow.refresh_from_db()
    assert flow.needs_review == uses.NAMES_GONE

    drafts.change(flow, lambda _old: make_of(other), did={}, by=world.ada.pk)
    assert (
        Workflow.objects.get(pk=flow.pk).needs_review == uses.NAMES_GONE
    )  # what is published names it still
    drafts.publish(flow, by=world.ada.pk)
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""


def test_the_clock_of_a_linked_record_and_its_name_of_old_are_found_R_PIPE_10(world, returns):
    clock_name = f"hs_date_entered_{returns.stages[1].id}"
    known = groups(Associated("ticket", Filter(clock_name, Kind.DATETIME, Operator.KNOWN)))
    flow = workflows.create(world.account.pk, "Chase", with_call(Definition("contact", WhenTrue(known))))

    delete(returns)

    assert [workflows.said(one) for one in drafts.problems(workflows.definition_of(flow))] == [
        f"“{clock_name}” names “On hold”, which is not there any more. Choose another one."
    ]


def test_a_deleted_pipeline_is_named_R_PIPE_10(world, returns):
    by_pipeline = with_call(Definition("ticket", WhenTrue(groups(is_in(returns.id, "hs_pipeline")))))
    flow = workflows.create(world.account.pk, "Chase", by_pipeline, by=world.ada.pk)
    by_status = WAYS["filters"].naming(returns.stages[1].id)
    other = workflows.create(world.account.pk, "Its status", by_status, by=world.ada.pk)

    refiling.delete_pipeline(Pipeline.objects.get(pk=returns.id), move_to=None, by=SYSTEM)
    settle()

    with pytest.raises(Invalid, match="“Pipeline” names “Returns”"):
        workflows.switch(flow, True)
    assert [Workflow.objects.get(pk=one.pk).needs_review for one in (flow, other)] == [uses.NAMES_GONE] * 2


def test_options_teams_and_people_that_are_not_there_are_named_too(world):
    """People who left are meant still; what was theirs is."""
    asks = groups(
        Filter("hs_ticket_priority", Kind.ENUM, Operator.NONE_OF, ("SOMETIME",)),
        Filter("hs_assigned_team_ids", Kind.REFS, Operator.ANY_OF, (world.team.pk, 999_999)),
        Filter("hubspot_owner_id", Kind.REF, Operator.ANY_OF, (world.ada.pk, 888_888)),
        Filter("hs_tag_ids", Kind.MULTI, Operator.ANY_OF, ("x",)),
    )  # fmt: skip
    nowhere = Filter("changed", Kind.MULTI, Operator.ANY_OF, ("nowhere",))
    came = EventMatch("ticket.property_changed", AllOf((MemberOf("segment", (1,)), nowhere)))

    found = [
        workflows.said(one)
        for one in drafts.problems(with_call(Definition("ticket", WhenEvent((came,), asks))))
    ]

    assert [one.partition(", which")[0] for one in found if "any more" in one] == [
        "“Property” names “nowhere”", "“Priority” names “SOMETIME”", "“Assigned teams” names “999999”", "“Owner” names “888888”",
    ]  # fmt: skip


# ── the mark ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_alone_that_names_it_is_thrown_away_with_the_mark_R_PIPE_10(world, returns):
    at = returns.stages[1].id
    flow = workflows.create(world.account.pk, "Chase", with_call(Definition("ticket")), by=world.ada.pk)
    drafts.change(flow, lambda _old: WAYS["set"].naming(at), did={}, by=world.ada.pk)
    assert list(uses.stages(world.account.pk, [at])) == [at]
    delete(returns)
    assert Workflow.objects.get(pk=flow.pk).needs_review == uses.NAMES_GONE

    drafts.undo(flow, by=world.ada.pk)
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""
    drafts.redo(flow, by=world.ada.pk)
    assert Workflow.objects.get(pk=flow.pk).needs_review == uses.NAMES_GONE
    drafts.discard(flow, by=world.ada.pk)
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""


def test_a_failure_that_was_looked_at_leaves_the_name_that_is_gone_R_LOG_7_R_PIPE_10(world, returns):
    flow = workflows.create(world.account.pk, "Chase", WAYS["set"].naming(returns.stages[1].id))
    delete(returns)
    Workflow.objects.filter(pk=flow.pk).update(needs_review="No route")

    with pytest.raises(Conflict, match="deleted"):
        keeping.looked_at(flow, by=SYSTEM)
    workflows.save(Workflow.objects.get(pk=flow.pk), WAYS["set"].naming(returns.stages[0].id))
    keeping.looked_at(flow, by=SYSTEM)

    assert Workflow.objects.get(pk=flow.pk).needs_review == ""


def test_a_restored_workflow_that_names_it_asks_for_a_look_R_PIPE_10(world, returns):
    flow = workflows.create(world.account.pk, "Chase", WAYS["set"].naming(returns.stages[1].id))
    keeping.archive(flow, by=SYSTEM)
    delete(returns)
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""

    keeping.restore(Workflow.objects.get(pk=flow.pk), by=SYSTEM)

    assert Workflow.objects.get(pk=flow.pk).needs_review == uses.NAMES_GONE


def test_a_copy_of_what_names_it_asks_for_a_look_R_EDIT_3_R_PIPE_10(world, returns):
    flow = workflows.create(world.account.pk, "Chase", WAYS["set"].naming(returns.stages[1].id))
    delete(returns)

    made = keeping.clone(Workflow.objects.get(pk=flow.pk), by=world.ada.pk)

    assert Workflow.objects.get(pk=made.pk).needs_review == uses.NAMES_GONE


def test_a_lane_is_edited_step_by_step_and_asks_until_the_last_is_put_right_R_PIPE_10(world, returns):
    """Its edits hold at once: none is refused for what another step names."""
    at, by, new = returns.stages[1].id, world.ada.pk, world.stage("New")
    sets = {"property": "hs_pipeline_stage", "value": str(at)}
    lane = lanes.add_step("ticket", new, "set_property", sets, by=by)
    lane = lanes.add_step("ticket", new, "set_property", sets, after="1", by=by)
    workflows.switch(lane, True, by=by)
    delete(returns)

    right = {**sets, "object_type": "ticket", "value": str(returns.stages[0].id)}
    for step, mark in (("1", uses.NAMES_GONE), ("2", "")):
        lane = lanes.put_step(
            "ticket", new, lambda old, step=step: (edit.update_settings(old, step, right), step), by=by
        )
        assert (lane.is_on, lane.needs_review) == (True, mark)


def test_the_lane_of_a_deleted_status_stays_marked_and_off_R_PIPE_10(world, returns):
    at, by = returns.stages[1].id, world.ada.pk
    lane = lanes.add_step("ticket", at, "create_task", {"title": "Call"}, by=by)
    delete(returns)

    lane = workflows.save(Workflow.objects.get(pk=lane.pk), with_call(workflows.definition_of(lane)), by=by)

    assert lane.needs_review == uses.STAGE_GONE
    with pytest.raises(Invalid, match="On hold"):
        workflows.switch(lane, True, by=by)


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def run_of(run):
    return Enrollment.objects.get(pk=run.pk)


def failures(run):
    return list(
        StepLog.objects.filter(enrollment_id=run.pk, status="FAILED").values_list("message", flat=True)
    )


def held(world, returns, operator):
    """A ticket that does not meet it yet: for who asks for none of it one that is in it, until it is deleted."""
    ticket = world.ticket()
    if operator is Operator.NONE_OF:
        tickets.move(ticket.pk, to=returns.stages[1].id, by=SYSTEM)
        go()
    return ticket


def fails_when_its_time_is_up(returns, ticket, run):
    """The status is deleted while it waits: a change of its record ends nothing, and says nothing."""
    delete(returns)
    tickets.update(ticket.pk, {"subject": "Other"}, by=SYSTEM)
    go()
    assert (run_of(run).state, failures(run)) == ("DUE", [])
    elapse(run)
    (why,) = failures(run)
    assert "“On hold”, which is not there any more" in why
    assert not Task.objects.exists()


WAITS = Delay("1", HOUR, Edge("2"))
ASKING = {
    "branch": lambda at: IfThen("2", (Branch("Held", groups(is_in(at)), Edge("3")),), Edge("3")),
    "branch without it": lambda at: IfThen("2", (Branch("Other", groups(is_in(at, operator=Operator.NONE_OF)), Edge("3")),)),
    "clock": lambda at: IfThen("2", (Branch("Was", groups(Filter(f"hs_v2_date_entered_{at}", Kind.DATETIME, Operator.KNOWN)), Edge("3")),)),
    "by value": lambda at: ValueEquals("2", "hs_pipeline_stage", (Case(str(at), Edge("3")),), Edge("3")),
    "by a clock's value": lambda at: ValueEquals("2", f"hs_v2_date_entered_{at}", (Case("2026", Edge("3")),), Edge("3")),
    "cancelled": lambda at: Delay("2", HOUR, Edge("3"), cancel_if=groups(is_in(at))),
}  # fmt: skip


@pytest.mark.parametrize("way", ASKING)
def test_a_run_that_comes_to_a_step_that_rests_on_it_fails_and_can_be_run_again_R_PIPE_10(
    world, returns, way
):
    at, make_of = returns.stages[1].id, ASKING[way]
    flow = make(world, WAITS, make_of(at), task(3))
    run = enroll(flow, world.ticket().pk)
    go()
    delete(returns)

    elapse(run)

    assert (run_of(run).state, run_of(run).end_reason) == ("ENDED", "failed")
    (why,) = failures(run)
    assert "“On hold”, which is not there any more" in why
    assert not Task.objects.exists()
    other = workflows.definition_of(flow)
    other = replace(other, steps=(WAITS, make_of(world.stage("New")), task(3)))
    flow = workflows.save(Workflow.objects.get(pk=flow.pk), other)
    assert again.run_again(policy.viewer_for(world.account.pk, world.ada.pk), flow, [run.pk]) == 1
    go()
    assert failures(run) == [why]
    assert run_of(run).end_reason != "failed"


def test_many_runs_that_come_to_it_ask_no_oftener_than_one_R_PIPE_10(world, returns):
    flow = make(world, ASKING["branch"](returns.stages[1].id), task(3))
    delete(returns)

    def asked(count):
        for number in range(count):
            enroll(flow, world.ticket(str(number)).pk)
        with CaptureQueriesContext(connection) as queries:
            assert Runner().run_once() == count
        return len(queries)

    asked(1)
    assert asked(8) == asked(1)
    assert {one.end_reason for one in Enrollment.objects.all()} == {"failed"}


@pytest.mark.parametrize("operator", [Operator.ANY_OF, Operator.NONE_OF])
def test_a_run_that_waits_when_what_ends_its_wait_is_deleted_fails_as_it_would_go_on_R_PIPE_10(
    world, returns, operator
):
    """Nothing that changes meanwhile ends the wait, and whoever runs it again does not wait anew."""
    at = returns.stages[1].id
    waits = Delay("1", HOUR, Edge("2"), cancel_if=groups(is_in(at, operator=operator)))
    flow = make(world, waits, task(2))
    ticket = held(world, returns, operator)
    run = enroll(flow, ticket.pk)
    go()
    assert run_of(run).position == "1>next"

    fails_when_its_time_is_up(returns, ticket, run)

    assert (run_of(run).end_reason, run_of(run).step_id) == ("failed", "1")
    right = replace(waits, cancel_if=groups(is_in(world.stage("Closed"))))
    flow = workflows.save(
        Workflow.objects.get(pk=flow.pk), replace(workflows.definition_of(flow), steps=(right, task(2)))
    )
    assert again.run_again(policy.viewer_for(world.account.pk, world.ada.pk), flow, [run.pk]) == 1
    go()
    assert run_of(run).end_reason == "completed"
    assert Task.objects.count() == 1


ENDING = {
    "goal": lambda asks: Leaving(goal=asks),
    "leaving": lambda asks: Leaving(condition=asks),
}  # fmt: skip


@pytest.mark.parametrize("way", ENDING)
@pytest.mark.parametrize("operator", [Operator.ANY_OF, Operator.NONE_OF])
def test_a_run_whose_end_rests_on_it_fails_before_its_next_action_R_PIPE_10_R_UN_1_R_UN_5(
    world, returns, way, operator
):
    """A change of its record does not end it either; once it is put right, the run goes on from that action."""
    flow = make(
        world, WAITS, task(2), leaving=ENDING[way](groups(is_in(returns.stages[1].id, operator=operator)))
    )
    ticket = held(world, returns, operator)
    run = enroll(flow, ticket.pk)
    go()

    fails_when_its_time_is_up(returns, ticket, run)

    assert (run_of(run).end_reason, run_of(run).position) == ("failed", "2")
    right = ENDING[way](groups(is_in(world.stage("Closed"))))
    flow = workflows.save(
        Workflow.objects.get(pk=flow.pk), replace(workflows.definition_of(flow), leaving=right)
    )
    assert again.run_again(policy.viewer_for(world.account.pk, world.ada.pk), flow, [run.pk]) == 1
    go()
    assert (run_of(run).end_reason, Task.objects.count()) == ("completed", 1)


@pytest.mark.parametrize(
    ("leaving", "reason"),
    [
        (lambda lost, met: Leaving(condition=lost, goal=met), "goal"),
        (lambda lost, met: Leaving(condition=met, goal=lost), "unenrolled"),
        (lambda lost, met: Leaving(goal=AnyOf((lost, met))), "goal"),
        (lambda lost, _met: Leaving(goal=lost, when_trigger_fails=True), "trigger_fails"),
    ],
)  # fmt: skip
def test_a_run_that_another_reason_ends_leaves_by_that_R_PIPE_10_R_UN_1(world, returns, leaving, reason):
    new = world.stage("New")
    ends = leaving(groups(is_in(returns.stages[1].id)), groups(is_in(new)))
    flow = make(world, task(1), trigger=WhenTrue(groups(is_in(world.stage("Closed")))), leaving=ends)
    delete(returns)
    run = enroll(flow, world.ticket().pk)
    go()

    assert (run_of(run).end_reason, failures(run)) == (reason, [])
    assert not Task.objects.exists()


def test_a_run_whose_way_another_branch_decides_goes_on_R_PIPE_10(world, returns):
    """So it does where one of several statuses is there, and is met."""
    at, new = returns.stages[1].id, world.stage("New")
    either = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, (str(at), str(new)))
    flow = make(
        world,
        IfThen("1", (Branch("New", groups(is_in(new)), Edge("2")), Branch("Held", groups(is_in(at))))),
        IfThen("2", (Branch("Either", groups(either), Edge("3")),)),
        ValueEquals("3", "hs_pipeline_stage", (Case(str(at)), Case(str(new), Edge("4")))),
        IfThen(
            "4",
            (
                Branch(
                    "In none",
                    groups(
                        MemberOf("segment", (1,), is_member=False),
                        Filter("subject", Kind.TEXT, Operator.KNOWN),
                    ),
                    Edge("5"),
                ),
            ),
        ),
        ValueEquals("5", "subject", (Case("x"),), Edge("6")),
        task(6),
    )
    delete(returns)
    run = enroll(flow, world.ticket().pk)
    go()

    assert run_of(run).end_reason == "completed"
    assert Task.objects.count() == 1


@pytest.mark.parametrize("kind", ["set_property", "create_record"])
def test_an_action_that_names_it_fails_in_words_and_its_run_can_be_run_again_R_PIPE_10_R_LOG_8(
    world, returns, kind
):
    at = returns.stages[1].id
    settings = {
        "set_property": {"property": "hs_pipeline_stage", "value": str(at)},
        "create_record": {"record_type": "ticket", "value_subject": "A", "stage": str(at)},
    }[kind]
    flow = make(world, Action("1", kind, settings, on_failure=OnFailure.STOP))
    delete(returns)
    run = enroll(flow, world.ticket().pk)
    go()

    assert failures(run) == [
        "“Ticket status” names “On hold”, which is not there any more. Choose another one."
    ]
    assert again.run_again(policy.viewer_for(world.account.pk, world.ada.pk), flow, [run.pk]) == 1


def test_runs_that_keep_an_older_revision_are_searched_and_fail_by_name_R_EDIT_5_R_PIPE_10(world, returns):
    """The mark outlives the revision that is published, while somebody is inside the older one."""
    at = returns.stages[1].id
    flow = make(world, WAITS, ASKING["branch"](at), task(3))
    workflows.pin(flow, True)
    run = enroll(flow, world.ticket().pk)
    go()
    flow = workflows.save(
        Workflow.objects.get(pk=flow.pk), replace(workflows.definition_of(flow), steps=(WAITS, task(2)))
    )
    assert [one.id for one in uses.stages(world.account.pk, [at])[at]] == [flow.pk]

    delete(returns)
    assert Workflow.objects.get(pk=flow.pk).needs_review == uses.NAMES_GONE
    with pytest.raises(Conflict):
        keeping.looked_at(flow, by=SYSTEM)
    elapse(run)

    assert "On hold" in failures(run)[0]
    keeping.looked_at(flow, by=SYSTEM)  # nobody is inside that revision any more
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""


@pytest.mark.parametrize("is_pinned_later", [False, True])
def test_the_mark_goes_by_itself_when_the_last_run_of_an_older_revision_is_over_R_EDIT_5_R_PIPE_10(
    world, returns, is_pinned_later
):
    """Nobody else looks then: a timer comes again as long as the mark is there for it."""
    flow = make(world, WAITS, ASKING["branch"](returns.stages[1].id), task(3))
    run = enroll(flow, world.ticket().pk)
    if is_pinned_later:
        delete(returns)
    workflows.pin(flow, True)
    go()
    if not is_pinned_later:
        published = replace(workflows.definition_of(flow), steps=(WAITS, task(2)))
        workflows.save(Workflow.objects.get(pk=flow.pk), published)
        delete(returns)
    else:
        flow = Workflow.objects.get(pk=flow.pk)
        workflows.save(flow, replace(workflows.definition_of(flow), steps=(WAITS, task(2))))

    def look():
        """As the timer does, if there is one."""
        due = KernelTimer.objects.filter(kind=uses.LOOK)
        found = [timers.DueTimer(one.pk, one.account_id, one.kind, one.key, one.due_at, {}) for one in due]
        due.delete()
        if found:
            wiring.TIMERS[uses.LOOK](world.account.pk, found)
        return len(found), Workflow.objects.get(pk=flow.pk).needs_review

    assert look() == (1, uses.NAMES_GONE)
    assert look() == (1, uses.NAMES_GONE)
    leaving.unenroll(world.account.pk, [run.pk], by=world.ada.pk)
    assert look() == (1, "")
    assert look() == (0, "")


def test_the_look_leaves_what_else_is_wrong_and_drops_what_is_archived_R_LOG_7(world, returns):
    flow = make(world, WAITS, ASKING["branch"](returns.stages[1].id), task(3))
    workflows.pin(flow, True)
    delete(returns)
    due = [timers.DueTimer(1, world.account.pk, uses.LOOK, str(flow.pk), clock.now(), {})]
    KernelTimer.objects.filter(kind=uses.LOOK).delete()
    for values in (
        {"needs_review": "A step failed."},
        {"needs_review": uses.NAMES_GONE, "archived_at": clock.now()},
    ):
        Workflow.objects.filter(pk=flow.pk).update(**values)
        uses.look_again(world.account.pk, due)
        assert Workflow.objects.get(pk=flow.pk).needs_review == values["needs_review"]
        assert not KernelTimer.objects.filter(kind=uses.LOOK).exists()


def test_the_mark_goes_when_runs_follow_the_newest_revision_again_R_EDIT_5_R_PIPE_10(world, returns):
    flow = make(world, WAITS, ASKING["branch"](returns.stages[1].id), task(3))
    workflows.pin(flow, True)
    run = enroll(flow, world.ticket().pk)
    go()
    workflows.save(
        Workflow.objects.get(pk=flow.pk), replace(workflows.definition_of(flow), steps=(WAITS, task(2)))
    )
    delete(returns)

    workflows.pin(Workflow.objects.get(pk=flow.pk), False)

    assert Workflow.objects.get(pk=flow.pk).needs_review == ""
    elapse(run)
    assert run_of(run).end_reason == "completed"


# ── task queues ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_task_queue_is_named_and_its_mark_stays_until_it_is_not_R_PIPE_10_R_WFA_8(world):
    """As with statuses: fine before, refused after, by name; a step that comes to it fails in words."""
    queue, other = (task_queues.create(NewQueue(name), by=SYSTEM).pk for name in ("Calls", "Letters"))
    into = {"title": "Call", "assignee": "nobody"}
    flow = make(world, Action("1", "create_task", {**into, "queue": str(queue)}, on_failure=OnFailure.STOP))
    loose = make(world, Action("1", "create_task", into))
    asks = workflows.definition_of(flow)
    assert drafts.problems(asks) == []

    task_queues.delete(queue, by=SYSTEM)
    settle()

    for one in (flow, loose):
        one.refresh_from_db()
    assert (flow.needs_review, loose.needs_review) == (uses.NAMES_GONE, "")
    why = "“Task queue” names “Calls”, which is not there any more. Choose another one."
    assert [(one.field, workflows.said(one)) for one in drafts.problems(asks)] == [("queue", why)]
    with pytest.raises(Conflict, match="task queue that was deleted"):
        keeping.looked_at(flow, by=SYSTEM)
    drafts.change(flow, with_call, did={}, by=world.ada.pk)
    with pytest.raises(Invalid, match="“Calls”"):
        drafts.publish(flow, by=world.ada.pk)

    run = enroll(flow, world.ticket().pk)
    go()
    assert failures(run) == [why]

    right = edit.update_settings(asks, "1", {**into, "queue": str(other)})
    drafts.change(flow, lambda _old: right, did={}, by=world.ada.pk)
    drafts.publish(flow, by=world.ada.pk)
    assert Workflow.objects.get(pk=flow.pk).needs_review == ""

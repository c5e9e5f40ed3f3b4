"""Steps that wait for an answer, and steps that are tried again (R-WFA-4, R-LOG-6)."""

from datetime import timedelta

import pytest

from deskhand.automation import calls, workflows
from deskhand.automation.actions import registry
from deskhand.automation.actions.types import Action as Kind
from deskhand.automation.actions.types import Done, try_later, waiting
from deskhand.automation.engine.definition import Action, Definition, Edge, Manual, OnFailure
from deskhand.automation.models import Enrollment, StepCall, StepLog, Workflow
from deskhand.automation.runner import PAUSES, Runner
from deskhand.crm.records.models import Task
from deskhand.events.models import EventRow
from deskhand.kernel import clock


class Calling(Kind):
    kind, label = "calling", "Call"
    answer = staticmethod(lambda doing: Done())

    def problems(self, settings):
        return []

    def summary(self, settings):
        return "Call"

    def run(self, batch):
        return [self.answer(doing) for doing in batch]


@pytest.fixture
def calling(monkeypatch):
    action = Calling()
    monkeypatch.setitem(registry.ACTIONS, "calling", action)
    return action


@pytest.fixture
def run(world, calling):
    """One ticket at a step that calls, a task after it."""

    def begin(answer, on_failure=OnFailure.CONTINUE):
        calling.answer = answer
        steps = (
            Action("1", "calling", {}, Edge("2"), on_failure),
            Action("2", "create_task", {"title": "After"}),
        )
        made = workflows.create(
            world.account.pk, "Calls", Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=3)
        )
        Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now())
        now = clock.now()
        enrolled = Enrollment.objects.create(
            account_id=world.account.pk, workflow=made, object_type="ticket", record_id=world.ticket().pk,
            revision_number=1, position="1", step_id="1", due_at=now, enrolled_at=now,
        )  # fmt: skip
        go()
        enrolled.refresh_from_db()
        return enrolled

    return begin


def go():
    while Runner().run_once():
        pass


def in_an_hour(doing):
    return waiting(doing.now + timedelta(hours=1), "Called", token="t0k")


def again(enrolled):
    Enrollment.objects.filter(pk=enrolled.pk).update(due_at=clock.now() - timedelta(seconds=1))
    go()
    enrolled.refresh_from_db()


def test_a_run_waits_at_its_step_until_the_answer_is_here_R_WFA_4(run, world):
    enrolled = run(in_an_hour)
    call = StepCall.objects.get()
    assert (enrolled.step_id, enrolled.waits_for, call.token, Task.objects.count()) == ("1", "call", "t0k", 0)
    assert enrolled.due_at == call.expires_at

    assert calls.answered(world.account.pk, call.key, {"status": 200}, message="200 OK")
    assert not calls.answered(world.account.pk, call.key, {"status": 500})
    go()

    enrolled.refresh_from_db()
    assert (enrolled.end_reason, enrolled.outputs["1"]) == ("completed", {"status": 200})
    assert [(line.status, line.message, line.data) for line in StepLog.objects.filter(step_id="1").order_by("id")] == [
        ("SCHEDULED", "Called", {}),
        ("SUCCEEDED", "200 OK", {"outputs": {"status": 200}}),
    ]  # fmt: skip
    assert Task.objects.count() == 1
    call.refresh_from_db()
    assert (call.state, call.answer["outputs"]) == ("ANSWERED", {"status": 200})


@pytest.mark.parametrize(
    ("on_failure", "end", "tasks"), [(OnFailure.CONTINUE, "completed", 1), (OnFailure.STOP, "step_failed", 0)]
)
def test_an_answer_that_is_a_failure_fails_the_step_R_LOG_8(run, world, on_failure, end, tasks):
    enrolled = run(in_an_hour, on_failure)

    calls.answered(world.account.pk, StepCall.objects.get().key, failed="404 Not Found")
    go()

    enrolled.refresh_from_db()
    assert (enrolled.end_reason, Task.objects.count()) == (end, tasks)
    assert Workflow.objects.get().needs_review == "404 Not Found"
    assert EventRow.objects.filter(kind="workflow.failed").count() == 1


def test_without_an_answer_in_time_the_step_has_failed_R_WFA_4(run, world):
    enrolled = run(in_an_hour)

    again(enrolled)

    assert [line.status for line in StepLog.objects.filter(step_id="1").order_by("id")] == [
        "SCHEDULED",
        "FAILED",
    ]
    assert (enrolled.end_reason, Task.objects.count()) == ("completed", 1)
    assert not calls.answered(world.account.pk, StepCall.objects.get().key)
    assert StepCall.objects.get().state == "EXPIRED"


def test_a_passing_trouble_is_tried_again_under_the_same_key_R_LOG_6(run):
    keys = []

    def third_time_lucky(doing):
        keys.append(doing.key)
        return try_later("Busy") if len(keys) < 3 else Done()

    enrolled = run(third_time_lucky)
    assert timedelta(0) < enrolled.due_at - clock.now() <= PAUSES[0]
    again(enrolled)
    again(enrolled)

    assert len(set(keys)) == 1
    assert [line.status for line in StepLog.objects.filter(step_id="1").order_by("id")] == [
        "RETRYING",
        "RETRYING",
        "SUCCEEDED",
    ]
    assert (enrolled.end_reason, enrolled.attempts) == ("completed", 0)


def test_after_the_last_try_the_step_has_failed_R_LOG_6(run):
    enrolled = run(lambda doing: try_later("Busy", doing.now + timedelta(minutes=3)))
    assert enrolled.due_at - clock.now() > timedelta(minutes=2)

    for _pause in PAUSES:
        again(enrolled)

    assert StepLog.objects.filter(step_id="1", status="RETRYING").count() == len(PAUSES)
    assert StepLog.objects.get(step_id="1", status="FAILED").message == "Busy"
    assert (enrolled.end_reason, Task.objects.count()) == ("completed", 1)


def test_who_queued_behind_a_run_begins_when_an_answer_ends_it(run, world):
    first = run(in_an_hour, OnFailure.STOP)
    queued = Enrollment.objects.create(
        account_id=world.account.pk, workflow=first.workflow, object_type="ticket", record_id=first.record_id,
        revision_number=1, position="1", step_id="1", state="QUEUED", enrolled_at=clock.now(),
    )  # fmt: skip

    calls.answered(world.account.pk, StepCall.objects.get().key, failed="404 Not Found")

    queued.refresh_from_db()
    assert queued.state == "DUE"

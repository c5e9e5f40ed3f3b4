"""The action Run code: stored, run by its worker in a real process, and answered once (R-WFA-12)."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts.plans import Feature
from deskhand.automation import coderuns, secrets, trial
from deskhand.automation.actions import reading
from deskhand.automation.actions.custom_code import BEGINNING, problem_of
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.coderuns import CodeLoop
from deskhand.automation.engine.definition import OnFailure
from deskhand.automation.models import CodeRun, Enrollment, StepCall, StepLog, Workflow
from deskhand.automation.runner import Runner
from deskhand.automation.tests.calling import all_of, step, workflow_of
from deskhand.automation.tests.doings import doing_of
from deskhand.automation.tests.test_runner import settle_in_scope
from deskhand.crm.records.models import Task
from deskhand.events.dispatch import Dispatcher
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

ACTION = ACTIONS["custom_code"]
COUNT = """def main(event):
    print("counting", event["inputFields"]["subject"])
    return {"outputFields": {"words": len(event["inputFields"]["subject"].split()), "is_long": False, "other": 1}}
"""
OUTPUTS = [{"name": "words", "value": "number"}, {"name": "is_long", "value": "boolean"}]


@pytest.fixture
def world(world, settings):
    """Where code may be run."""
    settings.CUSTOM_CODE = True
    world.account.features = {Feature.CUSTOM_CODE.value: True}
    world.account.save(update_fields=["features"])
    return world


@pytest.fixture
def work(settle):
    """Run what is due, then all code that waits, until nothing is left."""

    def run():
        settle_in_scope(settle)
        while (due := coderuns.claim()) is not None:
            coderuns.run_one(due)
            settle_in_scope(settle)

    return run


def flow_of(world, code=COUNT, on_failure=OnFailure.CONTINUE, **more):
    settings = {"code": code, "properties": ["subject"], "outputs": OUTPUTS} | more
    first = replace(step(1, "custom_code", 2, **settings), on_failure=on_failure)
    return workflow_of(world.account.pk, first, step(2, "create_task", title="{{ step_1.words }} words"))


def line_of(flow):
    return StepLog.objects.filter(workflow_id=flow.pk, kind="custom_code").order_by("id").last()


def test_what_it_returns_feeds_tokens_and_its_run_waits_for_it_R_WFA_2_R_WFA_4(world, settle, work):
    flow = flow_of(world)
    world.ticket("Where is it?")
    settle_in_scope(settle)
    run = Enrollment.objects.get()
    assert (run.step_id, run.waits_for, CodeRun.objects.count()) == ("1", "call", 1)
    assert CodeRun.objects.get().event["inputFields"] == {"subject": "Where is it?"}

    work()

    run.refresh_from_db()
    assert (run.end_reason, run.outputs["1"]) == ("completed", {"words": 3, "is_long": False})
    assert Task.objects.get().title == "3 words"
    line = line_of(flow)
    assert (line.status, line.message) == ("SUCCEEDED", "The code ran.")
    assert line.data["printed"] == "counting Where is it?\n"
    assert not CodeRun.objects.exists()
    assert StepCall.objects.get().state == "ANSWERED"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def main(event):\n    return 1 / 0", "Line 2: ZeroDivisionError: division by zero"),
        ("def main(event):\n    return {'outputFields': {'words': 'three'}}", "“words” is \"three\". It was to be: Number."),
        ("def main(event):\n    return {'outputFields': {'words': float('nan')}}", "“words” is NaN. It was to be: Number."),
        ("def main(event):\n    return 'three'", "main(event) must return {\"outputFields\": {…}}."),
        ("def main(event):\n    x = bytearray(10**9)", "The code needed more than 128 MB of memory."),
        ("main = 7", "NameError: there is no function main(event)"),
    ],
)  # fmt: skip
def test_what_goes_wrong_fails_the_step_with_its_line_R_LOG_2(world, work, code, said):
    flow = flow_of(world, code)
    world.ticket()
    work()
    line = line_of(flow)
    assert (line.status, line.message) == ("FAILED", said)
    assert Workflow.objects.get(pk=flow.pk).needs_review == said
    assert Enrollment.objects.get().end_reason == "completed"


def test_a_failure_stops_who_asked_for_it_R_LOG_8(world, work):
    flow_of(world, "def main(event):\n    raise KeyError('x')", OnFailure.STOP)
    world.ticket()
    work()
    assert (Enrollment.objects.get().end_reason, Task.objects.count()) == ("step_failed", 0)


def test_secrets_reach_the_code_and_are_masked_wherever_it_writes_them(world, work):
    secrets.add(world.account.pk, "KEY", "value-of-KEY", by=SYSTEM)
    code = "import os\ndef main(event):\n    key = os.environ['KEY']\n    print('key', key)\n    return {'outputFields': {'said': key + '!'}}"
    flow = flow_of(world, code, secrets=["KEY"], outputs=[{"name": "said", "value": "string"}])
    world.ticket()
    work()
    assert line_of(flow).data == {"outputs": {"said": "•••!"}, "printed": "key •••\n"}
    kept = [
        str(row)
        for model in (CodeRun, StepCall, StepLog, EventRow, Enrollment)
        for row in model.objects.values()
    ]
    assert not [row for row in kept if "value-of-" in row]

    Workflow.objects.filter(pk=flow.pk).update(archived_at=clock.now())
    flow = flow_of(world, code.replace("print(", "raise ValueError("), secrets=["KEY"])
    world.ticket()
    work()
    assert "•••" in line_of(flow).message


def test_what_texts_with_tokens_give_it(world, work):
    flow = flow_of(
        world,
        "def main(event):\n    return {'outputFields': {'words': len(event['inputFields']['said'])}}",
        properties=[],
        inputs=[{"name": "said", "value": "{{ ticket.subject }}!"}],
    )
    world.ticket("Four")
    work()
    assert line_of(flow).data["outputs"]["words"] == 5


def test_a_killed_workers_code_is_begun_again_and_its_answer_taken_once(world, settle, work):
    """T-EXEC: at any line. The lease runs out; who was late is not heard."""
    flow = flow_of(world)
    world.ticket("One two")
    settle_in_scope(settle)
    lost = coderuns.claim()
    assert coderuns.claim() is None
    CodeRun.objects.update(lease_until="2020-01-01T00:00:00Z")

    again = coderuns.claim()
    assert (again.id, again.tries) == (lost.id, 2)
    assert coderuns.run_one(again)
    assert not coderuns.run_one(lost)
    work()

    assert Task.objects.count() == 1
    assert [
        one.status for one in StepLog.objects.filter(workflow_id=flow.pk, step_id="1").order_by("id")
    ] == ["SCHEDULED", "SUCCEEDED"]


def test_code_that_ends_its_worker_each_time_is_given_up(world, settle, work):
    flow = flow_of(world)
    world.ticket()
    settle_in_scope(settle)
    CodeRun.objects.update(tries=coderuns.TRIES)
    work()
    assert line_of(flow).message == "The worker ended each time while the code was running."


def test_what_nobody_waits_for_any_more_is_not_run(world, settle):
    flow_of(world)
    world.ticket()
    settle_in_scope(settle)
    Enrollment.objects.update(state="ENDED", waits_for="")
    assert coderuns.claim() is None
    StepCall.objects.update(state="EXPIRED")
    CodeRun.objects.update(created_at="2020-01-01T00:00:00Z")
    assert coderuns.claim() is None
    assert not CodeRun.objects.exists()


def test_accounts_take_turns(world, settle):
    run = flow_of(world)
    for _number in range(3):
        world.ticket()
    settle_in_scope(settle)
    other = world.account.pk + 1_000  # queues have no walls, and no keys to accounts
    now = clock.now()
    theirs = Enrollment.objects.create(
        account_id=other, workflow=run, object_type="ticket", record_id=1, revision_number=1, position="1", waits_for="call",
        state="WAITING", enrolled_at=now,
    )  # fmt: skip
    StepCall.objects.create(account_id=other, enrollment_id=theirs.pk, step_id="1", key="k", created_at=now)
    coderun = {
        "workflow_id": run.pk,
        "revision_number": 1,
        "step_id": "1",
        "key": "k",
        "event": {},
        "created_at": now,
    }
    CodeRun.objects.create(account_id=other, enrollment_id=theirs.pk, **coderun)

    first = coderuns.claim()
    second = coderuns.claim(first.account_id)
    third = coderuns.claim(second.account_id)
    assert [one.account_id for one in (first, second, third)] == [
        world.account.pk,
        other,
        world.account.pk,
    ]


# ── off by default ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_runs_where_it_is_not_switched_on(world, work, settings):
    flow = flow_of(world)
    settings.CUSTOM_CODE = False
    world.ticket()
    work()
    assert line_of(flow).status == "FAILED"
    assert "CUSTOM_CODE" in line_of(flow).message
    assert not CodeRun.objects.exists()
    assert not ACTION.is_offered(world.account.pk)

    settings.CUSTOM_CODE = True
    world.account.features = {}
    world.account.save(update_fields=["features"])
    world.ticket()
    work()
    assert "switched off for this account" in line_of(flow).message


def test_what_waits_when_it_is_switched_off_is_not_run(world, settle, work):
    flow = flow_of(world)
    world.ticket()
    settle_in_scope(settle)
    world.account.features = {}
    world.account.save(update_fields=["features"])
    work()
    assert line_of(flow).status == "FAILED"


def test_a_trial_runs_no_code_and_says_so(world):
    flow = flow_of(world)
    from deskhand.automation import workflows

    tried = trial.try_out(workflows.definition_of(flow), world.ticket().pk)
    assert tried.lines[0].message == "The code is not run in a trial; what it returns is empty."
    assert tried.lines[0].status == "SUCCEEDED"
    assert len(tried.tasks) == 1
    assert not CodeRun.objects.exists()


# ── its form ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def main(event)\n    pass", "Line 1: expected ':'"),
        ("def main(event):\n    return (", "Line 2: '(' was never closed"),
        ("x = 1", "It must define a function main(event)."),
        ("def main(event):\n    pass\n\0", "Line 1: source code string cannot contain null bytes"),
        (BEGINNING, ""),
    ],
)
def test_what_python_cannot_read_is_said_before_with_its_line_R_EDIT_6(code, said):
    assert problem_of(code) == said


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"code": ""}, "code"),
        ({"code": "def main("}, "code"),
        ({"inputs": [{"name": "two words", "value": "x"}]}, "inputs"),
        ({"outputs": [{"name": "1st", "value": "string"}]}, "outputs"),
        ({"outputs": [{"name": "a", "value": "string"}, {"name": "a", "value": "number"}]}, "outputs"),
        ({"outputs": [{"name": "a", "value": "bytes"}]}, "outputs"),
        ({"secrets": ["GONE"]}, "secrets"),
        ({"properties": ["gone"]}, "properties"),
    ],
)
def test_what_cannot_work_is_said_before_R_EDIT_6(world, given, field):
    found = ACTION.problems({"code": COUNT} | given)
    assert [name for name, _words in found] == [field]


def test_its_form_reads_back_what_it_says(world):
    secrets.add(world.account.pk, "KEY", "v", by=SYSTEM)
    settings = {
        "object_type": "ticket", "code": COUNT.strip(), "properties": ["subject"], "inputs": [{"name": "a", "value": "{{ ticket.number }}"}], "secrets": ["KEY"],
        "outputs": OUTPUTS,
    }  # fmt: skip
    around = reading.around("ticket")
    typed = reading.settings_typed(ACTION, around, settings)
    assert reading.read(reading.form_of(ACTION, around, typed), typed) == settings
    assert all_of(ACTION.form(around, {}))["code"].default == BEGINNING
    assert [(one.name, len(one.values)) for one in ACTION.outputs(settings)] == [("words", 0), ("is_long", 2)]
    assert ACTION.summary(settings) == "Works out words, is_long"


def test_a_rehearsal_stores_nothing(world):
    (done,) = ACTION.rehearse([doing_of(world, world.ticket(), {"code": COUNT, "properties": ["subject"]})])
    assert "not run in a trial" in done.message
    assert not CodeRun.objects.exists()


def test_many_cost_as_many_queries_as_one(world):
    doings = [
        doing_of(world, world.ticket(), {"code": COUNT, "properties": ["subject"]}, acted=number)
        for number in range(21)
    ]
    with CaptureQueriesContext(connection) as one:
        ACTION.run(doings[:1])
    with CaptureQueriesContext(connection) as many:
        ACTION.run(doings[1:])
    assert len(many) <= len(one) <= 3
    assert CodeRun.objects.count() == 21


def test_a_worker_takes_what_waits_and_ends_when_it_is_told(transactional_db, settings):
    """The loop itself, on a connection of its own, until `stop`."""
    settings.CUSTOM_CODE = True
    world = make_world(features={Feature.CUSTOM_CODE.value: True})
    with account_scope(world.account.pk):
        flow_of(world)
        world.ticket("One two three")
    wiring.connect()
    while Dispatcher().run_once() or Runner().run_once():
        pass
    stop = threading.Event()
    worker = threading.Thread(target=CodeLoop(stop).run)
    worker.start()
    try:
        deadline = time.monotonic() + 20
        while CodeRun.objects.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        worker.join()
    assert Enrollment.objects.get().outputs["1"] == {"words": 3, "is_long": False}

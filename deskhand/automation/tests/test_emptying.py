"""Archiving a workflow with many inside: nobody goes on from that moment, and they leave a set at a time (R-EDIT-8)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import emptying, keeping
from deskhand.automation.engine.definition import (
    Action,
    Delay,
    Edge,
    ForAmount,
    Manual,
)
from deskhand.automation.models import Enrollment, Workflow
from deskhand.automation.runner import Runner
from deskhand.automation.tests.enrolling_cases import office
from deskhand.crm.records.models import Task
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict
from deskhand.testing.fixtures import NOON
from deskhand.testing.jobs import run_jobs

__all__ = ["office"]
STEPS = (Delay("1", ForAmount(timedelta(hours=1)), Edge("2")), Action("2", "create_task", {"title": "Look"}))


@pytest.fixture
def full(world, office, monkeypatch):
    """A workflow with seven inside, of each state that one can wait in, and one that queues behind another."""
    monkeypatch.setattr(emptying, "STEP", 2)
    flow = office.flow(Manual(), steps=STEPS)
    states = ("DUE", "WAITING", "HELD", "DUE", "DUE", "WAITING", "DUE")
    for state in states:
        inside(flow, world.ticket().pk, state)
    inside(flow, Enrollment.objects.earliest("id").record_id, "QUEUED")
    return flow


def inside(flow, record_id, state):
    return Enrollment.objects.create(
        account_id=flow.account_id, workflow=flow, object_type="ticket", record_id=record_id, revision_number=1, position="2",
        step_id="2", state=state, due_at=NOON if state == "DUE" else None, enrolled_at=NOON,
    )  # fmt: skip


def left():
    return Enrollment.objects.exclude(state="ENDED").count()


def test_workers_end_their_steps_before_the_workflow_is_locked(world, full):
    """A step that fails writes into the workflow's row: whoever waits for the other the other way round is a deadlock."""
    with CaptureQueriesContext(connection) as seen:
        keeping.archive(full, by=Actor.user(world.ada.pk))

    locks = [
        query["sql"].lower()
        for query in seen
        if " for " in query["sql"].lower() and " update" in query["sql"].lower()
    ]
    of_runs = next(place for place, sql in enumerate(locks) if "from automation_enrollment" in sql)
    of_workflow = next(place for place, sql in enumerate(locks) if '"automation_workflow"' in sql)
    assert of_runs < of_workflow


def test_it_leaves_in_sets_and_tells_how_far_it_is_R_EDIT_8(world, office, full):
    assert keeping.archive(full, by=Actor.user(world.ada.pk)) == 8
    assert left() == 6
    assert emptying.progress(full.account_id, [full.pk]) == {full.pk: emptying.Progress(2, 8)}

    run_jobs()
    assert left() == 0
    assert emptying.progress(full.account_id, [full.pk]) == {}
    assert set(Enrollment.objects.values_list("end_reason", "due_at", "waits_for")) == {("deleted", None, "")}
    assert not Task.objects.exists()


def test_nobody_goes_a_step_further_before_the_job_has_come_R_EDIT_8(world, office, full):
    keeping.archive(full, by=Actor.user(world.ada.pk))
    while Runner().run_once():
        pass

    assert not Task.objects.exists()
    assert not Enrollment.objects.filter(state="DUE").exists()
    run_jobs()
    assert left() == 0


def test_it_comes_back_when_all_have_left(world, office, full):
    by = Actor.user(world.ada.pk)
    keeping.archive(full, by=by)
    with pytest.raises(Conflict):
        keeping.restore(full, by=by)
    assert Workflow.objects.get(pk=full.pk).archived_at is not None

    run_jobs()
    assert keeping.restore(full, by=by).archived_at is None
    assert left() == 0


def test_what_a_set_asks_of_the_database_does_not_grow_with_it(world, office, full, monkeypatch):
    counts = []
    for step in (1, 3):
        monkeypatch.setattr(emptying, "STEP", step)
        with CaptureQueriesContext(connection) as asked:
            assert emptying._some(full.account_id, full.pk, step) == step
        counts.append(len(asked))
    assert counts[0] == counts[1]

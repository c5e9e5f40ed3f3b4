"""Workflows and runs for tests: made, enrolled and moved along by hand."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from django.db import connection

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge
from deskhand.automation.enrolling import index
from deskhand.automation.models import Enrollment, StepLog, Workflow, WorkflowRevision
from deskhand.automation.runner import Runner
from deskhand.events.dispatch import Dispatcher
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.scope import settle as run_hooks


def task(step_id, following=None, title="Call", **more):
    return Action(
        str(step_id), "create_task", {"title": title}, Edge(str(following)) if following else None, **more
    )


def make(world, *steps, **more):
    """A workflow for tickets that is on; its first step begins it."""
    definition = Definition(
        more.pop("object_type", "ticket"),
        start=Edge(steps[0].id),
        steps=steps,
        next_id=len(steps) + 1,
        **more,
    )
    made = workflows.create(world.account.pk, "Flow", definition)
    Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now() - timedelta(days=1))
    made.refresh_from_db()
    return made


def enroll(workflow, record_id, **values):
    """Put a record in, by hand and past all checks."""
    first = workflows.definition_of(workflow).start.to
    now = clock.now()
    given = {
        "object_type": "ticket",
        "state": "DUE",
        "position": first,
        "step_id": first,
        "due_at": now,
    } | values
    return Enrollment.objects.create(
        account_id=workflow.account_id, workflow=workflow, record_id=record_id,
        revision_number=workflow.revision_number, enrolled_at=now, **given,
    )  # fmt: skip


def go():
    """Until nothing is due and nothing is to be told."""
    for _ in range(50):
        run_hooks()
        done = 0
        while count := Dispatcher().run_once():
            done += count
        while count := Runner().run_once():
            done += count
        run_hooks()
        if not done:
            return


def elapse(*runs):
    """The time that these (or all) wait for has come."""
    found = Enrollment.objects.filter(state="DUE")
    if runs:
        found = found.filter(pk__in=[run.pk for run in runs])
    found.update(due_at=datetime.now(UTC) - timedelta(seconds=1))  # the server's clock can't be stopped
    go()


def log_of(run):
    return [
        (line.step_id, line.kind, line.status)
        for line in StepLog.objects.filter(enrollment_id=run.pk).order_by("id")
    ]


def make_unreadable(workflow):
    """As if a newer release had stored it; returns what was stored."""
    stored = WorkflowRevision.objects.get(workflow=workflow, number=workflow.revision_number)
    readable = stored.definition
    WorkflowRevision.objects.filter(pk=stored.pk).update(definition={**readable, "format": 999})
    index._read.clear()
    return readable


def make_readable(workflow, stored):
    WorkflowRevision.objects.filter(workflow=workflow, number=workflow.revision_number).update(
        definition=stored
    )


def of_its_own(made, work):
    """Do something in a transaction of the account, beside others; its result comes when it has committed."""

    def inside():
        try:
            with account_scope(made.account.pk):
                return work()
        finally:
            connection.close()

    return ThreadPoolExecutor(1).submit(inside)

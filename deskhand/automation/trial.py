"""Trying a workflow out on one record: its real steps with their real effects, told, and then all undone.

Time does not pass: a delay is taken as over at once, and the clock of what follows stands where it would stand. What a
step waits for is taken to happen or not, as the person who tries says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from deskhand.automation import calls, runner, steplog, waking
from deskhand.automation.actions.types import is_trial, keys_of
from deskhand.automation.engine.advance import beginning, step_at
from deskhand.automation.engine.definition import Definition
from deskhand.automation.models import (
    Enrollment,
    EnrollmentState,
    StepLog,
    Workflow,
    WorkflowRevision,
)
from deskhand.crm.records.models import PropertyChange, Task
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.types import UNWRITTEN
from deskhand.desk.models import Message
from deskhand.events.types import ActorKind
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt, current_account_id

MOST_STEPS = 500
PATIENCE = "3s"  # for a record that somebody else holds


class Expected(StrEnum):
    """What a step's wait for something comes to."""

    HAPPENS = "happens"
    TIMES_OUT = "times_out"


class Stopped(StrEnum):
    """Why the trial goes no further."""

    ENDED = "ended"
    WAITS = "waits"  # for something that never comes
    HELD = "held"
    TOO_LONG = "too_long"


@dataclass(frozen=True)
class Line:
    """What one step did, or why it did nothing. `at` is when it would have been."""

    step_id: str
    kind: str
    status: str
    message: str
    data: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Sent:
    """Something that would have left the house."""

    transport: str
    recipients: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True)
class Changed:
    object_type: str
    record_id: int
    property: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Tried:
    lines: tuple[Line, ...]
    sent: tuple[Sent, ...]
    changed: tuple[Changed, ...]
    tasks: tuple[str, ...]
    stopped: Stopped
    reason: str  # of the end, as enrollments have it
    waits_at: str = ""  # the step that something would have to happen for
    until: datetime | None = None  # when it was over

    @property
    def path(self) -> tuple[str, ...]:
        """The steps that were come by, each once, in order."""
        return tuple(dict.fromkeys(line.step_id for line in self.lines if line.step_id))


class _Undone(Exception):
    """Ends the trial."""


def try_out(
    definition: Definition, record_id: int, *, name: str = "", now: datetime | None = None, waits: Mapping[str, Expected] | None = None
) -> Tried:  # fmt: skip
    """Run the definition on a record of the open account, whether or not its trigger would enroll it.

    Nothing is left of it. Raises what a step breaks with, and OperationalError when somebody holds the record for seconds.
    """
    found: Tried | None = None
    mark = is_trial.set(True)
    try:
        with attempt():
            sql.execute(f"set local lock_timeout = '{PATIENCE}'")
            found = _tried(definition, record_id, name, now or clock.now(), waits or {})
            raise _Undone
    except _Undone:
        assert found is not None
        return found
    finally:
        is_trial.reset(mark)


def _tried(
    definition: Definition, record_id: int, name: str, now: datetime, waits: Mapping[str, Expected]
) -> Tried:
    account_id = current_account_id()
    marks = _Marks.now()
    run = _enrolled(account_id, definition, record_id, name, now)
    stopped, at = _walk(account_id, run, now, waits)
    run.refresh_from_db()
    lines = StepLog.objects.filter(account_id=account_id, enrollment_id=run.pk).order_by("id")
    return Tried(
        tuple(Line(one.step_id, one.kind, one.status, one.message, one.data, one.at) for one in lines),
        marks.sent(run), marks.changed(run), marks.tasks(run), stopped, run.end_reason,
        step_at(run.position) if stopped is Stopped.WAITS else "", at,
    )  # fmt: skip


def _enrolled(
    account_id: int, definition: Definition, record_id: int, name: str, now: datetime
) -> Enrollment:
    """In a workflow of its own, whose id was never used and never will be; put away, so that nothing enrolls in it."""
    workflow = Workflow.objects.create(
        account_id=account_id, name=name, object_type=definition.object_type, is_on=True, on_since=now, revision_number=1,
        created_at=now, archived_at=now,
    )  # fmt: skip
    WorkflowRevision.objects.create(
        account_id=account_id, workflow=workflow, number=1, definition=definition.to_json(), created_at=now
    )
    return Enrollment.objects.create(
        account_id=account_id, workflow=workflow, object_type=definition.object_type, record_id=record_id, revision_number=1,
        position=beginning(definition), step_id=beginning(definition), due_at=now, enrolled_at=now,
    )  # fmt: skip


def _walk(
    account_id: int, run: Enrollment, at: datetime, waits: Mapping[str, Expected]
) -> tuple[Stopped, datetime]:
    for _turn in range(MOST_STEPS):
        Enrollment.objects.filter(pk=run.pk).update(
            state=EnrollmentState.DUE,
            due_at=sql.row("select now()")[0],  # type: ignore[index]
        )
        claimed = runner.Runner().claim(account_id, 1, only=run.pk)
        runner.go(account_id, claimed, at)
        run.refresh_from_db()
        if run.state == EnrollmentState.ENDED:
            return Stopped.ENDED, at
        if run.state == EnrollmentState.HELD:
            return Stopped.HELD, at
        if run.waits_for and _is_let_go(run, waits):
            if waking.is_event(run.waits_for):  # it is taken to end its wait as a real one does (R-DELAY-5)
                steplog.write(account_id, [waking.came(claimed[0], run.step_id, run.waits_for, at)], at)
            run.position, run.waits_for = run.happened, ""
            run.save(update_fields=["position", "waits_for"])
        elif run.due_at is None:
            return Stopped.WAITS, at
        else:
            at = max(at, run.due_at)
    return Stopped.TOO_LONG, at


def _is_let_go(run: Enrollment, waits: Mapping[str, Expected]) -> bool:
    """A call is taken to be answered, with nothing in the answer; an event happens if that was said."""
    if run.waits_for == calls.WAITS_FOR:
        return True
    return waits.get(run.step_id) is Expected.HAPPENS and not run.waits_for.startswith("property:")


@dataclass(frozen=True)
class _Marks:
    """Where the tables ended before; what is behind that is the trial's, or of others who are at work meanwhile."""

    change: int
    entry: int
    task: int

    @classmethod
    def now(cls) -> _Marks:
        return cls(*(_last(model) for model in (PropertyChange, OutboxEntry, Task)))

    def changed(self, run: Enrollment) -> tuple[Changed, ...]:
        found = PropertyChange.objects.filter(
            account_id=run.account_id,
            pk__gt=self.change,
            actor_kind=ActorKind.WORKFLOW,
            actor_id=run.workflow_id,
        ).order_by("pk")
        return tuple(
            Changed(one.object_type, one.record_id, one.property, one.old, one.new)
            for one in found
            if not one.property.startswith("@")
        )

    def sent(self, run: Enrollment) -> tuple[Sent, ...]:
        found = OutboxEntry.objects.filter(
            account_id=run.account_id, pk__gt=self.entry, idempotency_key__startswith=keys_of(run.pk)
        ).order_by("pk")
        of_messages = [one.reference_id for one in found if one.payload.get(UNWRITTEN)]
        unwritten = {
            message.pk: {"subject": message.subject, "text": message.text}
            for message in Message.objects.filter(account_id=run.account_id, pk__in=of_messages)
        }
        words = [unwritten.get(one.reference_id or 0, one.payload) for one in found]
        return tuple(
            Sent(
                one.transport,
                tuple(one.recipients),
                str(said.get("subject", "")),
                str(said.get("text", "")),
            )
            for one, said in zip(found, words, strict=True)
        )

    def tasks(self, run: Enrollment) -> tuple[str, ...]:
        found = Task.objects.filter(
            account_id=run.account_id, pk__gt=self.task, creation_key__startswith=keys_of(run.pk)
        ).order_by("pk")
        return tuple(found.values_list("title", flat=True))


def _last(model: Any) -> int:
    return (
        model.objects.filter(account_id=current_account_id())
        .order_by("-pk")
        .values_list("pk", flat=True)
        .first()
        or 0
    )

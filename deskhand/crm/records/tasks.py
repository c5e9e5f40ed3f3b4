"""Tasks: what one of our people has to do about a record (R-WFA-8). All that happens to one stands in the record's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from deskhand.accounts.models import Membership
from deskhand.crm.records import history
from deskhand.crm.records.checking import refuse_long
from deskhand.crm.records.history import Line
from deskhand.crm.records.models import Task
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, storable

TITLE, NOTES = 250, 10_000  # characters
MOST = 200  # of a record that are read


@dataclass(frozen=True)
class Wanted:
    """What a task says, as a person gives it."""

    title: str
    notes: str = ""
    assignee_id: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class NewTask:
    """A task to be. The same `key` makes one only once."""

    object_type: str
    record_id: int
    wanted: Wanted
    by: Actor
    priority: str = "NONE"
    kind: str = "TODO"
    key: str | None = None
    cause: Cause | None = None
    depth: int = 0


def create_many(new: Sequence[NewTask], *, at: datetime | None = None) -> list[int]:
    """Make tasks as they are; returns their ids in order, also of those that were there. `create` checks one that a person gives."""
    at = at or clock.now()
    if not new:
        return []
    ids = sql.ids("crm_task", len(new))
    rows = [_row(item, task_id, at) for item, task_id in zip(new, ids, strict=True)]
    bulk.insert(Task, rows, on_conflict="do nothing")
    found = Task.objects.filter(account_id=current_account_id(), pk__in=ids)
    made = {task.pk: task for task in found}
    _tell(
        [
            _Told(made[pk], "created", n.by, n.cause, n.depth, n.wanted.assignee_id is not None)
            for pk, n in zip(ids, new, strict=True)
            if pk in made
        ],
        at,
    )
    return [pk if pk in made else _made_before(item) for pk, item in zip(ids, new, strict=True)]


def _made_before(item: NewTask) -> int:
    return int(Task.objects.get(account_id=current_account_id(), creation_key=item.key).pk)


def _row(item: NewTask, task_id: int, at: datetime) -> dict[str, Any]:
    wanted = item.wanted
    return {
        "id": task_id, "account_id": current_account_id(), "object_type": item.object_type, "record_id": item.record_id,
        "title": wanted.title, "notes": wanted.notes, "priority": item.priority, "kind": item.kind, "assignee_id": wanted.assignee_id,
        "due_at": wanted.due_at, "created_at": at, "created_by_kind": item.by.kind.value, "created_by_id": item.by.id,
        "creation_key": item.key,
    }  # fmt: skip


def create(object_type: str, record_id: int, wanted: Wanted, *, by: Actor, at: datetime | None = None) -> int:
    """Raises Invalid that names the field as `Wanted` does."""
    return create_many([NewTask(object_type, record_id, _checked(wanted), by)], at=at)[0]


def edit(task_id: int, wanted: Wanted, *, by: Actor, at: datetime | None = None) -> None:
    """Say it anew. Who has it already keeps it, also after leaving. Raises Invalid as `create`, and NotFound."""
    task = _locked(task_id)
    wanted = _checked(wanted, keeps=task.assignee_id)
    is_given = wanted.assignee_id not in (None, task.assignee_id)
    if all(getattr(task, name) == value for name, value in vars(wanted).items()):
        return
    _write(task, "edited", by, at or clock.now(), is_given, **vars(wanted))


def finish(task_id: int, is_done: bool, *, by: Actor, at: datetime | None = None) -> None:
    """Tick it off, or open it again. Safe to repeat. Raises NotFound."""
    task, at = _locked(task_id), at or clock.now()
    if (task.completed_at is not None) != is_done:
        _write(task, "done" if is_done else "reopened", by, at, completed_at=at if is_done else None)


def remove(task_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Delete it; `restore` brings it back. Raises NotFound."""
    at = at or clock.now()
    _write(_locked(task_id), "deleted", by, at, archived_at=at)


def restore(task_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Raises NotFound, also for a task that is there."""
    _write(_locked(task_id, is_deleted=True), "restored", by, at or clock.now(), archived_at=None)


def of(object_type: str, record_id: int) -> list[Task]:
    """The tasks of a record: open ones first, by when they are due; then what is done, the latest first."""
    found = Task.objects.filter(
        account_id=current_account_id(), object_type=object_type, record_id=record_id, archived_at=None
    )
    order = (
        F("completed_at").desc(nulls_first=True),
        F("due_at").asc(nulls_last=True),
        "id",
    )
    return list(found.order_by(*order)[:MOST])


# ── checking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(wanted: Wanted, keeps: int | None = None) -> Wanted:
    title, notes = one_line(wanted.title), storable(wanted.notes).strip()
    if not title:
        raise Invalid(_("Give the task a title."), field="title", hint=_("Say what is to be done."))
    refuse_long(title, TITLE, field="title", message=_("The title is too long."))
    refuse_long(notes, NOTES, field="notes", message=_("The notes are too long."))
    if wanted.assignee_id is not None and wanted.assignee_id != keeps and not _works_here(wanted.assignee_id):
        raise Invalid(_("This person does not work here."), field="assignee_id", value=wanted.assignee_id)
    return Wanted(title, notes, wanted.assignee_id, wanted.due_at)


def _works_here(user_id: int) -> bool:
    return Membership.objects.filter(
        account_id=current_account_id(), user_id=user_id, is_active=True
    ).exists()


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _locked(task_id: int, is_deleted: bool = False) -> Task:
    found = (
        Task.objects.select_for_update(no_key=True)
        .filter(account_id=current_account_id(), pk=task_id, archived_at__isnull=not is_deleted)
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such task."))
    return found


def _write(task: Task, did: str, by: Actor, at: datetime, is_given: bool = False, /, **values: Any) -> None:
    task.version += 1
    for name, value in values.items():
        setattr(task, name, value)
    task.save(update_fields=["version", *values])
    _tell([_Told(task, did, by, is_given=is_given)], at)


@dataclass(frozen=True)
class _Told:
    task: Task
    did: str
    by: Actor
    cause: Cause | None = None
    depth: int = 0
    is_given: bool = False  # somebody has it who did not have it before


def _tell(told: Sequence[_Told], at: datetime) -> None:
    """One event each, and a line in the record's history."""
    events = log.record_many(
        [
            NewEvent(
                f"task.{one.did}",
                "task",
                one.task.pk,
                one.task.version,
                one.by,
                at,
                _facts(one),
                one.cause,
                one.depth,
            )
            for one in told
        ]
    )
    lines = [
        Line(
            one.task.object_type,
            one.task.record_id,
            history.TASK,
            {"did": one.did, "title": one.task.title},
            one.by,
            event.id,
        )
        for one, event in zip(told, events, strict=True)
    ]
    history.note_many(lines, at)


def _facts(told: _Told) -> dict[str, Any]:
    task = told.task
    facts = {"object_type": task.object_type, "record_id": task.record_id, "assignee_id": task.assignee_id}
    facts |= {"title": task.title, "given": True} if told.is_given else {}
    return facts | ({"ticket_id": task.record_id} if task.object_type == "ticket" else {})

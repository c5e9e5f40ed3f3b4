"""What a task tells, by the names of the contract (api.md §3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from deskhand.api.shapes import moment
from deskhand.crm.records.models import Task
from deskhand.crm.schema.activities import TASK
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.kernel.text import storable

#: When a task changed last, as its events say; `k` is the task.
_CHANGED = (
    "coalesce((select max(e.occurred_at) from events_event e where e.account_id = k.account_id and e.object_type = 'task'"
    " and e.object_id = k.id), k.created_at)"
)


@dataclass(frozen=True)
class Field:
    """`part` is the part of `tasks.Wanted` that it sets; a task that is made always has `updated_at`."""

    prop: Property
    sql: str
    told: Callable[[Task, datetime], str | None]
    part: str = ""

    @property
    def name(self) -> str:
        return self.prop.name


def _own(
    name: str, label: str, kind: Kind, *, read_only: bool = False, options: tuple[Option, ...] = ()
) -> Property:
    return Property(name, label, kind, read_only=read_only, options=options)


def _at(found: datetime | None) -> str | None:
    return moment(found) if found else None


def _id(found: int | None) -> str | None:
    return str(found) if found is not None else None


def _text(found: str) -> str | None:
    return storable(found) or None


_KNOWN = TASK.by_name
STATUS, DUE, SUBJECT, OWNER = "hs_task_status", "hs_timestamp", "hs_task_subject", "hubspot_owner_id"
DONE, TO_DO = "COMPLETED", "NOT_STARTED"
_FIELDS = (
    Field(_own(SUBJECT, "Title", Kind.TEXT), "k.title", lambda task, _at: _text(task.title), "title"),
    Field(_own("hs_task_body", "Notes", Kind.TEXT), "k.notes", lambda task, _at: _text(task.notes), "notes"),
    Field(
        _own(STATUS, "Status", Kind.ENUM, options=_KNOWN[STATUS].options),
        f"case when k.completed_at is null then '{TO_DO}' else '{DONE}' end",
        lambda task, _at: DONE if task.completed_at else TO_DO,
    ),
    Field(
        _own("hs_task_priority", "Priority", Kind.ENUM, options=_KNOWN["hs_task_priority"].options),
        "k.priority", lambda task, _at: task.priority, "priority",
    ),
    Field(
        _own("hs_task_type", "Type of task", Kind.ENUM, options=_KNOWN["hs_task_type"].options),
        "k.kind", lambda task, _at: task.kind, "kind",
    ),
    Field(_own(DUE, "Due date", Kind.DATETIME), "k.due_at", lambda task, _now: _at(task.due_at), "due_at"),
    Field(_own(OWNER, "Task is for", Kind.REF), "k.assignee_id", lambda task, _at: _id(task.assignee_id), "assignee_id"),
    Field(
        _own("hs_task_reminders", "Reminder", Kind.DATETIME), "k.remind_at",
        lambda task, _at: str(round(task.remind_at.timestamp() * 1000)) if task.remind_at else None, "remind_at",
    ),
    Field(
        _own("hs_queue_membership_ids", "Task queue", Kind.REF), "k.queue_id", lambda task, _at: _id(task.queue_id), "queue_id",
    ),
    Field(
        _own("hs_task_completion_date", "Completion date", Kind.DATETIME, read_only=True), "k.completed_at",
        lambda task, _now: _at(task.completed_at),
    ),
    Field(_own("hs_object_id", "Record ID", Kind.NUMBER, read_only=True), "k.id", lambda task, _at: str(task.pk)),
    Field(
        _own("hs_createdate", "Create date", Kind.DATETIME, read_only=True), "k.created_at",
        lambda task, _now: moment(task.created_at),
    ),
    Field(
        _own("hs_lastmodifieddate", "Last modified date", Kind.DATETIME, read_only=True), _CHANGED,
        lambda _task, changed_at: moment(changed_at),
    ),
)  # fmt: skip
FIELDS: Mapping[str, Field] = {field.name: field for field in _FIELDS}
PROPERTIES: Mapping[str, Property] = {field.name: field.prop for field in _FIELDS}
#: What a task shows in any case, and what it shows without being asked.
ALWAYS = ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")
DEFAULTS = (SUBJECT, "hs_task_body", STATUS, "hs_task_priority", "hs_task_type", DUE, OWNER)
#: Types of links from a task to the records that it is about (api.md §2.5).
TYPES: Mapping[int, str] = {204: "contact", 192: "company", 216: "deal", 230: "ticket"}

"""The form of a task, which is the same beside a ticket and on the pages of other records (R-WFA-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.crm.records import task_queues, tasks, worklist
from deskhand.crm.records.models import Task
from deskhand.crm.records.tasks import Wanted
from deskhand.kernel.errors import Forbidden, Invalid
from deskhand.web import times
from deskhand.web.asked import moment
from deskhand.web.choices import Choice, offered
from deskhand.web.inbox.rows import Label
from deskhand.web.inbox.words import PRIORITY_TONES
from deskhand.web.records.kinds import record_url

FIELDS = (
    "title",
    "notes",
    "kind",
    "priority",
    "assignee",
    "queue",
    "due_at",
    "reminder",
    "remind_at",
    "also",
)
AT = "at"  # reminder: at a moment of its own
KIND_ICONS = {"CALL": "phone", "EMAIL": "mail"}


@dataclass(frozen=True)
class FurtherLine:
    """A record that a task may be about too. `value` is its kind and id."""

    value: str
    title: str
    line: str
    icon: str
    chosen: bool


@dataclass(frozen=True)
class Further:
    """The further records of a task while it is written, and the search for more of them."""

    lines: tuple[FurtherLine, ...]
    kinds: tuple[Choice, ...]
    text: str = ""
    told: str = ""  # of the search


@dataclass(frozen=True)
class About:
    """Another record of a task, beside the line that shows it."""

    name: str
    url: str


@dataclass(frozen=True)
class Beside:
    """What the page of a record says of one of its tasks besides."""

    others: tuple[About, ...]  # its records that the viewer sees, but for the one of the page
    may_edit: bool
    may_finish: bool


@dataclass(frozen=True)
class TaskFields:
    """`errors`, by field. What `reminder` says counts; `remind_at` only with the choice of a moment."""

    people: tuple[Choice, ...]
    kinds: tuple[Choice, ...]
    priorities: tuple[Choice, ...]
    reminders: tuple[Choice, ...]
    queues: tuple[Choice, ...] = ()  # empty: the account has none
    title: str = ""
    notes: str = ""
    due_at: str = ""
    remind_at: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    further: Further | None = None


@dataclass(frozen=True)
class Marks:
    """What a line of a task shows beside its title."""

    kind: str = ""  # "" for what is just to be done
    kind_icon: str = ""
    priority: Label | None = None
    remind_at: datetime | None = None  # while it is ahead

    def __bool__(self) -> bool:
        return bool(self.kind or self.priority or self.remind_at)


def marks(task: Task, now: datetime) -> Marks:
    words, tone = tasks.PRIORITIES.get(task.priority), PRIORITY_TONES.get(task.priority)
    kind = tasks.KINDS.get(task.kind) if task.kind in KIND_ICONS else None
    is_ahead = task.completed_at is None and task.remind_at is not None and task.remind_at > now
    return Marks(
        str(kind) if kind else "",
        KIND_ICONS[task.kind] if kind else "",
        Label(str(words), tone) if words and tone else None,
        task.remind_at if is_ahead else None,
    )


def may_finish_task(viewer: Viewer, task: Task, may_edit: bool) -> bool:
    """Whoever changes the record, and whose task it is: they see the record at least."""
    return may_edit or task.assignee_id == viewer.user_id


def require_change(viewer: Viewer, task: Task) -> None:
    """Raises Forbidden for who may not change the main record of the task."""
    if task.pk not in worklist.changeable(viewer, [task]):
        raise Forbidden(_("You may not change this."))


def require_finish(viewer: Viewer, task: Task) -> None:
    """Raises Forbidden for who may neither change the main record nor has the task."""
    if not may_finish_task(viewer, task, task.pk in worklist.changeable(viewer, [task])):
        raise Forbidden(_("You may not change this."))


def beside(viewer: Viewer, found: Sequence[Task], here: tuple[str, int], may_edit: bool) -> dict[int, Beside]:
    """By task of the record `here`, which the viewer may edit or not; as many queries for many as for one, and none for the
    rights to those whose main record it is."""
    own = {task.pk for task in found if task.main == here}
    editable = worklist.changeable(viewer, [task for task in found if task.pk not in own])
    editable |= own if may_edit else set()
    others = worklist.records(viewer, found, but=here)
    return {
        task.pk: Beside(
            abouts(others[task.pk]),
            task.pk in editable,
            may_finish_task(viewer, task, task.pk in editable),
        )
        for task in found
    }


def abouts(records: Sequence[worklist.About]) -> tuple[About, ...]:
    return tuple(
        About(one.name or _("No name"), record_url(one.object_type, one.record_id)) for one in records
    )


def stored(task: Task) -> dict[str, str]:
    """The task as its form has it."""
    reminder = _reminder(task)
    return {
        "title": task.title, "notes": task.notes, "kind": task.kind, "priority": task.priority, "assignee": str(task.assignee_id or ""),
        "queue": str(task.queue_id or ""),
        "due_at": times.field(task.due_at), "reminder": reminder, "remind_at": times.field(task.remind_at) if reminder == AT else "",
    }  # fmt: skip


def _reminder(task: Task) -> str:
    if task.remind_at is None:
        return ""
    lead = task.due_at - task.remind_at if task.due_at else None
    return next((str(minutes) for minutes in tasks.LEADS if lead == timedelta(minutes=minutes)), AT)


def fields(
    viewer: Viewer,
    given: Mapping[str, str],
    people: Sequence[Choice],
    errors: Mapping[str, str],
    further: Further | None = None,
) -> TaskFields:
    reminder = given.get("reminder", "")
    leads = {
        "": _("No reminder"),
        **{str(n): str(words) for n, words in tasks.LEADS.items()},
        AT: _("At a moment"),
    }
    return TaskFields(
        people=tuple(people),
        kinds=offered(tasks.KINDS, given.get("kind", "TODO")),
        priorities=offered(tasks.PRIORITIES, given.get("priority", tasks.NO_PRIORITY)),
        reminders=offered(leads, reminder),
        queues=queue_choices(viewer, given.get("queue", "")),
        title=given.get("title", ""), notes=given.get("notes", ""), due_at=given.get("due_at", ""),
        remind_at=given.get("remind_at", ""), errors=errors, further=further,
    )  # fmt: skip


def queue_choices(viewer: Viewer, chosen: str) -> tuple[Choice, ...]:
    """Those that the viewer may use, and the one that is chosen; nothing where there is none."""
    found = [
        queue
        for queue in task_queues.queues()
        if str(queue.pk) == chosen or task_queues.may_use(viewer, queue)
    ]
    if not found:
        return ()
    return offered({"": _("No task queue"), **{str(queue.pk): queue.name for queue in found}}, chosen)


def chosen_queue(viewer: Viewer, text: str, kept: int | None = None) -> int | None:
    """Raises Invalid for a queue that the viewer may not use, but for the one that the task is in already."""
    if not text or text == str(kept):
        return kept if text else None
    if text in {str(queue.pk) for queue in task_queues.usable(viewer)}:
        return int(text)
    raise Invalid(_("There is no such task queue."), field="queue", value=text[:40], hint=_("Choose one of the list."))  # fmt: skip


def wanted(
    viewer: Viewer, form: Mapping[str, str], assignee_id: int | None, task: Task | None = None
) -> Wanted:
    """`task`: as it stands, of which stays what the form does not name. Raises Invalid, naming the field."""
    before = stored(task) if task else {}

    def said(name: str, other: str = "") -> str:
        return form.get(name, before.get(name, other))

    due_at = moment(said("due_at"), "due_at") if said("due_at") else None
    return Wanted(
        title=said("title"), notes=said("notes"), assignee_id=assignee_id, due_at=_kept(due_at, task.due_at if task else None),
        priority=said("priority", tasks.NO_PRIORITY), kind=said("kind", "TODO"),
        remind_at=_kept(_remind_at(said("reminder"), said("remind_at"), due_at), task.remind_at if task else None),
        queue_id=chosen_queue(viewer, said("queue"), task.queue_id if task else None),
    )  # fmt: skip


def _kept(typed: datetime | None, before: datetime | None) -> datetime | None:
    """A field holds no seconds; a moment that nobody touched keeps its own."""
    is_same = typed is not None and before is not None and times.field(typed) == times.field(before)
    return before if is_same else typed


def _remind_at(reminder: str, at: str, due_at: datetime | None) -> datetime | None:
    if not reminder:
        return None
    if reminder == AT:
        if not at:
            raise Invalid(_("Say when to remind."), field="remind_at", hint=_("Choose a moment."))
        return moment(at, "remind_at")
    if reminder not in map(str, tasks.LEADS):
        raise Invalid(
            _("“%(value)s” is no reminder.") % {"value": reminder[:40]}, field="reminder", value=reminder[:40]
        )
    if due_at is None:
        raise Invalid(
            _("The task has no due date."), field="reminder", hint=_("Give it one, or choose a moment for the reminder.")
        )  # fmt: skip
    return due_at - timedelta(minutes=int(reminder))


def field_of(refusal: Invalid) -> str:
    """Where in the form the words of a refusal stand."""
    name = (refusal.field or "title").removesuffix("_id")
    return name if name in FIELDS else "title"

"""What the page of a record shows, beside what it shares with contacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.choices import Choice
from deskhand.web.contacts.rows import Control, Section, Timeline
from deskhand.web.inbox.panel_rows import Linked, LinkGroup
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person
from deskhand.web.tasking import About, Marks, TaskFields
from deskhand.web.workflows.rows import Card


@dataclass(frozen=True)
class Step:
    """A status on the way of a record. `state` is past, now or ahead."""

    id: int
    status: Label
    state: str
    is_open: bool
    reason: str = ""  # why it can't go there


@dataclass(frozen=True)
class TaskLine:
    id: int
    title: str
    notes: str
    who: Person | None
    due_at: datetime | None
    is_done: bool
    is_late: bool
    cause: str
    marks: Marks
    done_url: str
    edit_url: str
    delete_url: str
    form: TaskForm | None = None
    others: tuple[About, ...] = ()  # its further records, and the main one where it is not this


@dataclass(frozen=True)
class TaskForm:
    url: str
    fields: TaskFields
    is_open: bool = False  # something was typed into it already


@dataclass(frozen=True)
class RecordPage:
    id: int
    name: str
    kind: str
    icon: str
    url: str
    list_url: str
    list_label: str
    pipeline: str
    move_url: str  # to other pipelines; empty where there are none
    age: datetime | None  # since when it stands in its status
    owner: Person | None
    money: str
    steps: tuple[Step, ...]
    moved_url: str
    archive_url: str
    restore_url: str
    archived_at: datetime | None
    sections: tuple[Section, ...]
    timeline: Timeline
    tasks: tuple[TaskLine, ...]
    task_form: TaskForm | None
    links: tuple[LinkGroup, ...]
    link_url: str
    unlink_url: str
    labels_url: str
    note_url: str
    automation: Card | None = None
    note: str = ""
    note_error: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it can't go to some statuses, each said once."""
        return tuple(dict.fromkeys(step.reason for step in self.steps if step.reason))


@dataclass(frozen=True)
class AskField:
    name: str
    label: str
    control: Control
    is_required: bool
    note: str = ""


@dataclass(frozen=True)
class LinkPage:
    title: str
    url: str
    link_url: str
    back_url: str
    back_label: str
    text: str
    kinds: tuple[Choice, ...]
    found: tuple[Linked, ...]
    labels: tuple[Choice, ...] = ()  # what it may be linked as

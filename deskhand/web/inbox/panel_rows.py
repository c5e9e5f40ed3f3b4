"""What the panel beside a ticket shows, ready to print."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person, Tone
from deskhand.web.tasking import About, Marks, TaskFields
from deskhand.web.workflows.rows import Card


@dataclass(frozen=True)
class Editor:
    """A value while it is edited. POST `value` to `save_url`, more than once for checks."""

    kind: Literal["text", "long", "number", "date", "moment", "select", "checks"]
    save_url: str
    cancel_url: str  # the value as it stands; for htmx the line alone
    value: str = ""
    groups: tuple[ChoiceGroup, ...] = ()
    error: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why some of the choices are none, each said once."""
        return tuple(
            dict.fromkeys(one.reason for group in self.groups for one in group.choices if one.reason)
        )


@dataclass(frozen=True)
class PropertyLine:
    """One property. `edit_url` is empty for what only the product sets, or what the viewer may not change."""

    name: str
    label: str
    text: str
    edit_url: str = ""
    pin_url: str = ""  # POST name, pinned=1|0
    is_pinned: bool = False
    wraps: bool = False  # its label is shown in full
    tone: Tone | None = None
    icon: str = ""
    help: str = ""
    editor: Editor | None = None
    tags: tuple[Label, ...] = ()  # instead of the text


@dataclass(frozen=True)
class Section:
    """A part of the panel that folds; `fold_url` remembers it (POST section, folded=1|0)."""

    key: str
    title: str
    lines: tuple[PropertyLine, ...] = ()
    is_folded: bool = False
    fold_url: str = ""
    count: int = 0


@dataclass(frozen=True)
class Fact:
    """A line that nobody edits here."""

    name: str
    value: str
    url: str = ""
    tone: Tone | None = None
    icon: str = ""


@dataclass(frozen=True)
class ContactCard:
    person: Person
    line: str = ""  # "Operations lead, Fjällbo AB"
    facts: tuple[Fact, ...] = ()
    url: str = ""  # the contact's own page


@dataclass(frozen=True)
class Follower:
    user_id: int
    person: Person


@dataclass(frozen=True)
class Followers:
    """POST follows=1|0 and user to `url`."""

    url: str
    people: tuple[Follower, ...]
    others: tuple[Choice, ...] = ()  # who could
    may_edit: bool = False


@dataclass(frozen=True)
class Merged:
    """A ticket that went into this one. POST to `part_url` makes them two again; empty for who may not."""

    subject: str
    number: str
    at: datetime
    part_url: str = ""


@dataclass(frozen=True)
class OtherTicket:
    url: str
    subject: str
    number: str
    at: datetime
    status: Label


@dataclass(frozen=True)
class Dropped:
    """Somebody the router passed over, and why."""

    person: Person
    reason: str


@dataclass(frozen=True)
class Decision:
    """Why this agent, or why nobody (R-ROUTE-70)."""

    headline: str
    at: datetime | None = None
    details: tuple[Fact, ...] = ()  # rule, pool, strategy, loads, tie-break
    dropped: tuple[Dropped, ...] = ()
    since: str = ""  # whose it has become after that


@dataclass(frozen=True)
class HistoryLine:
    text: str
    by: str
    at: datetime


@dataclass(frozen=True)
class TaskForm:
    """A task while it is written. POST tasking.FIELDS to `save_url`."""

    save_url: str
    cancel_url: str
    fields: TaskFields
    delete_url: str = ""  # POST deleted=1; empty for a new one


@dataclass(frozen=True)
class TaskLine:
    """POST done=1|0 to `done_url`; the addresses are empty for what the viewer may not do."""

    id: int
    title: str
    notes: str = ""
    due_at: datetime | None = None
    is_overdue: bool = False
    is_done: bool = False
    assignee: Person | None = None
    cause: str = ""
    marks: Marks = field(default_factory=Marks)
    done_url: str = ""
    edit_url: str = ""
    form: TaskForm | None = None
    others: tuple[About, ...] = ()  # its further records, and the main one where it is not this


@dataclass(frozen=True)
class Tasks:
    open: tuple[TaskLine, ...]
    done: tuple[TaskLine, ...]
    new_url: str = ""
    form: TaskForm | None = None  # of a new one

    def __bool__(self) -> bool:
        return bool(self.open or self.done or self.new_url)


@dataclass(frozen=True)
class Linked:
    """A record beside the ticket. POST kind, id and linked=0 to `Links.url` to part them; without `url` it has no page."""

    kind: str
    id: int
    title: str
    line: str = ""
    url: str = ""
    person: Person | None = None
    status: Label | None = None
    labels: tuple[str, ...] = ()  # what it is to the record
    choices: tuple[Choice, ...] = ()  # what it may be, of the account's own labels


@dataclass(frozen=True)
class LinkGroup:
    """Linked records of one kind."""

    title: str
    icon: str
    linked: tuple[Linked, ...]


@dataclass(frozen=True)
class LinkSearch:
    """What is looked for. GET kind and q from `url`; POST kind, id and linked=1 to `Links.url`."""

    url: str
    cancel_url: str
    text: str
    kinds: tuple[Choice, ...]
    found: tuple[Linked, ...] = ()
    error: str = ""
    labels: tuple[Choice, ...] = ()  # what it may be linked as: POST label, several times


@dataclass(frozen=True)
class Links:
    """What a ticket is linked to, as far as the viewer may see it. The addresses are empty for who may not change it."""

    groups: tuple[LinkGroup, ...]
    url: str = ""
    new_url: str = ""
    labels_url: str = ""  # POST kind, id and label: what the linked record is from now on
    search: LinkSearch | None = None

    @property
    def count(self) -> int:
        return sum(len(group.linked) for group in self.groups)

    def __bool__(self) -> bool:
        return bool(self.groups or self.new_url)


@dataclass(frozen=True)
class Panel:
    """The pane on the right."""

    sections: tuple[Section, ...]
    parts: dict[str, Section]  # the sections around what is no property, by key
    all_url: str = ""  # every property of the ticket
    less_url: str = ""  # back from there; empty where only the usual ones are shown
    contact: ContactCard | None = None
    decision: Decision | None = None
    others: tuple[OtherTicket, ...] = ()
    history: tuple[HistoryLine, ...] = ()
    history_url: str = ""  # all of it
    older_url: str = ""
    followers: Followers | None = None
    merged: tuple[Merged, ...] = ()  # of the last 30 days
    tasks: Tasks | None = None
    automation: Card | None = None
    links: Links | None = None

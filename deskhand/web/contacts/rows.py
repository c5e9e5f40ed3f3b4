"""What the screens of contacts and companies show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from deskhand.web.choices import Choice
from deskhand.web.inbox.panel_rows import LinkGroup
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person
from deskhand.web.workflows.rows import Card

if TYPE_CHECKING:
    from deskhand.web.records.rows import TaskLine


@dataclass(frozen=True)
class ListRow:
    """A contact or company in a list."""

    id: int
    url: str
    person: Person
    address: str
    company: str
    company_url: str
    owner: Person | None
    open_tickets: str
    last_at: datetime | None
    archived_at: datetime | None


@dataclass(frozen=True)
class Heading:
    """A column one may sort by; `direction` as ARIA says it."""

    label: str
    url: str
    direction: Literal["none", "ascending", "descending"]


@dataclass(frozen=True)
class ListPage:
    kind: str
    title: str
    url: str
    count_text: str
    rows: tuple[ListRow, ...]
    by_name: Heading
    text: str
    which: str
    sort: str
    more_url: str
    new_url: str
    new_label: str
    search_label: str
    empty_title: str
    empty_text: str
    segments: tuple[Choice, ...] = ()  # that what is chosen may be put into
    enrolls: bool = False  # what is chosen may go into a workflow


@dataclass(frozen=True)
class HistoryLine:
    """One change of a value: what it became, by whom and why, and when."""

    label: str
    old: str
    new: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Control:
    """How a value is changed: `kind` is text, area, number, date, moment, choice or choices."""

    kind: str
    value: str
    choices: tuple[Choice, ...] = ()
    error: str = ""
    error_url: str = ""
    error_link: str = ""


@dataclass(frozen=True)
class Property:
    """A line of facts; `control` when it is open for a change."""

    id: str
    name: str
    label: str
    value: str
    line_url: str  # this line alone
    open_url: str
    open_label: str
    close_url: str
    save_url: str
    value_url: str = ""
    help: str = ""
    may_edit: bool = False
    is_open: bool = False
    control: Control | None = None
    history: tuple[HistoryLine, ...] = ()


@dataclass(frozen=True)
class Section:
    key: str
    label: str
    properties: tuple[Property, ...]
    is_folded: bool = False


@dataclass(frozen=True)
class Ticket:
    url: str
    subject: str
    number: str
    status: Label
    at: datetime


@dataclass(frozen=True)
class Link:
    """A contact of a company, or the other way round."""

    id: int
    url: str
    person: Person
    line: str
    is_primary: bool
    primary_url: str = ""
    remove_url: str = ""
    labels: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()  # what it may be: POST label to `labels_url`, several times
    labels_url: str = ""

    @property
    def kind(self) -> str:
        """The form of labels asks for it; here the address says it."""
        return ""

    @property
    def title(self) -> str:
        return self.person.name


@dataclass(frozen=True)
class TimelineItem:
    """One thing that happened. Messages have words, changes what was there before."""

    kind: Literal["in", "out", "event", "change", "note"]
    at: datetime
    icon: str
    title: str
    by: str = ""
    about: str = ""
    about_url: str = ""
    paragraphs: tuple[str, ...] = ()
    author: Person | None = None
    old: str = ""
    new: str = ""
    failed: str = ""
    cause: str = ""  # the workflow that sent it


@dataclass(frozen=True)
class Timeline:
    items: tuple[TimelineItem, ...]
    more_url: str = ""


@dataclass(frozen=True)
class Head:
    """Who it is, and what can be done with them."""

    person: Person
    subtitle: str
    facts: tuple[tuple[str, str, str], ...]  # icon, text, address
    email_url: str = ""
    merge_url: str = ""
    archive_url: str = ""
    restore_url: str = ""
    archived_at: datetime | None = None
    bounced_at: datetime | None = None  # since when mail comes back


@dataclass(frozen=True)
class Merged:
    """Another record that became part of this one, and the way back while there is one."""

    name: str
    at: datetime
    undo_url: str = ""


@dataclass(frozen=True)
class Consent:
    """What mail a contact wants."""

    url: str  # empty where the viewer may not change it
    is_off: bool
    kinds: tuple[Choice, ...]


@dataclass(frozen=True)
class RecordPage:
    kind: str
    id: int
    url: str
    list_url: str
    list_label: str
    head: Head
    sections: tuple[Section, ...]
    tickets: tuple[Ticket, ...]
    has_more_tickets: bool
    links: tuple[Link, ...]
    has_more_links: bool
    links_title: str
    add_link_url: str
    merged: tuple[Merged, ...]
    timeline: Timeline
    segments: tuple[tuple[str, str], ...] = ()  # name and address of those it is in
    add_to: tuple[Choice, ...] = ()  # that it may be put into
    consent: Consent | None = None
    automation: Card | None = None
    tasks: tuple[TaskLine, ...] = ()  # open ones
    task_form: None = None  # they are made elsewhere
    others: tuple[LinkGroup, ...] = ()  # what else it is linked to; the addresses are for who may change it
    others_url: str = ""
    others_unlink_url: str = ""
    others_labels_url: str = ""


@dataclass(frozen=True)
class FormField:
    name: str
    label: str
    value: str
    type: str = "text"  # of the input; "area" is for several lines
    help: str = ""
    error: str = ""
    error_url: str = ""
    error_link: str = ""
    choices: tuple[Choice, ...] = ()
    autocomplete: str = "off"
    is_required: bool = False
    is_many: bool = False  # several of the choices
    note: str = ""  # beside the label


@dataclass(frozen=True)
class FormPage:
    title: str
    url: str
    back_url: str
    back_label: str
    button: str
    fields: tuple[FormField, ...]
    hidden: tuple[tuple[str, str], ...] = ()
    lead: str = ""
    error: str = ""


@dataclass(frozen=True)
class Candidate:
    """Somebody to choose, with what tells them from others of that name."""

    id: int
    person: Person
    address: str
    line: str
    last_at: datetime | None
    open_tickets: int
    url: str = ""  # leads on
    action_url: str = ""  # or does it
    action: str = ""


@dataclass(frozen=True)
class PickPage:
    title: str
    lead: str
    url: str
    back_url: str
    back_label: str
    text: str
    label: str
    found: tuple[Candidate, ...]
    create_url: str = ""
    create_label: str = ""


@dataclass(frozen=True)
class Comparison:
    """One property of two records, and what the one that stays will have."""

    label: str
    left: str
    right: str
    result: str
    takes: Literal["left", "right", "both"]


@dataclass(frozen=True)
class MergeSide:
    id: int
    url: str
    person: Person
    address: str
    created_at: datetime
    last_at: datetime | None
    open_tickets: int


@dataclass(frozen=True)
class MergePage:
    title: str
    url: str
    swap_url: str
    back_url: str
    primary: MergeSide
    secondary: MergeSide
    lines: tuple[Comparison, ...]
    consequences: tuple[str, ...]
    button: str
    error: str = ""


@dataclass(frozen=True)
class MailPage:
    title: str
    url: str
    back_url: str
    back_label: str
    to: tuple[Choice, ...]
    channels: tuple[Choice, ...]
    subject: str
    body: str
    html: str  # the same with formatting
    is_rich: bool  # begins in the editor with formatting
    send_key: str
    errors: dict[str, str] = field(default_factory=dict)
    notice: str = ""

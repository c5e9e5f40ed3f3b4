"""What the templates of the bell may show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.shell import Person


@dataclass(frozen=True)
class Told:
    """One thing that somebody was told."""

    text: str
    at: datetime
    is_unread: bool
    person: Person | None = None  # who did it; None for a machine
    popup: int = 0  # its number, where it is to pop up on the page that is open


@dataclass(frozen=True)
class Group:
    """What somebody was told of one ticket, or of one thing that failed, newest first."""

    number: str
    subject: str
    url: str
    read_url: str  # POST
    told: tuple[Told, ...]
    is_unread: bool
    is_failure: bool = False


@dataclass(frozen=True)
class BellList:
    groups: tuple[Group, ...]
    unread: int
    unread_text: str  # "3 unread"
    more_url: str = ""


@dataclass(frozen=True)
class WayLine:
    """A way that one can switch off altogether."""

    key: str
    label: str
    help: str
    is_on: bool


@dataclass(frozen=True)
class Cell:
    """A topic by one way."""

    way: str
    label: str
    is_chosen: bool


@dataclass(frozen=True)
class TopicLine:
    key: str
    label: str
    help: str
    cells: tuple[Cell, ...]
    is_locked: bool = False  # for everybody, by an administrator


@dataclass(frozen=True)
class TriedLine:
    """What came of the last message; `detail` is what the other side said."""

    text: str
    tone: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True)
class BrowserLine:
    id: int
    name: str
    mark: str
    added_at: datetime
    tried: TriedLine | None


@dataclass(frozen=True)
class ReachedPage:
    """Where somebody can be told beside their mailbox."""

    browsers: tuple[BrowserLine, ...]
    push_key: str
    services: tuple[tuple[str, str], ...]
    service: str = ""  # of the chat; empty: none
    service_name: str = ""
    place: str = ""  # its address without what is secret in it
    tried: TriedLine | None = None
    error: str = ""  # why a new address was not taken
    browser_error: str = ""  # why a browser was not

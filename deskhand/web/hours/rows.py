"""What the pages of availability and hours show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.choices import Choice
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person


@dataclass(frozen=True)
class Now:
    """Somebody's status at this moment. `text` says until when, `why` what set it."""

    label: Label
    text: str
    why: str


@dataclass(frozen=True)
class Range:
    start: str  # HH:MM, or what was typed
    end: str


@dataclass(frozen=True)
class Day:
    number: int  # 0 is Monday
    name: str
    ranges: tuple[Range, ...]
    error: str = ""


@dataclass(frozen=True)
class Week:
    url: str
    zone: str
    days: tuple[Day, ...]
    is_set: bool
    zone_error: str = ""
    notice: str = ""


@dataclass(frozen=True)
class Absence:
    starts_at: datetime
    ends_at: datetime
    is_running: bool
    end_url: str


@dataclass(frozen=True)
class Change:
    at: datetime
    label: Label
    why: str


@dataclass(frozen=True)
class StatusForm:
    url: str
    is_available: bool
    ways: tuple[Choice, ...]  # the account's own ways of being away
    note: str


@dataclass(frozen=True)
class Line:
    """A colleague in the overview. `url` leads to their page."""

    person: Person
    url: str
    now: Now
    open_text: str
    status: StatusForm


@dataclass(frozen=True)
class AwayState:
    id: int
    name: str
    save_url: str
    archive_url: str
    error: str = ""

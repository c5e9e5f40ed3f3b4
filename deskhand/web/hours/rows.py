"""What the pages of availability and hours show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.choices import Choice, Tab
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
class Handover:
    """The way to give away somebody's open tickets."""

    text: str
    url: str


@dataclass(frozen=True)
class StatusForm:
    url: str
    is_available: bool
    ways: tuple[Choice, ...]  # the account's own ways of being away
    note: str


@dataclass(frozen=True)
class Bar:
    """A part of a day, in percent of it; `level` is how full it is."""

    start: float
    end: float
    is_away: bool = False
    level: int = 100


@dataclass(frozen=True)
class Day24:
    """Somebody's day: drawn, and in words."""

    bars: tuple[Bar, ...]
    text: str
    now: float = 0  # in percent, where the day stands alone


@dataclass(frozen=True)
class Line:
    """A colleague on the board. `url` leads to their page, a POST to `status_url` sets the other status."""

    id: int
    person: Person
    url: str
    now: Now
    open_text: str
    status_url: str
    is_available: bool
    day: Day24


@dataclass(frozen=True)
class Presence:
    """Somebody's status and day, on their record. `url` leads to their availability, for who may set it."""

    now: Now
    day: Day24
    url: str


@dataclass(frozen=True)
class Coverage:
    """How the day is covered by working hours. `now` in percent; `marks` are hours by name."""

    bars: tuple[Bar, ...]
    text: str
    now: float
    marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Board:
    """`coverage` None: nobody is on it."""

    url: str
    teams: tuple[Choice, ...]
    state: str
    tabs: tuple[Tab, ...]
    on_text: str
    next_text: str
    coverage: Coverage | None
    lines: tuple[Line, ...]
    is_filtered: bool


@dataclass(frozen=True)
class AwayState:
    id: int
    name: str
    save_url: str
    archive_url: str
    error: str = ""

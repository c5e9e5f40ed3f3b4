"""What the templates of the search may show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.choices import Tab
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person

#: A text in parts, each with whether it is what was asked for.
Marked = list[tuple[str, bool]]


@dataclass(frozen=True)
class Result:
    """A line of the results: who or what, where it leads, and what was found in it."""

    url: str
    title: Marked
    person: Person | None = None
    icon: str = ""
    about: Marked = ()  # type: ignore[assignment]
    number: str = ""
    status: Label | None = None
    note: str = ""  # "Comment"
    at: datetime | None = None


@dataclass(frozen=True)
class ResultPage:
    query: str
    kind: str
    tabs: tuple[Tab, ...]
    title: str  # of the tab
    results: tuple[Result, ...]
    more_url: str = ""
    is_further: bool = False  # nothing here, but older ones are still to be looked through


@dataclass(frozen=True)
class Option:
    """A line of the palette."""

    url: str
    title: Marked
    person: Person | None = None
    icon: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Group:
    label: str
    options: tuple[Option, ...]

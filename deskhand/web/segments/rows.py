"""What the templates of segments may show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.choices import Choice
from deskhand.web.filters.bar import Bar
from deskhand.web.shell import Person


@dataclass(frozen=True)
class UseLine:
    label: str
    url: str = ""


@dataclass(frozen=True)
class Line:
    """A segment in the list."""

    id: int
    name: str
    url: str
    records: str
    kind: str
    icon: str
    size_text: str
    uses: tuple[UseLine, ...]
    changed_at: datetime
    problem: str
    is_filling: bool


@dataclass(frozen=True)
class ListPage:
    lines: tuple[Line, ...]
    types: tuple[Choice, ...]
    text: str
    new_url: str


@dataclass(frozen=True)
class MemberLine:
    id: int
    person: Person
    address: str
    url: str
    since: datetime | None
    by: str = ""
    why_url: str = ""


@dataclass(frozen=True)
class SegmentPage:
    id: int
    title: str
    url: str
    size_text: str
    records: str
    kind: str
    icon: str
    sentence: tuple[tuple[str, ...], ...]  # groups of filters in words
    problem: str
    is_filling: bool
    uses: tuple[UseLine, ...]
    members: tuple[MemberLine, ...]
    more_url: str
    text: str
    is_static: bool
    address_label: str  # what tells two members of one name apart; "" where nothing does
    filters_url: str = ""
    add_url: str = ""
    rename_url: str = ""
    archive_url: str = ""
    remove_url: str = ""
    error: str = ""


@dataclass(frozen=True)
class NewPage:
    name: str
    types: tuple[Choice, ...]
    kinds: tuple[tuple[Choice, str], ...]  # with what each is
    error: str = ""
    error_field: str = ""


@dataclass(frozen=True)
class RenamePage:
    title: str
    url: str
    back_url: str
    name: str
    error: str = ""


@dataclass(frozen=True)
class BuildPage:
    title: str
    lead: str
    bar: Bar
    save_url: str
    back_url: str
    fields: tuple[tuple[str, str], ...]
    count_text: str
    can_save: bool
    error: str = ""


@dataclass(frozen=True)
class AddPage:
    title: str
    url: str
    save_url: str
    back_url: str
    text: str
    found: tuple[MemberLine, ...]
    has_more: bool
    takes_addresses: bool
    addresses: str = ""
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Reason:
    words: str
    holds: bool


@dataclass(frozen=True)
class WhyPage:
    title: str
    back_url: str
    back_label: str
    record: MemberLine
    how: str
    groups: tuple[tuple[Reason, ...], ...]

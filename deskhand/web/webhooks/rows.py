"""What the pages of webhooks show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from deskhand.web.inbox.rows import Label
from deskhand.web.webhooks.picking import Group


@dataclass(frozen=True)
class HookRow:
    name: str
    place: str
    events: str
    state: Label
    url: str


@dataclass(frozen=True)
class Form:
    """A webhook being made or changed; `title` is empty for a new one."""

    save_url: str
    groups: tuple[Group, ...]
    title: str = ""
    name: str = ""
    url: str = ""
    at_once: str = "10"
    back_url: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    name: str
    app_id: int
    url: str
    at_once: int
    state: Label
    is_paused: bool
    failing_since: datetime | None


@dataclass(frozen=True)
class LogLine:
    """One delivery."""

    id: int
    at: datetime
    state: Label
    text: str
    types: str
    url: str
    may_go_again: bool


@dataclass(frozen=True)
class HookPage:
    facts: Facts
    events: tuple[str, ...]
    lines: tuple[LogLine, ...]
    failed: int
    more_url: str


@dataclass(frozen=True)
class TryLine:
    at: datetime
    number: int
    answer: str
    text: str


@dataclass(frozen=True)
class DeliveryPage:
    name: str
    app_id: int
    line: LogLine
    error: str
    tries: tuple[TryLine, ...]
    body: str

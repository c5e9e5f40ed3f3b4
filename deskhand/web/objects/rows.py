"""What the pages about kinds of record show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True)
class Tab:
    label: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class Bar:
    """Above the pages of one pipeline: which one, and what of it."""

    pipelines: tuple[Choice, ...]
    part: str
    segments: tuple[Tab, ...]


@dataclass(frozen=True)
class PipelineLine:
    id: int
    label: str
    statuses: tuple[tuple[str, str], ...]  # label and tone
    url: str
    delete_url: str
    is_default: bool


@dataclass(frozen=True)
class StatusLine:
    """A status in the form that arranges them. `key` is its id, or a word for a new one."""

    key: str
    label: str
    tone: str
    is_open: bool
    count_text: str = ""
    delete_url: str = ""
    error: str = ""


@dataclass(frozen=True)
class Dependant:
    """What names a status or property that is to go."""

    icon: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class AskLine:
    property: str
    label: str
    is_required: bool


@dataclass(frozen=True)
class StatusRules:
    id: int
    label: str
    tone: str
    is_creatable: bool
    asks: tuple[AskLine, ...]
    offers: tuple[Choice, ...]

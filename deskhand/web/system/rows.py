"""What the system page shows: what could not be done, and the way to do it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deskhand.web.inbox.rows import Label
from deskhand.web.troubles import NOTHING, Trouble


@dataclass(frozen=True)
class Line:
    """One thing that waits or failed. `again_url` gets a POST; without one there is nothing to do by hand."""

    id: int
    title: str
    why: Trouble
    at: datetime
    state: Label | None = None
    about: str = ""  # what it belongs to, and its address
    url: str = ""
    more: str = ""  # a size, a number of tries
    file_url: str = ""  # the mail as it came
    again_url: str = ""
    sign: str = ""  # what sort of thing it is


@dataclass(frozen=True)
class Part:
    """A list of the page. `all_url` gets a POST for everything in it."""

    key: str
    title: str
    empty: str
    again: str  # the word on its buttons
    lines: tuple[Line, ...] = ()
    count_text: str = ""
    all_url: str = ""
    all_label: str = ""
    notice: Trouble = NOTHING
    more_url: str = ""

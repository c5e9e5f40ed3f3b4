"""What the frame around every screen shows: rail, side, sheet, toasts. Views fill it, templates read it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

Tone = Literal["blue", "amber", "violet", "green", "red", "teal", "lime", "pink"]


@dataclass(frozen=True)
class Person:
    """Somebody as a round sign and a name. `hue` is an angle of OKLCH, 0 to 359."""

    name: str
    initials: str
    hue: int
    available: bool | None = None  # None: not one of our people, so no dot

    @classmethod
    def named(cls, name: str, *, available: bool | None = None) -> Self:
        """Derive initials and a hue that stays the same for the same name."""
        return cls(name, initials_of(name), hue_of(name), available)


def initials_of(name: str) -> str:
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    picked = words if len(words) < 2 else [words[0], words[-1]]
    return "".join(word[0] for word in picked).upper() or "?"


def hue_of(seed: str) -> int:
    return zlib.crc32(seed.encode()) % 24 * 15


@dataclass(frozen=True)
class StatusAlert:
    """A colleague changed the viewer's status; the alert stays until they keep it or switch back."""

    at: datetime
    change_id: int
    back: str  # the label of the way back


@dataclass(frozen=True)
class Viewer:
    """Who is looking."""

    person: Person
    theme: Literal["auto", "light", "dark"]
    locale: str
    availability: Literal["available", "away"]
    availability_note: str = ""  # "Ada set you to away.", shown above the switch
    load_text: str = ""  # "3 of 10 tickets"
    id: int = 0
    status_alert: StatusAlert | None = None
    signal: str = ""  # comes when something about the viewer changed


@dataclass(frozen=True)
class NavItem:
    """A product area in the rail; on the phone the ones with `on_phone` form the tab bar (four or five)."""

    key: str
    label: str
    icon: str
    url: str
    current: bool = False
    at_end: bool = False  # below the gap, with the viewer's own things
    on_phone: bool = True


@dataclass(frozen=True)
class SideLink:
    """A line of the side. `count_text` is ready to show ("12", "999+") or empty."""

    key: str
    label: str
    icon: str
    url: str
    count_text: str = ""
    current: bool = False
    tone: Tone | None = None  # of the count, when it asks for attention


@dataclass(frozen=True)
class SideSection:
    label: str
    links: tuple[SideLink, ...]


@dataclass(frozen=True)
class Toast:
    """A short message bottom left for 8 s. `undo_url` gets a POST with `undo_fields`."""

    text: str
    tone: Literal["plain", "error"] = "plain"  # an error stays until it is closed
    undo_url: str = ""
    undo_fields: tuple[tuple[str, str], ...] = ()


#: What a key is called on the screen.
KEY_NAMES: Mapping[str, str | Promise] = {
    "ArrowDown": "↓",
    "ArrowUp": "↑",
    "Enter": "↵",
    "Shift": "⇧",
    "mod": gettext_lazy("⌘/Ctrl"),
}


@dataclass(frozen=True)
class Shortcut:
    """`signs` are alternatives, as data-hotkey has them; `url` of one that leads somewhere."""

    signs: tuple[str, ...]
    label: str | Promise
    icon: str = "zap"
    url: str = ""

    @property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """Each alternative as the keys to press one after the other."""
        return tuple(
            tuple(str(KEY_NAMES.get(key, key.upper())) for key in _split(sign)) for sign in self.signs
        )


@dataclass(frozen=True)
class Section:
    label: str
    shortcuts: tuple[Shortcut, ...]
    is_of_ticket: bool = False


def _split(sign: str) -> list[str]:
    return sign.split("-") if len(sign) > 1 else [sign]


@dataclass(frozen=True)
class Shell:
    """The frame of one page. `side` empty: the sheet takes the whole width."""

    viewer: Viewer
    nav: tuple[NavItem, ...]
    side_title: str = ""
    side: tuple[SideSection, ...] = ()
    side_url: str = ""  # answers with parts/side.html; read again when the counts change
    theme_url: str = ""  # POST theme=auto|light|dark, then back
    availability_url: str = ""  # POST availability=available|away, then back
    sign_out_url: str = ""  # POST
    own_links: tuple[SideLink, ...] = ()  # how the viewer signs in
    create_url: str = ""  # the form for a new ticket
    live_url: str = ""  # the stream of signals
    search_url: str = ""  # the page of the search; empty: nothing to search
    palette_url: str = ""  # answers with search/palette.html
    keys: tuple[Section, ...] = ()  # the keyboard map
    has_shortcuts: bool = True
    bell_url: str = ""  # answers with notifications/bell.html
    bell_page_url: str = ""
    unread: int = 0
    unread_text: str = ""  # "3 unread"
    toasts: Iterable[Toast] = ()  # whole pages take them; a part leaves them to the next page

    @property
    def title(self) -> str:
        return next((item.label for item in self.nav if item.current), "")

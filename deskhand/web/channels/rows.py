"""What the pages of the channels show, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from deskhand.web.choices import Choice, Tab
from deskhand.web.hours.rows import Week
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person

Kind = Literal["text", "email", "password", "number", "long", "select"]


@dataclass(frozen=True)
class Input:
    """One field of a form. A password is never filled in."""

    name: str
    label: str
    kind: Kind = "text"
    value: str = ""
    help: str = ""
    error: str = ""
    choices: tuple[Choice, ...] = ()
    placeholder: str = ""
    autocomplete: str = "off"

    @property
    def attributes(self) -> dict[str, str]:
        told = [f"{kind}-{self.name}" for kind, text in (("error", self.error), ("help", self.help)) if text]
        found = {"aria-describedby": " ".join(told)} if told else {}
        return found | ({"aria-invalid": "true", "autofocus": ""} if self.error else {})


@dataclass(frozen=True)
class Said:
    """How something stands: a sentence, the way out, and what a machine said."""

    text: str
    way: str = ""
    detail: str = ""
    tone: Literal["green", "amber", "red", "blue", ""] = ""


@dataclass(frozen=True)
class Line:
    """A channel in the list."""

    url: str
    name: str
    address: str
    state: Label
    sentence: str  # who gets its mail
    place: str  # the inbox, and where its tickets begin
    is_default: bool = False
    icon: str = "mail"
    trouble: Said | None = None


@dataclass(frozen=True)
class Step:
    """A step of connecting an address."""

    label: str
    state: Literal["done", "current", "next"]


@dataclass(frozen=True)
class Page:
    """What every page of one channel shows."""

    id: int
    title: str
    address: str
    sentence: str
    is_on: bool
    switch_url: str
    tabs: tuple[Tab, ...]
    steps: tuple[Step, ...] = ()
    kind: str = "email"
    next_url: str = ""  # of the next step, while it is set up


@dataclass(frozen=True)
class Server:
    """A form about one server. `own` is chosen when the channel has one of its own."""

    url: str
    own: bool
    inputs: tuple[Input, ...]
    without: str  # what happens without one, in words
    state: Said | None = None
    result: Said | None = None
    error: str = ""


@dataclass(frozen=True)
class Target:
    """Somebody, or a team, to choose in a rule."""

    value: str
    name: str
    chosen: bool
    person: Person | None = None
    note: str = ""  # why it is skipped, or who is in it
    is_skipped: bool = False


@dataclass(frozen=True)
class Targets:
    """Those to choose from: the chosen ones first, in the rule's order."""

    name: str
    label: str
    found: tuple[Target, ...]
    error: str = ""


@dataclass(frozen=True)
class Option:
    """One of several ways, with what it means."""

    value: str
    label: str
    help: str
    chosen: bool


@dataclass(frozen=True)
class Check:
    name: str
    label: str
    help: str
    is_on: bool


@dataclass(frozen=True)
class Hours:
    """When the channel is open; `week` is shown where it has hours of its own (R-ROUTE-81, R-ROUTE-90)."""

    ways: tuple[Option, ...]
    week: Week


@dataclass(frozen=True)
class Ringing:
    """R-ROUTE-92..94"""

    ways: tuple[Option, ...]
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class RuleForm:
    """Parts that the kind of channel does not have are None or empty (R-ROUTE-17)."""

    url: str
    options: tuple[Option, ...]
    strategies: tuple[Option, ...]
    reroute: tuple[Choice, ...]
    teams: Targets
    users: Targets
    fallback_teams: Targets
    fallback_users: Targets
    available: Check | None
    checks: tuple[Check, ...]
    has_fallback: bool = True
    agents: tuple[Choice, ...] = ()
    numbers: tuple[Input, ...] = ()
    hours: Hours | None = None
    ringing: Ringing | None = None
    error: str = ""
    notice: str = ""
    skill_rules: tuple[Choice, ...] = ()  # sets of them; empty: nothing to choose


@dataclass(frozen=True)
class Taker:
    person: Person
    open_text: str
    is_next: bool


@dataclass(frozen=True)
class Next:
    """Who would get the next ticket at this moment."""

    title: str
    headline: str
    at: datetime
    takers: tuple[Taker, ...]
    dropped: tuple[tuple[str, str], ...]

"""What the Automate page of a pipeline shows, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from deskhand.web.choices import Choice
from deskhand.web.objects.tabs import Sort
from deskhand.web.shell import Person
from deskhand.web.troubles import Trouble
from deskhand.web.workflows.editor.rows import Offers, Part
from deskhand.web.workflows.rows import RunLine


@dataclass(frozen=True)
class Channel:
    """A way in whose new conversations become tickets of this pipeline. `url`: where that is switched off (R-CC-2)."""

    name: str
    address: str
    icon: str
    url: str
    trouble: str = ""  # what is wrong with its routing


@dataclass(frozen=True)
class StatusRule:
    """A templated automation with a switch, and a target status when it moves tickets."""

    key: str
    title: str
    is_on: bool
    url: str
    explains: tuple[str, ...]
    never: tuple[str, ...] = ()
    targets: tuple[Choice, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Reopening:
    """What an answer to a closed ticket does. `says` it in a sentence; `url` gets a POST with one of the fields or all."""

    url: str
    says: str
    modes: tuple[Choice, ...]
    days: str  # "" where it does not count them
    targets: tuple[Choice, ...]  # none where nothing is reopened
    trouble: str = ""


@dataclass(frozen=True)
class OptionSwitch:
    """An option of the pipeline that is on or off. `url` gets a POST with on=1 or on=0."""

    key: str
    title: str
    says: str
    is_on: bool
    url: str


@dataclass(frozen=True)
class Templated:
    channels: tuple[Channel, ...]
    status_rules: tuple[StatusRule, ...]
    close_date: StatusRule
    reopening: Reopening
    channel_option: OptionSwitch | None = None  # with the status rules
    closed_options: tuple[OptionSwitch, ...] = ()  # with what happens to closed tickets

    @property
    def count_on(self) -> int:
        """Of the switches and the clearing of the close date, which is always on."""
        return 1 + sum(rule.is_on for rule in (*self.status_rules, self.close_date))

    @property
    def count(self) -> int:
        return 2 + len(self.status_rules)


@dataclass(frozen=True)
class Bubble:
    """One step of a lane. Addresses are empty for what can only be shown."""

    id: str
    icon: str
    tone: str
    title: str
    summary: tuple[tuple[str, bool], ...]  # texts, and whether each is a token's name
    comments: int
    waiting: int
    edit_url: str
    delete_url: str
    comments_url: str
    place_url: str  # moving and copying it
    add_url: str  # a new step after this one
    waiting_url: str = ""  # who is inside
    ways: tuple[Way, ...] = ()  # those that fork here
    jump: Jump | None = None


@dataclass(frozen=True)
class Way:
    """One way from a fork."""

    key: str  # in the ids of the page
    name: str
    count: int  # steps on it, those of its own forks too
    bubbles: tuple[Bubble, ...]
    add_url: str  # a new first step on it
    jump: Jump | None = None


@dataclass(frozen=True)
class Jump:
    """A go-to at the end of a chain: what it leads to. Addresses are empty for what can only be shown."""

    key: str  # in the ids of the page
    label: str
    edit_url: str
    end_url: str  # gets a POST; then the chain ends there


@dataclass(frozen=True)
class LaneColumn:
    sort: Sort
    stage_id: int
    label: str
    tone: str
    closes: bool
    bubbles: tuple[Bubble, ...]
    add_url: str  # a new first step; empty when the plan offers none
    exists: bool
    is_on: bool
    every_time: bool
    failures: int
    needs_review: Trouble
    switch_url: str
    every_time_url: str
    leaves_out_chat: bool | None = None
    chat_url: str = ""
    open_url: str = ""  # the editor of workflows, for who has it
    may_change: bool = True  # the plan has all that it does


@dataclass(frozen=True)
class AutomatePage:
    title: str
    url: str
    sort: Sort
    templated: Templated | None  # of tickets only
    lanes: tuple[LaneColumn, ...]
    mails: tuple[tuple[str, str], ...]  # name and address of its editor


@dataclass(frozen=True)
class Comment:
    """One comment of a thread; addresses are empty for what the viewer may not do. `url` gets POSTs that say what to `do`."""

    id: int
    author: Person
    at: datetime
    text: str
    url: str
    is_own: bool
    is_resolved: bool = False
    reply_url: str = ""
    edit_url: str = ""
    is_edited: bool = False  # its form stands in its place
    is_answered: bool = False  # the form for an answer stands below it
    replies: tuple[Comment, ...] = ()


#: What can't be put at a place: the step where it stands, or what stands after it.
Blocks = Literal["", "step", "following"]


@dataclass(frozen=True)
class Spot:
    """Where a step may be put."""

    value: str  # the status and the step before it, "7:3", or its way, "7:3.default"; "7:" is the beginning
    label: str
    summary: tuple[tuple[str, bool], ...] = ()
    blocks: Blocks = ""
    chosen: bool = False


@dataclass(frozen=True)
class LaneSpots:
    label: str
    tone: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class WayToKeep:
    """One way of a fork that is deleted; the steps of the others go with it."""

    value: str
    label: str
    inside: int  # records in what goes


@dataclass(frozen=True)
class Panel:
    """What stands in the drawer, or on a page of its own without scripts."""

    kind: Literal["choose", "form", "told", "delete", "comments", "place", "switch", "inside"]
    title: str
    stage_label: str
    stage_tone: str
    stage_id: int
    close_url: str
    sort: Sort
    back_url: str = ""
    url: str = ""  # where the form goes
    revision: str = ""
    notice: str = ""
    parts: tuple[Part, ...] = ()
    told: tuple[tuple[str, str], ...] = ()  # what others may change
    is_redrawn: bool = False  # focus goes to what is open in it
    is_typed: bool = False  # it has what was typed, and nothing of it is saved
    hidden: tuple[tuple[str, str], ...] = ()
    offers: tuple[Offers, ...] = ()
    comments: tuple[Comment, ...] = ()
    typed: str = ""  # of a comment that was refused, or the words that are looked for
    error: str = ""
    inside: int = 0  # records in this step now
    inside_following: int = 0  # in it and everything after it
    followers: int = 0
    ways_to_keep: tuple[WayToKeep, ...] = ()  # of a fork that is deleted alone
    spots: tuple[LaneSpots, ...] = ()
    chosen: tuple[str, ...] = ()  # of the boxes that "place" has: copy, following
    may_copy: bool = True
    lead: str = ""  # what the step does
    runs: tuple[RunLine, ...] = ()  # who is inside
    is_all: bool = True  # the viewer may see all there are
    more_url: str = ""
    open_url: str = ""  # the same with all that can be done, for who may open workflows
    untold: str = ""  # that somebody who was called is not told
    callable_url: str = ""  # who can be called, as JSON
    present: str = ""  # how many tickets are in the status now

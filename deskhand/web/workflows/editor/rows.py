"""What the editor of workflows shows, ready to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from deskhand.web.automation.fields import Field
from deskhand.web.choices import ChoiceGroup, Tab
from deskhand.web.filters.asked import Said
from deskhand.web.filters.building import ConditionField
from deskhand.web.hours.rows import Week
from deskhand.web.inbox.rows import Label
from deskhand.web.shell import Person
from deskhand.web.workflows.rows import RunLine, StepName

# ── the canvas ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Mark:
    """What a test or a run says of a step: when it came by, how that went and why. Without `places` it never did."""

    places: str = ""  # "2", or "2, 5" for one that it came by again
    status: Label | None = None  # None where what is said tells it
    said: str = ""
    url: str = ""  # its line beside the canvas
    goes_on: bool = False  # to the step after it


@dataclass(frozen=True)
class Jump:
    """A go-to at the end of a way: what it leads to, and where that is taken away."""

    label: str
    target: str
    remove_url: str
    place: str  # "3.next": the step and its way


@dataclass(frozen=True)
class Chain:
    """Steps one after the other. `add_url` adds one before the first."""

    add_url: str
    add_label: str
    add_id: str
    nodes: tuple[Node, ...]
    jump: Jump | None = None
    is_ended: bool = False  # a test or a run came to its end
    is_entered: bool = False  # it came to its first step
    deeper: int = 0  # steps that are drawn by themselves, at `deeper_url`
    deeper_url: str = ""

    @property
    def count(self) -> int:
        return self.deeper + sum(1 + sum(way.count for way in node.ways) for node in self.nodes)


@dataclass(frozen=True)
class Way:
    """One way of a fork; `count` steps stand on it."""

    slot: str
    label: str
    tone: str
    count: int
    chain: Chain
    is_taken: bool = False  # by a test or a run


@dataclass(frozen=True)
class Node:
    id: str
    sort: Literal["action", "delay", "fork"]
    icon: str
    tone: str
    title: str
    summary: tuple[tuple[str, bool], ...]  # texts, and whether each is a token's name
    name: str  # for who does not see it
    url: str
    delete_url: str
    place_url: str
    comments_url: str
    waiting: int = 0
    waiting_url: str = ""
    comments: int = 0
    failures: int = 0
    trouble: str = ""
    add_url: str = ""
    add_label: str = ""
    ways: tuple[Way, ...] = ()
    mark: Mark | None = None  # of a test or a run


@dataclass(frozen=True)
class TriggerNode:
    title: str
    lines: tuple[tuple[str, Said], ...]  # how it goes with the line before, and the line
    url: str
    enrolled: str = ""
    trouble: str = ""
    is_locked: bool = False
    records: str = ""  # what they are called


@dataclass(frozen=True)
class Canvas:
    trigger: TriggerNode
    chain: Chain
    count: int
    is_folded: bool  # so many steps that branches begin closed
    current: str = ""  # what the panel is about: a step's id, or "trigger"
    is_part: bool = False  # it begins somewhere below
    is_path: bool = False  # it shows what a test or a run came by


# ── a test or a run on the canvas ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Passed:
    """A step that a test or a run came by: how that went, and why."""

    place: int
    step_id: str
    step: StepName
    status: Label
    when: str
    said: str
    detail: str = ""
    outputs: tuple[tuple[str, str], ...] = ()
    is_on_canvas: bool = True


@dataclass(frozen=True)
class Path:
    """`end` says how it ended, or what it waits for."""

    canvas: Canvas
    passed: tuple[Passed, ...]
    end: str
    is_over: bool = True


@dataclass(frozen=True)
class RunPathPage:
    run: RunLine
    path: Path
    is_cut: bool  # only the first steps are shown
    version: str
    now: str  # which version runs now, where that is another one


# ── the head ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Standing:
    """Whether it is on. While it is being switched on, `url` says how it stands by then."""

    state: Literal["on", "off", "paused"]
    going: str  # how far its switching on is, and the same in short
    percent: str
    url: str


@dataclass(frozen=True)
class Head:
    url: str
    name: str
    back_url: str
    tabs: tuple[Tab, ...]
    token: str
    has_changes: bool
    can_undo: bool
    can_redo: bool
    may_edit: bool
    undo_url: str
    redo_url: str
    review_url: str
    switch_url: str
    test_url: str = ""
    saved_at: datetime | None = None
    saved_by: str = ""
    behind: str = ""
    needs_review: str = ""
    troubles: int = 0
    trouble_url: str = ""


# ── the panel ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Offer:
    """Something that may be added. `why_not` says what is missing; then there is no address."""

    icon: str
    tone: str
    title: str
    text: str
    url: str
    why_not: str = ""


@dataclass(frozen=True)
class Offers:
    label: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class WayField:
    """A branch, case or part as it is edited. `origin` is the way whose steps it keeps; empty for a new one."""

    number: int
    origin: str
    name: str = ""
    value: Field | None = None
    condition: ConditionField | None = None
    error: str = ""
    count: int = 0  # steps that stand on it
    copies: str = ""  # the way whose steps are copied into it


@dataclass(frozen=True)
class Choosable:
    value: str
    label: str
    help: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Teaching:
    """What tells two kinds of trigger apart, by an example (R-TRIG-19)."""

    lines: tuple[tuple[str, str, str, bool], ...]  # sign, what, what comes of it, whether it is chosen


@dataclass(frozen=True)
class Secret:
    """Where other systems call; `key` signs the calls and is shown once, after it was made."""

    make_url: str
    address: str = ""
    key: str = ""
    is_signed: bool = False


@dataclass(frozen=True)
class Note:
    """A comment on a step."""

    id: int
    author: Person
    at: datetime
    text: str
    is_resolved: bool = False
    replies: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Change:
    """What differs, as the review tells it."""

    kind: Literal["added", "removed", "changed", "moved", "settings"]
    title: str
    icon: str
    tone: str
    lines: tuple[tuple[str, str, str], ...] = ()  # label, before, after
    url: str = ""


@dataclass(frozen=True)
class Wrong:
    """A problem, and where it is put right."""

    where: str
    text: str
    url: str


@dataclass(frozen=True)
class Alert:
    """Something that is said between the fields; what is wrong has no sign of its own kind."""

    text: str
    sign: str = "circle-alert"


@dataclass(frozen=True)
class AllValues:
    """The button that adds a way for every value."""


@dataclass(frozen=True)
class Heading:
    text: str
    help: str = ""


@dataclass(frozen=True)
class EventField:
    """One of the events that start a workflow."""

    number: int
    parts: tuple[Part, ...]
    is_one_of_several: bool


#: Ways stand together; a text is a hidden field, "name=value".
Part = (
    EventField
    | Field
    | ConditionField
    | Alert
    | AllValues
    | Heading
    | Week
    | Teaching
    | Secret
    | tuple[WayField, ...]
    | str
)


@dataclass(frozen=True)
class Panel:
    """What stands beside the canvas; on a phone it comes up from below."""

    kind: Literal["choose", "form", "delete", "place", "comments", "review", "switch", "told", "settings"]
    title: str
    icon: str = ""
    tone: str = ""
    step_id: str = ""
    close_url: str = ""
    back_url: str = ""
    url: str = ""  # where the form goes
    token: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
    notice: str = ""
    lead: str = ""
    submit: str = ""
    is_danger: bool = False
    fields: tuple[Part, ...] = ()
    offers: tuple[Offers, ...] = ()
    search: str = ""
    search_url: str = ""
    told: tuple[tuple[str, str], ...] = ()
    comments_url: str = ""
    comments: int = 0
    delete_url: str = ""
    place_url: str = ""
    ways_to_keep: tuple[Choosable, ...] = ()
    inside: int = 0
    inside_following: int = 0
    followers: int = 0
    spots: tuple[ChoiceGroup, ...] = ()
    chosen: tuple[str, ...] = ()
    may_copy: bool = True
    notes: tuple[Note, ...] = ()
    changes: tuple[Change, ...] = ()
    problems: tuple[Wrong, ...] = ()
    goes_on: tuple[str, ...] = ()
    text: str = ""
    error: str = ""
    present: str = ""
    by_hand: bool = False
    discard_url: str = ""
    replay_url: str = ""
    review_url: str = ""
    secret: Secret | None = None
    circles: tuple[str, ...] = ()

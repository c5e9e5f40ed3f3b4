"""A workflow as data: what starts it, its steps, and what ends it.

Steps are a flat list with ids that never change and are never used again; edges join them. The tree that people
see is a view of it: every step hangs on one edge, and other edges to it are go-tos (R-BR-9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from deskhand.crm.filters.types import Condition, Filter, leaves_by_type
from deskhand.crm.schema import clock_names
from deskhand.kernel.calendars import Block

#: What says in which status and pipeline a record of one kind or another stands.
PLACES = frozenset({"hs_pipeline_stage", "dealstage", "hs_pipeline", "pipeline"})


@dataclass(frozen=True, slots=True)
class Edge:
    """The way to a step. A go-to joins a step that hangs elsewhere in the tree."""

    to: str
    is_goto: bool = False


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class OnFailure(StrEnum):
    """What becomes of the run when the action fails for good (R-LOG-8)."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Action:
    """Something done; `kind` and `settings` are known to the action's own file."""

    id: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    next: Edge | None = None
    on_failure: OnFailure = OnFailure.CONTINUE


class Missed(StrEnum):
    """Where to go when there is nothing to wait for: the date is past or empty (R-DELAY-3, R-DELAY-4)."""

    NEXT = "next"
    OTHERWISE = "otherwise"  # the second edge; without steps there, the run ends


@dataclass(frozen=True, slots=True)
class ForAmount:
    """R-DELAY-2. At least a minute. `is_working_time` counts only working hours (R-DELAY-9)."""

    amount: timedelta
    is_working_time: bool = False


@dataclass(frozen=True, slots=True)
class UntilDate:
    """R-DELAY-3. A day, at `minute` since midnight of the account's zone."""

    day: date
    minute: int = 0
    if_past: Missed = Missed.NEXT


@dataclass(frozen=True, slots=True)
class UntilProperty:
    """R-DELAY-4. `days` and `minutes` from the property's date (before it if negative), `minute` since midnight if given.

    A date without time starts at midnight. Days are of the calendar: the wall clock shows the same after them.
    """

    property: str
    days: int = 0
    minutes: int = 0
    minute: int | None = None
    if_past: Missed = Missed.NEXT
    if_empty: Missed = Missed.NEXT


@dataclass(frozen=True, slots=True)
class UntilWeekday:
    """R-DELAY-7. One of the days (0 is Monday), at `minute` since midnight if given."""

    days: tuple[int, ...]
    minute: int | None = None


@dataclass(frozen=True, slots=True)
class UntilTime:
    """R-DELAY-7. The next time the wall clock shows `minute` since midnight."""

    minute: int


@dataclass(frozen=True, slots=True)
class EventMatch:
    """An event of a kind, such as "ticket.moved", whose data meets `about`; the data's keys are the properties."""

    kind: str
    about: Condition | None = None


@dataclass(frozen=True, slots=True)
class UntilEvent:
    """R-DELAY-5. Goes on at `next` when it happens, at `otherwise` when `at_most` has passed.

    With `of_step`, only what happens to the thing that this earlier action made counts, and also if it has happened
    already (R-DELAY-6).
    """

    event: EventMatch
    at_most: timedelta | None = None
    of_step: str = ""


Wait = ForAmount | UntilDate | UntilProperty | UntilWeekday | UntilTime | UntilEvent


@dataclass(frozen=True, slots=True)
class Delay:
    """`cancel_if` ends the wait as soon as it holds, even before it begins, and leads on by `if_cancelled`."""

    id: str
    wait: Wait
    next: Edge | None = None
    otherwise: Edge | None = None
    cancel_if: Condition | None = None
    if_cancelled: Missed = Missed.OTHERWISE


@dataclass(frozen=True, slots=True)
class Branch:
    name: str
    when: Condition
    next: Edge | None = None


@dataclass(frozen=True, slots=True)
class IfThen:
    """The first branch that holds is taken, else the default (R-BR-1)."""

    id: str
    branches: tuple[Branch, ...]
    default: Edge | None = None
    default_name: str = ""


@dataclass(frozen=True, slots=True)
class OutputOf:
    """What an earlier action told, such as "outcome" (R-WFA-2)."""

    step_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Case:
    value: str
    next: Edge | None = None


@dataclass(frozen=True, slots=True)
class ValueEquals:
    """The case that equals the property or the earlier output is taken, else the default (R-BR-4)."""

    id: str
    of: str | OutputOf
    cases: tuple[Case, ...]
    default: Edge | None = None


@dataclass(frozen=True, slots=True)
class Part:
    weight: int
    name: str = ""
    next: Edge | None = None


@dataclass(frozen=True, slots=True)
class RandomSplit:
    """Each part is taken by its share of the weights; the same enrollment always takes the same one (R-BR-5)."""

    id: str
    parts: tuple[Part, ...]


Forking = IfThen | ValueEquals | RandomSplit
Step = Action | Delay | Forking


# ── what starts and ends it ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Manual:
    """People, other workflows and flows enroll (R-WF-4)."""


@dataclass(frozen=True, slots=True)
class WhenTrue:
    """Enrolls a record that goes from not meeting the condition to meeting it (R-TRIG-1)."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class WhenEvent:
    """Enrolls when any of the events happens to a record that meets `refine` at that moment (R-TRIG-10…13)."""

    events: tuple[EventMatch, ...]
    refine: Condition | None = None


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class WhenScheduled:
    """Enrolls all records that meet the condition, at `minute` since midnight of the account's zone (R-TRIG-20, 22).

    `weekdays` is for weeks, `day` for months and years (a day that a month lacks is its last), `month` for years.
    """

    condition: Condition
    every: Every
    minute: int
    weekdays: tuple[int, ...] = ()
    day: int = 1
    month: int = 1


@dataclass(frozen=True, slots=True)
class WhenDated:
    """Enrolls a record `days` from the date in its property (before it if negative), at `minute` (R-TRIG-20)."""

    condition: Condition
    property: str
    days: int
    minute: int


@dataclass(frozen=True, slots=True)
class WhenCalled:
    """Enrolls the record whose `property` equals the payload's `field` (R-TRIG-21)."""

    field: str
    property: str
    may_create: bool = False


Trigger = Manual | WhenTrue | WhenEvent | WhenScheduled | WhenDated | WhenCalled


class WhileInside(StrEnum):
    """What becomes of a record that would enroll again while it is inside (R-RE-6)."""

    SKIP = "skip"
    RESTART = "restart"  # the run that goes on ends, and a new one begins
    QUEUE = "queue"  # a new one begins when the run before is over
    PARALLEL = "parallel"  # a new one begins beside it


@dataclass(frozen=True, slots=True)
class Reenrollment:
    """Off means once per record for ever (R-RE-1). `on` are the filters of a WhenTrue chosen to enroll again (R-RE-2)."""

    is_on: bool = False
    on: tuple[Filter, ...] = ()
    while_inside: WhileInside = WhileInside.SKIP

    @property
    def takes_each(self) -> bool:
        """Whether every reason to enroll counts, however close they follow each other."""
        return self.is_on and self.while_inside in (WhileInside.QUEUE, WhileInside.PARALLEL)


@dataclass(frozen=True, slots=True)
class Ends:
    """R-UN-6. Who enters leaves these other workflows, or, where none is named, all others."""

    workflows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """What pulls a record out before its next action, and keeps it out (R-UN-1…5)."""

    condition: Condition | None = None  # R-UN-1, R-UN-4
    when_trigger_fails: bool = False  # R-UN-2, filters only
    goal: Condition | None = None  # R-UN-5
    segments: tuple[int, ...] = ()  # suppressed (R-UN-3)
    ends: Ends | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """When actions may run, in the account's zone: always, if there are no blocks (R-EXEC-2, R-EXEC-7)."""

    window: tuple[Block, ...] = ()
    pause_days: tuple[date, ...] = ()
    off_after: date | None = None  # R-EXEC-8


@dataclass(frozen=True)
class Definition:
    """One revision of a workflow. `next_id` is the id of the step to be added next; ids are never used again."""

    object_type: str
    trigger: Trigger = field(default_factory=Manual)
    reenrollment: Reenrollment = field(default_factory=Reenrollment)
    leaving: Leaving = field(default_factory=Leaving)
    timing: Timing = field(default_factory=Timing)
    start: Edge | None = None
    steps: tuple[Step, ...] = ()
    next_id: int = 1

    @cached_property
    def by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}

    @cached_property
    def arrivals(self) -> dict[str, Any]:
        """Where positions lead, as far as `advance` was asked: each is worked out once."""
        return {}

    @cached_property
    def watches(self) -> bool:
        """Whether a change of the record may end the run, or a wait of it, before its time."""
        return bool(self.watched or self.leaving.segments)

    @cached_property
    def watched(self) -> tuple[Condition, ...]:
        """The conditions by which that is decided."""
        leaving = self.leaving
        asked = [leaving.condition, leaving.goal]
        if leaving.when_trigger_fails and isinstance(self.trigger, WhenTrue):
            asked.append(self.trigger.condition)
        asked += [step.cancel_if for step in self.steps if isinstance(step, Delay)]
        return tuple(one for one in asked if one is not None)

    @cached_property
    def cancels(self) -> bool:
        """Whether something ends one of its waits."""
        return any(isinstance(step, Delay) and step.cancel_if is not None for step in self.steps)

    @cached_property
    def places(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """What its branches, and the conditions that end its waits or its runs, ask of statuses and pipelines: (kind of
        record, property, values); of the clock of a status no values."""
        found: dict[tuple[str, str, tuple[str, ...]], None] = {}
        for step in self.steps:
            if isinstance(step, ValueEquals) and isinstance(step.of, str):
                found[self.object_type, step.of, tuple(case.value for case in step.cases)] = None
        asked = [condition for step in self.steps for condition in conditions(step)]
        asked += [one for one in (self.leaving.condition, self.leaving.goal) if one is not None]
        for condition in asked:
            for kind, leaf in leaves_by_type(condition, self.object_type):
                if isinstance(leaf, Filter):
                    found[kind, leaf.property, tuple(map(str, leaf.values))] = None
        return tuple(one for one in found if one[1] in PLACES or clock_names.parse(one[1]) is not None)

    @cached_property
    def counts_working_time(self) -> bool:
        return any(
            isinstance(step, Delay) and isinstance(step.wait, ForAmount) and step.wait.is_working_time
            for step in self.steps
        )

    @cached_property
    def looks_back(self) -> bool:
        """Whether a delay waits for what may have happened before (R-DELAY-6)."""
        return any(
            isinstance(step, Delay) and isinstance(step.wait, UntilEvent) and bool(step.wait.of_step)
            for step in self.steps
        )

    @classmethod
    def from_json(cls, data: object) -> Definition:
        """Raises Invalid with the path of what is wrong. Reads what `to_json` wrote; see `validate` for sense."""
        from deskhand.automation.engine import as_json

        return as_json.read_definition(data)

    def to_json(self) -> dict[str, Any]:
        from deskhand.automation.engine import as_json

        return as_json.definition_to_json(self)


def conditions(step: Step) -> tuple[Condition, ...]:
    """What the step asks of the record: those of its branches, or that which ends its wait."""
    match step:
        case IfThen(branches=branches):
            return tuple(branch.when for branch in branches)
        case Delay(cancel_if=condition) if condition is not None:
            return (condition,)
    return ()


# ── the ways out of a step ───────────────────────────────────────────────────────────────────────────────────────────

#: Names of edges: "next", "otherwise", "default", and "0", "1" … for the branches, cases or parts in their order.
Slot = str


def edges_of(step: Step) -> dict[Slot, Edge | None]:
    """Every way out of the step, in the order in which people read them."""
    match step:
        case Action():
            return {"next": step.next}
        case Delay():
            return (
                {"next": step.next, "otherwise": step.otherwise}
                if has_second_way(step)
                else {"next": step.next}
            )
        case IfThen(branches=branches, default=default):
            return {**{str(place): branch.next for place, branch in enumerate(branches)}, "default": default}
        case ValueEquals(cases=cases, default=default):
            return {**{str(place): case.next for place, case in enumerate(cases)}, "default": default}
        case RandomSplit(parts=parts):
            return {str(place): part.next for place, part in enumerate(parts)}


def has_second_way(step: Delay) -> bool:
    if step.cancel_if is not None and step.if_cancelled is Missed.OTHERWISE:
        return True
    match step.wait:
        case UntilEvent(at_most=at_most):
            return at_most is not None
        case UntilDate(if_past=if_past):
            return if_past is Missed.OTHERWISE
        case UntilProperty(if_past=if_past, if_empty=if_empty):
            return Missed.OTHERWISE in (if_past, if_empty)
        case _:
            return False


def with_edge(step: Step, slot: Slot, edge: Edge | None) -> Step:
    """The step with one way out replaced. Raises KeyError if it has no such way."""
    if slot not in edges_of(step):
        raise KeyError(slot)
    match step:
        case Action():
            return replace(step, next=edge)
        case Delay():
            return replace(step, next=edge) if slot == "next" else replace(step, otherwise=edge)
        case IfThen() | ValueEquals() if slot == "default":
            return replace(step, default=edge)
        case IfThen(branches=branches):
            return replace(step, branches=_replaced(branches, int(slot), edge))
        case ValueEquals(cases=cases):
            return replace(step, cases=_replaced(cases, int(slot), edge))
        case RandomSplit(parts=parts):
            return replace(step, parts=_replaced(parts, int(slot), edge))


def _replaced(ways: tuple[Any, ...], place: int, edge: Edge | None) -> tuple[Any, ...]:
    return tuple(replace(way, next=edge) if index == place else way for index, way in enumerate(ways))


def without_edges(step: Step) -> Step:
    for slot in edges_of(step):
        step = with_edge(step, slot, None)
    return step

"""Where a record goes next in its workflow. Pure: the answer is a value, and whoever runs it acts on it.

A position is the id of the step to arrive at ("3"), or a step that is over and the way out of it ("3>next").
Keep the latter while a record waits in step 3: if people insert a step after it meanwhile, the record takes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from deskhand.automation.engine import trace as tracing
from deskhand.automation.engine.chance import share
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    EventMatch,
    IfThen,
    OutputOf,
    RandomSplit,
    Slot,
    Step,
    UntilEvent,
    UntilProperty,
    ValueEquals,
    WhenTrue,
    edges_of,
)
from deskhand.automation.engine.trace import TraceItem, What
from deskhand.automation.engine.waits import Until, end_of
from deskhand.automation.engine.window import held_until
from deskhand.crm.filters.evaluate import Facts, Seen, holds, weigh
from deskhand.crm.filters.folding import fold
from deskhand.crm.filters.types import EVERYTHING, Condition, Filter, Operator
from deskhand.crm.schema import clock_names
from deskhand.kernel.calendars import WeeklyHours, zone_named

Position = str

#: Steps walked without acting or waiting, after which the workflow is taken to run in circles.
LONGEST_WALK = 1000


#: The statuses and pipelines by id that a workflow's conditions name and that were deleted, by (kind of record, property).
Gone = Mapping[tuple[str, str], Collection[str]]
_NOTHING: Gone = {}


class EnrollmentFacts(NamedTuple):
    """What the engine must know of one enrollment. `zone` is the account's; `outputs` are {step id: {name: value}}.

    `happened`: the delays that wait for something of an earlier step's that has happened already (R-DELAY-6).
    """

    id: int
    zone: str = "UTC"
    is_on: bool = True
    outputs: Mapping[str, Mapping[str, Any]] = {}
    working_hours: WeeklyHours | None = None
    happened: Collection[str] = ()
    gone: Gone = {}


class Reason(StrEnum):
    """Why a run is over."""

    COMPLETED = "completed"
    UNENROLLED = "unenrolled"
    TRIGGER_FAILS = "trigger_fails"
    GOAL = "goal"
    SUPPRESSED = "suppressed"
    STEP_GONE = "step_gone"
    CIRCLES = "circles"


class Perform(NamedTuple):
    """Do the action, then advance from `next`."""

    step: Action
    next: Position
    trace: tuple[TraceItem, ...] = ()


class Sleep(NamedTuple):
    """Advance from `next` at `until`. The step is a delay, or an action held by the window (`is_held`)."""

    until: datetime
    step: Step
    next: Position
    is_held: bool = False
    trace: tuple[TraceItem, ...] = ()


class WaitEvent(NamedTuple):
    """Advance from `happened` when an event matches, or from `timed_out` at `until` if that is given."""

    step: Delay
    event: EventMatch
    happened: Position
    until: datetime | None = None
    timed_out: Position = ""
    trace: tuple[TraceItem, ...] = ()


class Finished(NamedTuple):
    reason: Reason
    trace: tuple[TraceItem, ...] = ()


class Lost(NamedTuple):
    """What an answer rests on that was deleted; of a clock its status."""

    object_type: str
    property: str
    values: tuple[str, ...]


class Cancelled(NamedTuple):
    """Where a record goes on whose wait is cancelled."""

    position: Position
    item: TraceItem


class Broken(NamedTuple):
    """The step can't be decided: it rests on statuses or pipelines that were deleted (R-PIPE-10)."""

    step: Step
    object_type: str
    property: str
    values: tuple[str, ...]
    trace: tuple[TraceItem, ...] = ()


Outcome = Perform | Sleep | WaitEvent | Finished | Broken


def beginning(definition: Definition) -> Position:
    """Where an enrollment starts; empty if there are no steps."""
    return definition.start.to if definition.start else ""


def step_at(position: Position) -> str:
    """The id of the step that a record at the position is shown at (R-LOG-4)."""
    return position.partition(">")[0]


def advance(
    definition: Definition, at: Position, facts: Facts, now: datetime, enrollment: EnrollmentFacts
) -> Outcome:
    """Walk from the position to the next action, delay or end. The same arguments always give the same answer.

    A record that waits in a delay until a date property is advanced from the step's own id when the property
    changes (R-DELAY-4). Raises Invalid if a value is not of the kind its filter or delay says.
    """
    trace: list[TraceItem] = []
    for _ in range(LONGEST_WALK):
        step, ended = _arrive(definition, at)
        if step is None:
            trace.append(TraceItem(step_at(at), What.ENDED, {"reason": ended.value}))
            return Finished(ended, tuple(trace))
        match step:
            case Action():
                outcome = _act(definition, step, facts, now, enrollment, trace)
            case Delay():
                outcome = _wait(definition, step, facts, now, enrollment, trace)
            case _:
                outcome = _fork(definition, step, facts, now, enrollment, trace)
        if not isinstance(outcome, Position):
            return outcome
        at = outcome
    trace.append(TraceItem(step_at(at), What.ENDED, {"reason": Reason.CIRCLES.value}))
    return Finished(Reason.CIRCLES, tuple(trace))


def reason_to_leave(
    definition: Definition, facts: Facts, now: datetime, zone: str, gone: Gone = _NOTHING
) -> Reason | None:
    """Why the record must not (or no longer) be in the workflow, if it must not (R-UN-1…5).

    Asked before every action; ask it too when a record changes, and before it is enrolled. What rests on what was deleted is
    no reason: the next action tells (R-PIPE-10).
    """
    found = _leaves(definition, facts, now, zone, gone)
    return found if isinstance(found, Reason) else None


def _leaves(
    definition: Definition, facts: Facts, now: datetime, zone: str, gone: Gone
) -> Reason | Lost | None:
    """The first reason that can be told; if there is none, what keeps it from being told."""
    leaving = definition.leaving
    if leaving.segments and not set(leaving.segments).isdisjoint(facts.memberships("segment")):
        return Reason.SUPPRESSED
    untold: Lost | None = None
    for reason, condition in ((Reason.UNENROLLED, leaving.condition), (Reason.GOAL, leaving.goal)):
        answer = _asked(definition, condition, facts, now, zone, gone)
        if isinstance(answer, Lost):
            untold = untold or answer
        elif answer:
            return reason
    trigger = definition.trigger
    asks = trigger.condition if leaving.when_trigger_fails and isinstance(trigger, WhenTrue) else EVERYTHING
    return untold if holds(asks, facts, now=now, zone=zone_named(zone)) else Reason.TRIGGER_FAILS


def wait_at(definition: Definition, at: Position) -> Delay | None:
    """The delay in which a record waits at the position."""
    step = definition.by_id.get(step_at(at))
    return step if isinstance(step, Delay) and ">" in at else None


def cancelled(
    definition: Definition, at: Position, facts: Facts, now: datetime, zone: str, gone: Gone = _NOTHING
) -> Cancelled | Broken | None:
    """Where a record goes on whose wait at the position is cancelled, if it is; or that nobody can tell (R-PIPE-10). Ask
    before it goes on for any reason."""
    step = wait_at(definition, at)
    return _cancelled(definition, step, facts, now, zone, gone) if step is not None else None


def _cancelled(
    definition: Definition, step: Delay, facts: Facts, now: datetime, zone: str, gone: Gone
) -> Cancelled | Broken | None:
    answer = _asked(definition, step.cancel_if, facts, now, zone, gone)
    if isinstance(answer, Lost):
        return Broken(step, *answer)
    return (
        Cancelled(_leave_by(step, step.if_cancelled.value), TraceItem(step.id, What.CANCELLED))
        if answer
        else None
    )


def is_over(definition: Definition, at: Position) -> bool:
    """Whether no step follows the position."""
    return ending(definition, at) is not None


def ending(definition: Definition, at: Position) -> Reason | None:
    """Why a run at the position is over, if no step follows."""
    step, reason = _arrive(definition, at)
    return reason if step is None else None


def awaited_property(definition: Definition, at: Position) -> str | None:
    """The property whose change must wake a record that waits at the position (R-DELAY-4)."""
    step = wait_at(definition, at)
    return step.wait.property if step is not None and isinstance(step.wait, UntilProperty) else None


def _arrive(definition: Definition, at: Position) -> tuple[Step | None, Reason]:
    """The step that the position leads to; or none, and why."""
    known: dict[Position, tuple[Step | None, Reason]] = definition.arrivals
    if at not in known:
        known[at] = _led_to(definition, at)
    return known[at]


def _led_to(definition: Definition, at: Position) -> tuple[Step | None, Reason]:
    step_id, _, slot = at.partition(">")
    step = definition.by_id.get(step_id)
    if step is None:
        return None, Reason.STEP_GONE if step_id else Reason.COMPLETED
    if not slot:
        return step, Reason.COMPLETED
    edges = edges_of(step)
    edge = edges[slot] if slot in edges else edges.get("next")
    if edge is None:
        return None, Reason.COMPLETED
    return definition.by_id.get(edge.to), Reason.STEP_GONE


def _leave_by(step: Step, slot: Slot) -> Position:
    return f"{step.id}>{slot}"


def _act(
    definition: Definition,
    step: Action,
    facts: Facts,
    now: datetime,
    enrollment: EnrollmentFacts,
    trace: list[TraceItem],
) -> Outcome | Position:
    reason = _leaves(definition, facts, now, enrollment.zone, enrollment.gone)
    if isinstance(reason, Lost):
        return Broken(step, *reason, tuple(trace))
    if reason is not None:
        trace.append(TraceItem(step.id, What.LEFT, {"reason": reason.value}))
        return Finished(reason, tuple(trace))
    if not enrollment.is_on:  # R-EXEC-15
        trace.append(TraceItem(step.id, What.OFF))
        return _leave_by(step, "next")
    until = held_until(definition.timing, enrollment.zone, now, enrollment.id)
    if until is not None:
        trace.append(TraceItem(step.id, What.HELD, {"until": until.isoformat()}))
        return Sleep(until, step, step.id, is_held=True, trace=tuple(trace))
    trace.append(TraceItem(step.id, What.PERFORMED))
    return Perform(step, _leave_by(step, "next"), tuple(trace))


def _wait(
    definition: Definition,
    step: Delay,
    facts: Facts,
    now: datetime,
    enrollment: EnrollmentFacts,
    trace: list[TraceItem],
) -> Outcome | Position:
    match _cancelled(definition, step, facts, now, enrollment.zone, enrollment.gone):
        case Broken() as broken:
            return broken._replace(trace=tuple(trace))
        case Cancelled(position, item):
            trace.append(item)
            return position
    if isinstance(step.wait, UntilEvent):
        if step.id in enrollment.happened:
            trace.append(TraceItem(step.id, What.HAPPENED, {"event": step.wait.event.kind}))
            return _leave_by(step, "next")
        return _await(step, step.wait, now, trace)
    end = end_of(step.wait, facts, now, enrollment.zone, enrollment.working_hours)
    if isinstance(end, Until):
        trace.append(TraceItem(step.id, What.DELAYED, {"until": end.at.isoformat()}))
        return Sleep(end.at, step, _leave_by(step, "next"), trace=tuple(trace))
    name = step.wait.property if isinstance(step.wait, UntilProperty) else ""
    trace.append(TraceItem(step.id, end.why, {"property": name} if name else {}))
    return _leave_by(step, end.slot)


def _await(step: Delay, wait: UntilEvent, now: datetime, trace: list[TraceItem]) -> WaitEvent:
    until = None if wait.at_most is None else now + wait.at_most
    values = {"event": wait.event.kind, "until": until.isoformat() if until else None}
    trace.append(TraceItem(step.id, What.AWAITED, values))
    timed_out = _leave_by(step, "otherwise") if until else ""
    return WaitEvent(step, wait.event, _leave_by(step, "next"), until, timed_out, tuple(trace))


def _asked(
    definition: Definition, condition: Condition | None, facts: Facts, now: datetime, zone: str, gone: Gone
) -> bool | Lost:
    """Whether the condition, if there is one, holds; or what was deleted that the answer rests on."""
    if condition is None:
        return False
    if not gone:
        return holds(condition, facts, now=now, zone=zone_named(zone))
    is_met, seen = weigh(condition, facts, now=now, zone=zone_named(zone))
    return _rests_on(definition, is_met, seen, gone) or is_met


def _rests_on(definition: Definition, is_met: bool, seen: Collection[Seen], gone: Gone) -> Lost | None:
    """What was deleted that the answer rests on, if it does. One value that is there and was met is enough."""
    for leaf, _value, kind in seen if gone else ():
        if not isinstance(leaf, Filter) or (is_met and leaf.operator is Operator.ANY_OF):
            continue
        object_type = kind or definition.object_type
        if lost := _lost(gone, object_type, leaf.property, leaf.values):
            return Lost(object_type, leaf.property, lost)
    return None


def _lost(gone: Gone, object_type: str, name: str, values: Iterable[object]) -> tuple[str, ...]:
    """Those of the values that were deleted; of a clock its status, whatever the values are."""
    lost = gone.get((object_type, name), ())
    if clock_names.parse(name) is not None:
        return tuple(lost)
    return tuple(text for value in values if (text := str(value)) in lost)


def _fork(
    definition: Definition,
    step: IfThen | ValueEquals | RandomSplit,
    facts: Facts,
    now: datetime,
    enrollment: EnrollmentFacts,
    trace: list[TraceItem],
) -> Position | Broken:
    match step:
        case IfThen():
            found = _first_that_holds(definition, step, facts, now, enrollment, trace)
            if isinstance(found, Broken):
                return found
            slot, name, seen = found
        case ValueEquals():
            slot, name, seen = _case(step, facts, enrollment)
            if slot == "default" and isinstance(step.of, str):
                of, values = definition.object_type, (case.value for case in step.cases)
                if lost := _lost(enrollment.gone, of, step.of, values):
                    return Broken(step, of, step.of, lost, tuple(trace))
        case RandomSplit():
            slot, name = _drawn(step, enrollment.id)
            seen = []
    what = What.DEFAULT if slot == "default" else What.BRANCH
    trace.append(TraceItem(step.id, what, {"slot": slot, "name": name, "seen": seen}))
    return _leave_by(step, slot)


def _first_that_holds(
    definition: Definition,
    step: IfThen,
    facts: Facts,
    now: datetime,
    enrollment: EnrollmentFacts,
    trace: list[TraceItem],
) -> tuple[Slot, str, list[Any]] | Broken:
    failed: list[Seen] = []
    for place, branch in enumerate(step.branches):
        is_met, seen = weigh(branch.when, facts, now=now, zone=zone_named(enrollment.zone))
        if lost := _rests_on(definition, is_met, seen, enrollment.gone):
            return Broken(step, *lost, tuple(trace))
        if is_met:
            return str(place), branch.name, tracing.seen(seen)
        failed += seen
    return "default", step.default_name, tracing.seen(failed)


def _case(step: ValueEquals, facts: Facts, enrollment: EnrollmentFacts) -> tuple[Slot, str, list[Any]]:
    if isinstance(step.of, OutputOf):
        value = enrollment.outputs.get(step.of.step_id, {}).get(step.of.name)
        seen = {"output": step.of.name, "step": step.of.step_id, "value": tracing.plain(value)}
    else:
        value = facts.value(step.of)
        seen = {"property": step.of, "value": tracing.plain(value)}
    found = {fold(text) for text in _texts(value)}
    for place, case in enumerate(step.cases):
        if fold(case.value) in found:
            return str(place), case.value, [seen]
    return "default", "", [seen]


def _texts(value: Any) -> list[str]:
    """The value as the texts that cases are written in; several for a set, none for unknown."""
    match value:
        case None | "":
            return []
        case bool():
            return ["true" if value else "false"]
        case datetime():
            return [value.astimezone(UTC).isoformat()]
        case date():
            return [value.isoformat()]
        case str() | int():
            return [str(value)]
        case Collection():
            return [text for item in value for text in _texts(item)]
        case _:  # Decimal, float
            return [_plain(Decimal(repr(value) if isinstance(value, float) else value))]


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _drawn(step: RandomSplit, enrollment_id: int) -> tuple[Slot, str]:
    """R-BR-5. A part without weight is never drawn."""
    mark = share("split", enrollment_id, step.id) * sum(part.weight for part in step.parts)
    for place, part in enumerate(step.parts):
        if mark < part.weight:
            return str(place), part.name
        mark -= part.weight
    return "default", ""

"""What must be put right before a workflow can be switched on (R-EDIT-6), each with the place to do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from datetime import timedelta
from typing import Any

from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    EventMatch,
    Every,
    ForAmount,
    IfThen,
    Manual,
    OutputOf,
    RandomSplit,
    Slot,
    Step,
    UntilEvent,
    UntilProperty,
    UntilWeekday,
    ValueEquals,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    edges_of,
)
from deskhand.crm.filters.types import Condition, Filter, leaves, leaves_by_type
from deskhand.crm.schema.types import Kind
from deskhand.kernel.text import N_


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to put right. `message` is to be translated, then formatted (%) with `values`.

    `step_id` is empty for what concerns the workflow as a whole; `field` names the setting in the panel.
    """

    step_id: str
    field: str
    message: str
    values: Mapping[str, Any] = made_by(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The message in English, for logs and the API."""
        return self.message % self.values if self.values else self.message


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an action says of its own settings."""

    field: str
    message: str
    values: Mapping[str, Any] = made_by(default_factory=dict)


#: Checks the settings of one kind of action: required fields, live references.
CheckSettings = Callable[[Mapping[str, Any]], Iterable[Complaint]]
NAMES_GONE = N_("“%(property)s” names “%(value)s”, which is not there any more. Choose another one.")


@dataclass(frozen=True, slots=True)
class Limits:
    filters: int = 250  # R-WF-5
    branches: int = 20  # R-BR-1
    cases: int = 250  # R-BR-4
    parts: int = 20
    steps: int = 1000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What exists around the workflow. A mapping that is None is not checked.

    `actions` by kind; `properties` as {object type: {name: kind}}; `events` are the kinds that are told; `segments` and
    `workflows` by id.
    """

    actions: Mapping[str, CheckSettings] | None = None
    properties: Mapping[str, Mapping[str, Kind]] | None = None
    events: frozenset[str] | None = None
    segments: frozenset[int] | None = None
    workflows: frozenset[int] | None = None
    #: Of a property of such records, or of what an event tells, and values: what of them was deleted, both in words.
    gone: Callable[[str, str, Sequence[object]], tuple[str, str] | None] | None = None
    #: Whether a filter on such a record can be chosen to enroll again.
    may_fire_again: Callable[[str, Filter], bool] | None = None
    limits: Limits = made_by(default_factory=Limits)


def validate(definition: Definition, around: Surroundings | None = None) -> list[Problem]:
    """All problems, those of the workflow first, then step by step. None means that it may be switched on."""
    around = around or Surroundings()
    return [
        *_trigger(definition, around),
        *_enrollment(definition, around),
        *_whole(definition, around),
        *_shape(definition),
        *(problem for step in definition.steps for problem in _step(definition, step, around)),
    ]


# ── the workflow ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _trigger(definition: Definition, around: Surroundings) -> Iterator[Problem]:
    trigger = definition.trigger
    match trigger:
        case Manual():
            return
        case WhenEvent(events, refine):
            if not events:
                yield Problem("", "trigger", N_("Choose at least one event."))
            for event in events:
                yield from _event("", "trigger", definition.object_type, event, around)
            yield from _optional_condition(definition, "trigger", refine, around)
        case WhenTrue(condition):
            if not list(leaves(condition)):
                yield Problem("", "trigger", N_("Add at least one filter."))
            yield from _condition("", "trigger", definition.object_type, condition, around)
        case WhenScheduled(condition, every, _, weekdays):
            yield from _condition("", "trigger", definition.object_type, condition, around)
            if every is Every.WEEK and not weekdays:
                yield Problem("", "trigger", N_("Choose at least one day of the week."))
        case WhenDated(condition, name):
            yield from _condition("", "trigger", definition.object_type, condition, around)
            yield from _date_property("", "trigger", definition.object_type, name, around)
        case WhenCalled(_, name):
            yield from _property("", "trigger", definition.object_type, name, around)
    count = sum(1 for condition in _trigger_conditions(definition) for _ in leaves(condition))
    if count > around.limits.filters:
        values = {"limit": around.limits.filters, "count": count}
        yield Problem("", "trigger", N_("Triggers may have %(limit)s filters; these have %(count)s."), values)


def _trigger_conditions(definition: Definition) -> list[Condition]:
    match definition.trigger:
        case WhenTrue(condition) | WhenScheduled(condition) | WhenDated(condition):
            return [condition]
        case WhenEvent(events, refine):
            about = [event.about for event in events if event.about is not None]
            return [*about, refine] if refine is not None else about
        case _:
            return []


def _enrollment(definition: Definition, around: Surroundings) -> Iterator[Problem]:
    again, leaving = definition.reenrollment, definition.leaving
    if again.on and not isinstance(definition.trigger, WhenTrue):
        yield Problem("", "reenrollment", N_("Only filters can be chosen to enroll again."))
    elif isinstance(definition.trigger, WhenTrue):
        yield from _chosen(definition, definition.trigger.condition, around)
    if leaving.when_trigger_fails and not isinstance(definition.trigger, WhenTrue):
        message = N_("Only records enrolled by filters can leave when the filters no longer hold.")
        yield Problem("", "leaving", message)
    if around.segments is not None and not around.segments.issuperset(leaving.segments):
        yield Problem("", "leaving", N_("A segment whose members stay out is there no more."))
    yield from _optional_condition(definition, "leaving", leaving.condition, around)
    yield from _optional_condition(definition, "goal", leaving.goal, around)


def _chosen(definition: Definition, condition: Condition, around: Surroundings) -> Iterator[Problem]:
    """Filters that are chosen to enroll again are among the trigger's, and can do so (R-RE-2, R-RE-10)."""
    chosen = set(definition.reenrollment.on)
    asked = [pair for pair in leaves_by_type(condition, definition.object_type) if pair[1] in chosen]
    if len({leaf for _kind, leaf in asked}) < len(chosen):
        yield Problem("", "reenrollment", N_("Choose what enrolls again from the triggers."))
    may = around.may_fire_again
    if may is not None and any(isinstance(leaf, Filter) and not may(kind, leaf) for kind, leaf in asked):
        message = N_("A filter on a value that is calculated or set by messages can't enroll again.")
        yield Problem("", "reenrollment", message)


def _whole(definition: Definition, around: Surroundings) -> Iterator[Problem]:
    if not any(isinstance(step, Action) for step in definition.steps):
        yield Problem("", "steps", N_("Add at least one action."))
    if len(definition.steps) > around.limits.steps:
        values = {"limit": around.limits.steps}
        yield Problem("", "steps", N_("A workflow may have %(limit)s steps."), values)
    if any(int(step.id) >= definition.next_id for step in definition.steps):
        yield Problem("", "next_id", N_("The next step's id must be higher than all ids in use."))


# ── the shape ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _shape(definition: Definition) -> Iterator[Problem]:
    yield from _missing_targets(definition)
    yield from _hanging(definition)
    yield from _unreachable(definition)
    for step_id in _in_circles(definition):
        message = N_(
            "A record may go round this circle without waiting. Add a delay of a set amount or until an event that nothing ends at once."
        )
        yield Problem(step_id, "next", message)


def _missing_targets(definition: Definition) -> Iterator[Problem]:
    if definition.start is not None and definition.start.to not in definition.by_id:
        yield Problem("", "start", N_("The first step is missing."))
    for step in definition.steps:
        for slot, edge in edges_of(step).items():
            if edge is not None and edge.to not in definition.by_id:
                yield Problem(step.id, slot, N_("The step that should follow is missing."))


def _hanging(definition: Definition) -> Iterator[Problem]:
    """Each step hangs on one edge; more ways to it are go-tos."""
    starts = [definition.start] if definition.start else []
    edges = [*starts, *(edge for step in definition.steps for edge in edges_of(step).values() if edge)]
    if any(edge.is_goto for edge in starts):
        yield Problem("", "start", N_("The first step can't be a go-to."))
    for step_id, count in Counter(edge.to for edge in edges if not edge.is_goto).items():
        if count > 1 and step_id in definition.by_id:
            yield Problem(step_id, "next", N_("Several branches hold this step; all but one must go to it."))


def _unreachable(definition: Definition) -> Iterator[Problem]:
    """Not on the tree from the start, or only by go-tos."""
    seen: set[str] = set()
    waiting = [definition.start.to] if definition.start else []
    while waiting:
        current = waiting.pop()
        if current in seen or current not in definition.by_id:
            continue
        seen.add(current)
        edges = edges_of(definition.by_id[current]).values()
        waiting.extend(edge.to for edge in edges if edge is not None and not edge.is_goto)
    for step in definition.steps:
        if step.id not in seen:
            yield Problem(step.id, "next", N_("No way leads to this step."))


def _in_circles(definition: Definition) -> list[str]:
    """One step of each circle that no waiting breaks, found by walking every way once."""
    done: set[str] = set()
    found: list[str] = []
    for first in definition.steps:
        path: list[str] = []
        on_path: set[str] = set()
        waiting: list[tuple[str, bool]] = [(first.id, False)]
        while waiting:
            current, is_leaving = waiting.pop()
            if is_leaving:
                on_path.discard(path.pop())
                done.add(current)
                continue
            if current in on_path:
                found.append(path[-1])
                continue
            if current in done or current not in definition.by_id:
                continue
            path.append(current)
            on_path.add(current)
            waiting.append((current, True))
            edges = edges_of(definition.by_id[current])
            at_once = (edges[slot] for slot in _ways_at_once(definition.by_id[current]))
            waiting.extend((edge.to, False) for edge in at_once if edge is not None)
    return list(dict.fromkeys(found))


def _ways_at_once(step: Step) -> Iterable[Slot]:
    """The ways out that a record may take without waiting. A date or weekday may already be here; a delay may be cancelled
    as it begins, and what it waits for may have happened to what an earlier step made."""
    if not isinstance(step, Delay) or not isinstance(step.wait, ForAmount | UntilEvent):
        return edges_of(step)
    ways: set[Slot] = set()
    if step.cancel_if is not None:
        ways.add(step.if_cancelled.value)
    if isinstance(step.wait, UntilEvent) and step.wait.of_step:
        ways.add("next")
    return ways


# ── one step ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _step(definition: Definition, step: Step, around: Surroundings) -> Iterator[Problem]:
    match step:
        case Action(id, kind, settings):
            yield from _action(id, kind, settings, around)
        case Delay():
            yield from _delay(definition, step, around)
        case IfThen():
            yield from _if_then(definition, step, around)
        case ValueEquals():
            yield from _value_equals(definition, step, around)
        case RandomSplit(id, parts):
            if len(parts) < 2 or all(part.weight == 0 for part in parts):
                yield Problem(id, "parts", N_("A random split needs at least two parts, one with weight."))
            yield from _too_many(id, "parts", len(parts), around.limits.parts)


def _action(step_id: str, kind: str, settings: Mapping[str, Any], around: Surroundings) -> Iterator[Problem]:
    if around.actions is None:
        return
    check = around.actions.get(kind)
    if check is None:
        yield Problem(step_id, "kind", N_("There is no action of the kind “%(kind)s”."), {"kind": kind})
        return
    for complaint in check(settings):
        yield Problem(step_id, complaint.field, complaint.message, complaint.values)


def _delay(definition: Definition, step: Delay, around: Surroundings) -> Iterator[Problem]:
    minute = timedelta(minutes=1)
    if step.cancel_if is not None:
        if not list(leaves(step.cancel_if)):
            yield Problem(step.id, "cancel_if", N_("Add at least one filter."))
        yield from _condition(step.id, "cancel_if", definition.object_type, step.cancel_if, around)
    match step.wait:
        case ForAmount(amount) if amount < minute:
            yield Problem(step.id, "amount", N_("A delay is at least one minute."))
        case UntilProperty(name):
            yield from _date_property(step.id, "property", definition.object_type, name, around)
        case UntilWeekday(days) if not days:
            yield Problem(step.id, "days", N_("Choose at least one day of the week."))
        case UntilEvent(event, at_most, of_step):
            yield from _event(step.id, "event", definition.object_type, event, around)
            if of_step and not isinstance(definition.by_id.get(of_step), Action):
                yield Problem(step.id, "of_step", N_("The action that this waits for is missing."))
            if at_most is not None and at_most < minute:
                yield Problem(step.id, "at_most", N_("A delay is at least one minute."))


def _if_then(definition: Definition, step: IfThen, around: Surroundings) -> Iterator[Problem]:
    if not step.branches:
        yield Problem(step.id, "branches", N_("Add at least one branch."))
    yield from _too_many(step.id, "branches", len(step.branches), around.limits.branches)
    for place, branch in enumerate(step.branches):
        if not list(leaves(branch.when)):
            yield Problem(step.id, f"branches[{place}]", N_("Add at least one filter."))
        field_name = f"branches[{place}].when"
        yield from _condition(step.id, field_name, definition.object_type, branch.when, around)


def _value_equals(definition: Definition, step: ValueEquals, around: Surroundings) -> Iterator[Problem]:
    if not step.cases:
        yield Problem(step.id, "cases", N_("Add at least one value."))
    yield from _too_many(step.id, "cases", len(step.cases), around.limits.cases)
    if len({case.value for case in step.cases}) < len(step.cases):
        yield Problem(step.id, "cases", N_("Each value can have only one branch."))
    if isinstance(step.of, OutputOf):
        if not isinstance(definition.by_id.get(step.of.step_id), Action):
            yield Problem(step.id, "of", N_("The action whose result is compared is missing."))
        return
    yield from _property(step.id, "of", definition.object_type, step.of, around)
    values = [case.value for case in step.cases]
    yield from _gone(step.id, "cases", definition.object_type, step.of, values, around)


def _too_many(step_id: str, name: str, count: int, limit: int) -> Iterator[Problem]:
    if count > limit:
        values = {"limit": limit, "count": count}
        yield Problem(step_id, name, N_("At most %(limit)s are possible; there are %(count)s."), values)


# ── what they refer to ───────────────────────────────────────────────────────────────────────────────────────────────


def _event(
    step_id: str, name: str, object_type: str, event: EventMatch, around: Surroundings
) -> Iterator[Problem]:
    if around.events is not None and event.kind not in around.events:
        yield Problem(step_id, name, N_("There is no event “%(event)s”."), {"event": event.kind})
    for leaf in leaves(event.about) if event.about is not None else ():
        if isinstance(leaf, Filter):
            yield from _gone(step_id, name, object_type, leaf.property, leaf.values, around)


def _optional_condition(
    definition: Definition, name: str, condition: Condition | None, around: Surroundings
) -> Iterator[Problem]:
    if condition is not None:
        yield from _condition("", name, definition.object_type, condition, around)


def _condition(
    step_id: str, name: str, object_type: str, condition: Condition, around: Surroundings
) -> Iterator[Problem]:
    for looked_at, leaf in leaves_by_type(condition, object_type):
        if isinstance(leaf, Filter):
            yield from _property(step_id, name, looked_at, leaf.property, around, leaf.kind)
            if _kind(looked_at, leaf.property, around) is leaf.kind:
                yield from _gone(step_id, name, looked_at, leaf.property, leaf.values, around)
            continue
        known = around.segments if leaf.of == "segment" else around.workflows
        if known is not None and not known.issuperset(leaf.ids):
            message = _GONE_SEGMENT if leaf.of == "segment" else _GONE_WORKFLOW
            yield Problem(step_id, name, message)


_GONE_SEGMENT = N_("A segment that it asks for is there no more.")
_GONE_WORKFLOW = N_("A workflow that it asks for is there no more.")


def _date_property(
    step_id: str, name: str, object_type: str, wanted: str, around: Surroundings
) -> Iterator[Problem]:
    kind = _kind(object_type, wanted, around)
    yield from _property(step_id, name, object_type, wanted, around)
    if kind is not None and kind not in (Kind.DATE, Kind.DATETIME):
        yield Problem(step_id, name, N_("“%(property)s” holds no date."), {"property": wanted})


def _property(
    step_id: str, name: str, object_type: str, wanted: str, around: Surroundings, kind: Kind | None = None
) -> Iterator[Problem]:
    if around.properties is None:
        return
    found = _kind(object_type, wanted, around)
    if found is None:
        status = list(_gone(step_id, name, object_type, wanted, (), around))  # that its clock tells of
        lacking = Problem(step_id, name, N_("There is no property “%(property)s”."), {"property": wanted})
        yield from status or [lacking]
    elif kind is not None and found is not kind:
        yield Problem(
            step_id, name, N_("“%(property)s” is now of another kind; choose it again."), {"property": wanted}
        )


def _gone(
    step_id: str, name: str, object_type: str, wanted: str, values: Sequence[object], around: Surroundings
) -> Iterator[Problem]:
    """Values that were deleted: a status, a pipeline, an option, a team (R-PIPE-10)."""
    found = around.gone(object_type, wanted, values) if around.gone is not None else None
    if found is not None:
        yield Problem(step_id, name, NAMES_GONE, {"property": found[0], "value": found[1]})


def _kind(object_type: str, wanted: str, around: Surroundings) -> Kind | None:
    return (around.properties or {}).get(object_type, {}).get(wanted)

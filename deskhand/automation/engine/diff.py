"""What differs between two definitions, for those who publish the newer one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from deskhand.automation.engine.definition import Definition, Edge, Step, edges_of, without_edges


@dataclass(frozen=True, slots=True)
class Difference:
    """Steps by id, in the order in which the newer definition (for those removed: the older) is read.

    `parts` are the names of what differs beside the steps: trigger, reenrollment, leaving, timing.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.added, self.removed, self.changed, self.moved, self.parts))


_PARTS = ("trigger", "reenrollment", "leaving", "timing")


def difference(old: Definition, new: Definition) -> Difference:
    before, after = reading_order(old), reading_order(new)
    both = [step_id for step_id in after if step_id in old.by_id]
    changed = tuple(one for one in both if without_edges(old.by_id[one]) != without_edges(new.by_id[one]))
    return Difference(
        added=tuple(one for one in after if one not in old.by_id),
        removed=tuple(one for one in before if one not in new.by_id),
        changed=changed,
        moved=_moved(old, new, both),
        parts=tuple(name for name in _PARTS if getattr(old, name) != getattr(new, name)),
    )


def reading_order(definition: Definition) -> list[str]:
    """The ids of the steps as people read them: down each way, from the first to the last. Loose ones come last."""
    found: dict[str, None] = {}
    waiting = [definition.start]
    while waiting:
        edge = waiting.pop()
        if edge is None or edge.is_goto or edge.to in found or edge.to not in definition.by_id:
            continue
        found[edge.to] = None
        waiting.extend(reversed(list(edges_of(definition.by_id[edge.to]).values())))
    return [*found, *(step.id for step in definition.steps if step.id not in found)]


def _moved(old: Definition, new: Definition, both: list[str]) -> tuple[str, ...]:
    """Steps that are read before others than they were, stand on another way, or go to another step.

    As few as possible: of two that changed places, one was moved. What was put between or taken out moves nothing.
    """
    place = {step_id: n for n, step_id in enumerate(reading_order(old))}
    stayed = {both[n] for n in _rising([place[one] for one in both])}
    before, after = _above(old), _above(new)
    return tuple(
        one
        for one in both
        if one not in stayed
        or _stands(before, one, stayed) != _stands(after, one, stayed)
        or _gotos(old, one) != _gotos(new, one)
    )


def _rising(numbers: list[int]) -> list[int]:
    """The places of a longest rising row among the numbers."""
    ends: list[int] = []  # places at which a row of each length ends lowest
    before: dict[int, int] = {}
    for place, number in enumerate(numbers):
        length = bisect_left([numbers[one] for one in ends], number)
        if length:
            before[place] = ends[length - 1]
        ends[length : length + 1] = [place]
    found = []
    current = ends[-1] if ends else None
    while current is not None:
        found.append(current)
        current = before.get(current)
    return found


def _stands(above: Mapping[str, tuple[str, str]], step_id: str, stayed: set[str]) -> tuple[str, str]:
    """The nearest step before it that stayed, and which of its ways leads here."""
    place = above.get(step_id, ("", ""))
    while place[0] and place[0] not in stayed:
        place = above.get(place[0], ("", ""))
    return place


def _above(definition: Definition) -> dict[str, tuple[str, str]]:
    return {
        edge.to: (step.id, _way(step, slot))
        for step in definition.steps
        for slot, edge in edges_of(step).items()
        if edge is not None and not edge.is_goto
    }


def _way(step: Step, slot: str) -> str:
    """A branch by its name, so that putting branches in another order moves nothing."""
    for name in ("branches", "cases", "parts"):
        ways = getattr(step, name, None)
        if ways is not None and slot.isdigit():
            return str(getattr(ways[int(slot)], "name", "") or getattr(ways[int(slot)], "value", "") or slot)
    return slot


def _gotos(definition: Definition, step_id: str) -> list[Edge]:
    return [
        edge for edge in edges_of(definition.by_id[step_id]).values() if edge is not None and edge.is_goto
    ]

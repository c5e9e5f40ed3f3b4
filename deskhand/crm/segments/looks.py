"""What a segment's condition looks at, so that only changes of that make it look again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from deskhand.crm.filters.types import (
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
    leaves_by_type,
)

SEGMENT = "segment"
LINKS = "*links"  # looked at where the condition goes on to associated records
#: Compared with now, so that time alone changes the answer.
MOVING = {
    Operator.LESS_THAN_AGO,
    Operator.MORE_THAN_AGO,
    Operator.LESS_THAN_AHEAD,
    Operator.MORE_THAN_AHEAD,
    Operator.WITHIN,
}
SOON, OFTEN, NIGHTLY = timedelta(minutes=1), timedelta(minutes=5), timedelta(days=1)


@dataclass(frozen=True)
class Look:
    """`path` leads from the segment's records to those looked at: () is the record itself, ("contact",) its contacts."""

    path: tuple[str, ...]
    object_type: str  # of what is looked at
    properties: frozenset[str]
    segments: frozenset[int]


def looks_of(condition: Condition, object_type: str) -> tuple[Look, ...]:
    """One for the records themselves, and one for each way to others."""
    paths: dict[tuple[str, ...], tuple[set[str], set[int]]] = {(): (set(), set())}
    for path, leaf in _leaves(condition, ()):
        properties, segments = paths.setdefault(path, (set(), set()))
        if isinstance(leaf, Filter):
            properties.add(leaf.property)
        elif leaf.of == SEGMENT:
            segments.update(leaf.ids)
    for path in [path for path in paths if path]:
        for end in range(len(path)):
            paths.setdefault(path[:end], (set(), set()))[0].add(LINKS)
    return tuple(
        Look(path, path[-1] if path else object_type, frozenset(properties), frozenset(segments))
        for path, (properties, segments) in paths.items()
    )


def _leaves(
    condition: Condition, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Filter | MemberOf]]:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part, path)
        case Associated(to, where):
            yield from _leaves(where, (*path, to))
        case leaf:
            yield path, leaf


def pause_of(condition: Condition) -> timedelta:
    """How long its members may stand before they are looked at again for no other reason than time."""
    pauses = [
        SOON if isinstance(value, Span) and value.unit in (Unit.MINUTE, Unit.HOUR) else OFTEN
        for _type, leaf in leaves_by_type(condition, "")
        if isinstance(leaf, Filter) and leaf.operator in MOVING
        for value in leaf.values
    ]
    return min(pauses, default=NIGHTLY)

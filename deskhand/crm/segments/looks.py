"""What a segment's condition looks at, so that only changes of that make it look again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from deskhand.crm.filters.types import (
    Condition,
    Filter,
    MemberOf,
    Operator,
    Path,
    Span,
    Unit,
    leaves,
    looked_at,
)
from deskhand.crm.schema import activities, clock_names

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

    path: Path
    object_type: str  # of what is looked at
    properties: frozenset[str]
    segments: frozenset[int]


def looks_of(condition: Condition, object_type: str) -> tuple[Look, ...]:
    """One for the records themselves, and one for each way to others."""
    paths: dict[Path, tuple[set[str], set[int]]] = {(): (set(), set())}
    for way, leaf in looked_at(condition):
        path, activity = activities.split(way)
        properties, segments = paths.setdefault(path, (set(), set()))
        if activity is not None:
            properties.add(activity.key)
        elif isinstance(leaf, Filter):
            properties.add(leaf.property)
        elif leaf is not None and leaf.of == SEGMENT:
            segments.update(leaf.ids)
    for path in [path for path in paths if path]:
        for end in range(len(path)):
            paths.setdefault(path[:end], (set(), set()))[0].add(LINKS)
    return tuple(
        Look(path, path[-1] if path else object_type, frozenset(properties), frozenset(segments))
        for path, (properties, segments) in paths.items()
    )


def is_moved_by_time(leaf: Filter) -> bool:
    """Whether time alone changes the answer: it is compared with now, or it grows while the record stands in a status."""
    return leaf.operator in MOVING or clock_names.is_running(leaf.property)


def pause_of(condition: Condition) -> timedelta:
    """How long its members may stand before they are looked at again for no other reason than time."""
    pauses = [
        SOON if isinstance(value, Span) and value.unit in (Unit.MINUTE, Unit.HOUR) else OFTEN
        for leaf in leaves(condition)
        if isinstance(leaf, Filter) and is_moved_by_time(leaf)
        for value in leaf.values
    ]
    # Of workflows no event tells who comes and goes.
    pauses += [OFTEN for leaf in leaves(condition) if isinstance(leaf, MemberOf) and leaf.of != SEGMENT]
    return min(pauses, default=NIGHTLY)

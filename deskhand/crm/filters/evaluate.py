"""Whether a condition holds for one record, in Python. Pure: values, history and neighbours come in as facts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from deskhand.crm.filters.folding import fold, word_pattern
from deskhand.crm.filters.ranges import range_of
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Condition, Filter, Leaf, MemberOf, Operator
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

_NUMBERS = (Kind.NUMBER, Kind.DURATION)

#: TEXT and ENUM str, NUMBER and DURATION a number, DATE date, DATETIME aware datetime, BOOL bool, REF int,
#: MULTI a collection of str, REFS one of int; None is unknown.
Fact = str | Decimal | float | bool | date | datetime | Collection[str] | Collection[int] | None


class Facts(Protocol):
    """What is known of one record. Asked only for what the condition names, so it may be read on demand."""

    def value(self, property: str) -> Fact: ...

    def past_values(self, property: str) -> Iterable[Fact]:
        """Values it had before; whether the present one is among them does not matter."""

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]: ...

    def memberships(self, of: str) -> Collection[int]: ...


@dataclass(frozen=True)
class RecordFacts:
    """Facts held in memory. `links` is keyed by (object type, association type)."""

    values: Mapping[str, Fact] = field(default_factory=dict)
    past: Mapping[str, Collection[Fact]] = field(default_factory=dict)
    links: Mapping[tuple[str, int], Collection[Facts]] = field(default_factory=dict)
    member_of: Mapping[str, Collection[int]] = field(default_factory=dict)

    def value(self, property: str) -> Fact:
        return self.values.get(property)

    def past_values(self, property: str) -> Iterable[Fact]:
        return self.past.get(property, ())

    def associated(self, to: str, type_id: int | None) -> Iterable[Facts]:
        for (object_type, link_type), records in self.links.items():
            if object_type == to and type_id in (None, link_type):
                yield from records

    def memberships(self, of: str) -> Collection[int]:
        return self.member_of.get(of, ())


def holds(condition: Condition, facts: Facts, *, now: datetime, zone: ZoneInfo) -> bool:
    """Days and windows are those of `zone`. Raises Invalid if a value is not of the kind its filter says."""
    match condition:
        case AllOf(parts):
            return all(holds(part, facts, now=now, zone=zone) for part in parts)
        case AnyOf(parts):
            return any(holds(part, facts, now=now, zone=zone) for part in parts)
        case Associated(to, where, type_id, has):
            others = facts.associated(to, type_id)
            return any(holds(where, other, now=now, zone=zone) for other in others) == has
        case MemberOf(of, ids, is_member):
            return (not set(ids).isdisjoint(facts.memberships(of))) == is_member
        case Filter():
            return _filter_holds(condition, _looked_up(condition, facts), now, zone)


class Seen(NamedTuple):
    """A leaf that decided, and what it found: all the values there ever were, where it asks for those.

    `object_type` is of the linked record that was asked; empty for the record itself.
    """

    leaf: Leaf
    value: Any
    object_type: str = ""


def weigh(
    condition: Condition, facts: Facts, *, now: datetime, zone: ZoneInfo, object_type: str = ""
) -> tuple[bool, tuple[Seen, ...]]:
    """Whether it holds, as `holds` says, and the leaves that decided it: the first that was enough, or all that were not."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return _weigh_all(parts, isinstance(condition, AnyOf), facts, now, zone, object_type)
        case Associated(to, where, type_id, has):
            every: list[Seen] = []
            for other in facts.associated(to, type_id):
                is_met, seen = weigh(where, other, now=now, zone=zone, object_type=to)
                if is_met:
                    return has, seen
                every += seen
            return not has, tuple(every)
        case MemberOf(of):
            found = sorted(facts.memberships(of))
            return holds(condition, facts, now=now, zone=zone), (Seen(condition, found, object_type),)
        case Filter():
            value = _looked_up(condition, facts)
            return _filter_holds(condition, value, now, zone), (Seen(condition, value, object_type),)


def _weigh_all(
    parts: Iterable[Condition], enough: bool, facts: Facts, now: datetime, zone: ZoneInfo, object_type: str
) -> tuple[bool, tuple[Seen, ...]]:
    """One part that comes out as `enough` decides alone."""
    every: list[Seen] = []
    for part in parts:
        is_met, seen = weigh(part, facts, now=now, zone=zone, object_type=object_type)
        if is_met is enough:
            return enough, seen
        every += seen
    return not enough, tuple(every)


def _looked_up(leaf: Filter, facts: Facts) -> Any:
    """The value that the leaf asks about; all there ever were, where it asks for those."""
    value = facts.value(leaf.property)
    if leaf.operator in (Operator.EVER, Operator.NEVER):
        return [value, *facts.past_values(leaf.property)]
    return value


def _filter_holds(leaf: Filter, value: Any, now: datetime, zone: ZoneInfo) -> bool:
    if leaf.operator in (Operator.EVER, Operator.NEVER):
        was = any(_matches(leaf, _known(leaf, one), now, zone) for one in value)
        return was == (leaf.operator is Operator.EVER)
    return _matches(leaf, _known(leaf, value), now, zone)


def _matches(leaf: Filter, value: Any, now: datetime, zone: ZoneInfo) -> bool:
    operator, values = leaf.operator, leaf.values
    match operator:
        case Operator.KNOWN | Operator.UNKNOWN:
            return (value is not None) == (operator is Operator.KNOWN)
        case Operator.NONE_OF:
            return not _equals_any(leaf, value)
        case Operator.NOT_CONTAINS:
            return value is None or not any(fold(str(part)) in fold(value) for part in values)
        case Operator.HAS_NO_WORD:
            return value is None or not _has_word(leaf, value)
    if value is None:
        return False
    match operator:
        case Operator.ANY_OF | Operator.EVER | Operator.NEVER:
            return _equals_any(leaf, value)
        case Operator.ALL_OF:
            return set(values) <= set(value)
        case Operator.CONTAINS:
            return any(fold(str(part)) in fold(value) for part in values)
        case Operator.HAS_WORD:
            return _has_word(leaf, value)
        case Operator.STARTS_WITH:
            return any(fold(value).startswith(fold(str(part))) for part in values)
        case Operator.ENDS_WITH:
            return any(fold(value).endswith(fold(str(part))) for part in values)
    return _number_holds(leaf, value) if leaf.kind in _NUMBERS else _in_range(leaf, value, now, zone)


def _has_word(leaf: Filter, value: Any) -> bool:
    folded = fold(value)
    return any(re.search(word_pattern(str(part)), folded) for part in leaf.values)


def _equals_any(leaf: Filter, value: Any) -> bool:
    if value is None:
        return False
    if leaf.kind in (Kind.MULTI, Kind.REFS):
        return not set(leaf.values).isdisjoint(value)
    if leaf.kind is Kind.TEXT:
        return fold(value) in {fold(str(wanted)) for wanted in leaf.values}
    return value in leaf.values


def _number_holds(leaf: Filter, value: Any) -> bool:
    low, high = leaf.values[0], leaf.values[-1]
    match leaf.operator:
        case Operator.GREATER:
            return bool(value > low)
        case Operator.AT_LEAST:
            return bool(value >= low)
        case Operator.LESS:
            return bool(value < low)
        case Operator.AT_MOST:
            return bool(value <= low)
        case _:  # BETWEEN
            return bool(low <= value <= high)


def _in_range(leaf: Filter, value: Any, now: datetime, zone: ZoneInfo) -> bool:
    wanted = range_of(leaf, now, zone)
    return (wanted.start is None or wanted.start <= value) and (wanted.end is None or value < wanted.end)


def _known(leaf: Filter, value: Fact) -> Fact:
    """The value, None if it is blank. Raises Invalid if it is of another kind."""
    if value is None or (leaf.kind in (Kind.TEXT, Kind.ENUM) and value == ""):
        return None
    if not _is_of_kind(leaf.kind, value):
        raise Invalid(
            f"{leaf.property} holds {value!r}, which is no {leaf.kind.value}.",
            field=leaf.property,
            value=value,
        )
    if isinstance(value, float):
        return Decimal(repr(value))  # as JSON writes it, so that 0.1 is 0.1
    return (value or None) if leaf.kind in (Kind.MULTI, Kind.REFS) else value


def _is_of_kind(kind: Kind, value: Fact) -> bool:
    match kind:
        case Kind.TEXT | Kind.ENUM:
            return isinstance(value, str)
        case Kind.NUMBER | Kind.DURATION:
            return (
                isinstance(value, Decimal | int | float) and not isinstance(value, bool) and isfinite(value)
            )
        case Kind.REF:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.DATE:
            return isinstance(value, date) and not isinstance(value, datetime)
        case Kind.DATETIME:
            return isinstance(value, datetime) and value.tzinfo is not None
        case Kind.MULTI | Kind.REFS:
            return isinstance(value, Collection) and not isinstance(value, str)

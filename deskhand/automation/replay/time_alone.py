"""What time alone brings about: the rings of schedules, who met a condition at a moment, and when dates pass its borders."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation.engine.definition import WhenDated, WhenScheduled
from deskhand.automation.enrolling import calendar, matching, standing
from deskhand.automation.past import Memory, told_as
from deskhand.automation.records import as_fact
from deskhand.crm.filters.evaluate import Facts
from deskhand.crm.filters.ranges import Range, range_of
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Condition, Filter, Operator, Path, Value
from deskhand.crm.records.tables import table_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments.looks import MOVING
from deskhand.kernel.database import sql

TICK = timedelta(microseconds=1)
_DATES = (Kind.DATE, Kind.DATETIME)


def rings(
    trigger: WhenScheduled | WhenDated, since: datetime, until: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """The moments from `since` up to `until` at which a schedule fires (R-TRIG-20, R-TRIG-22)."""
    at = calendar.next_fire(trigger, since - TICK, zone)
    while at is not None and at < until:
        yield at
        at = calendar.next_fire(trigger, at, zone)


# ── who met a condition ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Met:
    """Records that met a condition at a moment, and those of which only their history tells."""

    sure: list[int]
    unsure: list[int]


def met_at(
    account_id: int, workflow_id: int, object_type: str, condition: Condition, at: datetime, since: datetime, zone: ZoneInfo,
    would: Collection[int],
) -> Met:  # fmt: skip
    """PostgreSQL is asked about what stands now, which is what stood then wherever nothing was changed since.

    `would` are records that the replay itself would have changed. Raises Invalid when the condition names what is no more.
    """
    changed = _changed_since(account_id, workflow_id, object_type, condition, at, since)
    unsure = sorted(changed | set(would))
    test = matching.where(account_id, object_type, condition, at, zone)
    table = table_of(object_type)
    found = sql.rows(
        f"select t.id from {table} t where {test.text} and t.created_at <= %s and not t.id = any(%s) order by t.id",
        [*test.params, at, unsure],
    )
    return Met([pk for (pk,) in found], sorted(made_by(account_id, object_type, unsure, at)))


def made_by(account_id: int, object_type: str, ids: Collection[int], at: datetime) -> dict[int, datetime]:
    """{those of the records that had been made by then: when}."""
    if not ids:
        return {}
    return dict(
        sql.rows(
            f"select id, created_at from {table_of(object_type)} where account_id = %s and id = any(%s) and created_at <= %s",
            [account_id, sorted(ids), at],
        )
    )


def _changed_since(
    account_id: int, workflow_id: int, object_type: str, condition: Condition, at: datetime, since: datetime
) -> set[int]:
    """Records that the condition may see otherwise than it would have at the moment. A query for each way that it looks."""
    names: dict[Path, set[str]] = defaultdict(set)
    for path, leaf in standing.filters(condition):
        end = path[-1] if path else object_type
        names[path].add(told_as(end, leaf.property))
    if object_type == "ticket":
        names[()].add(told_as("ticket", "is_spam"))
    found: set[int] = set()
    for path, those in names.items():
        end = path[-1] if path else object_type
        rows = sql.rows(_CHANGED, [account_id, end, sorted(those), at, workflow_id, since])
        found |= _roots(object_type, path, [pk for (pk,) in rows])
    return found


_CHANGED = """
select distinct record_id from crm_propertychange
where account_id = %s and object_type = %s and property = any(%s)
  and (changed_at >= %s or (actor_kind = 'workflow' and actor_id = %s and changed_at >= %s))
"""


def _roots(object_type: str, path: Path, ids: Sequence[int]) -> set[int]:
    """The records that look at these along the path."""
    if not path or not ids:
        return set(ids)
    changed = {path[-1]: {pk: standing.Changed(None, []) for pk in ids}}
    found = standing.Ways(changed).back(object_type, path)
    return {root for roots in found.values() for root in roots}


# ── when it turns ────────────────────────────────────────────────────────────────────────────────────────────────────


def turns(condition: Condition) -> bool:
    """Whether time alone may make it hold."""
    return next(_moving(condition), None) is not None


def next_turn(
    condition: Condition, facts: Facts, after: datetime, until: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first moment later than `after`, up to `until`, at which one of the record's dates comes into a range that moves
    with time, or falls out of it. The condition itself need not turn then.
    """
    found = [
        turn
        for leaf, value in _dates(condition, facts)
        for side in (0, 1)
        if (turn := _passes(leaf, value, side, after, until, zone)) is not None
    ]
    return min(found, default=None)


def _dates(condition: Condition, facts: Facts) -> Iterator[tuple[Filter, date]]:
    """Each filter that moves, with the dates that it sees."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _dates(part, facts)
        case Associated(to, where, type_id):
            if turns(where):
                for other in facts.associated(to, type_id):
                    yield from _dates(where, other)
        case Filter(name, kind, operator) if operator in MOVING:
            value = facts.value(name)
            if _is_of(kind, value):
                yield condition, value  # type: ignore[misc]


def _is_of(kind: Kind, value: Any) -> bool:
    if isinstance(value, datetime):
        return kind is Kind.DATETIME and value.tzinfo is not None
    return kind is Kind.DATE and isinstance(value, date)


def _passes(
    leaf: Filter, value: date, side: int, after: datetime, until: datetime, zone: ZoneInfo
) -> datetime | None:
    """When a border of the range goes past the date: borders never go back, so halving finds it."""

    def is_past(at: datetime) -> bool:
        border = _borders(range_of(leaf, at, zone))[side]
        return border is not None and border > value

    if until <= after or is_past(after) == is_past(until):
        return None
    low, high = after, until
    while high - low > TICK:
        middle = low + (high - low) // 2
        low, high = (low, middle) if is_past(middle) else (middle, high)
    return high


def _borders(of: Range) -> tuple[date | None, date | None]:
    return of.start, of.end


def _moving(condition: Condition) -> Iterator[tuple[Path, Filter]]:
    return ((path, leaf) for path, leaf in standing.filters(condition) if leaf.operator in MOVING)


@dataclass
class Turning:
    """Which records may turn within a stretch of time: asked of what stands now, and of what history has beside it."""

    account_id: int
    object_type: str
    condition: Condition
    since: datetime
    zone: ZoneInfo
    _read: dict[tuple[str, str], list[tuple[date, int]]] = field(default_factory=dict)

    @cached_property
    def moving(self) -> tuple[tuple[Path, Filter], ...]:
        return tuple(_moving(self.condition))

    def between(self, first: datetime, past: datetime, memory: Memory) -> dict[int, datetime]:
        """{record: when it was made}; more than really turn. One query for what stands now, and one for each kind of link."""
        found: set[int] = set()
        asked: list[Condition] = []
        for path, leaf in self.moving:
            end = path[-1] if path else self.object_type
            for low, high in self._swept(leaf, first, past):
                asked.append(_along(path, Filter(leaf.property, leaf.kind, Operator.BETWEEN, (low, high))))
                found |= _roots(self.object_type, path, self._of_history(end, leaf, low, high))
                if not path:
                    name = told_as(end, leaf.property)
                    found |= {pk for pk, value in memory.of(name) if _is_between(leaf, end, value, low, high)}
        if asked:
            test = matching.where(
                self.account_id, self.object_type, AnyOf(tuple(asked)), first, self.zone, with_spam=True
            )
            table = table_of(self.object_type)
            found |= {pk for (pk,) in sql.rows(f"select t.id from {table} t where {test.text}", test.params)}
        return made_by(self.account_id, self.object_type, found, past)

    def _swept(self, leaf: Filter, first: datetime, past: datetime) -> list[tuple[Value, Value]]:
        """The dates that the range's borders go past meanwhile."""
        before, after = (_borders(range_of(leaf, at, self.zone)) for at in (first, past))
        pairs = zip(before, after, strict=True)
        return [(low, high) for low, high in pairs if low is not None and high is not None and low < high]

    def _of_history(self, object_type: str, leaf: Filter, low: Any, high: Any) -> list[int]:
        """Records whose date was between these before it was changed within the replayed time, or by that."""
        key = object_type, leaf.property
        if key not in self._read:
            name = told_as(*key)
            rows = sql.rows(_VALUES, [self.account_id, object_type, name, self.since])
            told = [(_date(*key, sql.loads(raw)), pk) for pk, *both in rows for raw in both]
            self._read[key] = sorted((value, pk) for value, pk in told if _is_of(leaf.kind, value))
        known = self._read[key]
        first, past = bisect_left(known, (low, 0)), bisect_left(known, (high, 0))
        return [pk for _value, pk in known[first:past]]


_VALUES = """
select record_id, old, new from crm_propertychange where account_id = %s and object_type = %s and property = %s and changed_at >= %s
"""


def _along(path: Path, condition: Condition) -> Condition:
    for to in reversed(path):
        condition = Associated(to, condition)
    return condition


def _is_between(leaf: Filter, object_type: str, raw: Any, low: Any, high: Any) -> bool:
    value = _date(object_type, leaf.property, raw)
    return _is_of(leaf.kind, value) and low <= value < high


def _date(object_type: str, name: str, raw: Any) -> Any:
    """A value of history; None where it is no date."""
    prop = properties_of(object_type).get(name)
    try:
        return as_fact(prop, raw) if prop else None
    except ValueError:
        return None


__all__ = ["TICK", "Met", "Turning", "made_by", "met_at", "next_turn", "rings", "turns"]

"""Filters as data: views, triggers, branches, SLA and skill rules and the search API all speak this.

A condition is a tree: `AnyOf` and `AllOf` over property filters, associated records and memberships (R-TRIG-2).
Python (`evaluate.py`) and PostgreSQL (`sql.py`) answer it alike; a property test holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import BIGGEST, is_storable

MAX_VALUES = 1000
MAX_DEPTH = 12
MAX_STARS = 4  # in what whole words are compared with
EARLIEST, LATEST = date(1900, 1, 1), date(2999, 12, 31)


class Operator(StrEnum):
    """How a property is compared (R-TRIG-3). The ones that say no also hold where the property is unknown.

    A blank text and an empty set are unknown; zero is not (R-TRIG-6).
    """

    KNOWN = "known"
    UNKNOWN = "unknown"
    ANY_OF = "any_of"
    NONE_OF = "none_of"
    ALL_OF = "all_of"
    EVER = "ever"  # now or at any time before
    NEVER = "never"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    HAS_WORD = "has_word"  # whole words; a star stands for any letters of one
    HAS_NO_WORD = "has_no_word"
    GREATER = "greater"
    AT_LEAST = "at_least"
    LESS = "less"
    AT_MOST = "at_most"
    BETWEEN = "between"  # both ends belong to it
    ON = "on"  # a day
    BEFORE = "before"
    AFTER = "after"
    LESS_THAN_AGO = "less_than_ago"
    MORE_THAN_AGO = "more_than_ago"
    LESS_THAN_AHEAD = "less_than_ahead"
    MORE_THAN_AHEAD = "more_than_ahead"
    WITHIN = "within"  # a window of the calendar


class Unit(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class Window(StrEnum):
    """A stretch of the calendar around today, in the account's zone; weeks start on Monday."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    TOMORROW = "tomorrow"
    THIS_WEEK = "this_week"
    LAST_WEEK = "last_week"
    NEXT_WEEK = "next_week"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"
    NEXT_MONTH = "next_month"
    THIS_YEAR = "this_year"


@dataclass(frozen=True, slots=True)
class Span:
    amount: int
    unit: Unit

    def __post_init__(self) -> None:
        if not 1 <= self.amount <= _LONGEST[self.unit]:
            raise Invalid(
                f"A span must be 1 to {_LONGEST[self.unit]} {self.unit.value}s.",
                field="amount",
                value=self.amount,
            )


_LONGEST = {
    Unit.MINUTE: 52_560_000,
    Unit.HOUR: 876_000,
    Unit.DAY: 36_500,
    Unit.WEEK: 5_200,
}  # a hundred years

#: A REF is an int, a NUMBER or DURATION (milliseconds) a Decimal, a DATETIME an aware datetime; dates compare with DATETIME as days of the zone.
Value = str | Decimal | int | bool | date | datetime | Span | Window


class Takes(StrEnum):
    """What values an operator takes."""

    NOTHING = "no value"
    SOME = "one or more values"
    ONE = "one value"
    TWO = "two values in order"
    DAY = "one day"
    SPAN = "a span of time"
    WINDOW = "a window"


_ALWAYS = {Operator.KNOWN: Takes.NOTHING, Operator.UNKNOWN: Takes.NOTHING}
_SAME = {Operator.ANY_OF: Takes.SOME, Operator.NONE_OF: Takes.SOME}
_OF_WORDS = (Operator.HAS_WORD, Operator.HAS_NO_WORD)
_PAST = {Operator.EVER: Takes.SOME, Operator.NEVER: Takes.SOME}
_TIMES = {
    **_ALWAYS,
    Operator.ON: Takes.DAY,
    Operator.BEFORE: Takes.ONE,
    Operator.AFTER: Takes.ONE,
    Operator.BETWEEN: Takes.TWO,
    Operator.LESS_THAN_AGO: Takes.SPAN,
    Operator.MORE_THAN_AGO: Takes.SPAN,
    Operator.LESS_THAN_AHEAD: Takes.SPAN,
    Operator.MORE_THAN_AHEAD: Takes.SPAN,
    Operator.WITHIN: Takes.WINDOW,
}
OPERATORS: dict[Kind, dict[Operator, Takes]] = {
    Kind.TEXT: {
        **_ALWAYS,
        **_SAME,
        **_PAST,
        Operator.CONTAINS: Takes.SOME,
        Operator.NOT_CONTAINS: Takes.SOME,
        Operator.STARTS_WITH: Takes.SOME,
        Operator.ENDS_WITH: Takes.SOME,
        Operator.HAS_WORD: Takes.SOME,
        Operator.HAS_NO_WORD: Takes.SOME,
    },
    Kind.NUMBER: {
        **_ALWAYS,
        **_SAME,
        **_PAST,
        Operator.GREATER: Takes.ONE,
        Operator.AT_LEAST: Takes.ONE,
        Operator.LESS: Takes.ONE,
        Operator.AT_MOST: Takes.ONE,
        Operator.BETWEEN: Takes.TWO,
    },
    Kind.DATE: _TIMES,
    Kind.DATETIME: _TIMES,
    Kind.BOOL: {**_ALWAYS, **_SAME, **_PAST},
    Kind.ENUM: {**_ALWAYS, **_SAME, **_PAST},
    Kind.MULTI: {**_ALWAYS, **_SAME, Operator.ALL_OF: Takes.SOME},
    Kind.REF: {**_ALWAYS, **_SAME, **_PAST},
    Kind.REFS: {**_ALWAYS, **_SAME, Operator.ALL_OF: Takes.SOME},
}
#: Of what is worked out there is no past.
OPERATORS[Kind.DURATION] = {one: takes for one, takes in OPERATORS[Kind.NUMBER].items() if one not in _PAST}


@dataclass(frozen=True, slots=True)
class Filter:
    """One property compared. Raises Invalid if kind, operator and values don't go together."""

    property: str
    kind: Kind
    operator: Operator
    values: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        takes = OPERATORS[self.kind].get(self.operator)
        if takes is None:
            raise Invalid(
                f"A {self.kind.value} can't be compared with {self.operator.value!r}.",
                field="operator",
                value=self.operator.value,
                hint="Use one of " + ", ".join(OPERATORS[self.kind]) + ".",
            )
        if not _fits(self.kind, takes, self.values):
            raise Invalid(
                f"{self.operator.value!r} on a {self.kind.value} takes {takes.value} of that kind.",
                field="values",
                value=self.values,
            )
        if self.operator in _OF_WORDS and any(str(value).count("*") > MAX_STARS for value in self.values):
            raise Invalid(
                f"Words are compared with at most {MAX_STARS} stars.", field="values", value=self.values
            )


@dataclass(frozen=True, slots=True)
class Associated:
    """Holds if any one associated record of type `to` meets all of `where` (R-TRIG-5); without `has`, if none does.

    `to` may be an activity of the record, too, which `schema/activities.py` knows (R-TRIG-4).
    """

    to: str
    where: Condition
    type_id: int | None = None  # an association type such as "primary"; None takes them all
    has: bool = True


@dataclass(frozen=True, slots=True)
class MemberOf:
    """Whether the record is in any (or in none) of these segments, workflows … (`of` names the sort)."""

    of: str
    ids: tuple[int, ...]
    is_member: bool = True


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds if every part does; without parts it always holds."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if at least one part does; without parts it never holds."""

    parts: tuple[Condition, ...] = ()


Condition = AllOf | AnyOf | Filter | Associated | MemberOf
Leaf = Filter | MemberOf
Path = tuple[str, ...]  # the types of linked records on the way; empty for the record itself

EVERYTHING = AllOf()
NOTHING = AnyOf()


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The filters and memberships in the condition, also those on associated records, from left to right."""
    for _, leaf in leaves_by_type(condition, ""):
        yield leaf


def leaves_by_type(condition: Condition, object_type: str) -> Iterator[tuple[str, Leaf]]:
    """Each leaf with the type of record it looks at."""
    for path, leaf in leaves_by_path(condition):
        yield path[-1] if path else object_type, leaf


def leaves_by_path(condition: Condition) -> Iterator[tuple[Path, Leaf]]:
    """Each leaf with the way to the records that it looks at."""
    for path, leaf in looked_at(condition):
        if leaf is not None:
            yield path, leaf


def looked_at(condition: Condition, path: Path = ()) -> Iterator[tuple[Path, Leaf | None]]:
    """The same, and each way to linked records once by itself: it may ask whether there are any, by no leaf at all."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from looked_at(part, path)
        case Associated(to, where):
            yield from looked_at(where, (*path, to))
            yield (*path, to), None
        case leaf:
            yield path, leaf


def link_types(condition: Condition) -> set[int]:
    """The types of association, labels among them, that the condition names."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return {one for part in parts for one in link_types(part)}
        case Associated(_, where, type_id):
            return link_types(where) | ({type_id} if type_id is not None else set())
    return set()


def linked_kinds(condition: Condition) -> set[str]:
    """The kinds of linked records that the condition looks at."""
    return {kind for path, _leaf in looked_at(condition) for kind in path}


def _fits(kind: Kind, takes: Takes, values: tuple[Value, ...]) -> bool:
    match takes:
        case Takes.NOTHING:
            return not values
        case Takes.SOME:
            return 1 <= len(values) <= MAX_VALUES and all(_is_plain(kind, value) for value in values)
        case Takes.ONE:
            return len(values) == 1 and _is_plain(kind, values[0])
        case Takes.TWO:
            return len(values) == 2 and all(_is_plain(kind, value) for value in values) and _in_order(*values)
        case Takes.DAY:
            return len(values) == 1 and _is_day(values[0])
        case Takes.SPAN:
            return len(values) == 1 and _is_span(kind, values[0])
        case Takes.WINDOW:
            return len(values) == 1 and isinstance(values[0], Window)


def _is_plain(kind: Kind, value: Value) -> bool:
    match kind:
        case Kind.TEXT | Kind.ENUM | Kind.MULTI:
            return type(value) is str and value != "" and is_storable(value)
        case Kind.NUMBER | Kind.DURATION:
            return isinstance(value, Decimal) and value.is_finite() and -100 < value.adjusted() < 100
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.REF | Kind.REFS:
            return isinstance(value, int) and not isinstance(value, bool) and -BIGGEST <= value <= BIGGEST
        case Kind.DATE | Kind.DATETIME:
            return _is_day(value) or _is_moment(value)


def _is_day(value: Value) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime) and EARLIEST <= value <= LATEST


def _is_moment(value: Value) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None and EARLIEST <= value.date() <= LATEST


def _is_span(kind: Kind, value: Value) -> bool:
    if not isinstance(value, Span):
        return False
    return kind is Kind.DATETIME or value.unit in (Unit.DAY, Unit.WEEK)


def _in_order(low: Value, high: Value) -> bool:
    """Two days, two moments or two numbers; a day and a moment can't be told apart without a zone."""
    return type(low) is type(high) and bool(low <= high)  # type: ignore[operator]

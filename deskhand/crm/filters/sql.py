"""Whether a condition holds for each row of a set, in PostgreSQL.

Names never reach the SQL: a `Source` maps the properties it allows to SQL of its own, and everything that a person
wrote goes in as a parameter. Every piece of SQL holds `%s` for its parameters and `%%` for a percent sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from math import ceil, floor
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from deskhand.crm.filters.folding import LARGE, SMALL, fold, word_pattern
from deskhand.crm.filters.ranges import range_of
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Condition, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import BIGGEST
from deskhand.kernel.text import whole


@dataclass(frozen=True, slots=True)
class Sql:
    """SQL and its parameters, in the order of its `%s`."""

    text: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Coarse:
    """An indexed stand-in for a value: a text's first `letters`, or a number as a double.

    Values that are equal, or in order, are so here too; so a test on it comes first and the exact one decides.
    """

    value: Sql
    letters: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """Where a property's value stands.

    `value` yields text (TEXT, ENUM), numeric or bigint (NUMBER, DURATION), date, timestamptz, boolean, bigint (REF),
    text[] (MULTI) or bigint[] (REFS).
    `is_folded`: the text is stored folded, so that an index on it serves.
    `is_id`: an ENUM whose values are ids; `value` yields bigint.
    `is_whole`: a NUMBER of which `value` yields bigint or integer, so that an index on it serves.
    `history`: a query with one column `value` of the same type (text for ENUM), the values it had before.
    `rows`: set where the value stands in a side table, one row a value: SQL around a test on `value`, such as
    ("t.id IN (SELECT v.record_id FROM v WHERE v.property = %s AND ", ")"). A MULTI's or REFS's `value` is then one text or bigint.
    `within`: set for a DURATION that no index has, but what it is made of: SQL that tells whether it is one of the whole
    numbers from the first to the second, both included; None is no end.
    """

    kind: Kind
    value: Sql
    is_folded: bool = False
    is_id: bool = False
    is_whole: bool = False
    history: Sql | None = None
    rows: tuple[Sql, Sql] | None = None
    coarse: Coarse | None = None
    within: Callable[[int | None, int | None], Sql] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Associated records: SQL around a test on `source`, such as ("EXISTS (SELECT 1 FROM … WHERE … AND ", ")"); never NULL."""

    source: Source
    before: Sql
    after: Sql = field(default_factory=lambda: Sql(")"))


class Source(Protocol):
    """One kind of record under one alias, with what may be asked of it. None means: there is no such thing."""

    def column(self, property: str, now: datetime) -> Column | None: ...

    def link(self, to: str, type_id: int | None) -> Link | None: ...

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        """SQL that tells whether the row is a member of any of `ids`."""


def to_sql(condition: Condition, source: Source, *, now: datetime, zone: ZoneInfo) -> Sql:
    """SQL for a WHERE (it may be NULL where the answer is no). Days and windows are those of `zone`.

    Raises Invalid if `source` lacks something the condition names, or has it as another kind.
    """
    match condition:
        case AllOf(parts):
            return _joined(" AND ", [to_sql(part, source, now=now, zone=zone) for part in parts], "TRUE")
        case AnyOf(parts):
            return _joined(" OR ", [to_sql(part, source, now=now, zone=zone) for part in parts], "FALSE")
        case Associated(to, where, type_id, has):
            link = source.link(to, type_id)
            if link is None:
                raise Invalid(
                    _("There are no associated records of type %(to)r here.") % {"to": to},
                    field="associated",
                    value=to,
                )
            test = _cat(link.before, to_sql(where, link.source, now=now, zone=zone), link.after)
            return test if has else _cat(Sql("NOT "), test)
        case MemberOf(of, ids, is_member):
            members = source.members(of, ids)
            if members is None:
                raise Invalid(
                    _("There is no membership of %(of)r here.") % {"of": of}, field="member_of", value=of
                )
            return _wrapped(members) if is_member else _not(members)
        case Filter():
            return _wrapped(_filter(condition, source, now, zone))


def to_where(condition: Condition, source: Source, *, now: datetime, zone: ZoneInfo) -> RawSQL:
    """The same for `queryset.filter(...)`; `source` uses the queryset's own table name as alias."""
    sql = to_sql(condition, source, now=now, zone=zone)
    return RawSQL(sql.text, sql.params, output_field=BooleanField())


def _filter(leaf: Filter, source: Source, now: datetime, zone: ZoneInfo) -> Sql:
    column = source.column(leaf.property, now)
    if column is None:
        raise Invalid(
            _("There is no property %(property)r here.") % {"property": leaf.property},
            field="property",
            value=leaf.property,
        )
    if column.kind is not leaf.kind:
        raise Invalid(
            _("%(property)s is a %(kind)s, not a %(wanted)s.")
            % {"property": leaf.property, "kind": column.kind.value, "wanted": leaf.kind.value},
            field="kind",
            value=leaf.kind.value,
        )
    match leaf.operator:
        case Operator.UNKNOWN:
            return _not(_in_rows(column, _is_known(column)))
        case Operator.KNOWN:
            return _in_rows(column, _is_known(column))
        case Operator.NONE_OF:
            return _not(_in_rows(column, _any_of(leaf, column)))
        case Operator.NOT_CONTAINS | Operator.HAS_NO_WORD:
            return _not(_in_rows(column, _text(leaf, column)))
        case Operator.EVER:
            return _ever(leaf, column)
        case Operator.NEVER:
            return _not(_ever(leaf, column))
        case Operator.ALL_OF:
            return _all_of(leaf, column)
    return _in_rows(column, _positive(leaf, column, now, zone))


def _positive(leaf: Filter, column: Column, now: datetime, zone: ZoneInfo) -> Sql:
    match leaf.operator:
        case Operator.ANY_OF:
            return _any_of(leaf, column)
        case Operator.CONTAINS | Operator.STARTS_WITH | Operator.ENDS_WITH | Operator.HAS_WORD:
            return _text(leaf, column)
    return (
        _number(leaf, column) if leaf.kind in (Kind.NUMBER, Kind.DURATION) else _time(leaf, column, now, zone)
    )


def _is_known(column: Column) -> Sql:
    if column.kind in _SETS and column.rows is None:
        return _cat(Sql("cardinality("), column.value, Sql(") > 0"))
    if column.kind in (Kind.TEXT, Kind.ENUM) and not column.is_id:
        return _cat(column.value, Sql(" <> ''"))
    return _cat(column.value, Sql(" IS NOT NULL"))


_SETS = (Kind.MULTI, Kind.REFS)
_ARRAY_OF = {
    Kind.TEXT: "text[]",
    Kind.ENUM: "text[]",
    Kind.MULTI: "text[]",
    Kind.REFS: "bigint[]",
    Kind.NUMBER: "numeric[]",
    Kind.DURATION: "numeric[]",
    Kind.BOOL: "boolean[]",
    Kind.REF: "bigint[]",
}


def _any_of(leaf: Filter, column: Column) -> Sql:
    if column.is_id:
        return _cat(column.value, _one_of(_ids(leaf), "bigint[]"))
    if column.is_whole:
        return _cat(column.value, _one_of(_wholes(leaf), "bigint[]"))
    wanted: list[Any] = list(leaf.values)
    value = column.value
    if leaf.kind is Kind.TEXT:
        value, wanted = _folded(column), [fold(str(text)) for text in leaf.values]
    if column.coarse:
        return _cat(
            _any_of_coarse(column.coarse, leaf, wanted),
            value,
            Sql(f" = ANY(%s::{_ARRAY_OF[leaf.kind]})", (wanted,)),
        )
    if leaf.kind in _SETS and column.rows is None:
        return _cat(value, Sql(f" && %s::{_ARRAY_OF[leaf.kind]}", (wanted,)))
    return _cat(value, _one_of(wanted, _ARRAY_OF[leaf.kind]))


def _one_of(wanted: list[Any], array: str) -> Sql:
    """The rows of a single value are found in the order of an index that begins with it, those of several aren't."""
    if len(wanted) == 1:
        return Sql(f" = %s::{array.removesuffix('[]')}", (wanted[0],))
    return Sql(f" = ANY(%s::{array})", (wanted,))


def _any_of_coarse(coarse: Coarse, leaf: Filter, wanted: list[Any]) -> Sql:
    if coarse.letters:
        return _cat(
            coarse.value, Sql(" = ANY(%s::text[]) AND ", ([text[: coarse.letters] for text in wanted],))
        )
    return _cat(coarse.value, Sql(f" = ANY(%s::{_ARRAY_OF[leaf.kind]}::float8[]) AND ", (wanted,)))


def _ids(leaf: Filter) -> list[int]:
    """The values that are ids as they are written; others can't be met."""
    numbers = map(whole, map(str, leaf.values))
    return [number for number in numbers if number is not None and str(number) in leaf.values]


def _wholes(leaf: Filter) -> list[int]:
    """The values that a whole number can be."""
    numbers = map(Decimal, map(str, leaf.values))
    return [int(number) for number in numbers if abs(number) <= BIGGEST and number == int(number)]


def _all_of(leaf: Filter, column: Column) -> Sql:
    if column.rows is None:
        return _cat(column.value, Sql(f" @> %s::{_ARRAY_OF[leaf.kind]}", (list(leaf.values),)))
    each = [
        _in_rows(column, _any_of(replace(leaf, operator=Operator.ANY_OF, values=(value,)), column))
        for value in leaf.values
    ]
    return _joined(" AND ", each, "TRUE")


def _ever(leaf: Filter, column: Column) -> Sql:
    if column.history is None:
        raise Invalid(
            _("No history is kept of %(property)s.") % {"property": leaf.property},
            field="property",
            value=leaf.property,
        )
    past = Column(leaf.kind, Sql("past.value"))
    before = _cat(Sql("EXISTS (SELECT 1 FROM ("), column.history, Sql(") AS past(value) WHERE "))
    return _joined(
        " OR ",
        [_in_rows(column, _any_of(leaf, column)), _cat(before, _any_of(leaf, past), Sql(")"))],
        "FALSE",
    )


def _text(leaf: Filter, column: Column) -> Sql:
    value, parts = _folded(column), [fold(str(text)) for text in leaf.values]
    match leaf.operator:
        case Operator.STARTS_WITH:
            tests = [_cat(Sql("starts_with("), value, Sql(", %s)", (part,))) for part in parts]
        case Operator.ENDS_WITH:
            tests = [_cat(Sql("right("), value, Sql(", %s) = %s", (len(part), part))) for part in parts]
        case Operator.HAS_WORD | Operator.HAS_NO_WORD:
            tests = [_cat(value, Sql(" ~ %s", (word_pattern(str(text)),))) for text in leaf.values]
        case _:  # CONTAINS, NOT_CONTAINS
            tests = [_cat(Sql("strpos("), value, Sql(", %s) > 0", (part,))) for part in parts]
    return _joined(" OR ", tests, "FALSE")


def _folded(column: Column) -> Sql:
    """The text with small letters: PostgreSQL's own quick way for ASCII, our table for the rest."""
    if column.is_folded:
        return column.value
    value = column.value
    ascii_only = _cat(Sql("CASE WHEN octet_length("), value, Sql(") = char_length("), value, Sql(") THEN "))
    lower = _cat(Sql("lower("), value, Sql(' COLLATE "C")'))
    rest = _cat(Sql(" ELSE translate("), lower, Sql(", %s, %s) END", (LARGE, SMALL)))
    return _cat(ascii_only, lower, rest)


_SIGNS = {Operator.GREATER: ">", Operator.AT_LEAST: ">=", Operator.LESS: "<", Operator.AT_MOST: "<="}


def _number(leaf: Filter, column: Column) -> Sql:
    if column.within is not None:
        return column.within(*_ends(leaf))
    if column.is_whole:
        low, high = ((None if end is None else max(-BIGGEST, min(end, BIGGEST))) for end in _ends(leaf))
        return _between(column, low, high, "bigint", "<=")
    if leaf.operator is Operator.BETWEEN:
        exact = _cat(column.value, Sql(" BETWEEN %s::numeric AND %s::numeric", leaf.values))
        near = " BETWEEN %s::numeric::float8 AND %s::numeric::float8 AND "
    else:
        sign = _SIGNS[leaf.operator]
        exact = _cat(column.value, Sql(f" {sign} %s::numeric", leaf.values))
        near = f" {sign[0]}= %s::numeric::float8 AND "
    return _cat(column.coarse.value, Sql(near, leaf.values), exact) if column.coarse else exact


def _ends(leaf: Filter) -> tuple[int | None, int | None]:
    """The first and the last whole number that it takes."""
    low, high = (Decimal(str(value)) for value in (leaf.values[0], leaf.values[-1]))
    match leaf.operator:
        case Operator.GREATER:
            return floor(low) + 1, None
        case Operator.AT_LEAST:
            return ceil(low), None
        case Operator.LESS:
            return None, ceil(high) - 1
        case Operator.AT_MOST:
            return None, floor(high)
    return ceil(low), floor(high)


def _time(leaf: Filter, column: Column, now: datetime, zone: ZoneInfo) -> Sql:
    wanted = range_of(leaf, now, zone)
    kind = "date" if leaf.kind is Kind.DATE else "timestamptz"
    return _between(column, wanted.start, wanted.end, kind, "<")


def _between(column: Column, start: Any, end: Any, kind: str, last: str) -> Sql:
    tests = [(">=", start), (last, end)]
    return _joined(
        " AND ",
        [_cat(column.value, Sql(f" {sign} %s::{kind}", (edge,))) for sign, edge in tests if edge is not None],
        "TRUE",
    )


def _in_rows(column: Column, test: Sql) -> Sql:
    return test if column.rows is None else _cat(column.rows[0], _wrapped(test), column.rows[1])


def _not(test: Sql) -> Sql:
    return _cat(Sql("("), test, Sql(") IS NOT TRUE"))


def _wrapped(test: Sql) -> Sql:
    return _cat(Sql("("), test, Sql(")"))


def _joined(word: str, tests: list[Sql], without: str) -> Sql:
    if not tests:
        return Sql(without)
    text = word.join(test.text for test in tests)
    return Sql(f"({text})", tuple(param for test in tests for param in test.params))


def _cat(*parts: Sql) -> Sql:
    return Sql("".join(part.text for part in parts), tuple(param for part in parts for param in part.params))

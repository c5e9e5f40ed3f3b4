"""Filters in PostgreSQL: they answer as Python does, row by row, and nothing a person writes becomes SQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.crm.filters.evaluate import RecordFacts, holds, weigh
from deskhand.crm.filters.folding import LARGE
from deskhand.crm.filters.sql import Column, Link, Sql, to_sql, to_where
from deskhand.crm.filters.types import (
    OPERATORS,
    AllOf,
    AnyOf,
    Associated,
    Filter,
    MemberOf,
    Operator,
    Span,
    Takes,
    Unit,
    Window,
    leaves,
)
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

ZONE = ZoneInfo("Africa/Cairo")
NOW = datetime(2026, 4, 23, 22, 30, tzinfo=UTC)  # the midnight after it is skipped in Cairo

TABLES = """
create temp table filter_row (
    id bigint primary key, label text, amount numeric, took_ms bigint, whole bigint, day date, moment timestamptz, flag boolean,
    choice text, many text[], owner_id bigint, team_ids bigint[], properties jsonb not null
) on commit drop;
create temp table filter_value (row_id bigint, property text, word text, amount numeric, number bigint) on commit drop;
create temp table filter_change (row_id bigint, property text, new jsonb) on commit drop;
create temp table filter_link (row_id bigint, other_id bigint, type_id int) on commit drop;
create temp table filter_member (row_id bigint, segment_id bigint) on commit drop;
"""


def in_history(name: str, alias: str, shown: str) -> Sql:
    return Sql(
        f"SELECT {shown} FROM filter_change h WHERE h.row_id = {alias}.id AND h.property = %s", (name,)
    )


class Rows:
    """The columns, JSON properties and side table of the rows above, under an alias."""

    def __init__(self, alias: str = "t") -> None:
        a = self.alias = alias
        text, number = "h.new #>> '{}'", "(h.new #>> '{}')::numeric"
        self.columns = {
            "label": Column(Kind.TEXT, Sql(f"{a}.label"), history=in_history("label", a, text)),
            "amount": Column(Kind.NUMBER, Sql(f"{a}.amount"), history=in_history("amount", a, number)),
            "took_ms": Column(Kind.DURATION, Sql(f"{a}.took_ms")),
            "whole": Column(Kind.NUMBER, Sql(f"{a}.whole"), is_whole=True),
            "day": Column(Kind.DATE, Sql(f"{a}.day")),
            "moment": Column(Kind.DATETIME, Sql(f"{a}.moment")),
            "flag": Column(
                Kind.BOOL, Sql(f"{a}.flag"), history=in_history("flag", a, "(h.new #>> '{}')::boolean")
            ),
            "choice": Column(Kind.ENUM, Sql(f"{a}.choice"), history=in_history("choice", a, text)),
            "many": Column(Kind.MULTI, Sql(f"{a}.many")),
            "owner": Column(
                Kind.REF, Sql(f"{a}.owner_id"), history=in_history("owner", a, f"{number}::bigint")
            ),
            "teams": Column(Kind.REFS, Sql(f"{a}.team_ids")),
            "json_label": Column(Kind.TEXT, Sql(f"({a}.properties ->> %s)", ("json_label",))),
            "json_amount": Column(Kind.NUMBER, Sql(f"({a}.properties ->> %s)::numeric", ("json_amount",))),
            "json_day": Column(Kind.DATE, Sql(f"({a}.properties ->> %s)::date", ("json_day",))),
            "side_label": Column(Kind.TEXT, Sql("v.word"), rows=self.side("side_label")),
            "side_amount": Column(Kind.NUMBER, Sql("v.amount"), rows=self.side("side_amount")),
            "side_many": Column(Kind.MULTI, Sql("v.word"), rows=self.side("side_many")),
            "side_teams": Column(Kind.REFS, Sql("v.number"), rows=self.side("side_teams")),
        }

    def side(self, name: str) -> tuple[Sql, Sql]:
        found = f"{self.alias}.id IN (SELECT v.row_id FROM filter_value v WHERE v.property = %s AND "
        return Sql(found, (name,)), Sql(")")

    def column(self, property: str, now: datetime) -> Column | None:
        return self.columns.get(property)

    def link(self, to: str, type_id: int | None) -> Link | None:
        if to != "row":
            return None
        other = Rows(f"{self.alias}x")
        before = Sql(
            f"EXISTS (SELECT 1 FROM filter_link k JOIN filter_row {other.alias} ON {other.alias}.id = k.other_id"
            f" WHERE k.row_id = {self.alias}.id AND (%s::int IS NULL OR k.type_id = %s) AND ",
            (type_id, type_id),
        )
        return Link(other, before)

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        if of != "segment":
            return None
        listed = f"SELECT m.row_id FROM filter_member m WHERE m.segment_id = ANY(%s::bigint[]) AND m.row_id = {self.alias}.id"
        return Sql(f"{self.alias}.id IN ({listed})", (list(ids),))


KINDS = {name: column.kind for name, column in Rows().columns.items()}
HISTORIC = [name for name, column in Rows().columns.items() if column.history]


@dataclass
class Row:
    values: dict[str, Any]
    past: dict[str, list[Any]] = field(default_factory=dict)
    links: list[tuple[int, int]] = field(default_factory=list)  # type, place of the other row
    segments: set[int] = field(default_factory=set)


# Few values that meet often: letters of one and two cases, wildcards, quotes, and what folding leaves alone.
LETTERS = "aAbBæÆßΣσςЖжİı%_'\\\"{},; é"
WORDS = ["", *LETTERS, "ab", "AB", "Ab%", "_bæ", "a'b", "ΣΑς", "жЖ", "İi", LARGE, LARGE.lower(), "ABCXYZ@[`{"]
WORDS += [
    "*",
    "a*",
    "*b",
    "A*Æ",
    "**",
    "ab æ",
    "æ ab",
    "ab\næ-b",
    "ab.",
    "[a]",
    "a^b",
    "a\\",
    "aßßb",
    "*a*b*",
    "a b",
]
NUMBERS = [Decimal(n) for n in ("0", "-1", "1", "1.5", "0.1", "1000000", "12345678901234567890.5")]
WHOLES = [0, 1, 2, 3]
DAYS = [date(2026, 4, 20) + timedelta(days=shift) for shift in range(8)]
MOMENTS = [
    NOW + timedelta(hours=hours, microseconds=tick)
    for hours in (-72, -48, -25, -24, -3, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 23, 24, 48)
    for tick in (-1, 0, 1)
]

POOLS: dict[Kind, list[Any]] = {
    Kind.TEXT: WORDS,
    Kind.NUMBER: NUMBERS,
    Kind.DURATION: WHOLES,
    Kind.DATE: DAYS,
    Kind.DATETIME: MOMENTS,
    Kind.BOOL: [True, False],
    Kind.ENUM: WORDS,
    Kind.MULTI: [frozenset(pair) for pair in ("", "a", "b", "ab", "bÆ", "%,", "{}")],
    Kind.REF: WHOLES,
    Kind.REFS: [frozenset(pair) for pair in ((), (0,), (1,), (0, 1), (2, 3))],
}
DAY_VALUES, MOMENT_VALUES = st.sampled_from(DAYS), st.sampled_from(MOMENTS)
WANTED: dict[Kind, st.SearchStrategy[Any]] = {
    **{kind: st.sampled_from([value for value in pool if value != ""]) for kind, pool in POOLS.items()},
    Kind.DURATION: st.sampled_from(WHOLES).map(Decimal),
    Kind.DATE: st.one_of(DAY_VALUES, MOMENT_VALUES),
    Kind.DATETIME: st.one_of(DAY_VALUES, MOMENT_VALUES),
    Kind.MULTI: st.sampled_from([*"abÆ%,{}"]),
    Kind.REFS: st.sampled_from(WHOLES),
}


def made_rows(count: int) -> list[Row]:
    """The same rows on every run, dense enough that every edge is met by some."""
    chance = Random(7)

    def some(kind: Kind, name: str = "") -> Any:
        return chance.choice(WHOLES if name == "whole" else POOLS[kind]) if chance.random() < 0.8 else None

    return [
        Row(
            {name: some(kind, name) for name, kind in KINDS.items()},
            {name: [some(KINDS[name]) for _ in range(chance.randrange(3))] for name in HISTORIC},
            [(chance.randint(1, 2), chance.randrange(count)) for _ in range(chance.randrange(3))],
            set(chance.sample(WHOLES, chance.randrange(3))),
        )
        for _ in range(count)
    ]


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    usable = [o for o in OPERATORS[kind] if o not in (Operator.EVER, Operator.NEVER) or name in HISTORIC]
    operator = draw(st.sampled_from(usable))
    return Filter(name, kind, operator, tuple(draw(values_for(kind, OPERATORS[kind][operator]))))


def values_for(kind: Kind, takes: Takes) -> st.SearchStrategy[list[Any]]:
    units = [Unit.DAY, Unit.WEEK] if kind is Kind.DATE else list(Unit)
    match takes:
        case Takes.NOTHING:
            return st.just([])
        case Takes.ONE:
            return st.lists(WANTED[kind], min_size=1, max_size=1)
        case Takes.SOME:
            return st.lists(WANTED[kind], min_size=1, max_size=3)
        case Takes.TWO:
            alike = DAY_VALUES | MOMENT_VALUES if kind in (Kind.DATE, Kind.DATETIME) else WANTED[kind]
            pairs = st.tuples(alike, alike).filter(lambda pair: type(pair[0]) is type(pair[1]))
            return pairs.map(sorted)
        case Takes.DAY:
            return DAY_VALUES.map(lambda day: [day])
        case Takes.SPAN:
            return st.builds(lambda n, unit: [Span(n, unit)], st.integers(1, 3), st.sampled_from(units))
        case Takes.WINDOW:
            return st.sampled_from(Window).map(lambda window: [window])


conditions = st.recursive(
    st.one_of(
        filters(),
        st.builds(
            MemberOf,
            st.just("segment"),
            st.lists(st.sampled_from(WHOLES), min_size=1, max_size=2).map(tuple),
            st.booleans(),
        ),
    ),
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Associated, st.just("row"), inner, st.sampled_from([None, 1, 2])),
    ),
    max_leaves=4,
)


def store(all_rows: list[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("truncate filter_row, filter_value, filter_change, filter_link, filter_member")
        for id, row in enumerate(all_rows):
            cursor.execute(
                "insert into filter_row values (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s::jsonb)",
                columns(id, row),
            )
            cursor.executemany("insert into filter_value values (%s,%s,%s,%s,%s)", side_values(id, row))
            changes = [(id, name, as_json(value)) for name, past in row.past.items() for value in past]
            cursor.executemany("insert into filter_change values (%s,%s,%s::jsonb)", changes)
            links = [(id, other, kind) for kind, other in row.links]
            cursor.executemany("insert into filter_link values (%s,%s,%s)", links)
            cursor.executemany(
                "insert into filter_member values (%s,%s)", [(id, segment) for segment in row.segments]
            )


def columns(id: int, row: Row) -> list[Any]:
    get = row.values.get
    properties = {
        name: get(name) for name in ("json_label", "json_amount", "json_day") if get(name) is not None
    }
    names = (
        "label",
        "amount",
        "took_ms",
        "whole",
        "day",
        "moment",
        "flag",
        "choice",
        "many",
        "owner",
        "teams",
    )
    values = [
        list(value) if isinstance(value, frozenset) else value for value in (get(name) for name in names)
    ]
    return [
        id,
        *values,
        "{" + ",".join(f'"{name}": {as_json(value)}' for name, value in properties.items()) + "}",
    ]


def side_values(id: int, row: Row) -> list[list[Any]]:
    get = row.values.get
    found = [[id, "side_many", word, None, None] for word in get("side_many") or ()]
    found += [[id, "side_teams", None, None, number] for number in get("side_teams") or ()]
    if get("side_label") is not None:
        found.append([id, "side_label", get("side_label"), None, None])
    if get("side_amount") is not None:
        found.append([id, "side_amount", None, get("side_amount"), None])
    return found


def as_json(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value.isoformat() if isinstance(value, date) else value)


def facts_of(all_rows: list[Row]) -> list[RecordFacts]:
    """The rows as Python sees them; neighbours may be each other's."""
    facts = [RecordFacts(row.values, row.past, {}, {"segment": row.segments}) for row in all_rows]
    for row, fact in zip(all_rows, facts, strict=True):
        for kind, other in row.links:
            fact.links.setdefault(("row", kind), []).append(facts[other])
    return facts


def found_by_sql(condition: Any) -> set[int]:
    where = to_sql(condition, Rows(), now=NOW, zone=ZONE)
    with connection.cursor() as cursor:
        cursor.execute(f"select t.id from filter_row t where {where.text}", where.params)
        return {id for (id,) in cursor.fetchall()}


@pytest.fixture
def _tables(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


@pytest.mark.usefixtures("_tables")
def test_python_and_postgresql_agree():
    """Architecture: one data structure, two evaluators, one answer. R-TRIG-2, 3, 5, 6"""
    rows = made_rows(80)
    store(rows)
    facts = facts_of(rows)

    @settings(max_examples=500)
    @given(conditions)
    def agree(condition: Any) -> None:
        in_python = {id for id, fact in enumerate(facts) if holds(condition, fact, now=NOW, zone=ZONE)}
        assert found_by_sql(condition) == in_python
        weighed = [weigh(condition, fact, now=NOW, zone=ZONE) for fact in facts]
        assert {id for id, (is_met, _seen) in enumerate(weighed) if is_met} == in_python
        asked = set(leaves(condition))
        assert all(one.leaf in asked for _is_met, seen in weighed for one in seen)

    agree()


ATTACKS = ["'; drop table filter_row; --", "%s", "%(x)s", "\\'", "$$", "{}", "' or '1'='1", "%%", "?"]


@pytest.mark.usefixtures("_tables")
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "operator", [Operator.ANY_OF, Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.EVER]
)
def test_what_people_write_is_never_sql(attack, operator):
    """S16"""
    store([Row({"label": attack}), Row({"label": "harmless"})])

    assert found_by_sql(Filter("label", Kind.TEXT, operator, (attack,))) == {0}


@pytest.mark.parametrize("name", [*ATTACKS, "id", "t.id", "label; select 1", "__class__", "columns"])
def test_a_property_that_is_not_offered_is_refused(name):
    """S16"""
    with pytest.raises(Invalid, match="no property"):
        to_sql(Filter(name, Kind.TEXT, Operator.KNOWN), Rows(), now=NOW, zone=ZONE)


def test_a_property_of_another_kind_is_refused():
    with pytest.raises(Invalid, match="label is a string, not a number"):
        to_sql(Filter("label", Kind.NUMBER, Operator.KNOWN), Rows(), now=NOW, zone=ZONE)


def test_unknown_associations_memberships_and_histories_are_refused():
    known = Filter("label", Kind.TEXT, Operator.KNOWN)

    with pytest.raises(Invalid, match="no associated records"):
        to_sql(Associated("deal", known), Rows(), now=NOW, zone=ZONE)
    with pytest.raises(Invalid, match="no membership"):
        to_sql(MemberOf("club", (1,)), Rows(), now=NOW, zone=ZONE)
    with pytest.raises(Invalid, match="No history"):
        to_sql(Filter("json_label", Kind.TEXT, Operator.EVER, ("a",)), Rows(), now=NOW, zone=ZONE)


@pytest.mark.django_db
def test_a_condition_filters_a_queryset():
    from django.contrib.contenttypes.models import ContentType

    class Types:
        def column(self, property: str, now: datetime) -> Column | None:
            return Column(Kind.TEXT, Sql('"django_content_type"."model"')) if property == "model" else None

        def link(self, to: str, type_id: int | None) -> Link | None:
            return None

        def members(self, of: str, ids: Sequence[int]) -> Sql | None:
            return None

    where = to_where(
        Filter("model", Kind.TEXT, Operator.ANY_OF, ("CONTENTTYPE",)), Types(), now=NOW, zone=ZONE
    )

    assert [found.model for found in ContentType.objects.filter(where)] == ["contenttype"]

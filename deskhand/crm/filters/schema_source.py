"""Filters over the tables of records: every property of the schema under its API name, with history and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from deskhand.crm.filters import memberships
from deskhand.crm.filters.sql import Coarse, Column, Link, Sql
from deskhand.crm.schema import activities, clock_names, formulas
from deskhand.crm.schema.activities import Activity
from deskhand.crm.schema.clock_names import Clock, Sort
from deskhand.crm.schema.defaults import PRIMARY_TYPES, Primary
from deskhand.crm.schema.types import Kind, Property

WORD = 200  # letters of a text that the side table's index holds

#: Columns whose text is kept in small letters.
_LOWERED = {"email", "domain"}
#: Columns of whole numbers.
_WHOLE = {"id", "number", "message_count"}
_HISTORIC = (Kind.TEXT, Kind.NUMBER, Kind.BOOL, Kind.ENUM, Kind.REF)
_WORDS = (Kind.TEXT, Kind.ENUM, Kind.MULTI)
_BESIDE = {
    **dict.fromkeys(_WORDS, "word"),
    Kind.NUMBER: "number",
    Kind.DURATION: "number",
    Kind.DATE: "day",
    Kind.DATETIME: "moment",
    Kind.BOOL: "flag",
    Kind.REF: "ref",
    Kind.REFS: "ref",
}
_CASTS = {
    Kind.NUMBER: "numeric",
    Kind.DURATION: "numeric",
    Kind.DATE: "date",
    Kind.DATETIME: "timestamptz",
    Kind.BOOL: "boolean",
    Kind.REF: "bigint",
}


_MILLISECONDS = "floor(extract(epoch FROM {}) * 1000)"
_SO_FAR = f"greatest(0, {_MILLISECONDS.format('%s::timestamptz - clock.entered_at')})"
#: What each sort of clock reads; while the record stands in the status, time goes on.
_CLOCKS = {
    Sort.ENTERED: "clock.entered_at",
    Sort.EXITED: "clock.exited_at",
    Sort.LATEST: f"CASE WHEN clock.exited_at IS NULL THEN {_SO_FAR} ELSE clock.latest_ms END",
    Sort.CUMULATIVE: f"(clock.cumulative_ms + CASE WHEN clock.exited_at IS NULL THEN {_SO_FAR} ELSE 0 END)",
}
#: In milliseconds, some 1,500 years: nothing stood anywhere longer.
_LONGEST = 50_000_000_000_000


@dataclass(frozen=True)
class Tables:
    """The tables of an account. `names` by object type; `properties` tells the schema of an object type."""

    account_id: int
    names: Mapping[str, str]
    properties: Callable[[str], Mapping[str, Property]]


@dataclass(frozen=True)
class SchemaSource:
    """Records of one type under `alias`, which for a queryset is the table's own name. The caller limits the account."""

    tables: Tables
    object_type: str
    alias: str

    def column(self, property: str, now: datetime) -> Column | None:
        prop = self.tables.properties(self.object_type).get(property)
        if prop is None:
            return None
        if prop.is_computed:
            return self._computed(prop, now)
        is_id = prop.kind is Kind.ENUM and prop.column.endswith("_id")
        is_whole = prop.kind is Kind.NUMBER and prop.column in _WHOLE
        history = self._history(prop) if prop.kind in _HISTORIC else None
        if prop.is_filled:
            return self._beside(prop, history)
        value = self.stored(prop)
        return Column(prop.kind, value, prop.column in _LOWERED, is_id, is_whole, history)

    def stored(self, prop: Property) -> Sql:
        """The value of what is not computed, in the record itself."""
        return Sql(f'"{self.alias}"."{prop.column}"') if prop.column else self._from_json(prop)

    def link(self, to: str, type_id: int | None) -> Link | None:
        activity = activities.find(to)
        if activity is not None:
            return self._activity(activity) if activity.is_of(self.object_type) and type_id is None else None
        table = self.tables.names.get(to)
        if table is None:
            return None
        other = SchemaSource(self.tables, to, f"{self.alias[:40]}_x")
        primary = PRIMARY_TYPES.get((self.object_type, to))
        if primary is not None and primary.type_id == type_id:
            return Link(other, self._primary(primary, table, other.alias))
        ours = (self.tables.account_id, self.object_type)
        typed = "" if type_id is None else "AND link.type_id = %s "
        before = Sql(
            f'EXISTS (SELECT 1 FROM crm_association link JOIN "{table}" "{other.alias}"'
            f' ON "{other.alias}".account_id = link.account_id AND "{other.alias}".id = link.to_id'
            f' WHERE link.account_id = %s AND link.from_type = %s AND link.from_id = "{self.alias}".id'
            f' AND link.to_type = %s {typed}AND "{other.alias}".archived_at IS NULL AND ',
            (*ours, to) if type_id is None else (*ours, to, type_id),
        )
        return Link(other, before)

    def _activity(self, activity: Activity) -> Link:
        alias = f"{self.alias[:40]}_a"
        rows = activity.rows_of(self.object_type, alias, f'"{self.alias}".id')
        before = Sql(f"EXISTS (SELECT 1 FROM {rows} AND ", (self.tables.account_id,))
        return Link(ActivitySource(activity, alias), before)

    def _primary(self, primary: Primary, table: str, other: str) -> Sql:
        ours, theirs = (primary.column, "id") if primary.is_ours else ("id", primary.column)
        return Sql(
            f'EXISTS (SELECT 1 FROM "{table}" "{other}" WHERE "{other}".account_id = %s AND "{other}".{theirs} = "{self.alias}".{ours}'
            f' AND "{other}".archived_at IS NULL AND ',
            (self.tables.account_id,),
        )

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        if of != "segment":
            ours = (self.tables.account_id, self.object_type, self.alias)
            return memberships.sql_of(of, *ours, ids)
        return Sql(
            f'"{self.alias}".id IN (SELECT member.record_id FROM crm_segmentmember member'
            " WHERE member.account_id = %s AND member.segment_id = ANY(%s::bigint[]) AND member.object_type = %s)",
            (self.tables.account_id, list(ids), self.object_type),
        )

    def _beside(self, prop: Property, history: Sql | None) -> Column:
        """In the side table; its alias is free, because tests on values hold no others."""
        before = Sql(
            f'"{self.alias}".id IN (SELECT side.record_id FROM crm_propertyvalue side'
            " WHERE side.account_id = %s AND side.property_id = %s AND ",
            (self.tables.account_id, prop.definition_id),
        )
        column = f"side.{_BESIDE[prop.kind]}"
        value, coarse = Sql(column), None
        if prop.kind in _WORDS:
            value, coarse = Sql("coalesce(side.rest, side.word)"), Coarse(Sql(column), letters=WORD)
        elif prop.kind in (Kind.NUMBER, Kind.DURATION):
            value, coarse = Sql(f"{column}::text::numeric"), Coarse(Sql(column))
        return Column(
            prop.kind, value, prop.kind is Kind.TEXT, history=history, rows=(before, Sql(")")), coarse=coarse
        )

    def _computed(self, prop: Property, now: datetime) -> Column | None:
        clock = clock_names.parse(prop.name)
        if clock is not None:
            return self._of_clock(prop, clock, now)
        if not prop.until:
            formula = formulas.sql_of(prop.name, self.object_type, self.alias)
            return Column(prop.kind, Sql(formula)) if formula else None
        return Column(
            prop.kind, Sql(_MILLISECONDS.format(f'"{self.alias}".{prop.until} - "{self.alias}".created_at'))
        )

    def _of_clock(self, prop: Property, clock: Clock, now: datetime) -> Column:
        """In the table of clocks, where a status that a record never was in has no row."""
        before = Sql(
            f'"{self.alias}".id IN (SELECT clock.record_id FROM crm_stagetime clock'
            " WHERE clock.account_id = %s AND clock.object_type = %s AND clock.stage_id = %s AND ",
            (self.tables.account_id, self.object_type, clock.stage_id),
        )
        if not clock.is_running:
            return Column(prop.kind, Sql(_CLOCKS[clock.sort]), rows=(before, Sql(")")))
        within = partial(_ran, clock.sort, now)
        return Column(prop.kind, Sql(_CLOCKS[clock.sort], (now,)), rows=(before, Sql(")")), within=within)

    def _from_json(self, prop: Property) -> Sql:
        at, name = f'"{self.alias}"."properties"', prop.name
        if prop.kind in (Kind.MULTI, Kind.REFS):
            item = "text" if prop.kind is Kind.MULTI else "bigint"
            items = f"ARRAY(SELECT item::{item} FROM jsonb_array_elements_text({at} -> %s) item)"
            return Sql(f"CASE WHEN jsonb_typeof({at} -> %s) = 'array' THEN {items} END", (name, name))
        cast = _CASTS.get(prop.kind)
        return Sql(f"({at} ->> %s)::{cast}" if cast else f"({at} ->> %s)", (name,))

    def _history(self, prop: Property) -> Sql:
        cast = _CASTS.get(prop.kind, "text")
        return Sql(
            f"SELECT (past_json #>> '{{}}')::{cast} FROM crm_propertychange change,"
            " LATERAL (VALUES (change.old), (change.new)) AS both_sides(past_json)"
            f' WHERE change.account_id = %s AND change.object_type = %s AND change.record_id = "{self.alias}".id'
            " AND change.property = %s AND past_json <> 'null' AND past_json <> '\"\"'",
            (self.tables.account_id, self.object_type, prop.name),
        )


def _ran(sort: Sort, now: datetime, low: int | None, high: int | None) -> Sql:
    """Whether a clock ran so many milliseconds. Those that run are found by their beginning, those that rest by their total,
    which is never less than the latest time: the table's two partial indexes."""
    if high is not None and high < 0:
        return Sql("FALSE")
    low, high = min(low or 0, _LONGEST), None if high is None else min(high, _LONGEST)
    running, resting = [Sql("clock.exited_at IS NULL")], [Sql("clock.exited_at IS NOT NULL")]
    total, latest = (
        sort is Sort.CUMULATIVE,
        "clock.cumulative_ms" if sort is Sort.CUMULATIVE else "clock.latest_ms",
    )
    if low > 0:
        begun = Sql("clock.entered_at <= %s::timestamptz", (now - timedelta(milliseconds=low),))
        so_far = Sql(f"clock.cumulative_ms + {_SO_FAR} >= %s::bigint", (now, low))
        running.append(so_far if total else begun)
        resting.append(Sql("clock.cumulative_ms >= %s::bigint", (low,)))
        if not total:
            resting.append(Sql("clock.latest_ms >= %s::bigint", (low,)))
    if high is not None:
        running.append(Sql("clock.entered_at > %s::timestamptz", (now - timedelta(milliseconds=high + 1),)))
        if total:
            running.append(Sql(f"clock.cumulative_ms + {_SO_FAR} <= %s::bigint", (now, high)))
        resting.append(Sql(f"{latest} <= %s::bigint", (high,)))
    text = " OR ".join(" AND ".join(test.text for test in tests) for tests in (running, resting))
    return Sql(text, tuple(param for test in (*running, *resting) for param in test.params))


@dataclass(frozen=True)
class ActivitySource:
    """Activities of one sort under `alias`."""

    activity: Activity
    alias: str

    def column(self, property: str, now: datetime) -> Column | None:
        prop = self.activity.by_name.get(property)
        return Column(prop.kind, Sql(self.activity.value_of(property, self.alias))) if prop else None

    def link(self, to: str, type_id: int | None) -> Link | None:
        return None

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        return None

"""Values made from others whenever they are read, so that they are never late (R-PROP-5). Durations are milliseconds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from deskhand.crm.records.models import Record
from deskhand.crm.records.tables import table_of
from deskhand.crm.schema import clock_names, formulas
from deskhand.crm.schema.clock_names import Clock, Sort
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

MILLISECOND = timedelta(milliseconds=1)


class Times(NamedTuple):
    """The clock of one record in one status."""

    entered_at: datetime
    exited_at: datetime | None
    latest_ms: int | None
    cumulative_ms: int

    def read(self, sort: Sort, now: datetime) -> datetime | int | None:
        """What it shows; while the record stands in the status, time goes on (R-PROP-3)."""
        match sort:
            case Sort.ENTERED:
                return self.entered_at
            case Sort.EXITED:
                return self.exited_at
        so_far = max(0, (now - self.entered_at) // MILLISECOND) if self.exited_at is None else None
        if sort is Sort.CUMULATIVE:
            return self.cumulative_ms + (so_far or 0)
        return self.latest_ms if so_far is None else so_far


#: {record: {status: its clock}}
Clocks = Mapping[int, Mapping[int, Times]]


def clocks_of(object_type: str, record_ids: Collection[int]) -> Clocks:
    """The clocks of all statuses in which these records ever were. One query."""
    found: dict[int, dict[int, Times]] = {}
    for record_id, stage_id, *times in sql.rows(
        _CLOCKS, [current_account_id(), object_type, list(record_ids)]
    ):
        found.setdefault(record_id, {})[stage_id] = Times(*times)
    return found


_CLOCKS = """
select record_id, stage_id, entered_at, exited_at, latest_ms, cumulative_ms from crm_stagetime
where account_id = %s and object_type = %s and record_id = any(%s)
"""


def span(prop: Property, columns: Mapping[str, Any]) -> int | None:
    """A span that began with the record, of one with these columns; None while it lasts (R-PROP-1)."""
    until = columns[prop.until]
    return None if until is None else (until - columns["created_at"]) // MILLISECOND


def of_clock(clock: Clock, record_id: int, clocks: Clocks, now: datetime) -> datetime | int | None:
    """What a clock tells of a record; None for a status in which it never was."""
    times = clocks.get(record_id, {}).get(clock.stage_id)
    return times.read(clock.sort, now) if times else None


def worked_out(
    object_type: str, record_ids: Collection[int], properties: Iterable[Property]
) -> dict[int, dict[str, Any]]:
    """{record: {property: what its formula comes to}}, of those that have a formula. One query, none without any."""
    given = {prop.name: formulas.sql_of(prop.name, object_type, "t") for prop in properties}
    wanted = {name: formula for name, formula in given.items() if formula}
    if not wanted:
        return {}
    rows = sql.rows(
        f"select t.id, {', '.join(wanted.values())} from {table_of(object_type)} t where t.account_id = %s and t.id = any(%s)",
        [current_account_id(), list(record_ids)],
    )
    return {record_id: dict(zip(wanted, values, strict=True)) for record_id, *values in rows}


def attach(object_type: str, records: Iterable[Record], names: Iterable[str]) -> None:
    """Work out those of the named properties that are computed, for `value_of`. Two queries at most, none without any."""
    known = properties_of(object_type)
    wanted = [prop for name in names if (prop := known.get(name)) is not None and prop.is_computed]
    if not wanted:
        return
    now, found = clock.now(), list(records)
    ids = [record.pk for record in found]
    named = {prop.name: one for prop in wanted if (one := clock_names.parse(prop.name)) is not None}
    clocks = clocks_of(object_type, ids) if named else {}
    spans = [prop for prop in wanted if prop.until]
    made = worked_out(
        object_type, ids, (prop for prop in wanted if not prop.until and prop.name not in named)
    )
    for record in found:
        record.computed = {
            **{name: of_clock(one, record.pk, clocks, now) for name, one in named.items()},
            **{prop.name: span(prop, vars(record)) for prop in spans},
            **made.get(record.pk, {}),
        }


def value_of(record: Record, prop: Property) -> Any:
    """A property of a record as it is stored, or as `attach` worked it out."""
    if prop.is_computed:
        return record.computed.get(prop.name)
    return getattr(record, prop.column) if prop.column else record.properties.get(prop.name)

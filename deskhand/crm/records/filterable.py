"""The side table of filterable properties, written with the record itself, and filled by a slow job when one becomes it.

Who calls `follow` holds the records' locks, or has just made them; so a record's rows always say what the record says.

Why the job misses nothing: a writer reads the definitions in its own transaction, which keeps a lock on their table to
its end. The job begins when all who may have read them before the change have ended; who reads them later writes rows
of its own, and the job locks each record that it copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from time import monotonic, sleep
from typing import Any

from deskhand.crm.filters.folding import fold
from deskhand.crm.filters.schema_source import WORD
from deskhand.crm.records.models import PropertyValue
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.jobs import Job, Later

Values = Mapping[int, Mapping[str, Any]]  # by record, by property; None clears


def follow(object_type: str, values: Values, *, are_new: bool = False) -> None:
    """Bring the side table up to what these records have now; properties that are not named stay.

    Two statements for a set, one for new records, none where no filterable property is named.
    """
    if not any(values.values()):
        return
    known = properties_of(object_type)
    named = [
        (record_id, prop, value)
        for record_id, given in values.items()
        for name, value in given.items()
        if (prop := known.get(name)) is not None and prop.is_filterable
    ]
    if named:
        _write(named, are_new)


def _write(named: list[tuple[int, Property, Any]], are_new: bool) -> None:
    account_id = current_account_id()
    if not are_new:
        sql.execute(
            _DELETE,
            [account_id, [prop.definition_id for _, prop, _ in named], [record for record, _, _ in named]],
        )
    bulk.insert(
        PropertyValue,
        [
            {
                **_EMPTY,
                "account_id": account_id,
                "property_id": prop.definition_id,
                "record_id": record_id,
                **row,
            }
            for record_id, prop, value in named
            for row in rows_of(prop.kind, value)
        ],
    )


_DELETE = """
delete from crm_propertyvalue where account_id = %s
and (property_id, record_id) in (select * from unnest(%s::bigint[], %s::bigint[]))
"""
_EMPTY = dict.fromkeys(("word", "rest", "number", "day", "moment", "ref", "flag"))


def rows_of(kind: Kind, value: Any) -> list[dict[str, Any]]:
    """The rows of one value, by column. A value that isn't of its kind has none: filters take it as unknown."""
    if value is None or value == "":
        return []
    try:
        return list(_READERS[kind](value))
    except (TypeError, ValueError, OverflowError):
        return []


def _word(text: str) -> dict[str, Any]:
    return {"word": text[:WORD], "rest": text if len(text) > WORD else None}


def _number(value: Any) -> Iterable[dict[str, Any]]:
    return [{"number": number}] if isfinite(number := float(value)) else []


def _moment(value: Any) -> Iterable[dict[str, Any]]:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return [{"moment": moment if moment.tzinfo else moment.replace(tzinfo=UTC)}]


def _flag(value: Any) -> Iterable[dict[str, Any]]:
    return [{"flag": value}] if isinstance(value, bool) else []


_READERS: dict[Kind, Callable[[Any], Iterable[dict[str, Any]]]] = {
    Kind.TEXT: lambda value: [_word(fold(str(value)))],
    Kind.ENUM: lambda value: [_word(str(value))],
    Kind.MULTI: lambda value: [_word(str(item)) for item in value],
    Kind.NUMBER: _number,
    Kind.DURATION: _number,
    Kind.DATE: lambda value: [{"day": date.fromisoformat(value)}],
    Kind.DATETIME: _moment,
    Kind.BOOL: _flag,
    Kind.REF: lambda value: [{"ref": int(value)}],
    Kind.REFS: lambda value: [{"ref": int(item)} for item in value],
}


def progress(object_type: str, filled_to: int) -> int:
    """How far a definition is filled, in percent of the records."""
    found = sql.row(
        f"select coalesce(max(id), 0), coalesce(min(id), 0) from {table_of(object_type)} where account_id = %s",
        [current_account_id()],
    )
    last, first = found or (0, 0)
    return 100 if last <= filled_to else max(0, round(100 * (filled_to - first + 1) / (last - first + 1)))


# ── filling ──────────────────────────────────────────────────────────────────────────────────────────────────────────

STEP = 500  # records a transaction
PATIENCE = 10.0  # seconds for older transactions to end, before the job makes room for others
PAUSE = timedelta(seconds=10)


def fill(job: Job) -> None:
    """Make the side table say of a property what its definition asks for: all its values, or none (slow job).

    Resumes where the definition says; safe to repeat, and beside itself.
    """
    wait_for_older(job)
    while _step(job.account_id, job.args["property"]):
        job.give_way()


def wait_for_older(job: Job) -> None:
    """Until every transaction has ended that may have read the definitions before the present ones (raises Later)."""
    older, give_up_at = _readers(), monotonic() + PATIENCE
    while older & _readers():
        job.give_way()
        if monotonic() > give_up_at:
            raise Later(PAUSE)
        sleep(0.1)


def _readers() -> set[str]:
    return {transaction for (transaction,) in sql.rows(_READERS_OF_DEFINITIONS)}


_READERS_OF_DEFINITIONS = """
select l.virtualtransaction from pg_locks l
where l.locktype = 'relation' and l.relation = 'crm_propertydefinition'::regclass and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database())
"""


def _step(account_id: int, property_id: int) -> bool:
    """One transaction of the job; tells whether there is more to do."""
    with account_scope(account_id):
        found = sql.row(_DEFINITION, [account_id, property_id])
        if found is None:
            return _empty(account_id, property_id)
        object_type, name, kind, is_wanted, filled_to, is_filled = found
        if not is_wanted:
            return _empty(account_id, property_id)
        if is_filled:
            return False
        prop = Property(name, name, Kind(kind), definition_id=property_id)
        copied = _copy(object_type, prop, filled_to)
        is_last = len(copied) < STEP
        sql.execute(_NOTE, [copied[-1] if copied else filled_to, is_last, account_id, property_id])
        return not is_last


_DEFINITION = """
select object_type, name, kind, is_filterable and archived_at is null, filled_to, filled_at is not null
from crm_propertydefinition where account_id = %s and id = %s for no key update
"""
_NOTE = """
update crm_propertydefinition set filled_to = %s, filled_at = case when %s then now() end where account_id = %s and id = %s
"""


def _copy(object_type: str, prop: Property, after: int) -> list[int]:
    """Copy the next records' values; return the records. Those with rows of an earlier time are among them."""
    account_id = current_account_id()
    found = sql.rows(
        f"select t.id, t.properties -> %s from {table_of(object_type)} t"
        f" where t.account_id = %s and t.id > %s and {of_this_type(object_type)} and (t.properties ? %s or exists ("
        "select from crm_propertyvalue v where v.account_id = %s and v.property_id = %s and v.record_id = t.id))"
        " order by t.id limit %s for no key update of t",
        [prop.name, account_id, after, prop.name, account_id, prop.definition_id, STEP],
    )
    if found:
        _write([(record_id, prop, sql.loads(value)) for record_id, value in found], are_new=False)
    return [record_id for record_id, _ in found]


def _empty(account_id: int, property_id: int) -> bool:
    return sql.execute(_EMPTY_STEP, [account_id, property_id, 10 * STEP]) == 10 * STEP


_EMPTY_STEP = """
delete from crm_propertyvalue where id = any(array(
    select id from crm_propertyvalue where account_id = %s and property_id = %s limit %s))
"""

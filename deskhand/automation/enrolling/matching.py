"""Which records meet which conditions, asked of PostgreSQL for many workflows at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import Sql, to_sql
from deskhand.crm.filters.types import Condition, Filter, leaves
from deskhand.crm.records.tables import of_this_type, table_of, tables_of
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid


@dataclass(frozen=True)
class Asked:
    """Whether these records meet the condition; all of the kind, if none are named."""

    key: int
    object_type: str
    condition: Condition
    record_ids: Collection[int]


@dataclass(frozen=True)
class Answer:
    """`of` has who meets each key's condition; `broken` why one can't be asked: it names what is no more."""

    of: Mapping[int, set[int]]
    broken: Mapping[int, str]


def where(
    account_id: int, object_type: str, condition: Condition, now: datetime, zone: ZoneInfo, *, with_spam: bool = False
) -> Sql:  # fmt: skip
    """SQL on the table `t`: records that are there, no spam unless that is asked for, and meet it. Raises Invalid."""
    source = SchemaSource(tables_of(account_id), object_type, "t")
    found = to_sql(condition, source, now=now, zone=zone)
    alive = f"t.account_id = %s and t.archived_at is null and {of_this_type(object_type)}"
    if object_type == "ticket":
        alive += " and t.merged_into_id is null"
        alive += "" if with_spam or names_spam(condition) else " and not t.is_spam"
    return Sql(f"{alive} and ({found.text})", (account_id, *found.params))


def holding(account_id: int, asked: Sequence[Asked], now: datetime, zone: ZoneInfo) -> Answer:
    """One query, however many workflows ask about however many records."""
    found: dict[int, set[int]] = {one.key: set() for one in asked}
    broken: dict[int, str] = {}
    parts: list[str] = []
    params: list[object] = []
    for one in asked:
        if not one.record_ids:
            continue
        try:
            test = where(account_id, one.object_type, one.condition, now, zone)
        except Invalid as refusal:
            broken[one.key] = refusal.message
            continue
        parts.append(
            f"select %s::bigint, t.id from {table_of(one.object_type)} t where t.id = any(%s) and {test.text}"
        )
        params += [one.key, sorted(one.record_ids), *test.params]
    if parts:
        for key, record_id in sql.rows(" union all ".join(parts), params):
            found[key].add(record_id)
    return Answer(found, broken)


def page(
    account_id: int, object_type: str, condition: Condition, now: datetime, zone: ZoneInfo, *, after: int, limit: int
) -> list[int]:  # fmt: skip
    """The next records of the kind that meet it, in the order of their ids. Raises Invalid."""
    test = where(account_id, object_type, condition, now, zone)
    found = sql.rows(
        f"select t.id from {table_of(object_type)} t where t.id > %s and {test.text} order by t.id limit %s",
        [after, *test.params, limit],
    )
    return [record_id for (record_id,) in found]


def count(account_id: int, object_type: str, condition: Condition, now: datetime, zone: ZoneInfo) -> int:
    """How many meet it. Raises Invalid."""
    test = where(account_id, object_type, condition, now, zone)
    found = sql.row(f"select count(*) from {table_of(object_type)} t where {test.text}", test.params)
    assert found is not None
    return int(found[0])


def names_spam(condition: Condition) -> bool:
    return any(isinstance(leaf, Filter) and leaf.property == "is_spam" for leaf in leaves(condition))

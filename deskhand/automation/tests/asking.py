"""The two ways in which a condition is asked of tickets; they always find the same."""

from zoneinfo import ZoneInfo

from deskhand.automation import records
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import to_sql
from deskhand.crm.records.tables import tables_of
from deskhand.kernel.database import sql

ZONE = ZoneInfo("Europe/Copenhagen")


def in_sql(world, condition, now) -> list[int]:
    source = SchemaSource(tables_of(world.account.pk), "ticket", "t")
    test = to_sql(condition, source, now=now, zone=ZONE)
    found = sql.rows(f"select t.id from crm_ticket t where {test.text} order by t.id", test.params)
    return [pk for (pk,) in found]


def in_python(ids, condition, now) -> list[int]:
    """What is asked of many is read for all of them at once."""
    loaded = records.load("ticket", ids)
    return [
        pk for pk in ids if holds(condition, records.LoadedFacts("ticket", loaded[pk]), now=now, zone=ZONE)
    ]

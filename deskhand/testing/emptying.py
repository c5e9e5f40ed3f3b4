"""After a test that commits, empty the tables that have rows.

Django empties all of them and makes its permissions anew: half a second for over a hundred tables, of which a test fills
a dozen.
"""

from __future__ import annotations

from functools import cache

from django.db import connection, transaction
from django.test import TransactionTestCase

from deskhand.kernel.database import sql

#: What `migrate` fills, and no test changes.
KEPT = {"django_content_type", "auth_permission", "django_migrations"}

#: Tables that Django does not know as its own: a job that a test leaves would be the next one's.
QUEUE = "procrastinate_"

_FILLED = """
select c.oid::regclass::text from pg_class c
where c.relkind = 'r' and pg_relation_size(c.oid) > 0
    and coalesce(pg_partition_root(c.oid), c.oid) = any(%s::regclass[])
"""


def install() -> None:
    """For all tests of this process. Safe to repeat."""
    TransactionTestCase._fixture_teardown = _empty  # type: ignore[attr-defined]


def _empty(_test: TransactionTestCase) -> None:
    filled = [name for (name,) in sql.rows(_FILLED, [_tables()])]
    if filled:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"truncate {', '.join(filled)} cascade")


@cache
def _tables() -> list[str]:
    names = connection.introspection.table_names()
    known = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted({*known, *(name for name in names if name.startswith(QUEUE))} - KEPT)

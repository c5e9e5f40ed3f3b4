"""Raw SQL in sets: the few helpers the hot paths share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

Params = Sequence[Any] | Mapping[str, Any]

__all__ = ["Jsonb", "execute", "ids", "loads", "row", "rows"]


def loads(value: Any) -> Any:
    """Read a jsonb value, which Django's connections return as text."""
    return json.loads(value) if isinstance(value, str | bytes) else value


def rows(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def row(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


def execute(sql: str, params: Params = ()) -> int:
    """Run one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def ids(sequence_of: str, count: int) -> list[int]:
    """Draw `count` ids of table `sequence_of` at once, so that all inserts of a batch can name theirs."""
    if not count:
        return []
    return [
        found[0]
        for found in rows(
            "select nextval(pg_get_serial_sequence(%s, 'id')) from generate_series(1, %s)",
            [sequence_of, count],
        )
    ]

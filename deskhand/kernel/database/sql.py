"""Raw SQL in sets: the few helpers the hot paths share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from psycopg.types.json import Jsonb

Params = Sequence[Any] | Mapping[str, Any]

__all__ = ["Jsonb", "containing", "dumps", "execute", "ids", "loads", "loads_all", "named", "row", "rows"]


def loads(value: Any) -> Any:
    """Read a jsonb value, which Django's connections return as text."""
    if value == "{}":  # most of what is read has nothing in it
        return {}
    return json.loads(value) if isinstance(value, str | bytes) else value


def loads_all(values: Iterable[str | None]) -> list[Any]:
    """Read a column of jsonb values at once, which takes a quarter of the time; None where there is no value."""
    read: list[Any] = json.loads(f"[{','.join(['null' if value is None else value for value in values])}]")
    return read


def dumps(value: Any) -> str:
    """What is to be a jsonb value, as text. Raises TypeError for what JSON has no words for."""
    try:
        return orjson.dumps(value).decode()
    except (
        TypeError
    ):  # numbers beyond 64 bits, halves of letters, keys that are no text: as before they are written
        return json.dumps(value)


def rows(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, _with_arrays(params))
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def row(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, _with_arrays(params))
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found


def execute(sql: str, params: Params = ()) -> int:
    """Run one statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql, _with_arrays(params))
        return int(cursor.rowcount)


def ids(sequence_of: str, count: int) -> list[int]:
    """Draw `count` ids of table `sequence_of` at once, so that all inserts of a batch can name theirs."""
    if not count:
        return []
    drawn = rows(
        "with s as materialized (select pg_get_serial_sequence(%s, 'id')::regclass as name)"
        " select nextval(s.name) from s, generate_series(1, %s)",
        [sequence_of, count],
    )
    return [found[0] for found in drawn]


def containing(text: str) -> str:
    """A pattern for `like` and `ilike`: what has the text, taken by the letter, somewhere in it."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def named(condition: tuple[str, Sequence[Any]], prefix: str) -> tuple[str, dict[str, Any]]:
    """A piece of SQL with its parameters by name, "<prefix>0" and on, so that it may stand anywhere."""
    text, values = condition
    names = [f"{prefix}{number}" for number in range(len(values))]
    for name in names:
        text = text.replace("%s", f"%({name})s", 1)
    return text, dict(zip(names, values, strict=True))


# ── lists as arrays ──────────────────────────────────────────────────────────────────────────────────────────────────
# A set of rows travels as one array a column. Written here, an array takes a fifth of the time that the driver needs.


def _with_arrays(params: Params) -> Params:
    if isinstance(params, Mapping):
        return {name: array(value) if type(value) is list else value for name, value in params.items()}
    return [array(value) if type(value) is list else value for value in params]


def array(values: list[Any]) -> Any:
    """`values` in the words of PostgreSQL, "{…}"; unchanged where the driver must do it (lists in lists, rare types)."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return "{" + ",".join(map(str, values)) + "}"
    if kinds == {str}:
        return _texts(values)
    if kinds == {Jsonb}:
        return _texts([_json(value) for value in values])
    try:
        return "{" + ",".join([_WRITERS[type(value)](value) for value in values]) + "}"
    except KeyError:
        return values


def _json(value: Jsonb) -> str:
    return str(value.dumps(value.obj)) if value.dumps else dumps(value.obj)


def _texts(values: list[str]) -> str:
    """All at once: NUL, which no text of PostgreSQL holds, stands between them meanwhile."""
    joined = "\0".join(values)
    if joined.count("\0") >= len(values):  # one of them has it: the driver refuses it by its name
        return "{" + ",".join(map(_quoted, values)) + "}"
    return "{" + _quoted(joined).replace("\0", '","') + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITERS: dict[type, Callable[[Any], str]] = {
    int: str,
    str: _quoted,
    type(None): lambda _: "NULL",
    bool: lambda value: "t" if value else "f",
    datetime: lambda value: '"' + value.isoformat() + '"',
    Jsonb: lambda value: _quoted(_json(value)),
}

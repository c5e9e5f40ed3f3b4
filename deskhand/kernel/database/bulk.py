"""Writing sets of rows of a model: one short statement each, the same text whatever the number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import NOT_PROVIDED

from deskhand.kernel.database import sql

Row = Mapping[str, Any]  # by column
if TYPE_CHECKING:
    Field = models.Field[Any, Any]


def insert(model: type[models.Model], rows: Sequence[Row], *, on_conflict: str = "") -> int:
    """Insert `rows`, which name the same columns each; the others get the model's defaults. Returns how many went in.

    `on_conflict` is what follows these words in SQL. No signals are sent.
    """
    if not rows:
        return 0
    given = _with_defaults(model, rows[0])
    columns = {
        name: [row[name] for row in rows] if name in rows[0] else [value] for name, value in given.items()
    }
    shared, varying = _split(columns)
    fields = columns_of(model)
    chosen = [f"%s::{cast_of(fields[name])}" for name in shared] + [_back(fields[name]) for name in varying]
    source, arrays = _source(fields, varying, len(rows))
    conflict = f" on conflict {on_conflict}" if on_conflict else ""
    return sql.execute(
        f"insert into {model._meta.db_table} ({', '.join([*shared, *varying])}) select {', '.join(chosen)} from {source}{conflict}",
        [*(_written(fields[name], value) for name, value in shared.items()), *arrays],
    )


def update(
    model: type[models.Model], account_id: int, names: Sequence[str], values: Mapping[int, Sequence[Any]]
) -> int:
    """Write the same columns of many rows of an account: {id: values in the order of `names`}. Returns how many."""
    if not values:
        return 0
    columns = {name: [row[position] for row in values.values()] for position, name in enumerate(names)}
    shared, varying = _split(columns)
    fields = columns_of(model)
    settings = [f"{name} = %s::{cast_of(fields[name])}" for name in shared]
    settings += [f"{name} = {_back(fields[name])}" for name in varying]
    source, arrays = _source(fields, {"id": list(values), **varying}, len(values))
    return sql.execute(
        f"update {model._meta.db_table} t set {', '.join(settings)} from {source} where t.account_id = %s and t.id = x.id",
        [*(_written(fields[name], value) for name, value in shared.items()), *arrays, account_id],
    )


@lru_cache
def columns_of(model: type[models.Model]) -> Mapping[str, Field]:
    return {field.column: field for field in model._meta.concrete_fields}


@lru_cache(maxsize=1024)
def cast_of(field: Field) -> str:
    """The type of the column in SQL."""
    return str(field.db_type(connection) or "text")


def _with_defaults(model: type[models.Model], row: Row) -> dict[str, Any]:
    """The row's columns, then those it leaves to the model; what the database fills in itself is left out."""
    missing = {
        name: field.get_default()
        for name, field in columns_of(model).items()
        if name not in row and not field.primary_key and field.db_default is NOT_PROVIDED
    }
    return {**row, **missing}


def _split(columns: Mapping[str, list[Any]]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Columns with one value for all rows, which is sent once, and the others."""
    shared: dict[str, Any] = {}
    varying: dict[str, list[Any]] = {}
    for name, values in columns.items():
        if values.count(values[0]) == len(values):
            shared[name] = values[0]
        else:
            varying[name] = values
    return shared, varying


def _source(
    fields: Mapping[str, Field], varying: Mapping[str, list[Any]], count: int
) -> tuple[str, list[Any]]:
    """The rows as a table x, and its parameters."""
    if not varying:
        return "generate_series(1, %s)", [count]
    casts = ", ".join(f"%s::{_sent_as(fields[name])}[]" for name in varying)
    arrays = [[_written(fields[name], value) for value in values] for name, values in varying.items()]
    return f"unnest({casts}) x({', '.join(varying)})", arrays


def _sent_as(field: Field) -> str:
    """Arrays travel as text: unnest would take arrays of arrays apart."""
    return "text" if isinstance(field, ArrayField) else cast_of(field)


def _back(field: Field) -> str:
    return f"x.{field.column}::{cast_of(field)}" if isinstance(field, ArrayField) else f"x.{field.column}"


def _written(field: Field, value: Any) -> Any:
    if value is None or type(value) in _PLAIN:
        return sql.Jsonb(value) if value is not None and isinstance(field, models.JSONField) else value
    if isinstance(field, models.JSONField):
        return sql.Jsonb(value)
    if isinstance(field, ArrayField):
        return sql.array(list(value))
    return value.value if isinstance(value, Enum) else value


_PLAIN = {int, str, bool, datetime, date}

__all__ = ["cast_of", "columns_of", "insert", "update"]

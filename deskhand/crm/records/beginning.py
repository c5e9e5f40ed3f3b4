"""What new records of every kind begin with, and what is written beside them: claims, values for filters, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.crm.records import filterable, store, unique, words
from deskhand.crm.records.tables import model_of, table_of
from deskhand.events.types import Actor
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id

Rows = dict[int, dict[str, Any]]


def rows(
    object_type: str,
    values: Sequence[Mapping[str, Any]],
    begin: Mapping[str, Any],
    *,
    by: Actor,
    at: datetime,
) -> Rows:
    """{id: columns} of records of these values by column or property, in order; `begin` is what the values may say otherwise."""
    columns = columns_of(model_of(object_type))
    teams = store.main_teams({given["owner_id"] for given in values if given.get("owner_id")})
    made = {}
    for record_id, given in zip(sql.ids(table_of(object_type), len(values)), values, strict=True):
        team_id = teams.get(given.get("owner_id") or 0)
        row = {
            "account_id": current_account_id(), "version": 1, "created_at": at, "updated_at": at,
            "created_by_kind": by.kind.value, "created_by_id": by.id, "owner_id": None,
            "assigned_team_ids": [team_id] if team_id else [],  # R-ROUTE-50
            **begin, **{name: value for name, value in given.items() if name in columns},
            "properties": {
                name: store.plain(value) for name, value in given.items() if name not in columns and value not in (None, [])
            },
        }  # fmt: skip
        made[record_id] = row | (words.names(object_type, row) if object_type in words.WATCHED else {})
    return made


def insert(object_type: str, made: Rows) -> None:
    """Raises NotUnique."""
    own = {record_id: row["properties"] for record_id, row in made.items()}
    unique.follow(object_type, own, are_new=True)
    bulk.insert(model_of(object_type), [{"id": record_id, **row} for record_id, row in made.items()])
    filterable.follow(object_type, own, are_new=True)
    if object_type in words.WATCHED:
        words.follow(object_type, made, are_new=True)

"""Putting records of any kind away, and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.crm.records import unique
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema.queries import unique_of
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id


def archive(
    object_type: str,
    record_ids: Sequence[int],
    *,
    by: Actor,
    at: datetime | None = None,
    causes: Mapping[int, tuple[Cause, int]] | None = None,
) -> list[int]:
    """Put records away; they can be restored. Returns the ids that were there and not away already.

    `causes` are what made it happen and the depth, by record.
    """
    now = at or clock.now()
    found = _set(object_type, record_ids, now, now, also=f", {unique.RELEASED}")
    return _tell(object_type, "archived", found, by, now, causes or {})


def restore(
    object_type: str, record_ids: Sequence[int], *, by: Actor, at: datetime | None = None
) -> list[int]:
    """Bring records back; what waited in workflows does not go on (R-UN-7).

    Raises NotUnique, and restores none, where only one record may have a value and another has it by now.
    """
    now = at or clock.now()
    found = _set(object_type, record_ids, None, now, only=f"and not {unique.IS_ANY}")
    if not found and record_ids and unique_of(object_type):
        unique.claim_again(object_type, record_ids)
        found = _set(object_type, record_ids, None, now)
    return _tell(object_type, "restored", found, by, now, {})


def _set(
    object_type: str,
    record_ids: Sequence[int],
    archived_at: datetime | None,
    now: datetime,
    *,
    only: str = "",
    also: str = "",
) -> list[tuple[Any, ...]]:
    """Ids and versions. `only` narrows those that are `locked`, `also` is done with them; either takes the account and the kind."""
    table, account_id = table_of(object_type), current_account_id()
    return sql.rows(
        f"with locked as (select id from {table} t where account_id = %s and id = any(%s) and {of_this_type(object_type)}"
        f" and (t.archived_at is null) = %s {only} order by id for no key update){also}"
        f" update {table} r set archived_at = %s, version = version + 1, updated_at = %s"
        " from locked where r.account_id = %s and r.id = locked.id returning r.id, r.version",
        [
            account_id, sorted(set(record_ids)), archived_at is not None, *([account_id, object_type] if only or also else ()),
            archived_at, now, account_id,
        ],
    )  # fmt: skip


def _tell(
    object_type: str, done: str, found: Sequence[tuple[Any, ...]], by: Actor, now: datetime,
    causes: Mapping[int, tuple[Cause, int]],
) -> list[int]:  # fmt: skip
    log.record_many(
        [
            NewEvent(
                f"{object_type}.{done}",
                object_type,
                record_id,
                version,
                by,
                now,
                {},
                *causes.get(record_id, (None, 0)),
            )
            for record_id, version in sorted(found)
        ]
    )
    return sorted(record_id for record_id, _version in found)

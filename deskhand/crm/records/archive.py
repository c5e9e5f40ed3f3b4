"""Putting records of any kind away, and bringing them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from deskhand.crm.records.tables import of_this_type, table_of
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
    return _set(object_type, record_ids, now, now, by, "archived", causes or {})


def restore(
    object_type: str, record_ids: Sequence[int], *, by: Actor, at: datetime | None = None
) -> list[int]:
    """Bring records back; what waited in workflows does not go on (R-UN-7)."""
    return _set(object_type, record_ids, None, at or clock.now(), by, "restored", {})


def _set(
    object_type: str,
    record_ids: Sequence[int],
    archived_at: datetime | None,
    now: datetime,
    by: Actor,
    done: str,
    causes: Mapping[int, tuple[Cause, int]],
) -> list[int]:
    table, account_id = table_of(object_type), current_account_id()
    found = sql.rows(
        f"with locked as (select id from {table} t where account_id = %s and id = any(%s) and {of_this_type(object_type)}"
        " and (archived_at is null) = %s order by id for no key update)"
        f" update {table} r set archived_at = %s, version = version + 1, updated_at = %s"
        " from locked where r.account_id = %s and r.id = locked.id returning r.id, r.version",
        [account_id, sorted(set(record_ids)), archived_at is not None, archived_at, now, account_id],
    )
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

"""Recording events: one insert into the log and one into the queue for a whole set, in the caller's transaction.

Hooks in `in_transaction` get the batch's new events just before commit and touch only the database; wiring fills
the list. Events that hooks record are given to the hooks in turn, until there are no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from deskhand.events.types import Actor, Cause, Event, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import before_commit, current_scope
from deskhand.kernel.database.wake import wake

WAKE = "events"

Hook = Callable[[int, Sequence[Event]], None]
#: Set-based hooks (account id, new events) run before commit, in this order. Filled by wiring at start.
in_transaction: list[Hook] = []

_NEW = "events.new"
_ROUNDS = 20  # hooks that answer each other for ever are a programming error


def record(
    kind: str,
    *,
    object_type: str,
    object_id: int,
    version: int,
    by: Actor,
    data: dict[str, Any] | None = None,
    cause: Cause | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> Event:
    """Record one event in the open account scope."""
    new = NewEvent(kind, object_type, object_id, version, by, at or clock.now(), data or {}, cause, depth)
    return record_many([new])[0]


def record_many(new: Sequence[NewEvent]) -> list[Event]:
    """Record a set with one insert, in order; return the events with their ids."""
    if not new:
        return []
    scope = current_scope()
    account_id = scope.account_id
    drawn = sql.rows(_INSERT, [*_columns(new), account_id, account_id])
    recorded = [Event(*e, event_id, account_id) for (event_id,), e in zip(drawn, new, strict=True)]
    _collect(recorded)
    wake(WAKE)
    return recorded


_INSERT = """
with e as materialized (
    select nextval('events_event_id_seq') as id, x.*
    from unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[],
                %s::jsonb[], %s::smallint[], %s::jsonb[], %s::timestamptz[])
        x(kind, type, object, version, actor_kind, actor, cause, depth, data, at)
), logged as (
    insert into events_event (account_id, id, kind, object_type, object_id, version, actor_kind, actor_id, cause, depth, data, occurred_at)
    select %s, e.* from e
), pending as (
    insert into events_pendingevent (account_id, id, object_type, object_id, occurred_at, due_at, attempts, error)
    select %s, e.id, e.type, e.object, e.at, e.at, 0, '' from e
)
select id from e order by id
"""


def _columns(events: Sequence[NewEvent]) -> list[list[Any]]:
    return [
        [e.kind for e in events],
        [e.object_type for e in events],
        [e.object_id for e in events],
        [e.version for e in events],
        [e.by.kind.value for e in events],
        [e.by.id for e in events],
        [sql.Jsonb(e.cause.as_json()) if e.cause else None for e in events],
        [e.depth for e in events],
        [sql.Jsonb(e.data) for e in events],
        [e.at for e in events],
    ]


def _collect(events: Sequence[Event]) -> None:
    notes = current_scope().notes
    waiting = notes.setdefault(_NEW, [])
    assert isinstance(waiting, list)
    if not waiting:
        before_commit(_tell_hooks)
    waiting.extend(events)


def _tell_hooks() -> None:
    scope = current_scope()
    waiting = scope.notes.pop(_NEW, [])
    assert isinstance(waiting, list)
    rounds = scope.notes.get("events.rounds", 0)
    assert isinstance(rounds, int)
    if rounds > _ROUNDS:
        raise RuntimeError("In-transaction hooks keep recording events for each other.")
    scope.notes["events.rounds"] = rounds + 1
    for hook in in_transaction:
        hook(scope.account_id, waiting)

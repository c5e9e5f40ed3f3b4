"""Telling others after commit: pending events reach AFTER_COMMIT subscribers in order per record, at least once.

Subscribers run inside the dispatch transaction, get a whole batch, touch only the database and are safe to repeat.
Wiring fills `after_commit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from deskhand.events import log
from deskhand.events.types import Actor, ActorKind, Cause, Event
from deskhand.kernel import clock
from deskhand.kernel.claimer import BatchClaimer
from deskhand.kernel.database import sql

Subscriber = Callable[[int, Sequence[Event]], None]
#: (account id, events in order) → effects; called in this order. Filled by wiring at start.
after_commit: list[Subscriber] = []

TRIES = 5
BACK_OFF = timedelta(seconds=2)


class Dispatcher(BatchClaimer[Event]):
    name = "events"
    wake = log.WAKE

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from events_pendingevent where quarantined_at is null and due_at <= statement_timestamp() order by id limit 1 for update skip locked"
        )
        return found[0] if found else None

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Event]:
        """Claim due events in order. A record whose earlier event is still pending elsewhere waits its turn."""
        found = sql.rows(
            "select id, object_type, object_id, occurred_at from events_pendingevent"
            " where account_id = %s and quarantined_at is null and due_at <= statement_timestamp() and (%s::bigint is null or id = %s)"
            " order by id limit %s for update skip locked",
            [account_id, only, only, limit],
        )
        if not found:
            return []
        ids = [row[0] for row in found]
        blocked = set(
            sql.rows(
                "select p.object_type, p.object_id from events_pendingevent p"
                " join unnest(%s::bigint[], %s::text[], %s::bigint[]) mine(id, type, object)"
                " on p.object_type = mine.type and p.object_id = mine.object and p.id < mine.id"
                " where p.account_id = %s and p.quarantined_at is null and not p.id = any(%s)",
                [ids, [row[1] for row in found], [row[2] for row in found], account_id, ids],
            )
        )
        return read_events(account_id, [(row[0], row[3]) for row in found if (row[1], row[2]) not in blocked])

    def work(self, account_id: int, rows: Sequence[Event]) -> None:
        for tell in after_commit:
            tell(account_id, rows)
        sql.execute(
            "delete from events_pendingevent where account_id = %s and id = any(%s)",
            [account_id, [event.id for event in rows]],
        )

    def failed(self, account_id: int, row: Event, error: Exception) -> None:
        sql.execute(
            "update events_pendingevent set attempts = attempts + 1, error = %s, due_at = now() + (%s * (attempts + 1)),"
            " quarantined_at = case when attempts + 1 >= %s then now() end where account_id = %s and id = %s",
            [f"{type(error).__name__}: {error}"[:2000], BACK_OFF, TRIES, account_id, row.id],
        )

    def row_id(self, row: Event) -> int:
        return row.id


def read_events(account_id: int, wanted: Sequence[tuple[int, Any]]) -> list[Event]:
    """Read events by (id, moment) in order of id; the moment finds their partition."""
    found = sql.rows(
        "select id, kind, object_type, object_id, version, actor_kind, actor_id, occurred_at, data, cause, depth from events_event"
        " where account_id = %s and (id, occurred_at) in (select * from unnest(%s::bigint[], %s::timestamptz[])) order by id",
        [account_id, [item[0] for item in wanted], [item[1] for item in wanted]],
    )
    return [
        Event(
            kind=r[1], object_type=r[2], object_id=r[3], version=r[4], by=Actor(ActorKind(r[5]), r[6]), at=r[7], data=sql.loads(r[8]),
            cause=Cause.from_json(sql.loads(r[9])), depth=r[10], id=r[0], account_id=account_id,
        )
        for r in found
    ]  # fmt: skip


def try_again(account_id: int, event_ids: Sequence[int]) -> int:
    """Give quarantined events another round; for the admin's button. Returns how many."""
    return sql.execute(
        "update events_pendingevent set quarantined_at = null, attempts = 0, due_at = %s where account_id = %s and id = any(%s) and quarantined_at is not null",
        [clock.now(), account_id, list(event_ids)],
    )

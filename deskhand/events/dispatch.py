"""Telling others after commit: pending events reach AFTER_COMMIT subscribers in order per record, at least once.

Subscribers run inside the dispatch transaction, get a whole batch, touch only the database and are safe to repeat.
Wiring fills `after_commit`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from deskhand.events import log
from deskhand.events.queries import COLUMNS, events_of
from deskhand.events.types import Event
from deskhand.kernel import clock
from deskhand.kernel.claimer import LARGE, BatchClaimer, words_of
from deskhand.kernel.database import sql

Subscriber = Callable[[int, Sequence[Event]], None]
#: (account id, events in order) → effects; called in this order. Filled by wiring at start.
after_commit: list[Subscriber] = []

TRIES = 5
BACK_OFF = timedelta(seconds=2)


class Dispatcher(BatchClaimer[Event]):
    name = "events"
    wake = log.WAKE
    most = 4 * LARGE  # of most events little is made: what a batch costs as such weighs more than they do

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from events_pendingevent where quarantined_at is null and due_at <= statement_timestamp() order by id limit 1 for update skip locked"
        )
        return found[0] if found else None

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Event]:
        """Claim due events in order. A record whose earlier event is still pending elsewhere waits its turn."""
        found = sql.rows(_CLAIM, [account_id, only, only, limit])
        if not found:
            return []
        events = events_of(account_id, found)
        earlier = _earlier(account_id, events)
        behind = [e for e in events if earlier.get((e.object_type, e.object_id), e.id) < e.id]
        if not behind:
            return events
        _put_off(account_id, behind, [earlier[e.object_type, e.object_id] for e in behind])
        waiting = {e.id for e in behind}
        return [e for e in events if e.id not in waiting]

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
            [words_of(error), BACK_OFF, TRIES, account_id, row.id],
        )

    def row_id(self, row: Event) -> int:
        return row.id


# The pending row's moment finds the event's partition.
_CLAIM = f"""
with mine as (
    select id, occurred_at from events_pendingevent
    where account_id = %s and quarantined_at is null and due_at <= statement_timestamp() and (%s::bigint is null or id = %s)
    order by id limit %s for update skip locked
)
select {COLUMNS}
from mine join events_event e on e.id = mine.id and e.occurred_at = mine.occurred_at order by e.id
"""


def unheard(account_id: int, limit: int) -> list[Event]:
    """The first events that were not told yet, whoever has them in hand; not those that were put aside."""
    rows = sql.rows(
        f"select {COLUMNS} from events_pendingevent p"
        " join events_event e on e.id = p.id and e.occurred_at = p.occurred_at"
        " where p.account_id = %s and p.quarantined_at is null order by p.id limit %s",
        [account_id, limit],
    )
    return events_of(account_id, rows)


def stored(account_id: int, event_ids: Collection[int], since: datetime) -> list[Event]:
    """Events of the log as they were told, oldest first; those before `since` are not looked for."""
    found = sql.rows(
        f"select {COLUMNS} from events_event e where account_id = %s and id = any(%s) and occurred_at >= %s order by id",
        [account_id, sorted(event_ids), since],
    )
    return events_of(account_id, found)


def _earlier(account_id: int, events: Sequence[Event]) -> dict[tuple[str, int], int]:
    """{record: its first event that is pending and not among `events`}, as far as it could precede one of them."""
    found = sql.rows(
        "select object_type, object_id, min(id) from events_pendingevent"
        " where account_id = %s and quarantined_at is null and id < %s and not id = any(%s) group by 1, 2",
        [account_id, events[-1].id, [event.id for event in events]],
    )
    return {(object_type, object_id): first for object_type, object_id, first in found}


def _put_off(account_id: int, behind: Sequence[Event], first: Sequence[int]) -> None:
    """What waits for an event that is to be tried later is due with it, or it would be the next to claim for ever."""
    sql.execute(
        "update events_pendingevent p set due_at = f.due_at from unnest(%s::bigint[], %s::bigint[]) x(id, first)"
        " join events_pendingevent f on f.account_id = %s and f.id = x.first and f.due_at > statement_timestamp()"
        " where p.account_id = f.account_id and p.id = x.id",
        [[e.id for e in behind], list(first), account_id],
    )


def try_again(account_id: int, event_ids: Sequence[int]) -> int:
    """Give quarantined events another round; for the admin's button. Returns how many."""
    return sql.execute(
        "update events_pendingevent set quarantined_at = null, attempts = 0, due_at = %s where account_id = %s and id = any(%s) and quarantined_at is not null",
        [clock.now(), account_id, list(event_ids)],
    )

"""One loop for everything that happens at a time: rows with a due moment, claimed like any queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deskhand.kernel.claimer import BatchClaimer, words_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

WAKE = "timers"
TRIES = 8
BACK_OFF = timedelta(seconds=15)


@dataclass(frozen=True)
class DueTimer:
    id: int
    account_id: int
    kind: str
    key: str
    due_at: datetime
    payload: dict[str, Any]


Handler = Callable[[int, Sequence[DueTimer]], None]
#: kind → handler (account id, timers of that kind); runs in the claiming transaction. Filled by wiring.
handlers: dict[str, Handler] = {}


def set_timer(
    account_id: int, kind: str, key: str, due_at: datetime, payload: dict[str, Any] | None = None
) -> None:
    """Set, or move, the timer of this kind and key."""
    set_timers(account_id, kind, [key], due_at, payload)


def set_timers(
    account_id: int, kind: str, keys: Sequence[str], due_at: datetime, payload: dict[str, Any] | None = None
) -> None:
    """Set, or move, the timers of this kind and these keys; one statement."""
    sql.execute(
        "insert into kernel_timer (account_id, kind, key, due_at, payload, attempts, error)"
        " select %s, %s, key, %s, %s, 0, '' from unnest(%s::text[]) key order by key"
        " on conflict (account_id, kind, key) do update set due_at = excluded.due_at, payload = excluded.payload, attempts = 0,"
        " error = '', quarantined_at = null",
        [account_id, kind, due_at, sql.Jsonb(payload or {}), list(keys)],
    )
    wake(WAKE)


def set_timers_once(account_id: int, kind: str, keys: Sequence[str], due_at: datetime) -> None:
    """Set the timers of this kind and these keys; what is due sooner stays so, unless it was given up. One statement."""
    sql.execute(
        "insert into kernel_timer as t (account_id, kind, key, due_at, payload, attempts, error)"
        " select %s, %s, key, %s, '{}', 0, '' from unnest(%s::text[]) key order by key"
        " on conflict (account_id, kind, key) do update set due_at = excluded.due_at, attempts = 0, error = '',"
        " quarantined_at = null where t.due_at > excluded.due_at or t.quarantined_at is not null",
        [account_id, kind, due_at, list(keys)],
    )
    wake(WAKE)


def set_timers_at(account_id: int, kind: str, moments: Mapping[str, datetime]) -> None:
    """Set, or move, a timer for each key, each at its own moment; one statement."""
    sql.execute(
        "insert into kernel_timer (account_id, kind, key, due_at, payload, attempts, error)"
        " select %s, %s, x.key, x.due_at, '{}', 0, '' from unnest(%s::text[], %s::timestamptz[]) x(key, due_at) order by x.key"
        " on conflict (account_id, kind, key) do update set due_at = excluded.due_at, payload = excluded.payload, attempts = 0,"
        " error = '', quarantined_at = null",
        [account_id, kind, list(moments), list(moments.values())],
    )
    wake(WAKE)


def drop_timer(account_id: int, kind: str, key: str) -> None:
    drop_timers(account_id, kind, [key])


def drop_timers(account_id: int, kind: str, keys: Sequence[str]) -> None:
    sql.execute(
        "delete from kernel_timer where account_id = %s and kind = %s and key = any(%s)",
        [account_id, kind, list(keys)],
    )


def hold_timer(account_id: int, kind: str, key: str) -> None:
    """Lock the timer, if it is there, before what its handler locks; the loop holds the timer first, too."""
    hold_timers(account_id, kind, [key])


def hold_timers(account_id: int, kind: str, keys: Sequence[str]) -> None:
    """As `hold_timer`, in the order of the ids; one statement."""
    sql.rows(
        "select id from kernel_timer where account_id = %s and kind = %s and key = any(%s) order by id for update",
        [account_id, kind, list(keys)],
    )


def waiting(account_id: int, kind: str) -> list[dict[str, Any]]:
    """The payloads of the timers of this kind that have not rung yet."""
    found = sql.rows(
        "select payload from kernel_timer where account_id = %s and kind = %s and quarantined_at is null",
        [account_id, kind],
    )
    return [sql.loads(payload) for (payload,) in found]


def keys(account_id: int, kind: str) -> list[str]:
    """The keys of the timers of this kind that have not rung yet. One query."""
    found = sql.rows(
        "select key from kernel_timer where account_id = %s and kind = %s and quarantined_at is null",
        [account_id, kind],
    )
    return [key for (key,) in found]


class TimerLoop(BatchClaimer[DueTimer]):
    name = "timers"
    wake = WAKE

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from kernel_timer where quarantined_at is null and due_at <= statement_timestamp() order by due_at limit 1 for update skip locked"
        )
        return found[0] if found else None

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[DueTimer]:
        """Those of the kind that was due first: what one handler locks, it locks in its own order, and what it holds is let go
        before the next."""
        found = sql.rows(
            "select id, account_id, kind, key, due_at, payload from kernel_timer where account_id = %s and quarantined_at is null"
            " and due_at <= statement_timestamp() and (%s::bigint is null or id = %s) order by due_at limit %s for update skip locked",
            [account_id, only, only, limit],
        )
        return [
            DueTimer(timer_id, owner, kind, key, due_at, sql.loads(payload))
            for timer_id, owner, kind, key, due_at, payload in found
            if kind == found[0][2]
        ]

    def work(self, account_id: int, rows: Sequence[DueTimer]) -> None:
        """Timers are deleted before their handlers run, so that a handler may set the next one under the same key."""
        sql.execute("delete from kernel_timer where id = any(%s)", [[row.id for row in rows]])
        handlers[rows[0].kind](account_id, rows)

    def failed(self, account_id: int, row: DueTimer, error: Exception) -> None:
        sql.execute(
            "update kernel_timer set attempts = attempts + 1, error = %s, due_at = now() + (%s * (attempts + 1)),"
            " quarantined_at = case when attempts + 1 >= %s then now() end where id = %s",
            [words_of(error), BACK_OFF, TRIES, row.id],
        )

    def row_id(self, row: DueTimer) -> int:
        return row.id

"""Reading the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from deskhand.events.types import Actor, ActorKind, Cause, Event
from deskhand.kernel.database import sql

#: The columns that `events_of` reads, in its order.
COLUMNS = "e.id, e.kind, e.object_type, e.object_id, e.version, e.actor_kind, e.actor_id, e.occurred_at, e.depth, e.data, e.cause"


def events_of(account_id: int, rows: Sequence[tuple[Any, ...]]) -> list[Event]:
    read = zip(
        rows, sql.loads_all(row[-2] for row in rows), sql.loads_all(row[-1] for row in rows), strict=True
    )
    return [
        Event(
            kind, object_type, object_id, version, _actor(actor_kind, actor_id), at, data, Cause.from_json(cause), depth,
            event_id, account_id,
        )
        for (event_id, kind, object_type, object_id, version, actor_kind, actor_id, at, depth, _, _), data, cause in read
    ]  # fmt: skip


@lru_cache(maxsize=1024)
def _actor(kind: str, actor_id: int | None) -> Actor:
    return Actor(ActorKind(kind), actor_id)


class Log:
    """An account's log from `since` up to `until` in the order of time, a page at a time; each page is one short query.

    Pages end where a moment ends: what happened at once stands in one page.
    """

    PAGE = 2000
    _LEAST, _MOST = timedelta(minutes=1), timedelta(days=7)

    def __init__(self, account_id: int, since: datetime, until: datetime) -> None:
        self.account_id, self.until = account_id, until
        self.reached = since  # all before it was given out
        self.stretch = timedelta(hours=6)  # that the next page looks at

    def page(self) -> list[Event]:
        """The next events; none may have happened in this stretch. `reached` says how far it is then."""
        to = min(self.reached + self.stretch, self.until)
        found = self._read(self.reached, to, self.PAGE + 1)
        if len(found) > self.PAGE:
            last = found[-1].at
            if found[0].at < last:
                found, to = [event for event in found if event.at < last], last
            else:  # more at one moment than a page has
                to = last + timedelta(microseconds=1)
                found = self._read(last, to, None)
            self.stretch = max(self._LEAST, (to - self.reached) * 2)
        elif len(found) < self.PAGE // 2:
            self.stretch = min(self._MOST, self.stretch * 2)
        self.reached = to
        return found

    @property
    def is_over(self) -> bool:
        return self.reached >= self.until

    def _read(self, since: datetime, until: datetime, limit: int | None) -> list[Event]:
        rows = sql.rows(
            f"select {COLUMNS} from events_event e where account_id = %s and occurred_at >= %s and occurred_at < %s"
            " order by occurred_at, id limit %s",
            [self.account_id, since, until, limit],
        )
        return events_of(self.account_id, rows)


def since(account_id: int, at: datetime, after: int, kinds: Sequence[str]) -> list[Event]:
    """Events of these kinds that got a number after this one, in their order; none is older than `at`."""
    rows = sql.rows(
        f"select {COLUMNS} from events_event e where account_id = %s and occurred_at >= %s and id > %s and kind = any(%s) order by id",
        [account_id, at, after, list(kinds)],
    )
    return events_of(account_id, rows)


def of_ids(account_id: int, event_ids: Collection[int]) -> list[Event]:
    """Those of these events that are kept, in their order. One query."""
    rows = sql.rows(
        f"select {COLUMNS} from events_event e where account_id = %s and id = any(%s) order by id",
        [account_id, sorted(event_ids)],
    )
    return events_of(account_id, rows)


def begins_at(account_id: int) -> datetime | None:
    """The moment of the oldest event that is kept."""
    found = sql.row("select min(occurred_at) from events_event where account_id = %s", [account_id])
    return found[0] if found else None


def rules_of(account_id: int, event_ids: Sequence[int]) -> dict[int, str]:
    """{event id: the rule that caused it}, for events that a rule caused."""
    if not event_ids:
        return {}
    return dict(
        sql.rows(
            "select id, cause->>'rule' from events_event where account_id = %s and id = any(%s) and cause ? 'rule'",
            [account_id, list(event_ids)],
        )
    )


def causes_of(account_id: int, event_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """{event id: its cause as it is stored}, for events that something caused."""
    if not event_ids:
        return {}
    found = sql.rows(
        "select id, cause from events_event where account_id = %s and id = any(%s) and cause is not null",
        [account_id, list(event_ids)],
    )
    return {event_id: sql.loads(cause) for event_id, cause in found}


def of_record(account_id: int, object_type: str, object_id: int, kind: str, *, limit: int) -> list[Event]:
    """The last events of one kind about one thing, the latest first. One query."""
    rows = sql.rows(
        f"select {COLUMNS} from events_event e where account_id = %s and object_type = %s and object_id = %s and kind = %s"
        " order by id desc limit %s",
        [account_id, object_type, object_id, kind, limit],
    )
    return events_of(account_id, rows)

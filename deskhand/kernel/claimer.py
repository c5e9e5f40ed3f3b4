"""The loop behind every queue of ours: claim a batch, work it, commit, again.

A claim is a row lock (FOR UPDATE SKIP LOCKED), not a lease: effects and the queue's own change commit together,
and a killed worker's rows are free at once. One transaction serves one account. A batch that fails is rolled back
and worked one by one, so that only the culprit is quarantined.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from prometheus_client import Counter, Histogram

from deskhand.kernel.database import wake
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.text import storable

log = structlog.get_logger()

Row = TypeVar("Row")

#: Rows claimed at most, after a pause and under backlog, where a queue doesn't say otherwise.
SMALL, LARGE = 100, 500
GROWTH = 4  # times the last batch's rows is the next one's limit
#: SQLSTATEs that are no row's fault: no disk, memory or connections left; shutting down; I/O errors.
SERVERS_TROUBLE = ("53", "57P", "58")
POLL = 2.0  # seconds between looks when no wake-up comes
#: Seconds that a queue sleeps at least when it has found nothing: what comes due meanwhile is one batch, not one each.
SOON = 0.2

WORKED = Counter("deskhand_claimed_rows", "Rows worked", ["queue"])
FAILED = Counter("deskhand_failed_rows", "Rows that raised", ["queue"])
BATCH_SECONDS = Histogram("deskhand_batch_seconds", "Time of one batch", ["queue"])


class BatchClaimer(ABC, Generic[Row]):
    """One queue. Subclasses say how to claim, work and give up; the order of calls is `run_once`'s."""

    name: str
    wake: str  # the wake-up that means "there is something new"
    most = LARGE  # rows claimed at most

    @abstractmethod
    def next_account(self) -> int | None:
        """Return an account with a due row that nobody holds, or None. Runs outside any scope."""

    @abstractmethod
    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Row]:
        """Lock and return due rows of the account (`only` this id, if given); skip locked ones."""

    @abstractmethod
    def work(self, account_id: int, rows: Sequence[Row]) -> None:
        """Do the effects and mark the rows, all in the open transaction. May be called again after a crash."""

    @abstractmethod
    def failed(self, account_id: int, row: Row, error: Exception) -> None:
        """Note that `row` alone raised: count the try, back off or quarantine. Its own transaction; see `words_of`."""

    @abstractmethod
    def row_id(self, row: Row) -> int: ...

    def patience(self) -> float:
        """Seconds to sleep, unless woken, when nothing is due. Runs outside any scope; see `until_due`."""
        return POLL

    def prepare(self, account_id: int, limit: int) -> None:
        """Do what is slow and needs no transaction before the claim; nothing by default."""

    def run_once(self, limit: int | None = None) -> int:
        """Work one batch of one account (the largest, if no `limit` is given); return how many rows it had.

        Raises OperationalError or InterfaceError when the database itself is away: nothing is counted then.
        """
        account_id = self.next_account()
        if account_id is None:
            return 0
        started, limit = time.monotonic(), limit or self.most
        rows: list[Row] = []
        try:
            self.prepare(account_id, limit)
            with account_scope(account_id):
                rows = self.claim(account_id, limit)
                if rows:
                    self.work(account_id, rows)
        except (OperationalError, InterfaceError) as failure:
            if _database_is_away(failure):
                raise
            self._one_by_one(account_id, rows)
        except Exception as failure:  # noqa: BLE001 the edge of a job: told apart row by row
            log.warning(
                "batch failed, working it one by one", queue=self.name, rows=len(rows), error=repr(failure)
            )
            self._one_by_one(account_id, rows)
        BATCH_SECONDS.labels(self.name).observe(time.monotonic() - started)
        WORKED.labels(self.name).inc(len(rows))
        return len(rows)

    def _one_by_one(self, account_id: int, rows: Sequence[Row]) -> None:
        for row in rows:
            try:
                with account_scope(account_id):
                    claimed = self.claim(account_id, 1, only=self.row_id(row))
                    if claimed:
                        self.work(account_id, claimed)
            except Exception as failure:
                if isinstance(failure, DatabaseError) and _database_is_away(failure):
                    raise
                FAILED.labels(self.name).inc()
                log.exception("row failed", queue=self.name, row=self.row_id(row))
                with account_scope(account_id):
                    self.failed(account_id, row, failure)


def until_due(seconds: float | None) -> float:
    """The seconds until something is due (None: never) as `patience`: no longer than between looks, and long enough to gather."""
    return POLL if seconds is None else min(POLL, max(SOON, seconds))


def words_of(error: Exception, limit: int = 2000) -> str:
    """What an error says, fit to store: it may quote what made the trouble."""
    return storable(f"{type(error).__name__}: {error}")[:limit]


def _database_is_away(failure: Exception) -> bool:
    """Whether the server is in trouble (as against a deadlock or a lock timeout, which the batch caused)."""
    if isinstance(failure, InterfaceError):
        return True
    state = getattr(failure.__cause__, "sqlstate", None) or ""
    return connection.connection is None or connection.connection.closed or state.startswith(SERVERS_TROUBLE)


class ClaimLoop:
    """Runs a claimer until `stop`: more rows a batch under backlog, asleep when there is nothing."""

    def __init__(self, claimer: BatchClaimer[Row], stop: threading.Event) -> None:
        self.claimer, self.stop = claimer, stop
        self.woken = threading.Event()

    def hear(self, name: str) -> None:
        if name in ("", self.claimer.wake):
            self.woken.set()

    def run(self) -> None:
        wake.hear_locally(self.hear)
        limit, pause = SMALL, 0.2
        try:
            while not self.stop.is_set():
                self.woken.clear()
                try:
                    done = self.claimer.run_once(limit)
                    patience = 0.0 if done else self.claimer.patience()
                    pause = 0.2
                except Exception as failure:  # noqa: BLE001 the edge of the worker: the database may be restarting
                    log.warning("queue interrupted", queue=self.claimer.name, error=str(failure))
                    close_old_connections()
                    connection.close()
                    self.stop.wait(pause)
                    pause = min(pause * 2, 5.0)
                    continue
                limit = min(self.claimer.most, max(SMALL, GROWTH * done))
                if patience:
                    self.woken.wait(patience)
        finally:
            wake.forget_locally(self.hear)
            connection.close()

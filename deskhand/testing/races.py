"""Tests in which one transaction has to wait for another."""

from __future__ import annotations

import time

from deskhand.kernel.database import sql


def until_somebody_waits(seconds: float = 20.0, *, number: int = 1) -> None:
    """Return as soon as so many in this database wait for a lock. Raises AssertionError when they don't come to."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        # Who is connected is read once a transaction; who came since would never be seen.
        sql.row("select pg_stat_clear_snapshot()")
        waiting = sql.row(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        if waiting and waiting[0] >= number:
            return
        time.sleep(0.01)
    raise AssertionError(f"Fewer than {number} wait for a lock after {seconds:.0f} s.")

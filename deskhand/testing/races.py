"""Tests in which one transaction has to wait for another."""

from __future__ import annotations

import time

from deskhand.kernel.database import sql


def until_somebody_waits(seconds: float = 20.0) -> None:
    """Return as soon as somebody in this database waits for a lock. Raises AssertionError when nobody comes to."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        # Who is connected is read once a transaction; who came since would never be seen.
        sql.row("select pg_stat_clear_snapshot()")
        if sql.row(
            "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ):
            return
        time.sleep(0.01)
    raise AssertionError(f"Nobody has waited for a lock for {seconds:.0f} s.")

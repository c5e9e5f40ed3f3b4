"""Doing slow jobs in a test's own transaction, which no worker can see."""

from __future__ import annotations

import threading

from deskhand.kernel import jobs
from deskhand.kernel.database import sql


def run_jobs() -> int:
    """Do every job that waits, in order; return how many there were. Errors and Later come through."""
    waiting = sql.rows("select id, task_name, args from procrastinate_jobs where status = 'todo' order by id")
    for job_id, kind, kept in waiting:
        given = sql.loads(kept)
        jobs.perform(kind, jobs.Job(job_id, given["account_id"], given["args"], threading.Event()))
        sql.execute("delete from procrastinate_jobs where id = %s", [job_id])
    return len(waiting)

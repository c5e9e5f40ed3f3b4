"""Slow jobs: what takes seconds to hours. Procrastinate keeps them; they are enqueued in the caller's transaction.

A job says what to do, never how far it is: its handler notes that in rows of its own, works in short transactions and is
safe to repeat, even beside itself. So a killed worker's job goes on elsewhere, half a minute later. Nothing is enqueued
for a later date: anything timed is a timer. Each kind has a queue of its own, so that a worker leaves alone the kinds
that only a newer release knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import DatabaseError, connection, transaction
from prometheus_client import Counter

from deskhand.kernel import clock
from deskhand.kernel.database import sql, wake
from deskhand.kernel.database.scope import account_scope, current_account_id

if TYPE_CHECKING:
    from procrastinate import JobContext
    from procrastinate.contrib.django import DjangoApp
    from procrastinate.middleware import SyncCallNext
    from procrastinate.worker import Worker

log = structlog.get_logger()

WAKE = "jobs"
POLL = 2.0  # seconds between looks when no wake-up comes
TRIES = 5
BACK_OFF = timedelta(seconds=15)  # before the second try, four times as much before each further one
LOSSES = 20  # times that its worker may be killed before a job is taken for the killer
SILENCE = 30  # seconds without a heartbeat after which a worker is taken for dead

FAILED = Counter("deskhand_failed_jobs", "Tries of slow jobs that raised", ["kind"])


class Later(Exception):
    """Puts the job back; it goes on where its own rows say. Counts as no failure."""

    def __init__(self, pause: timedelta = timedelta(0)) -> None:
        super().__init__(f"goes on in {pause}")
        self.pause = pause


@dataclass(frozen=True)
class Job:
    """One job in hand. The handler runs outside any scope and opens `account_scope(account_id)` for each step."""

    id: int
    account_id: int
    args: Mapping[str, Any]
    stop: threading.Event

    def give_way(self) -> None:
        """Between two steps: raises Later when the worker is told to stop."""
        if self.stop.is_set():
            raise Later


Handler = Callable[[Job], None]
#: (account id, kind, args): hear, inside the account's scope, of jobs that are tried no more. Filled by wiring.
given_up: list[Callable[[int, str, Mapping[str, Any]], None]] = []
#: kind → handler. Filled by wiring.
handlers: dict[str, Handler] = {}


def enqueue(kind: str, args: Mapping[str, Any], *, one_by_one: str = "") -> None:
    """Let a worker do it once the open account scope has committed.

    Jobs of a kind with the same `one_by_one` never run at the same time.
    """
    from procrastinate.contrib.django import app

    account_id = current_account_id()
    lock = f"{kind}:{account_id}:{one_by_one}" if one_by_one else None
    app.configure_task(kind, queue=kind, lock=lock).defer(account_id=account_id, args=dict(args))
    wake.wake(WAKE)


def under_way(kind: str) -> list[Mapping[str, Any]]:
    """What the open account's jobs of the kind were given that are not done yet, oldest first."""
    found = sql.rows(
        "select args from procrastinate_jobs where task_name = %s and status in ('todo', 'doing')"
        " and (args ->> 'account_id')::bigint = %s order by id",
        [kind, current_account_id()],
    )
    return [sql.loads(args)["args"] for (args,) in found]


# ── those that failed ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class FailedJob:
    id: int
    kind: str
    args: Mapping[str, Any]
    tries: int
    error: str
    failed_at: datetime


def failed() -> list[FailedJob]:
    """The open account's jobs that were given up, newest first."""
    return [
        FailedJob(job_id, kind, sql.loads(args)["args"], tries, error, at)
        for job_id, kind, args, tries, error, at in sql.rows(_FAILED, [current_account_id()])
    ]


_FAILED = """
select j.id, j.task_name, j.args, f.tries, f.error, f.failed_at
from kernel_jobfailure f join procrastinate_jobs j on j.id = f.job_id
where f.account_id = %s and j.status = 'failed' order by f.failed_at desc, j.id desc
"""


def count_failed() -> dict[str, int]:
    """{kind: how many were given up}, over all accounts."""
    return dict(
        sql.rows(
            "select task_name, count(*) from procrastinate_jobs where status = 'failed' group by 1 order by 1"
        )
    )


def accounts_with_failed() -> list[int]:
    return [
        account_id
        for (account_id,) in sql.rows(
            "select distinct (args ->> 'account_id')::bigint from procrastinate_jobs where status = 'failed' order by 1"
        )
    ]


def run_again(job_ids: Sequence[int]) -> int:
    """Give failed jobs of the open account another round; for the admin's button. Returns how many."""
    from procrastinate.contrib.django import app

    account_id = current_account_id()
    found = sql.rows(
        "select j.id from procrastinate_jobs j join kernel_jobfailure f on f.job_id = j.id"
        " where f.account_id = %s and j.id = any(%s) and j.status = 'failed' order by j.id for update of j",
        [account_id, list(job_ids)],
    )
    sql.execute(
        "delete from kernel_jobfailure where account_id = %s and job_id = any(%s)",
        [account_id, [job_id for (job_id,) in found]],
    )
    for (job_id,) in found:
        app.job_manager.retry_job_by_id(job_id, clock.now())
    wake.wake(WAKE)
    return len(found)


def _note(job_id: int, account_id: int, error: str) -> int:
    """Count one more failure of a job; return how many it has now."""
    with account_scope(account_id):
        found = sql.row(_NOTE, [account_id, job_id, error[:2000]])
    assert found is not None
    return int(found[0])


_NOTE = """
insert into kernel_jobfailure (account_id, job_id, tries, error, failed_at) values (%s, %s, 1, %s, now())
on conflict (account_id, job_id) do update
set tries = kernel_jobfailure.tries + 1, error = excluded.error, failed_at = excluded.failed_at
returning tries
"""


def _forget(job_id: int, account_id: int) -> None:
    with account_scope(account_id):
        sql.execute(
            "delete from kernel_jobfailure where account_id = %s and job_id = %s", [account_id, job_id]
        )


# ── doing them ───────────────────────────────────────────────────────────────────────────────────────────────────────


def perform(kind: str, job: Job) -> None:
    """Do one job. Raises Later when it shall go on or be tried again, and its own error when that was the last try."""
    try:
        handlers[kind](job)
        _forget(job.id, job.account_id)
    except Later:
        raise
    except Exception as failure:
        FAILED.labels(kind).inc()
        log.exception("job failed", kind=kind, job=job.id, account=job.account_id)
        tries = _tries(job, failure)
        if tries >= TRIES:
            _tell_given_up(job.account_id, kind, job.args)
            raise
        raise Later(BACK_OFF * 4 ** (tries - 1)) from failure


def _tell_given_up(account_id: int, kind: str, args: Mapping[str, Any]) -> None:
    try:
        with account_scope(account_id):
            for hear in given_up:
                hear(account_id, kind, args)
    except DatabaseError as failure:  # the system's page shows it all the same
        log.warning("a failed job was not told of", kind=kind, account=account_id, error=str(failure))


def _tries(job: Job, failure: Exception) -> int:
    try:
        return _note(job.id, job.account_id, f"{type(failure).__name__}: {failure}")
    except DatabaseError:  # it is away, which is no job's fault
        connection.close()
        return 1


class JobLoop:
    """Looks for due jobs until `stop`, and runs Procrastinate's worker while there are some: at rest it costs one query.

    It listens to our own wake-ups, not to Procrastinate's, so all its connections may go through PgBouncer.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.stop, self.woken = stop, threading.Event()

    def hear(self, name: str) -> None:
        if name in ("", WAKE):
            self.woken.set()

    def run(self) -> None:
        wake.hear_locally(self.hear)
        try:
            while not self.stop.is_set():
                self.woken.clear()
                try:
                    self.run_once()
                except Exception as failure:  # noqa: BLE001 the edge of the worker: the database may be restarting
                    log.warning("jobs interrupted", error=str(failure))
                finally:
                    connection.close()
                self.woken.wait(POLL)
        finally:
            wake.forget_locally(self.hear)

    def run_once(self) -> None:
        """Do all jobs that are due, one after another."""
        if not handlers:
            return
        is_due, is_lost = sql.rows(_LOOK, {"kinds": list(handlers), "silence": SILENCE})[0]
        if is_lost:
            rescue()
        if is_due or is_lost:
            asyncio.run(_work(self.stop))


_LOST = "status = 'doing' and (w.id is null or w.last_heartbeat < now() - make_interval(secs => %(silence)s))"
_LOOK = f"""
select exists (select from procrastinate_jobs
               where status = 'todo' and queue_name = any(%(kinds)s) and (scheduled_at is null or scheduled_at <= now())),
       exists (select from procrastinate_jobs j left join procrastinate_workers w on w.id = j.worker_id
               where queue_name = any(%(kinds)s) and {_LOST})
"""


def rescue() -> int:
    """Put back the jobs whose worker died; one that kills its workers again and again is given up. Returns how many."""
    with transaction.atomic():
        if not sql.rows("select 1 where pg_try_advisory_xact_lock(hashtext('deskhand.jobs.rescue'))"):
            return 0  # another worker does it
        lost = sql.rows(
            "select j.id, j.task_name, j.args from procrastinate_jobs j left join procrastinate_workers w on w.id = j.worker_id"
            f" where queue_name = any(%(kinds)s) and {_LOST} order by j.id for update of j",
            {"kinds": list(handlers), "silence": SILENCE},
        )
        for job_id, kind, args in lost:
            _put_back(job_id, kind, **sql.loads(args))
    return len(lost)


def _put_back(job_id: int, kind: str, account_id: int, args: Mapping[str, Any]) -> None:
    from procrastinate.contrib.django import app

    losses = _note(job_id, account_id, "Its worker ended while it ran.")
    log.warning("job lost its worker", job=job_id, account=account_id, losses=losses)
    if losses < LOSSES:
        app.job_manager.retry_job_by_id(job_id, clock.now())
    else:
        sql.rows("select procrastinate_finish_job_v1(%s, 'failed', false)", [job_id])
        _tell_given_up(account_id, kind, args)


async def _work(stop: threading.Event) -> None:
    """Run Procrastinate's worker until no job is left, or until `stop`: then the job in hand gives way and is put back."""
    app = _app(stop)
    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                queues=list(handlers),
                concurrency=1,
                wait=False,
                listen_notify=False,
                install_signal_handlers=False,
                delete_jobs="successful",
                stalled_worker_timeout=SILENCE,
            )
        )
        while not working.done() and not stop.is_set():
            await asyncio.wait([working], timeout=0.5)
        if not working.done():
            working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


def _app(stop: threading.Event) -> DjangoApp:
    """Procrastinate's app for one event loop; imported late, because most processes never need it."""
    from procrastinate import BaseRetryStrategy, PsycopgConnector, RetryDecision
    from procrastinate.contrib.django import DjangoApp, connector_params
    from procrastinate.jobs import Job as Kept

    class Again(BaseRetryStrategy):
        def get_retry_decision(self, *, exception: BaseException, job: Kept) -> RetryDecision | None:
            return (
                RetryDecision(retry_at=clock.now() + exception.pause)
                if isinstance(exception, Later)
                else None
            )

    def stop_with_us(call_next: SyncCallNext, context: JobContext, worker: Worker) -> Any:
        """At once: a job that gave way must not be fetched again."""
        try:
            return call_next()
        finally:
            if stop.is_set():
                worker.stop()  # type: ignore[no-untyped-call]

    app = DjangoApp(
        connector=PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=2),
        worker_defaults={"task_middleware": [stop_with_us]},
    )
    for kind in handlers:
        app.task(name=kind, queue=kind, pass_context=True, retry=Again())(_task(kind, stop))
    return app


def _task(kind: str, stop: threading.Event) -> Callable[..., None]:
    def run(context: JobContext, account_id: int, args: dict[str, Any]) -> None:
        assert context.job.id is not None
        perform(kind, Job(context.job.id, account_id, args, stop))

    return run

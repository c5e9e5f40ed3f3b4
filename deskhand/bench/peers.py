"""Procrastinate and DBOS at the same work, one step a job, on the same server: what others get who need no engine of ours.

Each job sets a property as a step does (ticket, history, event, log) in one statement; what is around that is the
library's. They have as many processes as our workers, each many jobs at a time. Only started jobs are timed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

JOBS, PROCESSES, PATIENCE = 2_000, 2, 240
AT_ONCE = {"procrastinate": 10, "dbos": 100}  # jobs of one process
INSTALL = "not installed: pip install --require-hashes -r requirements/bench.txt"
QUEUE, STEP = "bench", "bench.step"


def measure(account_id: int, jobs: int, ours: float) -> dict[str, Any]:
    """{library: its jobs a second, and how many times as many steps are ours}; a way to install one that is missing."""
    found: dict[str, Any] = {}
    for name in AT_ONCE:
        if find_spec(name) is None:
            found[name] = INSTALL
            continue
        rate = _rate(name, account_id, jobs)
        found[name] = {"jobs": jobs, "per_s": round(rate, 1), "ours_to_theirs": round(ours / rate, 1)}
    return found


def _rate(name: str, account_id: int, jobs: int) -> float:
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        sql.execute("create table if not exists bench_done (library text not null, at timestamptz not null)")
    _process(name, account_id, "enqueue", jobs).wait(PATIENCE)
    workers = [_process(name, account_id, "work", jobs) for _ in range(PROCESSES)]
    try:
        for worker in workers:
            if worker.wait(PATIENCE) != 0:
                raise RuntimeError(f"{name}: a worker failed; its output is above.")
    finally:
        for worker in workers:
            worker.kill()
    done, seconds = sql.rows(
        "select count(*), extract(epoch from max(at) - min(at))::float from bench_done where library = %s",
        [name],
    )[0]
    if done < jobs:
        raise RuntimeError(f"{name}: only {done} of {jobs} jobs were done.")
    return float(done / seconds)


def _process(name: str, account_id: int, what: str, jobs: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "deskhand.bench.peers", name, what, str(account_id), str(jobs)],
        stdout=subprocess.DEVNULL,
    )


# ── in a process of their own ────────────────────────────────────────────────────────────────────────────────────────

# What a step that sets a property writes. The connection names the account.
_STEP = """
with t as (
    update crm_ticket set priority = case when priority = 'LOW' then 'HIGH' else 'LOW' end, version = version + 1, updated_at = now()
    where account_id = %(account)s and id = (select min(id) + %(nth)s from crm_ticket where account_id = %(account)s)
    returning id, version, priority
), e as (
    insert into events_event (account_id, id, kind, object_type, object_id, version, actor_kind, depth, data, occurred_at)
    select %(account)s, nextval('events_event_id_seq'), 'ticket.updated', 'ticket', t.id, t.version, 'workflow', 1,
        jsonb_build_object('changes', jsonb_build_object('hs_ticket_priority', jsonb_build_array(null, t.priority))), now()
    from t returning id, object_id, occurred_at
), p as (
    insert into events_pendingevent (account_id, id, object_type, object_id, occurred_at, due_at, attempts, error)
    select %(account)s, e.id, 'ticket', e.object_id, e.occurred_at, e.occurred_at, 0, '' from e
), h as (
    insert into crm_propertychange (account_id, object_type, source, actor_kind, changed_at, record_id, property, old, new, event_id)
    select %(account)s, 'ticket', 'AUTOMATION_PLATFORM', 'workflow', now(), t.id, 'hs_ticket_priority', 'null', to_jsonb(t.priority), e.id
    from t join e on e.object_id = t.id
), l as (
    insert into automation_steplog (account_id, at, workflow_id, enrollment_id, object_type, record_id, revision_number, step_id, kind, status, message)
    select %(account)s, now(), 0, 0, 'ticket', t.id, 1, '1', 'set_property', 'SUCCEEDED', 'Priority: High' from t
)
insert into bench_done (library, at) select %(library)s, clock_timestamp() from t
"""


def _address(account_id: int) -> str:
    return f"{os.environ['DATABASE_URL']}&options=-c%20deskhand.account%3D{account_id}"


def _procrastinate(what: str, account_id: int, jobs: int) -> None:
    from procrastinate import App, PsycopgConnector
    from psycopg_pool import AsyncConnectionPool

    app = App(
        connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"], max_size=AT_ONCE["procrastinate"])
    )

    async def go() -> None:
        room = AT_ONCE["procrastinate"]
        async with (
            app.open_async(),
            AsyncConnectionPool(_address(account_id), min_size=room, max_size=room, kwargs={"autocommit": True}) as pool,
        ):  # fmt: skip

            @app.task(name=STEP, queue=QUEUE)
            async def step(nth: int) -> None:
                async with pool.connection() as connection:
                    await connection.execute(
                        _STEP, {"account": account_id, "nth": nth, "library": "procrastinate"}
                    )

            if what == "enqueue":
                wanted: list[dict[str, Any]] = [{"nth": nth} for nth in range(jobs)]
                await step.batch_defer_async(*wanted)
            else:
                await app.run_worker_async(
                    queues=[QUEUE], concurrency=room, wait=False, install_signal_handlers=False
                )

    asyncio.run(go())


def _dbos(what: str, account_id: int, jobs: int) -> None:
    import importlib
    import time

    from psycopg_pool import ConnectionPool

    dbos: Any = importlib.import_module("dbos")  # only who compares has it
    engine = dbos.DBOS
    engine(
        config={
            "name": "bench", "system_database_url": os.environ["DATABASE_URL"], "log_level": "ERROR", "executor_id": str(os.getpid()),
            "application_version": "1",
        }
    )  # fmt: skip
    room = AT_ONCE["dbos"]
    pool = ConnectionPool(
        _address(account_id), min_size=1, max_size=10, kwargs={"autocommit": True}, open=True
    )

    def do(nth: int) -> None:
        with pool.connection() as connection:
            connection.execute(_STEP, {"account": account_id, "nth": nth, "library": "dbos"})

    step = engine.step(name=STEP)(do)

    def walk(nth: int) -> None:
        step(nth)

    job = engine.workflow(name=QUEUE)(walk)
    engine.listen_queues([] if what == "enqueue" else [QUEUE])
    engine.launch()
    engine.register_queue(QUEUE, worker_concurrency=room, polling_interval_sec=0.02)
    if what == "enqueue":
        for nth in range(jobs):
            engine.enqueue_workflow(QUEUE, job, nth)
    else:
        with pool.connection() as connection:
            while connection.execute("select count(*) from bench_done where library = 'dbos'").fetchone() != (
                jobs,
            ):
                time.sleep(0.05)
    engine.destroy()
    pool.close()


if __name__ == "__main__":
    logging.disable()
    {"procrastinate": _procrastinate, "dbos": _dbos}[sys.argv[1]](
        sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    )

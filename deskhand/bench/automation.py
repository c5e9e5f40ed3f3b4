"""Steps of mixed lanes, with a million other enrollments waiting for later."""

from __future__ import annotations

import time
from datetime import timedelta

from deskhand.bench.harness import Meter, Result, paused, percentiles, process, scratch, server_pid

RUNS, WAITING, TICKETS, WARM = 20_000, 1_000_000, 20_400, 400
#: The mix of the steps: property, delay, mail, task.
MIX = {"set_property": 0.4, "delay": 0.3, "send_email": 0.2, "create_task": 0.1}


def run(scale: float = 1.0) -> Result:
    runs, waiting = max(500, int(RUNS * scale)), max(1000, int(WAITING * scale))
    with scratch() as server:
        from deskhand.bench.ingest import company

        account_id = company()
        lanes = _prepare(account_id, min(WARM + runs, TICKETS), waiting)
        floor = _floor(runs)
        with process("worker") as worker:
            _enroll(account_id, lanes, 0, WARM)
            _finish(account_id)
            with paused(worker):
                _enroll(account_id, lanes, WARM, runs)
            with Meter(worker.pid, server_pid(server)) as meter:
                started = time.monotonic()
                _finish(account_id)
                elapsed = time.monotonic() - started
                _settle(account_id)
        p50, p95, p99 = percentiles(_batch_milliseconds(account_id))
        rate = runs / elapsed
        return Result(
            "automation", rate, p50, p95, p99, 1000 * meter.cpu_seconds / runs, meter.peak_mb, floor, rate / floor,
            {"steps": runs, "waiting": waiting, "mix": MIX, "seconds": elapsed},
        )  # fmt: skip


def _prepare(account_id: int, tickets: int, waiting: int) -> dict[str, int]:
    """Tickets, four lanes of one step each, and those who wait; returns the lanes' ids."""
    from deskhand.automation import workflows
    from deskhand.automation.engine.definition import Action, Definition, Delay, Edge, ForAmount, Manual
    from deskhand.automation.models import Workflow
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    def one(step: Action | Delay) -> int:
        made = workflows.create(
            account_id, step.id, Definition("ticket", Manual(), start=Edge("1"), steps=(step,), next_id=2)
        )
        Workflow.objects.filter(pk=made.pk).update(
            is_on=True, on_since=clock.now()
        )  # a delay alone can't be switched on
        return int(made.pk)

    with account_scope(account_id):
        fill(account_id, tickets)
        lanes = {
            "set_property": one(
                Action("1", "set_property", {"property": "hs_ticket_priority", "value": "HIGH"})
            ),
            "delay": one(Delay("1", ForAmount(timedelta(days=1)))),
            "send_email": one(Action("1", "send_email", {"template": "ticket_received"})),
            "create_task": one(Action("1", "create_task", {"title": "Call"})),
        }
        sql.execute(_WAIT, [lanes["delay"], account_id, waiting])
    sql.execute("vacuum analyze")  # as any installation that has run for a minute
    return lanes


def _enroll(account_id: int, lanes: dict[str, int], first: int, runs: int) -> None:
    """Enroll `runs` tickets, from the `first` on, in the mix."""
    from deskhand.automation.enroll import WAKE
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.kernel.database.wake import wake

    with account_scope(account_id):
        for kind, part in MIX.items():
            count = round(runs * part)
            sql.execute(_ENROLL, [lanes[kind], account_id, first, count])
            first += count
        wake(WAKE)


def _finish(account_id: int) -> None:
    """Until no enrollment of today is due any more."""
    from deskhand.kernel.database import sql

    until = time.monotonic() + 900
    while sql.row(
        "select 1 from automation_enrollment where account_id = %s and state = 'DUE' and due_at <= now() + interval '1 hour' limit 1",
        [account_id],
    ):
        if time.monotonic() > until:
            raise TimeoutError("The steps were not done within fifteen minutes.")
        time.sleep(0.02)


def _settle(account_id: int) -> None:
    """Until subscribers have heard of what the steps did: that is part of their price."""
    from deskhand.kernel.database import sql

    while sql.row("select 1 from events_pendingevent where account_id = %s limit 1", [account_id]):
        time.sleep(0.02)


def fill(account_id: int, count: int) -> None:
    """Make `count` tickets with their contacts and threads, in one statement."""
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        stage = pipelines_of("ticket").default.first_open
        sql.execute(
            _TICKETS,
            {"account": account_id, "count": count, "pipeline": stage.pipeline_id, "stage": stage.id},
        )


_TICKETS = """
with people as (
    insert into crm_contact (account_id, version, created_at, updated_at, created_by_kind, assigned_team_ids, properties, phone, locale, email,
                             first_name, last_name, name, sort_key)
    select %(account)s, 1, now(), now(), 'system', '{}', '{}', '', '', 'c' || g || '@bench.example', 'C', g::text, 'C ' || g, 'c ' || g
    from generate_series(1, %(count)s) g returning id, substring(email from 2 for position('@' in email) - 2)::int as n
), threads as (
    insert into desk_thread (account_id, inbox_id, channel_account_id, subject, is_open, is_spam, is_side, created_at, last_message_at, preview,
                             message_count, participants)
    select %(account)s, a.inbox_id, a.id, 'S', true, false, false, now(), now(), '', 1, '{}'
    from desk_channelaccount a, generate_series(1, %(count)s) g where a.account_id = %(account)s returning id
), numbered as (select id, row_number() over (order by id) as n from threads)
insert into crm_ticket (account_id, version, created_at, updated_at, sort_at, stage_entered_at, pipeline_id, stage_id, is_closed, number, subject,
    content, assigned_team_ids, properties, created_by_kind, ticket_type, in_help_desk, is_spam, contact_id, channel_account_id,
    originating_thread_id, message_count, preview, last_message_failed)
select %(account)s, 1, now(), now(), now(), now(), %(pipeline)s, %(stage)s, false, p.n, 'Ticket ' || p.n, '', '{}', '{}', 'system', 'EMAIL_OTHER',
       true, false, p.id, (select min(id) from desk_channelaccount where account_id = %(account)s), t.id, 1, '', false
from people p join numbered t using (n)
"""

_ENROLL = """
insert into automation_enrollment (account_id, state, attempts, outputs, end_reason, waits_for, happened, due_at, enrolled_at, workflow_id,
                                   object_type, record_id, revision_number, position, step_id, depth)
select t.account_id, 'DUE', 0, '{}', '', '', '', now(), now(), %s, 'ticket', t.id, 1, '1', '1', 0
from crm_ticket t where t.account_id = %s order by t.id offset %s limit %s
"""

_WAIT = """
insert into automation_enrollment (account_id, state, attempts, outputs, end_reason, waits_for, happened, due_at, enrolled_at, workflow_id,
                                   object_type, record_id, revision_number, position, step_id, depth)
select a.account_id, 'DUE', 0, '{}', '', '', '', now() + interval '1 day' + g * interval '1 second', now(), %s, 'ticket', 1000000000 + g, 1, '1>next', '1', 0
from (select %s::bigint as account_id) a, generate_series(1, %s) g
"""


def _batch_milliseconds(account_id: int) -> list[float]:
    """Gaps between the log's batches: one moment a transaction."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        rows = sql.rows(
            "select 1000 * extract(epoch from at - lag(at) over (order by at))::float from (select distinct at from automation_steplog where account_id = %s) x",
            [account_id],
        )
    return [row[0] for row in rows if row[0] is not None]


def _floor(runs: int) -> float:
    """Claim, set and log in sets of 200 as bare SQL: an update, an insert and the queue's own update a set."""
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute(
            "create table floor_q (id bigint primary key, due timestamptz, state int) with (fillfactor=80)"
        )
        cursor.execute("create index on floor_q (due) where state = 0")
        cursor.execute("create table floor_t (id bigint primary key, a text, b bigint) with (fillfactor=80)")
        cursor.execute(
            "create table floor_log (id bigint generated always as identity primary key, a bigint, b text)"
        )
        cursor.execute(
            "insert into floor_q select g, now() - interval '1 second', 0 from generate_series(1, %s) g",
            [runs],
        )
        cursor.execute("insert into floor_t select g, 'x', 1 from generate_series(1, %s) g", [runs])
        started = time.monotonic()
        for _ in range(0, runs, 200):
            with transaction.atomic():
                cursor.execute(
                    "select id from floor_q where state = 0 and due <= now() order by due limit 200 for update skip locked"
                )
                ids = [row[0] for row in cursor.fetchall()]
                cursor.execute("update floor_t set a = 'y', b = b + 1 where id = any(%s)", [ids])
                cursor.execute(
                    "insert into floor_log (a, b) select i, 'done' from unnest(%s::bigint[]) i", [ids]
                )
                cursor.execute("update floor_q set state = 1 where id = any(%s)", [ids])
        elapsed = time.monotonic() - started
        cursor.execute("drop table floor_q, floor_t, floor_log")
    return runs / elapsed

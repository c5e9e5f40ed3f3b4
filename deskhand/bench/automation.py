"""Steps of mixed workflows with a million others waiting, timers that come due, and what a claim costs among how many."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from subprocess import Popen
from typing import Any

from deskhand.bench import floors, peers
from deskhand.bench.harness import Meter, Result, paused, percentiles, process, scratch, server_pid

STEPS, WARM = 40_000, 1_000
WORKERS = 2  # processes: one for each of two cores
#: What steps do. A branch is walked on the way to one of the others, by a quarter of the runs.
MIX = {"set_property": 0.32, "delay": 0.24, "send_email": 0.16, "create_task": 0.08, "branch": 0.2}
#: How many wait when claims are timed; the steps and timers are timed beside WAITING.
AMONG, WAITING = (10_000, 100_000, 1_000_000, 5_000_000), 1_000_000
TIMERS_PER_S, SECONDS = 1_000, 20
CLAIMED, TIMES = 500, 15  # rows of a claim that is timed, and how often it is

Lanes = dict[str, int]


def run(scale: float = 1.0) -> Result:
    runs = max(400, round(STEPS * scale * (1 - MIX["branch"])))
    with scratch() as server:
        from deskhand.bench.ingest import company
        from deskhand.kernel import clock

        account_id = company()
        lanes = _prepare(account_id, WARM + runs)
        claims: dict[str, Any] = {}
        for among in [among for among in AMONG if among <= WAITING]:
            claims |= _claims_among(account_id, lanes, max(1_000, int(among * scale)))
        waiting = max(1_000, int(WAITING * scale))
        with _workers() as workers:
            _enroll(account_id, lanes, 0, WARM)
            _finish(account_id)
            with _paused(workers):
                _enroll(account_id, lanes, WARM, runs)
            with Meter(*(worker.pid for worker in workers), server_pid(server)) as meter:
                started, began = time.monotonic(), clock.now()
                _finish(account_id)
                elapsed = time.monotonic() - started
                _settle(account_id)
            _require_done(account_id)
            p50, p95, p99 = percentiles(_batch_milliseconds(account_id, began))
            timers = _timers(account_id, lanes, max(3, round(SECONDS * scale)), runs)
        steps = _steps_of(runs)
        rate = steps / elapsed
        _enroll(account_id, lanes, 0, runs)
        floor = floors.steps(account_id, lanes, WORKERS) * steps / runs
        others = peers.measure(account_id, max(100, round(peers.JOBS * scale)), rate)
        for among in [among for among in AMONG if among > WAITING]:
            claims |= _claims_among(account_id, lanes, int(among * scale))
        return Result(
            "automation", rate, p50, p95, p99, 1000 * meter.cpu_seconds / steps, meter.peak_mb, floor, rate / floor,
            {
                "steps": steps, "runs": runs, "waiting": waiting, "workers": WORKERS, "mix": MIX, "seconds": round(elapsed, 2),
                "timers": timers, "claim_among": claims, **others,
            },
        )  # fmt: skip


def _steps_of(runs: int) -> int:
    """A run walks one step, and a quarter of them a branch before it."""
    return runs + sum(count for name, count in _parts(runs).items() if name.startswith("branch"))


def _parts(runs: int) -> dict[str, int]:
    """{workflow: how many of so many runs go through it}."""
    acting = 1 - MIX["branch"]
    behind = MIX["branch"] / acting  # the part of them that come by a branch
    found: dict[str, int] = {}
    for kind, part in MIX.items():
        if kind != "branch":
            count = round(runs * part / acting)
            found[f"branch, {kind}"] = round(count * behind)
            found[kind] = count - round(count * behind)
    return found


# ── laid out ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(account_id: int, tickets: int) -> Lanes:
    """Tickets, and workflows of one step each, with and without a branch before it; returns their ids."""
    from deskhand.automation import workflows
    from deskhand.automation.engine.definition import (
        Action,
        Branch,
        Definition,
        Delay,
        Edge,
        ForAmount,
        IfThen,
        Manual,
    )
    from deskhand.automation.models import Workflow
    from deskhand.crm.filters.types import Filter, Operator
    from deskhand.crm.schema.types import Kind
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))
    by_mail = Filter("source_type", Kind.ENUM, Operator.NONE_OF, ("CHAT",))

    def one(name: str, *steps: Action | Delay | IfThen) -> int:
        definition = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=len(steps) + 1)
        made = workflows.create(account_id, name, definition)
        # a delay alone can't be switched on
        Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now())
        return int(made.pk)

    def both(kind: str, *settings: Any) -> Lanes:
        def step(number: str) -> Action | Delay:
            return (
                Action(number, kind, *settings) if settings else Delay(number, ForAmount(timedelta(days=1)))
            )

        fork = IfThen("1", (Branch("Urgent", urgent), Branch("By mail", by_mail, Edge("2"))))
        return {kind: one(kind, step("1")), f"branch, {kind}": one(f"branch, {kind}", fork, step("2"))}

    with account_scope(account_id):
        fill(account_id, tickets)
        after = Action("2", "set_property", {"property": "hs_ticket_priority", "value": "LOW"})
        lanes = {
            **both("set_property", {"property": "hs_ticket_priority", "value": "HIGH"}),
            **both("delay"),
            **both("send_email", {"template": "ticket_received"}),
            **both("create_task", {"title": "Call"}),
            "timers": one("timers", Delay("1", ForAmount(timedelta(days=1)), Edge("2")), after),
        }
    sql.execute("vacuum analyze")  # as any installation that has run for a minute
    return lanes


def _enroll(account_id: int, lanes: Lanes, first: int, runs: int) -> None:
    """Enroll `runs` tickets, from the `first` on, in the mix; they are due at once."""
    from deskhand.automation.enroll import WAKE
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.kernel.database.wake import wake

    with account_scope(account_id):
        for name, count in _parts(runs).items():
            sql.execute(_ENROLL, [lanes[name], account_id, first, count])
            first += count
        wake(WAKE)


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

_COLUMNS = """account_id, state, attempts, outputs, end_reason, waits_for, happened, enrolled_at, due_at, workflow_id, object_type, record_id,
    revision_number, position, step_id, depth"""

_ENROLL = f"""
insert into automation_enrollment ({_COLUMNS})
select t.account_id, 'DUE', 0, '{{}}', '', '', '', now(), now(), %s, 'ticket', t.id, 1, '1', '1', 0
from crm_ticket t where t.account_id = %s order by t.id offset %s limit %s
"""

_WAIT = f"""
insert into automation_enrollment ({_COLUMNS})
select a.account_id, 'DUE', 0, '{{}}', '', '', '', now(), now() + interval '1 day' + g * interval '1 second', a.workflow, 'ticket', 1000000000 + g, 1,
    '1>next', '1', 0
from (select %(account)s::bigint as account_id, %(workflow)s::bigint as workflow) a, generate_series(%(have)s + 1, %(wanted)s) g
"""


# ── until it is done ─────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _workers() -> Iterator[list[Popen[bytes]]]:
    with contextlib.ExitStack() as running:
        yield [running.enter_context(process("worker")) for _ in range(WORKERS)]


@contextlib.contextmanager
def _paused(workers: list[Popen[bytes]]) -> Iterator[None]:
    """Stand still, so that what is laid out now is begun all at once."""
    with contextlib.ExitStack() as still:
        for worker in workers:
            still.enter_context(paused(worker))
        yield


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


def _require_done(account_id: int) -> None:
    """Steps that skip or fail are quick. Raises RuntimeError for figures that would come of such."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        others = sql.rows(_NOT_DONE, [account_id])
    if others:
        raise RuntimeError(f"Steps were not done: {others}")


_NOT_DONE = """
select kind, status, min(message), count(*) from automation_steplog
where account_id = %s and status <> 'SUCCEEDED' and kind <> 'delayed' group by 1, 2
"""


def _batch_milliseconds(account_id: int, since: datetime) -> list[float]:
    """Gaps between the log's batches: one moment a transaction."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        rows = sql.rows(
            "select 1000 * extract(epoch from at - lag(at) over (order by at))::float from (select distinct at from automation_steplog where account_id = %s and at >= %s) x",
            [account_id, since],
        )
    return [row[0] for row in rows if row[0] is not None]


# ── timers, and claims among many ────────────────────────────────────────────────────────────────────────────────────


def _timers(account_id: int, lanes: Lanes, seconds: int, tickets: int) -> dict[str, Any]:
    """Delays that are over one after the other: how much later than that the step behind each began, in milliseconds."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    count = min(TIMERS_PER_S * seconds, tickets)
    with account_scope(account_id):
        sql.execute(_COME_DUE, [1 / TIMERS_PER_S, lanes["timers"], account_id, count])
    _finish(account_id)
    with account_scope(account_id):
        late = [row[0] for row in sql.rows(_LATE, [account_id, lanes["timers"]])]
    p50, p95, p99 = percentiles(late)
    found = {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "longest_ms": max(late)}
    return {
        "due_per_s": TIMERS_PER_S,
        "count": len(late),
        **{name: round(value, 1) for name, value in found.items()},
    }


# When it is due is kept as when it was enrolled.
_COME_DUE = f"""
insert into automation_enrollment ({_COLUMNS})
select t.account_id, 'DUE', 0, '{{}}', '', '', '', x.at, x.at, x.workflow, 'ticket', t.id, 1, '1>next', '1', 0
from (select id, account_id, clock_timestamp() + interval '4 seconds' + row_number() over (order by id) * make_interval(secs => %s) as at,
             %s::bigint as workflow from crm_ticket where account_id = %s order by id limit %s) x
join crm_ticket t on t.account_id = x.account_id and t.id = x.id
"""

_LATE = """
select 1000 * extract(epoch from l.at - e.enrolled_at)::float
from automation_enrollment e join automation_steplog l on l.account_id = e.account_id and l.enrollment_id = e.id and l.kind = 'set_property'
where e.account_id = %s and e.workflow_id = %s
"""


def _claims_among(account_id: int, lanes: Lanes, waiting: int) -> dict[str, Any]:
    """What it costs to claim rows that are due when so many are not: the median time, and the pages that are looked at."""
    from deskhand.automation import runner
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        have = sql.rows(_WAITING, [account_id, lanes["delay"]])[0][0]
        sql.execute(
            _WAIT, {"account": account_id, "workflow": lanes["delay"], "have": have, "wanted": waiting}
        )
    sql.execute("vacuum analyze automation_enrollment")
    claimer, spent, pages = runner.Runner(), [], 0
    with contextlib.suppress(_TakenBack), account_scope(account_id):
        sql.execute(_ENROLL, [lanes["set_property"], account_id, 0, CLAIMED])
        explained = sql.rows(
            f"explain (analyze, buffers, format json) {runner.CLAIM}", [account_id, None, None, CLAIMED]
        )
        plan = sql.loads(explained[0][0])[0]["Plan"]
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        for _ in range(TIMES):
            started = time.perf_counter()
            assert claimer.next_account() == account_id
            assert len(claimer.claim(account_id, CLAIMED)) == CLAIMED
            spent.append(1000 * (time.perf_counter() - started))
        raise _TakenBack
    return {f"{waiting:,}": {"ms": round(sorted(spent)[TIMES // 2], 2), "pages": pages}}


class _TakenBack(Exception):
    """Undoes what was only to be looked at."""


_WAITING = """
select count(*) from automation_enrollment where account_id = %s and workflow_id = %s and record_id > 1000000000
"""

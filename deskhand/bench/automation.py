"""Steps of mixed workflows with a million others waiting, timers that come due, and what a claim costs among how many."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from subprocess import Popen
from typing import Any

from deskhand.bench import floors, mix, peers
from deskhand.bench.harness import Meter, Result, paused, percentiles, process, scratch, server_pid

STEPS, ALONE, WARM = 100_000, 20_000, 1_000
WORKERS = 2  # processes: one for each of two cores
#: How many wait when claims are timed; the steps and timers are timed beside WAITING.
AMONG, WAITING = (10_000, 100_000, 1_000_000, 5_000_000), 1_000_000
TIMERS_PER_S, SECONDS = 1_000, 20
CLAIMED, TIMES = 500, 15  # rows of a claim that is timed, and how often it is

Lanes = dict[mix.Way, int]


def run(scale: float = 1.0) -> Result:
    runs, alone = (
        max(400, round(wanted * scale * 1_000 / mix.steps(ways, 1_000)))
        for wanted, ways in ((STEPS, mix.WHOLE), (ALONE, mix.ALONE))
    )
    with scratch() as server:
        from deskhand.bench.ingest import company

        account_id = company()
        timers = _prepare(account_id, 2 * WARM + runs + alone)
        whole, single = _workflows(account_id, mix.WHOLE, "HIGH"), _workflows(account_id, mix.ALONE, "MEDIUM")
        claims: dict[str, Any] = {}
        for among in [among for among in AMONG if among <= WAITING]:
            claims |= _claims_among(account_id, timers, max(1_000, int(among * scale)))
        waiting = max(1_000, int(WAITING * scale))
        with _workers() as workers:
            family = [*(worker.pid for worker in workers), server_pid(server)]
            steps = _Steps(account_id, whole, mix.WHOLE, 0, runs)
            steps.measure(workers, family)
            singles = _Steps(account_id, single, mix.ALONE, WARM + runs, alone)
            singles.measure(workers, family)
            lateness = _timers(account_id, timers, max(3, round(SECONDS * scale)), runs)
        sql_floor = steps.floor()
        others = peers.measure(account_id, max(100, round(peers.JOBS * scale)), steps.rate)
        for among in [among for among in AMONG if among > WAITING]:
            claims |= _claims_among(account_id, timers, int(among * scale))
        return Result(
            "automation", steps.rate, *steps.batches, steps.cpu_ms, steps.peak_mb, sql_floor, steps.rate / sql_floor,
            {
                "steps": steps.count, "runs": runs, "waiting": waiting, "workers": WORKERS, "mix": mix.shares(mix.WHOLE),
                "seconds": round(steps.seconds, 2),
                "alone": {"steps": singles.count, "per_s": round(singles.rate, 1), "cpu_ms": round(singles.cpu_ms, 3)},
                "timers": lateness, "claim_among": claims, **others,
            },
        )  # fmt: skip


class _Steps:
    """Runs of tickets from the `first` on, each in one of the workflows, timed from when all are due until none is."""

    def __init__(self, account_id: int, lanes: Lanes, ways: mix.Ways, first: int, runs: int) -> None:
        self.account_id, self.lanes, self.ways, self.first, self.runs = account_id, lanes, ways, first, runs
        self.count = mix.steps(ways, runs)
        self.seconds = self.cpu_ms = self.peak_mb = 0.0
        self.batches = (0.0, 0.0, 0.0)

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def measure(self, workers: list[Popen[bytes]], family: list[int]) -> None:
        """`family`: the processes whose CPU time and memory are counted, with all below them."""
        from deskhand.kernel import clock

        self._enroll(0, WARM)
        _finish(self.account_id)
        _settle(self.account_id)
        with _paused(workers):
            self._enroll(WARM, self.runs)
        with Meter(*family) as meter:
            started, began = time.monotonic(), clock.now()
            _finish(self.account_id)
            self.seconds = time.monotonic() - started
            _settle(self.account_id)
        _require_done(self.account_id)
        self.cpu_ms, self.peak_mb = 1000 * meter.cpu_seconds / self.count, meter.peak_mb
        self.batches = percentiles(_batch_milliseconds(self.account_id, began))

    def floor(self) -> float:
        """Steps a second of the same writes without any product around them; begins with the same runs."""
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope

        with account_scope(self.account_id):
            sql.execute(_END, [self.account_id, list(self.lanes.values())])
        self._enroll(WARM, self.runs)
        ways = {workflow_id: way for way, workflow_id in self.lanes.items()}
        return floors.steps(self.account_id, ways, WORKERS) * self.count / self.runs

    def _enroll(self, first: int, runs: int) -> None:
        """Enroll `runs` tickets, from the `first` of its own on; they are due at once."""
        from deskhand.automation.enroll import WAKE
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope
        from deskhand.kernel.database.wake import wake

        with account_scope(self.account_id):
            for way, count in mix.parts(self.ways, runs).items():
                sql.execute(_ENROLL, [self.lanes[way], self.account_id, self.first + first, count])
                first += count
            wake(WAKE)


# ── laid out ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(account_id: int, tickets: int) -> int:
    """Tickets, and the workflow of those who wait; returns its id. Mails stand in the outbox: sending is not timed."""
    from deskhand.automation.engine.definition import Action, Delay, Edge, ForAmount
    from deskhand.delivery import outbox
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    outbox.fence("A benchmark sends nothing")
    with account_scope(account_id):
        fill(account_id, tickets)
        after = Action("2", "set_property", {"property": "hs_ticket_priority", "value": "LOW"})
        timers = _workflow(account_id, "timers", Delay("1", ForAmount(timedelta(days=1)), Edge("2")), after)
    sql.execute("vacuum analyze")  # as any installation that has run for a minute
    return timers


def _workflows(account_id: int, ways: mix.Ways, value: str) -> Lanes:
    """A workflow for each way. A property is set to `value`, the second time on one way to another."""
    from deskhand.automation.engine.definition import Action, Branch, Delay, Edge, ForAmount, IfThen
    from deskhand.crm.filters.types import Filter, Operator
    from deskhand.crm.schema.types import Kind
    from deskhand.kernel.database.scope import account_scope

    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))
    by_mail = Filter("source_type", Kind.ENUM, Operator.NONE_OF, ("CHAT",))

    def steps(way: mix.Way) -> Iterator[Action | Delay | IfThen]:
        values = [value, "LOW"]
        for place, kind in enumerate(way, start=1):
            number, following = str(place), Edge(str(place + 1)) if place < len(way) else None
            match kind:
                case "branch":
                    yield IfThen(number, (Branch("Urgent", urgent), Branch("By mail", by_mail, following)))
                case "delay":
                    yield Delay(number, ForAmount(timedelta(days=1)), following)
                case _:
                    settings: Mapping[str, Any] = {
                        "set_property": {"property": "hs_ticket_priority", "value": values[0]},
                        "send_email": {"template": "ticket_received"},
                        "create_task": {"title": "Call"},
                    }[kind]
                    yield Action(number, kind, settings, following)
                    if kind == "set_property":
                        values.reverse()

    with account_scope(account_id):
        return {way: _workflow(account_id, ", ".join(way), *steps(way)) for way in ways}


def _workflow(account_id: int, name: str, *steps: Any) -> int:
    from deskhand.automation import workflows
    from deskhand.automation.engine.definition import Definition, Edge, Manual
    from deskhand.automation.models import Workflow
    from deskhand.kernel import clock

    definition = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=len(steps) + 1)
    made = workflows.create(account_id, name, definition)
    # a delay alone can't be switched on
    Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now())
    return int(made.pk)


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

_END = """
update automation_enrollment set state = 'ENDED', due_at = null, ended_at = now(), end_reason = 'completed'
where account_id = %s and workflow_id = any(%s) and state <> 'ENDED'
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


def _timers(account_id: int, workflow_id: int, seconds: int, tickets: int) -> dict[str, Any]:
    """Delays that are over one after the other: how much later than that the step behind each began, in milliseconds."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    count = min(TIMERS_PER_S * seconds, tickets)
    with account_scope(account_id):
        sql.execute(_COME_DUE, [1 / TIMERS_PER_S, workflow_id, account_id, count])
    _finish(account_id)
    with account_scope(account_id):
        late = [row[0] for row in sql.rows(_LATE, [account_id, workflow_id])]
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


def _claims_among(account_id: int, workflow_id: int, waiting: int) -> dict[str, Any]:
    """What it costs to claim rows that are due when so many are not: the median time, and the pages that are looked at."""
    from deskhand.automation import runner
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        have = sql.rows(_WAITING, [account_id, workflow_id])[0][0]
        sql.execute(_WAIT, {"account": account_id, "workflow": workflow_id, "have": have, "wanted": waiting})
    sql.execute("vacuum analyze automation_enrollment")
    claimer, spent, pages = runner.Runner(), [], 0
    with contextlib.suppress(_TakenBack), account_scope(account_id):
        sql.execute(_ENROLL, [workflow_id, account_id, 0, CLAIMED])
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

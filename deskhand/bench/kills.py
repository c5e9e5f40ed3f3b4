"""kill -9 of whoever moves runs along, at a chosen statement or commit; afterwards every effect is there once (R-EXEC-23).

A child claims and works; before or after its Nth statement, or its commit, it kills itself. Then the next child goes on.
When all runs are through, what they did to records is taken back in the same way.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from deskhand.bench.harness import Result, percentiles, scratch

if TYPE_CHECKING:
    from datetime import datetime

    from deskhand.testing.sites import Site

RECORDS = 5
KILLS = 4  # of one seed's runs, at most; and as many of whoever takes them back
LETHAL = 0.7  # how likely a child is one to be killed, so that some are left for those that come late
#: The last statement at which it may be killed: the first child has 50 of them, one that calls back 80, some have 360.
STATEMENTS = (50, 80, 360)
STATEMENTS_BACK = (35,)  # of one that asks to take back, and of a job that does the rest
PATIENCE = 300.0  # seconds
#: The integration says first that it will call back, and then what came of it.
ERP = "Erp"
LATER = json.dumps({"outputFields": {"hs_execution_state": "BLOCK"}})
BOOKED = {"outputFields": {"booked": "yes"}}
CODE = """def main(event):
    return {"outputFields": {"parts": len(event["inputFields"]["subject"].split("."))}}
"""


@dataclass(frozen=True)
class Office:
    """An account, the workflow whose steps are killed at, whom it tells, and the other system."""

    account_id: int
    workflow_id: int
    user_id: int
    there: Site


def run(seeds: int = 1000, seed: int | None = None) -> Result:
    """As many seeds as asked for, from this one on. `details` holds the violations: empty if every promise was kept."""
    first = random.randrange(10**6) if seed is None else seed
    os.environ |= {"ALLOW_PRIVATE_HOSTS": "127.0.0.1", "CUSTOM_CODE": "true"}
    with scratch():
        from deskhand.bench.ingest import company
        from deskhand.testing.sites import calling_site

        violations: list[str] = []
        spent: list[float] = []
        killed = 0
        with calling_site() as there:
            office = lay_out(company(), there)
            for one in range(first, first + seeds):
                started = time.monotonic()
                kills, found = storm(office, one)
                spent.append(1000 * (time.monotonic() - started))
                killed += kills
                violations += found
    p50, p95, p99 = percentiles(spent)
    details = {"seed": first, "seeds": seeds, "kills": killed, "violations": violations}
    return Result("kills", 1000 * seeds / sum(spent), p50, p95, p99, 0.0, 0.0, 0.0, 0.0, details)


def lay_out(account_id: int, there: Site) -> Office:
    """A workflow with a step of each sort: a property, a task, forks by a filter, by what a step returned and by chance, a
    delay, a mail, a wait for an event, code that runs beside, a call to another system, another workflow, and an integration
    that calls back."""
    from datetime import timedelta

    from deskhand.accounts.models import Account, Membership
    from deskhand.accounts.plans import Feature
    from deskhand.automation import integrations, workflows
    from deskhand.automation.engine.definition import (
        Action,
        Branch,
        Case,
        Definition,
        Delay,
        Edge,
        EventMatch,
        ForAmount,
        IfThen,
        Manual,
        OutputOf,
        Part,
        RandomSplit,
        UntilEvent,
        ValueEquals,
    )
    from deskhand.automation.models import Workflow
    from deskhand.crm.filters.types import Filter, Operator
    from deskhand.crm.schema.types import Kind
    from deskhand.events.types import SYSTEM
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope

    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    with account_scope(account_id):
        member = Membership.objects.filter(account_id=account_id, has_seat=True).earliest("id")
        account = Account.objects.get(pk=account_id)
        account.features = {**account.features, Feature.CUSTOM_CODE.value: True}
        account.save(update_fields=["features"])
        called = Action("1", "create_task", {"title": "Called"})
        other = workflows.create(
            account_id, "Other", Definition("ticket", Manual(), start=Edge("1"), steps=(called,), next_id=2)
        )
        there.says((200, {}, LATER))
        erp = {"url": f"{there.url}/erp", "outputs": [{"name": "booked", "value": "string"}]}
        integrations.add(account_id, ERP, erp, by=SYSTEM)
        code = {"code": CODE, "properties": ["subject"], "outputs": [{"name": "parts", "value": "number"}]}
        steps = (
            Action("1", "set_property", {"property": "hs_ticket_priority", "value": "HIGH"}, Edge("2")),
            Action("2", "create_task", {"title": "Before"}, Edge("3")),
            IfThen("3", (Branch("High", high, Edge("4")),)),
            Delay("4", ForAmount(timedelta(hours=1)), Edge("5")),
            Action("5", "internal_email", {"users": [member.user_id]}, Edge("6")),
            Action("6", "create_task", {"title": "After"}, Edge("7")),
            Delay("7", UntilEvent(EventMatch("ticket.moved")), Edge("8")),
            Action("8", "custom_code", code, Edge("9")),
            ValueEquals("9", OutputOf("8", "parts"), (Case("2", Edge("10")),)),
            Action("10", "send_webhook", {"url": there.url}, Edge("11")),
            RandomSplit("11", (Part(1, "", Edge("12")), Part(1, "", Edge("12", is_goto=True)))),
            Action("12", "enroll_in_workflow", {"workflow": other.pk}, Edge("13")),
            Action("13", "custom_action", {"integration": ERP}, Edge("14")),
            ValueEquals("14", OutputOf("13", "booked"), (Case("yes", Edge("15")),)),
            Action("15", "create_task", {"title": "Last"}),
        )
        definition = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=len(steps) + 1)
        made = workflows.create(account_id, "Killed", definition)
        Workflow.objects.filter(pk__in=[made.pk, other.pk]).update(is_on=True, on_since=clock.now())
    return Office(account_id, made.pk, member.user_id, there)


def storm(office: Office, seed: int) -> tuple[int, list[str]]:
    """Send a few records through, and take it back; returns how many were killed on the way, and what is missing or too
    much."""
    from deskhand.kernel import clock

    office.there.asked.clear()
    chance = random.Random(seed)
    began_at = clock.now()
    tickets = _enroll(office, seed)
    killed, until = 0, time.monotonic() + PATIENCE
    while _inside(office, tickets):
        if time.monotonic() > until:
            return killed, [f"seed {seed}: not done within {PATIENCE:g} seconds"]
        fate = _fate(chance, STATEMENTS) if killed < KILLS else ()
        killed += at_once([partial(_work, _called(office, tickets), *fate)])
        _elapse(office, tickets)
    killed += _take_back(office, tickets, began_at, chance)
    return killed, [f"seed {seed}: {what}" for what in check(office, tickets)]


def check(office: Office, ticket_ids: Sequence[int]) -> list[str]:
    """What is not exactly once, and whether what people have to do is counted right."""
    from deskhand.automation.models import Enrollment, StepLog, StepStatus
    from deskhand.crm.records.models import PropertyChange, Task
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import loads

    with account_scope(office.account_id):
        drift = loads.drift(office.account_id, clock.now())
        found: Counter[tuple[int, str]] = Counter()
        own = {"account_id": office.account_id, "object_type": "ticket", "record_id__in": ticket_ids}
        found.update((task.record_id, task.title) for task in Task.objects.filter(**own))
        changes = PropertyChange.objects.filter(**own, property="hs_ticket_priority")
        found.update((change.record_id, f"priority {change.new}") for change in changes)
        runs = dict(
            Enrollment.objects.filter(**own, workflow_id=office.workflow_id).values_list("pk", "record_id")
        )
        lines = StepLog.objects.filter(account_id=office.account_id, enrollment_id__in=runs)
        lines = lines.exclude(
            status=StepStatus.SCHEDULED, kind__in=("custom_code", "send_webhook", "custom_action")
        )
        lines = lines.exclude(status=StepStatus.RETRYING)  # a try whose end nobody saw
        found.update((line.record_id, f"step {line.step_id}") for line in lines)
        for key, transport in sql.rows(
            "select idempotency_key, transport from delivery_outboxentry where account_id = %s and idempotency_key like 'step:%%'",
            [office.account_id],
        ):
            enrollment_id = int(key.split(":")[1])
            if enrollment_id in runs:
                found[runs[enrollment_id], "mail" if transport == "mail" else "call"] += 1
    found.update((ticket_id, "callback") for ticket_id, _token in _called(office, ticket_ids))
    effects = ("Before", "After", "Called", "Last", "priority HIGH", "mail", "callback")
    wanted = dict.fromkeys((*effects, *(f"step {number}" for number in range(1, 16))), 1)
    wanted["step 7"] = 2  # the wait, and how it ended
    wanted["step 10"] = 2  # the call, and its answer
    wanted["call"] = 2  # steps 10 and 13
    edited = _edited(ticket_ids)
    return [f"load counters: {drift}"] * bool(drift) + [
        f"ticket {ticket_id}: {what} {found[ticket_id, what]} times instead of {times}"
        for ticket_id in ticket_ids
        for what, times in (
            *wanted.items(),
            ("priority LOW", int(ticket_id == edited)),
            ("priority None", int(ticket_id != edited)),
        )
        if found[ticket_id, what] != times
    ]


def _edited(ticket_ids: Sequence[int]) -> int:
    """The one that a person changes while it is taken back."""
    return ticket_ids[-1]


def _called(office: Office, ticket_ids: Sequence[int]) -> set[tuple[int, str]]:
    """Each of these tickets that the integration was asked about, and the callback that it was given."""
    asked = [one.json for one in list(office.there.asked) if one.path == "/erp"]
    found = {(one["object"]["objectId"], one["callbackId"]) for one in asked}
    return {(ticket_id, token) for ticket_id, token in found if ticket_id in ticket_ids}


def _enroll(office: Office, seed: int) -> list[int]:
    from deskhand.automation.models import Enrollment
    from deskhand.crm.records import tickets
    from deskhand.crm.records.tickets import NewTicket
    from deskhand.events.types import SYSTEM
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope

    now = clock.now()
    with account_scope(office.account_id):
        ids = [
            tickets.create(NewTicket(f"{seed}.{n}", source_type="CHAT"), by=SYSTEM).id for n in range(RECORDS)
        ]
        Enrollment.objects.bulk_create(
            Enrollment(
                account_id=office.account_id, workflow_id=office.workflow_id, object_type="ticket", record_id=pk,
                revision_number=1, position="1", step_id="1", due_at=now, enrolled_at=now,
            )
            for pk in ids
        )  # fmt: skip
    return ids


def _inside(office: Office, ticket_ids: Sequence[int]) -> int:
    from deskhand.kernel.database import sql

    found = sql.row(
        "select count(*) from automation_enrollment where account_id = %s and record_id = any(%s) and state <> 'ENDED'",
        [office.account_id, list(ticket_ids)],
    )
    return int(found[0]) if found else 0


def _elapse(office: Office, ticket_ids: Sequence[int]) -> None:
    """The delay and all leases are over, what is awaited happens; whoever a dying child still holds is passed over."""
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.crm.records import tickets
    from deskhand.events.types import SYSTEM
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    own = [office.account_id, list(ticket_ids)]
    sql.execute(
        "update automation_enrollment set due_at = now() where id in (select id from automation_enrollment where account_id = %s"
        " and record_id = any(%s) and state = 'DUE' and waits_for = '' for update skip locked)",
        own,
    )
    sql.execute("update automation_coderun set lease_until = null")
    sql.execute(
        "update delivery_outboxentry set lease_until = now() - interval '1 second' where state = 'SENDING'"
    )
    sql.execute(
        "update delivery_outboxentry set due_at = now() where state = 'WAITING' and due_at is not null"
    )
    sql.execute("update events_pendingevent set due_at = now() where quarantined_at is null")
    with account_scope(office.account_id):
        closed = pipelines_of("ticket").default.stages[-1].id
        for (pk,) in sql.rows(_AWAITING, own):
            tickets.move(pk, to=closed, by=SYSTEM)


_AWAITING = """
select record_id from automation_enrollment where account_id = %s and record_id = any(%s) and waits_for = 'ticket.moved' order by 1
"""


def _take_back(office: Office, ticket_ids: Sequence[int], began_at: datetime, chance: random.Random) -> int:
    """Undo one run, and then the hour, whose slow job goes on after a person's change; returns how many were killed."""
    from deskhand.crm.records import store
    from deskhand.events.types import Actor
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    ask = partial(_ask_back, office, ticket_ids[1], began_at)
    killed = at_once([partial(ask, *_fate(chance, STATEMENTS_BACK))])
    if killed:  # who sees that it broke asks again
        at_once([ask])
    with account_scope(office.account_id):
        by = Actor.user(office.user_id)
        store.change("ticket", _edited(ticket_ids), {"priority": "LOW"}, by=by)
    of_jobs, until = 0, time.monotonic() + PATIENCE
    while _open_jobs(office.account_id) and time.monotonic() < until:
        fate = _fate(chance, STATEMENTS_BACK) if of_jobs < KILLS else ()
        of_jobs += at_once([partial(_work_off_jobs, *fate)])
        sql.execute("update procrastinate_workers set last_heartbeat = now() - interval '1 hour'")
    return killed + of_jobs


def _fate(chance: random.Random, statements: Sequence[int]) -> tuple[int | None, bool]:
    """At which statement a child dies, if it does, and whether after it."""
    at = chance.randint(1, chance.choice(statements))
    return at if chance.random() < LETHAL else None, chance.random() < 0.5


def _ask_back(
    office: Office, ticket_id: int, began_at: datetime, kill_at: int | None = None, after: bool = False
) -> None:
    """What a person asks for: take back this ticket's run, and then all that the workflow did since."""
    from deskhand.automation import undo
    from deskhand.automation.models import Enrollment
    from deskhand.events.types import Actor
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope

    undo.BATCH = 1  # of this child: the rest is for the slow job
    now, by = clock.now(), Actor.user(office.user_id)
    with dying(kill_at, after):
        with account_scope(office.account_id):
            run = Enrollment.objects.get(workflow_id=office.workflow_id, record_id=ticket_id)
            undo.undo(undo.extent_of_run(run.workflow_id, run, now), by=by, at=now)
        with account_scope(office.account_id):
            undo.undo(undo.Extent(office.workflow_id, began_at, now), by=by, at=now)


def _open_jobs(account_id: int) -> int:
    from deskhand.kernel.database import sql

    return len(sql.rows(_OPEN_JOBS, [account_id]))


_OPEN_JOBS = """
select id from procrastinate_jobs where status in ('todo', 'doing') and (args ->> 'account_id')::bigint = %s
"""


def _work_off_jobs(kill_at: int | None = None, after: bool = False) -> None:
    from threading import Event

    from deskhand.automation import undo
    from deskhand.kernel.jobs import Job, JobLoop, handlers

    def undo_rest(job: Job) -> None:
        with dying(kill_at, after):
            undo.undo_rest(job)

    undo.BATCH, handlers[undo.JOB] = 1, undo_rest
    JobLoop(Event()).run_once()


def at_once(crew: Sequence[Callable[[], None]]) -> int:
    """Each in a process of its own, all at the same time; returns how many were killed. Raises RuntimeError if one failed."""
    from django.db import connection, connections

    from deskhand.kernel.database import wake

    wake.shut()
    connections.close_all()
    if hasattr(connection, "close_pool"):  # what is open here is not the children's
        connection.close_pool()
    pids = []
    for work in crew:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work()
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    ends = [os.waitpid(pid, 0)[1] for pid in pids]
    killed = [os.WIFSIGNALED(end) and os.WTERMSIG(end) == signal.SIGKILL for end in ends]
    if any(not dead and os.waitstatus_to_exitcode(end) for dead, end in zip(killed, ends, strict=True)):
        raise RuntimeError("A process that works failed.")
    return sum(killed)


def _work(called: set[tuple[int, str]], kill_at: int | None = None, after: bool = False) -> None:
    """Call back, move along whatever is due, run code, call, and tell of events; die at this statement, before or after it is
    done."""
    from deskhand import wiring
    from deskhand.automation import coderuns, integrations
    from deskhand.automation.runner import Runner
    from deskhand.delivery import calls
    from deskhand.delivery.sender import Sender
    from deskhand.events.dispatch import Dispatcher

    def run_code() -> bool:
        due = coderuns.claim()
        return due is not None and coderuns.run_one(due)

    out = {calls.TRANSPORT: wiring.transports()[calls.TRANSPORT]}
    sender = Sender(out, threads=0, jitter=lambda: 0.0)
    # Of this child: code that ends its worker each time fails, which is no violation.
    coderuns.TRIES = KILLS + 1
    with dying(kill_at, after):
        for _ticket_id, token in sorted(called):  # until a child lives, each calls back again
            integrations.complete({token: BOOKED})
        while any([Runner().run_once(), Dispatcher().run_once(), run_code(), sender.run_once()]):
            pass


@contextmanager
def dying(kill_at: int | None, after: bool) -> Iterator[None]:
    """Kill this process at its Nth statement or commit, before or after that is done."""
    from django.db import connection

    seen = 0

    def counted(do: Callable[[], Any]) -> Any:
        nonlocal seen
        seen += 1
        if seen == kill_at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = do()
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    commit = connection.commit
    connection.commit = lambda: counted(commit)  # type: ignore[method-assign]
    with connection.execute_wrapper(lambda execute, *given: counted(lambda: execute(*given))):
        yield

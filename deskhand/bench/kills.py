"""kill -9 of whoever moves runs along, at a chosen statement or commit; afterwards every effect is there once (R-EXEC-23).

A child claims and works; before or after its Nth statement, or its commit, it kills itself. Then the next child goes on.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from deskhand.bench.harness import Result, percentiles, scratch

RECORDS = 3
KILLS = 3  # of one seed, at most
STATEMENTS = 40  # the last one at which a child may be killed
PATIENCE = 30.0


@dataclass(frozen=True)
class Office:
    """An account, the workflow whose steps are killed at, and whom it tells."""

    account_id: int
    workflow_id: int
    user_id: int


def run(seeds: int = 1000, seed: int | None = None) -> Result:
    """As many seeds as asked for, from this one on. `details` holds the violations: empty if every promise was kept."""
    first = random.randrange(10**6) if seed is None else seed
    with scratch():
        from deskhand.bench.ingest import company

        office = lay_out(company())
        violations: list[str] = []
        spent: list[float] = []
        killed = 0
        for one in range(first, first + seeds):
            started = time.monotonic()
            kills, found = storm(office, one)
            spent.append(1000 * (time.monotonic() - started))
            killed += kills
            violations += found
    p50, p95, p99 = percentiles(spent)
    details = {"seed": first, "seeds": seeds, "kills": killed, "violations": violations}
    return Result("kills", 1000 * seeds / sum(spent), p50, p95, p99, 0.0, 0.0, 0.0, 0.0, details)


def lay_out(account_id: int) -> Office:
    """A workflow with a step of each sort: a property, a task, a fork, a delay, a mail, and a task after it."""
    from datetime import timedelta

    from deskhand.accounts.models import Membership
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
    from deskhand.kernel.database.scope import account_scope

    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    with account_scope(account_id):
        member = Membership.objects.filter(account_id=account_id, has_seat=True).earliest("id")
        steps = (
            Action("1", "set_property", {"property": "hs_ticket_priority", "value": "HIGH"}, Edge("2")),
            Action("2", "create_task", {"title": "Before"}, Edge("3")),
            IfThen("3", (Branch("High", high, Edge("4")),)),
            Delay("4", ForAmount(timedelta(hours=1)), Edge("5")),
            Action("5", "internal_email", {"users": [member.user_id]}, Edge("6")),
            Action("6", "create_task", {"title": "After"}),
        )
        definition = Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=7)
        made = workflows.create(account_id, "Killed", definition)
        Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now())
    return Office(account_id, made.pk, member.user_id)


def storm(office: Office, seed: int) -> tuple[int, list[str]]:
    """Send a few records through; returns how many were killed on the way, and what is missing or too much."""
    chance = random.Random(seed)
    tickets = _enroll(office, seed)
    killed, until = 0, time.monotonic() + PATIENCE
    while _inside(office, tickets):
        if time.monotonic() > until:
            return killed, [f"seed {seed}: not done within {PATIENCE:g} seconds"]
        at = chance.randint(1, STATEMENTS) if killed < KILLS else None
        killed += child(partial(_work, at, chance.random() < 0.5))
        _elapse(office, tickets)
    return killed, [f"seed {seed}: {what}" for what in check(office, tickets)]


def check(office: Office, ticket_ids: Sequence[int]) -> list[str]:
    """What is not exactly once."""
    from deskhand.automation.models import Enrollment, StepLog
    from deskhand.crm.records.models import PropertyChange, Task
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(office.account_id):
        found: Counter[tuple[int, str]] = Counter()
        own = {"account_id": office.account_id, "object_type": "ticket", "record_id__in": ticket_ids}
        found.update((task.record_id, task.title) for task in Task.objects.filter(**own))
        changes = PropertyChange.objects.filter(**own, property="hs_ticket_priority")
        found.update((change.record_id, "priority") for change in changes)
        runs = dict(
            Enrollment.objects.filter(**own, workflow_id=office.workflow_id).values_list("pk", "record_id")
        )
        lines = StepLog.objects.filter(account_id=office.account_id, enrollment_id__in=runs)
        found.update((line.record_id, f"step {line.step_id}") for line in lines)
        for (key,) in sql.rows(
            "select idempotency_key from delivery_outboxentry where account_id = %s and idempotency_key like 'step:%%'",
            [office.account_id],
        ):
            enrollment_id = int(key.split(":")[1])
            if enrollment_id in runs:
                found[runs[enrollment_id], "mail"] += 1
    wanted = ("Before", "After", "priority", "mail", *(f"step {number}" for number in range(1, 7)))
    return [
        f"ticket {ticket_id}: {what} {found[ticket_id, what]} times"
        for ticket_id in ticket_ids
        for what in wanted
        if found[ticket_id, what] != 1
    ]


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
    """The delay is over; whoever a dying child still holds is passed over."""
    from deskhand.kernel.database import sql

    sql.execute(
        "update automation_enrollment set due_at = now() where id in (select id from automation_enrollment where account_id = %s"
        " and record_id = any(%s) and state = 'DUE' for update skip locked)",
        [office.account_id, list(ticket_ids)],
    )


def child(work: Callable[[], None]) -> bool:
    """Do it in a process of its own; returns whether that was killed."""
    from django.db import connection, connections

    from deskhand.kernel.database import wake

    wake.shut()
    connections.close_all()
    if hasattr(connection, "close_pool"):  # what is open here is not the child's
        connection.close_pool()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _pid, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError("The child that works failed.")
    return False


def _work(kill_at: int | None, after: bool) -> None:
    """Move along whatever is due; die at this statement, before or after it is done."""
    from deskhand.automation.runner import Runner

    with dying(kill_at, after):
        while Runner().run_once():
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

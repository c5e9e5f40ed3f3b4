"""Who is inside an archived workflow leaves (R-EDIT-8): a set at a time, and many in a slow job.

Whoever a worker has in hand meanwhile leaves by that: runner.py moves nobody on in a workflow that is archived.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from deskhand.automation import endings
from deskhand.automation.models import Emptying
from deskhand.kernel import clock, jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.jobs import Job

JOB = "automation.empty"
STEP = 2000
DELETED = "deleted"


@dataclass(frozen=True)
class Progress:
    done: int
    total: int


def progress(account_id: int, workflow_ids: Collection[int]) -> dict[int, Progress]:
    """Of those from which records are still leaving. One query."""
    found = Emptying.objects.filter(account_id=account_id, workflow_id__in=workflow_ids)
    return {one.workflow_id: Progress(one.done, one.total) for one in found.order_by("workflow_id")}


def await_those_in_hand(account_id: int, workflow_id: int) -> None:
    """Let workers end the steps at which they are. Before the workflow's row is locked: a step that fails writes into it."""
    sql.rows(f"{_IN_HAND} for no key update", [account_id, workflow_id, STEP])


def begin(account_id: int, workflow_id: int) -> int:
    """The first leave at once, the rest in a slow job; returns how many were inside. The workflow is archived already."""
    total = inside(account_id, workflow_id)
    # Those first that workers may have in hand: they are waited for, so that nobody goes on once this is confirmed.
    in_hand = [pk for (pk,) in sql.rows(_IN_HAND, [account_id, workflow_id, STEP])]
    endings.end(account_id, in_hand, DELETED, clock.now(), lets_next_begin=False)
    done = len(in_hand) + _some(account_id, workflow_id, STEP - len(in_hand))
    if done == STEP:
        Emptying.objects.create(account_id=account_id, workflow_id=workflow_id, total=total, done=done)
        jobs.enqueue(JOB, {"workflow": workflow_id}, one_by_one=str(workflow_id))
    return total


def go_on(job: Job) -> None:
    """A set a transaction. Safe to repeat."""
    is_more = True
    while is_more:
        job.give_way()
        with account_scope(job.account_id):
            kept = Emptying.objects.select_for_update().filter(
                account_id=job.account_id, workflow_id=job.args["workflow"]
            ).first()  # fmt: skip
            if kept is None:
                return
            done = _some(job.account_id, kept.workflow_id)
            is_more = done == STEP
            if is_more:
                kept.done += done
                kept.save(update_fields=["done"])
            else:
                kept.delete()


def _some(account_id: int, workflow_id: int, most: int = STEP) -> int:
    """Let the next leave; returns how many did. Who queued does not begin."""
    own = [account_id, workflow_id, most]
    ids = [pk for (pk,) in sql.rows(_NEXT, [*own, *own, most])]
    endings.end(account_id, ids, DELETED, clock.now(), lets_next_begin=False)
    return len(ids)


def inside(account_id: int, workflow_id: int) -> int:
    """How many runs of a workflow are not over."""
    found = sql.row(_INSIDE, [account_id, workflow_id] * 2)
    assert found is not None
    return int(found[0])


# As the indexes say it: of runs under way, and of those that queue.
_RUNS = "from automation_enrollment where account_id = %s and workflow_id = %s and"
_INSIDE = f"""
select (select count(*) {_RUNS} not (state in ('ENDED', 'QUEUED'))) + (select count(*) {_RUNS} state = 'QUEUED')
"""
_NEXT = f"""
select id from ((select id {_RUNS} not (state in ('ENDED', 'QUEUED')) limit %s) union all (select id {_RUNS} state = 'QUEUED' limit %s)) x limit %s
"""
_IN_HAND = f"select id {_RUNS} state = 'DUE' and due_at <= statement_timestamp() order by due_at limit %s"

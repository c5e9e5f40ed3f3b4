"""Holding runs where they stand, and letting them go on (R-EXEC-17).

A run is held when its time comes, not when its workflow is paused: pausing costs the same for three and for a million.
"""

from __future__ import annotations

from deskhand.accounts import audit
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.models import Workflow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.wake import wake
from deskhand.kernel.jobs import Job

RELEASE = "automation.release"
STEP = 5000


def pause(workflow: Workflow, *, by: int | None = None) -> Workflow:
    """Hold whatever is inside, and what comes, where it stands. Safe to repeat."""
    return _set(workflow, True, by)


def resume(workflow: Workflow, *, by: int | None = None) -> Workflow:
    """Let go on what was held: what was due meanwhile at once, the rest when it is due. Safe to repeat."""
    return _set(workflow, False, by)


def _set(workflow: Workflow, is_paused: bool, by: int | None) -> Workflow:
    current = Workflow.objects.select_for_update().get(account_id=workflow.account_id, pk=workflow.pk)
    if current.is_paused == is_paused:
        return current
    current.is_paused = is_paused
    current.save(update_fields=["is_paused"])
    if not is_paused:
        release(current.account_id)
    audit.record(
        "workflow.paused" if is_paused else "workflow.resumed", by=Actor.user(by) if by else SYSTEM, target_type="workflow",
        target_id=current.pk, after={"name": current.name},
    )  # fmt: skip
    return current


def release(account_id: int) -> None:
    """Whatever is held and need not be goes on: the first at once, many in a slow job."""
    if _release(account_id) == STEP:
        jobs.enqueue(RELEASE, {}, one_by_one=str(account_id))


def release_rest(job: Job) -> None:
    """A set a transaction. Who is held again meanwhile was not released."""
    count = STEP
    while count == STEP:
        job.give_way()
        with account_scope(job.account_id):
            count = _release(job.account_id)


def _release(account_id: int) -> int:
    count = sql.execute(_RELEASE, [account_id, STEP])
    if count:
        wake(WAKE)
    return count


# Of what a used-up budget holds nothing is let go before that is resumed.
_RELEASE = """
with held as (
    select e.id from automation_enrollment e join automation_workflow w on w.account_id = e.account_id and w.id = e.workflow_id
    where e.account_id = %s and e.state = 'HELD' and not w.is_paused
      and not exists (select from automation_budget b where b.account_id = e.account_id and b.stopped_at is not null)
    order by e.id limit %s for update of e
)
update automation_enrollment e set state = 'DUE', due_at = coalesce(e.due_at, now()) from held where e.id = held.id
"""

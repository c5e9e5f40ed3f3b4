"""Letting runs go on by hand: past a wait, and once more from the step that failed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from deskhand.accounts import audit, policy
from deskhand.accounts.types import Verb, Viewer
from deskhand.automation import calls
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.models import Workflow
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

MOST = 10_000  # runs that one press sends on


def go_on(viewer: Viewer, workflow: Workflow, run_ids: Collection[int]) -> int:
    """Let runs of records that the viewer may change skip what they wait for; an event counts as happened. Who waits for
    another system's answer stays. Returns how many went on. Safe to repeat."""  # fmt: skip
    return _send_on(viewer, workflow, _GO_ON, "sent_on", list(run_ids), [calls.WAITS_FOR])


def run_again(viewer: Viewer, workflow: Workflow, run_ids: Collection[int] | None = None) -> int:
    """Let runs that ended because a step failed go on from that step: these, or all; who was enrolled anew since then is
    left alone. What was done before the step is not done again. Returns how many go. Safe to repeat."""  # fmt: skip
    chosen = list(run_ids) if run_ids is not None else None
    return _send_on(viewer, workflow, _AGAIN, "ran_again", chosen, [])


def _send_on(
    viewer: Viewer, workflow: Workflow, query: str, done: str, run_ids: list[int] | None, more: list[Any]
) -> int:
    if workflow.archived_at is not None:
        return 0
    reach, params = policy.visible(viewer, workflow.object_type, Verb.EDIT).sql("t")
    record = f"{table_of(workflow.object_type)} t on t.account_id = e.account_id and t.id = e.record_id and t.archived_at is null and {of_this_type(workflow.object_type)} and {reach}"
    number = sql.execute(
        query.format(record=record),
        [*params, workflow.account_id, workflow.pk, run_ids, run_ids, *more, MOST, clock.now()],
    )
    if number:
        wake(WAKE)
        audit.record(
            f"workflow.{done}", by=Actor.user(viewer.user_id), target_type="workflow", target_id=workflow.pk,
            after={"name": workflow.name, "number": number},
        )  # fmt: skip
    return number


# Where the change of a property would end the wait, `happened` begins it anew; `position` is behind it. Its log tells of it.
_GO_ON = """
with chosen as (
    select e.* from automation_enrollment e join {record}
    where e.account_id = %s and e.workflow_id = %s and (%s::bigint[] is null or e.id = any(%s)) and e.waits_for <> %s
      and (e.state = 'WAITING' or e.state = 'DUE' and e.due_at > statement_timestamp())
    order by e.id limit %s for update of e
), moment as (
    select %s::timestamptz as now
), told as (
    insert into automation_steplog
        (account_id, at, workflow_id, enrollment_id, object_type, record_id, revision_number, step_id, kind, status, message)
    select c.account_id, m.now, c.workflow_id, c.id, c.object_type, c.record_id, c.revision_number, c.step_id, 'sent_on', 'SUCCEEDED', ''
    from chosen c, moment m where c.attempts = 0
)
update automation_enrollment e set state = 'DUE', due_at = moment.now, waits_for = '', happened = '', attempts = 0,
    position = case when e.waits_for = '' or e.waits_for like 'property:%%' then e.position else e.happened end
from chosen, moment where e.id = chosen.id
"""
# A run that stopped at its failed step stands behind it; one that was given up stands before it.
_AGAIN = """
with chosen as (
    select e.id from automation_enrollment e join {record}
    where e.account_id = %s and e.workflow_id = %s and (%s::bigint[] is null or e.id = any(%s))
      and e.state = 'ENDED' and (e.end_reason = 'step_failed' or e.end_reason like 'failed%%')
      and not exists (
        select 1 from automation_enrollment o where o.account_id = e.account_id and o.object_type = e.object_type
        and o.record_id = e.record_id and o.workflow_id = e.workflow_id and o.id > e.id)
    order by e.id limit %s for update of e
)
update automation_enrollment e set state = 'DUE', due_at = %s, ended_at = null, end_reason = '', waits_for = '', happened = '',
    attempts = 0, position = case when e.end_reason = 'step_failed' then e.step_id else e.position end
from chosen where e.id = chosen.id
"""

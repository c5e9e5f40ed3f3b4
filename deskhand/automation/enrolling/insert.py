"""The one place where records enter workflows: a set at a time, once each, with the reason why (R-LOG-1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deskhand.automation.enrolling.index import Entry
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

WAKE = "automation"
Pair = tuple[int, int]  # a workflow and a record


@dataclass(frozen=True)
class Wanted:
    """A record that shall enter. `reason` has "by": event, filter, manual, schedule, date, call, workflow or present."""

    entry: Entry
    record_id: int
    reason: Mapping[str, Any]
    depth: int = 0
    event_id: int | None = None
    #: Whether it may have been inside before (R-RE-1); inside twice at a time it never is (R-RE-6).
    is_again: bool = False
    #: Who was enrolled since then is so for this very reason: repeating does nothing.
    since: datetime | None = None
    #: The event's own cause: what a workflow made itself it does not take in (R-EXEC-20).
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pair(self) -> Pair:
        return self.entry.workflow_id, self.record_id


def _insert(account_id: int, wanted: Sequence[Wanted]) -> set[Pair]:
    """Enroll in one statement; returns who got in. Whoever was looked at by guards.py comes here and nowhere else."""
    if not wanted:
        return set()
    rows = [
        (
            one.entry.workflow_id, one.entry.object_type, one.record_id, one.entry.revision, one.entry.first_step,
            one.is_again, one.depth, one.event_id, sql.Jsonb(dict(one.reason)), one.since,
        )
        for one in wanted
    ]  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    now = clock.now()
    found = sql.rows(_INSERT, [account_id, now, now, *columns, account_id, account_id])
    if found:
        wake(WAKE)
    return {(workflow_id, record_id) for workflow_id, record_id in found}


# In a workflow that is paused they wait at its door (R-EXEC-17).
_INSERT = """
insert into automation_enrollment (account_id, state, attempts, outputs, end_reason, waits_for, happened, due_at, enrolled_at, workflow_id,
                                   object_type, record_id, revision_number, position, step_id, depth, event_id, reason)
select %s, case when w.is_paused then 'HELD' else 'DUE' end, 0, '{}', '', '', '', %s::timestamptz, %s::timestamptz,
       x.workflow, x.type, x.record, x.revision, x.step, x.step, x.depth, x.event, x.reason
from unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::boolean[], %s::smallint[], %s::bigint[], %s::jsonb[], %s::timestamptz[])
     x(workflow, type, record, revision, step, again, depth, event, reason, since)
join automation_workflow w on w.account_id = %s and w.id = x.workflow
where not exists (
    select 1 from automation_enrollment e
    where e.account_id = %s and e.workflow_id = x.workflow and e.object_type = x.type and e.record_id = x.record
      and (not x.again or e.event_id = x.event or e.enrolled_at >= x.since))
on conflict do nothing
returning workflow_id, record_id
"""

"""Who leaves without having come to the end: gone records, and whom people take out (R-UN-6 … R-UN-9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.accounts import audit
from deskhand.automation import endings, steplog
from deskhand.automation.engine.trace import What
from deskhand.automation.enrolling.insert import Pair, Wanted
from deskhand.automation.models import StepStatus
from deskhand.automation.steplog import LogLine
from deskhand.crm.records import joining
from deskhand.events.types import Actor, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql

GONE, MERGED, BY_HAND, TAKEN_OVER = "record_gone", "merged", "by_hand", "taken_over"


def follow(account_id: int, events: Sequence[Event]) -> None:
    """Deleted records leave everything (R-UN-7), and so do those that became a part of another (R-UN-9)."""
    gone: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        if event.kind == f"{event.object_type}.archived":
            gone[GONE][event.object_type].add(event.object_id)
        elif event.kind == f"{event.object_type}.merged":
            part = joining.part_of(event)
            if part:
                gone[MERGED][event.object_type].add(part)
    now = clock.now()
    for reason in (MERGED, GONE):  # what was merged was put away, too
        for object_type, ids in gone[reason].items():
            inside = sql.rows(_INSIDE, [account_id, object_type, sorted(ids)])
            endings.end(account_id, [enrollment_id for (enrollment_id,) in inside], reason, now)


def unenroll(
    account_id: int, enrollment_ids: Collection[int], *, by: int, at: datetime | None = None
) -> set[int]:
    """Take records out of workflows (R-UN-8); what a worker has in hand is finished first. Safe to repeat.

    Returns the enrollments that ended by this.
    """
    at = at or clock.now()
    ended = endings.end(account_id, list(enrollment_ids), BY_HAND, at)
    found = sql.rows(_WHO, [account_id, ended]) if ended else []
    of_workflow: dict[int, list[int]] = defaultdict(list)
    for _enrollment_id, workflow_id, record_id in found:
        of_workflow[workflow_id].append(record_id)
    for workflow_id, record_ids in sorted(of_workflow.items()):
        audit.record(
            "workflow.unenrolled", by=Actor.user(by), target_type="workflow", target_id=workflow_id,
            after={"records": sorted(record_ids)[:100], "count": len(record_ids)},
        )  # fmt: skip
    return {enrollment_id for enrollment_id, _workflow, _record in found}


def take_over(account_id: int, wanted: Sequence[Wanted], entered: Collection[Pair], now: datetime) -> None:
    """Who entered a workflow that takes its records over leaves the others, or those that it names (R-UN-6); but for those
    that they entered together with it. Two statements for each such workflow."""
    taking = {
        one.entry.workflow_id: (one.entry.object_type, ends.workflows)
        for one in wanted
        if (ends := one.entry.definition.leaving.ends) is not None
    }
    for workflow_id, (object_type, named) in sorted(taking.items()):
        facts = {
            "account": account_id, "type": object_type, "workflow": workflow_id, "all": not named, "ends": list(named),
            "records": [record_id for pk, record_id in entered if pk == workflow_id],
            "new_in": [pk for pk, _record_id in entered], "new": [record_id for _pk, record_id in entered],
        }  # fmt: skip
        found = {row[0]: _Taken(*row) for row in sql.rows(_OTHERS, facts)} if facts["records"] else {}
        told = {"reason": TAKEN_OVER, "workflow": workflow_id}
        lines = [
            LogLine(
                found[pk],
                found[pk].step_id,
                What.LEFT.value,
                StepStatus.SKIPPED,
                f"reason {TAKEN_OVER}",
                told,
            )
            for pk in endings.end(account_id, list(found), TAKEN_OVER, now)
        ]
        steplog.write(account_id, lines, now)


@dataclass(frozen=True)
class _Taken:
    """A run that another workflow ends, as the log names it."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    revision: int
    step_id: str


_OTHERS = """
select e.id, e.workflow_id, e.object_type, e.record_id, e.revision_number, e.step_id from automation_enrollment e
where e.account_id = %(account)s and e.object_type = %(type)s and e.record_id = any(%(records)s) and e.state <> 'ENDED'
  and e.workflow_id <> %(workflow)s and (%(all)s or e.workflow_id = any(%(ends)s))
  and (e.workflow_id, e.record_id) not in (select * from unnest(%(new_in)s::bigint[], %(new)s::bigint[]))
"""

_INSIDE = """
select id from automation_enrollment where account_id = %s and object_type = %s and record_id = any(%s) and state <> 'ENDED'
"""
_WHO = """
select id, workflow_id, record_id from automation_enrollment where account_id = %s and id = any(%s) order by id
"""

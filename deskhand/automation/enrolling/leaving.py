"""Who leaves without having come to the end: gone records, and whom people take out (R-UN-7, R-UN-8, R-UN-9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from deskhand.accounts import audit
from deskhand.automation import endings
from deskhand.crm.records import joining
from deskhand.events.types import Actor, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql

GONE, MERGED, BY_HAND = "record_gone", "merged", "by_hand"


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


_INSIDE = """
select id from automation_enrollment where account_id = %s and object_type = %s and record_id = any(%s) and state <> 'ENDED'
"""
_WHO = """
select id, workflow_id, record_id from automation_enrollment where account_id = %s and id = any(%s) order by id
"""

"""Ends of runs that something else than their last step brings about, and who may begin then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from deskhand.automation.enrolling.insert import WAKE
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake


def end(
    account_id: int,
    enrollment_ids: Sequence[int],
    reason: str,
    now: datetime,
    *,
    lets_next_begin: bool = True,
) -> list[int]:
    """End those of these runs that are not over; returns which. Whoever queued behind them begins."""
    if not enrollment_ids:
        return []
    ended = [row[0] for row in sql.rows(_END, [account_id, sorted(enrollment_ids), now, reason])]
    if lets_next_begin:
        next_in_line(account_id, ended, now)
    return ended


def next_in_line(account_id: int, ended: Sequence[int], now: datetime) -> None:
    """Of each record whose run is over, the first that queued for the same workflow begins."""
    if ended and sql.execute(_NEXT, {"account": account_id, "ended": list(ended), "now": now}):
        wake(WAKE)


# Held in the order of their ids, as by everybody else who takes more than one.
_END = """
with held as (
    select id from automation_enrollment where account_id = %s and id = any(%s) and state <> 'ENDED' order by id for update
)
update automation_enrollment e set state = 'ENDED', ended_at = %s, end_reason = %s, due_at = null, waits_for = '', happened = ''
from held where e.id = held.id returning e.id
"""

_NEXT = """
with first as (
    select distinct on (q.workflow_id, q.object_type, q.record_id) q.id
    from automation_enrollment e join automation_enrollment q on q.account_id = e.account_id and q.workflow_id = e.workflow_id
        and q.object_type = e.object_type and q.record_id = e.record_id and q.state = 'QUEUED'
    where e.account_id = %(account)s and e.id = any(%(ended)s) and not exists (
        select from automation_enrollment o where o.account_id = e.account_id and o.workflow_id = e.workflow_id
            and o.object_type = e.object_type and o.record_id = e.record_id and o.state not in ('ENDED', 'QUEUED'))
    order by q.workflow_id, q.object_type, q.record_id, q.id
)
update automation_enrollment q set state = 'DUE', due_at = %(now)s from first where q.id = first.id and q.state = 'QUEUED'
"""

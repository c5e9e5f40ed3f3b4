"""The one place where records enter workflows: a set at a time, once each, with the reason why (R-LOG-1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from deskhand.automation.engine.definition import WhileInside
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
    #: Whether it may have been inside before (R-RE-1). If it is inside now, its workflow says what happens (R-RE-6).
    is_again: bool = False
    #: Who was enrolled since then is so for this very reason: repeating does nothing.
    since: datetime | None = None
    #: The event's own cause: what a workflow made itself it does not take in (R-EXEC-20).
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pair(self) -> Pair:
        return self.entry.workflow_id, self.record_id

    @property
    def while_inside(self) -> WhileInside:
        return self.entry.definition.reenrollment.while_inside if self.is_again else WhileInside.SKIP


def _insert(account_id: int, wanted: Sequence[Wanted]) -> set[Pair]:
    """Enroll in one statement; returns who got in. Whoever was looked at by guards.py comes here and nowhere else."""
    if not wanted:
        return set()
    now = clock.now()
    _make_room(account_id, wanted, now)
    seen: Counter[Pair] = Counter()
    #: How many workflows take the record in by the event, so far.
    before: Counter[tuple[str, int, int | None]] = Counter()
    rows = []
    for one in wanted:
        begun_by = (one.entry.object_type, one.record_id, one.event_id)
        place = before[begun_by] if one.event_id else 0
        reason = dict(one.reason) | ({"follows": place} if place else {})
        rows.append(
            (
                one.entry.workflow_id, one.entry.object_type, one.record_id, one.entry.revision, one.entry.first_step,
                one.is_again, one.depth, one.event_id, sql.Jsonb(reason), one.since, one.while_inside.value,
                seen[one.pair], now + timedelta(microseconds=place),
            )
        )  # fmt: skip
        seen[one.pair] += 1
        before[begun_by] += 1
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = sql.rows(_INSERT, [account_id, now, *columns, account_id, account_id])
    if found:
        wake(WAKE)
    return {(workflow_id, record_id) for workflow_id, record_id in found}


def _make_room(account_id: int, wanted: Sequence[Wanted], now: datetime) -> None:
    """The runs of those who begin anew end; those of whoever queues are held, so that none ends unnoticed meanwhile."""
    for mode, query in ((WhileInside.RESTART, _RESTART), (WhileInside.QUEUE, _HOLD)):
        rows = [
            (*one.pair, one.entry.object_type, one.event_id, one.since)
            for one in wanted
            if one.while_inside is mode
        ]
        if rows:
            workflows, records, types, events, since = ([*column] for column in zip(*rows, strict=True))
            facts = {
                "workflows": workflows,
                "records": records,
                "types": types,
                "events": events,
                "since": since,
            }
            sql.execute(query, facts | {"account": account_id, "now": now})


# Not those whom the same event has begun already: it may be told twice.
_INSIDE = """
select e.id from unnest(%(workflows)s::bigint[], %(records)s::bigint[], %(types)s::text[], %(events)s::bigint[], %(since)s::timestamptz[])
    x(workflow, record, type, event, since)
join automation_enrollment e on e.account_id = %(account)s and e.workflow_id = x.workflow and e.object_type = x.type and e.record_id = x.record
where e.state <> 'ENDED' and not exists (
    select from automation_enrollment o where o.account_id = e.account_id and o.workflow_id = e.workflow_id
      and o.object_type = e.object_type and o.record_id = e.record_id and (o.event_id = x.event or o.enrolled_at >= x.since))
order by e.id for update of e
"""
_HOLD = _INSIDE
_RESTART = f"""
with held as ({_INSIDE})
update automation_enrollment e set state = 'ENDED', ended_at = %(now)s::timestamptz, end_reason = 'restarted', due_at = null, waits_for = '',
    happened = ''
from held where e.id = held.id
"""

# Who follows another workflow by the same event is due a microsecond later, so that it is claimed behind it (R-EXEC-10).
# In a workflow that is paused they wait at its door (R-EXEC-17).
_INSERT = """
insert into automation_enrollment (account_id, state, attempts, outputs, end_reason, waits_for, happened, due_at, enrolled_at, workflow_id,
                                   object_type, record_id, revision_number, position, step_id, depth, event_id, reason, run_key)
select %s, case when x.mode = 'queue' and (x.place > 0 or o.id is not null) then 'QUEUED' when w.is_paused then 'HELD' else 'DUE' end,
       0, '{}', '', '', '', x.due, %s::timestamptz,
       x.workflow, x.type, x.record, x.revision, x.step, x.step, x.depth, x.event, x.reason,
       case when x.mode = 'parallel' then nextval(pg_get_serial_sequence('automation_enrollment', 'id')) else 0 end
from unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::boolean[], %s::smallint[], %s::bigint[], %s::jsonb[], %s::timestamptz[],
            %s::text[], %s::int[], %s::timestamptz[])
     x(workflow, type, record, revision, step, again, depth, event, reason, since, mode, place, due)
join automation_workflow w on w.account_id = %s and w.id = x.workflow
left join lateral (
    select i.id from automation_enrollment i where x.mode = 'queue' and i.account_id = w.account_id and i.workflow_id = w.id
      and i.object_type = x.type and i.record_id = x.record and i.state <> 'ENDED' limit 1) o on true
where not exists (
    select 1 from automation_enrollment e
    where e.account_id = %s and e.workflow_id = x.workflow and e.object_type = x.type and e.record_id = x.record
      and (not x.again or e.event_id = x.event or e.enrolled_at >= x.since))
on conflict do nothing
returning workflow_id, record_id
"""

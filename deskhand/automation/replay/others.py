"""R-UN-6 in a replay, both ways round: runs of other workflows that end as records enter the replayed one, and runs of the
replayed one that end as records really entered others. What those others did is taken as it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deskhand.automation.enrolling.leaving import TAKEN_OVER
from deskhand.kernel.database import sql

#: The kind of effect that is a record's leaving of another workflow, beside TAKEN_OVER: its leaving of this one.
TAKES_OVER = "take_over"
#: What stands before the other workflow's id where effects have their step.
SIGNS = {TAKES_OVER: "@", TAKEN_OVER: "^"}
#: Whom an event let in so much later counts as let in when it was: the log had waited.
LATE = timedelta(hours=1)


@dataclass(frozen=True)
class Other:
    """A run of another workflow that enrolling may end, as it really was; `ended_at` is None where this workflow ended it."""

    id: int
    workflow_id: int
    name: str
    record_id: int
    entered_at: datetime
    ended_at: datetime | None

    def is_inside(self, at: datetime) -> bool:
        return self.entered_at < at and (self.ended_at is None or self.ended_at > at)


def runs_beside(
    account_id: int, workflow_id: int, object_type: str, record_ids: Sequence[int], named: Sequence[int], since: datetime,
    until: datetime,
) -> list[Other]:  # fmt: skip
    """The runs of these records in the named workflows, or in all others, within that time. One query."""
    facts = {
        "account": account_id, "type": object_type, "records": list(record_ids), "workflow": workflow_id, "all": not named,
        "ends": list(named), "since": since, "until": until,
    }  # fmt: skip
    return [Other(*row) for row in sql.rows(_OTHERS, facts)]


@dataclass(frozen=True)
class Entered:
    """A record's entering of a workflow that takes it out of the replayed one; `at` is when what let it in happened."""

    at: datetime
    record_id: int
    workflow_id: int
    name: str
    event_id: int | None
    step_id: str | None  # of the replayed workflow, whose doing brought it about


@dataclass(frozen=True)
class _Span:
    """When a workflow took records out of the replayed one, by the revisions that it had; None: since ever, or still."""

    workflow_id: int
    name: str
    since: datetime | None
    until: datetime | None


class Takers:
    """Who took records out of the replayed workflow. A query for all of it, and where there is anybody one for each page."""

    def __init__(self, account_id: int, workflow_id: int, object_type: str, since: datetime) -> None:
        self._facts = {
            "account": account_id,
            "workflow": workflow_id,
            "own": str(workflow_id),
            "type": object_type,
        }
        self._since = since
        self._spans: list[_Span] | None = None

    def between(self, since: datetime, until: datetime) -> list[Entered]:
        """Who really entered them then, in the order of time."""
        if self._spans is None:
            self._spans = [_Span(*row) for row in sql.rows(_TAKERS, self._facts | {"since": self._since})]
        if not self._spans:
            return []
        spans = {
            "ids": [one.workflow_id for one in self._spans], "names": [one.name for one in self._spans],
            "begins": [one.since for one in self._spans], "ends": [one.until for one in self._spans],
        }  # fmt: skip
        found = sql.rows(_ENTERED, self._facts | spans | {"since": since, "until": until, "late": LATE})
        return [Entered(*row) for row in found]


# One that this workflow really ended is inside for as long as the replay does not end it.
_OTHERS = """
select x.id, x.workflow_id, x.name, x.record_id, x.enrolled_at, case when x.is_taken then null else x.ended_at end from (
    select e.id, e.workflow_id, w.name, e.record_id, e.enrolled_at, e.ended_at,
        e.end_reason = 'taken_over' and e.ended_at >= %(since)s and exists (
            select from automation_steplog l where l.account_id = e.account_id and l.enrollment_id = e.id and l.kind = 'left'
            and l.data->>'workflow' = %(workflow)s::bigint::text) as is_taken
    from automation_enrollment e join automation_workflow w on w.account_id = e.account_id and w.id = e.workflow_id
    where e.account_id = %(account)s and e.object_type = %(type)s and e.record_id = any(%(records)s)
      and e.workflow_id <> %(workflow)s and (%(all)s or e.workflow_id = any(%(ends)s))
      and e.enrolled_at < %(until)s and (e.ended_at is null or e.ended_at >= %(since)s)) x
order by x.id
"""

# A revision lets in from its making until the next one's; the first one from the beginning.
_TAKERS = """
with held as (
    select r.id, w.id as workflow_id, w.name,
        case when row_number() over own > 1 then r.created_at end as since, lead(r.created_at) over own as until
    from automation_workflow w join automation_workflowrevision r on r.account_id = w.account_id and r.workflow_id = w.id
    where w.account_id = %(account)s and w.id <> %(workflow)s and w.object_type = %(type)s
    window own as (partition by r.workflow_id order by r.number)
)
select held.workflow_id, held.name, held.since, held.until
from held join automation_workflowrevision r on r.account_id = %(account)s and r.id = held.id
cross join lateral (select r.definition #> '{leaving,ends}' as ends) x
where (held.until is null or held.until > %(since)s) and jsonb_typeof(x.ends) = 'object'
  and (coalesce(x.ends->'workflows', '[]') = '[]' or x.ends->'workflows' @> to_jsonb(%(workflow)s::bigint))
order by held.workflow_id, held.id
"""

# Whom a step of the replayed workflow itself sent there says so; of others that its doing brought there, their event does.
_ENTERED = """
select moment.at, e.record_id, e.workflow_id, x.name, e.event_id, case when own.is_so then coalesce(e.reason->>'step', v.step, '') end
from unnest(%(ids)s::bigint[], %(names)s::text[], %(begins)s::timestamptz[], %(ends)s::timestamptz[]) x(id, name, since, until)
join automation_enrollment e on e.account_id = %(account)s and e.workflow_id = x.id and e.object_type = %(type)s
    and e.enrolled_at >= %(since)s and e.enrolled_at < %(until)s + %(late)s
    and (x.since is null or e.enrolled_at >= x.since) and (x.until is null or e.enrolled_at < x.until)
cross join lateral (select coalesce(e.reason->>'actor' = 'workflow' and e.reason->>'actor_id' = %(own)s, false) as is_so) own
left join lateral (
    select c.cause->>'step_id' as step, c.occurred_at as at from events_event c
    where c.account_id = e.account_id and c.id = e.event_id and c.occurred_at > e.enrolled_at - %(late)s
) v on true
cross join lateral (select coalesce(v.at, e.enrolled_at) as at) moment
where moment.at >= %(since)s and moment.at < %(until)s
order by moment.at, e.id
"""

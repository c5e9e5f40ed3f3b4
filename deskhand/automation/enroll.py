"""Who enters which workflow: events are matched against the workflows that are on, a whole batch at a time.

Lanes are found by their stage; they run once per record unless their definition says every time (R-ACT-11, R-RE-1),
and only for events after they were switched on (R-ACT-12, R-TRIG-10).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation import records
from deskhand.automation.engine.definition import Definition, WhenEvent
from deskhand.automation.models import Workflow, WorkflowRevision
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import Condition
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.events.types import DEPTH_LIMIT, ActorKind, Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.wake import wake
from deskhand.kernel.jobs import Job

WAKE = "automation"
TOO_DEEP = "Started by more than 10 automatic changes in a row."  # R-EXEC-21


@dataclass(frozen=True)
class Candidate:
    """A record that reached a stage."""

    object_type: str
    record_id: int
    stage_id: int
    event: Event


@dataclass(frozen=True)
class Lane:
    workflow_id: int
    object_type: str
    stage_id: int
    revision: int
    on_since: datetime
    first_step: str
    every_time: bool
    zone: ZoneInfo  # the account's
    refine: Condition | None  # leaves out live chat unless somebody removed that (R-ACT-30, R-ACT-32)


def enroll_matching(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: enroll what reached a stage with a lane that is on. Safe to repeat for the same events."""
    candidates = list(_reached(events))
    if not candidates:
        return
    lanes = _lanes(account_id, {c.stage_id for c in candidates})
    if not lanes:
        return
    records = _refined_records(candidates, lanes)
    zone = next(lane.zone for on_stage in lanes.values() for lane in on_stage)
    wanted: dict[tuple[int, int], tuple[Lane, Candidate]] = {}
    for candidate in candidates:
        for lane in lanes.get(candidate.stage_id, ()):
            if _admits(lane, candidate, records, zone):
                wanted.setdefault((lane.workflow_id, candidate.record_id), (lane, candidate))
    _flag_too_deep(account_id, [lane for lane, c in wanted.values() if c.event.depth > DEPTH_LIMIT])
    fit = [(lane, c) for lane, c in wanted.values() if c.event.depth <= DEPTH_LIMIT]
    _insert(account_id, [(lane, c.record_id, _depth(c.event), c.event.id) for lane, c in fit])


def enroll_present(account_id: int, workflow_id: int, on_since: datetime, after: int = 0) -> int | None:
    """Enroll the next STEP records that are in the lane's status since before `on_since`, when it was switched on
    (R-ACT-12); who reached it later has an event. Safe to repeat.

    Returns the last one's id when there may be more, None at the end or when the lane is no longer on since then.
    """
    held = sql.row(_HELD, [account_id, workflow_id, on_since])
    on_stage = _lanes(account_id, {held[0]})[held[0]] if held else []
    lane = next((lane for lane in on_stage if lane.workflow_id == workflow_id), None)
    if lane is None:
        return None
    found = _present(account_id, lane, after)
    _insert(account_id, [(lane, record_id, 0, None) for record_id in _refined(lane, found)])
    return found[-1] if len(found) == STEP else None


def count_present(account_id: int, workflow_id: int, now: datetime) -> int:
    """How many records a lane would take in if it were switched on now with those who are there; at most STEP."""
    held = sql.rows(_LANE, [account_id, workflow_id])
    lane = next(iter(_lanes_of(account_id, held)), None)
    if lane is None:
        return 0
    lane = replace(lane, on_since=now)
    return len(_refined(lane, _present(account_id, lane, 0)))


STEP = 2000
INCLUDE_PRESENT = "automation.include_present"


def include_present(job: Job) -> None:
    """The rest of what `enroll_present` began, a transaction a step."""
    workflow_id, on_since = job.args["workflow"], datetime.fromisoformat(job.args["on_since"])
    after: int | None = job.args["after"]
    while after is not None:
        job.give_way()
        with account_scope(job.account_id):
            after = enroll_present(job.account_id, workflow_id, on_since, after)


# Two who enroll for the same lane go one after the other; what refers to it is not in their way.
_HELD = """
select origin_stage_id from automation_workflow
where account_id = %s and id = %s and is_on and on_since = %s and archived_at is null and origin_stage_id is not null
for no key update
"""


def _present(account_id: int, lane: Lane, after: int) -> list[int]:
    """The next records in the status; those that the lane has had already are left out (R-ACT-11)."""
    facts = {
        "account": account_id, "stage": lane.stage_id, "after": after, "workflow": lane.workflow_id,
        "type": lane.object_type, "every_time": lane.every_time, "on_since": lane.on_since, "limit": STEP,
    }  # fmt: skip
    query = _PRESENT.format(
        table=table_of(lane.object_type),
        this_type=of_this_type(lane.object_type),
        alive="and not t.is_spam and t.merged_into_id is null" if lane.object_type == "ticket" else "",
    )
    return [record_id for (record_id,) in sql.rows(query, facts)]


_PRESENT = """
select t.id from {table} t
where t.account_id = %(account)s and t.stage_id = %(stage)s and t.id > %(after)s and t.archived_at is null
  and t.stage_entered_at < %(on_since)s and {this_type} {alive}
  and not exists (
    select 1 from automation_enrollment e
    where e.account_id = t.account_id and e.workflow_id = %(workflow)s and e.object_type = %(type)s and e.record_id = t.id
      and (not %(every_time)s or e.state <> 'ENDED' or e.enrolled_at >= %(on_since)s))
order by t.id limit %(limit)s
"""


def _refined(lane: Lane, record_ids: Sequence[int]) -> list[int]:
    if lane.refine is None or not record_ids:
        return list(record_ids)
    now = clock.now()
    return [
        record_id
        for record_id, record in records.load(lane.object_type, list(record_ids)).items()
        if holds(lane.refine, records.LoadedFacts(lane.object_type, record), now=now, zone=lane.zone)
    ]


def unmoved(
    account_id: int,
    object_type: str,
    record_ids: Collection[int],
    now: datetime,
    *,
    with_unheard: bool = False,
) -> set[int]:
    """Which of these records have a step that is due and not done yet: claimed by nobody, or failed and tried again.

    `with_unheard`: those, too, of whom something happened that may enroll them and has not been looked at.
    """
    own = [account_id, object_type, sorted(record_ids)]
    query, more = (_UNMOVED + _UNHEARD, own) if with_unheard else (_UNMOVED, [])
    return {record_id for (record_id,) in sql.rows(query, [*own, now, *more])}


_UNMOVED = """
select distinct record_id from automation_enrollment
where account_id = %s and object_type = %s and record_id = any(%s) and state = 'DUE' and (due_at <= %s or attempts > 0)
"""
# In one statement: what was pending a moment ago is an enrollment by now.
_UNHEARD = """
union select object_id from events_pendingevent
where account_id = %s and object_type = %s and object_id = any(%s) and quarantined_at is null
"""


def _reached(events: Iterable[Event]) -> Iterable[Candidate]:
    """Created in a stage counts as reaching it (R-ACT-13); what lies in Spam reaches nothing (R-CC-12)."""
    for event in events:
        kind = event.kind.partition(".")[2]
        if event.data.get("is_spam"):
            continue
        if kind == "created" and event.data.get("stage_id"):
            yield Candidate(event.object_type, event.object_id, event.data["stage_id"], event)
        elif kind == "moved":
            change = event.data["changes"].get("hs_pipeline_stage") or event.data["changes"].get("dealstage")
            if change and change[1]:
                yield Candidate(event.object_type, event.object_id, change[1], event)


def _lanes(account_id: int, stage_ids: set[int]) -> dict[int, list[Lane]]:
    found: dict[int, list[Lane]] = defaultdict(list)
    for lane in _lanes_of(account_id, sql.rows(_LANES, [account_id, list(stage_ids)])):
        found[lane.stage_id].append(lane)
    return found


def _lanes_of(account_id: int, rows: Iterable[Sequence[Any]]) -> Iterable[Lane]:
    """Those that have something to do."""
    for workflow_id, object_type, stage_id, revision, on_since, zone in rows:
        definition = definition_of(account_id, workflow_id, revision)
        if definition.start:
            refine = definition.trigger.refine if isinstance(definition.trigger, WhenEvent) else None
            yield Lane(
                workflow_id, object_type, stage_id, revision, on_since, definition.start.to,
                definition.reenrollment.is_on, ZoneInfo(zone), refine,
            )  # fmt: skip


_OF_STAGE = """
select w.id, w.object_type, w.origin_stage_id, w.revision_number, w.on_since, a.zone
from automation_workflow w join accounts_account a on a.id = w.account_id
where w.account_id = %s and w.archived_at is null and w.origin_stage_id is not null
"""
_LANE = _OF_STAGE + "and w.id = %s"
_LANES = (
    _OF_STAGE
    + """and w.is_on and w.on_since is not null and w.origin_stage_id = any(%s)
order by w.created_at, w.id
"""
)


@lru_cache(maxsize=2048)
def definition_of(account_id: int, workflow_id: int, number: int) -> Definition:
    """A revision never changes, so it is read and checked once per process."""
    row = WorkflowRevision.objects.get(account_id=account_id, workflow_id=workflow_id, number=number)
    return Definition.from_json(row.definition)


def _refined_records(
    candidates: Sequence[Candidate], lanes: dict[int, list[Lane]]
) -> dict[tuple[str, int], records.LoadedFacts]:
    """The records that some lane asks more of than their stage, read at the instant of the event (R-TRIG-12)."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for candidate in candidates:
        if any(lane.refine for lane in lanes.get(candidate.stage_id, ())):
            wanted[candidate.object_type].add(candidate.record_id)
    return {
        (object_type, record_id): records.LoadedFacts(object_type, record)
        for object_type, ids in wanted.items()
        for record_id, record in records.load(object_type, list(ids)).items()
    }


def _admits(
    lane: Lane, candidate: Candidate, known: dict[tuple[str, int], records.LoadedFacts], zone: ZoneInfo
) -> bool:
    if lane.object_type != candidate.object_type or candidate.event.at < lane.on_since:
        return False
    if lane.refine is None:
        return True
    facts = known.get((candidate.object_type, candidate.record_id))
    return facts is not None and holds(lane.refine, facts, now=candidate.event.at, zone=zone)


def _flag_too_deep(account_id: int, lanes: Sequence[Lane]) -> None:
    if lanes:
        Workflow.objects.filter(account_id=account_id, pk__in={lane.workflow_id for lane in lanes}).update(
            needs_review=TOO_DEEP
        )


def _insert(account_id: int, wanted: Sequence[tuple[Lane, int, int, int | None]]) -> None:
    """Enroll (lane, record, depth, event) in one statement."""
    if not wanted:
        return
    rows = [
        (lane.workflow_id, lane.object_type, record_id, lane.revision, lane.first_step, lane.every_time, depth, event_id)
        for lane, record_id, depth, event_id in wanted
    ]  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    now = clock.now()
    sql.execute(_INSERT, [account_id, now, now, *columns, account_id])
    wake(WAKE)


def _depth(event: Event) -> int:
    """What people and the mail do starts at 0; what a workflow did keeps its depth."""
    return event.depth if event.by.kind is ActorKind.WORKFLOW else 0


_INSERT = """
insert into automation_enrollment (account_id, state, attempts, outputs, end_reason, waits_for, happened, due_at, enrolled_at, workflow_id,
                                   object_type, record_id, revision_number, position, step_id, depth, event_id)
select %s, 'DUE', 0, '{}', '', '', '', %s::timestamptz, %s::timestamptz, x.workflow, x.type, x.record, x.revision, x.step, x.step, x.depth, x.event
from unnest(%s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::boolean[], %s::smallint[], %s::bigint[])
     x(workflow, type, record, revision, step, every_time, depth, event)
where not exists (
    select 1 from automation_enrollment e
    where e.account_id = %s and e.workflow_id = x.workflow and e.object_type = x.type and e.record_id = x.record
      and (not x.every_time or e.event_id = x.event))
on conflict do nothing
"""

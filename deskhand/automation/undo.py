"""Taking back what one run, or a workflow's bad hour, did to records.

Only what still stands as the workflow left it comes back; what anybody changed since stays. What left the house, and
what was made, can't be taken back and is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import dropwhile, takewhile
from typing import Any, NamedTuple

from deskhand.accounts import audit
from deskhand.accounts.queries import can_own
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.history import Run
from deskhand.automation.models import Enrollment, StepStatus, Workflow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import store, undoing, unique
from deskhand.crm.records.store import Change
from deskhand.crm.records.undoing import DATES, RUN_UNDONE
from deskhand.crm.schema.queries import properties_of, unique_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import jobs
from deskhand.kernel.database import sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job

JOB = "automation.undo"
BATCH = 500  # records at a time
_FILING = "pipeline_id"  # comes back with the status


@dataclass(frozen=True)
class Extent:
    """What is to be taken back: what a workflow did between two moments, or one of its runs did."""

    workflow_id: int
    since: datetime
    until: datetime
    enrollment_id: int | None = None


class Why(StrEnum):
    """Why something stays as it is."""

    CHANGED_SINCE = "changed_since"
    STATUS_GONE = "status_gone"
    PERSON_GONE = "person_gone"
    RECORD_GONE = "record_gone"
    TAKEN = "taken"


@dataclass(frozen=True)
class Reversal:
    """A value that comes back; a `why` says that it does not. `by` changed it last. Values as the history has them."""

    object_type: str
    record_id: int
    property: str
    now: Any
    back: Any
    why: Why | None = None
    by: Actor | None = None


@dataclass(frozen=True)
class Stays:
    """What can't be taken back: a kind of action, how often it was done, and what it said the last times."""

    kind: str
    count: int
    messages: tuple[str, ...]


#: Records by kind and id, in their order.
Place = tuple[str, int]
BEGINNING: Place = ("", 0)


@dataclass(frozen=True)
class Found:
    reversals: tuple[Reversal, ...]
    next: Place | None = None  # where there may be more records

    @property
    def coming_back(self) -> list[Reversal]:
        return [one for one in self.reversals if one.why is None]

    @property
    def staying(self) -> list[Reversal]:
        return [one for one in self.reversals if one.why is not None]


def look(extent: Extent, *, after: Place = BEGINNING, limit: int = BATCH, hold: bool = False) -> Found:
    """What would come back of the next `limit` records, and what would not; with `hold` nobody changes them until the
    transaction ends. A fixed number of queries."""
    records = sql.rows(_RECORDS, {**_asked(extent), "type": after[0], "record": after[1], "limit": limit})
    if not records:
        return Found(())
    alive = _alive(records, hold)
    history = _history(extent, records)
    found = [one for triple, changes in history.items() if (one := _reversal(triple, changes)) is not None]
    checked = _checked(found, alive)
    last = records[-1]
    return Found(tuple(checked), (last[0], last[1]) if len(records) == limit else None)


@dataclass(frozen=True)
class TakenBack:
    """How many values came back at a moment, and who took them back: with this run, or with a bad hour that it was in."""

    at: datetime
    by: Actor
    count: int


def taken_back(extent: Extent) -> list[TakenBack]:
    """What has come back already, the first time first. One query."""
    counts: Counter[tuple[datetime, Actor]] = Counter()
    for at, actor_kind, actor_id, object_type, name, count in sql.rows(
        _TAKEN_BACK, {**_asked(extent), "rule": RUN_UNDONE}
    ):
        if _may_come_back(object_type, name):
            counts[at, Actor(ActorKind(actor_kind), actor_id)] += count
    return [TakenBack(at, by, count) for (at, by), count in counts.items()]


def stays(extent: Extent) -> list[Stays]:
    """What was done and can't be taken back, most often first."""
    kinds = [
        kind
        for kind, action in ACTIONS.items()
        if not action.is_pure and (not action.changes or action.is_left or action.is_destructive)
    ]
    asked = {**_asked(extent), "kinds": kinds, "done": StepStatus.SUCCEEDED.value}
    return [Stays(kind, count, tuple(messages)) for kind, count, messages in sql.rows(_STAYS, asked)]


class Undone(NamedTuple):
    """How many values came back, how many stay because another record has them by now, and whether a job has the rest."""

    back: int
    taken: int
    has_more: bool


def undo(extent: Extent, *, by: Actor, at: datetime) -> Undone:
    """Take back; many records go on in a slow job. Safe to repeat: what has come back is not the workflow's any more."""
    number, taken, following = _step(extent, BEGINNING, by, at)
    audit.record(
        "workflow.undone", by=by, target_type="workflow", target_id=extent.workflow_id,
        after={"name": _name(extent), "since": extent.since.isoformat(), "until": extent.until.isoformat(), "enrollment_id": extent.enrollment_id},
    )  # fmt: skip
    if following is not None:
        jobs.enqueue(
            JOB,
            {
                "workflow": extent.workflow_id, "since": extent.since.isoformat(), "until": extent.until.isoformat(),
                "enrollment": extent.enrollment_id, "by": by.id, "at": at.isoformat(), "after": list(following),
            },
            one_by_one=str(extent.workflow_id),
        )  # fmt: skip
    return Undone(number, taken, following is not None)


def _name(extent: Extent) -> str:
    return Workflow.objects.values_list("name", flat=True).get(
        account_id=current_account_id(), pk=extent.workflow_id
    )


def undo_rest(job: Job) -> None:
    """The slow job: a transaction a step."""
    given = job.args
    extent = Extent(
        given["workflow"], datetime.fromisoformat(given["since"]), datetime.fromisoformat(given["until"]), given["enrollment"]
    )  # fmt: skip
    by, at = Actor.user(given["by"]), datetime.fromisoformat(given["at"])
    after: Place | None = (given["after"][0], given["after"][1])
    while after is not None:
        job.give_way()
        with account_scope(job.account_id):
            *_numbers, after = _step(extent, after, by, at)


def _step(extent: Extent, after: Place, by: Actor, at: datetime) -> tuple[int, int, Place | None]:
    """As `Undone` has them, and where the next step begins."""
    found = look(extent, after=after, limit=BATCH, hold=True)
    by_type: dict[str, dict[int, list[Reversal]]] = defaultdict(lambda: defaultdict(list))
    for one in found.coming_back:
        by_type[one.object_type][one.record_id].append(one)
    taken = sum(one.why is Why.TAKEN for one in found.staying)
    coming = len(found.coming_back)
    for object_type, by_record in sorted(by_type.items()):
        changes = [
            Change(pk, _values(object_type, ones), rule=RUN_UNDONE) for pk, ones in sorted(by_record.items())
        ]
        dates = _dates(extent, object_type, by_record)
        kept: dict[int, Invalid] = {}  # another took the value this moment
        store.change_many(object_type, changes, by=by, at=at, refused=kept)
        store.change_many(
            object_type,
            [Change(pk, values) for pk, values in sorted(dates.items()) if pk not in kept],
            by=by,
            at=at,
        )
        coming -= sum(len(by_record[pk]) for pk in kept)
        taken += len(kept)
    return coming, taken, found.next


def _values(object_type: str, ones: Iterable[Reversal]) -> dict[str, Any]:
    known = properties_of(object_type)
    return {
        known[one.property].column or one.property: _stored(known[one.property], one.back) for one in ones
    }


def _stored(prop: Property, value: Any) -> Any:
    if prop.column and prop.kind is Kind.DATETIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    if value is None and prop.kind is Kind.REFS:
        return []
    return value


def _dates(
    extent: Extent, object_type: str, by_record: Mapping[int, Sequence[Reversal]]
) -> dict[int, dict[str, Any]]:
    """The dates of those whose status comes back, as if neither move had been: what the workflow's brought or took as it
    was before, the rest as it is now (R-CLOSE-1, 2)."""
    moved = [
        pk for pk, ones in by_record.items() if any(_is_stage(object_type, one.property) for one in ones)
    ]
    if not moved:
        return {}
    columns = sorted(set(DATES.values()) & columns_of(store.model_of(object_type)).keys())
    query = f"select id, {', '.join(columns)} from {store.table_of(object_type)} where account_id = %s and id = any(%s)"
    stood = {
        pk: dict(zip(columns, values, strict=True))
        for pk, *values in sql.rows(query, [current_account_id(), moved])
    }
    olds: dict[int, dict[str, Any]] = defaultdict(dict)
    asked = {**_asked(extent), "type": object_type, "records": moved, "dates": list(DATES)}
    for record_id, name, old in sql.rows(_DATES, asked):
        olds[record_id][name] = sql.loads(old)
    return {pk: undoing.dates(olds[pk], values) for pk, values in stood.items()}


def _is_stage(object_type: str, name: str) -> bool:
    return properties_of(object_type)[name].column == "stage_id"


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_Triple = tuple[str, int, str]


@dataclass
class _Entry:
    id: int
    old: Any
    new: Any
    by: Actor
    is_ours: bool


def _asked(extent: Extent) -> dict[str, Any]:
    return {
        "account": current_account_id(), "workflow": extent.workflow_id, "since": extent.since, "until": extent.until,
        "enrollment": extent.enrollment_id,
    }  # fmt: skip


#: The workflow's own changes; of one run, those whose event it caused.
_OURS = """
from crm_propertychange c
where c.account_id = %(account)s and c.actor_kind = 'workflow' and c.actor_id = %(workflow)s
  and c.changed_at >= %(since)s and c.changed_at <= %(until)s and left(c.property, 1) <> '@'
  and (%(enrollment)s::bigint is null or exists (
      select 1 from events_event e where e.account_id = c.account_id and e.id = c.event_id
        and (e.cause->>'enrollment_id')::bigint = %(enrollment)s))
"""
_RECORDS = f"""
select distinct c.object_type, c.record_id {_OURS}
  and (c.object_type, c.record_id) > (%(type)s, %(record)s)
order by 1, 2 limit %(limit)s
"""
#: From the first change of ours on, whoever made them; newest first.
_HISTORY = f"""
with ours as (select c.id, c.object_type, c.record_id, c.property {_OURS}
    and (c.object_type, c.record_id) in (select * from unnest(%(types)s::text[], %(records)s::bigint[]))),
first as (select object_type, record_id, property, min(id) as id from ours group by 1, 2, 3)
select h.object_type, h.record_id, h.property, h.id, h.old, h.new, h.actor_kind, h.actor_id, h.id in (select id from ours)
from first f join crm_propertychange h on h.account_id = %(account)s and h.object_type = f.object_type and h.record_id = f.record_id
    and h.property = f.property and h.id >= f.id
order by 1, 2, 3, 4 desc
"""
_DATES = f"""
select distinct on (c.record_id, c.property) c.record_id, c.property, c.old {_OURS}
  and c.object_type = %(type)s and c.record_id = any(%(records)s) and c.property = any(%(dates)s)
order by c.record_id, c.property, c.id
"""
#: A value that came back is what stood before a change of ours, and nothing between the two brought it back before.
_TAKEN_BACK = f"""
with ours as (select c.id, c.object_type, c.record_id, c.property {_OURS})
select h.changed_at, h.actor_kind, h.actor_id, h.object_type, h.property, count(distinct h.id)
from ours o join crm_propertychange h on h.account_id = %(account)s and h.object_type = o.object_type and h.record_id = o.record_id
    and h.property = o.property and h.id > o.id and h.actor_kind = 'user'
where exists (
    select from events_event e where e.account_id = h.account_id and e.id = h.event_id and e.cause->>'rule' = %(rule)s)
  and not exists (
    select from crm_propertychange x where x.account_id = h.account_id and x.object_type = h.object_type and x.record_id = h.record_id
        and x.property = h.property and x.id > o.id and x.id < h.id and coalesce(x.old, 'null') = coalesce(h.new, 'null'))
group by 1, 2, 3, 4, 5 order by 1
"""
_STAYS = """
select kind, count(*), (array_agg(message order by id desc))[1:5] from automation_steplog
where account_id = %(account)s and workflow_id = %(workflow)s and at >= %(since)s and at <= %(until)s
  and (%(enrollment)s::bigint is null or enrollment_id = %(enrollment)s) and kind = any(%(kinds)s) and status = %(done)s
group by kind order by 2 desc, 1
"""


def _history(extent: Extent, records: Sequence[tuple[str, int]]) -> dict[_Triple, list[_Entry]]:
    types, ids = [object_type for object_type, _pk in records], [pk for _type, pk in records]
    found: dict[_Triple, list[_Entry]] = defaultdict(list)
    for object_type, record_id, name, pk, old, new, actor_kind, actor_id, is_ours in sql.rows(
        _HISTORY, {**_asked(extent), "types": types, "records": ids}
    ):
        by = Actor(ActorKind(actor_kind), actor_id)
        found[object_type, record_id, name].append(_Entry(pk, sql.loads(old), sql.loads(new), by, is_ours))
    return found


def _reversal(triple: _Triple, changes: Sequence[_Entry]) -> Reversal | None:
    """The last stretch of our own changes goes; before it somebody else's value stands, and comes back."""
    object_type, record_id, name = triple
    if not _may_come_back(object_type, name):
        return None
    newest = changes[0]
    ours = list(dropwhile(lambda entry: not entry.is_ours, changes))
    back = list(takewhile(lambda entry: entry.is_ours, ours))[-1].old
    if back == newest.new:  # it stands there again
        return None
    if not newest.is_ours:
        return Reversal(object_type, record_id, name, newest.new, None, Why.CHANGED_SINCE, newest.by)
    return Reversal(object_type, record_id, name, newest.new, back, None, newest.by)


def _may_come_back(object_type: str, name: str) -> bool:
    prop = properties_of(object_type).get(name)
    return prop is not None and not (
        prop.read_only or prop.is_computed or prop.column == _FILING or name in DATES
    )


def _checked(found: Sequence[Reversal], alive: Collection[tuple[str, int]]) -> list[Reversal]:
    """What can't come back, because it or where it came from is gone, stays."""
    people = {one.back for one in found if one.back and _column(one) == "owner_id"}
    members = can_own(current_account_id(), people)
    taken = _taken(found)
    checked = []
    for one in found:
        why = one.why
        if (one.object_type, one.record_id) not in alive:
            why = Why.RECORD_GONE
        elif why is None and _column(one) == "stage_id" and not _has_stage(one.object_type, one.back):
            why = Why.STATUS_GONE
        elif why is None and _column(one) == "owner_id" and one.back and one.back not in members:
            why = Why.PERSON_GONE
        elif why is None and (one.object_type, one.record_id, one.property) in taken:
            why = Why.TAKEN
        checked.append(Reversal(one.object_type, one.record_id, one.property, one.now, one.back, why, one.by))
    return checked


def _taken(found: Sequence[Reversal]) -> set[_Triple]:
    """Whose value another record has by now, which only one may have; but where that one gives it back as well."""
    back: dict[tuple[int, str], list[_Triple]] = defaultdict(list)
    for one in found:
        prop = unique_of(one.object_type).get(one.property) if one.why is None else None
        if prop is not None and (key := unique.key_of(prop, one.back)):
            back[prop.definition_id, key].append((one.object_type, one.record_id, one.property))
    held = unique.held(list(back)) if back else {}
    leaving = {(one.object_type, one.record_id, one.property) for one in found if one.why is None}
    return {
        triple
        for pair, triples in back.items() if pair in held
        for triple in triples
        if held[pair] != triple[1] and (triple[0], held[pair], triple[2]) not in leaving
    }  # fmt: skip


def _alive(records: Sequence[tuple[str, int]], hold: bool) -> set[tuple[str, int]]:
    wanted: dict[str, list[int]] = defaultdict(list)
    for object_type, record_id in records:
        wanted[object_type].append(record_id)
    locked = "for no key update" if hold else ""
    return {
        (object_type, pk)
        for object_type, ids in wanted.items()
        for (pk,) in sql.rows(
            f"select id from {store.table_of(object_type)} where account_id = %s and id = any(%s) and archived_at is null"
            f" order by id {locked}",
            [current_account_id(), ids],
        )
    }


def _column(one: Reversal) -> str:
    return properties_of(one.object_type)[one.property].column or ""


def _has_stage(object_type: str, stage_id: Any) -> bool:
    return any(pipeline.stage(stage_id) for pipeline in pipelines_of(object_type).pipelines)


def extent_of_run(workflow_id: int, run: Enrollment | Run, now: datetime) -> Extent:
    """All that one run did until now."""
    return Extent(workflow_id, run.enrolled_at, run.ended_at or now, run.id)

"""Who is in the segments by filter, and who wears the tags that follow rules: by events, by time, by a slow job at first.

All three look with the same SQL, so a segment holds what its condition finds. They hold the segment's row before they
look; so of two who look at the same record the later one sees what the earlier one saw, or newer.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from deskhand.accounts.models import Account
from deskhand.crm.filters.as_json import from_json
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import Sql, to_sql
from deskhand.crm.filters.types import Condition
from deskhand.crm.records import joining, tagging, tasks
from deskhand.crm.records.store import event_names_of
from deskhand.crm.records.tables import TABLES, is_there, of_this_type, table_of, tables_of
from deskhand.crm.schema import activities
from deskhand.crm.segments.looks import LINKS, Look, looks_of, pause_of
from deskhand.crm.segments.members import JOINED, LEFT, Moved, Why, settle
from deskhand.crm.segments.models import TAG_RULE
from deskhand.crm.segments.segments import SWEEP
from deskhand.events.types import Cause, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job

STEP = 2000  # records that one statement looks at, or moves

ANY = "*any"  # what every change changes
#: What messages change of their ticket, by the names in its history.
OF_MESSAGES = frozenset(
    {
        "hs_helpdesk_sort_timestamp", "hs_num_times_contacted", "hs_last_message_received_at", "hs_last_message_sent_at",
        "hs_first_agent_message_sent_at", "hs_first_agent_message_sent_by", "hs_last_message_from_visitor", "hs_is_latest_message_failed",
        ANY, LINKS, "*message", "*comment",
    }
)  # fmt: skip
COMPANY = "associatedcompanyid"


@dataclass(frozen=True)
class Watched:
    """A segment by filter, or the rule of a tag, as far as looking needs it."""

    id: int
    generation: int
    object_type: str
    condition: Condition
    tag: str = ""


# ── which segments look at what ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Index:
    """An account's segments by filter, by the kind of record that they look at."""

    stamp: int
    watched: Mapping[int, Watched]
    by_type: Mapping[str, Sequence[tuple[int, Look]]]


_KEPT = 500  # accounts whose index a process keeps
_indexes: OrderedDict[int, Index] = OrderedDict()


def index_of(account_id: int) -> Index:
    """Kept while no segment of the account is made, changed or archived. One small query."""
    found = sql.row(_STAMP, [account_id])
    stamp = int(found[0]) if found else 0
    kept = _indexes.get(account_id)
    if kept is None or kept.stamp != stamp:
        kept = _indexes[account_id] = _read(account_id, stamp)
        if len(_indexes) > _KEPT:
            _indexes.popitem(last=False)
    return kept


# No segment is ever deleted and no generation falls, so the sum says whether anything changed.
_STAMP = "select coalesce(sum(generation), 0) from crm_segment where account_id = %s and kind <> 'STATIC'"
_ALL = """
select id, generation, object_type, condition, kind, name from crm_segment
where account_id = %s and kind <> 'STATIC' and archived_at is null order by id
"""


def _read(account_id: int, stamp: int) -> Index:
    watched = {
        segment_id: Watched(
            segment_id,
            generation,
            object_type,
            from_json(sql.loads(condition), "condition"),
            tag=name if kind == TAG_RULE else "",
        )
        for segment_id, generation, object_type, condition, kind, name in sql.rows(_ALL, [account_id])
    }
    by_type: dict[str, list[tuple[int, Look]]] = defaultdict(list)
    for one in watched.values():
        for look in looks_of(one.condition, one.object_type):
            names = frozenset(name for one in look.properties for name in _event_names(look.object_type, one))
            by_type[look.object_type].append(
                (one.id, Look(look.path, look.object_type, names, look.segments))
            )
    return Index(stamp, watched, by_type)


def _event_names(object_type: str, name: str) -> Collection[str]:
    """What events call the values that a property's value follows; that any change changes it, where they don't name it."""
    return {name} if name.startswith("*") else event_names_of(object_type, name) or {ANY}


# ── following events ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Change:
    """What happened to a record. `names` are the properties that changed; None stands for all of them."""

    object_type: str
    record_id: int
    names: frozenset[str] | None
    event: Event


def follow(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: let records join and leave the segments whose conditions look at what happened. Safe to repeat."""
    _keep_static(account_id, events)
    index = index_of(account_id)
    if not index.watched:
        return
    changes = [change for event in events for change in _changes(event)]
    memberships = [event for event in events if event.kind in (JOINED, LEFT)]
    wanted = _Wanted(account_id, index)
    for change in changes:
        for segment_id, look in index.by_type.get(change.object_type, ()):
            if change.names is None or not look.properties.isdisjoint(change.names):
                wanted.note(segment_id, look.path, change.object_type, [change.record_id], change.event)
    for event in memberships:
        for segment_id, look in index.by_type.get(event.data["object_type"], ()):
            if event.object_id in look.segments:
                wanted.note(segment_id, look.path, event.data["object_type"], event.data["record_ids"], event)
    look_at(account_id, index, wanted.records(), wanted.causes)


def _changes(event: Event) -> Iterator[Change]:
    data = event.data
    if event.object_type == "thread":
        if data.get("ticket_id"):
            yield Change("ticket", data["ticket_id"], OF_MESSAGES, event)
        return
    if event.object_type == "task":
        for object_type, record_id in tasks.told_of(event):
            yield Change(object_type, record_id, frozenset({activities.TASK.key}), event)
        return
    if not _is_of_record(event.object_type):
        return
    changed = data.get("changes")
    if changed is None or "is_spam" in changed:
        yield Change(event.object_type, event.object_id, None, event)
    else:
        links = {LINKS} if COMPANY in changed else set()
        yield Change(event.object_type, event.object_id, frozenset({*changed, ANY, *links}), event)
    for company_id in (changed or {}).get(COMPANY, ()):
        if company_id:
            yield Change("company", int(company_id), None, event)
    if data.get("to_type") and data.get("to_id"):
        yield Change(data["to_type"], data["to_id"], None, event)
    for other in _joined_or_parted(event):
        yield Change(event.object_type, other, None, event)


def _is_of_record(object_type: str) -> bool:
    return object_type in TABLES or object_type.startswith("2-")


def _joined_or_parted(event: Event) -> list[int]:
    parted = (event.data.get("after") or {}).get("parted")
    return [one for one in (joining.part_of(event), parted) if isinstance(one, int)]


class _Wanted:
    """Which records each segment must look at, and what caused it."""

    def __init__(self, account_id: int, index: Index) -> None:
        self.account_id, self.index = account_id, index
        self.causes: dict[int, Why] = {}
        self._noted: dict[tuple[tuple[str, ...], str], dict[int, set[int]]] = {}

    def note(
        self, segment_id: int, path: tuple[str, ...], looked_at: str, record_ids: Iterable[int], event: Event
    ) -> None:
        by_segment = self._noted.setdefault((path, looked_at), {})
        by_segment.setdefault(segment_id, set()).update(record_ids)
        why = self.causes.get(segment_id)
        if why is None or event.depth > why.depth:
            known = event.cause or Cause()
            cause = Cause(event.id, known.workflow_id, known.revision, known.step_id, known.enrollment_id)
            self.causes[segment_id] = Why(event.by, cause, event.depth)

    def records(self) -> dict[int, set[int]]:
        """By segment; those that look at others from afar by the links between them."""
        found: dict[int, set[int]] = defaultdict(set)
        for (path, _looked_at), by_segment in self._noted.items():
            for segment_id, ids in by_segment.items():
                object_type = self.index.watched[segment_id].object_type
                found[segment_id] |= _back(self.account_id, object_type, path, ids) if path else ids
        return found


def _back(account_id: int, object_type: str, path: tuple[str, ...], ids: Collection[int]) -> set[int]:
    """The records from which `path` leads to one of `ids`."""
    found = set(ids)
    way = (object_type, *path)
    for nearer, farther in zip(reversed(way[:-1]), reversed(way[1:]), strict=True):
        found = {row[0] for row in sql.rows(_LINKED, [account_id, farther, sorted(found), nearer])}
    return found


_LINKED = """
select distinct to_id from crm_association where account_id = %s and from_type = %s and from_id = any(%s) and to_type = %s
"""


def _keep_static(account_id: int, events: Sequence[Event]) -> None:
    """Of segments that people fill: their sizes leave out what is archived, and what is merged brings its places along."""
    for event in events:
        if event.kind in ("contact.merged", "company.merged"):
            _hand_over(account_id, event)
    touched: dict[str, set[int]] = defaultdict(set)
    for event in events:
        if _is_of_record(event.object_type) and event.kind.partition(".")[2] in _PUT_AWAY:
            touched[event.object_type].update({event.object_id, *_joined_or_parted(event)})
    for object_type, ids in touched.items():
        query = _COUNT_ANEW.format(table=table_of(object_type), this_type=of_this_type(object_type))
        sql.execute(query, {"account": account_id, "type": object_type, "ids": sorted(ids)})


_PUT_AWAY = {"archived", "restored", "merged", "unmerged"}
_COUNT_ANEW = """
with touched as (
    select id from crm_segment where account_id = %(account)s and object_type = %(type)s and kind = 'STATIC' and id in (
        select segment_id from crm_segmentmember where account_id = %(account)s and object_type = %(type)s and record_id = any(%(ids)s))
    order by id for no key update
)
update crm_segment s set size = (
    select count(*) from crm_segmentmember m join {table} t on t.account_id = m.account_id and t.id = m.record_id
    where m.account_id = s.account_id and m.segment_id = s.id and t.archived_at is null and {this_type})
from touched where s.account_id = %(account)s and s.id = touched.id
"""


def _hand_over(account_id: int, event: Event) -> None:
    at = clock.now()
    params = {
        "account": account_id, "type": event.object_type, "from": event.data["after"]["merged"], "into": event.object_id,
        "at": at, "by": event.by.kind.value, "by_id": event.by.id,
    }  # fmt: skip
    why = Why(event.by, Cause(event.id), event.depth)
    found = sql.rows(_HAND_OVER, params)
    settle({pk: Moved(event.object_type, why, joined=[event.object_id]) for (pk,) in found}, at)


_HAND_OVER = """
with held as (
    select s.id from crm_segment s join crm_segmentmember m on m.account_id = s.account_id and m.segment_id = s.id
    where s.account_id = %(account)s and s.object_type = %(type)s and s.kind = 'STATIC' and s.archived_at is null
      and m.record_id = %(from)s
    order by s.id for no key update of s
)
insert into crm_segmentmember (account_id, segment_id, object_type, record_id, since, by_kind, by_id)
select %(account)s, held.id, %(type)s, %(into)s, %(at)s::timestamptz, %(by)s, %(by_id)s::bigint from held
on conflict do nothing returning segment_id
"""


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_at(
    account_id: int, index: Index, wanted: Mapping[int, Collection[int]], why: Mapping[int, Why]
) -> None:
    """Compare these segments' members, and who wears these tags, with what the conditions say of these records.

    Five statements for any number of segments, and a handful more for tags.
    """
    held = _hold(account_id, index, [segment_id for segment_id, ids in wanted.items() if ids])
    if not held:
        return
    at = clock.now()
    queries = _queries(account_id, [(one, wanted[one.id]) for one in held], at)
    tagging.follow(
        account_id,
        [
            tagging.Look(one.tag, queries.pop(one.id), wanted[one.id], why.get(one.id, Why()))
            for one in held
            if one.tag and one.id in queries
        ],
        at,
    )
    asked = [(segment_id, record_id) for segment_id in queries for record_id in sorted(wanted[segment_id])]
    if not asked:
        return
    text = " union all ".join(query.text for query in queries.values())
    columns = [list(column) for column in zip(*asked, strict=True)]
    types = {one.id: one.object_type for one in held}
    found = sql.rows(
        _LOOK.format(fitting=text),
        [
            *columns,
            *(param for query in queries.values() for param in query.params),
            account_id, list(types), list(types.values()), account_id, at,
        ],
    )  # fmt: skip
    _settle(found, types, why, at)


_LOOK = """
with asked(segment_id, record_id) as materialized (select * from unnest(%s::bigint[], %s::bigint[])),
fitting(segment_id, record_id) as materialized ({fitting}),
gone as (
    delete from crm_segmentmember m using asked where m.account_id = %s and m.segment_id = asked.segment_id and m.record_id = asked.record_id
    and not exists (select from fitting f where f.segment_id = m.segment_id and f.record_id = m.record_id)
    returning m.segment_id, m.record_id
), of_types(segment_id, object_type) as (select * from unnest(%s::bigint[], %s::text[])),
come as (
    insert into crm_segmentmember (account_id, segment_id, object_type, record_id, since, by_kind, by_id)
    select %s, f.segment_id, of_types.object_type, f.record_id, %s::timestamptz, 'system', null
    from fitting f join of_types on of_types.segment_id = f.segment_id order by 2, 4
    on conflict do nothing returning segment_id, record_id
)
select false, segment_id, record_id from gone union all select true, segment_id, record_id from come order by 2, 3
"""


def _settle(
    found: Iterable[tuple[bool, int, int]], types: Mapping[int, str], why: Mapping[int, Why], at: datetime
) -> int:
    """Keep what came of a look; returns how many came or went."""
    moved = {segment_id: Moved(kind, why.get(segment_id, Why())) for segment_id, kind in types.items()}
    count = 0
    for is_new, segment_id, record_id in found:
        one = moved[segment_id]
        (one.joined if is_new else one.left).append(record_id)
        count += 1
    settle(moved, at)
    return count


def _hold(account_id: int, index: Index, segment_ids: Sequence[int]) -> list[Watched]:
    """The segments as they stand, locked in the order of their ids; those that are archived are left out."""
    if not segment_ids:
        return []
    found = dict(sql.rows(_HOLD, [account_id, sorted(segment_ids)]))
    if any(index.watched[segment_id].generation != now for segment_id, now in found.items()):
        index = index_of(account_id)
    return [index.watched[segment_id] for segment_id in found if segment_id in index.watched]


_HOLD = """
select id, generation from crm_segment where account_id = %s and id = any(%s) and kind <> 'STATIC' and archived_at is null
order by id for no key update
"""


def _queries(
    account_id: int, wanted: Sequence[tuple[Watched, Collection[int] | None]], at: datetime
) -> dict[int, Sql]:
    """For each segment a query of its id and the records that fit, of these or of all. What can't be asked is noted."""
    zone = zone_of(account_id)
    made: dict[int, Sql] = {}
    for one, ids in wanted:
        try:
            fits = fitting(account_id, one.object_type, one.condition, at, zone)
        except Invalid as refusal:
            sql.execute(_NOTE_PROBLEM, [str(refusal), account_id, one.id])
            continue
        among = Sql("") if ids is None else Sql(" and t.id = any(%s::bigint[])", (sorted(ids),))
        made[one.id] = Sql(
            f"select {int(one.id)}::bigint, t.id from {table_of(one.object_type)} t where {fits.text}{among.text}",
            (*fits.params, *among.params),
        )
    return made


_NOTE_PROBLEM = "update crm_segment set problem = %s where account_id = %s and id = %s"


def zone_of(account_id: int) -> ZoneInfo:
    return ZoneInfo(Account.objects.values_list("zone", flat=True).get(pk=account_id))


def fitting(account_id: int, object_type: str, condition: Condition, at: datetime, zone: ZoneInfo) -> Sql:
    """SQL on `t` that tells whether a record fits. Raises Invalid for a condition that can't be asked."""
    source = SchemaSource(tables_of(account_id), object_type, "t")
    asked = to_sql(condition, source, now=at, zone=zone)
    return Sql(
        f"t.account_id = %s and {is_there(object_type)} and {of_this_type(object_type)} and {asked.text}",
        (account_id, *asked.params),
    )


# ── all of a segment ─────────────────────────────────────────────────────────────────────────────────────────────────


def sweep(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Time has passed: look at all that these segments may hold, and set the next look. Safe to repeat."""
    index = index_of(account_id)
    for segment_id in sorted(int(timer.key) for timer in due):
        held = _hold(account_id, index, [segment_id] if segment_id in index.watched else [])
        for one in held:
            now = clock.now()
            is_over = _sweep(account_id, one, now) < STEP
            pause = pause_of(one.condition) if is_over else timedelta(0)
            timers.set_timer(account_id, SWEEP, str(one.id), now + pause)


def _sweep(account_id: int, one: Watched, at: datetime) -> int:
    """Move at most STEP records each way; returns how many moved."""
    query = _queries(account_id, [(one, None)], at).get(one.id)
    if query is None:
        return 0
    if one.tag:
        return tagging.follow(account_id, [tagging.Look(one.tag, query)], at, limit=STEP)
    found = sql.rows(
        _SWEEP.format(fitting=query.text),
        [
            *query.params, account_id, one.id, STEP, account_id, account_id, one.id, one.object_type, at, account_id, one.id, STEP,
        ],
    )  # fmt: skip
    return _settle(found, {one.id: one.object_type}, {}, at)


_SWEEP = """
with fitting(segment_id, record_id) as materialized ({fitting}),
gone as (
    delete from crm_segmentmember d using (
        select m.id from crm_segmentmember m where m.account_id = %s and m.segment_id = %s
        and not exists (select from fitting f where f.record_id = m.record_id) order by m.record_id limit %s) x
    where d.account_id = %s and d.id = x.id returning d.segment_id, d.record_id
), come as (
    insert into crm_segmentmember (account_id, segment_id, object_type, record_id, since, by_kind, by_id)
    select %s, %s, %s, f.record_id, %s::timestamptz, 'system', null from fitting f
    where not exists (select from crm_segmentmember m where m.account_id = %s and m.segment_id = %s and m.record_id = f.record_id)
    order by f.record_id limit %s on conflict do nothing returning segment_id, record_id
)
select false, segment_id, record_id from gone union all select true, segment_id, record_id from come order by 2, 3
"""


def fill(job: Job) -> None:
    """Look at every record for a segment that is new or asks for others (slow job). Resumes where the segment says."""
    while _fill_step(job.account_id, job.args["segment"]):
        job.give_way()


def _fill_step(account_id: int, segment_id: int) -> bool:
    """One transaction; tells whether there is more to do."""
    with account_scope(account_id):
        index = index_of(account_id)
        held = _hold(account_id, index, [segment_id] if segment_id in index.watched else [])
        place = sql.row(_PLACE, [account_id, segment_id])
        if not held or place is None or place[1]:
            return False
        one = held[0]
        ids = [
            found[0]
            for found in sql.rows(
                f"select t.id from {table_of(one.object_type)} t where t.account_id = %s and t.id > %s and {of_this_type(one.object_type)}"
                " order by t.id limit %s",
                [account_id, place[0], STEP],
            )
        ]
        look_at(account_id, index_of(account_id), {segment_id: ids}, {})
        is_last = len(ids) < STEP
        sql.execute(_NOTE_PLACE, [ids[-1] if ids else place[0], is_last, clock.now(), account_id, segment_id])
        return not is_last


_PLACE = "select filled_to, filled_at is not null from crm_segment where account_id = %s and id = %s"
_NOTE_PLACE = """
update crm_segment set filled_to = %s, filled_at = case when %s then %s::timestamptz end where account_id = %s and id = %s
"""

"""Filter triggers: a record enters when it comes to meet a standing condition (R-TRIG-1 … R-TRIG-6, R-RE-2 … R-RE-5).

TriggerMatch remembers who meets it. When something changes, only the records are asked about whose change the condition
could notice, also where it looks at records linked to them; what time alone changes is found by `sweep`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation import triggers
from deskhand.automation.engine.definition import WhenTrue
from deskhand.automation.enrolling import guards, matching
from deskhand.automation.enrolling.happening import depth_of, is_of_merge, made_by, reason_of
from deskhand.automation.enrolling.index import Entry, Index
from deskhand.automation.enrolling.insert import Pair, Wanted
from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.types import (
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    MemberOf,
    Operator,
    Path,
    leaves_by_path,
    looked_at,
)
from deskhand.crm.records import associations
from deskhand.crm.records.tables import table_of
from deskhand.crm.schema import activities, clock_names
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.looks import MOVING, SEGMENT, is_moved_by_time
from deskhand.crm.segments.members import JOINED, LEFT
from deskhand.desk.activities import COMMENT, MESSAGE
from deskhand.events.types import Event
from deskhand.kernel.database import sql
from deskhand.kernel.errors import DeskhandError

#: What a message changes in its ticket without a line in its history.
BY_MESSAGES = frozenset({
    "last_received_at", "last_sent_at", "message_count", "last_message_from_visitor", "last_message_failed",
    "first_agent_reply_at", "first_agent_reply_by", "sort_at", "preview",
})  # fmt: skip
#: What conditions ask for of the messages themselves.
_SAID = frozenset({MESSAGE.key, COMMENT.key})
#: These may change anything about their record.
_ANYTHING = ("created", "restored", "merged", "unmerged", "linked", "unlinked", "relabeled")
#: Messages of a ticket became another's, `split_id`, or came back from it: both, and how they are linked, may differ.
_PARTINGS = ("ticket.split", "ticket.copied", "ticket.split_taken_back")
_CHANGES = ("updated", "moved", "assigned")
#: So many records that one change may concern are looked at by the sweep instead.
MANY = 5000


@dataclass(frozen=True)
class Look:
    """A condition looks at these columns or properties of records that are reached by the path."""

    path: Path
    keys: frozenset[str]


@dataclass
class Changed:
    """What happened to one record: which of its keys changed (None: perhaps all), and by which events."""

    keys: Set[str] | None
    events: list[Event]


def looks(entry: Entry) -> tuple[Look, ...]:
    assert isinstance(entry.trigger, WhenTrue)
    return _looks(entry.object_type, entry.trigger.condition)


@lru_cache(maxsize=4096)
def _looks(object_type: str, condition: Condition) -> tuple[Look, ...]:
    keys: dict[Path, set[str]] = defaultdict(set)
    for way, leaf in looked_at(condition):
        path, activity = activities.split(way)
        here = keys[path]
        if activity is not None:
            here.add(activity.key)
        elif isinstance(leaf, Filter):
            here.update(_keys(path[-1] if path else object_type, leaf.property))
        elif leaf is not None and leaf.of == SEGMENT:
            here.update(f"{SEGMENT}:{pk}" for pk in leaf.ids)
    return tuple(Look(path, frozenset(found)) for path, found in keys.items())


def filters(condition: Condition) -> Iterator[tuple[Path, Filter]]:
    """Each filter with the way to the records that it looks at."""
    return ((path, leaf) for path, leaf in leaves_by_path(condition) if isinstance(leaf, Filter))


def depends_on_time(condition: Condition) -> bool:
    """Whether it may come to hold without any event that tells: by time, by links between others, by membership."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(depends_on_time(part) for part in parts)
        case Associated(to, where):
            return activities.find(to) is None or depends_on_time(where)
        case MemberOf(of):
            return of != SEGMENT
        case Filter():
            return is_moved_by_time(condition)


def _keys(object_type: str, name: str) -> tuple[str, ...]:
    """Whose changes change the property's value."""
    if clock_names.parse(name) is not None:
        return (clock_names.STAGE,)
    return _computed(object_type).get(name) or (_key(object_type, name),)


@lru_cache(maxsize=256)
def _computed(object_type: str) -> Mapping[str, tuple[str, ...]]:
    return {p.name: p.follows for p in BUILT_IN.get(object_type, BUILT_IN["custom"]) if p.is_computed}


def _key(object_type: str, name: str) -> str:
    """Several properties may show one column."""
    return _columns(object_type).get(name, name)


@lru_cache(maxsize=256)
def _columns(object_type: str) -> Mapping[str, str]:
    return {p.name: p.column for p in BUILT_IN.get(object_type, BUILT_IN["custom"]) if p.column}


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────────────────────


def wanted_by(account_id: int, index: Index, events: Sequence[Event], now: datetime) -> list[Wanted]:
    """Who enters by these events; remembers who meets what. Queries don't grow with workflows, records or events."""
    if not index.standing:
        return []
    changed = changed_by(events)
    if not changed:
        return []
    ways = Ways(changed)
    touching = {entry.workflow_id: touched(entry, ways) for entry in index.standing}
    touching = {pk: found for pk, found in touching.items() if found}
    if not touching:
        return []
    many = [pk for pk, found in touching.items() if len(found) > MANY]
    sweep_soon(account_id, many, now)
    entries = {entry.workflow_id: entry for entry in index.standing if entry.workflow_id in touching}
    asked = [_ask(entries[pk], found) for pk, found in touching.items() if pk not in many]
    answer = matching.holding(account_id, asked, now, index.zone)
    guards.flag(account_id, dict.fromkeys(answer.broken, guards.BROKEN))
    known = {pk: ids for pk, ids in answer.of.items() if pk not in answer.broken}
    come = _remember(account_id, known, touching, now, index.opening)
    wanted = []
    for pk, met in sorted(known.items()):
        entry = entries[pk]
        again = fired(entry, ways, index.zone) & met if entry.is_again else set()
        for record_id in sorted({r for w, r in come if w == pk} | again):
            event = telling(touching[pk][record_id], entry)
            is_again = record_id in again or comes_back(entry, touching[pk][record_id])
            wanted.append(
                Wanted(
                    entry, record_id, reason_of(event, "filter"), depth_of(event), event.id,
                    is_again=is_again, made_by=made_by(event) if event.object_type == entry.object_type else {},
                )
            )  # fmt: skip
    return wanted


def _ask(entry: Entry, found: Mapping[int, Any]) -> matching.Asked:
    assert isinstance(entry.trigger, WhenTrue)
    return matching.Asked(entry.workflow_id, entry.object_type, entry.trigger.condition, found.keys())


def changed_by(events: Iterable[Event]) -> dict[str, dict[int, Changed]]:
    """What happened to which records: by kind and id."""
    found: dict[str, dict[int, Changed]] = defaultdict(dict)
    for event in events:
        for object_type, record_id, keys in _touches(event):
            known = found[object_type].setdefault(record_id, Changed(set(), []))
            known.events.append(event)
            known.keys = None if keys is None or known.keys is None else known.keys | keys
    return found


def _touches(event: Event) -> Iterator[tuple[str, int, Set[str] | None]]:
    if event.kind in (JOINED, LEFT):
        for record_id in event.data["record_ids"]:
            yield event.data["object_type"], record_id, {f"{SEGMENT}:{event.object_id}"}
        return
    subject = triggers.subject_of(event)
    if subject is None:
        return
    object_type, record_id = subject
    if event.object_type == "task":
        yield from ((kind, pk, {activities.TASK.key}) for kind, pk in triggers.subjects_of(event))
        return
    did = event.kind.rpartition(".")[2]
    if event.kind in _PARTINGS:
        yield from ((object_type, pk, None) for pk in (record_id, event.data["split_id"]))
    elif event.object_type == "thread":
        yield object_type, record_id, BY_MESSAGES | _SAID
    elif event.kind == f"{object_type}.noted":
        yield object_type, record_id, {activities.NOTE.key}
    elif event.kind == f"{object_type}.{did}" and did in _ANYTHING:
        yield object_type, record_id, None
        if "to_type" in event.data:
            yield event.data["to_type"], event.data["to_id"], None
    elif event.kind == f"{object_type}.{did}" and did in _CHANGES:
        names = event.data.get("changes", {})
        companies = names.get("associatedcompanyid", ())
        keys = {_key(object_type, name) for name in names} | {"updated_at", "sort_at"}
        yield object_type, record_id, None if companies else keys
        yield from (("company", int(company_id), None) for company_id in companies if company_id)


class Ways:
    """From changed records back to those that look at them. One query for each way that some condition goes."""

    def __init__(self, changed: Mapping[str, Mapping[int, Changed]], like: Ways | None = None) -> None:
        """`like` knows the ways of more records, these among them."""
        self.changed = changed
        self._known: dict[tuple[str, ...], dict[int, set[int]]] = like._known if like else {}

    def back(self, object_type: str, path: Path) -> dict[int, set[int]]:
        """{changed record at the path's end: the records that it begins with}."""
        if not path:
            return {pk: {pk} for pk in self.changed.get(object_type, ())}
        chain = (object_type, *path)
        if chain not in self._known:
            self._known[chain] = looking_at(chain, self.changed.get(chain[-1], ()))
        return self._known[chain]


def looking_at(chain: Path, ids: Iterable[int]) -> dict[int, set[int]]:
    """{record at the end of a chain of kinds: the records at its beginning that are linked to it, one by one}. One query for
    each link."""
    reached = {pk: {pk} for pk in ids}
    for here, before in zip(chain[:0:-1], chain[-2::-1], strict=True):
        asked = sorted({pk for found in reached.values() for pk in found})
        links = associations.linked_ids(here, asked, before) if asked else {}
        reached = {pk: {to for at in found for to in links.get(at, ())} for pk, found in reached.items()}
    return reached


def touched(entry: Entry, ways: Ways) -> dict[int, list[Event]]:
    """{record: the events} that may have changed whether it meets the condition."""
    found: dict[int, list[Event]] = defaultdict(list)
    for look in looks(entry):
        end = look.path[-1] if look.path else entry.object_type
        for pk, roots in _noticed(ways, entry.object_type, look, end):
            for root in roots:
                found[root] += ways.changed[end][pk].events
    for pk, own in ways.changed.get(entry.object_type, {}).items():
        if own.keys is None:  # a new record, or new links: whatever the condition looks at
            found[pk] += own.events
    return found


def _noticed(ways: Ways, object_type: str, look: Look, end: str) -> Iterator[tuple[int, set[int]]]:
    there = {pk for pk, one in ways.changed.get(end, {}).items() if one.keys is None or one.keys & look.keys}
    if there:
        back = ways.back(object_type, look.path)
        yield from ((pk, back.get(pk, set())) for pk in there)


def telling(events: Sequence[Event], entry: Entry) -> Event:
    """The event that tells why: the making of the record, else the last one."""
    made = [event for event in events if event.kind == f"{entry.object_type}.created"]
    return (made or sorted(events, key=lambda event: event.id))[-1]


def comes_back(entry: Entry, events: Iterable[Event]) -> bool:
    """Whether a record that came to meet the condition by these events may have been inside before. Where filters are
    chosen for that, `fired` tells."""
    is_asked = entry.is_again and not entry.definition.reenrollment.on
    return is_asked and not all(is_of_merge(event) for event in events)


# ── once more ────────────────────────────────────────────────────────────────────────────────────────────────────────


def fired(entry: Entry, ways: Ways, zone: ZoneInfo) -> set[int]:
    """Records of which a filter that was chosen to enroll again came to hold just now (R-RE-2 … R-RE-5)."""
    assert isinstance(entry.trigger, WhenTrue)
    chosen = set(entry.definition.reenrollment.on)
    found: set[int] = set()
    for path, leaf in filters(entry.trigger.condition):
        if leaf not in chosen:
            continue
        end = path[-1] if path else entry.object_type
        fired = {
            pk
            for pk, one in ways.changed.get(end, {}).items()
            if any(fires(leaf, end, event, zone) for event in one.events)
        }
        if fired:
            back = ways.back(entry.object_type, path)
            found |= {root for pk in fired for root in back.get(pk, ())}
    return found


def fires(leaf: Filter, object_type: str, event: Event, zone: ZoneInfo) -> bool:
    """Whether this event made the filter hold, by days of the zone. "Is known" is fired by every new value (R-RE-5); by a
    merge nothing is."""
    if is_of_merge(event):
        return False
    key = _key(object_type, leaf.property)
    for name, (old, new) in event.data.get("changes", {}).items():
        if _key(object_type, name) == key:
            before, after = (_value(object_type, name, raw) for raw in (old, new))
            if leaf.operator is Operator.KNOWN:
                return after is not None and before != after
            return not _holds(leaf, before, event, zone) and _holds(leaf, after, event, zone)
    return False


def _value(object_type: str, name: str, raw: Any) -> Any:
    from deskhand.automation.records import as_fact

    prop = properties_of(object_type).get(name)
    return as_fact(prop, raw) if prop else raw


def _holds(leaf: Filter, value: Any, event: Event, zone: ZoneInfo) -> bool:
    try:
        return holds(leaf, RecordFacts({leaf.property: value}), now=event.at, zone=zone)
    except DeskhandError:
        return False


def may_fire_again(object_type: str, leaf: Filter) -> bool:
    """Whether a filter can be chosen to enroll again (R-RE-10): it is not calculated, and time makes it hold, or a change
    that is told."""
    prop = properties_of(object_type).get(leaf.property)
    if prop is None or prop.is_computed:
        return False
    return leaf.operator in MOVING or _key(object_type, leaf.property) not in BY_MESSAGES | {"updated_at"}


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _remember(
    account_id: int, met: Mapping[int, set[int]], touched: Mapping[int, Mapping[int, Any]], now: datetime,
    opening: Collection[int],
) -> set[Pair]:  # fmt: skip
    """Note who meets the conditions and who no longer does; returns who came to. Two statements, and a third while some
    workflow is being switched on (`opening`)."""
    yes = sorted((pk, record_id) for pk, ids in met.items() for record_id in ids)
    no = sorted((pk, record_id) for pk, ids in met.items() for record_id in touched[pk].keys() - ids)
    if no:
        # In this order: a switching on may come to its end between the two.
        if any(pk in opening for pk, _record in no):
            sql.execute(_UNMEET, [*_columns_of(no), account_id])
        sql.execute(_FORGET, [*_columns_of(no), account_id])
    if not yes:
        return set()
    return {(pk, record_id) for pk, record_id in sql.rows(_NOTE, [account_id, now, *_columns_of(yes)])}


def _columns_of(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [pk for pk, _record in pairs], [record_id for _pk, record_id in pairs]


_NOTE = """
with noted as (
    insert into automation_triggermatch as m (account_id, baseline_id, record_id, since)
    select b.account_id, b.id, x.record, y.at
    from (select %s::bigint as account, %s::timestamptz as at) y, unnest(%s::bigint[], %s::bigint[]) x(workflow, record)
    join automation_baseline b on b.workflow_id = x.workflow where b.account_id = y.account
    on conflict (account_id, baseline_id, record_id) do update set is_met = true, since = excluded.since where not m.is_met
    returning baseline_id, record_id
)
select b.workflow_id, n.record_id from noted n join automation_baseline b on b.id = n.baseline_id
"""
# What is not looked at yet must not be taken for what does not meet it.
_UNMEET = """
update automation_triggermatch m set is_met = false from unnest(%s::bigint[], %s::bigint[]) x(workflow, record)
join automation_baseline b on b.account_id = %s and b.workflow_id = x.workflow and not b.is_done
where m.account_id = b.account_id and m.baseline_id = b.id and m.record_id = x.record
"""
_FORGET = """
delete from automation_triggermatch m using unnest(%s::bigint[], %s::bigint[]) x(workflow, record)
join automation_baseline b on b.account_id = %s and b.workflow_id = x.workflow and b.is_done
where m.account_id = b.account_id and m.baseline_id = b.id and m.record_id = x.record
"""


def meet_now(account_id: int, entry: Entry, index_zone: Any, now: datetime) -> list[int]:
    """Compare the memory with all records there are, and put it right; returns who came to meet it. One statement.

    Raises Invalid when the condition names what is no more.
    """
    assert isinstance(entry.trigger, WhenTrue)
    test = matching.where(account_id, entry.object_type, entry.trigger.condition, now, index_zone)
    query = _MEET.format(table=table_of(entry.object_type), test=test.text)
    return [record_id for (record_id,) in sql.rows(query, [*test.params, account_id, entry.workflow_id, now])]


_MEET = """
with met as materialized (select t.id from {table} t where {test}),
own as (select account_id, id from automation_baseline where account_id = %s and workflow_id = %s and is_done),
gone as (
    delete from automation_triggermatch m using own where m.account_id = own.account_id and m.baseline_id = own.id
    and not exists (select from met where met.id = m.record_id)
)
insert into automation_triggermatch as m (account_id, baseline_id, record_id, since)
select own.account_id, own.id, met.id, %s::timestamptz from met, own
where not exists (
    select from automation_triggermatch k where k.account_id = own.account_id and k.baseline_id = own.id and k.record_id = met.id and k.is_met)
order by met.id
on conflict (account_id, baseline_id, record_id) do update set is_met = true, since = excluded.since where not m.is_met
returning record_id
"""


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

SWEEP = "automation.sweep"


def sweep_soon(account_id: int, workflow_ids: Sequence[int], at: datetime) -> None:
    from deskhand.kernel import timers

    if workflow_ids:
        timers.set_timers(account_id, SWEEP, [str(pk) for pk in workflow_ids], at)


def swept(account_id: int, index: Index, workflow_ids: Iterable[int], now: datetime) -> list[Wanted]:
    """Who came to meet the conditions of these workflows by time."""
    wanted = []
    for pk in workflow_ids:
        entry = index.entries.get(pk)
        if entry is None or not isinstance(entry.trigger, WhenTrue):
            continue
        try:
            come = meet_now(account_id, entry, index.zone, now)
        except DeskhandError:
            guards.flag(account_id, {pk: guards.BROKEN})
            continue
        chosen = entry.definition.reenrollment.on
        is_again = entry.is_again and (not chosen or any(depends_on_time(leaf) for leaf in chosen))
        wanted += [
            Wanted(entry, record_id, {"by": "filter", "at": now.isoformat()}, is_again=is_again, since=now)
            for record_id in come
        ]
    return wanted

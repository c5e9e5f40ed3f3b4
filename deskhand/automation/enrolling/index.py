"""Which workflows are on, by what they listen for: built once for each state of an account, kept in memory.

One query a batch tells whether the state is still the same, whoever changed it and however; nothing needs to be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

import structlog
from django.utils.translation import gettext as _

from deskhand.automation import triggers
from deskhand.automation.engine.definition import (
    Definition,
    Trigger,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.models import WorkflowRevision
from deskhand.automation.triggers import Choice, EventFacts
from deskhand.crm.filters.types import AllOf, AnyOf, Condition, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid

logger = structlog.get_logger()


@dataclass(frozen=True)
class Entry:
    """A workflow as those see it who want to enter. `revision` is the newest; a record's run begins at `first_step`."""

    workflow_id: int
    object_type: str
    revision: int
    on_since: datetime
    definition: Definition

    @property
    def trigger(self) -> Trigger:
        return self.definition.trigger

    @property
    def first_step(self) -> str:
        return self.definition.start.to if self.definition.start else ""

    @property
    def is_again(self) -> bool:
        """Whether who was enrolled before may be so again (R-RE-1)."""
        return self.definition.reenrollment.is_on

    @cached_property
    def blocks(self) -> Condition | None:
        """Who meets this stays out (R-UN-3, R-UN-4, R-UN-5)."""
        leaving = self.definition.leaving
        parts = [one for one in (leaving.condition, leaving.goal) if one is not None]
        if leaving.segments:
            parts.append(MemberOf("segment", leaving.segments))
        return AnyOf(tuple(parts)) if parts else None


@dataclass(frozen=True)
class Listener:
    """One event of a workflow's trigger."""

    entry: Entry
    choice: Choice
    about: Condition | None
    refine: Condition | None
    place: int


@dataclass(frozen=True)
class Ears:
    """Who listens for one kind of the log. Those that ask for values of a property, such as lanes, are found by them."""

    of_values: Mapping[str, Mapping[str, tuple[Listener, ...]]]
    others: tuple[Listener, ...]

    def of(self, facts: EventFacts) -> list[Listener]:
        """Those whom the event may concern, in the order in which their workflows act (R-EXEC-10)."""
        found = list(self.others)
        for name, by_value in self.of_values.items():
            found += by_value.get(str(facts.value(name)), ())
        return sorted(found, key=lambda one: one.place)


@dataclass(frozen=True)
class Opening:
    """A workflow whose memory is still being filled with who met its filters at that moment."""

    baseline_id: int
    at: datetime
    after_event: int
    includes_present: bool
    previous: int | None


@dataclass(frozen=True)
class Index:
    zone: ZoneInfo
    entries: Mapping[int, Entry]
    heard: Mapping[str, Ears]  # by the log's kinds
    standing: tuple[Entry, ...]  # those with filters
    timed: tuple[Entry, ...]  # those that begin at a time
    #: Those with filters that are being switched on.
    opening: Mapping[int, Opening] = field(default_factory=dict)
    unreadable: frozenset[int] = frozenset()  # that are on, and whose newest revision can't be read


def index_of(account_id: int) -> Index | None:
    """None when no workflow is on. One query, and two when something was changed since."""
    found = sql.row(_STATE, [account_id])
    return _built(account_id, *found) if found and found[1] else None


_STATE = """
select a.zone, md5(string_agg(concat_ws(':', w.id, w.revision_number, extract(epoch from w.on_since), b.id, b.is_done), ',' order by w.id))
from accounts_account a join automation_workflow w on w.account_id = a.id
left join automation_baseline b on b.account_id = w.account_id and b.workflow_id = w.id
where a.id = %s and w.is_on and w.on_since is not null and w.archived_at is null group by a.zone
"""


@lru_cache(maxsize=256)
def _built(account_id: int, zone: str, state: str) -> Index:
    opening = {pk: Opening(*values) for pk, *values in sql.rows(_OPENING, [account_id])}
    on = sql.rows(_ON, [account_id])
    readable = definitions_of(account_id, {(pk, revision) for pk, _type, revision, _since in on})
    unreadable = frozenset(pk for pk, _type, revision, _since in on if (pk, revision) not in readable)
    return replace(index_for(_entries(account_id, on), zone_named(zone), opening), unreadable=unreadable)


_OPENING = """
select workflow_id, id, at, after_event, includes_present, previous from automation_baseline where account_id = %s and not is_done
"""


def index_for(those: Iterable[Entry], zone: ZoneInfo, opening: Mapping[int, Opening] | None = None) -> Index:
    """An index of these workflows, in the order in which they act."""
    entries = {entry.workflow_id: entry for entry in those}
    heard: dict[str, list[Listener]] = defaultdict(list)
    for place, entry in enumerate(entries.values()):
        for listener in _listeners(entry, place):
            for kind in listener.choice.heard:
                heard[kind].append(listener)
    return Index(
        zone,
        entries,
        {kind: _ears(listeners) for kind, listeners in heard.items()},
        tuple(entry for entry in entries.values() if isinstance(entry.trigger, WhenTrue)),
        tuple(entry for entry in entries.values() if isinstance(entry.trigger, WhenScheduled | WhenDated)),
        {pk: one for pk, one in (opening or {}).items() if pk in entries},
    )


_NEWEST = """
select w.id, w.object_type, w.revision_number, w.on_since from automation_workflow w where w.account_id = %s
"""
# The order in which those act that one event enrolls into (R-EXEC-10).
_ON = (
    _NEWEST + " and w.is_on and w.on_since is not null and w.archived_at is null order by w.created_at, w.id"
)


def _entries(
    account_id: int, rows: Iterable[tuple[int, str, int, datetime]], *, with_empty: bool = False
) -> Iterable[Entry]:
    """Those that have something to do."""
    listed = list(rows)
    definitions = definitions_of(account_id, {(pk, revision) for pk, _type, revision, _since in listed})
    for pk, object_type, revision, on_since in listed:
        definition = definitions.get((pk, revision))
        if definition is not None and (definition.start or with_empty):
            yield Entry(pk, object_type, revision, on_since, definition)


def entry_of(account_id: int, workflow_id: int, at: datetime) -> Entry | None:
    """A workflow as it would be if it were on since `at`; also one that is off or has no steps yet."""
    rows = sql.rows(_NEWEST + " and w.id = %s and w.archived_at is null", [account_id, workflow_id])
    given = ((pk, object_type, revision, at) for pk, object_type, revision, _since in rows)
    return next(iter(_entries(account_id, given, with_empty=True)), None)


def _listeners(entry: Entry, place: int) -> Iterable[Listener]:
    trigger = entry.trigger
    if isinstance(trigger, WhenEvent):
        for match in trigger.events:
            yield Listener(
                entry, triggers.choice(entry.object_type, match.kind), match.about, trigger.refine, place
            )


def _ears(listeners: Iterable[Listener]) -> Ears:
    of_values: dict[str, dict[str, list[Listener]]] = defaultdict(lambda: defaultdict(list))
    others = []
    for one in listeners:
        asked = _asked_values(one.about)
        if asked is None:
            others.append(one)
        else:
            for value in set(asked.values):
                of_values[asked.property][str(value)].append(one)
    return Ears(
        {name: {value: tuple(found) for value, found in known.items()} for name, known in of_values.items()},
        tuple(others),
    )


def _asked_values(about: Condition | None) -> Filter | None:
    """A filter that must hold and names the values of a choice."""
    for part in about.parts if isinstance(about, AllOf) else (about,):
        if isinstance(part, Filter) and part.kind is Kind.ENUM and part.operator is Operator.ANY_OF:
            return part
    return None


# ── revisions ────────────────────────────────────────────────────────────────────────────────────────────────────────

_read: dict[tuple[int, int, int], Definition] = {}
_MOST = 4096


def definition_of(account_id: int, workflow_id: int, number: int) -> Definition:
    """A revision never changes, so it is read and checked once per process. Raises Invalid for one that can't be read;
    who works for many workflows asks `find_definition`."""
    found = find_definition(account_id, workflow_id, number)
    if found is None:
        raise Invalid(_("This version of the workflow can't be read."), field="revision", value=number)
    return found


def find_definition(account_id: int, workflow_id: int, number: int) -> Definition | None:
    """None for a revision that can't be read."""
    return definitions_of(account_id, {(workflow_id, number)}).get((workflow_id, number))


def definitions_of(account_id: int, wanted: set[tuple[int, int]]) -> dict[tuple[int, int], Definition]:
    """{workflow and number: its definition}, in one query; what can't be read is left out."""
    missing = {pair for pair in wanted if (account_id, *pair) not in _read}
    if missing:
        if len(_read) > _MOST:
            _read.clear()
            missing = wanted
        for row in revisions(account_id, missing):
            _keep(account_id, row)
    return {pair: _read[account_id, *pair] for pair in wanted if (account_id, *pair) in _read}


def revisions(account_id: int, wanted: Collection[tuple[int, int]]) -> list[WorkflowRevision]:
    """Those with these workflows and numbers, in one query; none is asked for nothing."""
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return list(WorkflowRevision.objects.raw(_REVISIONS, [*columns, account_id])) if wanted else []


_REVISIONS = """
select r.* from unnest(%s::bigint[], %s::int[]) x(workflow, number)
join automation_workflowrevision r on r.account_id = %s and r.workflow_id = x.workflow and r.number = x.number
"""


def read_or_none(row: WorkflowRevision) -> Definition | None:
    """Of a revision that somebody has at hand; None for one that can't be read."""
    try:
        return Definition.from_json(row.definition)
    except Invalid as refusal:  # written by a release that knew more
        logger.warning(
            "revision can't be read", workflow=row.workflow_id, number=row.number, why=str(refusal)
        )
        return None


def _keep(account_id: int, row: WorkflowRevision) -> None:
    definition = read_or_none(row)
    if definition is not None:
        _read[account_id, row.workflow_id, row.number] = definition

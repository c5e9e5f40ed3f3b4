"""Records that leave workflows, or a wait in one, because of what happens to them (R-UN-1 … R-UN-5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.automation import endings, gone, records, steplog, triggers
from deskhand.automation.engine.advance import Cancelled, cancelled, reason_to_leave, step_at
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.trace import What
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.enrolling.standing import looking_at
from deskhand.automation.models import StepStatus
from deskhand.automation.records import LoadedFacts
from deskhand.automation.steplog import LogLine
from deskhand.crm.filters.types import Path, looked_at
from deskhand.crm.schema import activities
from deskhand.crm.segments import members
from deskhand.events.types import Event
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

#: A record's type and id.
Key = tuple[str, int]


@dataclass(frozen=True)
class _Inside:
    """A run that a change of its record may end."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    revision: int  # that it follows
    position: str
    definition: Definition


def hear(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: whoever has a reason to leave does so at once. Safe to repeat.

    One small query a batch where no workflow lets go before its end.
    """
    look_at(account_id, {key for event in events for key in _subjects(event)}, clock.now())


def look_at(account_id: int, changed: Collection[Key], now: datetime) -> None:
    """Let those runs leave, or stop waiting, that a change of these records concerns: also by what is linked to them."""
    if not changed:
        return
    watching = _watching(account_id)
    if not watching:
        return
    concerned = set(changed) | _linked(changed, watching.values())
    inside = _inside(account_id, concerned, watching)
    if inside:
        _decide(account_id, inside, now)


def _subjects(event: Event) -> Iterable[Key]:
    """The records that an event changes: of a message its ticket, of a task its records, of a segment those who came or
    went."""
    if event.kind in (members.JOINED, members.LEFT):
        return [(event.data["object_type"], record_id) for record_id in event.data["record_ids"]]
    return triggers.subjects_of(event)


def _watching(account_id: int) -> dict[int, Definition]:
    """Without those that this release can't read: their runs wait."""
    pairs = {(workflow_id, number) for workflow_id, number in sql.rows(_WATCHING, [account_id])}
    return {workflow_id: found for (workflow_id, _number), found in definitions_of(account_id, pairs).items()}


_WATCHING = """
select id, revision_number from automation_workflow where account_id = %s and watches and archived_at is null
"""


def _linked(changed: Collection[Key], definitions: Iterable[Definition]) -> set[Key]:
    """The records that look at one of the changed ones: a query for each link of each way that somebody looks along."""
    found: set[Key] = set()
    for way in sorted({way for one in definitions for way in _ways(one)}):
        ids = [record_id for kind, record_id in changed if kind == way[-1]]
        if ids:
            found |= {(way[0], pk) for many in looking_at(way, ids).values() for pk in many}
    return found


def _ways(definition: Definition) -> Iterable[Path]:
    for condition in definition.watched:
        for way, _leaf in looked_at(condition):
            path, _activity = activities.split(way)
            if path:
                yield definition.object_type, *path


def _inside(account_id: int, keys: Collection[Key], watching: Mapping[int, Definition]) -> list[_Inside]:
    types = {definition.object_type for definition in watching.values()}
    asked = sorted(key for key in keys if key[0] in types)
    if not asked:
        return []
    columns = [list(column) for column in zip(*asked, strict=True)]
    rows = sql.rows(_INSIDE, [*columns, account_id, list(watching)])
    pinned = definitions_of(account_id, {(row[1], row[4]) for row in rows if row[6]})
    found = []
    for run_id, workflow, kind, record, revision, position, is_pinned in rows:
        definition = pinned.get((workflow, revision)) if is_pinned else watching[workflow]
        if definition is not None:
            found.append(_Inside(run_id, workflow, kind, record, revision, position, definition))
    return found


# In the order of their ids, as the runner and everybody else holds them.
_INSIDE = """
select e.id, e.workflow_id, e.object_type, e.record_id, e.revision_number, e.position, w.is_pinned
from automation_enrollment e join automation_workflow w on w.id = e.workflow_id
where (e.object_type, e.record_id) in (select * from unnest(%s::text[], %s::bigint[]))
  and e.account_id = %s and e.workflow_id = any(%s) and e.state <> 'ENDED'
order by e.id for update of e
"""


def _decide(account_id: int, inside: Sequence[_Inside], now: datetime) -> None:
    zone = sql.rows("select zone from accounts_account where id = %s", [account_id])[0][0]
    wanted: dict[str, list[int]] = defaultdict(list)
    for run in inside:
        wanted[run.object_type].append(run.record_id)
    loaded = {kind: records.load(kind, ids) for kind, ids in sorted(wanted.items())}
    leaving: dict[str, list[_Inside]] = defaultdict(list)
    going: list[tuple[_Inside, str]] = []
    places = gone.Places()
    for run in inside:
        record = loaded[run.object_type].get(run.record_id)
        if record is None:
            leaving["record_gone"].append(run)
            continue
        facts = LoadedFacts(run.object_type, record)
        lost = places.of(run.definition)
        reason = reason_to_leave(run.definition, facts, now, zone, lost)
        if reason is not None:
            leaving[reason.value].append(run)
            continue
        way = cancelled(run.definition, run.position, facts, now, zone, lost)
        if isinstance(way, Cancelled):  # where nobody can tell, the runner says so when it goes on
            going.append((run, way.position))
    for why, runs in leaving.items():
        _let_go(account_id, runs, why, now)
    _wake(account_id, going, now)


def _let_go(account_id: int, runs: Sequence[_Inside], reason: str, now: datetime) -> None:
    endings.end(account_id, [run.id for run in runs], reason, now)
    lines = [
        LogLine(
            run,
            step_at(run.position),
            What.LEFT.value,
            StepStatus.SKIPPED,
            f"reason {reason}",
            {"reason": reason},
        )
        for run in runs
    ]
    steplog.write(account_id, lines, now)


def _wake(account_id: int, going: Sequence[tuple[_Inside, str]], now: datetime) -> None:
    """The waits of these are cancelled."""
    if going:
        sql.execute(_GO_ON, [now, [run.id for run, _way in going], [way for _run, way in going], account_id])
        lines = [LogLine(run, step_at(way), What.CANCELLED.value, StepStatus.SUCCEEDED) for run, way in going]
        steplog.write(account_id, lines, now)
        wake(WAKE)


_GO_ON = """
update automation_enrollment e set state = 'DUE', due_at = %s, waits_for = '', happened = '', position = x.way
from unnest(%s::bigint[], %s::text[]) x(id, way) where e.account_id = %s and e.id = x.id
"""

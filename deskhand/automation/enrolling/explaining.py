"""Why a record did enter a workflow, or why it did not (R-LOG-5): every condition with the value that decided it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from deskhand.automation import history, records, triggers
from deskhand.automation.engine.definition import (
    Manual,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.enrolling import by_hand, calendar, guards
from deskhand.automation.enrolling.guards import Barred
from deskhand.automation.enrolling.index import Entry, entry_of
from deskhand.automation.enrolling.insert import Wanted
from deskhand.automation.enrolling.switching import zone_of
from deskhand.automation.models import Baseline, Enrollment, TriggerMatch, Workflow
from deskhand.automation.records import ActivityFacts, LoadedFacts
from deskhand.crm.filters.evaluate import Facts, holds
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Condition, Filter, MemberOf
from deskhand.crm.schema.queries import properties_of
from deskhand.events import dispatch
from deskhand.events.types import Event
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.errors import DeskhandError

RUNS, EVENTS, LINKED = 20, 100, 20  # that are looked at


@dataclass(frozen=True)
class Tested:
    """A condition on the record. `value` is what a filter found; a link has a part for each linked record."""

    condition: Condition
    holds: bool
    value: Any = None
    parts: tuple[Tested, ...] = ()
    record_id: int | None = None  # of the linked record that it was tested on
    error: str = ""  # it can't be asked any more


@dataclass(frozen=True)
class Happened:
    """An event about the record that the trigger listens for, since the workflow is on."""

    event: Event
    is_meant: bool  # what the trigger asks of the event itself holds


@dataclass(frozen=True)
class Explanation:
    workflow: Workflow
    record_id: int
    verdict: str  # a key of VERDICTS, or of by_hand.SENTENCES
    runs: Sequence[Enrollment]  # newest first
    trigger: Tested | None = None  # the filters of the trigger, or what events are refined by
    again: Sequence[Tested] = ()  # the filters that are chosen to enroll again
    kept_out: Tested | None = None
    happened: Sequence[Happened] = ()  # latest first
    met_since: datetime | None = None  # it meets the filters since then, as far as is remembered
    next_at: datetime | None = None  # when a schedule fires

    @property
    def is_inside(self) -> bool:
        return bool(self.runs) and self.runs[0].state != "ENDED"

    @property
    def sentence(self) -> str:
        return str(VERDICTS.get(self.verdict) or by_hand.SENTENCES[self.verdict])


IN, MET_BEFORE, NOT_MET, NO_EVENT, REFINED, WILL, MANUAL, CALL, TIME, OPENING = (
    "in", "met_before", "not_met", "no_event", "refined", "will", "manual", "call", "time", "opening",
)  # fmt: skip
VERDICTS = {
    IN: _("The record is in the workflow."),
    MET_BEFORE: _("The record met the filters before the workflow could notice; such records enter only when that is chosen."),
    NOT_MET: _("The record does not meet the filters."),
    NO_EVENT: _("None of the events has happened to the record since the workflow was switched on."),
    REFINED: _("One of the events has happened, but the record did not meet what else is asked."),
    WILL: _("The record meets the filters. It enters as soon as the workflow looks at it."),
    MANUAL: _("Nothing starts this workflow by itself: records are enrolled by people or by other workflows."),
    CALL: _("Records enter this workflow when another system calls."),
    OPENING: _("The workflow is still being switched on: it looks at who meets the filters already."),
    TIME: _("The record meets the filters and enters when the time comes."),
}  # fmt: skip


def explain(workflow: Workflow, record_id: int, now: datetime) -> Explanation:
    """What would decide at `now`, and what was. A fixed number of queries, but for records that are linked to others."""
    account_id = workflow.account_id
    runs = list(
        history.enrollments(
            account_id, workflow=workflow, object_type=workflow.object_type, record_id=record_id
        ).order_by("-id")[:RUNS]
    )
    entry = entry_of(account_id, workflow.pk, workflow.on_since or now)
    record = records.load(workflow.object_type, [record_id]).get(record_id)
    if entry is None or record is None:
        return Explanation(workflow, record_id, by_hand.GONE if record is None else by_hand.OFF, runs)
    tests = _Tests(LoadedFacts(workflow.object_type, record), now, zone_named(zone_of(account_id)))
    trigger, again = entry.trigger, entry.definition.reenrollment.on
    asked = _condition(entry)
    tested = tests.of(asked) if asked is not None else None
    happened = _happened(account_id, entry, record_id, tests.zone) if isinstance(trigger, WhenEvent) else []
    memory = Baseline.objects.filter(account_id=account_id, workflow=workflow).first()
    match = (
        TriggerMatch.objects.filter(
            account_id=account_id, baseline_id=memory.pk, record_id=record_id, is_met=True
        ).first()
        if memory is not None
        else None
    )
    next_at = (
        calendar.next_fire(trigger, now, tests.zone)
        if isinstance(trigger, WhenScheduled | WhenDated)
        else None
    )
    verdict = _of_runs(runs, entry) or _stopped(account_id, workflow, entry, record_id, now, tests.zone)
    return Explanation(
        workflow, record_id, verdict or (OPENING if memory is not None and not memory.is_done else _awaited(entry, tested, happened, match)), runs, tested,
        tuple(map(tests.of, again)), tests.of(entry.blocks) if entry.blocks is not None else None, happened,
        match.since if match else None, next_at,
    )  # fmt: skip


def _of_runs(runs: Sequence[Enrollment], entry: Entry) -> str:
    if runs and runs[0].state != "ENDED":
        return IN
    return by_hand.BEFORE if runs and not entry.is_again else ""


def _condition(entry: Entry) -> Condition | None:
    match entry.trigger:
        case WhenTrue(condition) | WhenScheduled(condition) | WhenDated(condition):
            return condition
        case WhenEvent(_, refine):
            return refine
        case _:
            return None


def _stopped(
    account_id: int, workflow: Workflow, entry: Entry, record_id: int, now: datetime, zone: ZoneInfo
) -> str:
    """What keeps the record out whatever happens."""
    if not workflow.is_on or workflow.archived_at is not None:
        return by_hand.OFF
    if not entry.first_step:
        return by_hand.EMPTY
    barred = guards.barred(account_id, [Wanted(entry, record_id, {}, is_again=entry.is_again)], now, zone)
    why: Barred | None = barred.get((entry.workflow_id, record_id))
    return why.value if why else ""


def _awaited(
    entry: Entry, tested: Tested | None, happened: Sequence[Happened], match: TriggerMatch | None
) -> str:
    """What is lacking for the trigger to let it in."""
    is_met = tested is None or tested.holds
    match entry.trigger:
        case Manual():
            return MANUAL
        case WhenCalled():
            return CALL
        case WhenEvent():
            return REFINED if any(one.is_meant for one in happened) else NO_EVENT
        case WhenTrue():
            return NOT_MET if not is_met else MET_BEFORE if match is not None else WILL
        case _:
            return TIME if is_met else NOT_MET


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Tests:
    facts: LoadedFacts
    now: datetime
    zone: ZoneInfo

    def of(self, condition: Condition) -> Tested:
        return self._of(condition, self.facts)

    def _of(self, condition: Condition, facts: Facts) -> Tested:
        match condition:
            case AllOf(parts):
                tested = tuple(self._of(part, facts) for part in parts)
                return Tested(condition, all(one.holds for one in tested), parts=tested)
            case AnyOf(parts):
                tested = tuple(self._of(part, facts) for part in parts)
                return Tested(condition, any(one.holds for one in tested), parts=tested)
            case Associated(to, inner, type_id, _has):
                return self._linked(condition, facts.associated(to, type_id), inner)
            case MemberOf(of):
                return self._leaf(condition, facts, lambda: sorted(facts.memberships(of)))
            case Filter(name):
                return self._leaf(condition, facts, lambda: facts.value(name))

    def _linked(self, condition: Associated, others: Any, inner: Condition) -> Tested:
        tested = []
        others = list(others)
        for other in others[:LINKED]:
            found = self._of(inner, other)
            record_id = other.record["id"] if isinstance(other, LoadedFacts) else None
            tested.append(
                Tested(found.condition, found.holds, found.value, found.parts, record_id, found.error)
            )
        is_met = any(one.holds for one in tested) or any(
            self._of(inner, other).holds for other in others[LINKED:]
        )
        return Tested(condition, is_met == condition.has, parts=tuple(tested))

    def _leaf(self, leaf: Filter | MemberOf, facts: Facts, read: Callable[[], Any]) -> Tested:
        if isinstance(leaf, Filter) and not self._is_there(leaf, facts):
            return Tested(leaf, False, error=guards.BROKEN)
        try:
            return Tested(leaf, holds(leaf, facts, now=self.now, zone=self.zone), read())
        except DeskhandError as refusal:
            return Tested(leaf, False, error=str(refusal))

    def _is_there(self, leaf: Filter, facts: Facts) -> bool:
        kind = facts.object_type if isinstance(facts, LoadedFacts | ActivityFacts) else self.facts.object_type
        return leaf.property in properties_of(kind)


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _happened(account_id: int, entry: Entry, record_id: int, zone: ZoneInfo) -> list[Happened]:
    """The latest events about the record of the kinds that the trigger listens for, with those of its messages and tasks."""
    trigger = entry.trigger
    assert isinstance(trigger, WhenEvent)
    chosen = [(triggers.choice(entry.object_type, one.kind), one.about) for one in trigger.events]
    kinds = {kind for choice, _about in chosen for kind in choice.heard}
    about = sql.rows(
        _ABOUT, {"account": account_id, "type": entry.object_type, "id": record_id, "most": EVENTS}
    )
    columns = [list(column) for column in zip(*about, strict=True)]
    rows = sql.rows(_LATEST, [*columns, account_id, entry.on_since, sorted(kinds), EVENTS])
    events = dispatch.stored(account_id, [pk for (pk,) in rows], entry.on_since)
    return [
        Happened(event, any(triggers.is_meant(event, choice, about, zone) for choice, about in chosen))
        for event in reversed(events)
    ]


_ABOUT = """
(select 'task', task_id from crm_tasklink where account_id = %(account)s and object_type = %(type)s and record_id = %(id)s order by task_id desc limit %(most)s)
union all
(select 'thread', id from desk_thread where account_id = %(account)s and ticket_id = %(id)s and %(type)s = 'ticket' order by id desc limit %(most)s)
union all select %(type)s, %(id)s::bigint
"""
_LATEST = """
select e.id from unnest(%s::text[], %s::bigint[]) x(type, id)
join events_event e on e.account_id = %s and e.object_type = x.type and e.object_id = x.id
where e.occurred_at >= %s and e.kind = any(%s) order by e.id desc limit %s
"""

"""What a workflow would have done: the log read again, with the pure engine on a clock that follows it.

The events of each moment are heard as they were when they happened: runs that were due before it go on first, and whom
time alone lets in enters; then who waits is woken and who must leave leaves, then records enter. Schedules ring by the
calendar. Nothing is written, and nothing is locked.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation import records, triggers
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Doing, Done, failed, in_words
from deskhand.automation.engine.advance import (
    Cancelled,
    EnrollmentFacts,
    Finished,
    Perform,
    Reason,
    Sleep,
    WaitEvent,
    advance,
    awaited_property,
    cancelled,
    reason_to_leave,
    step_at,
)
from deskhand.automation.engine.definition import Action as ActionStep
from deskhand.automation.engine.definition import (
    Delay,
    OnFailure,
    UntilEvent,
    UntilProperty,
    WhenCalled,
    WhenDated,
    WhenScheduled,
    WhenTrue,
    WhileInside,
)
from deskhand.automation.engine.trace import TraceItem, What
from deskhand.automation.enrolling import guards, happening, schedules, standing
from deskhand.automation.enrolling.happening import Candidate
from deskhand.automation.enrolling.index import Entry, Index, index_for
from deskhand.automation.enrolling.insert import Wanted
from deskhand.automation.enrolling.leaving import TAKEN_OVER
from deskhand.automation.enrolling.matching import names_spam
from deskhand.automation.models import StepStatus
from deskhand.automation.past import Cut, FactsThen, Memory, Past
from deskhand.automation.replay import time_alone
from deskhand.automation.replay.mailing import Mailing
from deskhand.automation.replay.others import SIGNS, TAKES_OVER, Entered, Other, Takers, runs_beside
from deskhand.automation.replay.time_alone import TICK, Turning
from deskhand.automation.waking import Dates
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import Condition
from deskhand.crm.pipelines.types import stage_property
from deskhand.crm.records.undoing import RUN_UNDONE
from deskhand.events.queries import Log
from deskhand.events.types import DEPTH_LIMIT, Actor, ActorKind, Event
from deskhand.kernel.calendars import WeeklyHours, zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.errors import DeskhandError

#: Runs that one replay follows at most; what comes later is left out, and told.
MOST_RUNS = 50_000
#: Moves that one run makes without any time passing.
MOST_MOVES = 200
#: Records that are read at once when a schedule rings.
STEP = 2000
#: Lines of a run's way that are kept.
LONGEST_PATH = 200
#: Why records entered that neither the log nor the calendar lets in: they enter as they really did.
_FROM_OUTSIDE = ("manual", "workflow", "present")


@dataclass(frozen=True)
class Line:
    """A step on a run's way, and why the way went on as it did. `values` as engine/trace.py has them."""

    step_id: str
    what: str
    at: datetime
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Effect:
    """What an action would have done. `writes` are {property: [before, after]} of the record itself."""

    run: int
    record_id: int
    at: datetime
    step_id: str
    kind: str
    status: StepStatus
    message: str
    writes: Mapping[str, Any] = field(default_factory=dict)
    known: int = 0  # the last event that had happened


@dataclass
class Run:
    """One record on its way through the replayed workflow."""

    number: int
    record_id: int
    entered_at: datetime
    reason: Mapping[str, Any]
    position: str
    depth: int = 0
    event_id: int | None = None
    due: datetime | None = None
    waits_for: str = ""
    happened: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)
    acted: int = 0
    path: list[Line] = field(default_factory=list)
    end_reason: str = ""
    ended_at: datetime | None = None
    waits_since: int = 0  # what was told last before it began to wait for an event, counted within the page

    def has_done(self, step_id: str) -> bool:
        return any(line.step_id == step_id and line.what == "performed" for line in self.path)


@dataclass
class Page:
    """What one page of the log came to."""

    events: int = 0
    runs: list[Run] = field(default_factory=list)  # that began, went on or ended
    effects: list[Effect] = field(default_factory=list)


@dataclass(frozen=True)
class Surroundings:
    """What the replay takes from the account."""

    zone: str
    hours: WeeklyHours | None = None


@dataclass(frozen=True)
class _Did:
    """What a run changed in its record, and whether that met the standing condition before."""

    stood: bool
    changes: Mapping[str, Any]


class Play:
    """A replay in progress. Each `page()` reads the next part of the log and says what came of it."""

    def __init__(
        self, account_id: int, entry: Entry, until: datetime, around: Surroundings, *, most: int = MOST_RUNS
    ) -> None:
        self.account_id, self.entry, self.around, self.most = account_id, entry, around, most
        self.since, self.until = entry.on_since, until
        self.definition = entry.definition
        self.log = Log(account_id, self.since, until)
        self.index = index_for([entry], zone_named(around.zone))
        self.memory = Memory()
        self.is_full = False
        self.count = 0
        self.left_out: set[int] = set()  # records that are deleted by now
        self.taken: set[int] = set()  # runs of other workflows that ended by records' entering this one
        self._others: dict[int, list[Other]] = {}  # by record, of the page
        self._takers = Takers(account_id, entry.workflow_id, entry.object_type, self.since)
        self._sent_on: dict[int, list[Entered]] = {}  # by record, of the page: by this workflow's own doing
        self._inside: dict[int, list[Run]] = {}
        self.queued: dict[int, list[tuple[Wanted, datetime]]] = defaultdict(list)
        self.times: dict[int, list[datetime]] = {}  # when each record entered
        self._before: dict[int, datetime | None] = {}
        self._moved: dict[int, Run] = {}  # within the page
        self._dates = Dates()
        self._tellings = 0  # so far, of things that happened at once
        self.mailing = Mailing(account_id, entry.workflow_id, entry.object_type, self.since)
        self.held = 0  # sendings that waited for the next hour's budget
        self.held_at: datetime | None = None
        self._turns: list[tuple[datetime, int]] = []  # when time may turn the condition, for which record
        trigger = self.definition.trigger
        self._turning: Turning | None = None
        if isinstance(trigger, WhenTrue) and time_alone.turns(trigger.condition):
            self._turning = Turning(
                account_id, entry.object_type, trigger.condition, self.since, self.index.zone
            )
        self._due: list[tuple[datetime, int, Run]] = []
        self._words: dict[str, str] = {}
        self._is_watched = self.definition.watches
        self._waits = any(
            isinstance(step, Delay) and isinstance(step.wait, UntilEvent) for step in self.definition.steps
        )
        self._awaits_date = any(
            isinstance(step, Delay) and isinstance(step.wait, UntilProperty) for step in self.definition.steps
        )
        self._asked: list[Candidate] = []  # what the trigger asks for, of the page
        self._called: set[int] = set()  # the events of these
        self.cut: Cut = (self.since, 0)

    @property
    def is_over(self) -> bool:
        return self.log.is_over

    def page(self) -> Page:
        """The next part of the log. A fixed number of queries, whatever it holds."""
        self.told, self._moved = Page(), {}
        begins = self.log.reached
        events = self.log.page()
        self.told.events = len(events)
        heard = self._concerning([event for event in events if not self._is_own(event)])
        by_hand = self._from_outside(begins, self.log.reached)
        self._read(heard, by_hand, begins, self.log.reached)
        moments: dict[datetime, tuple[list[Event], list[Wanted]]] = defaultdict(lambda: ([], []))
        for event in heard:
            moments[event.at][0].append(event)
        for at, one in by_hand:
            moments[at][1].append(one)
        rings = dict(self._rings(begins, self.log.reached))
        taken: dict[datetime, list[Entered]] = defaultdict(list)
        self._sent_on = defaultdict(list)
        for other in self._takers.between(begins, self.log.reached):
            taken[other.at].append(other)
            if other.step_id is not None:
                self._sent_on[other.record_id].append(other)
        for at in sorted({*moments, *rings, *taken}):
            self._go_until(at)
            if at in rings:
                self._ring(at, rings[at])
            if at in moments or at in taken:
                self._happen(at, *moments[at], taken[at])
        self._go_until(self.log.reached)
        self.told.runs = list(self._moved.values())
        return self.told

    def take_up(self, run: Run) -> None:
        """A run that goes on from an earlier page."""
        self._inside.setdefault(run.record_id, []).append(run)
        if run.due is not None and run.due < self.until:
            heapq.heappush(self._due, (run.due, run.number, run))

    def recent(self) -> dict[int, list[datetime]]:
        """When records entered within the last hour."""
        since = self.log.reached - guards.HOUR
        found = {pk: [at for at in times if at > since] for pk, times in self.times.items()}
        return {pk: times for pk, times in found.items() if times}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _concerning(self, events: list[Event]) -> list[Event]:
        """Those that may let in, wake or end anybody; most of a log is about something else."""
        self._asked = list(happening.candidates_of(self.index, events))
        self._called = {one.event.id for one in self._asked}
        if self.index.standing or self._waits or self._is_watched or self._awaits_date:
            return events
        return [event for event in events if event.id in self._called]

    def _is_own(self, event: Event) -> bool:
        """What the workflow did itself is left out: the replay says what it would have done."""
        by, pk = event.by, self.entry.workflow_id
        if by.kind is ActorKind.WORKFLOW and by.id == pk:
            return True
        return event.cause is not None and (event.cause.workflow_id == pk or event.cause.rule == RUN_UNDONE)

    def _read(
        self, events: Sequence[Event], by_hand: Sequence[tuple[datetime, Wanted]], since: datetime, until: datetime
    ) -> None:  # fmt: skip
        """All records that this page may need, at once."""
        kind = self.entry.object_type
        self._before = {}
        self.past = Past(self.entry.workflow_id, kind, self.since, self.memory)
        self.mailing.turn_page(self.past, since, until)
        wanted = {one.record_id for one in self._asked}
        wanted |= {one.record_id for _at, one in by_hand}
        if self.index.standing:
            changed = standing.changed_by(events)
            self._ways = standing.Ways(changed)
            wanted |= standing.touched(self.entry, self._ways).keys()
        made: dict[int, datetime] = {}
        if self._turning:
            made = self._turning.between(since, until, self.memory)
            wanted |= made.keys()
        if wanted:
            self._before = self._entered_before(wanted)
        wanted |= {run.record_id for due, _number, run in self._due if due < until and not run.end_reason}
        if self._inside and (self._waits or self._is_watched):
            wanted |= {pk for event in events for pk in self._about(event) if pk in self._inside}
        self.past.read(kind, wanted)
        self._others = {}
        self._read_others(wanted | self.queued.keys())
        there = self.past.all_rows(kind)
        self.left_out |= {pk for pk in wanted if pk not in there}
        self._turns = []
        for pk, made_at in made.items():
            self._look_ahead(pk, max(since - TICK, made_at))

    def _read_others(self, record_ids: Iterable[int]) -> None:
        """The runs of these records in the workflows that they leave on entering this one, until the page's end."""
        ends = self.definition.leaving.ends
        wanted = [pk for pk in record_ids if pk not in self._others]
        if ends is None or not wanted:
            return
        self._others |= {pk: [] for pk in wanted}
        found = runs_beside(
            self.account_id, self.entry.workflow_id, self.entry.object_type, wanted, ends.workflows, self.since, self.log.reached
        )  # fmt: skip
        for one in found:
            self._others[one.record_id].append(one)

    def _about(self, event: Event) -> list[int]:
        """The records of the workflow's kind that an event is about."""
        return [pk for kind, pk in triggers.subjects_of(event) if kind == self.entry.object_type]

    def _entered_before(self, ids: Iterable[int]) -> dict[int, datetime | None]:
        """{record that was in the workflow before: when it had left, None while it is inside}."""
        found = sql.rows(
            _BEFORE,
            [self.account_id, self.entry.workflow_id, self.entry.object_type, list(ids), self.since],
        )
        return {pk: None if is_inside else ended_at for pk, ended_at, is_inside in found}

    def _from_outside(self, since: datetime, until: datetime) -> list[tuple[datetime, Wanted]]:
        """Whom people and other workflows really enrolled then, and calls where calls do."""
        by = (
            [*_FROM_OUTSIDE, "call"]
            if isinstance(self.definition.trigger, WhenCalled)
            else list(_FROM_OUTSIDE)
        )
        found = sql.rows(_OUTSIDE, [self.account_id, self.entry.workflow_id, since, until, by])
        return [
            (at, Wanted(self.entry, pk, sql.loads(reason), depth, event_id, is_again=self.entry.is_again))
            for at, pk, reason, depth, event_id in found
        ]

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _go_until(self, at: datetime) -> None:
        """Runs whose time came before this moment, and records that time alone lets in before it."""
        while (self._due and self._due[0][0] <= at) or (self._turns and self._turns[0][0] <= at):
            if self._turns and (not self._due or self._turns[0][0] < self._due[0][0]):
                turn, record_id = heapq.heappop(self._turns)
                self._turn(record_id, turn)
                continue
            due, _number, run = heapq.heappop(self._due)
            if run.due == due and not run.end_reason:
                run.due, run.waits_for, run.happened = None, "", ""
                self.cut = max(self.cut, (due, 0))
                self._go(run, due)

    def _happen(
        self, at: datetime, events: Sequence[Event], put_in: Sequence[Wanted], taken: Sequence[Entered]
    ) -> None:
        """Who enters another workflow leaves before anybody who is woken acts; but for those whom this one's own doing sent."""
        before = self.cut = max(self.cut, (at, 0))
        wanted: list[Wanted] = []
        if events:
            self.cut = max(self.cut, (at, events[-1].id))
            wanted = self._wanted(events, before)
        for other in taken:
            if other.step_id is None:
                wanted = self._give_up(other, wanted)
        if events:
            self._tell(events, at)
        for one in [*wanted, *put_in]:
            self._admit(one, at)
        for other in taken:
            if other.step_id is not None:
                self._give_up(other, [])

    def _tell(self, events: Sequence[Event], at: datetime, by: Run | None = None) -> None:
        """Those inside hear what happens to their records: they leave, or go on. Who waits for an event since one of
        these, or for what it did itself before it waited, goes on waiting (R-DELAY-6)."""
        if not self._inside:
            return
        self._tellings += 1
        telling = self._tellings
        for event in events:
            for run in [run for pk in self._about(event) for run in self._inside.get(pk, ())]:
                self._hear(run, event, at, is_new=run is not by and run.waits_since < telling)

    def _hear(self, run: Run, event: Event, at: datetime, *, is_new: bool) -> None:
        if self._is_watched and self._lets_go(run, at):
            return
        if not run.waits_for:
            return
        if run.waits_for.startswith("property:"):
            is_meant = run.waits_for.removeprefix("property:") in self._dates.changed_by(event)
        else:
            step = self.definition.by_id.get(step_at(run.position))
            wait = step.wait if isinstance(step, Delay) else None
            chosen = triggers.choice(self.entry.object_type, run.waits_for)
            is_meant = (
                is_new
                and isinstance(wait, UntilEvent)
                and not wait.of_step
                and triggers.is_meant(event, chosen, wait.event.about, self.index.zone)
            )
        if is_meant:
            self._wake(run, run.happened, at)

    def _lets_go(self, run: Run, at: datetime) -> bool:
        """R-UN-1 … R-UN-5, and waits that are cancelled."""
        facts = self.past.facts(self.entry.object_type, run.record_id, self.cut)
        if facts is None:
            self._end(run, "record_gone", at)
            return True
        reason = reason_to_leave(self.definition, facts, at, self.around.zone)
        if reason is not None:
            self._moved[run.number] = run
            run.path.append(Line(step_at(run.position), What.LEFT.value, at, {"reason": reason.value}))
            self._end(run, reason.value, at)
            return True
        way = cancelled(self.definition, run.position, facts, at, self.around.zone)
        if isinstance(way, Cancelled) and run.position != way.position:
            self._note(run, [way.item], at)
            self._wake(run, way.position, at)
            return True
        return False

    def _wake(self, run: Run, position: str, at: datetime) -> None:
        run.position, run.due, run.waits_for, run.happened = position, None, "", ""
        self._go(run, at)

    # ── time alone ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _rings(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Condition]]:
        """When the schedule fires within the page, and whom it means then."""
        trigger = self.definition.trigger
        if isinstance(trigger, WhenScheduled | WhenDated):
            for at in time_alone.rings(trigger, since, until, self.index.zone):
                yield at, schedules.meant(self.entry, trigger, at - TICK, at, self.index.zone)

    def _ring(self, at: datetime, condition: Condition) -> None:
        """All records that met the condition then enter (R-TRIG-20)."""
        self.cut = max(self.cut, (at, 0))
        kind, pk = self.entry.object_type, self.entry.workflow_id
        would = self.memory.records
        met = time_alone.met_at(self.account_id, pk, kind, condition, at, self.since, self.index.zone, would)
        ids = sorted([*met.sure, *self._really_met(met.unsure, condition, at)])
        for part in batched(ids, STEP):
            self.past.read(kind, part)
            self._read_others(part)
            self._before |= self._entered_before(part)
            for record_id in part:
                reason = {
                    "by": "date" if isinstance(self.definition.trigger, WhenDated) else "schedule",
                    "at": at.isoformat(),
                }
                self._admit(Wanted(self.entry, record_id, reason, is_again=self.entry.is_again, since=at), at)

    def _really_met(self, ids: Sequence[int], condition: Condition, at: datetime) -> Iterator[int]:
        """Those of the records that met the condition as they were then."""
        for part in batched(ids, STEP):
            past = Past(self.entry.workflow_id, self.entry.object_type, self.since, self.memory)
            past.read(self.entry.object_type, part)
            yield from (pk for pk in part if self._is_let_in(condition, pk, self.cut, at, past))

    def _look_ahead(self, record_id: int, after: datetime) -> None:
        """Note when time may turn the standing condition for the record next, within the page."""
        if self._turning is None:
            return
        facts = self.past.facts(self.entry.object_type, record_id, self.cut)
        if facts is not None:
            until = self.log.reached - TICK
            at = time_alone.next_turn(self._turning.condition, facts, after, until, self.index.zone)
            if at is not None:
                heapq.heappush(self._turns, (at, record_id))

    def _turn(self, record_id: int, at: datetime) -> None:
        """R-TRIG-1 by the clock: as the sweep finds it, without its pauses."""
        self.cut = max(self.cut, (at, 0))
        if self._stands(record_id, self.cut, at) and not self._stands(record_id, self.cut, at - TICK):
            chosen = self.definition.reenrollment.on
            is_again = self.entry.is_again and (not chosen or any(map(standing.depends_on_time, chosen)))
            reason = {"by": "filter", "at": at.isoformat()}
            self._admit(Wanted(self.entry, record_id, reason, is_again=is_again, since=at), at)
        self._look_ahead(record_id, at)

    # ── who enters ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self, events: Sequence[Event], before: Cut) -> list[Wanted]:
        found = []
        if any(event.id in self._called for event in events):
            found = happening.wanted_by(self.index, events, self)
        if self.index.standing:
            found += self._come(events, before)
        return found

    def holds(self, refine: Condition, one: Candidate, index: Index) -> bool:
        """Whether the record met a trigger's condition when the event happened."""
        return self._meets(refine, one.record_id, (one.event.at, max(one.event.id, 0)), one.event.at)

    def _come(self, events: Sequence[Event], before: Cut) -> list[Wanted]:
        """Who came to meet the standing condition by these events, or was chosen to enter again (R-TRIG-1, R-RE-2)."""
        ways = standing.Ways(standing.changed_by(events), self._ways)
        at, wanted = events[-1].at, []
        for record_id, own in sorted(standing.touched(self.entry, ways).items()):
            self._look_ahead(record_id, at)
            is_new = any(self._is_new(event, record_id) for event in own)
            was = not is_new and self._stands(record_id, before, at)
            if not self._stands(record_id, self.cut, at):
                continue
            fired = self.entry.is_again and record_id in standing.fired(self.entry, ways, self.index.zone)
            if was and not fired:
                continue
            wanted.append(self._wanted_by_filter(own, record_id, fired))
        return wanted

    def _wanted_by_filter(self, events: Sequence[Event], record_id: int, fired: bool) -> Wanted:
        entry = self.entry
        event = standing.telling(events, entry)
        return Wanted(
            entry, record_id, happening.reason_of(event, "filter"), happening.depth_of(event), event.id,
            is_again=fired or standing.comes_back(entry, events),
            made_by=happening.made_by(event) if event.object_type == entry.object_type else {},
        )  # fmt: skip

    def _is_new(self, event: Event, record_id: int) -> bool:
        kind = self.entry.object_type
        return event.object_id == record_id and event.kind in (f"{kind}.created", f"{kind}.restored")

    def _stands(self, record_id: int, cut: Cut, at: datetime) -> bool:
        trigger = self.definition.trigger
        assert isinstance(trigger, WhenTrue)
        return self._is_let_in(trigger.condition, record_id, cut, at, self.past)

    def _is_let_in(self, condition: Condition, record_id: int, cut: Cut, at: datetime, past: Past) -> bool:
        """Whether a trigger's condition holds: not for merged tickets, and for spam only where it asks for that."""
        facts = past.facts(self.entry.object_type, record_id, cut)
        if facts is None:
            return False
        if self.entry.object_type == "ticket":
            if facts.record["merged_into_id"] is not None:
                return False
            if not names_spam(condition) and facts.value("is_spam"):
                return False
        return self._holds(condition, facts, at)

    def _meets(self, condition: Condition, record_id: int, cut: Cut, at: datetime) -> bool:
        facts = self.past.facts(self.entry.object_type, record_id, cut)
        return facts is not None and self._holds(condition, facts, at)

    def _holds(self, condition: Condition, facts: FactsThen, at: datetime) -> bool:
        try:
            return holds(condition, facts, now=at, zone=self.index.zone)
        except DeskhandError:  # the property has another kind by now
            return False

    def _admit(self, one: Wanted, at: datetime) -> None:
        """As `guards` and `insert` let records in."""
        if not self.entry.first_step or self._is_barred(one, at):
            return
        inside = self._inside.get(one.record_id, [])
        has_been = one.record_id in self.times or one.record_id in self._before
        if has_been and not one.is_again:
            return
        match one.while_inside if one.is_again else WhileInside.SKIP:
            case WhileInside.RESTART:
                for run in list(inside):
                    self._end(run, "restarted", at)
            case WhileInside.QUEUE if inside:
                self.queued[one.record_id].append((one, at))
                self._take_over(one.record_id, at)
                return
            case WhileInside.SKIP if inside or self._was_still_inside(one.record_id, at):
                return
        self._enter(one, at)

    def _was_still_inside(self, record_id: int, at: datetime) -> bool:
        """A run that began before the replayed time."""
        if record_id not in self._before:
            return False
        ended_at = self._before[record_id]
        return ended_at is None or ended_at > at

    def _is_barred(self, one: Wanted, at: datetime) -> bool:
        if one.depth > DEPTH_LIMIT or one.made_by.get("workflow_id") == one.entry.workflow_id:
            return True
        recent = [time for time in self.times.get(one.record_id, ()) if time > at - guards.HOUR]
        if one.is_again and len(recent) >= guards.PER_HOUR:
            return True
        blocks = self.entry.blocks
        return blocks is not None and self._meets(blocks, one.record_id, self.cut, at)

    def _enter(self, one: Wanted, at: datetime, wanted_at: datetime | None = None) -> None:
        if self.past.facts(self.entry.object_type, one.record_id, self.cut) is None:
            return
        if self.count >= self.most:
            self.is_full = True
            return
        self.count += 1
        run = Run(
            self.count, one.record_id, wanted_at or at, one.reason, self.entry.first_step, depth=one.depth, event_id=one.event_id
        )  # fmt: skip
        self._inside.setdefault(one.record_id, []).append(run)
        times = self.times.setdefault(one.record_id, [])
        times[:] = [*times[-guards.PER_HOUR :], at]
        if wanted_at is None:  # who queued has left the others already
            self._take_over(run.record_id, at, run)
        self._go(run, at)

    def _take_over(self, record_id: int, at: datetime, run: Run | None = None) -> None:
        """R-UN-6: the record leaves the others that it is in at this moment, but for those that it enters together with this."""
        for one in self._others.get(record_id, ()):
            if one.id in self.taken or not one.is_inside(at):
                continue
            self.taken.add(one.id)
            done = Done(message=_("Leaves “%(name)s”.") % {"name": one.name})
            self._note_effect(run, record_id, at, f"{SIGNS[TAKES_OVER]}{one.workflow_id}", TAKES_OVER, done)

    def _give_up(self, other: Entered, wanted: Sequence[Wanted]) -> list[Wanted]:
        """R-UN-6, the other way round: the record leaves this workflow, and who queues too; but for whom the same event let
        in here. What this workflow's own doing brought about counts where the replay did it as well. Returns who is wanted
        still: whoever was inside, and would have stayed, does not enter by what ended that."""
        inside, waiting = self._inside.get(other.record_id, []), self.queued.get(other.record_id, [])
        begun_by = {run.event_id for run in inside} | {one.event_id for one, _at in waiting}
        begun_by |= {
            one.event_id
            for one in wanted
            if one.record_id == other.record_id and one.while_inside is not WhileInside.SKIP
        }
        if other.event_id is not None and other.event_id in begun_by:
            return list(wanted)
        leaving = [run for run in inside if other.step_id is None or run.has_done(other.step_id)]
        if not leaving:
            return list(wanted)
        waiting.clear()
        for run in leaving:
            self._hand_over(run, other, other.at)
        return [one for one in wanted if one.record_id != other.record_id or one.event_id != other.event_id]

    def _hand_over(self, run: Run, other: Entered, at: datetime) -> None:
        done = Done(message=_("Leaves on entering “%(name)s”.") % {"name": other.name})
        step_id = f"{SIGNS[TAKEN_OVER]}{other.workflow_id}"
        self._note_effect(run, run.record_id, at, step_id, TAKEN_OVER, done)
        self._end(run, TAKEN_OVER, at)

    # ── moving along ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _go(self, run: Run, at: datetime) -> None:
        """As far as it comes without waiting; then everybody hears of what it did, as after its transaction."""
        done: list[_Did] = []
        self._walk(run, at, done)
        if done:
            self._follow(run, done, at)

    def _walk(self, run: Run, at: datetime, done: list[_Did]) -> None:
        self._moved[run.number] = run
        for _move in range(MOST_MOVES):
            facts = self.past.facts(self.entry.object_type, run.record_id, self.cut)
            if facts is None:
                self._end(run, "record_gone", at)
                return
            if self.definition.cancels:
                way = cancelled(self.definition, run.position, facts, at, self.around.zone)
                if isinstance(way, Cancelled) and way.position != run.position:
                    run.position = way.position
                    self._note(run, [way.item], at)
            enrollment = EnrollmentFacts(run.number, self.around.zone, True, run.outputs, self.around.hours)
            outcome = advance(self.definition, run.position, facts, at, enrollment)
            self._note(run, outcome.trace, at)
            match outcome:
                case Perform(step, following):
                    if self._is_held(run, step, at):
                        return
                    run.position = following
                    self._perform(run, step, at, done)
                    if run.end_reason:
                        return
                case Sleep(until, step, following):
                    awaited = awaited_property(self.definition, following)
                    if awaited:
                        run.waits_for, run.happened = f"property:{awaited}", step.id
                    self._sleep(run, following, until)
                    return
                case WaitEvent():
                    run.waits_for, run.happened = outcome.event.kind, outcome.happened
                    run.waits_since = self._tellings
                    self._sleep(run, outcome.timed_out or outcome.happened, outcome.until)
                    return
                case Finished(reason):
                    self._end(run, reason.value, at)
                    return
        self._end(run, Reason.CIRCLES.value, at)

    def _sleep(self, run: Run, position: str, until: datetime | None) -> None:
        run.position, run.due = position, until
        if until is not None and until < self.until:
            heapq.heappush(self._due, (until, run.number, run))

    def _end(self, run: Run, reason: str, at: datetime) -> None:
        run.end_reason, run.ended_at, run.due, run.waits_for = reason, at, None, ""
        self._moved[run.number] = run
        inside = self._inside.get(run.record_id, [])
        if run in inside:
            inside.remove(run)
        if not inside:
            self._inside.pop(run.record_id, None)
            waiting = self.queued.get(run.record_id)
            if waiting:
                following, wanted_at = waiting.pop(0)
                self._enter(following, at, wanted_at)

    def _note(self, run: Run, trace: Iterable[TraceItem], at: datetime) -> None:
        for item in trace:
            if item.what is not What.PERFORMED and len(run.path) < LONGEST_PATH:
                run.path.append(Line(item.step_id, item.what.value, at, dict(item.values)))

    def _is_held(self, run: Run, step: ActionStep, at: datetime) -> bool:
        """What sends waits for the next hour once this one's budget is used up, as if somebody let it go on then."""
        action = ACTIONS.get(step.kind)
        until = self.mailing.spend(at) if action is not None and action.costs else None
        if until is None:
            return False
        self.held, self.held_at = self.held + 1, self.held_at or at
        self._note(run, [TraceItem(step.id, What.HELD, {"until": until.isoformat()})], at)
        self._sleep(run, step.id, until)
        return True

    # ── acting ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _perform(self, run: Run, step: ActionStep, at: datetime, did: list[_Did]) -> None:
        action = ACTIONS.get(step.kind)
        kind = self.entry.object_type
        if action is not None and action.meets(step.settings):
            self._introduce(run.record_id)
        doing = Doing(
            self.account_id, run.number, self.entry.workflow_id, self.entry.revision, step.id, step.settings, kind,
            run.record_id, self.past.row(kind, run.record_id, self.cut), run.outputs, run.event_id, run.depth, run.acted, at,
        )  # fmt: skip
        done = failed(f"There is no action {step.kind}.")
        writes: Mapping[str, Any] = {}
        if action is not None:
            done, writes = action.foretell(doing, self.mailing)
            self.mailing.count(done.sent)
        if not done.message and action is not None:
            done = Done(done.status, self._said(step), done.outputs, ends=done.ends)
        run.acted += 1
        was, changes = self._write(run, writes, at)
        if changes:
            did.append(_Did(was, changes))
        self._note_effect(run, run.record_id, at, step.id, step.kind, done, changes)
        if done.outputs:
            run.outputs = {**run.outputs, step.id: dict(done.outputs)}
        if done.status is StepStatus.FAILED and step.on_failure is OnFailure.STOP:
            self._end(run, "step_failed", at)
        elif done.ends:
            self.memory.gone |= {run.record_id} if done.ends == "record_gone" else set()
            self._end(run, done.ends, at)
        elif action is not None and action.enrolls:  # no later step of it comes before it is taken over
            sent = [
                one for one in self._sent_on.get(run.record_id, ()) if one.step_id == step.id and one.at >= at
            ]
            if sent:
                self._hand_over(run, sent[0], at)

    def _note_effect(
        self, run: Run | None, record_id: int, at: datetime, step_id: str, kind: str, done: Done, writes: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        """Of a run it stands on its way, too."""
        number = run.number if run else 0
        self.told.effects.append(
            Effect(number, record_id, at, step_id, kind, done.status, done.message, writes or {}, self.cut[1])
        )
        if run is not None and len(run.path) < LONGEST_PATH:
            values = {"status": done.status.value, "message": done.message}
            run.path.append(Line(step_id, "performed", at, values))

    def _introduce(self, record_id: int) -> None:
        """Bring the people around all records of the page, where they are not known yet."""
        rows = self.past.all_rows(self.entry.object_type)
        if "owner" not in rows[record_id]:
            records.add_people(self.entry.object_type, rows.values())
            self.past.read_people()

    def _said(self, step: ActionStep) -> str:
        """The step in words, worked out once."""
        if step.id not in self._words:
            self._words[step.id] = in_words(ACTIONS[step.kind], step.settings, self.entry.object_type)
        return self._words[step.id]

    def _write(self, run: Run, writes: Mapping[str, Any], at: datetime) -> tuple[bool, dict[str, list[Any]]]:
        """Remember what would stand there; returns whether the record met the standing condition before, and what really
        changes, as history has it.
        """
        row = self.past.all_rows(self.entry.object_type)[run.record_id]
        changes = {}
        for name, value in writes.items():
            old = self.past.raw(self.entry.object_type, row, name, self.cut)
            old = old.isoformat() if isinstance(old, datetime) else old
            if (old or None) != (value or None):
                changes[name] = [old, value]
        was = False
        if changes:
            was = bool(self.index.standing) and self._stands(run.record_id, self.cut, at)
            for name, (_old, value) in changes.items():
                self.memory.note(run.record_id, name, value, self.cut)
        return was, changes

    def _follow(self, run: Run, done: Sequence[_Did], at: datetime) -> None:
        """What it would have changed itself is heard as everybody's changes are."""
        events = [self._event(run, one.changes, at) for one in done]
        self._tell(events, at, run)
        wanted = []
        if any(event.kind in self.index.heard for event in events):
            wanted = happening.wanted_by(self.index, events, self)
        self._look_ahead(run.record_id, at)
        if self.index.standing and self._stands(run.record_id, self.cut, at):
            ways = standing.Ways(standing.changed_by(events))
            fired = self.entry.is_again and run.record_id in standing.fired(self.entry, ways, self.index.zone)
            if fired or not done[0].stood:
                wanted.append(self._wanted_by_filter(events[-1:], run.record_id, fired))
        for one in wanted:
            self._admit(one, at)

    def _event(self, run: Run, changes: Mapping[str, Any], at: datetime) -> Event:
        kind, did = self.entry.object_type, "updated"
        if stage_property(kind) in changes:
            did = "moved"
        elif "hubspot_owner_id" in changes or "hs_assigned_team_ids" in changes:
            did = "assigned"
        return Event(
            f"{kind}.{did}", kind, run.record_id, 0, Actor(ActorKind.WORKFLOW, self.entry.workflow_id), at,
            {"changes": dict(changes)}, None, run.depth + 1, self.cut[1], self.account_id,
        )  # fmt: skip


def batched(ids: Iterable[int], size: int) -> Iterator[list[int]]:
    """Parts of so many, in their order."""
    left = iter(ids)
    while part := list(islice(left, size)):
        yield part


_BEFORE = """
select record_id, max(ended_at), bool_or(state <> 'ENDED') from automation_enrollment
where account_id = %s and workflow_id = %s and object_type = %s and record_id = any(%s) and enrolled_at < %s group by 1
"""
_OUTSIDE = """
select enrolled_at, record_id, reason, depth, event_id from automation_enrollment
where account_id = %s and workflow_id = %s and enrolled_at >= %s and enrolled_at < %s and reason->>'by' = any(%s)
order by enrolled_at, id
"""

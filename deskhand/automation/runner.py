"""Moving enrolled records along: claim what is due, decide with the pure engine, act in sets, keep the next position.

Everything a batch does commits at once: effects, their events, the log and where each record goes on. Within one
transaction records go through several actions, until each sleeps or ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import translation
from django.utils.translation import gettext

from deskhand.automation import answers, budget, calls, endings, gone, records, steplog, troubles, waking
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Action, Doing, Done, failed, is_trial
from deskhand.automation.engine.advance import (
    Broken,
    EnrollmentFacts,
    Finished,
    Perform,
    Position,
    Reason,
    Sleep,
    WaitEvent,
    advance,
    awaited_property,
    cancelled,
    ending,
    is_over,
    step_at,
)
from deskhand.automation.engine.definition import Action as ActionStep
from deskhand.automation.engine.definition import Definition, OnFailure
from deskhand.automation.engine.edit import resume_at
from deskhand.automation.engine.trace import TraceItem, What
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.models import StepStatus
from deskhand.automation.records import LoadedFacts, Row
from deskhand.automation.steplog import LogLine
from deskhand.kernel import clock
from deskhand.kernel.calendars import WeeklyHours, local_day, zone_named
from deskhand.kernel.claimer import SOON, BatchClaimer, until_due, words_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.database.wake import wake
from deskhand.routing import default_hours

WAVES = 20  # actions one record goes through in one transaction
TRIES = 5
BACK_OFF = timedelta(seconds=10)
#: Pauses before a step is tried again that could not be done for a passing reason; after the last it has failed.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))


@dataclass
class Run:
    """One claimed enrollment on its way."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    position: str
    depth: int
    event_id: int | None
    outputs: dict[str, Any]
    attempts: int
    acted: int
    revision: int  # of `position` when claimed, then the newest
    waited_for: str = ""  # until its time was up, and how it would have gone on
    way_on: str = ""
    waited_at: str = ""  # the step
    definition: Definition | None = None
    is_on: bool = True
    is_paused: bool = False
    is_pinned: bool = False
    is_archived: bool = False
    has_queue: bool = False
    ended: str = ""
    is_held: bool = False
    due_at: datetime | None = None
    waits_for: str = ""
    happened: str = ""
    tries: int = 0  # of the step that is to be tried again
    is_kept: bool = False  # it waits on for what it waited for
    follows: bool = False  # another workflow took the record in first, by the same event

    @property
    def is_going(self) -> bool:
        """Whether it neither is over nor waits for anything."""
        return not (self.ended or self.waits_for or self.is_held or self.due_at)

    @property
    def state(self) -> str:
        if self.ended:
            return "ENDED"
        if self.is_held:
            return "HELD"
        return "DUE" if self.due_at else "WAITING"

    def hold(self) -> None:
        """Leave it as it was claimed, also its time (R-EXEC-17)."""
        self.is_held = True
        self.stay()

    def stay(self) -> None:
        self.is_kept = True
        self.waits_for, self.happened, self.tries = self.waited_for, self.way_on, self.attempts


class Runner(BatchClaimer[Run]):
    name = "automation"
    wake = WAKE

    def next_account(self) -> int | None:
        self._is_behind = False
        found = sql.row(NEXT_ACCOUNT)
        return found[0] if found else None

    def patience(self) -> float:
        """Nothing tells when a delay is over: until the next one is. What is due and held by others is theirs; but who
        follows what they hold is free as soon as they are through, or killed, and nothing tells of that either."""
        if self._is_behind:
            return SOON
        found = sql.row(_NEXT_DUE)
        return until_due(found[0] if found else None)

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Run]:
        found = sql.rows(CLAIM, [account_id, only, only, limit])
        claimed = [
            Run(
                run_id, workflow, kind, record, position, depth, event, sql.loads(outputs), attempts, acted, revision,
                waited_for=waits_for, way_on=happened, waited_at=step_at(position) if waits_for else "", follows=follows,
            )
            for run_id, workflow, kind, record, position, depth, event, outputs, attempts, acted, revision, waits_for, happened, follows in found
        ]  # fmt: skip
        free = _without_overtakers(account_id, claimed)
        self._is_behind = len(free) < len(claimed)
        return free

    def __init__(self) -> None:
        self._is_behind = False  # whether the last claim left out who follows a run that another worker holds
        self._performing: dict[int, str] = {}  # the step that each run of the last batch acted at

    def work(self, account_id: int, rows: Sequence[Run]) -> None:
        self._performing = {}
        go(account_id, rows, clock.now(), self._performing)

    def failed(self, account_id: int, row: Run, error: Exception) -> None:
        """Put it back for later, with the reason in its log (R-LOG-2); after the last try the run ends as failed and its
        workflow asks for a look (R-LOG-7)."""
        now, text = clock.now(), words_of(error, 1000)
        step_id = self._performing.get(row.id) or step_at(row.position)
        if row.attempts + 1 < TRIES:
            later = sql.row(_TRY_LATER, [BACK_OFF, account_id, row.id])
            told = {"until": later[0].isoformat()} if later else {}
            steplog.write(account_id, [LogLine(row, step_id, "error", StepStatus.RETRYING, text, told)], now)
            return
        endings.end(account_id, [row.id], "failed", now)
        steplog.write(account_id, [LogLine(row, step_id, "error", StepStatus.FAILED, text)], now)
        found = troubles.Troubles()
        found.add(row.workflow_id, text)
        found.tell(account_id, now)

    def row_id(self, row: Run) -> int:
        return row.id


def _without_overtakers(account_id: int, claimed: list[Run]) -> list[Run]:
    """What one event began begins in the order of the workflows (R-EXEC-10): who follows comes later, if another worker
    still holds who goes first. Costs nothing where one workflow answers to an event."""
    following = [run.id for run in claimed if run.follows and not run.acted]
    if not following:
        return claimed
    found = sql.rows(_OVERTAKING, [account_id, following, [run.id for run in claimed]])
    overtaking = {run_id for (run_id,) in found}
    return [run for run in claimed if run.id not in overtaking]


def go(account_id: int, rows: Sequence[Run], now: datetime, performing: dict[int, str] | None = None) -> None:
    """Move claimed runs along as far as they come at `now`. `performing` is told the step of each run that acts."""
    batch = _Batch(account_id, list(rows), now, {} if performing is None else performing)
    with translation.override(batch.locale):
        batch.go()


class _TooMany(Exception):
    """Takes back messages that the budget does not serve."""


class _Batch:
    """One transaction's worth of runs of one account."""

    def __init__(self, account_id: int, runs: list[Run], now: datetime, performing: dict[int, str]) -> None:
        self.account_id, self.runs, self.now, self.performing = account_id, runs, now, performing
        self.loaded: dict[str, records.Loaded] = {}
        self.log: list[LogLine] = []
        self.troubles = troubles.Troubles()
        self.calls: list[calls.NewCall] = []
        self.gone = gone.Places()
        found = sql.rows(_WORKFLOWS, [account_id, list({run.workflow_id for run in runs})])
        workflows = {workflow_id: rest for workflow_id, *rest in found}
        newest_of = {
            run.id: run.revision if workflows[run.workflow_id][3] else workflows[run.workflow_id][0]
            for run in runs
        }
        asked = {(run.workflow_id, number) for run in runs for number in (run.revision, newest_of[run.id])}
        definitions = definitions_of(account_id, asked)
        for run in runs:
            (
                _newest,
                run.is_on,
                run.is_paused,
                run.is_pinned,
                run.is_archived,
                run.has_queue,
                self.zone,
                self.locale,
            ) = workflows[run.workflow_id]
            old = definitions.get((run.workflow_id, run.revision))
            new = definitions.get((run.workflow_id, newest_of[run.id]))
            if old is not None and new is not None:
                # From a deleted step a run goes on at the next one that still is (R-EDIT-5).
                position = resume_at(old, new, run.position) if new is not old else run.position
                run.definition, run.position, run.revision = new, position, newest_of[run.id]
        self.budget = budget.Allowance(account_id, self.now)

    def go(self) -> None:
        self._load(lock=True)
        active = [run for run in self.runs if self._may_go(run)]
        self._hear_kept(active)
        active = [run for run in active if run.is_going]
        for run in active:
            self._wake(run)
        active = [run for run in active if run.is_going]
        self._look_around(active)
        is_shared = len({(run.object_type, run.record_id) for run in active}) < len(active)
        for _wave in range(WAVES):
            turn = _first_of_each_record(active) if is_shared else active
            performing = [pair for run in turn if (pair := self._advance(run))]
            self._perform(performing)
            if any(_enrolls(perform.step.kind) for _run, perform in performing):
                self._let_go(active)
            active = [run for run in active if run.is_going]
            if not active:
                break
            if any(_changes(perform.step.kind) for _run, perform in performing) and not _all_over(active):
                self._load()
        for place, run in enumerate(active):  # walked far enough for one transaction
            run.due_at = self.now + timedelta(microseconds=place)
        self._write()

    def _may_go(self, run: Run) -> bool:
        """A deleted record leaves; restoring does not bring it back (R-UN-7). A paused workflow holds who is inside, one that
        is archived lets nobody go on (R-EDIT-8), but for a trial, which is put away so that nothing else enrolls in it."""
        if run.is_archived and not is_trial.get():
            run.ended = "deleted"
        elif run.record_id not in self.loaded[run.object_type]:
            run.ended = "record_gone"
        elif run.is_paused:
            run.hold()
        elif run.definition is None:
            self._put_off(run)
        return run.is_going

    def _put_off(self, run: Run) -> None:
        """What this release can't read, the one that wrote it can: the run stays as it was claimed, until that is back."""
        run.stay()
        run.due_at = self.now + guards.LOOK_AGAIN
        self.troubles.add(run.workflow_id, gettext(guards.UNREADABLE))

    def _wake(self, run: Run) -> None:
        """Who wakes from a wait that is cancelled by now goes on as that says; for others that waited for an event time is
        up (R-DELAY-5)."""
        assert run.definition is not None
        found = None
        if run.definition.cancels:
            lost = self.gone.of(run.definition)
            found = cancelled(run.definition, run.position, self._facts(run), self.now, self.zone, lost)
        if isinstance(found, Broken):
            self._break(run, found, at=run.position)
        elif found is not None and found.position != run.position:
            run.position = found.position
            self._note(run, [found.item])
        elif waking.is_event(run.waited_for):
            self._note(run, [TraceItem(run.waited_at, What.TIMED_OUT, {"event": run.waited_for})])

    def _look_around(self, active: Sequence[Run]) -> None:
        """What delays ask for beyond their records, for all at once and only where one asks."""
        self.hours: WeeklyHours | None = None
        if any(run.definition and run.definition.counts_working_time for run in active):
            self.hours = default_hours.with_holidays(
                self.account_id, local_day(zone_named(self.zone), self.now)
            )
        looking = [(run.id, run.definition, run.outputs) for run in active if run.definition and run.outputs]
        self.happened = waking.happened(self.account_id, [one for one in looking if one[1].looks_back])

    def _hear_kept(self, active: Sequence[Run]) -> None:
        """Runs to which an answer or an event came while their workflow could not be read go on by that, in a batch of its
        own. For others that called another system time is up, unless it calls back later."""
        asking = [run for run in active if run.waited_for == calls.WAITS_FOR]
        going, later = answers.hear_kept(self.account_id, [run.id for run in asking])
        waiting = {run.id for run in active if waking.is_event(run.waited_for)}
        going |= waking.hear_kept(self.account_id, waiting)
        self.runs = [run for run in self.runs if run.id not in going]
        for run in active:
            run.is_held = run.id in going
        for run in asking:
            if later.get(run.id, self.now) > self.now:
                run.stay()
                run.due_at = later[run.id]
        self._expire([run for run in asking if run.is_going])

    def _expire(self, late: Sequence[Run]) -> None:
        """No answer came in time: the step has failed."""
        for run in late:
            assert run.definition is not None
            step = run.definition.by_id.get(step_at(run.position))
            if isinstance(step, ActionStep):
                self._fail(run, step, gettext("No answer came in time."))
        calls.expire(self.account_id, [run.id for run in late])

    def _load(self, *, lock: bool = False) -> None:
        wanted: dict[str, set[int]] = defaultdict(set)
        for run in self.runs:
            wanted[run.object_type].add(run.record_id)
        self.loaded = {kind: records.load(kind, list(ids), lock=lock) for kind, ids in sorted(wanted.items())}

    def _advance(self, run: Run) -> tuple[Run, Perform] | None:
        """Decide one run's next move; returns it when there is something to perform."""
        assert run.definition is not None
        if ending(run.definition, run.position) is Reason.COMPLETED:  # most runs, after their last step
            run.ended = Reason.COMPLETED.value
            return None
        enrollment = EnrollmentFacts(
            run.id, self.zone, run.is_on, run.outputs, self.hours, self.happened.get(run.id, ()), self.gone.of(run.definition)
        )  # fmt: skip
        outcome = advance(run.definition, run.position, self._facts(run), self.now, enrollment)
        self._note(run, outcome.trace)
        match outcome:
            case Perform(step, following):
                run.position = following
                return run, outcome
            case Sleep(until, step, following):
                run.position, run.due_at = following, until
                awaited = awaited_property(run.definition, following)
                if awaited:
                    run.waits_for, run.happened = f"property:{awaited}", step.id
            case WaitEvent():
                run.position, run.due_at = outcome.timed_out or outcome.happened, outcome.until
                run.waits_for, run.happened = outcome.event.kind, outcome.happened
            case Finished(reason):
                run.ended = reason.value
            case Broken():
                self._break(run, outcome)
        return None

    def _let_go(self, active: Sequence[Run]) -> None:
        """Whom a step took out of their workflows, its own run or others of the batch, goes no step further (R-UN-6)."""
        over = dict(sql.rows(_OVER, [self.account_id, [run.id for run in active if run.is_going]]))
        for run in active:
            run.ended = run.ended or over.get(run.id, "")

    def _break(self, run: Run, broken: Broken, at: Position = "") -> None:
        """The run has failed before the step, from which it can be run again (R-PIPE-10, R-LOG-7); where it has waited in it,
        from `at`: its time is not lost."""
        why = gone.sentence(broken.object_type, broken.property, broken.values)
        run.position, run.ended = at or broken.step.id, "failed"
        self.log.append(LogLine(run, broken.step.id, "error", StepStatus.FAILED, why))
        self.troubles.add(run.workflow_id, why)

    def _facts(self, run: Run) -> LoadedFacts:
        return LoadedFacts(run.object_type, self.loaded[run.object_type][run.record_id])

    def _note(self, run: Run, trace: Sequence[TraceItem]) -> None:
        """Steps that are walked past leave a line too; performed ones get theirs from the action."""
        for item in trace:
            if item.what is What.PERFORMED or (
                item.what is What.ENDED and item.values.get("reason") == Reason.COMPLETED.value
            ):
                continue
            status = StepStatus.SKIPPED if item.what in (What.OFF, What.LEFT) else StepStatus.SUCCEEDED
            if item.what in (What.DELAYED, What.HELD, What.AWAITED):
                status = StepStatus.SCHEDULED
            values = {name: value for name, value in item.values.items() if value}
            told = ", ".join(f"{name} {value}" for name, value in values.items() if name != "seen")
            self.log.append(LogLine(run, item.step_id, item.what.value, status, told, values))

    def _perform(self, performing: Sequence[tuple[Run, Perform]]) -> None:
        """Each kind of action runs once for all its records (R-LOG-8: a failure stops only who asked for it)."""
        by_kind: dict[str, list[tuple[Run, Perform]]] = defaultdict(list)
        for run, perform in performing:
            by_kind[perform.step.kind].append((run, perform))
        for kind, pairs in by_kind.items():
            action = ACTIONS.get(kind)
            if action:
                self._introduce(action, pairs)
            if pairs:
                self._run(action, kind, pairs)

    def _run(self, action: Action | None, kind: str, pairs: Sequence[tuple[Run, Perform]]) -> None:
        batch = [self._doing(run, perform) for run, perform in pairs]
        self.performing.update({run.id: perform.step.id for run, perform in pairs})
        if action and action.costs:
            answers = self._send(action, pairs, batch)
        else:
            answers = action.run(batch) if action else [failed(f"There is no action {kind}.")] * len(batch)
        for (run, perform), doing, done in zip(pairs, batch, answers, strict=False):  # others are held
            self._take(run, perform, doing, done)

    def _send(
        self, action: Action, pairs: Sequence[tuple[Run, Perform]], batch: Sequence[Doing]
    ) -> list[Done]:
        """What the hour's budget still serves, from the first on; the others are held before the step.

        How many messages leave is known when they have been written: what is too much is taken back, and less is written.
        """
        if self.budget.is_used_up(batch[0].workflow_id, len(batch)):
            self._hold_back(pairs)
            return []
        try:
            with attempt():
                answers = action.run(batch)
                wanted = [(doing.workflow_id, done.sent) for doing, done in zip(batch, answers, strict=True)]
                if not self.budget.has(sum(count for _workflow, count in wanted)):
                    raise _TooMany
        except _TooMany:
            fitting = self.budget.take(wanted)
            self._hold_back(pairs[fitting:], wanted[fitting][1] if fitting < len(wanted) else 0)
            return action.run(batch[:fitting]) if fitting else []
        if self.budget.take(wanted) < len(wanted):  # others took from it meanwhile
            raise budget.Overrun
        return answers

    def _hold_back(self, pairs: Sequence[tuple[Run, Perform]], wanted: int = 0) -> None:
        """`wanted` is what the first would send."""
        why = gettext("Held: the hour's budget is used up.")
        if wanted > self.budget.limit:
            why = gettext(
                "Held: it would send %(count)s messages at once, more than the %(limit)s that automation may send within an hour."
            ) % {"count": wanted, "limit": self.budget.limit}
        for run, perform in pairs:
            run.position, run.is_held, run.due_at = perform.step.id, True, self.now
            self._log(run, perform.step, Done(StepStatus.SCHEDULED, why))

    def _introduce(self, action: Action, pairs: Sequence[tuple[Run, Perform]]) -> None:
        meeting: dict[str, list[Row]] = defaultdict(list)
        steps = {id(perform.step): perform.step for _run, perform in pairs}
        asking = {key for key, step in steps.items() if action.meets(step.settings)}
        for run, perform in pairs:
            if id(perform.step) in asking:
                meeting[run.object_type].append(self.loaded[run.object_type][run.record_id])
        for object_type, rows in meeting.items():
            records.add_people(object_type, rows)

    def _doing(self, run: Run, perform: Perform) -> Doing:
        return Doing(
            self.account_id, run.id, run.workflow_id, run.revision, perform.step.id, perform.step.settings, run.object_type, run.record_id,
            self.loaded[run.object_type][run.record_id], run.outputs, run.event_id, run.depth, run.acted, self.now,
        )  # fmt: skip

    def _take(self, run: Run, perform: Perform, doing: Doing, done: Done) -> None:
        step = perform.step
        if done.status is StepStatus.RETRYING:
            self._retry(run, step, done)
            return
        run.acted, run.attempts = run.acted + 1, 0
        if done.status is StepStatus.FAILED:
            self._fail(run, step, done.message, done.outputs)
        else:
            self._log(run, step, done)
        if done.outputs:
            run.outputs = {**run.outputs, step.id: dict(done.outputs)}
            if run.definition and run.id in self.happened:
                self.happened[run.id] = waking.without_made(run.definition, self.happened[run.id], step.id)
        run.ended = run.ended or done.ends
        if done.waits and not run.ended:
            self.calls.append(calls.NewCall(run.id, step.id, doing.key, done.waits.token, done.waits.until))
            run.waits_for, run.happened, run.due_at = calls.WAITS_FOR, run.position, done.waits.until

    def _retry(self, run: Run, step: ActionStep, done: Done) -> None:
        """The same step again, under the same key; at last it has failed (R-LOG-6)."""
        if run.attempts >= len(PAUSES):
            run.acted += 1
            self._fail(run, step, done.message)
            return
        run.position, run.tries = step.id, run.attempts + 1
        run.due_at = max(done.again_at or self.now + PAUSES[run.attempts], self.now)
        self._log(run, step, done)

    def _fail(self, run: Run, step: ActionStep, why: str, outputs: Mapping[str, Any] | None = None) -> None:
        self._log(run, step, Done(StepStatus.FAILED, why, outputs or {}))
        self.troubles.add(run.workflow_id, why)
        if step.on_failure is OnFailure.STOP:
            run.ended = "step_failed"

    def _log(self, run: Run, step: ActionStep, done: Done) -> None:
        data = {"outputs": dict(done.outputs)} if done.outputs else {}
        self.log.append(LogLine(run, step.id, step.kind, done.status, done.message, data))

    def _write(self) -> None:
        rows = [
            (
                run.id, run.state, None if run.ended else run.due_at, run.position,
                step_at(run.position), run.revision, run.ended, sql.dumps(run.outputs) if run.outputs else "{}", "" if run.ended else run.waits_for, "" if run.ended else run.happened, run.acted, run.tries,
                run.is_kept,
            )
            for run in self.runs
        ]  # fmt: skip
        sql.execute(
            _WRITE, [self.now, self.account_id, *[list(column) for column in zip(*rows, strict=True)]]
        )
        calls.add(self.account_id, self.calls, self.now)
        steplog.write(self.account_id, self.log, self.now)
        self.troubles.tell(self.account_id, self.now)
        endings.next_in_line(
            self.account_id, [run.id for run in self.runs if run.ended and run.has_queue], self.now
        )
        self.budget.book()
        if any(run.state == "DUE" and run.due_at and run.due_at <= self.now for run in self.runs):
            wake(WAKE)


def _first_of_each_record(runs: Sequence[Run]) -> list[Run]:
    """Runs in one record go one after the other, each as far as it comes: the next one sees what it did (R-EXEC-10)."""
    first: dict[tuple[str, int], Run] = {}
    for run in runs:
        first.setdefault((run.object_type, run.record_id), run)
    return list(first.values())


def _changes(kind: str) -> bool:
    return kind in ACTIONS and ACTIONS[kind].changes


def _enrolls(kind: str) -> bool:
    return kind in ACTIONS and ACTIONS[kind].enrolls


def _all_over(runs: Sequence[Run]) -> bool:
    return all(run.definition is not None and is_over(run.definition, run.position) for run in runs)


NEXT_ACCOUNT = """
select account_id from automation_enrollment where state = 'DUE' and due_at <= statement_timestamp() order by due_at limit 1
for update skip locked
"""

CLAIM = """
select id, workflow_id, object_type, record_id, position, depth, event_id, outputs, attempts, acted, revision_number, waits_for, happened,
    jsonb_exists(reason, 'follows')
from automation_enrollment
where account_id = %s and state = 'DUE' and due_at <= statement_timestamp() and (%s::bigint is null or id = %s)
order by due_at limit %s for update skip locked
"""

_OVERTAKING = """
select e.id from automation_enrollment e where e.account_id = %s and e.id = any(%s) and exists (
    select from automation_enrollment o
    where o.account_id = e.account_id and o.object_type = e.object_type and o.record_id = e.record_id and o.event_id = e.event_id
      and o.due_at < e.due_at and o.state = 'DUE' and o.acted = 0 and o.attempts = 0 and o.id <> all(%s))
"""

_OVER = """
select id, end_reason from automation_enrollment where account_id = %s and id = any(%s) and state = 'ENDED'
"""

_NEXT_DUE = """
select extract(epoch from due_at - statement_timestamp())::float from automation_enrollment
where state = 'DUE' and due_at > statement_timestamp() order by due_at limit 1
"""

_WORKFLOWS = """
select w.id, w.revision_number, w.is_on, w.is_paused, w.is_pinned, w.archived_at is not null,
    exists (select from automation_enrollment q where q.account_id = w.account_id and q.workflow_id = w.id and q.state = 'QUEUED'),
    a.zone, a.locale
from automation_workflow w join accounts_account a on a.id = w.account_id
where w.account_id = %s and w.id = any(%s)
"""

_TRY_LATER = """
update automation_enrollment set attempts = attempts + 1, due_at = now() + (%s * (attempts + 1)) where account_id = %s and id = %s
returning due_at
"""

# What a step of it ended stays so: one that began anew, or that another workflow took over (R-UN-6).
# What a step of this transaction told has its number by now, and is told after the commit: a wait that begins here is not for it.
_WRITE = """
update automation_enrollment e set state = x.state, due_at = case when x.state = 'HELD' then coalesce(x.due, e.due_at) else x.due end,
    position = x.position, step_id = x.step, revision_number = x.revision,
    end_reason = x.reason,
    ended_at = case when x.state = 'ENDED' then %s::timestamptz end, outputs = x.outputs, waits_for = x.waits, happened = x.happened, acted = x.acted, attempts = x.tries,
    waits_since = case when x.waits = '' then null when x.is_kept then e.waits_since
                       else (select pg_sequence_last_value('events_event_id_seq')) end
from (select %s::bigint as account_id, u.* from unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::text[],
      %s::jsonb[], %s::text[], %s::text[], %s::int[], %s::smallint[], %s::boolean[])
      u(id, state, due, position, step, revision, reason, outputs, waits, happened, acted, tries, is_kept)) x
where e.account_id = x.account_id and e.id = x.id and e.state <> 'ENDED'
"""

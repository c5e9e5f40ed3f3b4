"""What lets a run go on before its time: events, changed dates, what an earlier step made; and new times for a changed delay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.accounts import audit
from deskhand.automation import calls, records, steplog, triggers
from deskhand.automation.engine.definition import Definition, Delay, UntilEvent
from deskhand.automation.engine.trace import What
from deskhand.automation.engine.waits import Until, end_of
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import definition_of, definitions_of
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.enrolling.standing import changed_by
from deskhand.automation.models import StepStatus, Workflow
from deskhand.automation.records import LoadedFacts
from deskhand.automation.steplog import Going, LogLine
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.events import queries as log
from deskhand.events.types import SYSTEM, Actor, Event
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.calendars import local_day, zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.wake import wake
from deskhand.kernel.errors import NotFound
from deskhand.kernel.jobs import Job
from deskhand.kernel.text import N_
from deskhand.kernel.timers import DueTimer
from deskhand.routing import default_hours

HEAR_AGAIN = "automation.hear_again"  # the timer's kind; its key is the run and the event, "7:12"


def hear(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: release who waits for one of these events, or for a date that changed. Safe to repeat."""
    _hear(account_id, events)


def hear_again(account_id: int, due: Sequence[DueTimer]) -> None:
    """Events that came while nobody could read what waited for them are heard once more, or kept on."""
    _hear_kept(account_id, {timer.key for timer in due})


def hear_kept(account_id: int, run_ids: Collection[int]) -> set[int]:
    """The same for these runs, which are held, before their time is taken to be up. Returns those that go on by that."""
    keys = timers.keys(account_id, HEAR_AGAIN) if run_ids else ()
    kept = {key for key in keys if int(key.partition(":")[0]) in run_ids}
    return set(_hear_kept(account_id, kept, are_held=True)) if kept else set()


def is_event(waits_for: str) -> bool:
    """Whether who waits for this waits for an event: neither for a date that changes nor for an answer."""
    return waits_for not in ("", calls.WAITS_FOR) and not waits_for.startswith("property:")


def _hear_kept(account_id: int, keys: Collection[str], *, are_held: bool = False) -> list[int]:
    events = log.of_ids(account_id, {int(key.partition(":")[2]) for key in keys})
    return _hear(account_id, events, keys, are_held=are_held)


def _hear(
    account_id: int, events: Sequence[Event], keys: Collection[str] | None = None, *, are_held: bool = False
) -> list[int]:
    """Returns the runs that go on. `keys`: hear nothing else; whoever holds runs already sets no timer for them.

    Timers are held before runs, as the loop of timers does it, and nobody sets those of others' keys: so nobody waits for
    somebody who waits for him.
    """
    if sql.row(_ANYBODY, [account_id]) is None:
        return []
    dates = Dates()
    told: dict[tuple[str, int | None, str], list[Event]] = defaultdict(list)
    for event in events:
        for name in _names(event, dates):
            for subject in _subjects(event):
                told[(*subject, name)].append(event)
    if not told:  # the log has them no more
        return []
    columns = [list(column) for column in zip(*told, strict=True)]
    meant = {
        run: [event for event in told[run.asked] if keys is None or _key(run, event) in keys]
        for run in (_Waiting(*row) for row in sql.rows(_WAITING, [account_id, *columns]))
    }
    definitions = definitions_of(account_id, {run.version for run in meant})
    unread = [run for run in meant if run.version not in definitions]
    unheard = [_key(run, event) for run in unread if is_event(run.waits_for) for event in meant[run]]
    now = clock.now()
    if unheard and not are_held:
        timers.set_timers(account_id, HEAR_AGAIN, unheard, now + guards.LOOK_AGAIN)
    waiting = _hold(account_id, [run for run, found in meant.items() if found])
    flagged = {run.workflow_id for run in {*waiting} & {*unread}}
    guards.flag(account_id, dict.fromkeys(flagged, guards.UNREADABLE))
    by = {
        run: found
        for run in waiting
        if (found := [event for event in meant[run] if _releases(definitions.get(run.version), run, event)])
    }
    too_often = _too_often(account_id, by, now)
    free = {run: found for run, found in by.items() if run not in too_often}
    released = [run.id for run in free]
    if released:
        sql.execute(_RELEASE, [now, account_id, released])
        # A date that changed begins its wait anew, which tells of itself.
        lines = [
            came(run, run.step_id, run.waits_for, found[0].at, found[0].id)
            for run, found in free.items()
            if is_event(run.waits_for)
        ]
        steplog.write(account_id, lines, now)
        wake(WAKE)
    return released


def _key(run: _Waiting, event: Event) -> str:
    return f"{run.id}:{event.id}"


def _hold(account_id: int, runs: Sequence[_Waiting]) -> list[_Waiting]:
    """Those that wait still as they were read to; what begins to wait meanwhile is for what happens after it."""
    if not runs:
        return []
    asked = [(run.id, run.step_id, run.waits_for, run.waits_since) for run in runs]
    columns = [list(column) for column in zip(*asked, strict=True)]
    held = {run_id for (run_id,) in sql.rows(_HOLD, [*columns, account_id])}
    return [run for run in runs if run.id in held]


_HOLD = """
select e.id from unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) x(id, step, waits, since)
join automation_enrollment e on e.id = x.id and e.step_id = x.step and e.waits_for = x.waits
    and e.waits_since is not distinct from x.since
where e.account_id = %s and e.state <> 'ENDED'
order by e.id for update of e
"""


def came(run: Going, step_id: str, event: str, at: datetime, event_id: int | None = None) -> LogLine:
    """That the wait is over, and by which event: of none in a trial (R-DELAY-5, R-LOG-2)."""
    told: dict[str, Any] = {"event": event, "at": at.isoformat()}
    if event_id is not None:
        told["event_id"] = event_id
    return LogLine(run, step_id, What.CAME.value, StepStatus.SUCCEEDED, "", told)


def _too_often(
    account_id: int, releasing: Mapping[_Waiting, Sequence[Event]], now: datetime
) -> set[_Waiting]:
    """Runs that wait for what each other does go round together, and no run enrolls anew: so what workflows do lets one go
    on PER_HOUR times within an hour, as often as one record may enroll (R-EXEC-21). It waits on, and is to be looked at."""
    own = {run for run, found in releasing.items() if all(event.depth for event in found)}
    if not own:
        return set()
    ids = [run.id for run in own]
    often = {pk for (pk,) in sql.rows(_WAITED, [account_id, ids, now - guards.HOUR, guards.PER_HOUR])}
    found = {run for run in own if run.id in often}
    guards.flag(account_id, {run.workflow_id: TOO_OFTEN for run in found})
    return found


# Each wait that begins leaves a line.
_WAITED = """
select enrollment_id from automation_steplog
where account_id = %s and enrollment_id = any(%s) and kind in ('awaited', 'delayed') and at > %s
group by enrollment_id having count(*) > %s
"""


TOO_OFTEN = N_(
    "Workflows let one record go on 20 times within an hour, as if they waited for each other. It waits for its time now."
)


@dataclass(frozen=True)
class _Waiting:
    """A run that may wait for what is told, in the order of _WAITING."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    step_id: str
    waits_for: str
    waits_since: int | None
    revision: int  # that it follows
    outputs: str
    zone: str

    @property
    def asked(self) -> tuple[str, int | None, str]:
        return self.object_type, self.record_id, self.waits_for

    @property
    def version(self) -> tuple[int, int]:
        return self.workflow_id, self.revision


# By the index of those who wait: what events are called need not be worked out for nobody.
_ANYBODY = "select 1 from automation_enrollment where account_id = %s and waits_for <> '' limit 1"

_WAITING = """
select e.id, e.workflow_id, e.object_type, e.record_id, e.step_id, e.waits_for, e.waits_since,
    case when w.is_pinned then e.revision_number else w.revision_number end, e.outputs::text, a.zone
from automation_enrollment e join automation_workflow w on w.id = e.workflow_id join accounts_account a on a.id = e.account_id
where e.account_id = %s and e.waits_for <> '' and e.state <> 'ENDED'
  and (e.object_type, e.record_id, e.waits_for) in (select * from unnest(%s::text[], %s::bigint[], %s::text[]))
order by e.id
"""

_RELEASE = """
update automation_enrollment set position = happened, happened = '', waits_for = '', state = 'DUE', due_at = %s
where account_id = %s and id = any(%s)
"""


def _names(event: Event, dates: Dates) -> list[str]:
    return [*triggers.names_of(event), *(f"property:{name}" for name in dates.changed_by(event))]


#: The dates that a message sets in its ticket, of which the event says nothing.
_BY_MESSAGE = {
    "message.received": frozenset({"last_received_at", "sort_at"}),
    "message.sent": frozenset({"last_sent_at", "first_agent_reply_at", "sort_at"}),
}
#: Ways in which many dates of a record may change at once, of which the event does not name each.
_ANY_DATE = ("restored", "merged", "unmerged", "split", "split_taken_back")


class Dates:
    """Which dates of a record an event may have changed (R-DELAY-4), also those that it does not name."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def changed_by(self, event: Event) -> list[str]:
        """The names of the properties. Reads the properties of each kind of record once."""
        object_type, record_id = _subjects(event)[0]
        if event.object_type == "thread":
            keys = _BY_MESSAGE.get(event.kind, frozenset())
            return [name for name, key in self._of(object_type).items() if key in keys] if keys else []
        if event.kind in [f"{object_type}.{did}" for did in _ANY_DATE]:
            return [*self._of(object_type)]
        changes = event.data.get("changes", {})
        found = changed_by([event]).get(object_type, {}).get(record_id or 0) if changes else None
        if found is None:
            return []
        if found.keys is None:
            return [*self._of(object_type)]
        keys = frozenset(found.keys)
        if "is_spam" in changes:  # what arrived meanwhile counts from now on
            keys = keys.union(*_BY_MESSAGE.values())
        return [name for name, key in self._of(object_type).items() if key in keys]

    def _of(self, object_type: str) -> dict[str, str]:
        """{date property: its column, else its name}"""
        if object_type not in self._known:
            properties = properties_of(object_type).values()
            self._known[object_type] = {
                prop.name: prop.column or prop.name
                for prop in properties
                if prop.kind in (Kind.DATE, Kind.DATETIME)
            }
        return self._known[object_type]


def _subjects(event: Event) -> list[tuple[str, int | None]]:
    return [*triggers.subjects_of(event)] or [(event.object_type, None)]


def _releases(definition: Definition | None, waiting: _Waiting, event: Event) -> bool:
    """Whether what is told is what the step waits for: the new values of an event meet its condition."""
    if waiting.waits_for.startswith("property:"):
        return True
    step = definition.by_id.get(waiting.step_id) if definition else None
    wait = step.wait if isinstance(step, Delay) else None
    if not isinstance(wait, UntilEvent):
        return False
    if wait.of_step:
        if event.object_id != made_by(wait, sql.loads(waiting.outputs)):
            return False
    elif waiting.waits_since is not None and event.id <= waiting.waits_since:
        return False  # it happened before the wait began, and is told late or again (R-DELAY-6)
    if wait.event.about is None:
        return True
    chosen = triggers.choice(waiting.object_type, waiting.waits_for)
    return triggers.is_meant(event, chosen, wait.event.about, zone_named(waiting.zone))


# ── what an earlier step made (R-DELAY-6) ────────────────────────────────────────────────────────────────────────────

#: By event: the output in which an action tells what it made, and how to find those it has happened to already. They are
#: held meanwhile: to what is looked at here nothing happens before a wait for it can be seen by who tells of it.
_MADE = {
    "task.done": (
        "task_id",
        "select id, completed_at is not null and archived_at is null from crm_task"
        " where account_id = %s and id = any(%s) order by id for share",
    ),
}


def output_of(event: str) -> str:
    """The output in which an action tells what it made that such an event happens to; "" where there is none."""
    return _MADE.get(event, ("", ""))[0]


def made_by(wait: UntilEvent, outputs: Mapping[str, Any]) -> int | None:
    """The id of what the earlier step made, for a delay that waits for something to happen to it."""
    value = outputs.get(wait.of_step, {}).get(output_of(wait.event.kind))
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None


def happened(
    account_id: int, runs: Sequence[tuple[int, Definition, Mapping[str, Any]]]
) -> dict[int, set[str]]:
    """{run: the delays whose event has happened already to what an earlier step made}; a query for each kind of event."""
    asked: dict[str, list[tuple[int, str, int]]] = {}
    for run_id, definition, outputs in runs:
        for step in definition.steps:
            if isinstance(step, Delay) and isinstance(step.wait, UntilEvent) and step.wait.of_step:
                made = made_by(step.wait, outputs)
                if made is not None:
                    asked.setdefault(step.wait.event.kind, []).append((run_id, step.id, made))
    found: dict[int, set[str]] = {}
    for kind, wanted in asked.items():
        ids = [made for _run, _step, made in wanted]
        over = {pk for pk, is_over in sql.rows(_MADE[kind][1], [account_id, ids]) if is_over}
        for run_id, step_id, made in wanted:
            if made in over:
                found.setdefault(run_id, set()).add(step_id)
    return found


def without_made(definition: Definition, over: Collection[str], step_id: str) -> set[str]:
    """The delays of `over` but for those that look at what this step made, which has just made something else."""
    delays = {one: definition.by_id.get(one) for one in over}
    return {
        one
        for one, step in delays.items()
        if not (
            isinstance(step, Delay) and isinstance(step.wait, UntilEvent) and step.wait.of_step == step_id
        )
    }


# ── a changed delay (R-DELAY-11) ─────────────────────────────────────────────────────────────────────────────────────

RECALCULATE = "automation.recalculate"
STEP = 2000


def can_recalculate(workflow: Workflow, step_id: str) -> bool:
    """Whether the step is a delay that gives a time to who waits in it."""
    step = definition_of(workflow.account_id, workflow.pk, workflow.revision_number).by_id.get(step_id)
    return isinstance(step, Delay) and not isinstance(step.wait, UntilEvent)


def recalculate(workflow: Workflow, step_id: str, *, by: int | None = None) -> int:
    """Let those who wait in a delay wait as it says now, counted from when they came to it: without this they keep the
    time that it gave them then. Returns how many were looked at; many go on in a slow job. Raises NotFound.
    """
    if not isinstance(
        definition_of(workflow.account_id, workflow.pk, workflow.revision_number).by_id.get(step_id), Delay
    ):
        raise NotFound(f"There is no delay {step_id!r}.")
    last, count = _recalculate(workflow, step_id, 0)
    if last is not None:
        args = {"workflow": workflow.pk, "step": step_id, "after": last}
        jobs.enqueue(RECALCULATE, args, one_by_one=f"{workflow.pk}.{step_id}")
    audit.record(
        "workflow.recalculated", by=Actor.user(by) if by else SYSTEM, target_type="workflow", target_id=workflow.pk,
        after={"name": workflow.name, "step": step_id},
    )  # fmt: skip
    return count


def recalculate_rest(job: Job) -> None:
    after: int | None = job.args["after"]
    while after is not None:
        job.give_way()
        with account_scope(job.account_id):
            workflow = Workflow.objects.get(account_id=job.account_id, pk=job.args["workflow"])
            after, _count = _recalculate(workflow, job.args["step"], after)


def _recalculate(workflow: Workflow, step_id: str, after: int) -> tuple[int | None, int]:
    """The next STEP runs after this one; returns the last of them if there may be more, and how many they were."""
    account_id = workflow.account_id
    definition = definition_of(account_id, workflow.pk, workflow.revision_number)
    step = definition.by_id.get(step_id)
    if not isinstance(step, Delay) or isinstance(step.wait, UntilEvent):
        return None, 0
    facts = {"account": account_id, "workflow": workflow.pk, "step": step_id, "after": after, "limit": STEP}
    found = sql.rows(_IN_DELAY, facts)
    zone: str = sql.rows("select zone from accounts_account where id = %s", [account_id])[0][0]
    today = local_day(zone_named(zone), clock.now())
    hours = default_hours.with_holidays(account_id, today) if definition.counts_working_time else None
    loaded = records.load(workflow.object_type, [record_id for _run, record_id, _since in found])
    moved = []
    for run_id, record_id, since in found:
        if record_id in loaded:
            end = end_of(step.wait, LoadedFacts(workflow.object_type, loaded[record_id]), since, zone, hours)
            moved.append((run_id, *((end.at, "next") if isinstance(end, Until) else (since, end.slot))))
    if moved:
        ids, times, slots = ([*column] for column in zip(*moved, strict=True))
        sql.execute(_MOVE, [ids, times, slots, account_id])
        wake(WAKE)
    return (found[-1][0] if len(found) == STEP else None), len(found)


# Since when they wait is when the log says that they began to.
_IN_DELAY = """
select e.id, e.record_id, coalesce(
    (select max(l.at) from automation_steplog l
     where l.account_id = e.account_id and l.enrollment_id = e.id and l.step_id = e.step_id and l.kind = 'delayed'), e.enrolled_at)
from automation_enrollment e
where e.account_id = %(account)s and e.workflow_id = %(workflow)s and e.step_id = %(step)s and e.state in ('DUE', 'HELD')
  and e.position like '%%>%%' and e.id > %(after)s
order by e.id limit %(limit)s for update of e
"""

_MOVE = """
update automation_enrollment e set due_at = x.due, position = e.step_id || '>' || x.slot
from unnest(%s::bigint[], %s::timestamptz[], %s::text[]) x(id, due, slot) where e.account_id = %s and e.id = x.id
"""

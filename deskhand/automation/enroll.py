"""Who enters which workflow: what happened is matched against the workflows that are on, a whole batch at a time.

All workflows go this way; lanes are those that have a stage as their origin. They take a record in once for ever unless
their definition says again (R-ACT-11, R-RE-1), and only by events after they were switched on (R-ACT-12, R-TRIG-10).
The parts are in `enrolling/`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from deskhand.automation import records, triggers
from deskhand.automation.engine.definition import Definition, WhenEvent, WhenTrue
from deskhand.automation.enrolling import baseline, guards, happening, leaving, schedules, standing, switching
from deskhand.automation.enrolling.guards import TOO_DEEP, TOO_OFTEN
from deskhand.automation.enrolling.index import Entry, definition_of, entry_of, index_of
from deskhand.automation.enrolling.insert import WAKE, Wanted
from deskhand.automation.models import Workflow
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import AllOf, AnyOf, Condition
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.records.undoing import RUN_UNDONE
from deskhand.events.types import Event
from deskhand.kernel import clock, timers
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job, Later

__all__ = ["TOO_DEEP", "TOO_OFTEN", "WAKE", "definition_of"]

STEP = 2000
INCLUDE_PRESENT = "automation.present"


def enroll_matching(account_id: int, events: Sequence[Event]) -> None:
    """AFTER_COMMIT: let in who meets a trigger by these events, and out who is gone. Safe to repeat."""
    leaving.follow(account_id, events)
    if any(event.kind == "account.updated" for event in events):
        schedules.set_clocks(account_id, clock.now())
    index = index_of(account_id)
    if index is None:
        return
    guards.flag(account_id, dict.fromkeys(index.unreadable, guards.UNREADABLE))
    now = clock.now()
    wanted = baseline.look_back(account_id, index, events) if index.opening else []
    wanted += happening.wanted_by(index, events) + standing.wanted_by(account_id, index, events, now)
    place = {pk: number for number, pk in enumerate(index.entries)}
    wanted.sort(key=lambda one: place.get(one.entry.workflow_id, 0))  # in which they act (R-EXEC-10)
    undone = {event.id for event in events if event.cause and event.cause.rule == RUN_UNDONE}
    guards.admit(account_id, [one for one in wanted if one.event_id not in undone], now, index.zone)


def sweep(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """A timer's: let in who came to meet filters by time, and look again in a while."""
    index, now = index_of(account_id), clock.now()
    if index is None:
        return
    ids = [int(timer.key) for timer in due]
    ready = [pk for pk in ids if pk not in index.opening]
    guards.admit(account_id, standing.swept(account_id, index, ready, now), now, index.zone)
    again = [pk for pk in ids if pk in index.opening or _is_swept(index.entries.get(pk))]
    pause = max(
        switching.SWEEP_EVERY, 20 * (clock.now() - now)
    )  # filters that are slow to ask are asked less often
    standing.sweep_soon(account_id, again, now + pause)


def _is_swept(entry: Entry | None) -> bool:
    return (
        entry is not None
        and isinstance(entry.trigger, WhenTrue)
        and standing.depends_on_time(entry.trigger.condition)
    )


# ── those who are there already ──────────────────────────────────────────────────────────────────────────────────────


def enroll_present(account_id: int, workflow_id: int, on_since: datetime, after: int = 0) -> int | None:
    """Enroll the next STEP records that are in a lane's status since before `on_since` (R-ACT-12), while that is what its
    trigger asks for. Safe to repeat.

    Returns the last one's id when there may be more, None at the end or when the workflow is no longer on since then.
    """
    held = sql.row(_HELD, [account_id, workflow_id])
    entry = entry_of(account_id, workflow_id, on_since) if held else None
    if held is None or entry is None or not entry.first_step:
        return None
    if held[1] != on_since or not _follows_status(entry, held[0]):
        return None
    found, zone = _present(account_id, entry, held[0], after), _zone(account_id)
    wanted = [
        Wanted(entry, record_id, {"by": "present"}, is_again=entry.is_again, since=on_since)
        for record_id in _refined(entry, found, zone)
    ]
    guards.admit(account_id, wanted, on_since, zone)
    return found[-1] if len(found) == STEP else None


def count_present(
    account_id: int, workflow_id: int, now: datetime, definition: Definition | None = None
) -> int:
    """How many records would enter if the workflow were switched on now with those who are there; of a lane at most
    STEP. Who would be kept out or leave at once does not count. With `definition`: how many if that were published
    (R-WF-22). Raises Invalid when it names what is no more.
    """
    entry = entry_of(account_id, workflow_id, now)
    if entry is None:
        return 0
    if definition is not None:
        entry = Entry(entry.workflow_id, entry.object_type, entry.revision, now, definition)
    held = sql.row("select origin_stage_id from automation_workflow where id = %s", [workflow_id])
    if held is None or definition is not None or not _follows_status(entry, held[0]):
        return switching.count(account_id, entry, now)
    if not entry.first_step:
        return 0
    zone = _zone(account_id)
    there = _refined(entry, _present(account_id, entry, held[0], 0), zone)
    wanted = [Wanted(entry, record_id, {"by": "present"}, is_again=entry.is_again) for record_id in there]
    return len(there) - len(guards.barred(account_id, wanted, now, zone))


def include_present(job: Job) -> None:
    """The rest of what `enroll_present` began, a transaction a step."""
    args = job.args
    workflow_id, on_since = args["workflow"], datetime.fromisoformat(args["on_since"])
    after: int | None = args["after"]
    while after is not None:
        job.give_way()
        with account_scope(job.account_id):
            after = enroll_present(job.account_id, workflow_id, on_since, after)


def take_baseline(job: Job) -> None:
    """What is left of a switching on, a page a transaction. Cancelled by switching off, and by whatever else begins anew."""
    workflow_id, baseline_id = job.args["workflow"], job.args["baseline"]
    is_done = False
    while not is_done:
        job.give_way()
        try:
            with account_scope(job.account_id):
                is_done = baseline.go_on(job.account_id, workflow_id, baseline_id, _zone(job.account_id))
                if is_done:  # time is looked after from now on
                    standing.sweep_soon(job.account_id, [workflow_id], clock.now())
        except baseline.Behind:
            raise Later(timedelta(seconds=2)) from None
        except Invalid:
            with account_scope(job.account_id):
                _give_up(job.account_id, workflow_id, baseline_id)
            return


def _give_up(account_id: int, workflow_id: int, baseline_id: int) -> None:
    """What it is to be switched on with names what is no more: it is off, and says why. Who is inside from before is held
    rather than led past its actions. Unless it was switched off, or published anew, meanwhile."""
    from deskhand.automation import workflows  # it switches on by this

    workflow = Workflow.objects.select_for_update().get(account_id=account_id, pk=workflow_id)
    opening = baseline.progress(account_id, [workflow_id], baseline_id).get(workflow_id)
    if opening is None or not workflow.is_on:
        return
    if opening.is_change:
        workflows.pause(workflow)
    workflows.switch(workflow, False)
    guards.flag(account_id, {workflow_id: guards.SWITCHED_OFF})


def forget_matches(job: Job) -> None:
    """Who met filters that are not listened to any more, a set a transaction."""
    is_more = True
    while is_more:
        job.give_way()
        with account_scope(job.account_id):
            is_more = baseline.forget_some(job.account_id, job.args["baseline"])


# Two who enroll for the same lane go one after the other; what refers to it is not in their way.
_HELD = """
select origin_stage_id, on_since from automation_workflow
where account_id = %s and id = %s and is_on and on_since is not null and archived_at is null
for no key update
"""


def _present(account_id: int, entry: Entry, stage_id: int, after: int) -> list[int]:
    """The next records in the status; those that the lane has had already are left out (R-ACT-11)."""
    facts = {
        "account": account_id, "stage": stage_id, "after": after, "workflow": entry.workflow_id,
        "type": entry.object_type, "every_time": entry.is_again, "on_since": entry.on_since, "limit": STEP,
    }  # fmt: skip
    query = _PRESENT.format(
        table=table_of(entry.object_type),
        this_type=of_this_type(entry.object_type),
        alive="and not t.is_spam and t.merged_into_id is null" if entry.object_type == "ticket" else "",
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


def _follows_status(entry: Entry, stage_id: int | None) -> bool:
    """Whether its trigger still is that of the status's lane: somebody may have changed it in the editor (R-ACT-10)."""
    if stage_id is None or not isinstance(entry.trigger, WhenEvent):
        return False
    asked = [(event.kind, _bare(event.about)) for event in entry.trigger.events]
    return asked == [(event.kind, event.about) for event in triggers.reaching(entry.object_type, stage_id)]


def _bare(condition: Condition | None) -> Condition | None:
    """Without the groups that a form puts around a single filter."""
    while isinstance(condition, AllOf | AnyOf) and len(condition.parts) == 1:
        condition = condition.parts[0]
    return condition


def _refined(entry: Entry, record_ids: Sequence[int], zone: ZoneInfo) -> list[int]:
    refine = entry.trigger.refine if isinstance(entry.trigger, WhenEvent) else None
    if refine is None or not record_ids:
        return list(record_ids)
    now = clock.now()
    return [
        record_id
        for record_id, record in records.load(entry.object_type, list(record_ids)).items()
        if holds(refine, records.LoadedFacts(entry.object_type, record), now=now, zone=zone)
    ]


def _zone(account_id: int) -> ZoneInfo:
    return zone_named(switching.zone_of(account_id))


# ── what is still to be done ─────────────────────────────────────────────────────────────────────────────────────────


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

"""Schedule triggers: at a time, all records that meet the condition enter in sets (R-TRIG-20, R-TRIG-22).

A workflow's timer holds the moment that it rings for. What should have rung while nobody was there is made up for once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.automation.engine.definition import Trigger, WhenDated, WhenScheduled
from deskhand.automation.enrolling import calendar, guards, matching
from deskhand.automation.enrolling.index import Entry, Index, index_of
from deskhand.automation.enrolling.insert import Wanted
from deskhand.crm.filters.types import NOTHING, AllOf, Condition, Filter, Operator
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.kernel.jobs import Job

FIRE = "automation.fire"  # a timer and a slow job
STEP = 2000


def set_clock(account_id: int, workflow_id: int, trigger: Trigger, after: datetime, zone: Any) -> None:
    """Wind up the workflow's timer; it is dropped where the trigger knows no time."""
    at = None
    if isinstance(trigger, WhenScheduled | WhenDated):
        at = calendar.next_fire(trigger, after, zone)
    if at is None:
        timers.drop_timer(account_id, FIRE, str(workflow_id))
        return
    rings = {"at": at.isoformat(), "last": after.isoformat()}
    timers.set_timer(account_id, FIRE, str(workflow_id), at, rings)


def set_clocks(account_id: int, now: datetime) -> None:
    """Wind up all of an account's anew: its zone was changed (R-TRIG-22)."""
    index = index_of(account_id)
    for entry in index.timed if index else ():
        assert index is not None
        set_clock(account_id, entry.workflow_id, entry.trigger, now, index.zone)


def on_due(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """Take the first records of each workflow in; many go on in a slow job. Safe to repeat."""
    index, now = index_of(account_id), clock.now()
    for timer in due:
        entry = index.entries.get(int(timer.key)) if index else None
        if index is None or entry is None or not isinstance(entry.trigger, WhenScheduled | WhenDated):
            continue
        rings = {
            "workflow": entry.workflow_id,
            "at": now.isoformat(),
            **timer.payload,
            "until": now.isoformat(),
        }
        after = _step(account_id, index, entry, rings, 0)
        if after is not None:
            jobs.enqueue(FIRE, rings | {"after": after}, one_by_one=timer.key)
        set_clock(account_id, entry.workflow_id, entry.trigger, now, index.zone)


def go_on(job: Job) -> None:
    """The rest of what `on_due` began, a transaction a step."""
    after: int | None = job.args["after"]
    while after is not None:
        job.give_way()
        with account_scope(job.account_id):
            index = index_of(job.account_id)
            entry = index.entries.get(job.args["workflow"]) if index else None
            if index is None or entry is None:
                return
            after = _step(job.account_id, index, entry, job.args, after)


def _step(account_id: int, index: Index, entry: Entry, rings: Mapping[str, Any], after: int) -> int | None:
    """The next STEP records; returns the last one's id when there may be more."""
    trigger = entry.trigger
    if not isinstance(trigger, WhenScheduled | WhenDated):
        return None
    until = datetime.fromisoformat(rings["until"])
    try:
        condition = meant(entry, trigger, datetime.fromisoformat(rings["last"]), until, index.zone)
        found = matching.page(
            account_id, entry.object_type, condition, until, index.zone, after=after, limit=STEP
        )
    except Invalid:
        guards.flag(account_id, {entry.workflow_id: guards.BROKEN})
        return None
    by = "date" if isinstance(trigger, WhenDated) else "schedule"
    reason = {"by": by, "at": rings["at"]}
    wanted = [Wanted(entry, record_id, reason, is_again=entry.is_again, since=until) for record_id in found]
    guards.admit(account_id, wanted, until, index.zone)
    return found[-1] if len(found) == STEP else None


def meant(
    entry: Entry, trigger: WhenScheduled | WhenDated, last: datetime, until: datetime, zone: ZoneInfo
) -> Condition:
    """Whom a ringing at `until` means, after the one at `last`. Raises Invalid when the date is no more."""
    if isinstance(trigger, WhenScheduled):
        return trigger.condition
    prop = properties_of(entry.object_type).get(trigger.property)
    if prop is None:
        raise Invalid(guards.BROKEN, field="trigger", value=trigger.property)
    first, end = calendar.days_meant(trigger, last, until, zone)
    if end < first:
        return NOTHING
    return AllOf((trigger.condition, Filter(trigger.property, prop.kind, Operator.BETWEEN, (first, end))))

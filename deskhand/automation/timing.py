"""What happens to workflows at a time: they go off after their last day (R-EXEC-8), and unusual rates are told (R-EXEC-9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from deskhand.accounts import audit
from deskhand.accounts.models import Account
from deskhand.automation.engine.definition import Definition
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import find_definition
from deskhand.automation.models import Workflow
from deskhand.events import log as events
from deskhand.events.types import SYSTEM, Actor, NewEvent
from deskhand.kernel import clock, timers
from deskhand.kernel.calendars import start_of_day, zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.kernel.timers import DueTimer

OFF = "automation.off"
RATES = "automation.rates"
LOOK_EVERY = timedelta(minutes=5)
HOUR = timedelta(hours=1)
MOST_PER_HOUR = 1_000_000
BUSY = "workflow.busy"


# ── the last day ─────────────────────────────────────────────────────────────────────────────────────────────────────


def plan(workflow: Workflow, definition: Definition | None) -> None:
    """Ring when the last day of a workflow that is on has passed, if it has one."""
    last = definition.timing.off_after if definition and workflow.is_on else None
    if last is None:
        timers.drop_timer(workflow.account_id, OFF, str(workflow.pk))
        return
    zone = zone_named(Account.objects.values_list("zone", flat=True).get(pk=workflow.account_id))
    timers.set_timer(workflow.account_id, OFF, str(workflow.pk), start_of_day(zone, last + timedelta(days=1)))


def switch_off(account_id: int, due: Sequence[DueTimer]) -> None:
    """The last day of these workflows has passed. Safe to repeat: who moved the day meanwhile moved the timer."""
    from deskhand.automation import workflows  # it plans these timers

    for workflow in Workflow.objects.filter(
        account_id=account_id, pk__in=[int(timer.key) for timer in due], is_on=True, archived_at=None
    ):
        definition = find_definition(account_id, workflow.pk, workflow.revision_number)
        if definition is None:  # the timer is spent: the next revision sets its own
            guards.flag(account_id, {workflow.pk: guards.UNREADABLE})
            continue
        zone = zone_named(Account.objects.values_list("zone", flat=True).get(pk=account_id))
        last = definition.timing.off_after
        if last is not None and start_of_day(zone, last + timedelta(days=1)) <= clock.now():
            workflows.switch(workflow, False)


# ── what its owner is told of ────────────────────────────────────────────────────────────────────────────────────────


def alert(workflow: Workflow, *, errors: bool = True, rate_per_hour: int | None = None, by: Actor) -> None:
    """Choose what the workflow's owner is told of: failed steps, and more than so many enrollments an hour (R-EXEC-9)."""
    if rate_per_hour is not None and not 1 <= rate_per_hour <= MOST_PER_HOUR:
        raise Invalid("A rate is 1 to 1,000,000 an hour.", field="rate_per_hour", value=rate_per_hour)
    current = Workflow.objects.select_for_update().get(account_id=workflow.account_id, pk=workflow.pk)
    before = {"errors": True} | current.alerts
    current.alerts = {"errors": errors} | ({"rate_per_hour": rate_per_hour} if rate_per_hour else {})
    if current.alerts == before:
        return
    current.save(update_fields=["alerts"])
    if rate_per_hour:
        timers.set_timer(current.account_id, RATES, "", clock.now() + LOOK_EVERY)
    audit.record(
        "workflow.alerts_changed", by=by, target_type="workflow", target_id=current.pk, before=before,
        after=current.alerts,
    )  # fmt: skip


def look_at_rates(account_id: int, due: Sequence[DueTimer]) -> None:
    """Every few minutes, as long as somebody asks for it: an hour's enrollments past what was said are told, once an hour."""
    now = clock.now()
    watched = list(
        Workflow.objects.filter(
            account_id=account_id, alerts__has_key="rate_per_hour", is_on=True, archived_at=None
        ).order_by("id")
    )
    if not Workflow.objects.filter(
        account_id=account_id, alerts__has_key="rate_per_hour", archived_at=None
    ).exists():
        return
    told: dict[str, Any] = due[-1].payload.get("told", {})
    told = {key: at for key, at in told.items() if at > (now - HOUR).timestamp()}
    busy = [one for one in watched if str(one.pk) not in told and _is_busy(one)]
    events.record_many(
        [
            NewEvent(BUSY, "workflow", one.pk, 0, SYSTEM, now,
                     {"name": one.name, "rate": one.alerts["rate_per_hour"], "owner_id": one.owner_id})
            for one in busy
        ]
    )  # fmt: skip
    told |= {str(one.pk): now.timestamp() for one in busy}
    timers.set_timer(account_id, RATES, "", now + LOOK_EVERY, {"told": told})


def _is_busy(workflow: Workflow) -> bool:
    """Costs what the rate is, however many ever enrolled."""
    since = clock.now() - HOUR
    rate = workflow.alerts["rate_per_hour"]
    found = sql.row(_COUNT, [workflow.account_id, workflow.pk, since, rate + 1])
    return found is not None and found[0] > rate


_COUNT = """
select count(*) from (
    select from automation_enrollment where account_id = %s and workflow_id = %s and enrolled_at > %s order by enrolled_at desc limit %s
) x
"""

"""What happens to workflows at a time: they go off after their last day (R-EXEC-8), and unusual rates are told (R-EXEC-9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

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
CHANGED = "workflow.pace_changed"
DAY = timedelta(days=1)
USUAL = 7  # days before the last one that say what is usual
FEWEST = 10  # enrollments a day, then or now, below which a change is chance
MOST_PERCENT = 10_000


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


def alert(
    workflow: Workflow,
    *,
    errors: bool = True,
    rate_per_hour: int | None = None,
    rate_change: int | None = None,
    by: Actor,
) -> None:
    """Choose what the workflow's owner is told of: failed steps, more than so many enrollments an hour, and a day with
    `rate_change` percent more or fewer than the days before it had (R-EXEC-9)."""
    if rate_change is not None and not 1 <= rate_change <= MOST_PERCENT:
        raise Invalid("A change is 1 to 10,000 percent.", field="rate_change", value=rate_change)
    if rate_per_hour is not None and not 1 <= rate_per_hour <= MOST_PER_HOUR:
        raise Invalid("A rate is 1 to 1,000,000 an hour.", field="rate_per_hour", value=rate_per_hour)
    current = Workflow.objects.select_for_update().get(account_id=workflow.account_id, pk=workflow.pk)
    before = {"errors": True} | current.alerts
    current.alerts = {"errors": errors} | ({"rate_per_hour": rate_per_hour} if rate_per_hour else {})
    current.alerts |= {"rate_change": rate_change} if rate_change else {}
    if current.alerts == before:
        return
    current.save(update_fields=["alerts"])
    if rate_per_hour or rate_change:
        timers.hold_timer(
            current.account_id, RATES, ""
        )  # a look that is under way notes first what it has told
        known = timers.waiting(current.account_id, RATES)
        timers.set_timer(current.account_id, RATES, "", clock.now() + LOOK_EVERY, known[0] if known else None)
    audit.record(
        "workflow.alerts_changed", by=by, target_type="workflow", target_id=current.pk, before=before,
        after=current.alerts,
    )  # fmt: skip


def look_at_rates(account_id: int, due: Sequence[DueTimer]) -> None:
    """Every few minutes, as long as somebody asks for it: an hour's enrollments past what was said are told once an hour,
    another pace than usual, which is looked for once an hour, once a day."""
    now = clock.now()
    asked = Workflow.objects.filter(
        account_id=account_id, alerts__has_any_keys=["rate_per_hour", "rate_change"], archived_at=None
    )
    watched = list(asked.filter(is_on=True).order_by("id"))
    if not watched and not asked.exists():
        return
    known = due[-1].payload
    told = _lately(known.get("told", {}), now - HOUR)
    busy = _busy(account_id, [one for one in watched if str(one.pk) not in told], now)
    paced, looked_at = _lately(known.get("paced", {}), now - DAY), known.get("looked_at", 0.0)
    changed: dict[int, int] = {}
    if looked_at <= (now - HOUR).timestamp():
        looked_at = now.timestamp()
        changed = _other_than_usual(account_id, [one for one in watched if str(one.pk) not in paced], now)
    events.record_many(
        [
            NewEvent(BUSY, "workflow", one.pk, 0, SYSTEM, now,
                     {"name": one.name, "rate": one.alerts["rate_per_hour"], "owner_id": one.owner_id})
            for one in busy
        ] + [
            NewEvent(CHANGED, "workflow", one.pk, 0, SYSTEM, now,
                     {"name": one.name, "number": changed[one.pk], "owner_id": one.owner_id})
            for one in watched if one.pk in changed
        ]
    )  # fmt: skip
    told |= {str(one.pk): now.timestamp() for one in busy}
    paced |= {str(pk): now.timestamp() for pk in changed}
    kept = {"told": told, "paced": paced, "looked_at": looked_at}
    timers.set_timer(account_id, RATES, "", now + LOOK_EVERY, kept)


def _lately(moments: Mapping[str, float], since: datetime) -> dict[str, float]:
    return {key: at for key, at in moments.items() if at > since.timestamp()}


def _other_than_usual(account_id: int, watched: Sequence[Workflow], now: datetime) -> dict[int, int]:
    """{workflow: the enrollments of the last day} where they differ by more than was said from a day of the week before.
    One query; what has not been on for so long has nothing usual yet."""
    since = now - (USUAL + 1) * DAY
    asked = {
        one.pk: one.alerts["rate_change"]
        for one in watched
        if "rate_change" in one.alerts and one.on_since is not None and one.on_since <= since
    }
    if not asked:
        return {}
    counted = {
        pk: (last, rest / USUAL)
        for pk, last, rest in sql.rows(_DAYS, [now - DAY, now - DAY, account_id, [*asked], since])
    }
    found = {}
    for pk, percent in asked.items():
        last, usual = counted.get(pk, (0, 0.0))
        if max(last, usual) >= FEWEST and abs(last - usual) * 100 >= percent * usual:
            found[pk] = last
    return found


_DAYS = """
select workflow_id, count(*) filter (where enrolled_at > %s), count(*) filter (where enrolled_at <= %s)
from automation_enrollment where account_id = %s and workflow_id = any(%s) and enrolled_at > %s group by workflow_id
"""


def _busy(account_id: int, watched: Sequence[Workflow], now: datetime) -> list[Workflow]:
    """Those that enrolled more than was said within the hour. One query; it costs what the rates are, however many ever
    enrolled."""
    rates = {one.pk: one.alerts["rate_per_hour"] for one in watched if "rate_per_hour" in one.alerts}
    if not rates:
        return []
    asked = [[*rates], [*rates.values()], account_id, now - HOUR]
    found = {workflow_id for (workflow_id,) in sql.rows(_BUSY, asked)}
    return [one for one in watched if one.pk in found]


_BUSY = """
select x.workflow from unnest(%s::bigint[], %s::int[]) x(workflow, rate)
where x.rate < (select count(*) from (
    select from automation_enrollment e where e.account_id = %s and e.workflow_id = x.workflow and e.enrolled_at > %s
    order by e.enrolled_at desc limit x.rate + 1) n)
"""

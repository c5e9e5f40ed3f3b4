"""Schedules: when they fire, and who enters then (behaviour.md §10.4)."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.accounts.models import Account
from deskhand.automation import workflows
from deskhand.automation.engine.definition import Every, WhenDated, WhenScheduled
from deskhand.automation.enrolling import schedules
from deskhand.automation.enrolling.calendar import days_meant, next_fire
from deskhand.automation.models import Enrollment, Workflow
from deskhand.automation.tests.enrolling_cases import has, office
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.records import objects, tickets
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, timers
from deskhand.testing.fixtures import NOON
from deskhand.testing.jobs import run_jobs

__all__ = ["office"]
ZONES = [ZoneInfo(name) for name in ("Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC", "Africa/Cairo")]  # fmt: skip
MINUTE = timedelta(minutes=1)
HIGH = has("hs_ticket_priority", "HIGH")

moments = st.integers(0, 7 * 366 * 24 * 60).map(
    lambda minutes: datetime(2023, 1, 1, tzinfo=UTC) + minutes * MINUTE
)
schedules_ = st.builds(
    WhenScheduled, st.just(EVERYTHING), st.sampled_from(Every), st.integers(0, 1439),
    st.sets(st.integers(0, 6), min_size=1).map(tuple), st.integers(1, 31), st.integers(1, 12),
)  # fmt: skip


def is_meant(trigger, day):
    """Slow and obvious."""
    last = monthrange(day.year, day.month)[1]
    match trigger.every:
        case Every.DAY:
            return True
        case Every.WEEK:
            return day.weekday() in trigger.weekdays
        case Every.MONTH:
            return day.day == min(trigger.day, last)
        case Every.YEAR:
            return day.month == trigger.month and day.day == min(trigger.day, last)


def first_shown(zone, day, minute):
    """The first minute of the day's neighbourhood at which the wall shows this time of this day, or a later one."""
    wanted = datetime.combine(day, time()) + minute * MINUTE
    at = wanted.replace(tzinfo=UTC) - timedelta(hours=26)
    while at.astimezone(zone).replace(tzinfo=None) < wanted:
        at += MINUTE
    return at


@given(schedules_, moments, st.sampled_from(ZONES))
def test_the_next_time_is_the_first_that_the_calendar_has(trigger, after, zone):
    found = next_fire(trigger, after, zone)
    today = after.astimezone(zone).date()
    days = (today + timedelta(days=n) for n in range(367))
    expected = next(
        at
        for day in days
        if is_meant(trigger, day) and (at := first_shown(zone, day, trigger.minute)) > after
    )

    assert found == expected


@given(moments, moments, st.integers(-400, 400), st.integers(0, 1439), st.sampled_from(ZONES))
def test_each_day_is_meant_once_however_long_nobody_was_there(one, other, days, minute, zone):
    """From ring to ring, with some rings missed, all days come and none comes twice."""
    trigger = WhenDated(EVERYTHING, "closed_date", days, minute)
    start, end = sorted((one, one + timedelta(days=other.timestamp() % 9, hours=3)))
    middle = next_fire(trigger, start, zone)
    end = max(end, middle)
    whole, first, second = (
        days_meant(trigger, since, until, zone)
        for since, until in ((start, end), (start, middle), (middle, end))
    )

    assert first[0] == whole[0]
    assert first[0] == first[1]
    assert second[0] == first[1] + timedelta(days=1)
    assert max(second[1], first[1]) == whole[1]


def test_a_week_without_days_never_fires():
    assert next_fire(WhenScheduled(EVERYTHING, Every.WEEK, 540), NOON, ZONES[0]) is None


def test_a_ring_on_a_skipped_hour_comes_when_the_clocks_jump():
    trigger = WhenScheduled(EVERYTHING, Every.DAY, 150)  # 02:30, which 29 March lacks
    found = next_fire(trigger, datetime(2026, 3, 28, 12, tzinfo=UTC), ZONES[0])

    assert found == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


# ── at work ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def ring(flow):
    """The workflow's timer, as the loop finds it now."""
    payload = timers.waiting(flow.account_id, schedules.FIRE)[0]
    at = datetime.fromisoformat(payload["at"])
    timer = timers.DueTimer(1, flow.account_id, schedules.FIRE, str(flow.pk), at, payload)
    with clock.stopped(max(at, clock.now())):
        schedules.on_due(flow.account_id, [timer])
    return at


def test_all_who_meet_the_filters_enter_at_the_time_of_the_accounts_zone_R_TRIG_20_R_TRIG_22(world, office):
    Account.objects.filter(pk=world.account.pk).update(zone="America/New_York")
    high = [world.ticket(priority="HIGH").pk for _ in range(3)]
    world.ticket(priority="LOW")
    flow = office.flow(WhenScheduled(HIGH, Every.DAY, 9 * 60))
    at = ring(flow)

    assert at == datetime(2026, 11, 16, 14, 0, tzinfo=UTC)
    assert sorted(office.inside()) == high
    assert Enrollment.objects.first().reason == {"by": "schedule", "at": at.isoformat()}
    assert datetime.fromisoformat(
        timers.waiting(world.account.pk, schedules.FIRE)[0]["at"]
    ) == at + timedelta(days=1)


@pytest.mark.parametrize(("again", "times"), [(False, 1), (True, 2)])
def test_the_next_ring_enrolls_again_only_where_that_is_chosen_R_RE_1(world, office, again, times):
    world.ticket(priority="HIGH")
    flow = office.flow(WhenScheduled(HIGH, Every.DAY, 9 * 60), again=again)
    for _ in range(2):
        with office.at(ring(flow) + MINUTE):
            Enrollment.objects.update(state="ENDED", ended_at=NOON)

    assert len(office.inside()) == times


def test_what_was_missed_is_done_once(world, office):
    world.ticket(priority="HIGH")
    flow = office.flow(WhenScheduled(HIGH, Every.DAY, 9 * 60), again=True)
    with office.at(NOON + timedelta(days=10)):
        ring(flow)
        assert len(office.inside()) == 1
        [rings] = timers.waiting(world.account.pk, schedules.FIRE)
        assert datetime.fromisoformat(rings["at"]) > clock.now()


def test_many_go_on_in_a_slow_job_and_nobody_enters_twice(world, office, monkeypatch):
    monkeypatch.setattr(schedules, "STEP", 2)
    new = [NewTicket(f"T {n}", priority="HIGH") for n in range(5)]
    there = [one.id for one in tickets.create_many(new, by=SYSTEM)]
    flow = office.flow(WhenScheduled(HIGH, Every.MONTH, 9 * 60, day=31), again=True)
    ring(flow)
    assert office.inside() == there[:2]

    run_jobs()
    assert office.inside() == there


def test_off_or_with_another_trigger_no_clock_rings(world, office):
    from dataclasses import replace

    from deskhand.automation.engine.definition import Manual

    flow = office.flow(WhenScheduled(HIGH, Every.DAY, 540))
    assert timers.waiting(world.account.pk, schedules.FIRE)
    manual = replace(workflows.definition_of(flow), trigger=Manual())
    flow = workflows.save(flow, manual)
    assert timers.waiting(world.account.pk, schedules.FIRE) == []

    workflows.save(flow, replace(manual, trigger=WhenScheduled(HIGH, Every.DAY, 540)))
    workflows.switch(Workflow.objects.get(), False)
    assert timers.waiting(world.account.pk, schedules.FIRE) == []


def test_another_zone_winds_the_clocks_up_anew_R_TRIG_22(world, office):
    office.flow(WhenScheduled(HIGH, Every.DAY, 540))
    before = timers.waiting(world.account.pk, schedules.FIRE)
    Account.objects.filter(pk=world.account.pk).update(zone="Asia/Tokyo")
    schedules.set_clocks(world.account.pk, NOON)

    assert timers.waiting(world.account.pk, schedules.FIRE) != before


def test_a_records_own_date_lets_it_in_days_before_or_after_R_TRIG_20(world, office):
    """Three days before the due date; what was missed while nobody was there is made up for."""
    made = {
        day: objects.create("project", {"hs_name": f"P {day}", "hs_target_due_date": date(2026, 11, day)}, by=SYSTEM).id
        for day in (19, 20, 22, 23)
    }  # fmt: skip
    flow = office.flow(WhenDated(EVERYTHING, "hs_target_due_date", -3, 15 * 60), object_type="project")
    at = ring(flow)  # on the 16th at 15:00
    assert (at.day, office.inside()) == (16, [made[19]])

    with office.at(datetime(2026, 11, 19, 20, tzinfo=UTC)):
        ring(flow)
    assert sorted(office.inside()) == sorted([made[19], made[20], made[22]])
    assert Enrollment.objects.last().reason["by"] == "date"

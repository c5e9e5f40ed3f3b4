"""Working hours against a slow, obvious reading: minute by minute, what does a clock on the wall show?

The obvious reading knows nothing of skipped or repeated hours: a block is the time from the first minute at which the
wall shows its start, or something later, to the first at which it shows its end so. It is asked over the years 2011 to
2026 in zones that change their clocks in every way there is. `make calendars` draws many more examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.kernel.calendars import (
    HORIZON,
    Block,
    SpecialDay,
    WeeklyHours,
    add_working,
    is_open,
    next_edge,
    next_open,
    open_between,
    working_between,
)
from deskhand.kernel.errors import Invalid

EXAMPLES = int(os.environ.get("DESKHAND_CALENDAR_EXAMPLES", "40"))
FIRST, LAST = datetime(2011, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ZONES = [
    "UTC",
    "Europe/Oslo",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Africa/Casablanca",  # winter time in Ramadan
    "Asia/Kathmandu",
    "Pacific/Apia",  # a day that never was
    "America/Sao_Paulo",  # at midnight
    "Antarctica/Troll",  # two hours
    "America/St_Johns",  # at one minute past midnight, until 2011
    "Pacific/Chatham",
    "Africa/Cairo",
    "Asia/Beirut",
]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


# ── the slow, obvious reading ────────────────────────────────────────────────────────────────────────────────────────


@cache
def transitions(zone: str) -> tuple[datetime, ...]:
    """Every moment between FIRST and LAST at which the clocks of a zone change: found by asking hour by hour."""
    found, moment = [], FIRST - DAY
    before = offset(zone, moment)
    while moment < LAST + DAY:
        moment += HOUR
        if offset(zone, moment) != before:
            found.append(_exactly(zone, moment - HOUR, moment))
            before = offset(zone, moment)
    return tuple(found)


def _exactly(zone: str, low: datetime, high: datetime) -> datetime:
    """Minute by minute: the first at which the offset is the later one. No zone of these changes within a minute."""
    later, moment = offset(zone, high), low
    while offset(zone, moment) != later:
        moment += MINUTE
    return moment


def offset(zone: str, at: datetime) -> timedelta:
    found = at.astimezone(ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


def wall(zone: str, at: datetime) -> datetime:
    """What a clock on the wall shows."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def first_shown(zone: str, day: date, minute: int) -> datetime:
    """The first moment at which a wall shows that time of the day, or a later one: minute by minute.

    The walk begins where the wall would show it with the clocks as far ahead as they are on any of these days.
    """
    wanted = datetime.combine(day, time()) + minute * MINUTE
    moment = wanted.replace(tzinfo=UTC) - _furthest_ahead(zone, day)
    while wall(zone, moment) < wanted:
        moment += MINUTE
    return moment


@cache
def _furthest_ahead(zone: str, day: date) -> timedelta:
    midnight = datetime.combine(day, time(), UTC)
    return max(offset(zone, midnight + hour * HOUR) for hour in range(-16, 41))


def slow_intervals(hours: WeeklyHours, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """All that is open between two moments, day by day, in order and joined."""
    special = {one.day: one.hours for one in hours.special_days}
    found: list[tuple[datetime, datetime]] = []
    day, last = (start - 2 * DAY).date(), (end + 2 * DAY).date()
    pieces = []
    while day <= last:
        weekly = [(block.start, block.end) for block in hours.blocks if block.weekday == day.weekday()]
        for opens, closes in special.get(day, weekly):
            opened, closed = first_shown(hours.zone, day, opens), first_shown(hours.zone, day, closes)
            if opened < closed:
                pieces.append((opened, closed))
        day += DAY
    for opened, closed in sorted(pieces):
        if found and opened <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], closed))
        else:
            found.append((opened, closed))
    return found


def slow_is_open(hours: WeeklyHours, at: datetime) -> bool:
    return any(opened <= at < closed for opened, closed in slow_intervals(hours, at, at))


def slow_edges(hours: WeeklyHours, start: datetime, end: datetime) -> Iterator[datetime]:
    for opened, closed in slow_intervals(hours, start, end):
        yield from (edge for edge in (opened, closed) if start < edge <= end)


def slow_between(hours: WeeklyHours, start: datetime, end: datetime) -> timedelta:
    pieces = slow_intervals(hours, start, end)
    return sum((max(min(c, end) - max(o, start), timedelta(0)) for o, c in pieces), timedelta(0))


def slow_added(hours: WeeklyHours, start: datetime, span: timedelta, within: timedelta) -> datetime | None:
    """Piece by piece until the span is used up; None when it is not, within that time."""
    if not span:
        return start
    for opened, closed in slow_intervals(hours, start, start + within):
        here = max(opened, start)
        if closed <= here:
            continue
        if closed - here >= span:
            return here + span
        span -= closed - here
    return None


# ── examples ─────────────────────────────────────────────────────────────────────────────────────────────────────────

moments = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(
    lambda one: one.replace(tzinfo=UTC, microsecond=0)
)


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and a moment of it, mostly within two days of a change of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    changes = transitions(zone)
    if not changes or draw(st.integers(0, 3)) == 0:
        return zone, draw(moments)
    away = draw(st.integers(-2 * 24 * 60, 2 * 24 * 60))
    return zone, draw(st.sampled_from(changes)) + away * MINUTE + timedelta(seconds=draw(st.integers(0, 59)))


minutes = st.one_of(
    st.integers(0, 1440), st.sampled_from([0, 1, 30, 60, 90, 119, 120, 121, 150, 180, 1380, 1439, 1440])
)
ranges = st.tuples(minutes, minutes).filter(lambda pair: pair[0] < pair[1])


@st.composite
def weeks(draw: st.DrawFn, zone: str, around: datetime) -> WeeklyHours:
    blocks = draw(st.lists(st.tuples(st.integers(0, 6), ranges), min_size=1, max_size=9))
    days = draw(st.lists(st.integers(-3, 3), max_size=3, unique=True))
    special = [
        SpecialDay(wall(zone, around).date() + day * DAY, tuple(draw(st.lists(ranges, max_size=2))))
        for day in days
    ]
    return WeeklyHours(zone, tuple(Block(day, *pair) for day, pair in blocks), tuple(special))


@st.composite
def cases(draw: st.DrawFn) -> tuple[WeeklyHours, datetime]:
    zone, at = draw(near_a_change())
    return draw(weeks(zone, at)), at


slowly = settings(max_examples=EXAMPLES, deadline=None)


# ── the two agree ────────────────────────────────────────────────────────────────────────────────────────────────────


@slowly
@given(cases())
def test_open_and_the_next_edges_as_a_slow_reading_has_them(case):
    """R-AVAIL-3..5, R-AVAIL-16"""
    hours, at = case

    assert is_open(hours, at) == slow_is_open(hours, at)
    expected = next(slow_edges(hours, at, at + 20 * DAY), None)
    found = next_edge(hours, at)
    assert (found if found and found <= at + 20 * DAY else None) == expected


@slowly
@given(cases())
def test_the_next_opening_as_a_slow_reading_has_it(case):
    """R-DELAY-9"""
    hours, at = case
    openings = [max(o, at) for o, c in slow_intervals(hours, at, at + HORIZON) if c > at]
    if openings and openings[0] <= at + HORIZON:
        assert next_open(hours, at) == openings[0]
    else:
        with pytest.raises(Invalid):
            next_open(hours, at)


@slowly
@given(cases(), st.integers(0, 12 * 24 * 60))
def test_time_between_as_a_slow_reading_has_it(case, later):
    """R-SLA-24"""
    hours, at = case
    end = at + later * MINUTE

    assert working_between(hours, at, end) == slow_between(hours, at, end)
    assert working_between(hours, end + MINUTE, at) == timedelta(0)
    pieces = [(max(o, at), min(c, end)) for o, c in slow_intervals(hours, at, end)]
    assert open_between(hours, at, end) == [(o, c) for o, c in pieces if o < c]


@slowly
@given(cases(), st.integers(0, 40 * 60))
def test_time_added_as_a_slow_reading_has_it(case, span):
    """R-DELAY-9, R-SLA-24"""
    hours, at = case
    expected = slow_added(hours, at, span * MINUTE, 45 * DAY)

    if expected is not None:
        assert add_working(hours, at, span * MINUTE) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_the_clocks_in_years_is_met_once(zone):
    """R-AVAIL-16: beside each change of a zone's clocks, blocks that end, begin and lie in the hours it moves."""
    blocks = ((0, 1440), (0, 60), (30, 150), (120, 180), (150, 1380), (540, 1020), (1380, 1440))
    week = [Block(day, *blocks[day]) for day in range(7)]
    for number, change in enumerate(transitions(zone)):
        turned = tuple(Block((block.weekday + number) % 7, block.start, block.end) for block in week)
        hours = WeeklyHours(zone, turned)
        start, end = change - DAY, change + DAY
        assert working_between(hours, start, end) == slow_between(hours, start, end), change
        for seconds in (-3600, -60, -1, 0, 1, 60, 3599, 3600, 5400, 7200):
            at = change + timedelta(seconds=seconds)
            assert is_open(hours, at) == slow_is_open(hours, at), (change, seconds)
            assert next_edge(hours, at) == next(slow_edges(hours, at, at + 9 * DAY)), (change, seconds)


def test_the_zones_change_their_clocks_as_often_as_is_told_of_them():
    """The reading above meets them: two a year, Ramadan's four, and none."""
    counts = {zone: len(transitions(zone)) for zone in ZONES}

    assert counts["Europe/Oslo"] == 32
    assert counts["Asia/Kathmandu"] == counts["UTC"] == 0
    assert counts["Africa/Casablanca"] > 40

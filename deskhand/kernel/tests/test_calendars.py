"""Working hours: a table of days that clocks change, and the laws the arithmetic obeys everywhere."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deskhand.kernel.calendars import (
    ALWAYS,
    Block,
    SpecialDay,
    WeeklyHours,
    add_working,
    is_open,
    next_edge,
    next_open,
    start_of_day,
    wall_time,
    working_between,
)
from deskhand.kernel.errors import Invalid

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
NINE_TO_FIVE = tuple(Block(day, 9 * 60, 17 * 60) for day in (MON, TUE, WED, THU, FRI))
OSLO = WeeklyHours("Europe/Oslo", NINE_TO_FIVE)

# Zones with whole, half and quarter hours, changes at midnight, a day that never was, and none at all.
ZONES = [
    "UTC",
    "Europe/Oslo",
    "America/New_York",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "America/St_Johns",
]


def at(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize("day", [(2026, 3, 27), (2026, 3, 30), (2026, 10, 23), (2026, 10, 26)])
def test_hours_are_wall_clock_in_the_zone_across_summer_time(day):
    """T-AV-1, R-AVAIL-3, R-AVAIL-16"""
    assert not is_open(OSLO, at("Europe/Oslo", *day, 8, 59))
    assert is_open(OSLO, at("Europe/Oslo", *day, 9, 0))
    assert is_open(OSLO, at("Europe/Oslo", *day, 16, 59))
    assert not is_open(OSLO, at("Europe/Oslo", *day, 17, 0))


def test_an_end_of_absence_on_saturday_leads_to_monday_morning():
    """T-AV-3: no hours on Saturday"""
    assert next_open(OSLO, at("Europe/Oslo", 2026, 10, 24, 12, 0)) == at("Europe/Oslo", 2026, 10, 26, 9, 0)


def test_an_hour_from_half_past_four_ends_the_next_working_morning():
    """T-SLA-1, R-SLA-24"""
    due = add_working(OSLO, at("Europe/Oslo", 2026, 11, 20, 16, 30), timedelta(hours=1))

    assert due == at("Europe/Oslo", 2026, 11, 23, 9, 30)


def test_a_span_that_fills_the_day_ends_at_its_close_and_not_at_the_next_opening():
    due = add_working(OSLO, at("Europe/Oslo", 2026, 11, 19, 9, 0), timedelta(hours=8))

    assert due == at("Europe/Oslo", 2026, 11, 19, 17, 0)


@pytest.mark.parametrize(
    ("day", "hours"),
    [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)],
)
def test_a_day_round_the_clock_has_the_hours_the_zone_gives_it(day, hours):
    always = WeeklyHours("Europe/Oslo", ALWAYS)
    morning = at("Europe/Oslo", *day)
    next_morning = start_of_day(ZoneInfo("Europe/Oslo"), date(*day) + timedelta(days=1))

    assert working_between(always, morning, next_morning) == timedelta(hours=hours)


def test_a_block_that_the_clocks_skip_is_no_working_time():
    skipped = WeeklyHours("Europe/Oslo", (Block(SUN, 2 * 60 + 15, 2 * 60 + 45),))
    sunday, monday = at("Europe/Oslo", 2026, 3, 29), at("Europe/Oslo", 2026, 3, 30)

    assert working_between(skipped, sunday, monday) == timedelta(0)
    assert next_open(skipped, sunday) == at("Europe/Oslo", 2026, 4, 5, 2, 15)


def test_a_block_that_starts_in_the_skipped_hour_starts_at_the_skip():
    early = WeeklyHours("Europe/Oslo", (Block(SUN, 2 * 60 + 30, 4 * 60),))

    assert next_open(early, at("Europe/Oslo", 2026, 3, 29)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert working_between(
        early, at("Europe/Oslo", 2026, 3, 29), at("Europe/Oslo", 2026, 3, 30)
    ) == timedelta(hours=1)


def test_an_hour_that_comes_twice_is_worked_twice_inside_a_block():
    night = WeeklyHours("Europe/Oslo", (Block(SUN, 0, 6 * 60),))

    assert working_between(
        night, at("Europe/Oslo", 2026, 10, 25), at("Europe/Oslo", 2026, 10, 26)
    ) == timedelta(hours=7)


def test_a_day_that_never_was_is_skipped():
    apia = WeeklyHours("Pacific/Apia", ALWAYS)
    thursday, saturday = at("Pacific/Apia", 2011, 12, 29), at("Pacific/Apia", 2011, 12, 31)

    assert wall_time(ZoneInfo("Pacific/Apia"), date(2011, 12, 30), 600) == saturday
    assert working_between(apia, thursday, saturday) == timedelta(hours=24)


def test_a_midnight_that_comes_twice_opens_its_day_the_first_time():
    """Newfoundland put its clocks back from 00:01 to 23:01 of the day before."""
    sunday = WeeklyHours("America/St_Johns", (Block(SUN, 0, 60),))
    saturday_again = at("America/St_Johns", 2010, 11, 6, 23, 30, fold=1)

    assert is_open(sunday, saturday_again)
    assert next_edge(sunday, saturday_again) == at("America/St_Johns", 2010, 11, 7, 1, 0)


def test_midnight_that_the_clocks_skip_starts_the_day_an_hour_later():
    assert start_of_day(ZoneInfo("Asia/Beirut"), date(2022, 3, 27)) == at("Asia/Beirut", 2022, 3, 27, 1, 0)


def test_special_days_replace_the_hours_of_their_weekday():
    hours = WeeklyHours(
        "Europe/Oslo",
        NINE_TO_FIVE,
        (SpecialDay(date(2026, 12, 25)), SpecialDay(date(2026, 12, 26), ((600, 720), (780, 840)))),
    )

    assert not is_open(hours, at("Europe/Oslo", 2026, 12, 25, 10, 0))
    assert is_open(hours, at("Europe/Oslo", 2026, 12, 26, 10, 0))
    assert not is_open(hours, at("Europe/Oslo", 2026, 12, 26, 12, 30))
    assert next_edge(hours, at("Europe/Oslo", 2026, 12, 26, 12, 30)) == at("Europe/Oslo", 2026, 12, 26, 13, 0)


def test_edges_alternate_between_opening_and_closing():
    """R-AVAIL-4, R-AVAIL-5"""
    friday = at("Europe/Oslo", 2026, 11, 20, 12, 0)
    closing = next_edge(OSLO, friday)

    assert closing == at("Europe/Oslo", 2026, 11, 20, 17, 0)
    assert next_edge(OSLO, closing) == at("Europe/Oslo", 2026, 11, 23, 9, 0)


def test_night_work_in_two_blocks_has_no_edge_at_midnight():
    night = WeeklyHours("Europe/Oslo", (Block(MON, 22 * 60, 24 * 60), Block(TUE, 0, 6 * 60)))

    assert next_edge(night, at("Europe/Oslo", 2026, 11, 16, 23, 0)) == at("Europe/Oslo", 2026, 11, 17, 6, 0)


@pytest.mark.parametrize("hours", [WeeklyHours("UTC"), WeeklyHours("UTC", ALWAYS)])
def test_hours_that_never_change_have_no_edge(hours):
    assert next_edge(hours, at("UTC", 2026, 11, 20)) is None


def test_hours_without_working_time_are_refused_where_it_matters():
    empty = WeeklyHours("UTC")

    with pytest.raises(Invalid, match="60 days"):
        next_open(empty, at("UTC", 2026, 11, 20))
    with pytest.raises(Invalid, match="60 days"):
        add_working(empty, at("UTC", 2026, 11, 20), timedelta(minutes=1))
    assert working_between(empty, at("UTC", 2026, 11, 20), at("UTC", 2027, 11, 20)) == timedelta(0)


@pytest.mark.parametrize("block", [(7, 0, 60), (-1, 0, 60), (0, 60, 60), (0, 0, 1441), (0, -1, 60)])
def test_impossible_blocks_are_refused(block):
    with pytest.raises(Invalid):
        Block(*block)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_unknown_zones_are_refused(zone):
    with pytest.raises(Invalid, match="time zone"):
        WeeklyHours(zone)


@st.composite
def weekly_hours(draw: st.DrawFn) -> WeeklyHours:
    def block(draw: st.DrawFn, weekday: int) -> Block:
        start = draw(st.integers(0, 1380))
        return Block(weekday, start, draw(st.integers(start + 60, 1440)))

    days = draw(st.lists(st.integers(0, 6), min_size=1, max_size=8))
    blocks = tuple(block(draw, weekday) for weekday in days)
    special = tuple(
        SpecialDay(day) for day in draw(st.lists(st.sampled_from(HOLIDAYS), max_size=2, unique=True))
    )
    return WeeklyHours(draw(st.sampled_from(ZONES)), blocks, special)


HOLIDAYS = [date(2011, 12, 31), date(2022, 3, 27), date(2022, 10, 30), date(2026, 12, 25)]
BEGINNINGS = [
    datetime(2010, 10, 30, tzinfo=UTC),
    datetime(2011, 12, 20, tzinfo=UTC),
    datetime(2022, 3, 20, tzinfo=UTC),
    datetime(2022, 10, 20, tzinfo=UTC),
]
moments = st.builds(
    lambda day, later: day + later,
    st.sampled_from(BEGINNINGS),
    st.timedeltas(timedelta(0), timedelta(days=18)),
)
spans = st.timedeltas(timedelta(0), timedelta(hours=20))


@given(weekly_hours(), moments, spans)
@example(
    WeeklyHours("Pacific/Apia", (Block(FRI, 0, 1440),)),
    datetime(2011, 12, 29, tzinfo=UTC),
    timedelta(hours=30),
)
def test_adding_and_measuring_are_inverse(hours, start, span):
    assert working_between(hours, start, add_working(hours, start, span)) == span


@given(weekly_hours(), moments, spans, spans)
def test_more_working_time_never_ends_earlier(hours, start, span, more):
    assert add_working(hours, start, span) <= add_working(hours, start, span + more)


@given(weekly_hours(), moments, spans, spans)
def test_a_later_start_never_ends_earlier(hours, start, wait, span):
    assert add_working(hours, start, span) <= add_working(hours, start + wait, span)


@given(weekly_hours(), moments, spans, spans)
def test_time_measured_in_two_parts_is_the_whole(hours, start, first, second):
    middle, end = start + first, start + first + second

    whole = working_between(hours, start, end)

    assert whole == working_between(hours, start, middle) + working_between(hours, middle, end)
    assert timedelta(0) <= whole <= end - start


@given(weekly_hours(), moments)
def test_nothing_changes_before_the_next_edge_and_everything_at_it(hours, moment):
    edge = next_edge(hours, moment)

    assert edge is not None
    assert edge > moment
    assert is_open(hours, edge - timedelta(microseconds=1)) == is_open(hours, moment)
    assert is_open(hours, edge) != is_open(hours, moment)
    assert working_between(hours, moment, edge) == (edge - moment if is_open(hours, moment) else timedelta(0))


@given(weekly_hours(), moments)
def test_the_next_opening_is_open_and_nothing_before_it_is(hours, moment):
    opening = next_open(hours, moment)

    assert is_open(hours, opening)
    assert working_between(hours, moment, opening) == timedelta(0)


@given(st.sampled_from(ZONES), moments.map(datetime.date), st.integers(0, 1439), st.integers(0, 1439))
def test_wall_times_of_a_day_keep_their_order(zone, day, one, other):
    early, late = sorted((one, other))

    assert wall_time(ZoneInfo(zone), day, early) <= wall_time(ZoneInfo(zone), day, late)

"""Status by hours, absence and hand, at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing import edges
from deskhand.routing.edges import Absence, Facts, Manual, State
from deskhand.routing.types import Source, Status

OSLO = ZoneInfo("Europe/Oslo")
WEEK = WeeklyHours("Europe/Oslo", tuple(Block(weekday, 9 * 60, 17 * 60) for weekday in range(5)))
AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY


def oslo(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=OSLO).astimezone(UTC)


def at(facts: Facts, moment: datetime) -> Status:
    return edges.state_at(facts, moment).status


@pytest.mark.parametrize("monday", [(3, 23), (3, 30), (10, 19), (10, 26), (11, 16)])
def test_hours_are_wall_clock_hours_on_both_sides_of_a_clock_change(monday):
    """T-AV-1, R-AVAIL-3..5, R-AVAIL-16. The clocks change on 29 March and on 25 October 2026."""
    facts = Facts(WEEK)

    assert at(facts, oslo(*monday, 8, 59)) is AWAY
    assert at(facts, oslo(*monday, 9)) is AVAILABLE
    assert at(facts, oslo(*monday, 16, 59)) is AVAILABLE
    assert at(facts, oslo(*monday, 17)) is AWAY


def test_the_next_edge_follows_the_wall_clock_over_a_clock_change():
    facts = Facts(WEEK)

    assert edges.next_edge(facts, oslo(3, 27, 17)) == oslo(3, 30, 9)
    assert oslo(3, 30, 9) - oslo(3, 27, 17) == timedelta(hours=63)  # one of the weekend's hours is skipped


def test_a_status_set_by_hand_holds_until_the_next_edge():
    """T-AV-2, R-AVAIL-6."""
    facts = Facts(WEEK, manual=Manual(AVAILABLE, oslo(11, 16, 18)))

    assert edges.state_at(facts, oslo(11, 17, 8, 59)) == State(AVAILABLE, Source.MANUAL)
    assert edges.state_at(facts, oslo(11, 17, 9)) == State(AVAILABLE, Source.HOURS)
    assert at(facts, oslo(11, 17, 17)) is AWAY


def test_away_by_hand_ends_when_the_day_does():
    facts = Facts(WEEK, manual=Manual(AWAY, oslo(11, 16, 10)))

    assert at(facts, oslo(11, 16, 16)) is AWAY
    assert at(facts, oslo(11, 17, 9)) is AVAILABLE


def test_an_absence_that_ends_outside_hours_leaves_the_user_away():
    """T-AV-3, R-AVAIL-7, R-AVAIL-8. 21 November 2026 is a Saturday."""
    facts = Facts(WEEK, (Absence(oslo(11, 18, 9), oslo(11, 21, 12)),))

    assert edges.state_at(facts, oslo(11, 18, 9)) == State(AWAY, Source.OUT_OF_OFFICE)
    assert edges.state_at(facts, oslo(11, 21, 12)) == State(AWAY, Source.HOURS)
    assert at(facts, oslo(11, 23, 8, 59)) is AWAY
    assert at(facts, oslo(11, 23, 9)) is AVAILABLE


def test_an_absence_that_ends_inside_hours_makes_available():
    """R-AVAIL-7."""
    facts = Facts(WEEK, (Absence(oslo(11, 16, 9), oslo(11, 16, 13)),))

    assert at(facts, oslo(11, 16, 12, 59)) is AWAY
    assert at(facts, oslo(11, 16, 13)) is AVAILABLE


def test_one_may_come_back_by_hand_during_an_absence():
    """R-AVAIL-9: until the working day ends, as after any edge."""
    facts = Facts(WEEK, (Absence(oslo(11, 16, 0), oslo(11, 21, 0)),), Manual(AVAILABLE, oslo(11, 17, 10)))

    assert at(facts, oslo(11, 17, 16)) is AVAILABLE
    assert at(facts, oslo(11, 17, 17)) is AWAY
    assert at(facts, oslo(11, 18, 10)) is AWAY


def test_without_hours_only_the_hand_counts_and_nobody_is_available_at_first():
    """R-AVAIL-14."""
    later = oslo(11, 16, 8)

    assert edges.state_at(Facts(), later) == State(AWAY, Source.NONE)
    assert edges.next_edge(Facts(), later) is None
    assert at(Facts(manual=Manual(AVAILABLE, later)), later + timedelta(days=400)) is AVAILABLE


def test_without_hours_an_absence_ends_in_available():
    """R-AVAIL-7."""
    facts = Facts(absences=(Absence(oslo(11, 16, 9), oslo(11, 17, 9)),), manual=Manual(AWAY, oslo(11, 1, 9)))

    assert edges.state_at(facts, oslo(11, 17, 9)) == State(AVAILABLE, Source.OUT_OF_OFFICE)


def test_edges_missed_while_nobody_looked_are_told_one_by_one():
    """R-AVAIL-18."""
    seen = list(edges.passed(Facts(WEEK), oslo(11, 16, 8), oslo(11, 17, 9)))

    assert [(moment, state.status) for moment, state in seen] == [
        (oslo(11, 16, 9), AVAILABLE),
        (oslo(11, 16, 17), AWAY),
        (oslo(11, 17, 9), AVAILABLE),
    ]


moments = st.integers(0, 21 * 24 * 60).map(lambda minutes: oslo(3, 20, 0) + timedelta(minutes=minutes))
absences = st.tuples(moments, moments).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Absence(*pair))
manuals = st.none() | st.builds(Manual, st.sampled_from(Status), moments)


@given(
    st.sampled_from([None, WEEK]),
    st.lists(absences, max_size=3),
    manuals,
    moments,
    st.floats(0, 0.999),
)
def test_between_two_edges_nothing_changes(hours, away, manual, moment, part):
    facts = Facts(hours, tuple(away), manual)
    edge = edges.next_edge(facts, moment) or moment + timedelta(days=400)
    if manual is not None and moment < manual.at < edge:
        edge = manual.at

    assert edges.state_at(facts, moment + (edge - moment) * part) == edges.state_at(facts, moment)


# ── against a walk, minute by minute ─────────────────────────────────────────────────────────────────────────────────

MINUTE = timedelta(minutes=1)
STARTS = [oslo(3, 27, 0), oslo(10, 23, 0), oslo(11, 16, 0)]  # clocks go forward, back, and not at all
WALKED = 5 * 24 * 60


def walked(facts: Facts, start: datetime, minutes: int) -> tuple[list[State], set[datetime]]:
    """The status of each minute and the edges, read off a clock on the wall; nothing was before the start."""
    states, edges_met, hand, was_open = [], set(), None, False
    for number in range(minutes):
        at = start + number * MINUTE
        open_now = facts.hours is not None and shows_work(facts.hours, at)
        is_edge = open_now != was_open and number > 0
        is_edge |= any(at in (absence.start, absence.end) for absence in facts.absences)
        if is_edge:
            edges_met.add(at)
            hand = None
        if facts.manual is not None and facts.manual.at == at:
            hand = facts.manual
        was_open = open_now
        states.append(by_the_day(facts, at, open_now) if hand is None else State(hand.status, Source.MANUAL))
    return states, edges_met


def shows_work(hours: WeeklyHours, at: datetime) -> bool:
    shown = at.astimezone(ZoneInfo(hours.zone))
    minute = shown.hour * 60 + shown.minute
    return any(
        block.weekday == shown.weekday() and block.start <= minute < block.end for block in hours.blocks
    )


def by_the_day(facts: Facts, at: datetime, open_now: bool) -> State:
    """What nobody set by hand."""
    if any(absence.start <= at < absence.end for absence in facts.absences):
        return State(AWAY, Source.OUT_OF_OFFICE)
    if facts.hours is not None:
        return State(AVAILABLE if open_now else AWAY, Source.HOURS)
    if any(absence.end <= at for absence in facts.absences):
        return State(AVAILABLE, Source.OUT_OF_OFFICE)
    return State()


@st.composite
def lives(draw: st.DrawFn) -> tuple[Facts, datetime]:
    """Some days of somebody: hours of several blocks, absences that overlap, and a hand."""
    start = draw(st.sampled_from(STARTS))
    minutes = st.integers(1, WALKED - 1).map(lambda minute: start + minute * MINUTE)
    away = draw(st.lists(st.tuples(minutes, minutes).filter(lambda one: one[0] < one[1]), max_size=3))
    times = st.integers(4 * 60, 1440)  # the hours that clocks move are the calendars' matter
    ranges = st.tuples(times, times).filter(lambda one: one[0] < one[1])
    blocks = draw(st.lists(st.tuples(st.integers(0, 6), ranges), max_size=8))
    hours = (
        WeeklyHours("Europe/Oslo", tuple(Block(day, *pair) for day, pair in blocks))
        if blocks and draw(st.booleans())
        else None
    )
    manual = draw(st.none() | st.builds(Manual, st.sampled_from(Status), minutes))
    return Facts(hours, tuple(Absence(*one) for one in away), manual), start


@settings(max_examples=40, deadline=None)
@given(lives(), st.lists(st.integers(1, WALKED - 1), min_size=20, max_size=20))
def test_a_walk_through_every_minute_sees_the_same(life, asked):
    """R-AVAIL-2..9, R-AVAIL-14, R-AVAIL-16, R-AVAIL-18"""
    facts, start = life
    states, met = walked(facts, start, WALKED)
    last = start + (WALKED - 1) * MINUTE

    beside = [int((edge - start) / MINUTE) + step for edge in met for step in (-1, 0, 1)]
    for minute in {*asked, *beside} & set(range(WALKED)):
        at = start + minute * MINUTE
        assert edges.state_at(facts, at) == states[minute], at
        following = edges.next_edge(facts, at)
        expected = min((edge for edge in met if edge > at), default=None)
        assert (following if following and following <= last else None) == expected, at
        if facts.manual is None or facts.manual.at <= at:
            here = enumerate(states[minute:], minute)
            other = next((n for n, state in here if state.status is not states[minute].status), None)
            changes_at = edges.next_change(facts, at)
            found = changes_at if changes_at and changes_at <= last else None
            assert found == (None if other is None else start + other * MINUTE), at
    told = [(edge, state) for edge, state in edges.passed(facts, start, last)]
    assert told == [(edge, states[int((edge - start) / MINUTE)]) for edge in sorted(met)]

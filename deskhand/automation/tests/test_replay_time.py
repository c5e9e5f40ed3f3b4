"""What time alone brings about in a replay: rings, and conditions that turn without any event."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.automation.engine.definition import Every, Reenrollment, WhenDated, WhenScheduled, WhenTrue
from deskhand.automation.replay import time_alone
from deskhand.automation.tests.test_replay import BILLING, HIGH, MONDAY, OLD, TICK, play, sets, task
from deskhand.automation.tests.test_replay import life as life  # a fixture
from deskhand.crm.filters.evaluate import RecordFacts, holds
from deskhand.crm.filters.types import AllOf, Associated, Filter, Operator, Span, Unit, Window
from deskhand.crm.records import store
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel.calendars import zone_named

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = ("UTC", "Europe/Copenhagen", "Australia/Lord_Howe")
CHEF = Filter("jobtitle", Kind.TEXT, Operator.ANY_OF, ("Chef",))


def entered(runs):
    return [(one.record_id, one.entered_at) for one in runs]


# ── turning, purely ──────────────────────────────────────────────────────────────────────────────────────────────────

minutes = st.integers(-20 * 24 * 60, 20 * 24 * 60).map(lambda n: MONDAY + timedelta(minutes=n))
spans = st.builds(Span, st.integers(1, 12), st.sampled_from((Unit.DAY, Unit.WEEK)))
relative = st.sampled_from(
    (Operator.LESS_THAN_AGO, Operator.MORE_THAN_AGO, Operator.LESS_THAN_AHEAD, Operator.MORE_THAN_AHEAD)
)


@given(
    st.sampled_from((Kind.DATE, Kind.DATETIME)),
    st.one_of(st.tuples(relative, spans), st.tuples(st.just(Operator.WITHIN), st.sampled_from(Window))),
    minutes, minutes, st.sampled_from(ZONES),
)  # fmt: skip
def test_at_each_turn_and_at_no_other_moment_the_answer_changes(kind, how, value, after, name):
    operator, compared = how
    leaf, zone = Filter("when", kind, operator, (compared,)), zone_named(name)
    facts = RecordFacts({"when": value.date() if kind is Kind.DATE else value})
    until, at = after + 9 * DAY, after
    found = []
    while (at := time_alone.next_turn(leaf, facts, at, until, zone)) is not None:
        found.append(at)
    hours = [after + n * 3 * HOUR for n in range(72)]
    for one, following in pairwise(hours):
        if not any(one < turn <= following for turn in found):
            assert holds(leaf, facts, now=one, zone=zone) == holds(leaf, facts, now=following, zone=zone)
    for turn in found:
        before, then = (holds(leaf, facts, now=now, zone=zone) for now in (turn - TICK, turn))
        assert before != then


def test_a_date_that_is_none_turns_nothing():
    for value in (None, "soon", date(2026, 3, 2)):
        facts = RecordFacts({"createdate": value})
        assert time_alone.next_turn(OLD, facts, MONDAY, MONDAY + 30 * DAY, zone_named("UTC")) is None


# ── rings ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ring_means_those_who_were_there_and_met_it_then(life):
    """R-TRIG-20: by what stood at each ring, not by what stands now."""
    flow = life.flow(WhenScheduled(HIGH, Every.DAY, 12 * 60), task(1), reenrollment=Reenrollment(True))
    early = life.do(MONDAY, lambda: life.world.ticket(priority="HIGH"))
    late = life.do(MONDAY + 30 * HOUR, lambda: life.world.ticket(priority="HIGH"))  # Tuesday, 15:00
    life.do(MONDAY + 32 * HOUR, lambda: life.set(early, priority="LOW"))
    life.do(MONDAY + 60 * HOUR, lambda: life.set(late, priority="LOW"))
    _effects, runs = play(flow, MONDAY + 70 * HOUR)
    noon = MONDAY + 3 * HOUR
    assert entered(runs) == [(early.pk, noon), (early.pk, noon + DAY), (late.pk, noon + 2 * DAY)]
    assert runs[0].reason == {"by": "schedule", "at": noon.isoformat()}


def test_a_ring_sees_linked_records_as_they_were(life):
    flow = life.flow(WhenScheduled(Associated("contact", CHEF), Every.DAY, 12 * 60), task(1), reenrollment=Reenrollment(True))  # fmt: skip
    contact = life.world.contact()
    ticket = life.do(MONDAY, lambda: life.world.ticket(contact_id=contact.pk))

    def becomes(title):
        store.change("contact", contact.pk, {"jobtitle": title}, by=Actor.user(life.world.ada.pk))

    life.do(MONDAY + HOUR, lambda: becomes("Chef"))
    life.do(MONDAY + DAY, lambda: becomes("Waiter"))
    _effects, runs = play(flow, MONDAY + 3 * DAY)
    assert entered(runs) == [(ticket.pk, MONDAY + 3 * HOUR)]


def test_a_ring_by_date_takes_the_date_that_stood_then(life):
    flow = life.flow(WhenDated(AllOf(), "closed_date", -1, 12 * 60), task(1), reenrollment=Reenrollment(True))
    ticket = life.do(MONDAY, lambda: life.world.ticket())
    life.do(MONDAY + HOUR, lambda: life.set(ticket, closed_at=MONDAY + DAY))
    life.do(MONDAY + 5 * HOUR, lambda: life.set(ticket, closed_at=MONDAY + 3 * DAY))
    _effects, runs = play(flow, MONDAY + 6 * DAY)
    assert entered(runs) == [(ticket.pk, MONDAY + 3 * HOUR), (ticket.pk, MONDAY + 2 * DAY + 3 * HOUR)]
    assert {one.reason["by"] for one in runs} == {"date"}


def test_a_ring_takes_what_the_draft_itself_would_have_changed(life):
    """The first ring gives LOW, so the second finds nobody; really nothing ever ran."""
    flow = life.flow(WhenScheduled(HIGH, Every.DAY, 12 * 60), sets(1, hs_ticket_priority="LOW"), reenrollment=Reenrollment(True))  # fmt: skip
    life.do(MONDAY, lambda: life.world.ticket(priority="HIGH"))
    _effects, runs = play(flow, MONDAY + 3 * DAY)
    assert [one.entered_at for one in runs] == [MONDAY + 3 * HOUR]


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", [12, 36, 60]), ("Europe/Copenhagen", [11, 35, 58])],  # the clocks go on an hour on March 29
)
def test_rings_follow_the_clock_on_the_wall(zone, hours):
    """R-TRIG-22"""
    since = datetime(2026, 3, 27, tzinfo=UTC)
    trigger = WhenScheduled(HIGH, Every.DAY, 12 * 60)
    found = list(time_alone.rings(trigger, since, since + 3 * DAY, zone_named(zone)))
    assert found == [since + n * HOUR for n in hours]


# ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_was_made_before_the_time_that_is_replayed_still_comes_by_time(life):
    flow = life.flow(WhenTrue(OLD), task(1))
    old = life.do(MONDAY, lambda: life.world.ticket())
    older = life.do(MONDAY + HOUR, lambda: life.world.ticket())
    life.do(MONDAY + 7 * DAY, lambda: None)
    _effects, runs = play(flow, MONDAY + 7 * DAY, since=MONDAY + 2 * DAY + HOUR / 2)
    assert entered(runs) == [(older.pk, MONDAY + 2 * DAY + HOUR + TICK)]
    _effects, runs = play(flow, MONDAY + 7 * DAY)
    assert [pk for pk, _at in entered(runs)] == [old.pk, older.pk]


def test_a_date_that_was_moved_since_counts_as_it_stood_then(life):
    soon = Filter("closed_date", Kind.DATETIME, Operator.LESS_THAN_AHEAD, (Span(1, Unit.HOUR),))
    flow = life.flow(WhenTrue(soon), task(1), reenrollment=Reenrollment(True))
    ticket = life.do(MONDAY - 2 * DAY, lambda: life.world.ticket())
    life.do(MONDAY - 2 * DAY + HOUR, lambda: life.set(ticket, closed_at=MONDAY + 5 * HOUR))
    life.do(MONDAY + 8 * HOUR, lambda: life.set(ticket, closed_at=MONDAY + 90 * DAY))
    _effects, runs = play(flow, MONDAY + DAY)
    assert entered(runs) == [(ticket.pk, MONDAY + 4 * HOUR + TICK)]


def test_time_turns_what_a_linked_record_says(life):
    young = Associated("contact", Filter("createdate", Kind.DATETIME, Operator.MORE_THAN_AGO, (Span(1, Unit.DAY),)))  # fmt: skip
    flow = life.flow(WhenTrue(AllOf((BILLING, young))), task(1))
    contact = life.do(MONDAY, lambda: life.world.contact())
    ticket = life.do(MONDAY + HOUR, lambda: life.world.ticket(category="BILLING_ISSUE", contact_id=contact.pk))  # fmt: skip
    life.do(MONDAY + HOUR, lambda: life.world.ticket(contact_id=contact.pk))
    _effects, runs = play(flow, MONDAY + 4 * DAY)
    assert entered(runs) == [(ticket.pk, contact.created_at + DAY + TICK)]

"""The account's own ways of being away (R-AVAIL-17)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.routing import availability, away_states
from deskhand.routing.edges import State
from deskhand.routing.models import Availability, AvailabilityChange
from deskhand.routing.types import Source, Status

from .conftest import NOON

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY


@pytest.fixture
def pause(desk):
    return away_states.define(desk.id, " Break ", by=SYSTEM).pk


@pytest.fixture
def meeting(desk):
    return away_states.define(desk.id, "Meeting", by=SYSTEM).pk


def go(desk, state, minutes=0, note="", status=AWAY):
    return availability.set_by_hand(
        desk.id, desk.ada, status, by=Actor.user(desk.ada), away_state_id=state, note=note,
        now=NOON + timedelta(minutes=minutes),
    )  # fmt: skip


def state_of(desk, minutes=0):
    return availability.states(desk.id, [desk.ada], NOON + timedelta(minutes=minutes))[desk.ada]


def test_each_way_of_being_away_counts_as_away(desk, pause):
    desk.rule(user_ids=[desk.ada, desk.bob])

    assert go(desk, pause, note=" Coffee ") == State(AWAY, Source.MANUAL, pause, "Coffee")
    assert state_of(desk).away_state_id == pause
    assert desk.arrivals(3) == [desk.bob] * 3


def test_the_next_edge_ends_it(desk, pause):
    """R-AVAIL-6."""
    lunch = WeeklyHours("UTC", (Block(NOON.weekday(), 11 * 60, 13 * 60),))
    availability.set_hours(desk.id, desk.ada, lunch, by=SYSTEM)
    go(desk, pause)

    assert state_of(desk, 59).away_state_id == pause
    assert state_of(desk, 60) == State(AWAY, Source.HOURS)


def test_coming_back_ends_it(desk, pause):
    go(desk, pause, note="Coffee")

    assert go(desk, None, 5, status=AVAILABLE) == State(AVAILABLE, Source.MANUAL)
    assert state_of(desk, 5) == State(AVAILABLE, Source.MANUAL)


def test_an_absence_that_has_begun_ends_it(desk, pause):
    go(desk, pause)
    availability.set_out_of_office(desk.id, desk.ada, NOON, NOON + timedelta(days=1), by=SYSTEM)

    assert state_of(desk) == State(AWAY, Source.OUT_OF_OFFICE)


def test_who_loses_their_hours_stays_away_in_the_same_way(desk, pause):
    """R-AVAIL-14."""
    lunch = WeeklyHours("UTC", (Block(NOON.weekday(), 11 * 60, 13 * 60),))
    availability.set_hours(desk.id, desk.ada, lunch, by=SYSTEM)
    go(desk, pause)
    availability.set_hours(desk.id, desk.ada, None, by=SYSTEM)

    assert state_of(desk).away_state_id == pause


def test_every_change_is_kept_and_told(desk, pause, meeting):
    """R-AVAIL-18: from a break straight into a meeting, too; away they went once."""
    AvailabilityChange.objects.all().delete()
    EventRow.objects.all().delete()
    go(desk, pause, 0)
    go(desk, pause, 1)
    go(desk, meeting, 2, note="Planning")

    kept = AvailabilityChange.objects.order_by("id").values_list("from_status", "away_state_id", "note")
    assert list(kept) == [("AVAILABLE", pause, ""), ("AWAY", meeting, "Planning")]
    told = [(e.data["from"], e.data["away_state_id"]) for e in EventRow.objects.order_by("id")]
    assert told == [("AVAILABLE", pause), ("AWAY", meeting)]
    assert Availability.objects.get(user_id=desk.ada).since == NOON


def test_only_what_the_account_defines_can_be_chosen(desk, pause):
    away_states.archive(desk.id, pause, by=SYSTEM)
    for unknown in (pause, 10**9):
        with pytest.raises(Invalid) as refused:
            go(desk, unknown)
        assert refused.value.field == "away_state_id"


def test_who_is_available_is_so_in_one_way_only(desk, pause):
    for state, note in ((pause, ""), (None, "Why not")):
        with pytest.raises(Invalid):
            go(desk, state, note=note, status=AVAILABLE)


def test_names_are_there_once_and_archived_ones_are_free(desk, pause, meeting):
    assert [state.name for state in away_states.present(desk.id)] == ["Break", "Meeting"]
    with pytest.raises(Conflict):
        away_states.define(desk.id, "Break", by=SYSTEM)
    with pytest.raises(Conflict):
        away_states.rename(desk.id, meeting, "Break", by=SYSTEM)
    with pytest.raises(Invalid):
        away_states.define(desk.id, "  ", by=SYSTEM)

    away_states.archive(desk.id, pause, by=SYSTEM)
    away_states.rename(desk.id, meeting, "Break", by=SYSTEM)

    assert [state.name for state in away_states.present(desk.id)] == ["Break"]
    with pytest.raises(NotFound):
        away_states.archive(desk.id, pause, by=SYSTEM)
    assert AuditEntry.objects.filter(action=away_states.CHANGED).count() == 4


def test_who_is_away_in_an_archived_way_stays_so(desk, pause):
    go(desk, pause)
    away_states.archive(desk.id, pause, by=SYSTEM)

    assert state_of(desk).away_state_id == pause

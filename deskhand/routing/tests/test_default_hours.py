"""The account's working hours: for who has none of their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import DueTimer
from deskhand.routing import availability, default_hours
from deskhand.routing.availability import EDGE
from deskhand.routing.models import Availability, WorkingHours
from deskhand.routing.types import Source, Status

from .conftest import NOON

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY
OFFICE = WeeklyHours("Europe/Oslo", tuple(Block(weekday, 9 * 60, 17 * 60) for weekday in range(5)))
NIGHT = WeeklyHours("Europe/Oslo", (Block(0, 20 * 60, 24 * 60),))
EVENING = datetime(2026, 11, 16, 16, tzinfo=UTC)  # 17:00 in Oslo, on the Monday of NOON


def ring(desk, at=NOON):
    """The timer loop takes what is due and calls the handler."""
    timers = list(Timer.objects.filter(account_id=desk.id, kind=EDGE, due_at__lte=at))
    due = [DueTimer(one.pk, desk.id, one.kind, one.key, one.due_at, {}) for one in timers]
    Timer.objects.filter(pk__in=[one.pk for one in timers]).delete()
    with clock.stopped(at):
        availability.on_edges(desk.id, due)


def state(desk, user_id, at=NOON):
    found = availability.states(desk.id, [user_id], at)[user_id]
    return found.status, found.source


@pytest.fixture
def desk(desk):
    """Nobody has set a status yet."""
    Availability.objects.all().delete()
    return desk


@pytest.fixture
def shared(desk):
    """It is Monday noon, and nobody has hours of their own."""
    default_hours.change(desk.id, OFFICE, by=SYSTEM, now=NOON)
    ring(desk)
    return desk


def test_who_has_none_of_their_own_works_by_them(shared):
    """R-AVAIL-3, R-AVAIL-4, R-AVAIL-5"""
    assert state(shared, shared.ada) == (AVAILABLE, Source.HOURS)
    ring(shared, EVENING)
    assert state(shared, shared.ada, EVENING) == (AWAY, Source.HOURS)
    assert availability.hours_of(shared.id, shared.ada) == OFFICE
    assert not availability.has_own_hours(shared.id, shared.ada)


def test_ones_own_hours_go_before_them(shared):
    availability.set_hours(shared.id, shared.ada, NIGHT, by=SYSTEM, now=NOON)
    assert state(shared, shared.ada) == (AWAY, Source.HOURS)

    default_hours.change(shared.id, WeeklyHours("Europe/Oslo", (Block(0, 0, 1440),)), by=SYSTEM, now=NOON)
    ring(shared)

    assert availability.hours_of(shared.id, shared.ada) == NIGHT
    assert state(shared, shared.ada) == (AWAY, Source.HOURS)


def test_by_hand_only_stays_possible(shared):
    """R-AVAIL-14: who wants no hours keeps the present status until they change it."""
    availability.set_hours(shared.id, shared.ada, None, by=SYSTEM, now=NOON)

    assert availability.hours_of(shared.id, shared.ada) is None
    assert state(shared, shared.ada, EVENING) == (AVAILABLE, Source.MANUAL)
    default_hours.follow(shared.id, shared.ada, by=SYSTEM, now=EVENING)
    assert state(shared, shared.ada, EVENING) == (AWAY, Source.HOURS)


def test_what_was_set_by_hand_holds_until_the_next_edge(desk):
    """R-AVAIL-6: nine o'clock had passed when there were no hours yet."""
    early = datetime(2026, 11, 16, 7, tzinfo=UTC)
    availability.set_by_hand(desk.id, desk.ada, AWAY, by=Actor.user(desk.ada), now=early)

    default_hours.change(desk.id, OFFICE, by=SYSTEM, now=NOON)
    ring(desk)

    assert state(desk, desk.ada) == (AWAY, Source.MANUAL)
    assert state(desk, desk.bob) == (AVAILABLE, Source.HOURS)
    assert Availability.objects.get(user_id=desk.ada).until == EVENING


def test_without_them_again_everybody_stays_as_they_are(shared):
    default_hours.change(shared.id, None, by=SYSTEM, now=NOON)
    ring(shared)

    assert default_hours.of(shared.id) is None
    assert state(shared, shared.ada, EVENING) == (AVAILABLE, Source.MANUAL)


def test_who_comes_later_works_by_them_too(shared):
    Availability.objects.filter(user_id=shared.bob).delete()

    default_hours.have_come(shared.id, [shared.bob], NOON)
    ring(shared)

    assert state(shared, shared.bob) == (AVAILABLE, Source.HOURS)


def test_a_change_costs_the_same_for_few_and_for_many(desk, django_assert_num_queries):
    with django_assert_num_queries(14):
        default_hours.change(desk.id, OFFICE, by=SYSTEM, now=NOON)
    assert Timer.objects.filter(kind=EDGE).count() >= 2


def test_a_change_is_audited_once(shared):
    default_hours.change(shared.id, OFFICE, by=SYSTEM, now=NOON)

    entry = AuditEntry.objects.get(action=default_hours.CHANGED)
    assert (entry.before, entry.after["zone"]) == ({}, "Europe/Oslo")
    assert entry.after["hours"][0] == [0, 540, 1020]
    assert not WorkingHours.objects.exists()

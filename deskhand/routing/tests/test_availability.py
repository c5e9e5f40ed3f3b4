"""Availability as stored: verbs, timers, log and events."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from deskhand.accounts.models import Plan
from deskhand.accounts.policy import viewer_for
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import DueTimer
from deskhand.routing import availability, queries
from deskhand.routing.availability import CHANGED, EDGE
from deskhand.routing.models import Availability, AvailabilityChange
from deskhand.routing.queries import OwnStatus
from deskhand.routing.types import Source, Status

from .conftest import NOON

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY
OFFICE = WeeklyHours("Europe/Oslo", tuple(Block(weekday, 9 * 60, 17 * 60) for weekday in range(5)))
EVENING = datetime(2026, 11, 16, 16, tzinfo=UTC)  # 17:00 in Oslo
MORNING = datetime(2026, 11, 17, 8, tzinfo=UTC)  # 9:00 there


@pytest.fixture
def office(desk):
    """Ada works from nine to five in Oslo; it is Monday noon."""
    availability.set_hours(desk.id, desk.ada, OFFICE, by=Actor.user(desk.ada))
    AvailabilityChange.objects.all().delete()
    EventRow.objects.all().delete()
    return desk


def timer_of(desk):
    return Timer.objects.filter(account_id=desk.id, kind=EDGE, key=str(desk.ada)).first()


def ring(desk, at):
    """The timer loop takes the due timer away and calls the handler."""
    timer = timer_of(desk)
    assert timer.due_at <= at
    due = DueTimer(timer.pk, desk.id, timer.kind, timer.key, timer.due_at, {})
    timer.delete()
    with clock.stopped(at):
        availability.on_edges(desk.id, [due])


def log_of(desk):
    changes = AvailabilityChange.objects.filter(user_id=desk.ada).order_by("id")
    return [(change.at, change.to_status, change.source, change.actor_kind) for change in changes]


def test_the_timer_carries_over_the_edge_and_sets_the_next(office):
    """T-AV-1, R-AVAIL-4, R-AVAIL-5, R-AVAIL-18."""
    ring(office, EVENING)
    ring(office, MORNING + timedelta(seconds=3))

    assert log_of(office) == [
        (EVENING, AWAY, Source.HOURS, "system"),
        (MORNING, AVAILABLE, Source.HOURS, "system"),
    ]
    assert timer_of(office).due_at == EVENING + timedelta(days=1)


@pytest.mark.parametrize("friday", [datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)])
def test_t_av_1_hours_of_oslo_bring_and_take_across_a_clock_change(desk, friday):
    """T-AV-1, R-AVAIL-3..5, R-AVAIL-16: nine to five there, on the Friday before the clocks change and the Monday after."""
    zone = ZoneInfo("Europe/Oslo")
    monday = friday + timedelta(days=3)
    expected = []
    with clock.stopped(friday):
        availability.set_hours(desk.id, desk.ada, OFFICE, by=Actor.user(desk.ada))
    for day in (friday, monday):
        shown = {
            text: datetime.combine(day, time.fromisoformat(text), zone).astimezone(UTC)
            for text in ("08:59", "09:00", "16:59", "17:00")
        }
        there = {text: queries.is_available(desk.id, desk.ada, at) for text, at in shown.items()}
        assert there == {"08:59": False, "09:00": True, "16:59": True, "17:00": False}
        for text in ("09:00", "17:00"):
            ring(desk, shown[text])
            stored = Availability.objects.get(user_id=desk.ada)
            expected.append((shown[text], AVAILABLE if text == "09:00" else AWAY, Source.HOURS, "system"))
            assert (stored.status, stored.source) == expected[-1][1:3]

    assert log_of(desk)[-4:] == expected


def test_t_av_2_available_by_hand_in_the_evening_holds_until_the_next_edge(office):
    """T-AV-2, R-AVAIL-6: set at 18:00, it lasts the night, and the day that begins at nine ends it."""
    ring(office, EVENING)
    office.set(AVAILABLE, "ada", now=EVENING + timedelta(hours=1))

    assert timer_of(office).due_at == MORNING
    assert Availability.objects.get(user_id=office.ada).source == Source.MANUAL
    assert queries.is_available(office.id, office.ada, MORNING - timedelta(seconds=1))
    ring(office, MORNING)
    assert Availability.objects.get(user_id=office.ada).source == Source.HOURS
    ring(office, EVENING + timedelta(days=1))
    assert not queries.is_available(office.id, office.ada, EVENING + timedelta(days=1, hours=1))
    assert log_of(office) == [
        (EVENING, AWAY, Source.HOURS, "system"),
        (EVENING + timedelta(hours=1), AVAILABLE, Source.MANUAL, "user"),
        (EVENING + timedelta(days=1), AWAY, Source.HOURS, "system"),
    ]


def test_t_av_3_an_absence_that_ends_on_saturday_leaves_away_until_monday(office):
    """T-AV-3, R-AVAIL-8: back on Saturday at 12:00, where there are no hours, so on Monday at 9:00."""
    saturday, monday = datetime(2026, 11, 21, 11, tzinfo=UTC), datetime(2026, 11, 23, 8, tzinfo=UTC)
    availability.set_out_of_office(
        office.id, office.ada, NOON + timedelta(hours=1), saturday, by=Actor.user(office.ada)
    )
    ring(office, saturday)

    assert not queries.is_available(office.id, office.ada, saturday)
    assert timer_of(office).due_at == monday
    assert not queries.is_available(office.id, office.ada, monday - timedelta(minutes=1))
    ring(office, monday)
    assert queries.is_available(office.id, office.ada, monday)
    assert log_of(office)[-1] == (monday, AVAILABLE, Source.HOURS, "system")


def test_each_change_is_an_event_in_order(office):
    ring(office, EVENING)
    ring(office, MORNING)

    told = EventRow.objects.filter(kind=CHANGED, object_id=office.ada).order_by("id")
    assert [(event.data["from"], event.data["to"]) for event in told] == [
        (AVAILABLE, AWAY),
        (AWAY, AVAILABLE),
    ]
    assert told[1].version == told[0].version + 1


def test_ringing_twice_changes_nothing_more(office):
    ring(office, EVENING)
    ring_again = DueTimer(0, office.id, EDGE, str(office.ada), EVENING, {})
    with clock.stopped(EVENING):
        availability.on_edges(office.id, [ring_again])

    assert len(log_of(office)) == 1


def test_a_timer_that_comes_days_late_tells_every_edge_at_its_time(office):
    """R-AVAIL-18."""
    ring(office, MORNING + timedelta(days=1))

    assert [(at, to) for at, to, *_ in log_of(office)] == [
        (EVENING, AWAY),
        (MORNING, AVAILABLE),
        (EVENING + timedelta(days=1), AWAY),
        (MORNING + timedelta(days=1), AVAILABLE),
    ]


def test_reading_needs_no_timer(office):
    """The stored status is worked out again once its edge has passed."""
    assert queries.is_available(office.id, office.ada, EVENING - timedelta(seconds=1))
    assert not queries.is_available(office.id, office.ada, EVENING)
    agents = {agent.user_id: agent.is_available for agent in queries.agents_with_state(office.id, EVENING)}
    assert (agents[office.ada], agents[office.bob]) == (False, True)


def test_routing_sees_the_edge_before_the_timer_does(office):
    """R-AVAIL-4."""
    office.rule(user_ids=[office.ada])

    with clock.stopped(EVENING):
        assert office.arrivals() == [None]
    with clock.stopped(MORNING):
        assert office.arrivals() == [office.ada]


def test_a_status_set_by_hand_holds_until_the_next_edge(office):
    """T-AV-2, R-AVAIL-6."""
    ring(office, EVENING)
    office.set(AVAILABLE, "ada", now=EVENING + timedelta(hours=1))

    assert queries.is_available(office.id, office.ada, MORNING - timedelta(seconds=1))
    assert Availability.objects.get(user_id=office.ada).source == Source.MANUAL
    assert not queries.is_available(office.id, office.ada, MORNING + timedelta(hours=8))


def test_a_manager_may_set_another_away_and_they_may_set_it_back(office):
    """T-AV-4, R-AVAIL-11: the event says who did it, so that the person can be told."""
    availability.set_by_hand(office.id, office.ada, AWAY, by=Actor.user(office.bob))
    told = EventRow.objects.get(kind=CHANGED, object_id=office.ada)
    assert (told.actor_id, told.data) == (
        office.bob,
        {"from": AVAILABLE, "to": AWAY, "source": Source.MANUAL},
    )

    availability.set_by_hand(office.id, office.ada, AVAILABLE, by=Actor.user(office.ada))

    assert queries.is_available(office.id, office.ada)


def test_who_set_it_is_told_until_the_status_changes_again(office):
    """T-AV-4, R-AVAIL-11."""
    with clock.stopped(NOON):
        assert queries.own_status(office.id, office.ada) == OwnStatus(is_available=True)

        availability.set_by_hand(office.id, office.ada, AWAY, by=Actor.user(office.bob))
        set_by = queries.own_status(office.id, office.ada).set_by
        assert (set_by.name, set_by.at, set_by.was_available) == ("Bob", NOON, True)

        availability.set_by_hand(office.id, office.ada, AVAILABLE, by=Actor.user(office.ada))
        assert queries.own_status(office.id, office.ada) == OwnStatus(is_available=True)

        availability.set_by_hand(office.id, office.ada, AWAY, by=Actor.user(office.bob))
    assert queries.own_status(office.id, office.ada, MORNING) == OwnStatus(is_available=True)


def test_only_managers_change_the_status_of_others_and_only_admins_their_hours(desk):
    """R-AVAIL-11, R-AVAIL-12."""
    agent = viewer_for(desk.id, desk.ada)

    assert availability.may_set_status(agent, desk.ada)
    assert not availability.may_set_status(agent, desk.bob)
    assert availability.may_set_hours(agent, desk.ada)
    assert not availability.may_set_hours(agent, desk.bob)

    desk.role.permissions = {**desk.role.permissions, "capabilities": ["availability_management"]}
    desk.role.save(update_fields=["permissions"])
    manager = viewer_for(desk.id, desk.ada)
    assert availability.may_set_status(manager, desk.bob)
    assert not availability.may_set_hours(manager, desk.bob)


def test_an_absence_begins_and_ends_by_itself(office):
    """R-AVAIL-7."""
    until = NOON + timedelta(hours=3)
    availability.set_out_of_office(
        office.id, office.ada, NOON + timedelta(hours=1), until, by=Actor.user(office.ada)
    )

    ring(office, NOON + timedelta(hours=1))
    ring(office, until)

    assert [(to, source) for _, to, source, _ in log_of(office)] == [
        (AWAY, Source.OUT_OF_OFFICE),
        (AVAILABLE, Source.HOURS),
    ]


def test_an_absence_that_has_begun_makes_away_at_once(office):
    availability.set_out_of_office(
        office.id, office.ada, NOON - timedelta(hours=1), NOON + timedelta(days=2), by=Actor.user(office.ada)
    )

    assert not queries.is_available(office.id, office.ada)


def test_an_absence_can_be_cancelled(office):
    running = availability.set_out_of_office(
        office.id, office.ada, NOON - timedelta(hours=1), NOON + timedelta(days=2), by=SYSTEM
    )
    coming = availability.set_out_of_office(
        office.id, office.ada, NOON + timedelta(days=7), NOON + timedelta(days=8), by=SYSTEM
    )

    availability.cancel_out_of_office(office.id, running, by=SYSTEM)
    availability.cancel_out_of_office(office.id, coming, by=SYSTEM)

    assert queries.is_available(office.id, office.ada)
    assert queries.is_available(office.id, office.ada, NOON + timedelta(days=7))
    with pytest.raises(NotFound):
        availability.cancel_out_of_office(office.id, running, by=SYSTEM)


@pytest.mark.parametrize(
    ("start", "end"), [(timedelta(hours=2), timedelta(hours=1)), (-timedelta(hours=2), -timedelta(hours=1))]
)
def test_an_absence_must_have_length_and_a_future(office, start, end):
    with pytest.raises(Invalid):
        availability.set_out_of_office(office.id, office.ada, NOON + start, NOON + end, by=SYSTEM)


@pytest.mark.parametrize(
    ("plan", "may"), [(Plan.FREE, False), (Plan.STARTER, False), (Plan.PROFESSIONAL, True)]
)
def test_absences_come_with_the_professional_plan_and_hours_with_any(desk, plan, may):
    """R-AVAIL-15."""
    desk.account.plan = plan
    desk.account.save(update_fields=["plan"])
    availability.set_hours(desk.id, desk.ada, OFFICE, by=SYSTEM)

    if may:
        assert availability.set_out_of_office(desk.id, desk.ada, NOON, MORNING, by=SYSTEM)
    else:
        with pytest.raises(Forbidden):
            availability.set_out_of_office(desk.id, desk.ada, NOON, MORNING, by=SYSTEM)


def test_without_hours_the_present_status_stays(office):
    """R-AVAIL-14."""
    availability.set_hours(office.id, office.ada, None, by=SYSTEM)

    assert availability.hours_of(office.id, office.ada) is None
    assert queries.is_available(office.id, office.ada, NOON + timedelta(days=100))
    assert timer_of(office) is None


def test_who_was_never_set_is_away(desk):
    """R-AVAIL-14."""
    newcomer = desk.person("dan")

    assert not queries.is_available(desk.id, newcomer)

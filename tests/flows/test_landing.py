"""Soft landing: what came in the night is shared out among who works in the morning, not given to who comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock, timers
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.errors import Invalid
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import DueTimer
from deskhand.routing import availability, capacity, explain, landing, queries, replaying, rules, waiting
from deskhand.routing.models import Decision, WaitingTicket
from deskhand.routing.types import Option, Status, Strategy
from deskhand.testing.counting import assert_counted
from deskhand.testing.fixtures import NOON

NIGHT = NOON - timedelta(hours=1)
QUARTER = timedelta(minutes=15)


def works(world: Any, user: Any, begins: datetime) -> None:
    """On the day of NOON, from then until five."""
    minute = begins.hour * 60 + begins.minute
    hours = WeeklyHours("UTC", (Block(NOON.weekday(), minute, 17 * 60),))
    availability.set_hours(world.account.pk, user.pk, hours, by=SYSTEM)


def keeps(world: Any, minutes: int = 30, **more: Any) -> None:
    chosen = {
        "user_ids": [world.ada.pk, world.grace.pk, world.bob.pk],
        "wait_list": True,
        "landing_minutes": minutes,
    }
    rules.set_rule(world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, by=SYSTEM, **chosen | more)


@pytest.fixture
def at(world: Any, wired: None) -> Callable[[datetime], Counter[str]]:
    """Let everything happen that does by then, its timers too; how many tickets each has."""

    def run(moment: datetime) -> Counter[str]:
        with clock.stopped(moment):
            while True:
                while Dispatcher().run_once():
                    run_hooks()
                run_hooks()
                due = Timer.objects.filter(
                    kind__in=(availability.EDGE, waiting.DRAIN), due_at__lte=moment
                ).order_by("due_at")
                if (first := due.first()) is None:
                    break
                first.delete()
                one = DueTimer(0, world.account.pk, first.kind, first.key, first.due_at, first.payload)
                timers.handlers[first.kind](world.account.pk, [one])
            assert_counted()
        names = {user.pk: user.name.split()[0] for user in (world.ada, world.grace, world.bob, world.eve)}
        owned = Ticket.objects.exclude(owner_id=None).values_list("owner_id", flat=True)
        return Counter(names[owner] for owner in owned)

    return run


@pytest.fixture
def morning(world: Any, at: Callable[[datetime], Counter[str]]) -> Callable[..., list[int]]:
    """Ada begins at noon, Grace and Bob a quarter of an hour later each; so many tickets come before."""

    def run(count: int = 9, priority: str = "", **more: Any) -> list[int]:
        with clock.stopped(NIGHT):
            for place, user in enumerate((world.ada, world.grace, world.bob)):
                works(world, user, NOON + place * QUARTER)
            keeps(world, **more)
            new = [
                NewTicket(f"Question {n}", channel_account_id=world.channel.pk, priority=priority or None)
                for n in range(count)
            ]
            ids = [made.id for made in tickets.create_many(new, by=SYSTEM)]
            run_hooks()
        assert not at(NIGHT)
        return ids

    return run


def kept() -> Counter[int | None]:
    return Counter(WaitingTicket.objects.values_list("kept_for", flat=True))


def test_without_it_who_comes_first_gets_all(morning, at):
    morning(9, minutes=0)

    assert at(NOON) == {"Ada": 9}


@pytest.mark.parametrize("strategy", Strategy)
def test_who_comes_first_gets_a_share_and_the_others_theirs_as_they_come(world, morning, at, strategy):
    """Whatever the strategy: it is dealt evenly."""
    morning(strategy=strategy)

    assert at(NOON) == {"Ada": 3}
    assert kept() == {world.grace.pk: 3, world.bob.pk: 3}
    assert at(NOON + QUARTER) == {"Ada": 3, "Grace": 3}
    assert at(NOON + 2 * QUARTER - timedelta(minutes=1)) == {"Ada": 3, "Grace": 3}
    assert at(NOON + 2 * QUARTER) == {"Ada": 3, "Grace": 3, "Bob": 3}
    assert not WaitingTicket.objects.exists()


def test_it_is_dealt_by_shares(world, morning, at):
    """R-CAP: who works half, or is new, is kept less for."""
    capacity.set_limits(world.account.pk, [world.bob.pk], share=50, by=SYSTEM)
    morning(10)

    assert at(NOON) == {"Ada": 4}
    assert kept() == {world.grace.pk: 4, world.bob.pk: 2}


def test_nobody_is_kept_more_for_than_they_may_have(world, morning, at):
    """R-CAP-6: what nobody has room for stays everybody's."""
    capacity.set_limits(world.account.pk, [world.grace.pk, world.bob.pk], total=2, by=SYSTEM)
    capacity.set_limits(world.account.pk, [world.ada.pk], total=4, by=SYSTEM)
    morning(9)

    assert at(NOON) == {"Ada": 4}
    assert kept() == {world.grace.pk: 2, world.bob.pk: 2, None: 1}


def test_who_is_out_of_office_is_not_expected(world, morning, at):
    morning(6)
    with clock.stopped(NOON - QUARTER):
        away = NOON + timedelta(minutes=20), NOON + timedelta(hours=3)
        availability.set_out_of_office(world.account.pk, world.bob.pk, *away, by=SYSTEM)
    assert at(NOON) == {"Ada": 3}
    assert kept() == {world.grace.pk: 3}


def test_when_it_is_over_the_list_is_everybodys_and_nothing_is_kept_again(world, morning, at):
    with clock.stopped(NIGHT):
        works(world, world.eve, NOON + timedelta(minutes=40))
    morning(6, user_ids=[world.ada.pk, world.grace.pk, world.bob.pk, world.eve.pk])
    assert at(NOON) == {"Ada": 2}
    with clock.stopped(NOON + timedelta(minutes=1)):
        availability.set_out_of_office(
            world.account.pk, world.bob.pk, NOON + QUARTER, NOON + timedelta(hours=3), by=SYSTEM
        )
    assert at(NOON + QUARTER) == {"Ada": 2, "Grace": 2}
    assert at(NOON + 2 * QUARTER - timedelta(seconds=1)) == {"Ada": 2, "Grace": 2}

    assert at(NOON + 2 * QUARTER + landing.LATE) == {"Ada": 3, "Grace": 3}
    assert not WaitingTicket.objects.exists()


def test_what_is_urgent_waits_for_nobody_who_is_still_to_come(morning, at):
    morning(6, priority="URGENT")

    assert at(NOON) == {"Ada": 6}


def test_what_comes_meanwhile_goes_to_who_is_there(world, morning, at):
    morning(6)
    at(NOON)
    with clock.stopped(NOON + timedelta(minutes=1)):
        tickets.create_many([NewTicket("Later", channel_account_id=world.channel.pk)], by=SYSTEM)
        run_hooks()

    assert at(NOON + timedelta(minutes=1)) == {"Ada": 3}


def test_a_rule_that_wants_it_no_more_keeps_nothing(world, morning, at):
    morning(6)
    at(NOON)
    with clock.stopped(NOON + timedelta(minutes=1)):
        keeps(world, minutes=0)

    assert at(NOON + timedelta(minutes=1)) == {"Ada": 6}


def test_who_is_out_of_the_rule_gets_nothing_of_what_was_kept_for_them(world, morning, at):
    """It is dealt anew among those whom the rule names now."""
    morning(6)
    at(NOON)
    with clock.stopped(NOON + timedelta(minutes=1)):
        keeps(world, user_ids=[world.ada.pk, world.grace.pk])
    assert at(NOON + timedelta(minutes=1)) == {"Ada": 4}

    assert kept() == {world.grace.pk: 2}
    assert at(NOON + 2 * QUARTER) == {"Ada": 4, "Grace": 2}


def test_whom_something_was_dealt_to_and_who_is_full_stands_in_nobodys_way(world, morning, at):
    """R-CAP-6: the urgent ones go by what people have to do, and fill who was dealt another one."""
    with clock.stopped(NIGHT):
        works(world, world.eve, NOON)
        capacity.set_limits(world.account.pk, [world.eve.pk], total=1, by=SYSTEM)
    plain = morning(3, user_ids=[world.ada.pk, world.eve.pk, world.bob.pk])
    with clock.stopped(NIGHT):
        tickets.update(plain[0], {"hs_ticket_priority": "URGENT"}, by=SYSTEM)
        [own] = tickets.create_many([NewTicket("Own")], by=SYSTEM)
        tickets.assign(own.id, owner_id=world.ada.pk, by=SYSTEM)
        run_hooks()

    at(NOON)

    given = dict(Ticket.objects.filter(pk__in=plain).values_list("pk", "owner_id"))
    assert sorted(given.values(), key=str) == sorted([world.eve.pk, world.ada.pk, None], key=str)
    assert kept() == {world.bob.pk: 1}


def test_without_the_box_nobody_is_waited_for(world, morning, at):
    """R-ROUTE-47: who is away can be given tickets, so nothing is kept for them."""
    capacity.set_limits(
        world.account.pk, [u.pk for u in (world.ada, world.grace, world.bob)], total=0, by=SYSTEM
    )
    morning(4, only_available=False)
    with clock.stopped(NOON):
        capacity.set_limits(world.account.pk, [world.bob.pk], total=None, by=SYSTEM)

    assert at(NOON) == {"Bob": 4}


def test_a_clock_that_is_behind_the_one_that_rang_forgets_nothing(world, morning, at):
    """The timer of the end rings by the database's clock."""
    morning(6)
    at(NOON)
    with clock.stopped(NOON + timedelta(minutes=1)):
        away = NOON + QUARTER, NOON + timedelta(hours=3)
        availability.set_out_of_office(world.account.pk, world.bob.pk, *away, by=SYSTEM)
    at(NOON + 2 * QUARTER)
    end = Timer.objects.get(kind=waiting.DRAIN, key__startswith="landed:")
    end.delete()
    with clock.stopped(end.due_at - timedelta(milliseconds=50)):
        wiring.serve_the_rest(
            world.account.pk, [DueTimer(0, world.account.pk, end.kind, end.key, end.due_at, end.payload)]
        )
        run_hooks()

    assert not WaitingTicket.objects.exists()


def test_the_ticket_says_for_whom_it_is_kept_and_why_it_was_given(world, morning, at):
    morning(3)
    at(NOON)
    waits = WaitingTicket.objects.get(kept_for=world.grace.pk).ticket_id
    given = Ticket.objects.get(owner_id=world.ada.pk).pk

    with clock.stopped(NOON):
        why = {
            pk: explain.explain(queries.decision_for_ticket(world.account.pk, pk)) for pk in (waits, given)
        }
    text = "In the list since 11:00, and kept for Grace Hopper until 12:31"
    assert dict(why[waits].details)["Wait-list"] == text
    assert why[given].headline == (
        "Assigned to Ada Lovelace, as what had waited was shared out among who was there and who was about to come."
    )


def test_what_is_kept_for_somebody_who_is_gone_is_told_by_number(world, morning, at):
    """R-ROUTE-53: as who is gone is told everywhere in the reasons."""
    morning(3)
    at(NOON)
    waits = WaitingTicket.objects.filter(kept_for=world.grace.pk)
    ticket_id = waits.get().ticket_id
    waits.update(kept_for=999_999)

    with clock.stopped(NOON):
        why = explain.explain(queries.decision_for_ticket(world.account.pk, ticket_id))

    assert "kept for user 999999 until" in dict(why.details)["Wait-list"]


def test_kept_decisions_make_each_choice_of_it_again(world, morning, at):
    """R-ROUTE-70."""
    morning(9)
    at(NOON)
    at(NOON + 2 * QUARTER)

    calls = set(Decision.objects.filter(user_id__isnull=False).values_list("batch__call", flat=True))
    again = [pair for call in calls for pair in replaying.replay_call(world.account.pk, call)]
    chosen = [(decision.user_id, found.chosen.user_id) for decision, found in again if decision.user_id]
    assert len(chosen) == 9
    assert all(kept == made for kept, made in chosen)


def test_many_cost_no_more_queries_than_few(world, morning):
    morning(36)
    counts = []
    with clock.stopped(NOON + timedelta(seconds=1)):
        availability.set_by_hand(world.account.pk, world.ada.pk, Status.AVAILABLE, by=SYSTEM)
        asked = waiting.in_order(world.account.pk, clock.now())
        for some, each in ((asked[:3], 1), (asked[3:9], 3), (asked[9:], 12)):
            with CaptureQueriesContext(connection) as made:
                wiring._serve(world.account.pk, some, None, clock.now())
            assert kept()[world.grace.pk] == each
            counts.append(len(made))

    assert counts[1] == counts[2]  # the first keeps who the people are


@pytest.mark.parametrize(
    ("chosen", "value"), [({"minutes": 241}, 241), ({"minutes": -1}, -1), ({"wait_list": False}, 30)]
)
def test_what_can_not_be_is_refused_by_name(world, chosen, value):
    with pytest.raises(Invalid) as refused:
        keeps(world, **chosen)

    assert (refused.value.field, refused.value.value) == ("landing_minutes", value)

"""Who serves the wait-lists never waits for somebody who waits for them: two threads each (R-ROUTE-26, R-ROUTE-53)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from deskhand import wiring
from deskhand.accounts import users
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.defaults import AGENT_STATUS, ESCALATED
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM, Actor, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.timers import DueTimer
from deskhand.routing import availability, capacity, loads, rules, waiting
from deskhand.routing.models import Capacity, RoutingRule
from deskhand.routing.types import Option, Status
from deskhand.testing.fixtures import NOON
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world

PATIENCE = 20


def keep_a_list(world: Any, channel: ChannelAccount) -> None:
    rules.set_rule(
        world.account.pk, channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], wait_list=True, by=SYSTEM
    )  # fmt: skip


def arrive(channel: ChannelAccount, *names: str) -> list[int]:
    new = [NewTicket(name, channel_account_id=channel.pk) for name in names]
    return [made.id for made in tickets.create_many(new, by=SYSTEM)]


def in_threads(account_id: int, *work: Callable[[], None]) -> None:
    """Each in a scope and a connection of its own, all committed; the first error is raised here."""

    def run(one: Callable[[], None]) -> None:
        try:
            with account_scope(account_id):
                one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as threads:
        for done in [threads.submit(run, one) for one in work]:
            done.result()


def locked(*ticket_ids: int) -> None:
    list(Ticket.objects.filter(pk__in=ticket_ids).order_by("pk").select_for_update(no_key=True))


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_several_channels_are_served_by_one_who_holds_all_their_tickets_first(wired):
    """R-ROUTE-53: the tickets of the second channel are locked before the first one's types, and in the order of ids."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        second = inboxes.add_channel_account(
            world.channel.inbox, channel="email", name="Second", address="second@nordlys.example"
        )
        for channel in (world.channel, second):
            keep_a_list(world, channel)
        [low] = arrive(second, "Low")
        [high] = arrive(world.channel, "High")
    assert low < high
    with account_scope(account_id):
        availability.set_by_hand(account_id, world.grace.pk, Status.AVAILABLE, by=Actor.user(world.grace.pk))
    due = [
        DueTimer(n, account_id, waiting.DRAIN, str(n), clock.now(), {"channel": pk, "event": None, "after": None})
        for n, pk in enumerate((world.channel.pk, second.pk))
    ]  # fmt: skip
    is_held = threading.Event()

    def serve() -> None:
        assert is_held.wait(PATIENCE)
        wiring.serve_the_rest(account_id, due)

    def change() -> None:
        locked(low)
        is_held.set()
        until_somebody_waits()
        locked(high)

    in_threads(account_id, serve, change)

    with account_scope(account_id):
        assert set(Ticket.objects.values_list("owner_id", flat=True)) == {world.grace.pk}


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_all_that_is_routed_after_commit_is_held_before_any_type(wired):
    """R-ROUTE-26, R-ROUTE-53, R-REOPEN-3: one batch tells of a reopened ticket and of somebody who came; who holds a waiting
    ticket and routes a new one, as a mail that answers it and another one do, gets the types meanwhile."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        keep_a_list(world, world.channel)
        opened, waits = arrive(world.channel, "Opened", "Waits")
    with account_scope(account_id):
        for label in ("Closed", "New"):
            tickets.move(opened, to=world.stage(label), by=SYSTEM)
        availability.set_by_hand(account_id, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    with account_scope(account_id):
        events = dispatch.unheard(account_id, 100)
    is_held = threading.Event()

    def tell() -> None:
        assert is_held.wait(PATIENCE)
        wiring.route_again(account_id, events)

    def answer() -> None:
        locked(waits)
        is_held.set()
        until_somebody_waits()
        arrive(world.channel, "New")

    in_threads(account_id, tell, answer)

    with account_scope(account_id):
        assert Ticket.objects.count() == 3
        assert set(Ticket.objects.values_list("owner_id", flat=True)) == {world.grace.pk}


@pytest.fixture
def back_and_waiting(world, wired):
    """One batch tells of a ticket that is open again, of somebody who can't own it any more, and that Grace, who may have one,
    has come; another ticket waits for her."""
    account_id = world.account.pk
    keep_a_list(world, world.channel)
    opened, waits = arrive(world.channel, "Opened", "Waits")
    tickets.assign(opened, owner_id=world.bob.pk, by=SYSTEM)
    tickets.move(opened, to=world.stage("Closed"), by=SYSTEM)
    users.set_seat(account_id, world.bob.pk, has_seat=False, by=SYSTEM)
    capacity.set_limits(account_id, [world.grace.pk], total=1, by=SYSTEM)
    run_hooks()
    while dispatch.Dispatcher().run_once():
        pass
    tickets.move(opened, to=world.stage("New"), by=SYSTEM)
    availability.set_by_hand(account_id, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    run_hooks()
    return world, opened, waits, dispatch.unheard(account_id, 100)


def test_all_types_are_locked_first_where_several_kinds_are_routed(back_and_waiting, monkeypatch):
    """R-ROUTE-26: each call would lock those of its own tickets, whatever the others hold."""
    world, _opened, _waits, events = back_and_waiting
    Capacity.objects.all().delete()  # who has a total limit has all types locked anyway
    asked = []
    monkeypatch.setattr(loads, "lock", lambda account_id, types: asked.append(set(types)))

    wiring.route_again(world.account.pk, events)

    assert asked[0] == set(loads.TYPES)
    assert len(asked) > 1


def test_all_types_are_locked_first_where_something_is_handed_off_beside_a_new_ticket(
    world, wired, monkeypatch
):
    """R-ROUTE-26, R-AI-14"""
    keep_a_list(world, world.channel)
    [given_up, new] = arrive(world.channel, "Given up", "New")
    changes = {AGENT_STATUS: [None, ESCALATED]}
    events = [
        Event("ticket.updated", "ticket", given_up, 2, SYSTEM, clock.now(), {"changes": changes}, id=1),
        Event(
            tickets.CREATED,
            "ticket",
            new,
            1,
            SYSTEM,
            clock.now(),
            {"channel_account_id": world.channel.pk},
            id=2,
        ),
    ]
    asked = []
    monkeypatch.setattr(loads, "lock", lambda account_id, types: asked.append(set(types)))

    wiring.route_handed_off(world.account.pk, events[:1])
    wiring.route_handed_off(world.account.pk, events)

    assert asked == [{loads.MAIL}, set(loads.TYPES), {loads.MAIL}]


def test_what_goes_from_one_to_another_counts_before_the_next_is_given_away(back_and_waiting):
    """R-CAP-6: within one transaction, too."""
    world, opened, waits, events = back_and_waiting

    wiring.route_again(world.account.pk, events)

    assert Ticket.objects.get(pk=opened).owner_id == world.grace.pk
    assert Ticket.objects.get(pk=waits).owner_id is None


def test_each_kind_of_timer_has_a_transaction_of_its_own(world, monkeypatch):
    """R-ROUTE-26: what one handler holds does not wait for what the next one holds."""
    worked: list[list[str]] = []
    for kind in ("first", "second"):
        monkeypatch.setitem(
            timers.handlers, kind, lambda _account, due: worked.append([one.key for one in due])
        )
    past = clock.now() - timedelta(minutes=5)
    for seconds, (kind, key) in enumerate([("first", "a"), ("second", "b"), ("first", "c")]):
        timers.set_timer(world.account.pk, kind, key, past + timedelta(seconds=seconds))

    counts = [timers.TimerLoop().run_once() for _time in range(3)]

    assert (counts, worked) == ([2, 1, 0], [["a", "c"], ["b"]])


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_who_serves_as_a_channel_opens_does_not_wait_for_the_timer_that_opens_it(wired):
    """R-ROUTE-81, R-ROUTE-53: its handler waits for the tickets that are held here."""
    world = make_world()
    account_id = world.account.pk
    with clock.stopped(NOON):
        with account_scope(account_id):
            keep_a_list(world, world.channel)
            [ticket] = arrive(world.channel, "A")
        with account_scope(account_id):
            RoutingRule.objects.update(hours_zone="UTC", hours_blocks=[[NOON.weekday(), 13 * 60, 14 * 60]])
            asked = waiting.in_order(account_id, NOON)
            waiting.go_on(account_id, asked, (), None, NOON)
            [key] = [one for one in timers.keys(account_id, waiting.DRAIN) if one.startswith("open:")]
        is_held, rings = threading.Event(), threading.Event()

        def ring() -> None:
            assert is_held.wait(PATIENCE)
            timers.drop_timer(account_id, waiting.DRAIN, key)  # as the loop does before it calls the handler
            rings.set()
            locked(ticket)

        def serve() -> None:
            locked(ticket)
            is_held.set()
            assert rings.wait(PATIENCE)
            until_somebody_waits()
            waiting.go_on(account_id, asked, (), None, NOON)

        in_threads(account_id, ring, serve)

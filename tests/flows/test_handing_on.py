"""Tickets of who is no longer there, through the whole product (R-ROUTE-54)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.accounts import users
from deskhand.accounts.models import Membership
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk import threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.models import Timer
from deskhand.routing import availability, explain, loads, queries, rerouting, rules
from deskhand.routing.models import Decision
from deskhand.routing.types import Left, Option, Reroute, Status


@pytest.fixture
def office(world, settle):
    """Grace and Bob take the mail; Grace is there."""

    def open_office(reroute):
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk, world.bob.pk],
            reroute=reroute, by=Actor.user(world.ada.pk),
        )  # fmt: skip
        be(world, Status.AVAILABLE, world.grace)
        run_hooks()
        settle()
        return world

    return open_office


def be(world, status, *people):
    for who in people:
        availability.set_by_hand(world.account.pk, who.pk, status, by=Actor.user(who.pk))


def arrive(world, settle, name, *answers):
    sender = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
    message = InboundMessage(name, sender, "Refund", "Where is it?", clock.now(), answers=answers)
    received = threads.receive(Incoming(world.channel.pk, message))
    run_hooks()
    settle()
    run_hooks()
    return int(received.ticket_id)


def owner(ticket_id):
    return Ticket.objects.get(pk=ticket_id).owner_id


def test_at_once(office, settle):
    world = office(Reroute.AT_ONCE)
    ticket = arrive(world, settle, "m1@x")
    assert owner(ticket) == world.grace.pk

    be(world, Status.AVAILABLE, world.bob)
    be(world, Status.AWAY, world.grace)
    run_hooks()
    settle()
    run_hooks()

    assert owner(ticket) == world.bob.pk
    gone = EventRow.objects.filter(kind=availability.CHANGED, object_id=world.grace.pk).latest("id")
    assigned = EventRow.objects.filter(kind="ticket.assigned", object_id=ticket).latest("id")
    assert assigned.cause["event_id"] == gone.pk
    assert loads.recount(world.account.pk, clock.now()) == {}


def test_when_the_customer_writes_again(office, settle):
    world = office(Reroute.ON_REPLY)
    ticket = arrive(world, settle, "m1@x")
    be(world, Status.AVAILABLE, world.bob)
    be(world, Status.AWAY, world.grace)
    run_hooks()
    settle()
    assert owner(ticket) == world.grace.pk

    assert arrive(world, settle, "m2@x", "m1@x") == ticket

    assert owner(ticket) == world.bob.pk


def test_a_deactivated_owner(office, settle):
    world = office(Reroute.AT_ONCE)
    ticket = arrive(world, settle, "m1@x")
    be(world, Status.AVAILABLE, world.bob)
    users.deactivate(world.account.pk, world.grace.pk, by=SYSTEM)
    run_hooks()
    settle()

    assert owner(ticket) == world.bob.pk


def test_many_go_in_batches(office, settle, monkeypatch):
    monkeypatch.setattr(rerouting, "BATCH", 2)
    world = office(Reroute.AT_ONCE)
    new = [NewTicket(str(n), channel_account_id=world.channel.pk) for n in range(5)]
    made = tickets.create_many(new, by=SYSTEM)
    run_hooks()
    settle()
    be(world, Status.AVAILABLE, world.bob)
    be(world, Status.AWAY, world.grace)
    run_hooks()
    settle()

    assert {owner(one.id) for one in made} == {world.bob.pk}
    assert not Timer.objects.filter(kind=rerouting.GONE).exists()


def test_a_timer_told_twice_changes_nothing_more(office, settle):
    """Whatever a killed worker had not committed is done anew; what it had committed is done once."""
    world = office(Reroute.AT_ONCE)
    first, second = arrive(world, settle, "m1@x"), arrive(world, settle, "m2@x")
    tickets.assign(second, owner_id=world.bob.pk, by=SYSTEM)
    run_hooks()
    be(world, Status.AWAY, world.grace, world.bob)
    due = [
        timers.DueTimer(
            n, world.account.pk, rerouting.GONE, str(who.pk), clock.now(), {"event": 1, "after": 0}
        )
        for n, who in enumerate((world.grace, world.bob))
    ]
    for _time in range(3):
        wiring.hand_on_at_once(world.account.pk, due)
        run_hooks()
        settle()

    assert (owner(first), owner(second)) == (world.grace.pk, world.bob.pk)
    assert Decision.objects.filter(left_user_id__isnull=False).count() == 2


def reopen(world, settle, ticket_id, *, by=SYSTEM):
    tickets.move(ticket_id, to=world.stage("New"), by=by)
    run_hooks()
    settle()
    run_hooks()


def closed(world, settle, ticket_id):
    tickets.move(ticket_id, to=world.stage("Closed"), by=SYSTEM)
    run_hooks()
    settle()


@pytest.mark.parametrize("because", ["deactivated", "no seat", "out of the account"])
def test_a_reopened_ticket_leaves_who_can_not_own_it_whatever_the_rule_says_R_REOPEN_3(
    office, settle, because
):
    world = office(Reroute.NEVER)
    ticket = arrive(world, settle, "m1@x")
    closed(world, settle, ticket)
    be(world, Status.AVAILABLE, world.bob)
    mine = Membership.objects.filter(account=world.account, user=world.grace)
    if because == "deactivated":
        users.deactivate(world.account.pk, world.grace.pk, by=SYSTEM)
    elif because == "no seat":
        mine.update(has_seat=False)
    else:
        mine.delete()

    assert arrive(world, settle, "m2@x", "m1@x") == ticket

    assert owner(ticket) == world.bob.pk
    told = Decision.objects.filter(ticket_id=ticket).latest("id")
    assert (told.left_user_id, told.left_because) == (world.grace.pk, Left.UNABLE if because == "no seat" else Left.DEACTIVATED)  # fmt: skip
    why = explain.explain(queries.decision_for_ticket(world.account.pk, ticket)).headline
    assert why.startswith("Re-routed because Grace")
    assert loads.recount(world.account.pk, clock.now()) == {}


def test_a_reopened_ticket_stays_with_who_is_only_away_R_REOPEN_2(office, settle):
    world = office(Reroute.NEVER)
    ticket = arrive(world, settle, "m1@x")
    closed(world, settle, ticket)
    be(world, Status.AVAILABLE, world.bob)
    be(world, Status.AWAY, world.grace)

    reopen(world, settle, ticket)

    assert owner(ticket) == world.grace.pk


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_reopened_ticket_of_nobody_is_routed_once_R_REOPEN_3(office, settle, by_hand):
    world = office(Reroute.NEVER)
    ticket = arrive(world, settle, "m1@x")
    closed(world, settle, ticket)
    tickets.assign(ticket, owner_id=None, by=SYSTEM)
    before = Decision.objects.count()

    if by_hand:
        reopen(world, settle, ticket, by=Actor.user(world.ada.pk))
    else:
        arrive(world, settle, "m2@x", "m1@x")

    assert owner(ticket) == world.grace.pk
    assert Decision.objects.count() == before + 1
    moved = EventRow.objects.filter(kind="ticket.moved", object_id=ticket).latest("id")
    assigned = EventRow.objects.filter(kind="ticket.assigned", object_id=ticket).latest("id")
    assert assigned.cause == {"event_id": moved.pk, "rule": "channel_routing"}


def test_the_queries_of_reopening_do_not_grow_with_the_tickets_R_REOPEN_3(office, settle):
    world = office(Reroute.NEVER)
    be(world, Status.AVAILABLE, world.bob)
    users.deactivate(world.account.pk, world.grace.pk, by=SYSTEM)
    Membership.objects.filter(account=world.account, user=world.bob).update(has_seat=True)

    def count(number):
        made = [
            tickets.create(
                NewTicket(f"T{n}", channel_account_id=world.channel.pk, owner_id=world.grace.pk if n % 2 else None),
                by=SYSTEM,
            ).id
            for n in range(number)
        ]  # fmt: skip
        events = [
            Event("ticket.moved", "ticket", pk, 2, SYSTEM, clock.now(), {"changes": {"hs_is_closed": [True, False]}}, None, 0, pk, world.account.pk)
            for pk in made
        ]  # fmt: skip
        with CaptureQueriesContext(connection) as made_queries:
            wiring.route_again(world.account.pk, events)
        assert {owner(pk) for pk in made} == {world.bob.pk}
        return len(made_queries)

    count(2)
    assert count(4) == count(20)

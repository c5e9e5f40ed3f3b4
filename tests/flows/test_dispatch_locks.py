"""What the dispatcher does to tickets waits for nobody who waits for it: two threads each (R-ROUTE-26)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from deskhand import wiring
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import letters, merging, snoozing, threads
from deskhand.desk.letters import NewLetter
from deskhand.desk.models import Snooze, Thread
from deskhand.events import dispatch
from deskhand.events.types import SYSTEM, Actor, ActorKind, Event
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.timers import DueTimer
from deskhand.routing import loads
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world
from tests.flows.test_wait_list_locks import PATIENCE, arrive, in_threads, keep_a_list, locked

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def answered(thread: Thread, ticket_id: int | None, by: int) -> Event:
    """A customer's own words in a conversation."""
    told = {
        "message_id": 0, "ticket_id": ticket_id, "thread_id": thread.pk, "opened": False, "unverified": False, "automatic": "no",
        "sender": "contact",
    }  # fmt: skip
    return Event(
        threads.RECEIVED, "thread", thread.pk, 1, Actor(ActorKind.VISITOR, by), clock.now(), told, id=1
    )


def reopen(world: Any, ticket_id: int) -> list[Event]:
    """Close and open a ticket of nobody's; returns what the dispatcher has not told yet."""
    for label in ("Closed", "New"):
        with account_scope(world.account.pk):
            tickets.move(ticket_id, to=world.stage(label), by=SYSTEM)
    with account_scope(world.account.pk):
        return dispatch.unheard(world.account.pk, 100)


def tell(account_id: int, events: list[Event], after: threading.Event) -> Callable[[], None]:
    """The dispatcher's work, as soon as it may begin."""

    def run() -> None:
        assert after.wait(PATIENCE)
        for subscriber in wiring.AFTER_COMMIT:
            subscriber(account_id, events)

    return run


def letter_to(world: Any) -> Thread:
    """A conversation that we began, without a ticket, and nobody's."""
    contact = world.contact()
    new = NewLetter(contact.pk, world.channel.pk, to=contact.email, subject="Your tent", text="It is here.")
    thread = letters.write(new, by=world.ada).thread
    thread.assignee_id = None
    thread.save(update_fields=["assignee_id"])
    return thread


def test_what_wakes_is_let_go_of_after_the_tickets_that_are_routed_are_held(wired):
    """R-WORK-9, R-MERGE-8: who merges a ticket holds it, and then takes away that it was put off."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        keep_a_list(world, world.channel)
        primary, other = arrive(world.channel, "Primary", "Other")
    with account_scope(account_id):
        snoozing.snooze(other, user_id=None, until=None, by=SYSTEM)
        thread = letter_to(world)
    events = [*reopen(world, other), answered(thread, other, thread.contact_id or 0)]
    is_held = threading.Event()

    def merge() -> None:
        locked(primary, other)
        is_held.set()
        until_somebody_waits()
        merging.merge(primary, other, by=Actor.user(world.ada.pk))

    in_threads(account_id, tell(account_id, events, is_held), merge)

    with account_scope(account_id):
        assert Ticket.objects.get(pk=other).merged_into_id == primary
        assert not Snooze.objects.exists()


def test_a_conversation_gets_its_ticket_after_the_tickets_that_are_routed_are_held(wired):
    """R-CC-2: mail that comes in holds the tickets that it answers, and then conversations without one."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        keep_a_list(world, world.channel)
        [opened] = arrive(world.channel, "Opened")
        thread = letter_to(world)
    events = [*reopen(world, opened), answered(thread, None, thread.contact_id or 0)]
    is_held = threading.Event()

    def receive() -> None:
        locked(opened)
        is_held.set()
        until_somebody_waits()
        list(Thread.objects.filter(pk=thread.pk).select_for_update(no_key=True))

    in_threads(account_id, tell(account_id, events, is_held), receive)

    with account_scope(account_id):
        assert Ticket.objects.filter(originating_thread_id=thread.pk).count() == 1


def test_what_an_answer_opens_is_routed_when_all_types_are_locked_that_may_be_needed(wired):
    """R-ROUTE-26: it is routed when the transaction is over, and what was routed before it holds types by then."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        keep_a_list(world, world.channel)
        [opened] = arrive(world.channel, "Opened")
        Ticket.objects.update(ticket_type="MESSAGE")
        thread = letter_to(world)
    events = [*reopen(world, opened), answered(thread, None, thread.contact_id or 0)]
    is_held = threading.Event()

    def recount() -> None:
        loads.lock(account_id, ["CALL", "EMAIL_OTHER"])
        is_held.set()
        until_somebody_waits()
        loads.lock(account_id, ["MESSAGE"])

    in_threads(account_id, tell(account_id, events, is_held), recount)

    with account_scope(account_id):
        assert Ticket.objects.filter(originating_thread_id=thread.pk).count() == 1


def test_who_wakes_a_ticket_that_is_due_waits_for_its_timer_first(wired):
    """R-WORK-9: its loop has the timer, and wants the rest; and one of both tells of it."""
    world = make_world()
    account_id = world.account.pk
    with account_scope(account_id):
        [ticket] = arrive(world.channel, "Later")
        thread = letter_to(world)
        snoozing.snooze(ticket, user_id=None, until=clock.now() + timedelta(hours=1), by=SYSTEM)
        until = Snooze.objects.get().until
    due = [DueTimer(1, account_id, snoozing.KIND, f"{ticket}:0", until, {})]
    rings = threading.Event()

    def ring() -> None:
        timers.drop_timer(
            account_id, snoozing.KIND, due[0].key
        )  # as the loop does before it calls the handler
        rings.set()
        until_somebody_waits()
        with clock.stopped(until):
            snoozing.on_due(account_id, due)

    def hear() -> None:
        assert rings.wait(PATIENCE)
        snoozing.hear(account_id, [answered(thread, ticket, 1)])

    in_threads(account_id, ring, hear)

    with account_scope(account_id):
        assert not Snooze.objects.exists()
        assert [one.kind for one in dispatch.unheard(account_id, 100)].count(snoozing.WOKEN) == 1

"""Spam and all that works by itself: routing, loads, wait-lists and lanes (R-CC-12, R-SPAM-1)."""

import pytest
from django.db import connection

from deskhand.automation import lanes, workflows
from deskhand.automation.models import Enrollment
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import spam, threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.routing import availability, rules
from deskhand.routing.models import Decision, LoadDelta, TicketLoad, WaitingTicket
from deskhand.routing.types import Option, Status
from deskhand.testing.fixtures import NOON

EVE = Mailbox("eve@offers.example", "Eve")


@pytest.fixture
def office(world, settle):
    """Grace gets all of it; what comes in enrolls."""
    with clock.stopped(NOON):
        ada = Actor.user(world.ada.pk)
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.grace.pk], by=ada,
            wait_list=True,
        )  # fmt: skip
        availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=ada)
        made = lanes.add_step("ticket", world.stage("New"), "create_task", {"title": "Call"}, by=world.ada.pk)
        workflows.switch(made, True)
        run_hooks()
        settle()
        yield world


def receive(world, number, **more):
    message = InboundMessage(f"{number}@x", EVE, "Offer", "Buy now", clock.now(), **more)
    received = threads.receive(Incoming(world.channel.pk, message))
    run_hooks()
    return received


def ada_of(world):
    return Actor.user(world.ada.pk)


def load_of(user):
    changes = LoadDelta.objects.filter(user_id=user.pk).values_list("change", flat=True)
    return TicketLoad.objects.filter(user_id=user.pk).count(), sum(changes)


def test_spam_on_arrival_is_neither_routed_nor_enrolled_R_CC_12(office, settle):
    receive(office, 1, spam_mark="X-Spam")
    settle()

    assert not Decision.objects.exists()
    assert not Enrollment.objects.exists()


def test_no_spam_after_all_is_routed_and_enrolled_as_any_new_ticket_R_CC_12(office, settle):
    thread_id = receive(office, 1, spam_mark="X-Spam").thread_id
    settle()

    ticket_id = spam.unmark_thread(thread_id, by=ada_of(office))
    run_hooks()
    settle()

    assert Ticket.objects.get(pk=ticket_id).owner_id == office.grace.pk
    assert Decision.objects.filter(ticket_id=ticket_id, user_id=office.grace.pk).count() == 1
    assert Enrollment.objects.get().record_id == ticket_id


def test_spam_counts_for_nobody_until_it_is_none_R_SPAM_1_R_ROUTE_24(office, settle):
    ticket_id = receive(office, 1).ticket_id
    settle()
    counting = load_of(office.grace)

    spam.mark(ticket_id, by=ada_of(office))
    run_hooks()

    assert counting[0] == 1
    assert load_of(office.grace) == (0, counting[1] - 1)

    spam.unmark(ticket_id, by=ada_of(office))
    run_hooks()
    settle()
    assert load_of(office.grace) == counting
    assert Ticket.objects.get().owner_id == office.grace.pk
    assert Decision.objects.count() == 1  # who owned it owns it still


def test_a_ticket_of_nobody_leaves_the_wait_list_as_spam_and_is_routed_when_it_is_none_R_ROUTE_53(
    office, settle
):
    availability.set_by_hand(office.account.pk, office.grace.pk, Status.AWAY, by=ada_of(office))
    ticket_id = receive(office, 1).ticket_id
    settle()
    assert WaitingTicket.objects.get().ticket_id == ticket_id

    spam.mark(ticket_id, by=ada_of(office))
    run_hooks()
    assert not WaitingTicket.objects.exists()

    availability.set_by_hand(office.account.pk, office.grace.pk, Status.AVAILABLE, by=ada_of(office))
    run_hooks()
    settle()
    assert Ticket.objects.get().owner_id is None

    spam.unmark(ticket_id, by=ada_of(office))
    run_hooks()
    settle()
    assert Ticket.objects.get().owner_id == office.grace.pk


def test_what_lies_in_spam_reaches_no_status_R_SPAM_1(office, settle):
    lane = lanes.add_step("ticket", office.stage("Closed"), "create_task", {"title": "Ask"}, by=office.ada.pk)
    workflows.switch(lane, True)
    ticket_id = receive(office, 1).ticket_id
    spam.mark(ticket_id, by=ada_of(office))
    run_hooks()
    settle()
    runs = Enrollment.objects.count()

    tickets.move(ticket_id, to=office.stage("Closed"), by=ada_of(office))
    run_hooks()
    settle()

    assert Enrollment.objects.count() == runs


def test_a_conversation_and_a_ticket_may_have_the_same_number_R_CC_12(office, settle):
    office.channel.creates_tickets = False
    office.channel.save(update_fields=["creates_tickets"])
    thread_id = 77_000
    with connection.cursor() as cursor:
        for table, last in (("desk_thread", thread_id - 1), ("crm_ticket", thread_id - 1)):
            cursor.execute("select setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])
    assert receive(office, 1, spam_mark="X-Spam").thread_id == thread_id
    assert tickets.create(tickets.NewTicket("Nobody's, on purpose"), by=SYSTEM).id == thread_id
    Ticket.objects.update(channel_account_id=office.channel.pk)
    run_hooks()
    settle()

    spam.unmark_thread(thread_id, by=ada_of(office))
    run_hooks()
    settle()

    assert Ticket.objects.get().owner_id is None


def test_a_mail_to_a_spam_ticket_starts_nothing_R_SPAM_1(office, settle):
    first = receive(office, 1)
    settle()
    tickets.move(first.ticket_id, to=office.stage("Closed"), by=SYSTEM)
    spam.mark(first.ticket_id, by=ada_of(office))
    run_hooks()
    settle()
    runs = Enrollment.objects.count()

    receive(office, 2, answers=("1@x",))
    settle()

    ticket = Ticket.objects.get()
    assert (ticket.stage_id, ticket.is_spam) == (office.stage("Closed"), True)
    assert Enrollment.objects.count() == runs


def test_what_somebody_gave_to_a_team_stays_with_it_R_ROUTE_7(office, settle):
    made = tickets.create(tickets.NewTicket("Refund", channel_account_id=None), by=SYSTEM)
    tickets.assign(made.id, owner_id=None, team_ids=[office.team.pk], by=ada_of(office))
    Ticket.objects.update(channel_account_id=office.channel.pk)
    spam.mark(made.id, by=ada_of(office))
    run_hooks()
    settle()

    spam.unmark(made.id, by=ada_of(office))
    run_hooks()
    settle()

    ticket = Ticket.objects.get()
    assert (ticket.owner_id, ticket.assigned_team_ids) == (None, [office.team.pk])

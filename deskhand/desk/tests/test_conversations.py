"""Conversations without a ticket: whose they are, and one that is made a ticket while somebody writes in it."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy, roles
from deskhand.accounts.models import Membership, Team
from deskhand.accounts.types import Verb
from deskhand.crm.records.models import Ticket
from deskhand.desk import conversations, threads, views
from deskhand.desk.conversations import Owner
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import NotFound
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_user, make_world


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_arrives_while_a_conversation_becomes_a_ticket_is_in_the_ticket():
    world = make_world()
    scope = world.account.pk

    def receive(number, *answers):
        message = InboundMessage(
            f"{number}@x", Mailbox("astrid@fjallbo.example"), "Refund", "Hi", clock.now(), answers=answers
        )
        with account_scope(scope):
            return threads.receive(Incoming(world.channel.pk, message))

    def receive_elsewhere():
        try:
            receive("b", "a@x")
        finally:
            connection.close()

    with account_scope(scope):
        world.channel.creates_tickets = False
        world.channel.save(update_fields=["creates_tickets"])
    thread_id = receive("a").thread_id

    other = threading.Thread(target=receive_elsewhere)
    with account_scope(scope):
        ticket_id = conversations.make_ticket(thread_id, by=SYSTEM)
        other.start()
        until_somebody_waits()
    other.join()

    with account_scope(scope):
        assert list(Message.objects.order_by("id").values_list("ticket_id", flat=True)) == [ticket_id] * 2


# ── whose a conversation is ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def loose(world):
    """A conversation of a channel that makes no tickets."""
    world.channel.creates_tickets = False
    world.channel.save(update_fields=["creates_tickets"])
    message = InboundMessage("a@x", Mailbox("astrid@fjallbo.example"), "Refund", "Hi", clock.now())
    return threads.receive(Incoming(world.channel.pk, message)).thread_id


def give(world, thread_id, user):
    return conversations.assign_many([Owner(thread_id, user and user.pk, Actor.user(world.ada.pk))])


def test_a_conversation_without_a_ticket_has_its_own_owner_R_DM_10(world, loose):
    assert give(world, loose, world.grace) == [loose]
    assert give(world, loose, world.grace) == []
    assert give(world, loose, None) == [loose]

    told = EventRow.objects.filter(kind=conversations.ASSIGNED).order_by("id")
    assert [one.data["changes"]["assignee_id"] for one in told] == [
        [None, world.grace.pk],
        [world.grace.pk, None],
    ]
    assert {one.actor_id for one in told} == {world.ada.pk}


def test_its_owner_owns_the_ticket_that_it_becomes_and_then_it_is_the_ticket_s(world, loose):
    give(world, loose, world.grace)
    ticket_id = conversations.make_ticket(loose, by=Actor.user(world.ada.pk))

    assert Ticket.objects.get(pk=ticket_id).owner_id == world.grace.pk
    assert Thread.objects.get(pk=loose).assignee_id is None
    assert give(world, loose, world.bob) == []


def test_who_lost_their_seat_does_not_get_the_ticket_R_WFA_9(world, loose):
    give(world, loose, world.grace)
    Membership.objects.filter(user=world.grace).update(has_seat=False)
    ticket_id = conversations.make_ticket(loose, by=Actor.user(world.ada.pk))

    assert Ticket.objects.get(pk=ticket_id).owner_id != world.grace.pk


def test_the_database_lets_no_conversation_of_a_ticket_have_another_owner(world, loose):
    conversations.make_ticket(loose, by=SYSTEM)
    with pytest.raises(IntegrityError, match="thread_of_ticket_is_its_owner_s"), transaction.atomic():
        Thread.objects.filter(pk=loose).update(assignee_id=world.bob.pk)


@pytest.mark.parametrize(
    ("reach", "with_unassigned", "expected"),
    [
        ("all", False, {"mine", "team's", "other's", "nobody's"}),
        ("team", True, {"mine", "team's", "nobody's"}),
        ("team", False, {"mine", "team's"}),
        ("own", True, {"mine", "nobody's"}),
        ("own", False, {"mine"}),
    ],
)
def test_who_sees_a_conversation_is_decided_as_for_tickets(world, reach, with_unassigned, expected):
    """And whoever sees a ticket of the same owner: the two agree."""
    other = make_user(
        world.account, "Ole Romer", team=Team.objects.create(account=world.account, name="Sales")
    )
    owners = {"mine": world.grace, "team's": world.bob, "other's": other, "nobody's": None}
    tickets = {}
    for name, owner in owners.items():
        Thread.objects.create(
            account_id=world.account.pk, inbox=world.channel.inbox, channel_account=world.channel, subject=name,
            assignee_id=owner and owner.pk, created_at=clock.now(), last_message_at=clock.now(),
        )  # fmt: skip
        tickets[world.ticket(name, owner_id=owner and owner.pk).pk] = name
    Membership.objects.filter(user=world.grace).update(
        role=roles.create(world.account.pk, "R", {"records": {"ticket": {"view": reach, "edit": reach, "unassigned": with_unassigned}}}, by=SYSTEM)
    )  # fmt: skip
    viewer = policy.viewer_for(world.account.pk, world.grace.pk)

    found, _more = views.conversations(viewer)
    assert {row.subject for row in found} == expected
    assert {
        tickets[pk] for pk in tickets if policy.visible(viewer, "ticket").reaches(Ticket.objects.get(pk=pk))
    } == expected
    for thread in Thread.objects.all():
        if thread.subject in expected:
            conversations.require(viewer, thread.pk, Verb.EDIT)
        else:
            with pytest.raises(NotFound):
                conversations.require(viewer, thread.pk, Verb.EDIT)


def test_many_change_hands_with_as_many_questions_as_few(world):
    def made(number):
        return [
            Thread.objects.create(
                account_id=world.account.pk, inbox=world.channel.inbox, channel_account=world.channel, created_at=clock.now(),
                last_message_at=clock.now(),
            ).pk
            for _n in range(number)
        ]  # fmt: skip

    asked = []
    for number in (2, 9):
        owners = [Owner(pk, world.bob.pk, SYSTEM) for pk in made(number)]
        with CaptureQueriesContext(connection) as seen:
            assert len(conversations.assign_many(owners)) == number
        asked.append(len(seen))
    assert asked[0] == asked[1]

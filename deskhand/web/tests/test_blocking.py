"""Blocking a sender, and taking it back (R-SPAM-2, R-SPAM-3, R-SPAM-5, T-BLOCK-1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Contact, Ticket
from deskhand.desk import threads
from deskhand.desk.models import BlockedSender
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, Outcome
from deskhand.events.types import SYSTEM
from deskhand.web.tests.test_inbox import texts


@pytest.fixture
def ticket(office):
    return office.mail()


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def block(client, ticket, **form):
    return client.post(f"/inbox/all-open/{ticket.pk}/blocked", form)


def arrive(office, address="Astrid@Fjallbo.example", answers=()):
    office.at += timedelta(minutes=1)
    said = InboundMessage(f"{office.at}@x", Mailbox(address), "Again", "Me again", office.at, answers=answers)
    with office.inside() as world:
        return threads.receive(Incoming(world.channel.pk, said), at=office.at)


def test_t_block_1_a_blocked_senders_next_mail_is_spam_and_no_ticket(office, ticket, client):
    """R-SPAM-2: whatever the case of the address; others are heard as ever."""
    assert "astrid@fjallbo.example" in texts(client.get(f"/inbox/all-open/{ticket.pk}/block"))
    block(client, ticket)

    received = arrive(office)

    assert (received.outcome, received.ticket_id, received.why) == (Outcome.SPAM, None, "a blocked sender")
    assert office.again(ticket).is_spam
    assert arrive(office, "tom@else.example").outcome is Outcome.CREATED


def test_in_a_known_conversation_it_moves_nothing_either_R_SPAM_2(office, ticket, client):
    other = office.mail("Second question")
    with office.inside() as world:
        tickets.move(other.pk, to=world.stage("Closed"), by=SYSTEM)
    block(client, ticket)

    received = arrive(office, answers=("Second question@fjallbo.example",))

    assert received.outcome is Outcome.SPAM
    assert office.again(other).is_closed


def test_only_the_block_happens_by_itself_R_SPAM_5(office, ticket, client, sign_in):
    block(client, ticket)
    with office.inside():
        assert not Contact.objects.filter(archived_at__isnull=False).exists()
        assert not Ticket.objects.filter(archived_at__isnull=False).exists()

    block(sign_in(office.world.ada), ticket, delete_contact="1")
    with office.inside():
        assert Contact.objects.get(email="astrid@fjallbo.example").archived_at is not None
        assert BlockedSender.objects.count() == 1


def test_a_sender_is_unblocked_in_the_settings_R_SPAM_3(office, ticket, client, sign_in):
    block(client, ticket)
    admin = sign_in(office.world.ada)
    page = texts(admin.get("/settings/blocked"))
    assert "astrid@fjallbo.example Grace Hopper" in page
    with office.inside():
        blocked = BlockedSender.objects.get()

    admin.post(f"/settings/blocked/{blocked.pk}/free")

    assert "Nobody is blocked" in texts(admin.get("/settings/blocked"))
    assert arrive(office).outcome is Outcome.CREATED
    with office.inside():
        assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
            "sender.blocked",
            "sender.unblocked",
        ]
    assert admin.post(f"/settings/blocked/{blocked.pk}/free").status_code == 404
    assert client.get("/settings/blocked").status_code == 403


@pytest.mark.parametrize("address", ["bob@nordlys.example", "support@nordlys.example"])
def test_colleagues_and_our_own_addresses_are_not_blocked(office, client, ticket, address):
    with office.inside():
        Contact.objects.update(email=address)

    assert block(client, ticket).status_code == 400
    with office.inside():
        assert not BlockedSender.objects.exists()


def test_without_an_address_there_is_nothing_to_block(office, client):
    with office.inside() as world:
        bare = world.ticket("By hand")

    assert client.get(f"/inbox/all-open/{bare.pk}/block").status_code == 400
    assert block(client, bare).status_code == 400

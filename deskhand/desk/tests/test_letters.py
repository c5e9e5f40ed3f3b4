"""Mail from the record of a contact."""

from __future__ import annotations

import pytest

from deskhand.crm.records import contacts, joining
from deskhand.crm.records.models import PropertyChange, Ticket
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes, letters, threads
from deskhand.desk.letters import NewLetter
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Invalid, NotFound

ASTRID = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")


def receive(world, noon, **more):
    values = {"external_id": "1@fjallbo.example", "sender": ASTRID, "subject": "Refund", "text": "Where?", "received_at": noon} | more  # fmt: skip
    return threads.receive(Incoming(world.channel.pk, InboundMessage(**values)), at=noon)


def letter(world, contact_id: int, **more) -> NewLetter:
    values = {"channel_account_id": world.channel.pk, "to": ASTRID.email, "subject": "Your tent", "text": "Hello\n\nIt is here."}  # fmt: skip
    return NewLetter(contact_id, **(values | more))


@pytest.mark.parametrize("stage", ["New", "Waiting on us", "Closed"])
def test_t_stat_2_mail_from_the_contact_moves_no_ticket(world, noon, stage):
    """R-STAT-4, T-STAT-2: not its status, not its owner, nothing of it."""
    ticket_id = receive(world, noon).ticket_id
    Ticket.objects.filter(pk=ticket_id).update(stage_id=world.stage(stage))
    before = Ticket.objects.filter(pk=ticket_id).values().get()
    history = PropertyChange.objects.count()

    letters.write(letter(world, before["contact_id"]), by=world.ada)

    assert Ticket.objects.filter(pk=ticket_id).values().get() == before
    assert PropertyChange.objects.count() == history


def test_the_mail_leaves_through_the_outbox_once(world):
    contact = world.contact()
    new = letter(world, contact.pk, send_key="k")

    message = letters.write(new, by=world.ada)
    twin = letters.write(new, by=world.ada)

    assert twin.pk == message.pk
    entry = OutboxEntry.objects.get()
    assert (entry.recipients, entry.channel_account_id, entry.reference_id) == ([ASTRID.email], world.channel.pk, message.pk)  # fmt: skip
    assert entry.payload["subject"] == "Your tent"
    thread = Thread.objects.get()
    assert (thread.contact_id, thread.ticket_id, thread.assignee_id) == (contact.pk, None, world.ada.pk)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("subject", {"subject": " \n"}),
        ("body", {"text": "\x00 "}),
        ("to", {"to": "somebody@else.example"}),
        ("channel", {"channel_account_id": 0}),
    ],
)
def test_what_can_not_be_sent_names_the_field(world, field, given):
    contact = world.contact()

    with pytest.raises(Invalid) as refused:
        letters.write(letter(world, contact.pk, **given), by=world.ada)

    assert refused.value.field == field
    assert OutboxEntry.objects.count() == 0


def test_there_must_be_a_contact_an_address_and_a_channel_that_is_connected(world):
    nameless = contacts.make({"firstname": "Astrid"}, by=SYSTEM)
    with pytest.raises(Invalid, match="no email address"):
        letters.write(letter(world, nameless), by=world.ada)
    with pytest.raises(NotFound):
        letters.write(letter(world, 999_999), by=world.ada)


def test_a_further_address_of_the_contact_may_be_written_to(world):
    contact, other = world.contact(), contacts.make({"email": "astrid@gmail.example"}, by=SYSTEM)
    joining.join("contact", contact.pk, other, by=SYSTEM)

    assert letters.addresses(contact) == [ASTRID.email, "astrid@gmail.example"]
    letters.write(letter(world, contact.pk, to="astrid@gmail.example"), by=world.ada)
    assert OutboxEntry.objects.get().recipients == ["astrid@gmail.example"]


def test_the_answer_joins_the_conversation_and_asks_for_a_ticket_where_the_channel_makes_them(world, noon):
    contact = world.contact()
    message = letters.write(letter(world, contact.pk), by=world.ada)
    assert letters.wanting_tickets([message.thread_id]) == [message.thread_id]

    answer = receive(world, noon, external_id="2@fjallbo.example", answers=(message.external_id,))

    assert (answer.thread_id, answer.ticket_id) == (message.thread_id, None)
    inboxes.change(world.channel, by=SYSTEM, creates_tickets=False)
    assert letters.wanting_tickets([message.thread_id]) == []


def test_a_conversation_that_the_customer_began_is_not_asked_for(world, noon):
    inboxes.change(world.channel, by=SYSTEM, creates_tickets=False)
    received = receive(world, noon)
    inboxes.change(world.channel, by=SYSTEM, creates_tickets=True)

    assert letters.wanting_tickets([received.thread_id]) == []
    assert Message.objects.get().ticket_id is None

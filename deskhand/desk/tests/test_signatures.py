"""How we sign: the name before the address, and the signature under what people write, never under automatic mail."""

from __future__ import annotations

from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes, outgoing, replies, threads
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope


def answered(world, noon, **more):
    """The payload of a reply by Ada, with the channel changed as given."""
    with account_scope(world.account.pk):
        inboxes.change(world.channel, by=SYSTEM, **({"quotes_history": False} | more))
        mail = InboundMessage(
            external_id="1@fjallbo.example", sender=Mailbox("astrid@fjallbo.example", "Astrid"), subject="Where",
            text="Where is it?", received_at=noon,
        )  # fmt: skip
        received = threads.receive(Incoming(world.channel.pk, mail), at=noon)
        assert received.ticket_id
        message = replies.reply(NewReply(received.ticket_id, "On its way."), by=world.ada)
        return OutboxEntry.objects.get(reference_id=message.pk).payload, Message.objects.get(pk=message.pk)


def test_a_reply_is_signed_in_both_its_forms_and_kept_without(world, noon):
    payload, message = answered(world, noon, signature="Kind regards\nNordlys <3")

    assert payload["text"] == "On its way.\n\n-- \nKind regards\nNordlys <3"
    assert payload["html"] == "<p>On its way.</p><div><br>-- <br></div><p>Kind regards<br>Nordlys &lt;3</p>"
    assert message.text == "On its way."


def test_without_a_signature_nothing_is_added(world, noon):
    payload, _ = answered(world, noon)

    assert (payload["text"], payload["html"]) == ("On its way.", "<p>On its way.</p>")


def test_customers_see_who_writes_unless_the_channel_says_otherwise(world, noon):
    assert outgoing.sender_name(world.channel, "Ada Lovelace") == "Ada Lovelace (Support)"
    payload, _ = answered(world, noon, from_name="Nordlys", shows_agent=False)

    assert "Nordlys" in str(payload["sender"])
    assert "Ada" not in str(payload["sender"])


def test_automatic_mail_has_the_channels_name_and_no_signature(world):
    world.channel.from_name, world.channel.signature = "Nordlys", "Kind regards"
    message = Message(
        id=1, account_id=world.account.pk, thread_id=1, text="Hello.", subject="Hi", external_id="x@y"
    )

    send = outgoing.send(message, world.channel, to=[Mailbox("a@b.example")])

    assert send.payload["text"] == "Hello."
    assert "Nordlys" in str(send.payload["sender"])

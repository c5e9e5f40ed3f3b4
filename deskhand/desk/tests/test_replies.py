"""What our side says: to whom it goes, and what comes back."""

import pytest

from deskhand.accounts.policy import viewer_for
from deskhand.crm.records.models import Contact
from deskhand.delivery import mime
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.types import Answer, Answered, Entry, Mail, Verdict
from deskhand.desk import bounces, drafts, inboxes, replies, threads
from deskhand.desk.bounces import Returned
from deskhand.desk.models import Delivery, Draft, Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.kernel import clock

ASTRID = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")


@pytest.fixture
def ticket_id(world, noon):
    return receive(world, "m0", ASTRID).ticket_id


def receive(world, number, sender, **more):
    channel = more.pop("channel", world.channel)
    to = more.pop("to", (Mailbox(channel.address),))
    message = InboundMessage(
        f"{number}@fjallbo.example", sender, "Refund", "Where is it?", clock.now(), to=to, **more
    )
    return threads.receive(Incoming(channel.pk, message))


def sent_to(message):
    return [box["email"] for box in message.recipients["to"]]


def test_an_answer_goes_to_the_customer_though_a_colleague_wrote_last_R_EM_9(world, noon):
    ada = Mailbox(world.ada.email, "Ada")
    first = receive(world, "m0", ASTRID, cc=(ada,))
    receive(world, "m1", ada, answers=("m0@fjallbo.example",))

    assert sent_to(replies.reply(NewReply(first.ticket_id, "It is on its way."), by=world.bob)) == [
        ASTRID.email
    ]


def test_where_the_address_was_disconnected_the_default_one_answers_R_MAIL_10(world, noon):
    old = inboxes.add_channel_account(
        world.channel.inbox, channel="email", name="Old", address="old@nordlys.example"
    )
    first = receive(world, "m0", ASTRID, channel=old)
    old.archived_at = clock.now()
    old.save(update_fields=["archived_at"])

    message = replies.reply(NewReply(first.ticket_id, "It is on its way."), by=world.bob)

    entry = OutboxEntry.objects.get(reference_id=message.pk)
    assert entry.payload["sender"]["email"] == world.channel.address
    assert entry.channel_account_id == world.channel.pk


@pytest.mark.parametrize(
    ("address", "beginning"),
    [("support+eu@nordlys.example", "support+eu+t"), (f"{'long' * 12}@nordlys.example", "longlong")],
)
def test_any_address_of_ours_can_send_and_be_answered(world, ticket_id, address, beginning):
    world.channel.address = address
    world.channel.save(update_fields=["address"])

    message = replies.reply(NewReply(ticket_id, "It is on its way."), by=world.bob)

    entry = OutboxEntry.objects.get(reference_id=message.pk)
    assert entry.payload["reply_to"][0]["email"].startswith(beginning)
    mime.check(Mail.from_payload(entry.payload), entry.message_id)


def test_an_inbox_with_letters_of_its_own_in_its_domain_can_send(world, ticket_id):
    world.channel.address = "support@bücher.example"
    world.channel.save(update_fields=["address"])

    message = replies.reply(NewReply(ticket_id, "It is on its way."), by=world.bob)

    entry = OutboxEntry.objects.get(reference_id=message.pk)
    raw = mime.render(
        Mail.from_payload(entry.payload),
        account_id=entry.account_id,
        message_id=entry.message_id,
        at=entry.created_at,
    )
    assert b"@xn--bcher-kva.example>" in raw
    assert entry.message_id == f"<{message.external_id}>"


def test_a_nul_that_was_typed_or_pasted_is_left_out(world, ticket_id):
    said = replies.reply(NewReply(ticket_id, "Hel\0lo", send_key="a\0b"), by=world.bob)
    noted = replies.comment(ticket_id, "No\0te", by=world.bob)
    drafts.save(viewer_for(world.account.pk, world.bob.pk), ticket_id, mode="reply", body="Ty\0ped")

    assert (said.text, noted.text, Draft.objects.get().body) == ("Hello", "Note", "Typed")


def test_a_report_about_somebody_who_never_got_the_mail_kills_no_address_B6(world, ticket_id):
    """Who got a mail of ours knows its Message-ID, and may report what they like."""
    world.contact("victim@elsewhere.example", "Vera")
    message = replies.reply(NewReply(ticket_id, "It is on its way."), by=world.bob)

    bounces.note_returned([Returned(message.pk, "victim@elsewhere.example", "no such user", is_hard=True)])
    bounces.note_returned([Returned(message.pk, "ASTRID@fjallbo.example", "no such user", is_hard=True)])

    assert [c.email for c in Contact.objects.filter(bounced_at__isnull=False)] == [ASTRID.email]
    assert Message.objects.get(pk=message.pk).delivery == Delivery.BOUNCED


def test_a_late_answer_does_not_hide_a_bounce(world, ticket_id):
    """A sender that died is asked about again, when the mail had long come back."""
    message = replies.reply(NewReply(ticket_id, "It is on its way."), by=world.bob)
    bounces.note_returned([Returned(message.pk, ASTRID.email, "no such user", is_hard=True)])

    replies.note_answers([answered(message)])

    assert Message.objects.get(pk=message.pk).delivery == Delivery.BOUNCED


def answered(message):
    entry = OutboxEntry.objects.get(reference_id=message.pk)
    carried = Entry(
        id=entry.id, account_id=entry.account_id, transport="mail", channel_account_id=None, message_id=entry.message_id,
        envelope_from="", recipients=(), settled={}, payload={}, reference_type=entry.reference_type,
        reference_id=entry.reference_id, attempts=1, ambiguous=0, tried_seconds=0.0, created_at=entry.created_at,
    )  # fmt: skip
    return Answered(carried, Answer(Verdict.ACCEPTED, "250 Taken"), "SENT", clock.now(), "")


def test_a_draft_that_goes_on_in_the_other_mode_is_not_kept_twice(world, ticket_id):
    """R-WORK-6: what was begun as a reply and said to the team alone must not come back as a reply."""
    viewer = viewer_for(world.account.pk, world.bob.pk)
    drafts.save(viewer, ticket_id, mode="reply", body="I ask the")

    drafts.save(viewer, ticket_id, mode="comment", body="I ask the bank", kept_as={"reply"})

    kept = Draft.objects.get()
    assert [kept.mode, kept.body] == ["comment", "I ask the bank"]
    drafts.forget(viewer, ticket_id, {"comment"})
    assert drafts.latest(viewer, ticket_id) is None

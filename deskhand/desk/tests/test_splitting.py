"""Messages become a ticket of their own, and what answers them follows (R-WORK-11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from deskhand.crm.records import associations, tickets
from deskhand.crm.records.models import Contact, PropertyChange, Ticket
from deskhand.desk import blocking, merging, replies, spam, splitting, threads
from deskhand.desk.models import Attachment, Mention, Message, Split, Thread
from deskhand.desk.replies import AutomaticMessage, NewReply
from deskhand.desk.splitting import Wanted
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, StoredFile
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor, Cause
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world

ASTRID = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
PER = Mailbox("per@other.example", "Per Holm")


@pytest.fixture
def receive(world):
    count = iter(range(1000))

    def _receive(text="Where is my refund?", *, sender=ASTRID, external_id="", **more):
        given = {"subject": "Refund", "to": (Mailbox(world.channel.address),)} | more
        message = InboundMessage(
            external_id=external_id or f"m{next(count)}@x",
            sender=sender,
            text=text,
            received_at=clock.now(),
            **given,
        )
        return threads.receive(Incoming(world.channel.pk, message))

    return _receive


@pytest.fixture
def talk(world, receive):
    """A ticket in which the customer asks, we answer, they ask something else, and we answer that."""
    first = receive("Where is my refund?", external_id="first@x")
    ticket_id = first.ticket_id
    one = replies.reply(NewReply(ticket_id, "On its way."), by=world.grace)
    file = StoredFile("tent.png", "image/png", 4, "a" * 64)
    receive(
        "My tent is torn, too.",
        external_id="tent@x",
        answers=(one.external_id,),
        thread_id=first.thread_id,
        files=(file,),
    )
    two = replies.reply(NewReply(ticket_id, "Send us a picture."), by=world.grace)
    assert Message.objects.filter(ticket_id=ticket_id).count() == 4
    return Ticket.objects.get(pk=ticket_id), one, Message.objects.get(external_id="tent@x"), two


@pytest.fixture
def grace(world):
    return Actor.user(world.grace.pk)


def split(world, grace, ticket, *messages, **more):
    stage = more.pop("stage", "New")
    wanted = Wanted(
        more.pop("subject", "Torn tent"), world.stage(stage), tuple(m.pk for m in messages), **more
    )
    made = splitting.split(ticket.pk, wanted, by=grace)
    return Ticket.objects.get(pk=made.ticket_id)


def said_in(ticket):
    return list(Message.objects.filter(ticket_id=ticket.pk).order_by("id").values_list("text", flat=True))


def test_messages_leave_with_their_files_and_both_tickets_know_of_each_other(world, talk, grace):
    ticket, _one, tent, two = talk
    tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)

    new = split(world, grace, ticket, tent, two)

    assert said_in(ticket) == ["Where is my refund?", "On its way."]
    assert said_in(new) == ["My tent is torn, too.", "Send us a picture."]
    assert Attachment.objects.get().message.ticket_id == new.pk
    old = Ticket.objects.get(pk=ticket.pk)
    assert (old.message_count, old.preview, old.last_message_from_visitor) == (2, "On its way.", False)
    assert (new.message_count, new.preview, new.subject) == (2, "Send us a picture.", "Torn tent")
    assert (new.contact.email, new.owner_id, new.channel_account_id) == (
        ASTRID.email,
        world.bob.pk,
        ticket.channel_account_id,
    )
    assert new.properties["hs_copied_from_ticket"] == ticket.pk
    assert new.first_agent_reply_by == world.grace.pk
    assert associations.linked_ids("ticket", [new.pk], "ticket") == {new.pk: [old.pk]}
    lines = (
        PropertyChange.objects.filter(property="@split")
        .order_by("id")
        .values_list("record_id", "new", "actor_id")
    )
    assert list(lines) == [
        (old.pk, {"did": "moved", "number": new.number, "count": 2}, world.grace.pk),
        (new.pk, {"did": "moved_from", "number": old.number, "count": 2}, world.grace.pk),
    ]
    assert EventRow.objects.filter(kind="ticket.split", object_id=old.pk).count() == 1


def test_who_answers_a_message_that_was_moved_is_heard_in_the_new_ticket(world, talk, grace, receive):
    """T1: the token of what left before names the old conversation; the answered message says where it is now."""
    ticket, one, tent, two = talk
    old_thread = Thread.objects.get(ticket_id=ticket.pk)
    new = split(world, grace, ticket, tent, two)

    by_tag = {"thread_id": old_thread.pk}
    assert (
        receive("A picture", answers=(two.external_id, "tent@x", one.external_id), **by_tag).ticket_id
        == new.pk
    )
    assert receive("One more", answers=("tent@x",)).ticket_id == new.pk
    assert receive("And the refund?", answers=(one.external_id, "first@x"), **by_tag).ticket_id == ticket.pk
    assert receive("Hello", **by_tag).ticket_id == ticket.pk
    assert receive("Unknown", answers=("nobody@knows",), **by_tag).ticket_id == ticket.pk

    answer = replies.reply(NewReply(new.pk, "Thank you."), by=world.grace)
    assert answer.thread.split_from_id == old_thread.pk
    assert receive("Welcome", answers=(answer.external_id,), thread_id=answer.thread_id).ticket_id == new.pk


def test_a_token_leads_nowhere_but_among_what_was_split(world, talk, grace, receive):
    """T1: an id that is known elsewhere turns no verified answer away from its conversation."""
    ticket, _one, _tent, _two = talk
    thread = Thread.objects.get(ticket_id=ticket.pk)
    other = receive("Another matter", sender=PER, external_id="other@x")

    assert receive("Hm", answers=("other@x",), thread_id=thread.pk).ticket_id == ticket.pk
    assert other.ticket_id != ticket.pk


def test_it_can_be_split_again_and_still_be_answered(world, talk, grace, receive):
    ticket, _one, tent, two = talk
    thread = Thread.objects.get(ticket_id=ticket.pk)
    new = split(world, grace, ticket, tent, two)
    third = split(world, grace, new, two, subject="A picture")

    assert receive("Here", answers=(two.external_id,), thread_id=thread.pk).ticket_id == third.pk
    assert receive("And", answers=("tent@x",), thread_id=thread.pk).ticket_id == new.pk


def test_a_whole_conversation_goes_with_its_token(world, talk, grace, receive):
    """A ticket that was merged has two of them."""
    ticket, _one, _tent, _two = talk
    other = receive("My invoice is wrong", subject="Invoice", external_id="invoice@x")
    merging.merge(ticket.pk, other.ticket_id, by=SYSTEM)
    ticket.refresh_from_db()

    new = split(world, grace, ticket, Message.objects.get(external_id="invoice@x"), subject="Invoice")

    assert Thread.objects.get(pk=other.thread_id).ticket_id == new.pk
    assert Thread.objects.count() == 2
    assert receive("Well?", thread_id=other.thread_id).ticket_id == new.pk


def test_what_a_ticket_began_with_may_leave(world, talk, grace, receive):
    """R-STAT-5: the rest begins with what is left."""
    ticket, one, _tent, _two = talk
    first = Message.objects.get(external_id="first@x")
    new = split(world, grace, ticket, first)
    ticket.refresh_from_db()

    assert ticket.originating_message_id == one.pk
    assert (new.originating_message_id, new.originating_thread_id) == (first.pk, new.originating_thread_id)
    splitting.take_back(new.pk, by=grace)
    ticket.refresh_from_db()
    assert ticket.originating_message_id == first.pk


def test_a_copy_is_words_and_files_and_answers_stay(world, talk, grace, receive):
    ticket, _one, tent, _two = talk
    new = split(world, grace, ticket, tent, is_copy=True)

    assert len(said_in(ticket)) == 4
    assert said_in(new) == ["My tent is torn, too."]
    assert [file.name for file in Attachment.objects.filter(message__ticket_id=new.pk)] == ["tent.png"]
    assert Attachment.objects.count() == 2
    assert receive("Well?", answers=("tent@x",)).ticket_id == ticket.pk
    assert replies.whom_to_answer(new) == (ASTRID,)
    assert Message.objects.get(ticket_id=new.pk).created_at == tent.created_at
    splitting.take_back(new.pk, by=grace)
    assert len(said_in(ticket)) == 5
    assert Ticket.objects.get(pk=new.pk).archived_at


def test_a_strangers_message_becomes_the_strangers_ticket(world, talk, grace, receive):
    ticket, _one, _tent, _two = talk
    received = receive("Me, too", sender=PER, answers=("tent@x",))
    stranger = Message.objects.get(pk=received.message_id)
    assert stranger.is_unverified

    new = split(world, grace, ticket, stranger)

    assert new.contact == Contact.objects.get(email=PER.email)
    assert receive("Hello?", sender=PER, answers=(stranger.external_id,)).ticket_id == new.pk
    assert not Message.objects.filter(ticket_id=new.pk, is_unverified=True).exclude(pk=stranger.pk).exists()


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_stranger_who_goes_along_stays_a_stranger(world, talk, grace, receive, is_copy):
    """T4: one chosen message more, and whoever forged a reference would be heard and written to."""
    ticket, _one, _tent, _two = talk
    forged = receive("Me, too", sender=PER, external_id="forged@x", answers=("tent@x",))
    receive("Well?", external_id="well@x", answers=("tent@x",))
    said = Message.objects.filter(ticket_id=ticket.pk, pk__gte=forged.message_id)
    assert [m.is_unverified for m in said.order_by("id")] == [True, False]

    new = split(world, grace, ticket, *said, is_copy=is_copy)

    assert Thread.objects.get(ticket_id=new.pk).participants == [ASTRID.email]
    assert new.contact.email == ASTRID.email
    assert replies.whom_to_answer(new) == (ASTRID,)
    assert not Contact.objects.filter(email=PER.email).exists()
    again = receive("And?", sender=PER, answers=("forged@x",))
    assert Message.objects.get(pk=again.message_id).is_unverified


def test_a_strangers_message_beside_what_we_wrote_makes_it_nobodys_but_the_customers(
    world, talk, grace, receive
):
    """T4: what we wrote to the customer is not the stranger's to answer."""
    ticket, _one, _tent, two = talk
    forged = receive("Me, too", sender=PER, answers=("tent@x",))

    new = split(world, grace, ticket, two, Message.objects.get(pk=forged.message_id))

    assert Thread.objects.get(ticket_id=new.pk).participants == [ASTRID.email]
    assert new.contact.email == ASTRID.email


@pytest.mark.parametrize("alone", [True, False])
def test_a_machine_that_says_how_it_went_makes_no_request(world, talk, grace, receive, alone):
    """A bounce is nobody's request, be it the first message or the only one."""
    ticket, _one, _tent, two = talk
    daemon = Mailbox("mailer-daemon@mx.example")
    receive("Undelivered", sender=daemon, answers=(two.external_id,), automatic=Automatic.REPORT)
    if not alone:
        receive("A picture", external_id="picture@x", answers=(two.external_id,))
    said = Message.objects.filter(ticket_id=ticket.pk, pk__gt=two.pk)

    new = split(world, grace, ticket, *said)

    assert new.contact.email == ASTRID.email
    assert not Contact.objects.filter(email=daemon.email).exists()
    if not alone:
        assert Thread.objects.get(ticket_id=new.pk).participants == [ASTRID.email]


def test_what_a_blocked_sender_wrote_makes_nobody_known(world, talk, grace, receive):
    """R-SPAM-2: who was told apart as spam is not written to for being split off."""
    ticket, _one, _tent, two = talk
    blocking.block(PER.email, by=grace)
    spam_mail = receive("Cheap tents", sender=PER, answers=(two.external_id,))
    receive("A picture", answers=(two.external_id,))
    said = Message.objects.filter(ticket_id=ticket.pk, pk__gte=spam_mail.message_id)

    new = split(world, grace, ticket, *said)

    assert new.contact.email == ASTRID.email
    assert Thread.objects.get(ticket_id=new.pk).participants == [ASTRID.email]


def test_mentions_go_along_and_a_comment_may_too(world, talk, grace):
    ticket, _one, tent, _two = talk
    note = replies.comment(ticket.pk, f"@{world.bob.username} the tent", by=world.grace)
    new = split(world, grace, ticket, tent, note)

    assert Mention.objects.get().ticket_id == new.pk
    assert new.message_count == 1


@pytest.mark.parametrize("is_copy", [False, True])
def test_it_is_taken_back_with_nothing_lost(world, talk, grace, is_copy):
    ticket, _one, tent, two = talk
    before = list(Message.objects.order_by("id").values("id", "thread_id", "ticket_id", "text"))
    stood = Ticket.objects.values("message_count", "preview", "last_sent_at", "originating_thread_id").get(
        pk=ticket.pk
    )
    new = split(world, grace, ticket, tent, two, is_copy=is_copy)

    assert splitting.take_back(new.pk, by=grace) == ticket.pk

    found = (
        Message.objects.filter(ticket_id=ticket.pk)
        .order_by("id")
        .values("id", "thread_id", "ticket_id", "text")
    )
    assert list(found) == before
    assert Ticket.objects.values(*stood).get(pk=ticket.pk) == stood
    assert not associations.linked_ids("ticket", [ticket.pk], "ticket")
    assert merging.survivor_of(new.pk) == ticket.pk
    with pytest.raises(NotFound):
        splitting.take_back(new.pk, by=grace)


def test_it_is_not_taken_back_once_more_was_said_or_later(world, talk, grace, receive):
    ticket, _one, tent, two = talk
    new = split(world, grace, ticket, tent, two)
    with pytest.raises(Conflict):
        splitting.take_back(new.pk, by=grace, at=clock.now() + timedelta(minutes=11))
    receive("A picture", answers=(two.external_id,))
    with pytest.raises(Conflict):
        splitting.take_back(new.pk, by=grace)

    assert len(said_in(new)) == 3


def test_what_a_workflow_sent_at_once_comes_along(world, talk, grace, receive):
    """Nothing is lost: who answers it is heard where it is now."""
    ticket, _one, tent, two = talk
    new = split(world, grace, ticket, tent, two)
    thread = Thread.objects.get(ticket_id=new.pk)
    mail = AutomaticMessage(
        new.pk, thread.pk, world.channel, ASTRID, Cause(), SYSTEM, "We have it", "We have it"
    )
    (sent_id,) = replies.send_automatic([mail], at=clock.now())

    splitting.take_back(new.pk, by=grace)

    assert Message.objects.get(pk=sent_id).ticket_id == ticket.pk
    assert Message.objects.filter(ticket_id=ticket.pk).count() == 5
    assert receive("Fine", thread_id=thread.pk).ticket_id == ticket.pk


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"subject": " "}, "subject"),
        ({"subject": "x" * 501}, "subject"),
        ({"message_ids": ()}, "messages"),
        ({"stage_id": 0}, "hs_pipeline_stage"),
    ],
)
def test_what_can_not_be_is_refused(world, talk, grace, given, field):
    ticket, _one, tent, _two = talk
    wanted = {"subject": "Tent", "stage_id": world.stage("New"), "message_ids": (tent.pk,)} | given
    with pytest.raises(Invalid) as refused:
        splitting.split(ticket.pk, Wanted(**wanted), by=grace)

    assert refused.value.field == field


def test_a_ticket_keeps_a_message_and_spam_and_merged_ones_stay_whole(world, talk, grace, receive):
    ticket, *_said = talk
    everything = list(Message.objects.filter(ticket_id=ticket.pk))
    with pytest.raises(Invalid, match="keeps at least one message"):
        split(world, grace, ticket, *everything)
    assert len(said_in(split(world, grace, ticket, *everything, is_copy=True))) == 4
    elsewhere = receive("Else", sender=PER)
    with pytest.raises(Conflict, match="no more"):
        split(world, grace, ticket, Message.objects.get(pk=elsewhere.message_id))
    spam.mark(ticket.pk, by=SYSTEM)
    with pytest.raises(Conflict, match="spam"):
        split(world, grace, ticket, everything[0])
    spam.unmark(ticket.pk, by=SYSTEM)
    merging.merge(elsewhere.ticket_id, ticket.pk, by=SYSTEM)
    with pytest.raises(Conflict, match="part of #"):
        split(world, grace, ticket, everything[0])
    assert Split.objects.count() == 1


def test_a_closed_ticket_lets_a_message_become_an_open_one(world, talk, grace):
    ticket, _one, tent, _two = talk
    tickets.move(ticket.pk, to=world.stage("Closed"), by=SYSTEM)
    new = split(world, grace, ticket, tent)

    assert not new.is_closed
    assert Ticket.objects.get(pk=ticket.pk).is_closed


# ── while mail arrives ───────────────────────────────────────────────────────────────────────────────────────────────


def split_whole(world, first, other):
    """A conversation of its own leaves with its thread."""
    merging.merge(first.ticket_id, other.ticket_id, by=SYSTEM)
    yield
    wanted = Wanted("Tent", world.stage("New"), (other.message_id,))
    yield splitting.split(first.ticket_id, wanted, by=SYSTEM).ticket_id


def split_part(world, first, other):
    """Of one conversation a message leaves, into another thread."""
    message = InboundMessage("c@x", ASTRID, "Tent", "And this", clock.now(), answers=("b@x",))
    threads.receive(Incoming(world.channel.pk, message))
    yield
    wanted = Wanted("Tent", world.stage("New"), (other.message_id,))
    yield splitting.split(other.ticket_id, wanted, by=SYSTEM).ticket_id


def merge_into_older(world, first, other):
    yield
    merging.merge(first.ticket_id, other.ticket_id, by=SYSTEM)
    yield first.ticket_id


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [split_whole, split_part, merge_into_older])
def test_what_arrives_meanwhile_is_where_the_answered_message_went(change):
    """R-WORK-11, R-MERGE-6: a message, its conversation and its ticket agree, however close the two were."""
    world = make_world()

    def receive(external_id, *answers):
        message = InboundMessage(external_id, ASTRID, "Tent", "Hi", clock.now(), answers=answers)
        try:
            with account_scope(world.account.pk):
                return threads.receive(Incoming(world.channel.pk, message))
        finally:
            connection.close()

    with account_scope(world.account.pk):
        changing = change(world, receive_in(world, "a@x"), receive_in(world, "b@x"))
        next(changing)
    with ThreadPoolExecutor(1) as elsewhere:
        with account_scope(world.account.pk):
            expected = next(changing)
            arriving = elsewhere.submit(receive, "answer@x", "b@x")
            until_somebody_waits()
        received = arriving.result()

    assert received.ticket_id == expected
    with account_scope(world.account.pk):
        stored = Message.objects.select_related("thread").get(external_id="answer@x")
        assert (stored.ticket_id, stored.thread.ticket_id) == (expected, expected)
        heard = Message.objects.filter(ticket_id=expected).count()
        assert Ticket.objects.get(pk=expected).message_count == heard


def receive_in(world, external_id):
    message = InboundMessage(external_id, ASTRID, "Tent", "Hi", clock.now())
    return threads.receive(Incoming(world.channel.pk, message))

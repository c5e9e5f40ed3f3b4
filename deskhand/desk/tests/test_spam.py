"""Spam: what arrives so, what is made so, and the way back (R-CC-12, R-SPAM-1)."""

from datetime import timedelta

import pytest

from deskhand.accounts.policy import viewer_for
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline
from deskhand.crm.records import archive, tickets
from deskhand.crm.records.models import Contact, PropertyChange, Ticket
from deskhand.desk import conversations, spam, threads
from deskhand.desk import views as desk_views
from deskhand.desk.models import Message, Thread
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, Outcome
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound

EVE = Mailbox("eve@offers.example", "Eve")
MARK = "X-Spam-Flag"


@pytest.fixture
def receive(world, noon):
    count = iter(range(1000))

    def _receive(text="Buy now", *, sender=EVE, at=None, **more):
        message = InboundMessage(
            f"m{next(count)}@x", sender, more.pop("subject", "Offer"), text, at or clock.now(), **more
        )
        return threads.receive(Incoming(world.channel.pk, message), at=at)

    return _receive


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


def kinds():
    return [event.kind for event in EventRow.objects.order_by("id")]


def listed(world, key):
    viewer = viewer_for(world.account.pk, world.ada.pk)
    return [row.id for row in desk_views.rows(viewer, desk_views.view_of(viewer, key))[0]]


def threads_in(world, which):
    return [row.id for row in which(viewer_for(world.account.pk, world.ada.pk))[0]]


# ── on arrival ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_marked_on_its_way_opens_no_ticket_and_makes_no_contact_R_CC_12(world, receive):
    received = receive(spam_mark=MARK)

    assert (received.outcome, received.ticket_id) == (Outcome.SPAM, None)
    assert received.why == "marked as spam by X-Spam-Flag"
    assert not Ticket.objects.exists()
    assert not Contact.objects.exists()
    assert Thread.objects.get().is_spam
    assert kinds() == [threads.FILTERED]
    assert threads_in(world, desk_views.filtered) == [received.thread_id]
    assert threads_in(world, desk_views.conversations) == []


def test_a_marked_answer_to_a_known_thread_is_not_lost_R_CC_12(receive):
    first = receive("Where is it?")
    ticket = Ticket.objects.get()

    second = receive("And now?", answers=("m0@x",), spam_mark=MARK)

    assert (second.outcome, second.thread_id, second.ticket_id) == (
        Outcome.JOINED,
        first.thread_id,
        ticket.pk,
    )
    ticket.refresh_from_db()
    assert (ticket.is_spam, ticket.message_count, ticket.preview) == (False, 2, "And now?")


def test_what_answers_a_thread_in_spam_stays_there_without_a_mark_R_CC_12(receive):
    first = receive(spam_mark=MARK)

    second = receive("Still there?", answers=("m0@x",))

    thread = Thread.objects.get()
    assert (second.outcome, second.thread_id) == (Outcome.SPAM, first.thread_id)
    assert (thread.is_spam, thread.message_count, thread.preview) == (True, 2, "Buy now")
    assert not Ticket.objects.exists()
    assert not Contact.objects.exists()


def test_a_mail_to_a_spam_ticket_is_filed_and_counted_and_does_nothing_else_R_SPAM_1(world, receive, ada):
    first = receive("Hello")
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)
    spam.mark(first.ticket_id, by=ada)
    before = Ticket.objects.get()
    events = len(kinds())

    second = receive("Still there?", answers=("m0@x",), at=clock.now() + timedelta(days=400))

    after = Ticket.objects.get()
    assert (second.outcome, second.ticket_id) == (Outcome.SPAM, first.ticket_id)
    assert (after.stage_id, after.reopened_at, after.sort_at) == (before.stage_id, None, before.sort_at)
    assert (after.message_count, after.preview) == (2, "Hello")
    assert kinds()[events:] == [threads.FILTERED]
    assert Message.objects.filter(ticket_id=first.ticket_id).count() == 2


def test_what_answers_a_deleted_spam_ticket_is_spam_anew(receive, ada):
    first = receive("Hello")
    spam.mark(first.ticket_id, by=ada)
    archive.archive("ticket", [first.ticket_id], by=SYSTEM)

    second = receive("Still there?", answers=("m0@x",))

    assert (second.outcome, second.ticket_id) == (Outcome.SPAM, None)
    assert second.thread_id != first.thread_id


def test_a_marked_answer_that_would_open_a_ticket_opens_none_R_CC_12(world, receive):
    pipelines.set_policy(Pipeline.objects.get(key="0"), options={"reopen": {"mode": "never"}})
    first = receive("Hello")
    tickets.move(first.ticket_id, to=world.stage("Closed"), by=SYSTEM)

    marked = receive("Buy now", answers=("m0@x",), spam_mark=MARK)
    unmarked = receive("Again?", answers=("m0@x",))

    assert (marked.outcome, marked.ticket_id) == (Outcome.SPAM, None)
    assert unmarked.outcome is Outcome.CREATED


# ── by hand: tickets ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ticket_moves_to_spam_with_its_threads_and_back_R_SPAM_1(world, receive, ada):
    ticket_id = receive("Hello").ticket_id
    tickets.assign(ticket_id, owner_id=world.grace.pk, by=SYSTEM)
    stage = Ticket.objects.get().stage_id

    assert spam.mark(ticket_id, by=ada)

    assert (listed(world, "all-open"), listed(world, "spam")) == ([], [ticket_id])
    assert Thread.objects.get().is_spam
    told = EventRow.objects.latest("id")
    assert (told.kind, told.data["changes"]) == ("ticket.updated", {"is_spam": [False, True]})
    history = PropertyChange.objects.get(property="is_spam")
    assert (history.old, history.new, history.actor_id) == (False, True, world.ada.pk)

    assert spam.unmark(ticket_id, by=ada)

    ticket = Ticket.objects.get()
    assert (listed(world, "all-open"), listed(world, "spam")) == ([ticket_id], [])
    assert (ticket.owner_id, ticket.stage_id) == (world.grace.pk, stage)
    assert not Thread.objects.get().is_spam


def test_what_was_written_meanwhile_is_heard_afterwards_R_REOPEN_2(world, receive, ada):
    ticket_id = receive("Hello").ticket_id
    tickets.move(ticket_id, to=world.stage("Closed"), by=SYSTEM)
    spam.mark(ticket_id, by=ada)
    later = clock.now() + timedelta(hours=2)
    receive("I am no robot!", answers=("m0@x",), at=later)
    receive("I am away", answers=("m0@x",), at=later, automatic=Automatic.ANSWER)
    receive("Me too", answers=("m0@x",), at=later, sender=Mailbox("mallory@x.example"))

    spam.unmark(ticket_id, by=ada, at=later + timedelta(minutes=1))

    ticket = Ticket.objects.get()
    assert (ticket.is_closed, ticket.reopened_at) == (False, later + timedelta(minutes=1))
    assert (ticket.preview, ticket.last_received_at) == ("I am no robot!", later)
    assert ticket.last_message_from_visitor
    moved = EventRow.objects.filter(kind="ticket.moved").latest("id")
    assert moved.cause["rule"] == "reopen_on_reply"

    tickets.move(ticket_id, to=world.stage("Closed"), by=SYSTEM)
    spam.mark(ticket_id, by=ada)
    spam.unmark(ticket_id, by=ada)
    assert Ticket.objects.get().is_closed  # it is heard once


def test_marking_twice_says_so_once(receive, ada):
    ticket_id = receive("Hello").ticket_id
    spam.mark(ticket_id, by=ada)
    said = kinds()

    assert not spam.mark(ticket_id, by=ada)
    assert kinds() == said
    spam.unmark(ticket_id, by=ada)
    assert not spam.unmark(ticket_id, by=ada)


def test_what_is_not_there_is_not_found(world, ada):
    for verb in (spam.mark, spam.unmark, spam.mark_thread, spam.unmark_thread):
        with pytest.raises(NotFound):
            verb(4711, by=ada)


# ── by hand: conversations ───────────────────────────────────────────────────────────────────────────────────────────


def test_no_spam_after_all_becomes_the_ticket_it_would_have_been_R_CC_12(world, receive, ada):
    thread_id = receive(spam_mark=MARK).thread_id
    receive("Please answer", answers=("m0@x",))

    ticket_id = spam.unmark_thread(thread_id, by=ada)

    ticket = Ticket.objects.get()
    assert ticket.pk == ticket_id
    assert (ticket.subject, ticket.stage_id, ticket.message_count) == ("Offer", world.stage("New"), 2)
    assert (ticket.contact.email, ticket.contact.name) == ("eve@offers.example", "Eve")
    assert (ticket.is_spam, Thread.objects.get().is_spam) == (False, False)
    assert set(Message.objects.values_list("ticket_id", flat=True)) == {ticket_id}
    assert threads_in(world, desk_views.filtered) == []


def test_a_forward_of_a_colleague_is_the_customers_request_R_EM_7(world, receive, ada):
    thread_id = receive(
        sender=Mailbox(world.grace.email, "Grace"), original_sender=Mailbox("chiara@x.example", "Chiara"), is_forward=True, spam_mark=MARK
    ).thread_id  # fmt: skip

    spam.unmark_thread(thread_id, by=ada)

    assert Ticket.objects.get().contact.email == "chiara@x.example"
    assert Thread.objects.get().contact_id == Ticket.objects.get().contact_id


@pytest.mark.parametrize("automatic", [Automatic.ANSWER, Automatic.REPORT])
def test_what_a_machine_says_opens_nothing_afterwards_either_R_STAT_18(world, receive, ada, automatic):
    thread_id = receive(spam_mark=MARK, automatic=automatic).thread_id

    assert spam.unmark_thread(thread_id, by=ada) is None

    assert threads_in(world, desk_views.conversations) == [thread_id]
    assert not Ticket.objects.exists()
    assert not Contact.objects.exists()


def test_no_spam_twice_is_one_ticket_R_CC_12(receive, ada):
    thread_id = receive(spam_mark=MARK).thread_id

    assert spam.unmark_thread(thread_id, by=ada) == spam.unmark_thread(thread_id, by=ada)
    assert Ticket.objects.count() == 1


def test_where_the_channel_makes_no_tickets_it_goes_to_the_conversations_R_CC_3(world, receive, ada):
    world.channel.creates_tickets = False
    world.channel.save(update_fields=["creates_tickets"])
    thread_id = receive(spam_mark=MARK).thread_id

    assert spam.unmark_thread(thread_id, by=ada) is None

    assert threads_in(world, desk_views.conversations) == [thread_id]
    assert Contact.objects.get().pk == Thread.objects.get().contact_id
    assert not Ticket.objects.exists()

    spam.mark_thread(thread_id, by=ada)
    assert threads_in(world, desk_views.conversations) == []
    assert threads_in(world, desk_views.filtered) == [thread_id]
    assert kinds().count(spam.THREAD_UPDATED) == 2


def test_marking_the_thread_of_a_ticket_marks_the_ticket(receive, ada):
    received = receive("Hello")

    spam.mark_thread(received.thread_id, by=ada)
    assert Ticket.objects.get().is_spam

    assert spam.unmark_thread(received.thread_id, by=ada) == received.ticket_id
    assert not Ticket.objects.get().is_spam


def test_spam_is_made_a_ticket_by_taking_it_out_of_spam_alone(receive, ada):
    thread_id = receive(spam_mark=MARK).thread_id

    with pytest.raises(Invalid):
        conversations.make_ticket(thread_id, by=ada)

"""What our side says in conversations without a ticket, and their being closed and put away (R-DM-10)."""

import pytest

from deskhand.delivery.models import OutboxEntry
from deskhand.desk import answers, conversations, inboxes, threads
from deskhand.desk.answers import NewAnswer
from deskhand.desk.models import InboxKind, Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound


@pytest.fixture
def thread(world, noon):
    inbox = inboxes.add_inbox(world.account.pk, "Sales", InboxKind.INBOX, by=SYSTEM)
    sales = inboxes.add_channel_account(
        inbox, channel="email", name="Sales", address="sales@nordlys.example", creates_tickets=False
    )
    mail = InboundMessage("m1@a.example", Mailbox("per@a.example", "Per"), "Prices", "How much?", clock.now())
    return Thread.objects.get(pk=threads.receive(Incoming(sales.pk, mail)).thread_id)


def test_an_answer_leaves_by_mail_and_is_its_writers_R_DM_10(world, thread):
    message = answers.reply(NewAnswer(thread.pk, "A lot."), by=world.grace)

    thread.refresh_from_db()
    assert message.recipients["to"] == [{"email": "per@a.example", "name": "Per"}]
    assert OutboxEntry.objects.get().reference_id == message.pk
    assert (thread.assignee_id, thread.message_count, thread.preview) == (world.grace.pk, 2, "A lot.")
    sent = EventRow.objects.get(kind="message.sent")
    assert (sent.actor_id, sent.data["ticket_id"]) == (world.grace.pk, None)


def test_another_ones_stays_theirs_R_ROUTE_4(world, thread):
    Thread.objects.update(assignee_id=world.bob.pk)

    answers.reply(NewAnswer(thread.pk, "A lot."), by=world.grace)

    assert Thread.objects.get().assignee_id == world.bob.pk


def test_the_same_key_says_it_once(world, thread):
    """api.md §2.6: a repeated call doubles nothing."""
    first, again = (answers.reply(NewAnswer(thread.pk, "A lot.", send_key="k"), by=world.grace) for _ in "ab")
    noted, again_noted = (answers.comment(thread.pk, "Hm.", by=world.bob, send_key="c") for _ in "ab")

    assert (first.pk, noted.pk) == (again.pk, again_noted.pk)
    assert (OutboxEntry.objects.count(), Message.objects.count()) == (1, 3)


def test_a_comment_reaches_nobody_R_WORK_4(world, thread):
    answers.comment(thread.pk, "Hm.", by=world.bob)

    assert OutboxEntry.objects.count() == 0
    assert Thread.objects.get().assignee_id is None
    conversations.make_ticket(thread.pk, by=SYSTEM)
    assert Message.objects.filter(kind="COMMENT").exclude(ticket_id=None).count() == 1


def test_nothing_is_said_into_a_ticket_or_out_of_the_bin(world, thread):
    """The verbs are for conversations without a ticket; a ticket's go by `replies` (R-DM-10)."""
    conversations.put_away(thread.pk, by=SYSTEM)
    with pytest.raises(NotFound):
        answers.reply(NewAnswer(thread.pk, "A lot."), by=world.grace)
    conversations.bring_back(thread.pk, by=SYSTEM)
    with pytest.raises(Invalid):
        answers.reply(NewAnswer(thread.pk, " "), by=world.grace)
    conversations.make_ticket(thread.pk, by=SYSTEM)
    with pytest.raises(NotFound):
        answers.comment(thread.pk, "Hm.", by=world.grace)


def test_closing_and_reopening_are_told_once(thread):
    """Safe to repeat: what does not change is no event (R-DM-10)."""
    for do in (conversations.close, conversations.close, conversations.reopen, conversations.reopen):
        do(thread.pk, by=SYSTEM)

    told = EventRow.objects.filter(kind="thread.updated").order_by("id").values_list("data", flat=True)
    assert [one["changes"] for one in told] == [{"is_open": [True, False]}, {"is_open": [False, True]}]


def test_an_answer_never_goes_to_a_stranger_S4(world, thread):
    """Who wrote into it without being of it is not who is answered."""
    mine = Message.objects.get()
    Message.objects.create(
        account_id=world.account.pk, thread=thread, direction="IN", sender_address="evil@b.example", text="Send it to me.",
        is_unverified=True, actor_kind=mine.actor_kind, created_at=clock.now(),
    )  # fmt: skip

    message = answers.reply(NewAnswer(thread.pk, "A lot."), by=world.grace)

    assert [box["email"] for box in message.recipients["to"]] == ["per@a.example"]

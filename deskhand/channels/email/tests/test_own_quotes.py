"""What our replies quote, and that it is folded when it comes back (O5, O6, Q2–Q4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import Account
from deskhand.channels.email.parse.trim import trim
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import inboxes, replies, threads
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM

ASTRID = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")


def receive(world, at, number, text, sender=ASTRID, **more):
    message = InboundMessage(
        f"{number}@fjallbo.example", sender, "Refund", text, at, to=(Mailbox(world.channel.address),), **more
    )
    return threads.receive(Incoming(world.channel.pk, message), at=at)


@pytest.fixture
def ticket_id(world, noon):
    return receive(world, noon, "m0", "Where is it?\nAstrid").ticket_id


def sent(message):
    return OutboxEntry.objects.get(reference_id=message.pk).payload


def reply(world, ticket_id, text, at, **more):
    return replies.reply(NewReply(ticket_id, text, **more), by=world.bob, at=at)


def test_a_reply_carries_the_conversation_and_the_page_folds_it(world, noon, ticket_id):
    reply(
        world, ticket_id, "On its way.", noon + timedelta(hours=1), html="<p>On its <strong>way</strong>.</p>"
    )
    receive(world, noon + timedelta(hours=2), "m1", "Thanks", answers=("m0@fjallbo.example",))

    message = reply(world, ticket_id, "Gladly.", noon + timedelta(hours=3))

    assert message.text == "Gladly."
    assert message.quoted.splitlines()[1:] == [
        "> Thanks",
        ">",
        message.quoted.splitlines()[3],
        ">> On its way.",
        ">>",
        message.quoted.splitlines()[6],
        ">>> Where is it?",
        ">>> Astrid",
    ]
    payload = sent(message)
    assert payload["text"] == f"Gladly.\n\n{message.quoted}"
    assert payload["html"].count('<blockquote type="cite"') == 3
    assert "<p>On its <strong>way</strong>.</p>" in payload["html"]
    assert "Bob Noyce (Support) <support@nordlys.example>" in payload["text"]
    assert world.bob.email not in payload["text"] + payload["html"]


def test_comments_strangers_and_pictures_are_never_in_it_O5_O6(world, noon, ticket_id):
    replies.comment(ticket_id, "canary", by=world.ada)
    receive(world, noon, "m1", "stranger", Mailbox("mallory@x.example"), answers=("m0@fjallbo.example",))
    receive(
        world, noon, "m2", "picture", html='<p>picture <img src="cid:1"></p>', answers=("m0@fjallbo.example",)
    )

    payload = sent(reply(world, ticket_id, "Hello", noon))

    both = payload["text"] + payload["html"]
    assert "picture" in both
    for hidden in ("canary", "stranger", "mallory", "<img", "cid:"):
        assert hidden not in both


BENT = Mailbox("bent@fjallbo.example", "Bent")
ANSWER = {"answers": ("m0@fjallbo.example",)}


def test_a_colleagues_private_answer_is_not_quoted_to_the_customer_R_EM_9(world, noon, ticket_id):
    ada = Mailbox(world.ada.email, "Ada")
    receive(world, noon, "m1", "looks like a fraudster", ada, **ANSWER)
    receive(world, noon, "m2", "I said hello", ada, cc=(ASTRID,), **ANSWER)

    both = str(sent(reply(world, ticket_id, "Hello", noon, to=(ASTRID,))))

    assert "fraudster" not in both
    assert "I said hello" in both  # she has it


@pytest.mark.parametrize("line", ["to", "cc", "bcc"])
def test_only_what_everybody_it_goes_to_had_is_quoted(world, noon, ticket_id, line):
    receive(world, noon, "m1", "With Bent", cc=(BENT,), **ANSWER)
    receive(world, noon, "m2", "Bent's own", BENT, **ANSWER)
    reply(world, ticket_id, "To the supplier", noon, to=(Mailbox("supplier@x.example"),))

    to_her = reply(world, ticket_id, "Hello", noon, to=(Mailbox("Astrid@Fjallbo.example"),)).quoted
    people = {"to": (ASTRID, BENT)} if line == "to" else {"to": (ASTRID,), line: (BENT,)}
    to_both = reply(world, ticket_id, "Hello", noon, **people).quoted
    to_new = reply(world, ticket_id, "Hello", noon, **(people | {line: (Mailbox("new@x.example"),)})).quoted

    said = ["Where is it?", "With Bent", "Bent's own", "To the supplier"]
    assert [words in to_her for words in said] == [True, True, False, False]
    assert [words in to_both for words in said] == [False, True, False, False]
    assert to_new == ""


def test_what_was_filtered_as_spam_is_not_quoted(world, noon, ticket_id):
    received = receive(world, noon, "m1", "Buy now", **ANSWER)
    Message.objects.filter(pk=received.message_id).update(filtered={"requester": {}, "is_machine": False})

    assert "Buy now" not in reply(world, ticket_id, "Hello", noon).quoted


def test_a_long_conversation_is_quoted_by_its_end(world, noon, ticket_id):
    for number in range(7):
        receive(world, noon, f"n{number}", f"words {number}", answers=("m0@fjallbo.example",))

    text = reply(world, ticket_id, "Hello", noon).quoted

    assert [f"words {number}" in text for number in range(7)] == [False] * 2 + [True] * 5


def test_the_channel_may_leave_it_out(world, noon, ticket_id):
    inboxes.change(world.channel, by=SYSTEM, quotes_history=False)

    message = reply(world, ticket_id, "Hello", noon)

    assert (message.quoted, sent(message)["text"]) == ("", "Hello")


@pytest.mark.parametrize("locale", ["en", "da", "de", "it", "nb"])
def test_what_we_quoted_is_folded_when_it_comes_back(world, noon, ticket_id, locale):
    """Q2, Q3: below the words, as it was sent or marked once more, with a line of the customer's program and without"""
    Account.objects.update(locale=locale)
    payload = sent(reply(world, ticket_id, "On its way.", noon))
    marked = "\n".join(f"> {line}" for line in payload["text"].split("\n"))
    ours = payload["text"].partition("\n\n")[2]
    outlook = f"From: Support <support@nordlys.example>\nSent: 2 November 2026 08:12\nTo: Astrid\nSubject: Re: Refund\n\n{payload['text']}"

    for below in (
        f"On Mon, 2 Nov 2026 at 08:12, Support <support@nordlys.example> wrote:\n{marked}",
        outlook,
        ours,
    ):
        found = trim(f"Thank you\n\n{below}", is_reply=True)
        assert found.own == "Thank you"
        assert "Where is it?" in found.quoted
    html = f"<div>Thank you</div><br>{payload['html'].partition('</p>')[2]}"
    assert trim(f"Thank you\n\n{ours}", html, is_reply=True).own == "Thank you"


def test_words_below_our_quote_are_kept(world, noon, ticket_id):
    """Q2"""
    text = sent(reply(world, ticket_id, "On its way.", noon))["text"].partition("\n\n")[2]

    assert trim(f"{text}\n\nIt came, thank you", is_reply=True).own.endswith("It came, thank you")

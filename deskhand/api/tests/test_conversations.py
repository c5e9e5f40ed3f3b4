"""Conversations through the API (api.md §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from deskhand.accounts.models import Membership, Role
from deskhand.api.tests.conftest import Program, of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.delivery.models import OutboxEntry
from deskhand.desk import conversations, inboxes, spam, threads
from deskhand.desk.conversations import Owner
from deskhand.desk.models import Attachment, Draft, InboxKind, Message, Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox, Received, StoredFile
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import World, make_world

pytestmark = pytest.mark.django_db

BASE = "/conversations/v3/conversations"
THREADS = f"{BASE}/threads"
Receive = Callable[..., Received]


@pytest.fixture
def receive(world: World) -> Receive:
    """A customer writes."""
    count = iter(range(1000))

    def received(text: str = "Where is my refund?", *, channel: Any = None, **more: Any) -> Received:
        sender = more.pop("sender", Mailbox("astrid@fjallbo.example", "Astrid Lindqvist"))
        message = InboundMessage(
            external_id=more.pop("external_id", f"m{next(count)}@fjallbo.example"), sender=sender, subject="Refund",
            text=text, received_at=clock.now(), to=(Mailbox(world.channel.address),), **more,
        )  # fmt: skip
        with account_scope(world.account.pk):
            return threads.receive(Incoming((channel or world.channel).pk, message))

    return received


@pytest.fixture
def quiet(world: World) -> Any:
    """An address whose mail makes no tickets."""
    with account_scope(world.account.pk):
        inbox = inboxes.add_inbox(world.account.pk, "Sales", InboxKind.INBOX, by=SYSTEM)
        return inboxes.add_channel_account(
            inbox, channel="email", name="Sales", address="sales@nordlys.example", creates_tickets=False
        )


@pytest.fixture
def bob(world: World, program_of: Any) -> Program:
    """Bob's own token, who sees only what is his."""
    allowed = {"records": {"ticket": {"view": "own", "edit": "own", "communicate": "own"}}}
    with account_scope(world.account.pk):
        role = Role.objects.create(
            account_id=world.account.pk,
            name="Own",
            permissions=allowed | {"capabilities": ["service_access"]},
        )
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    return program_of(user_id=world.bob.pk)  # type: ignore[no-any-return]


def said(world: World, **more: Any) -> dict[str, Any]:
    return {
        "type": "MESSAGE", "text": "On its way.", "senderActorId": f"A-{world.grace.pk}", "channelId": "1002",
        "channelAccountId": str(world.channel.pk), "recipients": [], "attachments": [], **more,
    }  # fmt: skip


def messages_of(received: Received) -> str:
    return f"{THREADS}/{received.thread_id}/messages"


# ── inboxes, channels, addresses ─────────────────────────────────────────────────────────────────────────────────────


def test_inboxes_channels_and_addresses(program: Any, world: World, quiet: Any) -> None:
    """api.md §2.6: lists with a total, and each one by its number."""
    status, found = program("GET", f"{BASE}/inboxes")

    assert (status, found["total"]) == (200, 2)
    assert [(one["name"], one["type"], one["archived"]) for one in found["results"]] == [
        ("Help desk", "HELP_DESK", False),
        ("Sales", "INBOX", False),
    ]
    assert program("GET", f"{BASE}/inboxes/{found['results'][1]['id']}")[1] == found["results"][1]
    assert program("GET", f"{BASE}/channels")[1]["results"] == [{"id": "1002", "name": "Email"}]
    assert program("GET", f"{BASE}/channels/1002") == (200, {"id": "1002", "name": "Email"})
    assert program("GET", f"{BASE}/channels/1009")[0] == 404
    mine = program("GET", f"{BASE}/channel-accounts", inboxId=str(quiet.inbox_id))[1]["results"]
    assert [(one["name"], one["deliveryIdentifier"]) for one in mine] == [
        ("Sales", {"type": "HS_EMAIL_ADDRESS", "value": "sales@nordlys.example"})
    ]
    assert program("GET", f"{BASE}/channel-accounts/{quiet.pk}")[1] == mine[0]
    assert program("GET", f"{BASE}/channel-accounts", channelId="1009")[1]["total"] == 0
    with account_scope(world.account.pk):
        inboxes.disconnect(quiet, by=SYSTEM)
    assert program("GET", f"{BASE}/channel-accounts/{quiet.pk}")[0] == 404
    gone = program("GET", f"{BASE}/channel-accounts", archived="True")[1]["results"]
    assert [(one["id"], one["active"]) for one in gone] == [(str(quiet.pk), False)]


def test_addresses_come_in_pages(program: Any, quiet: Any) -> None:
    """api.md §1.6: the link holds the whole question."""
    _status, first = program("GET", f"{BASE}/channel-accounts", limit="1", sort="-id")

    assert [one["id"] for one in first["results"]] == [str(quiet.pk)]
    assert "sort=-id" in first["paging"]["next"]["link"]
    after = first["paging"]["next"]["after"]
    second = program("GET", f"{BASE}/channel-accounts", limit="1", sort="-id", after=after)[1]
    assert len(second["results"]) == 1
    assert "paging" not in second
    assert second["total"] == 2


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_says_what_its_ticket_says(program: Any, world: World, receive: Receive) -> None:
    """R-DM-10: status, owner and spam of a ticket's conversation are the ticket's."""
    made = receive()
    with account_scope(world.account.pk):
        tickets.update(made.ticket_id, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)

    status, thread = program("GET", f"{THREADS}/{made.thread_id}", association="TICKET")

    assert status == 200
    assert thread["status"] == "OPEN"
    assert thread["spam"] is False
    assert thread["archived"] is False
    assert thread["assignedTo"] == f"A-{world.bob.pk}"
    assert thread["threadAssociations"] == {"associatedTicketId": str(made.ticket_id)}
    assert (thread["originalChannelId"], thread["originalChannelAccountId"]) == (
        "1002",
        str(world.channel.pk),
    )
    assert "latestMessageReceivedTimestamp" in thread
    assert "latestMessageSentTimestamp" not in thread
    with account_scope(world.account.pk):
        spam.mark(made.ticket_id, by=SYSTEM)
        tickets.update(made.ticket_id, {"hs_pipeline_stage": world.stage("Closed")}, by=SYSTEM)
    thread = program("GET", f"{THREADS}/{made.thread_id}")[1]
    assert thread["status"] == "CLOSED"
    assert thread["spam"] is True
    assert thread["closedAt"]
    assert "threadAssociations" not in thread


def test_threads_are_found_by_what_they_are(program: Any, world: World, receive: Receive, quiet: Any) -> None:
    """api.md §2.6: every filter."""
    ours, loose = receive(), receive(channel=quiet, sender=Mailbox("per@fjallbo.example", "Per"))
    with account_scope(world.account.pk):
        contact = Thread.objects.get(pk=ours.thread_id).contact_id
        tickets.update(ours.ticket_id, {"hs_pipeline_stage": world.stage("Closed")}, by=SYSTEM)
        between = Thread.objects.get(pk=ours.thread_id).last_message_at

    def ids(**asked: Any) -> list[int]:
        return [int(one["id"]) for one in program("GET", THREADS, **asked)[1]["results"]]

    assert ids() == [ours.thread_id, loose.thread_id]
    assert ids(sort="-id") == [loose.thread_id, ours.thread_id]
    assert ids(inboxId=str(quiet.inbox_id)) == [loose.thread_id]
    assert ids(inboxId=[str(quiet.inbox_id), str(world.channel.inbox_id)]) == [
        ours.thread_id,
        loose.thread_id,
    ]
    assert ids(associatedContactId=str(contact), threadStatus="CLOSED") == [ours.thread_id]
    assert ids(associatedContactId=str(contact), threadStatus="OPEN") == []
    assert ids(associatedTicketId=str(ours.ticket_id)) == [ours.thread_id]
    assert ids(latestMessageTimestampAfter=between.isoformat()) == [loose.thread_id]
    assert ids(latestMessageTimestampAfter="0", sort="-latestMessageTimestamp") == [
        loose.thread_id, ours.thread_id,
    ]  # fmt: skip
    assert ids(archived="true") == []


@pytest.mark.parametrize("sort", ["id", "-id", "latestMessageTimestamp", "-latestMessageTimestamp"])
def test_threads_come_in_pages(program: Any, receive: Receive, sort: str) -> None:
    """api.md §1.6: each once, in every order."""
    made = [receive().thread_id for _ in range(5)]
    seen: list[int] = []
    after: dict[str, str] = {}
    while True:
        _status, page = program("GET", THREADS, limit="2", sort=sort, **after)
        seen += [int(one["id"]) for one in page["results"]]
        if "paging" not in page:
            break
        assert f"sort={sort}" in page["paging"]["next"]["link"]
        after = {"after": page["paging"]["next"]["after"]}

    assert seen == (made[::-1] if sort.startswith("-") else made)


@pytest.mark.parametrize(
    "asked",
    [{"limit": "0"}, {"limit": "501"}, {"after": "x"}, {"after": "9" * 40}, {"sort": "name"}, {"threadStatus": "NEW"},
     {"inboxId": "x"}, {"associatedContactId": "\x00"}, {"latestMessageTimestampAfter": "soon"},
     {"latestMessageTimestampAfter": "9" * 18}, {"archived": "maybe"}, {"sort": "latestMessageTimestamp", "after": "1"}],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(program: Any, asked: dict[str, str]) -> None:
    """api.md §1.10."""
    status, body = program("GET", THREADS, **asked)

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")


def test_closing_a_thread_closes_its_ticket(program: Any, world: World, receive: Receive) -> None:
    """By the verb that pages use, so that the status, its event and its rules are the same (issue 6)."""
    made = receive()

    status, thread = program("PATCH", f"{THREADS}/{made.thread_id}", {"status": "CLOSED"})

    assert (status, thread["status"]) == (200, "CLOSED")
    with account_scope(world.account.pk):
        assert Ticket.objects.get(pk=made.ticket_id).stage_id == world.stage("Closed")
        moved = EventRow.objects.filter(kind="ticket.moved", object_id=made.ticket_id).get()
        assert moved.actor_kind == "integration"
    assert program("PATCH", f"{THREADS}/{made.thread_id}", {"status": "OPEN"})[1]["status"] == "OPEN"
    assert program("PATCH", f"{THREADS}/{made.thread_id}", {})[0] == 400
    assert program("PATCH", f"{THREADS}/{made.thread_id}", {"status": "GONE"})[0] == 400


def test_a_conversation_without_a_ticket_is_closed_by_itself(
    program: Any, world: World, receive: Receive, quiet: Any
) -> None:
    """R-DM-10; what the customer writes then opens it again."""
    made = receive(channel=quiet)

    closed = program("PATCH", f"{THREADS}/{made.thread_id}", {"status": "CLOSED"})[1]

    assert closed["status"] == "CLOSED"
    assert closed["closedAt"]
    changes = [one for one in program("GET", messages_of(made))[1]["results"] if one["type"] != "MESSAGE"]
    assert [(one["type"], one["newStatus"]) for one in changes] == [("THREAD_STATUS_CHANGE", "CLOSED")]
    receive("Hello again", channel=quiet, answers=("m0@fjallbo.example",))
    assert program("GET", f"{THREADS}/{made.thread_id}")[1]["status"] == "OPEN"


def test_a_thread_goes_into_the_bin_and_comes_back(
    program: Any, receive: Receive, quiet: Any, world: World
) -> None:
    """api.md §2.6: DELETE is the bin, archived:false brings it back."""
    for made in (receive(), receive(channel=quiet, sender=Mailbox("per@fjallbo.example"))):
        one = f"{THREADS}/{made.thread_id}"
        assert program("DELETE", one) == (204, None)
        assert program("DELETE", one) == (204, None)

        assert program("GET", one)[0] == 404
        assert program("GET", messages_of(made))[0] == 404
        assert program("PATCH", one, {"status": "CLOSED"})[0] == 404
        assert program("GET", one, archived="true")[1]["archived"] is True
        assert len(program("GET", messages_of(made), archived="true")[1]["results"]) == 1
        status, back = program("PATCH", one, {"archived": False})
        assert (status, back["archived"]) == (200, False)
        with account_scope(world.account.pk):
            assert not Ticket.objects.filter(pk=made.ticket_id or 0).exclude(archived_at=None).exists()


def test_an_answer_brings_a_conversation_back_from_the_bin(
    program: Any, receive: Receive, quiet: Any
) -> None:
    """What a customer writes is never lost (R-CC-13)."""
    made = receive(channel=quiet)
    program("DELETE", f"{THREADS}/{made.thread_id}")

    receive("Still there?", channel=quiet, answers=("m0@fjallbo.example",))

    assert program("GET", f"{THREADS}/{made.thread_id}")[0] == 200


# ── the walls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_may_not_be_seen_does_not_exist(
    bob: Program, world: World, receive: Receive, quiet: Any
) -> None:
    """R-PERM-1: by address, list, filter and attachment."""
    other, mine = receive(), receive(sender=Mailbox("per@fjallbo.example"))
    loose = receive(channel=quiet, sender=Mailbox("kim@fjallbo.example"))
    file = _file(world, other)
    with account_scope(world.account.pk):
        tickets.update(mine.ticket_id, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
        contact = Thread.objects.get(pk=other.thread_id).contact_id

    assert [one["id"] for one in bob("GET", THREADS)[1]["results"]] == [str(mine.thread_id)]
    assert bob("GET", THREADS, associatedTicketId=str(other.ticket_id))[1]["results"] == []
    for hidden in (other, loose):
        one = f"{THREADS}/{hidden.thread_id}"
        assert bob("GET", one)[0] == 404
        assert bob("PATCH", one, {"status": "CLOSED"})[0] == 404
        assert bob("DELETE", one)[0] == 404
        assert bob("GET", f"{one}/messages")[0] == 404
        assert bob("GET", f"{one}/messages/{hidden.message_id}")[0] == 404
        assert bob("GET", f"{one}/messages/{hidden.message_id}/original-content")[0] == 404
        assert bob("POST", f"{one}/messages", {"type": "COMMENT", "text": "x"})[0] == 404
    # a message is one of its thread only
    assert bob("GET", f"{messages_of(mine)}/{other.message_id}")[0] == 404
    status, body = bob("POST", messages_of(mine), {"type": "COMMENT", "text": "x", "attachments": [file]})
    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    # contacts are none of Bob's
    assert bob("GET", f"{BASE}/actors/V-{contact}")[0] == 404
    assert "associatedContactId" not in bob("GET", f"{THREADS}/{mine.thread_id}")[1]
    assert bob("GET", messages_of(mine))[1]["results"][-1]["createdBy"] == "E-per@fjallbo.example"
    assert bob("DELETE", f"{THREADS}/{mine.thread_id}")[0] == 403


def test_another_account_has_nothing_of_it(program: Any, receive: Receive) -> None:
    """R-PERM-1."""
    made = receive()
    other = make_world("other")
    theirs = of(other)

    assert theirs("GET", THREADS)[1]["results"] == []
    assert theirs("GET", f"{THREADS}/{made.thread_id}")[0] == 404
    assert theirs("DELETE", f"{THREADS}/{made.thread_id}")[0] == 404
    assert theirs("GET", f"{BASE}/channel-accounts")[1]["total"] == 1
    assert theirs("POST", messages_of(made), said(other))[0] == 404


def test_who_may_read_may_not_write(program_of: Any, receive: Receive, world: World) -> None:
    """R-PERM-4 and the scopes of api.md §1.3."""
    made, reader = receive(), program_of(scopes=["conversations.read"])

    assert reader("GET", messages_of(made))[0] == 200
    assert reader("POST", messages_of(made), said(world))[0] == 403
    assert reader("PATCH", f"{THREADS}/{made.thread_id}", {"status": "CLOSED"})[0] == 403
    assert reader("DELETE", f"{THREADS}/{made.thread_id}")[0] == 403
    assert program_of(scopes=["tickets"])("GET", THREADS)[0] == 403


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_tells_all_that_happened(program: Any, world: World, receive: Receive) -> None:
    """api.md §2.6: every type of message that the product has, the newest first."""
    made = receive(quoted="> before", html="<p>Where?</p>")
    with account_scope(world.account.pk):
        tickets.update(made.ticket_id, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
    program("POST", messages_of(made), {"type": "COMMENT", "text": "Odd."})
    with account_scope(world.account.pk):
        tickets.update(made.ticket_id, {"hs_pipeline_stage": world.stage("Waiting on us")}, by=SYSTEM)
    program("PATCH", f"{THREADS}/{made.thread_id}", {"status": "CLOSED"})

    status, page = program("GET", messages_of(made))

    assert status == 200
    assert [one["type"] for one in page["results"]] == [
        "THREAD_STATUS_CHANGE",
        "COMMENT",
        "ASSIGNMENT",
        "MESSAGE",
    ]
    closed, comment, assigned, message = page["results"]
    assert closed["newStatus"] == "CLOSED"
    assert closed["client"]["clientType"] == "INTEGRATION"
    assert assigned["assignedTo"] == f"A-{world.bob.pk}"
    assert "assignedFrom" not in assigned
    assert comment["createdBy"].startswith("I-")
    assert "direction" not in comment
    assert message["direction"] == "INCOMING"
    assert message["status"] == {"statusType": "RECEIVED"}
    assert message["createdBy"].startswith("V-")
    assert message["senders"][0]["deliveryIdentifier"]["value"] == "astrid@fjallbo.example"
    assert message["recipients"][0]["deliveryIdentifier"]["value"] == world.channel.address
    assert (message["text"], message["richText"]) == ("Where is my refund?", "<p>Where?</p>")
    assert message["truncationStatus"] == "TRUNCATED_TO_MOST_RECENT_REPLY"
    whole = program("GET", f"{messages_of(made)}/{message['id']}/original-content")[1]
    assert whole["text"] == "Where is my refund?\n\n> before"
    for one in page["results"]:
        assert program("GET", f"{messages_of(made)}/{one['id']}") == (200, one)
    assert program("GET", f"{messages_of(made)}/{closed['id']}/original-content")[0] == 404


def test_messages_come_in_pages(program: Any, world: World, receive: Receive) -> None:
    """api.md §1.6: each once, and what happened at once in a fixed order."""
    made = receive()
    for n in range(4):
        receive(f"{n}", answers=("m0@fjallbo.example",))
    everything = [one["id"] for one in program("GET", messages_of(made))[1]["results"]]
    for sort in ("createdAt", "-createdAt"):
        seen, after = [], {}
        while True:
            page = program("GET", messages_of(made), limit="2", sort=sort, **after)[1]
            seen += [one["id"] for one in page["results"]]
            if "paging" not in page:
                break
            after = {"after": page["paging"]["next"]["after"]}
        assert seen == (everything if sort.startswith("-") else everything[::-1])
    assert len(everything) == 5


@pytest.mark.parametrize("after", ["1", "1.2", "x.0.1", "1.9.1", "1.0.x", "9" * 18 + ".0.1"])
def test_a_wrong_place_in_a_thread_is_refused(program: Any, receive: Receive, after: str) -> None:
    """api.md §1.10."""
    assert program("GET", messages_of(receive()), after=after)[0] == 400


@pytest.mark.parametrize("message_id", ["c1", "e1", "999999", "x", "c", "9" * 30])
def test_a_message_that_is_not_there(program: Any, receive: Receive, message_id: str) -> None:
    """api.md §1.10."""
    made = receive()
    assert program("GET", f"{messages_of(made)}/{message_id}")[0] == 404


def test_a_conversation_without_a_ticket_tells_whose_it_is(
    program: Any, world: World, receive: Receive, quiet: Any
) -> None:
    """R-DM-10."""
    made = receive(channel=quiet)
    with account_scope(world.account.pk):
        conversations.assign_many([Owner(made.thread_id, world.bob.pk, SYSTEM)])

    [assigned, _message] = program("GET", messages_of(made))[1]["results"]

    assert (assigned["type"], assigned["assignedTo"]) == ("ASSIGNMENT", f"A-{world.bob.pk}")
    assert program("GET", f"{messages_of(made)}/{assigned['id']}") == (200, assigned)


def test_many_messages_take_as_many_statements_as_two(program: Any, world: World, receive: Receive) -> None:
    """Set-based reading (issue 6)."""
    made = receive()
    receive("more", answers=("m0@fjallbo.example",))
    program("GET", messages_of(made))  # what is read once and kept
    few = program.queries("GET", messages_of(made)), program.queries("GET", THREADS)
    for n in range(18):
        receive(f"{n}", answers=("m0@fjallbo.example",))
        receive(sender=Mailbox(f"p{n}@fjallbo.example"))

    assert (program.queries("GET", messages_of(made)), program.queries("GET", THREADS)) == few


# ── saying something ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_is_an_agents_reply(program: Any, world: World, receive: Receive) -> None:
    """R-ROUTE-3, R-STAT-4: owner, status and mail as from the page; the writer's draft stays theirs."""
    made = receive()
    with account_scope(world.account.pk):
        Draft.objects.create(
            account_id=world.account.pk, user_id=world.grace.pk, ticket_id=made.ticket_id, body="…",
            updated_at=clock.now(),
        )  # fmt: skip

    status, message = program(
        "POST", messages_of(made), said(world, richText="<p>On <b>its</b> way.<script>x()</script></p>")
    )

    assert status == 201
    assert (message["type"], message["direction"]) == ("MESSAGE", "OUTGOING")
    assert message["createdBy"] == f"A-{world.grace.pk}"
    assert message["status"] == {"statusType": "SENT"}
    assert "script" not in message["richText"]
    assert "<strong>its</strong>" in message["richText"]
    assert [one["deliveryIdentifier"]["value"] for one in message["recipients"]] == ["astrid@fjallbo.example"]
    with account_scope(world.account.pk):
        ticket = Ticket.objects.get(pk=made.ticket_id)
        assert ticket.owner_id == world.grace.pk
        assert ticket.stage_id == world.stage("Waiting on contact")
        assert OutboxEntry.objects.count() == 1
        assert EventRow.objects.filter(kind="message.sent").count() == 1
        assert Draft.objects.count() == 1


def test_to_whom_and_what_about(program: Any, world: World, receive: Receive) -> None:
    """api.md §2.6: recipients by address, by several addresses as older clients have it, and by actor; a subject."""
    made = receive()
    with account_scope(world.account.pk):
        contact = Thread.objects.get(pk=made.thread_id).contact_id
    recipients = [
        {"recipientField": "TO", "actorId": f"V-{contact}"},
        {"recipientField": "CC", "deliveryIdentifiers": [{"type": "HS_EMAIL_ADDRESS", "value": "per@fjallbo.example"}]},
        {"recipientField": "BCC", "name": 'Kim "K", <x>', "deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "kim@fjallbo.example"}},
    ]  # fmt: skip

    message = program("POST", messages_of(made), said(world, subject="Your money", recipients=recipients))[1]

    assert {one["deliveryIdentifier"]["value"]: one["recipientField"] for one in message["recipients"]} == {
        "astrid@fjallbo.example": "TO", "per@fjallbo.example": "CC", "kim@fjallbo.example": "BCC",
    }  # fmt: skip
    assert "Your money" in message["subject"]


def test_the_same_key_says_it_once(program: Any, world: World, receive: Receive, quiet: Any) -> None:
    """A call that is repeated after a broken connection sends nothing twice."""
    ticketed, loose = receive(), receive(channel=quiet, sender=Mailbox("per@fjallbo.example"))
    for n, made in enumerate((ticketed, loose)):
        for body in (said(world), {"type": "COMMENT", "text": "Odd."}, {"type": "COMMENT", "text": "Odd.", "senderActorId": f"A-{world.grace.pk}"}):  # fmt: skip
            body = body | (
                {"channelAccountId": str(quiet.pk)} if made is loose and "channelId" in body else {}
            )
            key = f"{n}-{body['type']}-{body.get('senderActorId')}"
            first, again = (_keyed(program, messages_of(made), body, key) for _ in range(2))
            assert first.status_code == again.status_code == 201, first.content
            assert first.json()["id"] == again.json()["id"]
        assert len(program("GET", messages_of(made))[1]["results"]) >= 4
    with account_scope(world.account.pk):
        assert OutboxEntry.objects.count() == 2
        assert Message.objects.filter(direction="OUT").count() == 2
        assert Message.objects.filter(kind="COMMENT").count() == 4
    other = _keyed(program, messages_of(loose), {"type": "COMMENT", "text": "x"}, "0-COMMENT-None")
    assert (other.status_code, other.json()["category"]) == (409, "CONFLICT")
    assert _keyed(program, messages_of(loose), {"type": "COMMENT", "text": "x"}, "k" * 201).status_code == 400


def test_a_reply_in_a_conversation_without_a_ticket(
    program: Any, world: World, receive: Receive, quiet: Any
) -> None:
    """R-DM-10: it leaves by mail, and is its writer's then."""
    made = receive(channel=quiet)

    status, message = program("POST", messages_of(made), said(world, channelAccountId=str(quiet.pk)))

    assert status == 201
    assert message["conversationsThreadId"] == str(made.thread_id)
    assert message["recipients"][0]["deliveryIdentifier"]["value"] == "astrid@fjallbo.example"
    thread = program("GET", f"{THREADS}/{made.thread_id}")[1]
    assert thread["assignedTo"] == f"A-{world.grace.pk}"
    assert "latestMessageSentTimestamp" in thread
    with account_scope(world.account.pk):
        assert Ticket.objects.count() == 0
        assert OutboxEntry.objects.count() == 1


def test_it_leaves_from_the_address_that_was_asked_for(
    program: Any, world: World, receive: Receive, quiet: Any
) -> None:
    """api.md §2.6: channelAccountId."""
    made = receive()

    assert program("POST", messages_of(made), said(world, channelAccountId=str(quiet.pk)))[0] == 201

    with account_scope(world.account.pk):
        assert "sales@nordlys.example" in str(OutboxEntry.objects.get().payload)


def test_a_comment_reaches_nobody(program: Any, world: World, receive: Receive) -> None:
    """R-WORK-4: never mailed; it assigns nobody and moves nothing (R-ROUTE-5, R-STAT-19)."""
    made = receive()

    status, own = program(
        "POST", messages_of(made), {"type": "COMMENT", "text": "Odd.", "richText": "<p>Odd.</p>"}
    )
    theirs = program("POST", messages_of(made), {"type": "COMMENT", "text": "Odd.", "senderActorId": f"A-{world.ada.pk}"})[1]  # fmt: skip

    assert status == 201
    assert own["type"] == "COMMENT"
    assert own["recipients"] == []
    assert own["client"]["clientType"] == "INTEGRATION"
    assert own["senders"][0]["name"] == "Program"
    assert theirs["createdBy"] == f"A-{world.ada.pk}"
    with account_scope(world.account.pk):
        ticket = Ticket.objects.get(pk=made.ticket_id)
        assert (ticket.owner_id, ticket.stage_id) == (None, world.stage("New"))
        assert OutboxEntry.objects.count() == 0
        assert EventRow.objects.filter(kind="comment.added").count() == 2


def test_files_go_along(program: Any, world: World, receive: Receive) -> None:
    """api.md §2.6: attachments by the ids of files."""
    made = receive()
    file = _file(world, made)
    shown = program("GET", messages_of(made))[1]["results"][0]["attachments"]
    assert shown == [{**file, "name": "list.txt", "fileUsageType": "OTHER"}]

    message = program("POST", messages_of(made), said(world, attachments=[file]))[1]

    assert [one["name"] for one in message["attachments"]] == ["list.txt"]
    for wrong in ("attachment-999999", "attachment-x", "7777777", None):
        status, _ = program(
            "POST", messages_of(made), said(world, attachments=[{"type": "FILE", "fileId": wrong}])
        )
        assert status == 400


def test_a_token_of_somebody_writes_in_their_name_only(bob: Program, world: World, receive: Receive) -> None:
    """R-RULE-3: a user's token is bound by that person's rights."""
    made = receive()
    with account_scope(world.account.pk):
        tickets.update(made.ticket_id, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)

    assert bob("POST", messages_of(made), said(world))[0] == 403
    assert bob("POST", messages_of(made), said(world, senderActorId=None))[0] == 201
    assert (
        bob("POST", messages_of(made), {"type": "COMMENT", "text": "x"})[1]["createdBy"]
        == f"A-{world.bob.pk}"
    )


def test_nobody_writes_in_the_name_of_who_may_not(
    bob: Program, program: Any, world: World, receive: Receive
) -> None:
    """What a person may not do, no program does for them (R-PERM-1)."""
    made = receive()
    del bob

    status, _ = program("POST", messages_of(made), said(world, senderActorId=f"A-{world.bob.pk}"))

    assert status == 403
    with account_scope(world.account.pk):
        assert OutboxEntry.objects.count() == 0


@pytest.mark.parametrize(
    "wrong",
    [{"type": "WELCOME_MESSAGE"}, {"type": None}, {"text": ""}, {"text": None}, {"text": ["x"]}, {"text": "x" * 400_001},
     {"senderActorId": "A-999999"}, {"senderActorId": "V-1"}, {"senderActorId": "A-1e9"}, {"senderActorId": ""},
     {"senderActorId": "A-" + "9" * 40}, {"channelId": "1009"}, {"channelAccountId": "999999"}, {"channelAccountId": "x"},
     {"recipients": "a@b.example"}, {"recipients": [{}]}, {"recipients": [{"actorId": "V-999999"}]},
     {"recipients": [{"deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "no address"}}]},
     {"recipients": [{"deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "a@b.example\r\nBcc: c@d.example"}}]},
     {"recipients": [{"deliveryIdentifier": {"type": "HS_PHONE_NUMBER", "value": "+452"}}]},
     {"attachments": [{"type": "FILE", "fileId": "1"}] * 21}, {"text": "\x00"}],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused(
    program: Any, world: World, receive: Receive, wrong: dict[str, Any]
) -> None:
    """api.md §1.10: a sentence, and nothing is said."""
    status, body = program("POST", messages_of(receive()), said(world) | wrong)

    assert (status, body["category"]) == (400, "VALIDATION_ERROR"), body
    with account_scope(world.account.pk):
        assert Message.objects.exclude(direction="IN").count() == 0


# ── actors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_actors(program: Any, world: World, receive: Receive) -> None:
    """api.md §2.6: by their letters, one by one and in a batch; what is not there is left out."""
    made = receive()
    with account_scope(world.account.pk):
        contact = Thread.objects.get(pk=made.thread_id).contact_id
    status, agent = program("GET", f"{BASE}/actors/A-{world.grace.pk}")

    assert status == 200
    assert agent == {
        "id": f"A-{world.grace.pk}", "type": "AGENT", "name": "Grace Hopper", "email": world.grace.email,
    }  # fmt: skip
    asked = [f"V-{contact}", "E-per@fjallbo.example", "S-0", "A-999999", "nonsense", "E-x", "V-" + "9" * 30]
    status, batch = program("POST", f"{BASE}/actors/batch/read", {"inputs": asked})
    assert (status, batch["status"]) == (200, "COMPLETE")
    assert [(one["id"], one["type"]) for one in batch["results"]] == [
        (f"V-{contact}", "VISITOR"), ("E-per@fjallbo.example", "EMAIL"), ("S-0", "SYSTEM"),
    ]  # fmt: skip
    for gone in asked[3:]:
        assert program("GET", f"{BASE}/actors/{gone}")[0] == 404
    program("POST", messages_of(made), {"type": "COMMENT", "text": "x"})
    writer = program("GET", messages_of(made))[1]["results"][0]["createdBy"]
    assert program("GET", f"{BASE}/actors/{writer}")[1] == {
        "id": writer,
        "type": "INTEGRATOR",
        "name": "Program",
    }
    assert program("POST", f"{BASE}/actors/batch/read", {"inputs": []})[0] == 400


def test_a_key_is_for_one_saying_alone(program: Any, world: World, receive: Receive) -> None:
    """api.md §2.6: a mail that was never sent is not told as sent."""
    made = receive()

    assert _keyed(program, messages_of(made), {"type": "COMMENT", "text": "x"}, "k").status_code == 201
    assert _keyed(program, messages_of(made), said(world), "k").status_code == 409


def test_subjects_and_channels_that_can_t_be_stored(program: Any, world: World, receive: Receive) -> None:
    """api.md §1.10: never a 500."""
    assert program("POST", messages_of(receive()), said(world, subject="a\x00b\r\nc"))[0] == 201
    with account_scope(world.account.pk):
        assert "\n" not in Message.objects.get(direction="OUT").subject
    assert program("GET", f"{BASE}/channel-accounts", channelId="\x00")[0] == 200


def _keyed(program: Program, path: str, body: dict[str, Any], key: str) -> Any:
    headers = {"Authorization": f"Bearer {program.secret}", "Idempotency-Key": key}
    return Client().post(path, body, content_type="application/json", headers=headers)


def _file(world: World, made: Received) -> dict[str, str]:
    """A file of its message, as the contract names it."""
    file = StoredFile("list.txt", "text/plain", 3, "0" * 64)
    with account_scope(world.account.pk):
        kept = Attachment.objects.create(
            account_id=world.account.pk, message_id=made.message_id, **vars_of(file)
        )
    return {"type": "FILE", "fileId": f"attachment-{kept.pk}"}


def vars_of(file: StoredFile) -> dict[str, Any]:
    return {"name": file.name, "content_type": file.content_type, "size": file.size, "sha256": file.sha256}

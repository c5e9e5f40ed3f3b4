"""Sending to a real SMTP peer that misbehaves: O1, O2, F8, F9."""

from __future__ import annotations

import socket
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from django.db import OperationalError

from deskhand.delivery import outbox, queries
from deskhand.delivery import sender as sending
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.relays import SINK, Relay
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import (
    ACCOUNT,
    entry,
    lease_runs_out,
    letter,
    put,
    seconds_to_wait,
    sender,
    time_passes,
)
from deskhand.delivery.tests.peers import black_hole, endless, free_port, smtp_peer
from deskhand.delivery.transports import mail as mail_transport
from deskhand.delivery.transports import smtp
from deskhand.delivery.transports.mail import MailTransport
from deskhand.delivery.types import Answer, Answered, Verdict
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.errors import Invalid

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try looks anew whether the server is up and which one it is."""
    monkeypatch.setattr(smtp, "DOWN_SECONDS", 0.0)
    monkeypatch.setattr(mail_transport, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Answered]:
    news: list[Answered] = []
    monkeypatch.setattr(sending, "answers", [news.extend])
    return news


def test_a_mail_that_is_taken_is_sent_and_its_carrier_told(heard: list[Answered]) -> None:
    number = put("bo@customer.example", "blind@customer.example")
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    ((envelope_from, recipients, raw),) = peer.taken
    assert envelope_from == "support+v7@desk.example"
    assert recipients == ["bo@customer.example", "blind@customer.example"]
    assert message_from_bytes(raw, policy=default)["Message-ID"] == entry(number).message_id
    sent = entry(number)
    assert (sent.state, sent.last_answer, sent.error, sent.attempts) == ("SENT", "250 2.0.0 Taken", "", 1)
    assert sent.sent_at is not None
    assert [(one.entry.id, one.entry.reference_id, one.state) for one in heard] == [(number, 42, "SENT")]


def test_blind_recipients_stand_in_no_byte_of_the_mail() -> None:
    """O5."""
    put("bo@customer.example", recipients=("bo@customer.example", "canary@blind.example"))
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    assert peer.taken[0][1] == ["bo@customer.example", "canary@blind.example"]
    assert b"canary" not in peer.taken[0][2]


def test_dots_at_the_start_of_lines_arrive_as_they_were() -> None:
    plain = letter()
    put(payload={**plain.payload, "text": ".\n..\n.end\n" + "x" * 5000 + "\n.\n"})
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    text = message_from_bytes(peer.taken[0][2], policy=default).get_content()
    assert text.replace("\r\n", "\n").rstrip("\n") == ".\n..\n.end\n" + "x" * 5000 + "\n."


def test_451_twice_is_tried_again_until_it_is_taken() -> None:
    number = put()
    with smtp_peer() as peer:
        peer.say_at_dot = ["451 later", "451 later"]
        waits = []
        for _try in range(2):
            sender(peer.relay()).drain()
            waits.append(seconds_to_wait(number))
            assert (entry(number).state, entry(number).last_answer) == ("WAITING", "451 later")
            time_passes()
        sender(peer.relay()).drain()
    assert all(50 < wait <= 60 for wait in waits)
    assert (entry(number).state, entry(number).attempts, entry(number).ambiguous) == ("SENT", 3, 0)
    assert sum(peer.copies.values()) == 1


@pytest.mark.parametrize("where", ["say_at_mail", "say_at_dot"])
def test_a_definite_no_ends_it(where: str, heard: list[Answered]) -> None:
    number = put()
    with smtp_peer() as peer:
        setattr(peer, where, ["550 5.7.1 never"])
        sender(peer.relay()).drain()
        time_passes()
        sender(peer.relay()).drain()
    assert (entry(number).state, entry(number).last_answer, entry(number).attempts) == (
        "FAILED",
        "550 5.7.1 never",
        1,
    )
    assert entry(number).error == "Refused: 550 5.7.1 never"
    assert [one.refused for one in heard] == [{"bo@customer.example": "550 5.7.1 never"}]


def test_a_wrong_log_in_is_our_fault_and_not_the_mails() -> None:
    number = put()
    with smtp_peer() as peer:
        peer.say_at_mail = ["530 5.7.0 Authentication required"]
        sender(peer.relay()).drain()
        assert entry(number).state == "WAITING"
        time_passes()
        sender(peer.relay(user="desk", password="wrong")).drain()
    assert entry(number).state == "WAITING"
    assert "127.0.0.1" in entry(number).error


def test_recipients_get_their_answers_each_and_only_the_put_off_are_tried_again(
    heard: list[Answered],
) -> None:
    number = put("good@x.example", "gone@x.example", "full@x.example")
    with smtp_peer() as peer:
        peer.say_at_rcpt = {"gone@x.example": "550 no such", "full@x.example": "452 full"}
        sender(peer.relay()).drain()
        waiting = entry(number)
        assert waiting.state == "WAITING"
        assert waiting.answers == {"good@x.example": "250 2.0.0 Taken", "gone@x.example": "550 no such"}
        peer.say_at_rcpt = {}
        time_passes()
        sender(peer.relay()).drain()
    assert [recipients for _from, recipients, _raw in peer.taken] == [["good@x.example"], ["full@x.example"]]
    assert entry(number).state == "SENT"
    assert set(peer.copies) == {waiting.message_id}
    assert heard[0].refused == {"gone@x.example": "550 no such"}


def test_the_last_one_refused_after_others_took_it_is_sent_with_a_note() -> None:
    number = put("good@x.example", "full@x.example")
    with smtp_peer() as peer:
        peer.say_at_rcpt = {"full@x.example": "452 full"}
        sender(peer.relay()).drain()
        peer.say_at_rcpt = {"full@x.example": "550 gone"}
        time_passes()
        sender(peer.relay()).drain()
    assert (entry(number).state, entry(number).error) == ("SENT", "Refused: 550 gone")


def test_an_answer_lost_after_the_dot_is_counted_and_the_copy_has_the_same_id() -> None:
    """F8: copies <= 1 + ambiguous, never after a definite answer."""
    number = put()
    with smtp_peer() as peer:
        peer.lose_answers = 2
        for _try in range(5):
            sender(peer.relay()).drain()
            time_passes()
    sent = entry(number)
    assert (sent.state, sent.ambiguous, sent.attempts) == ("SENT", 2, 3)
    assert peer.copies == {sent.message_id: 3}


def test_an_answer_lost_over_and_over_ends_with_a_person() -> None:
    number = put()
    with smtp_peer() as peer:
        peer.lose_answers = 99
        for _try in range(9):
            sender(peer.relay()).drain()
            time_passes()
    held = entry(number)
    assert (held.state, held.ambiguous) == ("HELD", 5)
    assert "several times" in held.held_reason
    assert peer.copies == {held.message_id: 5}


def test_a_connection_lost_before_the_dot_is_not_ambiguous() -> None:
    plain = letter()
    beyond_all_buffers = 12_000_000  # the sender must still be sending when the peer hangs up
    number = put(payload={**plain.payload, "text": "x" * beyond_all_buffers})
    with smtp_peer() as peer:
        peer.lose_before_dot = 1
        sender(peer.relay()).drain()
        assert (entry(number).state, entry(number).ambiguous) == ("WAITING", 0)
        time_passes()
        sender(peer.relay()).drain()
    assert entry(number).state == "SENT"
    assert sum(peer.copies.values()) == 1


def test_a_server_that_refuses_connections_is_tried_later() -> None:
    number = put()
    port = free_port()
    with smtp_peer() as peer:
        sender(peer.relay(port=port)).drain()
    waiting = entry(number)
    assert (waiting.state, waiting.ambiguous) == ("WAITING", 0)
    assert str(port) in waiting.error


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    number = put()
    with smtp_peer() as peer, black_hole() as port:
        sender(peer.relay(port=port, seconds=0.3)).drain()
    assert (entry(number).state, entry(number).ambiguous) == ("WAITING", 0)
    assert entry(number).last_answer


ENDLESS_LINES, ENDLESS_LINE = b"250-" + b"x" * 996 + b"\r\n", b"250" + b"x" * 997


@pytest.mark.parametrize(
    "chunk", [ENDLESS_LINES, b"250-\r\n" * 200, ENDLESS_LINE], ids=["bytes", "lines", "line"]
)
@pytest.mark.parametrize(("at", "ambiguous"), [("", 0), ("EHLO", 0), ("MAIL", 0), ("RCPT", 0), (".", 1)])
def test_an_answer_without_an_end_is_hung_up_on(at: str, ambiguous: int, chunk: bytes) -> None:
    """R14: a server of an account's own choice fills no memory, however much it says."""
    number = put()
    with endless(at, chunk) as peer:
        sender(Relay(host="127.0.0.1", port=peer.port, starttls="never", seconds=5.0)).drain()
    waiting = entry(number)
    assert not peer.told_all
    assert (waiting.state, waiting.ambiguous) == ("WAITING", ambiguous)
    assert "does not end" in waiting.error


def test_a_goodbye_that_is_dripped_holds_nobody() -> None:
    number = put()
    with endless("QUIT", b"2", times=100, pause=0.05) as peer:
        one = sender(Relay(host="127.0.0.1", port=peer.port, starttls="never", seconds=5.0))
        one.drain()
        one.close()
    assert entry(number).state == "SENT"
    assert not peer.told_all


def test_a_dead_server_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "DOWN_SECONDS", 60.0)
    numbers = [put() for _ in range(20)]
    with smtp_peer() as peer, black_hole() as port:
        one = sender(peer.relay(port=port, seconds=0.3))
        one.drain(seconds=5)
    assert {entry(number).state for number in numbers} == {"WAITING"}


def test_without_a_server_mail_waits_visibly_and_no_try_is_counted() -> None:
    number = put()
    nobody = sender(None)
    assert nobody.drain() == 2  # claimed, and answered
    assert nobody.run_once() == 0
    waiting = entry(number)
    assert (waiting.state, waiting.attempts, waiting.due_at, waiting.tried_since) == (
        "WAITING",
        0,
        None,
        None,
    )
    assert waiting.error == "No mail server is set up; the mail waits here until there is one."
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    assert (entry(number).state, entry(number).attempts) == ("SENT", 1)


def test_a_send_that_no_transport_knows_waits_visibly() -> None:
    number = put(transport="pigeon")
    sender(None).drain()
    assert entry(number).error == "Nothing here can send pigeon."


def test_the_built_in_mailbox_keeps_each_mail_once() -> None:
    number = put("bo@customer.example", "cy@customer.example")
    sender(SINK).drain()
    OutboxEntry.objects.filter(id=number).update(
        state="WAITING", due_at=entry(number).created_at, answers={}, sent_at=None
    )
    sender(SINK).drain()
    with account_scope(ACCOUNT):
        (kept,) = queries.sink_mails(ACCOUNT, recipient="cy@customer.example")
        assert not queries.sink_mails(ACCOUNT, recipient="nobody@customer.example")
        whole = queries.sink_mail(ACCOUNT, kept.id)
    assert (kept.subject, kept.message_id) == ("Hello", entry(number).message_id)
    assert message_from_bytes(bytes(whole.raw), policy=default)["Subject"] == "Hello"
    assert entry(number).state == "SENT"


def test_a_mail_that_can_never_be_written_fails_and_stops_no_other() -> None:
    plain = letter()
    broken = put(
        payload={**plain.payload, "to": [{"email": "a@b.example\r\nBcc: eve@evil.example", "name": ""}]}
    )
    gone = put(
        payload={
            **plain.payload,
            "attachments": [{"sha256": "0" * 64, "size": 1, "name": "a", "type": "a/b"}],
        }
    )
    good = put()
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    assert [entry(number).state for number in (broken, gone, good)] == ["FAILED", "FAILED", "SENT"]
    assert "is not an e-mail address" in entry(broken).error
    assert "missing" in entry(gone).error


def test_a_lease_that_ran_out_is_taken_over_and_counted() -> None:
    number = put()
    first = sender(None)
    (claimed,) = first._claim(10)
    second_look = sender(None)
    assert second_look.run_once() == 0  # the lease still runs
    lease_runs_out(number)
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
        assert (entry(number).state, entry(number).ambiguous) == ("SENT", 1)
        first._record([(claimed, Answer(Verdict.LATER, "451 late news"))])
    assert entry(number).state == "SENT"


def test_a_late_yes_is_believed_before_anybody_sends_again() -> None:
    number = put()
    slow = sender(None)
    (claimed,) = slow._claim(10)
    lease_runs_out(number)
    other = sender(SINK)
    other._take_over_lost()
    assert entry(number).state == "WAITING"
    slow._record([(claimed, Answer(Verdict.ACCEPTED, "250 ok", {"bo@customer.example": "250 ok"}))])
    assert entry(number).state == "SENT"
    assert other.drain() == 0


def test_one_accounts_flood_does_not_stop_another() -> None:
    flood = outbox.enqueue([letter(account_id=1) for _ in range(300)])
    one, two = put(account_id=2), put(account_id=3)
    with smtp_peer() as peer:
        sender(peer.relay()).run_once()
    assert (entry(one).state, entry(two).state) == ("SENT", "SENT")
    assert OutboxEntry.objects.filter(id__in=flood, state="WAITING").exists()


def test_shares_leave_room_for_others() -> None:
    assert sending._shares([1, 2, 3], 16, {}, 14) == {1: 5, 2: 5, 3: 6}
    assert sending._shares([1], 16, {}, 14) == {1: 14}
    assert sending._shares([1, 2], 4, {1: 14}, 14) == {2: 4}
    assert sending._shares([1, 2, 3], 2, {}, 14) == {1: 1, 2: 1}


def test_listeners_work_in_the_accounts_own_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sending, "answers", [lambda news: seen.append((current_account_id(), len(news)))])
    put(account_id=1)
    put(account_id=2)
    sender(SINK).drain()
    assert sorted(seen) == [(1, 1), (2, 1)]


def test_a_listeners_mistake_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def fussy(news: list[Answered]) -> None:
        if any(one.entry.reference_id == 13 for one in news):
            raise ValueError("thirteen")
        told.extend(one.entry.id for one in news)

    monkeypatch.setattr(sending, "answers", [fussy])
    good, bad = put(), put(reference_id=13)
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
        time_passes()
        sender(peer.relay()).drain()
    assert (entry(good).state, entry(bad).state) == ("SENT", "SENT")
    assert told == [good]
    assert sum(peer.copies.values()) == 2


def test_connections_are_used_again_and_a_stale_one_costs_no_try() -> None:
    numbers = [put() for _ in range(5)]
    with smtp_peer() as peer:
        one = sender(peer.relay())
        one.drain()
        assert peer.connections == 1
        (session,) = one.transports["mail"]._relays._idle[peer.relay()]
        session.client.sock.shutdown(socket.SHUT_RDWR)
        number = put()
        one.drain()
        assert peer.connections == 2
    assert {entry(number).attempts for number in [*numbers, number]} == {1}
    assert OutboxEntry.objects.filter(state="SENT").count() == 6


def test_a_mail_larger_than_the_server_takes_fails_at_once() -> None:
    plain = letter()
    number = put(payload={**plain.payload, "text": "x" * 300_000})
    with smtp_peer(data_size_limit=100_000) as peer:
        sender(peer.relay()).drain()
    assert entry(number).state == "FAILED"
    assert "at most 100000 bytes" in entry(number).error


def test_addresses_outside_ascii_reach_a_server_that_can_take_them() -> None:
    plain = letter("børge@bücher.example")
    number = put(recipients=("børge@bücher.example",), payload=plain.payload)
    with smtp_peer() as peer:
        sender(peer.relay()).drain()
    assert peer.taken[0][1] == ["børge@xn--bcher-kva.example"]
    assert entry(number).answers == {"børge@bücher.example": "250 2.0.0 Taken"}


def test_a_look_at_an_empty_queue_is_one_query(django_assert_max_num_queries) -> None:
    nobody = sender(None)
    nobody.run_once()
    with django_assert_max_num_queries(1):
        assert nobody.run_once() == 0


def test_one_accounts_unreadable_server_holds_up_nobody_else() -> None:
    """Its own mail waits, says why, and counts as never tried."""
    broken, fine = put(account_id=8), put()

    def relay_for(account_id: int, _channel: int | None) -> Relay | None:
        if account_id == 8:
            raise Invalid("The password can't be read.")
        return SINK

    for _look in range(2):  # the second one also looks for servers that have come
        Sender({"mail": MailTransport(relay_for)}, threads=0).drain()

    waiting = entry(broken)
    assert entry(fine).state == "SENT"
    assert (waiting.state, waiting.due_at, waiting.ambiguous) == ("WAITING", None, 0)
    assert waiting.error == "The password can't be read."


def test_what_was_claimed_when_the_database_went_away_was_not_tried() -> None:
    number = put()
    answers = iter([OperationalError("gone")])

    def relay_for(_account: int, _channel: int | None) -> Relay | None:
        for failure in answers:
            raise failure
        return SINK

    out = Sender({"mail": MailTransport(relay_for)}, threads=0)
    with pytest.raises(OperationalError):
        out.run_once()
    out.drain()

    assert (entry(number).state, entry(number).attempts, entry(number).ambiguous) == ("SENT", 1, 0)


@pytest.mark.parametrize(
    ("mail_from", "seen"), [("", "help@desk.example"), ("robot@desk.example", "support@desk.example")]
)
def test_what_leaves_by_an_addresss_server_leaves_from_it(settings: Any, mail_from: str, seen: str) -> None:
    """R-MAIL-10: except where MAIL_FROM says whose the product's own mail is."""
    settings.MAIL_FROM = mail_from
    put()
    with smtp_peer() as peer:
        sender(peer.relay(sender="help@desk.example")).drain()

    assert message_from_bytes(peer.taken[0][2], policy=default)["From"] == f"Support <{seen}>"


def test_what_waits_for_a_server_is_put_aside_all_at_once(heard: list[Answered]) -> None:
    """However much there is: no try is counted, each is told of once, and other places wait for nobody."""
    numbers = outbox.enqueue([letter() for _ in range(160)])
    elsewhere = put(account_id=ACCOUNT + 1)
    with smtp_peer() as peer:
        one = Sender(
            {"mail": MailTransport(lambda account, channel: None if account == ACCOUNT else peer.relay())},
            threads=0,
        )
        one.run_once()

        assert (entry(elsewhere).state, len(peer.taken)) == ("SENT", 1)
    waiting = OutboxEntry.objects.filter(id__in=numbers)
    assert set(waiting.values_list("state", "due_at", "attempts", "tried_since")) == {
        ("WAITING", None, 0, None)
    }
    assert {found.error for found in waiting} == {
        "No mail server is set up; the mail waits here until there is one."
    }
    assert sorted(one.entry.id for one in heard if one.entry.account_id == ACCOUNT) == sorted(numbers)
    assert {one.state for one in heard if one.entry.account_id == ACCOUNT} == {"WAITING"}


def test_where_a_listener_fails_nothing_is_put_aside_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    number = put()

    def deaf(news: list[Answered]) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(sending, "answers", [deaf])

    assert sending._put_aside(("mail", ACCOUNT, None), "No server.") == 0
    assert (entry(number).state, entry(number).due_at is None) == ("WAITING", False)

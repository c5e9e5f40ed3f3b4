"""Several connections, several senders, and senders that are killed: O2, F8, I3."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection

import pytest
from django.db import connection

from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.relays import SINK, Relay
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import letter, sender
from deskhand.delivery.tests.peers import Peer, dripping, smtp_peer
from deskhand.delivery.transports import smtp
from deskhand.delivery.types import Answer, Entry, Pair, Verdict

pytestmark = pytest.mark.django_db(transaction=True)


def in_threads(work: Callable[[], None], count: int) -> None:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.race
def test_several_senders_with_several_connections_send_each_mail_once() -> None:
    outbox.enqueue([letter(account_id=number % 3 + 1) for number in range(120)])
    with smtp_peer() as peer:
        in_threads(lambda: sender(peer.relay(), threads=4).drain(), 3)
    assert len(peer.copies) == 120
    assert set(peer.copies.values()) == {1}
    assert set(OutboxEntry.objects.values_list("state", "attempts")) == {("SENT", 1)}
    assert peer.connections < 60


@pytest.mark.race
def test_threads_can_use_the_built_in_mailbox() -> None:
    outbox.enqueue([letter() for _ in range(20)])
    sender(SINK, threads=3).drain()
    assert OutboxEntry.objects.filter(state="SENT").count() == 20


@pytest.mark.race
def test_a_sender_that_is_stopped_gives_back_what_it_has_not_begun() -> None:
    outbox.enqueue([letter() for _ in range(12)])
    stop, begun = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        time.sleep(0.05)

    with smtp_peer() as peer:
        peer.before_answer = slowly
        one = sender(peer.relay(), threads=3)
        runner = threading.Thread(target=one.run, args=[stop])
        runner.start()
        assert begun.wait(10)
        stop.set()
        runner.join()
    sent = OutboxEntry.objects.filter(state="SENT", attempts=1).count()
    waiting = OutboxEntry.objects.filter(
        state="WAITING", attempts=0, ambiguous=0, due_at__isnull=False
    ).count()
    assert sent == len(peer.taken)
    assert sent + waiting == 12
    assert waiting


@pytest.mark.race
def test_a_server_that_drips_holds_a_thread_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """R14: each byte ends a wait, so that no wait ends it all."""
    from deskhand.delivery import sender as sending

    monkeypatch.setattr(smtp, "LONGEST", 0.3)
    monkeypatch.setattr(sending, "RENEW_EVERY", 0.1)
    (number,) = outbox.enqueue([letter()])
    with dripping() as port:
        one = sender(Relay(host="127.0.0.1", port=port, starttls="never", seconds=5.0), threads=3)
        rounds = 0
        while OutboxEntry.objects.get(id=number).state != "WAITING" or not rounds:
            one.run_once()
            rounds += 1
            assert rounds < 100
    assert OutboxEntry.objects.get(id=number).ambiguous == 0
    one.close()


class Stuck:
    """A way out on which one account's sends hang until `go`."""

    def __init__(self, account_id: int) -> None:
        self.account_id, self.go = account_id, threading.Event()

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        return ""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        return set(pairs)

    def send(self, entry: Entry) -> Answer:
        if entry.account_id == self.account_id:
            self.go.wait(20)
        return Answer(Verdict.ACCEPTED, "250 Taken", dict.fromkeys(entry.recipients, "250 Taken"))

    def rest(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.race
def test_one_accounts_dead_server_does_not_stop_anothers_mail() -> None:
    """S39: its mails take all threads and wait for one."""
    stuck = Stuck(account_id=1)
    outbox.enqueue([letter(account_id=1) for _ in range(30)])
    one = Sender({"mail": stuck}, threads=3)
    for _round in range(3):
        one.run_once()
    (other,) = outbox.enqueue([letter(account_id=2)])

    for _round in range(10):
        one.run_once()

    assert OutboxEntry.objects.get(id=other).state == "SENT"
    stuck.go.set()
    one.close()


@pytest.mark.race
def test_a_held_lease_is_renewed_while_a_slow_server_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    from deskhand.delivery import claims
    from deskhand.delivery import sender as sending

    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(sending, "RENEW_EVERY", 0.1)
    outbox.enqueue([letter()])
    with smtp_peer() as peer:
        peer.before_answer = lambda: time.sleep(1.5)
        in_threads(lambda: sender(peer.relay(), threads=3).drain(), 1)
    (only,) = OutboxEntry.objects.all()
    assert (only.state, only.ambiguous, only.attempts) == ("SENT", 0, 1)


def test_while_a_server_thinks_no_connection_is_kept_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has few, and takes mail with the same."""
    kept = []

    def think(*_: object, **__: object) -> Answer:
        kept.append(connection.connection)
        return Answer(Verdict.LATER, "later")

    monkeypatch.setattr(smtp.Relays, "send", think)
    outbox.enqueue([letter()])
    sender(Relay(host="mail.desk.example")).run_once()
    assert kept == [None]


class Victim:
    """A sending process that can be killed and started again."""

    def __init__(self, port: int) -> None:
        self.port, self.kills = port, 0
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        name = str(connection.settings_dict["NAME"])
        command = [sys.executable, "-m", "deskhand.delivery.tests.child_sender", name, str(self.port)]
        return subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.kills += 1

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_sender_makes_at_most_one_copy_for_each_unknown_end(seed: int) -> None:
    chance = random.Random(seed)
    ids = outbox.enqueue([letter() for _ in range(60)])
    with smtp_peer() as peer:
        victim = Victim(peer.port)
        peer.lose_answers = 2

        def perhaps_kill() -> None:
            if victim.kills < 3 and chance.random() < 0.15 and victim.process.poll() is None:
                victim.kill()

        peer.before_answer = perhaps_kill
        try:
            _until_sent(victim, len(ids))
        finally:
            victim.end()
    assert victim.kills == 3
    _copies_are_within_bounds(peer)


def _until_sent(victim: Victim, count: int) -> None:
    until = time.monotonic() + 90
    while OutboxEntry.objects.filter(state="SENT").count() < count:
        assert time.monotonic() < until, list(OutboxEntry.objects.values_list("state", "error").distinct())
        if victim.process.poll() is not None:
            victim.process = victim.start()
        time.sleep(0.05)


def _copies_are_within_bounds(peer: Peer) -> None:
    copies = peer.copies
    entries = list(OutboxEntry.objects.all())
    assert set(copies) == {one.message_id for one in entries}
    assert all(1 <= copies[one.message_id] <= 1 + one.ambiguous for one in entries)
    assert sum(one.ambiguous for one in entries) >= 3


def test_a_relay_is_chosen_by_channel() -> None:
    from deskhand.delivery.transports.mail import MailTransport

    outbox.enqueue([letter(channel_account_id=1), letter(channel_account_id=2), letter()])
    with smtp_peer() as first, smtp_peer() as second:
        relays: dict[int | None, Relay] = {1: first.relay(), 2: second.relay()}
        Sender({"mail": MailTransport(lambda account, channel: relays.get(channel))}, threads=3).drain()
    assert (len(first.taken), len(second.taken)) == (1, 1)
    assert OutboxEntry.objects.get(state="WAITING").channel_account_id is None

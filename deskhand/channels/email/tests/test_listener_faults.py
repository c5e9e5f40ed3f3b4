"""What is acknowledged is stored, whatever dies and when (R1–R3)."""

from __future__ import annotations

import os
import random
import re
import signal
import smtplib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection

from deskhand.channels.email import listener
from deskhand.channels.email.listener import Listener
from deskhand.channels.email.models import InboundMail
from tests.mailstack.stack import MailStack, free_port, wait_until

from .conftest import SALES, SUPPORT

SENDERS = 4
ROUNDS = 8  # kills


def database_url(name: str) -> str:
    return urlsplit(django_settings.DATABASE_URL)._replace(path=f"/{name}").geturl()


class Process:
    """The listener of another process; `kill` ends it at once, and it is there again soon."""

    def __init__(self, smtp_port: int, lmtp_port: int) -> None:
        environment = {**os.environ, "DATABASE_URL": database_url(str(connection.settings_dict["NAME"]))}
        self._parent = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "deskhand.channels.email.tests.listener_process",
                str(smtp_port),
                str(lmtp_port),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.child = 0
        self.await_child()

    def await_child(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            if line.strip().isdigit():
                self.child = int(line)
                return
        raise AssertionError("the listener did not start")

    def kill(self) -> None:
        os.kill(self.child, signal.SIGKILL)

    def end(self) -> None:
        self._parent.kill()
        self._parent.wait()
        os.kill(self.child, signal.SIGKILL)
        self._parent.stdout.close()


@pytest.fixture
def start_process(channels: object) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(smtp_port: int, lmtp_port: int) -> Process:
        started.append(Process(smtp_port, lmtp_port))
        return started[-1]

    yield start
    for process in started:
        process.end()


def mail(number: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "anna@customers.test", SUPPORT
    message["Subject"], message["Message-ID"] = f"Number {number}", f"<{number}@customers.test>"
    message.set_content("Where is it?\n" * 50)
    return message


def stored_ids() -> list[str]:
    raws = InboundMail.objects.order_by("id").values_list("raw", flat=True)
    return [re.search(rb"Message-ID: <([^@]+)@", bytes(raw), re.IGNORECASE)[1].decode() for raw in raws]


def send_until(stop: threading.Event, port: int, sender: int, acknowledged: list[str]) -> None:
    """Send one mail after the other; note each whose 250 was heard. A mail without an answer is given up."""
    number = 0
    while not stop.is_set():
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                while not stop.is_set():
                    number += 1
                    client.send_message(mail(f"{sender}.{number}"), "anna@customers.test", [SUPPORT])
                    acknowledged.append(f"{sender}.{number}")
        except (OSError, smtplib.SMTPException):
            time.sleep(0.01)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_the_listener_has_stored_what_it_acknowledged(
    start_process: Callable[..., Process], seed: int
) -> None:
    """R1, I1."""
    chance = random.Random(seed)
    port = free_port()
    process = start_process(port, free_port())
    stop, acknowledged = threading.Event(), [[] for _ in range(SENDERS)]
    senders = [
        threading.Thread(target=send_until, args=[stop, port, sender, acknowledged[sender]])
        for sender in range(SENDERS)
    ]
    for thread in senders:
        thread.start()

    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.02, 0.5))
        process.kill()
        process.await_child()
    stop.set()
    for thread in senders:
        thread.join()

    heard, stored = {number for numbers in acknowledged for number in numbers}, stored_ids()
    assert len(heard) > ROUNDS
    assert heard <= set(stored)
    assert len(set(stored)) == len(stored)
    assert len(stored) - len(heard) <= SENDERS * (ROUNDS + 1)


@pytest.mark.faults
@pytest.mark.mail
def test_behind_a_mail_server_no_kill_loses_or_bounces_a_mail(
    start_process: Callable[..., Process], mail_stack: MailStack
) -> None:
    """R3, F2: the server in front tries again."""
    chance = random.Random(7)
    process = start_process(free_port(), mail_stack.desk_lmtp_port)
    stop = threading.Event()
    sent: list[str] = []
    sender = threading.Thread(target=send_until, args=[stop, mail_stack.smtp_port, 9, sent])
    sender.start()

    for _ in range(4):
        time.sleep(chance.uniform(0.1, 0.6))
        process.kill()
        process.await_child()
    stop.set()
    sender.join()
    wait_until(mail_stack.queue_is_empty, "Postfix to deliver everything", patience=60)

    assert len(sent) > 20
    assert set(sent) <= set(stored_ids())
    assert not mail_stack.mailbox("anna@customers.test").mails()


@pytest.mark.mail
def test_behind_a_mail_server_the_known_recipient_gets_it_and_the_sender_hears_of_the_unknown(
    start_process: Callable[..., Process], mail_stack: MailStack
) -> None:
    """R4, R6: through Postfix, which makes the notice from our 550."""
    start_process(free_port(), mail_stack.desk_lmtp_port)

    mail_stack.send(mail("1"), sender="bert@customers.test", to=["support+r7@desk.test", "nobody@desk.test"])

    (notice,) = mail_stack.mailbox("bert@customers.test").wait_for(subject="Undelivered")
    wait_until(mail_stack.queue_is_empty, "Postfix to settle both")
    stored = InboundMail.objects.get()
    assert (stored.recipient, stored.envelope_from) == ("support+r7@desk.test", "bert@customers.test")
    assert "5.1.1" in notice.as_string()
    assert "nobody@desk.test" in notice.as_string()
    assert SALES not in notice.as_string()


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody gets to the test database, and who was there is thrown out."""
    name = str(connection.settings_dict["NAME"])
    connection.close()
    with psycopg.connect(database_url("postgres"), autocommit=True) as outside:
        outside.execute(f'alter database "{name}" with allow_connections false')
        try:
            outside.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = current_user",
                [name],
            )
            yield
        finally:
            outside.execute(f'alter database "{name}" with allow_connections true')
            connection.close_pool()


@pytest.mark.faults
def test_while_postgresql_is_away_senders_are_asked_to_come_again_and_later_all_is_well(
    doors: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: 451 for the recipient nobody remembers, 451 for the mail; 250 once it is back."""
    monkeypatch.setattr(listener, "LOOKUP_TIMEOUT", 1)
    monkeypatch.setattr(listener, "STORE_TIMEOUT", 1)

    def send(recipient: str) -> int:
        with smtplib.SMTP("127.0.0.1", doors.port("smtp"), timeout=30) as client:
            client.ehlo()
            client.mail("a@client.test")
            code, _ = client.rcpt(recipient)
            return code if code != 250 else client.data(mail("1").as_bytes(policy=SMTP))[0]

    before = send(SUPPORT)
    with database_away():
        meanwhile = [send(SUPPORT), send(SALES), send(SUPPORT)]
    wait_until(lambda: send(SUPPORT) == 250, "mail to be taken again", patience=60)

    assert before == 250
    assert meanwhile == [451, 451, 451]
    assert InboundMail.objects.count() >= 2

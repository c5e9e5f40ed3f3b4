"""Trying a server: what is in the way is told apart, and nobody waits for ever."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading

import pytest
from imapclient.exceptions import IMAPClientError

from deskhand.channels.email import trial
from deskhand.channels.email.causes import Cause, NoFolder, Refused, cause_of, words_of
from deskhand.channels.email.models import EmailAccount, Security
from deskhand.delivery.relays import Relay
from deskhand.kernel.errors import Invalid, Rejected


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")


@pytest.fixture
def peer():
    """A server that says what it is told to, line by line, and nothing more."""
    doors = []

    def open_door(*lines: bytes) -> int:
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def serve() -> None:
            line, _ = door.accept()
            with line, line.makefile("rb") as heard:
                for said in lines:
                    line.sendall(said)
                    if not heard.readline():
                        return
                threading.Event().wait(30)

        threading.Thread(target=serve, daemon=True).start()
        return door.getsockname()[1]

    yield open_door
    for door in doors:
        door.close()


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Refused("no"), Cause.REFUSED),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), Cause.REFUSED),
        (Rejected("private"), Cause.NOT_ALLOWED),
        (socket.gaierror(-2, "unknown"), Cause.UNKNOWN_HOST),
        (ssl.SSLCertVerificationError(1, "self-signed"), Cause.CERTIFICATE),
        (ssl.SSLError(1, "wrong version"), Cause.NO_TLS),
        (smtplib.SMTPNotSupportedError("no STARTTLS"), Cause.NO_TLS),
        (ConnectionRefusedError(), Cause.CLOSED),
        (TimeoutError(), Cause.SILENT),
        (NoFolder("Sent"), Cause.NO_FOLDER),
        (Invalid("key gone"), Cause.UNREADABLE_PASSWORD),
        (IMAPClientError("NO"), Cause.OTHER),
    ],
)
def test_each_trouble_has_its_name(failure, cause):
    assert cause_of(failure) is cause


def test_what_a_server_says_is_one_short_line():
    assert words_of(smtplib.SMTPAuthenticationError(535, b"5.7.8 no\r\nway " + b"x" * 900)).startswith("535 5.7.8 no way xx")  # fmt: skip
    assert len(words_of(IMAPClientError("y" * 900))) == 300
    assert words_of(Refused("b'[AUTHENTICATIONFAILED] no'")) == "[AUTHENTICATIONFAILED] no"


def test_a_port_where_nobody_listens_is_told():
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    assert (
        trial.try_outgoing(Relay(host="127.0.0.1", port=port, is_ours=False), "a@desk.example").cause
        is Cause.CLOSED
    )


def test_a_refused_password_is_told_with_what_the_server_said(peer):
    port = peer(
        b"220 hello\r\n", b"250-mail\r\n250 AUTH PLAIN LOGIN\r\n", b"535 5.7.8 wrong password\r\n",
        b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"535 5.7.8 wrong password\r\n",
    )  # fmt: skip
    found = trial.try_outgoing(
        Relay(host="127.0.0.1", port=port, starttls="never", user="team", password="canary", is_ours=False),
        "a@desk.example",
    )

    assert found.cause is Cause.REFUSED
    assert "canary" not in found.detail


def test_a_server_without_encryption_is_told(peer):
    port = peer(b"220 hello\r\n", b"250 mail\r\n")

    assert (
        trial.try_outgoing(Relay(host="127.0.0.1", port=port, is_ours=False), "a@desk.example").cause
        is Cause.NO_TLS
    )


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ((b"250 ok\r\n", b"250 ok\r\n"), None),
        ((b"250 ok\r\n", b"550 5.1.1 nobody of that name\r\n"), None),
        ((b"530 5.7.0 log in first\r\n", b"503 no\r\n"), Cause.REFUSED),
        ((b"250 ok\r\n", b"554 5.7.1 access denied\r\n"), Cause.OTHER),
    ],
)
def test_being_let_in_is_not_enough_when_nothing_may_be_sent(peer, answers, cause):
    """Where nobody gave a user name the log-in can't fail; the first answer to a customer would."""
    port = peer(b"220 hello\r\n", b"250 mail\r\n", *answers, b"250 forgotten\r\n", b"221 bye\r\n")
    found = trial.try_outgoing(
        Relay(host="127.0.0.1", port=port, starttls="never", is_ours=False), "a@desk.example"
    )

    assert found.cause is cause


def test_a_server_that_says_nothing_holds_nobody(peer, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 0.3)

    assert (
        trial.try_outgoing(Relay(host="127.0.0.1", port=peer(b""), is_ours=False), "a@desk.example").cause
        is Cause.SILENT
    )


def test_trials_that_hang_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(trial, "AT_ONCE", threading.BoundedSemaphore(1))
    trial.AT_ONCE.acquire()

    assert (
        trial.try_outgoing(Relay(host="127.0.0.1", port=1, is_ours=False), "a@desk.example").cause
        is Cause.BUSY
    )


@pytest.mark.mail
def test_a_real_mailbox_can_be_looked_into(mail_stack, transactional_db):
    box = EmailAccount(
        account_id=1, imap_host="127.0.0.1", imap_port=mail_stack.imap_port, imap_security=Security.NONE,
        imap_user="trial@team.test",
    )  # fmt: skip
    box.set_imap_password("secret")

    assert trial.try_incoming(box).ok
    box.imap_folder = "Nowhere"
    assert trial.try_incoming(box).cause is Cause.NO_FOLDER
    box.set_imap_password("wrong")
    assert trial.try_incoming(box).cause is Cause.REFUSED

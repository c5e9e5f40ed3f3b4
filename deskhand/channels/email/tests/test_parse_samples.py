"""Our own sample mails, each read as `mail/expected.json` says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deskhand.channels.email.parse import ParsedMail, fingerprint, parse_mail
from deskhand.channels.email.tests.parse_corpus import SAMPLES, shown

EXPECTED: dict[str, dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text("utf-8"))


def told(mail: ParsedMail, key: str) -> Any:
    readers = {
        "sender": lambda: mail.sender.email,
        "sender_name": lambda: mail.sender.name,
        "forwarded_sender": lambda: mail.forwarded_sender.email,
        "in_reply_to": lambda: mail.in_reply_to[-1],
        "attachments": lambda: shown(mail),
        "inline": lambda: [a.content_id for a in mail.attachments if a.inline],
        "defects": lambda: list(mail.defects),
        "auto": lambda: mail.auto.value,
    }
    return readers.get(key, lambda: getattr(mail, key))()


@pytest.mark.parametrize(
    ("name", "key"),
    [(n, k) for n, e in EXPECTED.items() for k in e if k not in ("own_text_contains", "bounce")],
)
def test_a_sample_is_read_as_expected(name: str, key: str) -> None:
    mail = parse_mail((SAMPLES / f"{name}.eml").read_bytes())

    assert told(mail, key) == EXPECTED[name][key]


@pytest.mark.parametrize(
    "name", [name for name, expected in EXPECTED.items() if "own_text_contains" in expected]
)
def test_nothing_the_writer_wrote_is_lost(name: str) -> None:
    """Q2, F1."""
    mail = parse_mail((SAMPLES / f"{name}.eml").read_bytes())

    assert [words for words in EXPECTED[name]["own_text_contains"] if words not in mail.own_text] == []


def test_a_full_mailbox_is_no_dead_address() -> None:
    """B4."""
    bounce = parse_mail((SAMPLES / "bounce-mailbox-full.eml").read_bytes()).bounce

    expected = EXPECTED["bounce-mailbox-full"]["bounce"]
    assert {key: getattr(bounce, key) for key in expected} == expected


def test_the_same_mail_over_two_ways_has_one_fingerprint() -> None:
    """R9: the way a mail took does not count, its content does."""
    raw = (SAMPLES / "first-plain.eml").read_bytes()
    other_way = b"Received: from mx2.example\r\nDelivered-To: support@demo.example\r\n" + raw.replace(
        b"\r\n", b"\n"
    )

    assert fingerprint(parse_mail(raw)) == fingerprint(parse_mail(other_way))
    assert fingerprint(parse_mail(raw)) != fingerprint(parse_mail(raw.replace(b"two days", b"three days")))


def test_a_mail_from_our_own_inbox_is_a_loop() -> None:
    """B1."""
    raw = (SAMPLES / "first-plain.eml").read_bytes()

    assert parse_mail(raw, own_addresses=["Grace@Navy.example"]).auto.value == "loop"

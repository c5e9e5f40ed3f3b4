"""The mails that tests read: our own samples, and the shared set beside the repository."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from deskhand.channels.email.parse import AutoKind, ParsedMail

SAMPLES = Path(__file__).parent / "mail"
SHARED = Path(__file__).resolve().parents[4] / ".." / "shared" / "data" / "mail-dev"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/mail-dev is absent")


def expectations(folder: str) -> dict[str, dict[str, Any]]:
    path = SHARED / folder / "expected.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def manifest(kind: str) -> list[str]:
    path = SHARED / "MANIFEST.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as rows:
        return [row["path"] for row in csv.DictReader(rows) if row["kind"] == kind]


def strings(mail: ParsedMail) -> list[str]:
    """All the text of a mail that is stored somewhere."""
    people = [mail.sender, mail.forwarded_sender, *mail.to, *mail.cc, *mail.reply_to]
    return [
        *(mail.subject, mail.text, mail.html, mail.own_text, mail.quoted, mail.signature, mail.date_text),
        *(mail.message_id, mail.forwarded_subject, mail.auto_reason, *mail.defects, *mail.message_ids),
        *(word for person in people if person for word in (person.name, person.email)),
        *(word for header in mail.headers for word in header),
        *(word for a in mail.attachments for word in (a.name, a.content_type, a.content_id, a.detected_type)),
        *mail.in_reply_to,
        *mail.references,
    ]


def shown(mail: ParsedMail) -> list[str]:
    return [a.name for a in mail.attachments if not a.inline]


def _utc(mail: ParsedMail) -> str:
    return mail.date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if mail.date else ""


#: What a key of the shared expectations asks of a mail. Keys that are not here are other areas' matters.
CHECKS: dict[str, Callable[[ParsedMail, Any], bool]] = {
    "attachments": lambda mail, names: shown(mail) == names,
    "attachments_count": lambda mail, count: len(shown(mail)) == count,
    "attachments_one_of": lambda mail, names: shown(mail)[0] in names,
    "auto_reply": lambda mail, yes: (mail.auto is not AutoKind.NO) == yes,
    "send_autoreply": lambda mail, yes: (mail.auto is AutoKind.NO) == yes,
    "loop": lambda mail, yes: (mail.auto is AutoKind.LOOP) == yes,
    "bounce": lambda mail, yes: (mail.auto is AutoKind.BOUNCE) == yes,
    "complaint": lambda mail, yes: (mail.auto is AutoKind.COMPLAINT) == yes,
    "read_receipt": lambda mail, yes: (mail.auto is AutoKind.REPORT) == yes,
    "delivery_receipt": lambda mail, yes: (mail.auto is AutoKind.REPORT) == yes,
    "hard": lambda mail, yes: mail.bounce.is_hard == yes,
    "delayed": lambda mail, yes: mail.bounce.is_delayed == yes,
    "recipient": lambda mail, email: mail.bounce.final_recipient == email,
    "suppress": lambda mail, email: mail.bounce.final_recipient == email,
    "status": lambda mail, status: mail.bounce.status == status,
    "original_message_id": lambda mail, written: mail.bounce.original_message_id == written,
    "subject": lambda mail, subject: subject is None or mail.subject == subject,
    "subject_single_line": lambda mail, _: len(mail.subject.splitlines()) == 1,
    "sender": lambda mail, email: mail.sender.email == email,
    "sender_name": lambda mail, name: mail.sender.name == name,
    "reply_to": lambda mail, email: mail.reply_to[0].email == email,
    "message_id": lambda mail, written: mail.message_id == written,
    "in_reply_to": lambda mail, written: written in mail.in_reply_to,
    "recipients": lambda mail, emails: list(mail.delivered_to) == emails,
    "recipients_contains": lambda mail, email: email in [a.email for a in mail.to],
    "date": lambda mail, moment: _utc(mail) == moment,
    "text": lambda mail, text: mail.text == text,
    "text_contains": lambda mail, words: all(word in mail.text for word in words),
    "text_lacks": lambda mail, words: all(word not in mail.text for word in words),
    "text_startswith": lambda mail, start: mail.text.startswith(start),
    "text_unwrapped": lambda mail, line: line in mail.text,
    "html_contains": lambda mail, markup: markup in mail.html,
    "html_lacks": lambda mail, marks: all(mark not in mail.html for mark in marks),
    "must_contain": lambda mail, words: all(word in mail.own_text for word in words),
    "forward": lambda mail, yes: mail.is_forward == yes,
    "forwarder": lambda mail, email: mail.sender.email == email,
    "original_sender": lambda mail, email: mail.forwarded_sender.email == email,
    "original_name": lambda mail, name: mail.forwarded_sender.name == name,
    "original_subject": lambda mail, subject: mail.forwarded_subject == subject,
    "inline_cids": lambda mail, ids: [a.content_id for a in mail.attachments if a.inline] == ids,
    "broken_cids": lambda mail, ids: list(mail.missing_cids) == ids,
    "detected": lambda mail, kind: mail.attachments[0].detected_type == kind,
    "encrypted": lambda mail, how: mail.protection.value == f"{how}-encrypted",
    "calendar": lambda mail, told: (mail.invitation.method, mail.invitation.summary) == tuple(told.values()),
    "max_output_bytes": lambda mail, limit: len(mail.html.encode()) <= limit,
    "no_remote_fetch": lambda mail, _: ' src="http' not in mail.html and "url(" not in mail.html,
}


def failures(mail: ParsedMail, expected: dict[str, Any]) -> list[str]:
    """Return the expectations that `mail` does not meet."""
    wrong = [key for key, told in expected.items() if key in CHECKS and not CHECKS[key](mail, told)]
    if "reply_text" in expected:
        allowed = {expected["reply_text"], expected.get("reply_text_with_signature"), ""} - {None, ""}
        own = mail.own_text if expected["reply_text"] else ""
        if (allowed and own not in allowed) or (not allowed and mail.own_text != mail.text):
            wrong.append("reply_text")
    return wrong

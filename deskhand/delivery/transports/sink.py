"""The built-in mailbox: mail that goes nowhere else. The demo's, and any account's that says so."""

from __future__ import annotations

from deskhand.delivery.models import SinkMail
from deskhand.delivery.types import Answer, Entry, Verdict
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope


def store(entry: Entry, message: bytes) -> Answer:
    """Keep the mail; an entry is kept once, however often it is tried."""
    mail = SinkMail(
        account_id=entry.account_id,
        entry_id=entry.id,
        envelope_from=entry.envelope_from,
        recipients=list(entry.recipients),
        message_id=entry.message_id,
        subject=str(entry.payload.get("subject", "")),
        raw=message,
        received_at=clock.now(),
    )
    with account_scope(entry.account_id):
        SinkMail.objects.bulk_create([mail], ignore_conflicts=True)
    words = "250 Kept in the built-in mailbox"
    return Answer(Verdict.ACCEPTED, words, dict.fromkeys(entry.recipients, words))

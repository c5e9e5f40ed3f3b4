"""Short words for the tests of sending."""

from __future__ import annotations

import itertools
from typing import Any

from deskhand.delivery import outbox
from deskhand.delivery.models import OutboxEntry
from deskhand.delivery.relays import Relay
from deskhand.delivery.sender import Sender
from deskhand.delivery.transports.mail import MailTransport
from deskhand.delivery.types import Address, Mail, NewSend
from deskhand.kernel.database import sql

ACCOUNT = 7
_numbers = itertools.count(1)


def letter(*recipients: str, account_id: int = ACCOUNT, **changes: Any) -> NewSend:
    to = recipients or ("bo@customer.example",)
    mail = Mail(Address("support@desk.example", "Support"), tuple(map(Address, to)), "Hello", "Hello Bo")
    whole: dict[str, Any] = {
        "account_id": account_id,
        "transport": "mail",
        "idempotency_key": f"letter:{next(_numbers)}",
        "recipients": to,
        "payload": mail.payload(),
        "envelope_from": "support+v7@desk.example",
        "reference_type": "message",
        "reference_id": 42,
        **changes,
    }
    return NewSend(**whole)


def put(*recipients: str, **changes: Any) -> int:
    (entry_id,) = outbox.enqueue([letter(*recipients, **changes)])
    return entry_id


def sender(relay: Relay | None, threads: int = 0) -> Sender:
    return Sender(
        {"mail": MailTransport(lambda account, channel: relay)}, threads=threads, jitter=lambda: 0.0
    )


def entry(entry_id: int) -> OutboxEntry:
    return OutboxEntry.objects.get(id=entry_id)


def seconds_to_wait(entry_id: int) -> float:
    found = sql.row(
        "select extract(epoch from due_at - clock_timestamp())::float8 from delivery_outboxentry where id = %s",
        [entry_id],
    )
    assert found is not None
    return float(found[0])


def time_passes(entry_id: int | None = None) -> None:
    """Make waiting entries due."""
    sql.execute(
        "update delivery_outboxentry set due_at = clock_timestamp() where state = 'WAITING' and due_at is not null"
        " and id = coalesce(%s, id)",
        [entry_id],
    )


def lease_runs_out(entry_id: int) -> None:
    sql.execute(
        "update delivery_outboxentry set lease_until = clock_timestamp() - interval '1 second' where id = %s",
        [entry_id],
    )

"""Bounces: what came back says that one of our messages did not arrive (B4, B6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.desk.models import Delivery, Message
from deskhand.events import log
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id


@dataclass(frozen=True)
class Returned:
    """A verified report about our message `message_id`."""

    message_id: int
    recipient: str
    reason: str
    is_hard: bool


def note_returned(returned: Sequence[Returned]) -> None:
    """Mark messages as bounced, their tickets as failing, and dead addresses of contacts. Safe to repeat.

    Whoever got a message of ours can report on it: an address that it did not go to is not believed to be dead.
    """
    if not returned:
        return
    account_id, now = current_account_id(), clock.now()
    by_id = {r.message_id: r for r in returned}
    sent = {
        message.pk: message
        for message in Message.objects.filter(account_id=account_id, pk__in=by_id, direction="OUT")
    }
    for message in sent.values():
        if message.delivery == Delivery.BOUNCED:
            continue
        found = by_id[message.pk]
        message.delivery, message.delivery_error = Delivery.BOUNCED, found.reason
        message.save(update_fields=["delivery", "delivery_error"])
        log.record_many(
            [NewEvent("message.bounced", "thread", message.thread_id, message.pk, SYSTEM, now, {"message_id": message.pk, "ticket_id": message.ticket_id, "recipient": found.recipient, "reason": found.reason})]
        )  # fmt: skip
        sql.execute(
            "update crm_ticket set last_message_failed = true where account_id = %s and id = %s",
            [account_id, message.ticket_id],
        )
    dead = [
        r.recipient.lower() for r in returned if r.is_hard and _went_to(sent.get(r.message_id), r.recipient)
    ]
    sql.execute(
        "update crm_contact set bounced_at = %s where account_id = %s and email = any(%s) and bounced_at is null",
        [now, account_id, dead],
    )


def _went_to(message: Message | None, recipient: str) -> bool:
    if message is None:
        return False
    return recipient.lower() in {
        box["email"].lower() for boxes in message.recipients.values() for box in boxes
    }

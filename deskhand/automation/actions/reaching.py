"""What holds for messages to customers, whatever they leave by: who may hear from us, how often, and in which conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation.actions.types import Doing, Done
from deskhand.automation.engine.loops import Adds, Tell, Touches
from deskhand.desk import replies
from deskhand.desk.activities import MESSAGE
from deskhand.desk.channels import EMAIL
from deskhand.desk.models import ChannelAccount
from deskhand.desk.types import Mailbox
from deskhand.kernel.database import sql

PER_ADDRESS = 5  # an hour (R-MAIL-12)
#: A message of automation in a ticket's conversation, which makes the latest one there the latest no more.
_SAID = Adds(
    MESSAGE.name, "ticket",
    (("direction", ("OUT",)), ("is_automatic", ("true",)), ("place", ("FIRST", "LAST", "FIRST_SENT", "LAST_SENT"))),
    frozenset({("place", "LAST"), ("place", "LAST_SENT")}),
)  # fmt: skip


def touched(object_type: str) -> Touches:
    """What a message about such a record may enroll: it is in a conversation of its own unless that is a ticket (R-EXEC-21)."""
    told = Touches(tells=frozenset({Tell("message.sent", "automatic", "True")}))
    return told | Touches(adds=frozenset({_SAID})) if object_type == "ticket" else told


def why_not_mail_about(object_type: str, record: Mapping[str, Any]) -> str:
    """Say why no mail goes out about the record; "" when it may (R-MAIL-12, B1, F2)."""
    if object_type != "ticket":
        return ""
    if record["is_spam"]:
        return _("The ticket is spam.")
    if record.get("from_machine"):
        return _("The ticket was opened by an automatic mail, which is never answered.")
    if record.get("hearsay"):
        return _("A colleague forwarded the mail; whom it names has not written to us yet.")
    return ""


def why_not_mail_to(contact: Mapping[str, Any]) -> str:
    """Say why no mail reaches this contact; "" when it does (R-MAIL-9, R-MAIL-12)."""
    if not contact["email"]:
        return _("The contact has no address.")
    if contact["bounced_at"]:
        return _("The address of the contact does not work: mail to it came back.")
    return ""


def sent(*addresses: str) -> Done:
    told, count = _("Sent to %(address)s") % {"address": ", ".join(addresses)}, len(addresses)
    return Done(message=told, outputs={"sent": count}, sent=count)


def mail_channels(account_id: int) -> dict[int, ChannelAccount]:
    """The addresses that mail can leave from, by id."""
    found = ChannelAccount.objects.filter(account_id=account_id, channel=EMAIL, archived_at=None)
    return {one.pk: one for one in found}


def channel_for(doing: Doing, channels: Mapping[int, ChannelAccount]) -> ChannelAccount | None:
    """The address that the ticket came to, else the default one (R-MAIL-10)."""
    own = doing.record.get("channel_account_id") if doing.object_type == "ticket" else None
    return channels.get(own or 0) or next((one for one in channels.values() if one.is_default), None)


def threads_of(mails: Iterable[tuple[Doing, Mailbox]], at: datetime) -> dict[int, int]:
    """{ticket: the conversation in which mail about it is written}; begun where there is none, with its readers in it.

    A fixed number of queries; none where all have one.
    """
    found: dict[int, int] = {}
    lacking: dict[int, list[str]] = {}
    for doing, to in mails:
        own = doing.record["originating_thread_id"]
        if own:
            found[doing.record_id] = own
        else:
            lacking.setdefault(doing.record_id, []).append(to.key)
    return found | replies.threads_for(lacking, at=at) if lacking else found


def too_many(address: str, count: int) -> str:
    """Say why one more is too many for an address that got so many automatic messages within an hour (R-MAIL-12)."""
    if count >= PER_ADDRESS:
        return _("%(address)s got %(count)s automatic messages within an hour.") % {"address": address, "count": PER_ADDRESS}  # fmt: skip
    return ""


class Lately:
    """How many automatic messages each address, or number, of these contacts got within an hour. One query."""

    def __init__(self, account_id: int, contact_ids: Collection[int], now: datetime) -> None:
        since = now - timedelta(hours=1)
        asked = {"account": account_id, "contacts": sorted(contact_ids), "since": since}
        self._counts: Counter[str] = Counter(dict(sql.rows(_TO_ADDRESS, asked)))

    def why_not(self, address: str) -> str:
        return too_many(address, self._counts[address])

    def count(self, address: str) -> None:
        self._counts[address] += 1


#: What they got in any ticket they are linked to, whoever's it is, and in conversations without one. Those are found by
#: their contact: `coalesce` keeps the index of tickets away from what has none.
_TO_ADDRESS = """
select m.recipients->'to'->0->>'email', count(*) from (
    select recipients from desk_message
    where account_id = %(account)s and direction = 'OUT' and is_automatic and created_at > %(since)s and ticket_id in (
        select to_id from crm_association
        where account_id = %(account)s and from_type = 'contact' and from_id = any(%(contacts)s) and to_type = 'ticket')
    union all
    select m.recipients from desk_thread h join desk_message m on m.account_id = h.account_id and m.thread_id = h.id
    where h.account_id = %(account)s and h.contact_id = any(%(contacts)s) and coalesce(h.ticket_id, 0) = 0
    and m.direction = 'OUT' and m.is_automatic and m.created_at > %(since)s
) m group by 1
"""

"""Messages to phones: to which number, in which conversation, and how they are put into the outbox."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from deskhand.delivery.types import NewSend
from deskhand.desk import outgoing
from deskhand.desk.channels import Texted
from deskhand.desk.models import ChannelAccount, Thread
from deskhand.desk.types import Mailbox
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")  # E.164
_DECORATION = re.compile(r"\(0\)|[\s().\-/\u00a0\u2010-\u2015]")


def number_of(phone: str) -> str:
    """A phone number as the whole world dials it (E.164); "" for one without a country code."""
    plain = _DECORATION.sub("", phone)
    plain = f"+{plain[2:]}" if plain.startswith("00") else plain
    return plain if plain.isascii() and _NUMBER.fullmatch(plain) else ""


class Place(NamedTuple):
    """Where a message belongs: a ticket's conversation with a contact, or one that belongs to no ticket."""

    channel: ChannelAccount
    ticket_id: int | None
    contact_id: int
    to: Mailbox

    @property
    def key(self) -> tuple[int, int | None, int]:
        return self.channel.pk, self.ticket_id, self.contact_id


def threads_for(places: Sequence[Place], at: datetime) -> list[int]:
    """The conversation of each, begun where there is none: two statements for all.

    On phones a contact has one conversation per ticket and account of ours. One without a ticket is closed until somebody
    answers: nobody has anything to do about it.
    """
    if not places:
        return []
    contacts, channels = {one.contact_id for one in places}, {one.channel.pk for one in places}
    rows = sql.rows(_THREADS, [current_account_id(), sorted(contacts), sorted(channels)])
    found = {(channel, ticket, contact): pk for channel, ticket, contact, pk in rows}
    new = {one.key: one for one in places if one.key not in found}
    ids = sql.ids("desk_thread", len(new)) if new else []
    Thread.objects.bulk_create(
        Thread(
            id=pk, account_id=one.channel.account_id, inbox_id=one.channel.inbox_id, channel_account=one.channel, ticket_id=one.ticket_id,
            contact_id=one.contact_id, created_at=at, last_message_at=at, last_sent_at=at, message_count=1, is_open=one.ticket_id is not None,
            closed_at=None if one.ticket_id else at, participants=[one.to.key],
        )
        for pk, one in zip(ids, new.values(), strict=True)
    )  # fmt: skip
    found |= dict(zip(new, ids, strict=True))
    return [found[one.key] for one in places]


_THREADS = """
select distinct on (channel_account_id, ticket_id, contact_id) channel_account_id, ticket_id, contact_id, id from desk_thread
where account_id = %s and contact_id = any(%s) and channel_account_id = any(%s) and not is_spam and not is_side and archived_at is null
order by channel_account_id, ticket_id, contact_id, last_message_at desc, id desc
"""


def last_heard(contact_ids: Collection[int], channel_ids: Collection[int]) -> dict[tuple[int, int], datetime]:
    """{contact, channel account: when the contact wrote there last} (R-WA-2). One query."""
    rows = sql.rows(_HEARD, [current_account_id(), sorted(contact_ids), sorted(channel_ids)])
    return {(contact, channel): at for contact, channel, at in rows}


_HEARD = """
select contact_id, channel_account_id, max(last_received_at) from desk_thread
where account_id = %s and contact_id = any(%s) and channel_account_id = any(%s) and not is_spam and last_received_at is not null
group by 1, 2
"""


def send(message_id: int, channel: ChannelAccount, to: Mailbox, texted: Texted, key: str) -> NewSend:
    """Describe the send of a message; the same `key` is one send for ever."""
    return NewSend(
        account_id=channel.account_id, transport=channel.channel, idempotency_key=key, recipients=[to.email], payload=texted.payload(),
        message_id=f"<{message_id}@{channel.channel}>", channel_account_id=channel.pk, reference_type=outgoing.REFERENCE, reference_id=message_id,
    )  # fmt: skip

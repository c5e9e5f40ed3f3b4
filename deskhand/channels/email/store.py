"""Keeping mail as it came. What `store_raw` has returned for is on disk: only then may anybody be told so (R1, R2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from deskhand.channels.email import alarms
from deskhand.channels.email.models import FETCH_AGAIN, GONE, NOT_FETCHED, InboundMail, MailState
from deskhand.desk import tokens
from deskhand.desk.models import ChannelAccount
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.database.wake import wake

WAKE = "mail"  # whoever reads stored mail listens for this
ASKED_AT_ONCE = 20  # mails fetched again before the database is asked for more
LARGEST_HEAD = 1024 * 1024  # bytes of headers (P1)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One mail for one of our addresses, to be stored."""

    account_id: int
    channel_account_id: int
    transport: str  # lmtp, smtp, imap, ingest
    recipient: str
    raw: bytes
    envelope_from: str = ""
    transport_key: str = ""  # see InboundMail
    full_size: int = 0  # bytes on the other side, where `raw` is only the head; else 0
    not_fetched: str = (
        ""  # why the other side does not hand it over, so that `raw` is empty: goes to quarantine
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one Incoming: its row, or None if the transport had delivered it before (R10)."""

    id: int | None


# The rows draw their ids first, so that the answer can say of each whether it was inserted or known.
_INSERT = """
with given as materialized (
    select nextval(pg_get_serial_sequence('email_inboundmail', 'id')) as id, t.*
    from unnest(
        %(accounts)b::bigint[], %(channels)b::bigint[], %(transports)b::text[], %(keys)b::text[],
        %(senders)b::text[], %(recipients)b::text[], %(digests)b::text[], %(sizes)b::bigint[],
        %(heads)b::boolean[], %(raws)b::bytea[], %(reasons)b::text[]
    ) with ordinality
      as t(account_id, channel, transport, key, sender, recipient, digest, size, head_only, raw, why, position)
), made as (
    insert into email_inboundmail
        (id, account_id, channel_account_id, transport, transport_key, envelope_from, recipient, sha256, size,
         is_head_only, raw, received_at, due_at, state, outcome, outcome_detail, done_at)
    select id, account_id, channel, transport, key, sender, recipient, digest, size, head_only, raw,
           %(now)b::timestamptz, %(now)b::timestamptz, case when why = '' then 'WAITING' else 'QUARANTINED' end,
           case when why = '' then '' else %(not_fetched)b::text end, why,
           case when why <> '' then %(now)b::timestamptz end
    from given
    on conflict (account_id, transport, transport_key) where not (transport_key = '') do nothing
    returning id
)
select made.id from given left join made using (id) order by given.position
"""


def store_raw(mails: Sequence[Incoming], *, now: datetime | None = None) -> list[Stored]:
    """Store the mails in one insert and one commit of their own; answer in the same order.

    Safe to repeat for mails with a transport key. Raises RuntimeError inside a transaction, whose commit would
    come too late; django.db.Error when nothing was stored.
    """
    if not mails:
        return []
    values = _columns(mails, now or clock.now())
    with transaction.atomic(durable=True):
        connection.ensure_connection()
        # Bytes travel as they are: the framework's own cursor would write each as hexadecimal text.
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            found = cursor.execute(_INSERT, values).fetchall()
        _tell_of_quarantine(
            [mail for mail, row in zip(mails, found, strict=True) if row[0] and mail.not_fetched]
        )
        wake(WAKE)
    return [Stored(row[0]) for row in found]


def _tell_of_quarantine(mails: Sequence[Incoming]) -> None:
    for account_id in sorted({mail.account_id for mail in mails}):
        with account_scope(account_id):
            alarms.quarantined([mail.channel_account_id for mail in mails if mail.account_id == account_id])


def _columns(mails: Sequence[Incoming], now: datetime) -> dict[str, Any]:
    return {
        "accounts": [mail.account_id for mail in mails],
        "channels": [mail.channel_account_id for mail in mails],
        "transports": [mail.transport for mail in mails],
        "keys": [mail.transport_key for mail in mails],
        "senders": [mail.envelope_from for mail in mails],
        "recipients": [mail.recipient for mail in mails],
        "digests": [hashlib.sha256(mail.raw).hexdigest() for mail in mails],
        "sizes": [mail.full_size or len(mail.raw) for mail in mails],
        "heads": [bool(mail.full_size) for mail in mails],
        "raws": [mail.raw for mail in mails],
        "reasons": [mail.not_fetched for mail in mails],
        "not_fetched": NOT_FETCHED,
        "now": now,
    }


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A mail that its server did not hand over, and that a person wants to be tried again."""

    id: int
    transport_key: str
    size: int
    received_at: datetime


def asked_for(channel_account_id: int) -> list[AskedFor]:
    """What is to be fetched again for this address, the first few."""
    found = _to_fetch().filter(channel_account_id=channel_account_id).order_by("id")[:ASKED_AT_ONCE]
    return [AskedFor(*row) for row in found.values_list("id", "transport_key", "size", "received_at")]


def channels_asked_for() -> set[int]:
    """The addresses for which something is to be fetched again."""
    return set(_to_fetch().values_list("channel_account_id", flat=True).distinct())


def fill(mail_id: int, mail: Incoming) -> None:
    """The mail came after all: put it in its stand-in's place, to be filed. Committed when this returns (R1)."""
    with transaction.atomic(durable=True):
        _to_fetch().filter(pk=mail_id).update(
            envelope_from=mail.envelope_from,
            recipient=mail.recipient,
            sha256=hashlib.sha256(mail.raw).hexdigest(),
            size=mail.full_size or len(mail.raw),
            is_head_only=bool(mail.full_size),
            raw=mail.raw,
            state=MailState.WAITING,
            attempts=0,
            due_at=Now(),
            outcome="",
            outcome_detail="",
            done_at=None,
        )
        wake(WAKE)


def put_back(mail_id: int, why: str) -> None:
    """It was not handed over again: back into quarantine."""
    _to_fetch().filter(pk=mail_id).update(outcome=NOT_FETCHED, outcome_detail=why, done_at=Now())


def note_gone(mail_id: int, why: str) -> None:
    """There is nothing to fetch any more."""
    _to_fetch().filter(pk=mail_id).update(
        state=MailState.DONE, outcome=GONE, outcome_detail=why, done_at=Now()
    )


def _to_fetch() -> QuerySet[InboundMail]:
    return InboundMail.objects.filter(state=MailState.QUARANTINED, outcome=FETCH_AGAIN)


def recipients(addresses: Iterable[str]) -> Mapping[str, ChannelAccount | None]:
    """Return whose each address is: exactly, or without its `+tags` (R5). None: nobody's here."""
    wanted = {address: candidates(address) for address in addresses}
    known = {
        account.address: account
        for account in ChannelAccount.objects.filter(
            channel="email",
            archived_at=None,
            address__in=sorted({name for names in wanted.values() for name in names}),
        )
    }
    return {
        address: next((known[name] for name in names if name in known), None)
        for address, names in wanted.items()
    }


def candidates(address: str) -> list[str]:
    """Return what `address` may be listed as, best first: in lower case, without tags, its domain both ways."""
    local, at, domain = address.strip().lower().rpartition("@")
    if not (local and at and domain):
        return []
    return [f"{name}@{host}" for name in tokens.untagged(local) for host in _spellings(domain)]


def _spellings(domain: str) -> list[str]:
    try:
        other = domain.encode("idna").decode() if not domain.isascii() else domain.encode().decode("idna")
    except UnicodeError:
        other = domain
    return list(dict.fromkeys([domain, other]))


def head_of(raw: bytes) -> bytes:
    """Return the headers alone, with the blank line after them: what is kept of a mail that is too large (R15)."""
    raw = raw[:LARGEST_HEAD]
    ends = [found + len(end) for end in (b"\r\n\r\n", b"\n\n") if (found := raw.find(end)) >= 0]
    return raw[: min(ends)] if ends else raw

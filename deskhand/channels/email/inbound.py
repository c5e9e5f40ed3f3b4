"""From stored bytes to tickets: lease a batch, read it in guarded children, file it in one transaction.

Reading takes long and needs no transaction, so rows are leased for it (by the database's clock); filing locks them
again. A worker that dies in between loses its lease, and the rows are read once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from django.db.models import QuerySet

from deskhand.channels.email import alarms, guarded
from deskhand.channels.email.models import FETCH_AGAIN, NOT_FETCHED, InboundMail, MailState
from deskhand.channels.email.parse import fingerprint
from deskhand.channels.email.parse.types import Address, AutoKind, ParsedMail
from deskhand.delivery import mime
from deskhand.desk import bounces, tokens
from deskhand.desk.bounces import Returned
from deskhand.desk.models import ChannelAccount
from deskhand.desk.threads import receive_many
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, Received, StoredFile
from deskhand.kernel import files
from deskhand.kernel.children import ChildFailed
from deskhand.kernel.claimer import BatchClaimer, words_of
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

WAKE = "mail"
LEASE = 30  # seconds a batch may be read; also how long a killed worker's rows wait
TRIES = 3  # then a person looks (R15)
BATCH_MAILS = 200  # read at once at most: a lease must last for all of them
BATCH_BYTES = 32 * 1024 * 1024  # of raw mail read at once
INDEXED_ID = 500  # characters; a unique index holds at most 2,704 bytes a row
WHOLE_ACCOUNT = 0  # in SeenMail: a mail to two inboxes of one account is one mail (T10)


@dataclass(frozen=True)
class Waiting:
    """A leased mail."""

    id: int
    channel_account_id: int
    envelope_from: str
    recipient: str
    received_at: datetime
    sha256: str
    raw: bytes
    is_head_only: bool
    has_null_sender: bool  # known where a mail server handed it over; other ways in read the Return-Path


@dataclass(frozen=True)
class Read:
    """A mail that was read: its meaning, with files stored already."""

    parsed: ParsedMail
    files: tuple[StoredFile, ...]


class InboundClaimer(BatchClaimer[Waiting]):
    name = "mail"
    wake = WAKE

    def __init__(self) -> None:
        self._leased: dict[int, Waiting] = {}
        self._read: dict[int, Read] = {}
        self._unreadable: dict[int, ChildFailed] = {}
        self._channels: dict[str, int] = {}

    def next_account(self) -> int | None:
        found = sql.row(
            "select account_id from email_inboundmail where state = 'WAITING' and due_at <= statement_timestamp() order by due_at limit 1 for update skip locked"
        )
        return found[0] if found else None

    def prepare(self, account_id: int, limit: int) -> None:
        """Lease a batch and read it, each mail in a guarded child."""
        self._channels = _channels(account_id)
        self._leased = {row.id: row for row in _lease(account_id, min(limit, BATCH_MAILS))}
        rows = self._leased.values()
        read = guarded.parse_many(
            [row.raw for row in rows],
            own_addresses=list(self._channels),
            null_senders={place for place, row in enumerate(rows) if row.has_null_sender},
        )
        readings = dict(zip(self._leased, read, strict=True))
        self._read = {
            i: Read(mail, _store_files(mail, self._leased[i]))
            for i, mail in readings.items()
            if isinstance(mail, ParsedMail)
        }
        self._unreadable = {i: failure for i, failure in readings.items() if isinstance(failure, ChildFailed)}

    def claim(self, account_id: int, limit: int, only: int | None = None) -> list[Waiting]:
        wanted = [only] if only is not None else list(self._leased)
        if not wanted:
            return []
        found = sql.rows(
            "select id from email_inboundmail where account_id = %s and id = any(%s) and state = 'WAITING' order by id for update skip locked",
            [account_id, wanted],
        )
        return [self._leased[row[0]] for row in found if row[0] in self._leased]

    def work(self, account_id: int, rows: Sequence[Waiting]) -> None:
        broken = {row.id: self._unreadable[row.id].reason for row in rows if row.id in self._unreadable}
        _end(account_id, MailState.QUARANTINED, "quarantined", broken)  # what broke its reader twice (R15)
        alarms.quarantined(row.channel_account_id for row in rows if row.id in broken)
        rows = [row for row in rows if row.id in self._read]
        if rows:
            self._file(account_id, rows)

    def _file(self, account_id: int, rows: Sequence[Waiting]) -> None:
        came_back = {row.id: why for row in rows if (why := self._came_back(account_id, row))}
        _end(account_id, MailState.DONE, "loop", came_back)  # our own opens nothing, and nobody answers it
        rows = [row for row in rows if row.id not in came_back]
        if rows:
            self._file_others(account_id, rows)

    def _came_back(self, account_id: int, row: Waiting) -> str:
        """Why this is our own mail that came back, or nothing (B1).

        What a person of ours wrote to another address of ours on purpose is filed, as any mail from an own address.
        """
        p = self._read[row.id].parsed
        if mime.instance_id(account_id) not in _values(p, mime.INSTANCE_HEADER) or p.auto in (
            AutoKind.BOUNCE,
            AutoKind.REPORT,
            AutoKind.COMPLAINT,
        ):
            return ""
        if any(value.lower() != "no" for value in _values(p, "Auto-Submitted")):
            return f"our own automatic mail came back: {p.message_id or p.subject}"
        if any(_own_channel(address, self._channels) for address in (*p.to, *p.cc)):
            return ""
        return f"our own mail came back, which was not for us: {p.message_id or p.subject}"

    def _file_others(self, account_id: int, rows: Sequence[Waiting]) -> None:
        fresh = _refuse_twins(account_id, [(row, self._read[row.id]) for row in rows])
        incoming = _Addressing(account_id, self._channels)
        filing = [row for row in rows if row.id in fresh]
        received = receive_many([incoming.of(row, self._read[row.id]) for row in filing])
        bounces.note_returned(
            [r for row in filing if (r := _returned(account_id, row, self._read[row.id].parsed))]
        )
        _finish(
            account_id,
            [(row, answer) for row, answer in zip(filing, received, strict=True)],
            [r for r in rows if r.id not in fresh],
        )

    def failed(self, account_id: int, row: Waiting, error: Exception) -> None:
        [(state,)] = sql.rows(
            "update email_inboundmail set attempts = attempts + 1, error = %s, due_at = now() + interval '5 seconds' * (attempts + 1),"
            " state = case when attempts + 1 >= %s then 'QUARANTINED' else state end,"
            " outcome = case when attempts + 1 >= %s then 'quarantined' else outcome end,"
            " outcome_detail = case when attempts + 1 >= %s then %s else outcome_detail end,"
            " done_at = case when attempts + 1 >= %s then now() end where account_id = %s and id = %s returning state",
            [
                words_of(error),
                TRIES,
                TRIES,
                TRIES,
                words_of(error, 500),
                TRIES,
                account_id,
                row.id,
            ],
        )
        if state == MailState.QUARANTINED:
            alarms.quarantined([row.channel_account_id])

    def row_id(self, row: Waiting) -> int:
        return row.id


def _channels(account_id: int) -> dict[str, int]:
    """Our own inboxes by address: a mail from one of them is a loop (B1)."""
    found = ChannelAccount.objects.filter(account_id=account_id, channel="email", archived_at=None)
    return dict(found.values_list("address", "id"))


def _lease(account_id: int, limit: int) -> list[Waiting]:
    """Take the oldest due rows for LEASE seconds, at most BATCH_BYTES of them (one mail at the least)."""
    found = sql.rows(_LEASE, [account_id, limit, BATCH_BYTES, LEASE])
    return [
        Waiting(mail_id, channel, sender, recipient, at, digest, bytes(raw), is_head_only, is_null)
        for mail_id, channel, sender, recipient, at, digest, raw, is_head_only, is_null in sorted(
            found, key=itemgetter(0)
        )
    ]


_LEASE = """
with due as (
    select id, size from email_inboundmail where account_id = %s and state = 'WAITING' and due_at <= statement_timestamp()
    order by due_at, id limit %s for update skip locked
), few as (
    select id from (select id, sum(size) over (order by id) - size as before from due) d where before < %s
)
update email_inboundmail m set due_at = now() + make_interval(secs => %s) from few where m.id = few.id
returning m.id, m.channel_account_id, m.envelope_from, m.recipient, m.received_at, m.sha256, m.raw, m.is_head_only,
    m.envelope_from = '' and m.transport in ('smtp', 'lmtp')
"""


def _store_files(parsed: ParsedMail, row: Waiting) -> tuple[StoredFile, ...]:
    """Put attachments into the store before the transaction; the same bytes twice are one file.

    A mail that could not be read has itself as an attachment, so that a person can try (R2).
    """
    found = [
        StoredFile(a.name, a.detected_type or a.content_type, ref.size, ref.sha256, a.content_id, a.inline)
        for a in parsed.attachments
        for ref in [files.put(a.content)]
    ]
    if not parsed.is_readable:
        ref = files.put(row.raw)
        found.append(StoredFile("original.eml", "message/rfc822", ref.size, ref.sha256))
    return tuple(found)


def _refuse_twins(account_id: int, mails: Sequence[tuple[Waiting, Read]]) -> set[int]:
    """Return the ids of mails not filed before; the insert decides, and counts (R9, R10, R-CC-13)."""
    keys: dict[tuple[str, str], list[int]] = {}
    for row, read in mails:
        message_id = read.parsed.message_id or f"<{row.sha256}@inbox>"
        keys.setdefault((message_id[:INDEXED_ID], fingerprint(read.parsed)), []).append(row.id)
    seen = sql.rows(
        "insert into email_seenmail (account_id, channel_account_id, message_id, fingerprint, times)"
        " select %s, %s, k.* from unnest(%s::text[], %s::text[], %s::int[]) k"
        " on conflict (account_id, channel_account_id, message_id, fingerprint)"
        " do update set times = email_seenmail.times + excluded.times returning message_id, fingerprint, xmax = 0",
        [
            account_id,
            WHOLE_ACCOUNT,
            [k[0] for k in keys],
            [k[1] for k in keys],
            [len(ids) for ids in keys.values()],
        ],
    )
    return {keys[message_id, digest][0] for message_id, digest, is_new in seen if is_new}


class _Addressing:
    """What a parsed mail means to the desk: its channel, its thread, its people."""

    def __init__(self, account_id: int, by_address: Mapping[str, int]) -> None:
        self.account_id, self.by_address = account_id, by_address

    def of(self, row: Waiting, read: Read) -> Incoming:
        return Incoming(self._channel(row, read.parsed), self._message(row, read))

    def _channel(self, row: Waiting, parsed: ParsedMail) -> int:
        """Of several of our addresses in one mail the first by To order counts (R-EM-11)."""
        for address in (*parsed.to, *parsed.cc):
            found = _own_channel(address, self.by_address)
            if found:
                return found
        return row.channel_account_id

    def _message(self, row: Waiting, read: Read) -> InboundMessage:
        p = read.parsed
        sender = p.sender or Address("", row.envelope_from)
        answers = tuple(
            dict.fromkeys(_bare(value) for value in (*reversed(p.in_reply_to), *reversed(p.references)))
        )
        thread_id = self._thread(row, answers)
        return InboundMessage(
            external_id=_bare(p.message_id) or f"{row.sha256}@inbox",
            sender=Mailbox(sender.email, sender.name),
            subject=p.subject,
            text=p.own_text or p.text,
            quoted=p.quoted,
            html=p.html,
            received_at=row.received_at,
            to=_mailboxes(p.to),
            cc=_mailboxes(p.cc),
            answers=tuple(a for a in answers if not _claims_to_be_ours(a) or self._is_ours(a)),
            thread_id=thread_id,
            automatic=_automatic(p, is_known=thread_id is not None),
            automatic_reason=p.auto_reason,
            spam_mark=p.spam_mark,
            is_forward=p.is_forward,
            original_sender=Mailbox(p.forwarded_sender.email, p.forwarded_sender.name)
            if p.forwarded_sender
            else None,
            date_text=p.date_text,
            files=read.files,
            notices=_notices(row, p),
        )

    def _thread(self, row: Waiting, answers: Sequence[str]) -> int | None:
        """A verified tag first, then one of our own Message-IDs with a good signature (T1)."""
        _, plus, tag = row.recipient.rpartition("@")[0].rpartition("+")
        found = tokens.thread_of_tag(self.account_id, tag) if plus else None
        if found is None:
            found = next(
                (t for value in answers if (t := tokens.thread_of_message_id(self.account_id, value))), None
            )
        return found

    def _is_ours(self, value: str) -> bool:
        return tokens.thread_of_message_id(self.account_id, value) is not None


def _claims_to_be_ours(value: str) -> bool:
    """An id in our shape counts only with a good signature, wherever it stands (T2)."""
    return value.lower().startswith("dh.")


def _automatic(p: ParsedMail, *, is_known: bool) -> Automatic:
    """`is_known`: it came to a thread of ours. Without, a subject alone makes no answer of it: people write about
    automatic replies, too."""
    if p.auto in (AutoKind.BOUNCE, AutoKind.REPORT, AutoKind.COMPLAINT):
        return Automatic.REPORT
    if p.auto_reason.lower().endswith("-instance"):
        # Another help desk's, which says so itself where no person wrote it: an answer is a person's answer.
        return Automatic.NO if p.is_reply else Automatic.GENERATED
    if p.auto is AutoKind.AUTO_REPLY and (
        p.is_reply
        or "repl" in p.auto_reason.lower()
        or (is_known and "subject" in p.auto_reason.lower())
        or _says_auto_replied(p)
    ):
        return Automatic.ANSWER
    return Automatic.NO if p.auto is AutoKind.NO else Automatic.GENERATED


def _says_auto_replied(p: ParsedMail) -> bool:
    """RFC 3834: an answer, though it may name nothing that it answers."""
    return any(value.lower().startswith("auto-replied") for value in _values(p, "Auto-Submitted"))


def _values(p: ParsedMail, header: str) -> list[str]:
    return [value.strip() for name, value in p.headers if name.lower() == header.lower()]


def _returned(account_id: int, row: Waiting, p: ParsedMail) -> Returned | None:
    """What a bounce says about a message of ours, if it names it with a good signature (B6)."""
    if p.auto is not AutoKind.BOUNCE or p.bounce is None or p.bounce.is_delayed:
        return None
    number = tokens.number_of_message_id(account_id, _bare(p.bounce.original_message_id))
    if number is None:
        return None
    reason = p.bounce.diagnostic or p.bounce.status or p.subject
    return Returned(number, p.bounce.final_recipient, reason, p.bounce.is_hard)


def _notices(row: Waiting, p: ParsedMail) -> tuple[str, ...]:
    notices = list(p.defects)
    if row.is_head_only:
        notices.append("too large: only its headers were taken")
    if p.protection:
        notices.append(p.protection.value)
    return tuple(notices)


def _bare(value: str) -> str:
    return value.strip().strip("<>")


def _own_channel(address: Address, by_address: Mapping[str, int]) -> int | None:
    """Which of our inboxes it is, with a tag or without."""
    local, _, domain = address.key.rpartition("@")
    return next(
        (by_address[own] for name in tokens.untagged(local) if (own := f"{name}@{domain}") in by_address),
        None,
    )


def _mailboxes(addresses: Sequence[Address]) -> tuple[Mailbox, ...]:
    return tuple(Mailbox(a.email, a.name) for a in addresses if a.email)


def _end(account_id: int, state: MailState, outcome: str, reasons: dict[int, str]) -> None:
    """End mails that nothing comes of, each with its reason; the bytes stay for a person."""
    if reasons:
        sql.execute(
            "update email_inboundmail m set state = %s, done_at = now(), outcome = %s, outcome_detail = x.why"
            " from unnest(%s::bigint[], %s::text[]) x(id, why) where m.account_id = %s and m.id = x.id",
            [state, outcome, list(reasons), list(reasons.values()), account_id],
        )


def quarantined(ids: Sequence[int] | None = None) -> QuerySet[InboundMail]:
    """What a person must look at, of all accounts, newest first; without `ids` all of it."""
    chosen = InboundMail.objects.filter(state=MailState.QUARANTINED)
    return (chosen if ids is None else chosen.filter(id__in=ids)).order_by("-id")


def process_again(account_id: int, ids: Sequence[int]) -> int:
    """Give quarantined mails another round; what was never fetched is fetched first. Returns how many."""
    found = sql.execute(
        "update email_inboundmail set state = 'WAITING', attempts = 0, due_at = now(), done_at = null,"
        " outcome = '', outcome_detail = '', error = ''"
        " where account_id = %s and id = any(%s) and state = 'QUARANTINED' and not outcome = any(%s)",
        [account_id, list(ids), [NOT_FETCHED, FETCH_AGAIN]],
    )
    found += sql.execute(
        "update email_inboundmail set outcome = %s"
        " where account_id = %s and id = any(%s) and state = 'QUARANTINED' and outcome = any(%s)",
        [FETCH_AGAIN, account_id, list(ids), [NOT_FETCHED, FETCH_AGAIN]],
    )
    wake(WAKE)
    return found


def _finish(account_id: int, filed: Sequence[tuple[Waiting, Received]], twins: Sequence[Waiting]) -> None:
    ends: list[tuple[int, str, str, int | None, int | None]] = [
        (row.id, r.outcome.value, r.why, r.message_id, r.ticket_id) for row, r in filed
    ]
    ends += [(row.id, "duplicate", "the same mail was filed before", None, None) for row in twins]
    columns = [list(column) for column in zip(*ends, strict=True)]
    sql.execute(
        "update email_inboundmail m set state = 'DONE', done_at = now(), outcome = x.outcome, outcome_detail = x.why, message_ref = x.message, ticket_ref = x.ticket"
        " from unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[]) x(id, outcome, why, message, ticket)"
        " where m.account_id = %s and m.id = x.id",
        [*columns, account_id],
    )

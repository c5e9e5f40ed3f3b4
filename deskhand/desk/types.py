"""What crosses the border between a channel and the desk. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class Mailbox:
    """Somebody on a channel: the address says who, the name is only shown."""

    email: str
    name: str = ""

    @property
    def key(self) -> str:
        return self.email.lower()


@dataclass(frozen=True)
class StoredFile:
    """A file whose bytes are in the file store already."""

    name: str
    content_type: str
    size: int
    sha256: str
    content_id: str = ""
    is_inline: bool = False


class Automatic(StrEnum):
    """Whether a machine wrote it, and how the desk takes that."""

    NO = "no"
    GENERATED = "generated"  # a notice of its own accord: a ticket, never answered automatically
    ANSWER = "answer"  # out of office and the like: never opens a ticket, moves nothing (R-STAT-18)
    REPORT = "report"  # bounces, receipts, complaints: never opens a ticket


@dataclass(frozen=True)
class InboundMessage:
    """A message that arrived, read and made safe by its channel."""

    external_id: str  # without brackets; "" where the channel has none
    sender: Mailbox
    subject: str
    text: str  # own words
    received_at: datetime
    quoted: str = ""
    html: str = ""  # sanitised
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    #: Ids it answers, nearest first, without brackets.
    answers: tuple[str, ...] = ()
    #: The thread that a verified token names (T1, T2).
    thread_id: int | None = None
    automatic: Automatic = Automatic.NO
    automatic_reason: str = ""
    #: What says that it is spam, as its channel names it; "" if nothing does (R-CC-12).
    spam_mark: str = ""
    is_forward: bool = False
    #: A forward by one of us: who wrote it first, as the forwarder says (R-EM-7, F1, F2).
    original_sender: Mailbox | None = None
    date_text: str = ""
    files: tuple[StoredFile, ...] = ()
    #: Notices for the reader: "could not be read fully", "encrypted" and so on.
    notices: tuple[str, ...] = ()
    is_email: bool = True
    #: The channel has made sure who it is: known in a thread that does not know them yet, and a customer (R-POR-9).
    is_verified: bool = False
    #: What the ticket that it opens names as its source, where that is not its channel account's; it always opens one.
    source_type: str = ""
    #: Who of us picked up, of a call: it is theirs (R-ROUTE-95).
    answered_by: int | None = None


@dataclass(frozen=True)
class Incoming:
    channel_account_id: int
    message: InboundMessage


class Outcome(StrEnum):
    CREATED = "created"
    JOINED = "joined"
    THREADED = "threaded"  # a thread without a ticket
    AUTO_REPLY = "auto-reply"
    BOUNCE = "bounce"
    SPAM = "spam"  # kept in Spam: it opens nothing and moves nothing


@dataclass(frozen=True)
class Received:
    """What became of an incoming message, and why."""

    outcome: Outcome
    message_id: int
    thread_id: int
    ticket_id: int | None
    why: str

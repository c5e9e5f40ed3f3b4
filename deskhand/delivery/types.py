"""What crosses delivery's border. No Django here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

#: True in the payload of a mail whose words are made before it is first sent (`sender.writers`); it lacks them.
UNWRITTEN = "unwritten"


class NewSend(NamedTuple):
    """One send to put into the outbox. The same `idempotency_key` in one account is one send for ever."""

    account_id: int
    transport: str
    idempotency_key: str
    recipients: Sequence[str]  # mail: bare addresses, all in the envelope; webhook: the address
    payload: Mapping[str, Any]  # mail: Mail.payload()
    message_id: str = ""  # made here when empty; with its angle brackets
    envelope_from: str = ""  # empty: the null sender
    channel_account_id: int | None = None  # whose server sends it; None: the installation's
    reference_type: str = ""
    reference_id: int | None = None
    due_at: datetime | None = None  # None: now
    held_reason: str = ""  # given: the entry waits for release()
    is_new: bool = False  # somebody asks for it this moment, so it can't have left before: passes the fence


@dataclass(frozen=True, slots=True)
class Entry:
    """A claimed send, as a transport sees it. `recipients` are those without a definite answer yet."""

    id: int
    account_id: int
    transport: str
    channel_account_id: int | None
    message_id: str
    envelope_from: str
    recipients: tuple[str, ...]
    settled: Mapping[str, str]  # the others, with their answers
    payload: Mapping[str, Any]
    reference_type: str
    reference_id: int | None
    attempts: int  # this try included
    ambiguous: int
    tried_seconds: float  # since the first try
    created_at: datetime


class Verdict(StrEnum):
    """What one try came to (O2)."""

    ACCEPTED = "accepted"  # every recipient has a definite answer, at least one a yes
    REFUSED = "refused"  # a definite no for all
    LATER = "later"  # certainly not taken by those left; try again
    AMBIGUOUS = "ambiguous"  # may or may not have been taken; try again with the same Message-ID
    BUSY = "busy"  # it is not its turn: once more after `wait`; not a try
    UNPLUGGED = "unplugged"  # there is nothing to send through; not a try


@dataclass(frozen=True, slots=True)
class Reply:
    """What another system said to a call, cut to what is kept."""

    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side's answer to one try, in its own words."""

    verdict: Verdict
    text: str
    settled: Mapping[str, str] = field(
        default_factory=dict
    )  # recipient → its definite answer, "250 …" or "5xx …"
    reply: Reply | None = None  # to a call
    wait: float = 0.0  # seconds that the other side asks to be left alone
    patience: float | None = None  # seconds of trying, where they are other than a mail's
    most: int | None = None  # tries, where they are counted


@dataclass(frozen=True, slots=True)
class Answered:
    """What the outbox made of an answer: the facts for those above."""

    entry: Entry
    answer: Answer
    state: str  # models.State
    at: datetime
    error: str  # for people; empty when sent

    @property
    def refused(self) -> dict[str, str]:
        """The recipients who were refused for good in this try, with the words."""
        return {who: text for who, text in self.answer.settled.items() if not text.startswith("2")}


Pair = tuple[int, int | None]  # an account and its channel account; None: the installation's


class Transport(Protocol):
    """A way out. Called from several threads at once, outside any transaction."""

    def missing(self, account_id: int, channel_account_id: int | None) -> str:
        """Say what is not set up, for people; "" when it can send. Called on the sender's own thread."""

    def ready(self, pairs: Collection[Pair]) -> set[Pair]:
        """Those for which nothing is missing, by account and channel account: asked for hundreds at once, so that
        what it asks of the database must not grow with them."""

    def send(self, entry: Entry) -> Answer:
        """Try once. May raise `Invalid` when the entry can never be sent; any other error counts as LATER."""

    def rest(self) -> None:
        """Close what has been idle for some time; called now and then."""

    def close(self) -> None:
        """Close everything that is idle: the process ends."""


class Address(NamedTuple):
    email: str
    name: str = ""


class Attached(NamedTuple):
    """A file of the store that goes along. With a `content_id` (no angle brackets) it is shown inside the HTML."""

    sha256: str
    size: int
    name: str
    type: str = "application/octet-stream"
    content_id: str = ""


class Mail(NamedTuple):
    """A mail before it is rendered. Bcc has no place here: it is an entry's recipient and nothing else (O5)."""

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str
    html: str = ""
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    in_reply_to: str = ""
    references: tuple[str, ...] = ()  # oldest first
    attachments: tuple[Attached, ...] = ()
    automatic: str = ""  # "", "auto-replied" or "auto-generated" (B2)
    headers: tuple[tuple[str, str], ...] = ()  # X-… and List-… only

    def payload(self) -> dict[str, Any]:
        flat = self._asdict()
        flat["sender"] = self.sender._asdict()
        for name in ("to", "cc", "reply_to", "attachments"):
            flat[name] = tuple([one._asdict() for one in flat[name]])
        return flat

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Mail:
        def addresses(name: str) -> tuple[Address, ...]:
            return tuple(Address(**one) for one in payload.get(name, ()))

        return cls(
            sender=Address(**payload["sender"]),
            to=addresses("to"),
            subject=payload["subject"],
            text=payload["text"],
            html=payload.get("html", ""),
            cc=addresses("cc"),
            reply_to=addresses("reply_to"),
            in_reply_to=payload.get("in_reply_to", ""),
            references=tuple(payload.get("references", ())),
            attachments=tuple(Attached(**one) for one in payload.get("attachments", ())),
            automatic=payload.get("automatic", ""),
            headers=tuple((name, value) for name, value in payload.get("headers", ())),
        )

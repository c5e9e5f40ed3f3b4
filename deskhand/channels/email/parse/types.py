"""What is read from a mail. Plain values: they travel between processes and hold no behavior of their own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

UNREADABLE = "could not be read"  # begins the defect of a mail whose structure is not known


class AutoKind(StrEnum):
    """Who or what wrote a mail (B1). Everything but NO is never answered automatically."""

    NO = "no"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"  # also "delayed": see Bounce.is_delayed
    LIST = "list"
    REPORT = "report"  # read receipts, delivery receipts, other multipart/report
    COMPLAINT = "complaint"
    LOOP = "loop"


class Protection(StrEnum):
    """How a body is signed or encrypted (A7). Signatures are told, not checked."""

    NONE = ""
    PGP_SIGNED = "pgp-signed"
    PGP_ENCRYPTED = "pgp-encrypted"
    SMIME_SIGNED = "smime-signed"
    SMIME_ENCRYPTED = "smime-encrypted"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox as its sender wrote it. The name is a claim; only `email` says who it is (P12)."""

    name: str
    email: str  # Unicode; the domain in lower case

    @property
    def key(self) -> str:
        """The address for matching contacts: case folded, the domain as its ASCII form (P13)."""
        local, at, domain = self.email.casefold().rpartition("@")
        if not domain.isascii():
            with contextlib.suppress(UnicodeError):
                domain = domain.encode("idna").decode("ascii")
        return f"{local}{at}{domain}"


@dataclass(frozen=True, slots=True)
class ParsedAttachment:
    name: str  # shown name, cleaned (A2); never a path
    content_type: str  # as claimed
    detected_type: str  # from the content; "" if unknown (A3)
    content: bytes
    content_id: str  # without brackets; "" if none
    inline: bool  # used by the HTML through its content id (A4)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery report, read receipt or complaint says about an earlier mail. "" where it doesn't say."""

    final_recipient: str = ""
    status: str = ""  # enhanced status code, e.g. 5.1.1
    action: str = ""  # failed, delayed, delivered, relayed, expanded
    diagnostic: str = ""
    original_message_id: str = ""

    @property
    def is_delayed(self) -> bool:
        return self.action == "delayed" or (not self.action and self.status.startswith("4."))

    @property
    def is_hard(self) -> bool:
        """Whether the address itself is dead: full mailboxes and refusals by policy are not (B4)."""
        if self.is_delayed or self.action in ("delivered", "relayed", "expanded"):
            return False
        return self.status.startswith("5.1.") or self.status in ("5.2.1", "5.4.4")


@dataclass(frozen=True, slots=True)
class Invitation:
    """A calendar part (A6), as text. It is never answered automatically."""

    method: str
    summary: str
    starts: str  # as written, e.g. 20260310T090000Z
    ends: str
    organizer: str  # address


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """One mail, read as far as it could be. `defects` says what could not."""

    message_id: str = ""  # with brackets; "" if the mail has none
    message_ids: tuple[str, ...] = ()  # all Message-ID headers, first first
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # oldest first
    subject: str = ""
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    delivered_to: tuple[str, ...] = ()  # envelope recipients that headers tell, best first (R5)
    return_path: str | None = None  # "" is the null sender, None is no header
    date: datetime | None = None  # aware; the sender's clock, for show only (P11)
    date_text: str = ""
    text: str = ""  # the whole body as text
    html: str = ""  # the HTML as it came, or sanitized after `guarded.parse_many`
    html_digest: str = ""  # of the HTML as it came
    own_text: str = ""  # what the writer wrote in this mail, without quote and technical signature
    signature: str = ""  # what was cut as a signature: after "-- ", "Sent from my …", a list's footer
    quoted: str = ""  # what was cut as a quote
    attachments: tuple[ParsedAttachment, ...] = ()
    missing_cids: tuple[str, ...] = ()  # used by the HTML, not in the mail
    auto: AutoKind = AutoKind.NO
    auto_reason: str = ""  # the header (or place) that told
    spam_mark: str = ""  # the header by which a filter in front marked it as spam
    bounce: Bounce | None = None  # for BOUNCE, COMPLAINT and REPORT
    is_forward: bool = False
    forwarded_sender: Address | None = None  # a claim of the forwarder: no trust, no answer (F2)
    forwarded_subject: str = ""
    protection: Protection = Protection.NONE
    invitation: Invitation | None = None
    authentication_results: tuple[str, ...] = ()  # raw, topmost first (T6)
    headers: tuple[tuple[str, str], ...] = ()  # decoded, in order, limited
    received_count: int = 0
    defects: tuple[str, ...] = ()

    @property
    def is_readable(self) -> bool:
        return not any(defect.startswith(UNREADABLE) for defect in self.defects)

    @property
    def is_reply(self) -> bool:
        return bool(self.in_reply_to or self.references)

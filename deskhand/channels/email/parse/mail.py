"""The way in: the bytes of a mail to a `ParsedMail`. Never raises, whatever the bytes (P1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from deskhand.channels.email.parse import auto, bounce, phrases
from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse.addresses import addresses
from deskhand.channels.email.parse.body import Body, Part, missing_cids, parse_flat, parse_tree, read_body
from deskhand.channels.email.parse.charsets import decode
from deskhand.channels.email.parse.forward import Forward, find_forward
from deskhand.channels.email.parse.headers import Headers
from deskhand.channels.email.parse.spam import marked_by
from deskhand.channels.email.parse.trim import trim
from deskhand.channels.email.parse.types import UNREADABLE, Address, AutoKind, Bounce, ParsedMail
from deskhand.kernel.text import one_line

MAX_HEADERS = 2000
MAX_HEADER_BLOCK = 1_000_000  # bytes
MAX_HEADERS_KEPT = 65_536  # characters
MAX_SUBJECT = 1000  # characters
MAX_TEXT = 1_000_000  # characters

_ENVELOPE_HEADERS = ("delivered-to", "x-original-to", "x-envelope-to", "envelope-to", "x-rcpt-to")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def parse_mail(
    raw: bytes, *, own_addresses: Collection[str] = (), has_null_sender: bool = False
) -> ParsedMail:
    """Read a mail. What could not be read is named in `defects`; the text holds what could.

    `own_addresses` are our inboxes: a mail from one of them is a loop. `has_null_sender`: the envelope said so; a mail
    that was delivered into a mailbox tells it by its Return-Path too (B1).
    """
    try:
        return _parse(raw, own_addresses, has_null_sender)
    except Exception as failure:  # noqa: BLE001  the promise of this module: a mail is never lost to a bug
        return unreadable(
            raw,
            type(failure).__name__,
            own_addresses=own_addresses,
            has_null_sender=has_null_sender,
        )


def unreadable(
    raw: bytes, why: str, *, own_addresses: Collection[str] = (), has_null_sender: bool = False
) -> ParsedMail:
    """Return what can be said of a mail without its structure: some headers, and its bytes as text.

    What a machine sent is still known as such, and an answer as what it answers.
    """
    top, _, rest = raw[: 2 * MAX_TEXT].replace(b"\r\n", b"\n").partition(b"\n\n")
    told = bounce.fields(decode(top[:65_536]))
    headers = {name: [value] for name, value in told.items()}
    named = addresses(told.get("from", "")[:2000], limit=1)
    sender = named[0] if named and named[0].email else None
    subject = head.text(told.get("subject", ""))[:MAX_SUBJECT]
    kind, reason = auto.classify(
        headers,
        sender=sender,
        subject=subject,
        content_type=head.parameters(told.get("content-type", ""))[0],
        return_path="" if has_null_sender else _return_path(headers),
        own_addresses=own_addresses,
    )
    text = decode(rest[:MAX_TEXT]).strip()
    return ParsedMail(
        subject=subject,
        message_id=next(iter(head.message_ids(told.get("message-id", ""))), ""),
        in_reply_to=head.message_ids(told.get("in-reply-to", "")),
        references=head.message_ids(told.get("references", "")),
        sender=sender,
        text=text,
        own_text=text,
        auto=kind,
        auto_reason=reason,
        spam_mark=marked_by(headers),
        defects=(f"{UNREADABLE}: {why}",),
    )


def fingerprint(mail: ParsedMail) -> str:
    """Return a digest of what a person would call the same mail: it ignores the way it took (R9)."""
    digest = hashlib.sha256()
    sender = mail.sender.email if mail.sender else ""
    for piece in (mail.subject, mail.date_text, sender, mail.text, mail.html_digest):
        digest.update(piece.encode("utf-8", "replace") + b"\0")
    for attachment in mail.attachments:
        digest.update(hashlib.sha256(attachment.content).digest())
    return digest.hexdigest()


def _parse(raw: bytes, own_addresses: Collection[str], has_null_sender: bool) -> ParsedMail:
    defects: list[str] = []
    tree = _tree(_tidied(raw, defects), defects)
    headers = tree.raw_headers
    body = read_body(tree)
    subject = head.text(head.first(headers, "subject"))[:MAX_SUBJECT]
    in_reply_to = head.message_ids(" ".join(headers.get("in-reply-to", ())))
    references = head.message_ids(" ".join(headers.get("references", ())))
    is_reply = bool(in_reply_to or references) or phrases.REPLY_PREFIX.match(subject) is not None
    return_path = "" if has_null_sender else _return_path(headers)
    sender = _sender(headers, return_path, defects)
    kind, reason, details = _automatic(headers, tree, body, sender, subject, return_path, own_addresses)
    forwarded = _forward(subject, body, kind, is_reply=bool(in_reply_to or references) or is_reply)
    text, html = _capped(body, defects)
    trimmed = trim(text, html, is_reply=is_reply, is_forward=forwarded is not None)
    ids = head.folded_message_id(headers.get("message-id", []))
    date_text = one_line(head.unfold(head.first(headers, "date"), 200))
    return ParsedMail(
        message_id=ids[0] if ids else "",
        message_ids=ids,
        in_reply_to=in_reply_to,
        references=references,
        subject=subject,
        sender=sender,
        reply_to=_addresses(headers, "reply-to"),
        to=_addresses(headers, "to"),
        cc=_addresses(headers, "cc"),
        delivered_to=_delivered_to(headers),
        return_path=return_path,
        date=head.date(date_text),
        date_text=date_text,
        text=text,
        html=html,
        html_digest=hashlib.sha256(html.encode("utf-8", "replace")).hexdigest() if html else "",
        own_text=trimmed.own,
        signature=trimmed.signature,
        quoted=trimmed.quoted,
        attachments=tuple(body.attachments),
        missing_cids=missing_cids(body),
        auto=kind,
        auto_reason=reason,
        spam_mark=marked_by(headers),
        bounce=details,
        is_forward=forwarded is not None,
        forwarded_sender=forwarded.sender if forwarded else None,
        forwarded_subject=forwarded.subject[:MAX_SUBJECT] if forwarded else "",
        protection=body.protection,
        invitation=body.invitations[0] if body.invitations else None,
        authentication_results=_authentication(headers),
        headers=_kept_headers(tree, defects),
        received_count=len(headers.get("received", ())),
        defects=tuple(dict.fromkeys(defects + body.defects)),
    )


def _tidied(raw: bytes, defects: list[str]) -> bytes:
    """Return the mail from its first header on, with \\n as line ends, its headers capped (P8)."""
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if b"\n" not in raw[:65_536] and b"\r" in raw[:65_536]:
        raw = raw.replace(b"\r", b"\n")
        defects.append("line ends are bare CR")
    elif b"\r\n" in raw[:65_536]:
        raw = raw.replace(b"\r\n", b"\n")
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    if not raw.strip():
        defects.append("empty")
    blank = raw.find(b"\n\n", 0, MAX_HEADER_BLOCK)
    if blank < 0 and len(raw) > MAX_HEADER_BLOCK:
        defects.append("headers too long")
        cut = raw.rfind(b"\n", 0, MAX_HEADER_BLOCK)
        rest = raw.find(b"\n\n", MAX_HEADER_BLOCK)
        raw = raw[: cut if cut > 0 else MAX_HEADER_BLOCK] + (raw[rest:] if rest >= 0 else b"\n")
    return raw


def _tree(raw: bytes, defects: list[str]) -> Part:
    try:
        return parse_tree(raw)
    except RecursionError:
        defects.append("parts nested too deeply")
        return parse_flat(raw)


def _return_path(headers: Headers) -> str | None:
    if "return-path" not in headers:
        return None
    value = one_line(head.unfold(headers["return-path"][0], 1000)).strip()
    if value in ("<>", "", "<MAILER-DAEMON>"):
        return ""
    found = addresses(value, limit=1)
    return found[0].email if found else ""


def _sender(headers: Headers, return_path: str | None, defects: list[str]) -> Address | None:
    """Return who a mail says it is from: the first From with an address, else Sender, else the envelope."""
    names: list[Address] = []
    for header in ("from", "sender", "return-path", "reply-to"):
        for found in _addresses(headers, header):
            if found.email:
                if header != "from":
                    defects.append("no From address")
                return Address(names[0].name if names and not found.name else found.name, found.email)
            names.append(found)
    defects.append("no sender")
    return None


def _addresses(headers: Headers, name: str) -> tuple[Address, ...]:
    values = headers.get(name)
    if not values:
        return ()
    found = addresses(values[0] if len(values) == 1 else ", ".join(values[:50]))
    return tuple(found)


def _delivered_to(headers: Headers) -> tuple[str, ...]:
    found = [
        a.email
        for name in _ENVELOPE_HEADERS
        for v in headers.get(name, ())[:20]
        for a in addresses(v, limit=20)
    ]
    return tuple(dict.fromkeys(email for email in found if email))


def _automatic(
    headers: Headers,
    tree: Part,
    body: Body,
    sender: Address | None,
    subject: str,
    return_path: str | None,
    own_addresses: Collection[str],
) -> tuple[AutoKind, str, Bounce | None]:
    verdict = auto.classify(
        headers,
        sender=sender,
        subject=subject,
        content_type=tree.content[0],
        return_path=return_path,
        own_addresses=own_addresses,
    )
    if verdict[0] is AutoKind.LOOP:
        return *verdict, None
    sender_text = head.text(head.first(headers, "from"), 500)
    told = bounce.find_bounce(
        headers, body, content=tree.content, subject=subject, return_path=return_path, sender_text=sender_text
    )
    return told or (*verdict, None)


def _forward(subject: str, body: Body, kind: AutoKind, *, is_reply: bool) -> Forward | None:
    if kind in (AutoKind.BOUNCE, AutoKind.COMPLAINT, AutoKind.REPORT):
        return None
    return find_forward(subject, body.text, body.enclosed, is_reply=is_reply)


def _capped(body: Body, defects: list[str]) -> tuple[str, str]:
    text, html = body.text, body.html
    if len(text) > MAX_TEXT:
        defects.append("text too long")
        text = text[:MAX_TEXT]
    return text, html


def _authentication(headers: Headers) -> tuple[str, ...]:
    return tuple(one_line(head.unfold(value)) for value in headers.get("authentication-results", ())[:20])


def _kept_headers(tree: Part, defects: list[str]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    room = MAX_HEADERS_KEPT
    for name, value in tree.raw_items():
        text = head.text(value if isinstance(value, str) else str(value), 4000)
        room -= len(text) + len(name)
        if room < 0 or len(kept) >= MAX_HEADERS:
            defects.append("too many headers")
            break
        kept.append((one_line(head.unfold(name, 100)), text))
    return tuple(kept)

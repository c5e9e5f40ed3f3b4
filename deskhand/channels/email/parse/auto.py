"""Tells automatic mail from a person's (B1). Names the header that told."""

from __future__ import annotations

import re
from collections.abc import Collection

from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse import phrases
from deskhand.channels.email.parse.headers import Headers
from deskhand.channels.email.parse.types import Address, AutoKind

MAX_HOPS = 100  # RFC 5321 §6.3

_ROBOTS = re.compile(
    r"(?:mailer-daemon|postmaster|no-?reply|do-?not-?reply|donotreply|noreply|bounces?|auto-?reply|autoresponder"
    r"|automailer|mail-?daemon|nobody)(?:$|[+_.-].*)|.*[._+-](?:no-?reply|donotreply|noreply)",
    re.IGNORECASE,
)
_INSTANCE_HEADER = re.compile(r"x-[a-z0-9-]{1,40}-(?:instance|loop)|x-loop")
_LIST_HEADERS = ("list-id", "list-unsubscribe", "list-post", "feedback-id", "x-mailing-list")
_ANSWER_HEADERS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-ms-exchange-inbox-rules-loop",
    "x-ms-exchange-generated-message-source",
)
_SUPPRESSED = re.compile(r"\b(?:all|oof|autoreply)\b", re.IGNORECASE)
_OPENING = re.compile(r"^(?:\s*(?:re|sv|aw|fwd?|vs)\s*:)*[\s\[\](*]*", re.IGNORECASE)

Verdict = tuple[AutoKind, str]


def classify(
    headers: Headers,
    *,
    sender: Address | None,
    subject: str,
    content_type: str,
    return_path: str | None,
    own_addresses: Collection[str] = (),
) -> Verdict:
    """Return the kind and what told it. Bounces and complaints are told apart before (`bounce`)."""
    return (
        _loop(headers, sender, own_addresses)
        or _report(content_type)
        or _answer(headers, subject)
        or _list(headers)
        or _robot(headers, sender, return_path)
        or _desk(headers)
        or (AutoKind.NO, "")
    )


def _loop(headers: Headers, sender: Address | None, own_addresses: Collection[str]) -> Verdict | None:
    if len(headers.get("received", ())) >= MAX_HOPS:
        return AutoKind.LOOP, "Received"
    if sender and sender.key in {address.casefold() for address in own_addresses}:
        return AutoKind.LOOP, "From"
    return None


def _report(content_type: str) -> Verdict | None:
    return (AutoKind.REPORT, "Content-Type") if content_type == "multipart/report" else None


def _answer(headers: Headers, subject: str) -> Verdict | None:
    submitted = head.text(head.first(headers, "auto-submitted"), 200).lower().partition(";")[0].strip()
    if submitted and submitted != "no":
        return AutoKind.AUTO_REPLY, "Auto-Submitted"
    for name in _ANSWER_HEADERS:
        if name in headers and head.text(head.first(headers, name), 50).lower() not in ("no", "0", "false"):
            return AutoKind.AUTO_REPLY, name.title()
    if _SUPPRESSED.search(head.text(head.first(headers, "x-auto-response-suppress"), 200)):
        return AutoKind.AUTO_REPLY, "X-Auto-Response-Suppress"
    if _precedence(headers) in ("auto_reply", "auto-reply"):
        return AutoKind.AUTO_REPLY, "Precedence"
    opening = _OPENING.sub("", subject[:300]).lower()
    if opening.startswith(phrases.AUTOMATIC_SUBJECTS):
        return AutoKind.AUTO_REPLY, "Subject"
    return None


def _desk(headers: Headers) -> Verdict | None:
    """The mark of a program that answers mails. Last: whether it alone told makes a difference to who files it."""
    for name in headers:
        if name.startswith("x-") and _INSTANCE_HEADER.fullmatch(name):
            return AutoKind.AUTO_REPLY, name.title()
    return None


def _precedence(headers: Headers) -> str:
    return head.text(head.first(headers, "precedence"), 50).lower()


def _list(headers: Headers) -> Verdict | None:
    for name in _LIST_HEADERS:
        if name in headers:
            return AutoKind.LIST, name.title()
    if _precedence(headers) in ("bulk", "junk", "list"):
        return AutoKind.LIST, "Precedence"
    return None


def _robot(headers: Headers, sender: Address | None, return_path: str | None) -> Verdict | None:
    if return_path == "":
        return AutoKind.AUTO_REPLY, "Return-Path"
    local = sender.email.rpartition("@")[0] if sender and sender.email else ""
    if local and _ROBOTS.fullmatch(local):
        return AutoKind.AUTO_REPLY, "From"
    if sender is None and head.text(head.first(headers, "from"), 200).lower().startswith("mailer-daemon"):
        return AutoKind.AUTO_REPLY, "From"
    return None

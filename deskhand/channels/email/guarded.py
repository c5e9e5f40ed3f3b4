"""Reads mails in the guarded children: parse, sanitize and turn HTML into text in one trip (P1)."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import replace

from deskhand.channels.email.parse import (
    Address,
    AutoKind,
    Bounce,
    Invitation,
    ParsedAttachment,
    ParsedMail,
    Protection,
    parse_mail,
    unreadable,
)
from deskhand.kernel.children import ChildFailed, ChildPool
from deskhand.kernel.html import sanitize

TIMEOUT = 3.5  # seconds; with the second, plainer try a mail takes 5 at most
PLAIN_TIMEOUT = 1.0  # seconds

_READ = "deskhand.channels.email.guarded:read"
_READ_PLAINLY = "deskhand.channels.email.guarded:read_plainly"

pool = ChildPool(
    size=2,
    preload=("deskhand.channels.email.guarded", "encodings.idna", "encodings.cp1252"),
    results=(
        Address,
        AutoKind,
        Bounce,
        Invitation,
        ParsedAttachment,
        ParsedMail,
        Protection,
        datetime.datetime,
    ),
)


def parse_many(
    raws: Sequence[bytes], *, own_addresses: Collection[str] = (), null_senders: Collection[int] = ()
) -> list[ParsedMail | ChildFailed]:
    """Read mails on all children; `null_senders` are the places of those whose envelope had no sender.

    Their `html` is sanitized; remote images wait in `data-src`. A mail that breaks its child is read again without its
    structure, and `defects` says so; one that can't be read even so is its ChildFailed.
    """
    own = tuple(own_addresses)
    items = [(raw, own, place in null_senders) for place, raw in enumerate(raws)]
    answers = pool.map_calls(_READ, items, timeout=TIMEOUT)
    return [_or_plainly(item, answer) for item, answer in zip(items, answers, strict=True)]


def _or_plainly(
    item: tuple[bytes, tuple[str, ...], bool], answer: ParsedMail | ChildFailed
) -> ParsedMail | ChildFailed:
    if not isinstance(answer, ChildFailed):
        return answer
    try:
        mail: ParsedMail = pool.call(_READ_PLAINLY, *item, answer.reason, timeout=PLAIN_TIMEOUT)
    except ChildFailed as failure:
        return failure
    return mail


def read(raw: bytes, own_addresses: tuple[str, ...] = (), has_null_sender: bool = False) -> ParsedMail:
    """Parse and sanitize, in the child."""
    mail = parse_mail(raw, own_addresses=own_addresses, has_null_sender=has_null_sender)
    if not mail.html:
        return mail
    clean = sanitize(mail.html)
    defects = (*mail.defects, clean.reduced) if clean.reduced else mail.defects
    return replace(mail, html=clean.html, defects=defects)


def read_plainly(raw: bytes, own_addresses: tuple[str, ...], has_null_sender: bool, why: str) -> ParsedMail:
    """Read what needs no parser, in the child."""
    return unreadable(raw, why, own_addresses=own_addresses, has_null_sender=has_null_sender)

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


def parse_guarded(raw: bytes, *, own_addresses: Collection[str] = ()) -> ParsedMail:
    """Read a mail in a child. Its `html` is sanitized; remote images wait in `data-src`.

    A mail that breaks the child is read again without its structure; `defects` says so.
    Raises ChildFailed if that breaks it too.
    """
    own = tuple(own_addresses)
    try:
        mail: ParsedMail = pool.call(_READ, raw, own, timeout=TIMEOUT)
    except ChildFailed as failure:
        mail = pool.call(_READ_PLAINLY, raw, failure.reason, timeout=PLAIN_TIMEOUT)
    return mail


def parse_many(
    raws: Sequence[bytes], *, own_addresses: Collection[str] = ()
) -> list[ParsedMail | ChildFailed]:
    """Read many mails on all children. A mail that can't be read even plainly is its ChildFailed."""
    own = tuple(own_addresses)
    answers = pool.map_calls(_READ, [(raw, own) for raw in raws], timeout=TIMEOUT)
    return [_or_plainly(raw, answer) for raw, answer in zip(raws, answers, strict=True)]


def _or_plainly(raw: bytes, answer: ParsedMail | ChildFailed) -> ParsedMail | ChildFailed:
    if not isinstance(answer, ChildFailed):
        return answer
    try:
        mail: ParsedMail = pool.call(_READ_PLAINLY, raw, answer.reason, timeout=PLAIN_TIMEOUT)
    except ChildFailed as failure:
        return failure
    return mail


def read(raw: bytes, own_addresses: tuple[str, ...] = ()) -> ParsedMail:
    """Parse and sanitize, in the child."""
    mail = parse_mail(raw, own_addresses=own_addresses)
    if not mail.html:
        return mail
    clean = sanitize(mail.html)
    defects = (*mail.defects, clean.reduced) if clean.reduced else mail.defects
    return replace(mail, html=clean.html, defects=defects)


def read_plainly(raw: bytes, why: str) -> ParsedMail:
    """Read what needs no parser, in the child."""
    return unreadable(raw, f"could not be read: {why}")

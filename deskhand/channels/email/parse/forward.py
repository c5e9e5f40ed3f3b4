"""Recognizes a forwarded mail and who first wrote it (F1–F3). What it finds is the forwarder's claim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.channels.email.parse import blocks, phrases
from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse.addresses import addresses
from deskhand.channels.email.parse.body import Part
from deskhand.channels.email.parse.types import Address

MAX_TEXT = 100_000  # characters that are looked at
_LINKED = re.compile(r"\[?mailto:[^\]>\s]{1,300}[\]>]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Forward:
    sender: Address | None
    subject: str


def find_forward(subject: str, text: str, enclosed: Sequence[Part], *, is_reply: bool) -> Forward | None:
    """Return the forwarded mail, None if this is no forward. A reply is one only if its subject says so."""
    says_so = phrases.FORWARD_PREFIX.match(subject) is not None
    if is_reply and not says_so:
        return None
    return _inline(text[:MAX_TEXT].split("\n"), says_so) or _enclosed(enclosed)


def _inline(lines: list[str], says_so: bool) -> Forward | None:
    for index, line in enumerate(lines):
        announced = blocks.is_forward_separator(line)
        start = _next_words(lines, index + 1) if announced else index
        if start is None or not (announced or ":" in line or "：" in line):
            continue
        block = blocks.header_block(lines, start)
        if block and (announced or says_so):
            return Forward(_first_address(block.values["from"]), block.values.get("subject", "").strip())
    return None


def _next_words(lines: list[str], start: int) -> int | None:
    return next((i for i in range(start, min(len(lines), start + 4)) if blocks.unquoted(lines[i])), None)


def _first_address(value: str) -> Address | None:
    found = addresses(_LINKED.sub(lambda m: "<" + m[0].strip("[]<>")[7:] + ">", value), limit=1)
    return found[0] if found and found[0].email else None


def _enclosed(enclosed: Sequence[Part]) -> Forward | None:
    """A mail attached to a first message was forwarded (A8)."""
    if len(enclosed) != 1:
        return None
    headers = enclosed[0].raw_headers
    senders = addresses(head.first(headers, "from"), limit=1)
    if not senders or not senders[0].email:
        return None
    return Forward(senders[0], head.text(head.first(headers, "subject")))

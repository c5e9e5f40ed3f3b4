"""Signed tokens that bring an answer back to its thread (T1, T2).

A token proves only that its bearer has seen our mail; who wrote is judged apart. It is in the address that answers
go to (`support+t1z-…@…`) and in the Message-ID of what we send. Keys are one per account and kind; former ones still
verify. There is no other format.
"""

from __future__ import annotations

import base64
import re

from deskhand.kernel import crypto

SIGNATURE_BYTES = 10  # 80 bits (T2)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_TOKEN = re.compile(r"t([0-9a-z]{1,13})-([a-z2-7]{16})", re.ASCII)
_MESSAGE_ID = re.compile(r"dh\.([0-9a-z]{1,13})\.([0-9a-z]{1,13})\.([a-z2-7]{16})@", re.ASCII)


def reply_tag(account_id: int, thread_id: int) -> str:
    """The part after the plus sign of the address that answers go to."""
    number = _base36(thread_id)
    return f"t{number}-{_sign(account_id, 'reply', number)}"


def untagged(local: str) -> list[str]:
    """Return the part before the @ as it is, without its last tag, without its last two …: ours may have one itself."""
    names = [local]
    while local := local.rpartition("+")[0]:
        names.append(local)
    return names


def message_id(account_id: int, thread_id: int, number: int, domain: str) -> str:
    """The Message-ID (without brackets) of our message `number`; the same in every try."""
    thread, own = _base36(thread_id), _base36(number)
    return f"dh.{own}.{thread}.{_sign(account_id, 'message', f'{own}.{thread}')}@{domain}"


def thread_of_tag(account_id: int, tag: str) -> int | None:
    """The thread a reply tag names, or None when its signature is not ours for this account."""
    found = _TOKEN.fullmatch(tag.strip().lower())
    if not found:
        return None
    return int(found[1], 36) if _holds(account_id, "reply", found[1], found[2]) else None


def thread_of_message_id(account_id: int, value: str) -> int | None:
    """The thread that one of our own Message-IDs names, or None."""
    found = _MESSAGE_ID.match(value.strip().strip("<>").lower())
    if not found:
        return None
    return int(found[2], 36) if _holds(account_id, "message", f"{found[1]}.{found[2]}", found[3]) else None


def number_of_message_id(account_id: int, value: str) -> int | None:
    """The message that one of our own Message-IDs names, or None; for bounces (B6)."""
    if thread_of_message_id(account_id, value) is None:
        return None
    found = _MESSAGE_ID.match(value.strip().strip("<>").lower())
    return int(found[1], 36) if found else None


def _holds(account_id: int, purpose: str, text: str, signature: str) -> bool:
    made = crypto.macs(text.encode(), account_id=account_id, purpose=f"thread token {purpose}")
    return any(crypto.same(_spelled(one), signature) for one in made)


def _sign(account_id: int, purpose: str, text: str) -> str:
    return _spelled(crypto.mac(text.encode(), account_id=account_id, purpose=f"thread token {purpose}"))


def _spelled(mac: bytes) -> str:
    return base64.b32encode(mac[:SIGNATURE_BYTES]).decode().lower()


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
        if not number:
            return digits

"""Text from outside, made fit to store and to show."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

#: C0 and C1 controls but tab and newline, lone surrogates, non-characters at the end of the BMP.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
#: Marks that turn the direction of text or can't be seen: they make a name look like another one.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def N_(message: str) -> str:
    """Mark a text for translation where Django is not known; who shows it translates it."""
    return message


def storable(text: str) -> str:
    """Return `text` with newlines as \\n and without what PostgreSQL or UTF-8 can't hold (P6)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii() and text.isprintable():
        return text
    return _UNSTORABLE.sub("", text)


def deeply_storable(value: Any) -> Any:
    """The same of what was read from JSON, with all its names and texts."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(name)): deeply_storable(one) for name, one in value.items()}
    return [deeply_storable(one) for one in value] if isinstance(value, list) else value


def one_line(text: str) -> str:
    """Return `text` as one storable line: line ends and controls become a space (P4)."""
    return _CONTROLS.sub(" ", text).strip()


def visible(text: str) -> str:
    """Return `text` in composed form (NFC), without invisible and direction-changing characters."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text))


def paragraphs(text: str) -> tuple[str, ...]:
    """Return what empty lines part in `text`, without those that hold nothing."""
    return tuple(part.strip("\n") for part in text.replace("\r\n", "\n").split("\n\n") if part.strip())


def whole(text: str) -> int | None:
    """Return the number that `text` writes in plain digits, as ids and places do; None for all else and beyond a bigint."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def plain(value: object) -> str:
    """Return a value as options and forms write it: yes and no in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def cut_to_bytes(text: str, limit: int) -> str:
    """Return as much of `text` as fits in `limit` bytes of UTF-8, never half a character."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return text
    return encoded[:limit].decode("utf-8", "ignore")

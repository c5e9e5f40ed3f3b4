"""Headers: raw bytes to one line of text, encoded words, parameters, ids, dates (P2–P4, P11, A1).

Every reader here is linear in its input and takes a bounded part of it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from deskhand.channels.email.parse.charsets import decode
from deskhand.kernel.text import one_line

MAX_VALUE = 16_384  # characters of one header that are decoded
MAX_LIST_VALUE = 262_144  # characters of an address or parameter list that are read
MAX_IDS = 200

# No possessive groups here: CPython before 3.11.5, which Debian 12 has, matches them wrongly (gh-106052).
_ENCODED_WORD = re.compile(
    r"=\?([A-Za-z0-9_.:+()-]{1,40})(?:\*[A-Za-z0-9-]{0,20})?\?([bBqQ])\?((?:[^?]|\?(?!=)){0,1000})\?="
)
_SURROGATE = re.compile("[\udc80-\udcff]")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,990})>")
_BARE_ID = re.compile(r"[^\s<>\"',;]{1,500}@[^\s<>\"',;]{1,250}")
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_PARAMETER = re.compile(r"[;\s]*+([^\s=;\"]{1,100})\s{0,20}=\s{0,20}", re.DOTALL)
_UNESCAPE = re.compile(r"\\([\"\\])")
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_BASE64_JUNK = re.compile(rb"[^A-Za-z0-9+/]+")

Headers = dict[str, list[str]]


def collect(items: Iterable[tuple[str, object]]) -> Headers:
    """Return raw values by lower-case name, topmost first."""
    found: Headers = {}
    for name, value in items:
        found.setdefault(name.strip().lower(), []).append(value if isinstance(value, str) else str(value))
    return found


def first(headers: Headers, name: str) -> str:
    values = headers.get(name)
    return values[0] if values else ""


def unfold(value: str, limit: int = MAX_VALUE) -> str:
    """Return a raw value as characters on one line: 8-bit bytes read as UTF-8, else cp1252 (P2)."""
    value = value[:limit]
    if "\n" in value or "\r" in value:
        value = value.replace("\r", "").replace("\n", "")
    if not value.isascii():
        value = decode(value.encode("utf-8", "surrogateescape")) if _SURROGATE.search(value) else value
    return value


def text(value: str, limit: int = MAX_VALUE) -> str:
    """Return a header value as a person reads it, in one line (P3, P4)."""
    value = unfold(value, limit)
    if "=?" in value:
        value = decode_words(value)
    return one_line(value)


def decode_words(value: str) -> str:
    """Decode the encoded words in `value`; neighbors of one charset are joined as bytes first (P3)."""
    out: list[str] = []
    pending, charset, end = b"", "", 0
    for match in _ENCODED_WORD.finditer(value):
        data = _word_bytes(match[2], match[3])
        between = value[end : match.start()]
        joins = bool(charset) and not between.strip()
        if joins and match[1].lower() == charset:
            pending += data
        else:
            out.append(decode(pending, charset))
            out.append("" if joins else between)
            pending, charset = data, match[1].lower()
        end = match.end()
    out.append(decode(pending, charset))
    out.append(value[end:])
    return "".join(out)


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    return loose_base64(data)


def loose_base64(data: bytes) -> bytes:
    """Decode base64 with junk, missing padding, or several streams one after the other (P7)."""
    out = b""
    for stream in re.split(rb"=+", data):
        clean = _BASE64_JUNK.sub(b"", stream)
        clean = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean
        out += binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
    return out


def message_ids(value: str) -> tuple[str, ...]:
    """Return the message ids of a header, with brackets, in order; the last 200 if there are more."""
    value = one_line(unfold(value, MAX_LIST_VALUE))
    found = [f"<{i}>" for i in _MESSAGE_ID.findall(value)]
    if not found:
        found = [f"<{i}>" for i in _BARE_ID.findall(value[:MAX_VALUE])]
    return tuple(dict.fromkeys(found))[-MAX_IDS:]


def folded_message_id(values: list[str]) -> tuple[str, ...]:
    """Return the ids of Message-ID headers. An id with blanks in it is joined, one without `@` is kept."""
    ids: list[str] = []
    for value in values[:10]:
        line = one_line(unfold(value))
        found = message_ids(value)
        if not found and line:
            found = ("<" + re.sub(r"[\s<>]+", "", line)[:990] + ">",)
        ids.extend(i for i in found[:1] if i != "<>")
    return tuple(dict.fromkeys(ids))


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split `value; name=…` into the value in lower case and its parameters (RFC 2045, 2231, 2047)."""
    value = unfold(value, MAX_LIST_VALUE)
    head, _, rest = value.partition(";")
    if "=" in head and "/" not in head:  # a header that starts with its parameters
        head, rest = "", value
    return one_line(head).lower(), _joined(_raw_parameters(rest)) if rest else {}


def _raw_parameters(rest: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, quotes_close = 0, True
    while len(found) < 4000 and (match := _PARAMETER.match(rest, position)):
        position = match.end()
        quoted = _QUOTED.match(rest, position) if quotes_close and rest.startswith('"', position) else None
        if quoted:
            given, position = _UNESCAPE.sub(r"\1", quoted[1]), quoted.end()
        else:
            quotes_close = quotes_close and not rest.startswith('"', position)
            stop = rest.find(";", position)
            stop = len(rest) if stop < 0 else stop
            given, position = rest[position:stop].strip().strip('"'), stop
        found.append((match[1].lower(), given))
        position = _after_semicolon(rest, position)
    return found


def _after_semicolon(rest: str, position: int) -> int:
    if position < len(rest) and rest[position] != ";":
        stop = rest.find(";", position)
        return len(rest) if stop < 0 else stop
    return position


def _joined(raw: list[tuple[str, str]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, given in raw:
        match = _SEGMENT.fullmatch(name) if "*" in name else None
        if match:
            pieces.setdefault(match[1], []).append((int(match[2] or 0), bool(match[3]), given))
        elif name not in plain:
            plain[name] = one_line(decode_words(given) if "=?" in given else given)
    for name, parts in pieces.items():
        plain[name] = one_line(_rfc2231(sorted(parts, key=lambda part: part[0])))
    return plain


def _rfc2231(parts: list[tuple[int, bool, str]]) -> str:
    charset = ""
    if parts[0][1] and parts[0][2].count("'") >= 2:
        charset, _, first_text = parts[0][2].split("'", 2)
        parts = [(0, True, first_text), *parts[1:]]
    data = b"".join(
        unquote_to_bytes(given) if encoded else given.encode("utf-8", "replace")
        for _, encoded, given in parts
    )
    return decode(data, charset)


def date(value: str) -> datetime | None:
    """Return a Date header as an aware moment, or None if it is no date between 1970 and 2200 (P11)."""
    value = one_line(unfold(value, 200))
    try:
        moment = _rfc5322(value) or datetime.fromisoformat(value)
    except (ValueError, IndexError, OverflowError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if 1970 <= moment.year <= 2200 else None


def _rfc5322(value: str) -> datetime | None:
    parts = parsedate_tz(value)
    if not parts:
        return None
    year, month, day, hour, minute, second = parts[:6]
    offset = timedelta(seconds=parts[9] or 0)
    zone = timezone(offset) if abs(offset) < timedelta(hours=24) else UTC
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)

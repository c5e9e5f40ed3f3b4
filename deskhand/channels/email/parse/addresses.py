"""A tolerant reader of address lists: what it can't read, it leaves as a name (P12). Linear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deskhand.channels.email.parse.headers import MAX_LIST_VALUE, decode_words, unfold
from deskhand.channels.email.parse.types import Address
from deskhand.kernel.text import one_line, visible

MAX_ADDRESSES = 500
_MAX_EMAIL = 320  # 64 + @ + 255: RFC 5321 §4.5.3.1
_MAX_NAME = 200

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\([^()]*+\)?|<[^<>]*+>?|[,;:]|[^"(<>,;:)]++|.', re.DOTALL)
_TOKEN_OPEN_QUOTE = re.compile(r"\([^()]*+\)?|<[^<>]*+>?|[,;:]|[^(<>,;:)]++|.", re.DOTALL)
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NOT_IN_DOMAIN = re.compile(r'[()<>,;\\"@\s]')
_NOT_IN_LOCAL = re.compile(r'[()<>\[\],:;\\"@\s]')
_WORD_WITH_AT = re.compile(r"\S+@\S+")


def addresses(value: str, limit: int = MAX_ADDRESSES) -> list[Address]:
    """Return the mailboxes in a header value; groups are opened, their names dropped."""
    found: list[Address] = []
    segment: list[str] = []
    for token in _tokens(unfold(value, MAX_LIST_VALUE)):
        if token in (",", ";"):
            found += _mailboxes(segment)
            segment = []
        elif token == ":" and not any("@" in part or part.startswith("<") for part in segment):
            segment = []  # the name of a group
        else:
            segment.append(token)
        if len(found) >= limit:
            return found[:limit]
    return (found + _mailboxes(segment))[:limit]


def _tokens(value: str) -> Iterator[str]:
    pattern, position = _TOKEN, 0
    while match := pattern.match(value, position):
        position = match.end()
        if match[0] == '"':  # never closed: from here on a quote is a letter like any other
            pattern = _TOKEN_OPEN_QUOTE
        else:
            yield match[0]


def _mailboxes(segment: list[str]) -> list[Address]:
    if not segment:
        return []
    angle = next((part for part in segment if part.startswith("<") and "@" in part), None)
    if angle is None:
        angle = next((part for part in segment if part.startswith("<")), None)
    if angle is not None:
        name = _name(part for part in segment if part is not angle and not part.startswith("<"))
        return [Address(name, _email(angle.strip("<> \t")))] if name or "@" in angle else []
    comment = next((part.strip("()") for part in segment if part.startswith("(")), "")
    bare = "".join(part for part in segment if not part.startswith("(")).strip()
    words = _WORD_WITH_AT.findall(bare) if not bare.startswith('"') else []
    if bare.startswith('"') and "@" in bare:
        return [Address(_name([comment]), _email(bare))]
    words = [word for word in words if _email(word)]
    if len(words) == 1:
        rest = bare.replace(words[0], " ").strip(" -")
        return [Address(_name([comment or rest]), _email(words[0]))]
    if words:
        return [Address("", _email(word)) for word in words]
    name = _name([bare or comment])
    return [Address(name, "")] if name else []


def _name(parts: Iterable[str]) -> str:
    texts = [_UNESCAPE.sub(r"\1", part[1:-1]) if len(part) > 1 and part[0] == '"' else part for part in parts]
    name = "".join(texts)
    if "=?" in name:
        name = decode_words(name)
    return " ".join(visible(one_line(name)).split())[:_MAX_NAME].strip("'\" ")


def _email(written: str) -> str:
    """Return the address without route, blanks and `mailto:`; "" if it has no domain or no local part."""
    written = visible(one_line(written)).strip("<>,;'\u2018\u2019 ")
    if "=?" in written:
        written = decode_words(written)
    if written.lower().startswith("mailto:"):
        written = written[7:]
    if written.startswith("@") and ":" in written:
        written = written.rpartition(":")[2]
    local, at, domain = written.rpartition("@")
    if not local.startswith('"'):
        local = "".join(local.split())
    domain = "".join(domain.split()).rstrip(".").lower()
    if not at or not local or not domain or len(written) > _MAX_EMAIL or _is_two_in_one(local, domain):
        return ""
    return f"{local}@{domain}"


def _is_two_in_one(local: str, domain: str) -> bool:
    """Whether letters stand in an address that only a list or a comment may have: nobody knows whom it means."""
    return _NOT_IN_DOMAIN.search(domain) is not None or (
        local[0] != '"' and _NOT_IN_LOCAL.search(local) is not None
    )

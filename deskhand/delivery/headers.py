"""The spelling of mail headers. Pure.

Python's own folding of address lists loses the comma between two addresses on patch levels that are still in use
(CVE-2025-1795), and with it a recipient; so names and subjects are encoded here, and its EmailMessage builds the body.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence

import idna
from django.utils.translation import gettext as _

from deskhand.delivery.types import Address
from deskhand.kernel.errors import Invalid

CHUNK = 36  # bytes of text in one encoded word: 60 characters, so that a line stays below 76
LINE = 76
REFERENCES_LIMIT = 20  # O4

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_LOCAL = re.compile(r'[^\s<>()\[\]\\,;:"@\x00-\x1f\x7f-\x9f]{1,64}')
_DOT_ATOM = re.compile(r"[^.]+(\.[^.]+)*")
_DOMAIN = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.IGNORECASE
)
_LITERAL = re.compile(r"\[[0-9a-fA-F:.]{3,50}(IPv6:)?[0-9a-fA-F:.]*\]")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
_HEADER_NAME = re.compile(r"(X|List)-[A-Za-z0-9-]{1,60}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, each run of white space one space."""
    return " ".join(_CONTROL.sub(" ", text).encode("utf-8", "replace").decode().split())


def text_header(name: str, value: str) -> str:
    """A line of free text, folded. Raises Invalid for line breaks and other control characters (S22)."""
    _refuse_control(name, value)
    words = value.split(" ")
    plain = (
        value.isascii() and "=?" not in value and all(words) and max(map(len, words)) < LINE - len(name) - 2
    )
    if not plain and value:
        return f"{name}: " + "\r\n ".join(encoded_words(value)) + "\r\n"
    return _folded(f"{name}:", words)


def addresses_header(name: str, addresses: Iterable[Address]) -> str:
    """A list of addresses, one to a line, their names without line breaks. Raises Invalid for what can't be one."""
    return f"{name}: " + ",\r\n ".join(_spelled(one) for one in addresses) + "\r\n"


def ids_header(name: str, ids: Sequence[str]) -> str:
    """Message-IDs, one to a line; of too many the first and the latest stay (O4). Raises Invalid."""
    for one in ids:
        if not _MESSAGE_ID.fullmatch(one):
            raise Invalid(_("%(one)r is not a Message-ID.") % {"one": one[:80]}, field=name, value=one[:80])
    kept = list(ids) if len(ids) <= REFERENCES_LIMIT else [ids[0], *ids[1 - REFERENCES_LIMIT :]]
    return f"{name}: " + "\r\n ".join(kept) + "\r\n"


def usable_ids(ids: Iterable[str]) -> list[str]:
    """Those of `ids` that may stand in a header, each once, in order. What customers' mails carry isn't all."""
    return list(dict.fromkeys(one for one in ids if _MESSAGE_ID.fullmatch(one)))


def extra_header(name: str, value: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise Invalid(_("A mail can't be given the header %(name)r.") % {"name": name[:60]}, field=name[:60])
    return text_header(name, value)


def wire_address(address: str) -> str:
    """The address as servers want it: the domain in ASCII. Raises Invalid for what can't be an address."""
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or "\ufffd" in local or not _encodable(local):
        raise Invalid(
            _("%(address)r is not an e-mail address.") % {"address": address[:120]},
            field="address",
            value=address[:120],
        )
    return f"{local}@{_wire_domain(domain, address)}"


def encoded_words(text: str) -> list[str]:
    """`text` in RFC 2047 form, cut between characters."""
    words, part = [], b""
    for character in text:
        piece = character.encode("utf-8", "replace")
        if len(part) + len(piece) > CHUNK:
            words.append(part)
            part = b""
        part += piece
    words.append(part)
    return [f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in words]


def _spelled(address: Address) -> str:
    local, _at, domain = wire_address(address.email).rpartition("@")
    # Some providers have given out addresses like a..b@; only in quotes are they allowed in a header.
    spec = f"{local}@{domain}" if _DOT_ATOM.fullmatch(local) else f'"{local}"@{domain}'
    name = one_line(address.name)
    if not name:
        return spec if spec[0] != '"' else f"<{spec}>"
    if name.isascii() and "=?" not in name and len(name) < 60:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        shown = name if _ATOMS.fullmatch(name) else f'"{escaped}"'
        return f"{shown}\r\n <{spec}>" if len(shown) + len(spec) > LINE - 12 else f"{shown} <{spec}>"
    return "\r\n ".join([*encoded_words(name), f"<{spec}>"])


def _wire_domain(domain: str, address: str) -> str:
    if (_DOMAIN.fullmatch(domain) and len(domain) <= 253) or _LITERAL.fullmatch(domain):
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as failure:
        raise Invalid(
            _("%(address)r is not an e-mail address.") % {"address": address[:120]},
            field="address",
            value=address[:120],
        ) from failure


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_control(name: str, value: str) -> None:
    if _CONTROL.search(value) or not _encodable(value):
        raise Invalid(
            _("%(name)s can't hold line breaks or control characters.") % {"name": name},
            field=name,
            value=value[:80],
        )


def _folded(start: str, words: Sequence[str]) -> str:
    lines, line = [], start
    for word in words:
        if len(line) + 1 + len(word) > LINE and line != start:
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"

"""The tree of a mail: which parts are its text, which its attachments (P1, P7–P10, A4, A7–A9)."""

from __future__ import annotations

import binascii
import html
import io
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message
from email.parser import BytesFeedParser
from email.policy import Compat32, compat32
from functools import cached_property
from urllib.parse import unquote

from deskhand.channels.email.parse import attachments as files
from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse.charsets import decode
from deskhand.channels.email.parse.headers import Headers
from deskhand.channels.email.parse.invitations import read_invitation
from deskhand.channels.email.parse.smime import signed_content
from deskhand.channels.email.parse.types import Invitation, ParsedAttachment, Protection
from deskhand.kernel.html import html_to_text

MAX_DEPTH = 50
MAX_PARTS = 1000
MAX_TEXT_BYTES = 4_000_000  # of one part; a longer one is an attachment too
_FEED_BYTES = 65_536

_CLEAN_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n\t ]*+={0,2}[\r\n\t ]*")
_CID = re.compile(r"""cid:([^"'<>]{1,300}?)(?=["'<>)]|\s[a-zA-Z/]|$)""", re.IGNORECASE)
_FIRST_BOUNDARY = re.compile(r"(?:^|\n)--([^\n]{1,200})")
_STUB = re.compile(
    r"(?:does not|doesn't|not|cannot|can't|unable|n't)\s.{0,40}(?:support|display|show|read|view|render).{0,60}html"
    r"|html[- ](?:e-?mail|message|format|version|enabled|capable|compatible)"
    r"|view (?:this|the) (?:e-?mail|message|mail)? ?(?:in|with|as) (?:your |a |an )?(?:browser|html)"
    r"|(?:kan ikke|unterstützt|ne prend pas|no admite|non supporta).{0,60}html",
    re.IGNORECASE,
)
#: Parts that are read for what they say and are no attachments.
_REPORT_TYPES = {
    "message/delivery-status",
    "message/global-delivery-status",
    "message/feedback-report",
    "message/disposition-notification",
    "message/global-disposition-notification",
    "text/rfc822-headers",
    "message/global-headers",
}
_ALTERNATIVES_NOBODY_READS = {"text/x-amp-html", "text/watch-html"}
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
_SMIME = {"application/pkcs7-mime", "application/x-pkcs7-mime"}


class _AsItCame(Compat32):
    """Writes headers as they stood: the stdlib folds them anew and refuses damaged ones."""

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}\n".encode("utf-8", "surrogateescape")


class Part(Message):
    """A stdlib message whose payload can be had as it came: the stdlib's own decoding drops letters."""

    def raw_payload(self) -> str:
        payload = self._payload  # type: ignore[attr-defined]
        return payload if isinstance(payload, str) else ""

    def children(self) -> list[Part]:
        payload = self._payload  # type: ignore[attr-defined]
        return payload if isinstance(payload, list) else []

    @cached_property
    def raw_headers(self) -> Headers:
        return head.collect(self.raw_items())

    @cached_property
    def content(self) -> tuple[str, dict[str, str]]:
        """The content type in lower case and its parameters."""
        kind, params = head.parameters(head.first(self.raw_headers, "content-type"))
        return (kind if kind.count("/") == 1 else ""), params

    @cached_property
    def disposition(self) -> tuple[str, dict[str, str]]:
        return head.parameters(head.first(self.raw_headers, "content-disposition"))

    @property
    def filename(self) -> str:
        return self.disposition[1].get("filename") or self.content[1].get("name") or ""

    def raw_bytes(self) -> bytes:
        """The payload without its transfer encoding. Unknown encodings are none (P7)."""
        encoding = head.first(self.raw_headers, "content-transfer-encoding").strip().lower()
        data = self.raw_payload().encode("utf-8", "surrogateescape")
        if encoding == "base64":
            return _base64(data)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(data)
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            return _uuencoded(data)
        return data


def parse_tree(raw: bytes) -> Part:
    """Return the tree of a mail. Raises RecursionError for nestings that nobody writes."""
    feed = BytesFeedParser(Part, policy=compat32)
    for start in range(0, len(raw), _FEED_BYTES):
        feed.feed(raw[start : start + _FEED_BYTES])
    tree = feed.close()
    assert isinstance(tree, Part)
    return tree


def parse_flat(raw: bytes) -> Part:
    """Return only the headers of a mail, with all of the rest as its text."""
    top, blank, rest = raw.partition(b"\n\n")
    part = parse_tree(top + blank)
    del part["content-type"], part["content-transfer-encoding"]
    part.set_payload(rest.decode("ascii", "surrogateescape"))
    return part


@dataclass(slots=True)
class Block:
    """A stretch of the body: the same words as text, as HTML, or both."""

    plain: str | None
    html: str | None


@dataclass(slots=True)
class Body:
    """What the tree holds, collected while walking it."""

    blocks: list[Block] = field(default_factory=list)
    attachments: list[ParsedAttachment] = field(default_factory=list)
    reports: list[tuple[str, str]] = field(default_factory=list)  # type, text
    enclosed: list[Part] = field(default_factory=list)  # messages inside this one
    invitations: list[Invitation] = field(default_factory=list)
    unattached: list[tuple[Part, bytes]] = field(default_factory=list)  # calendars shown, not attached
    protection: Protection = Protection.NONE
    defects: list[str] = field(default_factory=list)
    parts: int = 0
    text_cache: str | None = None

    def defect(self, what: str) -> None:
        if what not in self.defects:
            self.defects.append(what)

    @property
    def html(self) -> str:
        if not any(block.html is not None for block in self.blocks):
            return ""
        return "\n".join(
            block.html if block.html is not None else _as_html(block.plain) for block in self.blocks
        )

    @property
    def text(self) -> str:
        if self.text_cache is None:
            texts = (b.plain if b.plain is not None else html_to_text(b.html or "") for b in self.blocks)
            self.text_cache = "\n".join(text.strip("\n") for text in texts if text.strip()).rstrip()
        return self.text_cache


def read_body(tree: Part) -> Body:
    body = Body()
    body.blocks = _walk(tree, body, depth=0)
    if not any(ours.content_type in ("text/calendar", "application/ics") for ours in body.attachments):
        for part, data in body.unattached:
            _attach(part, body, data)
    _mark_inline(body)
    if not body.text and not body.attachments:
        _use_what_is_around(tree, body)
    return body


def _walk(part: Part, body: Body, depth: int) -> list[Block]:
    body.parts += 1
    if body.parts > MAX_PARTS:
        body.defect("too many parts")
        return []
    if depth > MAX_DEPTH:
        body.defect("parts nested too deeply")
        _attach(part, body, serialized(part), name="nested.eml")
        return []
    kind = part.content[0]
    children = part.children()
    if kind.startswith("multipart/") or (len(children) > 1 and not kind.startswith("message/")):
        return _multipart(part, kind, body, depth)
    if children:
        return _message(part, kind, body)
    return _leaf(part, kind, body, depth)


def _multipart(part: Part, kind: str, body: Body, depth: int) -> list[Block]:
    children = part.children()
    if not children:
        return _without_boundary(part, body, depth)
    if kind == "multipart/alternative":
        return _alternative(children, body, depth)
    if kind == "multipart/signed":
        _protect(
            body,
            Protection.PGP_SIGNED
            if "pgp" in part.content[1].get("protocol", "")
            else Protection.SMIME_SIGNED,
        )
        children = [
            child for i, child in enumerate(children) if i == 0 or child.content[0] not in _SIGNATURES
        ]
    if kind == "multipart/encrypted":
        _protect(body, Protection.PGP_ENCRYPTED)
        children = [child for child in children if child.content[0] != "application/pgp-encrypted"]
    blocks: list[Block] = []
    for child in children:
        blocks += _walk(child, body, depth + 1)
    return blocks


def _alternative(children: list[Part], body: Body, depth: int) -> list[Block]:
    plain: str | None = None
    marked_up: list[str] = []
    for child in children:
        if child.content[0] in _ALTERNATIVES_NOBODY_READS:
            continue
        blocks = _walk(child, body, depth + 1)
        texts = [block.plain for block in blocks if block.plain is not None]
        if plain is None and any(text.strip() for text in texts):
            plain = "\n".join(texts)
        if any(block.html is not None for block in blocks):
            marked_up = [block.html if block.html is not None else _as_html(block.plain) for block in blocks]
    if plain is None and not marked_up:
        return []
    text_only = plain if plain is not None and not (marked_up and _is_stub(plain)) else None
    return [Block(text_only, "\n".join(marked_up) if marked_up else None)]


def _is_stub(plain: str) -> bool:
    """Whether a text part only sends its reader to the HTML (P9)."""
    return len(plain) < 400 and _STUB.search(plain) is not None


def _without_boundary(part: Part, body: Body, depth: int) -> list[Block]:
    """Read a multipart whose boundary is not told, or wrong: the first `--line` is taken for it (P8)."""
    payload = part.raw_payload()
    match = _FIRST_BOUNDARY.search(payload)
    body.defect("multipart without its boundary")
    if not match or '"' in match[1]:
        return _text_block(part, "text/plain", payload.encode("utf-8", "surrogateescape"), body)
    boundary = match[1].strip().removesuffix("--")
    header = f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n'
    again = parse_tree((header + payload).encode("utf-8", "surrogateescape"))
    blocks: list[Block] = []
    for child in again.children():
        blocks += _walk(child, body, depth + 1)
    return blocks or _text_block(part, "text/plain", payload.encode("utf-8", "surrogateescape"), body)


def _message(part: Part, kind: str, body: Body) -> list[Block]:
    inner = part.children()
    if kind in _REPORT_TYPES:
        body.reports.append((kind, "\n".join(_header_block(child) for child in inner[:200])))
        return []
    body.enclosed.extend(inner[:10])
    if head.first(part.raw_headers, "content-transfer-encoding").strip().lower() == "base64":
        content = _base64(inner[0].raw_payload().encode("utf-8", "surrogateescape"))
    else:
        content = b"".join(serialized(child) for child in inner[:10])
    subject = head.text(head.first(inner[0].raw_headers, "subject"), 200)
    name = part.filename or (subject or "message") + ".eml"
    _attach(part, body, content, name=name)
    return []


def _leaf(part: Part, kind: str, body: Body, depth: int) -> list[Block]:
    is_root = depth == 0
    disposition = part.disposition[0]
    is_text = kind in ("", "text", "text/plain", "text/html", "text/enriched") or (
        is_root and kind.startswith("text/")
    )
    is_named = bool(part.filename) and not is_root
    if kind in _REPORT_TYPES:
        body.reports.append((kind, decode(part.raw_bytes(), part.content[1].get("charset", ""))))
        return []
    if is_text and disposition != "attachment" and not is_named:
        return _text_block(part, kind, part.raw_bytes(), body)
    content = part.raw_bytes()
    if kind in ("text/calendar", "application/ics"):
        _invite(part, kind, content, body)
        if kind == "text/calendar" and not part.filename and disposition != "attachment":
            body.unattached.append((part, content))
            return []
    if kind in _SMIME:
        return _smime(part, content, body, depth)
    if kind == "application/ms-tnef" or part.filename.lower() == "winmail.dat":
        return _tnef(part, content, body)
    _attach(part, body, content)
    return []


def _text_block(part: Part, kind: str, content: bytes, body: Body) -> list[Block]:
    params = part.content[1]
    is_html = kind == "text/html"
    if len(content) > MAX_TEXT_BYTES:
        body.defect("text too long")
        _attach(part, body, content)
        content = content[:MAX_TEXT_BYTES]
    text = decode(content, params.get("charset", ""), is_html=is_html)
    if is_html:
        return [Block(None, text)]
    if params.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=params.get("delsp", "").lower() == "yes")
    if "\nbegin " in text or text.startswith("begin "):
        text, found = files.take_uuencoded(text)
        for attachment in found:
            _keep(attachment, body)
    if "-----BEGIN PGP MESSAGE-----" in text:
        _protect(body, Protection.PGP_ENCRYPTED)
    elif "-----BEGIN PGP SIGNED MESSAGE-----" in text:
        _protect(body, Protection.PGP_SIGNED)
    return [Block(text, None)]


def unflow(text: str, *, delete_space: bool = False) -> str:
    """Join the soft line ends of format=flowed (RFC 3676 §4): a line that ends in a space goes on."""
    out: list[str] = []
    joins_depth = -1
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        words = line[depth:]
        words = words[1:] if words.startswith(" ") else words
        is_signature = words == "-- "
        if depth == joins_depth and not is_signature and out:
            out[-1] += words
        else:
            out.append((">" * depth + " " if depth else "") + words)
        flows = words.endswith(" ") and not is_signature
        joins_depth = depth if flows else -1
        if flows and delete_space:
            out[-1] = out[-1][:-1]
    return "\n".join(out)


def _invite(part: Part, kind: str, content: bytes, body: Body) -> None:
    params = part.content[1]
    found = read_invitation(decode(content, params.get("charset", "")), params.get("method", ""))
    if found:
        body.invitations.append(found)


def _smime(part: Part, content: bytes, body: Body, depth: int) -> list[Block]:
    """Show what an opaque signature encloses; keep what can't be read as a file (A7)."""
    signed = signed_content(content)
    says_signed = part.content[1].get("smime-type", "").lower() == "signed-data"
    _protect(body, Protection.SMIME_SIGNED if signed or says_signed else Protection.SMIME_ENCRYPTED)
    if signed is None:
        _attach(part, body, content, name=part.filename or "smime.p7m")
        return []
    return _walk(parse_tree(signed.replace(b"\r\n", b"\n")), body, depth + 1)


def _tnef(part: Part, content: bytes, body: Body) -> list[Block]:
    found = files.from_tnef(content)
    if found is None:
        body.defect("winmail.dat could not be unpacked")
        _attach(part, body, content, name=part.filename or "winmail.dat")
        return []
    for attachment in found:
        _keep(attachment, body)
    return []


def _protect(body: Body, protection: Protection) -> None:
    if body.protection is Protection.NONE:
        body.protection = protection


def _attach(part: Part, body: Body, content: bytes, *, name: str = "") -> None:
    content_id = head.text(head.first(part.raw_headers, "content-id"), 400).strip("<> ")
    attachment = files.make(name or part.filename, part.content[0], content, content_id=content_id)
    _keep(attachment, body)


def _keep(attachment: ParsedAttachment, body: Body) -> None:
    if len(body.attachments) >= files.MAX_ATTACHMENTS:
        body.defect("too many attachments")
        return
    body.attachments.append(attachment)


def used_cids(markup: str) -> list[str]:
    """Return the content ids that HTML uses, without %-encoding, each once."""
    return list(dict.fromkeys(unquote(html.unescape(found)).strip() for found in _CID.findall(markup)))[:500]


def _mark_inline(body: Body) -> None:
    """Inline is what the HTML uses, whatever the part says of itself (A4)."""
    if not any(attachment.content_id for attachment in body.attachments):
        return
    used = set(used_cids(body.html))
    body.attachments = [
        files.make(
            a.name, a.content_type, a.content, content_id=a.content_id, inline=unquote(a.content_id) in used
        )
        if a.content_id
        else a
        for a in body.attachments
    ]


def missing_cids(body: Body) -> tuple[str, ...]:
    markup = body.html
    if "cid:" not in markup.lower():
        return ()
    have = {unquote(a.content_id) for a in body.attachments}
    return tuple(cid for cid in used_cids(markup) if cid not in have)


def _use_what_is_around(tree: Part, body: Body) -> None:
    """Take the text before and after the parts, when the parts hold none."""
    around = "\n".join(
        text for text in (tree.preamble, tree.epilogue) if isinstance(text, str) and text.strip()
    )
    if around:
        body.blocks = [Block(decode(around.encode("utf-8", "surrogateescape")), None)]
        body.text_cache = None
        body.defect("text outside of the parts")


def serialized(part: Part) -> bytes:
    """Return an enclosed message as bytes, its lines as they came."""
    out = io.BytesIO()
    try:
        BytesGenerator(out, mangle_from_=False, policy=_AsItCame()).flatten(part)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, MessageError):
        return part.raw_payload().encode("utf-8", "surrogateescape")
    return out.getvalue()


def _header_block(part: Part) -> str:
    lines = [
        f"{name}: {head.text(value, 4000)}" for name, values in part.raw_headers.items() for value in values
    ]
    return "\n".join([*lines[:200], "", decode(part.raw_bytes()[:20_000])])


def _as_html(text: str | None) -> str:
    return "<div>" + html.escape(text or "").replace("\n", "<br>\n") + "</div>"


def _base64(data: bytes) -> bytes:
    if _CLEAN_BASE64.fullmatch(data):
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            return head.loose_base64(data)
    kept: list[bytes] = []
    for line in data.split(b"\n"):
        stripped = line.strip()
        if kept and (stripped.startswith(b"--") or b" " in stripped):
            break  # a list's footer in clear
        kept.append(stripped)
    return head.loose_base64(b"".join(kept))


def _uuencoded(data: bytes) -> bytes:
    lines = data.decode("latin-1")
    begin = lines.find("begin ")
    start = lines.find("\n", begin) + 1 if begin >= 0 else 0
    stop = lines.find("\nend", start - 1)
    decoded = files.uudecode(lines[start : stop + 1 if stop >= 0 else len(lines)])
    return data if decoded is None else decoded

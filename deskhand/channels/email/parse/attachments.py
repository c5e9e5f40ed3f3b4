"""Attachments: shown names (A1, A2), types told by content (A3), winmail.dat (A5), uuencoded text (P7)."""

from __future__ import annotations

import binascii
import re

from deskhand.channels.email.parse import tnef
from deskhand.channels.email.parse.types import ParsedAttachment
from deskhand.kernel.text import cut_to_bytes, one_line, visible

MAX_NAME_BYTES = 200
MAX_ATTACHMENTS = 200

_NOT_IN_NAMES = re.compile(r'[<>:"|?*\\/]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)
_UU_BEGIN = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,255})\n", re.MULTILINE)

_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/ics": ".ics",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/pgp-signature": ".asc",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-mime": ".p7m",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/pjpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
}
#: First bytes → type: what decides how a file may be shown, and what must not pass as something else.
_SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"MZ", "application/x-dosexec"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"),
    (b"{\\rtf", "application/rtf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "application/ogg"),
    (b"%!PS", "application/postscript"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
    (b"#!", "text/x-shellscript"),
    (b"<?php", "text/x-php"),
)
_HTML_START = re.compile(
    rb"\s*(?:<!doctype html|<html|<head|<body|<script|<iframe|<svg|<\?xml)", re.IGNORECASE
)


def shown_name(name: str, content_type: str) -> str:
    """Return a name fit to show and to offer for download; made from the type if none is left.

    Cleaned first, checked after, so that an invisible letter can't hide what the check looks for (A2).
    """
    name = visible(one_line(name))
    name = re.split(r"[\\/]", name)[-1] if re.search(r"[\\/]", name) else name
    name = _NOT_IN_NAMES.sub("_", name).strip(". \t\u00a0\u3000")
    name = _shortened(" ".join(name.split()))
    if not name:
        return "attachment" + _EXTENSIONS.get(content_type, ".bin")
    return "_" + name if _RESERVED.match(name) else name


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:
        return cut_to_bytes(name, MAX_NAME_BYTES).rstrip(". ")
    return cut_to_bytes(stem, MAX_NAME_BYTES - len(extension.encode()) - 1).rstrip(". ") + "." + extension


def detected_type(content: bytes) -> str:
    """Return the type that the first bytes tell, or "". Nothing is unpacked (A3)."""
    head = content[:16]
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(
            content[8:12], ""
        )
    if head[4:8] == b"ftyp":
        return "image/heic" if content[8:11] in (b"hei", b"mif", b"hev") else "video/mp4"
    match = _HTML_START.match(content[:512])
    if not match:
        return ""
    return (
        "image/svg+xml"
        if b"<svg" in content[:512].lower()
        else "text/xml"
        if b"<?xml" in match[0]
        else "text/html"
    )


def make(
    name: str, content_type: str, content: bytes, *, content_id: str = "", inline: bool = False
) -> ParsedAttachment:
    content_type = (
        content_type
        if re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}", content_type)
        else ""
    )
    content_type = content_type or "application/octet-stream"
    return ParsedAttachment(
        shown_name(name, content_type), content_type, detected_type(content), content, content_id, inline
    )


def from_tnef(content: bytes) -> list[ParsedAttachment] | None:
    """Return the files in a winmail.dat, or None if it holds none or can't be read: then it is kept as it is (A5)."""
    try:
        files = tnef.files_in(content)
    except tnef.Unreadable:
        return None
    return [make(name, "", data) for name, data in files] or None


def take_uuencoded(text: str) -> tuple[str, list[ParsedAttachment]]:
    """Cut uuencoded files out of a text and return both. A block without `end` stays text (P7)."""
    found: list[ParsedAttachment] = []
    kept: list[str] = []
    position = 0
    while len(found) < MAX_ATTACHMENTS and (match := _UU_BEGIN.search(text, position)):
        stop = text.find("\nend", match.end() - 1)
        if stop < 0:
            break
        data = uudecode(text[match.end() : stop + 1])
        if data is None:
            kept.append(text[position : match.end()])
            position = match.end()
            continue
        kept.append(text[position : match.start()])
        found.append(make(match[1], "application/octet-stream", data))
        position = stop + 4
    kept.append(text[position:])
    return "".join(kept), found


def uudecode(lines: str) -> bytes | None:
    """Decode the lines between `begin` and `end`, or None if they are not uuencoded."""
    out: list[bytes] = []
    for line in lines.splitlines():
        if not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line.encode("ascii")))
        except UnicodeEncodeError:
            return None
        except binascii.Error:
            repaired = _uu_repaired(line)
            if repaired is None:
                return None
            out.append(repaired)
    return b"".join(out)


def _uu_repaired(line: str) -> bytes | None:
    """Read a line that is longer than its length letter says, as some senders pad it."""
    length = (((ord(line[0]) - 32) & 63) * 4 + 5) // 3
    try:
        return binascii.a2b_uu(line[:length].encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        return None

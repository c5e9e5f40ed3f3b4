"""Bytes to text: never raises, never drops a letter (P2, P5, P6)."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from deskhand.kernel.text import storable

#: What senders say → the superset that they mean. Keys without blanks, dashes and underscores.
_SUPERSETS = {
    "usascii": "cp1252",
    "ascii": "cp1252",
    "ansix3.41968": "cp1252",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "windows1252": "cp1252",
    "xansi": "cp1252",
    "ansi": "cp1252",
    "iso88598i": "iso8859-8",
    "iso88598e": "iso8859-8",
    "iso88599": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "xgbk": "gb18030",
    "cp936": "gb18030",
    "hz": "hz",
    "ksc56011987": "cp949",
    "ksc5601": "cp949",
    "ks_c_56011987": "cp949",
    "euckr": "cp949",
    "ksx1001": "cp949",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "windows31j": "cp932",
    "iso2022jp": "iso2022_jp_ext",
    "eucjp": "euc_jis_2004",
    "big5": "big5hkscs",
    "tis620": "cp874",
    "iso885911": "cp874",
    "unicode11utf7": "utf-7",
    "unicode20utf7": "utf-7",
    "utf8mb4": "utf-8",
    "unicode11utf8": "utf-8",
    "cp65001": "utf-8",
    "macintosh": "mac-roman",
    "xmacroman": "mac-roman",
    "koi8ru": "koi8-u",
}
#: Not charsets for a mail though Python knows a codec of this name.
_NOT_TEXT = {"idna", "punycode", "unicodeescape", "rawunicodeescape", "undefined", "mbcs", "oem"}
#: Encodings in which plain ASCII bytes do not stand for themselves: a guess of UTF-8 would be wrong.
_NOT_ASCII_BASED = ("utf-7", "utf-16", "utf-32", "iso2022", "hz", "cp037", "cp500", "cp1140")
_META = re.compile(
    rb"""<meta[^<>]{0,200}?charset\s{0,5}=\s{0,5}["']?\s{0,5}([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE
)
_ISO2022_ESCAPE = re.compile(rb"\x1b\$[@B]|\x1b\([BJ]")

#: cp1252 with the five bytes that it leaves open read as the controls of latin-1.
_CP1252 = "".join(
    bytes([b]).decode("cp1252", "replace") if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(b)
    for b in range(256)
)


@lru_cache(maxsize=512)
def codec_for(charset: str) -> str | None:
    """Return the Python codec for a claimed charset, or None if nobody knows it."""
    name = charset.strip().strip("\"'").lower()
    squeezed = re.sub(r"[\s_-]", "", name)[:60]
    if squeezed in _NOT_TEXT or not squeezed:
        return None
    for candidate in (_SUPERSETS.get(squeezed), name, squeezed, _cp_number(squeezed)):
        codec = _lookup(candidate) if candidate else None
        if codec:
            return codec
    return None


def _cp_number(squeezed: str) -> str | None:
    match = re.fullmatch(r"(?:cp|ibm|windows|x?mswin)(\d{3,5})", squeezed)
    return f"cp{match[1]}" if match else None


def _lookup(name: str) -> str | None:
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    return info.name if getattr(info, "_is_text_encoding", True) else None


def decode(raw: bytes, charset: str = "", *, is_html: bool = False) -> str:
    """Return `raw` as storable text.

    Order: a charset that is not ASCII-based as claimed, valid UTF-8, the claimed one or its superset,
    `<meta>` of HTML if nothing was claimed, cp1252.
    """
    if not raw:
        return ""
    if not charset and is_html:
        meta = _META.search(raw, 0, 4096)
        charset = meta[1].decode("ascii") if meta else ""
    return storable(_decode(raw, codec_for(charset) if charset else None))


def _decode(raw: bytes, codec: str | None) -> str:
    if codec and codec.startswith(_NOT_ASCII_BASED):
        return _strictly(raw, codec) or _fallback(raw)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strictly(raw, "utf-16") or _fallback(raw)
    if raw.isascii():
        if b"\x1b" in raw and _ISO2022_ESCAPE.search(raw, 0, 65536):
            return _strictly(raw, "iso2022_jp_ext") or raw.decode("ascii")
        return raw.decode("ascii")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if codec and codec not in ("utf-8", "cp1252", "ascii", "iso8859-1"):
        text = _strictly(raw, codec)
        if text is not None:
            return text
        return (
            raw.decode(codec, "replace")
            if codec.startswith(("gb", "cp9", "euc", "big5", "shift"))
            else _fallback(raw)
        )
    return _fallback(raw, prefer_utf8=codec == "utf-8")


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None


def _fallback(raw: bytes, *, prefer_utf8: bool = False) -> str:
    """Read as cp1252, unless nearly all of it is UTF-8 that was cut or damaged somewhere."""
    text = raw.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    multibyte = sum(1 for c in text[:20_000] if c > "\x7f") - text[:20_000].count("\ufffd")
    if damaged * (3 if prefer_utf8 else 10) <= multibyte:
        return text
    return raw.decode("latin-1").translate(_CP1252_TABLE)


_CP1252_TABLE = {i: c for i, c in enumerate(_CP1252) if ord(c) != i}

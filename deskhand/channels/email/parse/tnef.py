"""Reads the files out of a winmail.dat (A5): [MS-OXTNEF], as far as attachments need it.

Every count in the format is checked against the bytes that are there, so damaged input ends the reading.
"""

from __future__ import annotations

from collections.abc import Iterator

_SIGNATURE = 0x223E9F78
_MAX_FILES = 200
_MAX_PROPERTIES = 2000

# Attributes, without the type in their upper half.
_CODEPAGE = 0x9007
_NEW_ATTACHMENT = 0x9002
_TITLE = 0x8010
_CONTENT = 0x800F
_PROPERTIES = 0x9005

# MAPI properties and types.
_LONG_NAME = 0x3707
_DATA = 0x3701
_STRING, _UNICODE, _BINARY, _OBJECT = 0x1E, 0x1F, 0x102, 0x0D
_SIZES = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = (_STRING, _UNICODE, _BINARY, _OBJECT)
_MULTIPLE = 0x1000


class Unreadable(Exception):
    """The bytes are no TNEF, or damaged before the first file was complete."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise Unreadable
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")


def files_in(data: bytes) -> list[tuple[str, bytes]]:
    """Return name and content of each attached file. Raises Unreadable."""
    found: list[dict[str, bytes | str]] = []
    codec = "cp1252"
    for name, value in _attributes(data):
        if name == _CODEPAGE:
            codec = _codec(value)
        elif name == _NEW_ATTACHMENT:
            found.append({})
        elif found and name == _TITLE:
            found[-1]["title"] = _text(value, codec)
        elif found and name == _CONTENT:
            found[-1]["content"] = value
        elif found and name == _PROPERTIES:
            _add_properties(found[-1], value, codec)
        if len(found) >= _MAX_FILES:
            break
    return [
        (str(file.get("long name") or file.get("title") or ""), bytes(content))
        for file in found
        if isinstance(content := file.get("content", file.get("data")), bytes)
    ]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(data)
    if reader.number(4) != _SIGNATURE:
        raise Unreadable
    reader.number(2)
    while reader.position < len(data):
        if reader.number(1) not in (1, 2):
            raise Unreadable
        name = reader.number(4) & 0xFFFF
        value = reader.take(reader.number(4))
        reader.number(2)  # checksum: many writers get it wrong
        yield name, value


def _codec(value: bytes) -> str:
    page = int.from_bytes(value[:4], "little")
    codec = "utf-8" if page == 65001 else f"cp{page}"
    try:
        b"".decode(codec)
    except LookupError:
        return "cp1252"
    return codec


def _text(value: bytes, codec: str) -> str:
    return value.split(b"\0", 1)[0].decode(codec, "replace")


def _add_properties(file: dict[str, bytes | str], data: bytes, codec: str) -> None:
    """Take what is told before the first damaged property."""
    try:
        for name, kind, value in _properties(_Reader(data)):
            if name == _LONG_NAME and kind == _UNICODE:
                file["long name"] = value.decode("utf-16-le", "replace").split("\0", 1)[0]
            elif name == _LONG_NAME and kind == _STRING:
                file["long name"] = _text(value, codec)
            elif name == _DATA and kind in (_BINARY, _OBJECT):
                file["data"] = (
                    value[16:] if kind == _OBJECT else value
                )  # an object begins with its interface id
    except Unreadable:
        return


def _properties(reader: _Reader) -> Iterator[tuple[int, int, bytes]]:
    for _ in range(min(reader.number(4), _MAX_PROPERTIES)):
        kind, name = reader.number(2), reader.number(2)
        if name >= 0x8000:
            _skip_property_name(reader)
        single = kind & ~_MULTIPLE
        count = reader.number(4) if single in _VARIABLE or kind & _MULTIPLE else 1
        for _ in range(min(count, _MAX_PROPERTIES)):
            yield name, kind, _value(reader, single)


def _skip_property_name(reader: _Reader) -> None:
    reader.take(16)
    if reader.number(4) == 0:
        reader.take(4)
    else:
        reader.take(_padded(reader.number(4)))


def _value(reader: _Reader, kind: int) -> bytes:
    if kind in _VARIABLE:
        length = reader.number(4)
        return reader.take(_padded(length))[:length]
    if kind not in _SIZES:
        raise Unreadable
    return reader.take(_SIZES[kind])


def _padded(length: int) -> int:
    return (length + 3) & ~3

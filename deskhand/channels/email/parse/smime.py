"""Takes the mail out of an opaque S/MIME signature (A7): RFC 5652 §5, without checking the signature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_OBJECT_ID, _OCTETS, _SEQUENCE = 0x06, 0x04, 0x10
_CONTEXT_0 = 0x80  # class "context", tag 0, without the constructed bit
_CONSTRUCTED = 0x20
_MAX_DEPTH = 12


class _Damaged(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int  # class and number, without the constructed bit
    constructed: bool
    start: int
    end: int
    after: int


def signed_content(data: bytes) -> bytes | None:
    """Return what was signed; None if this is no signature with its content inside."""
    try:
        return _signed_content(data)
    except _Damaged:
        return None


def _signed_content(data: bytes) -> bytes | None:
    outer = _element(data, 0)
    kind, wrapped = _first_two(data, outer)
    if kind.tag != _OBJECT_ID or data[kind.start : kind.end] != _SIGNED_DATA:
        return None
    signed = _element(data, wrapped.start)
    parts = _children(data, signed)
    for _ in range(2):  # version, digest algorithms
        next(parts, None)
    enclosed = next(parts, None)
    if enclosed is None or enclosed.tag != _SEQUENCE:
        return None
    _, content = _first_two(data, enclosed)
    return b"".join(_octets(data, _element(data, content.start), 0)) if content.tag == _CONTEXT_0 else None


def _first_two(data: bytes, element: _Element) -> tuple[_Element, _Element]:
    children = _children(data, element)
    first, second = next(children, None), next(children, None)
    if first is None or second is None:
        raise _Damaged
    return first, second


def _children(data: bytes, element: _Element) -> Iterator[_Element]:
    position = element.start
    while position < element.end:
        child = _element(data, position)
        yield child
        position = child.after


def _octets(data: bytes, element: _Element, depth: int) -> Iterator[bytes]:
    """Yield an octet string, which writers may cut in pieces."""
    if element.tag != _OCTETS or depth > _MAX_DEPTH:
        raise _Damaged
    if not element.constructed:
        yield data[element.start : element.end]
        return
    for child in _children(data, element):
        yield from _octets(data, child, depth + 1)


def _element(data: bytes, position: int, depth: int = 0) -> _Element:
    """Read tag and length at `position`; an open length is followed to its end mark."""
    if position + 2 > len(data) or depth > _MAX_DEPTH or data[position] & 0x1F == 0x1F:
        raise _Damaged
    first, length, start = data[position], data[position + 1], position + 2
    constructed, tag = bool(first & _CONSTRUCTED), first & ~_CONSTRUCTED
    if length == 0x80:
        end = _end_mark(data, start, depth)
        return _Element(tag, constructed, start, end, end + 2)
    if length > 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise _Damaged
    return _Element(tag, constructed, start, start + length, start + length)


def _end_mark(data: bytes, position: int, depth: int) -> int:
    while data[position : position + 2] != b"\0\0":
        position = _element(data, position, depth + 1).after
    return position

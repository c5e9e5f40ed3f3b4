"""Chance that can be repeated: the same names always draw the same share."""

from __future__ import annotations

from hashlib import blake2b


def share(*names: str | int) -> float:
    """A number from 0 up to but not including 1, evenly spread over the names."""
    digest = blake2b(":".join(str(name) for name in names).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48

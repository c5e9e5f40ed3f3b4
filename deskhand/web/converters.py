"""What may stand in an address. Anything else is not found before it reaches a view or the database."""

from __future__ import annotations


class Id:
    """A bigint of ours, always written in one way."""

    regex = r"[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int | str) -> str:
        return str(value)


class Key:
    """A short word of ours: the name of a view, a place in a list."""

    regex = r"[a-z0-9][a-z0-9-]{0,63}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value

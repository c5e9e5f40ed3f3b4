"""Reading what the forms about people send. What can't be read is nothing, never an error."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import QueryDict

from deskhand.kernel.text import whole


def number(given: QueryDict, name: str) -> int | None:
    return whole(given.get(name, ""))


def numbers(given: QueryDict, name: str) -> list[int]:
    return [one for text in given.getlist(name) if (one := whole(text)) is not None]


def plain(text: str) -> str:
    """Without the one character that no column takes."""
    return text.replace("\x00", "")


def among(wanted: int | None, known: Iterable[int]) -> int | None:
    return wanted if wanted in set(known) else None

"""The order that somebody chose for a list: by one of the properties that it can be sorted by, up or down."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid


@dataclass(frozen=True)
class Sort:
    name: str
    is_descending: bool

    def __str__(self) -> str:
        return f"-{self.name}" if self.is_descending else self.name


def read(text: str, known: Collection[str]) -> Sort:
    """`-name` is downwards. Raises Invalid for what is not known."""
    name = text.removeprefix("-")
    if name not in known:
        raise Invalid(_("The table can't be sorted by this."), field="sort", value=text[:80])
    return Sort(name, text.startswith("-"))

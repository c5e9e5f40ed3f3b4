"""What was refused: in words, and with which status."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.kernel.errors import Conflict, DeskhandError, Incomplete, Invalid, NotFound

TOLD = 5  # of many, one by one


def words_of(refusal: DeskhandError) -> str:
    """With the way out. What was said without knowing the reader's language is put into it; the rest is in it already."""
    if isinstance(refusal, Invalid):
        return f"{_(refusal.message)} {_(refusal.hint)}".strip()
    return _(str(refusal))


def by_field(refusal: Invalid | None) -> dict[str, str]:
    """What to say beside each field of a form."""
    if refusal is None:
        return {}
    return dict(refusal.fields) if isinstance(refusal, Incomplete) else {refusal.field: words_of(refusal)}


def status_of(refusal: Invalid | Conflict | NotFound) -> int:
    """Of the form that is shown once more; a choice that is gone is one of its fields."""
    return refusal.status if isinstance(refusal, Conflict) else 422


def listed(head: str, lines: Sequence[str]) -> str:
    """What stays as it is of many, a line each: the first, and how many there are more."""
    more = len(lines) - TOLD
    rest = [ngettext("%(num)s more", "%(num)s more", more) % {"num": more}] if more > 0 else []
    return "\n".join((head, *lines[:TOLD], *rest))

"""What was refused, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from deskhand.kernel.errors import DeskhandError, Invalid


def words_of(refusal: DeskhandError) -> str:
    """With the way out. What was said without knowing the reader's language is put into it; the rest is in it already."""
    if isinstance(refusal, Invalid):
        return f"{_(refusal.message)} {_(refusal.hint)}".strip()
    return _(str(refusal))

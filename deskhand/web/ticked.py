"""Rows that are ticked in a list: their ids as a form sends them, and on the way to a page that asks further.

js/ticked.js sends them as one field, for a form may hold a thousand fields at most; they go on in the session, for an
address has no room for thousands either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid
from deskhand.web.asked import numbers
from deskhand.web.middleware import AccountRequest

MOST = 3000  # rows at once
TO_HAND_OVER: Final = "to_hand_over"
TO_MERGE: Final = "to_merge"


def ids_of(form: QueryDict, most: int = MOST) -> list[int]:
    """What the field `ids` names, each once. Raises Invalid for more than go at once, and for what is no number."""
    ids = list(dict.fromkeys(numbers(form.getlist("ids"), "ids")))
    if len(ids) > most:
        raise Invalid(_("Select at most %(count)s rows at once.") % {"count": most}, field="ids", value="")
    return ids


def to_enroll(object_type: str) -> str:
    """The purpose is one of a type: nobody takes the ids of contacts for tickets."""
    return f"to_enroll_{object_type}"


def keep(request: AccountRequest, purpose: str, ids: Sequence[int]) -> None:
    """`ids_of` a form for the page that comes next; what was ticked before for this purpose is forgotten."""
    request.session[purpose] = list(ids)


def kept(request: AccountRequest, purpose: str) -> list[int]:
    found: list[int] = request.session.get(purpose, [])
    return found


def forget(request: AccountRequest, purpose: str, ids: Sequence[int]) -> None:
    """What was done with these is over; what another tab has ticked since stays."""
    if set(ids) <= set(kept(request, purpose)):
        request.session.pop(purpose, None)

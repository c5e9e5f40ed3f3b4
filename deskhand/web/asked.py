"""Reading what forms and addresses ask for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web import times


def number(text: str, field: str) -> int:
    """Raises Invalid, naming the field, for what is no whole number."""
    text = text.strip()
    if (found := whole(text)) is None:
        raise Invalid(
            _("%(value)s is not a number.") % {"value": text[:40] or "–"}, field=field, value=text[:40]
        )
    return found


def numbers(texts: Iterable[str], field: str) -> list[int]:
    """Each text holds one or several with commas between them. Raises Invalid as `number` does."""
    return [number(one, field) for text in texts for one in text.split(",") if one]


def moment(text: str, field: str) -> datetime:
    """In the reader's zone, where it names none. Raises Invalid, naming the field, for what is no moment."""
    try:
        return times.typed(text)
    except ValueError:
        raise Invalid(
            _("“%(value)s” is no date and time.") % {"value": text[:40]}, field=field, value=text[:40]
        ) from None


def way_back(request: HttpRequest, otherwise: str) -> str:
    """Where the form stood: what it or the address has as `back`, if that is a page of ours."""
    origin = request.POST.get("back") or request.GET.get("back") or ""
    is_ours = origin.startswith("/") and url_has_allowed_host_and_scheme(origin, {request.get_host()})
    return origin if is_ours else otherwise

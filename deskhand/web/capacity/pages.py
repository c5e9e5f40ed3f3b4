"""The two pages about capacity, under the tabs of Settings › Routing (R-SKILL-16)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.routing.tabs import AREA, tabs_of


def show(request: AccountRequest, key: str, status: int = 200, **context: Any) -> HttpResponse:
    """A page under its tab; `key` names both."""
    context = {"tabs": tabs_of(request, key), **context}
    return framed(request, AREA, f"capacity/{key}.html", context, status)

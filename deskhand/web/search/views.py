"""The search: a page with a tab for each kind, and the lines of the command palette."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.web.frame import framed
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.search import page


@require_GET
def search(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    asked = request.GET
    found = page.results(request.viewer, asked.get("q", ""), asked.get("kind", ""), asked.get("after", ""))
    return framed(request, "search", "search/page.html", {"page": found})


@require_GET
def palette(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return render(request, "search/palette.html", {"groups": page.groups(request, request.GET.get("q", ""))})

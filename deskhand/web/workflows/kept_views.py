"""How many days the log of workflows is kept (R-LOG-3)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.automation import retention
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.asked import number
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    return _page(request, str(retention.days_kept(request.viewer.account_id)))


def _page(request: AccountRequest, days: str, error: str = "") -> HttpResponse:
    context = {"days": days, "error": error, "least": retention.SHORTEST, "most": retention.LONGEST}
    return framed(request, "workflow-log", "workflows/kept.html", context, 422 if error else 200)


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed = request.POST.get("days", "")
    try:
        retention.keep(request.viewer.account_id, number(typed, "days"), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, typed[:20], words_of(refusal))
    messages.info(request, _("Saved"))
    return redirect("workflow-log-kept")

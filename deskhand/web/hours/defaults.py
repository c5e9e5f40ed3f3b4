"""The account's working hours, for whoever has none of their own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.routing import default_hours
from deskhand.web.frame import framed
from deskhand.web.hours import week
from deskhand.web.hours.rows import Week
from deskhand.web.middleware import AccountRequest


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    hours = default_hours.of(request.viewer.account_id)
    typed = week.of_hours(hours, request.account.zone)
    return _page(request, week.form(_url(), typed, is_set=hours is not None))


def _url() -> str:
    return reverse("default-hours-save")


def _page(request: AccountRequest, shown: Week, status: int = 200) -> HttpResponse:
    return framed(request, "default-hours", "hours/defaults.html", {"week": shown}, status)


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    """With one of the form's buttons nothing is saved yet."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed, is_set = week.of_post(request.POST), "clear" not in request.POST
    if is_set and (changed := week.changed(typed, request.POST)) is not None:
        notice = _("Save the hours to keep this.")
        return _page(request, week.form(_url(), changed, is_set=True, notice=notice))
    try:
        hours = week.hours(typed) if is_set else None
    except Invalid as refusal:
        return _page(request, week.form(_url(), typed, is_set=True, refusal=refusal), 422)
    default_hours.change(request.viewer.account_id, hours, by=Actor.user(request.user.pk))
    messages.info(request, _("The working hours are saved."))
    return redirect("default-hours")

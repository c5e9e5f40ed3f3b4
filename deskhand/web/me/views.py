"""What people set for themselves from any screen: light or dark, available or away."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.models import User
from deskhand.events import live
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.routing import availability, queries
from deskhand.routing.types import Status
from deskhand.web.asked import number
from deskhand.web.frame import KEPT, first_setting, shell
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.shell import Toast

YEAR = 365 * 24 * 3600  # seconds
THEMES = ("auto", "light", "dark")
STATUSES = {"available": Status.AVAILABLE, "away": Status.AWAY}


@require_GET
def settings(request: AccountRequest) -> HttpResponse:
    """To the first page of the settings that one may see, as the gear leads there."""
    return redirect(first_setting(request))


@require_POST
def theme(request: AccountRequest) -> HttpResponse:
    return keep_theme(request, _back(request), request.POST.get("theme", ""))


def keep_theme(request: AccountRequest, response: HttpResponse, chosen: str) -> HttpResponse:
    """Keep the choice with the user and, for pages before the sign-in, in a cookie."""
    if chosen not in THEMES:
        raise Invalid(_("Choose light, dark, or as the system has it."), field="theme", value=chosen)
    User.objects.filter(pk=request.user.pk).update(theme="" if chosen == "auto" else chosen)
    response.set_cookie(
        "theme", chosen, max_age=YEAR, samesite="Lax", secure=django_settings.SECURE_COOKIES, httponly=True
    )
    return response


@require_POST
def set_availability(request: AccountRequest) -> HttpResponse:
    """One's own status by hand (R-AVAIL-6)."""
    chosen = STATUSES.get(request.POST.get("availability", ""))
    if chosen is None:
        raise Invalid(
            _("Choose available or away."),
            field="availability",
            value=request.POST.get("availability"),
        )
    _require_seat(request)
    me = request.viewer.user_id
    availability.set_by_hand(request.viewer.account_id, me, chosen, by=Actor.user(me))
    keep_told(request)
    return _back(request)


def _require_seat(request: AccountRequest) -> None:
    if not request.viewer.has_seat:
        raise Forbidden(_("Only people with a seat have a status."))


@require_GET
def own_status(request: AccountRequest) -> HttpResponse:
    """After a signal: the alert of what a colleague did, and the parts of the frame that show the status."""
    _require_seat(request)
    return _status_parts(request)


def _status_parts(request: AccountRequest, toast: Toast | None = None) -> HttpResponse:
    return render(request, "parts/own_status.html", {"shell": shell(request, area="own"), "toast": toast})


@require_POST
def switch_back(request: AccountRequest) -> HttpResponse:
    """One click undoes what a colleague made of one's status (R-AVAIL-11)."""
    _require_seat(request)
    change_id = number(request.POST.get("change", ""), "change")
    try:
        availability.switch_back(request.viewer.account_id, request.viewer.user_id, change_id)
    except Conflict as refusal:  # shown as it is now
        if wants_fragment(request):
            return _status_parts(request, Toast(words_of(refusal)))
        messages.info(request, words_of(refusal))
    return _alert_gone(request)


@require_POST
def keep_status(request: AccountRequest) -> HttpResponse:
    """What a colleague set is right: the alert goes, also in other windows."""
    _require_seat(request)
    keep_told(request)
    live.signal(request.viewer.account_id, [f"user-{request.viewer.user_id}"])
    return _alert_gone(request)


def keep_told(request: AccountRequest) -> None:
    """Who acts on their status knows of the last change."""
    told = queries.own_status(request.viewer.account_id, request.viewer.user_id).set_by
    if told:
        request.session[KEPT] = told.change_id


def _alert_gone(request: AccountRequest) -> HttpResponse:
    return _status_parts(request) if wants_fragment(request) else _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """To the page the form was on, if that is one of ours (S15)."""
    if wants_fragment(request):
        return HttpResponse(status=204)
    origin = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(origin, {request.get_host()}, require_https=request.is_secure())
    return redirect(origin if is_ours else "/")

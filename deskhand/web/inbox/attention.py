"""When a ticket is looked at again, and by whom it is followed."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.desk import following, snoozing
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid
from deskhand.routing import queries as routing
from deskhand.web import times
from deskhand.web.asked import number
from deskhand.web.inbox import common, later_times
from deskhand.web.jinja import wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast


@require_POST
def snooze(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`until` is an offer, "reply", or "at" with the moment `until_at`; `everybody` 1 needs the right to edit."""
    common.changeable(request, view, ticket_id, Verb.VIEW)
    _require_views(request)
    user_id: int | None = request.user.pk
    if request.POST.get("everybody") == "1":
        common.changeable(request, view, ticket_id, Verb.EDIT)
        user_id = None
    try:
        until = _until(request)
        snoozing.snooze(ticket_id, user_id=user_id, until=until, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return common.refused(request, refusal)
    text = (
        _("Snoozed until %(time)s") % {"time": times.moment(until)}
        if until
        else _("Snoozed until the customer replies")
    )
    return _told(request, view, ticket_id, text)


def _require_views(request: AccountRequest) -> None:
    """Who has no view of what is put off must not lose sight of it (R-VIEW-4)."""
    if not (request.viewer.has_seat or request.viewer.is_super_admin):
        raise Forbidden(_("Snoozing needs a seat."))


def _until(request: AccountRequest) -> datetime | None:
    key, now, zone = request.POST.get("until", ""), clock.now(), timezone.get_current_timezone()
    if key == "reply":
        return None
    if key == "at":
        return later_times.chosen(request.POST.get("until_at", ""), now, zone)
    return later_times.at(key, now, zone)


@require_POST
def wake(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.VIEW)
    snoozing.wake(ticket_id, user_id=request.user.pk, by=Actor.user(request.user.pk))
    return _told(request, view, ticket_id, _("No longer snoozed"))


@require_POST
def follow(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`follows` is 1 or 0, for oneself, or with `user` for a colleague."""
    common.changeable(request, view, ticket_id, Verb.VIEW)
    on = request.POST.get("follows") == "1"
    user_id = request.user.pk
    if request.POST.get("user"):
        user_id = number(request.POST["user"], "user")
        if user_id != request.user.pk:
            common.changeable(request, view, ticket_id, Verb.EDIT)
        if on and not routing.may_own(request.viewer.account_id, user_id):
            return common.refused(
                request, Invalid(_("This person may not see tickets."), field="user", value=user_id)
            )
    following.follow(ticket_id, user_id, on, by=Actor.user(request.user.pk))
    if user_id != request.user.pk:
        return common.thread_parts(request, view, ticket_id)
    return _told(
        request, view, ticket_id, _("You follow this ticket") if on else _("You no longer follow this ticket")
    )


def _told(request: AccountRequest, view: str, ticket_id: int, text: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if not wants_fragment(request):
        messages.info(request, text)
    return common.thread_parts(request, view, ticket_id, toast=Toast(text))

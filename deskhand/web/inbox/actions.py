"""What an agent does to an open ticket from the bar over it. Each change is one verb of an area below."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deskhand.accounts.models import Team
from deskhand.accounts.types import Verb
from deskhand.crm.records import tickets
from deskhand.desk import spam
from deskhand.desk import views as desk_views
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.routing import queries as routing
from deskhand.web.inbox import common
from deskhand.web.inbox import page as pages
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast


@require_POST
def set_status(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.EDIT)
    to = common.whole(request.POST.get("status", ""), "status")
    tickets.move(ticket_id, to=to, by=Actor.user(request.user.pk))
    return common.thread_parts(request, view, ticket_id)


@require_POST
def set_owner(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`owner` is user:<id>, team:<id> or empty (R-ROUTE-2, 6, 7, 51)."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    kind, _colon, number = request.POST.get("owner", "").partition(":")
    by = Actor.user(request.user.pk)
    match kind:
        case "user":
            tickets.assign(ticket_id, owner_id=_member(request, common.whole(number, "owner")), by=by)
        case "team":
            team_id = _team(request, common.whole(number, "owner"))
            tickets.assign(ticket_id, owner_id=None, team_ids=[team_id], by=by)
        case "":
            tickets.assign(ticket_id, owner_id=None, by=by)
        case _:
            raise Invalid(_("Choose a person or a team."), field="owner", value=kind)
    if not common.may_see(request, ticket_id):
        return common.leave(request, view)
    return common.thread_parts(request, view, ticket_id)


def _member(request: AccountRequest, user_id: int) -> int:
    if not routing.may_own(request.viewer.account_id, user_id):
        raise Invalid(_("This person may not see tickets."), field="owner", value=user_id)
    return user_id


def _team(request: AccountRequest, team_id: int) -> int:
    if not Team.objects.filter(account_id=request.viewer.account_id, pk=team_id).exists():
        raise Invalid(_("There is no such team."), field="owner", value=team_id)
    return team_id


@require_POST
def set_spam(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`spam` is 1 or 0 (R-SPAM-1). A toast offers the way back."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    is_spam = request.POST.get("spam") == "1"
    change = spam.mark if is_spam else spam.unmark
    change(ticket_id, by=Actor.user(request.user.pk))
    toast = Toast(
        _("Marked as spam") if is_spam else _("Marked as not spam"),
        undo_url=reverse("ticket-spam", args=[view, ticket_id]),
        undo_fields=(("spam", "0" if is_spam else "1"),),
    )
    shown, current = common.shown(request)
    more: dict[str, Any] = {"toast": toast, "tickets": None}
    where = next((one for one in desk_views.views_of(request.viewer) if one.key == shown), None)
    if where:
        listed = pages.ticket_list(request, shown, current=current)
        is_short = not listed.more_url  # of a long one the row goes alone, and what was read so far stays
        if is_short or not desk_views.row(request.viewer, ticket_id).leaves(where):
            more["tickets"] = listed
    if wants_fragment(request) and (shown, current) != (view, ticket_id):
        context = more | {"current": current, "request": request}
        return render(request, "inbox/fragments/elsewhere.html", context)
    return common.thread_parts(request, view, ticket_id, **more)

"""What the views of the inbox share: who may, whole pages and parts of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records.models import Ticket
from deskhand.desk import views as desk_views
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid
from deskhand.web.frame import shell
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.rows import InboxPage, TicketPage
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest


def page(request: AccountRequest, view: str, page: InboxPage, status: int = 200) -> HttpResponse:
    context = {"shell": shell(request, view=view), "page": page, "request": request}
    return render(request, "inbox/inbox.html", context, status=status)


def with_list(request: AccountRequest, view: str, ticket: TicketPage) -> InboxPage:
    return InboxPage(pages.ticket_list(request, view, current=ticket.id), ticket, "ticket")


def shown(request: AccountRequest) -> tuple[str, int | None]:
    """The view and the ticket of the page that asks for a part; the view is empty on other pages."""
    try:
        match = resolve(urlsplit(request.headers.get("HX-Current-URL", "")).path)
    except (Resolver404, ValueError):
        return "", None
    return match.kwargs.get("view", ""), match.kwargs.get("ticket_id")


def thread_parts(
    request: AccountRequest, view: str, ticket_id: int, template: str = "thread", **more: Any
) -> HttpResponse:
    """What changed about the open ticket: as parts for htmx, or back to its page."""
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    desk_views.mark_seen(request.viewer, ticket_id, clock.now())
    built = pages.ticket_page(request, view, ticket_id)
    context = {"ticket": built, "request": request, "tickets": None, **more}
    return render(request, f"inbox/fragments/{template}.html", context)


def changeable(request: AccountRequest, view: str, ticket_id: int, verb: Verb) -> Ticket:
    """The ticket, if the viewer may see it (else 404) and do this with it (else 403)."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)
    found = Ticket.objects.get(account_id=request.viewer.account_id, pk=ticket_id)
    reach = policy.visible(request.viewer, "ticket", verb)
    if not reach.allows(found.owner_id, found.assigned_team_ids):
        raise Forbidden(_("You may not change this ticket."))
    return found


def whole(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(_("%(value)s is not a number.") % {"value": text[:40]}, field=field, value=text)
    return int(text)


def leave(request: AccountRequest, view: str) -> HttpResponse:
    url = reverse("inbox-view", args=[view])
    return HttpResponse(headers={"HX-Redirect": url}) if wants_fragment(request) else redirect(url)


def may_see(request: AccountRequest, ticket_id: int) -> bool:
    """Who gives a ticket away may lose sight of it."""
    reach = policy.visible(request.viewer, "ticket").q()
    return Ticket.objects.filter(reach, account_id=request.viewer.account_id, pk=ticket_id).exists()

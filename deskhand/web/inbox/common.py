"""What the views of the inbox share: who may, whole pages and parts of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Applied
from deskhand.desk import views as desk_views
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.notifications import reading
from deskhand.routing import queries as routing
from deskhand.web.asked import number
from deskhand.web.entering import Entering, Way
from deskhand.web.frame import shell
from deskhand.web.holders import words_for
from deskhand.web.inbox import page as pages
from deskhand.web.inbox import words
from deskhand.web.inbox.panel import Wish
from deskhand.web.inbox.rows import InboxPage, TicketList, TicketPage
from deskhand.web.jinja import go_to, render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast


def page(request: AccountRequest, view: str, page: InboxPage, status: int = 200) -> HttpResponse:
    context = {"shell": shell(request, view=view), "page": page}
    return render(request, "inbox/inbox.html", context, status=status)


def with_list(request: AccountRequest, view: str, ticket: TicketPage) -> InboxPage:
    return InboxPage(pages.ticket_list(request, view, current=ticket.id), ticket, "ticket")


def shown(request: AccountRequest) -> tuple[str, int | None]:
    """The view and the ticket of the page that asks for a part; the view is empty on other pages."""
    match = _asking(request)
    return (match.kwargs.get("view", ""), match.kwargs.get("ticket_id")) if match else ("", None)


def shown_name(request: AccountRequest) -> str:
    """The name of the address of the page that asks for a part."""
    match = _asking(request)
    return match.url_name or "" if match else ""


def _asking(request: AccountRequest) -> ResolverMatch | None:
    try:
        return resolve(urlsplit(request.headers.get("HX-Current-URL", "")).path)
    except (Resolver404, ValueError):
        return None


def list_of(request: AccountRequest, view: str, current: int | None) -> TicketList | None:
    """The list that is shown, where it is one of the viewer's views."""
    known = [one.key for one in desk_views.views_of(request.viewer)]
    return pages.ticket_list(request, view, current=current) if view in known else None


def look_at(request: AccountRequest, ticket_id: int) -> None:
    """Who has the ticket before them has seen it, and what they were told of it."""
    now = clock.now()
    desk_views.mark_seen(request.viewer, ticket_id, now)
    reading.mark_read(request.viewer, now, ticket_id)


def thread_parts(
    request: AccountRequest, view: str, ticket_id: int, template: str = "thread", **more: Any
) -> HttpResponse:
    """What changed about the open ticket: as parts for htmx, or back to its page."""
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    look_at(request, ticket_id)
    name = shown_name(request)
    wish = Wish(is_all=name == "ticket-properties", is_history=name == "ticket-history")
    built = pages.ticket_page(request, view, ticket_id, wish=wish)
    context = {"ticket": built, "tickets": None, **more}
    return render(request, f"inbox/fragments/{template}.html", context)


def changeable(request: AccountRequest, view: str, ticket_id: int, verb: Verb) -> Ticket:
    """As `doable`. Raises Conflict for a ticket that is deleted, or merged into another one."""
    found = doable(request, view, ticket_id, verb)
    refuse_merged(found)
    if found.archived_at is not None:
        raise Conflict(_("This ticket was deleted. Restore it first."))
    return found


def refuse_merged(ticket: Ticket) -> None:
    if ticket.merged_into_id is not None:
        raise Conflict(_("This ticket was merged into another one. Load the page again."))


def doable(request: AccountRequest, view: str, ticket_id: int, verb: Verb) -> Ticket:
    """The ticket, if the viewer may see it (else 404) and do this with it (else 403)."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)
    found = Ticket.objects.get(account_id=request.viewer.account_id, pk=ticket_id)
    if not policy.visible(request.viewer, "ticket", verb).reaches(found):
        raise Forbidden(_("You may not change this ticket."))
    return found


def back_to(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """To the ticket's page, as it is now."""
    return go_to(request, reverse("inbox-ticket", args=[view, ticket_id]))


def leave(request: AccountRequest, view: str) -> HttpResponse:
    return go_to(request, reverse("inbox-view", args=[view]))


def may_see(request: AccountRequest, ticket_id: int) -> bool:
    """Who gives a ticket away may lose sight of it."""
    reach = policy.visible(request.viewer, "ticket").q()
    return Ticket.objects.filter(reach, account_id=request.viewer.account_id, pk=ticket_id).exists()


def see(request: AccountRequest, view: str, ticket_id: int) -> None:
    """Raises NotFound for a view or a ticket that this viewer may not see."""
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)


# ── what can be taken back ───────────────────────────────────────────────────────────────────────────────────────────

#: What a toast says of a change, by the property that changed; the first one that did is told.
_TOLD = ("hs_pipeline_stage", "hubspot_owner_id", "hs_assigned_team_ids", "hs_ticket_priority")


def changed(
    request: AccountRequest,
    view: str,
    ticket_id: int,
    done: Applied,
    at: datetime,
    template: str = "thread",
    **more: Any,
) -> HttpResponse:
    """The parts that show a change, with a toast that offers the way back where there is one."""
    toast = undo_toast(view, done, at)
    if toast and not wants_fragment(request):
        messages.info(request, toast.text)
    return thread_parts(request, view, ticket_id, template, toast=toast, **more)


def undo_toast(view: str, done: Applied, at: datetime) -> Toast | None:
    name = next((name for name in _TOLD if name in done.changes), None)
    if name is None:
        return None
    return Toast(
        _told(name, done.changes[name][1]),
        undo_url=reverse("inbox-undo", args=[view]),
        undo_fields=(("at", at.isoformat()), ("ids", str(done.record_id))),
    )


def _told(name: str, new: Any) -> str:
    if name == "hs_pipeline_stage":
        return _("Status set to %(status)s") % {
            "status": words.status(pipelines_of("ticket").stage(new)).text
        }
    if name == "hubspot_owner_id":
        owner = User.objects.filter(pk=new).first() if new else None
        return _("Assigned to %(name)s") % {"name": owner.name} if owner else _("Owner removed")
    if name == "hs_assigned_team_ids":
        return _("Teams changed")
    label = words.priority(new)
    return _("Priority set to %(priority)s") % {"priority": label.text} if label else _("Priority removed")


def elsewhere(
    request: AccountRequest,
    current: int | None,
    *,
    toast: Toast | None,
    tickets: TicketList | None,
    refusal: Toast | None = None,
) -> HttpResponse:
    """After a change of tickets that are not open: what is open stays. `refusal` says what stayed as it was."""
    context = {
        "toast": toast, "refusal": refusal, "tickets": tickets, "current": current,
    }  # fmt: skip
    return render(request, "inbox/fragments/elsewhere.html", context)


def agent(request: AccountRequest, text: str, field: str, kept: int | None = None) -> int:
    """The id of somebody whom tickets can be given to, or of whom it was given to before. Raises Invalid."""
    user_id = number(text, field)
    if user_id != kept and not routing.may_own(request.viewer.account_id, user_id):
        raise Invalid(_("This person may not see tickets."), field=field, value=user_id)
    return user_id


def entering(request: AccountRequest, view: str, ticket: Ticket, to: int, **more: str) -> Entering:
    """The ticket on its way into a status (R-REQ-1). Raises Invalid for a status that there is not."""
    way = Way(request.get_full_path(), reverse("inbox-ticket", args=[view, ticket.pk]), **more)
    return Entering(request, "ticket", [(ticket, pipelines_of("ticket").stage(to))], way)


def refused(request: AccountRequest, refusal: Invalid) -> HttpResponse:
    """Why a change was not made: told beside what is open, which stays as it is; without scripts on a page of its own."""
    if not wants_fragment(request):
        raise refusal
    toast = Toast(words_for(request.viewer, refusal), "error")
    return render(request, "inbox/fragments/refused.html", {"toast": toast}, status=422)

"""The inbox: a view's list, one ticket, and what an agent does to it. Each change is one verb of an area below."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import Membership, User
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import drafts, replies
from deskhand.desk import views as desk_views
from deskhand.desk.replies import NewReply
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid
from deskhand.web.frame import shell
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.rows import InboxPage, Notice
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest


@require_GET
def home(request: AccountRequest) -> HttpResponse:
    keys = [view.key for view in desk_views.views_of(request.viewer)]
    return redirect("inbox-view", desk_views.DEFAULT if desk_views.DEFAULT in keys else keys[0])


@require_GET
def view(request: AccountRequest, view: str) -> HttpResponse:
    if view == desk_views.CONVERSATIONS:
        return _conversations(request)
    page = InboxPage(pages.ticket_list(request, view), None, "list")
    return render(request, "inbox/inbox.html", {"shell": shell(request, view=view), "page": page, "request": request})


def _conversations(request: AccountRequest) -> HttpResponse:
    context = {"shell": shell(request, view=desk_views.CONVERSATIONS), "threads": desk_views.conversations(request.viewer), "request": request}
    return render(request, "inbox/conversations.html", context)


@require_GET
def ticket(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    built = pages.TicketPageOf(request, view, ticket_id).build()
    desk_views.mark_seen(request.viewer, ticket_id, clock.now())
    if wants_fragment(request):
        return render(request, "inbox/fragments/ticket.html", {"page": InboxPage(_no_list(view), built, "ticket"), "request": request})
    page = InboxPage(pages.ticket_list(request, view, current=ticket_id), built, "ticket")
    return render(request, "inbox/inbox.html", {"shell": shell(request, view=view), "page": page, "request": request})


def _no_list(view: str) -> Any:
    from deskhand.web.inbox.rows import TicketList

    return TicketList(view, "", "", ())


@require_GET
def list_pane(request: AccountRequest, view: str) -> HttpResponse:
    return render(request, "inbox/fragments/list.html", {"tickets": pages.ticket_list(request, view)})


@require_GET
def more_rows(request: AccountRequest, view: str, after: str) -> HttpResponse:
    listed = pages.ticket_list(request, view, after=after)
    if wants_fragment(request):
        return render(request, "inbox/fragments/more_rows.html", {"tickets": listed})
    context = {"shell": shell(request, view=view), "page": InboxPage(listed, None, "list"), "request": request}
    return render(request, "inbox/inbox.html", context)


@require_GET
def new_tickets(request: AccountRequest, view: str, newest: str) -> HttpResponse:
    found = desk_views.view_of(request.viewer, view)
    context = {
        "count": desk_views.newer(request.viewer, found, newest), "url": reverse("inbox-view", args=[view]),
        "refresh_url": reverse("inbox-list", args=[view]),
    }  # fmt: skip
    return render(request, "inbox/fragments/new_tickets.html", context)


@require_GET
def row(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    return render(request, "inbox/fragments/row.html", {"row": pages.ticket_row(desk_views.row(request.viewer, ticket_id), view)})


@require_GET
def side(request: AccountRequest, view: str) -> HttpResponse:
    return render(request, "parts/side_fragment.html", {"shell": shell(request, view=view), "request": request})


@require_GET
def thread(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    return _thread(request, view, ticket_id)


def _thread(request: AccountRequest, view: str, ticket_id: int, template: str = "thread", **more: Any) -> HttpResponse:
    """What changed about the open ticket: as parts for htmx, or back to its page."""
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    built = pages.TicketPageOf(request, view, ticket_id).build()
    desk_views.mark_seen(request.viewer, ticket_id, clock.now())
    return render(request, f"inbox/fragments/{template}.html", {"ticket": built, "request": request, **more})


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _editable(request: AccountRequest, ticket_id: int, verb: str = "edit") -> Ticket:
    """The ticket, if the viewer may see it (else 404) and do this with it (else 403)."""
    desk_views.row(request.viewer, ticket_id)
    found = Ticket.objects.get(account_id=request.viewer.account_id, pk=ticket_id)
    if not policy.may(request.viewer, verb, "ticket", found.owner_id, found.assigned_team_ids):
        raise Forbidden(_("You may not change this ticket."))
    return found


def _me(request: AccountRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _whole(text: str, field: str) -> int:
    if not text.isdigit():
        raise Invalid(_("%(value)s is not a number.") % {"value": text}, field=field, value=text)
    return int(text)


@require_POST
def set_status(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    _editable(request, ticket_id)
    tickets.move(ticket_id, to=_whole(request.POST.get("status", ""), "status"), by=Actor.user(_me(request).pk))
    return _thread(request, view, ticket_id)


@require_POST
def set_owner(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`owner` is user:<id>, team:<id> or empty (R-ROUTE-2, 6, 7, 51)."""
    _editable(request, ticket_id)
    kind, _colon, number = request.POST.get("owner", "").partition(":")
    by = Actor.user(_me(request).pk)
    if kind == "user":
        user_id = _whole(number, "owner")
        if not Membership.objects.filter(account_id=request.viewer.account_id, user_id=user_id, is_active=True).exists():
            raise Invalid(_("This person is not in the account."), field="owner", value=number)
        tickets.assign(ticket_id, owner_id=user_id, by=by)
    elif kind == "team":
        from deskhand.accounts.models import Team

        team = Team.objects.filter(account_id=request.viewer.account_id, pk=_whole(number, "owner")).first()
        if team is None:
            raise Invalid(_("There is no such team."), field="owner", value=number)
        tickets.assign(ticket_id, owner_id=None, team_ids=[team.pk], by=by)
    else:
        tickets.assign(ticket_id, owner_id=None, by=by)
    return _thread(request, view, ticket_id)


@require_POST
def answer(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Reply or comment. What was typed is never lost: 409 and 422 give it back with the reason."""
    mode: Literal["reply", "comment"] = "comment" if request.POST.get("mode") == "comment" else "reply"
    body = request.POST.get("body", "").replace("\r\n", "\n")
    desk_views.row(request.viewer, ticket_id)
    try:
        if mode == "comment":
            replies.comment(ticket_id, body, by=_me(request))
        else:
            _editable(request, ticket_id, "communicate")
            replies.reply(_new_reply(request, ticket_id, body), by=_me(request))
    except (Conflict, Invalid) as refusal:
        request.has_failed = True  # type: ignore[attr-defined]
        return _not_sent(request, view, ticket_id, refusal, body, mode)
    return _thread(request, view, ticket_id, "sent")


def _new_reply(request: AccountRequest, ticket_id: int, body: str) -> NewReply:
    seen = request.POST.get("last_seen_message_id", "")
    status = request.POST.get("set_status", "")
    return NewReply(
        ticket_id=ticket_id, text=body, stage_id=int(status) if status.isdigit() else None,
        last_seen_message_id=int(seen) if seen.isdigit() and not request.POST.get("anyway") else None,
        send_key=f"{request.viewer.user_id}:{request.POST['send_key'][:64]}" if request.POST.get("send_key") else None,
    )  # fmt: skip


def _not_sent(
    request: AccountRequest, view: str, ticket_id: int, refusal: Conflict | Invalid, body: str, mode: Literal["reply", "comment"]
) -> HttpResponse:
    notice = Notice("collision" if isinstance(refusal, Conflict) else "error", str(refusal))
    status = 409 if isinstance(refusal, Conflict) else 422
    if wants_fragment(request):
        return render(request, "inbox/fragments/not_sent.html", {"notice": notice}, status=status)
    built = pages.TicketPageOf(request, view, ticket_id).build(notice=notice, body=body, mode=mode)
    page = InboxPage(pages.ticket_list(request, view, current=ticket_id), built, "ticket")
    return render(request, "inbox/inbox.html", {"shell": shell(request, view=view), "page": page, "request": request}, status=status)


@require_POST
def save_draft(request: AccountRequest, ticket_id: int) -> HttpResponse:
    desk_views.row(request.viewer, ticket_id)
    drafts.save(request.viewer, ticket_id, mode="comment" if request.POST.get("mode") == "comment" else "reply", body=request.POST.get("body", ""))
    return HttpResponse(status=204)

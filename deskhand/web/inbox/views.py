"""The inbox: a view's list, one ticket, and what an agent does to it. Each change is one verb of an area below."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import Team
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import conversations, drafts, replies, spam
from deskhand.desk import views as desk_views
from deskhand.desk.replies import NewReply
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.routing import queries as routing
from deskhand.web.frame import shell
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.rows import InboxPage, Notice, TicketPage
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast

Mode = Literal["reply", "comment"]


@require_GET
def home(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    keys = [view.key for view in desk_views.views_of(request.viewer)]
    return redirect("inbox-view", desk_views.DEFAULT if desk_views.DEFAULT in keys else keys[0])


@require_GET
def view(request: AccountRequest, view: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if view == desk_views.CONVERSATIONS:
        return _conversations(request)
    return _page(request, view, InboxPage(pages.ticket_list(request, view)))


def _page(request: AccountRequest, view: str, page: InboxPage, status: int = 200) -> HttpResponse:
    context = {"shell": shell(request, view=view), "page": page, "request": request}
    return render(request, "inbox/inbox.html", context, status=status)


@require_GET
def ticket(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    built = pages.ticket_page(request, view, ticket_id)
    desk_views.mark_seen(request.viewer, ticket_id, clock.now())
    if wants_fragment(request):
        return render(request, "inbox/fragments/ticket.html", {"ticket": built, "request": request})
    return _page(request, view, _with_list(request, view, built))


def _with_list(request: AccountRequest, view: str, ticket: TicketPage) -> InboxPage:
    return InboxPage(pages.ticket_list(request, view, current=ticket.id), ticket, "ticket")


@require_GET
def list_pane(request: AccountRequest, view: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return render(request, "inbox/fragments/list.html", {"tickets": pages.ticket_list(request, view)})


@require_GET
def more_rows(request: AccountRequest, view: str, after: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if view == desk_views.CONVERSATIONS:
        return _conversations(request, after)
    if view == desk_views.FILTERED:
        return _filtered(request, after)
    listed = pages.ticket_list(request, view, after=after)
    if wants_fragment(request):
        return render(request, "inbox/fragments/more_rows.html", {"tickets": listed})
    return _page(request, view, InboxPage(listed))


@require_GET
def new_tickets(request: AccountRequest, view: str, newest: str) -> HttpResponse:
    """How many tickets of the view are newer than the newest that is shown."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = desk_views.view_of(request.viewer, view)
    context = {
        "count": desk_views.newer(request.viewer, found, newest),
        "url": reverse("inbox-view", args=[view]),
        "refresh_url": reverse("inbox-list", args=[view]),
    }
    return render(request, "inbox/fragments/new_tickets.html", context)


@require_GET
def row(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    stored = desk_views.row(request.viewer, ticket_id)
    if stored.leaves(desk_views.view_of(request.viewer, view)):
        raise NotFound(_("This ticket is no longer in this view."))
    is_open = _shown(request) == (view, ticket_id)
    found = pages.ticket_row(stored, view, current=ticket_id if is_open else None)
    return render(request, "inbox/fragments/row.html", {"row": found})


def _shown(request: AccountRequest) -> tuple[str, int | None]:
    """The view and the ticket of the page that asks for a part; the view is empty on other pages."""
    try:
        match = resolve(urlsplit(request.headers.get("HX-Current-URL", "")).path)
    except (Resolver404, ValueError):
        return "", None
    return match.kwargs.get("view", ""), match.kwargs.get("ticket_id")


@require_GET
def side(request: AccountRequest, view: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if view != desk_views.CONVERSATIONS:
        desk_views.view_of(request.viewer, view)
    context = {"shell": shell(request, view=view), "request": request}
    return render(request, "parts/side_fragment.html", context)


@require_GET
def thread(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)
    return _thread(request, view, ticket_id)


def _thread(
    request: AccountRequest, view: str, ticket_id: int, template: str = "thread", **more: Any
) -> HttpResponse:
    """What changed about the open ticket: as parts for htmx, or back to its page."""
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    desk_views.mark_seen(request.viewer, ticket_id, clock.now())
    built = pages.ticket_page(request, view, ticket_id)
    context = {"ticket": built, "request": request, "tickets": None, **more}
    return render(request, f"inbox/fragments/{template}.html", context)


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _changeable(request: AccountRequest, view: str, ticket_id: int, verb: Verb) -> Ticket:
    """The ticket, if the viewer may see it (else 404) and do this with it (else 403)."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)
    found = Ticket.objects.get(account_id=request.viewer.account_id, pk=ticket_id)
    reach = policy.visible(request.viewer, "ticket", verb)
    if not reach.allows(found.owner_id, found.assigned_team_ids):
        raise Forbidden(_("You may not change this ticket."))
    return found


def _whole(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(_("%(value)s is not a number.") % {"value": text[:40]}, field=field, value=text)
    return int(text)


@require_POST
def set_status(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    _changeable(request, view, ticket_id, Verb.EDIT)
    to = _whole(request.POST.get("status", ""), "status")
    tickets.move(ticket_id, to=to, by=Actor.user(request.user.pk))
    return _thread(request, view, ticket_id)


@require_POST
def set_owner(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`owner` is user:<id>, team:<id> or empty (R-ROUTE-2, 6, 7, 51)."""
    _changeable(request, view, ticket_id, Verb.EDIT)
    kind, _colon, number = request.POST.get("owner", "").partition(":")
    by = Actor.user(request.user.pk)
    match kind:
        case "user":
            tickets.assign(ticket_id, owner_id=_member(request, _whole(number, "owner")), by=by)
        case "team":
            team_id = _team(request, _whole(number, "owner"))
            tickets.assign(ticket_id, owner_id=None, team_ids=[team_id], by=by)
        case "":
            tickets.assign(ticket_id, owner_id=None, by=by)
        case _:
            raise Invalid(_("Choose a person or a team."), field="owner", value=kind)
    if not _may_see(request, ticket_id):
        return _leave(request, view)
    return _thread(request, view, ticket_id)


def _leave(request: AccountRequest, view: str) -> HttpResponse:
    url = reverse("inbox-view", args=[view])
    return HttpResponse(headers={"HX-Redirect": url}) if wants_fragment(request) else redirect(url)


def _may_see(request: AccountRequest, ticket_id: int) -> bool:
    """Who gives a ticket away may lose sight of it."""
    reach = policy.visible(request.viewer, "ticket").q()
    return Ticket.objects.filter(reach, account_id=request.viewer.account_id, pk=ticket_id).exists()


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
    _changeable(request, view, ticket_id, Verb.EDIT)
    is_spam = request.POST.get("spam") == "1"
    change = spam.mark if is_spam else spam.unmark
    change(ticket_id, by=Actor.user(request.user.pk))
    toast = Toast(
        _("Marked as spam") if is_spam else _("Marked as not spam"),
        undo_url=reverse("ticket-spam", args=[view, ticket_id]),
        undo_fields=(("spam", "0" if is_spam else "1"),),
    )
    shown, current = _shown(request)
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
    return _thread(request, view, ticket_id, **more)


@require_POST
def answer(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Reply or comment. What was typed is never lost: 409 and 422 give it back with the reason."""
    mode: Mode = "comment" if request.POST.get("mode") == "comment" else "reply"
    body = request.POST.get("body", "").replace("\r\n", "\n")
    _changeable(request, view, ticket_id, Verb.COMMUNICATE if mode == "reply" else Verb.VIEW)
    if mode == "reply" and request.POST.get("set_status"):
        _changeable(request, view, ticket_id, Verb.EDIT)
    try:
        if mode == "comment":
            replies.comment(ticket_id, body, by=request.user)
        else:
            policy.require(request.viewer, Action.REPLY)
            replies.reply(_new_reply(request, ticket_id, body), by=request.user)
    except (Conflict, Invalid) as refusal:
        return _not_sent(request, view, ticket_id, refusal, body, mode)
    return _thread(request, view, ticket_id, "sent")


def _new_reply(request: AccountRequest, ticket_id: int, body: str) -> NewReply:
    form = request.POST
    seen, status, key = form.get("last_seen_message_id"), form.get("set_status"), form.get("send_key")
    return NewReply(
        ticket_id=ticket_id,
        text=body,
        stage_id=_whole(status, "set_status") if status else None,
        last_seen_message_id=_whole(seen, "last_seen_message_id")
        if seen and not form.get("anyway")
        else None,
        send_key=f"{request.viewer.user_id}:{key[:64]}" if key else None,
    )


def _not_sent(
    request: AccountRequest, view: str, ticket_id: int, refusal: Conflict | Invalid, body: str, mode: Mode
) -> HttpResponse:
    request.has_failed = True
    is_collision = isinstance(refusal, Conflict)
    notice = Notice("collision" if is_collision else "error", str(refusal))
    status = 409 if is_collision else 422
    if wants_fragment(request):
        return render(request, "inbox/fragments/not_sent.html", {"notice": notice}, status=status)
    built = pages.ticket_page(request, view, ticket_id, notice=notice, body=body, mode=mode)
    return _page(request, view, _with_list(request, view, built), status)


@require_POST
def save_draft(request: AccountRequest, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.row(request.viewer, ticket_id)
    mode = "comment" if request.POST.get("mode") == "comment" else "reply"
    drafts.save(request.viewer, ticket_id, mode=mode, body=request.POST.get("body", ""))
    return HttpResponse(status=204)


# ── conversations without a ticket ───────────────────────────────────────────────────────────────────────────────────


def _conversations(request: AccountRequest, after: str = "") -> HttpResponse:
    _require_conversations(request)
    context = {"threads": pages.thread_list(request, after), "request": request}
    if after and wants_fragment(request):
        return render(request, "inbox/fragments/more_threads.html", context)
    context["shell"] = shell(request, view=desk_views.CONVERSATIONS)
    return render(request, "inbox/conversations.html", context)


def _filtered(request: AccountRequest, after: str) -> HttpResponse:
    """More of what arrived as spam."""
    _require_conversations(request)
    if wants_fragment(request):
        context = {"threads": pages.filtered_list(request, after), "request": request}
        return render(request, "inbox/fragments/more_filtered.html", context)
    return _page(request, "spam", InboxPage(pages.ticket_list(request, "spam", filtered_after=after)))


def _require_conversations(request: AccountRequest) -> None:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if not (request.viewer.has_seat or request.viewer.is_super_admin):
        raise Forbidden(_("Conversations need a seat."))


@require_POST
def make_ticket(request: AccountRequest, thread_id: int) -> HttpResponse:
    """Make a conversation a ticket; one that is a ticket already is opened."""
    _require_loose(request, thread_id, Verb.VIEW)
    ticket_id = conversations.make_ticket(thread_id, by=Actor.user(request.user.pk))
    return redirect("inbox-ticket", "all-open", ticket_id)


def _require_loose(request: AccountRequest, thread_id: int, verb: Verb) -> None:
    """The right to make a ticket of a conversation; of one that a ticket owns by now, the right to that ticket."""
    _require_conversations(request)
    if not pages.may_make_tickets(request):
        raise Forbidden(_("You may not create tickets."))
    ticket_id = conversations.ticket_of(thread_id)
    if ticket_id is not None:
        _changeable(request, "all-open", ticket_id, verb)


@require_POST
def set_thread_spam(request: AccountRequest, thread_id: int) -> HttpResponse:
    """`spam` is 1 or 0: a conversation into Spam, or out of it and, where its channel says so, into a ticket (R-CC-12)."""
    _require_loose(request, thread_id, Verb.EDIT)
    by = Actor.user(request.user.pk)
    if request.POST.get("spam") == "1":
        spam.mark_thread(thread_id, by=by)
        messages.info(request, _("Marked as spam"))
        return redirect("inbox-view", desk_views.CONVERSATIONS)
    ticket_id = spam.unmark_thread(thread_id, by=by)
    if ticket_id is None:
        messages.info(request, _("Moved to the conversations"))
        return redirect("inbox-view", "spam")
    messages.info(request, _("This is a ticket now"))
    return redirect("inbox-ticket", "all-open", ticket_id)

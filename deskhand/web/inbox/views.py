"""The inbox: a view's list, one ticket, and what an agent does to it. Each change is one verb of an area below."""

from __future__ import annotations

from typing import Any, Literal

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.desk import conversations, merging, spam
from deskhand.desk import views as desk_views
from deskhand.events.types import Actor
from deskhand.kernel.errors import Forbidden, NotFound
from deskhand.web.frame import shell
from deskhand.web.inbox import common
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.rows import InboxPage
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest

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
    return common.page(request, view, InboxPage(pages.ticket_list(request, view)))


@require_GET
def ticket(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    stored = desk_views.row(request.viewer, ticket_id)
    survivor = merging.survivor_of(ticket_id) if stored.is_deleted else None
    if survivor is not None:  # R-MERGE-6
        return redirect("inbox-ticket", view, survivor)
    built = pages.ticket_page(request, view, ticket_id, row=stored)
    common.look_at(request, ticket_id)
    if wants_fragment(request):
        return render(request, "inbox/fragments/ticket.html", {"ticket": built})
    return common.page(request, view, common.with_list(request, view, built))


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
    return common.page(request, view, InboxPage(listed))


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
    is_open = common.shown(request) == (view, ticket_id)
    found = pages.ticket_row(stored, view, current=ticket_id if is_open else None)
    return render(request, "inbox/fragments/row.html", {"row": found})


@require_GET
def side(request: AccountRequest, view: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if view != desk_views.CONVERSATIONS:
        desk_views.view_of(request.viewer, view)
    context = {"shell": shell(request, view=view)}
    return render(request, "parts/side_fragment.html", context)


@require_GET
def thread(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    desk_views.row(request.viewer, ticket_id)
    return common.thread_parts(request, view, ticket_id)


# ── conversations without a ticket ───────────────────────────────────────────────────────────────────────────────────


def _conversations(request: AccountRequest, after: str = "") -> HttpResponse:
    _require_conversations(request)
    context: dict[str, Any] = {"threads": pages.thread_list(request, after)}
    if after and wants_fragment(request):
        return render(request, "inbox/fragments/more_threads.html", context)
    context["shell"] = shell(request, view=desk_views.CONVERSATIONS)
    return render(request, "inbox/conversations.html", context)


def _filtered(request: AccountRequest, after: str) -> HttpResponse:
    """More of what arrived as spam."""
    _require_conversations(request)
    if wants_fragment(request):
        context = {"threads": pages.filtered_list(request, after)}
        return render(request, "inbox/fragments/more_filtered.html", context)
    return common.page(request, "spam", InboxPage(pages.ticket_list(request, "spam", filtered_after=after)))


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
    ticket_id = conversations.ticket_of(thread_id)
    if ticket_id is None:
        conversations.require(request.viewer, thread_id, Verb.EDIT)
    else:
        common.changeable(request, "all-open", ticket_id, verb)


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

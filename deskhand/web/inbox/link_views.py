"""Linking a ticket to other records, and parting them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.crm.records import associations, labeling
from deskhand.crm.records.models import Ticket
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.inbox import common, links
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.links import LONGEST, Searching
from deskhand.web.inbox.panel import Wish
from deskhand.web.inbox.panel_views import with_panel
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast


@require_GET
def new(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """What can be linked: of a `kind`, found by `q`."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    key = request.GET.get("kind") or next(
        (kind.key for kind in links.kinds().values() if links.may_see_any(request.viewer, kind)),
        "",
    )
    kind = links.kind_of(request.viewer, key)
    searching = Searching(kind.key, request.GET.get("q", "").strip()[:LONGEST])
    return _part(request, view, ticket_id, searching)


@require_GET
def left(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """As it stands, when the search is left."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    return _part(request, view, ticket_id, None)


def _part(
    request: AccountRequest, view: str, ticket_id: int, searching: Searching | None, status: int = 200
) -> HttpResponse:
    wish = Wish(linking=searching)
    if not wants_fragment(request):
        return with_panel(request, view, ticket_id, wish, status)
    found = pages.TicketPageOf(request, view, ticket_id, wish).panel_of.links()
    return render(request, "inbox/fragments/link_new.html", {"links": found}, status=status)


@require_POST
def change(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Link the ticket to the record `id` of `kind`, or part them with `linked` 0. A toast offers the way back."""
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    kind, record_id = links.asked(request.viewer, request.POST)
    is_linked = request.POST.get("linked") == "1"
    if not is_linked and (kind.key, record_id) == ("contact", ticket.contact_id):
        return common.refused(
            request, Invalid(_("The ticket is this contact's."), field="id", value=record_id)
        )
    by, link = Actor.user(request.user.pk), ("ticket", ticket_id, kind.key, record_id)
    try:
        if is_linked:
            is_new = labeling.connect(link, links.label_numbers(request.POST), by=by)
        else:
            is_new = associations.part(*link, by=by)
    except Invalid as refusal:
        return common.refused(request, refusal)
    return _told(request, view, ticket, kind.key, record_id, is_linked, is_new)


@require_POST
def label(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """What the record `id` of `kind` is to the ticket from now on: all of `label`."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    kind, record_id = links.asked(request.viewer, request.POST)
    try:
        is_new = links.relabel(
            ("ticket", ticket_id, kind.key, record_id), request.POST, Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        return common.refused(request, refusal)
    text = _("Labels saved") if is_new else _("Nothing changed")
    if not wants_fragment(request):
        messages.info(request, text)
    return common.thread_parts(request, view, ticket_id, "form_saved", toast=Toast(text), place="link-new")


def _told(
    request: AccountRequest,
    view: str,
    ticket: Ticket,
    kind: str,
    record_id: int,
    is_linked: bool,
    is_new: bool,
) -> HttpResponse:
    text = (_("Linked") if is_linked else _("No longer linked")) if is_new else _("Nothing changed")
    back = (("kind", kind), ("id", str(record_id)), ("linked", "0" if is_linked else "1"))
    url = reverse("ticket-links", args=[view, ticket.pk]) if is_new else ""
    toast = Toast(text, undo_url=url, undo_fields=back)
    if not wants_fragment(request):
        messages.info(request, text)
    return common.thread_parts(request, view, ticket.pk, "form_saved", toast=toast, place="link-new")

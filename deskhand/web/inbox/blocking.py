"""Blocking the sender of a ticket, and the list of who is blocked."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records import archive
from deskhand.crm.records.models import Contact, Ticket
from deskhand.desk import blocking, spam
from deskhand.desk.models import BlockedSender
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web.frame import framed, shell
from deskhand.web.inbox import common
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest

SHOWN = 200


@require_GET
def ask(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Who would be blocked, and what comes of it."""
    contact = _contact(common.changeable(request, view, ticket_id, Verb.EDIT))
    context = {
        "address": contact.email, "may_delete": _may_delete(request, contact), "shell": shell(request, view=view),
        "url": reverse("ticket-blocked", args=[view, ticket_id]), "back_url": reverse("inbox-ticket", args=[view, ticket_id]),
    }  # fmt: skip
    return render(request, "inbox/block.html", context)


def _contact(ticket: Ticket) -> Contact:
    if ticket.contact is None or not ticket.contact.email:
        raise Invalid(_("There is no address to block."), field="address", value="")
    contact: Contact = ticket.contact
    return contact


def _may_delete(request: AccountRequest, contact: Contact) -> bool:
    return policy.visible(request.viewer, "contact", Verb.DELETE).reaches(contact)


@require_POST
def block(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """The ticket goes to Spam; the contact goes too only where `delete_contact` is 1 (R-SPAM-5)."""
    contact = _contact(common.changeable(request, view, ticket_id, Verb.EDIT))
    by = Actor.user(request.user.pk)
    blocking.block(contact.email, by=by)
    spam.mark(ticket_id, by=by)
    if request.POST.get("delete_contact") == "1" and _may_delete(request, contact):
        archive.archive("contact", [contact.pk], by=by)
    messages.info(request, _("%(address)s is blocked") % {"address": contact.email})
    return redirect("inbox-view", view)


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    found = list(BlockedSender.objects.filter(account_id=request.viewer.account_id).order_by("-id")[:SHOWN])
    names = dict(User.objects.filter(pk__in={one.blocked_by for one in found}).values_list("pk", "name"))
    lines = [
        (one, names.get(one.blocked_by, ""), reverse("blocked-sender-free", args=[one.pk])) for one in found
    ]
    return framed(request, "blocked-senders", "inbox/blocked.html", {"lines": lines})


@require_POST
def free(request: AccountRequest, blocked_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    address = blocking.unblock(blocked_id, by=Actor.user(request.user.pk))
    messages.info(request, _("%(address)s is no longer blocked") % {"address": address})
    return redirect("blocked-senders")

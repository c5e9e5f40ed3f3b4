"""What kinds of mail an account sends, and what one contact wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records import subscriptions
from deskhand.crm.records.subscriptions import Choice
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable
from deskhand.web.contacts.actions import changeable
from deskhand.web.contacts.views import kind_of
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of


@dataclass(frozen=True)
class Row:
    id: int
    name: str
    description: str
    is_archived: bool
    save_url: str
    archive_url: str
    error: str = ""


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    return _page(request)


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed = _typed(request)
    try:
        made = subscriptions.add_kind(typed["name"], typed["description"], by=_by(request))
    except Invalid as refusal:
        return _page(request, typed=typed, error=words_of(refusal))
    messages.info(request, _("%(name)s was added.") % {"name": made.name})
    return redirect("subscription-types")


@require_POST
def save(request: AccountRequest, type_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed = _typed(request)
    try:
        subscriptions.change_kind(type_id, typed["name"], typed["description"], by=_by(request))
    except Invalid as refusal:
        return _page(request, refused=type_id, typed=typed, error=words_of(refusal))
    messages.info(request, _("Saved"))
    return redirect("subscription-types")


@require_POST
def archive(request: AccountRequest, type_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    try:
        subscriptions.set_archived(type_id, request.POST.get("on") == "1", by=_by(request))
    except Invalid as refusal:
        messages.error(request, words_of(refusal))
    return redirect("subscription-types")


@require_POST
def of_contact(request: AccountRequest, record_id: int) -> HttpResponse:
    """What a contact said to one of us, on the phone for example."""
    found = kind_of(request, "contact")
    contact = changeable(request, found, record_id, Verb.EDIT)
    wanted = set(request.POST.getlist("wanted"))
    choices = [Choice(contact.pk, None, "none" not in request.POST)]
    if "none" not in request.POST:
        choices += [
            Choice(contact.pk, one.pk, str(one.pk) in wanted)
            for one in subscriptions.kinds(request.viewer.account_id)
        ]
    subscriptions.choose(choices, source=subscriptions.AGENT, by=_by(request))
    messages.info(request, _("Saved"))
    return redirect(found.url("", contact.pk))


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def _typed(request: AccountRequest) -> Mapping[str, str]:
    return {name: storable(request.POST.get(name, "")).strip() for name in ("name", "description")}


def _page(
    request: AccountRequest, *, refused: int = 0, typed: Mapping[str, str] | None = None, error: str = ""
) -> HttpResponse:
    rows = []
    for one in subscriptions.kinds(request.viewer.account_id, with_archived=True):
        shown = typed if typed and one.pk == refused else {"name": one.name, "description": one.description}
        rows.append(
            Row(
                one.pk, shown["name"], shown["description"], one.archived_at is not None,
                reverse("subscription-type-save", args=[one.pk]), reverse("subscription-type-archive", args=[one.pk]),
                error if one.pk == refused else "",
            )
        )  # fmt: skip
    new = typed if typed and not refused else {"name": "", "description": ""}
    context = {"rows": rows, "new": new, "error": error if not refused else ""}
    return framed(request, "subscription-types", "subscriptions/list.html", context, 422 if error else 200)

"""The secrets that workflows use: add, replace, delete. Their values are never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.automation import secrets
from deskhand.automation.models import Workflow
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import storable
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import ways


@dataclass(frozen=True)
class Row:
    id: int
    name: str
    by: str
    updated_at: datetime
    workflows: tuple[tuple[str, str], ...]  # that use it: name and address
    replace_url: str
    delete_url: str  # empty while it is used
    error: str = ""


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    return _page(request)


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    name = storable(request.POST.get("name", "")).strip()
    try:
        secrets.add(request.viewer.account_id, name, _value(request), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, name=name, errors={refusal.field: words_of(refusal)})
    messages.info(request, _("%(name)s was added.") % {"name": name})
    return redirect("secrets")


@require_POST
def replace(request: AccountRequest, secret_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    try:
        name = secrets.replace(
            request.viewer.account_id, secret_id, _value(request), by=Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        return _page(request, refused=secret_id, error=words_of(refusal))
    messages.info(request, _("%(name)s has its new value.") % {"name": name})
    return redirect("secrets")


@require_POST
def delete(request: AccountRequest, secret_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    try:
        name = secrets.delete(request.viewer.account_id, secret_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        messages.error(request, str(refusal))
    else:
        messages.info(request, _("%(name)s was deleted.") % {"name": name})
    return redirect("secrets")


def _value(request: AccountRequest) -> str:
    """As pasted, but for line ends around it."""
    return storable(request.POST.get("value", "")).strip("\n")


def _page(
    request: AccountRequest,
    *,
    name: str = "",
    errors: Mapping[str, str] | None = None,
    refused: int = 0,
    error: str = "",
) -> HttpResponse:
    context = {"rows": _rows(request, refused, error), "name": name, "errors": errors or {}}
    return framed(request, "secrets", "secrets/list.html", context, 422 if errors or refused else 200)


def _rows(request: AccountRequest, refused: int, error: str) -> list[Row]:
    """Four queries, however many there are."""
    account_id = request.viewer.account_id
    known, uses = secrets.known(account_id), secrets.used_in(account_id)
    named = Workflow.objects.filter(
        account_id=account_id, pk__in={pk for found in uses.values() for pk in found}
    )
    workflows = {
        pk: (name, ways.seen(request.viewer, request.account, pk)) for pk, name in named.order_by("name", "pk").values_list("pk", "name")
    }  # fmt: skip
    names = dict(User.objects.filter(pk__in={one.updated_by_id for one in known}).values_list("pk", "name"))
    return [
        Row(
            one.id, one.name, names.get(one.updated_by_id or 0, ""), one.updated_at, tuple(line for pk, line in workflows.items() if pk in uses.get(one.name, ())),
            reverse("secret-replace", args=[one.id]),
            "" if one.name in uses else reverse("secret-delete", args=[one.id]),
            error if one.id == refused else "",
        )
        for one in known
    ]  # fmt: skip

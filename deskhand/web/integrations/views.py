"""The actions that other systems perform: list, make, change, put away, call for a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.automation import coderuns, integrations, kinds, secrets
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.models import CustomAction
from deskhand.delivery.calls import Call
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, DeskhandError, Invalid
from deskhand.web.automation.fields import Field, fields_of, with_refusal
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest


@dataclass(frozen=True)
class Row:
    name: str
    place: str
    uses: str
    url: str
    archive_url: str  # empty while it is used
    is_archived: bool


@dataclass(frozen=True)
class Page:
    """One integration's form; `name` is empty for a new one."""

    name: str
    save_url: str
    fields: tuple[Field, ...]
    test_url: str = ""


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    account_id = request.viewer.account_id
    uses = integrations.used_in(account_id)
    rows = [_row(one, len(uses.get(one.name, ()))) for one in integrations.known(account_id, archived=True)]
    rows.sort(key=lambda row: row.is_archived)
    return framed(request, "integrations", "integrations/list.html", {"rows": rows})


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    return _page(request, None, {})


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    typed = _typed(request)
    if "redraw" in typed:
        return _page(request, None, typed)
    try:
        values = reading.read(_form(request, None), typed)
        made = integrations.add(request.viewer.account_id, str(values["name"]), values, by=_by(request))
    except Invalid as refusal:
        return _page(request, None, typed, refusal)
    messages.info(request, _("%(name)s was added.") % {"name": made.name})
    return redirect("integration", made.pk)


@require_GET
def one(request: AccountRequest, integration_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    found = integrations.get(request.viewer.account_id, integration_id)
    return _page(request, found, reading.typed_of(_form(request, found), _values(found)))


@require_POST
def save(request: AccountRequest, integration_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    found, typed = integrations.get(request.viewer.account_id, integration_id), _typed(request)
    if "redraw" in typed:
        return _page(request, found, typed)
    try:
        values = reading.read(_form(request, found), typed)
        integrations.change(found.account_id, found.pk, values, by=_by(request))
    except Invalid as refusal:
        return _page(request, found, typed, refusal)
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("integration", found.pk)


@require_POST
def archive(request: AccountRequest, integration_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    on = request.POST.get("on") == "1"
    try:
        found = integrations.set_archived(request.viewer.account_id, integration_id, on, by=_by(request))
    except Conflict as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("%(name)s was put away.") if on else _("%(name)s is back.")
        messages.info(request, said % {"name": found.name})
    return redirect("integrations")


@require_POST
def test(request: AccountRequest, integration_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_WORKFLOWS)
    found = integrations.get(request.viewer.account_id, integration_id)
    try:
        messages.info(request, integrations.try_out(found))
    except DeskhandError as failure:
        messages.error(request, integrations.reached(failure))
    return redirect("integration", found.pk)


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def _typed(request: AccountRequest) -> dict[str, list[str]]:
    return {name: [str(one) for one in values] for name, values in request.POST.lists()}


def _values(found: CustomAction) -> dict[str, Any]:
    return {name: getattr(found, name) for name in integrations.FIELDS}


def _form(request: AccountRequest, found: CustomAction | None) -> tuple[Setting, ...]:
    account_id = request.viewer.account_id
    keys = tuple(Option(one.name, one.name) for one in secrets.known(account_id))
    types = tuple(Option(value, str(label)) for value, label in coderuns.TYPES.items())
    records = tuple(Option(kind, kinds.label(kind)) for kind in kinds.all_of_them())
    name = Setting(
        "name",
        _("Name"),
        required=True,
        at_most=integrations.LONGEST_NAME,
        help=_("Workflows know it by its name, so it can't be changed later."),
    )
    return (
        *(() if found else (name,)),
        Setting("description", _("What it does"), at_most=200),
        Setting("url", _("Web address"), required=True, help=_("It is called by POST, with JSON.")),
        Setting("secret", _("Secret that signs the calls"), Input.CHOICE, options=keys, links=((_("Secrets"), secrets.PAGE, 0),)),
        Setting("object_types", _("For"), Input.MANY, options=records, help=_("None chosen: all kinds of records.")),
        Setting("inputs", _("What it is asked"), Input.PAIRS, options=types, help=_("Steps fill these in; the call has them as inputFields.")),
        Setting("outputs", _("What it answers"), Input.PAIRS, options=types, help=_("The names in outputFields that later steps may use.")),
        Setting("messages", _("What the log says"), Input.PAIRS, help=_("When, such as errorCode=BLOCKED, and the sentence.")),
    )  # fmt: skip


def _page(
    request: AccountRequest, found: CustomAction | None, typed: Typed, refusal: Invalid | None = None
) -> HttpResponse:
    fields = fields_of(_form(request, found), typed, reading.around("ticket"))
    page = Page(
        found.name if found else "", reverse("integration-save", args=[found.pk]) if found else reverse("integration-add"),
        with_refusal(fields, refusal) if refusal else fields, reverse("integration-test", args=[found.pk]) if found else "",
    )  # fmt: skip
    return framed(request, "integrations", "integrations/one.html", {"page": page}, 422 if refusal else 200)


def _row(one: CustomAction, number: int) -> Row:
    used = ngettext("%(num)s workflow uses it", "%(num)s workflows use it", number) % {"num": number}
    return Row(
        one.name, Call("", one.url).place, used if number else _("No workflow uses it."), reverse("integration", args=[one.pk]),
        "" if number else reverse("integration-archive", args=[one.pk]), one.archived_at is not None,
    )  # fmt: skip

"""What a kind of record is called and whether it stands in pipelines; and the kinds that the account makes itself."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.crm.records import objects
from deskhand.crm.schema import object_types
from deskhand.crm.schema.object_types import OwnType
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.choices import Choice
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.pipelines import show
from deskhand.web.objects.tabs import OWN_AREA, Sort, sort_of, tabs
from deskhand.web.refusals import status_of, words_of

#: What the pictures are called.
PICTURES = {
    "box": pgettext_lazy("a picture", "Box"),
    "package": pgettext_lazy("a picture", "Package"),
    "truck": pgettext_lazy("a picture", "Truck"),
    "warehouse": pgettext_lazy("a picture", "Warehouse"),
    "hammer": pgettext_lazy("a picture", "Hammer"),
    "wrench": pgettext_lazy("a picture", "Wrench"),
    "cpu": pgettext_lazy("a picture", "Chip"),
    "laptop": pgettext_lazy("a picture", "Laptop"),
    "car": pgettext_lazy("a picture", "Car"),
    "house": pgettext_lazy("a picture", "House"),
    "map-pin": pgettext_lazy("a picture", "Place"),
    "calendar": pgettext_lazy("a picture", "Calendar"),
    "receipt": pgettext_lazy("a picture", "Receipt"),
    "credit-card": pgettext_lazy("a picture", "Card"),
    "shopping-cart": pgettext_lazy("a picture", "Shopping cart"),
    "graduation-cap": pgettext_lazy("a picture", "Graduation cap"),
    "stethoscope": pgettext_lazy("a picture", "Stethoscope"),
    "leaf": pgettext_lazy("a picture", "Leaf"),
    "star": pgettext_lazy("a picture", "Star"),
    "flag": pgettext_lazy("a picture", "Flag"),
}
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")


def _require(request: AccountRequest) -> None:
    policy.require(request.viewer, Action.EDIT_PROPERTIES)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _list(request: AccountRequest, status: int = 200, **typed: str) -> HttpResponse:
    may = policy.can(request.viewer, Action.EDIT_PROPERTIES)
    lines = [
        (own.plural, own.icon, found[0].url, own.has_pipelines)
        for own in object_types.all_of_them().values()
        if (found := tabs(request.viewer, sort_of(own.key), ""))
    ]
    if not may and not lines:
        _require(request)
    typed = dict.fromkeys(("singular", "plural", "error", "field"), "") | typed
    context = {
        "shell": shell(request, area=OWN_AREA), "lines": lines, "may_create": may, "create_url": reverse("object-type-create"),
        "typed": typed, "icons": _icons(typed.get("icon", "")),
    }  # fmt: skip
    return render(request, "objects/own_types.html", context, status=status)


def _icons(chosen: str) -> tuple[Choice, ...]:
    shown = chosen or object_types.ICONS[0]
    return tuple(Choice(name, str(PICTURES[name]), name == shown) for name in object_types.ICONS)


@require_GET
def listing(request: AccountRequest) -> HttpResponse:
    return _list(request)


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    """A kind of record with pipelines from the start: what has none is switched so on its page."""
    _require(request)
    by = Actor.user(request.user.pk)
    typed = {name: request.POST.get(name, "").strip() for name in ("singular", "plural", "icon")}
    try:
        made = object_types.create(_free_name(typed["plural"]), typed["singular"], typed["plural"], by=by)
        if typed["icon"]:
            object_types.set_icon(made.key, typed["icon"], by=by)
        objects.switch_pipelines(made.key, True, by=by)
    except (Invalid, Conflict) as refusal:
        field = refusal.field if isinstance(refusal, Invalid) else "plural"
        return _list(request, status_of(refusal), **typed, error=words_of(refusal), field=field)
    messages.success(request, _("It is there. Now give it its properties and statuses."))
    return redirect("object-setup", made.key)


def _free_name(plural: str) -> str:
    """The name that programs use, out of what people say; it stays when the label changes."""
    name = _BETWEEN_WORDS.sub("_", plural.lower()).strip("_")[:80]
    return name if name[:1].isalpha() else f"object_{name}".strip("_")


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(request: AccountRequest, sort: Sort, status: int = 200, **more: Any) -> HttpResponse:
    own = object_types.all_of_them().get(sort.object_type)
    context: dict[str, Any] = {
        "singular": sort.singular, "plural": sort.label, "names_url": reverse("object-names", args=[sort.key]),
        "is_renamed": object_types.is_renamed(sort.object_type), "own": own, "error": "", "field": "",
    }  # fmt: skip
    if own is not None:
        context |= {
            "save_url": reverse("object-type-save", args=[sort.key]), "delete_url": reverse("object-type-delete", args=[sort.key]),
            "icons": _icons(own.icon), "primaries": _primaries(own), "required": _required(own),
        }  # fmt: skip
    return show(request, sort, "own_setup", status, tab="setup", **(context | more))


def _nameable(own: OwnType) -> list[Property]:
    known = (prop for prop in properties_of(own.key).values() if not prop.read_only and not prop.is_computed)
    return [prop for prop in known if prop.kind in object_types.SHOWABLE and not prop.is_place]  # fmt: skip


def _primaries(own: OwnType) -> tuple[Choice, ...]:
    return tuple(Choice(prop.name, _(prop.label), prop.name == own.primary) for prop in _nameable(own))


def _required(own: OwnType) -> tuple[Choice, ...]:
    return tuple(
        Choice(prop.name, _(prop.label), prop.name in own.required)
        for prop in properties_of(own.key).values()
        if prop.is_custom and prop.name != own.primary
    )


def _sort(request: AccountRequest, key: str) -> Sort:
    _require(request)
    sort = sort_of(key)
    if sort.object_type in ("ticket", "contact", "company"):
        raise NotFound(_("There are no such records."))
    return sort


@require_GET
def setup(request: AccountRequest, key: str) -> HttpResponse:
    return _page(request, _sort(request, key))


@require_POST
def rename(request: AccountRequest, key: str) -> HttpResponse:
    """R-OBJ-5; `reset` brings the product's words back."""
    sort, by = _sort(request, key), Actor.user(request.user.pk)
    singular, plural = (request.POST.get(name, "").strip() for name in ("singular", "plural"))
    try:
        if sort.object_type not in object_types.RENAMABLE:
            object_types.update(key, by=by, singular=singular, plural=plural)
        elif request.POST.get("reset") == "1":
            object_types.rename(sort.object_type, "", "", by=by)
        else:
            object_types.rename(sort.object_type, singular or " ", plural or " ", by=by)
    except Invalid as refusal:
        return _page(request, sort, 422, singular=singular, plural=plural, error=words_of(refusal), field=refusal.field)  # fmt: skip
    messages.success(request, _("The names are saved."))
    return redirect("object-setup", key)


def _own(request: AccountRequest, key: str) -> OwnType:
    _require(request)
    return object_types.find(key)


@require_POST
def save(request: AccountRequest, key: str) -> HttpResponse:
    """The picture, what names a record, what it can't be without, and whether it stands in pipelines."""
    own, by, form = _own(request, key), Actor.user(request.user.pk), request.POST
    try:
        if form.get("icon", own.icon) != own.icon:
            object_types.set_icon(key, form["icon"], by=by)
        if form.get("primary", own.primary) != own.primary:
            objects.choose_primary(key, form["primary"], by=by)
        if set(form.getlist("required")) != set(own.required):
            object_types.update(key, by=by, required=form.getlist("required"))
        if (form.get("has_pipelines") == "1") != own.has_pipelines:
            objects.switch_pipelines(key, not own.has_pipelines, by=by)
    except Invalid as refusal:
        return _page(request, sort_of(key), 422, error=words_of(refusal), field=refusal.field)
    messages.success(request, _("Saved"))
    return redirect("object-setup", key)


@require_POST
def delete(request: AccountRequest, key: str) -> HttpResponse:
    _own(request, key)
    try:
        objects.delete_type(key, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        return _page(request, sort_of(key), 409, error=words_of(refusal))
    messages.success(request, _("It is deleted."))
    return redirect("object-types")

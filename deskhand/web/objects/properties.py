"""Properties of a kind of record: the list, making and changing the account's own, archiving, groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from deskhand.automation import hooks
from deskhand.crm.records import claiming, filterable
from deskhand.crm.schema import clock_names, groups, properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import everything, properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web.choices import Choice
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import forms, kinds, usage
from deskhand.web.objects.forms import Row
from deskhand.web.objects.pipelines import tone_choices
from deskhand.web.objects.rows import GroupLine, OptionLine, PropertyForm, PropertyLine, PropertyPart
from deskhand.web.objects.tabs import Sort, sort_of, tabs
from deskhand.web.refusals import status_of, words_of

SET_BY_PRODUCT, TIMES = "product", "times"
#: Empty rows of the form for a new property, so that it needs no scripts.
FIRST_OPTIONS = tuple(
    OptionLine(f"first{n}", "", "", tone) for n, tone in enumerate(("blue", "teal", "amber"))
)


def allowed(request: AccountRequest, key: str) -> Sort:
    """Raises Forbidden for who may not edit properties, NotFound for an unknown kind of record."""
    policy.require(request.viewer, Action.EDIT_PROPERTIES)
    return sort_of(key)


def show(
    request: AccountRequest, sort: Sort, template: str, status: int = 200, *, tab: str = "properties", **more: Any
) -> HttpResponse:  # fmt: skip
    """A page about one kind of record. Nothing is kept of what was refused."""
    context = {
        "shell": shell(request, area=sort.area), "tabs": tabs(request.viewer, sort, tab), "sort_label": sort.label,
        "list_url": reverse("properties", args=[sort.key]), **more,
    }  # fmt: skip
    return render(request, f"objects/{template}.html", context, status=status)


def _definition(sort: Sort, property_id: int, *, archived: bool = False) -> PropertyDefinition:
    """Raises NotFound."""
    found = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=sort.object_type, pk=property_id, archived_at__isnull=not archived
    ).first()  # fmt: skip
    if found is None:
        raise NotFound(_("There is no such property."))
    return found


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def overview(request: AccountRequest, key: str) -> HttpResponse:
    sort = allowed(request, key)
    query, kind = request.GET.get("q", "").strip()[:100], request.GET.get("type", "")
    is_sought = bool(query or kind)
    found = [prop for prop in everything(sort.object_type) if _fits(prop, query, kind)]
    return show(
        request, sort, "properties", parts=_parts(sort, found, is_sought), query=query, kinds=_kind_choices(sort, kind),
        is_sought=is_sought, archived=_archived(sort), new_url=reverse("property-new", args=[key]),
        groups_url=reverse("property-groups", args=[key]),
    )  # fmt: skip


def _fits(prop: Property, query: str, kind: str) -> bool:
    sought = query.casefold()
    is_named = sought in _(prop.label).casefold() or sought in prop.name
    return is_named and (not kind or prop.kind == kind)


def _kind_choices(sort: Sort, chosen: str) -> tuple[Choice, ...]:
    used = {prop.kind for prop in properties_of(sort.object_type).values()}
    return tuple(
        Choice(kind.value, str(label), kind == chosen) for kind, label in kinds.LABELS.items() if kind in used
    )


def _parts(sort: Sort, found: Sequence[Property], is_sought: bool) -> tuple[PropertyPart, ...]:
    own = groups.groups_of(sort.object_type)
    filling = _filling(sort)
    names = {group.name for group in own}
    by_group: dict[str, list[PropertyLine]] = {}
    for prop in sorted(found, key=lambda prop: _(prop.label).casefold()):
        group = prop.group if prop.group in names else _own_place(prop)
        by_group.setdefault(group, []).append(_line(sort, prop, filling))
    named = [("", _main_label(sort)), *((group.name, group.label) for group in own), (SET_BY_PRODUCT, _("Set by the product")), (TIMES, _("Times by status"))]  # fmt: skip
    return tuple(
        PropertyPart(name or "main", label, tuple(by_group[name]), name in (SET_BY_PRODUCT, TIMES) and not is_sought)
        for name, label in named if name in by_group
    )  # fmt: skip


def _main_label(sort: Sort) -> str:
    labels = {"tickets": _("About the ticket"), "contacts": _("About the contact"), "companies": _("About the company")}  # fmt: skip
    return labels.get(sort.key, sort.singular)


def _own_place(prop: Property) -> str:
    """Where it stands as long as it is in no group of the account."""
    if clock_names.parse(prop.name):
        return TIMES
    return SET_BY_PRODUCT if _is_kept(prop) else ""


def _is_kept(prop: Property) -> bool:
    return prop.read_only or prop.is_computed


def _line(sort: Sort, prop: Property, filling: dict[int, int]) -> PropertyLine:
    url = reverse("property", args=[sort.key, prop.definition_id]) if prop.is_custom else ""
    return PropertyLine(
        _(prop.label), prop.name, str(kinds.LABELS[prop.kind]), not prop.is_custom, url,
        _told(prop, filling.get(prop.definition_id, 0)),
    )  # fmt: skip


def _filling(sort: Sort) -> dict[int, int]:
    """{definition: percent} of those that are being prepared for filters."""
    waiting = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=sort.object_type, is_filterable=True, filled_at=None,
        archived_at=None,
    )  # fmt: skip
    return {one.pk: filterable.progress(sort.object_type, one.filled_to) for one in waiting}


def _told(prop: Property, percent: int) -> str:
    told = [_("Unique")] if prop.has_unique_value else []
    if prop.is_filterable:
        told.append(
            _("Filterable") if prop.is_filled else _("Being prepared: %(percent)s %%") % {"percent": percent}
        )
    return ", ".join(told)


def _archived(sort: Sort) -> tuple[tuple[str, str, str], ...]:
    """Label, name and where each is restored."""
    found = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=sort.object_type
    ).exclude(archived_at=None)
    return tuple(
        (one.label, one.name, reverse("property-restored", args=[sort.key, one.pk]))
        for one in found.order_by("label", "id")
    )


# ── one of the account's own ─────────────────────────────────────────────────────────────────────────────────────────


def _form(
    request: AccountRequest, sort: Sort, form: PropertyForm, status: int = 200, *, definition: PropertyDefinition | None = None,
    refusal: Invalid | Conflict | None = None,
) -> HttpResponse:  # fmt: skip
    field = refusal.field if isinstance(refusal, Invalid) else "name" if refusal else ""
    own = [Choice("", _main_label(sort), not form.group)]
    own += [Choice(one.name, one.label, one.name == form.group) for one in groups.groups_of(sort.object_type)]
    more: dict[str, Any] = {
        "title": definition.label if definition else _("New property"),
        "save_url": reverse("property-save", args=[sort.key, definition.pk]) if definition else reverse("property-add", args=[sort.key]),
        "archive_url": reverse("property-archive", args=[sort.key, definition.pk]) if definition else "",
        "kind_text": kinds.told(Kind(definition.kind), definition.field_type) if definition else "",
        "has_options": definition is None or Kind(definition.kind) in kinds.CHOICES,
        "filling": _filling_text(sort, definition) if definition else "",
        "may_be_unique": definition is None or definition.field_type in properties.UNIQUE_TYPES,
        "claiming": _claiming_text(sort, definition) if definition else "",
        "twins": _twins_text(definition.twins) if definition and not form.is_unique else "",
    }  # fmt: skip
    return show(
        request, sort, "property", status, form=form, groups=tuple(own), is_new=definition is None, error_field=field,
        error=words_of(refusal) if refusal else "", types=_types(form.type), tones=tone_choices, **more,
    )  # fmt: skip


def _types(chosen: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(f"{kind.value}:{field_type}", str(label), chosen == f"{kind.value}:{field_type}")
        for kind, field_type, label in kinds.OFFERED
    )


def _filling_text(sort: Sort, definition: PropertyDefinition) -> str:
    if not definition.is_filterable:
        return ""
    if definition.filled_at:
        return _("It is ready: filters find values at once.")
    percent = filterable.progress(sort.object_type, definition.filled_to)
    return _("%(percent)s %% of the records are prepared. Filters are right all the while, only slower.") % {
        "percent": percent
    }


def _claiming_text(sort: Sort, definition: PropertyDefinition) -> str:
    if not definition.has_unique_value:
        return ""
    if definition.claimed_at:
        return _("A value that one record has can't be given to another.")
    percent = filterable.progress(sort.object_type, definition.claimed_to)
    return _(
        "%(percent)s %% of the records are looked at. Until all are, workflows don't find records by it."
    ) % {"percent": percent}


def _twins_text(number: int) -> str:
    """What ended the last try, where somebody gave several records a value meanwhile."""
    if not number:
        return ""
    return ngettext(
        "It was given up: %(num)s value is that of several records.",
        "It was given up: %(num)s values are those of several records.",
        number,
    ) % {"num": number}


@require_GET
def new(request: AccountRequest, key: str) -> HttpResponse:
    return _form(request, allowed(request, key), PropertyForm(options=FIRST_OPTIONS))


@require_POST
def add(request: AccountRequest, key: str) -> HttpResponse:
    sort = allowed(request, key)
    typed = _typed(request)
    try:
        kind, field_type = kinds.offered(typed.type)
        name = typed.name or properties.suggested_name(typed.label)
        made = properties.create(
            sort.object_type, name, typed.label, kind, field_type=field_type, group=typed.group, description=typed.description,
            options=_options(typed) if kind in kinds.CHOICES else (), is_filterable=typed.is_filterable,
            has_unique_value=typed.is_unique, by=Actor.user(request.user.pk),
        )  # fmt: skip
    except (Invalid, Conflict) as refusal:
        return _form(request, sort, _with_rows(typed), status_of(refusal), refusal=refusal)
    messages.success(request, _("The property “%(label)s” is there.") % {"label": made.label})
    return redirect("properties", key)


def _typed(request: AccountRequest) -> PropertyForm:
    form = request.POST
    rows = forms.rows(form, ("label", "value", "tone", "hidden"), first="label")
    return PropertyForm(
        label=form.get("label", ""), name=form.get("name", "").strip(), type=form.get("type", ""), group=form.get("group", ""),
        description=form.get("description", ""), is_filterable=form.get("is_filterable") == "1",
        is_unique=form.get("is_unique") == "1",
        options=tuple(_option(row) for row in forms.moved(rows, form.get("move", ""))),
    )  # fmt: skip


def _option(row: Row) -> OptionLine:
    given = row.fields
    return OptionLine(row.key, given["label"], given["value"], given["tone"], given["hidden"] == "1", row.key.startswith("was"))  # fmt: skip


def _options(typed: PropertyForm) -> list[dict[str, Any]]:
    """Options as they are stored; new rows that were left empty are none, and what has no value takes its label's."""
    return [
        {"value": one.value or one.label, "label": one.label, "tone": one.tone, "hidden": one.is_hidden}
        for one in typed.options if one.is_stored or one.label or one.value
    ]  # fmt: skip


def _with_rows(typed: PropertyForm) -> PropertyForm:
    return typed if typed.options else replace(typed, options=FIRST_OPTIONS)


def _stored(definition: PropertyDefinition) -> PropertyForm:
    return PropertyForm(
        label=definition.label, name=definition.name, type=f"{definition.kind}:{definition.field_type}", group=definition.group,
        description=definition.description, is_filterable=definition.is_filterable,
        is_unique=definition.has_unique_value,
        options=tuple(
            OptionLine(f"was{place}", one["label"], one["value"], one.get("tone", ""), bool(one.get("hidden")), True)
            for place, one in enumerate(definition.options)
        ),
    )  # fmt: skip


@require_GET
def edit(request: AccountRequest, key: str, property_id: int) -> HttpResponse:
    sort = allowed(request, key)
    definition = _definition(sort, property_id)
    return _form(request, sort, _stored(definition), definition=definition)


@require_POST
def save(request: AccountRequest, key: str, property_id: int) -> HttpResponse:
    sort = allowed(request, key)
    definition = _definition(sort, property_id)
    typed = replace(_typed(request), name=definition.name)
    changes: dict[str, Any] = {"label": typed.label, "group": typed.group, "description": typed.description}
    if Kind(definition.kind) in kinds.CHOICES:
        changes["options"] = _options(typed)
    if typed.is_filterable != definition.is_filterable:
        changes["is_filterable"] = typed.is_filterable
    try:
        if (
            definition.field_type in properties.UNIQUE_TYPES
            and typed.is_unique != definition.has_unique_value
        ):
            changes["has_unique_value"] = _unique(request, definition, typed.is_unique)
        properties.update(definition, by=Actor.user(request.user.pk), **changes)
    except Invalid as refusal:
        return _form(request, sort, typed, 422, definition=_definition(sort, property_id), refusal=refusal)
    messages.success(request, _("The property is saved."))
    return redirect("property", key, property_id)


def _unique(request: AccountRequest, definition: PropertyDefinition, is_unique: bool) -> bool:
    """Raises Invalid where records share values, or workflows need that they don't."""
    if is_unique:
        claiming.refuse_twins(definition, request.viewer)
    elif users := hooks.finding_by(definition.account_id, definition.object_type, definition.name):
        raise Invalid(
            _("Workflows find records by it when they are called: %(names)s.") % {"names": ", ".join(one.name for one in users)},
            field="has_unique_value", value=False, hint=_("Let them find records by another property first."),
        )  # fmt: skip
    return is_unique


@require_GET
def ask_archive(request: AccountRequest, key: str, property_id: int) -> HttpResponse:
    """What would miss it, first."""
    sort = allowed(request, key)
    definition = _definition(sort, property_id)
    return show(
        request, sort, "archive", label=definition.label, dependents=usage.of_property(request.viewer, request.account, sort.object_type, definition.name),
        action_url=reverse("property-archived", args=[key, property_id]), back_url=reverse("property", args=[key, property_id]),
    )  # fmt: skip


@require_POST
def archive(request: AccountRequest, key: str, property_id: int) -> HttpResponse:
    sort = allowed(request, key)
    definition = _definition(sort, property_id)
    properties.archive(sort.object_type, definition.name, by=Actor.user(request.user.pk))
    messages.success(request, _("The property is archived. Its values stay."))
    return redirect("properties", key)


@require_POST
def restore(request: AccountRequest, key: str, property_id: int) -> HttpResponse:
    sort = allowed(request, key)
    definition = _definition(sort, property_id, archived=True)
    properties.restore(sort.object_type, definition.name, by=Actor.user(request.user.pk))
    messages.success(request, _("The property is in use again."))
    return redirect("property", key, property_id)


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _groups(
    request: AccountRequest, sort: Sort, lines: Iterable[GroupLine], status: int = 200, error: str = ""
) -> HttpResponse:
    return show(
        request, sort, "groups", status, lines=tuple(lines), error=error, main=_main_label(sort),
        save_url=reverse("property-groups-save", args=[sort.key]),
    )  # fmt: skip


def _group_lines(sort: Sort) -> tuple[GroupLine, ...]:
    inside = [prop.group for prop in properties_of(sort.object_type).values() if prop.is_custom]
    return tuple(
        GroupLine(str(one.pk), one.label, inside.count(one.name))
        for one in groups.groups_of(sort.object_type)
    )


@require_GET
def property_groups(request: AccountRequest, key: str) -> HttpResponse:
    sort = allowed(request, key)
    return _groups(request, sort, _group_lines(sort))


@require_POST
def save_groups(request: AccountRequest, key: str) -> HttpResponse:
    """Names, order and new groups; a group that is not sent, or whose button was pressed, goes."""
    sort = allowed(request, key)
    found = forms.moved(forms.rows(request.POST, ("label",), first="label"), request.POST.get("move", ""))
    found = [row for row in found if row.key != request.POST.get("remove")]
    try:
        groups.arrange(
            sort.object_type, [(row.id, row.fields["label"]) for row in found], by=Actor.user(request.user.pk)
        )
    except (Invalid, Conflict) as refusal:
        lines = (GroupLine(row.key, row.fields["label"]) for row in found)
        shown = lines if isinstance(refusal, Invalid) else _group_lines(sort)
        return _groups(request, sort, shown, status_of(refusal), words_of(refusal))
    messages.success(request, _("The groups are saved."))
    return redirect("property-groups", key)

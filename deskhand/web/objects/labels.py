"""The labels of links between one kind of record and the others: making, renaming, deleting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import labeling
from deskhand.crm.schema import association_labels, object_types
from deskhand.crm.schema.association_labels import Label
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.web.choices import Choice
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.properties import allowed, show
from deskhand.web.objects.rows import LabelGroup, LabelLine
from deskhand.web.objects.tabs import Sort, sort_for, sort_of
from deskhand.web.refusals import status_of, words_of
from deskhand.web.segments.common import use_lines


@require_GET
def overview(request: AccountRequest, key: str) -> HttpResponse:
    return _page(request, allowed(request, key))


def _page(
    request: AccountRequest,
    sort: Sort,
    status: int = 200,
    *,
    new: Mapping[str, str] | None = None,
    refused: tuple[int, Mapping[str, Any]] | None = None,
    error: str = "",
    field: str = "",
) -> HttpResponse:
    """`new` is what was typed for one more and refused; `refused` the number of a label, and what of its line differs by that."""
    new = {"to": sort.object_type, "label": "", "inverse": ""} | dict(new or {})
    return show(
        request, sort, "labels", status, tab="labels", groups=tuple(_groups(sort, refused)), new=new, error=error, field=field,
        add_url=reverse("object-label-add", args=[sort.key]),
        kinds=tuple(Choice(kind, sort_for(kind).singular, kind == new["to"]) for kind in _linkable(sort)),
    )  # fmt: skip


def _linkable(sort: Sort) -> list[str]:
    return [kind for kind in object_types.every() if association_labels.may_link(sort.object_type, kind)]


def _groups(sort: Sort, refused: tuple[int, Mapping[str, Any]] | None) -> Iterable[LabelGroup]:
    counts = labeling.how_many(sort.object_type)
    for kind in _linkable(sort):
        other = sort_for(kind)
        found = association_labels.labels_of(sort.object_type, kind)
        lines = (_line(sort, other, label, counts.get((kind, label.type_id), 0)) for label in found)
        if found:
            shown = tuple(
                replace(line, **refused[1]) if refused and line.id == refused[0] else line for line in lines
            )
            yield LabelGroup(f"{sort.label} – {other.label}", other.icon, shown)


def _line(sort: Sort, other: Sort, label: Label, count: int) -> LabelLine:
    if not label.is_own:
        return LabelLine(label.type_id, _(label.label), "", label.name)
    links = ngettext("%(num)s link", "%(num)s links", count) % {"num": number_format(count)}
    args = [sort.key, other.key, label.type_id]
    return LabelLine(
        label.type_id, label.label, association_labels.inverse_of(label).label if label.is_paired else "", label.name, links,
        reverse("object-label-save", args=args), reverse("object-label-delete", args=args),
    )  # fmt: skip


@require_POST
def add(request: AccountRequest, key: str) -> HttpResponse:
    sort, form = allowed(request, key), request.POST
    typed = {name: form.get(name, "").strip() for name in ("to", "label", "inverse")}
    try:
        association_labels.create(
            sort.object_type, typed["to"], typed["label"], typed["inverse"], by=Actor.user(request.user.pk)
        )
    except (Invalid, Conflict) as refusal:
        field = refusal.field if isinstance(refusal, Invalid) else "label"
        return _page(request, sort, status_of(refusal), new=typed, error=words_of(refusal), field=field)
    messages.success(request, _("The label is there."))
    return redirect("object-labels", key)


def _found(request: AccountRequest, key: str, other: str, type_id: int) -> tuple[Sort, Sort, Label]:
    """Raises NotFound."""
    sort, to = allowed(request, key), sort_of(other)
    return sort, to, association_labels.find(sort.object_type, to.object_type, type_id)


@require_POST
def save(request: AccountRequest, key: str, other: str, type_id: int) -> HttpResponse:
    sort, to, label = _found(request, key, other, type_id)
    typed = [request.POST.get(name, "").strip() for name in ("label", "inverse")]
    try:
        association_labels.rename(
            sort.object_type, to.object_type, type_id, *typed, by=Actor.user(request.user.pk)
        )
    except Invalid as refusal:
        differs = {
            "label": typed[0], "inverse": typed[1] if label.is_paired else "", "error": words_of(refusal), "error_field": refusal.field,
        }  # fmt: skip
        return _page(request, sort, status_of(refusal), refused=(type_id, differs))
    messages.success(request, _("The label is saved."))
    return redirect("object-labels", key)


@require_GET
def ask_delete(request: AccountRequest, key: str, other: str, type_id: int) -> HttpResponse:
    """What would miss it, first."""
    return _deletion(request, *_found(request, key, other, type_id))


def _deletion(
    request: AccountRequest, sort: Sort, to: Sort, label: Label, status: int = 200, error: str = ""
) -> HttpResponse:
    uses = labeling.used_by([label]).get(label.type_id, ())
    count = labeling.how_many(sort.object_type, label.type_id)[to.object_type, label.type_id]
    args = [sort.key, to.key, label.type_id]
    text = ngettext("%(num)s link bears it.", "%(num)s links bear it.", count)
    return show(
        request, sort, "label_delete", status, tab="labels", label=label.label, uses=use_lines(request.viewer, uses), error=error,
        count_text=text % {"num": number_format(count)} if count else "",
        action_url=reverse("object-label-deleted", args=args), back_url=reverse("object-labels", args=[sort.key]),
    )  # fmt: skip


@require_POST
def delete(request: AccountRequest, key: str, other: str, type_id: int) -> HttpResponse:
    sort, to, label = _found(request, key, other, type_id)
    try:
        labeling.delete(sort.object_type, to.object_type, type_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        return _deletion(request, sort, to, label, status_of(refusal), words_of(refusal))
    messages.success(request, _("The label is deleted."))
    return redirect("object-labels", key)

"""Changing segments: making, renaming, archiving, putting records in and taking them out."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import segment_reading as reading
from deskhand.crm.segments import members, segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web import ticked
from deskhand.web.choices import Choice, offered
from deskhand.web.contacts.words import KINDS as PEOPLE
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.kinds import record_url
from deskhand.web.refusals import words_of
from deskhand.web.segments.common import (
    KINDS,
    find,
    lines,
    plural,
    require_editing,
    show,
    types_of,
)
from deskhand.web.segments.rows import AddPage, NewPage, RenamePage
from deskhand.web.segments.views import TEXT, page_of

ABOUT = {
    SegmentKind.FILTER: gettext_lazy("Whoever meets your filters is in it, and leaves it when that ends."),
    SegmentKind.STATIC: gettext_lazy("You choose who is in it; workflows can do so too."),
}


def actor(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


# ── new ones, names ──────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    require_editing(request)
    given = request.GET
    return show(
        request,
        "new",
        _new_page(request, given.get("name", ""), given.get("type", ""), given.get("kind", "")),
    )


def _new_page(
    request: AccountRequest, name: str, object_type: str, kind: str, refusal: Invalid | None = None
) -> NewPage:
    types = types_of(request.viewer)
    chosen = kind if kind in set(SegmentKind) else SegmentKind.FILTER.value
    return NewPage(
        name[: segments.NAME], offered(((one, plural(one)) for one in types), object_type or types[0]),
        tuple((Choice(one.value, str(KINDS[one][0]), one.value == chosen), str(ABOUT[one])) for one in (SegmentKind.FILTER, SegmentKind.STATIC)),
        words_of(refusal) if refusal else "", refusal.field if refusal else "",
    )  # fmt: skip


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    """One that is filled by hand is made; the filters of the other are chosen first."""
    require_editing(request)
    name, object_type, kind = (request.POST.get(field, "") for field in ("name", "type", "kind"))
    try:
        if object_type not in types_of(request.viewer):
            raise Invalid(_("Choose the records."), field="type", value=object_type[:40])
        if kind not in set(SegmentKind):
            raise Invalid(_("Choose how it is filled."), field="kind", value=kind[:40])
        if kind == SegmentKind.FILTER:
            segments.require_name(name)
            return redirect(
                f"{reverse('segment-build')}?{urlencode({'type': object_type, 'name': name.strip()})}"
            )
        made = segments.create(object_type, name, SegmentKind.STATIC, by=actor(request))
    except Invalid as refusal:
        return show(request, "new", _new_page(request, name, object_type, kind, refusal), 422)
    return redirect("segment-add", made.pk)


@require_GET
def rename(request: AccountRequest, segment_id: int) -> HttpResponse:
    require_editing(request)
    found = find(request, segment_id)
    return show(request, "rename", _rename_page(found, found.name))


def _rename_page(segment: Segment, name: str, error: str = "") -> RenamePage:
    return RenamePage(
        _("Rename “%(segment)s”") % {"segment": segment.name}, reverse("segment-renamed", args=[segment.pk]),
        reverse("segment", args=[segment.pk]), name[: segments.NAME], error,
    )  # fmt: skip


@require_POST
def renamed(request: AccountRequest, segment_id: int) -> HttpResponse:
    require_editing(request)
    found, name = find(request, segment_id), request.POST.get("name", "")
    try:
        segments.rename(segment_id, name, by=actor(request))
    except Invalid as refusal:
        return show(request, "rename", _rename_page(found, name, words_of(refusal)), 422)
    messages.success(request, _("Saved"))
    return redirect("segment", segment_id)


@require_POST
def archive(request: AccountRequest, segment_id: int) -> HttpResponse:
    """What asks for the segment is told, and it stays (409)."""
    require_editing(request)
    found = find(request, segment_id)
    try:
        segments.archive(segment_id, by=actor(request))
    except Conflict as refusal:
        return show(request, "segment", page_of(request, found, words_of(refusal)), refusal.status)
    messages.success(request, _("“%(segment)s” is archived.") % {"segment": found.name})
    return redirect("segments")


# ── who is in it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _fillable(request: AccountRequest, segment_id: int) -> Segment:
    require_editing(request)
    found = find(request, segment_id)
    if found.kind != SegmentKind.STATIC:
        raise NotFound(_("There is no such page."))
    return found


@require_GET
def choose(request: AccountRequest, segment_id: int) -> HttpResponse:
    return show(request, "add", _add_page(request, _fillable(request, segment_id)))


def _add_page(request: AccountRequest, segment: Segment) -> AddPage:
    text = request.GET.get("q", "").strip()[:TEXT]
    page = reading.others(request.viewer, segment, text=text) if text else reading.Page(())
    return AddPage(
        _("Add to “%(segment)s”") % {"segment": segment.name}, reverse("segment-add", args=[segment.pk]),
        reverse("segment-added", args=[segment.pk]), reverse("segment", args=[segment.pk]), text,
        tuple(replace(line, url=record_url(segment.object_type, line.id)) for line in lines(segment, page.rows)),
        bool(page.following), segment.object_type == "contact",
    )  # fmt: skip


@require_POST
def added(request: AccountRequest, segment_id: int) -> HttpResponse:
    """Chosen records (`ids`), or contacts by their `addresses`. Addresses that are nobody's stay in the form."""
    found = _fillable(request, segment_id)
    if "addresses" in request.POST and found.object_type == "contact":
        return _by_addresses(request, found, request.POST["addresses"])
    new = members.add(segment_id, _chosen(request, found), by=actor(request))
    messages.success(request, added_words(len(new)))
    return redirect("segment", segment_id)


def _by_addresses(request: AccountRequest, segment: Segment, text: str) -> HttpResponse:
    asked = addresses_in(text)
    if not asked or len(asked) > reading.MOST:
        error = _("Paste up to %(count)s email addresses.") % {"count": reading.MOST}
        return show(request, "add", replace(_add_page(request, segment), addresses=text, error=error), 422)
    ids, unknown = reading.of_addresses(request.viewer, asked)
    new = members.add(segment.pk, ids, by=actor(request))
    if not unknown:
        messages.success(request, added_words(len(new)))
        return redirect("segment", segment.pk)
    note = added_words(len(new)) if new else ""
    error = ngettext(
        "%(num)s address belongs to no contact. It is still below.",
        "%(num)s addresses belong to no contact. They are still below.",
        len(unknown),
    ) % {"num": len(unknown)}
    page = replace(_add_page(request, segment), addresses="\n".join(unknown), note=note, error=error)
    return show(
        request, "add", page
    )  # what answers with an error changes nothing; those that are known are added


def addresses_in(text: str) -> list[str]:
    """The addresses of a list as people paste it: a line each, or with commas, with names or without."""
    return list(
        dict.fromkeys(found.lower() for found in re.findall(r"[^\s,;<>\"'()]+@[^\s,;<>\"'()]+", text))
    )


def _chosen(request: AccountRequest, segment: Segment) -> list[int]:
    return reading.in_reach(request.viewer, segment.object_type, ticked.ids_of(request.POST))


@require_POST
def remove(request: AccountRequest, segment_id: int) -> HttpResponse:
    found = _fillable(request, segment_id)
    gone = members.remove(segment_id, _chosen(request, found), by=actor(request))
    messages.success(
        request, ngettext("%(num)s record removed", "%(num)s records removed", len(gone)) % {"num": len(gone)}
    )
    return redirect("segment", segment_id)


@require_POST
def add_to(request: AccountRequest) -> HttpResponse:
    """From a list: put what is chosen there (`ids`) into `segment`, and go back to the list or the record (`back`)."""
    require_editing(request)
    segment_id = whole(request.POST.get("segment", ""))
    if segment_id is None:
        raise Invalid(_("Choose a segment."), field="segment")
    found = find(request, segment_id)
    new = members.add(segment_id, _chosen(request, found), by=actor(request))
    words = ngettext(
        "%(num)s record added to “%(segment)s”", "%(num)s records added to “%(segment)s”", len(new)
    )
    messages.success(request, words % {"num": len(new), "segment": found.name})
    return redirect(_back(request, found))


def _back(request: AccountRequest, segment: Segment) -> str:
    """To the record, where it is one of these; else to the list."""
    record_id = whole(request.POST.get("back", ""))
    kind = PEOPLE.get(segment.object_type)
    if kind is None:
        return reverse("segment", args=[segment.pk])
    return kind.url("", record_id) if record_id is not None else kind.url("s")


def added_words(count: int) -> str:
    return ngettext("%(num)s record added", "%(num)s records added", count) % {"num": count}

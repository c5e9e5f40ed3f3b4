"""The filters of a segment: chosen in the bar, whose state is the address, and saved by a form."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records.selecting import require_in_reach
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import condition_of
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.filters.choosing import Choosing, saved
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.segments.common import find, plural, require_editing, show, types_of
from deskhand.web.segments.rows import BuildPage


class Building(Choosing):
    """The filters of a new segment, or of one that is there."""

    def __init__(
        self, request: AccountRequest, given: QueryDict, object_type: str, segment: Segment | None, name: str
    ) -> None:
        self.segment, self.name = segment, name
        path = reverse("segment-filters", args=[segment.pk]) if segment else reverse("segment-build")
        parts = {"editor": reverse("segment-editor"), "count": reverse("segment-count")}
        super().__init__(request, given, object_type, path, parts)

    def page(self, refusal: Invalid | None = None, error: str = "") -> BuildPage:
        fields = (self.field(), ("type", self.object_type), ("name", self.name))
        title, save, back = _("New segment"), reverse("segment-built"), self._back()
        if self.segment:
            title = _("Filters of “%(segment)s”") % {"segment": self.segment.name}
            save, back = (
                reverse("segment-changed", args=[self.segment.pk]),
                reverse("segment", args=[self.segment.pk]),
            )
        return BuildPage(
            title if self.segment else self.name,
            _("%(records)s that meet these filters are in the segment, and leave it when they don't.") % {"records": plural(self.object_type)},
            self.bar.bar(refusal), save, back, fields, self.count().words, bool(self.bar.groups), error,
        )  # fmt: skip

    def _back(self) -> str:
        asked = {"name": self.name, "type": self.object_type, "kind": SegmentKind.FILTER.value}
        return f"{reverse('segment-new')}?{urlencode(asked)}"


def _type_of(request: AccountRequest, given: QueryDict) -> str:
    """Raises NotFound for records that the viewer may not see."""
    wanted = given.get("type", "")
    if wanted not in types_of(request.viewer):
        raise NotFound(_("There are no such records."))
    return wanted


def _new(request: AccountRequest, given: QueryDict) -> Building:
    require_editing(request)
    return Building(request, given, _type_of(request, given), None, given.get("name", "")[: segments.NAME])


def _of(request: AccountRequest, given: QueryDict, segment_id: int) -> Building:
    require_editing(request)
    found = find(request, segment_id)
    if found.kind != SegmentKind.FILTER:
        raise NotFound(_("There is no such page."))
    return Building(request, given, found.object_type, found, found.name)


@require_GET
def begin(request: AccountRequest) -> HttpResponse:
    return _answer(request, _new(request, request.GET))


@require_GET
def change(request: AccountRequest, segment_id: int) -> HttpResponse:
    """Begins with the filters as they are saved; from then on they stand in the address."""
    require_editing(request)
    found = find(request, segment_id)
    if "begun" not in request.GET and found.kind == SegmentKind.FILTER:
        asked = {"begun": str(segment_id), "type": found.object_type} | saved(
            condition_of(found), found.object_type
        )
        return redirect(f"{reverse('segment-filters', args=[segment_id])}?{urlencode(asked)}")
    return _answer(request, _of(request, request.GET, segment_id))


def _answer(request: AccountRequest, building: Building) -> HttpResponse:
    answer, refusal = building.bar.answer(request)
    return answer or show(request, "build", building.page(refusal), 422 if refusal else 200)


@require_POST
def built(request: AccountRequest) -> HttpResponse:
    building = _new(request, request.POST)
    try:
        require_in_reach(request.viewer, building.object_type, building.condition())
        made = segments.create(
            building.object_type, building.name, SegmentKind.FILTER, building.condition(), by=Actor.user(request.user.pk)
        )  # fmt: skip
    except Invalid as refusal:
        return show(request, "build", building.page(error=words_of(refusal)), 422)
    messages.success(request, _("The segment is made. Its members are being looked for."))
    return redirect("segment", made.pk)


@require_POST
def changed(request: AccountRequest, segment_id: int) -> HttpResponse:
    building = _of(request, request.POST, segment_id)
    try:
        require_in_reach(request.viewer, building.object_type, building.condition())
        segments.change_condition(segment_id, building.condition(), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return show(request, "build", building.page(error=words_of(refusal)), 422)
    messages.success(request, _("Saved. Its members are being looked for."))
    return redirect("segment", segment_id)


def _begun(request: AccountRequest) -> Building:
    """What a part of the page is about: a segment that is there, or a new one."""
    segment_id = whole(request.GET.get("begun", ""))
    return _new(request, request.GET) if segment_id is None else _of(request, request.GET, segment_id)


@require_GET
def editor(request: AccountRequest) -> HttpResponse:
    """The form of one filter again, for another way to compare."""
    return render(request, "filters/editor_fragment.html", {"bar": _begun(request).bar.bar()})


@require_GET
def count(request: AccountRequest) -> HttpResponse:
    """How many meet the filters with what stands in the form."""
    return render(request, "segments/fragments/count.html", {"text": _begun(request).typed_count().words})

"""The filters of a segment: chosen in the bar, whose state is the address, and saved by a form."""

from __future__ import annotations

from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.filters.types import Condition
from deskhand.crm.records import selecting
from deskhand.crm.records.selecting import CAP, Selection, require_in_reach
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import condition_of
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.filters import editing
from deskhand.web.filters.bar import BarOf
from deskhand.web.filters.words import Words
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.segments.common import find, plural, require_editing, show, types_of
from deskhand.web.segments.rows import BuildPage


class Building:
    """The filters in an address, of a new segment or of one that is there."""

    def __init__(
        self, request: AccountRequest, given: QueryDict, object_type: str, segment: Segment | None, name: str
    ) -> None:
        self.request, self.object_type, self.segment, self.name = request, object_type, segment, name
        path = reverse("segment-filters", args=[segment.pk]) if segment else reverse("segment-build")
        parts = {"editor": reverse("segment-editor"), "count": reverse("segment-count")}
        self.bar = BarOf(Words(request.viewer, object_type), given, path, parts)

    def condition(self) -> Condition:
        return editing.condition(self.bar.groups, self.object_type)

    def count(self, groups: editing.Groups) -> str:
        """How many records of the viewer's reach meet them, in words; "" where that can't be asked."""
        if not groups:
            return ""
        asked = editing.condition(groups, self.object_type)
        zone = ZoneInfo(self.request.account.zone)
        try:
            found = selecting.count(self.request.viewer, Selection(self.object_type, zone, condition=asked))
        except Invalid as refusal:
            return words_of(refusal)
        return count_words(found)

    def page(self, refusal: Invalid | None = None, error: str = "") -> BuildPage:
        fields = [
            ("f", editing.write(self.bar.groups, self.object_type)),
            ("type", self.object_type),
            ("name", self.name),
        ]
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
            self.bar.bar(refusal), save, back, tuple(fields), self.count(self.bar.groups), bool(self.bar.groups), error,
        )  # fmt: skip

    def _back(self) -> str:
        asked = {"name": self.name, "type": self.object_type, "kind": SegmentKind.FILTER.value}
        return f"{reverse('segment-new')}?{urlencode(asked)}"


def count_words(found: int) -> str:
    if found >= CAP:
        return _("999+ records match now")
    return ngettext("%(num)s record matches now", "%(num)s records match now", found) % {"num": found}


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
        asked = {"begun": str(segment_id), "type": found.object_type} | _saved(found)
        return redirect(f"{reverse('segment-filters', args=[segment_id])}?{urlencode(asked)}")
    return _answer(request, _of(request, request.GET, segment_id))


def _saved(segment: Segment) -> dict[str, str]:
    try:
        groups = editing.groups_of(condition_of(segment), segment.object_type)
    except Invalid:
        return {}  # made elsewhere, in a way that the bar can't show
    return {"f": editing.write(groups, segment.object_type)}


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
    building = _begun(request)
    try:
        text = building.count(building.bar.applied())
    except Invalid as refusal:
        text = words_of(refusal)
    return render(request, "segments/fragments/count.html", {"text": text})

"""Looking at segments: all of them, one with its members, and why a record is in one."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.crm.filters.types import AllOf, AnyOf, Condition
from deskhand.crm.records import segment_reading as reading
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import condition_of
from deskhand.kernel import clock
from deskhand.kernel.errors import DeskhandError, Invalid
from deskhand.web import gone
from deskhand.web.choices import offered
from deskhand.web.filters import editing
from deskhand.web.filters.words import Words
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.segments.common import (
    KINDS,
    find,
    lines,
    members_text,
    plural,
    show,
    types_of,
    use_lines,
)
from deskhand.web.segments.rows import Line, ListPage, Reason, SegmentPage, WhyPage

TEXT = 200  # letters of a search
ADDRESSES = {
    "contact": gettext_lazy("Email"),
    "company": gettext_lazy("Domain"),
    "ticket": gettext_lazy("Number"),
}


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    types = types_of(request.viewer)
    wanted, text = request.GET.get("type", ""), request.GET.get("q", "").strip()[:TEXT]
    known = [
        one
        for kind in types
        if wanted in ("", kind)
        for one in segments.of_type(kind)
        if text.casefold() in one.name.casefold()
    ]
    known.sort(key=lambda one: one.name.casefold())
    sizes = reading.sizes(request.viewer, known)
    uses = segments.used_by([one.pk for one in known])
    may_edit = policy.can(request.viewer, Action.EDIT_SEGMENTS)
    page = ListPage(
        tuple(
            Line(
                one.pk, one.name, reverse("segment", args=[one.pk]), plural(one.object_type), str(KINDS[SegmentKind(one.kind)][0]),
                KINDS[SegmentKind(one.kind)][1], str(sizes[one.pk]), use_lines(request.viewer, uses.get(one.pk, ())), one.changed_at,
                _problem(one), one.filled_at is None,
            )
            for one in known
        ),
        offered([("", _("All records")), *((kind, plural(kind)) for kind in types)], wanted), text,
        reverse("segment-new") if may_edit else "",
    )  # fmt: skip
    return show(request, "list", page)


def _problem(segment: Segment) -> str:
    if not segment.problem:
        return gone.said_of(segments.condition_of(segment), segment.object_type)
    return _("Its filters ask for something that is not there any more. Its members stay as they were: %(problem)s") % {
        "problem": segment.problem
    }  # fmt: skip


@require_GET
def segment(request: AccountRequest, segment_id: int) -> HttpResponse:
    """`q` looks for members, `after` goes on in the list."""
    found = find(request, segment_id)
    page = page_of(request, found)
    if wants_fragment(request):
        template = "more" if request.GET.get("after") else "members"
        return render(request, f"segments/fragments/{template}.html", {"page": page})
    return show(request, "segment", page)


def page_of(request: AccountRequest, found: Segment, error: str = "") -> SegmentPage:
    text = request.GET.get("q", "").strip()[:TEXT]
    members = reading.members(request.viewer, found, text=text, after=request.GET.get("after", ""))
    url = reverse("segment", args=[found.pk])
    following = {"q": text, "after": members.following}
    label, icon = KINDS[SegmentKind(found.kind)]
    is_static = found.kind == SegmentKind.STATIC
    page = SegmentPage(
        found.pk, found.name, url, members_text(reading.sizes(request.viewer, [found])[found.pk]), plural(found.object_type), str(label),
        icon, _sentence(request, found), _problem(found), found.filled_at is None,
        use_lines(request.viewer, segments.used_by([found.pk]).get(found.pk, ())), lines(found, members.rows),
        f"{url}?{urlencode({name: value for name, value in following.items() if value})}" if members.following else "", text,
        is_static, str(ADDRESSES.get(found.object_type, "")), error=error,
    )  # fmt: skip
    if not policy.can(request.viewer, Action.EDIT_SEGMENTS):
        return page
    args = [found.pk]
    return replace(
        page, rename_url=reverse("segment-rename", args=args), archive_url=reverse("segment-archive", args=args),
        add_url=reverse("segment-add", args=args) if is_static else "", remove_url=reverse("segment-remove", args=args) if is_static else "",
        filters_url="" if is_static else reverse("segment-filters", args=args),
    )  # fmt: skip


def _groups(condition: Condition) -> list[list[Condition]]:
    """Groups of which one must hold, as far as the condition is made so."""
    parts = condition.parts if isinstance(condition, AnyOf) else (condition,)
    return [list(part.parts) if isinstance(part, AllOf) else [part] for part in parts]


def _sentence(request: AccountRequest, segment: Segment) -> tuple[tuple[str, ...], ...]:
    if segment.kind == SegmentKind.STATIC:
        return ()
    words = Words(request.viewer, segment.object_type)
    return tuple(
        tuple(said(words, part, segment.object_type) for part in group)
        for group in _groups(condition_of(segment))
    )


def said(words: Words, part: Condition, object_type: str) -> str:
    """One filter as a sentence, of an activity all that it must meet; what the viewer may not filter by, or what no form makes, in few words."""
    try:
        (items,) = editing.groups_of(AnyOf((AllOf((part,)),)), object_type)
        return pgettext("between filters that must hold", " and ").join(
            words.sentence(item) for item in items
        )
    except (DeskhandError, ValueError):
        return _("A filter that you may not see")


@require_GET
def why(request: AccountRequest, segment_id: int, record_id: int) -> HttpResponse:
    """Which of the filters a member meets now."""
    found = find(request, segment_id)
    member = reading.member(request.viewer, found, record_id)
    words = Words(request.viewer, found.object_type)
    groups = _groups(condition_of(found)) if found.kind == SegmentKind.FILTER else []
    parts = [part for group in groups for part in group]
    try:
        zone = ZoneInfo(request.account.zone)
        holding = iter(reading.which_hold(found, parts, record_id, clock.now(), zone) if parts else ())
    except Invalid:
        groups, holding = [], iter(())
    page = WhyPage(
        title=_("Why “%(record)s” is in “%(segment)s”") % {"record": member.name, "segment": found.name},
        back_url=reverse("segment", args=[found.pk]), back_label=found.name, record=lines(found, [member])[0],
        how=_("It meets the filters of this segment.") if groups else _problem(found) or _("It was put there."),
        groups=tuple(tuple(Reason(said(words, part, found.object_type), next(holding)) for part in group) for group in groups),
    )  # fmt: skip
    return show(request, "why", page)

"""What the screens of segments share: who may open them, and how things are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import policy, queries
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.records.segment_reading import Member
from deskhand.crm.schema import object_types
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import Segment, SegmentKind
from deskhand.crm.segments.segments import BUILT_IN, Use
from deskhand.kernel.errors import Forbidden, NotFound
from deskhand.web.contacts.lists import named
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.kinds import record_url
from deskhand.web.segments.rows import MemberLine, UseLine

AREA = "contacts"
KINDS = {
    SegmentKind.FILTER: (gettext_lazy("By filter"), "list-filter"),
    SegmentKind.STATIC: (gettext_lazy("Filled by hand"), "list"),
}
_SEVERAL = {
    "workflow": gettext_lazy("Workflow: %(name)s"),
    "view": gettext_lazy("View: %(name)s"),
    "segment": gettext_lazy("Segment: %(name)s"),
    "tag": gettext_lazy("Rule of the tag: %(name)s"),
    "portal": gettext_lazy("Settings: %(name)s"),
    "skill_rule": gettext_lazy("Skill rule: %(name)s"),
}


def types_of(viewer: Viewer) -> list[str]:
    """The kinds of record of which the viewer may see any. Raises Forbidden where there is none."""
    found = [one for one in (*BUILT_IN, *object_types.all_of_them()) if policy.reaches_any(viewer, one)]
    if not found:
        raise Forbidden(_("You don't have permission to do this."))
    return found


def require_editing(request: AccountRequest) -> None:
    types_of(request.viewer)
    policy.require(request.viewer, Action.EDIT_SEGMENTS)


def find(request: AccountRequest, segment_id: int) -> Segment:
    """Raises Forbidden for who may see no records at all, NotFound for a segment of others than they see."""
    types = types_of(request.viewer)
    segment = segments.find(segment_id)
    if segment.object_type not in types:
        raise NotFound(_("There is no such segment."))
    return segment


def show(request: AccountRequest, template: str, page: Any, status: int = 200) -> HttpResponse:
    context = {"shell": shell(request, area=AREA, view="segments"), "page": page}
    return render(request, f"segments/{template}.html", context, status=status)


def plural(object_type: str) -> str:
    return _(object_types.labels_of(object_type).plural)


def members_text(count: int) -> str:
    return ngettext("%(num)s member", "%(num)s members", count) % {"num": count}


def use_lines(viewer: Viewer, uses: Sequence[Use]) -> tuple[UseLine, ...]:
    """With the way there, for who may go it."""
    return tuple(UseLine(str(_SEVERAL[use.kind]) % {"name": use.name}, _url_of(viewer, use)) for use in uses)


def _url_of(viewer: Viewer, use: Use) -> str:
    if use.kind == "segment":
        return reverse("segment", args=[use.id])
    if use.kind == "workflow" and policy.can(viewer, Action.VIEW_WORKFLOWS):
        return reverse("workflow-details", args=[use.id])
    return ""


def lines(segment: Segment, members: Sequence[Member]) -> tuple[MemberLine, ...]:
    """As rows; who put them there by name."""
    users = queries.names_of(one.by_id for one in members if one.by_kind == "user" and one.by_id)
    is_static = segment.kind == SegmentKind.STATIC
    return tuple(
        MemberLine(
            one.id, named(one.name), "" if one.address == one.name else one.address, record_url(segment.object_type, one.id), one.since,
            by_words(one, users) if is_static else "",
            "" if is_static else reverse("segment-why", args=[segment.pk, one.id]),
        )
        for one in members
    )  # fmt: skip


def by_words(one: Member, users: dict[int, str]) -> str:
    if one.by_kind == "workflow":
        return _("A workflow")
    if one.by_kind == "user":
        return users.get(one.by_id or 0, _("Somebody who left"))
    return ""

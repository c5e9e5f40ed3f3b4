"""The kinds of records that have these screens: deals, projects, and the account's own."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema import object_types
from deskhand.kernel.errors import Forbidden, NotFound
from deskhand.web.objects.tabs import Sort, sort_for, sort_of
from deskhand.web.shell import SideLink, SideSection

ELSEWHERE = ("ticket", "contact", "company")


def kind_of(viewer: Viewer, key: str) -> Sort:
    """Raises NotFound for a kind without these screens, Forbidden for who may see no record of it."""
    kind = sort_of(key)
    if kind.object_type in ELSEWHERE:
        raise NotFound(_("There are no such records."))
    if not reaches_any(viewer, kind.object_type):
        raise Forbidden(_("You don't have permission to do this."))
    return kind


def may_make(viewer: Viewer, kind: Sort) -> bool:
    """Who may change some of them may make new ones."""
    return reaches_any(viewer, kind.object_type, Verb.EDIT)


def kinds(viewer: Viewer) -> list[Sort]:
    """All that the viewer may see any of."""
    types = ("deal", "project", *object_types.all_of_them())
    return [sort_for(one) for one in types if reaches_any(viewer, one)]


def area(kind: Sort) -> str:
    """In the rail."""
    return f"record-{kind.key}"


def url(kind: Sort, name: str = "record", *args: int | str) -> str:
    return reverse(name, args=[kind.key, *args])


def record_url(object_type: str, record_id: int) -> str:
    """The page of a record of any kind."""
    if object_type == "ticket":
        return reverse("inbox-ticket", args=["all-open", record_id])
    if object_type in ELSEWHERE:
        return reverse(object_type, args=[record_id])
    return url(sort_for(object_type), "record", record_id)


def pipeline_of(kind: Sort, asked: int | None) -> PipelineValue:
    """The pipeline that is asked for, else the default one. Raises NotFound."""
    found = pipelines_of(kind.object_type)
    if not kind.has_pipelines or not found.pipelines:
        raise NotFound(_("Records of this type stand in no pipeline."))
    if asked is None:
        return found.default
    named = next((one for one in found.pipelines if one.id == asked), None)
    if named is None:
        raise NotFound(_("There is no such pipeline."))
    return named


def sections(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    """The side of these screens; `current` is the key of a kind."""
    links = tuple(
        SideLink(kind.key, kind.label, kind.icon, url(kind, "records"), current=kind.key == current)
        for kind in kinds(viewer)
    )
    return (SideSection(_("Records"), links),) if links else ()

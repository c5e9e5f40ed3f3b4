"""Choosing what a record is linked to: the page, which contacts, companies and all other records share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.kernel.errors import Forbidden
from deskhand.web.choices import Choice
from deskhand.web.inbox import links
from deskhand.web.records.rows import LinkPage


@dataclass(frozen=True)
class Urls:
    """Of the page, of what links (POST kind, id and label), and of the record."""

    page: str
    link: str
    back: str


def link_page(
    viewer: Viewer, given: QueryDict, offered: Iterable[links.Kind], record: tuple[str, int],
    linked: Mapping[str, Collection[int]], name: str, urls: Urls,
) -> LinkPage:  # fmt: skip
    """What can be linked to `record`, the kind and id: of a `kind` of those that are offered, found by `q`.

    `linked`, by kind, is so already. Raises Forbidden for who may see none of the kinds.
    """
    object_type, record_id = record
    kinds = [one for one in offered if links.may_see_any(viewer, one)]
    asked = given.get("kind", "")
    chosen = next((one for one in kinds if one.key == asked), kinds[0] if kinds else None)
    if chosen is None:
        raise Forbidden(_("You don't have permission to do this."))
    text = given.get("q", "").strip()[: links.LONGEST]
    taken = {*linked.get(chosen.key, ()), *([record_id] if chosen.key == object_type else [])}
    ids = [pk for pk in (chosen.find(viewer, text) if text else []) if pk not in taken]
    return LinkPage(
        _("Link to %(name)s") % {"name": name}, urls.page, urls.link, urls.back, name, text,
        tuple(Choice(one.key, str(one.title), one is chosen) for one in kinds), links.lines(viewer, chosen, ids),
        links.label_choices(object_type, chosen.key),
    )  # fmt: skip

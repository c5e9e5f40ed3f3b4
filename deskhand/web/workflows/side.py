"""The side of these screens: all workflows, those that need a look, the archive, and the folders."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.types import Viewer
from deskhand.automation import folders, listing
from deskhand.web.shell import SideLink, SideSection
from deskhand.web.workflows import ways


def sections(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    """`current` is "all", "review", "archived", "folder-7" or "folders"."""
    counts = listing.counts(viewer.account_id)
    every = (
        _link("all", _("All workflows"), "workflow", ways.listed(), counts.every, current),
        _link("review", _("Needs a look"), "triangle-alert", reverse("workflows-review"), counts.review, current, asks=True),
        _link("archived", _("Archived"), "archive", ways.listed(state="archived"), counts.archived, current),
    )  # fmt: skip
    kept = [
        _link(f"folder-{one.pk}", one.name, "folder", ways.listed(folder=one.pk), counts.by_folder.get(one.pk, 0), current)
        for one in folders.every(viewer.account_id)
    ]  # fmt: skip
    if policy.can(viewer, policy.Action.EDIT_WORKFLOWS):
        kept.append(
            _link("folders", _("Manage folders"), "settings", reverse("workflow-folders"), 0, current)
        )
    both = (SideSection(_("Workflows"), every), SideSection(_("Folders"), tuple(kept)))
    return tuple(section for section in both if section.links)


def _link(
    key: str, label: str, icon: str, url: str, count: int, current: str, *, asks: bool = False
) -> SideLink:
    text = str(count) if count else ""
    return SideLink(key, label, icon, url, text, key == current, tone="amber" if asks and count else None)

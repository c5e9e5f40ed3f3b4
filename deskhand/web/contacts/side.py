"""The side of these screens: the lists of both kinds."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.types import Viewer
from deskhand.web.contacts.words import KINDS, LIST_ICONS
from deskhand.web.shell import SideLink, SideSection


def first_url(viewer: Viewer) -> str:
    """Where the rail leads; "" for who may see neither kind."""
    return next((kind.url("s") for kind in KINDS.values() if policy.reaches_any(viewer, kind.key)), "")


def sections(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    """`current` is a kind and a list of it, "contact-mine", or "segments"."""
    return (*_lists(viewer, current), *_segments(viewer, current))


def _segments(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    if not first_url(viewer):
        return ()
    link = SideLink("segments", _("Segments"), "boxes", reverse("segments"), current=current == "segments")
    return (SideSection(_("Groups of records"), (link,)),)


def _lists(viewer: Viewer, current: str) -> tuple[SideSection, ...]:
    return tuple(
        SideSection(
            str(kind.plural),
            tuple(
                SideLink(
                    f"{kind.key}-{which}", str(label) if which != "unassigned" else _("Without an owner"), LIST_ICONS[which],
                    kind.url("s") + ("" if which == "all" else f"?list={which}"), current=f"{kind.key}-{which}" == current,
                )
                for which, label in kind.lists.items()
            ),
        )
        for kind in KINDS.values()
        if policy.reaches_any(viewer, kind.key)
    )  # fmt: skip

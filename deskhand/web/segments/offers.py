"""Segments as other screens offer them."""

from __future__ import annotations

from collections.abc import Collection

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.web.choices import Choice, offered


def offered_for(viewer: Viewer, object_type: str, without: Collection[int] = ()) -> tuple[Choice, ...]:
    """Those that the viewer may put such records into."""
    if not policy.can(viewer, Action.EDIT_SEGMENTS):
        return ()
    found = segments.of_type(object_type, SegmentKind.STATIC)
    return offered((str(one.pk), one.name) for one in found if one.pk not in without)

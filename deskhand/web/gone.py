"""What is asked for and is deleted, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.crm.filters.types import Condition
from deskhand.crm.segments.segments import asks_for_gone_status
from deskhand.desk.custom_views import SavedView


def said_of(condition: Condition, object_type: str) -> str:
    """Of the filters of a segment or of a tag's rule (R-PIPE-10); empty where nothing is missing."""
    if not asks_for_gone_status(condition, object_type):
        return ""
    return _("Its filters ask for a status or a pipeline that was deleted. Choose another one.")


def lost_said(filters: Sequence[str]) -> str:
    """Of filters on what is not there any more, each as a sentence; empty for none."""
    text = ngettext(
        "This filter asks for something deleted: %(filters)s.",
        "These filters ask for something deleted: %(filters)s.",
        len(filters),
    )
    return text % {"filters": "; ".join(filters)} if filters else ""


def said(view: SavedView) -> str:
    """Of a saved view; empty where nothing is missing. A pipeline is the greater loss: nothing is found without it."""
    pipelines = [one.label for one in view.gone if one.kind == "pipeline"]
    statuses = [one.label for one in view.gone if one.kind == "status"]
    if pipelines:
        return _("The pipeline “%(name)s” is deleted, and this view asks for its tickets.") % {
            "name": _(pipelines[0])
        }
    if statuses:
        names = ", ".join(f"“{_(label)}”" for label in statuses)
        text = ngettext(
            "The status %(names)s is deleted, and this view asks for it.",
            "The statuses %(names)s are deleted, and this view asks for them.",
            len(statuses),
        )
        return text % {"names": names}
    return ""

"""Where the pages about one workflow are."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from deskhand.automation.models import Workflow


def editor(workflow: Workflow) -> str:
    """Where its steps are seen and changed: the Automate tab for a lane, else the editor."""
    if workflow.origin_pipeline_id is not None and workflow.origin_stage_id is not None:
        return f"{reverse('automate', args=[workflow.origin_pipeline_id])}#lane-{workflow.origin_stage_id}"
    try:
        return reverse("workflow-edit", args=[workflow.pk])
    except NoReverseMatch:
        return ""


def new() -> str:
    try:
        return reverse("workflow-new")
    except NoReverseMatch:
        return ""


def listed(**asked: object) -> str:
    return with_query("workflows", [], **asked)


def with_query(name: str, args: list[object], **asked: object) -> str:
    """An address with what is asked for; nothing is left out of it."""
    query = urlencode({key: value for key, value in asked.items() if value not in ("", None)})
    return reverse(name, args=args) + (f"?{query}" if query else "")

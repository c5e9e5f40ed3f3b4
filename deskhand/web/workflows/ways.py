"""Where the pages about one workflow are."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from deskhand.accounts.models import Account
from deskhand.accounts.types import Viewer
from deskhand.automation import access
from deskhand.automation.models import Workflow


def editor(workflow: Workflow) -> str:
    """Where its steps are seen and changed, a lane's too (R-ACT-2)."""
    return reverse("workflow-edit", args=[workflow.pk])


def seen(viewer: Viewer, account: Account, workflow_id: int) -> str:
    """Where a workflow is seen; empty for who may see none."""
    return reverse("workflow-edit", args=[workflow_id]) if access.may_open(viewer, account) else ""


def lane(workflow: Workflow) -> str:
    """The Automate tab with the lane, for who has no editor; empty for what is none."""
    if workflow.origin_pipeline_id is None or workflow.origin_stage_id is None:
        return ""
    return f"{reverse('automate', args=[workflow.origin_pipeline_id])}#lane-{workflow.origin_stage_id}"


def step_comments(workflow: Workflow, step_id: str, *, on_lane: bool) -> str:
    """The comments on a step: on the Automate tab, which opens them, or in the editor."""
    if on_lane:
        return f"{lane(workflow).partition('#')[0]}#comment-{workflow.origin_stage_id}-{step_id}"
    return reverse("workflow-edit-step-comments", args=[workflow.pk, step_id])


def new() -> str:
    return reverse("workflow-new")


def listed(**asked: object) -> str:
    return with_query("workflows", [], **asked)


def with_query(name: str, args: list[object], **asked: object) -> str:
    """An address with what is asked for; nothing is left out of it."""
    query = urlencode({key: value for key, value in asked.items() if value not in ("", None)})
    return reverse(name, args=args) + (f"?{query}" if query else "")

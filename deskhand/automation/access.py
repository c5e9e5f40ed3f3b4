"""Who sees workflows, and who may change which: a lane is its pipeline's, everything else an editor's."""

from __future__ import annotations

from django.utils.translation import gettext as _

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account
from deskhand.accounts.types import Viewer
from deskhand.automation.models import Workflow
from deskhand.kernel.errors import Forbidden, NotFound


def may_open(viewer: Viewer, account: Account) -> bool:
    """Whether workflows are there at all for somebody (R-ACT-42, R-WF-10)."""
    return plans.has_feature(account, plans.Feature.LANE_ACTIONS) and policy.can(
        viewer, policy.Action.VIEW_WORKFLOWS
    )


def require_open(viewer: Viewer, account: Account) -> None:
    """Raises Forbidden, with the reason."""
    policy.require(viewer, policy.Action.VIEW_WORKFLOWS)
    if not plans.has_feature(account, plans.Feature.LANE_ACTIONS):
        raise Forbidden(_("Your plan has the automations of pipelines, but no workflows of their own."))


def find(viewer: Viewer, workflow_id: int) -> Workflow:
    """A workflow of the viewer's account, archived ones too. Raises NotFound."""
    found = Workflow.objects.filter(account_id=viewer.account_id, pk=workflow_id).first()
    if found is None:
        raise NotFound(_("There is no such workflow."))
    return found


def may_edit(viewer: Viewer, workflow: Workflow) -> bool:
    return policy.can(viewer, _needed(workflow))


def require_edit(viewer: Viewer, workflow: Workflow) -> None:
    """Lanes ask for what their Automate tab asks for (R-ACT-40, R-ACT-41). Raises Forbidden."""
    policy.require(viewer, _needed(workflow))


def _needed(workflow: Workflow) -> policy.Action:
    if workflow.origin_pipeline_id is None:
        return policy.Action.EDIT_WORKFLOWS
    is_ticket = workflow.object_type == "ticket"
    return policy.Action.EDIT_LANES if is_ticket else policy.Action.EDIT_OBJECT_AUTOMATION


def may_archive(viewer: Viewer, workflow: Workflow) -> bool:
    """A lane goes with its last step; what stands alone takes the permission to delete."""
    return workflow.origin_pipeline_id is None and policy.can(viewer, policy.Action.DELETE_WORKFLOWS)

"""What the account's plan has of what workflows do (R-TIER-1). One that does more is off, and a lane's steps can only be
looked at and taken out (A34). And who may let run what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import plans
from deskhand.accounts.plans import Feature
from deskhand.accounts.types import Viewer
from deskhand.automation.actions.registry import ACTIONS, may_use
from deskhand.automation.actions.types import Action as ActionKind
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    IfThen,
    RandomSplit,
    Step,
    ValueEquals,
)
from deskhand.automation.models import Workflow
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.kernel.errors import Forbidden, Invalid
from deskhand.kernel.text import N_

BEYOND = N_("The account's plan does not have all that this workflow does.")
DISCONNECTED = N_("A number that this workflow writes from is not connected any more.")

GO_TO = "go-to"
_SORTS: Mapping[type, str] = {
    Delay: "delay",
    IfThen: "if-then",
    ValueEquals: "value-equals",
    RandomSplit: "random-split",
}
#: What holds and directs the way, as forms and addresses call it, and what a plan must have for it.
FLOW: Mapping[str, Feature] = dict.fromkeys((*_SORTS.values(), GO_TO), Feature.LANE_ACTIONS) | {
    _SORTS[RandomSplit]: Feature.RANDOM_SPLIT
}


def kind_of(step: Step) -> str:
    """The kind of an action, or one of FLOW."""
    return step.kind if isinstance(step, Action) else _SORTS[type(step)]


def needed(workflow: Workflow, definition: Definition) -> frozenset[Feature]:
    """What a plan must have for it (R-ACT-26, R-OBJ-4, R-WF-10)."""
    is_lane = workflow.origin_pipeline_id is not None
    found = {
        one
        for step in definition.steps
        for one in _needed_by(step, definition.object_type if is_lane else "")
    }
    if not is_lane:
        found.add(Feature.LANE_ACTIONS)
    if workflow.object_type not in BUILT_IN:
        found.add(Feature.CUSTOM_OBJECT_AUTOMATION)
    return frozenset(found)


def _needed_by(step: Step, lane_of: str) -> frozenset[Feature]:
    """`lane_of`: the kind of record whose lane it stands in. An action that is not there any more needs nothing."""
    if not isinstance(step, Action):
        return frozenset({FLOW[kind_of(step)]})
    action = ACTIONS.get(step.kind)
    return needed_by(action, step.settings, lane_of) if action else frozenset()


def needed_by(action: ActionKind, settings: Mapping[str, Any], lane_of: str = "") -> frozenset[Feature]:
    """What one action needs, in the lane of that kind of record or in a workflow of its own."""
    besides = action.needs_in_lane(lane_of, settings) if lane_of else frozenset()
    return besides | ({action.feature} if action.feature else set())


def is_beyond(workflow: Workflow, definition: Definition) -> bool:
    """Whether it needs what the account's plan does not have. One query."""
    return not needed(workflow, definition) <= plans.features_of(workflow.account_id)


def refuse(workflow: Workflow, definition: Definition) -> None:
    """Raises Invalid for what the account's plan does not have. One query."""
    lacking = needed(workflow, definition) - plans.features_of(workflow.account_id)
    if lacking == {Feature.LANE_CUSTOM_EMAILS}:
        raise Invalid(
            _("The account's plan has no mails of your own in the automation of statuses."),
            field="steps",
            hint=_("Choose a ready-made mail, or a larger plan."),
        )
    if lacking:
        raise Invalid(
            _(BEYOND),
            field="steps",
            hint=_("Take out the steps that it does not have, or choose a larger plan."),
        )


def denied(viewer: Viewer, definition: Definition) -> list[str]:
    """The steps that somebody may not add; who may not, lets none of them run either: a copy of a workflow has them too."""
    return [step.id for step in definition.steps if not may_use(viewer, kind_of(step))]


def require_steps(viewer: Viewer, definition: Definition) -> None:
    """Of who publishes a workflow or switches it on (R-WFA-12). Raises Forbidden."""
    if denied(viewer, definition):
        raise Forbidden(
            _(
                "A step of this workflow takes a permission that you don't have. Ask somebody who has it to let it run."
            )
        )

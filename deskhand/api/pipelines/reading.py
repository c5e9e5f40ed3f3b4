"""Pipelines and stages as the API shows them, and which of them an address means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet

from deskhand.api import refusals
from deskhand.api.shapes import moment
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.records.store import FILED
from deskhand.crm.schema import object_types
from deskhand.kernel.database.scope import current_account_id

_UNSAID = {StageState.OPEN: 0.5, StageState.CLOSED: 1.0}  # how likely a deal is won where nobody has said


def rows(object_type: str, *, archived: bool = False) -> QuerySet[Pipeline]:
    """The pipelines of such records in their order, with their stages (R-PIPE-5); none where they stand in none. Two queries."""
    if not has_pipelines(object_type):
        return Pipeline.objects.none()
    found = Pipeline.objects.filter(account_id=current_account_id(), object_type=object_type)
    stages = Prefetch("stages", Stage.objects.order_by("display_order", "label", "id"))
    return (
        (found if archived else found.filter(archived_at=None))
        .order_by("display_order", "label", "id")
        .prefetch_related(stages)
    )


def has_pipelines(object_type: str) -> bool:
    return object_type in FILED or getattr(
        object_types.all_of_them().get(object_type), "has_pipelines", False
    )


def find(object_type: str, key: str, *, archived: bool = False) -> Pipeline:
    """Raises Refusal."""
    found = next((one for one in rows(object_type, archived=archived) if one.key == key), None)
    if found is None:
        raise refusals.missing(f"There is no pipeline {key[:80]!r}.", context={"pipelineId": [key[:80]]})
    return found


def find_stage(pipeline: Pipeline, key: str) -> Stage:
    """Raises Refusal."""
    found = next((one for one in pipeline.stages.all() if one.key == key), None)
    if found is None:
        raise refusals.missing(
            f"There is no stage {key[:80]!r} in this pipeline.", context={"stageId": [key[:80]]}
        )
    return found


def shown(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "id": pipeline.key,
        "label": pipeline.label,
        "displayOrder": pipeline.display_order,
        "stages": [stage_shown(stage) for stage in pipeline.stages.all()],
        "archived": False,
        "createdAt": moment(pipeline.created_at),
        "updatedAt": moment(pipeline.updated_at),
    }


def stage_shown(stage: Stage) -> dict[str, Any]:
    return {
        "id": stage.key,
        "label": stage.label,
        "displayOrder": stage.display_order,
        "metadata": metadata(stage),
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        "archived": False,
        "createdAt": moment(stage.created_at),
        "updatedAt": moment(stage.updated_at),
    }


def metadata(stage: Stage) -> Mapping[str, str]:
    told = {"isClosed": str(not stage.is_open).lower()}
    if stage.object_type == "ticket":
        told["ticketState"] = stage.state
    if stage.object_type == "deal":
        probability = _UNSAID[StageState(stage.state)] if stage.probability is None else stage.probability
        told["probability"] = str(probability)
    return told

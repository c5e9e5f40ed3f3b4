"""Bodies of the operations on pipelines and stages, and what they give (api.md §2.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from deskhand.api.shapes import Shape

MOST_STAGES = 1000  # of one call
#: A number among others; below zero stands for the end. What stands behind the last one fits the table, too.
Order = Annotated[int, Field(ge=-(2**31), le=2**31 - 1000)]


# ── what comes ───────────────────────────────────────────────────────────────────────────────────────────────────────


class StageInput(Shape):
    label: str
    display_order: Order
    metadata: dict[str, Any] | None = None


class StageOfPipeline(StageInput):
    """`stage_id` says which of the stages that are there it is; without it, the name does."""

    stage_id: str | None = None


class StagePatch(Shape):
    label: str | None = None
    display_order: Order | None = None
    metadata: dict[str, Any] | None = None
    archived: bool | None = None


class PipelineInput(Shape):
    label: str
    display_order: Order
    stages: Annotated[list[StageOfPipeline], Field(max_length=MOST_STAGES)]


class PipelinePatch(Shape):
    label: str | None = None
    display_order: Order | None = None
    archived: bool | None = None


# ── what goes ────────────────────────────────────────────────────────────────────────────────────────────────────────


class StageShown(Shape):
    id: str
    label: str
    display_order: int
    metadata: dict[str, str]
    write_permissions: Literal["CRM_PERMISSIONS_ENFORCEMENT"]
    archived: bool
    created_at: str
    updated_at: str


class PipelineShown(Shape):
    id: str
    label: str
    display_order: int
    stages: list[StageShown]
    archived: bool
    created_at: str
    updated_at: str


class PipelineList(Shape):
    results: list[PipelineShown]


class StageList(Shape):
    results: list[StageShown]


class Audit(Shape):
    portal_id: int
    identifier: str
    action: Literal["CREATE", "UPDATE", "DELETE"]
    timestamp: str
    message: str
    from_user_id: int | None = None
    raw_object: dict[str, Any]


class AuditList(Shape):
    results: list[Audit]


class OldStage(StageShown):
    stage_id: str


class OldPipeline(Shape):
    """As the first version wrote them: its own names of ids beside today's."""

    id: str
    pipeline_id: str
    label: str
    display_order: int
    active: bool
    stages: list[OldStage]
    archived: bool
    created_at: str
    updated_at: str


class OldPipelineList(Shape):
    results: list[OldPipeline]

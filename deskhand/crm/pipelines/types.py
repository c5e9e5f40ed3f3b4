"""Pipelines as plain values: read once per transaction, used by pure decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from deskhand.kernel.errors import Invalid


def stage_property(object_type: str) -> str:
    """What says in which status a record of this kind stands."""
    return "dealstage" if object_type == "deal" else "hs_pipeline_stage"


def pipeline_property(object_type: str) -> str:
    return "pipeline" if object_type == "deal" else "hs_pipeline"


@dataclass(frozen=True)
class StageValue:
    id: int
    key: str
    label: str
    order: int
    is_open: bool
    tone: str
    pipeline_id: int


@dataclass(frozen=True)
class PipelineValue:
    """A pipeline with its stages in order (R-PIPE-5) and the policies that move its records."""

    id: int
    key: str
    label: str
    object_type: str
    stages: tuple[StageValue, ...]
    sets_close_date: bool = True
    moves_on_sent: bool = True
    sent_stage_id: int | None = None
    moves_on_reply: bool = True
    reply_stage_id: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    card_properties: tuple[str, ...] | None = None  # `cards.shown` says what that means

    def stage(self, stage_id: int | None) -> StageValue | None:
        return next((stage for stage in self.stages if stage.id == stage_id), None)

    @property
    def first_open(self) -> StageValue:
        """Where new tickets begin and reopened ones return (R-CC-11, R-STAT-10)."""
        return next(stage for stage in self.stages if stage.is_open)

    @property
    def first_closed(self) -> StageValue | None:
        return next((stage for stage in self.stages if not stage.is_open), None)


@dataclass(frozen=True)
class PipelineSet:
    """All pipelines of one kind of record in an account; the first is the default one."""

    object_type: str
    pipelines: tuple[PipelineValue, ...]

    @property
    def default(self) -> PipelineValue:
        return self.pipelines[0]

    def pipeline(self, pipeline_id: int) -> PipelineValue:
        return next(pipeline for pipeline in self.pipelines if pipeline.id == pipeline_id)

    def of_stage(self, stage_id: int) -> PipelineValue:
        """Raises Invalid for a stage that is not of this kind of record or account."""
        for pipeline in self.pipelines:
            if pipeline.stage(stage_id):
                return pipeline
        raise Invalid(
            _("There is no status %(stage_id)s.") % {"stage_id": stage_id},
            field=stage_property(self.object_type),
            value=stage_id,
            hint=_("Choose one of the pipeline's statuses."),
        )

    def find(self, stage_id: int | None) -> StageValue | None:
        """The stage, whichever pipeline has it; None for one that is not of this kind of record or account."""
        return next((found for one in self.pipelines if (found := one.stage(stage_id))), None)

    def stage(self, stage_id: int) -> StageValue:
        found = self.of_stage(stage_id).stage(stage_id)
        assert found is not None
        return found

"""Where records may go, in words."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records import guard
from deskhand.events.types import Actor
from deskhand.web.refusals import words_of


def reasons(viewer: Viewer, pipeline: PipelineValue, from_id: int) -> Mapping[int, str]:
    """By status: why the viewer may not move a record there from `from_id` (R-RULE-8, R-RULE-12)."""
    refused = guard.barred(pipeline, from_id, Actor.user(viewer.user_id))
    return {stage_id: words_of(refusal) for stage_id, refusal in refused.items()}


def creatable(viewer: Viewer, pipeline: PipelineValue) -> frozenset[int]:
    """The statuses in which the viewer may create records (R-RULE-5)."""
    return frozenset(stage.id for stage in guard.creatable(pipeline, Actor.user(viewer.user_id)))


def first(viewer: Viewer, pipeline: PipelineValue) -> StageValue:
    """Where the viewer begins a record of the pipeline without saying where."""
    return guard.first_stage(pipeline, Actor.user(viewer.user_id))

"""Stages of a pipeline, one by one (api.md §2.2). Screens call those of tickets statuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.api import kinds, refusals
from deskhand.api.operations import Call, operation
from deskhand.api.pipelines import audits, reading, writing
from deskhand.api.pipelines.shapes import AuditList, StageInput, StageList, StagePatch, StageShown
from deskhand.api.refusals import Refusal
from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.crm.pipelines.pipelines import StageRow
from deskhand.crm.records import refiling

_LIST = "/crm/pipelines/{objectType}/{pipelineId}/stages"
_ONE = f"{_LIST}/{{stageId}}"
_READ, _WRITE = kinds.to_read_pipelines(), kinds.to_write_pipelines()


@operation("GET", _LIST, needs=_READ, gives={200: StageList})
def listed(call: Call) -> Any:
    """The stages of a pipeline in their order."""
    return {"results": [reading.stage_shown(one) for one in _pipeline(call).stages.all()]}


@operation("POST", _LIST, needs=_WRITE, takes=StageInput, gives={201: StageShown})
def create(call: Call) -> Any:
    """Add a stage to a pipeline."""
    pipeline = _changeable(call)
    rows = writing.rows_of(pipeline)
    _arrange(call, pipeline, [*rows, writing.added(pipeline.object_type, call.body, rows)])
    [made] = [one for one in _pipeline(call).stages.all() if one.pk not in {row.id for row in rows}]
    return reading.stage_shown(made)


@operation("GET", _ONE, needs=_READ, gives={200: StageShown})
def read(call: Call) -> Any:
    """One stage."""
    return reading.stage_shown(_stage(call))


@operation("PATCH", _ONE, needs=_WRITE, takes=StagePatch, gives={200: StageShown})
def update(call: Call) -> Any:
    """Change a stage; what is not sent stays. Records in one that opens or closes do so too."""
    writing.not_archived(call.body.archived)
    return _change(call)


@operation("PUT", _ONE, needs=_WRITE, takes=StageInput, gives={200: StageShown})
def replace(call: Call) -> Any:
    """Write a stage anew; without metadata its state stays."""
    return _change(call)


def _change(call: Call) -> Any:
    pipeline = _changeable(call)
    stage = reading.find_stage(pipeline, call.parts["stageId"])
    rows = writing.rows_of(pipeline)
    others = [row for row in rows if row.id != stage.pk]
    _arrange(
        call,
        pipeline,
        [
            writing.changed(row, pipeline.object_type, call.body, others) if row.id == stage.pk else row
            for row in rows
        ],
    )
    return read(call)


@operation("DELETE", _ONE, needs=_WRITE, gives={204: None})
def delete(call: Call) -> None:
    """Delete a stage that no record stands in."""
    stage = reading.find_stage(_changeable(call), call.parts["stageId"])
    with writing.emptied(call, [stage]):
        refiling.delete_stage(stage, by=call.by)


@operation("GET", f"{_ONE}/audit", needs=_READ, gives={200: AuditList})
def audit(call: Call) -> Any:
    """Who changed the stage, newest first. A client sends the pipeline's name in braces for its id: the stage's id is enough."""
    try:
        stage = _stage(call)
    except Refusal:
        stage = _of_any_pipeline(call)
    return {"results": audits.of_stage(call.viewer, stage)}


def _of_any_pipeline(call: Call) -> Stage:
    """The stage, where the pipeline's id is not real. Raises Refusal."""
    known, key = list(reading.rows(kinds.named(call.parts["objectType"]))), call.parts["stageId"]
    if all(one.key != call.parts["pipelineId"] for one in known):
        for stage in (stage for one in known for stage in one.stages.all()):
            if stage.key == key:
                return stage
    raise refusals.missing(f"There is no stage {key[:80]!r}.", context={"stageId": [key[:80]]})


def _pipeline(call: Call) -> Pipeline:
    return reading.find(kinds.named(call.parts["objectType"]), call.parts["pipelineId"])


def _stage(call: Call) -> Stage:
    return reading.find_stage(_pipeline(call), call.parts["stageId"])


def _changeable(call: Call) -> Pipeline:
    writing.require(call, kinds.named(call.parts["objectType"]))
    writing.locked(_pipeline(call))  # nobody changes it between reading and writing
    return _pipeline(call)


def _arrange(call: Call, pipeline: Pipeline, rows: Sequence[StageRow]) -> None:
    with writing.of_one_stage():
        refiling.arrange(writing.locked(pipeline), rows, by=call.by)

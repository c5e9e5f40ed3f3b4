"""Pipelines of every kind of record that stands in them (api.md §2.2)."""

from __future__ import annotations

from typing import Any

from deskhand.api import kinds, refusals
from deskhand.api.operations import Call, operation
from deskhand.api.pipelines import audits, reading, writing
from deskhand.api.pipelines.shapes import (
    AuditList,
    OldPipelineList,
    PipelineInput,
    PipelineList,
    PipelinePatch,
    PipelineShown,
)
from deskhand.crm.pipelines import pipelines
from deskhand.crm.records import refiling

_LIST = "/crm/pipelines/{objectType}"
_ONE = f"{_LIST}/{{pipelineId}}"
_READ, _WRITE = kinds.to_read_pipelines(), kinds.to_write_pipelines()


@operation("GET", _LIST, needs=_READ, gives={200: PipelineList})
def listed(call: Call) -> Any:
    """All pipelines of a kind of record with their stages, in their order; none where such records stand in no pipeline."""
    return {"results": [reading.shown(one) for one in reading.rows(_kind(call))]}


@operation("POST", _LIST, needs=_WRITE, takes=PipelineInput, gives={201: PipelineShown})
def create(call: Call) -> Any:
    """Make a pipeline with its stages; one of them must be open."""
    object_type, body = _kind(call), call.body
    writing.require(call, object_type)
    made = pipelines.create(
        call.viewer.account_id,
        object_type,
        body.label,
        writing.new_stages(object_type, body.stages),
        order=body.display_order if body.display_order >= 0 else None,
        by=call.by,
    )
    return reading.shown(reading.find(object_type, made.key))


@operation("GET", _ONE, needs=_READ, gives={200: PipelineShown})
def read(call: Call) -> Any:
    """One pipeline with its stages."""
    return reading.shown(_pipeline(call))


@operation("PATCH", _ONE, needs=_WRITE, takes=PipelinePatch, gives={200: PipelineShown}, asks=writing.CHECKS)
def update(call: Call) -> Any:
    """Change a pipeline's name or place; its stages stay."""
    pipeline, body = _changeable(call), call.body
    writing.not_archived(body.archived)
    _set(call, pipeline.pk, body.label, body.display_order)
    return read(call)


@operation("PUT", _ONE, needs=_WRITE, takes=PipelineInput, gives={200: PipelineShown}, asks=writing.CHECKS)
def replace(call: Call) -> Any:
    """Write a pipeline anew: stages keep their ids where the call names them by id or by name, and those that it does not
    name are deleted, if no record stands in them."""
    pipeline, body = _changeable(call), call.body
    _set(call, pipeline.pk, body.label, body.display_order)
    rows = writing.replaced(pipeline, body.stages)
    if not rows:
        raise refusals.bad("A pipeline needs at least one open stage.", context={"field": ["stages"]})
    going = [one for one in pipeline.stages.all() if one.pk not in {row.id for row in rows}]
    writing.check_references(call, going)
    with writing.emptied(call, going):
        refiling.replace(writing.locked(pipeline), rows, by=call.by)
    return read(call)


@operation("DELETE", _ONE, needs=_WRITE, gives={204: None}, asks=writing.CHECKS)
def delete(call: Call) -> None:
    """Delete a pipeline that no record stands in."""
    pipeline = _changeable(call)
    stages = list(pipeline.stages.all())
    writing.check_references(call, stages, pipeline)
    with writing.emptied(call, stages):
        refiling.delete_pipeline(writing.locked(pipeline), by=call.by)


@operation("GET", f"{_ONE}/audit", needs=_READ, gives={200: AuditList})
def audit(call: Call) -> Any:
    """Who changed the pipeline, newest first; of a deleted one, too."""
    pipeline = reading.find(_kind(call), call.parts["pipelineId"], archived=True)
    return {"results": audits.of_pipeline(call.viewer, pipeline)}


@operation("GET", "/crm-pipelines/pipelines/{objectType}", needs=_READ, gives={200: OldPipelineList})
def listed_as_before(call: Call) -> Any:
    """All pipelines of a kind of record as the first version gave them (api.md §2.11)."""
    return {
        "results": [
            {
                **pipeline,
                "pipelineId": pipeline["id"],
                "active": True,
                "stages": [{**stage, "stageId": stage["id"]} for stage in pipeline["stages"]],
            }
            for pipeline in listed(call)["results"]
        ]
    }


def _kind(call: Call) -> str:
    return kinds.named(call.parts["objectType"])


def _pipeline(call: Call) -> Any:
    return reading.find(_kind(call), call.parts["pipelineId"])


def _changeable(call: Call) -> Any:
    """The pipeline, for who may change it. Raises Forbidden, and Refusal."""
    writing.require(call, _kind(call))
    writing.locked(_pipeline(call))  # nobody changes it between reading and writing
    return _pipeline(call)


def _set(call: Call, pipeline_id: int, label: str | None, order: int | None) -> None:
    pipeline = pipelines.find(_kind(call), pipeline_id)
    if label is not None and label != pipeline.label:
        pipelines.rename(pipeline, label, by=call.by)
    if order is not None:
        others = (one.display_order for one in reading.rows(pipeline.object_type) if one.pk != pipeline_id)
        pipelines.place(pipeline, order if order >= 0 else max(others, default=-1) + 1, by=call.by)

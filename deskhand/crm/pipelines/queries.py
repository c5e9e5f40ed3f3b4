"""Reading pipelines: all of one kind in two queries, kept for the rest of the transaction."""

from __future__ import annotations

from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.types import PipelineSet, PipelineValue, StageValue
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_scope


def pipelines_of(object_type: str) -> PipelineSet:
    """The open account's pipelines of this kind; the default one first."""
    notes = current_scope().notes
    key = f"crm.pipelines.{object_type}"
    found = notes.get(key)
    if not isinstance(found, PipelineSet):
        found = notes[key] = _read(current_scope().account_id, object_type)
    return found


def forget() -> None:
    """Drop what was read, after pipelines changed in this transaction."""
    notes = current_scope().notes
    for key in [key for key in notes if key.startswith("crm.pipelines.")]:
        del notes[key]


def _read(account_id: int, object_type: str) -> PipelineSet:
    stages: dict[int, list[StageValue]] = {}
    for stage_id, key, label, order, state, tone, pipeline_id in sql.rows(_STAGES, [account_id, object_type]):
        value = StageValue(stage_id, key, label, order, state == StageState.OPEN, tone, pipeline_id)
        stages.setdefault(pipeline_id, []).append(value)
    return PipelineSet(
        object_type,
        tuple(
            PipelineValue(
                pipeline_id, key, label, object_type, tuple(stages.get(pipeline_id, ())), closes, on_sent, sent, on_reply, reply,
                sql.loads(options), sql.loads(rules),
            )
            for pipeline_id, key, label, closes, on_sent, sent, on_reply, reply, options, rules in sql.rows(
                _PIPELINES, [account_id, object_type]
            )
        ),
    )  # fmt: skip


_STAGES = """
select id, key, label, display_order, state, tone, pipeline_id from crm_stage
where account_id = %s and object_type = %s order by display_order, label, id
"""

_PIPELINES = """
select id, key, label, sets_close_date, moves_on_sent, sent_stage_id, moves_on_reply, reply_stage_id, options, rules
from crm_pipeline where account_id = %s and object_type = %s and archived_at is null order by display_order, label, id
"""

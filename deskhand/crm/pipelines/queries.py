"""Reading pipelines: all of one kind in two queries, kept for the rest of the transaction."""

from __future__ import annotations

from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.crm.pipelines.types import PipelineSet, PipelineValue, StageValue
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
    for stage in Stage.objects.filter(account_id=account_id, object_type=object_type).order_by(
        "display_order", "label", "id"
    ):
        value = StageValue(
            stage.id,
            stage.key,
            stage.label,
            stage.display_order,
            stage.is_open,
            stage.tone,
            stage.pipeline_id,
        )
        stages.setdefault(stage.pipeline_id, []).append(value)
    pipelines = Pipeline.objects.filter(account_id=account_id, object_type=object_type, archived_at=None)
    return PipelineSet(
        object_type,
        tuple(
            PipelineValue(
                p.id, p.key, p.label, object_type, tuple(stages.get(p.id, ())), p.sets_close_date, p.moves_on_sent,
                p.sent_stage_id, p.moves_on_reply, p.reply_stage_id, p.options, p.rules,
            )
            for p in pipelines.order_by("display_order", "label", "id")
        ),
    )  # fmt: skip

"""Changing statuses that records stand in: what is taken away sends them where the caller says, with history like any
move; what opens or closes takes them along."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import StageRow
from deskhand.crm.pipelines.policy import dates_after_move
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import store
from deskhand.crm.records.store import Change
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid

BATCH = 1000


def delete_stage(stage: Stage, *, by: Actor, move_to: int | None = None) -> int:
    """Delete a status; records in it move to the status `move_to` first. Returns how many did.

    Raises Conflict when there are records and nowhere to move them (R-PIPE-8), Invalid for the last open status
    (R-PIPE-4) or a wrong destination.
    """
    moved, left = _empty(stage.object_type, [stage.pk], move_to, by)
    pipelines.delete_stage(stage, in_use=left, by=by)
    return moved


def delete_pipeline(pipeline: Pipeline, *, by: Actor, move_to: int | None = None) -> int:
    """Delete a pipeline likewise (R-PIPE-9). Raises Conflict, and Invalid for the last one of its kind (R-DM-3)."""
    stage_ids = list(pipeline.stages.values_list("pk", flat=True))
    moved, left = _empty(pipeline.object_type, stage_ids, move_to, by)
    pipelines.delete(pipeline, in_use=left, by=by)
    return moved


def arrange(pipeline: Pipeline, rows: Sequence[StageRow], *, by: Actor) -> None:
    """Arrange the statuses; records in one that opens or closes do so too (R-PIPE-2), with their dates (R-CLOSE-1, 2).

    Raises what `pipelines.arrange_stages` raises.
    """
    for stage in pipelines.arrange_stages(pipeline, rows, by=by):
        _turn(stage, by)


def replace(pipeline: Pipeline, rows: Sequence[StageRow], *, by: Actor) -> None:
    """Make the statuses just what `rows` say: those that none of them names go.

    Raises what `arrange` and `delete_stage` raise.
    """
    named = {row.id for row in rows}
    going = list(pipeline.stages.exclude(pk__in=[pk for pk in named if pk]))
    staying = [StageRow(one.label, StageState(one.state), one.tone, one.pk) for one in going]
    arrange(pipeline, [*rows, *staying], by=by)
    for stage in going:
        delete_stage(stage, by=by)


def _turn(stage: Stage, by: Actor) -> None:
    found = pipelines_of(stage.object_type)
    pipeline, to = found.of_stage(stage.pk), found.stage(stage.pk)
    now, ids = clock.now(), _held(stage.object_type, [stage.pk])
    dates = dates_after_move(was_open=not to.is_open, to=to, pipeline=pipeline, closed_at=None, now=now)
    values = {"is_closed": not to.is_open, **dates}
    for start in range(0, len(ids), BATCH):
        batch = [Change(record_id, values) for record_id in ids[start : start + BATCH]]
        store.change_many(stage.object_type, batch, by=by, at=now)


def counts(object_type: str, stage_ids: Sequence[int], limit: int = 1000) -> dict[int, int]:
    """How many records stand in each of these statuses, archived ones too, but no more than `limit` + 1."""
    found = sql.rows(
        f"select s.id, (select count(*) from (select 1 from {store.table_of(object_type)} t where t.account_id = %s and t.stage_id = s.id limit %s) x)"
        " from unnest(%s::bigint[]) s(id)",
        [current_account_id(), limit + 1, list(stage_ids)],
    )
    return dict(found)


def _empty(object_type: str, stage_ids: Sequence[int], move_to: int | None, by: Actor) -> tuple[int, int]:
    """Move what stands in the stages, if there is somewhere to; return how many moved and how many stayed."""
    if move_to in stage_ids:
        raise Invalid(
            _("That status is to be deleted itself."),
            field="move_to",
            value=move_to,
            hint=_("Choose another one."),
        )
    ids = _held(object_type, stage_ids)
    if move_to is None:
        return 0, len(ids)
    for start in range(0, len(ids), BATCH):
        batch = [Change(record_id, {"stage_id": move_to}) for record_id in ids[start : start + BATCH]]
        store.change_many(object_type, batch, by=by)
    return len(ids), 0


def _held(object_type: str, stage_ids: Sequence[int]) -> list[int]:
    """The records in these stages, archived ones too. Nobody can come in until the transaction ends."""
    account_id = current_account_id()
    sql.rows(
        "select id from crm_stage where account_id = %s and id = any(%s) order by id for update",
        [account_id, list(stage_ids)],
    )
    found = sql.rows(
        f"select id from {store.table_of(object_type)} where account_id = %s and stage_id = any(%s) order by id",
        [account_id, list(stage_ids)],
    )
    return [record_id for (record_id,) in found]

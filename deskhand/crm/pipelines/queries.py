"""Reading pipelines: all of one kind in two queries, kept for the rest of the transaction."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.plans import Feature, features
from deskhand.crm.pipelines.models import StageState
from deskhand.crm.pipelines.types import PipelineSet, PipelineValue, StageValue
from deskhand.crm.schema import clocks
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_scope
from deskhand.kernel.errors import NotFound


def pipelines_of(object_type: str) -> PipelineSet:
    """The open account's pipelines of this kind; the default one first."""
    notes = current_scope().notes
    key = f"crm.pipelines.{object_type}"
    found = notes.get(key)
    if not isinstance(found, PipelineSet):
        found = notes[key] = _read(current_scope().account_id, object_type)
    return found


def find(pipeline_id: int) -> PipelineValue:
    """One of the open account's pipelines, whatever stands in it. Raises NotFound."""
    found = sql.row(
        "select object_type from crm_pipeline where account_id = %s and id = %s and archived_at is null",
        [current_scope().account_id, pipeline_id],
    )
    for pipeline in pipelines_of(found[0]).pipelines if found else ():
        if pipeline.id == pipeline_id:
            return pipeline
    raise NotFound(_("There is no such pipeline."))


def forget() -> None:
    """Drop what was read, after pipelines changed in this transaction."""
    notes = current_scope().notes
    for key in [key for key in notes if key.startswith("crm.pipelines.")]:
        del notes[key]
    clocks.forget()


def _read(account_id: int, object_type: str) -> PipelineSet:
    stages: dict[int, list[StageValue]] = {}
    for stage_id, key, label, order, state, tone, pipeline_id in sql.rows(_STAGES, [account_id, object_type]):
        value = StageValue(stage_id, key, label, order, state == StageState.OPEN, tone, pipeline_id)
        stages.setdefault(pipeline_id, []).append(value)
    return PipelineSet(
        object_type,
        tuple(
            PipelineValue(
                pipeline_id, key, label, object_type, tuple(stages.get(pipeline_id, ())), closes,
                on_sent and _follows_emails(plan, switches), sent, on_reply and _follows_emails(plan, switches), reply,
                sql.loads(options), sql.loads(rules) if _has_rules(plan, switches) else {},
                None if on_cards is None else tuple(sql.loads(on_cards)),
            )
            for pipeline_id, key, label, closes, on_sent, sent, on_reply, reply, options, rules, on_cards, plan, switches in sql.rows(
                _PIPELINES, [account_id, object_type]
            )
        ),
    )  # fmt: skip


def _follows_emails(plan: str, switches: Any) -> bool:
    """Statuses follow e-mails where the account's plan has it; else the switches stand idle (T-STAT-14)."""
    return Feature.STATUS_FROM_EMAILS in features(plan, sql.loads(switches))


def _has_rules(plan: str, switches: Any) -> bool:
    """Without the feature the rules stand idle (R-RULE-11)."""
    return Feature.PIPELINE_RULES in features(plan, sql.loads(switches))


_STAGES = """
select id, key, label, display_order, state, tone, pipeline_id from crm_stage
where account_id = %s and object_type = %s order by display_order, label, id
"""

_PIPELINES = """
select p.id, p.key, p.label, p.sets_close_date, p.moves_on_sent, p.sent_stage_id, p.moves_on_reply, p.reply_stage_id, p.options, p.rules,
       p.card_properties, a.plan, a.features
from crm_pipeline p join accounts_account a on a.id = p.account_id
where p.account_id = %s and p.object_type = %s and p.archived_at is null order by p.display_order, p.label, p.id
"""

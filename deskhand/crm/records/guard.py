"""Whom the rules of a pipeline bind: people who move or create by hand, and programs in their name (R-RULE-3, R-RULE-4).

Not bound: workflows, routing and mail, moves that a rule of the product makes (R-RULE-9), super admins, and who may
edit properties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.crm.pipelines import rules
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records.checking import is_empty
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.database.scope import current_scope
from deskhand.kernel.errors import Incomplete, Invalid, NotFound

#: The cause of a move that a person chose; any other rule is the product's own.
BY_HAND = {None, "chosen_with_reply"}


class Wish(Protocol):
    """What is read of a change."""

    @property
    def record_id(self) -> int: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def rule(self) -> str | None: ...


def columns(object_type: str, changes: Iterable[Wish], by: Actor) -> set[str]:
    """The columns that must be read to see whether a status gets what it asks for."""
    return {
        prop.column
        for _wish, _pipeline, to in _moves(object_type, changes, by)
        for prop in _required(object_type, to)
        if prop.column
    }


def refusals(
    object_type: str, changes: Sequence[Wish], before: Mapping[int, Mapping[str, Any]], by: Actor
) -> dict[int, Invalid]:
    """Why which of these records may not be changed so. `before` are their columns, locked."""
    found = {}
    for wish, pipeline, to in _moves(object_type, changes, by):
        row = before.get(wish.record_id)
        if row is None or row["stage_id"] == to.id:
            continue
        refusal = rules.refusal_of_move(pipeline, row["stage_id"], to) or _missing(object_type, wish, row, to)
        if refusal is not None:
            found[wish.record_id] = refusal
    return {} if found and may_bypass(by) else found


def barred(pipeline: PipelineValue, from_id: int, by: Actor) -> dict[int, Invalid]:
    """By status: why a rule keeps this person from moving a record of the pipeline there from `from_id` (R-RULE-8).

    What a status asks for is not spoken of: whoever moves the record can give it.
    """
    if by.kind is not ActorKind.USER or not pipeline.rules:
        return {}
    refused = {stage.id: rules.refusal_of_move(pipeline, from_id, stage) for stage in pipeline.stages}
    found = {stage_id: refusal for stage_id, refusal in refused.items() if refusal is not None}
    return {} if found and may_bypass(by) else found


def _moves(
    object_type: str, changes: Iterable[Wish], by: Actor
) -> Iterable[tuple[Wish, PipelineValue, StageValue]]:
    """The moves by hand into pipelines that have rules."""
    if by.kind is not ActorKind.USER:
        return
    for wish in changes:
        stage_id = wish.values.get("stage_id")
        if stage_id is None or wish.rule not in BY_HAND:
            continue
        pipeline = pipelines_of(object_type).of_stage(stage_id)
        to = pipeline.stage(stage_id)
        if to is not None and pipeline.rules:
            yield wish, pipeline, to


def asks(object_type: str, to: StageValue) -> list[tuple[Property, bool]]:
    """What the status asks for, and whether it is required (R-REQ-1); not what nobody can give any more."""
    asked = rules.asks_of(pipelines_of(object_type).pipeline(to.pipeline_id), to.id)
    known = properties_of(object_type) if asked else {}
    return [
        (known[ask.property], ask.is_required)
        for ask in asked
        if ask.property in known and rules.may_be_asked(known[ask.property])
    ]


def lacking(object_type: str, to: StageValue, values: Mapping[str, Any]) -> list[Property]:
    """What the status asks for, required or not, and these values, by column or property, don't have."""
    return [
        prop for prop, _required in asks(object_type, to) if is_empty(values.get(prop.column or prop.name))
    ]


def _required(object_type: str, to: StageValue) -> list[Property]:
    return [prop for prop, is_required in asks(object_type, to) if is_required]


def _missing(object_type: str, wish: Wish, row: Mapping[str, Any], to: StageValue) -> Invalid | None:
    stored = {**row["properties"], **row}
    return refusal_for_empty(object_type, to, {**stored, **wish.values})


def refusal_for_empty(object_type: str, to: StageValue, values: Mapping[str, Any]) -> Incomplete | None:
    """What the status asks for and these values, by column or property, don't have (R-REQ-1)."""
    required = _required(object_type, to)
    empty = {prop.name: _(prop.label) for prop in required if is_empty(values.get(prop.column or prop.name))}
    return rules.refusal_for_missing(to, empty) if empty else None


def asked_at_birth(
    object_type: str, stage: StageValue, values: Mapping[str, Any], by: Actor
) -> Mapping[str, str]:
    """What a record that a person makes in this status lacks, in words: to begin there is to enter it (R-REQ-1)."""
    if by.kind is not ActorKind.USER:
        return {}
    refusal = refusal_for_empty(object_type, stage, values)
    return {} if refusal is None or may_bypass(by) else refusal.fields


def first_stage(pipeline: PipelineValue, by: Actor) -> StageValue:
    """Where a record begins that says no status (R-DM-4, R-RULE-5)."""
    is_bound = by.kind is ActorKind.USER and bool(pipeline.rules)
    return rules.first_creatable(pipeline) if is_bound else pipeline.first_open


def creatable(pipeline: PipelineValue, by: Actor) -> list[StageValue]:
    """The statuses in which this person may create records, in their order (R-RULE-5)."""
    is_bound = by.kind is ActorKind.USER and bool(pipeline.rules) and not may_bypass(by)
    return list(rules.creatable(pipeline) if is_bound else pipeline.stages)


def check_creation(pipeline: PipelineValue, stage: StageValue, by: Actor) -> None:
    """Raises Invalid where people may not create records in this status."""
    if by.kind is not ActorKind.USER or not pipeline.rules:
        return
    refusal = rules.refusal_of_creation(pipeline, stage)
    if refusal is not None and not may_bypass(by):
        raise refusal


def may_bypass(by: Actor) -> bool:
    """Whether rules don't bind this person (R-RULE-4). Asked once per transaction."""
    notes = current_scope().notes
    key = f"crm.guard.{by.id}"
    if key not in notes:
        try:
            viewer = policy.viewer_for(current_scope().account_id, by.id or 0)
        except NotFound:
            notes[key] = False
        else:
            notes[key] = policy.can(viewer, Action.BYPASS_PIPELINE_RULES)
    return bool(notes[key])

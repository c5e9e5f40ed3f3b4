"""What programs send of pipelines and stages, made what the verbs of pages take; and their refusals as the contract has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import isfinite
from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.policy import Action, visible
from deskhand.accounts.types import Viewer
from deskhand.api import pages, refusals
from deskhand.api.operations import Call
from deskhand.api.pipelines import reading
from deskhand.api.pipelines.shapes import StageInput, StageOfPipeline, StagePatch
from deskhand.api.refusals import Refusal
from deskhand.automation import uses
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage, StageRow
from deskhand.crm.records import refiling
from deskhand.crm.records.tables import table_of
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import one_line

TONES = {StageState.OPEN: "blue", StageState.CLOSED: "green"}
NAMED = 20  # records and workflows that a refusal names
CHECKS = ("validateReferencesBeforeDelete", "validateDealStageUsagesBeforeDelete")
Meaning = tuple[StageState | None, float | None]


def require(call: Call, object_type: str) -> None:
    """R-PIPE-6. Raises Forbidden, and Refusal for records that stand in no pipeline."""
    policy.require(call.viewer, Action.EDIT_PIPELINES)
    if not reading.has_pipelines(object_type):
        raise refusals.bad(
            "Records of this type stand in no pipeline.", context={"objectType": [object_type]}
        )


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def meaning(object_type: str, metadata: Mapping[str, Any] | None) -> Meaning:
    """State and probability that metadata tell, None for what they don't. Raises Refusal."""
    given = {name: str(value).strip() for name, value in (metadata or {}).items() if value is not None}
    if object_type == "ticket" and "ticketState" in given:
        return _state(given["ticketState"]), None
    if object_type == "deal" and "probability" in given:
        probability = _probability(given["probability"])
        return StageState.CLOSED if probability in (0, 1) else StageState.OPEN, probability
    closed = given.get("isClosed", "").lower()
    if closed not in ("", "true", "false"):
        raise _wrong("isClosed", closed, "true or false")
    return {"": None, "true": StageState.CLOSED, "false": StageState.OPEN}[closed], None


def _state(given: str) -> StageState:
    if given.upper() not in list(StageState):
        raise _wrong("ticketState", given, "OPEN or CLOSED")
    return StageState(given.upper())


def _probability(given: str) -> float:
    try:
        probability = float(given)
    except ValueError:
        probability = -1
    if not (isfinite(probability) and 0 <= probability <= 1):
        raise _wrong("probability", given, "a number from 0.0 to 1.0")
    return probability


def _wrong(name: str, given: str, allowed: str) -> Refusal:
    return refusals.bad(
        f"metadata.{name} is {given[:80]!r}; it must be {allowed}.", context={name: [given[:80]]}
    )


def new_stages(object_type: str, stages: Sequence[StageInput]) -> list[NewStage]:
    """Raises Refusal."""
    found, order = [], max([-1, *(one.display_order for one in stages)])
    for one in stages:
        state, probability = meaning(object_type, one.metadata)
        state = state or StageState.OPEN
        if one.display_order < 0:
            order += 1
        wanted = one.display_order if one.display_order >= 0 else order
        found.append(NewStage(one.label, state, TONES[state], order=wanted, probability=probability))
    return found


def rows_of(pipeline: Pipeline) -> list[StageRow]:
    """Its stages as they are."""
    return [
        StageRow(one.label, StageState(one.state), one.tone, one.pk, order=one.display_order)
        for one in pipeline.stages.all()
    ]


def changed(row: StageRow, object_type: str, given: StageInput | StagePatch, others: Sequence[StageRow]) -> StageRow:  # fmt: skip
    """The row with what is sent of it; what is not sent stays."""
    state, probability = meaning(object_type, given.metadata)
    return replace(
        row,
        label=row.label if given.label is None else given.label,
        state=state or row.state,
        probability=probability,
        order=row.order if given.display_order is None else _order(given.display_order, others),
    )


def added(object_type: str, given: StageInput, others: Sequence[StageRow]) -> StageRow:
    state, probability = meaning(object_type, given.metadata)
    state = state or StageState.OPEN
    return StageRow(
        given.label, state, TONES[state], order=_order(given.display_order, others), probability=probability
    )


def _order(wanted: int, others: Sequence[StageRow]) -> int:
    return wanted if wanted >= 0 else max((one.order or 0 for one in others), default=-1) + 1


def replaced(pipeline: Pipeline, stages: Sequence[StageOfPipeline]) -> list[StageRow]:
    """The stages of a pipeline that is written anew: who has the id of one that is there, or else its name, is it. Raises Refusal."""
    present = rows_of(pipeline)
    by_key = {stage.key: row for stage, row in zip(pipeline.stages.all(), present, strict=True)}
    by_label = {_same(row.label): row for row in present}
    found: list[StageRow] = []
    for one in stages:
        if one.stage_id is not None and one.stage_id not in by_key:
            reading.find_stage(pipeline, one.stage_id)
        row = by_key[one.stage_id] if one.stage_id is not None else by_label.get(_same(one.label))
        if row is not None and row.id in {other.id for other in found}:
            raise refusals.bad(
                f"The stage {one.label[:80]!r} is given twice.", context={"label": [one.label[:80]]}
            )
        found.append(
            changed(row, pipeline.object_type, one, found) if row else added(pipeline.object_type, one, found)
        )
    return found


def _same(label: str) -> str:
    return one_line(label).casefold()


def not_archived(given: bool | None) -> None:
    """What is there can't be archived by a change, and what was deleted does not come back. Raises Refusal."""
    if given:
        raise refusals.bad(
            "archived can't be set to true here: delete it instead.", context={"archived": ["true"]}
        )


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def of_one_stage() -> Iterator[None]:
    """A refusal about a place in a list that nobody sent is about the field alone."""
    try:
        yield
    except Invalid as problem:
        field = problem.field.rpartition(".")[2]
        raise Invalid(problem.message, field=field, value=problem.value, hint=problem.hint) from None


@contextmanager
def emptied(call: Call, stages: Sequence[Stage]) -> Iterator[None]:
    """While these stages may go: records that stand in one are named (R-PIPE-8, R-PIPE-9)."""
    try:
        yield
    except Conflict as problem:
        counts = refiling.counts(stages[0].object_type, [one.pk for one in stages]) if stages else {}
        if not any(counts.values()):
            raise
        raise _in_use(call.viewer, stages, str(problem)) from None


def _in_use(viewer: Viewer, stages: Sequence[Stage], said: str) -> Refusal:
    object_type = stages[0].object_type
    counts = refiling.counts(object_type, [stage.pk for stage in stages])
    full = [stage for stage in stages if counts.get(stage.pk)]
    reach, params = visible(viewer, object_type).sql("t")
    records = sql.rows(
        f"select t.id from {table_of(object_type)} t where t.account_id = %s and t.stage_id = any(%s) and {reach}"
        f" order by t.id limit {NAMED}",
        [viewer.account_id, [stage.pk for stage in full], *params],
    )
    context = {"stageId": [stage.key for stage in full], "objectIds": [str(pk) for (pk,) in records]}
    return refusals.bad(
        said, context=context, errors=[{"message": said, "code": "STAGE_ID_IN_USE", "context": context}]
    )


def check_references(call: Call, stages: Sequence[Stage], pipeline: Pipeline | None = None) -> None:
    """Where the call asks for it, what workflows name does not go (R-PIPE-10). Raises Refusal."""
    asked = [pages.flag(call, name) for name in CHECKS]
    if not any(asked) or not stages:
        return
    account_id = call.viewer.account_id
    found = list(uses.stages(account_id, [stage.pk for stage in stages]).values())
    if pipeline is not None:
        found += uses.pipelines(account_id, [pipeline.pk]).values()
    names = sorted({use.name for some in found for use in some})
    if not names:
        return
    said = f"{len(names)} workflow{'s' if len(names) > 1 else ''} would miss what is to be deleted."
    context = {"stageId": [stage.key for stage in stages]}
    if policy.can(call.viewer, Action.VIEW_WORKFLOWS):
        context["workflows"] = names[:NAMED]
    raise refusals.bad(
        said, context=context, errors=[{"message": said, "code": "REFERENCED", "context": context}]
    )


def locked(pipeline: Pipeline) -> Pipeline:
    return pipelines.find(pipeline.object_type, pipeline.pk)

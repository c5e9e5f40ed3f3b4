"""Lanes: one workflow per stage, edited on the pipeline's Automate tab (R-ACT-1 … R-ACT-42).

A lane's trigger is locked to its stage; everything else is an ordinary workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deskhand.accounts import plans, policy
from deskhand.accounts.models import Account
from deskhand.accounts.types import Viewer
from deskhand.automation import gating, triggers, uses, workflows
from deskhand.automation.actions.registry import ACTIONS, may_use
from deskhand.automation.actions.types import Action as ActionKind
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    Edge,
    ForAmount,
    Slot,
    Step,
    WhenEvent,
    edges_of,
)
from deskhand.automation.engine.edit import Place
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.models import Enrollment, StepComment, StepLog, StepStatus, Workflow
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.types import Kind
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound

DELAY = "delay"
NOT_CHAT = Filter("source_type", Kind.ENUM, Operator.NONE_OF, ("CHAT",))  # Messenger comes as chat, too


@dataclass(frozen=True)
class LaneStep:
    """A bubble on the tab."""

    step: Step
    comments: int
    waiting: int  # records inside this step now (R-LOG-4)
    ways: tuple[LaneWay, ...] = ()  # those that fork here; nothing stands after them in this chain
    jump: str = ""  # the step that it goes to, if it ends in a go-to

    @property
    def id(self) -> str:
        return self.step.id

    @property
    def kind(self) -> str:
        return gating.kind_of(self.step)

    @property
    def settings(self) -> Mapping[str, Any]:
        return settings_of(self.step)


@dataclass(frozen=True)
class LaneWay:
    """One way from a fork, with what stands on it."""

    slot: Slot
    steps: tuple[LaneStep, ...]
    jump: str = ""  # the step that it goes to, where nothing stands on it

    @property
    def leads_on(self) -> bool:
        return bool(self.steps or self.jump)


def every(steps: Sequence[LaneStep]) -> Iterator[LaneStep]:
    """The steps of a chain and all on the ways from it, from the top."""
    for step in steps:
        yield step
        for way in step.ways:
            yield from every(way.steps)


@dataclass(frozen=True)
class Lane:
    stage_id: int
    workflow: Workflow | None
    definition: Definition | None
    steps: tuple[LaneStep, ...]
    every_time: bool
    failures: int  # steps that failed in the last 30 days
    leaves_out_chat: bool | None = None  # None: its trigger was changed, or has nothing of the kind
    needs: frozenset[plans.Feature] = (
        frozenset()
    )  # where the plan lacks one, steps can only be taken out (A34)

    @property
    def is_on(self) -> bool:
        return self.workflow is not None and self.workflow.is_on


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def require(viewer: Viewer, object_type: str) -> None:
    """Ticket lanes take account access, others workflow edit; Super Admins may both (R-ACT-40, R-ACT-41). Raises Forbidden."""
    policy.require(viewer, _edits(object_type))


def may_edit(viewer: Viewer, object_type: str) -> bool:
    return policy.can(viewer, _edits(object_type))


def _edits(object_type: str) -> policy.Action:
    return policy.Action.EDIT_LANES if object_type == "ticket" else policy.Action.EDIT_OBJECT_AUTOMATION


def offered(account: Account, object_type: str = "ticket", viewer: Viewer | None = None) -> tuple[str, ...]:
    """The kinds of step that the account's plan offers in lanes of such records, and that the viewer may use (T-ACT-10, R-OBJ-4).

    Without a viewer those that ask for no permission beside that for lanes. Where nothing can be done, nothing directs the way.
    """
    if not _has_lanes(account, object_type):
        return ()
    found = [
        kind
        for kind, action in ACTIONS.items()
        if _is_for(action, object_type)
        and _has(account, action, object_type)
        and action.is_offered(account.pk)
        and (action.permission is None if viewer is None else may_use(viewer, kind))
    ]
    flow = [kind for kind, feature in gating.FLOW.items() if plans.has_feature(account, feature)]
    return (*found, *flow) if found else ()


def is_known(kind: str) -> bool:
    """Whether there is such a kind of step still; others can only be deleted."""
    return kind in ACTIONS or kind in gating.FLOW


def _has_lanes(account: Account, object_type: str) -> bool:
    """The lanes of an account's own kinds of records are a plan's matter (R-OBJ-4)."""
    return object_type in BUILT_IN or plans.has_feature(account, plans.Feature.CUSTOM_OBJECT_AUTOMATION)


def _is_for(action: ActionKind, object_type: str) -> bool:
    return action.object_types is None or object_type in action.object_types


def _has(account: Account, action: ActionKind, object_type: str) -> bool:
    return gating.needed_by(action, {}, object_type) <= plans.features(account.plan, account.features)


def may_rearrange(account: Account) -> bool:
    """Whether the account's plan has moving and copying of steps (R-ACT-9)."""
    return plans.has_feature(account, plans.Feature.LANE_ACTIONS)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def lanes_of(pipeline: PipelineValue) -> list[Lane]:
    """Every stage's lane in order, in a fixed number of queries."""
    account_id = current_account_id()
    found = Workflow.objects.filter(account_id=account_id, origin_pipeline_id=pipeline.id, archived_at=None)
    by_stage = {workflow.origin_stage_id: workflow for workflow in found}
    ids = [workflow.pk for workflow in by_stage.values()]
    read = definitions_of(account_id, {(one.pk, one.revision_number) for one in by_stage.values()})
    definitions = {pk: definition for (pk, _number), definition in read.items()}
    comments = _count(
        StepComment.objects.filter(account_id=account_id, workflow_id__in=ids, resolved_at=None)
    )
    waiting = _count(
        Enrollment.objects.filter(account_id=account_id, workflow_id__in=ids).exclude(state="ENDED")
    )
    failures = _failures(account_id, ids)
    return [
        _lane(stage.id, by_stage.get(stage.id), definitions, comments, waiting, failures)
        for stage in pipeline.stages
    ]


def _count(rows: Any) -> dict[tuple[int, str], int]:
    from django.db.models import Count

    return {
        (w, s): n for w, s, n in rows.values_list("workflow_id", "step_id").annotate(n=Count("id")).order_by()
    }


def _failures(account_id: int, ids: list[int]) -> dict[int, int]:
    from django.db.models import Count

    since = clock.now() - timedelta(days=30)
    rows = StepLog.objects.filter(
        account_id=account_id, workflow_id__in=ids, status=StepStatus.FAILED, at__gte=since
    )
    return dict(rows.values_list("workflow_id").annotate(n=Count("id")).order_by())


def _lane(
    stage_id: int, workflow: Workflow | None, definitions: Mapping[int, Definition], comments: Mapping[tuple[int, str], int],
    waiting: Mapping[tuple[int, str], int], failures: Mapping[int, int],
) -> Lane:  # fmt: skip
    if workflow is None or workflow.pk not in definitions:  # that can't be read says so by its trouble
        return Lane(stage_id, workflow, None, (), False, 0)
    definition = definitions[workflow.pk]

    def told(edge: Edge | None) -> tuple[LaneStep, ...]:
        """What stands from here down; jumps are not followed."""
        found: list[LaneStep] = []
        while edge is not None:
            if edge.is_goto:
                return (*found[:-1], replace(found[-1], jump=edge.to)) if found else ()
            step = definition.by_id[edge.to]
            key = (workflow.pk, step.id)
            one = LaneStep(step, comments.get(key, 0), waiting.get(key, 0))
            ways = edges_of(step)
            if not isinstance(step, Action | Delay) or len(ways) > 1:
                forks = tuple(
                    LaneWay(slot, told(way), way.to if way and way.is_goto else "")
                    for slot, way in ways.items()
                )
                return (*found, replace(one, ways=forks))
            found.append(one)
            edge = step.next
        return tuple(found)

    return Lane(
        stage_id, workflow, definition, told(definition.start), definition.reenrollment.is_on, failures.get(workflow.pk, 0),
        _leaves_out_chat(definition), gating.needed(workflow, definition),
    )  # fmt: skip


def _leaves_out_chat(definition: Definition) -> bool | None:
    trigger = definition.trigger
    if definition.object_type != "ticket" or not isinstance(trigger, WhenEvent):
        return None
    return trigger.refine == NOT_CHAT if trigger.refine in (NOT_CHAT, None) else None


def settings_of(step: Step) -> Mapping[str, Any]:
    if isinstance(step, Action):
        return step.settings
    if isinstance(step, Delay) and isinstance(step.wait, ForAmount):
        return {"minutes": int(step.wait.amount.total_seconds() // 60)}
    return {}


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def lane_of(stage_id: int, object_type: str) -> Workflow | None:
    return Workflow.objects.filter(
        account_id=current_account_id(), object_type=object_type, origin_stage_id=stage_id, archived_at=None
    ).first()


def add_step(
    object_type: str,
    stage_id: int,
    kind: str,
    settings: Mapping[str, Any],
    *,
    after: str = "",
    slot: Slot = "next",
    by: int,
    seen_revision: int | None = None,
) -> Workflow:
    """Put an action or delay into a stage's lane; the first one makes the lane, which is off (R-ACT-4).

    `slot` names the way when it stands `after` a fork. Raises Invalid, naming the field, for settings that can't work,
    and NotFound for no such place.
    """
    step, place = _step(kind, settings), Place(after, slot) if after else edit.START
    return put_step(
        object_type, stage_id, lambda definition: edit.insert(definition, step, place), by=by, seen_revision=seen_revision
    )  # fmt: skip


def put_step(
    object_type: str,
    stage_id: int,
    put: Callable[[Definition], tuple[Definition, str]],
    *,
    by: int,
    seen_revision: int | None = None,
) -> Workflow:
    """Do one of the engine's edits to a stage's lane, which is made if there is none: a step is put in, or becomes
    another one of its sort (R-ACT-5, R-ACT-23). Records waiting in a step keep their time (R-DELAY-11).
    """  # fmt: skip
    workflow = lane_of(stage_id, object_type)
    if workflow is None:
        put(Definition(object_type, lane_trigger(object_type, stage_id)))  # what is refused makes no lane
        workflow = _create(object_type, stage_id, by)
    definition, _id = put(_changeable(workflow))
    return workflows.save(workflow, definition, by=by, seen_revision=seen_revision)


def delete_step(
    workflow: Workflow,
    step_id: str,
    *,
    and_following: bool,
    keep: Slot | None = None,
    by: int,
    seen_revision: int | None = None,
) -> Workflow:
    """Delete one step, or it and everything after it (R-ACT-7, R-ACT-8).

    Of a fork alone, `keep` names the way whose steps stay. Raises Invalid if it must be named and is not.
    """
    definition = workflows.definition_of(workflow)
    if and_following:
        shorter = edit.delete_from(definition, step_id)
    else:
        shorter = edit.delete_one(definition, step_id, keep)
    saved = workflows.save(workflow, shorter, by=by, seen_revision=seen_revision)
    return workflows.switch(saved, False, by=by) if shorter.start is None and saved.is_on else saved


@dataclass(frozen=True)
class LanePlace:
    """A place in a lane: behind a step, on one of its ways if it is a fork, or at the beginning."""

    stage_id: int
    after: str = ""
    slot: Slot = "next"

    @property
    def spot(self) -> Place:
        return Place(self.after, self.slot) if self.after else edit.START


def move_step(
    workflow: Workflow,
    step_id: str,
    to: LanePlace,
    *,
    with_following: bool = False,
    by: int,
    seen_revision: int | None = None,
) -> None:
    """Put a step somewhere else, alone or with all that follows it, in its lane or another one (R-ACT-9).

    Its comments go along. Records inside go along within the lane; those of another lane go on with what follows, for
    they never reached the other status. Raises Invalid (field "to") where it can't stand.
    """  # fmt: skip
    if to.stage_id != workflow.origin_stage_id:
        held, other, ids = _graft(workflow, step_id, to, with_following, by, seen_revision)
        comments = StepComment.objects.filter(
            account_id=workflow.account_id, workflow=workflow, step_id__in=ids
        )
        for comment in comments:
            comment.workflow, comment.step_id = other, ids[comment.step_id]
        StepComment.objects.bulk_update(comments, ["workflow", "step_id"])
        delete_step(held, step_id, and_following=with_following, by=by)
        return
    definition = _changeable(workflow)
    _existing(definition, step_id)
    moved = edit.move(definition, step_id, to.spot, with_following=with_following)
    if moved == definition:
        raise Invalid(_("It stands there already."), field="to", value=to.after)
    workflows.save(workflow, moved, by=by, seen_revision=seen_revision)


def copy_step(
    workflow: Workflow,
    step_id: str,
    to: LanePlace,
    *,
    with_following: bool = False,
    by: int,
    seen_revision: int | None = None,
) -> None:
    """Put a copy of a step somewhere, in its lane or another one, alone or with all that follows it (R-ACT-9)."""  # fmt: skip
    if to.stage_id != workflow.origin_stage_id:
        _graft(workflow, step_id, to, with_following, by, seen_revision)
        return
    definition = _changeable(workflow)
    _existing(definition, step_id)
    grown, _id = edit.clone(definition, step_id, to.spot, with_following=with_following)
    workflows.save(workflow, grown, by=by, seen_revision=seen_revision)


def _graft(
    workflow: Workflow, step_id: str, to: LanePlace, with_following: bool, by: int, seen_revision: int | None
) -> tuple[Workflow, Workflow, dict[str, str]]:
    """Copy into another lane, which is made if there is none; return both, locked, and which step became which."""
    other = lane_of(to.stage_id, workflow.object_type) or _create(workflow.object_type, to.stage_id, by)
    held = workflows.hold(workflow.account_id, {workflow.pk: seen_revision, other.pk: None})
    source, target = (_changeable(held[one.pk]) for one in (workflow, other))
    _existing(source, step_id)
    grown, ids = edit.graft(target, source, step_id, to.spot, with_following=with_following)
    return held[workflow.pk], workflows.save(other, grown, by=by), ids


def set_every_time(workflow: Workflow, on: bool, *, by: int) -> Workflow:
    """Whether a record runs the lane each time it reaches the stage (R-ACT-11)."""
    definition = _changeable(workflow)
    again = replace(definition.reenrollment, is_on=on)
    return workflows.save(workflow, replace(definition, reenrollment=again), by=by)


def leave_out_chat(workflow: Workflow, out: bool, *, by: int) -> Workflow:
    """Whether tickets of live chat and Messenger stay out of a lane (R-ACT-30 to R-ACT-32).

    Raises Conflict where its trigger says something else by now.
    """
    definition = _changeable(workflow)
    if _leaves_out_chat(definition) is None or not isinstance(definition.trigger, WhenEvent):
        raise Conflict(_("The trigger of this workflow was changed. Change it there."))
    trigger = replace(definition.trigger, refine=NOT_CHAT if out else None)
    return workflows.save(workflow, replace(definition, trigger=trigger), by=by)


def let_go_of_stages(account_id: int, stage_ids: Collection[int]) -> None:
    """The lanes of deleted stages are off and ask for a look (R-PIPE-10)."""
    Workflow.objects.filter(account_id=account_id, origin_stage_id__in=stage_ids, archived_at=None).update(
        is_on=False, on_since=None, needs_review=uses.STAGE_GONE
    )


def _changeable(workflow: Workflow) -> Definition:
    """Raises Forbidden for a lane that does what the plan does not have: its steps can only be taken out (A34)."""
    definition = workflows.definition_of(workflow)
    if gating.is_beyond(workflow, definition):
        raise Forbidden(_(gating.BEYOND))
    return definition


def _existing(definition: Definition, step_id: str) -> Step:
    step = definition.by_id.get(step_id)
    if step is None:
        raise NotFound(_("There is no step %(step_id)s.") % {"step_id": step_id})
    return step


def _create(object_type: str, stage_id: int, by: int) -> Workflow:
    pipeline = pipelines_of(object_type).of_stage(stage_id)
    stage = pipelines_of(object_type).stage(stage_id)
    try:
        with transaction.atomic():
            return workflows.create(
                current_account_id(), f"{_(pipeline.label)}: {_(stage.label)}", Definition(object_type, lane_trigger(object_type, stage_id)), by=by,
                pipeline_id=pipeline.id, stage_id=stage_id,
            )  # fmt: skip
    except IntegrityError as other:
        raise Conflict(_("Somebody else changed this workflow in the meantime.")) from other


def lane_trigger(object_type: str, stage_id: int) -> WhenEvent:
    """Reached the stage; tickets of live chat and Messenger are left out (R-ACT-30, R-ACT-32, R-OBJ-7)."""
    not_chat = NOT_CHAT if object_type == "ticket" else None
    return WhenEvent(triggers.reaching(object_type, stage_id), not_chat)


def _step(kind: str, settings: Mapping[str, Any]) -> Step:
    """A step of these settings. Raises Invalid for an unknown kind or what is missing."""
    if kind == DELAY:
        minutes = settings.get("minutes")
        if not isinstance(minutes, int) or not 1 <= minutes <= 60 * 24 * 365 * 5:
            raise Invalid(
                _("A delay lasts at least a minute, and five years at most."), field="minutes", value=minutes
            )
        return Delay("", ForAmount(timedelta(minutes=minutes)))
    action = ACTIONS.get(kind)
    if action is None:
        raise Invalid(_("There is no such action."), field="kind", value=kind)
    for name, sentence in action.problems(settings):
        raise Invalid(sentence, field=name, value=settings.get(name))
    return Action("", kind, dict(settings))

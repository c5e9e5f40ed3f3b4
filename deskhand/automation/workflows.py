"""Verbs on workflows: revisions, on and off, and what each step of a run follows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation import emptying, enroll, gating, gone, hooks, timing, triggers, uses
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Action
from deskhand.automation.engine.definition import Definition, conditions
from deskhand.automation.engine.validate import (
    NAMES_GONE,
    CheckSettings,
    Complaint,
    Problem,
    Surroundings,
    validate,
)
from deskhand.automation.enrolling import index, standing, switching
from deskhand.automation.models import Workflow, WorkflowRevision
from deskhand.automation.pausing import pause as pause
from deskhand.automation.pausing import resume as resume
from deskhand.crm.filters.types import Condition, MemberOf, leaves, leaves_by_type
from deskhand.crm.schema.queries import everything
from deskhand.crm.segments.looks import SEGMENT
from deskhand.crm.segments.models import Segment
from deskhand.crm.segments.segments import asked_for
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, jobs
from deskhand.kernel.database.scope import attempt, current_account_id
from deskhand.kernel.errors import Conflict, Invalid


def create(
    account_id: int,
    name: str,
    definition: Definition,
    *,
    by: int | None = None,
    pipeline_id: int | None = None,
    stage_id: int | None = None,
) -> Workflow:
    """Make a workflow with its first revision. It is off (R-ACT-4), and whoever makes it owns it: somebody is told of its
    errors (R-EXEC-9)."""
    now = clock.now()
    workflow = Workflow.objects.create(
        account_id=account_id, name=name, object_type=definition.object_type, revision_number=1, origin_pipeline_id=pipeline_id,
        origin_stage_id=stage_id, created_at=now, created_by_id=by, owner_id=by, watches=definition.watches,
    )  # fmt: skip
    _add_revision(workflow, definition, by)
    return workflow


def definition_of(workflow: Workflow) -> Definition:
    """The newest revision, as people edit it."""
    row = WorkflowRevision.objects.get(
        account_id=workflow.account_id, workflow=workflow, number=workflow.revision_number
    )
    return Definition.from_json(row.definition)


def newest_revisions(account_id: int, of: Sequence[Workflow]) -> list[WorkflowRevision]:
    """The newest revision of each workflow, in one query."""
    return index.revisions(account_id, {(workflow.pk, workflow.revision_number) for workflow in of})


def naming(account_id: int, property: str, value: str = "") -> list[Workflow]:
    """The workflows whose newest revision names this property, or this value of it."""
    found = list(Workflow.objects.filter(account_id=account_id, archived_at=None).order_by("name", "id"))
    named = {
        row.workflow_id
        for row in newest_revisions(account_id, found)
        if _names(row.definition, property, value)
    }
    return [workflow for workflow in found if workflow.pk in named]


def _names(part: object, property: str, value: str) -> bool:
    """Whether somewhere in the definition one object has the property's name, and the value beside it."""
    if isinstance(part, list):
        return any(_names(one, property, value) for one in part)
    if not isinstance(part, dict):
        return False
    words = [one for given in part.values() for one in (given if isinstance(given, list) else [given])]
    words = [triggers.property_of(one) if isinstance(one, str) else one for one in words]
    if property in words and (not value or value in map(str, words)):
        return True
    return any(_names(one, property, value) for one in part.values())


def save(
    workflow: Workflow,
    definition: Definition,
    *,
    by: int | None = None,
    seen_revision: int | None = None,
    include_present: bool = False,
    note: str = "",
) -> Workflow:
    """Add a revision (R-EDIT-4); who changed it has looked (R-LOG-7). Records that meet new filters of a workflow that
    is on stay out, unless it shall `include_present` ones (R-WF-21).

    Raises Conflict when somebody saved since `seen_revision`, or else since `workflow`, from which the definition comes,
    and for another trigger while it is still being switched on.
    """
    seen = workflow.revision_number if seen_revision is None else seen_revision
    current = hold(workflow.account_id, {workflow.pk: seen})[workflow.pk]
    seen_now = (current.account_id, current.pk, current.revision_number)
    before = index.find_definition(*seen_now) if current.is_on else None
    if current.is_on:
        gating.refuse(current, definition)
    with attempt():  # who is told why it can't be may go on in the same transaction
        current.revision_number += 1
        _add_revision(current, definition, by, note)
        current.watches = definition.watches or (current.is_pinned and current.watches)
        current.save(update_fields=["revision_number", "watches"])
        uses.ask_for_a_look(current)
        if current.is_on and (before is None or before.trigger != definition.trigger):
            switching.follow(current.account_id, current.pk, clock.now(), include_present=include_present)
        timing.plan(current, definition)
    return current


def hold(account_id: int, seen: Mapping[int, int | None]) -> dict[int, Workflow]:
    """Lock workflows, in the order of their ids. `seen` maps their ids to the revision that somebody saw, if any.

    Raises Conflict when one was saved since then.
    """
    found = Workflow.objects.select_for_update().filter(account_id=account_id, pk__in=seen).order_by("id")
    held = {workflow.pk: workflow for workflow in found}
    if len(held) < len(seen) or any(
        number is not None and number != held[pk].revision_number for pk, number in seen.items()
    ):
        raise Conflict(_("Somebody else changed this workflow in the meantime."))
    return held


def _add_revision(workflow: Workflow, definition: Definition, by: int | None, note: str = "") -> None:
    WorkflowRevision.objects.create(
        account_id=workflow.account_id, workflow=workflow, number=workflow.revision_number, definition=definition.to_json(),
        created_at=clock.now(), created_by_id=by, note=note,
    )  # fmt: skip


def switch(workflow: Workflow, on: bool, *, by: int | None = None, include_present: bool = False) -> Workflow:
    """Turn on or off. On: only what happens from now on enrolls, unless it shall `include_present` records: of a lane
    those in its status already (R-ACT-12), of filters those who meet them (R-WF-20). Raises Invalid for what can't work (R-EDIT-6).

    Off: nothing new enrolls; what is inside goes on, and its actions are logged as skipped (R-EXEC-15, R-EXEC-16).
    Safe to repeat: on again is on since it was first.
    """
    current = Workflow.objects.select_for_update().get(account_id=workflow.account_id, pk=workflow.pk)
    if current.is_on == on:
        return current
    if on:
        gating.refuse(current, definition_of(current))
        refuse_what_cannot_work(definition_of(current))
    current.is_on = on
    current.on_since = clock.now() if on else None
    with attempt():
        current.save(update_fields=["is_on", "on_since"])
        if on:
            uses.ask_for_a_look(current)
        if current.on_since is None:
            switching.end(current.account_id, current.pk)
        else:
            switching.begin(current.account_id, current.pk, current.on_since, include_present=include_present)
            if include_present and current.origin_stage_id is not None:
                _include_present(current)
    timing.plan(current, definition_of(current) if on else None)
    audit.record(
        "workflow.enabled" if on else "workflow.disabled", by=Actor.user(by) if by else SYSTEM, target_type="workflow",
        target_id=current.pk,
        after={"name": current.name, "revision": current.revision_number}
        | ({"include_present": True} if on and include_present else {}),
    )  # fmt: skip
    return current


def _include_present(workflow: Workflow) -> None:
    """Enroll records that meet the trigger already. The first at once; many go on in a slow job."""
    assert workflow.on_since is not None
    last = enroll.enroll_present(workflow.account_id, workflow.pk, workflow.on_since)
    if last is not None:
        rest = {"workflow": workflow.pk, "on_since": workflow.on_since.isoformat(), "after": last}
        jobs.enqueue(enroll.INCLUDE_PRESENT, rest, one_by_one=str(workflow.pk))


def refuse_what_cannot_work(definition: Definition) -> None:
    """Raises Invalid with the first thing to put right before it may be on (R-EDIT-6)."""
    if definition.start is None:
        raise Invalid(_("There is nothing to do yet."), field="steps", hint=_("Add an action first."))
    hooks.check(definition.object_type, definition.trigger)
    refuse(validate(definition, surroundings(definition)))


def refuse(problems: Sequence[Problem]) -> None:
    """Raises Invalid with the first of them, naming the step."""
    for problem in problems:
        raise Invalid(said(problem), field=problem.field, value=problem.step_id)


def said(problem: Problem) -> str:
    """The problem in the reader's language."""
    sentence = _(problem.message)
    return sentence % problem.values if problem.values else sentence


def surroundings(definition: Definition) -> Surroundings:
    """What exists around the workflow: actions, and properties and segments that it looks at."""
    types = {definition.object_type, *(one for condition in conditions_of(definition) for one, _leaf in leaves_by_type(condition, definition.object_type))}  # fmt: skip
    return Surroundings(
        actions={kind: complaints_of(action, definition.object_type) for kind, action in ACTIONS.items()},
        events=triggers.kinds(definition.object_type),
        properties={
            one: {prop.name: prop.kind for prop in everything(one, with_aliases=True)} for one in types
        },
        segments=_there(segments_of(definition)),
        workflows=_workflows_there(definition),
        gone=gone.named,
        may_fire_again=standing.may_fire_again,
    )


def segments_of(definition: Definition) -> set[int]:
    """Those whose members stay out, and those that its conditions ask for."""
    return set(definition.leaving.segments).union(*map(asked_for, conditions_of(definition)))


def _there(segment_ids: Collection[int]) -> frozenset[int]:
    if not segment_ids:
        return frozenset()
    found = Segment.objects.filter(pk__in=segment_ids, archived_at=None)
    return frozenset(found.values_list("pk", flat=True))


def _workflows_there(definition: Definition) -> frozenset[int]:
    """Of those that its conditions ask for."""
    asked = {
        workflow_id
        for condition in conditions_of(definition)
        for leaf in leaves(condition)
        if isinstance(leaf, MemberOf) and leaf.of != SEGMENT
        for workflow_id in leaf.ids
    }
    if not asked:
        return frozenset()
    found = Workflow.objects.filter(account_id=current_account_id(), pk__in=asked, archived_at=None)
    return frozenset(found.values_list("pk", flat=True))


def conditions_of(definition: Definition) -> list[Condition]:
    """Every condition of the trigger, of leaving, and of the steps."""
    trigger, leaving = definition.trigger, definition.leaving
    asked = [
        getattr(trigger, "condition", None),
        getattr(trigger, "refine", None),
        leaving.condition,
        leaving.goal,
    ]
    asked += [event.about for event in getattr(trigger, "events", ())]
    asked += [condition for step in definition.steps for condition in conditions(step)]
    return [condition for condition in asked if condition is not None]


def complaints_of(action: Action, object_type: str) -> CheckSettings:
    """The action's own checks, as the validator asks for them, and whether its texts name what is gone (R-PIPE-10)."""

    def check(settings: Mapping[str, Any]) -> Iterator[Complaint]:
        given = {**settings, "object_type": settings.get("object_type") or object_type}
        for field, why in action.problems(given):
            yield Complaint(field, "%(why)s", {"why": why})
        for property, value in gone.clocks_in(settings, object_type):
            yield Complaint("", NAMES_GONE, {"property": property, "value": value})

    return check


def delete(workflow: Workflow) -> int:
    """Archive a workflow; what waits in it ends (R-EDIT-8): nobody in it goes a step further from now on, and who is
    inside leaves at once, or, of many, in a slow job. Returns how many were inside."""
    workflow.is_on, workflow.archived_at = False, clock.now()
    workflow.save(update_fields=["is_on", "archived_at"])
    switching.end(workflow.account_id, workflow.pk)
    timing.plan(workflow, None)
    return emptying.begin(workflow.account_id, workflow.pk)


def pin(workflow: Workflow, is_pinned: bool, *, by: int | None = None) -> Workflow:
    """Let runs keep the revision that they began with, or follow the newest again (R-EDIT-5). Safe to repeat."""
    current = hold(workflow.account_id, {workflow.pk: None})[workflow.pk]
    if current.is_pinned == is_pinned:
        return current
    current.is_pinned = is_pinned
    current.watches = definition_of(current).watches or (is_pinned and current.watches)
    current.save(update_fields=["is_pinned", "watches"])
    uses.recheck(current)
    audit.record(
        "workflow.pinned" if is_pinned else "workflow.unpinned", by=Actor.user(by) if by else SYSTEM,
        target_type="workflow", target_id=current.pk, after={"name": current.name},
    )  # fmt: skip
    return current

"""Keeping workflows: what they are called and whose they are, copies, the archive, earlier revisions (R-EDIT-3, 4, 8, 9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit, plans
from deskhand.accounts.models import Membership
from deskhand.automation import drafts, emptying, gating, uses, workflows
from deskhand.automation.actions import texting
from deskhand.automation.engine.definition import Definition
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.models import Workflow, WorkflowRevision
from deskhand.crm.schema import object_types
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor, Event
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable, visible

LONGEST = 200
LONGEST_TEXT = 4000


def describe(
    workflow: Workflow, *, name: str, description: str, owner_id: int | None, folder_id: int | None, by: Actor
) -> Workflow:
    """Name, description, owner and folder. Raises Invalid, naming the field."""
    held = _held(workflow)
    values: dict[str, Any] = {
        "name": checked_name(name),
        "description": _checked_description(description),
        "owner_id": _checked_owner(held, owner_id),
        "folder_id": folder_id,
    }
    before = {field: getattr(held, field) for field in values}
    changed = {field: value for field, value in values.items() if before[field] != value}
    for field, value in changed.items():
        setattr(held, field, value)
    if changed:
        held.save(update_fields=list(changed))
        _record("updated", held, by, before={one: before[one] for one in changed}, after=changed)
    return held


def checked_name(name: str) -> str:
    """Raises Invalid for none, or one that is too long."""
    name = visible(one_line(name))
    if not name:
        raise Invalid(_("A workflow needs a name."), field="name", value=name)
    if len(name) > LONGEST:
        raise Invalid(
            _("A name has at most %(limit)s characters.") % {"limit": LONGEST}, field="name", value=name
        )
    return name


def _checked_description(text: str) -> str:
    text = storable(text).strip()
    if len(text) > LONGEST_TEXT:
        raise Invalid(
            _("A description has at most %(limit)s characters.") % {"limit": LONGEST_TEXT},
            field="description",
            value=text[:80],
        )
    return text


def _checked_owner(workflow: Workflow, owner_id: int | None) -> int | None:
    """Somebody who is active here, or whoever it is already."""
    if owner_id is None or owner_id == workflow.owner_id:
        return owner_id
    is_here = Membership.objects.filter(
        account_id=workflow.account_id, user_id=owner_id, is_active=True, user__is_active=True
    )
    if not is_here.exists():
        raise Invalid(_("This person is not active here any more."), field="owner", value=owner_id)
    return owner_id


def clone(workflow: Workflow, *, by: int) -> Workflow:
    """A copy that is off and has nobody in it (R-EDIT-3); of a lane a workflow of its own, whose trigger may be changed
    (R-ACT-10). What somebody works on is copied as it is shown, for that is what they see.

    Raises Conflict where its kind of record was deleted.
    """
    _require_kind(workflow)
    name = _("%(name)s (copy)") % {"name": workflow.name[: LONGEST - 40]}
    made = workflows.create(workflow.account_id, name, drafts.of(workflow).definition, by=by)
    made.description, made.folder_id = workflow.description, workflow.folder_id
    made.save(update_fields=["description", "folder"])
    uses.recheck(made)
    _record("copied", made, Actor.user(by), after={"name": made.name})
    return made


def inside(workflow: Workflow) -> int:
    """How many runs are not over."""
    return emptying.inside(workflow.account_id, workflow.pk)


def archive(workflow: Workflow, *, by: Actor) -> int:
    """Take a workflow out of use; who is inside leaves, and its history stays (R-EDIT-8). Returns how many left.

    Safe to repeat.
    """
    emptying.await_those_in_hand(workflow.account_id, workflow.pk)
    held = _held(workflow)
    if held.archived_at is not None:
        return 0
    left = workflows.delete(held)
    _record("archived", held, by, after={"name": held.name, "number": left})
    return left


def restore(workflow: Workflow, *, by: Actor) -> Workflow:
    """Bring an archived workflow back, off and empty. A lane whose status has another one by now stands alone.

    Raises Conflict while records are still leaving it, and where its kind of record was deleted.
    """
    held = _held(workflow)
    if held.archived_at is None:
        return held
    _require_kind(held)
    if emptying.progress(held.account_id, [held.pk]):
        raise Conflict(_("Records are still leaving this workflow. Restore it when the last one has."))
    rivals = Workflow.objects.filter(
        account_id=held.account_id, object_type=held.object_type, origin_stage_id=held.origin_stage_id, archived_at=None,
        origin_stage_id__isnull=False,
    )  # fmt: skip
    if rivals.exists():
        held.origin_pipeline_id = held.origin_stage_id = None
    held.archived_at, held.is_on, held.on_since = None, False, None
    held.save(update_fields=["archived_at", "is_on", "on_since", "origin_pipeline_id", "origin_stage_id"])
    uses.recheck(held)
    _record("restored", held, by, after={"name": held.name})
    return held


def _require_kind(workflow: Workflow) -> None:
    """A kind may be deleted while archived workflows are about it: nothing runs by them any more (R-EDIT-8)."""
    gone = object_types.deleted().get(workflow.object_type)
    if gone is not None:
        raise Conflict(
            _(
                "“%(kind)s” was deleted, so no record could enter this workflow. Its versions and its history stay to be read."
            )
            % {"kind": gone.plural}
        )


def looked_at(workflow: Workflow, *, by: Actor) -> None:
    """Somebody has seen what is wrong and it is well (R-LOG-7). Safe to repeat. Raises Conflict while it names a status, a
    pipeline or a task queue that was deleted (R-PIPE-10)."""
    held = _held(workflow)
    if not held.needs_review:
        return
    if uses.reason_to_look(held):
        raise Conflict(
            _(
                "It still names a status, a pipeline or a task queue that was deleted. Choose another one, or archive it."
            )
        )
    before, held.needs_review = held.needs_review, ""
    held.save(update_fields=["needs_review"])
    _record("looked_at", held, by, before={"needs_review": before})


def switch_off(account_id: int, workflow_ids: Collection[int], *, by: int) -> int:
    """Switch several off; returns how many were on."""
    found = Workflow.objects.filter(account_id=account_id, pk__in=workflow_ids, is_on=True, archived_at=None)
    on = list(found.order_by("id"))
    for workflow in on:
        workflows.switch(workflow, False, by=by)
    return len(on)


def rest_beyond_plan(account_id: int, events: Sequence[Event]) -> None:
    """Workflows that do what the account's plan no longer has are off from then on, and ask for a look (A34)."""
    if not any(event.kind == "account.updated" and _has_fewer_features(event) for event in events):
        return
    features = plans.features_of(account_id)
    on = list(Workflow.objects.filter(account_id=account_id, is_on=True, archived_at=None).order_by("id"))
    definitions = definitions_of(account_id, {(one.pk, one.revision_number) for one in on})
    known = ((one, definitions.get((one.pk, one.revision_number))) for one in on)
    beyond = [one for one, read in known if read is not None and not gating.needed(one, read) <= features]
    for workflow in beyond:
        workflows.switch(workflow, False)
    guards.flag(account_id, {workflow.pk: gating.BEYOND for workflow in beyond})


def _has_fewer_features(event: Event) -> bool:
    before, after = (plans.features(event.data[when]["plan"], event.data[when]["features"]) for when in ("before", "after"))  # fmt: skip
    return not before <= after


def flag_disconnected(account_id: int, events: Sequence[Event]) -> None:
    """Workflows that write from a number that is disconnected ask for a look; their other steps go on."""
    gone = {
        event.object_id
        for event in events
        if event.kind == "channel_account.updated" and event.data["after"].get("is_connected") is False
    }
    if gone:
        found = ChannelAccount.objects.filter(account_id=account_id, pk__in=gone)
        asking = uses.writing_from(account_id, [texting.named(one) for one in found])
        guards.flag(account_id, dict.fromkeys(asking, gating.DISCONNECTED))


# ── revisions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def revisions(
    workflow: Workflow, *, before: int | None = None, limit: int | None = None
) -> list[WorkflowRevision]:
    """The newest first, those before number `before`."""
    found = WorkflowRevision.objects.filter(account_id=workflow.account_id, workflow=workflow).order_by(
        "-number"
    )
    if before is not None:
        found = found.filter(number__lt=before)
    return list(found[:limit])


def revision(workflow: Workflow, number: int) -> WorkflowRevision:
    """Raises NotFound."""
    found = WorkflowRevision.objects.filter(
        account_id=workflow.account_id, workflow=workflow, number=number
    ).first()
    if found is None:
        raise NotFound(_("There is no such version."))
    return found


def restore_revision(
    workflow: Workflow, number: int, *, by: int, seen_revision: int | None = None
) -> Workflow:
    """Bring an earlier revision back as a new one (R-EDIT-4); ids that were used since are not used again.

    Into the draft of a workflow that is on: what it names may be gone, who is inside may have to go on elsewhere, and
    what can't be taken back is confirmed at publishing (R-EDIT-6, R-WF-21).

    Raises Conflict for the newest one, or when somebody saved since `seen_revision`.
    """
    if number == workflow.revision_number:
        raise Conflict(_("This is the version that runs."))
    old = Definition.from_json(revision(workflow, number).definition)
    next_id = max(old.next_id, workflows.definition_of(workflow).next_id)
    brought = Definition.from_json({**old.to_json(), "next_id": next_id})
    if workflow.is_on:
        drafts.change(workflow, lambda _now: brought, did={"did": "restore", "number": number}, by=by)
        return workflow
    saved = workflows.save(workflow, brought, by=by, seen_revision=seen_revision)
    WorkflowRevision.objects.filter(
        account_id=saved.account_id, workflow=saved, number=saved.revision_number
    ).update(restores=number)
    _record("version_restored", saved, Actor.user(by), after={"name": saved.name, "number": number})
    return saved


def _held(workflow: Workflow) -> Workflow:
    return Workflow.objects.select_for_update(of=("self",)).get(
        account_id=workflow.account_id, pk=workflow.pk
    )


def _record(what: str, workflow: Workflow, by: Actor, **values: dict[str, Any]) -> None:
    audit.record(f"workflow.{what}", by=by, target_type="workflow", target_id=workflow.pk, **values)

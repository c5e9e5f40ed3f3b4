"""Drafts: what people work on beside the revision that runs.

Every edit is a version of its own, so it can be undone by anybody and after a reload. Nothing runs by a draft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.automation import uses, workflows
from deskhand.automation.actions.once import reading_once
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.validate import Problem, validate
from deskhand.automation.models import DraftVersion, Enrollment, EnrollmentState, Workflow, WorkflowDraft
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound

KEPT = 100  # versions that can be gone back to
NOTE_LENGTH = 500

#: Gives a changed definition.
Change = Callable[[Definition], Definition]


@dataclass(frozen=True)
class Draft:
    """A workflow as it is edited. Without a draft, that is its newest revision."""

    workflow: Workflow
    definition: Definition
    published: Definition
    has_changes: bool = False
    can_undo: bool = False
    can_redo: bool = False
    #: A revision was saved elsewhere since the draft began, on the Automate tab for example.
    is_behind: bool = False
    at: datetime | None = None
    by_id: int | None = None
    version_id: int = 0

    @property
    def token(self) -> str:
        """Names what is shown, so that nobody changes what they did not see."""
        return f"{self.workflow.revision_number}.{self.version_id}"


@dataclass(frozen=True)
class Edit:
    """What somebody did to a draft: {"did": "insert", "step": "3"}."""

    did: Mapping[str, Any]
    by_id: int | None
    at: datetime


class Overtaken(Conflict):
    """Somebody else changed the workflow; `edits` is what came, the newest first, as far as it is known."""

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        super().__init__(_("Somebody else changed this workflow in the meantime."))
        self.edits = tuple(edits)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def of(workflow: Workflow) -> Draft:
    published = workflows.definition_of(workflow)
    row = WorkflowDraft.objects.filter(account_id=workflow.account_id, workflow=workflow).first()
    if row is None:
        return Draft(workflow, published, published)
    found = {
        version.number: version
        for version in _versions(workflow).filter(number__in=(row.version - 1, row.version, row.version + 1)).defer("definition")
    }  # fmt: skip
    shown = found[row.version]
    definition = Definition.from_json(shown.definition)
    is_behind = row.base_revision != workflow.revision_number
    if is_behind and not shown.edit:
        return Draft(workflow, published, published)  # it says what was published then: nobody misses it
    return Draft(
        workflow, definition, published, has_changes=definition != published, can_undo=row.version - 1 in found,
        can_redo=row.version + 1 in found, is_behind=is_behind, at=row.updated_at, by_id=row.updated_by_id, version_id=shown.pk,
    )  # fmt: skip


def _versions(workflow: Workflow) -> Any:
    return DraftVersion.objects.filter(account_id=workflow.account_id, workflow=workflow)


# ── editing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def change(workflow: Workflow, make: Change, *, did: Mapping[str, Any], by: int, seen: str = "") -> Draft:
    """Edit the draft, which begins with the first edit. `seen` is the token of what the editor saw, if any.

    Raises Overtaken when the draft or the workflow was changed since then.
    """
    held, current = _hold(workflow, seen)
    definition = make(current.definition)
    if definition == current.definition:
        return current
    row = _begun(held, current, by)
    _versions(held).filter(number__gt=row.version).delete()
    now = clock.now()
    DraftVersion.objects.create(
        account_id=held.account_id, workflow=held, number=row.version + 1, definition=definition.to_json(), edit=dict(did), at=now, by_id=by
    )  # fmt: skip
    _versions(held).filter(number__lte=row.version + 1 - KEPT).delete()
    _show(row, row.version + 1, now, by)
    uses.recheck(held)
    return of(held)


def undo(workflow: Workflow, *, by: int, seen: str = "") -> Draft:
    """Take the last edit back, whoever made it. Raises Invalid when there is none."""
    return _step(workflow, -1, by, seen)


def redo(workflow: Workflow, *, by: int, seen: str = "") -> Draft:
    """Make the edit that was taken back last once more. Raises Invalid when there is none."""
    return _step(workflow, 1, by, seen)


def _step(workflow: Workflow, by_one: int, by: int, seen: str) -> Draft:
    held, _current = _hold(workflow, seen)
    row = WorkflowDraft.objects.filter(account_id=held.account_id, workflow=held).first()
    if row is None or not _versions(held).filter(number=row.version + by_one).exists():
        raise Invalid(
            _("There is nothing to undo.") if by_one < 0 else _("There is nothing to redo."), field="version"
        )
    _show(row, row.version + by_one, clock.now(), by)
    uses.recheck(held)
    return of(held)


def discard(workflow: Workflow, *, by: int, seen: str = "") -> None:
    """Throw the draft away; what runs stays as it is."""
    held, current = _hold(workflow, seen)
    if current.version_id:
        _forget(held)
        uses.recheck(held)
        audit.record(
            "workflow.draft_discarded", by=Actor.user(by), target_type="workflow", target_id=held.pk, after={"name": held.name}
        )  # fmt: skip


def _hold(workflow: Workflow, seen: str) -> tuple[Workflow, Draft]:
    held = (
        Workflow.objects.select_for_update()
        .filter(account_id=workflow.account_id, pk=workflow.pk, archived_at=None)
        .first()
    )
    if held is None:
        raise NotFound(_("This workflow does not exist any more."))
    current = of(held)
    if seen and seen != current.token:
        raise Overtaken(_since(held, seen))
    return held, current


def _since(workflow: Workflow, seen: str) -> list[Edit]:
    version = seen.partition(".")[2]
    after = int(version) if version.isascii() and version.isdigit() and len(version) < 19 else 0
    rows = _versions(workflow).filter(pk__gt=after).exclude(edit={}).defer("definition").order_by("-id")[:3]
    return [Edit(row.edit, row.by_id, row.at) for row in rows]


def _begun(workflow: Workflow, current: Draft, by: int) -> WorkflowDraft:
    """The draft's row; a new one begins with what is published as version 0."""
    row = WorkflowDraft.objects.filter(account_id=workflow.account_id, workflow=workflow).first()
    if row is not None and current.version_id:
        return row
    _forget(workflow)
    now = clock.now()
    DraftVersion.objects.create(
        account_id=workflow.account_id, workflow=workflow, number=0, definition=current.definition.to_json(), at=now, by_id=by
    )  # fmt: skip
    return WorkflowDraft.objects.create(
        account_id=workflow.account_id, workflow=workflow, base_revision=workflow.revision_number, version=0, updated_at=now, updated_by_id=by
    )  # fmt: skip


def _show(row: WorkflowDraft, number: int, now: datetime, by: int) -> None:
    row.version, row.updated_at, row.updated_by_id = number, now, by
    row.save(update_fields=["version", "updated_at", "updated_by_id"])


def _forget(workflow: Workflow) -> None:
    WorkflowDraft.objects.filter(account_id=workflow.account_id, workflow=workflow).delete()
    _versions(workflow).delete()


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def problems(definition: Definition) -> list[Problem]:
    """What must be put right before this can run, live references included (R-EDIT-6)."""
    with reading_once():
        return validate(definition, workflows.surroundings(definition))


@dataclass(frozen=True)
class Inside:
    """Records that stand at a step, and the step at which they go on; "" for those that come to their end."""

    step_id: str
    goes_on: str
    count: int


def in_flight(draft: Draft) -> list[Inside]:
    """Where the records inside go on once the draft is published, for those whose step is gone (R-EDIT-5).

    Empty for a workflow whose runs keep the revision that they began with.
    """
    if draft.workflow.is_pinned:
        return []
    rows = (
        Enrollment.objects.filter(account_id=draft.workflow.account_id, workflow=draft.workflow)
        .exclude(state=EnrollmentState.ENDED)
        .values_list("position", "step_id")
        .annotate(count=Count("id"))
        .order_by("step_id", "position")
    )
    found: dict[tuple[str, str], int] = {}
    for position, step_id, count in rows:
        goes_on = edit.resume_at(draft.published, draft.definition, position or step_id).partition(">")[0]
        if goes_on != step_id:
            found[step_id, goes_on] = found.get((step_id, goes_on), 0) + count
    return [Inside(step_id, goes_on, count) for (step_id, goes_on), count in found.items()]


def publish(
    workflow: Workflow, *, by: int, note: str = "", seen: str = "", include_present: bool = False
) -> Workflow:
    """Make the draft the newest revision (R-EDIT-4). With `include_present` records that meet the changed trigger
    already are enrolled, if the workflow is on (R-WF-21).

    Raises Invalid, naming the step, while something can't work; Overtaken when it was changed since `seen`.
    """  # fmt: skip
    held, current = _hold(workflow, seen)
    if not current.has_changes:
        raise Invalid(_("There is nothing to publish: the draft is what runs already."), field="draft")
    if len(note) > NOTE_LENGTH:
        raise Invalid(
            _("A note has %(limit)s characters at most.") % {"limit": NOTE_LENGTH},
            field="note",
            value=note[:40],
        )
    workflows.refuse(problems(current.definition))
    saved = workflows.save(
        held, current.definition, by=by, note=note.strip(), include_present=include_present
    )
    _forget(held)
    audit.record(
        "workflow.published", by=Actor.user(by), target_type="workflow", target_id=held.pk,
        before={"revision": saved.revision_number - 1}, after={"name": saved.name, "revision": saved.revision_number, "note": note.strip()},
    )  # fmt: skip
    return saved

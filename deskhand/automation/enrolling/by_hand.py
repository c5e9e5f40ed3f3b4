"""Enrolling without a trigger: people choose records (R-EDIT-7, R-RE-8), and other workflows send theirs on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from deskhand.accounts import audit, policy
from deskhand.accounts.types import Verb, Viewer
from deskhand.automation import access
from deskhand.automation.engine.definition import WhileInside
from deskhand.automation.enrolling import guards, leaving
from deskhand.automation.enrolling.guards import Barred
from deskhand.automation.enrolling.index import Entry, Index, index_of
from deskhand.automation.enrolling.insert import Wanted, _insert
from deskhand.automation.models import Workflow
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid, NotFound

MOST = 10_000  # records that people enroll at once

#: Why a record was not enrolled, besides what bars it (guards.Barred).
OFF, EMPTY, GONE, INSIDE, BEFORE = "off", "empty", "gone", "inside", "before"

SENTENCES = {
    OFF: _("The workflow is off."),
    EMPTY: _("The workflow has no steps yet."),
    GONE: _("The record is not there, or not one that you may change."),
    INSIDE: _("The record is in the workflow already."),
    BEFORE: _("The record was in the workflow before, and the workflow takes nobody in again."),
    Barred.SUPPRESSED: _("The record meets a condition that keeps records out of the workflow."),
    Barred.BROKEN: _("The condition that keeps records out names something that is no more."),
    Barred.TOO_OFTEN: _("The record was enrolled 20 times within an hour."),
    Barred.TOO_DEEP: _("More than 10 automatic changes in a row led here."),
    Barred.LOOP: _("The workflow made the record itself."),
}


@dataclass(frozen=True)
class Outcome:
    """Who got in, and why each of the others did not: keys of SENTENCES."""

    enrolled: frozenset[int] = frozenset()
    refused: Mapping[int, str] = field(default_factory=dict)

    def sentence(self, record_id: int) -> str:
        why = self.refused.get(record_id)
        return str(SENTENCES[why]) if why else ""


def enroll_by_hand(
    viewer: Viewer, workflow_id: int, record_ids: Collection[int], *, at: datetime | None = None
) -> Outcome:
    """Enroll records that the viewer may change. Who was inside before comes in only where the workflow lets records in
    again (R-RE-8); the triggers are not asked. A fixed number of queries.

    Raises Forbidden, NotFound, and Invalid for too many.
    """
    account_id, at = viewer.account_id, at or clock.now()
    workflow = Workflow.objects.filter(account_id=account_id, pk=workflow_id, archived_at=None).first()
    if workflow is None:
        raise NotFound(gettext("There is no such workflow."))
    access.require_edit(viewer, workflow)
    if len(record_ids) > MOST:
        raise Invalid(
            gettext("At most %(count)s records can be enrolled at once.") % {"count": MOST}, field="records", value=len(record_ids)
        )  # fmt: skip
    index = index_of(account_id)
    entry = index.entries.get(workflow_id) if index else None
    if index is None or entry is None:
        return Outcome(refused=dict.fromkeys(record_ids, EMPTY if workflow.is_on else OFF))
    reach, params = policy.visible(viewer, entry.object_type, Verb.EDIT).sql("t")
    there = _there(account_id, entry.object_type, record_ids, reach, params)
    reason = {"by": "manual", "actor": "user", "actor_id": viewer.user_id}
    wanted = [Wanted(entry, record_id, reason, is_again=entry.is_again) for record_id in sorted(there)]
    done = let_in(account_id, wanted, at, index)
    if done.enrolled:
        audit.record(
            "workflow.enrolled", by=Actor.user(viewer.user_id), target_type="workflow", target_id=workflow_id,
            after={"name": workflow.name, "count": len(done.enrolled), "records": sorted(done.enrolled)[:100]},
        )  # fmt: skip
    return replace(done, refused={**dict.fromkeys(set(record_ids) - there, GONE), **done.refused})


@dataclass(frozen=True)
class Sent:
    """A record that another workflow sends. `enrollment_id` is its run there; `depth` that of what happens now."""

    record_id: int
    workflow_id: int
    enrollment_id: int
    step_id: str
    depth: int
    event_id: int | None = None


def enroll_from_workflow(account_id: int, workflow_id: int, sent: Sequence[Sent], at: datetime) -> Outcome:
    """Enroll what steps of other workflows send, in the set's own number of queries; the triggers are not asked."""
    index = index_of(account_id)
    entry = index.entries.get(workflow_id) if index else None
    if index is None or entry is None:
        return Outcome(refused=dict.fromkeys((one.record_id for one in sent), OFF))
    there = _there(account_id, entry.object_type, [one.record_id for one in sent])
    wanted = [_wanted(entry, one) for one in sent if one.record_id in there]
    done = let_in(account_id, wanted, at, index)
    gone = dict.fromkeys({one.record_id for one in sent} - there, GONE)
    return replace(done, refused={**gone, **done.refused})


def _wanted(entry: Entry, one: Sent) -> Wanted:
    reason = {
        "by": "workflow", "workflow": one.workflow_id, "enrollment": one.enrollment_id, "step": one.step_id,
        "actor": "workflow", "actor_id": one.workflow_id,
    }  # fmt: skip
    return Wanted(entry, one.record_id, reason, one.depth, is_again=entry.is_again)


def let_in(account_id: int, wanted: Sequence[Wanted], at: datetime, index: Index) -> Outcome:
    """Enroll records for one workflow, and say of the others why not."""
    if not wanted:
        return Outcome()
    entry = wanted[0].entry
    why: dict[int, str] = _known(account_id, entry, [one.record_id for one in wanted])
    barred = guards.barred(account_id, wanted, at, index.zone)
    guards.flag_barred(account_id, wanted, barred)
    why = {record_id: reason for (_pk, record_id), reason in barred.items()} | why
    entered = _insert(account_id, [one for one in wanted if one.record_id not in why])
    leaving.take_over(account_id, wanted, entered, at)
    got_in = {record_id for _pk, record_id in entered}
    late = {
        one.record_id: INSIDE for one in wanted if one.record_id not in why and one.record_id not in got_in
    }
    return Outcome(frozenset(got_in), why | late)


def _there(
    account_id: int,
    object_type: str,
    record_ids: Collection[int],
    reach: str = "true",
    params: Sequence[object] = (),
) -> set[int]:
    alive = " and t.merged_into_id is null" if object_type in ("ticket", "contact", "company") else ""
    found = sql.rows(
        f"select t.id from {table_of(object_type)} t where t.account_id = %s and t.id = any(%s) and t.archived_at is null"
        f" and {of_this_type(object_type)}{alive} and {reach}",
        [account_id, sorted(record_ids), *params],
    )
    return {record_id for (record_id,) in found}


def _known(account_id: int, entry: Entry, record_ids: Sequence[int]) -> dict[int, str]:
    """Whom their own past keeps out."""
    found = sql.rows(
        "select record_id, bool_or(state <> 'ENDED') from automation_enrollment"
        " where account_id = %s and workflow_id = %s and object_type = %s and record_id = any(%s) group by 1",
        [account_id, entry.workflow_id, entry.object_type, list(record_ids)],
    )
    is_skipped = entry.definition.reenrollment.while_inside is WhileInside.SKIP
    return {
        record_id: INSIDE if is_inside else BEFORE
        for record_id, is_inside in found
        if not entry.is_again or (is_inside and is_skipped)
    }

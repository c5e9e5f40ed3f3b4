"""What automation does with a record, beside it: the workflows it is in, at which step, and the last ones (R-UN-8)."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.urls import reverse

from deskhand.accounts import policy
from deskhand.accounts.models import Account
from deskhand.accounts.types import Verb, Viewer
from deskhand.automation import access, history
from deskhand.automation.history import Named, Run
from deskhand.automation.models import Enrollment, EnrollmentState
from deskhand.web import ticked
from deskhand.web.jinja import go_to
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import told, ways
from deskhand.web.workflows.rows import Card, CardLine

_MAY = (policy.Action.EDIT_WORKFLOWS, policy.Action.EDIT_LANES, policy.Action.EDIT_OBJECT_AUTOMATION)


def card(viewer: Viewer, account: Account, record: Named, here: str, *, may_edit: bool = True) -> Card | None:
    """Nothing where there is nothing to say or to do. One query, and one more a workflow that was not read yet."""
    runs = history.of_record(viewer.account_id, record.object_type, record.id)
    enroll_url = url_for(viewer, account, record.object_type, [record.id], here) if may_edit else ""
    if not runs and not enroll_url:
        return None
    may_open = access.may_open(viewer, account)
    inside = [one for one in runs if one.state != EnrollmentState.ENDED]
    over = [one for one in runs if one.state == EnrollmentState.ENDED][:5]
    return Card(
        tuple(_line(viewer, one, record, may_open) for one in inside),
        tuple(_line(viewer, one, record, may_open) for one in over),
        enroll_url,
        here,
    )


def url_for(viewer: Viewer, account: Account, object_type: str, record_ids: list[int], here: str) -> str:
    """Where records are enrolled by hand (R-EDIT-7); empty for who may not."""
    return address(object_type, record_ids, here) if may_choose(viewer, account, object_type) else ""


def may_choose(viewer: Viewer, account: Account, object_type: str) -> bool:
    """Whether somebody may enroll any of these records by hand."""
    may = access.may_open(viewer, account) and may_enroll(viewer)
    return may and policy.reaches_any(viewer, object_type, Verb.EDIT)


def may_enroll(viewer: Viewer) -> bool:
    """Whether there may be a workflow that somebody enrolls into."""
    may_see = policy.can(viewer, policy.Action.VIEW_WORKFLOWS)
    return may_see and any(policy.can(viewer, one) for one in _MAY)


def lead_to(request: AccountRequest, object_type: str, record_ids: Sequence[int], here: str) -> HttpResponse:
    """To the page on which the workflow is chosen, with what was ticked in a list."""
    ticked.keep(request, ticked.to_enroll(object_type), record_ids)
    return go_to(request, ways.with_query("workflow-choose", [], type=object_type, back=here))


def address(object_type: str, record_ids: Sequence[int], here: str) -> str:
    """The page on which the workflow for these few records is chosen."""
    ids = ",".join(map(str, record_ids))
    return ways.with_query("workflow-choose", [], type=object_type, ids=ids, back=here)


def _line(viewer: Viewer, one: Enrollment, record: Named, may_open: bool) -> CardLine:
    run = Run.of(one, record)
    step = (
        told.Steps(one.workflow).name(one.step_id, one.revision_number)
        if one.step_id and not run.is_over
        else None
    )
    may_leave = not run.is_over and may_open and access.may_edit(viewer, one.workflow)
    return CardLine(
        one.workflow.name, reverse("workflow-run", args=[one.workflow_id, one.pk]) if may_open else "",
        told.run_state(run), told.label(step) if step else "", told.end_words(run.end_reason) if run.is_over else told.until(run, one.workflow),
        one.ended_at or one.enrolled_at, reverse("workflow-runs", args=[one.workflow_id]) if may_leave else "", one.pk,
    )  # fmt: skip

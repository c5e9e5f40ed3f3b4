"""Trying a workflow out on a record: what it would do, of which nothing happens."""

from __future__ import annotations

from typing import Any, Literal

from django.db import OperationalError

from deskhand.accounts.models import Account
from deskhand.api import kinds, refusals
from deskhand.api.objects.values import writer_of
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import Shape, moment
from deskhand.automation import access, drafts, history, trial
from deskhand.automation.trial import Changed, Expected
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict
from deskhand.kernel.text import whole


class TrialInput(Shape):
    """`waits` says of steps that wait for an event whether it happens; it does not where nothing is said."""

    record_id: str
    waits: dict[str, Literal["happens", "times_out"]] = {}


class StepShown(Shape):
    """`at` is when it would have been; `message` is as the log of runs has it."""

    step_id: str
    kind: str
    status: str
    message: str
    at: str


class SentShown(Shape):
    transport: str
    recipients: list[str]
    subject: str
    text: str


class ChangedShown(Shape):
    object_type: str
    object_id: str
    property: str
    old: str | None
    new: str | None


class TrialShown(Shape):
    """`reason` is that of the end, where it ended."""

    is_draft: bool
    stopped: Literal["ended", "waits", "held", "too_long"]
    reason: str
    waits_at: str
    steps: list[StepShown]
    sent: list[SentShown]
    changed: list[ChangedShown]
    tasks: list[str]


@operation(
    "POST",
    "/api/deskhand/workflows/{workflowId}/trial",
    needs=lambda _parts: {"automation"},
    takes=TrialInput,
    gives={200: TrialShown},
)
def try_out(call: Call) -> Any:
    """Run a workflow on a record without any effect, and tell what it would do; of one with a draft, the draft."""
    viewer, body = call.viewer, call.body
    access.require_open(viewer, Account.objects.get(pk=viewer.account_id))
    workflow = access.find(viewer, whole(call.parts["workflowId"]) or 0)
    access.require_edit(viewer, workflow)
    key = (workflow.object_type, whole(body.record_id) or 0)
    record = history.named(viewer, [key]).get(key)
    if record is None or record.is_gone:
        raise refusals.missing()
    draft = drafts.of(workflow)
    waits = {step: Expected(what) for step, what in body.waits.items()}
    try:
        tried = trial.try_out(draft.definition, record.id, name=workflow.name, now=clock.now(), waits=waits)
    except OperationalError:
        raise Conflict("Somebody is changing this record. Try again in a moment.") from None
    there = history.named(viewer, [(one.object_type, one.record_id) for one in tried.changed])
    return {
        "isDraft": draft.has_changes,
        "stopped": tried.stopped.value,
        "reason": tried.reason,
        "waitsAt": tried.waits_at,
        "steps": [
            {"stepId": one.step_id, "kind": one.kind, "status": str(one.status), "message": str(one.message), "at": moment(one.at)}
            for one in tried.lines
        ],
        "sent": [
            {"transport": one.transport, "recipients": list(one.recipients), "subject": one.subject, "text": one.text}
            for one in tried.sent
        ],
        "changed": [
            _changed(one)
            for one in tried.changed
            if (one.object_type, one.record_id) in there and one.property in properties_of(one.object_type)
        ],
        "tasks": list(tried.tasks),
    }  # fmt: skip


def _changed(one: Changed) -> dict[str, Any]:
    """Values as records show them."""
    write = writer_of(one.object_type, properties_of(one.object_type)[one.property])
    return {
        "objectType": kinds.plural(one.object_type),
        "objectId": str(one.record_id),
        "property": one.property,
        "old": write(one.old),
        "new": write(one.new),
    }

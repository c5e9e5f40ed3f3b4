"""What other systems answered to the calls of steps: it stands in the call and in the log, and who waits for it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils import translation

from deskhand.accounts.models import Account
from deskhand.automation import calls, steplog, webcalls
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.calls import Answer
from deskhand.automation.engine.definition import Action as ActionStep
from deskhand.automation.enroll import definition_of
from deskhand.automation.models import Enrollment, StepCall, StepStatus
from deskhand.automation.steplog import LogLine
from deskhand.automation.troubles import Troubles
from deskhand.automation.webcalls import Caller
from deskhand.delivery.models import State
from deskhand.delivery.types import Answered, Reply
from deskhand.kernel import clock

_SAID = {
    State.SENT: StepStatus.SUCCEEDED,
    State.FAILED: StepStatus.FAILED,
    State.WAITING: StepStatus.RETRYING,
}
_BECOMES = {State.SENT: webcalls.DONE, State.FAILED: webcalls.FAILED, State.WAITING: webcalls.OUT}


@dataclass(frozen=True)
class _Run:
    """A run as its log names it, and the step that called."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    revision: int
    kind: str
    settings: Mapping[str, object]


def note(account_id: int, answered: Sequence[Answered]) -> None:
    """Called in the transaction that records the answers of one account, in its scope. Safe to repeat."""
    told = {
        one.entry.reference_id: one
        for one in answered
        if one.entry.reference_type == webcalls.REFERENCE and one.state in _SAID
    }
    if not told:
        return
    # Runs before their calls: the runner holds them in this order, too.
    found = list(StepCall.objects.filter(account_id=account_id, pk__in=told.keys()).order_by("enrollment_id"))
    runs = _runs(account_id, found)
    found = [call for call in found if call.enrollment_id in runs]
    with translation.override(Account.objects.values_list("locale", flat=True).get(pk=account_id)):
        _go_on(account_id, [(call, runs[call.enrollment_id], told[call.pk]) for call in found])


def _go_on(account_id: int, heard: Sequence[tuple[StepCall, _Run, Answered]]) -> None:
    """Those who wait for a final answer get it, and it is their line in the log; all else leaves a line here."""
    final = {call.key: _answer(call, run, one) for call, run, one in heard if _is_awaited(call, one)}
    still = {key for key, answer in final.items() if answer is None}
    waited_for = calls.answered_many(account_id, [answer for answer in final.values() if answer is not None])
    troubles, lines = Troubles(), []
    for call, run, one in heard:
        if call.key in waited_for:
            continue
        status = StepStatus.SCHEDULED if call.key in still else _SAID[State(one.state)]
        lines.append(LogLine(run, call.step_id, run.kind, status, one.error or one.answer.text))
        if call.key not in still:
            _keep(call, one)
        if status is StepStatus.FAILED:
            troubles.add(run.workflow_id, one.error)
    steplog.write(account_id, lines, clock.now())
    troubles.tell(account_id, clock.now())


def _is_awaited(call: StepCall, one: Answered) -> bool:
    return call.state == webcalls.WAITING and one.state in (State.SENT, State.FAILED)


def _answer(call: StepCall, run: _Run, one: Answered) -> Answer | None:
    """What the run is told; None when the other side says that it will call back (R-WFA-4)."""
    action, reply = ACTIONS.get(run.kind), one.answer.reply
    if not isinstance(action, Caller):
        return Answer(call.key, failed=one.error) if one.state == State.FAILED else Answer(call.key)
    if one.state == State.FAILED:
        return Answer(call.key, action.refused(reply), failed=one.error)
    done = action.hear(run.settings, reply or Reply(200))
    if done is None:
        return None
    if done.status is StepStatus.FAILED:
        return Answer(call.key, done.outputs, failed=done.message)
    return Answer(call.key, done.outputs, message=done.message or one.answer.text)


def _keep(call: StepCall, one: Answered) -> None:
    if call.state != webcalls.WAITING:
        call.state = _BECOMES[State(one.state)]
    if one.answer.reply is not None:
        call.answer = {"status": one.answer.reply.status, "body": one.answer.reply.body.replace("\0", "")}
    call.save(update_fields=["state", "answer"])


def _runs(account_id: int, found: Sequence[StepCall]) -> dict[int, _Run]:
    """By id, as they stand at the steps that called; locked."""
    step_of = {call.enrollment_id: call.step_id for call in found}
    rows = (
        Enrollment.objects.filter(account_id=account_id, pk__in=step_of)
        .order_by("id")
        .select_for_update(of=("self",))
    )
    names = ("id", "workflow_id", "object_type", "record_id", "revision_number")
    runs = {}
    for pk, workflow_id, object_type, record_id, revision in rows.values_list(*names):
        step = definition_of(account_id, workflow_id, revision).by_id.get(step_of[pk])
        known = (step.kind, step.settings) if isinstance(step, ActionStep) else ("", {})
        runs[pk] = _Run(pk, workflow_id, object_type, record_id, revision, *known)
    return runs

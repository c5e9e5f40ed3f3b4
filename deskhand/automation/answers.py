"""What other systems answered to the calls of steps: it stands in the call and in the log, and who waits for it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account
from deskhand.automation import calls, integrations, steplog, webcalls
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.calls import Answer
from deskhand.automation.engine.definition import Action as ActionStep
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import definitions_of
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
    is_readable: bool  # whether the revision is that says what the step is


def note(account_id: int, answered: Sequence[Answered]) -> None:
    """Called in the transaction that records the answers of one account, in its scope. Safe to repeat.

    A call whose callback came first is settled: what its sending came to is nobody's news any more.
    """
    told = {
        one.entry.reference_id: one
        for one in answered
        if one.entry.reference_type == webcalls.REFERENCE and one.state in _SAID
    }
    if not told:
        return
    asked = StepCall.objects.filter(account_id=account_id, pk__in=told.keys()).order_by("enrollment_id", "id")
    # Runs before their calls: the runner and callbacks hold them in this order, too. Then nobody changes a call.
    runs = _runs(account_id, asked)
    found = [call for call in asked.all() if call.pk in runs and call.state != webcalls.ANSWERED]
    with translation.override(Account.objects.values_list("locale", flat=True).get(pk=account_id)):
        _go_on(account_id, [(call, runs[call.pk], told[call.pk]) for call in found])


def _go_on(account_id: int, heard: Sequence[tuple[StepCall, _Run, Answered]]) -> None:
    """Those who wait for a final answer get it, and it is their line in the log; all else leaves a line here. Where nobody
    can read what the step makes of an answer, that is kept with the call, and the run waits on."""
    awaited = [
        (call, run, one)
        for call, run, one in heard
        if call.state == webcalls.WAITING and one.state in (State.SENT, State.FAILED)
    ]
    final = {
        call.key: _answer(call, run, State(one.state), one.answer.reply, one.error, one.answer.text)
        for call, run, one in awaited
        if run.is_readable
    }
    unheard = {call.key: _as_kept(one) for call, run, one in awaited if not run.is_readable}
    still = {key for key, answer in final.items() if answer is None}
    waited_for = calls.answered_many(account_id, [answer for answer in final.values() if answer is not None])
    troubles, lines = Troubles(), []
    for call, run, one in heard:
        if call.key in waited_for:
            continue
        is_open = call.key in still or call.key in unheard
        status = StepStatus.SCHEDULED if is_open else _SAID[State(one.state)]
        message = _("It answers later.") if call.key in still else one.error or one.answer.text
        lines.append(LogLine(run, call.step_id, run.kind, status, message))
        if not is_open:
            _keep(call, one)
        if status is StepStatus.FAILED:
            troubles.add(run.workflow_id, one.error)
    calls.keep_unheard(account_id, unheard, clock.now())
    steplog.write(account_id, lines, clock.now())
    troubles.tell(account_id, clock.now())
    unread = [run.workflow_id for _call, run, _one in heard if not run.is_readable]
    guards.flag(account_id, dict.fromkeys(unread, guards.UNREADABLE))


def hear_kept(account_id: int, run_ids: Sequence[int]) -> tuple[set[int], dict[int, datetime]]:
    """Answers that came to these runs while nobody could read what their steps make of them are heard now, the first that
    is one. Returns the runs that go on by that, and of those that are told to wait for a callback until when they do."""
    asked = StepCall.objects.filter(
        account_id=account_id,
        enrollment_id__in=run_ids,
        state=webcalls.WAITING,
        answer__has_key=calls.UNHEARD,
    ).order_by("enrollment_id", "id")
    waiting = list(asked)
    if not waiting:
        return set(), {}
    runs = _runs(account_id, asked)
    found = {
        call.key: _first(account_id, call, runs[call.pk]) for call in waiting if runs[call.pk].is_readable
    }
    heard = calls.answered_many(account_id, [answer for answer in found.values() if answer is not None])
    going = {call.enrollment_id for call in waiting if call.key in heard}
    still = {one.enrollment_id: one.expires_at for one in waiting if one.expires_at is not None}
    return going, {pk: until for pk, until in still.items() if pk not in going}


def _first(account_id: int, call: StepCall, run: _Run) -> Answer | None:
    """What was kept, in the order in which it came: a callback, the reply to a call, or what failed besides."""
    for kept in call.answer[calls.UNHEARD]:
        if "given" in kept:
            name = str(run.settings.get("integration") or "")
            answer = integrations.answer_of(account_id, call, name, kept["given"])
        elif "key" in kept:
            answer = Answer(**kept)
        else:
            reply = Reply(**kept["reply"]) if kept["reply"] else None
            answer = _answer(call, run, State(kept["state"]), reply, kept["error"], kept["text"])
        if answer is not None:
            return answer
    return None


def _as_kept(one: Answered) -> dict[str, Any]:
    reply = _stored(one.answer.reply) if one.answer.reply is not None else None
    return {"state": State(one.state).value, "reply": reply, "error": one.error, "text": one.answer.text}


def _answer(
    call: StepCall, run: _Run, state: State, reply: Reply | None, error: str, text: str
) -> Answer | None:
    """What the run is told; None when the other side says that it will call back (R-WFA-4)."""
    action = ACTIONS.get(run.kind)
    if not isinstance(action, Caller):
        return Answer(call.key, failed=error) if state == State.FAILED else Answer(call.key)
    if state == State.FAILED:
        return Answer(call.key, action.refused(reply), failed=error)
    done = action.hear(run.settings, reply or Reply(200))
    if done is None:
        return None
    if done.status is StepStatus.FAILED:
        return Answer(call.key, done.outputs, failed=done.message)
    return Answer(call.key, done.outputs, message=done.message or text)


def _keep(call: StepCall, one: Answered) -> None:
    if call.state != webcalls.WAITING:
        call.state = _BECOMES[State(one.state)]
    if one.answer.reply is not None:
        call.answer = _stored(one.answer.reply)
    call.save(update_fields=["state", "answer"])


def _stored(reply: Reply) -> dict[str, Any]:
    return {"status": reply.status, "body": reply.body.replace("\0", "")}


def _runs(account_id: int, asked: Iterable[StepCall]) -> dict[int, _Run]:
    """By call: its run, locked, with the step that called; one run may have called at several."""
    step_of = {call.pk: (call.enrollment_id, call.step_id) for call in asked}
    rows = (
        Enrollment.objects.filter(
            account_id=account_id, pk__in={run_id for run_id, _step in step_of.values()}
        )
        .order_by("id")
        .select_for_update(of=("self",))
    )
    names = ("workflow_id", "object_type", "record_id", "revision_number")
    locked = {pk: row for pk, *row in rows.values_list("id", *names)}
    definitions = definitions_of(account_id, {(row[0], row[3]) for row in locked.values()})
    runs = {}
    for call_id, (pk, step_id) in step_of.items():
        if pk in locked:
            workflow_id, object_type, record_id, revision = locked[pk]
            definition = definitions.get((workflow_id, revision))
            step = definition.by_id.get(step_id) if definition else None
            known = (step.kind, step.settings) if isinstance(step, ActionStep) else ("", {})
            is_readable = definition is not None
            runs[call_id] = _Run(pk, workflow_id, object_type, record_id, revision, *known, is_readable)
    return runs

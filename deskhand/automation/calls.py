"""Calls to other systems on behalf of runs, which stay at their step until the answer is here (R-WFA-4, R-WFA-11)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from deskhand.automation import endings, steplog
from deskhand.automation.engine.advance import step_at
from deskhand.automation.engine.definition import Action, Definition, OnFailure
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.enrolling.insert import WAKE
from deskhand.automation.models import StepStatus
from deskhand.automation.steplog import LogLine
from deskhand.automation.troubles import Troubles
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.wake import wake

WAITS_FOR = "call"
UNHEARD = "unheard"  # in a call's answer: what came while nobody could read what its step makes of it


@dataclass(frozen=True)
class NewCall:
    enrollment_id: int
    step_id: str
    key: str
    token: str
    until: datetime


@dataclass(frozen=True)
class Answer:
    """What came back for the call of one effect. `failed` says why it came to nothing, for good."""

    key: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    failed: str = ""
    message: str = ""  # for the log, when it did not fail
    printed: str = ""  # for the log, whatever became of it


@dataclass(frozen=True)
class _Run:
    """A run that waits for an answer."""

    id: int
    workflow_id: int
    object_type: str
    record_id: int
    revision: int
    position: str
    outputs: Mapping[str, Any]
    key: str


def add(account_id: int, calls: Sequence[NewCall], now: datetime) -> None:
    if calls:
        rows = [(call.enrollment_id, call.step_id, call.key, call.token, call.until) for call in calls]
        sql.execute(_ADD, [account_id, now, *[list(column) for column in zip(*rows, strict=True)]])


def expire(account_id: int, enrollment_ids: Sequence[int]) -> None:
    """What these runs wait for is waited for no more; an answer that still comes is not heard."""
    if enrollment_ids:
        sql.execute(_EXPIRE, [account_id, list(enrollment_ids)])


def keep_unheard(account_id: int, kept: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Answers by their keys that wait until their workflows can be read; their runs look for that every LOOK_AGAIN. Two
    statements."""
    if kept:  # runs before their calls, as the runner holds them
        sql.execute(_DUE.format("least"), [now + guards.LOOK_AGAIN, account_id, WAITS_FOR, list(kept)])
        columns = [list(kept), [json.dumps([one]) for one in kept.values()]]
        sql.execute(_KEEP, [*columns, account_id])


def wait_on(account_id: int, key: str, until: datetime) -> None:
    """The run that waits for this answer waits until then, if its time would be up before."""
    sql.execute(_DUE.format("greatest"), [until, account_id, WAITS_FOR, [key]])


def answered(
    account_id: int,
    key: str,
    outputs: Mapping[str, Any] | None = None,
    *,
    failed: str = "",
    message: str = "",
) -> bool:
    """The answer to the call of one effect: its run goes on. Returns False if nobody waits for it any more."""
    return answered_many(account_id, [Answer(key, outputs or {}, failed, message)]) == {key}


def answered_many(account_id: int, answers: Sequence[Answer]) -> set[str]:
    """Answers to calls: their runs go on, or end where the failing step says so. Returns the keys that were waited for.

    Safe to repeat: an answer is heard once.
    """
    now = clock.now()
    told = {answer.key: answer for answer in answers}
    found = [
        _Run(run_id, workflow, kind, record, revision, position, sql.loads(outputs), key)
        for run_id, workflow, kind, record, revision, position, outputs, key in sql.rows(
            _WAITING, [account_id, WAITS_FOR, list(told)]
        )
    ]
    definitions = definitions_of(account_id, {(run.workflow_id, run.revision) for run in found})
    unread = [run for run in found if (run.workflow_id, run.revision) not in definitions]
    guards.flag(account_id, {run.workflow_id: guards.UNREADABLE for run in unread})
    # What a failure leads to says the definition: without it the answer is kept, and the run waits on.
    later = {run.key: told[run.key] for run in unread if told[run.key].failed}
    keep_unheard(account_id, {key: asdict(answer) for key, answer in later.items()}, now)
    found = [run for run in found if run.key not in later]
    if not found:
        return set()
    troubles = Troubles()
    heard = [
        _hear(definitions.get((run.workflow_id, run.revision)), run, told[run.key], troubles) for run in found
    ]
    columns = zip(
        _COLUMNS, ([*column] for column in zip(*(row for row, _line in heard), strict=True)), strict=True
    )
    sql.execute(_GO_ON, {"account": account_id, "now": now, **dict(columns)})
    ended = [run_id for (run_id, _outputs, reason, *_rest), _line in heard if reason]
    endings.next_in_line(account_id, ended, now)
    steplog.write(account_id, [line for _row, line in heard], now)
    troubles.tell(account_id, now)
    wake(WAKE)
    return {run.key for run in found}


def _hear(
    definition: Definition | None, run: _Run, answer: Answer, troubles: Troubles
) -> tuple[tuple[int, str, str, str, str], LogLine]:
    """What becomes of the run and its call, in the order of _COLUMNS, and the line for the log."""
    step_id = step_at(run.position)
    step = definition.by_id.get(step_id) if definition else None
    kind = step.kind if isinstance(step, Action) else ""
    reason = ""
    if answer.failed:
        troubles.add(run.workflow_id, answer.failed)
        reason = "step_failed" if isinstance(step, Action) and step.on_failure is OnFailure.STOP else ""
    status = StepStatus.FAILED if answer.failed else StepStatus.SUCCEEDED
    told = dict(answer.outputs)
    data = ({"outputs": told} if told else {}) | ({"printed": answer.printed} if answer.printed else {})
    line = LogLine(run, step_id, kind, status, answer.failed or answer.message, data)
    outputs = {**run.outputs, step_id: told} if told else run.outputs
    kept = {"outputs": told, "failed": answer.failed}
    return (run.id, json.dumps(outputs), reason, json.dumps(kept), run.key), line


_ADD = """
insert into automation_stepcall (account_id, created_at, state, answer, enrollment_id, step_id, key, token, expires_at)
select %s, %s::timestamptz, 'WAITING', '{}', x.* from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[]) x
on conflict (account_id, key) do nothing
"""

_EXPIRE = """
update automation_stepcall set state = 'EXPIRED' where account_id = %s and enrollment_id = any(%s) and state = 'WAITING'
"""

_KEEP = """
update automation_stepcall c set answer = c.answer || jsonb_build_object('unheard', coalesce(c.answer->'unheard', '[]') || x.kept)
from unnest(%s::text[], %s::jsonb[]) x(key, kept) where c.account_id = %s and c.key = x.key and c.state = 'WAITING'
"""
_DUE = """
update automation_enrollment e set due_at = {}(e.due_at, %s) from automation_stepcall c
where c.account_id = %s and e.account_id = c.account_id and e.id = c.enrollment_id and e.waits_for = %s and e.state = 'DUE'
  and c.key = any(%s)
"""

# The run first, then its call: the runner holds them in this order, too.
_WAITING = """
select e.id, e.workflow_id, e.object_type, e.record_id, e.revision_number, e.position, e.outputs, c.key
from automation_stepcall c
join automation_enrollment e on e.account_id = c.account_id and e.id = c.enrollment_id
where c.account_id = %s and c.state = 'WAITING' and e.waits_for = %s and e.state <> 'ENDED' and c.key = any(%s)
order by e.id for update of e
"""

_COLUMNS = ("ids", "outputs", "reasons", "answers", "keys")
_GO_ON = """
with x as (
    select * from unnest(%(ids)s::bigint[], %(outputs)s::jsonb[], %(reasons)s::text[], %(answers)s::jsonb[], %(keys)s::text[])
        x(id, outputs, reason, answer, key)
), calls as (
    update automation_stepcall c set state = 'ANSWERED', answer = x.answer from x where c.account_id = %(account)s and c.key = x.key
)
update automation_enrollment e set outputs = x.outputs, position = e.happened, waits_for = '', happened = '', attempts = 0,
    end_reason = x.reason, state = case when x.reason = '' then 'DUE' else 'ENDED' end,
    due_at = case when x.reason = '' then %(now)s::timestamptz end,
    ended_at = case when x.reason <> '' then %(now)s::timestamptz end
from x where e.account_id = %(account)s and e.id = x.id
"""

"""The queue of code that steps run: stored with the batch, run outside every transaction, answered once (R-WFA-12).

A lease says who runs it. A killed worker's lease runs out, and the code is begun again: code may be begun twice, as a call
to another system may, so `callbackId` in its event tells the same run again. The answer is taken once: `calls.answered`
hears it only while the run waits.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings as django_settings
from django.db import close_old_connections, connection
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import plans
from deskhand.accounts.models import Account
from deskhand.accounts.plans import Feature
from deskhand.automation import calls, secrets
from deskhand.automation.actions.giving import as_mapping
from deskhand.automation.calls import Answer
from deskhand.automation.engine.definition import Action
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import find_definition
from deskhand.automation.models import CodeRun
from deskhand.kernel import clock, sandbox
from deskhand.kernel.database import sql, wake
from deskhand.kernel.database.scope import account_scope, current_account_id
from deskhand.kernel.sandbox import SECONDS, Ran, Unwalled
from deskhand.kernel.text import storable

log = structlog.get_logger()

WAKE = "code"
LEASE_SECONDS = 60  # longer than a run may take, with its beginning and end
TRIES = 3  # times that a worker may end while it runs
LONGEST_OUTPUT = 10_000  # characters of one value
MOST_SHOWN = 4_000  # characters of what was printed that the log keeps
POLL = 2.0  # seconds between looks when no wake-up comes
MASK = "•••"
#: What a declared output may be.
TYPES = {
    "string": gettext_lazy("Text"),
    "number": gettext_lazy("Number"),
    "boolean": gettext_lazy("Yes or no"),
}


@dataclass(frozen=True)
class NewRun:
    enrollment_id: int
    workflow_id: int
    revision: int
    step_id: str
    key: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class Due:
    """One that is to be run now, under our lease."""

    id: int
    account_id: int
    workflow_id: int
    revision: int
    step_id: str
    key: str
    event: Mapping[str, Any]
    tries: int  # this one included


def why_not(account_id: int) -> str:
    """Why no code is run for this account; "" when it is."""
    if not django_settings.CUSTOM_CODE:
        return _("This installation runs no code. Its operator can switch that on: CUSTOM_CODE.")
    if Feature.CUSTOM_CODE not in plans.features_of(account_id):
        return _("Running code is switched off for this account. See Settings, Account.")
    return ""


def place(new: Sequence[NewRun], now: datetime) -> None:
    """Put all into the queue with one statement. Safe to repeat: the same step's effect is one run for ever."""
    if not new:
        return
    rows = [
        CodeRun(
            account_id=current_account_id(), enrollment_id=one.enrollment_id, workflow_id=one.workflow_id,
            revision_number=one.revision, step_id=one.step_id, key=one.key, event=one.event, created_at=now,
        )
        for one in new
    ]  # fmt: skip
    CodeRun.objects.bulk_create(rows, ignore_conflicts=True)
    wake.wake(WAKE)


def claim(after: int = 0) -> Due | None:
    """Take the oldest due one of the next account behind `after`, in a circle, so that nobody's thousand are in
    everybody's way. Commits by itself; what nobody waits for any more is forgotten."""
    found = sql.row(_CLAIM, [after, LEASE_SECONDS])
    if found is None:
        return None
    run_id, account_id, workflow_id, revision, step_id, key, event, tries = found
    return Due(run_id, account_id, workflow_id, revision, step_id, key, sql.loads(event), tries)


def run_one(due: Due) -> bool:
    """Run it and let its record go on; False when nobody waits any more, or can read it. Raises DatabaseError."""
    with account_scope(due.account_id), translation.override(_locale(due.account_id)):
        code = _code_of(due)
        if code is None:
            _put_off(due)
            return False
    with translation.override(_locale(due.account_id)):
        answer = code if isinstance(code, Answer) else _answer(due, code)
        with account_scope(due.account_id):
            heard = calls.answered_many(due.account_id, [answer])
            CodeRun.objects.filter(account_id=due.account_id, pk=due.id).delete()
    return bool(heard)


class CodeLoop:
    """Runs what is due, one at a time, until `stop`. The one in hand is finished."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.woken = threading.Event()

    def hear(self, name: str) -> None:
        if name in ("", WAKE):
            self.woken.set()

    def run(self) -> None:
        wake.hear_locally(self.hear)
        last, pause = 0, 0.2
        try:
            while not self.stop.is_set():
                self.woken.clear()
                try:
                    due = claim(last)
                    if due is not None:
                        last = due.account_id
                        run_one(due)
                    pause = 0.2
                except Exception as failure:  # noqa: BLE001 the edge of the worker: the database may be restarting
                    log.warning("queue interrupted", queue=WAKE, error=str(failure))
                    close_old_connections()
                    connection.close()
                    self.stop.wait(pause)
                    pause = min(pause * 2, 5.0)
                    continue
                if due is None:
                    self.woken.wait(POLL)
        finally:
            wake.forget_locally(self.hear)
            connection.close()


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Code:
    text: str
    outputs: Mapping[str, str]  # name → type
    secrets: Mapping[str, str]


def _put_off(due: Due) -> None:
    """Nobody can read what is to be run: it stays in the queue until somebody can, and its run waits on for it."""
    calls.wait_on(due.account_id, due.key, clock.now() + 2 * guards.LOOK_AGAIN)
    sql.execute(_PUT_OFF, [guards.LOOK_AGAIN.total_seconds(), due.account_id, due.id])
    guards.flag(due.account_id, {due.workflow_id: guards.UNREADABLE})


_PUT_OFF = """
update automation_coderun set tries = tries - 1, lease_until = clock_timestamp() + %s * interval '1 second'
where account_id = %s and id = %s
"""


def _code_of(due: Due) -> _Code | Answer | None:
    """What is to be run, as its step says; or why nothing is; None while nobody can read that."""
    definition = find_definition(due.account_id, due.workflow_id, due.revision)
    if definition is None:
        return None
    step = definition.by_id.get(due.step_id)
    settings = step.settings if isinstance(step, Action) else {}
    if due.tries > TRIES:
        return Answer(due.key, failed=_("The worker ended each time while the code was running."))
    if closed := why_not(due.account_id):
        return Answer(due.key, failed=closed)
    names = [str(name) for name in settings.get("secrets") or ()]
    if gone := secrets.missing(due.account_id, names):
        return Answer(due.key, failed=_("There is no secret called %(name)s.") % {"name": gone[0]})
    values = secrets.values(due.account_id, names)
    return _Code(str(settings.get("code") or ""), as_mapping(settings.get("outputs") or ()), values)


def _answer(due: Due, code: _Code) -> Answer:
    if not connection.in_atomic_block:
        connection.close()  # to the pool: code that takes its time must not keep it from others
    hide = _Mask(code.secrets.values())
    try:
        ran = sandbox.run(code.text, due.event, code.secrets)
    except Unwalled as refusal:
        log.error("code can't be walled in", error=str(refusal))
        return Answer(
            due.key,
            failed=_("This server can't wall code in, so it was not run: %(why)s") % {"why": refusal.value},
        )
    printed = hide(storable(ran.printed))[:MOST_SHOWN]
    if ran.failed:
        return Answer(due.key, failed=hide(storable(_why(ran))), printed=printed)
    outputs, wrong = outputs_of(ran.returned, code.outputs)
    if wrong:
        return Answer(due.key, failed=hide(wrong), printed=printed)
    masked = {name: hide(value) if isinstance(value, str) else value for name, value in outputs.items()}
    return Answer(due.key, masked, message=_("The code ran."), printed=printed)


def _why(ran: Ran) -> str:
    match ran.failed:
        case "timeout":
            return _("The code took longer than %(seconds)s seconds.") % {"seconds": SECONDS}
        case "memory":
            return _("The code needed more than 128 MB of memory.")
        case "output":
            return _("What the code returned is too large.")
        case "died":
            return _("The code ended without an answer.")
    if ran.line:
        return _("Line %(line)s: %(message)s") % {"line": ran.line, "message": ran.failed}
    return ran.failed


def outputs_of(returned: Any, declared: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The declared outputs out of what main(event) returned, and what is wrong with one of them; what is missing is None."""
    given = returned if isinstance(returned, Mapping) else {}
    given = given.get("outputFields", given)
    if not isinstance(given, Mapping) or (
        declared and not given and returned not in ({}, {"outputFields": {}})
    ):
        return {}, _('main(event) must return {"outputFields": {…}}.')
    found: dict[str, Any] = {}
    for name, kind in declared.items():
        value = given.get(name)
        if value is not None and not _is_a(kind, value):
            words = {
                "name": name,
                "value": json.dumps(value, ensure_ascii=False)[:80],
                "kind": str(TYPES.get(kind, kind)),
            }
            return {}, _("“%(name)s” is %(value)s. It was to be: %(kind)s.") % words
        if isinstance(value, str) and len(value) > LONGEST_OUTPUT:
            return {}, _("“%(name)s” is too long: at most %(num)s characters.") % {
                "name": name,
                "num": LONGEST_OUTPUT,
            }
        found[name] = storable(value) if isinstance(value, str) else value
    return found, ""


def _is_a(kind: str, value: Any) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "boolean":
            return isinstance(value, bool)
    return isinstance(value, str)


class _Mask:
    """Takes secrets out of what the log keeps. Code can write them otherwise; so who may write code may know them."""

    def __init__(self, values: Any) -> None:
        self.values = sorted((value for value in values if value), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, MASK)
        return text


def _locale(account_id: int) -> str:
    return str(Account.objects.values_list("locale", flat=True).get(pk=account_id))


_CLAIM = f"""
with gone as (
    delete from automation_coderun r where (r.lease_until is null or r.lease_until < clock_timestamp()) and not exists (
        select from automation_stepcall c where c.account_id = r.account_id and c.key = r.key and c.state = 'WAITING')
    and r.created_at < clock_timestamp() - interval '1 minute'
), picked as (
    select r.id from automation_coderun r
    where (r.lease_until is null or r.lease_until < clock_timestamp()) and exists (
        select from automation_stepcall c
        join automation_enrollment e on e.account_id = c.account_id and e.id = c.enrollment_id and e.waits_for = '{calls.WAITS_FOR}' and e.state <> 'ENDED'
        where c.account_id = r.account_id and c.key = r.key and c.state = 'WAITING')
    order by (r.account_id <= %s), r.account_id, r.id limit 1 for update of r skip locked
)
update automation_coderun r set lease_until = clock_timestamp() + %s * interval '1 second', tries = tries + 1
from picked where r.id = picked.id
returning r.id, r.account_id, r.workflow_id, r.revision_number, r.step_id, r.key, r.event, r.tries
"""

"""What runs and their steps say, in words: names of steps, reasons, ends, outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import queries
from deskhand.automation import calls, gating, hooks, tokens, trial, uses, waking
from deskhand.automation.actions import choices
from deskhand.automation.actions.once import reading_once
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Output, in_words
from deskhand.automation.engine import trace
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    ForAmount,
    IfThen,
    Step,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
)
from deskhand.automation.enrolling import guards
from deskhand.automation.enrolling.index import find_definition
from deskhand.automation.history import Line, Named, Run
from deskhand.automation.models import EnrollmentState, StepStatus, Workflow
from deskhand.crm.schema import durations
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.text import plain
from deskhand.web import times
from deskhand.web.automation.fields import with_tokens_named
from deskhand.web.choices import in_short
from deskhand.web.inbox.rows import Label
from deskhand.web.records.kinds import record_url
from deskhand.web.shell import Tone
from deskhand.web.workflows import words
from deskhand.web.workflows.looks import look_of
from deskhand.web.workflows.rows import LogLine, RecordName, RunLine, StepName

STATUSES: dict[str, tuple[str | Promise, Tone | None]] = {
    StepStatus.SUCCEEDED: (gettext_lazy("Done"), "green"),
    StepStatus.SCHEDULED: (gettext_lazy("Waits"), "blue"),
    StepStatus.SKIPPED: (gettext_lazy("Skipped"), None),
    StepStatus.RETRYING: (gettext_lazy("Tried again"), "amber"),
    StepStatus.FAILED: (gettext_lazy("Failed"), "red"),
}
ENDS: dict[str, str | Promise] = {
    "completed": gettext_lazy("It went through to the end."),
    "unenrolled": gettext_lazy("It met the condition that ends a run."),
    "trigger_fails": gettext_lazy("It no longer met what enrolls."),
    "goal": gettext_lazy("It reached the goal."),
    "suppressed": gettext_lazy("It came into a segment that is kept out."),
    "step_gone": gettext_lazy("Its step was deleted, and none followed."),
    "circles": gettext_lazy("It went in circles without ever waiting."),
    "record_gone": gettext_lazy("The record was deleted."),
    "merged": gettext_lazy("The record was merged into another one."),
    "deleted": gettext_lazy("The workflow was archived."),
    "by_hand": gettext_lazy("Somebody took it out."),
    "step_failed": gettext_lazy("A step failed, and the run was to stop then."),
    "cancelled": gettext_lazy("A condition cancelled its wait."),
    "restarted": gettext_lazy("It began anew."),
    "taken_over": gettext_lazy("Another workflow took the record over."),
    "went_on": gettext_lazy("It went over to another workflow."),
}
FAILED = "failed: "
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d\S*|\d{4}-\d\d-\d\d \d\d:\d\d:\S+")


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def record_name(record: Named) -> RecordName:
    return RecordName(
        record.title or f"#{record.id}", "" if record.is_gone else record_url(record.object_type, record.id)
    )


class Steps:
    """Names of steps by revision, each worked out once; a step that is gone is named by what it was then."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._known: dict[int, Definition | None] = {}
        self._names: dict[tuple[str, int, str], StepName] = {}
        self._read: dict[Any, Any] = {}

    def definition(self, number: int) -> Definition | None:
        """None for one that can't be read."""
        if number not in self._known:
            self._known[number] = find_definition(self.workflow.account_id, self.workflow.pk, number)
        return self._known[number]

    def _found(self, step_id: str, revision: int) -> Iterator[tuple[Step, Definition]]:
        """The step as it is now, then as it was; with what it stands in."""
        for number in (self.workflow.revision_number, revision):
            definition = self.definition(number)
            if definition and (step := definition.by_id.get(step_id)):
                yield step, definition

    def name(self, step_id: str, revision: int, kind: str = "") -> StepName:
        """`kind` is the action's, for a step that is nowhere."""
        key = (step_id, revision, kind)
        if key not in self._names:
            with reading_once(self._read):
                self._names[key] = self._named(*key)
        return self._names[key]

    def _named(self, step_id: str, revision: int, kind: str) -> StepName:
        for step, definition in self._found(step_id, revision):
            return step_name(step, definition)
        action = ACTIONS.get(kind)
        return StepName(str(action.label), "", action.icon, action.tone) if action else StepName(_("The workflow"), icon="workflow")  # fmt: skip

    def outputs(self, line: Line) -> tuple[tuple[str, str], ...]:
        """What an action told later steps, by its label (R-WFA-2); by its name when the step is gone."""
        told = line.data.get("outputs", {}) if isinstance(line.data, Mapping) else {}
        if not told or not isinstance(told, Mapping):
            return ()
        known = self._outputs(line.step_id, line.revision)
        return tuple(
            (known[name].label, dict(known[name].values).get(plain(value), plain(value)))
            if name in known
            else (str(name), plain(value))
            for name, value in told.items()
            if value is not None
        )

    def _outputs(self, step_id: str, revision: int) -> dict[str, Output]:
        step = next((step for step, _definition in self._found(step_id, revision)), None)
        return {one.name: one for one in outputs(step)}

    def choices(self) -> list[tuple[str, str]]:
        """The steps that are there now, to choose one by."""
        definition = self.definition(self.workflow.revision_number)
        with reading_once(self._read):
            return (
                [(one.id, label(step_name(one, definition))) for one in definition.steps]
                if definition
                else []
            )


def label(step: StepName) -> str:
    if not step.summary:
        return step.title
    return _("%(step)s: %(summary)s") % {"step": step.title, "summary": step.summary}


def step_name(step: Step, definition: Definition) -> StepName:
    """`definition` is the one that it stands in: its texts may have outputs of other steps as tokens."""
    look = look_of(step)
    return StepName(look.title, _summary(step, definition), look.icon, look.tone)


def _summary(step: Step, definition: Definition) -> str:
    object_type = definition.object_type
    match step:
        case Action(_id, kind, settings):
            action = ACTIONS.get(kind)
            return _tokens_named(in_words(action, settings, object_type), definition) if action else ""
        case Delay():
            return delay(step, object_type)
        case IfThen(branches=branches):
            return in_short([one.name for one in branches if one.name])
        case ValueEquals(of=str(name)):
            return words.property_label(object_type, name)
    return ""


def _tokens_named(text: str, definition: Definition) -> str:
    if not tokens.has_tokens(text):
        return text
    return "".join(part for part, _is_token in with_tokens_named(text, token_names(definition)))


def token_names(definition: Definition) -> dict[str, str]:
    """{token: its name}, of the record and of what its steps tell others (R-WFA-2)."""
    outputs = {
        f"step_{step.id}.{name}": label for step in definition.steps for name, label in outputs_of(step)
    }
    return tokens.offered(definition.object_type) | outputs


def outputs(step: Step | None) -> tuple[Output, ...]:
    """What an action that is there tells later steps."""
    if not isinstance(step, Action) or step.kind not in ACTIONS:
        return ()
    return tuple(ACTIONS[step.kind].outputs(step.settings))


def outputs_of(step: Step) -> list[tuple[str, str]]:
    """(name, label) of each, with the action's name."""
    said, title = _("%(output)s (%(action)s)"), look_of(step).title
    return [(one.name, said % {"action": title, "output": one.label}) for one in outputs(step)]


def delay(step: Delay, object_type: str) -> str:
    """What a delay waits for, in few words."""
    match step.wait:
        case ForAmount(amount, is_working_time):
            time = durations.exactly(amount, of_working_time=is_working_time)
            return _("%(time)s of working time") % {"time": time} if is_working_time else time
        case UntilDate(day):
            return _("Until %(date)s") % {"date": times.day(day)}
        case UntilProperty(name):
            return _("Until “%(property)s”") % {"property": words.property_label(object_type, name)}
        case UntilWeekday(days):
            return words.weekdays(days)
        case UntilTime(minute):
            return _("Until %(time)s") % {"time": words.clock_time(minute)}
        case UntilEvent(event):
            return _("Until the event “%(event)s”") % {"event": words.event(event.kind)}


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Reasons:
    """Why records were enrolled; the names of people and workflows are read once for all of them."""

    def __init__(self, account_id: int, reasons: Sequence[Mapping[str, Any]]) -> None:
        users = {one["actor_id"] for one in reasons if one.get("actor") == "user" and "actor_id" in one}
        users |= {one["user"] for one in reasons if isinstance(one.get("user"), int)}
        flows = {one["workflow"] for one in reasons if isinstance(one.get("workflow"), int)}
        self._people = queries.names_of(users) if users else {}
        known = (
            Workflow.objects.filter(account_id=account_id, pk__in=flows) if flows else Workflow.objects.none()
        )
        self._workflows = dict(known.values_list("pk", "name")) if flows else {}

    def words(self, reason: Mapping[str, Any], event_id: int | None) -> str:
        by = reason.get("by", "")
        if by in ("event", "filter"):
            return self._happened(by, reason)
        if by == "manual":
            who = self._people.get(reason.get("user") or reason.get("actor_id") or 0)
            return _("%(name)s enrolled it") % {"name": who} if who else _("Enrolled by hand")
        if by == "workflow":
            name = self._workflows.get(reason.get("workflow", 0))
            return _("By the workflow “%(name)s”") % {"name": name} if name else _("By another workflow")
        fixed = {
            "schedule": _("By the schedule"), "date": _("Its date came"), "call": _("Another system called"),
            "present": _("Fitted already when it was switched on"),
        }  # fmt: skip
        if by in fixed:
            return fixed[by]
        return _("By an event") if event_id else fixed["present"]

    def _happened(self, by: str, reason: Mapping[str, Any]) -> str:
        if by == "filter":
            return _("It came to meet the filters")
        kind = reason.get("chosen") or reason.get("kind")
        who = self._people.get(reason.get("actor_id", 0)) if reason.get("actor") == "user" else None
        if not kind:
            return _("By an event")
        said = {"events": words.event(kind), "name": who}
        return _("Event: %(events)s, by %(name)s") % said if who else _("Event: %(events)s") % said


def run_state(run: Run) -> Label:
    if run.is_over:
        if run.end_reason == "completed":
            return Label(_("With failures"), "amber") if run.has_failed else Label(_("Completed"), "green")
        if is_failure(run.end_reason):
            return Label(_("Failed"), "red")
        return Label(_("Left"))
    if run.state == EnrollmentState.QUEUED:
        return Label(_("Queued"))
    if run.state == EnrollmentState.HELD:
        return Label(_("Held"), "amber")
    if run.attempts:
        return Label(_("Tried again"), "amber")
    return Label(_("Inside"), "blue")


def may_go_on(run: Run) -> bool:
    """Whether it waits for something that people may skip."""
    waits = run.state == EnrollmentState.WAITING or (
        run.state == EnrollmentState.DUE and run.due_at is not None
    )
    return waits and run.waits_for != calls.WAITS_FOR and not run.attempts


def is_failure(end_reason: str) -> bool:
    return end_reason == "step_failed" or end_reason.startswith("failed")


def end_words(end_reason: str) -> str:
    if end_reason.startswith(FAILED):
        return _("A step could not be done: %(why)s") % {"why": end_reason.removeprefix(FAILED)}
    return str(ENDS.get(end_reason, end_reason))


def until(run: Run, workflow: Workflow) -> str:
    """What a run that is under way waits for; who is held and not by a pause waits for the account's budget."""
    if run.is_over:
        return ""
    if run.state == EnrollmentState.QUEUED:
        return _("Until the run before it is over")
    if run.state == EnrollmentState.HELD:
        return _("Until the workflow goes on") if workflow.is_paused else _("Until automation may send again")
    if run.waits_for == calls.WAITS_FOR:
        return _("Until another system answers")
    when = {"time": moment(run.due_at), "event": words.event(run.waits_for)}
    if run.waits_for and not run.waits_for.startswith("property:"):
        if run.due_at is None:
            return _("Until the event “%(event)s”") % when
        return _("Until the event “%(event)s”, and %(time)s at the latest") % when
    return _("Until %(time)s") % when if run.due_at else ""


def moment(at: datetime | None) -> str:
    return times.moment(at) if at else ""


def run_line(run: Run, steps: Steps, reasons: Reasons) -> RunLine:
    workflow = steps.workflow
    at_step = steps.name(run.step_id, run.revision) if run.step_id and not (run.is_over and run.end_reason == "completed") else None  # fmt: skip
    return RunLine(
        run.id, record_name(run.record), reverse("workflow-run", args=[workflow.pk, run.id]),
        reasons.words(run.reason, run.event_id), run.enrolled_at, run_state(run), at_step, run.ended_at,
        end_words(run.end_reason) if run.is_over else "", until(run, workflow), run.since,
    )  # fmt: skip


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def log_line(line: Line, steps: Steps) -> LogLine:
    text, tone = STATUSES[line.status]
    message, detail = said(line)
    return LogLine(
        line.id, record_name(line.record), reverse("workflow-run", args=[steps.workflow.pk, line.run_id]),
        steps.name(line.step_id, line.revision, line.kind), Label(str(text), tone), message, detail, steps.outputs(line), line.at,
    )  # fmt: skip


def said(line: Line) -> tuple[str, str]:
    """The message of a line, and what a machine said as the detail."""
    if line.kind == "error":
        again = {"time": readable("until", line.data.get("until", ""))}
        return (_("It could not be done; the next try is at %(time)s.") % again if again["time"] else _("It could not be done.")), line.message  # fmt: skip
    try:
        what = trace.What(line.kind)
    except ValueError:
        return line.message, str(line.data.get("printed", ""))
    values = {name: readable(name, value) for name, value in line.data.items()}
    try:
        return _(trace.sentence(trace.TraceItem(line.step_id, what, values))) % values, ""
    except (KeyError, ValueError):
        return str(_PLAIN.get(what, what)), _MOMENT.sub(_as_moment, line.message)


def trial_words(line: trial.Line) -> str:
    """The message of a step that was only tried."""
    nobody = Named("", 0, "", is_gone=True)
    message, detail = said(
        Line(
            0,
            0,
            nobody,
            0,
            line.step_id,
            line.kind,
            StepStatus(line.status),
            line.message,
            line.data,
            line.at,
        )
    )
    return " ".join(part for part in (message, detail) if part)


def _as_moment(found: re.Match[str]) -> str:
    try:
        return times.moment(datetime.fromisoformat(found[0]))
    except ValueError:
        return found[0]


#: What happened where nothing more is known.
_PLAIN: dict[trace.What, str | Promise] = {
    trace.What.BRANCH: gettext_lazy("Took a branch."),
    trace.What.DEFAULT: gettext_lazy("No branch matched; took the default."),
    trace.What.DELAYED: gettext_lazy("Waiting."),
    trace.What.NO_DATE: gettext_lazy("There is no date to wait for."),
    trace.What.AWAITED: gettext_lazy("Waiting for an event."),
    trace.What.CAME: gettext_lazy("What it waited for happened."),
    trace.What.TIMED_OUT: gettext_lazy("Time is up."),
    trace.What.HELD: gettext_lazy("Outside the hours in which actions run."),
    trace.What.LEFT: gettext_lazy("Left the workflow."),
    trace.What.ENDED: gettext_lazy("Ended."),
}


def readable(name: str, value: Any) -> str:
    """A value of a trace as people read it."""
    match name:
        case "until" | "at":
            return _MOMENT.sub(_as_moment, str(value))
        case "event":
            return words.event(str(value))
        case "reason":
            return end_words(str(value)).rstrip(".")
    return str(value)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def value_words(object_type: str, prop: Property, value: Any) -> str:
    """A value of a record as people read it; moments in the reader's zone."""
    try:
        if prop.kind is Kind.DATETIME and value:
            at = datetime.fromisoformat(str(value))
            return times.moment(at if at.tzinfo else at.replace(tzinfo=UTC))
        if prop.kind is Kind.DATE and value:
            return times.day(datetime.fromisoformat(str(value)).date())
    except ValueError:
        return str(value)
    return choices.spoken(object_type, prop, value)


# ── what needs a look ────────────────────────────────────────────────────────────────────────────────────────────────

_WAYS: dict[str, str | Promise] = {
    guards.TOO_DEEP: gettext_lazy(
        "Workflows start each other. Change the trigger of one of them, so that it does not answer to the other."
    ),
    guards.TOO_OFTEN: gettext_lazy(
        "The workflow starts itself again and again. Change its trigger, or what its steps set."
    ),
    guards.BROKEN: gettext_lazy(
        "Open the workflow and choose anew what its trigger names. Then switch it on again."
    ),
    guards.SWITCHED_OFF: gettext_lazy(
        "Open the workflow and choose anew what its trigger names. Then switch it on again, and let go on whom it holds."
    ),
    guards.UNREADABLE: gettext_lazy(
        "Install the release that stored it again. Its runs go on by themselves then."
    ),
    waking.TOO_OFTEN: gettext_lazy(
        "Let one of the workflows end by itself, or wait for something that the others don't do."
    ),
    hooks.FAILED: gettext_lazy(
        "Its page “Calls” says what came and why it was not used. Read it again when the cause is gone."
    ),
    uses.STAGE_GONE: gettext_lazy("Make a copy of the workflow and give it another trigger, or archive it."),
    uses.NAMES_GONE: gettext_lazy(
        "Choose another one wherever it is named: in the trigger, in conditions and in steps, also of a draft. Runs that keep an older version can follow the newest instead. What else the workflow does goes on."
    ),
    gating.BEYOND: gettext_lazy("Take out the steps that it does not have, or choose a larger plan."),
    gating.DISCONNECTED: gettext_lazy(
        "Connect the number again, or choose another one in the steps that write from it."
    ),
}


def way_out(needs_review: str) -> str:
    """How to put right what is wrong with a workflow."""
    usual = _("The history shows where it failed. Change the step, then let the runs go on from it.")
    return str(_WAYS.get(needs_review, usual))

"""Trying a workflow out on a record: the way it would take, what it would send and change; nothing of it happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError
from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from deskhand.automation import access, drafts, history, trial
from deskhand.automation.engine.definition import Definition, Delay, UntilEvent
from deskhand.automation.history import Named
from deskhand.automation.models import Workflow
from deskhand.automation.trial import Expected, Stopped, Tried
from deskhand.crm.schema import durations
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel import clock
from deskhand.kernel.errors import DeskhandError, NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web.choices import Choice
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import lists, told, ways, words
from deskhand.web.workflows.editor.opened import offers_editor
from deskhand.web.workflows.editor.path import Line, path_of
from deskhand.web.workflows.editor.rows import Path
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.rows import RecordName

ENDS: dict[str, str | Promise] = {
    Stopped.WAITS: gettext_lazy("It would stand here until something happens."),
    Stopped.HELD: gettext_lazy("It would be held: the hour's budget is used up."),
    Stopped.TOO_LONG: gettext_lazy("It went on and on; only the first steps were tried."),
}


@dataclass(frozen=True)
class Wait:
    """A step that waits for something: what it is taken to come to."""

    name: str
    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class ChangedLine:
    record: RecordName
    property: str
    old: str
    new: str


@dataclass(frozen=True)
class Result:
    path: Path
    sent: tuple[trial.Sent, ...]
    changed: tuple[ChangedLine, ...]
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class TrialPage:
    text: str
    found: tuple[tuple[str, str], ...]  # name and address of the records to choose from
    record: RecordName | None = None
    record_id: int = 0
    result: Result | None = None
    waits: tuple[Wait, ...] = ()
    notice: str = ""
    is_draft: bool = False
    here: str = ""
    leave_url: str = ""  # back to the canvas as it is edited


@require_GET
def try_out(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Without `?record=` the records to choose from."""
    workflow = seen(request, workflow_id)
    access.require_edit(request.viewer, workflow)
    definition, is_draft = definition_to_try(workflow)
    text = storable(request.GET.get("q", "")).strip()[: lists.LONGEST_SEARCH]
    record_id = whole(request.GET.get("record", ""))
    if record_id is None:
        found = history.candidates(request.viewer, workflow.object_type, text)
        links = tuple(
            (one.title, ways.with_query("workflow-try", [workflow.pk], record=one.id)) for one in found
        )
        return _page(request, workflow, TrialPage(text, links, is_draft=is_draft))
    key = (workflow.object_type, record_id)
    record = history.named(request.viewer, [key]).get(key)
    if record is None or record.is_gone:
        raise NotFound(_("There is no such record."))
    return _page(request, workflow, _tried(request, workflow, definition, is_draft, record))


def definition_to_try(workflow: Workflow) -> tuple[Definition, bool]:
    """The draft and True, if somebody works on one; else what runs."""
    draft = drafts.of(workflow)
    return draft.definition, draft.has_changes


def _page(request: AccountRequest, workflow: Workflow, page: TrialPage) -> HttpResponse:
    template = "workflows/try.html" if page.record is None else "workflows/tried.html"
    return one_page(request, workflow, "try", template, page=page)


def _tried(
    request: AccountRequest, workflow: Workflow, definition: Definition, is_draft: bool, record: Named
) -> TrialPage:
    expected = {step.id: _expected(request, step.id) for step in _waiting(definition)}
    waits = tuple(_wait(step, expected[step.id]) for step in _waiting(definition))
    chosen = {f"wait-{pk}": one for pk, one in expected.items() if one is Expected.HAPPENS}
    here = ways.with_query("workflow-try", [workflow.pk], record=record.id, **chosen)
    page: dict[str, Any] = {
        "text": "", "found": (), "record": told.record_name(record), "record_id": record.id, "waits": waits,
        "is_draft": is_draft, "here": here, "leave_url": _editor(request, workflow),
    }  # fmt: skip
    now = clock.now()
    try:
        tried = trial.try_out(definition, record.id, name=workflow.name, now=now, waits=expected)
    except OperationalError:
        return TrialPage(**page, notice=_("Somebody is changing this record. Try again in a moment."))
    except DeskhandError as refusal:
        return TrialPage(**page, notice=words_of(refusal))
    path = path_of(
        request.viewer, workflow, definition, [_line(one, now) for one in tried.lines], end=_end(tried),
        is_completed=tried.reason == "completed", is_over=tried.stopped is Stopped.ENDED, here=here, start=request.GET.get("from", ""),
    )  # fmt: skip
    return TrialPage(**page, result=_result(request, path, tried))


def _editor(request: AccountRequest, workflow: Workflow) -> str:
    """The canvas as it is edited; who has none goes back to choosing a record."""
    has_one = workflow.archived_at is None and offers_editor(request.account, workflow.object_type)
    return ways.editor(workflow) if has_one else reverse("workflow-try", args=[workflow.pk])


def _waiting(definition: Definition) -> list[Delay]:
    return [
        step for step in definition.steps if isinstance(step, Delay) and isinstance(step.wait, UntilEvent)
    ]


def _expected(request: AccountRequest, step_id: str) -> Expected:
    return Expected.HAPPENS if request.GET.get(f"wait-{step_id}") == Expected.HAPPENS else Expected.TIMES_OUT


def _wait(step: Delay, expected: Expected) -> Wait:
    assert isinstance(step.wait, UntilEvent)
    return Wait(
        f"wait-{step.id}", _("“%(event)s”") % {"event": words.event(step.wait.event.kind)},
        (
            Choice(Expected.TIMES_OUT, _("Does not happen"), expected is Expected.TIMES_OUT),
            Choice(Expected.HAPPENS, _("Happens"), expected is Expected.HAPPENS),
        ),
    )  # fmt: skip


def _end(tried: Tried) -> str:
    return told.end_words(tried.reason) if tried.stopped is Stopped.ENDED else str(ENDS[tried.stopped])


def _result(request: AccountRequest, path: Path, tried: Tried) -> Result:
    names = history.named(request.viewer, [(one.object_type, one.record_id) for one in tried.changed])
    return Result(
        path, tried.sent,
        tuple(
            _changed(one, names[one.object_type, one.record_id])
            for one in tried.changed
            if (one.object_type, one.record_id) in names and one.property in properties_of(one.object_type)
        ),
        tried.tasks,
    )  # fmt: skip


def _line(line: trial.Line, now: datetime) -> Line:
    return Line(
        line.step_id, line.kind, line.status, told.trial_words(line), line.data, _after(line.at - now)
    )


def _after(passed: timedelta) -> str:
    if passed < timedelta(minutes=1):
        return _("At once")
    return _("After %(time)s") % {"time": durations.exactly(passed)}


def _changed(one: trial.Changed, record: Named) -> ChangedLine:
    prop = properties_of(one.object_type)[one.property]
    return ChangedLine(
        told.record_name(record), _(prop.label), told.value_words(one.object_type, prop, one.old),
        told.value_words(one.object_type, prop, one.new),
    )  # fmt: skip

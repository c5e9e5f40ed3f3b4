"""What a workflow did: who was enrolled, the way each took, what steps did, and who waits where (R-LOG-1 … R-LOG-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET

from deskhand.accounts import queries
from deskhand.automation import access, history, undo, waking
from deskhand.automation.history import Asked as AskedRuns
from deskhand.automation.history import Ended
from deskhand.automation.models import StepStatus, Workflow
from deskhand.kernel import clock
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web import times
from deskhand.web.choices import Choice, offered
from deskhand.web.contacts.lists import one_of
from deskhand.web.filters.asked import Asked
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import lists, told, ways
from deskhand.web.workflows.rows import (
    Filters,
    GoalBox,
    GoalWeek,
    HistoryPage,
    LogPage,
    RunPage,
    TakenBack,
    WaitingPage,
)

SHOWN = 50
LONGEST_PATH = 500
RUN_STATES: dict[str, str | Promise] = {
    Ended.ALL: gettext_lazy("All runs"),
    Ended.INSIDE: gettext_lazy("Inside now"),
    Ended.COMPLETED: gettext_lazy("Completed"),
    Ended.FAILED: gettext_lazy("With failures"),
    Ended.LEFT: gettext_lazy("Left"),
}


def seen(request: AccountRequest, workflow_id: int) -> Workflow:
    """A workflow whose history the viewer may read; archived ones keep theirs (R-EDIT-8)."""
    access.require_open(request.viewer, request.account)
    return access.find(request.viewer, workflow_id)


def one_page(
    request: AccountRequest,
    workflow: Workflow,
    current: str,
    template: str,
    status: int = 200,
    **context: object,
) -> HttpResponse:
    """A page about one workflow."""
    frame = {"shell": shell(request, area="workflows"), "top": lists.top(request.viewer, workflow, current)}
    return render(request, template, {**frame, **context}, status=status)


def asked_of(request: AccountRequest) -> AskedRuns:
    """What the address asks for; days are those of the reader's time zone."""
    given = request.GET
    return AskedRuns(
        ended=one_of(Ended, given.get("state", ""), Ended.ALL),
        status=given.get("status", "") if given.get("status") in set(StepStatus) else "",
        step_id=given.get("step", "") if whole(given.get("step", "")) is not None else "",
        since=_start_of(given.get("since", "")),
        until=_start_of(given.get("until", ""), days=1),
        text=storable(given.get("q", "")).strip()[: lists.LONGEST_SEARCH],
        record_id=whole(given.get("record", "")),
    )


def _start_of(text: str, days: int = 0) -> datetime | None:
    day = _day(text)
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day + timedelta(days=days), time.min))


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 1970 < day.year < 3000 else None


def _date_text(text: str) -> str:
    day = _day(text)
    return day.isoformat() if day else ""


def _kept(request: AccountRequest, *names: str) -> dict[str, object]:
    return {name: request.GET.get(name, "") for name in ("q", "since", "until", "record", *names)}


def _filters(request: AccountRequest, asked: AskedRuns, name: str, workflow: Workflow, **choices: tuple[Choice, ...]) -> Filters:  # fmt: skip
    url = reverse(name, args=[workflow.pk])
    return Filters(
        url, asked.text, _date_text(request.GET.get("since", "")), _date_text(request.GET.get("until", "")),
        clear_url=url if asked != AskedRuns() else "", **choices,
    )  # fmt: skip


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def runs(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow, asked = seen(request, workflow_id), asked_of(request)
    before = whole(request.GET.get("before", ""))
    found = history.runs(request.viewer, workflow, asked, before=before, limit=SHOWN + 1)
    shown = found[:SHOWN]
    steps, reasons = told.Steps(workflow), told.Reasons(workflow.account_id, [one.reason for one in shown])
    kept = _kept(request, "state", "step")
    may = access.may_edit(request.viewer, workflow) and workflow.archived_at is None
    page = HistoryPage(
        tuple(told.run_line(one, steps, reasons) for one in shown),
        _filters(request, asked, "workflow-history", workflow, states=offered(RUN_STATES, asked.ended)),
        ways.with_query("workflow-history", [workflow.pk], **kept, before=shown[-1].id) if len(found) > SHOWN else "",
        _goal(request, workflow, steps),
        reverse("workflow-enroll", args=[workflow.pk]) if may and workflow.is_on else "",
        reverse("workflow-runs", args=[workflow.pk]) if may and history.failed_runs(request.viewer, [workflow.pk], workflow.object_type) else "",
        file_url=ways.with_query("workflow-history-file", [workflow.pk], **kept),
    )  # fmt: skip
    return one_page(request, workflow, "history", "workflows/history.html", page=page)


#: Of the picture of the weeks.
BAR, GAP, TALL = 10, 4, 36


def _goal(request: AccountRequest, workflow: Workflow, steps: told.Steps) -> GoalBox | None:
    """None for a workflow without one."""
    definition = steps.definition(workflow.revision_number)
    if definition is None or definition.leaving.goal is None:
        return None
    found = history.goal_of(workflow, clock.now(), ZoneInfo(timezone.get_current_timezone_name()))
    most = max(week.entered for week in found.weeks)
    weeks = tuple(
        GoalWeek(
            times.day(week.begins_on), lists.number(week.entered), lists.number(week.met), place * (BAR + GAP),
            round(TALL * week.entered / most, 1), round(TALL * week.met / most, 1),
        )
        for place, week in enumerate(found.weeks)
    ) if most else ()  # fmt: skip
    named = {"met": lists.number(found.met), "num": lists.number(found.entered), "percent": found.percent}
    result = ngettext(
        "%(met)s of %(num)s record that entered in the last 12 weeks reached it: %(percent)s %%",
        "%(met)s of %(num)s records that entered in the last 12 weeks reached it: %(percent)s %%",
        found.entered,
    )
    inside = ngettext("%(num)s record is still inside", "%(num)s records are still inside", found.inside)
    return GoalBox(
        Asked(request.viewer, workflow.object_type).in_words(definition.leaving.goal),
        result % named if found.entered else _("Nobody entered in the last 12 weeks."),
        inside % {"num": lists.number(found.inside)} if found.inside else "", weeks,
    )  # fmt: skip


@require_GET
def run(request: AccountRequest, workflow_id: int, run_id: int) -> HttpResponse:
    """The way one record took."""
    workflow = seen(request, workflow_id)
    found = history.run(request.viewer, workflow, run_id)
    lines = history.path(request.viewer, workflow, run_id, LONGEST_PATH + 1)
    steps, reasons = told.Steps(workflow), told.Reasons(workflow.account_id, [found.reason])
    page = RunPage(
        told.run_line(found, steps, reasons), tuple(told.log_line(one, steps) for one in lines[:LONGEST_PATH]),
        len(lines) > LONGEST_PATH, _retries(found), _("Version %(number)s") % {"number": found.revision},
        _verbs(request, workflow, found), why_again=_why_again(found, lines),
    )  # fmt: skip
    page = replace(page, **_taken_back(request, workflow, found))
    return one_page(request, workflow, "history", "workflows/run.html", page=page)


def _taken_back(request: AccountRequest, workflow: Workflow, found: history.Run) -> dict[str, Any]:
    """What was taken back of it, and the ways to what can be and to what stayed, for those who may take back."""
    extent = undo.extent_of_run(workflow.pk, found, clock.now())
    taken = undo.taken_back(extent)
    names = queries.names_of([one.by.id for one in taken if one.by.id]) if taken else {}
    said = tuple(
        TakenBack(
            one.at,
            ngettext("%(name)s took back %(num)s value.", "%(name)s took back %(num)s values.", one.count)
            % {"name": names.get(one.by.id or 0, _("Somebody who left")), "num": lists.number(one.count)},
        )
        for one in taken
    )
    if not access.may_edit(request.viewer, workflow):
        return {"taken_back": said}
    left, url = undo.look(extent), ways.with_query("workflow-undo", [workflow.pk], run=found.id)
    stayed = taken and (left.staying or undo.stays(extent))
    return {
        "taken_back": said, "stayed_url": url if stayed else "", "undo_url": url if left.coming_back or left.next else "",
    }  # fmt: skip


def _verbs(request: AccountRequest, workflow: Workflow, found: history.Run) -> tuple[Choice, ...]:
    if (
        workflow.archived_at is not None
        or not access.may_edit(request.viewer, workflow)
        or found.record.is_gone
    ):
        return ()
    if found.is_over:
        return (
            (Choice("again", _("Run again from the failed step")),)
            if told.is_failure(found.end_reason)
            else ()
        )
    leave = Choice("leave", _("Take out"))
    return (Choice("go", _("Go on now")), leave) if told.may_go_on(found) else (leave,)


def _retries(found: history.Run) -> str:
    if found.is_over or not found.attempts:
        return ""
    said = {"num": found.attempts, "time": told.moment(found.due_at)}
    return (
        ngettext("%(num)s try failed; the next is at %(time)s.", "%(num)s tries failed; the next is at %(time)s.", found.attempts)
        % said
    )  # fmt: skip


def _why_again(found: history.Run, lines: Sequence[history.Line]) -> str:
    """What the last try failed of."""
    if found.is_over or not found.attempts:
        return ""
    return next((one.message for one in reversed(lines) if one.status is StepStatus.RETRYING), "")


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def log(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow, asked = seen(request, workflow_id), asked_of(request)
    before = whole(request.GET.get("before", ""))
    found = history.steps(request.viewer, workflow, asked, before=before, limit=SHOWN + 1)
    steps, kept = told.Steps(workflow), _kept(request, "status", "step")
    page = LogPage(
        tuple(told.log_line(one, steps) for one in found[:SHOWN]),
        _filters(
            request, asked, "workflow-log", workflow,
            statuses=(Choice("", _("Any outcome"), not asked.status), *offered({one: text for one, (text, _tone) in told.STATUSES.items()}, asked.status)),
            steps=(Choice("", _("All steps"), not asked.step_id), *offered(steps.choices(), asked.step_id)),
        ),
        ways.with_query("workflow-log", [workflow.pk], **kept, before=found[SHOWN - 1].id) if len(found) > SHOWN else "",
        ways.with_query("workflow-log-file", [workflow.pk], **kept),
    )  # fmt: skip
    return one_page(request, workflow, "log", "workflows/log.html", page=page)


# ── who waits ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def waiting(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Who stands at the step that `?step=` names (R-LOG-4)."""
    workflow = seen(request, workflow_id)
    step_id = asked_of(request).step_id
    if not step_id:
        raise NotFound(_("There is no such step."))
    after = whole(request.GET.get("after", ""))
    found = history.waiting(request.viewer, workflow, step_id, after=after, limit=SHOWN + 1)
    steps, reasons = told.Steps(workflow), told.Reasons(workflow.account_id, [one.reason for one in found])
    shown = tuple(told.run_line(one, steps, reasons) for one in found[:SHOWN])
    may_act = access.may_edit(request.viewer, workflow) and workflow.archived_at is None
    page = WaitingPage(
        steps.name(step_id, workflow.revision_number), tuple(replace(one, step=None) for one in shown),
        lists.number(history.counts(workflow).get(step_id, history.Counts()).waiting), step_id,
        ways.with_query("workflow-waiting", [workflow.pk], step=step_id, after=shown[-1].id) if len(found) > SHOWN else "",
        may_act, ways.with_query("workflow-waiting", [workflow.pk], step=step_id), may_act and waking.can_recalculate(workflow, step_id),
    )  # fmt: skip
    return one_page(request, workflow, "history", "workflows/waiting.html", page=page)

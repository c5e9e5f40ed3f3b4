"""Runs on the canvas, and what is done with them by hand: taking them out, letting them go on, running them once more
(R-UN-8, R-LOG-7)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.automation import access, again, comments, drafts, history, keeping, listing, waking
from deskhand.automation.enrolling import leaving
from deskhand.automation.listing import Asked, State
from deskhand.automation.models import StepComment, Workflow
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict
from deskhand.kernel.text import whole
from deskhand.notifications import reading as notices
from deskhand.notifications.types import Kind
from deskhand.web import ticked
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import lists, told, ways, words
from deskhand.web.workflows.editor.path import Line, path_of
from deskhand.web.workflows.editor.rows import RunPathPage
from deskhand.web.workflows.history_views import LONGEST_PATH, one_page, seen
from deskhand.web.workflows.list_views import back, editable
from deskhand.web.workflows.rows import ReviewLine, ReviewPage


@require_POST
def runs_do(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """`do` says what with the runs in `ids`: leave, go or again; "all" runs all that failed once more, "recalculate" gives
    all who wait in the delay `step` the time that it says now (R-DELAY-11)."""
    workflow = editable(request, workflow_id)
    ids = ticked.ids_of(request.POST, again.MOST)
    match request.POST.get("do"):
        case "leave":
            mine = history.reached(request.viewer, workflow, ids, Verb.EDIT)
            number = len(leaving.unenroll(workflow.account_id, mine, by=request.user.pk))
            said = ngettext("%(num)s record left the workflow.", "%(num)s records left the workflow.", number)
        case "go":
            number = again.go_on(request.viewer, workflow, ids)
            said = ngettext("%(num)s record goes on now.", "%(num)s records go on now.", number)
        case "recalculate":
            number = waking.recalculate(workflow, request.POST.get("step", "")[:20], by=request.user.pk)
            said = _("Who waits here waits as the delay says now.")
        case "all":
            number = again.run_again(request.viewer, workflow)
            said = ngettext("%(num)s run goes on from the step that failed.", "%(num)s runs go on from the step that failed.", number)  # fmt: skip
        case _:
            number = again.run_again(request.viewer, workflow, ids)
            said = ngettext("%(num)s run goes on from the step that failed.", "%(num)s runs go on from the step that failed.", number)  # fmt: skip
    messages.success(request, said % {"num": number} if number else _("There was nothing to do."))
    return redirect(back(request))


# ── one on the canvas ────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def canvas(request: AccountRequest, workflow_id: int, run_id: int) -> HttpResponse:
    """The way that a run took, on the steps as they were in the version it ran by."""
    workflow = seen(request, workflow_id)
    found = history.run(request.viewer, workflow, run_id)
    lines = history.path(request.viewer, workflow, run_id, LONGEST_PATH + 1)
    steps, reasons = told.Steps(workflow), told.Reasons(workflow.account_id, [found.reason])
    line, shown = told.run_line(found, steps, reasons), lines[:LONGEST_PATH]
    definition = steps.definition(found.revision)
    if definition is None:
        messages.error(request, words.trigger(None))
        return redirect(line.url)
    path = path_of(
        request.viewer, workflow, definition, [_step(one, steps) for one in shown], end=line.ended or line.until,
        is_completed=found.end_reason == "completed", is_over=found.is_over, here=request.path, start=request.GET.get("from", ""),
    )  # fmt: skip
    page = RunPathPage(
        line, path, len(lines) > LONGEST_PATH, _("Version %(number)s") % {"number": found.revision},
        _("Version %(number)s runs now.") % {"number": workflow.revision_number} if found.revision != workflow.revision_number else "",
    )  # fmt: skip
    return one_page(request, workflow, "history", "workflows/ran.html", page=page)


def _step(line: history.Line, steps: told.Steps) -> Line:
    said, detail = told.said(line)
    name = steps.name(line.step_id, line.revision, line.kind)
    return Line(
        line.step_id,
        line.kind,
        line.status,
        said,
        line.data,
        told.moment(line.at),
        detail,
        steps.outputs(line),
        name,
    )


# ── what needs a look ────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def review(request: AccountRequest) -> HttpResponse:
    """Workflows with what is wrong in them, and what to do about it (R-LOG-7)."""
    access.require_open(request.viewer, request.account)
    viewer, after = request.viewer, whole(request.GET.get("after", ""))
    asked = Asked(state=State.REVIEW)
    found = listing.page(viewer.account_id, asked, clock.now(), after=after, limit=lists.SHOWN)
    failed: dict[int, int] = {}
    for kind in sorted({row.workflow.object_type for row in found.rows}):
        ids = [row.workflow.pk for row in found.rows if row.workflow.object_type == kind]
        failed |= history.failed_runs(viewer, ids, kind)
    stored = {row.workflow.pk: row.workflow.needs_review for row in found.rows}
    page = ReviewPage(
        tuple(
            ReviewLine(line, told.way_out(stored[line.id]), failed.get(line.id, 0), ways.with_query("workflow-history", [line.id], state="failed"))
            for line in lists.lines(viewer, found.rows)
        ),
        ways.with_query("workflows-review", [], after=found.following) if found.following else "",
    )  # fmt: skip
    context = {"page": page, "shell": shell(request, area="workflows", view="review")}
    return render(request, "workflows/review.html", context)


@require_POST
def looked(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = editable(request, workflow_id)
    try:
        keeping.looked_at(workflow, by=Actor.user(request.user.pk))
    except Conflict as refusal:  # what it names is gone still
        messages.error(request, str(refusal))
        return redirect(back(request))
    messages.success(request, _("“%(name)s” no longer asks for a look.") % {"name": workflow.name})
    return redirect(back(request))


def _asked_comment(request: AccountRequest, workflow: Workflow) -> StepComment | None:
    """The comment that the address asks for, while its step is there."""
    asked = request.GET.get("comment", "")
    if asked == "last":
        said = comments.last_calling(workflow, request.user)
    else:
        number = whole(asked)
        said = comments.find(workflow, number) if number is not None else None
    is_there = said is not None and said.step_id in drafts.of(workflow).definition.by_id
    return said if is_there else None


@require_GET
def told_of(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Where a notice about a workflow leads: to the lane, to what failed, or to the archived one's history.

    `comment` asks for that comment, or for the `last` that called who reads it (R-ACT-6).
    """
    found = access.find(request.viewer, workflow_id)
    where, said = ways.lane(found), _asked_comment(request, found)
    edits_lane = bool(where) and not found.archived_at and access.may_edit(request.viewer, found)
    if not edits_lane:
        access.require_open(request.viewer, request.account)
        where = ways.with_query("workflow-history", [found.pk], state="failed")
    if said is not None and (edits_lane or not found.archived_at):
        where = ways.step_comments(found, said.step_id, on_lane=edits_lane)
    notices.mark_about(request.viewer, clock.now(), [Kind.AUTOMATION], [found.pk])
    return redirect(where)

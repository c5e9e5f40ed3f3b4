"""Earlier versions of a workflow: who made them, what they changed, and bringing one back (R-EDIT-4)."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import queries
from deskhand.automation import access, keeping
from deskhand.automation.engine.definition import Definition
from deskhand.automation.enrolling.index import read_or_none
from deskhand.automation.models import Workflow, WorkflowRevision
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import outlines, ways, words
from deskhand.web.workflows.editor.words import Telling
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.list_views import editable
from deskhand.web.workflows.rows import ComparePage, RevisionLine, RevisionPage, RevisionsPage

SHOWN = 30
OFFERED = 200  # versions to compare with


@require_GET
def listed(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = seen(request, workflow_id)
    before = whole(request.GET.get("before", ""))
    found = keeping.revisions(workflow, before=before, limit=SHOWN + 1)
    names = queries.names_of({row.created_by_id for row in found if row.created_by_id})
    definitions = {row.number: read_or_none(row) for row in found}
    lines = tuple(_line(workflow, row, names, definitions) for row in found[:SHOWN])
    more = ways.with_query("workflow-revisions", [workflow.pk], before=found[SHOWN - 1].number) if len(found) > SHOWN else ""  # fmt: skip
    return one_page(
        request, workflow, "revisions", "workflows/revisions.html", page=RevisionsPage(lines, more)
    )


def _line(
    workflow: Workflow,
    row: WorkflowRevision,
    names: dict[int, str],
    definitions: Mapping[int, Definition | None],
) -> RevisionLine:
    older, own = definitions.get(row.number - 1), definitions[row.number]
    changes: tuple[str, ...] = () if row.number > 1 else (_("The first version"),)
    if own is None:
        changes = (words.trigger(None),)
    elif older is not None:
        changes = outlines.in_short(older, own)
    return RevisionLine(
        row.number, row.created_at, names.get(row.created_by_id or 0, ""), row.note,
        _("Brings version %(number)s back") % {"number": row.restores} if row.restores else "",
        row.number == workflow.revision_number, reverse("workflow-revision", args=[workflow.pk, row.number]),
        ways.with_query("workflow-compare", [workflow.pk], older=row.number - 1, newer=row.number) if older else "", changes,
    )  # fmt: skip


@require_GET
def one(request: AccountRequest, workflow_id: int, number: int) -> HttpResponse:
    """A version as it was, to read."""
    workflow = seen(request, workflow_id)
    row = keeping.revision(workflow, number)
    definition = read_or_none(row)
    is_current = number == workflow.revision_number
    may = (
        access.may_edit(request.viewer, workflow)
        and workflow.archived_at is None
        and not is_current
        and definition is not None
    )
    names = queries.names_of({row.created_by_id} if row.created_by_id else ())
    page = RevisionPage(
        number, row.created_at, names.get(row.created_by_id or 0, ""), row.note, words.trigger(definition),
        outlines.outline(Telling(request.viewer, definition)) if definition else None, is_current,
        reverse("workflow-revision-restore", args=[workflow.pk, number]) if may else "",
        reverse("workflow-revisions", args=[workflow.pk]),
    )  # fmt: skip
    return one_page(request, workflow, "revisions", "workflows/revision.html", page=page)


@require_GET
def compare(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """What differs between any two versions, in words."""
    workflow = seen(request, workflow_id)
    newest = workflow.revision_number
    newer = whole(request.GET.get("newer", "")) or newest
    older = whole(request.GET.get("older", "")) or max(newer - 1, 1)
    if older > newer:
        older, newer = newer, older
    first, last = (read_or_none(keeping.revision(workflow, number)) for number in (older, newer))
    if first is None or last is None:
        messages.error(request, words.trigger(None))
        return redirect("workflow-revisions", workflow.pk)
    parts, steps = outlines.compared(Telling(request.viewer, first), Telling(request.viewer, last))
    numbers = sorted({*range(newest, max(newest - OFFERED, 0), -1), older, newer}, reverse=True)
    page = ComparePage(
        older, newer, _numbers(numbers, older), _numbers(numbers, newer), reverse("workflow-compare", args=[workflow.pk]), parts, steps
    )  # fmt: skip
    return one_page(request, workflow, "revisions", "workflows/compare.html", page=page)


def _numbers(numbers: list[int], chosen: int) -> tuple[Choice, ...]:
    return tuple(
        Choice(str(one), _("Version %(number)s") % {"number": one}, one == chosen) for one in numbers
    )


@require_POST
def restore(request: AccountRequest, workflow_id: int, number: int) -> HttpResponse:
    """Restoring makes a new version, so nothing is lost."""
    workflow = editable(request, workflow_id)
    keeping.revision(workflow, number)
    try:
        saved = keeping.restore_revision(workflow, number, by=request.user.pk)
    except (Conflict, NotFound, Invalid) as refusal:
        messages.error(request, words_of(refusal))
    else:
        if saved.is_on:
            said = _("Version %(number)s is in the draft. Look it over, then publish it.")
            messages.success(request, said % {"number": number})
            return redirect("workflow-edit-review", workflow.pk)
        said = _(
            "Version %(number)s is back, as version %(new)s. Runs follow it from the step they stand at."
        )
        messages.success(request, said % {"number": number, "new": saved.revision_number})
    return redirect("workflow-revisions", workflow.pk)

"""What people do to the tasks of a ticket: write, tick off, open again, delete."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Task
from deskhand.crm.records.tasks import Wanted
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.web import tasking
from deskhand.web.inbox import common, further
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.panel import Wish
from deskhand.web.inbox.panel_views import with_panel
from deskhand.web.inbox.tasks import Writing
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.shell import Toast


@require_GET
def new(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.EDIT)
    return _part(request, view, ticket_id, Writing())


@require_GET
def left(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """As it stands, when the form for a new one is left."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    return _left(request, view, ticket_id, None)


@require_GET
def edit(request: AccountRequest, view: str, ticket_id: int, task_id: int) -> HttpResponse:
    _task(request, view, ticket_id, task_id)
    return _part(request, view, ticket_id, Writing(task_id))


@require_GET
def shown(request: AccountRequest, view: str, ticket_id: int, task_id: int) -> HttpResponse:
    """The task as it stands, when its form is left."""
    _task(request, view, ticket_id, task_id)
    return _left(request, view, ticket_id, task_id)


def _task(
    request: AccountRequest, view: str, ticket_id: int, task_id: int, *, is_deleted: bool = False
) -> Task:
    """A task of the ticket, which the viewer may change. Raises NotFound and Forbidden."""
    common.changeable(request, view, ticket_id, Verb.VIEW)
    task = tasks.find("ticket", ticket_id, task_id, is_deleted=is_deleted)
    tasking.require_change(request.viewer, task)
    return task


def _left(request: AccountRequest, view: str, ticket_id: int, task_id: int | None) -> HttpResponse:
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    return _part(request, view, ticket_id, None, task_id)


def _part(
    request: AccountRequest,
    view: str,
    ticket_id: int,
    writing: Writing | None,
    task_id: int | None = None,
    status: int = 200,
) -> HttpResponse:
    """One line of the list, or what a new one is begun with; without scripts the page with it."""
    wish = Wish(task=writing)
    if not wants_fragment(request):
        return with_panel(request, view, ticket_id, wish, status)
    found = pages.TicketPageOf(request, view, ticket_id, wish).panel_of.tasks()
    wanted = writing.task_id if writing else task_id
    line = next((one for one in (*found.open, *found.done) if one.id == wanted), None)
    context = {"tasks": found, "line": line}
    template = "task_refused" if status == 422 else "task"
    return render(request, f"inbox/fragments/{template}.html", context, status=status)


@require_POST
def create(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """The fields of tasking.FIELDS. What was refused is given back with the reason beside it, and what is not saved yet with
    the records that were looked for (422)."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    if further.is_search(request.POST):
        return _again(request, view, ticket_id, None)
    by = Actor.user(request.user.pk)
    try:
        also = further.wanted(request.viewer, request.POST, ("ticket", ticket_id)) or ()
        tasks.create("ticket", ticket_id, _wanted(request), by=by, also=also)
    except Invalid as refusal:
        return _refused(request, view, ticket_id, None, refusal)
    return _saved(request, view, ticket_id, "task-new")


@require_POST
def save(request: AccountRequest, view: str, ticket_id: int, task_id: int) -> HttpResponse:
    """As `create`."""
    task = _task(request, view, ticket_id, task_id)
    if further.is_search(request.POST):
        return _again(request, view, ticket_id, task_id)
    by = Actor.user(request.user.pk)
    try:
        also = further.wanted(request.viewer, request.POST, task.main, task)
        tasks.edit(task_id, _wanted(request, task), by=by, also=also)
    except Invalid as refusal:
        return _refused(request, view, ticket_id, task_id, refusal)
    return _saved(request, view, ticket_id, f"task-{task_id}")


def _saved(request: AccountRequest, view: str, ticket_id: int, place: str) -> HttpResponse:
    return common.thread_parts(request, view, ticket_id, "form_saved", place=place)


def _wanted(request: AccountRequest, task: Task | None = None) -> Wanted:
    """Raises Invalid for a person who may not see tickets, but for whom the task is already, and a moment that is none."""
    given = request.POST.get("assignee", "")
    before = task.assignee_id if task else None
    assignee = common.agent(request, given, "assignee", before) if given else None
    return tasking.wanted(request.viewer, request.POST.dict(), assignee, task)


def _refused(
    request: AccountRequest, view: str, ticket_id: int, task_id: int | None, refusal: Invalid
) -> HttpResponse:
    return _again(request, view, ticket_id, task_id, {tasking.field_of(refusal): words_of(refusal)})


def _again(
    request: AccountRequest,
    view: str,
    ticket_id: int,
    task_id: int | None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The form with what was typed in it."""
    typed = {name: request.POST.get(name, "") for name in tasking.FIELDS}
    writing = Writing(task_id, typed, errors or {}, further.typed(request.POST))
    return _part(request, view, ticket_id, writing, status=422)


@require_POST
def finish(request: AccountRequest, view: str, ticket_id: int, task_id: int) -> HttpResponse:
    """`done` is 1 or 0: ticked off, or open again. Also for whose task it is."""
    common.changeable(request, view, ticket_id, Verb.VIEW)
    task = tasks.find("ticket", ticket_id, task_id)
    tasking.require_finish(request.viewer, task)
    is_done = request.POST.get("done") == "1"
    tasks.finish(task_id, is_done, by=Actor.user(request.user.pk))
    text = _("Done: %(task)s") if is_done else _("Reopened: %(task)s")
    said, back = text % {"task": task.title}, "0" if is_done else "1"
    return _told(request, view, ticket_id, task, said, "ticket-task-done", "done", back)


@require_POST
def delete(request: AccountRequest, view: str, ticket_id: int, task_id: int) -> HttpResponse:
    """`deleted` 0 brings it back."""
    is_back = request.POST.get("deleted") == "0"
    task = _task(request, view, ticket_id, task_id, is_deleted=is_back)
    change = tasks.restore if is_back else tasks.remove
    change(task_id, by=Actor.user(request.user.pk))
    if is_back:
        return common.thread_parts(request, view, ticket_id)
    return _told(request, view, ticket_id, task, _("Task deleted"), "ticket-task-delete", "deleted", "0")


def _told(
    request: AccountRequest, view: str, ticket_id: int, task: Task, text: str, name: str, field: str, back: str
) -> HttpResponse:  # fmt: skip
    undo_url = reverse(name, args=[view, ticket_id, task.pk])
    toast = Toast(text, undo_url=undo_url, undo_fields=((field, back),))
    if not wants_fragment(request):
        messages.info(request, text)
    place = f"task-{task.pk}"
    return common.thread_parts(request, view, ticket_id, "form_saved", toast=toast, place=place)

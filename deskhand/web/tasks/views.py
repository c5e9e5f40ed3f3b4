"""The tasks of all records: the list, ticking off, and many at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import tasks, worklist
from deskhand.crm.records.models import Task
from deskhand.events.types import Actor
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web import tasking, ticked
from deskhand.web.asked import way_back
from deskhand.web.choices import joined
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.tasks import side
from deskhand.web.tasks.lists import list_page, read

AREA = "tasks"
MOST = 500  # tasks at once


def show(request: AccountRequest, template: str, key: str, status: int = 200, **more: object) -> HttpResponse:
    """A page of the tasks; `key` is the place in the side."""
    return render(
        request,
        f"tasks/{template}.html",
        {"shell": shell(request, area=AREA, view=key), **more},
        status=status,
    )


def require_open(request: AccountRequest) -> None:
    """Raises Forbidden for who sees no records."""
    if not side.may_open(request.viewer):
        raise Forbidden(_("You don't have permission to do this."))


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    require_open(request)
    page = list_page(request.viewer, read(request.GET), whole(request.GET.get("after", "")))
    return show(request, "index", page.key, page=page)


def found(request: AccountRequest, task_id: int) -> Task:
    """Raises NotFound for one of a record that the viewer does not see."""
    require_open(request)
    task = worklist.find(request.viewer, task_id)
    if task is None:
        raise NotFound(_("There is no such task."))
    return task


def back(request: AccountRequest) -> str:
    """Where the form stood, if that was a page of ours."""
    return way_back(request, side.address())


@require_POST
def finish(request: AccountRequest, task_id: int) -> HttpResponse:
    """`done` is 1 or 0: ticked off, or open again."""
    task, is_done = found(request, task_id), request.POST.get("done") == "1"
    tasking.require_finish(request.viewer, task)
    tasks.finish(task_id, is_done, by=Actor.user(request.user.pk))
    messages.success(
        request, (_("Done: %(task)s") if is_done else _("Reopened: %(task)s")) % {"task": task.title}
    )
    return redirect(back(request))


@require_POST
def change_many(request: AccountRequest) -> HttpResponse:
    """Of the tasks `ids`: `done` ticks them off, `queue` puts them into one or, empty, out of theirs. What may not be changed is told."""
    require_open(request)
    ids = ticked.ids_of(request.POST, MOST)
    if not ids:
        raise Invalid(_("Choose tasks first."), field="ids", value="")
    by, wanted = Actor.user(request.user.pk), worklist.seen(request.viewer, ids)
    editable = worklist.changeable(request.viewer, wanted)
    if "done" in request.POST:
        may = {
            task.pk for task in wanted if tasking.may_finish_task(request.viewer, task, task.pk in editable)
        }
        count = len(tasks.finish_many(sorted(may), by=by))
        text = ngettext("%(num)s task is done", "%(num)s tasks are done", count)
    else:
        queue_id = tasking.chosen_queue(request.viewer, request.POST.get("queue", ""))
        may = editable
        count = len(tasks.put_many(sorted(may), queue_id, by=by))
        text = ngettext("%(num)s task was moved", "%(num)s tasks were moved", count)
    messages.success(request, text % {"num": count})
    _tell_kept(request, wanted, may)
    return redirect(back(request))


def _tell_kept(request: AccountRequest, wanted: Sequence[Task], may: Collection[int]) -> None:
    kept = [task.title for task in wanted if task.pk not in may]
    if kept:
        text = ngettext("You may not change %(num)s of the tasks: %(names)s", "You may not change %(num)s of the tasks: %(names)s", len(kept))  # fmt: skip
        messages.error(request, text % {"num": len(kept), "names": joined(kept[:5])})

"""Working off a queue: one task after another."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import task_queues, tasks, worklist
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden
from deskhand.kernel.text import whole
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.tasks.lists import lines
from deskhand.web.tasks.side import address
from deskhand.web.tasks.views import back, found, require_open, show


@require_GET
def work(request: AccountRequest, queue_id: int) -> HttpResponse:
    """The next task that waits for the viewer: the first, or the one behind `after`; `task` names one. Nothing is changed."""
    require_open(request)
    viewer = request.viewer
    queue = task_queues.get(viewer, queue_id)
    named, after = whole(request.GET.get("task", "")), whole(request.GET.get("after", ""))
    task = worklist.find(viewer, named) if named else worklist.following(viewer, queue_id, after)
    if task is not None and (task.queue_id != queue_id or task.completed_at is not None):
        task = None
    shown = lines(viewer, [task] if task else [], [queue], clock.now())
    here = reverse("task-queue-work", args=[queue_id])
    return show(
        request, "work", f"queue-{queue_id}", queue=queue, list_url=address(list="all", queue=queue_id), again_url=here,
        line=next(iter(shown), None), waiting=worklist.waiting(viewer, [queue_id])[queue_id],
        next_url=f"{here}?after={task.pk}" if task else "", here=f"{here}?task={task.pk}" if task else here,
        may_take=task is not None and task.assignee_id is None,
    )  # fmt: skip


@require_POST
def take(request: AccountRequest, task_id: int) -> HttpResponse:
    """What nobody has yet becomes the viewer's; with `done` it is ticked off at once."""
    task, by = found(request, task_id), Actor.user(request.user.pk)
    if task.queue_id is None:
        raise Forbidden(_("Only tasks of a task queue can be taken."))
    task_queues.get(request.viewer, task.queue_id)
    try:
        tasks.take(task_id, by=by)
    except Conflict as refusal:
        messages.error(request, words_of(refusal))
        return redirect(back(request))
    if request.POST.get("done") == "1":
        tasks.finish(task_id, True, by=by)
        messages.success(request, _("Done: %(task)s") % {"task": task.title})
    return redirect(back(request))

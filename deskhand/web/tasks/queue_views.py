"""Task queues: all that the viewer may use, and the form of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts import queries as people
from deskhand.accounts.policy import Action
from deskhand.crm.records import task_queues, worklist
from deskhand.crm.records.models import TaskQueue
from deskhand.crm.records.task_queues import NewQueue
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice, colleagues, in_short, offered
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects import usage
from deskhand.web.refusals import words_of
from deskhand.web.tasks.side import address
from deskhand.web.tasks.views import require_open, show


@dataclass(frozen=True)
class Row:
    name: str
    url: str  # its tasks
    who: str
    waiting: int
    edit_url: str  # empty: only to be used
    work_url: str  # empty: nothing waits


@dataclass(frozen=True)
class Form:
    title: str
    action: str
    name: str
    is_for_everyone: bool
    users: tuple[Choice, ...]
    teams: tuple[Choice, ...]
    errors: Mapping[str, str]
    delete_url: str = ""


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    require_open(request)
    viewer = request.viewer
    found = task_queues.usable(viewer)
    counts = worklist.waiting(viewer, [queue.pk for queue in found])
    users = people.names_of(pk for queue in found for pk in queue.user_ids)
    teams = {team.id: team.name for team in people.teams(viewer.account_id)}
    rows = [
        Row(
            queue.name, address(list="all", queue=queue.pk), _who(queue, users, teams), counts[queue.pk],
            reverse("task-queue", args=[queue.pk]) if task_queues.may_change(viewer, queue) else "",
            reverse("task-queue-work", args=[queue.pk]) if counts[queue.pk] else "",
        )
        for queue in found
    ]  # fmt: skip
    may_make = policy.can(viewer, Action.EDIT_TASK_QUEUES)
    return show(request, "queues", "queues", rows=rows, new_url=reverse("task-queue-new") if may_make else "")


def _who(queue: TaskQueue, users: Mapping[int, str], teams: Mapping[int, str]) -> str:
    if queue.is_for_everyone:
        return _("Everyone")
    named = [*(teams.get(pk, "") for pk in queue.team_ids), *(users.get(pk, "") for pk in queue.user_ids)]
    return in_short([name for name in named if name])


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TASK_QUEUES)
    return _form(request, NewQueue(""))


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_TASK_QUEUES)
    typed = _typed(request.POST)
    try:
        made = task_queues.create(typed, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _form(request, typed, refusal=refusal)
    messages.success(request, _("%(name)s was created.") % {"name": made.name})
    return redirect("task-queues")


@require_GET
def edit(request: AccountRequest, queue_id: int) -> HttpResponse:
    queue = _mine(request, queue_id)
    return _form(
        request, NewQueue(queue.name, queue.is_for_everyone, queue.user_ids, queue.team_ids), queue_id
    )


@require_POST
def save(request: AccountRequest, queue_id: int) -> HttpResponse:
    _mine(request, queue_id)
    typed = _typed(request.POST)
    try:
        saved = task_queues.change(queue_id, typed, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _form(request, typed, queue_id, refusal)
    messages.success(request, _("%(name)s was saved.") % {"name": saved.name})
    return redirect("task-queues")


@require_GET
def ask_delete(request: AccountRequest, queue_id: int) -> HttpResponse:
    """What becomes of its tasks, and which workflows would miss it."""
    queue = _mine(request, queue_id)
    dependents = usage.of_task_queue(request.viewer, request.account, queue_id)
    count = task_queues.how_many(queue_id)
    return show(request, "delete", "queues", queue=queue, count=count, dependents=dependents)


@require_POST
def delete(request: AccountRequest, queue_id: int) -> HttpResponse:
    queue = _mine(request, queue_id)
    left = task_queues.delete(queue_id, by=Actor.user(request.user.pk))
    text = ngettext(
        "“%(name)s” was deleted. %(num)s open task stays, in no queue.",
        "“%(name)s” was deleted. %(num)s open tasks stay, in no queue.",
        left,
    )
    messages.success(request, text % {"name": queue.name, "num": left})
    return redirect("task-queues")


def _mine(request: AccountRequest, queue_id: int) -> TaskQueue:
    """Raises NotFound for one that the viewer may not use, Forbidden for one that is others' to change."""
    require_open(request)
    return task_queues.require_change(request.viewer, queue_id)


def _typed(form: QueryDict) -> NewQueue:
    return NewQueue(
        form.get("name", ""),
        form.get("who") != "some",
        _ids(form.getlist("users")),
        _ids(form.getlist("teams")),
    )


def _ids(texts: Iterable[str]) -> list[int]:
    """What is no number is nobody's."""
    return [whole(text) or 0 for text in texts]


def _form(request: AccountRequest, typed: NewQueue, queue_id: int | None = None, refusal: Invalid | None = None) -> HttpResponse:  # fmt: skip
    place, users = [queue_id] if queue_id else [], [str(pk) for pk in typed.user_ids]
    form = Form(
        title=_("Edit task queue") if queue_id else _("New task queue"),
        action=reverse("task-queue-save" if queue_id else "task-queue-add", args=place),
        name=typed.name, is_for_everyone=typed.is_for_everyone,
        users=offered(colleagues(*users), *users),
        teams=tuple(Choice(str(one.id), one.name, one.id in typed.team_ids) for one in people.teams(request.viewer.account_id)),
        errors={refusal.field: words_of(refusal)} if refusal else {},
        delete_url=reverse("task-queue-ask-delete", args=place) if queue_id else "",
    )  # fmt: skip
    return show(request, "queue", "queues", 422 if refusal else 200, form=form)

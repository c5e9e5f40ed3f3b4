"""The list of tasks in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from deskhand.accounts import queries as people
from deskhand.accounts.types import Viewer
from deskhand.crm.records import task_queues, tasks, worklist
from deskhand.crm.records.models import Task, TaskQueue
from deskhand.crm.records.worklist import Asked, Due, Which
from deskhand.kernel import clock
from deskhand.kernel.text import whole
from deskhand.web import tasking
from deskhand.web.choices import Choice, Tab, offered
from deskhand.web.shell import Person
from deskhand.web.tasks.side import LISTS, address


@dataclass(frozen=True)
class Line:
    id: int
    title: str
    notes: str
    url: str
    record: str  # the first of its records that the viewer sees
    others: tuple[tasking.About, ...]  # the rest of them
    queue: str
    who: Person | None
    due_at: datetime | None
    done_at: datetime | None
    is_late: bool
    marks: tasking.Marks
    done_url: str  # empty: not for the viewer to tick off


@dataclass(frozen=True)
class ListPage:
    title: str
    key: str  # of the side
    which: str
    lines: tuple[Line, ...]
    more_url: str
    url: str  # this list
    queues: tuple[Choice, ...]
    kinds: tuple[Choice, ...]
    priorities: tuple[Choice, ...]
    dues: tuple[Choice, ...]
    is_filtered: bool
    many_url: str  # empty: nothing can be changed here
    work_url: str  # empty: no queue is chosen, or nothing waits in it
    edit_url: str
    lists: tuple[Tab, ...]  # where there is no side


def read(asked: QueryDict) -> Asked:
    """What the address says; what it does not know is not asked for."""

    def one(name: str, known: Mapping[str, object]) -> str:
        given = asked.get(name, "")
        return given if given in known else ""

    which, due = asked.get("list", ""), asked.get("due", "")
    return Asked(
        Which(which) if which in set(Which) else Which.MINE, whole(asked.get("queue", "")), one("type", tasks.KINDS),
        one("priority", tasks.PRIORITIES), Due(due) if due in set(Due) else Due.ANY,
    )  # fmt: skip


def _address(asked: Asked, **more: object) -> str:
    return address(
        list=asked.which.value, queue=asked.queue_id, type=asked.kind, priority=asked.priority, due=asked.due.value, **more
    )  # fmt: skip


def list_page(viewer: Viewer, asked: Asked, after: int | None = None) -> ListPage:
    """Raises NotFound for a queue that the viewer may not use."""
    now = clock.now()
    queue = task_queues.get(viewer, asked.queue_id) if asked.queue_id else None
    found, following = worklist.rows(viewer, asked, now, after)
    known = task_queues.usable(viewer)
    waits = queue is not None and worklist.waiting(viewer, [queue.pk])[queue.pk] > 0
    shown = lines(viewer, found, known, now)
    return ListPage(
        title=queue.name if queue else str(LISTS[asked.which][0]), key=f"queue-{queue.pk}" if queue else asked.which.value,
        which=asked.which.value, lines=shown, more_url=_address(asked, after=following) if following else "",
        url=_address(asked), queues=_queues(known, str(asked.queue_id or "")),
        kinds=_any(_("Any type"), tasks.KINDS, asked.kind), priorities=_any(_("Any priority"), tasks.PRIORITIES, asked.priority),
        dues=_any(_("Due at any time"), {Due.LATE: _("Overdue"), Due.SOON: _("Due within 7 days")}, asked.due.value),
        is_filtered=bool(asked.kind or asked.priority or asked.due or asked.queue_id),
        many_url=reverse("tasks-many") if asked.which is not Which.DONE and any(line.done_url for line in shown) else "",
        work_url=reverse("task-queue-work", args=[queue.pk]) if queue and waits else "",
        lists=tuple(Tab(str(label), address(list=one.value), one is asked.which and not queue) for one, (label, _icon) in LISTS.items()),
        edit_url=reverse("task-queue", args=[queue.pk]) if queue and task_queues.may_change(viewer, queue) else "",
    )  # fmt: skip


def _any(label: str, labels: Mapping[str, object], chosen: str) -> tuple[Choice, ...]:
    return offered({"": label, **labels}, chosen)


def _queues(known: Sequence[TaskQueue], chosen: str) -> tuple[Choice, ...]:
    return _any(_("Any task queue"), {str(queue.pk): queue.name for queue in known}, chosen) if known else ()


def lines(
    viewer: Viewer, found: Sequence[Task], queues: Sequence[TaskQueue], now: datetime
) -> tuple[Line, ...]:
    """With as many queries for a hundred tasks as for one."""
    records = worklist.records(viewer, found)
    users = people.names_of(task.assignee_id for task in found if task.assignee_id)
    titles = {queue.pk: queue.name for queue in queues}
    editable = worklist.changeable(viewer, found)
    return tuple(
        Line(
            id=task.pk, title=task.title, notes=task.notes, url=f"{first.url}#task-{task.pk}",
            record=first.name, queue=titles.get(task.queue_id or 0, ""),
            others=tuple(rest),
            who=Person.named(users[task.assignee_id]) if task.assignee_id in users else None, due_at=task.due_at,
            done_at=task.completed_at, is_late=bool(task.due_at and task.due_at < now and task.completed_at is None),
            marks=tasking.marks(task, now),
            done_url=reverse("task-done", args=[task.pk]) if tasking.may_finish_task(viewer, task, task.pk in editable) else "",
        )
        for task in found if records[task.pk] for first, *rest in [tasking.abouts(records[task.pk])]
    )  # fmt: skip

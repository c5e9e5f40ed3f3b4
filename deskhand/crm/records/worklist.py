"""Tasks of all the records that somebody sees: lists of them, and which comes next in a queue (R-WFA-8).

Who sees one of a task's records sees the task, and of its records those alone. Who may change it is asked of its main record,
also while that is put away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Verb, Viewer
from deskhand.crm.records import listing, tasks
from deskhand.crm.records.models import Record, Task
from deskhand.crm.records.tables import are_there, is_there, model_of, of_this_type, table_of
from deskhand.crm.schema import object_types
from deskhand.kernel.database import sql

PAGE = 50
CAP = 1000  # a count stops here
SOON = timedelta(days=7)
#: In which order open tasks come, and done ones.
_DUE, _DONE = "coalesce({}.due_at, 'infinity')", "{}.completed_at"


class Which(StrEnum):
    MINE = "mine"
    UNASSIGNED = "unassigned"
    ALL = "all"
    DONE = "done"


class Due(StrEnum):
    ANY = ""
    LATE = "late"
    SOON = "soon"  # late ones too


@dataclass(frozen=True)
class Asked:
    """Which tasks; what is empty is not asked for."""

    which: Which = Which.MINE
    queue_id: int | None = None
    kind: str = ""
    priority: str = ""
    due: Due = Due.ANY


def within(viewer: Viewer, kinds: Collection[str] | None = None) -> tuple[str, list[Any]]:
    """SQL on `crm_task k`: tasks that have a record, of one of these kinds if they are named, that is there and that the
    viewer sees."""
    parts, params = list[str](), list[Any]()
    for object_type in object_types.every() if kinds is None else kinds:
        reach = visible(viewer, object_type)
        if reach.reach is Reach.NONE:
            continue
        text, more = reach.sql("t")
        parts.append(
            f"about.object_type = %s and exists (select 1 from {table_of(object_type)} t where t.account_id = k.account_id"
            f" and t.id = about.record_id and {is_there(object_type)} and {of_this_type(object_type)} and {text})"
        )
        params += [object_type, *more]
    if not parts:
        return "false", []
    return (
        "exists (select 1 from crm_tasklink about where about.account_id = k.account_id and about.task_id = k.id"
        f" and ({' or '.join(parts)}))"
    ), params


def rows(
    viewer: Viewer, asked: Asked, now: datetime, after: int | None = None
) -> tuple[list[Task], int | None]:
    """One page, and the id of its last one where there are more; open ones by when they are due, done ones the latest first."""
    is_done = asked.which is Which.DONE
    by, sign, way = (_DONE, "<", "desc") if is_done else (_DUE, ">", "asc")
    text, params = _where(viewer, asked, now)
    if after is not None:
        text += _behind(by, sign)
        params += [viewer.account_id, after]
    page = f"select k.id from crm_task k where {text} order by {by.format('k')} {way}, k.id {way} limit {PAGE + 1}"
    ids = [task_id for (task_id,) in sql.rows(page, params)]
    found = Task.objects.filter(account_id=viewer.account_id).in_bulk(ids[:PAGE])
    return [found[pk] for pk in ids[:PAGE] if pk in found], ids[PAGE - 1] if len(ids) > PAGE else None


def _behind(by: str, sign: str) -> str:
    """What comes behind a task, of an account and with an id."""
    return (
        f" and ({by.format('k')}, k.id) {sign}"
        f" (select {by.format('x')}, x.id from crm_task x where x.account_id = %s and x.id = %s)"
    )


def _where(viewer: Viewer, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    parts, params = ["k.account_id = %s and k.archived_at is null"], list[Any]([viewer.account_id])
    parts.append("k.completed_at is not null" if asked.which is Which.DONE else "k.completed_at is null")
    if asked.which is Which.MINE:
        parts.append("k.assignee_id = %s")
        params.append(viewer.user_id)
    if asked.which is Which.UNASSIGNED:
        parts.append("k.assignee_id is null")
    for column, value in (("queue_id", asked.queue_id), ("kind", asked.kind), ("priority", asked.priority)):
        if value:
            parts.append(f"k.{column} = %s")
            params.append(value)
    if asked.due is not Due.ANY:
        parts.append("k.due_at < %s")
        params.append(now if asked.due is Due.LATE else now + SOON)
    text, more = within(viewer)
    return " and ".join([*parts, text]), [*params, *more]


def find(viewer: Viewer, task_id: int) -> Task | None:
    """A task that is there, of a record that the viewer sees."""
    found = seen(viewer, [task_id])
    return found[0] if found else None


def seen(viewer: Viewer, task_ids: Sequence[int]) -> list[Task]:
    """Those of these tasks that are there, of records that the viewer sees; two queries."""
    text, params = within(viewer)
    page = f"select k.id from crm_task k where k.account_id = %s and k.archived_at is null and k.id = any(%s) and {text}"
    ids = [pk for (pk,) in sql.rows(page, [viewer.account_id, list(task_ids), *params])]
    return list(Task.objects.filter(account_id=viewer.account_id, pk__in=ids).order_by("pk"))


def changeable(viewer: Viewer, found: Collection[Task]) -> set[int]:
    """Those of these tasks whose main record the viewer may change, away or not; one query for each kind of them."""
    may = {
        (kind, pk)
        for kind, rows in _reached(viewer, {task.main for task in found}, Verb.EDIT)
        for pk in rows.values_list("pk", flat=True)
    }
    return {task.pk for task in found if task.main in may}


@dataclass(frozen=True)
class About:
    """A record that a task is about."""

    object_type: str
    record_id: int
    name: str


def records(
    viewer: Viewer, found: Collection[Task], *, but: tasks.Record | None = None
) -> dict[int, list[About]]:
    """{task: its records that are there and that the viewer sees, the main one first}, without the one that is named; one
    query, and one for each kind."""
    of_tasks = tasks.records_of([task.pk for task in found])
    called = {
        (kind, row.pk): row.called
        for kind, rows in _reached(viewer, {one for own in of_tasks.values() for one in own if one != but})
        for row in rows.filter(are_there(kind)).only(*model_of(kind).CALLED_BY)
    }
    return {
        task.pk: [
            About(*record, called[record])
            for record in dict.fromkeys([task.main, *of_tasks[task.pk]])
            if record in called
        ]
        for task in found
    }


def _reached(
    viewer: Viewer, wanted: Collection[tasks.Record], verb: Verb = Verb.VIEW
) -> Iterator[tuple[str, QuerySet[Record]]]:
    """By kind: those of these records that the viewer may treat so, deleted ones too."""
    ids: dict[str, set[int]] = {}
    for object_type, record_id in wanted:
        ids.setdefault(object_type, set()).add(record_id)
    for object_type, some in ids.items():
        yield object_type, listing.reached(viewer, object_type, some, verb)


# ── queues ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#: What somebody works off in a queue: theirs, and what nobody has.
_WORK = "k.account_id = %s and k.archived_at is null and k.completed_at is null and (k.assignee_id is null or k.assignee_id = %s)"


def waiting(viewer: Viewer, queue_ids: Collection[int]) -> dict[int, int]:
    """How many tasks of these queues wait for the viewer, none counted past CAP; one query."""
    text, params = within(viewer)
    found = sql.rows(
        f"select q.id, (select count(*) from (select 1 from crm_task k where {_WORK} and k.queue_id = q.id and {text} limit {CAP}) n)"
        " from unnest(%s::bigint[]) q(id)",
        [viewer.account_id, viewer.user_id, *params, sorted(queue_ids)],
    )
    return dict(found)


def following(viewer: Viewer, queue_id: int, after: int | None = None) -> Task | None:
    """The task of the queue that is due first and waits for the viewer; behind the task `after`, if one is named."""
    text, params = within(viewer)
    asked = [viewer.account_id, viewer.user_id, queue_id, *params]
    if after is not None:
        text += _behind(_DUE, ">")
        asked += [viewer.account_id, after]
    found = sql.row(
        f"select k.id from crm_task k where {_WORK} and k.queue_id = %s and {text} order by {_DUE.format('k')}, k.id limit 1",
        asked,
    )
    return Task.objects.get(account_id=viewer.account_id, pk=found[0]) if found else None

"""Tasks: what one of our people has to do about records (R-WFA-8). All that happens to one stands in their history.

A task has one main record and may have further ones. It is each one's task: on its page, in its history, in filters and
triggers. Whoever sees one of them sees the task; who may change it is asked of the main record alone. While a record is put
away its tasks are not shown there; the links stay, and are back with it.

A reminder is a timer of the task: it rings once, and goes when the task is done or deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.models import Membership
from deskhand.crm.records import history
from deskhand.crm.records.checking import refuse_long
from deskhand.crm.records.history import Line
from deskhand.crm.records.models import Task, TaskLink, TaskQueue
from deskhand.crm.schema import object_types
from deskhand.crm.schema.activities import TASK
from deskhand.events import log
from deskhand.events.types import SYSTEM, Actor, Cause, Event, NewEvent
from deskhand.kernel import clock, timers
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable
from deskhand.kernel.timers import DueTimer

REMINDER = "crm.task_reminder"  # timers; the key is the task's id
REMINDED = "task.reminded"
#: What a task is, and how much it matters, as the API has them.
KINDS, PRIORITIES = (
    {one.value: gettext_lazy(one.label) for one in TASK.by_name[name].options}
    for name in ("hs_task_type", "hs_task_priority")
)
NO_PRIORITY = "NONE"
#: How long before it is due people want to be reminded, in minutes.
LEADS = {
    0: gettext_lazy("When it is due"), 30: gettext_lazy("30 minutes before"), 60: gettext_lazy("1 hour before"),
    1440: gettext_lazy("1 day before"), 10080: gettext_lazy("1 week before"),
}  # fmt: skip
TITLE, NOTES = 250, 10_000  # characters
MOST = 200  # of a record that are read
MOST_FURTHER = 50  # records of a task besides its main one

Record = tuple[str, int]  # kind and id


@dataclass(frozen=True)
class Wanted:
    """What a task says, as a person gives it."""

    title: str
    notes: str = ""
    assignee_id: int | None = None
    due_at: datetime | None = None
    priority: str = NO_PRIORITY
    kind: str = "TODO"
    remind_at: datetime | None = None
    queue_id: int | None = None


@dataclass(frozen=True)
class NewTask:
    """A task to be. The same `key` makes one only once."""

    object_type: str
    record_id: int
    wanted: Wanted
    by: Actor
    key: str | None = None
    cause: Cause | None = None
    depth: int = 0
    also: Sequence[Record] = ()  # the further records

    @property
    def main(self) -> Record:
        return self.object_type, self.record_id

    @property
    def records(self) -> list[Record]:
        """All of them, each once, the main one first."""
        return list(dict.fromkeys([self.main, *self.also]))


def create_many(new: Sequence[NewTask], *, at: datetime | None = None) -> list[int]:
    """Make tasks as they are; returns their ids in order, also of those that were there. `create` checks one that a person gives."""
    at = at or clock.now()
    if not new:
        return []
    ids = sql.ids("crm_task", len(new))
    rows = [_row(item, task_id, at) for item, task_id in zip(new, ids, strict=True)]
    went_in = bulk.insert(Task, rows, on_conflict="do nothing")
    kept = set(ids) if went_in == len(ids) else _there(ids)
    made = {row["id"]: Task(**row) for row in rows if row["id"] in kept}
    _link([(pk, record) for pk, n in zip(ids, new, strict=True) if pk in made for record in n.records])
    _tell(
        [
            _Told(made[pk], "created", n.by, n.cause, n.depth, n.wanted.assignee_id is not None, tuple(n.records[1:]))
            for pk, n in zip(ids, new, strict=True)
            if pk in made
        ],
        at,
    )  # fmt: skip
    _remind([task for task in made.values() if task.remind_at])
    return [pk if pk in made else _made_before(item) for pk, item in zip(ids, new, strict=True)]


def _there(ids: Sequence[int]) -> set[int]:
    return set(Task.objects.filter(account_id=current_account_id(), pk__in=ids).values_list("pk", flat=True))


def _made_before(item: NewTask) -> int:
    return int(Task.objects.get(account_id=current_account_id(), creation_key=item.key).pk)


def _row(item: NewTask, task_id: int, at: datetime) -> dict[str, Any]:
    wanted = item.wanted
    return {
        "id": task_id, "account_id": current_account_id(), "object_type": item.object_type, "record_id": item.record_id,
        **vars(wanted), "created_at": at, "created_by_kind": item.by.kind.value, "created_by_id": item.by.id,
        "creation_key": item.key,
    }  # fmt: skip


def create(
    object_type: str,
    record_id: int,
    wanted: Wanted,
    *,
    by: Actor,
    also: Sequence[Record] = (),
    at: datetime | None = None,
) -> int:
    """`also` are further records. Raises Invalid that names the field as `Wanted` does, or `also`."""
    at = at or clock.now()
    new = NewTask(object_type, record_id, _checked(wanted, at), by, also=also)
    _refuse_many(new.records)
    return create_many([new], at=at)[0]


def edit(
    task_id: int,
    wanted: Wanted,
    *,
    by: Actor,
    also: Sequence[Record] | None = None,
    at: datetime | None = None,
) -> None:
    """Say it anew; `also` are its further records from now on, None leaves them. Who has it already keeps it, also after
    leaving. Raises Invalid as `create`, and NotFound."""
    task, at = _locked(task_id), at or clock.now()
    wanted = _checked(wanted, at, task)
    is_given = wanted.assignee_id not in (None, task.assignee_id)
    left = _relink(task, also) if also is not None else None
    if left is None and all(getattr(task, name) == value for name, value in vars(wanted).items()):
        return
    _write([task], "edited", by, at, is_given, left or (), **vars(wanted))


def finish(task_id: int, is_done: bool, *, by: Actor, at: datetime | None = None) -> None:
    """Tick it off, or open it again. Safe to repeat. Raises NotFound."""
    task, at = _locked(task_id), at or clock.now()
    if (task.completed_at is not None) != is_done:
        _write([task], "done" if is_done else "reopened", by, at, completed_at=at if is_done else None)


def finish_many(task_ids: Sequence[int], *, by: Actor, at: datetime | None = None) -> list[int]:
    """Tick off those that are open; returns their ids. Safe to repeat."""
    at = at or clock.now()
    found = [task for task in _locked_many(task_ids) if task.completed_at is None]
    _write(found, "done", by, at, completed_at=at)
    return [task.pk for task in found]


def put_many(
    task_ids: Sequence[int], queue_id: int | None, *, by: Actor, at: datetime | None = None
) -> list[int]:
    """Put tasks into a queue, or with None out of theirs; returns the ids of those that were elsewhere. Safe to repeat."""
    found = [task for task in _locked_many(task_ids) if task.queue_id != queue_id]
    _write(found, "edited", by, at or clock.now(), queue_id=queue_id)
    return [task.pk for task in found]


def take(task_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Give it to whoever takes it. Safe to repeat. Raises Conflict where somebody else has it, and NotFound."""
    task = _locked(task_id)
    if task.assignee_id == by.id:
        return
    if task.assignee_id is not None:
        raise Conflict(_("Somebody else has taken this task."))
    _write([task], "edited", by, at or clock.now(), True, assignee_id=by.id)


def remove(task_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Delete it; `restore` brings it back. Raises NotFound."""
    at = at or clock.now()
    _write([_locked(task_id)], "deleted", by, at, archived_at=at)


def restore(task_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Raises NotFound, also for a task that is there."""
    _write([_locked(task_id, is_deleted=True)], "restored", by, at or clock.now(), archived_at=None)


def of(object_type: str, record_id: int) -> list[Task]:
    """The tasks of a record, also those that have another main one: open ones first, by when they are due; then what is
    done, the latest first."""
    found = Task.objects.filter(
        account_id=current_account_id(),
        pk__in=_links_of(object_type, record_id).values("task_id"),
        archived_at=None,
    )
    order = (
        F("completed_at").desc(nulls_first=True),
        F("due_at").asc(nulls_last=True),
        "id",
    )
    return list(found.order_by(*order)[:MOST])


def find(object_type: str, record_id: int, task_id: int, *, is_deleted: bool = False) -> Task:
    """A task of a record, however many it has. Raises NotFound."""
    found = Task.objects.filter(
        account_id=current_account_id(), pk__in=_links_of(object_type, record_id).filter(task_id=task_id).values("task_id"),
        archived_at__isnull=not is_deleted,
    ).first()  # fmt: skip
    if found is None:
        raise NotFound(_("There is no such task."))
    return found


def records_of(task_ids: Collection[int]) -> dict[int, list[Record]]:
    """{task: its records, in the order in which they came to it}; one query, none for none."""
    found: dict[int, list[Record]] = {pk: [] for pk in task_ids}
    links = TaskLink.objects.filter(account_id=current_account_id(), task_id__in=found).order_by("pk")
    for task_id, object_type, record_id in links.values_list("task_id", "object_type", "record_id"):
        found[task_id].append((object_type, record_id))
    return found


def _links_of(object_type: str, record_id: int) -> QuerySet[TaskLink]:
    return TaskLink.objects.filter(
        account_id=current_account_id(), object_type=object_type, record_id=record_id
    )


# ── the records of a task ────────────────────────────────────────────────────────────────────────────────────────────


def _link(pairs: Sequence[tuple[int, Record]]) -> None:
    """Of tasks and their records."""
    rows = [
        {"account_id": current_account_id(), "task_id": pk, "object_type": kind, "record_id": record_id}
        for pk, (kind, record_id) in pairs
    ]
    bulk.insert(TaskLink, rows, on_conflict="do nothing")


def _relink(task: Task, also: Sequence[Record]) -> list[Record] | None:
    """Make these its further records; returns those that it is about no more, None where nothing changed."""
    wanted = dict.fromkeys([task.main, *also])
    links = TaskLink.objects.filter(account_id=current_account_id(), task_id=task.pk).order_by("pk")
    have = {(link.object_type, link.record_id): link.pk for link in links}
    if wanted.keys() == have.keys():
        return None
    _refuse_many(wanted)
    left = {record: pk for record, pk in have.items() if record not in wanted}
    links.filter(pk__in=left.values()).delete()
    _link([(task.pk, record) for record in wanted if record not in have])
    return list(left)


def hand_over(object_type: str, from_ids: Collection[int], to_id: int) -> dict[int, dict[str, list[int]]]:
    """What these records were to tasks, another of the kind is from now on; returns of each what `hand_back` needs.

    A fixed number of queries. Nobody is told: merging tells it.
    """
    account_id, ids = current_account_id(), sorted(from_ids)
    moved: dict[int, dict[str, list[int]]] = {
        pk: {"tasks": [], "task_links": [], "new_task_links": []} for pk in ids
    }
    asked = [account_id, object_type, ids]
    links = sql.rows("select record_id, task_id, id from crm_tasklink where account_id = %s and object_type = %s and record_id = any(%s) order by id", asked)  # fmt: skip
    if not links:
        return moved
    of_both = _links_of(object_type, to_id).filter(task_id__in=[task_id for _from, task_id, _id in links])
    has = set(of_both.values_list("task_id", flat=True))
    for from_id, task_id, _id in links:
        moved[from_id]["task_links"].append(task_id)
        if task_id not in has:
            has.add(task_id)
            moved[from_id]["new_task_links"].append(task_id)
    mains = sql.rows(
        "select id, record_id from crm_task where account_id = %s and object_type = %s and record_id = any(%s) and id = any(%s) order by id for no key update",
        [*asked, sorted(has)],
    )  # fmt: skip
    for task_id, from_id in mains:
        moved[from_id]["tasks"].append(task_id)
    Task.objects.filter(account_id=account_id, pk__in=[pk for pk, _from in mains]).update(record_id=to_id)
    sql.execute("delete from crm_tasklink where account_id = %s and id = any(%s)", [account_id, [link_id for *_rest, link_id in links]])  # fmt: skip
    _link([(pk, (object_type, to_id)) for one in moved.values() for pk in one["new_task_links"]])
    return moved


def hand_back(object_type: str, from_id: int, to_id: int, moved: Mapping[str, Sequence[int]]) -> None:
    """Undo of one record what `hand_over` moved; what it is no part of any more since stays so."""
    of_primary = _links_of(object_type, from_id)
    still = list(of_primary.filter(task_id__in=moved["task_links"]).values_list("task_id", flat=True))
    own = Task.objects.filter(account_id=current_account_id(), object_type=object_type, record_id=from_id)
    own.filter(pk__in=moved["tasks"]).update(record_id=to_id)
    kept = set(own.filter(pk__in=moved["new_task_links"]).values_list("pk", flat=True))
    of_primary.filter(task_id__in=set(moved["new_task_links"]) - kept).delete()
    _link([(task_id, (object_type, to_id)) for task_id in still])


def _refuse_many(records: Collection[Record]) -> None:
    if len(records) > MOST_FURTHER + 1:
        raise Invalid(
            _("A task is about %(count)s further records at most.") % {"count": MOST_FURTHER}, field="also",
            value=len(records) - 1, hint=_("Take some away first."),
        )  # fmt: skip
    known = object_types.every()
    unknown = next((kind for kind, _id in records if kind not in known), None)
    if unknown is not None:
        raise Invalid(_("There is no such kind of record."), field="also", value=unknown)


# ── checking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(wanted: Wanted, at: datetime, task: Task | None = None) -> Wanted:
    """`task`: as it stands; who has it and when it reminds may stay."""
    keeps = task.assignee_id if task else None
    title, notes = one_line(wanted.title), storable(wanted.notes).strip()
    if not title:
        raise Invalid(_("Give the task a title."), field="title", hint=_("Say what is to be done."))
    refuse_long(title, TITLE, field="title", message=_("The title is too long."))
    refuse_long(notes, NOTES, field="notes", message=_("The notes are too long."))
    if wanted.assignee_id is not None and wanted.assignee_id != keeps and not _works_here(wanted.assignee_id):
        raise Invalid(_("This person does not work here."), field="assignee_id", value=wanted.assignee_id)
    if wanted.queue_id is not None and wanted.queue_id != (task.queue_id if task else None):
        _require_queue(wanted.queue_id)
    _refuse_other(wanted.priority, PRIORITIES, "priority", _("“%(value)s” is no priority."))
    _refuse_other(wanted.kind, KINDS, "kind", _("“%(value)s” is no type of task."))
    is_kept = task is not None and wanted.remind_at == task.remind_at
    if wanted.remind_at is not None and wanted.remind_at <= at and not is_kept:
        raise Invalid(
            _("This reminder would be in the past."), field="remind_at", value=wanted.remind_at.isoformat(),
            hint=_("Choose a later moment, or no reminder."),
        )  # fmt: skip
    return replace(wanted, title=title, notes=notes)


def _refuse_other(value: str, known: Iterable[str], field: str, words: str) -> None:
    if value not in known:
        raise Invalid(
            words % {"value": value[:40]}, field=field, value=value[:40], hint=_("Choose one of the list.")
        )


def _require_queue(queue_id: int) -> None:
    if not TaskQueue.objects.filter(account_id=current_account_id(), pk=queue_id, archived_at=None).exists():
        raise Invalid(_("There is no such task queue."), field="queue_id", value=queue_id, hint=_("Choose one of the list."))  # fmt: skip


def _works_here(user_id: int) -> bool:
    return Membership.objects.filter(
        account_id=current_account_id(), user_id=user_id, is_active=True
    ).exists()


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _locked(task_id: int, is_deleted: bool = False) -> Task:
    found = _locked_many([task_id], is_deleted)
    if not found:
        raise NotFound(_("There is no such task."))
    return found[0]


def _locked_many(task_ids: Sequence[int], is_deleted: bool = False) -> list[Task]:
    """In the order of their ids; those that are there."""
    ids = sorted(set(task_ids))
    timers.hold_timers(current_account_id(), REMINDER, [str(task_id) for task_id in ids])
    found = Task.objects.select_for_update(no_key=True).filter(
        account_id=current_account_id(), pk__in=ids, archived_at__isnull=not is_deleted
    )
    return list(found.order_by("pk"))


def _further(found: Sequence[Task]) -> dict[int, tuple[Record, ...]]:
    """{task: its records but for the main one}"""
    records = records_of([task.pk for task in found])
    return {task.pk: tuple(one for one in records[task.pk] if one != task.main) for task in found}


def _write(
    found: Sequence[Task], did: str, by: Actor, at: datetime, is_given: bool = False, left: Sequence[Record] = (), /, **values: Any
) -> None:  # fmt: skip
    """The same values to all of them, which are locked; `left` are the records that they are about no more."""
    if not found:
        return
    mine = Task.objects.filter(account_id=current_account_id(), pk__in=[task.pk for task in found])
    mine.update(version=F("version") + 1, **values)
    for task in found:
        task.version += 1
        for name, value in values.items():
            setattr(task, name, value)
    also = _further(found)
    _tell([_Told(task, did, by, is_given=is_given, also=(*also[task.pk], *left)) for task in found], at)
    _remind([task for task in found if _rings(task, at)])
    silent = [str(task.pk) for task in found if not _rings(task, at)]
    if silent:
        timers.drop_timers(current_account_id(), REMINDER, silent)


# ── reminding ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rings(task: Task, at: datetime) -> bool:
    """Whether its reminder is still ahead."""
    is_open = task.completed_at is None and task.archived_at is None
    return is_open and task.remind_at is not None and task.remind_at > at


def _remind(tasks: Sequence[Task]) -> None:
    """Set their timers; what was to be reminded of in the past is reminded of at once."""
    moments = {str(task.pk): task.remind_at for task in tasks if task.remind_at}
    if moments:
        timers.set_timers_at(current_account_id(), REMINDER, moments)


def on_due(account_id: int, due: Sequence[DueTimer]) -> None:
    """Timers: an event for each task that is still to be done."""
    now = clock.now()
    open_ones = Task.objects.filter(
        account_id=account_id, pk__in=[int(timer.key) for timer in due], completed_at=None, archived_at=None
    )
    found = list(open_ones.select_for_update(no_key=True).order_by("pk"))
    Task.objects.filter(account_id=account_id, pk__in=[task.pk for task in found]).update(
        version=F("version") + 1
    )
    also = _further(found)
    log.record_many(
        [
            NewEvent(REMINDED, "task", task.pk, task.version + 1, SYSTEM, now, _about(task, also[task.pk]) | {"title": task.title})
            for task in found
        ]
    )  # fmt: skip


@dataclass(frozen=True)
class _Told:
    task: Task
    did: str
    by: Actor
    cause: Cause | None = None
    depth: int = 0
    is_given: bool = False  # somebody has it who did not have it before
    also: Sequence[Record] = ()  # the further records, also those that it is about no more


def _tell(told: Sequence[_Told], at: datetime) -> None:
    """One event each, and a line in the history of each of its records."""
    events = log.record_many(
        [
            NewEvent(
                f"task.{one.did}",
                "task",
                one.task.pk,
                one.task.version,
                one.by,
                at,
                _facts(one),
                one.cause,
                one.depth,
            )
            for one in told
        ]
    )
    lines = [
        Line(object_type, record_id, history.TASK, {"did": one.did, "title": one.task.title}, one.by, event.id)
        for one, event in zip(told, events, strict=True)
        for object_type, record_id in (one.task.main, *one.also)
    ]  # fmt: skip
    history.note_many(lines, at)


def _facts(told: _Told) -> dict[str, Any]:
    facts = _about(told.task, told.also)
    return facts | ({"title": told.task.title, "given": True} if told.is_given else {})


def _about(task: Task, also: Sequence[Record]) -> dict[str, Any]:
    facts = {"object_type": task.object_type, "record_id": task.record_id, "assignee_id": task.assignee_id}
    more = {"also": [list(record) for record in also]} if also else {}
    return facts | more | ({"ticket_id": task.record_id} if task.object_type == "ticket" else {})


def told_of(event: Event) -> list[Record]:
    """The records that an event of a task is about, the main one first."""
    main = event.data["object_type"], event.data["record_id"]
    return [main, *((kind, record_id) for kind, record_id in event.data.get("also", ()))]

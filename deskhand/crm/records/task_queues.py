"""Task queues: named lists of tasks that one or several people work off (R-WFA-8).

A task is in one queue at most (`hs_queue_membership_ids` in the API). Whoever may use a queue takes from it what nobody
has yet; that they see the record too is asked where tasks are read (`worklist`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _

from deskhand.accounts import audit, policy
from deskhand.accounts.models import Membership, Team
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Task, TaskQueue
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt, current_account_id
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import one_line, storable

NAME = 100  # characters
MOST = 500  # queues of an account


@dataclass(frozen=True)
class NewQueue:
    """`user_ids` and `team_ids` say who may use it, unless it is for everyone."""

    name: str
    is_for_everyone: bool = True
    user_ids: Sequence[int] = ()
    team_ids: Sequence[int] = ()


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def queues() -> list[TaskQueue]:
    """All of the open account, by name."""
    found = TaskQueue.objects.filter(account_id=current_account_id(), archived_at=None)
    return list(found.order_by("name", "id")[:MOST])


def find(queue_id: int) -> TaskQueue:
    """Raises NotFound, also for one that was deleted."""
    found = TaskQueue.objects.filter(account_id=current_account_id(), pk=queue_id, archived_at=None).first()
    if found is None:
        raise NotFound(_("There is no such task queue."))
    return found


def former_name(queue_id: int) -> str:
    """What a queue is called, or was before it was deleted; "" for one that never was."""
    found = TaskQueue.objects.filter(account_id=current_account_id(), pk=queue_id).values_list(
        "name", flat=True
    )
    return found.first() or ""


def may_use(viewer: Viewer, queue: TaskQueue) -> bool:
    return (
        queue.is_for_everyone
        or viewer.user_id in queue.user_ids
        or not viewer.team_ids.isdisjoint(queue.team_ids)
        or may_change(viewer, queue)
    )


def may_change(viewer: Viewer, queue: TaskQueue) -> bool:
    """Who made it, and administrators."""
    is_own = queue.created_by_id == viewer.user_id and policy.can(viewer, Action.EDIT_TASK_QUEUES)
    return is_own or policy.can(viewer, Action.EDIT_ACCOUNT)


def usable(viewer: Viewer) -> list[TaskQueue]:
    """Those that the viewer may put tasks into and work off; one query."""
    return [queue for queue in queues() if may_use(viewer, queue)]


def get(viewer: Viewer, queue_id: int) -> TaskQueue:
    """Raises NotFound for one that the viewer may not use."""
    found = find(queue_id)
    if not may_use(viewer, found):
        raise NotFound(_("There is no such task queue."))
    return found


def how_many(queue_id: int) -> int:
    """The tasks in it that are to be done."""
    return Task.objects.filter(
        account_id=current_account_id(), queue_id=queue_id, completed_at=None, archived_at=None
    ).count()


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def create(new: NewQueue, *, by: Actor) -> TaskQueue:
    """Raises Invalid, naming the field."""
    row = TaskQueue(account_id=current_account_id(), created_at=clock.now(), created_by_id=by.id)
    if TaskQueue.objects.filter(account_id=row.account_id, archived_at=None).count() >= MOST:
        raise Invalid(_("There are %(count)s task queues already.") % {"count": MOST}, field="name", hint=_("Delete one first."))  # fmt: skip
    _save(row, new)
    _audit("created", row, by, after=_facts(row))
    return row


def change(queue_id: int, new: NewQueue, *, by: Actor) -> TaskQueue:
    """Raises NotFound, and Invalid as `create` does. Safe to repeat."""
    row = find(queue_id)
    before = _facts(row)
    _save(row, new)
    if before != _facts(row):
        _audit("updated", row, by, before=before, after=_facts(row))
    return row


def delete(queue_id: int, *, by: Actor, at: datetime | None = None) -> int:
    """Its tasks stay, in no queue. Returns how many of them are to be done. Raises NotFound."""
    at = at or clock.now()
    row, left = find(queue_id), how_many(queue_id)
    row.archived_at = at
    row.save(update_fields=["archived_at"])
    mine = Task.objects.filter(account_id=row.account_id, queue_id=queue_id)
    tasks.put_many(list(mine.filter(archived_at=None).values_list("pk", flat=True)), None, by=by, at=at)
    mine.update(queue_id=None, version=F("version") + 1)  # deleted ones have no history to tell it to
    _audit("deleted", row, by, before=_facts(row))
    return left


def require_change(viewer: Viewer, queue_id: int) -> TaskQueue:
    """Raises NotFound for one that the viewer may not use, Forbidden for one that is others' to change."""
    found = get(viewer, queue_id)
    if not may_change(viewer, found):
        raise Forbidden(_("Only who made it and administrators may change this task queue."))
    return found


def _save(row: TaskQueue, new: NewQueue) -> None:
    row.name = one_line(storable(new.name)).strip()
    if not 0 < len(row.name) <= NAME:
        raise Invalid(_("Give it a name of at most %(count)s characters.") % {"count": NAME}, field="name", value=new.name[:40])  # fmt: skip
    row.is_for_everyone = new.is_for_everyone
    row.user_ids = [] if new.is_for_everyone else _people(new.user_ids)
    row.team_ids = [] if new.is_for_everyone else _teams(new.team_ids)
    if not (row.is_for_everyone or row.user_ids or row.team_ids):
        raise Invalid(
            _("Nobody could use it."), field="users", hint=_("Choose people or teams, or everyone.")
        )
    try:
        with attempt():
            row.save()
    except IntegrityError as taken:
        raise Invalid(
            _("There is a task queue called “%(name)s” already.") % {"name": row.name}, field="name", value=row.name,
            hint=_("Choose another name."),
        ) from taken  # fmt: skip


def _people(wanted: Sequence[int]) -> list[int]:
    here = Membership.objects.filter(account_id=current_account_id(), user_id__in=wanted)
    found = set(here.values_list("user_id", flat=True))
    return _all_of(wanted, found, "users", _("This person does not work here."))


def _teams(wanted: Sequence[int]) -> list[int]:
    found = set(
        Team.objects.filter(account_id=current_account_id(), pk__in=wanted).values_list("pk", flat=True)
    )
    return _all_of(wanted, found, "teams", _("There is no such team."))


def _all_of(wanted: Sequence[int], found: set[int], field: str, words: str) -> list[int]:
    unknown = next((one for one in wanted if one not in found), None)
    if unknown is not None:
        raise Invalid(words, field=field, value=unknown)
    return sorted(found)


def _facts(row: TaskQueue) -> dict[str, Any]:
    return {
        "name": row.name, "is_for_everyone": row.is_for_everyone, "user_ids": row.user_ids, "team_ids": row.team_ids,
    }  # fmt: skip


def _audit(did: str, row: TaskQueue, by: Actor, **facts: Any) -> None:
    audit.record(f"task_queue.{did}", by=by, target_type="task_queue", target_id=row.pk, **facts)

"""Telling people of tasks: of the reminders of all, and who was given one about a record that is no ticket.

Who was given a task of a ticket is told with the other news of tickets (telling.py). Called after commit, in the
dispatcher's transaction; once an event and person (R-NOT-15).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Record
from deskhand.crm.records.tables import are_there, model_of
from deskhand.crm.records.tasks import REMINDED
from deskhand.events.types import ActorKind, Event
from deskhand.kernel import clock
from deskhand.notifications import pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import Away, nobody, plan
from deskhand.notifications.telling import OLD, ring
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways
from deskhand.notifications.wording import sentence


@dataclass(frozen=True)
class _Told:
    event: Event
    topic: Topic
    user_id: int
    about: tuple[str, int]
    record: Record

    @property
    def task(self) -> str:
        return str(self.event.data["title"])


def tell(
    account_id: int, events: Sequence[Event], at: datetime | None = None, *, away: Away = nobody
) -> None:
    """Tell whom they are for; a reminder of what nobody has goes to who owns the record. Safe to repeat.

    `away` as for telling.tell. Nobody hears of records that they may not see (R-NOT-16): of a task's records the first that
    they see is named.
    """
    at = at or clock.now()
    news = [event for event in events if event.at > at - OLD and _topic(event)]
    if not news:
        return
    wanted = list(_wanted(account_id, news))
    viewers = {
        viewer.user_id: viewer for viewer in policy.viewers_of(account_id, {one.user_id for one in wanted})
    }
    by_event: dict[int, _Told] = {}
    for one in wanted:
        viewer = viewers.get(one.user_id)
        if viewer is not None and policy.visible(viewer, one.about[0]).reaches(one.record):
            by_event.setdefault(one.event.id, one)
    told = list(by_event.values())
    planned = plan(account_id, [(one.user_id, one.topic) for one in told], at, away)
    ways = {one.event.id: planned.ways(one.user_id, one.topic) for one in told}
    _ring(account_id, [(one, ways[one.event.id]) for one in told if ways[one.event.id].is_kept], at)
    going = [
        Leaving(one.user_id, one.topic, f"notification:{one.event.id}:{one.user_id}", ways[one.event.id], partial(_said, one))
        for one in told
    ]  # fmt: skip
    actors = {one.event.by.id for one in told if one.event.by.kind is ActorKind.USER and one.event.by.id}
    leave(account_id, going, at, actors)


def _topic(event: Event) -> Topic | None:
    if event.kind == REMINDED:
        return Topic.REMINDER
    is_given = event.object_type == "task" and event.data.get("given")
    return Topic.TASK if is_given and event.data["object_type"] != "ticket" else None


def _wanted(account_id: int, news: Sequence[Event]) -> Iterator[_Told]:
    """By each record of a task, the main one first. What nobody has reminds the owner of the first that is there."""
    records = _records(account_id, news)
    for event in news:
        topic, about = _topic(event), [one for one in tasks.told_of(event) if one in records]
        if topic is None or not about:
            continue
        owner_id = records[about[0]].owner_id if topic is Topic.REMINDER else None
        user_id = event.data["assignee_id"] or owner_id
        is_own_doing = event.by.kind is ActorKind.USER and event.by.id == user_id  # R-NOT-9
        if user_id and not is_own_doing:
            yield from (_Told(event, topic, user_id, one, records[one]) for one in about)


def _records(account_id: int, news: Sequence[Event]) -> Mapping[tuple[str, int], Record]:
    """What the tasks are about and is still there; one query for each kind."""
    ids: dict[str, set[int]] = {}
    for object_type, record_id in (one for event in news for one in tasks.told_of(event)):
        ids.setdefault(object_type, set()).add(record_id)
    found: dict[tuple[str, int], Record] = {}
    for object_type, wanted in ids.items():
        rows = model_of(object_type)._default_manager.filter(
            are_there(object_type), account_id=account_id, pk__in=wanted
        )
        found |= {(object_type, row.pk): row for row in rows}
    return found


def _ring(account_id: int, told: Sequence[tuple[_Told, Ways]], at: datetime) -> None:
    rows = [_row(account_id, one, ways, at) for one, ways in told]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    ring(account_id, {one.user_id for one, _ways in told})


def _row(account_id: int, one: _Told, ways: Ways, at: datetime) -> Notification:
    object_type, record_id = one.about
    row = Notification(
        account_id=account_id, user_id=one.user_id, event_id=one.event.id, topic=one.topic.value, created_at=at,
        actor_kind=one.event.by.kind.value, actor_id=one.event.by.id, **ways.row(at),
    )  # fmt: skip
    if object_type == "ticket":
        row.ticket_id, row.about_kind, row.about_id, row.about_name = (
            record_id,
            "task",
            one.event.object_id,
            one.task,
        )
    else:
        row.about_kind, row.about_id, row.about_name, row.text = (
            object_type,
            record_id,
            _name(one.record),
            one.task,
        )
    return row


def _name(record: Record) -> str:
    return record.called or _("No name")


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _said(one: _Told, people: People) -> Said:
    by = one.event.by
    actor = people.get(by.id or 0) if by.kind is ActorKind.USER else None
    line, name = sentence(one.topic, actor.name if actor else "", one.task), _name(one.record)
    return Said(title=f"{line} · {name}", text=f"{line}\n\n{name}", path=_page(one))


def _page(one: _Told) -> str:
    object_type, record_id = one.about
    task_id = one.event.object_id
    return (
        pages.ticket(record_id, task_id)
        if object_type == "ticket"
        else f"{pages.record(object_type, record_id)}#task-{task_id}"
    )

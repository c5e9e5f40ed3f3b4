"""Telling people that a colleague changed whether they are available (R-AVAIL-11, R-NOT-8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.events.types import ActorKind, Event
from deskhand.kernel import clock
from deskhand.notifications import pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import nobody, plan
from deskhand.notifications.telling import OLD, ring
from deskhand.notifications.types import AVAILABILITY, Topic
from deskhand.notifications.wishes import Ways
from deskhand.notifications.wording import sentence


def tell(account_id: int, events: Sequence[Event], at: datetime | None = None) -> None:
    """Tell each of them; nobody of their own doing (R-NOT-9). Safe to repeat.

    Quiet does not apply: who is told that they were set to away has just been there.
    """
    at = at or clock.now()
    news = [event for event in events if event.at > at - OLD and _is_news(event)]
    there = {viewer.user_id for viewer in policy.viewers_of(account_id, {event.object_id for event in news})}
    news = [event for event in news if event.object_id in there]
    if not news:
        return
    planned = plan(account_id, [(event.object_id, Topic.AVAILABILITY) for event in news], at, nobody)
    told = [(event, planned.ways(event.object_id, Topic.AVAILABILITY)) for event in news]
    rung = [_row(account_id, event, ways, at) for event, ways in told if ways.is_kept]
    Notification.objects.bulk_create(rung, ignore_conflicts=True)
    ring(account_id, {row.user_id for row in rung})
    going = [
        Leaving(event.object_id, Topic.AVAILABILITY, f"notification:{event.id}:{event.object_id}", ways, partial(_said, event))
        for event, ways in told
    ]  # fmt: skip
    leave(account_id, going, at, {event.by.id for event in news if event.by.id})


def _is_news(event: Event) -> bool:
    is_by_another = event.by.kind is ActorKind.USER and event.by.id != event.object_id
    return event.kind == "availability.changed" and is_by_another and event.data["from"] != event.data["to"]


def _row(account_id: int, event: Event, ways: Ways, at: datetime) -> Notification:
    return Notification(
        account_id=account_id, user_id=event.object_id, event_id=event.id, topic=Topic.AVAILABILITY.value, created_at=at,
        actor_kind=event.by.kind.value, actor_id=event.by.id, about_kind=AVAILABILITY, about_id=event.object_id,
        text=event.data["to"], **ways.row(at),
    )  # fmt: skip


def _said(event: Event, people: People) -> Said:
    actor = people.get(event.by.id or 0)
    line = sentence(Topic.AVAILABILITY, actor.name if actor else "", event.data["to"])
    return Said(title=line, text=f"{line}\n\n{_('Your availability')}", path=pages.AVAILABILITY)

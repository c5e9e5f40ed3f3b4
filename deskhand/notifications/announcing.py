"""Telling people what a workflow wants them to know: in the bell and by what leaves for them, as each has chosen (R-NOT-8).

Who may not see the record hears nothing (R-NOT-16). Called in the run's transaction, so each is told once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from deskhand.accounts import policy
from deskhand.accounts.types import Viewer
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.notifications import pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import Away, nobody, plan
from deskhand.notifications.telling import ring
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways

ANNOUNCED = "notice.sent"
LONGEST = 2_000  # characters of what the bell shows


@dataclass(frozen=True)
class Announcement:
    """What is said about one record, and to whom. `name`: of the record; `key` names it for ever."""

    user_ids: Sequence[int]
    subject: str
    text: str
    object_type: str
    record_id: int
    name: str
    owner_id: int | None
    team_ids: Sequence[int]
    key: str
    by: Actor
    cause: Cause | None = None
    depth: int = 0


class Heard(NamedTuple):
    """Who heard of an announcement, however they have chosen to, and how many mails leave for it."""

    users: set[int]
    mails: int


def announce(
    account_id: int, said: Sequence[Announcement], at: datetime, *, away: Away = nobody
) -> list[Heard]:
    """Tell them; returns who heard of each. A fixed number of queries.

    `away` as for telling.tell.
    """
    if not said:
        return []
    asked = {user_id for one in said for user_id in one.user_ids}
    viewers = {viewer.user_id: viewer for viewer in policy.viewers_of(account_id, asked)}
    told = [{user_id for user_id in one.user_ids if _may_see(viewers.get(user_id), one)} for one in said]
    planned = plan(account_id, [(user_id, Topic.NOTICE) for who in told for user_id in who], at, away)
    ways = {user_id: planned.ways(user_id, Topic.NOTICE) for user_id in asked}
    _ring(account_id, said, [{user_id for user_id in who if ways[user_id].is_kept} for who in told], ways, at)
    going = [
        [
            Leaving(user_id, Topic.NOTICE, f"{one.key}:{user_id}", ways[user_id], partial(_said, one))
            for user_id in sorted(who)
        ]
        for one, who in zip(said, told, strict=True)
    ]
    leave(account_id, [one for some in going for one in some], at)
    return [Heard(who, sum(one.ways.mail for one in some)) for who, some in zip(told, going, strict=True)]


def _may_see(viewer: Viewer | None, one: Announcement) -> bool:
    return viewer is not None and policy.visible(viewer, one.object_type).allows(one.owner_id, one.team_ids)


def _ring(
    account_id: int,
    said: Sequence[Announcement],
    rings: Sequence[Collection[int]],
    ways: Mapping[int, Ways],
    at: datetime,
) -> None:
    """A row for each; the event that they hang on says who was told."""
    events = log.record_many(
        [
            NewEvent(
                ANNOUNCED, one.object_type, one.record_id, 0, one.by, at, {"subject": one.subject, "users": sorted(who)}, one.cause, one.depth
            )
            for one, who in zip(said, rings, strict=True)
        ]
    )  # fmt: skip
    Notification.objects.bulk_create(
        [
            _row(account_id, one, user_id, ways[user_id], event.id, at)
            for one, who, event in zip(said, rings, events, strict=True)
            for user_id in sorted(who)
        ]
    )
    ring(account_id, {user_id for who in rings for user_id in who})


def _row(
    account_id: int, one: Announcement, user_id: int, ways: Ways, event_id: int, at: datetime
) -> Notification:
    is_ticket = one.object_type == "ticket"
    text = f"{one.subject}: {one.text}" if one.subject and one.text else one.subject or one.text
    return Notification(
        account_id=account_id, user_id=user_id, event_id=event_id, topic=Topic.NOTICE.value, created_at=at, actor_kind=one.by.kind.value,
        actor_id=one.by.id, ticket_id=one.record_id if is_ticket else None, about_kind="" if is_ticket else one.object_type,
        about_id=None if is_ticket else one.record_id, about_name=one.name, text=" ".join(text.split())[:LONGEST], **ways.row(at),
    )  # fmt: skip


def _said(one: Announcement, _people: People) -> Said:
    return Said(
        title=one.subject or one.name,
        text="\n\n".join(part for part in (one.text, one.name) if part),
        path=pages.record(one.object_type, one.record_id),
        line=" ".join(one.text.split()) or (one.name if one.subject else ""),
    )

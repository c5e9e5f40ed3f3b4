"""Telling people what a workflow wants them to know: in the bell and by mail, as each of them has chosen (R-NOT-8).

Who may not see the record hears nothing (R-NOT-16). Called in the run's transaction, so each is told once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils import translation

from deskhand.accounts import policy
from deskhand.accounts.mails import letter
from deskhand.accounts.models import Account, User
from deskhand.accounts.types import Viewer
from deskhand.delivery import outbox
from deskhand.delivery.types import NewSend
from deskhand.events import live, log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.notifications import pages, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.telling import Away, in_quiet, nobody, signal_of
from deskhand.notifications.types import Topic
from deskhand.notifications.wording import mail_of

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
    wanted = wishes.of_many(account_id, asked)
    by_mail = {user_id for user_id in asked if wanted.mail(user_id, Topic.NOTICE)}
    still = in_quiet(account_id, by_mail, away)
    rings = [
        {user_id for user_id in who if wanted.bell(user_id, Topic.NOTICE) or user_id in still} for who in told
    ]
    _ring(account_id, said, rings, at)
    mailed = [sorted(who & (by_mail - still)) for who in told]
    _mail(account_id, [(one, user_id) for one, users in zip(said, mailed, strict=True) for user_id in users])
    return [Heard(who, len(users)) for who, users in zip(told, mailed, strict=True)]


def _may_see(viewer: Viewer | None, one: Announcement) -> bool:
    return viewer is not None and policy.visible(viewer, one.object_type).allows(one.owner_id, one.team_ids)


def _ring(
    account_id: int, said: Sequence[Announcement], rings: Sequence[Collection[int]], at: datetime
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
            _row(account_id, one, user_id, event.id, at)
            for one, who, event in zip(said, rings, events, strict=True)
            for user_id in sorted(who)
        ]
    )
    live.signal(
        account_id, [signal_of(user_id) for user_id in sorted({user_id for who in rings for user_id in who})]
    )


def _row(account_id: int, one: Announcement, user_id: int, event_id: int, at: datetime) -> Notification:
    is_ticket = one.object_type == "ticket"
    text = f"{one.subject}: {one.text}" if one.subject and one.text else one.subject or one.text
    return Notification(
        account_id=account_id, user_id=user_id, event_id=event_id, topic=Topic.NOTICE.value, created_at=at, actor_kind=one.by.kind.value,
        actor_id=one.by.id, ticket_id=one.record_id if is_ticket else None, about_kind="" if is_ticket else one.object_type,
        about_id=None if is_ticket else one.record_id, about_name=one.name, text=" ".join(text.split())[:LONGEST],
    )  # fmt: skip


def _mail(account_id: int, told: Sequence[tuple[Announcement, int]]) -> None:
    if not told:
        return
    account = Account.objects.get(pk=account_id)
    people = User.objects.in_bulk({user_id for _one, user_id in told})
    outbox.enqueue([_letter(account, people[user_id], one) for one, user_id in told])


def _letter(account: Account, user: User, one: Announcement) -> NewSend:
    with translation.override(user.locale or account.locale):
        text = mail_of("\n\n".join(part for part in (one.text, one.name + _link(one)) if part))
        return letter(account, user, one.subject or one.name, text, key=f"{one.key}:{user.pk}")


def _link(one: Announcement) -> str:
    return f"\n{settings.SITE_URL}{pages.record(one.object_type, one.record_id)}"

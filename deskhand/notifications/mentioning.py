"""Telling people that a colleague named them in a comment on a workflow: in the bell and by mail, as each has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import translation

from deskhand.accounts.mails import letter
from deskhand.accounts.models import Account, User
from deskhand.delivery import outbox
from deskhand.events import live, log
from deskhand.events.types import Actor, NewEvent
from deskhand.notifications import pages, wishes
from deskhand.notifications.models import Notification
from deskhand.notifications.telling import signal_of
from deskhand.notifications.types import Kind, Topic
from deskhand.notifications.wording import mail_of, sentence


@dataclass(frozen=True)
class InWorkflow:
    workflow_id: int
    name: str
    comment_id: int
    text: str


def tell(account_id: int, user_ids: Sequence[int], about: InWorkflow, by: Actor, at: datetime) -> None:
    """The caller has seen to it that they may open the workflow."""
    what = {"comment_id": about.comment_id, "users": list(user_ids)}
    [event] = log.record_many([NewEvent("workflow.commented", "workflow", about.workflow_id, 0, by, at, what)])  # fmt: skip
    wanted = wishes.of_many(account_id, set(user_ids))
    rung = [user_id for user_id in user_ids if wanted.bell(user_id, Topic.MENTION)]
    Notification.objects.bulk_create(
        Notification(
            account_id=account_id, user_id=user_id, event_id=event.id, topic=Topic.MENTION.value, created_at=at, actor_kind=by.kind.value,
            actor_id=by.id, about_kind=Kind.AUTOMATION.value, about_id=about.workflow_id, about_name=about.name,
        )
        for user_id in rung
    )  # fmt: skip
    live.signal(account_id, [signal_of(user_id) for user_id in rung])
    mailed = [user_id for user_id in user_ids if wanted.mail(user_id, Topic.MENTION)]
    if mailed:
        _mail(account_id, mailed, about, by)


def _mail(account_id: int, user_ids: Sequence[int], about: InWorkflow, by: Actor) -> None:
    account = Account.objects.get(pk=account_id)
    people = User.objects.in_bulk({*user_ids, by.id or 0})
    writer = people[by.id].name if by.id in people else ""
    sends = []
    for user_id in user_ids:
        user = people[user_id]
        with translation.override(user.locale or account.locale):
            said = sentence(Topic.MENTION, writer)
            link = settings.SITE_URL + pages.step_comment(about.workflow_id, about.comment_id)
            text = mail_of(f"{said}: {about.name}\n\n{about.text}\n\n{link}")
            sends.append(letter(account, user, f"{said}: {about.name}", text, key=f"step-comment:{about.comment_id}:{user_id}"))  # fmt: skip
    outbox.enqueue(sends)

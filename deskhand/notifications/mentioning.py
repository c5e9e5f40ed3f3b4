"""Telling people that a colleague named them in a comment on a workflow: by the ways that each has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from deskhand.events import log
from deskhand.events.types import Actor, NewEvent
from deskhand.notifications import pages
from deskhand.notifications.leaving import Leaving, People, Said, leave
from deskhand.notifications.models import Notification
from deskhand.notifications.planning import Away, nobody, plan
from deskhand.notifications.telling import ring
from deskhand.notifications.types import Kind, Topic
from deskhand.notifications.wording import sentence


@dataclass(frozen=True)
class InWorkflow:
    workflow_id: int
    name: str
    comment_id: int
    text: str


def tell(
    account_id: int,
    user_ids: Sequence[int],
    about: InWorkflow,
    by: Actor,
    at: datetime,
    *,
    away: Away = nobody,
) -> None:
    """The caller has seen to it that they may open the workflow. `away` as for telling.tell."""
    what = {"comment_id": about.comment_id, "users": list(user_ids)}
    [event] = log.record_many([NewEvent("workflow.commented", "workflow", about.workflow_id, 0, by, at, what)])  # fmt: skip
    planned = plan(account_id, [(user_id, Topic.MENTION) for user_id in user_ids], at, away)
    ways = {user_id: planned.ways(user_id, Topic.MENTION) for user_id in user_ids}
    rung = [user_id for user_id in user_ids if ways[user_id].is_kept]
    Notification.objects.bulk_create(
        Notification(
            account_id=account_id, user_id=user_id, event_id=event.id, topic=Topic.MENTION.value, created_at=at, actor_kind=by.kind.value,
            actor_id=by.id, about_kind=Kind.AUTOMATION.value, about_id=about.workflow_id, about_name=about.name,
            **ways[user_id].row(at),
        )
        for user_id in rung
    )  # fmt: skip
    ring(account_id, rung)
    going = [
        Leaving(user_id, Topic.MENTION, f"step-comment:{about.comment_id}:{user_id}", ways[user_id], partial(_said, about, by))
        for user_id in user_ids
    ]  # fmt: skip
    leave(account_id, going, at, {by.id} if by.id else ())


def _said(about: InWorkflow, by: Actor, people: People) -> Said:
    writer = people[by.id].name if by.id is not None and by.id in people else ""
    title = f"{sentence(Topic.MENTION, writer)}: {about.name}"
    path = pages.step_comment(about.workflow_id, about.comment_id)
    return Said(title=title, text=f"{title}\n\n{about.text}\n", path=path, line=" ".join(about.text.split()))

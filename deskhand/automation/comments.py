"""Comments on the steps of workflows: threads for other editors, resolved when they are settled (R-ACT-6, R-EDIT-1)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.utils.translation import gettext as _

from deskhand.accounts.models import User
from deskhand.accounts.policy import viewers_of
from deskhand.accounts.types import Viewer
from deskhand.automation import access, drafts, workflows
from deskhand.automation.models import StepComment, Workflow
from deskhand.crm.records.checking import refuse_long
from deskhand.desk import mentions
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import storable
from deskhand.notifications import mentioning
from deskhand.routing import availability

TEXT = 5_000  # characters


@dataclass(frozen=True)
class Thread:
    comment: StepComment
    replies: tuple[StepComment, ...]


def threads_of(workflow: Workflow, step_id: str) -> list[Thread]:
    """What was said of a step, oldest first, and what is settled last; one query."""
    found = StepComment.objects.filter(account_id=workflow.account_id, workflow=workflow, step_id=step_id)
    rows = list(found.order_by("id"))
    threads = [
        Thread(row, tuple(one for one in rows if one.reply_to_id == row.pk))
        for row in rows
        if row.reply_to_id is None
    ]
    return sorted(threads, key=lambda thread: thread.comment.resolved_at is not None)


def find(workflow: Workflow, comment_id: int) -> StepComment | None:
    return StepComment.objects.filter(account_id=workflow.account_id, workflow=workflow, pk=comment_id).first()  # fmt: skip


def last_calling(workflow: Workflow, user: User) -> StepComment | None:
    """The newest comment that calls somebody, by name or with their team."""
    found = StepComment.objects.filter(account_id=workflow.account_id, workflow=workflow).order_by("-id")
    words = mentions.words_for(user)
    return next((one for one in found if one.author_id != user.pk and words & mentions.said(one.text)), None)


def add(workflow: Workflow, step_id: str, text: str, *, by: int, reply_to: int | None = None) -> StepComment:
    """Leave a comment, or an answer to one; who is called with @ is told.

    Raises Invalid when it says nothing, NotFound for no such step or comment.
    """
    if (
        step_id not in workflows.definition_of(workflow).by_id
        and step_id not in drafts.of(workflow).definition.by_id
    ):
        raise NotFound(_("There is no step %(step_id)s.") % {"step_id": step_id})
    parent = _of(workflow, reply_to) if reply_to else None
    made = StepComment.objects.create(
        account_id=workflow.account_id, workflow=workflow, step_id=step_id, author_id=by, text=_checked(text),
        reply_to_id=(parent.reply_to_id or parent.pk) if parent else None, created_at=clock.now(),
    )  # fmt: skip
    if parent is not None:
        _settle(made.reply_to_id or 0, False)
    _tell(workflow, made, set())
    return made


def edit(workflow: Workflow, comment_id: int, text: str, *, by: int) -> StepComment:
    """Say it otherwise; who is called now and was not before is told. Raises Forbidden for another's."""
    found = _own(workflow, comment_id, by)
    before = _called(workflow, found)
    found.text = _checked(text)
    found.save(update_fields=["text"])
    _tell(workflow, found, before)
    return found


def delete(workflow: Workflow, comment_id: int, *, by: int) -> None:
    """With its answers. Raises Forbidden for another's."""
    _own(workflow, comment_id, by).delete()


def resolve(workflow: Workflow, comment_id: int, is_resolved: bool) -> None:
    """The whole thread is settled, or open again."""
    found = _of(workflow, comment_id)
    _settle(found.reply_to_id or found.pk, is_resolved)


def _settle(thread_id: int, is_resolved: bool) -> None:
    at = clock.now() if is_resolved else None
    own = StepComment.objects.filter(account_id=current_account_id())
    own.filter(pk=thread_id).update(resolved_at=at)
    own.filter(reply_to_id=thread_id).update(resolved_at=at)


def _of(workflow: Workflow, comment_id: int) -> StepComment:
    found = find(workflow, comment_id)
    if found is None:
        raise NotFound(_("This comment is not there any more."))
    return found


def _own(workflow: Workflow, comment_id: int, by: int) -> StepComment:
    found = _of(workflow, comment_id)
    if found.author_id != by:
        raise Forbidden(_("You may only change your own comments."))
    return found


def _checked(text: str) -> str:
    text = storable(text).strip()
    if not text:
        raise Invalid(_("The comment is empty."), field="text", hint=_("Write something first."))
    refuse_long(text, TEXT, field="text", message=_("The comment is too long."))
    return text


def _called(workflow: Workflow, comment: StepComment) -> set[int]:
    """Who is named and may open the workflow; never its writer (R-WORK-5)."""
    wanted = mentions.users_called(comment.text, but=comment.author_id)
    return who_may_edit(lambda viewer: access.may_edit(viewer, workflow), wanted) if wanted else set()


def who_may_edit(may: Callable[[Viewer], bool], only: Collection[int] | None = None) -> set[int]:
    """The users of this account, or those of `only`, who may: they can be called in comments."""
    return {one.user_id for one in viewers_of(current_account_id(), only) if may(one)}


def not_told(workflow: Workflow, comment: StepComment) -> list[str]:
    """Names of colleagues who are called and may not open the workflow, and of teams of which nobody may."""
    whom = mentions.called(comment.text, but=comment.author_id)
    if not whom.names:
        return []
    told = who_may_edit(lambda viewer: access.may_edit(viewer, workflow))
    teams = {team.pk for _word, team in mentions.callable_teams(told)}
    users = [user.name for user in whom.users if user.pk not in told]
    return sorted([*users, *(team.name for team in whom.teams if team.pk not in teams)])


def _tell(workflow: Workflow, comment: StepComment, told: set[int]) -> None:
    fresh = _called(workflow, comment) - told
    if fresh:
        about = mentioning.InWorkflow(workflow.pk, workflow.name, comment.pk, comment.text)
        mentioning.tell(
            workflow.account_id, sorted(fresh), about, Actor.user(comment.author_id), clock.now(), away=availability.away
        )  # fmt: skip

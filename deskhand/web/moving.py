"""Where records may go, in words, and taking a move back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.crm.pipelines.types import PipelineValue, StageValue
from deskhand.crm.records import guard, undoing
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.web.refusals import words_of

UNDO_WITHIN = timedelta(minutes=10)


def reasons(viewer: Viewer, pipeline: PipelineValue, from_id: int) -> Mapping[int, str]:
    """By status: why the viewer may not move a record there from `from_id` (R-RULE-8, R-RULE-12)."""
    refused = guard.barred(pipeline, from_id, Actor.user(viewer.user_id))
    return {stage_id: words_of(refusal) for stage_id, refusal in refused.items()}


def creatable(viewer: Viewer, pipeline: PipelineValue) -> frozenset[int]:
    """The statuses in which the viewer may create records (R-RULE-5)."""
    return frozenset(stage.id for stage in guard.creatable(pipeline, Actor.user(viewer.user_id)))


def first(viewer: Viewer, pipeline: PipelineValue) -> StageValue:
    """Where the viewer begins a record of the pipeline without saying where."""
    return guard.first_stage(pipeline, Actor.user(viewer.user_id))


def take_back(viewer: Viewer, object_type: str, record_id: int, made_at: str) -> None:
    """Take back the viewer's move of the moment `made_at`; neither rules nor what a status asks for bind it (R-RULE-9).

    Raises Conflict where the record was moved again since, or too long ago; Invalid for what is no moment.
    """
    if not taken_back(viewer, object_type, [record_id], made_at):
        raise Conflict(_("This has changed since and could not be taken back."))


def taken_back(viewer: Viewer, object_type: str, ids: Sequence[int], made_at: str) -> list[int]:
    """As `take_back`, of many: returns the ids of those that came back. What has changed again since stays."""
    at, now = _made_moment(made_at), clock.now()
    if now - at >= UNDO_WITHIN:
        return []
    return undoing.undo(ids, made_at=at, by=Actor.user(viewer.user_id), at=now, object_type=object_type)


def _made_moment(text: str) -> datetime:
    """The moment of what is to be taken back. Raises Invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid(_("There is nothing to take back."), field="at", value=text[:40])
    return found

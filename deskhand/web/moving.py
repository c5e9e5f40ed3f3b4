"""Where records may go, in words, and taking a move back."""

from __future__ import annotations

from collections.abc import Mapping
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
    at, now, by = made_moment(made_at), clock.now(), Actor.user(viewer.user_id)
    is_recent = now - at < UNDO_WITHIN
    if not is_recent or not undoing.undo([record_id], made_at=at, by=by, at=now, object_type=object_type):
        raise Conflict(_("This has changed since and could not be taken back."))


def made_moment(text: str) -> datetime:
    """The moment of what is to be taken back. Raises Invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid(_("There is nothing to take back."), field="at", value=text[:40])
    return found

"""A lane's steps in the forms that the editor of workflows has for them (R-ACT-5, R-ACT-23)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.automation import lanes, workflows
from deskhand.automation.engine.definition import Definition, RandomSplit
from deskhand.automation.engine.edit import edge_at
from deskhand.automation.models import Workflow
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.web.workflows.editor import rows
from deskhand.web.workflows.editor.forkforms import ForkForm
from deskhand.web.workflows.editor.stepforms import StepForm
from deskhand.web.workflows.editor.surroundings import Surroundings


@dataclass(frozen=True)
class LaneSurroundings(Surroundings):
    """A lane as forms ask about it; one that is to be made with its first step has no workflow yet."""

    viewer: Viewer
    pipeline: PipelineValue
    stage_id: int
    workflow: Workflow | None

    @property
    def is_live(self) -> bool:
        """A lane has no draft."""
        return True

    @property
    def pipeline_id(self) -> int:
        return self.pipeline.id

    @cached_property
    def definition(self) -> Definition:
        if self.workflow is None:
            kind = self.pipeline.object_type
            return Definition(kind, lanes.lane_trigger(kind, self.stage_id))
        return workflows.definition_of(self.workflow)


def drawn(form: StepForm, *more: rows.Part) -> tuple[rows.Part, ...]:
    """Its fields, under what a new fork does with what stands at its place."""
    if form.old is not None or form.place is None or not isinstance(form, ForkForm):
        return more
    if edge_at(form.opened.definition, form.place) is None:
        return more
    text = (
        _("What follows here goes on in the first part.")
        if form.sort is RandomSplit
        else _("What follows here goes on in the branch for all others.")
    )
    return (rows.Alert(text, "info"), *more)

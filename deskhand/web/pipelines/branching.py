"""Branches of a lane: the form of if/then that the editor of workflows has, in the drawer (R-ACT-23)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.automation import workflows
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine.definition import Definition
from deskhand.automation.engine.edit import Place, edge_at
from deskhand.automation.lanes import lane_trigger
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import Condition
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.building import Building
from deskhand.web.workflows.editor import rows
from deskhand.web.workflows.editor.forkforms import IfThenForm


@dataclass(frozen=True)
class LaneSurroundings:
    """A lane as the form asks about it; one that is to be made with the step has no workflow yet."""

    viewer: Viewer
    object_type: str
    stage_id: int
    workflow: Workflow | None

    @cached_property
    def definition(self) -> Definition:
        if self.workflow is None:
            return Definition(self.object_type, lane_trigger(self.object_type, self.stage_id))
        return workflows.definition_of(self.workflow)

    @cached_property
    def asked(self) -> Asked:
        return Asked(self.viewer, self.object_type)

    def building(self, name: str, condition: Condition | None, typed: Typed | None) -> Building:
        return Building.of(self.asked, name, condition, typed)


def new(lane: LaneSurroundings, place: Place, typed: Typed | None) -> IfThenForm:
    return IfThenForm(lane, None, typed, place)


def existing(lane: LaneSurroundings, step_id: str, typed: Typed | None) -> IfThenForm:
    return IfThenForm(lane, lane.definition.by_id[step_id], typed, None)


def notes(form: IfThenForm) -> tuple[rows.Part, ...]:
    """Where what stands at the place of a new fork comes to stand."""
    if form.old is not None or form.place is None or edge_at(form.opened.definition, form.place) is None:
        return ()
    return (rows.Alert(_("What follows here goes on in the branch for all others."), "info"),)

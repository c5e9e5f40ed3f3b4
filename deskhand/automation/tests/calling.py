"""Workflows of a few steps, for the tests of actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from deskhand.automation import workflows
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Edge,
    EventMatch,
    Reenrollment,
    Step,
    WhenEvent,
)
from deskhand.automation.models import Workflow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.kernel import clock


def step(number: int, kind: str, following: int | None = None, **settings: Any) -> Action:
    return Action(str(number), kind, settings, Edge(str(following)) if following else None)


def workflow_of(
    account_id: int,
    *steps: Step,
    on: str = "ticket.created",
    object_type: str = "ticket",
    is_lane: bool = True,
) -> Workflow:
    """A workflow that is on and runs its steps for each record that is made in the first status."""
    first = pipelines_of(object_type).default.stages[0]
    definition = Definition(
        object_type, WhenEvent((EventMatch(on, None),), None), Reenrollment(False), start=Edge(steps[0].id), steps=tuple(steps),
        next_id=len(steps) + 1,
    )  # fmt: skip
    made = workflows.create(account_id, "Calls", definition, stage_id=first.id if is_lane else None)
    Workflow.objects.filter(pk=made.pk).update(is_on=True, on_since=clock.now() - timedelta(days=1))
    made.refresh_from_db()
    return made


def all_of(settings: Sequence[Any]) -> dict[str, Any]:
    """A form by the names of its settings."""
    return {one.name: one for one in settings}

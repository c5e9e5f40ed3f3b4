"""Who is told, when publishing, that workflows can call each other (R-EXEC-21). `engine/loops.py` decides."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Definition
from deskhand.automation.engine.loops import Player, Touches, circles
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.models import Workflow


@dataclass(frozen=True)
class Warned:
    """Workflows that can call each other. `is_endless`: only the limits at run time would end it."""

    workflows: tuple[Workflow, ...]
    is_endless: bool


def of(workflow: Workflow, definition: Definition) -> list[Warned]:
    """The circles that a workflow would be part of with this definition, beside all that are on. Two queries."""
    others = list(
        Workflow.objects.filter(account_id=workflow.account_id, is_on=True, archived_at=None)
        .exclude(pk=workflow.pk)
        .order_by("id")
    )
    read = definitions_of(workflow.account_id, {(one.pk, one.revision_number) for one in others})
    known = {one.pk: one for one in [workflow, *others]}
    players = [Player(workflow.pk, definition, touches_of(definition))] + [
        Player(one.pk, found, touches_of(found))
        for one in others
        if (found := read.get((one.pk, one.revision_number))) is not None
    ]
    return [
        Warned(tuple(known[pk] for pk in circle.ids), circle.is_endless)
        for circle in circles(players)
        if workflow.pk in circle.ids
    ]


def touches_of(definition: Definition) -> Touches:
    """What all its actions do together; a kind that is not there any more does nothing."""
    found = Touches()
    for step in definition.steps:
        if isinstance(step, Action) and step.kind in ACTIONS:
            found |= ACTIONS[step.kind].touches(definition.object_type, step.settings)
    return found

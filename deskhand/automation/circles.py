"""Who is told, when publishing, that workflows can call each other (R-EXEC-21). `engine/loops.py` decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import Action, Definition, WhenTrue
from deskhand.automation.engine.loops import Follower, Player, Touches, Write, circles, with_followers
from deskhand.automation.enrolling.index import definitions_of
from deskhand.automation.models import Workflow
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.segments import segments, tag_rules


@dataclass(frozen=True)
class Warned:
    """Workflows that can call each other. `is_endless`: only the limits at run time would end it."""

    workflows: tuple[Workflow, ...]
    is_endless: bool


def of(workflow: Workflow, definition: Definition) -> list[Warned]:
    """The circles that a workflow would be part of with this definition, beside all that are on. Four queries."""
    others = list(
        Workflow.objects.filter(account_id=workflow.account_id, is_on=True, archived_at=None)
        .exclude(pk=workflow.pk)
        .order_by("id")
    )
    read = definitions_of(workflow.account_id, {(one.pk, one.revision_number) for one in others})
    known = {one.pk: one for one in [workflow, *others]}
    those = {workflow.pk: definition} | {
        one.pk: found for one in others if (found := read.get((one.pk, one.revision_number))) is not None
    }
    following = followers(those.values())
    players = [Player(pk, one, with_followers(touches_of(one), following)) for pk, one in those.items()]
    return [
        Warned(tuple(known[pk] for pk in circle.ids), circle.is_endless)
        for circle in circles(players)
        if workflow.pk in circle.ids
    ]


def followers(definitions: Iterable[Definition]) -> list[Follower]:
    """The tags that follow rules, and the segments by filter that these ask for, be it by way of others. Two queries."""
    rules = [
        Follower("ticket", one.condition, _wears(one.tag), _wears(""))
        for one in tag_rules.rules().values()
        if not one.problem
    ]
    by_filter = {one.pk: one for one in segments.by_filter()}
    asking = [one.trigger.condition for one in definitions if isinstance(one.trigger, WhenTrue)]
    asking += [one.condition for one in rules]
    found: dict[int, Follower] = {}
    while asking:
        for pk in segments.asked_for(asking.pop()) & by_filter.keys() - found.keys():
            is_in = Touches(segments=frozenset({pk}))
            found[pk] = Follower(
                by_filter[pk].object_type, segments.condition_of(by_filter[pk]), is_in, is_in
            )
            asking.append(found[pk].condition)
    return [*rules, *found.values()]


def _wears(tag: str) -> Touches:
    return Touches(writes=frozenset({Write("ticket", TAGS, tag)}))


def touches_of(definition: Definition) -> Touches:
    """What all its actions do together; a kind that is not there any more does nothing."""
    found = Touches()
    for step in definition.steps:
        if isinstance(step, Action) and step.kind in ACTIONS:
            found |= ACTIONS[step.kind].touches(definition.object_type, step.settings)
    return found

"""What a replay of a definition rests on: what it takes out of the past, and what only today's values can tell. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from deskhand.automation import standings, workflows
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.engine.definition import (
    Action,
    Definition,
    Delay,
    UntilProperty,
    ValueEquals,
    WhenDated,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.enrolling.standing import BY_MESSAGES
from deskhand.automation.past import told_as
from deskhand.automation.replay import time_alone
from deskhand.crm.filters.types import Condition, Filter, leaves, leaves_by_type, looked_at
from deskhand.crm.schema import activities
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.looks import SEGMENT

K = TypeVar("K", bound=StrEnum)
#: They tell outputs that come from outside, or from those who were there then.
_ANSWERED = ("send_webhook", "custom_action", "custom_code")
_MAILS = ("send_email", "send_survey", "send_sms", "send_whatsapp")
_ELSEWHERE = ("create_record", "create_note", "add_to_segment", "remove_from_segment", "enroll_in_workflow")


class Past(StrEnum):
    """What is taken out of the past."""

    RECORDS = "records"
    CALENDAR = "calendar"
    TIME = "time"
    MAIL = "mail"


class Today(StrEnum):
    """What is as it stands today."""

    STEPS = "steps"
    PROPERTIES = "properties"
    LINKS = "links"
    ACTIVITIES = "activities"
    SEGMENTS = "segments"
    WORKFLOWS = "workflows"
    MAILS = "mails"
    BUDGET = "budget"
    HOURS = "hours"
    TURNS = "turns"
    ANSWERS = "answers"
    ELSEWHERE = "elsewhere"
    OTHERS = "others"


@dataclass(frozen=True)
class Limits:
    past: tuple[Past, ...]
    today: tuple[Today, ...]
    without_history: tuple[str, ...]  # labels of the properties that the definition looks at


def limits_of(definition: Definition) -> Limits:
    """Only what concerns this definition is named."""
    kinds = {step.kind for step in definition.steps if isinstance(step, Action)}
    conditions = workflows.conditions_of(definition)
    trigger = definition.trigger
    untold = _without_history(definition, conditions)
    ways = [activities.split(way) for one in conditions for way, _leaf in looked_at(one)]
    memberships = {leaf.of for one in conditions for leaf in leaves(one) if not isinstance(leaf, Filter)}
    past = {
        Past.RECORDS: True,
        Past.CALENDAR: isinstance(trigger, WhenScheduled | WhenDated),
        Past.TIME: isinstance(trigger, WhenTrue) and time_alone.turns(trigger.condition),
        Past.MAIL: _any(kinds, _MAILS),
    }
    today = {
        Today.STEPS: True,
        Today.PROPERTIES: bool(untold),
        Today.LINKS: any(path for path, _activity in ways),
        Today.ACTIVITIES: any(activity for _path, activity in ways),
        Today.SEGMENTS: SEGMENT in memberships or bool(definition.leaving.segments),
        Today.WORKFLOWS: not memberships.isdisjoint(standings.ALL),
        Today.MAILS: _any(kinds, _MAILS),
        Today.BUDGET: any(kind in ACTIONS and ACTIONS[kind].costs for kind in kinds),
        Today.HOURS: definition.counts_working_time,
        Today.TURNS: "rotate_owner" in kinds,
        Today.ANSWERS: _any(kinds, _ANSWERED),
        Today.ELSEWHERE: _any(kinds, _ELSEWHERE)
        or any(kind in ACTIONS and ACTIONS[kind].is_left for kind in kinds),
        Today.OTHERS: definition.leaving.ends is not None,
    }
    return Limits(_true(past), _true(today), untold)


def _any(kinds: Collection[str], those: Collection[str]) -> bool:
    return not set(those).isdisjoint(kinds)


def _true(asked: Mapping[K, bool]) -> tuple[K, ...]:
    return tuple(key for key, is_so in asked.items() if is_so)


def _without_history(definition: Definition, conditions: Collection[Condition]) -> tuple[str, ...]:
    """What messages and the record's own clock change leaves no line in a history."""
    kind = definition.object_type
    asked = [
        (of, leaf.property)
        for one in conditions
        for of, leaf in leaves_by_type(one, kind)
        if isinstance(leaf, Filter)
    ]
    asked += [
        (kind, step.of)
        for step in definition.steps
        if isinstance(step, ValueEquals) and isinstance(step.of, str)
    ]
    asked += [
        (kind, step.wait.property)
        for step in definition.steps
        if isinstance(step, Delay) and isinstance(step.wait, UntilProperty)
    ]
    if isinstance(definition.trigger, WhenDated):
        asked.append((kind, definition.trigger.property))
    labels: dict[str, None] = {}
    for of, name in asked:
        prop = properties_of(of).get(name)
        if prop is not None and (prop.is_computed or prop.column in BY_MESSAGES or not told_as(of, name)):
            labels[str(prop.label)] = None
    return tuple(labels)

"""Workflows that name a status, one for each place where one may stand (R-PIPE-10)."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    EventMatch,
    ForAmount,
    IfThen,
    Leaving,
    Reenrollment,
    UntilEvent,
    UntilProperty,
    ValueEquals,
    WhenEvent,
    WhenTrue,
)
from deskhand.automation.engine.edit import START
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM

CALL = Action("", "create_task", {"title": "Call"})
HOUR = ForAmount(timedelta(hours=1))


def second_pipeline(account_id):
    """“Returns”, with “On hold” between “Asked” and “Back”; nothing names it."""
    stages = [NewStage("Asked", "OPEN"), NewStage("On hold", "OPEN"), NewStage("Back", "CLOSED")]
    made = pipelines.create(account_id, "ticket", "Returns", stages, by=SYSTEM)
    return pipelines_of("ticket").pipeline(made.pk)


def is_in(stage_id, name="hs_pipeline_stage", operator=Operator.ANY_OF):
    return Filter(name, Kind.ENUM, operator, (str(stage_id),))


def groups(*leaves):
    return AnyOf((AllOf(leaves),))


def with_call(definition):
    """A step that works, behind what there is."""
    if not definition.steps:
        return edit.insert(definition, CALL, START)[0]
    last = definition.steps[-1]
    return edit.insert(
        definition, CALL, edit.Place(last.id, "0" if isinstance(last, IfThen | ValueEquals) else "next")
    )[0]


def first(step):
    return with_call(edit.insert(Definition("ticket"), step, START)[0])


class Way(NamedTuple):
    field: str  # that the problem names
    naming: Callable[[int], Definition]


#: Each place that may name a status.
WAYS = {
    "event": Way("trigger", lambda at: with_call(Definition("ticket", WhenEvent((EventMatch("ticket.stage_entered", is_in(at)),))))),
    "event, before": Way("trigger", lambda at: with_call(Definition("ticket", WhenEvent((EventMatch("ticket.stage_left", is_in(at, "from:hs_pipeline_stage")),))))),
    "refined": Way("trigger", lambda at: with_call(Definition("ticket", WhenEvent((EventMatch("ticket.created"),), groups(is_in(at)))))),
    "filters": Way("trigger", lambda at: with_call(Definition("ticket", WhenTrue(groups(is_in(at)))))),
    "again": Way("trigger", lambda at: with_call(Definition("ticket", WhenTrue(groups(is_in(at))), Reenrollment(True, (is_in(at),))))),
    "linked tickets": Way("trigger", lambda at: with_call(Definition("contact", WhenTrue(groups(Associated("ticket", is_in(at))))))),
    "goal": Way("goal", lambda at: with_call(Definition("ticket", leaving=Leaving(goal=groups(is_in(at)))))),
    "leaving": Way("leaving", lambda at: with_call(Definition("ticket", leaving=Leaving(condition=groups(is_in(at)))))),
    "branch": Way("branches[0].when", lambda at: first(IfThen("", (Branch("", groups(is_in(at))),)))),
    "branch by value": Way("cases", lambda at: first(ValueEquals("", "hs_pipeline_stage", (Case(str(at)),)))),
    "cancelled": Way("cancel_if", lambda at: first(Delay("", HOUR, cancel_if=groups(is_in(at))))),
    "awaited": Way("event", lambda at: first(Delay("", UntilEvent(EventMatch("ticket.stage_entered", is_in(at)))))),
    "until its clock": Way("property", lambda at: first(Delay("", UntilProperty(f"hs_v2_date_entered_{at}")))),
    "set": Way("value", lambda at: first(Action("", "set_property", {"property": "hs_pipeline_stage", "value": str(at)}))),
    "create": Way("stage", lambda at: first(Action("", "create_record", {"record_type": "ticket", "value_subject": "A", "stage": str(at)}))),
    "clock in a text": Way("", lambda at: first(Action("", "create_task", {"title": f"Since {{{{ ticket.hs_v2_date_entered_{at} }}}}"}))),
}  # fmt: skip

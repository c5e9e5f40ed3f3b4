"""Definitions as JSON: what is written is read again, and what is wrong is refused with its path."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given

from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    Ends,
    EventMatch,
    Every,
    IfThen,
    Leaving,
    OnFailure,
    OutputOf,
    Reenrollment,
    Timing,
    UntilEvent,
    ValueEquals,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.tests.engine_cases import action, chain, definitions, when
from deskhand.crm.filters.types import AllOf
from deskhand.kernel.calendars import Block
from deskhand.kernel.errors import Invalid

HIGH = when("priority", "HIGH")

TRIGGERS = [
    WhenTrue(AllOf((HIGH,))),
    WhenEvent((EventMatch("ticket.moved", when("to_stage", "4")), EventMatch("ticket.created")), HIGH),
    WhenScheduled(HIGH, Every.WEEK, 540, (0, 3)),
    WhenScheduled(HIGH, Every.YEAR, 540, day=31, month=12),
    WhenDated(HIGH, "renewal", -14, 480),
    WhenCalled("order", "order_number", may_create=True),
]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_workflow_with_everything_survives_its_json(trigger):
    """R-WF-2, R-WF-3"""
    definition = chain(
        Action("", "send_email", {"template": 7, "to": ["requester"]}, on_failure=OnFailure.STOP),
        Delay("", UntilEvent(EventMatch("task.completed", HIGH), timedelta(days=2))),
        ValueEquals("", OutputOf("1", "outcome"), (Case("sent"), Case("bounced"))),
        IfThen("", (Branch("VIP", HIGH),), default_name="Others"),
        trigger=trigger,
        reenrollment=Reenrollment(True, (HIGH,)),
        leaving=Leaving(HIGH, True, HIGH, (5, 6), Ends((7, 8))),
        timing=Timing((Block(0, 540, 1440),), (date(2026, 12, 24),), date(2027, 1, 1)),
    )

    for one in (definition, replace(definition, leaving=Leaving(ends=Ends()))):
        stored = json.loads(json.dumps(one.to_json()))
        assert Definition.from_json(stored) == one
        assert Definition.from_json(stored).to_json() == stored


@given(definitions(with_gotos=True))
def test_any_workflow_survives_its_json(definition):
    assert Definition.from_json(json.loads(json.dumps(definition.to_json()))) == definition


def good() -> dict:
    return chain(
        action("send_email", template=7),
        Delay("", UntilEvent(EventMatch("x"))),
        IfThen("", (Branch("A", HIGH),)),
    ).to_json()


def changed(change) -> dict:
    data = good()
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda d: d.pop("object_type"), "object_type"),
        (lambda d: d.update(format=2), "format"),
        (lambda d: d.update(sql="x"), "sql"),
        (lambda d: d.update(trigger={}), "trigger.type"),
        (lambda d: d.update(trigger={"type": "moon"}), "trigger.type"),
        (lambda d: d.update(trigger={"type": "manual", "x": 1}), "trigger.x"),
        (
            lambda d: d.update(trigger={"type": "when_true", "condition": {"all": [1]}}),
            "trigger.condition.all[0]",
        ),
        (lambda d: d.update(steps={}), "steps"),
        (lambda d: d.update(start={"to": "01"}), "start.to"),
        (lambda d: d.update(next_id=0), "next_id"),
        (lambda d: d["steps"][0].update(type="jump"), "steps[0].type"),
        (lambda d: d["steps"][0].update(id=1), "steps[0].id"),
        (lambda d: d["steps"][0].update(id="one"), "steps[0].id"),
        (lambda d: d["steps"][1].update(id="1"), "steps[1]"),
        (lambda d: d["steps"][0].update(settings=[]), "steps[0].settings"),
        (lambda d: d["steps"][0].update(settings={"a": {"b": "\0"}}), "steps[0].settings.a.b"),
        (lambda d: d["steps"][0].update(next={"to": "2", "kind": 1}), "steps[0].next.kind"),
        (lambda d: d["steps"][0].update(on_failure="shrug"), "steps[0].on_failure"),
        (lambda d: d["steps"][1].update(wait={"type": "for_amount"}), "steps[1].wait.amount"),
        (lambda d: d["steps"][1].update(wait={"type": "until_time", "minute": 1440}), "steps[1].wait.minute"),
        (lambda d: d["steps"][1].update(wait={"type": "until_date", "day": "soon"}), "steps[1].wait.day"),
        (
            lambda d: d["steps"][1].update(wait={"type": "until_weekday", "days": [7]}),
            "steps[1].wait.days[0]",
        ),
        (lambda d: d["steps"][2]["branches"][0].pop("when"), "steps[2].branches[0].when"),
        (
            lambda d: d["steps"][2]["branches"][0]["when"].update(kind="colour"),
            "steps[2].branches[0].when.kind",
        ),
        (
            lambda d: d.update(timing={"window": [{"weekday": 0, "start": 600, "end": 600}]}),
            "timing.window[0].end",
        ),
        (lambda d: d.update(reenrollment={"is_on": 1}), "reenrollment.is_on"),
        (lambda d: d.update(leaving={"segments": ["5"]}), "leaving.segments[0]"),
    ],
)
def test_json_that_is_wrong_is_refused_with_its_path(change, path):
    with pytest.raises(Invalid) as refusal:
        Definition.from_json(changed(change))

    assert refusal.value.field == path


@pytest.mark.parametrize("data", [None, [], "x", 5, {"format": 1}])
def test_what_is_no_definition_is_refused(data):
    with pytest.raises(Invalid):
        Definition.from_json(data)


def test_steps_are_found_by_their_ids():
    definition = chain(action("a"), action("b"))

    assert definition.by_id["2"].kind == "b"
    assert definition.start == Edge("1")

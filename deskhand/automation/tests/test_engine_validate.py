"""What must be put right before a workflow can be switched on, and how it is said."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from deskhand.automation.engine.definition import (
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    Every,
    ForAmount,
    IfThen,
    Leaving,
    Missed,
    OutputOf,
    Part,
    RandomSplit,
    Reenrollment,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
)
from deskhand.automation.engine.edit import Place, go_to, insert
from deskhand.automation.engine.validate import Complaint, Limits, Surroundings, validate
from deskhand.automation.tests.engine_cases import action, chain, definitions, hours, when
from deskhand.crm.filters.types import EVERYTHING, AllOf, AnyOf, Associated
from deskhand.crm.schema.types import Kind

HIGH = when("priority", "HIGH")


def problems(definition, **around) -> list[tuple[str, str]]:
    return [(problem.step_id, problem.field) for problem in validate(definition, Surroundings(**around))]


def branches(count):
    return tuple(Branch(str(n), HIGH) for n in range(count))


@given(definitions(with_gotos=True))
def test_what_people_build_step_by_step_has_no_problems(definition):
    assert validate(definition) == []


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (Definition("ticket"), ("", "steps")),
        (chain(hours(1)), ("", "steps")),
        (chain(action(), trigger=WhenTrue(EVERYTHING)), ("", "trigger")),
        (chain(action(), trigger=WhenEvent(())), ("", "trigger")),
        (chain(action(), trigger=WhenScheduled(HIGH, Every.WEEK, 0)), ("", "trigger")),
        (chain(action(), reenrollment=Reenrollment(True, (HIGH,))), ("", "reenrollment")),
        (
            chain(action(), trigger=WhenTrue(HIGH), reenrollment=Reenrollment(True, (when("x", "y"),))),
            ("", "reenrollment"),
        ),
        (chain(action(), leaving=Leaving(when_trigger_fails=True)), ("", "leaving")),
        (chain(action(), Delay("", ForAmount(timedelta()))), ("2", "amount")),
        (chain(action(), Delay("", UntilWeekday(()))), ("2", "days")),
        (chain(action(), Delay("", UntilEvent(EventMatch("x"), timedelta()))), ("2", "at_most")),
        (chain(action(), IfThen("", ())), ("2", "branches")),
        (chain(action(), IfThen("", (Branch("A", AnyOf()),))), ("2", "branches[0]")),
        (chain(action(), ValueEquals("", "x", ())), ("2", "cases")),
        (chain(action(), ValueEquals("", "x", (Case("a"), Case("a")))), ("2", "cases")),
        (chain(action(), ValueEquals("", OutputOf("7", "x"), (Case("a"),))), ("2", "of")),
        (chain(action(), RandomSplit("", (Part(1),))), ("2", "parts")),
        (chain(action(), RandomSplit("", (Part(0), Part(0)))), ("2", "parts")),
        (replace(chain(action()), next_id=1), ("", "next_id")),
    ],
)
def test_what_is_missing_is_named_with_its_place(definition, problem):
    """R-EDIT-6, R-DELAY-2"""
    assert problems(definition) == [problem]


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (chain(action(), trigger=WhenTrue(AllOf((HIGH,) * 251))), ("", "trigger")),
        (chain(action(), IfThen("", branches(21))), ("2", "branches")),
        (chain(action(), ValueEquals("", "x", tuple(Case(str(n)) for n in range(251)))), ("2", "cases")),
    ],
)
def test_one_over_the_limit_is_refused_and_the_limit_is_not(definition, problem):
    """T-WF-15, R-WF-5, R-BR-1, R-BR-4"""
    assert problems(definition) == [problem]
    assert problems(definition, limits=Limits(filters=251, branches=21, cases=251)) == []


def test_filters_of_all_triggers_count_together():
    """R-WF-5"""
    events = tuple(EventMatch("ticket.moved", HIGH) for _ in range(250))

    assert problems(chain(action(), trigger=WhenEvent(events))) == []
    assert problems(chain(action(), trigger=WhenEvent(events, HIGH))) == [("", "trigger")]


def test_a_circle_needs_a_delay_that_always_waits():
    """The catalogue's note on go-to: no cycle without delay"""
    bare = go_to(chain(action(), action()), Place("2"), "1")
    waits = go_to(chain(action(), hours(1)), Place("2"), "1")
    awaits = go_to(chain(action(), Delay("", UntilEvent(EventMatch("ticket.moved")))), Place("2"), "1")
    may_not_wait = go_to(chain(action(), Delay("", UntilTime(540))), Place("2"), "1")

    assert problems(bare) == [("2", "next")]
    assert problems(waits) == []
    assert problems(awaits) == []
    assert problems(may_not_wait) == [("2", "next")]


HOUR = timedelta(hours=1)
MOVED, DONE = UntilEvent(EventMatch("ticket.moved"), HOUR), UntilEvent(EventMatch("task.done"), HOUR, "1")


@pytest.mark.parametrize(
    ("delay", "way", "is_circle"),
    [
        (Delay("", ForAmount(HOUR), cancel_if=HIGH, if_cancelled=Missed.NEXT), "next", True),
        (Delay("", ForAmount(HOUR), cancel_if=HIGH), "next", False),
        (Delay("", ForAmount(HOUR), cancel_if=HIGH), "otherwise", True),
        (Delay("", MOVED, cancel_if=HIGH, if_cancelled=Missed.NEXT), "next", True),
        (Delay("", MOVED, cancel_if=HIGH, if_cancelled=Missed.NEXT), "otherwise", False),
        (Delay("", MOVED), "otherwise", False),
        (Delay("", DONE), "next", True),
        (Delay("", DONE), "otherwise", False),
        (Delay("", DONE, cancel_if=HIGH), "otherwise", True),
    ],
)
def test_a_way_out_of_a_delay_that_may_be_taken_at_once_breaks_no_circle(delay, way, is_circle):
    """The catalogue's note on go-to, where a wait is cancelled or over before it begins (R-DELAY-6)"""
    definition = go_to(chain(action(), delay), Place("2", way), "1")
    assert problems(definition) == ([("2", "next")] if is_circle else [])


def test_a_circle_is_found_behind_forks_and_beside_waiting_ones():
    definition = chain(action(), IfThen("", branches(2)))
    definition, delay = insert(definition, hours(1), Place("2", "0"))
    definition, task = insert(definition, action(), Place("2", "1"))
    waiting = go_to(definition, Place(delay), "1")

    assert problems(waiting) == []
    assert problems(go_to(waiting, Place(task), "2")) == [(task, "next")]


def test_two_ways_that_join_are_no_circle():
    """R-BR-9"""
    definition = chain(action(), IfThen("", branches(2)))
    definition, one = insert(definition, action(), Place("2", "0"))
    definition, other = insert(definition, action(), Place("2", "1"))

    assert problems(go_to(definition, Place(other), one)) == []


def test_steps_off_the_tree_and_ways_to_nowhere_are_found():
    definition = chain(action(), action(), action())
    first, second, third = definition.steps
    cut = replace(definition, steps=(replace(first, next=None), second, third))
    dangling = replace(definition, steps=(first, second, replace(third, next=Edge("9"))))
    shared = replace(definition, steps=(first, second, replace(third, next=Edge("2"))))

    assert problems(cut) == [("2", "next"), ("3", "next")]
    assert problems(dangling) == [("3", "next")]
    assert ("2", "next") in problems(shared)
    assert ("", "start") in problems(replace(definition, start=Edge("9")))
    assert ("", "start") in problems(replace(definition, start=Edge("1", is_goto=True)))


def test_actions_are_checked_by_their_own_rules():
    """R-EDIT-6: required fields, live references"""

    def mail(settings):
        if "template" not in settings:
            yield Complaint("template", "Choose a template.")
        if settings.get("user") == 13:
            yield Complaint("user", "%(name)s is no longer active.", {"name": "Bob"})

    found = validate(
        chain(action("mail"), action("mail", template=1, user=13), action("fax")),
        Surroundings(actions={"mail": mail}),
    )

    assert [(p.step_id, p.field, p.sentence) for p in found] == [
        ("1", "template", "Choose a template."),
        ("2", "user", "Bob is no longer active."),
        ("3", "kind", "There is no action of the kind “fax”."),
    ]


def test_properties_and_events_must_exist_and_be_of_their_kind():
    """R-EDIT-6: live references"""
    properties = {
        "ticket": {"priority": Kind.ENUM, "score": Kind.NUMBER, "due": Kind.DATETIME},
        "contact": {"priority": Kind.TEXT},
    }
    around = {"properties": properties, "events": frozenset({"ticket.moved"})}

    def asked(**more):
        return problems(chain(action(), **more), **around)

    assert asked(trigger=WhenTrue(HIGH)) == []
    assert asked(trigger=WhenTrue(when("colour", "red"))) == [("", "trigger")]
    assert asked(trigger=WhenTrue(Associated("contact", HIGH))) == [("", "trigger")]
    assert asked(trigger=WhenEvent((EventMatch("ticket.moved"),), when("colour", "red"))) == [("", "trigger")]
    assert asked(trigger=WhenEvent((EventMatch("moon.risen"),))) == [("", "trigger")]
    assert asked(trigger=WhenDated(HIGH, "score", 0, 0)) == [("", "trigger")]
    assert asked(trigger=WhenCalled("x", "colour")) == [("", "trigger")]
    assert asked(leaving=Leaving(goal=when("colour", "red"))) == [("", "goal")]
    assert problems(chain(action(), Delay("", UntilProperty("due"))), **around) == []
    assert problems(chain(action(), Delay("", UntilProperty("score"))), **around) == [("2", "property")]
    assert problems(chain(action(), Delay("", UntilProperty("gone"))), **around) == [("2", "property")]
    assert problems(chain(action(), ValueEquals("", "gone", (Case("a"),))), **around) == [("2", "of")]
    assert problems(chain(action(), IfThen("", (Branch("A", when("gone", "a")),))), **around) == [
        ("2", "branches[0].when")
    ]


def test_every_problem_reads_as_a_sentence():
    broken = [chain(action(), IfThen("", branches(21))), Definition("ticket"), chain(action("x"))]

    for definition in broken:
        for problem in validate(definition, Surroundings(actions={})):
            assert problem.sentence.endswith(".")
            assert "%(" not in problem.sentence

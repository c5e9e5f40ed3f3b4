"""Workflows for the engine's tests: a few by hand, any number by chance, and a way to walk them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from deskhand.automation.engine.advance import (
    EnrollmentFacts,
    Finished,
    Outcome,
    Perform,
    Sleep,
    WaitEvent,
    advance,
    beginning,
)
from deskhand.automation.engine.definition import (
    Action,
    Branch,
    Case,
    Definition,
    Delay,
    EventMatch,
    ForAmount,
    IfThen,
    Missed,
    Part,
    RandomSplit,
    Step,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
    edges_of,
)
from deskhand.automation.engine.edit import Place, go_to, insert
from deskhand.automation.engine.validate import validate
from deskhand.crm.filters.evaluate import RecordFacts
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind

NOW = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)  # a Thursday


def when(name: str, value: str) -> Filter:
    return Filter(name, Kind.ENUM, Operator.ANY_OF, (value,))


def action(kind: str = "set_property", **settings: Any) -> Action:
    return Action("", kind, settings)


def hours(amount: float) -> Delay:
    return Delay("", ForAmount(timedelta(hours=amount)))


def chain(*steps: Step, **more: Any) -> Definition:
    """The steps one after the other, with ids "1", "2" …"""
    definition = Definition("ticket", **more)
    place = Place()
    for step in steps:
        definition, step_id = insert(definition, step, place)
        place = Place(step_id, next(iter(edges_of(step))))
    return definition


def kinds(definition: Definition) -> list[str]:
    """The kinds of action along the first ways from the start."""
    found = []
    edge = definition.start
    while edge is not None and not edge.is_goto:
        step = definition.by_id[edge.to]
        found.append(step.kind if isinstance(step, Action) else type(step).__name__.lower())
        edge = next(iter(edges_of(step).values()))
    return found


def walk(
    definition: Definition,
    facts: RecordFacts | None = None,
    *,
    enrollment: EnrollmentFacts | None = None,
    happens: bool = True,
    at_most: int = 200,
) -> list[Outcome]:
    """Do at once what the engine says, with a clock that jumps over every sleep."""
    facts, enrollment = facts or RecordFacts(), enrollment or EnrollmentFacts(1)
    now, position, outcomes = NOW, beginning(definition), list[Outcome]()
    while len(outcomes) < at_most:
        outcome = advance(definition, position, facts, now, enrollment)
        outcomes.append(outcome)
        match outcome:
            case Perform(next=position):
                pass
            case Sleep(until=now, next=position):
                pass
            case WaitEvent(happened=there, timed_out=late, until=until):
                position = there if happens or until is None else late
                now = now if happens or until is None else until
            case Finished():
                break
    return outcomes


def performed(outcomes: list[Outcome]) -> list[str]:
    return [outcome.step.id for outcome in outcomes if isinstance(outcome, Perform)]


def visited(outcomes: list[Outcome]) -> list[str]:
    """Every step walked; a delay or action counts once, although it may be held and then performed."""
    walked = [
        item.step_id for outcome in outcomes for item in outcome.trace if item.what not in ("ended", "held")
    ]
    return [step_id for step_id in walked if step_id]


BRANCH = st.builds(
    Branch, st.sampled_from(["A", "B", ""]), st.builds(when, st.just("priority"), st.sampled_from("xyz"))
)
WAITS = st.one_of(
    st.builds(ForAmount, st.integers(1, 5000).map(lambda minutes: timedelta(minutes=minutes)), st.booleans()),
    st.builds(
        UntilDate,
        st.dates(date(2026, 11, 1), date(2026, 12, 1)),
        st.integers(0, 1439),
        st.sampled_from(Missed),
    ),
    st.builds(
        UntilProperty,
        st.sampled_from(["due", "empty"]),
        st.integers(-9, 9),
        st.integers(-90, 90),
        st.one_of(st.none(), st.integers(0, 1439)),
        st.sampled_from(Missed),
        st.sampled_from(Missed),
    ),
    st.builds(
        UntilWeekday,
        st.sets(st.integers(0, 6), min_size=1).map(tuple),
        st.one_of(st.none(), st.integers(0, 1439)),
    ),
    st.builds(UntilTime, st.integers(0, 1439)),
    st.builds(
        UntilEvent,
        st.sampled_from([EventMatch("ticket.moved"), EventMatch("task.done")]),
        st.one_of(st.none(), st.just(timedelta(hours=1))),
        st.sampled_from(["", "", "1"]),  # by chance the task of the first step
    ),
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(action, st.sampled_from(["send_email", "create_task"])),
    st.builds(
        Delay,
        st.just(""),
        WAITS,
        cancel_if=st.one_of(st.none(), st.builds(when, st.just("priority"), st.sampled_from("xyz"))),
        if_cancelled=st.sampled_from(Missed),
    ),
    st.builds(IfThen, st.just(""), st.lists(BRANCH, min_size=1, max_size=3).map(tuple)),
    st.builds(
        ValueEquals,
        st.just(""),
        st.just("priority"),
        st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True).map(
            lambda values: tuple(Case(value) for value in values)
        ),
    ),
    st.builds(
        RandomSplit,
        st.just(""),
        st.lists(st.builds(Part, st.integers(1, 9)), min_size=2, max_size=3).map(tuple),
    ),
)


def places(definition: Definition) -> list[Place]:
    return [Place(), *(Place(step.id, slot) for step in definition.steps for slot in edges_of(step))]


def open_ends(definition: Definition) -> list[Place]:
    return [
        Place(step.id, slot)
        for step in definition.steps
        for slot, edge in edges_of(step).items()
        if edge is None
    ]


@st.composite
def definitions(draw: st.DrawFn, *, with_gotos: bool = False) -> Definition:
    """Any workflow that people could build, without problems."""
    definition = chain(action("first"))
    for step in draw(st.lists(STEPS, max_size=9)):
        definition, _ = insert(definition, step, draw(st.sampled_from(places(definition))))
    for _ in range(draw(st.integers(0, 3)) if with_gotos else 0):
        ends = open_ends(definition)
        target = draw(st.sampled_from(definition.steps)).id
        joined = go_to(definition, draw(st.sampled_from(ends)), target) if ends else definition
        if not validate(joined):
            definition = joined
    return definition


FACTS = st.builds(
    lambda priority, due: RecordFacts({"priority": priority, "due": due}),
    st.sampled_from([None, "x", "y", "z"]),
    st.sampled_from([None, NOW, NOW + timedelta(days=2), date(2026, 11, 20), date(2020, 1, 1)]),
)

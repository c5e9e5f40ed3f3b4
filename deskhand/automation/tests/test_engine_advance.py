"""Walking through a workflow: branches, delays, the window of hours, and what ends a run."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.automation.engine.advance import (
    EnrollmentFacts,
    Finished,
    Perform,
    Reason,
    Sleep,
    WaitEvent,
    advance,
    awaited_property,
    beginning,
    reason_to_leave,
    step_at,
)
from deskhand.automation.engine.definition import (
    Branch,
    Case,
    Definition,
    Delay,
    Edge,
    EventMatch,
    ForAmount,
    IfThen,
    Leaving,
    Missed,
    OutputOf,
    Part,
    RandomSplit,
    Timing,
    UntilDate,
    UntilEvent,
    UntilProperty,
    UntilTime,
    UntilWeekday,
    ValueEquals,
    WhenTrue,
    with_edge,
)
from deskhand.automation.engine.edit import Place, insert
from deskhand.automation.engine.trace import What, sentence
from deskhand.automation.tests.engine_cases import (
    FACTS,
    NOW,
    action,
    chain,
    definitions,
    hours,
    performed,
    visited,
    walk,
    when,
)
from deskhand.crm.filters.evaluate import RecordFacts
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.errors import Invalid

OSLO = "Europe/Oslo"
NINE_TO_FIVE = tuple(Block(day, 9 * 60, 17 * 60) for day in range(4))  # Monday to Thursday


def oslo(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(OSLO)).astimezone(UTC)


def first(definition, now=NOW, facts=None, **enrollment):
    facts = RecordFacts(facts or {})
    return advance(definition, beginning(definition), facts, now, EnrollmentFacts(**{"id": 1, **enrollment}))


def forked(step) -> Definition:
    """The fork, with an action on each way whose kind is the way's name."""
    from deskhand.automation.engine.definition import edges_of

    definition = chain(step)
    for slot in edges_of(step):
        definition, _ = insert(definition, action(slot), Place("1", slot))
    return definition


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_actions_run_from_top_to_bottom_and_then_the_run_ends():
    """R-ACT-25"""
    outcomes = walk(chain(action("send_email"), hours(2), action("create_task")))

    assert performed(outcomes) == ["1", "3"]
    assert outcomes[-1] == Finished(Reason.COMPLETED, outcomes[-1].trace)


def test_an_empty_workflow_ends_at_once():
    assert first(Definition("ticket")).reason is Reason.COMPLETED


def test_a_step_that_is_gone_ends_the_run():
    """R-EDIT-5"""
    assert (
        advance(chain(action()), "7>next", RecordFacts(), NOW, EnrollmentFacts(1)).reason is Reason.STEP_GONE
    )


def test_a_workflow_that_is_off_skips_its_actions_but_waits_its_delays():
    """T-WF-10, R-EXEC-15, R-EXEC-16"""
    definition = chain(action(), hours(2), action())

    asleep = first(definition, is_on=False)
    over = advance(definition, asleep.next, RecordFacts(), asleep.until, EnrollmentFacts(1, is_on=False))

    assert asleep.until == NOW + timedelta(hours=2)
    assert [item.what for item in asleep.trace] == [What.OFF, What.DELAYED]
    assert [item.what for item in over.trace] == [What.OFF, What.ENDED]


# ── branches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ({"priority": "HIGH", "source": "CHAT"}, "0"),
        ({"priority": "LOW", "source": "CHAT"}, "1"),
        ({"priority": "LOW", "source": "EMAIL"}, "default"),
        ({}, "default"),
    ],
)
def test_the_first_branch_that_holds_is_taken_else_the_default(values, taken):
    """T-WF-7, T-WF-8, R-BR-1, R-BR-6"""
    fork = IfThen("", (Branch("VIP", when("priority", "HIGH")), Branch("Chat", when("source", "CHAT"))))

    outcome = first(forked(fork), facts=values)

    assert outcome.step.kind == taken


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"priority": "HIGH", "source": "CHAT"}, [{"property": "priority", "value": "HIGH"}]),
        ({"priority": "LOW", "source": "CHAT"}, [{"property": "source", "value": "CHAT"}]),
        (
            {"priority": "LOW"},
            [{"property": "priority", "value": "LOW"}, {"property": "source", "value": None}],
        ),
    ],
)
def test_a_branch_keeps_the_values_that_decided(values, seen):
    """R-LOG-2, R-BR-1: of the branch that is taken those that made it hold, of the default those of all that did not."""
    fork = IfThen("", (Branch("VIP", when("priority", "HIGH")), Branch("Chat", when("source", "CHAT"))))

    assert first(forked(fork), facts=values).trace[0].values["seen"] == seen


def test_a_branch_by_value_keeps_the_value():
    """R-LOG-2, R-BR-4"""
    fork = ValueEquals("", "score", (Case("7"),))

    assert first(forked(fork), facts={"score": Decimal("7.0")}).trace[0].values == {
        "slot": "0",
        "name": "7",
        "seen": [{"property": "score", "value": "7.0"}],
    }


def test_an_empty_branch_ends_the_run():
    """R-BR-10"""
    fork = IfThen("", (Branch("VIP", when("priority", "HIGH")),))

    assert first(chain(fork), facts={"priority": "HIGH"}).reason is Reason.COMPLETED


def test_branches_may_join_again():
    """R-BR-9"""
    definition = forked(IfThen("", (Branch("VIP", when("priority", "HIGH")),)))
    definition, shared = insert(definition, action("shared"), Place("2"))
    loose_end = with_edge(definition.by_id["3"], "next", Edge(shared, is_goto=True))
    joined = replace(definition, steps=tuple(loose_end if s.id == "3" else s for s in definition.steps))

    assert performed(walk(joined, RecordFacts({"priority": "HIGH"}))) == ["2", shared]
    assert performed(walk(joined, RecordFacts())) == ["3", shared]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("HIGH", "0"),
        ("high", "0"),
        ("LOW", "default"),
        (None, "default"),
        ("", "default"),
        (5, "1"),
        (Decimal("5.00"), "1"),
        (5.0, "1"),
        (True, "2"),
        (frozenset({"x", "HIGH"}), "0"),
        (date(2026, 11, 20), "3"),
    ],
)
def test_the_case_that_equals_the_property_is_taken(value, taken):
    """R-BR-4"""
    cases = tuple(Case(text) for text in ("HIGH", "5", "true", "2026-11-20"))

    assert first(forked(ValueEquals("", "priority", cases)), facts={"priority": value}).step.kind == taken


def test_the_result_of_an_earlier_action_can_be_compared():
    """R-BR-4, R-WFA-2"""
    definition = forked(ValueEquals("", OutputOf("9", "outcome"), (Case("sent"), Case("bounced"))))

    assert first(definition, outputs={"9": {"outcome": "bounced"}}).step.kind == "1"
    assert first(definition).step.kind == "default"


def test_a_random_split_follows_its_weights():
    """R-BR-5"""
    definition = forked(RandomSplit("", (Part(0), Part(3), Part(1))))

    taken = [first(definition, id=id).step.kind for id in range(4000)]

    assert taken.count("0") == 0
    assert 2850 < taken.count("1") < 3150


@given(st.integers(1, 2**60), st.lists(st.integers(0, 100), min_size=2, max_size=5).filter(any))
def test_a_random_split_always_sends_the_same_enrollment_the_same_way(id, weights):
    """R-BR-5"""
    definition = forked(RandomSplit("", tuple(Part(weight) for weight in weights)))

    taken = first(definition, id=id).step.kind

    assert taken == first(definition, id=id, outputs={"1": {"noise": 1}}).step.kind
    assert weights[int(taken)] > 0


def test_two_splits_of_one_run_are_drawn_apart():
    """R-BR-5: by enrollment and step"""
    one = forked(RandomSplit("", (Part(1), Part(1))))
    other = replace(
        one, start=Edge("9"), steps=tuple(replace(s, id="9") if s.id == "1" else s for s in one.steps)
    )

    assert [first(one, id=id).step.kind for id in range(40)] != [
        first(other, id=id).step.kind for id in range(40)
    ]


# ── delays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def wait_for(wait, now=NOW, zone=OSLO, **values):
    outcome = first(chain(Delay("", wait), action("next")), now=now, facts=values, zone=zone)
    return outcome.until if isinstance(outcome, Sleep) else outcome


THURSDAY_NOON = oslo(2026, 11, 19, 12, 0)


@pytest.mark.parametrize(
    ("wait", "until"),
    [
        (ForAmount(timedelta(days=2, hours=1, minutes=5)), oslo(2026, 11, 21, 13, 5)),
        (UntilDate(date(2026, 11, 24), 9 * 60), oslo(2026, 11, 24, 9, 0)),
        (UntilDate(date(2026, 11, 19), 12 * 60 + 1), oslo(2026, 11, 19, 12, 1)),
        (UntilWeekday((4,)), oslo(2026, 11, 20, 0, 0)),
        (UntilWeekday((3,), 12 * 60 + 30), oslo(2026, 11, 19, 12, 30)),
        (UntilWeekday((3,), 11 * 60), oslo(2026, 11, 26, 11, 0)),
        (UntilWeekday((0, 2), 8 * 60), oslo(2026, 11, 23, 8, 0)),
        (UntilTime(15 * 60), oslo(2026, 11, 19, 15, 0)),
        (UntilTime(9 * 60), oslo(2026, 11, 20, 9, 0)),
        (UntilProperty("due"), oslo(2026, 11, 25, 14, 30)),
        (UntilProperty("due", days=-3), oslo(2026, 11, 22, 14, 30)),
        (UntilProperty("due", days=1, minute=9 * 60), oslo(2026, 11, 26, 9, 0)),
        (UntilProperty("due", minutes=-45), oslo(2026, 11, 25, 13, 45)),
        (UntilProperty("renewal"), oslo(2026, 12, 1, 0, 0)),
        (UntilProperty("renewal", days=-7, minute=8 * 60), oslo(2026, 11, 24, 8, 0)),
    ],
)
def test_delays_end_by_the_wall_clock_of_the_account(wait, until):
    """R-DELAY-1, 2, 3, 4, 7"""
    found = wait_for(wait, now=THURSDAY_NOON, due=oslo(2026, 11, 25, 14, 30), renewal=date(2026, 12, 1))

    assert found == until


def test_days_around_a_date_keep_the_time_of_day_across_summer_time():
    """R-DELAY-4"""
    found = wait_for(UntilProperty("due", days=3), now=oslo(2026, 3, 27, 8, 0), due=oslo(2026, 3, 27, 9, 0))

    assert found == oslo(2026, 3, 30, 9, 0)


@pytest.mark.parametrize(
    ("wait", "what"),
    [
        (UntilDate(date(2026, 11, 19), 12 * 60), What.PAST),
        (UntilProperty("past"), What.PAST),
        (UntilProperty("nothing"), What.NO_DATE),
        (UntilWeekday((3,)), What.INSIDE),
        (UntilWeekday((3,), 12 * 60), What.INSIDE),
        (UntilTime(12 * 60), What.INSIDE),
    ],
)
def test_a_delay_with_nothing_to_wait_for_goes_on_at_once(wait, what):
    """R-DELAY-3, R-DELAY-4, R-DELAY-7"""
    outcome = wait_for(wait, now=THURSDAY_NOON, past=THURSDAY_NOON)

    assert isinstance(outcome, Perform)
    assert outcome.trace[0].what is what


def test_a_missed_or_empty_date_may_take_the_other_way():
    """R-DELAY-3, R-DELAY-4"""
    wait = UntilProperty("due", if_past=Missed.NEXT, if_empty=Missed.OTHERWISE)
    definition, other = insert(
        chain(Delay("", wait), action("next")), action("no date"), Place("1", "otherwise")
    )

    assert first(definition).step.id == other
    assert first(definition, facts={"due": NOW}).step.kind == "next"
    assert first(chain(Delay("", wait), action("next"))).reason is Reason.COMPLETED


def test_working_time_counts_only_working_hours():
    """R-DELAY-9"""
    definition = chain(Delay("", ForAmount(timedelta(hours=2), is_working_time=True)))
    thursday = oslo(2026, 11, 19, 16, 0)

    assert first(definition, now=thursday, working_hours=WeeklyHours(OSLO, NINE_TO_FIVE)).until == oslo(
        2026, 11, 23, 10, 0
    )
    assert first(definition, now=thursday).until == oslo(2026, 11, 19, 18, 0)


def test_a_property_that_holds_no_date_is_an_error():
    with pytest.raises(Invalid, match="no date"):
        wait_for(UntilProperty("due"), due="soon")


def test_a_delay_until_an_event_has_a_way_for_each_end():
    """T-WF-16, R-DELAY-5"""
    wait = UntilEvent(EventMatch("task.completed"), at_most=timedelta(hours=4))
    definition, late = insert(chain(Delay("", wait), action("done")), action("late"), Place("1", "otherwise"))

    waiting = first(definition)

    assert isinstance(waiting, WaitEvent)
    assert waiting.until == NOW + timedelta(hours=4)
    assert performed(walk(definition, happens=True)) == ["2"]
    assert performed(walk(definition, happens=False)) == [late]


def test_a_delay_until_an_event_may_wait_for_ever():
    """R-DELAY-5"""
    waiting = first(chain(Delay("", UntilEvent(EventMatch("task.completed")))))

    assert (waiting.until, waiting.timed_out) == (None, "")


def test_a_step_inserted_behind_a_delay_is_taken_by_those_who_wait():
    """R-EDIT-5"""
    definition = chain(hours(1), action("old"))
    asleep = first(definition)
    edited, inserted = insert(definition, action("new"), Place("1"))

    assert advance(edited, asleep.next, RecordFacts(), asleep.until, EnrollmentFacts(1)).step.id == inserted


def test_a_waiting_record_is_counted_at_its_delay_and_woken_by_its_property():
    """R-LOG-4, R-DELAY-4"""
    definition = chain(Delay("", UntilProperty("due")), action())
    asleep = first(definition, facts={"due": NOW + timedelta(days=1)})

    assert step_at(asleep.next) == "1"
    assert awaited_property(definition, asleep.next) == "due"
    assert awaited_property(definition, "2>next") is None


# ── the window ───────────────────────────────────────────────────────────────────────────────────────────────────────


def held(now, timing, id=1):
    outcome = first(chain(action(), timing=timing), now=now, zone=OSLO, id=id)
    return outcome.until if isinstance(outcome, Sleep) else None


def test_a_two_day_delay_from_thursday_acts_on_monday_after_nine():
    """T-WF-9, R-EXEC-3, R-EXEC-5, R-EXEC-6"""
    definition = chain(hours(48), action("remind"), timing=Timing(NINE_TO_FIVE))
    enrollment = EnrollmentFacts(77, zone=OSLO)

    delay = advance(definition, "1", RecordFacts(), oslo(2026, 11, 19, 14, 0), enrollment)
    wait = advance(definition, delay.next, RecordFacts(), delay.until, enrollment)
    act = advance(definition, wait.next, RecordFacts(), wait.until, enrollment)

    assert delay.until == oslo(2026, 11, 21, 14, 0)
    assert wait.is_held
    assert oslo(2026, 11, 23, 9, 0) <= wait.until < oslo(2026, 11, 23, 9, 15)
    assert act.step.kind == "remind"


def test_held_actions_are_spread_over_the_first_quarter_of_an_hour():
    """R-EXEC-5"""
    moments = [held(oslo(2026, 11, 20, 10, 0), Timing(NINE_TO_FIVE), id) for id in range(900)]
    minutes = [int((until - oslo(2026, 11, 23, 9, 0)) / timedelta(minutes=1)) for until in moments]

    assert set(minutes) == set(range(15))
    assert max(minutes.count(minute) for minute in range(15)) < 100
    assert moments == [held(oslo(2026, 11, 20, 10, 0), Timing(NINE_TO_FIVE), id) for id in range(900)]


def test_the_spread_stays_inside_a_short_window():
    """R-EXEC-5"""
    short = Timing((Block(0, 9 * 60, 9 * 60 + 5),))

    assert all(held(oslo(2026, 11, 20, 10, 0), short, id) < oslo(2026, 11, 23, 9, 5) for id in range(50))


@pytest.mark.parametrize(
    ("now", "earliest"),
    [
        (oslo(2026, 11, 19, 9, 0), None),
        (oslo(2026, 11, 19, 16, 59), None),
        (oslo(2026, 11, 19, 7, 0), oslo(2026, 11, 19, 9, 0)),
        (oslo(2026, 11, 19, 17, 0), oslo(2026, 11, 23, 9, 0)),
    ],
)
def test_an_action_outside_the_window_waits_for_the_next_opening(now, earliest):
    """R-EXEC-1, R-EXEC-3"""
    until = held(now, Timing(NINE_TO_FIVE))

    assert until == earliest or earliest <= until < earliest + timedelta(minutes=15)


def test_on_a_day_of_pause_an_action_moves_to_the_same_time_of_the_next_day():
    """R-EXEC-4, R-EXEC-7"""
    wednesday = Timing(NINE_TO_FIVE, pause_days=(date(2026, 11, 18),))
    any_time = Timing(pause_days=(date(2026, 11, 18), date(2026, 11, 19)))

    assert held(oslo(2026, 11, 18, 14, 20), wednesday) == oslo(2026, 11, 19, 14, 20)
    assert held(oslo(2026, 11, 18, 22, 0), any_time) == oslo(2026, 11, 20, 22, 0)


def test_on_a_day_of_pause_a_shorter_next_day_starts_with_its_opening():
    """R-EXEC-4"""
    timing = Timing(
        (Block(2, 9 * 60, 17 * 60), Block(3, 9 * 60, 12 * 60), Block(0, 9 * 60, 17 * 60)),
        (date(2026, 11, 18),),
    )

    until = held(oslo(2026, 11, 18, 14, 0), timing)

    assert oslo(2026, 11, 19, 9, 0) <= until < oslo(2026, 11, 19, 9, 15)


def test_a_day_of_pause_outside_the_hours_waits_for_the_next_opening():
    """R-EXEC-3"""
    until = held(oslo(2026, 11, 18, 20, 0), Timing(NINE_TO_FIVE, (date(2026, 11, 18),)))

    assert oslo(2026, 11, 19, 9, 0) <= until < oslo(2026, 11, 19, 9, 15)


# ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────────────

STOPPED = RecordFacts({"priority": "STOP"})


@pytest.mark.parametrize(
    ("leaving", "facts", "reason"),
    [
        (Leaving(when("priority", "STOP")), STOPPED, Reason.UNENROLLED),
        (Leaving(goal=when("priority", "STOP")), STOPPED, Reason.GOAL),
        (Leaving(segments=(5,)), RecordFacts(member_of={"segment": {5}}), Reason.SUPPRESSED),
        (Leaving(when_trigger_fails=True), RecordFacts(), Reason.TRIGGER_FAILS),
    ],
)
def test_a_record_is_pulled_out_before_its_next_action(leaving, facts, reason):
    """T-WF-6, R-UN-1, R-UN-2, R-UN-3, R-UN-5"""
    definition = chain(hours(1), action(), leaving=leaving, trigger=WhenTrue(when("source", "EMAIL")))

    outcomes = walk(definition, facts)

    assert performed(outcomes) == []
    assert outcomes[-1].reason is reason
    assert reason_to_leave(definition, facts, NOW, "UTC") is reason


def test_a_record_that_gives_no_reason_stays():
    """R-UN-2"""
    leaving = Leaving(when("priority", "STOP"), True, when("priority", "DONE"), (5,))
    definition = chain(action(), leaving=leaving, trigger=WhenTrue(when("source", "EMAIL")))
    facts = RecordFacts({"source": "EMAIL"}, member_of={"segment": {6}})

    assert reason_to_leave(definition, facts, NOW, "UTC") is None
    assert performed(walk(definition, facts)) == ["1"]


def looking_back(definition):
    """The delays that wait for something to happen to what an earlier step made."""
    waits = ((step.id, step.wait) for step in definition.steps if isinstance(step, Delay))
    return {step_id for step_id, wait in waits if isinstance(wait, UntilEvent) and wait.of_step}


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(definitions(), FACTS, st.integers(1, 999), st.booleans())
def test_a_run_visits_each_step_of_its_side_once_and_ends(definition, facts, id, happens):
    """R-ACT-25, R-BR-1, R-BR-10"""
    outcomes = walk(definition, facts, enrollment=EnrollmentFacts(id, zone=OSLO), happens=happens)

    steps = visited(outcomes)
    assert outcomes[-1].reason is Reason.COMPLETED
    assert len(steps) == len(set(steps)) >= 1
    assert set(steps) <= set(definition.by_id)


@given(definitions(with_gotos=True), FACTS, st.integers(1, 999), st.booleans())
def test_a_run_with_go_tos_never_turns_in_circles_without_waiting(definition, facts, id, is_done):
    """R-BR-9 and the catalogue's note on go-to: no cycle without delay, also where a wait is cancelled or over before it begins"""
    between: list[str] = []
    enrollment = EnrollmentFacts(id, happened=looking_back(definition) if is_done else ())
    for outcome in walk(definition, facts, enrollment=enrollment, at_most=100):
        assert outcome != Finished(Reason.CIRCLES, outcome.trace)
        between += [item.step_id for item in outcome.trace if item.what is not What.ENDED]
        assert len(between) == len(set(between))
        if isinstance(outcome, Sleep | WaitEvent):
            between = []


@given(definitions(with_gotos=True), FACTS, st.integers(1, 999))
def test_the_same_question_has_the_same_answer(definition, facts, id):
    enrollment = EnrollmentFacts(id)

    for step in definition.steps:
        assert advance(definition, step.id, facts, NOW, enrollment) == advance(
            definition, step.id, facts, NOW, enrollment
        )


def test_a_circle_that_slipped_through_ends_the_run():
    fork = IfThen("1", (), default=Edge("1", is_goto=True))

    assert first(Definition("ticket", start=Edge("1"), steps=(fork,), next_id=2)).reason is Reason.CIRCLES


@pytest.mark.parametrize("what", What)
def test_every_item_of_a_trace_has_a_sentence(what):
    values = dict.fromkeys(("name", "until", "property", "event", "reason", "at"), "x")
    from deskhand.automation.engine.trace import TraceItem

    assert sentence(TraceItem("1", what)) % values
    is_longer = sentence(TraceItem("1", what, values)) != sentence(TraceItem("1", what))
    assert is_longer == (what is What.AWAITED)  # it may say how long at most

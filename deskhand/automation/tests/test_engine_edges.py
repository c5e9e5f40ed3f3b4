"""The engine's rarer ways: circles between workflows, mappings, cancelled waits, and what is refused."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.automation.engine import loops, trace
from deskhand.automation.engine.advance import (
    EnrollmentFacts,
    Finished,
    Perform,
    Sleep,
    WaitEvent,
    advance,
    awaited_property,
    cancelled,
    is_over,
    wait_at,
)
from deskhand.automation.engine.definition import (
    Action,
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
    Manual,
    Missed,
    OutputOf,
    Part,
    RandomSplit,
    Reenrollment,
    Timing,
    UntilEvent,
    UntilProperty,
    UntilWeekday,
    ValueEquals,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    WhileInside,
    edges_of,
    with_edge,
)
from deskhand.automation.engine.edit import (
    Onward,
    Place,
    branch_below,
    delete_one,
    end_here,
    go_to,
    insert,
    mapping,
    move,
    update,
)
from deskhand.automation.engine.loops import (
    Adds,
    Circle,
    Follower,
    Player,
    Tell,
    Touches,
    Write,
    circles,
    with_followers,
)
from deskhand.automation.engine.trace import What, sentence
from deskhand.automation.engine.validate import Limits, Surroundings, validate
from deskhand.automation.engine.waits import end_of
from deskhand.automation.engine.window import held_until
from deskhand.automation.tests.engine_cases import NOW, action, chain, hours, when
from deskhand.crm.filters.evaluate import RecordFacts, Seen
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid

HIGH = when("priority", "HIGH")
MOVED = UntilEvent(EventMatch("ticket.moved"))


def problems(definition, **around):
    return [(one.step_id, one.field) for one in validate(definition, Surroundings(**around))]


# ── waits that are cancelled, and those that look back ───────────────────────────────────────────────────────────────


def cancellable(wait=None, **more):
    delay = Delay("", wait or ForAmount(timedelta(hours=1)), cancel_if=HIGH, **more)
    return chain(delay, action("a"))


@pytest.mark.parametrize("wait", [None, MOVED])
def test_a_wait_whose_condition_holds_already_does_not_begin(wait):
    outcome = advance(cancellable(wait), "1", RecordFacts({"priority": "HIGH"}), NOW, EnrollmentFacts(1))

    assert isinstance(outcome, Finished)  # no steps on its other way
    assert [item.what for item in outcome.trace] == [What.CANCELLED, What.ENDED]
    assert sentence(outcome.trace[0])


def test_a_cancelled_wait_leads_on_as_it_says():
    facts, definition = RecordFacts({"priority": "HIGH"}), cancellable(if_cancelled=Missed.NEXT)

    assert isinstance(advance(definition, "1", facts, NOW, EnrollmentFacts(1)), Perform)
    assert cancelled(definition, "1>next", facts, NOW, "UTC")[0] == "1>next"
    assert cancelled(cancellable(), "1>next", facts, NOW, "UTC")[0] == "1>otherwise"
    assert cancelled(cancellable(), "1>next", RecordFacts({}), NOW, "UTC") is None
    assert cancelled(cancellable(), "2>next", facts, NOW, "UTC") is None
    assert cancelled(chain(hours(1)), "1>next", facts, NOW, "UTC") is None


def test_only_who_stands_in_a_delay_waits():
    definition = cancellable(UntilProperty("due"))
    assert wait_at(definition, "1") is None
    assert wait_at(definition, "1>next").id == "1"
    assert awaited_property(definition, "1>next") == "due"
    assert awaited_property(definition, "2>next") is None


def test_what_has_happened_to_an_earlier_steps_thing_is_not_waited_for_R_DELAY_6():
    waits = replace(MOVED, of_step="1")
    definition = chain(action("a"), Delay("", waits), action("b"))

    happened = advance(definition, "2", RecordFacts({}), NOW, EnrollmentFacts(1, happened={"2"}))
    not_yet = advance(definition, "2", RecordFacts({}), NOW, EnrollmentFacts(1))

    assert isinstance(happened, Perform)
    assert happened.trace[0].what is What.HAPPENED
    assert isinstance(not_yet, WaitEvent)
    assert definition.looks_back
    assert not cancellable(MOVED).looks_back


@given(
    st.sampled_from([None, HIGH]),
    st.booleans(),
    st.sampled_from(list(Missed)),
    st.sampled_from(["HIGH", "LOW"]),
)
def test_a_cancelled_wait_is_never_slept_in(condition, is_event, way, priority):
    wait = MOVED if is_event else ForAmount(timedelta(hours=1))
    definition = chain(Delay("", wait, cancel_if=condition, if_cancelled=way), action("a"))

    outcome = advance(definition, "1", RecordFacts({"priority": priority}), NOW, EnrollmentFacts(1))

    assert isinstance(outcome, Sleep | WaitEvent) is (condition is None or priority == "LOW")


def test_definitions_know_what_must_be_watched_for_them():
    assert not chain(hours(1), action()).watches
    assert cancellable().watches
    assert cancellable().cancels
    for leaving in (Leaving(condition=HIGH), Leaving(goal=HIGH), Leaving(segments=(1,))):
        assert chain(action(), leaving=leaving).watches
    fails = Leaving(when_trigger_fails=True)
    assert chain(action(), leaving=fails, trigger=WhenTrue(HIGH)).watches
    assert not chain(action(), leaving=fails, trigger=Manual()).watches
    assert chain(Delay("", ForAmount(timedelta(hours=1), is_working_time=True))).counts_working_time
    assert not chain(hours(1), action()).counts_working_time
    assert not chain(action()).looks_back
    assert Reenrollment(True, while_inside=WhileInside.QUEUE).takes_each
    assert not Reenrollment(True, while_inside=WhileInside.RESTART).takes_each
    assert not Reenrollment(False, while_inside=WhileInside.PARALLEL).takes_each


def test_what_is_new_survives_its_json():
    steps = (Delay("", replace(MOVED, of_step="1"), cancel_if=HIGH, if_cancelled=Missed.NEXT),)
    again = Reenrollment(True, while_inside=WhileInside.PARALLEL)
    definition = chain(action(), *steps, trigger=WhenTrue(HIGH), reenrollment=again)

    assert Definition.from_json(definition.to_json()) == definition
    assert Definition.from_json(chain(Delay("", MOVED)).to_json()).steps[0].wait.of_step == ""


@pytest.mark.parametrize("day", ["1899-12-31", "3000-01-01"])
def test_days_of_other_times_are_refused(day):
    data = chain(action(), timing=Timing(pause_days=(date(2026, 1, 1),))).to_json()
    data["timing"]["pause_days"] = [day]
    with pytest.raises(Invalid, match="1900 to 2999"):
        Definition.from_json(data)


# ── steps and times ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_moment_can_be_a_case_R_BR_4():
    at = datetime(2026, 1, 31, 9, tzinfo=UTC)
    definition = chain(ValueEquals("", "due", (Case(at.isoformat()),)), action("same"))
    assert isinstance(advance(definition, "1", RecordFacts({"due": at}), NOW, EnrollmentFacts(1)), Perform)


def test_a_split_in_which_no_part_has_weight_leads_nowhere():
    definition = chain(RandomSplit("", (Part(0), Part(0))), action())
    assert isinstance(advance(definition, "1", RecordFacts({}), NOW, EnrollmentFacts(1)), Finished)


def test_a_way_that_a_step_has_not_can_not_be_set():
    with pytest.raises(KeyError):
        with_edge(action(), "otherwise", None)
    assert set(edges_of(cancellable().steps[0])) == {"next", "otherwise"}


def test_waits_that_can_not_end_are_refused():
    with pytest.raises(Invalid):
        end_of(UntilWeekday(()), RecordFacts({}), NOW, "UTC")
    far = UntilProperty("due", days=400_000)
    with pytest.raises(Invalid, match="too far"):
        end_of(replace(far, days=4_000_000), RecordFacts({"due": date(2026, 1, 1)}), NOW, "UTC")


def test_a_window_that_never_opens_again_is_refused():
    pauses = tuple(NOW.date() + timedelta(days=shift) for shift in range(70))
    with pytest.raises(Invalid):
        held_until(Timing(pause_days=pauses), "UTC", NOW, 1)


# ── edits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_go_tos_stand_only_at_open_ends():
    definition = chain(action("a"), action("b"))
    with pytest.raises(Invalid, match="first step"):
        go_to(Definition("ticket", steps=definition.steps, next_id=3), Place(), "1")
    with pytest.raises(Invalid, match="Delete the steps"):
        end_here(definition, Place("1"))


def test_two_branches_can_not_carry_on_the_same_steps():
    fork = IfThen("", (Branch("A", HIGH), Branch("B", HIGH)))
    definition = chain(fork, action())
    with pytest.raises(Invalid, match="same steps"):
        update(definition, definition.by_id["1"], {"0": "0", "1": "0"})


def test_a_split_without_parts_has_nothing_to_go_on_by():
    with pytest.raises(Invalid, match="parts"):
        insert(chain(action()), RandomSplit("", ()), Place())


def test_what_moves_before_a_go_to_can_not_be_followed():
    definition = chain(action("a"), action("b"), action("c"))
    definition = go_to(definition, Place("3"), "1")
    with pytest.raises(Invalid, match="nothing can follow"):
        move(definition, "3", Place("1"), with_following=True)


def test_a_step_of_a_split_goes_on_by_its_first_part():
    definition = chain(action("a"))
    definition, _id = insert(definition, RandomSplit("", (Part(1), Part(1))), Place())
    assert definition.by_id["2"].parts[0].next == Edge("1")


def test_mapping_says_where_runs_in_flight_go_on_R_EDIT_5():
    old = chain(action("a"), hours(1), action("b"), hours(2))
    new = delete_one(delete_one(old, "2"), "4")

    found = mapping(old, new, {"2": 5, "3": 1, "4": 2, "9": 7})

    assert found == [Onward("2", 5, "3"), Onward("3", 1, "3"), Onward("4", 2, ""), Onward("9", 7, "")]
    assert [one.stays for one in found] == [False, True, False, False]


def test_a_way_back_over_deleted_steps_ends():
    old = go_to(chain(action("a"), hours(1)), Place("2"), "1")
    new = chain(action("new"), next_id=3)
    new = replace(new, steps=(replace(new.steps[0], id="7"),), start=Edge("7"), next_id=8)
    assert mapping(old, new, {"1": 1}) == [Onward("1", 1, "")]


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("definition", "limit"),
    [
        (chain(action(), trigger=WhenTrue(AllOf((HIGH,) * 251))), ("", "trigger")),
        (chain(action(), IfThen("", (Branch("", HIGH),) * 21)), ("2", "branches")),
        (chain(action(), ValueEquals("", "x", tuple(Case(str(n)) for n in range(251)))), ("2", "cases")),
    ],
)
def test_t_wf_15_one_over_the_limit_is_rejected(definition, limit):
    """R-WF-5, R-BR-1, R-BR-4: the 251st filter, the 21st branch, the 251st value"""
    assert problems(definition) == [limit]
    assert problems(definition, limits=Limits(filters=251, branches=21, cases=251)) == []


def test_schedules_and_splits_that_are_whole_have_no_problem():
    daily = WhenScheduled(HIGH, Every.DAY, 540)
    assert problems(chain(RandomSplit("", (Part(1), Part(2))), action(), trigger=daily)) == []
    assert problems(chain(RandomSplit("", (Part(0), Part(0))), action())) == [("1", "parts")]
    assert problems(chain(action(), trigger=replace(daily, every=Every.WEEK))) == [("", "trigger")]


def test_a_wait_that_can_be_cancelled_has_no_problem_and_a_way_into_nothing_no_steps():
    assert problems(cancellable()) == []
    loose = Definition("ticket", start=Edge("1"), steps=(Action("1", "a", {}, Edge("9")),), next_id=10)
    assert branch_below(loose, "1") == {"1"}


def test_after_the_last_step_a_run_is_over():
    assert is_over(chain(action()), "1>next")
    assert not is_over(chain(action(), action()), "1>next")


def test_too_many_steps_are_told():
    assert ("", "steps") in problems(chain(action(), action()), limits=Limits(steps=1))


def test_what_is_new_is_checked():
    nothing = AllOf(())
    assert ("1", "cancel_if") in problems(chain(Delay("", MOVED, cancel_if=nothing), action()))
    gone = chain(Delay("", replace(MOVED, of_step="7")), action())
    assert ("1", "of_step") in problems(gone)
    assert problems(chain(action(), Delay("", replace(MOVED, of_step="1")), action())) == []
    once = chain(action(), reenrollment=Reenrollment(False, while_inside=WhileInside.QUEUE))
    assert problems(once) == []  # kept for when records may come again


def test_a_filter_that_can_not_fire_is_not_chosen_to_enroll_again_R_RE_10():
    own, other = Filter("priority", Kind.ENUM, Operator.KNOWN), Filter("email", Kind.TEXT, Operator.KNOWN)
    condition = AllOf((own, Associated("contact", other), MemberOf("segment", (1,))))

    def found(*chosen, asked=None):
        may = None if asked is None else lambda *given: given != asked
        wanted = chain(action(), trigger=WhenTrue(condition), reenrollment=Reenrollment(True, chosen))
        return problems(wanted, may_fire_again=may)

    assert found(own, other) == found(own, other, asked=("ticket", other)) == []
    assert found(own, asked=("contact", other)) == []
    for asked in (("ticket", own), ("contact", other)):
        assert found(own, other, asked=asked) == [("", "reenrollment")]
    assert found(Filter("x", Kind.TEXT, Operator.KNOWN), asked=("ticket", own)) == [("", "reenrollment")]


def test_properties_and_events_that_are_gone_are_told():
    known = {"ticket": {"priority": Kind.ENUM, "due": Kind.DATE}}
    dated = chain(action(), trigger=WhenDated(HIGH, "due", 0, 0))
    called = chain(action(), trigger=WhenCalled("ref", "number"))
    assert problems(dated, properties=known) == []
    assert problems(called, properties=known) == [("", "trigger")]
    told = chain(action(), trigger=WhenEvent((EventMatch("ticket.gone"),)))
    assert problems(told, events=frozenset({"ticket.moved"})) == [("", "trigger")]
    member = chain(action(), trigger=WhenTrue(MemberOf("segment", (1,))))
    assert problems(member, properties=known) == []
    told = chain(action(), ValueEquals("", OutputOf("1", "outcome"), (Case("x"),)))
    assert problems(told) == []
    assert problems(chain(ValueEquals("", OutputOf("9", "outcome"), (Case("x"),)), action())) == [("1", "of")]


# ── circles between workflows ────────────────────────────────────────────────────────────────────────────────────────


def player(pk, trigger, *, writes=(), enrolls=(), creates=(), again=False):
    definition = chain(action(), trigger=trigger, reenrollment=Reenrollment(again))
    return Player(pk, definition, Touches(frozenset(enrolls), frozenset(writes), frozenset(creates)))


def low_to_high(pk, a, b, **more):
    return player(pk, WhenTrue(when("priority", a)), writes=[Write("ticket", "priority", b)], **more)


def test_two_that_set_off_each_other_are_a_circle_R_EXEC_21():
    both = [low_to_high(1, "LOW", "HIGH", again=True), low_to_high(2, "HIGH", "LOW", again=True)]
    assert circles(both) == [Circle((1, 2), is_endless=True)]
    assert circles([both[0], low_to_high(2, "HIGH", "LOW")]) == [Circle((1, 2), is_endless=False)]
    assert circles([both[0], low_to_high(2, "HIGH", "MEDIUM")]) == []


def test_one_that_sets_off_itself_is_a_circle():
    assert circles([low_to_high(1, "LOW", "LOW")]) == [Circle((1,), is_endless=False)]
    assert circles([player(1, WhenTrue(when("x", "1")), writes=[Write("ticket", "x")])]) == [
        Circle((1,), False)
    ]


def test_a_longer_way_round_is_one_circle_and_a_way_into_it_none():
    ring = [player(pk, Manual(), enrolls=[pk % 3 + 1]) for pk in (1, 2, 3)]
    assert circles([*ring, player(4, Manual(), enrolls=[1])]) == [Circle((1, 2, 3), False)]


@pytest.mark.parametrize(
    ("kind", "asked", "written", "is_called"),
    [
        (Kind.NUMBER, Decimal("5"), "5.0", True),
        (Kind.NUMBER, Decimal("5"), "6", False),
        (Kind.NUMBER, Decimal("5"), "many", True),
        (Kind.NUMBER, Decimal("5"), "NaN", True),
        (Kind.DURATION, Decimal("60000"), "6E+4", True),
        (Kind.BOOL, True, "true", True),
        (Kind.BOOL, True, "False", False),
        (Kind.REF, 7, "07", True),
        (Kind.REF, 7, "8", False),
        (Kind.REFS, 7, "somebody", True),
        (Kind.TEXT, "Malmö", "MALMÖ", True),
        (Kind.TEXT, "Malmö", "Lund", False),
        (Kind.ENUM, "HIGH", "high", False),
    ],
)
def test_values_are_compared_as_what_they_are_and_not_as_they_are_written_R_EXEC_21(
    kind, asked, written, is_called
):
    """What can't be told may be; a day is compared by ranges, which may hold."""
    one = player(
        1, WhenTrue(Filter("x", kind, Operator.ANY_OF, (asked,))), writes=[Write("ticket", "x", written)]
    )

    assert bool(circles([one])) is is_called
    on_day = WhenTrue(Filter("x", Kind.DATE, Operator.ON, (date(2026, 3, 2),)))
    assert circles([player(1, on_day, writes=[Write("ticket", "x", "2/3/2026")])])


def tag(value):
    return Touches(writes=frozenset({Write("ticket", "hs_tag_ids", value)}))


def tagged(pk, event, writes):
    about = Filter(event.partition(".")[2], Kind.MULTI, Operator.ANY_OF, ("1",))
    return player(pk, WhenEvent((EventMatch(event, about),)), writes=[Write("ticket", "priority", writes)])


@pytest.mark.parametrize(
    ("event", "writes", "is_called"),
    [
        ("ticket.tag_added", "HIGH", True),
        ("ticket.tag_added", "LOW", False),
        ("ticket.tag_removed", "LOW", True),
        ("ticket.owner_set", "HIGH", False),
    ],
)
def test_a_tag_that_follows_a_rule_calls_on_R_EXEC_21(event, writes, is_called):
    """R-BOARD-3: what a workflow sets makes the rule put the tag on, or take it off, and that is what it waits for."""
    one = tagged(1, event, writes)
    urgent = Follower("ticket", when("priority", "HIGH"), tag("1"), tag(""))

    found = with_followers(one.touches, [urgent])

    assert bool(circles([Player(1, one.definition, found)])) is is_called
    assert circles([one]) == []


def test_what_follows_from_what_follows_is_known_too():
    urgent = Follower("ticket", when("priority", "HIGH"), tag("1"), tag(""))
    wears = Filter("hs_tag_ids", Kind.MULTI, Operator.ANY_OF, ("1",))
    is_in = Touches(segments=frozenset({7}))
    loud = Follower("ticket", wears, is_in, is_in)
    high = Touches(writes=frozenset({Write("ticket", "priority", "HIGH")}))

    assert with_followers(high, [loud, urgent]) == high | tag("1") | is_in
    assert with_followers(Touches(), [loud, urgent]) == Touches()


@pytest.mark.parametrize(
    ("event", "about", "touches", "calls"),
    [
        ("ticket.created", None, Touches(creates=frozenset({"ticket"})), True),
        ("ticket.created", None, Touches(creates=frozenset({"deal"})), False),
        ("ticket.created", None, Touches(writes=frozenset({Write("ticket", "x")})), False),
        ("ticket.property_changed", None, Touches(writes=frozenset({Write("ticket", "x")})), True),
        ("ticket.property_changed", None, Touches(writes=frozenset({Write("deal", "x")})), False),
        ("deal.property_changed", None, Touches(writes=frozenset({Write("deal", "x")})), False),
        ("ticket.owner_set", None, Touches(writes=frozenset({Write("ticket", "hubspot_owner_id")})), True),
        ("ticket.owner_set", None, Touches(writes=frozenset({Write("ticket", "x")})), False),
        ("ticket.snoozed", None, Touches(writes=frozenset({Write("ticket", "x")})), False),
        ("ticket.property_changed", "changed:x", Touches(writes=frozenset({Write("ticket", "x")})), True),
        ("ticket.property_changed", "changed:y", Touches(writes=frozenset({Write("ticket", "x")})), False),
        ("ticket.stage_entered", "stage:5", Touches(writes=frozenset({Write("ticket", "hs_pipeline_stage", "5")})), True),
        ("ticket.stage_entered", "stage:5", Touches(writes=frozenset({Write("ticket", "hs_pipeline_stage", "6")})), False),
        ("comment.added", None, Touches(tells=frozenset({Tell("comment.added")})), True),
        ("comment.added", None, Touches(tells=frozenset({Tell("task.created")})), False),
        ("message.sent", "automatic:True", Touches(tells=frozenset({Tell("message.sent", "automatic", "True")})), True),
        ("message.sent", "automatic:False", Touches(tells=frozenset({Tell("message.sent", "automatic", "True")})), False),
    ],
)  # fmt: skip
def test_what_a_workflow_does_calls_those_that_listen_for_it(event, about, touches, calls):
    name, _, value = (about or "").partition(":")
    leaf = None
    if name == "changed":
        leaf = Filter("changed", Kind.MULTI, Operator.ANY_OF, (value,))
    if name == "stage":
        leaf = when("hs_pipeline_stage", value)
    if name == "automatic":
        leaf = Filter("automatic", Kind.BOOL, Operator.ANY_OF, (value == "True",))
    listening = player(2, WhenEvent((EventMatch(event, leaf),)))
    assert loops.may_call(Player(1, chain(action()), touches), listening) is calls


def test_conditions_about_linked_records_listen_to_those():
    known = Filter("phone", Kind.TEXT, Operator.KNOWN)
    listening = player(2, WhenTrue(AllOf((Associated("contact", known), MemberOf("segment", (1,))))))
    calls = Touches(writes=frozenset({Write("contact", "phone", "1")}))
    assert loops.may_call(Player(1, chain(action()), calls), listening)
    assert loops.may_call(Player(1, chain(action()), Touches(creates=frozenset({"contact"}))), listening)
    assert not loops.may_call(Player(1, chain(action()), Touches()), listening)
    assert loops.may_call(Player(1, chain(action()), Touches(segments=frozenset({1}))), listening)
    assert not loops.may_call(Player(1, chain(action()), Touches(segments=frozenset({2}))), listening)
    inside = player(2, WhenTrue(MemberOf("workflow", (1,))))
    assert not loops.may_call(Player(3, chain(action()), Touches(segments=frozenset({1}))), inside)
    assert loops.may_call(Player(1, chain(action()), Touches()), inside)  # who enters it is in it
    linked = Touches(links=frozenset({frozenset({"ticket", "contact"})}))
    assert loops.may_call(Player(1, chain(action()), linked), listening)
    assert not loops.may_call(Player(3, chain(action()), linked), inside)
    together = calls | Touches(enrolls=frozenset({7}))
    assert (together.enrolls, together.writes) == (frozenset({7}), calls.writes)
    assert isinstance(chain(action()).steps[0], Action)


OPEN = Filter("status", Kind.ENUM, Operator.ANY_OF, ("OPEN",))
DONE = Filter("status", Kind.ENUM, Operator.ANY_OF, ("DONE",))
IS_LATEST = Filter("place", Kind.MULTI, Operator.ANY_OF, ("LAST",))
RECEIVED = Filter("direction", Kind.ENUM, Operator.ANY_OF, ("IN",))
A_TASK = Adds("task", "", (("status", ("OPEN",)), ("author", ())))
A_MESSAGE = Adds("message", "ticket", (("direction", ("OUT",)), ("place", ("FIRST", "LAST"))), frozenset({("place", "LAST")}))  # fmt: skip


def negated(leaf):
    return replace(leaf, operator=Operator.NONE_OF)


def has_task(*asked, has=True):
    return Associated("task", AllOf(asked), has=has)


def has_message(*asked, has=True):
    return Associated("message", AllOf(asked), has=has)


@pytest.mark.parametrize(
    ("asks", "added", "calls"),
    [
        (has_task(), A_TASK, True),
        (has_task(OPEN), A_TASK, True),
        (has_task(DONE), A_TASK, False),
        (has_task(negated(OPEN)), A_TASK, False),
        (has_task(negated(DONE)), A_TASK, True),
        (has_task(AnyOf((OPEN, DONE))), A_TASK, True),
        (has_task(when("title", "Call")), A_TASK, True),
        (has_task(MemberOf("segment", (1,))), A_TASK, True),
        (has_task(Filter("status", Kind.ENUM, Operator.KNOWN)), A_TASK, True),
        (has_task(Filter("author", Kind.REF, Operator.KNOWN)), A_TASK, False),
        (has_task(Filter("author", Kind.REF, Operator.UNKNOWN)), A_TASK, True),
        (has_task(Filter("author", Kind.REF, Operator.ANY_OF, (7,))), A_TASK, False),
        (has_task(Filter("author", Kind.REF, Operator.NONE_OF, (7,))), A_TASK, True),
        (has_task(Filter("status", Kind.TEXT, Operator.CONTAINS, ("E",))), A_TASK, True),
        (has_task(OPEN, has=False), A_TASK, False),  # it is what ends it
        (AnyOf((has_message(), has_task(OPEN))), A_TASK, True),
        (has_message(), A_TASK, False),
        (Associated("contact", has_task(OPEN)), A_TASK, True),
        (Associated("contact", has_task(OPEN), has=False), A_TASK, False),
        (Associated("contact", has_task(OPEN, has=False), has=False), A_TASK, True),
        (Associated("contact", has_task(OPEN)), replace(A_TASK, object_type="ticket"), False),
        (when("subject", "A"), A_TASK, False),
        (has_message(IS_LATEST), A_MESSAGE, True),
        (has_message(RECEIVED, IS_LATEST), A_MESSAGE, False),
        (has_message(RECEIVED, negated(IS_LATEST)), A_MESSAGE, True),
        (has_message(RECEIVED, IS_LATEST, has=False), A_MESSAGE, True),
        (has_message(RECEIVED, has=False), A_MESSAGE, False),
        (has_message(RECEIVED, Filter("place", Kind.MULTI, Operator.UNKNOWN)), A_MESSAGE, True),
        (has_message(RECEIVED, Filter("place", Kind.MULTI, Operator.ANY_OF, ("NEXT",)), has=False), A_MESSAGE, False),
    ],
)  # fmt: skip
def test_who_asks_for_an_activity_is_called_by_what_adds_such_a_one_R_EXEC_21_R_TRIG_4(asks, added, calls):
    """A message takes from the one before it that it is the latest."""
    one = Player(1, chain(action(), trigger=WhenTrue(asks)), Touches(adds=frozenset({added})))

    assert bool(circles([one])) is calls


def test_a_tag_whose_rule_asks_for_activities_is_put_on_and_taken_off_by_them_R_EXEC_21():
    idle = Follower("ticket", has_task(OPEN, has=False), tag("1"), tag(""))
    busy = Follower("ticket", has_task(OPEN), tag("2"), tag(""))
    adds = Touches(adds=frozenset({A_TASK}))

    assert with_followers(adds, [idle]) == adds | tag("")
    assert with_followers(adds, [busy]) == adds | tag("2")
    assert (adds | adds).adds == adds.adds


def test_who_asks_whether_there_are_any_is_called_by_new_ones_and_by_new_links_R_EXEC_21():
    """Without a filter on them; and a record that is new itself has none."""
    asks = player(2, WhenTrue(Associated("contact", AllOf())))
    none = player(3, WhenTrue(has_task(has=False)))

    for touches, called in (
        (Touches(creates=frozenset({"contact"})), [True, False]),
        (Touches(creates=frozenset({"ticket"})), [True, True]),
        (Touches(links=frozenset({frozenset({"ticket", "contact"})})), [True, False]),
        (Touches(creates=frozenset({"deal"})), [False, False]),
    ):
        assert [loops.may_call(Player(1, chain(action()), touches), one) for one in (asks, none)] == called


def test_what_a_branch_looked_at_is_kept_short_and_fit_for_JSON_R_LOG_2():
    text = Filter("x", Kind.TEXT, Operator.KNOWN)
    values = [
        None, True, 7, "a" * 900, date(2026, 1, 2), datetime(2026, 1, 2, 3, tzinfo=UTC), Decimal("1.50"), tuple(range(90)), timedelta(hours=2),
    ]  # fmt: skip
    told = ["None", "True", "7", "a" * trace.LONGEST, "2026-01-02", "2026-01-02T03:00:00+00:00", "1.50", str(list(range(trace.MOST_VALUES))), "2:00:00"]  # fmt: skip
    assert [str(trace.seen([Seen(text, value)])[0]["value"]) for value in values] == told

    ever = Filter("y", Kind.TEXT, Operator.EVER, ("a",))
    found = [
        Seen(text, "a", "contact"),
        Seen(text, "b", "contact"),
        Seen(ever, ("a", "b")),
        Seen(MemberOf("segment", (1,)), False),
    ]
    assert trace.seen(found) == [
        {"property": "x", "value": "a", "type": "contact"},
        {"property": "y", "value": ["a", "b"], "ever": True},
        {"member_of": "segment", "value": False},
    ]
    many = [Seen(Filter(f"p{n}", Kind.TEXT, Operator.KNOWN), n) for n in range(trace.MOST_SEEN + 3)]
    assert len(trace.seen(many)) == trace.MOST_SEEN

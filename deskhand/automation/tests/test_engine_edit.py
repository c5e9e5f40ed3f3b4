"""Changing a workflow: adding, deleting, moving, copying; ids stay, and so does a shape that can run."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.automation.engine.advance import beginning
from deskhand.automation.engine.definition import (
    Branch,
    Case,
    Definition,
    Edge,
    IfThen,
    Part,
    RandomSplit,
    edges_of,
)
from deskhand.automation.engine.edit import (
    START,
    Place,
    branch_below,
    clone,
    delete_from,
    delete_one,
    edge_at,
    end_here,
    go_to,
    graft,
    insert,
    move,
    resume_at,
    update,
    update_settings,
)
from deskhand.automation.engine.validate import validate
from deskhand.automation.tests.engine_cases import (
    STEPS,
    action,
    chain,
    definitions,
    hours,
    kinds,
    open_ends,
    places,
    when,
)
from deskhand.kernel.errors import Invalid, NotFound

HIGH, LOW = Branch("High", when("priority", "HIGH")), Branch("Low", when("priority", "LOW"))


def mail_delay_task() -> Definition:
    return chain(action("mail"), hours(1), action("task"))


def forked() -> Definition:
    """mail → (High: call, wait · Low: note · others: task)"""
    definition = chain(action("mail"), IfThen("", (HIGH, LOW)))
    for slot, kind in (("0", "call"), ("1", "note"), ("default", "task")):
        definition, _ = insert(definition, action(kind), Place("2", slot))
    return insert(definition, hours(1), Place("3"))[0]


def shape_problems(definition: Definition) -> list[str]:
    """What is wrong but for circles and actions that are missed, which people may make and are told about."""
    return [
        p.sentence
        for p in validate(definition)
        if "circle" not in p.message and "one action" not in p.message and p.field != "of_step"
    ]


def test_deleting_only_the_middle_joins_what_is_around_it():
    """T-ACT-5, R-ACT-8"""
    assert kinds(delete_one(mail_delay_task(), "2")) == ["mail", "task"]


def test_deleting_the_middle_and_all_after_leaves_the_first():
    """T-ACT-6, R-ACT-7"""
    left = delete_from(mail_delay_task(), "2")

    assert kinds(left) == ["mail"]
    assert [step.id for step in left.steps] == ["1"]


def test_deleting_the_first_and_the_last_works_too():
    """R-ACT-7, R-ACT-8"""
    assert kinds(delete_one(mail_delay_task(), "1")) == ["delay", "task"]
    assert kinds(delete_one(mail_delay_task(), "3")) == ["mail", "delay"]
    assert delete_from(mail_delay_task(), "1").steps == ()


def test_deleting_a_branch_and_all_after_takes_its_branches_along():
    """R-ACT-8"""
    assert kinds(delete_from(forked(), "2")) == ["mail"]


def test_deleting_only_a_branch_keeps_the_way_that_is_chosen():
    """R-ACT-8"""
    kept = delete_one(forked(), "2", keep="0")

    assert kinds(kept) == ["mail", "call", "delay"]
    assert {step.id for step in kept.steps} == {"1", "3", "6"}


def test_a_kept_way_that_goes_to_what_is_deleted_ends_there():
    ways = (replace(HIGH, next=Edge("2", is_goto=True)), replace(LOW, next=Edge("2")))
    fork = Definition(
        "ticket", start=Edge("1"), steps=(IfThen("1", ways), replace(action("note"), id="2")), next_id=3
    )

    left = delete_one(fork, "1", keep="0")

    assert (left.start, left.steps) == (None, ())


def test_deleting_only_a_branch_without_a_choice_is_refused():
    """R-ACT-8"""
    with pytest.raises(Invalid, match="Choose the branch"):
        delete_one(forked(), "2")


def test_a_branch_with_steps_on_one_way_only_keeps_that_way():
    """R-ACT-8"""
    definition, _ = insert(chain(action("mail"), IfThen("", (HIGH, LOW))), action("note"), Place("2", "1"))

    assert kinds(delete_one(definition, "2")) == ["mail", "note"]


def test_steps_are_inserted_at_the_start_between_and_on_a_branch():
    definition = mail_delay_task()

    assert kinds(insert(definition, action("new"), START)[0]) == ["new", "mail", "delay", "task"]
    assert kinds(insert(definition, action("new"), Place("1"))[0]) == ["mail", "new", "delay", "task"]
    assert kinds(insert(definition, action("new"), Place("3"))[0]) == ["mail", "delay", "task", "new"]
    assert edge_at(insert(forked(), action("new"), Place("2", "1"))[0], Place("2", "1")) == Edge("7")


@pytest.mark.parametrize("slot", ["default", "0"])
def test_what_followed_an_inserted_fork_goes_on_where_nothing_matched(slot):
    fork = IfThen("", (HIGH,)) if slot == "default" else RandomSplit("", (Part(1), Part(1)))

    definition, step_id = insert(mail_delay_task(), fork, Place("1"))

    assert edge_at(definition, Place(step_id, slot)) == Edge("2")


def test_an_id_is_never_used_again():
    """Comments, traces and waiting records point at ids."""
    shorter = delete_one(mail_delay_task(), "3")

    assert insert(shorter, action("new"), Place("2"))[1] == "4"


def test_settings_change_and_id_and_ways_stay():
    changed = update_settings(mail_delay_task(), "1", {"template": 9})

    assert changed.by_id["1"].settings == {"template": 9}
    assert kinds(changed) == ["mail", "delay", "task"]
    with pytest.raises(Invalid, match="Only actions"):
        update_settings(changed, "2", {})


def test_branches_are_reordered_with_their_steps():
    """R-BR-3"""
    swapped = update(forked(), IfThen("2", (LOW, HIGH)), {"0": "1", "1": "0", "default": "default"})

    assert [edges_of(swapped.by_id["2"])[slot].to for slot in ("0", "1", "default")] == ["4", "3", "5"]


def test_a_branch_that_is_taken_away_takes_its_steps_along():
    """R-BR-3"""
    smaller = update(forked(), IfThen("2", (LOW,)), {"0": "1", "default": "default"})

    assert {step.id for step in smaller.steps} == {"1", "2", "4", "5"}
    with pytest.raises(Invalid, match="another sort"):
        update(forked(), RandomSplit("2", (Part(1),)))


def test_a_step_moves_alone_and_the_gap_closes():
    """R-ACT-9, R-EDIT-2"""
    assert kinds(move(mail_delay_task(), "1", Place("3"))) == ["delay", "task", "mail"]
    assert kinds(move(mail_delay_task(), "3", START)) == ["task", "mail", "delay"]
    assert move(mail_delay_task(), "2", Place("1")) == mail_delay_task()


def test_a_step_moves_with_all_that_follows():
    """R-EDIT-2"""
    moved = move(forked(), "3", Place("2", "1"), with_following=True)

    assert edge_at(moved, Place("2", "0")) is None
    assert edge_at(moved, Place("2", "1")) == Edge("3")
    assert edge_at(moved, Place("6")) == Edge("4")  # what stood there follows


def test_a_step_can_not_move_into_itself():
    with pytest.raises(Invalid, match="into itself"):
        move(forked(), "2", Place("3"), with_following=True)
    with pytest.raises(Invalid, match="A fork moves"):
        move(forked(), "2", START)


def test_a_copy_has_ids_of_its_own_and_leads_to_its_own_steps():
    """R-ACT-9, R-EDIT-2"""
    definition = go_to(forked(), Place("4"), "6")
    copied, first = clone(definition, "3", Place("5"), with_following=True)

    assert copied.by_id[first].kind == "call"
    assert edge_at(copied, Place("5")) == Edge(first)
    assert edge_at(copied, Place(first)).to == "8"
    assert {step.id for step in copied.steps} == {*"123456", "7", "8"}


def test_go_tos_inside_a_copy_stay_inside_it():
    definition = go_to(mail_delay_task(), Place("3"), "2")

    copied, first = clone(definition, "2", START, with_following=False)
    assert edge_at(copied, Place(first)) == Edge("1")

    looped = go_to(forked(), Place("6"), "3")
    copied, first = clone(looped, "3", Place("5"), with_following=True)
    assert edge_at(copied, Place("8")) == Edge(first, is_goto=True)


def test_what_is_copied_from_another_definition_leads_nowhere_in_it():
    """R-ACT-9"""
    source = go_to(forked(), Place("6"), "1")

    grown, ids = graft(mail_delay_task(), source, "2", Place("1"), with_following=True)

    assert not shape_problems(grown)
    assert kinds(grown)[0] == "mail"
    assert edge_at(grown, Place("1")) == Edge(ids["2"])
    assert edge_at(grown, Place(ids["5"])) == Edge("2")  # what stood there follows its main way
    assert edge_at(grown, Place(ids["6"])) is None
    assert not set(ids.values()) & {"1", "2", "3"}
    alone, one = graft(mail_delay_task(), source, "6", Place("3"))
    assert (one.keys(), edge_at(alone, Place("3"))) == ({"6"}, Edge(one["6"]))


def test_a_go_to_needs_an_open_end():
    """R-BR-9"""
    with pytest.raises(Invalid, match="Only the end"):
        go_to(mail_delay_task(), Place("1"), "3")
    with pytest.raises(NotFound):
        go_to(mail_delay_task(), Place("3"), "9")

    joined = go_to(mail_delay_task(), Place("3"), "2")
    assert edge_at(end_here(joined, Place("3")), Place("3")) is None


def test_go_tos_follow_a_deleted_step_to_its_heir_and_end_with_a_deleted_branch():
    definition = go_to(forked(), Place("4"), "3")

    assert edge_at(delete_one(definition, "3"), Place("4")) == Edge("6", is_goto=True)
    assert edge_at(delete_from(definition, "3"), Place("4")) is None


@pytest.mark.parametrize("place", [Place("9"), Place("1", "default"), Place("2", "7")])
def test_places_that_are_not_there_are_refused(place):
    with pytest.raises(NotFound):
        insert(forked(), action("x"), place)


@pytest.mark.parametrize(
    ("edit", "position", "resumed"),
    [
        (lambda d: d, "2>next", "2>next"),
        (lambda d: delete_one(d, "2"), "2>next", "3"),
        (lambda d: delete_one(delete_one(d, "2"), "3"), "2>next", ""),
        (lambda d: delete_from(d, "2"), "2", ""),
        (lambda d: delete_one(d, "1"), "3", "3"),
    ],
)
def test_records_at_a_deleted_step_go_on_at_the_next_that_is_left(edit, position, resumed):
    """R-EDIT-5"""
    definition = mail_delay_task()

    assert resume_at(definition, edit(definition), position) == resumed


def test_records_in_a_deleted_branch_go_on_where_the_branches_join():
    """R-EDIT-5"""
    definition = go_to(forked(), Place("6"), "5")

    assert resume_at(definition, delete_from(definition, "3"), "3") == "5"


@st.composite
def edited(draw: st.DrawFn) -> tuple[Definition, Definition]:
    """A workflow and what some edits, of which refusals are part, made of it."""
    before = definition = draw(definitions(with_gotos=True))
    for _ in range(draw(st.integers(1, 5))):
        if not definition.steps:
            break
        step_id = draw(st.sampled_from([step.id for step in definition.steps]))
        place = draw(st.sampled_from(places(definition)))
        with_following = draw(st.booleans())
        slots = [None, *edges_of(definition.by_id[step_id])]
        try:
            match draw(st.integers(0, 5)):
                case 0:
                    definition = delete_one(definition, step_id, draw(st.sampled_from(slots)))
                case 1:
                    definition = delete_from(definition, step_id)
                case 2:
                    definition = move(definition, step_id, place, with_following=with_following)
                case 3:
                    definition, _ = clone(definition, step_id, place, with_following=with_following)
                case 4:
                    definition, _ = insert(definition, draw(STEPS), place)
                case 5:
                    ends = open_ends(definition) or [place]
                    definition = go_to(definition, draw(st.sampled_from(ends)), step_id)
        except Invalid:
            pass
    return before, definition


@settings(max_examples=300)
@given(edited())
def test_no_edit_breaks_the_shape_or_gives_an_id_twice(pair):
    before, after = pair

    assert shape_problems(after) == []
    assert len(after.by_id) == len(after.steps)
    assert after.next_id >= before.next_id
    assert all(type(after.by_id[s.id]) is type(s) for s in before.steps if s.id in after.by_id)
    assert all(int(step_id) >= before.next_id for step_id in set(after.by_id) - set(before.by_id))
    assert Definition.from_json(after.to_json()) == after


@given(edited())
def test_every_record_can_go_on_after_any_edit(pair):
    """R-EDIT-5"""
    before, after = pair

    for step in before.steps:
        resumed = resume_at(before, after, step.id)
        assert resumed == "" or resumed in after.by_id
        assert resumed == step.id or step.id not in after.by_id


@given(definitions())
def test_the_start_holds_the_whole_tree(definition):
    assert branch_below(definition, beginning(definition)) == set(definition.by_id)


def test_a_case_of_values_updates_by_name_of_its_way():
    from deskhand.automation.engine.definition import ValueEquals

    definition, _ = insert(
        chain(ValueEquals("", "priority", (Case("a"), Case("b")))), action("on b"), Place("1", "1")
    )

    renamed = update(definition, ValueEquals("1", "priority", (Case("a"), Case("c"))))

    assert edge_at(renamed, Place("1", "1")) == Edge("2")

"""How records stand to workflows: in them, ever in them, through them, their goal met (R-TRIG-4)."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.accounts.policy import viewer_for
from deskhand.automation import records, standings, workflows
from deskhand.automation.engine.definition import Definition, WhenTrue
from deskhand.automation.engine.validate import validate
from deskhand.automation.enrolling import standing
from deskhand.automation.tests.asking import ZONE, in_python, in_sql
from deskhand.automation.tests.runs import enroll, make, task
from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.evaluate import holds
from deskhand.crm.filters.types import AllOf, AnyOf, MemberOf
from deskhand.crm.records import selecting
from deskhand.crm.segments.looks import OFTEN, pause_of
from deskhand.kernel.errors import Invalid

OVER = {"state": "ENDED", "due_at": None}
INSIDE, EVER, FINISHED, GOAL = standings.ALL


@pytest.fixture
def runs(world, noon):
    """Six tickets: one inside, one that went through, one whose goal was met, one taken out, one with several runs, one that
    never was inside; and two workflows."""
    first, second = make(world, task(1)), make(world, task(1))
    ids = [world.ticket(name).pk for name in ("inside", "through", "goal", "out", "several", "never")]
    enroll(first, ids[0], due_at=noon + timedelta(days=1))
    enroll(first, ids[1], **OVER, end_reason="completed", ended_at=noon)
    enroll(first, ids[2], **OVER, end_reason="goal", ended_at=noon)
    enroll(first, ids[3], **OVER, end_reason="left", ended_at=noon)
    enroll(first, ids[4], **OVER, end_reason="goal", ended_at=noon)
    enroll(first, ids[4], state="WAITING", due_at=None, waits_for="ticket.moved")
    enroll(second, ids[4], **OVER, end_reason="completed", ended_at=noon)
    return ids, [first.pk, second.pk, 999_999]


@pytest.mark.parametrize(
    ("of", "is_member", "found"),
    [
        (INSIDE, True, [0, 4]), (INSIDE, False, [1, 2, 3, 5]), (EVER, True, [0, 1, 2, 3, 4]), (EVER, False, [5]),
        (FINISHED, True, [1]), (FINISHED, False, [0, 2, 3, 4, 5]), (GOAL, True, [2, 4]), (GOAL, False, [0, 1, 3, 5]),
    ],
)  # fmt: skip
def test_records_are_asked_how_they_stand_to_a_workflow_R_TRIG_4(world, runs, noon, of, is_member, found):
    ids, (first, *_others) = runs
    asked = MemberOf(of, (first,), is_member)

    assert in_sql(world, asked, noon) == in_python(ids, asked, noon) == [ids[place] for place in found]
    assert from_json(to_json(asked)) == asked


LEAVES = st.builds(
    MemberOf, st.sampled_from(standings.ALL), st.lists(st.integers(0, 2), min_size=1, max_size=3).map(tuple), st.booleans()
)  # fmt: skip
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(*(st.builds(one, st.lists(inner, max_size=3).map(tuple)) for one in (AllOf, AnyOf))),
    max_leaves=4,
)  # fmt: skip


def test_python_and_postgresql_agree_whatever_is_asked_of_workflows_R_TRIG_4(world, runs, noon):
    ids, flows = runs

    def real(condition):
        match condition:
            case MemberOf(of, places, is_member):
                return MemberOf(of, tuple(flows[place] for place in places), is_member)
            case AllOf(parts) | AnyOf(parts):
                return type(condition)(tuple(map(real, parts)))

    @settings(max_examples=60, deadline=None)
    @given(CONDITIONS)
    def agree(condition) -> None:
        assert in_sql(world, real(condition), noon) == in_python(ids, real(condition), noon)

    agree()


def test_all_that_is_asked_of_workflows_is_read_at_once(world, runs, noon, django_assert_num_queries):
    ids, (first, *_others) = runs
    asked = AllOf(tuple(MemberOf(of, (first,), False) for of in standings.ALL))
    loaded = records.load("ticket", ids)

    with django_assert_num_queries(1):
        found = [holds(asked, records.LoadedFacts("ticket", row), now=noon, zone=ZONE) for row in loaded.values()]  # fmt: skip

    assert found == [False] * 5 + [True]


def test_what_no_event_tells_is_looked_at_again_by_time(world, runs):
    """R-TRIG-4: who comes into another workflow, or to its end, is found by the sweep of triggers and of segments."""
    for of in standings.ALL:
        asked = MemberOf(of, (1,))
        assert standing.depends_on_time(asked)
        assert pause_of(asked) == OFTEN


def test_a_workflow_that_is_gone_is_to_be_put_right_R_EDIT_6(world, runs):
    _ids, (first, *_others) = runs

    def problems(workflow_id):
        asked = Definition("ticket", WhenTrue(MemberOf(FINISHED, (workflow_id,))), steps=(), next_id=1)
        found = validate(asked, workflows.surroundings(asked))
        return [one.sentence for one in found if one.field == "trigger"]

    assert problems(first) == []
    assert problems(999_999) == ["A workflow that it asks for is there no more."]


def test_who_sees_no_workflows_may_not_filter_by_them_R_TRIG_4(world, runs):
    _ids, (first, *_others) = runs
    asked = MemberOf(EVER, (first,))

    selecting.require_in_reach(viewer_for(world.account.pk, world.ada.pk), "ticket", asked)
    with pytest.raises(Invalid, match="may not filter"):
        selecting.require_in_reach(viewer_for(world.account.pk, world.bob.pk), "ticket", asked)

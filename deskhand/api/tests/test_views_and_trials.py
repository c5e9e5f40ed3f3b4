"""Views of the help desk, and workflows tried out, through our own part of the API."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts import policy
from deskhand.accounts.models import Membership, Plan, Role
from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, Manual
from deskhand.automation.models import Enrollment, Workflow
from deskhand.crm.filters.types import EVERYTHING, Filter, Operator
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema.types import Kind
from deskhand.desk import custom_views
from deskhand.desk.custom_views import What, Wish
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import make_world

pytestmark = pytest.mark.django_db

VIEWS, WORKFLOWS = "/api/deskhand/v1/views", "/api/deskhand/v1/workflows"


def give(world: Any, allowed: Any) -> None:
    with account_scope(world.account.pk):
        some = Role.objects.create(account_id=world.account.pk, name="Some", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=some, is_super_admin=False)


# ── views ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def view(
    world: Any, name: str, sharing: str, condition: Any = EVERYTHING, pipeline: int | None = None
) -> str:
    with account_scope(world.account.pk):
        viewer = policy.viewer_for(world.account.pk, world.ada.pk)
        what = What(pipeline, condition, ("subject",), "-createdate")
        return str(custom_views.create(viewer, Wish(name, sharing), what))


def test_somebody_has_their_own_views_and_those_that_are_shared(
    program_of: Any, program: Any, world: Any
) -> None:
    """R-VIEW-5"""
    urgent = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    with account_scope(world.account.pk):
        pipeline = world.tickets.default.id
    own, shared = view(world, "Mine", "PRIVATE"), view(world, "Urgent", "EVERYONE", urgent, pipeline)
    ada, bob = (program_of(user_id=one.pk) for one in (world.ada, world.bob))

    assert [one["id"] for one in ada("GET", VIEWS)[1]["results"]] == [own, shared]
    assert [one["id"] for one in bob("GET", VIEWS)[1]["results"]] == [shared]
    assert [one["id"] for one in program("GET", VIEWS)[1]["results"]] == [shared]
    assert (bob("GET", f"{VIEWS}/{own}")[0], bob("GET", f"{VIEWS}/x")[0]) == (404, 404)
    status, told = bob("GET", f"{VIEWS}/{shared}")
    assert status == 200
    assert {name: told[name] for name in ("name", "ownerId", "sharing", "pipelineId", "columns", "sort")} == {
        "name": "Urgent", "ownerId": str(world.ada.pk), "sharing": "EVERYONE", "pipelineId": "0", "columns": ["subject"], "sort": "-createdate",
    }  # fmt: skip
    assert "HIGH" in str(told["filter"])
    assert "filter" not in ada("GET", f"{VIEWS}/{own}")[1]


def test_views_take_as_many_statements_for_many(program: Any, world: Any) -> None:
    view(world, "One", "EVERYONE")
    program("GET", VIEWS)
    before = program.queries("GET", VIEWS)
    for number in range(10):
        view(world, f"View {number}", "EVERYONE")

    assert program.queries("GET", VIEWS) == before


# ── trials ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def definition(priority: str = "HIGH") -> Definition:
    steps = (
        Action("1", "set_property", {"property": "hs_ticket_priority", "value": priority}, Edge("2")),
        Action("2", "set_property", {"property": "hs_pipeline_stage", "value": "2"}, Edge("3")),
        Action("3", "create_task", {"title": "Call them"}, None),
    )
    return Definition("ticket", Manual(), start=Edge("1"), steps=steps, next_id=4)


@pytest.fixture
def workflow(world: Any) -> Workflow:
    with account_scope(world.account.pk):
        return workflows.create(world.account.pk, "Urgent", definition())


@pytest.fixture
def ticket(world: Any) -> Ticket:
    with account_scope(world.account.pk):
        return world.ticket()  # type: ignore[no-any-return]


@pytest.mark.usefixtures("wired")
def test_what_a_workflow_would_do_is_told_and_does_not_happen(program: Any, world: Any, workflow: Any, ticket: Any) -> None:  # fmt: skip
    status, told = program("POST", f"{WORKFLOWS}/{workflow.pk}/trial", {"recordId": ticket.pk})

    assert (status, told["stopped"], told["reason"], told["isDraft"]) == (200, "ended", "completed", False)
    assert [one["stepId"] for one in told["steps"] if one["stepId"]][:1] == ["1"]
    assert {"objectType": "tickets", "objectId": str(ticket.pk), "property": "hs_ticket_priority", "old": None, "new": "HIGH"} in told["changed"]  # fmt: skip
    assert told["tasks"] == ["Call them"]
    with account_scope(world.account.pk):
        assert Ticket.objects.get(pk=ticket.pk).priority != "HIGH"
        assert not Enrollment.objects.exists()


@pytest.mark.usefixtures("wired")
def test_a_trial_is_for_who_may_edit_the_workflow_and_see_the_record(
    program: Any, program_of: Any, world: Any, workflow: Any, ticket: Any
) -> None:
    """R-WF-10, R-PERM-1"""
    one, given = f"{WORKFLOWS}/{workflow.pk}/trial", {"recordId": str(ticket.pk)}
    give(world, {"records": {"ticket": {"view": "own"}}, "capabilities": ["workflow_view", "workflow_edit"]})
    editor = program_of(user_id=world.bob.pk)
    other = make_world("other")
    with account_scope(other.account.pk):
        theirs, foreign = workflows.create(other.account.pk, "Theirs", definition()), other.ticket()

    assert editor("POST", one, given)[0] == 404
    with account_scope(world.account.pk):
        Role.objects.filter(name="Some").update(permissions={"records": {"ticket": {"view": "all"}}})
    assert editor("POST", one, given)[0] == 403
    assert program_of(scopes=["tickets"])("POST", one, given)[0] == 403
    assert program("POST", one, {"recordId": str(foreign.pk)})[0] == 404
    assert program("POST", f"{WORKFLOWS}/{theirs.pk}/trial", given)[0] == 404
    world.account.plan = Plan.FREE
    world.account.save(update_fields=["plan"])
    assert program("POST", one, given)[0] == 403


@pytest.mark.parametrize("given", [{}, {"recordId": None}, {"recordId": "1", "waits": {"1": "perhaps"}}, []])
def test_a_trial_of_nothing_is_refused(program: Any, workflow: Any, given: Any) -> None:
    assert program("POST", f"{WORKFLOWS}/{workflow.pk}/trial", given)[0] == 400
    assert program("POST", f"{WORKFLOWS}/x/trial", {"recordId": "x"})[0] == 404

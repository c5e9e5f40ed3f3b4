"""Routing through our own part of the API: decisions, availability, rules, skills, capacity and the simulator."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from deskhand.accounts.models import AuditEntry, Membership, Plan, Role
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.jobs import Job
from deskhand.routing import assign, availability, matrix, simulations
from deskhand.routing import rules as verbs
from deskhand.routing.models import RoutingRule, Simulation
from deskhand.routing.types import NewTicket, Option, Status
from deskhand.testing.world import NewUser, make_users, make_world

pytestmark = pytest.mark.django_db

V1 = "/api/deskhand/v1"
RULES, THERE, SIMULATIONS = f"{V1}/routing/rules", f"{V1}/availability", f"{V1}/routing/simulations"
SKILLS, CAPACITY = f"{V1}/routing/skills", f"{V1}/routing/capacity"


def give(world: Any, allowed: Any) -> None:
    with account_scope(world.account.pk):
        some = Role.objects.create(account_id=world.account.pk, name="Some", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=some, is_super_admin=False)


def actions(world: Any) -> list[str]:
    with account_scope(world.account.pk):
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


# ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def routed(world: Any) -> Any:
    """A ticket that Ada got, since Grace is away."""
    with account_scope(world.account.pk):
        for user, status in ((world.ada, Status.AVAILABLE), (world.grace, Status.AWAY)):
            availability.set_by_hand(world.account.pk, user.pk, status, by=Actor.user(user.pk))
        verbs.set_rule(
            world.account.pk, world.channel.pk, Option.USERS_AND_TEAMS, user_ids=[world.ada.pk, world.grace.pk], by=Actor.user(world.ada.pk)
        )  # fmt: skip
        ticket = world.ticket()
        new = NewTicket(ticket.pk, world.channel.pk, "EMAIL_OTHER")
        assign.route(world.account.pk, [new], clock.now())
        return ticket


def test_why_this_agent_is_told(program: Any, world: Any, routed: Any) -> None:
    """R-ROUTE-70"""
    status, told = program("GET", f"{V1}/tickets/{routed.pk}/routing-decision")

    assert (status, told["ownerId"], told["ticketId"]) == (200, str(world.ada.pk), str(routed.pk))
    assert told["passedOver"] == [{"userId": str(world.grace.pk), "name": world.grace.name, "reason": "away"}]
    assert world.ada.name in told["headline"]


def test_a_decision_is_for_who_may_see_the_ticket(
    program: Any, program_of: Any, world: Any, routed: Any
) -> None:
    """R-PERM-1"""
    give(world, {"records": {"ticket": {"view": "own"}}})
    path = f"{V1}/tickets/{routed.pk}/routing-decision"

    assert program_of(user_id=world.bob.pk)("GET", path)[0] == 404
    assert program_of(scopes=["forms"])("GET", path)[0] == 403
    with account_scope(world.account.pk):
        other = world.ticket()
    assert program("GET", f"{V1}/tickets/{other.pk}/routing-decision")[0] == 404
    assert program("GET", f"{V1}/tickets/x/routing-decision")[0] == 404


# ── availability ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_status_is_set_and_taken_back(program: Any, world: Any) -> None:
    """R-AVAIL-6, R-AVAIL-11"""
    one = f"{THERE}/{world.ada.pk}"
    program("PUT", one, {"status": "AVAILABLE"})

    status, away = program("PUT", one, {"status": "AWAY", "note": "Lunch"})
    assert (status, away["status"], away["source"], away["note"]) == (200, "AWAY", "MANUAL", "Lunch")
    assert program("GET", one)[1] == {name: away[name] for name in away if name != "changeId"}

    status, back = program("POST", f"{one}/revert", {"changeId": away["changeId"]})
    assert (status, back["status"], back["note"]) == (200, "AVAILABLE", "")
    assert program("POST", f"{one}/revert", {"changeId": away["changeId"]})[0] == 409
    assert "changeId" not in program("PUT", one, {"status": "AVAILABLE"})[1]


def test_everybody_with_a_seat_is_listed(program: Any, world: Any) -> None:
    program("GET", THERE)
    before = program.queries("GET", THERE)
    status, body = program("GET", THERE)

    assert status == 200
    names = {one["name"] for one in body["results"]}
    assert world.ada.name in names
    assert world.nils.name not in names
    with account_scope(world.account.pk):
        make_users(world.account, [NewUser(f"Person{n}") for n in range(20)])
    assert program.queries("GET", THERE) == before


def test_people_set_their_own_status_and_nobody_elses(program_of: Any, world: Any) -> None:
    """R-AVAIL-11"""
    give(world, {"records": {"ticket": {"view": "all"}}})
    bob = program_of(user_id=world.bob.pk)

    assert bob("PUT", f"{THERE}/{world.bob.pk}", {"status": "AWAY"})[0] == 200
    assert bob("PUT", f"{THERE}/{world.ada.pk}", {"status": "AWAY"})[0] == 403
    assert bob("GET", f"{THERE}/{world.ada.pk}")[0] == bob("GET", THERE)[0] == 403


@pytest.mark.parametrize(
    "given",
    [{}, {"status": "BUSY"}, {"status": None}, {"status": "AWAY", "awayStateId": "999"}, {"status": "AWAY", "awayStateId": "x"},
     {"status": "AVAILABLE", "note": "x"}, {"status": "AWAY", "note": "x" * 201}, []],
)  # fmt: skip
def test_a_status_that_can_not_be_is_refused(program: Any, world: Any, given: Any) -> None:
    before = program("GET", f"{THERE}/{world.ada.pk}")

    assert program("PUT", f"{THERE}/{world.ada.pk}", given)[0] == 400
    assert program("GET", f"{THERE}/{world.ada.pk}") == before


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_written_and_read(program: Any, world: Any) -> None:
    """R-ROUTE-15, R-ROUTE-33"""
    one = f"{RULES}/{world.channel.pk}"
    assert program("GET", one)[1]["option"] == "NONE"
    given = {
        "option": "USERS_AND_TEAMS", "strategy": "ROUND_ROBIN", "userIds": [str(world.grace.pk), world.ada.pk], "teamIds": [str(world.team.pk)],
        "fallbackUserIds": [str(world.bob.pk)], "waitList": True, "landingMinutes": 30, "stickyHours": 24, "reroute": "AT_ONCE",
    }  # fmt: skip

    status, made = program("PUT", one, given)

    assert status == 200
    assert made.items() >= {**given, "userIds": [str(world.grace.pk), str(world.ada.pk)]}.items()
    assert made["channel"] == matrix.EMAIL
    assert program("GET", one) == (200, made)
    assert program("GET", RULES)[1]["results"] == [made]
    assert program("PUT", one, made) == (200, {**made, "updatedAt": program("GET", one)[1]["updatedAt"]})
    assert actions(world)[-2:] == ["routing_rule.changed"] * 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, None), ({"option": "EVERYBODY"}, None), ({"option": "USERS_AND_TEAMS"}, None), ({"option": "NONE", "landingMinutes": 10**30}, None),
        ({"option": "USERS_AND_TEAMS", "userIds": ["999999999"]}, "userIds"), ({"option": "NONE", "userIds": ["x"]}, "userIds"),
        ({"option": "NONE", "stickyHours": -1}, "stickyHours"), ({"option": "AI_AGENT", "agentKey": "\x00"}, "agentKey"),
        ({"option": "NONE", "skillRuleSetId": "77"}, "skillRuleSetId"), ({"option": "NONE", "hours": {"zone": "Nowhere", "blocks": []}}, "hours"),
        ({"option": "NONE", "hours": {"zone": "Nowhere", "blocks": [{"weekday": 0, "start": 0, "end": 60}]}}, "zone"),
        ({"option": "NONE", "ringing": {"seconds": 30}}, "ringSeconds"), (None, None),
    ],
)  # fmt: skip
def test_a_rule_that_can_not_be_is_refused(program: Any, world: Any, given: Any, field: str | None) -> None:
    """R-ROUTE-11, R-ROUTE-17"""
    status, body = program("PUT", f"{RULES}/{world.channel.pk}", given or {})

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert field is None or body["context"] == {"field": [field]}
    with account_scope(world.account.pk):
        assert not RoutingRule.objects.exists()


def test_rules_are_for_who_may_open_their_page(program_of: Any, program: Any, world: Any) -> None:
    """R-ROUTE-10"""
    give(world, {"records": {"ticket": {"view": "all"}}})
    bob, one = program_of(user_id=world.bob.pk), f"{RULES}/{world.channel.pk}"

    assert [bob("GET", RULES)[0], bob("GET", one)[0], bob("PUT", one, {"option": "NONE"})[0]] == [403] * 3
    reader = program_of(scopes=["deskhand.routing.read"])
    assert (reader("GET", RULES)[0], reader("PUT", one, {"option": "NONE"})[0]) == (200, 403)
    other = make_world("other")
    assert program("GET", f"{RULES}/{other.channel.pk}")[0] == program("PUT", f"{RULES}/{other.channel.pk}", {"option": "NONE"})[0] == 404  # fmt: skip


# ── skills and capacity ──────────────────────────────────────────────────────────────────────────────────────────────


def test_skills_come_are_given_and_go(program: Any, world: Any) -> None:
    """R-SKILL-3, R-SKILL-6, R-SKILL-8"""
    [languages] = program("GET", SKILLS)[1]["results"]
    status, made = program("POST", SKILLS, {"name": "Danish", "categoryId": languages["id"]})
    assert (status, made["name"], made["isLanguage"]) == (201, "Danish", True)
    assert program("PATCH", f"{SKILLS}/{made['id']}", {"name": "Dansk"})[1]["name"] == "Dansk"
    mine = f"{V1}/users/{world.ada.pk}/skills"

    told = program("PUT", mine, {"skills": [{"skillId": made["id"], "isMain": False}]})
    assert told == (200, {"skills": [{"skillId": made["id"], "isMain": False}]}) == program("GET", mine)
    assert program("DELETE", f"{SKILLS}/{made['id']}")[0] == 409
    assert program("PUT", mine, {"skills": []})[0] == 200
    assert program("DELETE", f"{SKILLS}/{made['id']}") == (204, None)
    assert program("DELETE", f"{SKILLS}/{made['id']}")[0] == 404
    assert "user.skills_changed" in actions(world)


def test_limits_are_set_and_shown_with_what_is_held(program: Any, world: Any) -> None:
    """R-CAP-5, R-CAP-11, R-CAP-12"""
    one = f"{CAPACITY}/{world.ada.pk}"
    status, made = program("PUT", one, {"measure": "TOTAL", "total": 5, "share": 50})

    assert (status, made["total"], made["share"], made["holds"]) == (200, 5, 50, [{"held": 0, "limit": 5}])
    assert program("GET", one) == (200, made)
    assert made in program("GET", CAPACITY)[1]["results"]
    by_type = program("PUT", one, {"measure": "BY_TYPE", "call": 0, "emailOther": 9})[1]
    assert {held["type"]: held.get("limit") for held in by_type["holds"]} == {"CALL": 0, "MESSAGE": None, "EMAIL_OTHER": 9}  # fmt: skip
    assert by_type["share"] == 50


@pytest.mark.parametrize(
    "given",
    [{"total": -1}, {"total": 10**30}, {"share": 0}, {"share": 101}, {"measure": "X"}, {"total": "many"}],
)
def test_a_limit_that_can_not_be_is_refused(program: Any, world: Any, given: Any) -> None:
    assert program("PUT", f"{CAPACITY}/{world.ada.pk}", given)[0] == 400
    assert program("PUT", f"{CAPACITY}/{world.nils.pk}", {"total": 1})[0] == 404


def test_skills_and_capacity_are_for_who_may_open_their_pages(
    program_of: Any, program: Any, world: Any
) -> None:
    """R-CAP-1; R-TIER-1: and where the plan has them."""
    give(world, {"records": {"ticket": {"view": "all"}}})
    bob = program_of(user_id=world.bob.pk)
    calls = [("GET", SKILLS), ("GET", CAPACITY), ("PUT", f"{CAPACITY}/{world.ada.pk}", {"total": 1}), ("GET", f"{V1}/users/{world.ada.pk}/skills")]  # fmt: skip
    assert [bob(*call)[0] for call in calls] == [403] * 4

    world.account.plan = Plan.STARTER
    world.account.save(update_fields=["plan"])
    assert [program(*call)[0] for call in calls] == [403] * 4


# ── the simulator ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_simulation_is_begun_worked_out_and_read(program: Any, world: Any, routed: Any) -> None:
    status, made = program("POST", SIMULATIONS, {"days": 7, "percent": 150})
    assert (status, made["state"], made["wish"]["percent"]) == (201, "RUNNING", 150)
    assert program("POST", SIMULATIONS, {"days": 7, "percent": 150})[0] == 409
    one = f"{SIMULATIONS}/{made['id']}"

    simulations.run(Job(1, world.account.pk, {"simulation": int(made["id"])}, threading.Event()))

    status, done = program("GET", one)
    assert (status, done["state"]) == (200, "DONE")
    assert set(done["result"]) == {"today", "then"}
    [listed] = program("GET", SIMULATIONS)[1]["results"]
    assert listed == {name: done[name] for name in done if name != "result"}
    assert program("DELETE", one) == (204, None)
    assert program("GET", one)[1]["state"] == "DONE"


def test_a_simulation_is_stopped(program: Any, world: Any, routed: Any) -> None:
    made = program("POST", SIMULATIONS, {"days": 7, "more": 1})[1]

    assert program("DELETE", f"{SIMULATIONS}/{made['id']}") == (204, None)
    assert program("GET", f"{SIMULATIONS}/{made['id']}")[1]["state"] == "STOPPED"


@pytest.mark.parametrize(
    "given",
    [{}, {"days": 8}, {"days": 7, "percent": 5}, {"days": 7, "share": 50}, {"days": 7, "people": ["0"], "off": "all"}, {"days": 7, "off": "x"},
     {"days": 7, "percent": 10**30}, {"days": 7, "begins": 100}, {"days": 7, "source": "dreams"}, {"days": 7, "strategy": "FIRST"}],
)  # fmt: skip
def test_a_simulation_that_can_not_be_is_not_begun(program: Any, world: Any, routed: Any, given: Any) -> None:
    assert program("POST", SIMULATIONS, given)[0] == 400
    with account_scope(world.account.pk):
        assert not Simulation.objects.exists()


def test_the_simulator_is_for_who_may_edit_routing(
    program_of: Any, program: Any, world: Any, routed: Any
) -> None:
    give(world, {"records": {"ticket": {"view": "all"}}})
    bob = program_of(user_id=world.bob.pk)
    other = make_world("other")
    with account_scope(other.account.pk):
        theirs = Simulation.objects.create(
            account_id=other.account.pk, made_by_id=1, made_at=clock.now(), wish={}
        )

    assert [bob("GET", SIMULATIONS)[0], bob("POST", SIMULATIONS, {"days": 7, "more": 1})[0]] == [403] * 2
    assert program("GET", f"{SIMULATIONS}/{theirs.pk}")[0] == program("DELETE", f"{SIMULATIONS}/{theirs.pk}")[0] == 404  # fmt: skip

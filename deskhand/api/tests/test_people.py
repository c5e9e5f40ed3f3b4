"""Owners, users, roles and teams through the API (api.md §2.4, §3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts import invitations, teams, users
from deskhand.accounts.models import AuditEntry, Membership, Role, TeamMember, User
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import NewUser, make_users, make_world

pytestmark = pytest.mark.django_db

OWNERS, USERS = "/crm/v3/owners/", "/settings/v3/users/"


def role(program: Any, name: str) -> str:
    return next(one["id"] for one in program("GET", f"{USERS}roles")[1]["results"] if one["name"] == name)


def actions(world: Any) -> list[str]:
    with account_scope(world.account.pk):
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


# ── owners ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_owner_is_as_the_contract_has_them(program: Any, world: Any) -> None:
    """api.md §2.4"""
    status, owner = program("GET", f"{OWNERS}{world.eve.pk}")

    assert status == 200
    assert {name: owner[name] for name in owner if not name.endswith("At")} == {
        "id": str(world.eve.pk), "email": "eve@nordlys.example", "type": "PERSON", "firstName": "Eve", "lastName": world.eve.name.partition(" ")[2],
        "userId": world.eve.pk, "userIdIncludingInactive": world.eve.pk, "archived": False,
        "teams": [{"id": str(world.team.pk), "name": "Support", "primary": False}],
    }  # fmt: skip
    assert owner["createdAt"].endswith("Z")


def test_an_owners_id_is_what_records_have(program: Any, world: Any) -> None:
    """api.md §2.4, §1.10: what is read of an owner can be written to `hubspot_owner_id`, and comes back."""
    owner = program("GET", OWNERS, email="ADA@nordlys.example")[1]["results"][0]["id"]
    properties = {"subject": "x", "hs_pipeline_stage": "1", "hubspot_owner_id": owner}
    _status, made = program("POST", "/crm/v3/objects/tickets", {"properties": properties})

    assert made["properties"]["hubspot_owner_id"] == owner == str(world.ada.pk)
    assert program("GET", f"{OWNERS}{owner}", idProperty="userId")[1]["id"] == owner


def test_owners_come_in_pages_that_lead_on(program: Any) -> None:
    """api.md §1.6: the link is absolute and keeps what was asked."""
    found, path = [], f"{OWNERS}?limit=2&archived=False"
    while path:
        body = program("GET", path)[1]
        found += [int(one["id"]) for one in body["results"]]
        path = body.get("paging", {}).get("next", {}).get("link", "").removeprefix("http://testserver")

    assert found == sorted(found)
    assert len(found) == 5
    assert program("GET", OWNERS, limit="500")[0] == 200


def test_who_left_is_archived_and_who_is_invited_is_none_yet(program: Any, world: Any) -> None:
    with account_scope(world.account.pk):
        users.deactivate(world.account.pk, world.bob.pk, by=SYSTEM)
        invited = invitations.invite(
            world.account.pk, email="kim@x.example", name="Kim", link=None, by=SYSTEM
        )

    assert program("GET", f"{OWNERS}{world.bob.pk}")[0] == 404
    status, gone = program("GET", f"{OWNERS}{world.bob.pk}", archived="true")
    assert (status, gone["archived"], gone["userIdIncludingInactive"]) == (200, True, world.bob.pk)
    assert "userId" not in gone
    assert gone["updatedAt"] > gone["createdAt"]
    assert [one["id"] for one in program("GET", OWNERS, archived="true")[1]["results"]] == [str(world.bob.pk)]
    assert program("GET", f"{OWNERS}{invited.user_id}")[0] == 404


@pytest.mark.parametrize(
    "asked", [{"limit": "501"}, {"limit": "-1"}, {"after": "x"}, {"archived": "perhaps"}]
)
def test_what_an_owners_page_can_not_be_is_refused(program: Any, asked: Any) -> None:
    assert program("GET", OWNERS, **asked)[0] == 400


@pytest.mark.parametrize("given", ["0", "x", "9" * 30, "-1", "%00", "1.5"])
def test_an_owner_that_is_not_there_is_missing(program: Any, given: str) -> None:
    assert program("GET", f"{OWNERS}{given}")[0] == program("GET", f"{USERS}{given}")[0] == 404


def test_an_address_that_can_not_be_finds_nobody(program: Any) -> None:
    assert program("GET", OWNERS, email="\x00")[1]["results"] == []
    assert program("GET", f"{USERS}%00", idProperty="EMAIL")[0] == 404
    assert program("GET", f"{OWNERS}1", idProperty="name")[0] == program("GET", f"{USERS}1", idProperty="name")[0] == 400  # fmt: skip


def test_people_of_other_accounts_are_not_there(program: Any) -> None:
    other = make_world("other")

    assert program("GET", f"{OWNERS}{other.ada.pk}")[0] == 404
    assert program("GET", OWNERS, email=other.ada.email)[1]["results"] == []
    for method, body in [("GET", None), ("PUT", {}), ("DELETE", None)]:
        assert program(method, f"{USERS}{other.ada.pk}", body)[0] == 404
        assert program(method, f"{USERS}{other.ada.email}?idProperty=EMAIL", body)[0] == 404


def test_many_people_take_as_many_statements_as_few(program: Any, world: Any) -> None:
    paths = [OWNERS, USERS, f"{USERS}teams", f"{USERS}roles"]
    program("GET", OWNERS)  # notes the use of the token
    before = [program.queries("GET", path) for path in paths]
    with account_scope(world.account.pk):
        make_users(world.account, [NewUser(f"Person{n}") for n in range(20)], world.team)

    assert [program.queries("GET", path) for path in paths] == before


# ── users ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_users_roles_and_teams_are_listed(program: Any, world: Any) -> None:
    """api.md §3.4"""
    status, body = program("GET", USERS)
    assert status == 200
    by_id = {one["id"]: one for one in body["results"]}
    agent = role(program, "Agent")
    assert by_id[str(world.grace.pk)] == {
        "id": str(world.grace.pk), "email": "grace@nordlys.example", "firstName": "Grace", "lastName": world.grace.name.partition(" ")[2],
        "roleId": agent, "roleIds": [agent], "primaryTeamId": str(world.team.pk), "secondaryTeamIds": [], "superAdmin": by_id[str(world.grace.pk)]["superAdmin"],
    }  # fmt: skip
    [team] = program("GET", f"{USERS}teams")[1]["results"]
    assert (team["id"], team["name"]) == (str(world.team.pk), "Support")
    assert str(world.grace.pk) in team["userIds"]
    assert team["secondaryUserIds"] == [str(world.eve.pk)]


@pytest.mark.parametrize(("is_sent", "mails"), [(True, 1), (False, 0), (None, 0)])
def test_somebody_is_invited_and_mailed_where_the_call_says_so(
    program: Any, world: Any, is_sent: bool | None, mails: int
) -> None:
    """api.md §3.4: sendWelcomeEmail."""
    light, team = role(program, "Light agent"), str(world.team.pk)
    given = {
        "email": "Kim@X.example",
        "roleId": light,
        "secondaryTeamIds": [team],
        "sendWelcomeEmail": is_sent,
    }
    status, made = program("POST", USERS, given)

    assert (status, made["email"], made["roleId"], made["secondaryTeamIds"]) == (
        201,
        "kim@x.example",
        light,
        [team],
    )
    assert "firstName" not in made
    with account_scope(world.account.pk):
        member = Membership.objects.get(user_id=made["id"])
        assert (member.has_seat, member.is_active, member.invited_at is None) == (False, False, False)
        assert OutboxEntry.objects.count() == mails
    assert "user.invited" in actions(world)
    assert program("POST", USERS, given)[0] == 409
    assert program("DELETE", f"{USERS}{made['id']}") == (204, None)
    assert not User.objects.filter(email="kim@x.example").exists()


def test_role_and_teams_change_alone_and_together(program: Any, world: Any) -> None:
    """api.md §3.4; what is not sent stays."""
    with account_scope(world.account.pk):
        other = teams.create(world.account.pk, "Billing", by=SYSTEM)
    one, light = f"{USERS}{world.grace.pk}", role(program, "Light agent")

    status, changed = program("PUT", one, {"roleId": light})
    assert (status, changed["roleId"], changed["primaryTeamId"]) == (200, light, str(world.team.pk))
    changed = program(
        "PUT", f"{USERS}grace@nordlys.example?idProperty=EMAIL", {"secondaryTeamIds": [str(other.pk)]}
    )[1]
    assert (changed["primaryTeamId"], changed["secondaryTeamIds"]) == (str(world.team.pk), [str(other.pk)])
    changed = program("PUT", one, {"primaryTeamId": other.pk})[1]
    assert (changed["primaryTeamId"], changed["secondaryTeamIds"]) == (str(other.pk), [])
    assert program("PUT", one, {"primaryTeamId": None, "email": "x@y.example", "superAdmin": True})[1]["email"] == "grace@nordlys.example"  # fmt: skip
    assert program("GET", one)[1]["superAdmin"] is False
    assert actions(world)[-4:] == [
        "user.role_changed",
        "user.teams_changed",
        "user.teams_changed",
        "user.teams_changed",
    ]


def test_who_is_shut_out_is_not_there_any_more(program: Any, world: Any) -> None:
    assert program("DELETE", f"{USERS}{world.bob.pk}") == (204, None)

    assert (
        program("GET", f"{USERS}{world.bob.pk}")[0] == program("DELETE", f"{USERS}{world.bob.pk}")[0] == 404
    )
    assert str(world.bob.pk) not in [one["id"] for one in program("GET", USERS)[1]["results"]]
    assert actions(world)[-1] == "user.deactivated"


def test_the_last_super_admin_stays(program: Any, world: Any) -> None:
    Membership.objects.filter(account=world.account).update(is_super_admin=False)
    Membership.objects.filter(user=world.ada).update(is_super_admin=True)

    assert program("DELETE", f"{USERS}{world.ada.pk}")[0] == 409
    assert program("GET", f"{USERS}{world.ada.pk}")[0] == 200


@pytest.mark.parametrize(
    "given",
    [
        {}, {"email": None}, {"email": ""}, {"email": "x"}, {"email": "a\x00@b.example"}, {"email": "k@x.example", "roleId": "9" * 30},
        {"email": "k@x.example", "primaryTeamId": "0"}, {"email": "k@x.example", "secondaryTeamIds": [""]},
        {"email": "k@x.example", "secondaryTeamIds": "1"}, {"email": "k@x.example", "firstName": "x" * 201}, [],
    ],
)  # fmt: skip
def test_what_can_not_be_taken_makes_nobody(program: Any, given: Any) -> None:
    before = User.objects.count()
    status, body = program("POST", USERS, given)

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert User.objects.count() == before


def test_a_main_team_is_no_extra_team(program: Any, world: Any) -> None:
    """R-TEAM-1"""
    given = {"primaryTeamId": str(world.team.pk), "secondaryTeamIds": [str(world.team.pk)]}

    assert program("PUT", f"{USERS}{world.grace.pk}", given)[0] == 400


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _give(world: Any, allowed: Any) -> None:
    with account_scope(world.account.pk):
        some = Role.objects.create(account_id=world.account.pk, name="Some", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=some, is_super_admin=False)


def test_who_may_not_edit_users_does_not_see_them(program_of: Any, world: Any) -> None:
    """R-PERM-11: as the page of users. Owners are colleagues, whom everybody knows."""
    _give(world, {"records": {"*": {"view": "all"}}})
    bob = program_of(user_id=world.bob.pk)
    calls = [
        ("GET", USERS), ("GET", f"{USERS}{world.ada.pk}"), ("GET", f"{USERS}roles"), ("GET", f"{USERS}teams"),
        ("POST", USERS, {"email": "k@x.example"}), ("PUT", f"{USERS}{world.ada.pk}", {}), ("DELETE", f"{USERS}{world.ada.pk}"),
    ]  # fmt: skip

    assert [bob(*call)[0] for call in calls] == [403] * 7
    assert bob("GET", OWNERS)[0] == 200


def test_nobody_gives_more_than_they_have(program_of: Any, program: Any, world: Any) -> None:
    """As on the page: no role that allows more, no change of super admins, and nobody shuts themselves out."""
    _give(world, {"records": {"*": {"view": "all"}}, "capabilities": ["add_edit_users"]})
    Membership.objects.filter(user=world.ada).update(is_super_admin=True)
    bob, admin = program_of(user_id=world.bob.pk), role(program, "Admin")

    assert bob("POST", USERS, {"email": "k@x.example", "roleId": admin})[0] == 403
    assert bob("POST", USERS, {"email": "k@x.example"})[0] == 400
    assert bob("PUT", f"{USERS}{world.grace.pk}", {"roleId": admin})[0] == 403
    assert bob("PUT", f"{USERS}{world.ada.pk}", {"primaryTeamId": None})[0] == 403
    assert bob("DELETE", f"{USERS}{world.ada.pk}")[0] == bob("DELETE", f"{USERS}{world.bob.pk}")[0] == 403
    with account_scope(world.account.pk):
        assert TeamMember.objects.filter(user=world.ada, is_main=True).exists()


def test_scopes(program_of: Any) -> None:
    reader = program_of(scopes=["settings.users.read"])

    assert reader("GET", USERS)[0] == 200
    assert reader("POST", USERS, {"email": "k@x.example"})[0] == reader("GET", OWNERS)[0] == 403
    assert program_of(scopes=["crm.objects.owners.read"])("GET", OWNERS)[0] == 200

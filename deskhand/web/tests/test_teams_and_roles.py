"""Teams and roles in the settings."""

from __future__ import annotations

import pytest

from deskhand.accounts import invitations, policy, queries, roles, teams
from deskhand.accounts.models import AuditEntry, Membership, Role, Team
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Reach, Verb
from deskhand.events.types import SYSTEM
from deskhand.routing import rules
from deskhand.routing.types import Option
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

TEAMS, ROLES = "/settings/teams", "/settings/roles"


@pytest.fixture
def admin(office, sign_in):
    """A super admin."""
    return sign_in(office.world.ada)


def make_team(office, name, **more):
    with office.inside() as world:
        return teams.create(world.account.pk, name, by=SYSTEM, **more)


def team_row(office, team):
    with office.inside() as world:
        return next(row for row in queries.teams(world.account.pk) if row.id == team.pk)


def actions(office):
    with office.inside():
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


# ── teams ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_teams_are_listed_as_a_tree(office, admin):
    """R-TEAM-3"""
    inner = make_team(office, "Alpha nested", parent_id=office.world.team.pk)
    make_team(office, "Billing")

    page = admin.get(TEAMS).content.decode()

    assert page.index("Billing") < page.index(">Support<") < page.index("Alpha nested")
    assert 'data-depth="1">\n' in page
    assert "4 main members" in texts(admin.get(TEAMS))
    assert "1 extra" in texts(admin.get(TEAMS))
    assert "Nobody with a seat" in page  # R-ROUTE-19
    assert inner.parent_id == office.world.team.pk


def test_the_list_asks_as_often_however_many_teams_there_are(office, admin):
    counts = []
    for round in range(2):
        counts.append(queries_of(admin, TEAMS))
        for n in range(5):
            make_team(office, f"Team {round}{n}")
    assert counts[0] == counts[1]


def test_a_team_is_made_renamed_and_nested(office, admin):
    made = admin.post(f"{TEAMS}/create", {"name": " Billing ", "parent": office.world.team.pk})
    url = made.headers["Location"]
    admin.post(f"{url}/save", {"name": "Money", "parent": ""})

    with office.inside():
        team = Team.objects.get(name="Money")
    assert url == f"{TEAMS}/{team.pk}"
    assert team.parent_id is None
    assert actions(office) == ["team.created", "team.updated", "team.updated"]


@pytest.mark.parametrize(
    ("given", "status"),
    [({"name": ""}, 422), ({"name": "x" * 101}, 422), ({"name": "Support"}, 409), ({"name": "New", "parent": "99999"}, 422), ({"name": "\x00"}, 422)],
)  # fmt: skip
def test_a_refused_team_keeps_what_was_typed(office, admin, given, status):
    answer = admin.post(f"{TEAMS}/create", given)

    assert answer.status_code == status
    assert f'value="{given["name"]}"'.replace("\x00", "") in answer.content.decode()
    assert "field-error" in answer.content.decode()
    assert actions(office) == []


def test_a_team_is_not_nested_below_itself(office, admin):
    inner = make_team(office, "Inner", parent_id=office.world.team.pk)
    page = admin.get(f"{TEAMS}/{office.world.team.pk}").content.decode()

    assert f'<option value="{inner.pk}"' not in page
    answer = admin.post(f"{TEAMS}/{office.world.team.pk}/save", {"name": "Other", "parent": inner.pk})
    assert answer.status_code == 422
    assert "nested under itself" in answer.content.decode()
    assert team_row(office, office.world.team).name == "Support"  # nothing of it is saved


def test_members_are_added_moved_and_removed(office, admin):
    """R-TEAM-1"""
    billing, bob, eve = make_team(office, "Billing"), office.world.bob, office.world.eve

    admin.post(f"{TEAMS}/{billing.pk}/members/add", {"user": bob.pk, "kind": "main"})
    admin.post(f"{TEAMS}/{billing.pk}/members/add", {"user": eve.pk, "kind": "extra"})

    row = team_row(office, billing)
    assert (row.main_user_ids, row.extra_user_ids) == ((bob.pk,), (eve.pk,))
    assert bob.pk not in team_row(office, office.world.team).main_user_ids
    assert eve.pk in team_row(office, office.world.team).extra_user_ids

    admin.post(f"{TEAMS}/{billing.pk}/members/add", {"user": bob.pk, "kind": "extra"})
    admin.post(f"{TEAMS}/{billing.pk}/members/{eve.pk}/remove")
    row = team_row(office, billing)
    assert (row.main_user_ids, row.extra_user_ids) == ((), (bob.pk,))
    assert actions(office)[1:] == ["user.teams_changed"] * 4


def test_adding_nobody_is_said_and_strangers_are_not_found(office, neighbour, admin):
    url = f"{TEAMS}/{make_team(office, 'Billing').pk}/members/add"

    answer = admin.post(url, {"user": ""})
    assert answer.status_code == 422
    assert "Choose who is to be added." in answer.content.decode()
    assert admin.post(url, {"user": neighbour.world.bob.pk}).status_code == 404


def test_who_is_only_invited_is_known_by_the_address(office, admin):
    with office.inside() as world:
        invitations.invite(
            world.account.pk, email="mette@x.example", name="Mette Secret", link=lambda *a: "x", by=SYSTEM,
            main_team_id=world.team.pk,
        )  # fmt: skip

    shown = texts(admin.get(f"{TEAMS}/{office.world.team.pk}"))
    assert "mette@x.example" in shown
    assert "Mette Secret" not in shown


def test_before_a_team_is_deleted_it_is_said_what_names_it(office, admin):
    """R-TEAM-5, R-TEAM-3"""
    team = office.world.team
    inner = make_team(office, "Inner", parent_id=team.pk)
    with office.inside() as world:
        rules.set_rule(world.account.pk, world.channel.pk, Option.TEAMS, team_ids=[team.pk], by=SYSTEM)

    shown = texts(admin.get(f"{TEAMS}/{team.pk}/leave"))
    assert "The routing of Support names this team." in shown
    assert "5 people are no longer in it." in shown
    assert "1 team nested in it moves up." in shown
    assert "The routing of" not in texts(admin.get(f"{TEAMS}/{inner.pk}/leave"))

    admin.post(f"{TEAMS}/{team.pk}/delete")
    with office.inside():
        assert [one.name for one in Team.objects.all()] == ["Inner"]
    assert "team.deleted" in actions(office)


def test_a_fallback_counts_as_naming_a_team(office, admin):
    other = make_team(office, "Billing")
    with office.inside() as world:
        teams.add_member(world.account.pk, other.pk, world.eve.pk, is_main=True, by=SYSTEM)
        rules.set_rule(
            world.account.pk, world.channel.pk, Option.CONTACT_OWNER, fallback_team_ids=[other.pk], by=SYSTEM
        )

    assert "The routing of Support names this team." in texts(admin.get(f"{TEAMS}/{other.pk}/leave"))


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def preset(office, key):
    with office.inside():
        return Role.objects.get(account=office.world.account, key=key)


def reach(**more):
    return {"ticket.view": "team", "ticket.edit": "own", "ticket.unassigned": "1", "*.view": "all"} | more


def viewer_with(office, role):
    with office.inside() as world:
        Membership.objects.filter(user=world.bob).update(role=role)
        return policy.viewer_for(world.account.pk, world.bob.pk)


def test_every_capability_has_a_sentence(office, admin):
    from deskhand.accounts.permissions import Capability
    from deskhand.web.people.roles import CAPABILITIES

    assert set(CAPABILITIES) == set(Capability)


def test_roles_are_listed_with_who_has_them(office, admin):
    shown = texts(admin.get(ROLES))

    assert shown.index("Admin") < shown.index("Workflow editor") < shown.index("Light agent")
    assert "4 people" in shown
    assert "1 person" in shown
    assert "Work in the help desk" in shown


def test_a_role_says_what_it_allows_and_it_holds_at_once(office, admin):
    """R-PERM-1, R-PERM-4, R-PERM-5"""
    made = admin.post(
        f"{ROLES}/create",
        reach(name="Half", capabilities=["service_access", "workflow_view"], extra_teams="1"),
    )
    with office.inside():
        role = Role.objects.get(name="Half")
    assert made.headers["Location"] == f"{ROLES}/{role.pk}"
    assert role.permissions == {
        "records": {"ticket": {"view": "team", "edit": "own", "unassigned": True}, "contact": {}, "company": {},
                    "*": {"view": "all"}},
        "capabilities": ["service_access", "workflow_view"],
        "extra_teams": True,
    }  # fmt: skip

    bob = viewer_with(office, role)
    assert policy.visible(bob, "ticket").reach is Reach.TEAM
    assert policy.visible(bob, "ticket", Verb.EDIT).reach is Reach.OWN
    assert policy.visible(bob, "contact").reach is Reach.NONE
    assert policy.visible(bob, "deal").reach is Reach.ALL

    admin.post(f"{ROLES}/{role.pk}/save", reach(name="Half", **{"contact.view": "all"}))
    bob = viewer_with(office, role)
    assert policy.visible(bob, "contact").reach is Reach.ALL
    assert not policy.can(bob, Action.OPEN_HELP_DESK)


def test_what_is_as_for_everything_else_is_kept_once(office, admin):
    same = {f"{kind}.view": "all" for kind in ("ticket", "contact", "company", "*")}

    admin.post(f"{ROLES}/create", same | {"name": "Reader"})

    with office.inside():
        assert Role.objects.get(name="Reader").permissions["records"] == {"*": {"view": "all"}}


def fields_of(client, url):
    """What a browser would send of the form as it stands."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found, self.select = {}, ""

        def handle_starttag(self, tag, attributes):
            given = dict(attributes)
            if tag == "select":
                self.select = given.get("name", "")
            elif tag == "option" and "selected" in given:
                self.found[self.select] = given["value"]
            elif tag == "input" and given.get("type") == "checkbox" and "checked" in given:
                self.found.setdefault(given["name"], []).append(given["value"])
            elif tag == "input" and given.get("type") == "text":
                self.found[given["name"]] = given.get("value", "")

    reader = Reader()
    reader.feed(client.get(url).content.decode())
    return reader.found


@pytest.mark.parametrize("key", ["admin", "workflow_editor", "agent", "light_agent"])
def test_saving_a_role_as_it_stands_changes_nothing(office, admin, key):
    """So nothing is lost on the way through the form."""
    role = preset(office, key)

    admin.post(f"{ROLES}/{role.pk}/save", fields_of(admin, f"{ROLES}/{role.pk}"))

    assert preset(office, key).permissions == role.permissions
    assert actions(office) == []


def test_kinds_that_a_role_names_are_shown(office, admin):
    with office.inside() as world:
        role = roles.create(world.account.pk, "Deals", {"records": {"deal": {"view": "own"}}}, by=SYSTEM)

    admin.post(f"{ROLES}/{role.pk}/save", fields_of(admin, f"{ROLES}/{role.pk}") | {"name": "Dealers"})

    with office.inside():
        assert Role.objects.get(name="Dealers").permissions == {"records": {"deal": {"view": "own"}}}
    page = admin.get(f"{ROLES}/{role.pk}").content.decode()
    assert "Projects" not in page.partition("<main")[2]


@pytest.mark.parametrize(("name", "status"), [("", 422), ("x" * 101, 422), ("Agent", 409)])
def test_a_refused_role_keeps_what_was_chosen(office, admin, name, status):
    for url in (f"{ROLES}/create", f"{ROLES}/{preset(office, 'admin').pk}/save"):
        answer = admin.post(url, reach(name=name, capabilities=["workflow_view"]))

        page = answer.content.decode()
        assert answer.status_code == status
        assert 'value="workflow_view" checked' in page
        assert "field-error" in page
    assert actions(office) == []


def test_nonsense_in_the_form_allows_nothing(office, admin):
    admin.post(f"{ROLES}/create", {"name": "Odd", "ticket.view": "everything", "capabilities": ["root"]})

    with office.inside():
        assert Role.objects.get(name="Odd").permissions == {"records": {}, "capabilities": []}


def test_a_role_is_copied_as_often_as_one_likes(office, admin):
    role = preset(office, "agent")

    for _ in range(2):
        admin.post(f"{ROLES}/{role.pk}/copy")

    with office.inside():
        found = Role.objects.filter(name__startswith="Copy of Agent").order_by("id")
        assert [one.name for one in found] == ["Copy of Agent", "Copy of Agent (2)"]
        assert [one.permissions for one in found] == [role.permissions] * 2


def test_a_role_that_somebody_has_stays(office, admin):
    used, unused = preset(office, "agent"), preset(office, "workflow_editor")

    answer = admin.post(f"{ROLES}/{used.pk}/delete")
    assert answer.status_code == 409
    assert "Somebody has this role" in answer.content.decode()
    assert f"{ROLES}/{used.pk}/delete" not in admin.get(f"{ROLES}/{used.pk}").content.decode()

    admin.post(f"{ROLES}/{unused.pk}/delete")
    assert actions(office) == ["role.deleted"]


def test_only_super_admins_change_roles(office, sign_in):
    """R-PERM-6"""
    office.role(office.world.grace, "admin")
    grace = sign_in(office.world.grace)

    assert grace.get(ROLES).status_code == 403
    assert grace.post(f"{ROLES}/{preset(office, 'admin').pk}/save", reach(name="Mine")).status_code == 403
    assert 'href="/settings/roles"' not in grace.get("/settings/users").content.decode()
    assert 'href="/settings/teams"' in grace.get("/settings/users").content.decode()

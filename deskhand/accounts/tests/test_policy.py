import pytest

from deskhand.accounts import permissions, policy
from deskhand.accounts.models import Account, Membership, Role, Team, TeamMember, User
from deskhand.accounts.policy import Action, can, require, viewer_for, visible
from deskhand.accounts.types import Reach, Verb, Viewer
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Forbidden, Invalid, NotFound


def viewer(
    *, seat: bool = True, super_admin: bool = False, teams: set[int] = frozenset(), **stored
) -> Viewer:
    return Viewer(1, 7, super_admin, seat, permissions.parse(stored), reach_team_ids=frozenset(teams))


def preset(name: str, *, seat: bool = True) -> Viewer:
    return viewer(seat=seat, **permissions.PRESETS[name])


SUPER, SUPER_UNSEATED = viewer(super_admin=True), viewer(super_admin=True, seat=False)
ADMIN = preset("admin")
EDITOR = preset("workflow_editor")
AGENT = preset("agent")
LIGHT = preset("light_agent", seat=False)
ADMIN_WITH_PROPERTIES = viewer(capabilities=["account_access", "property_settings"])
ADMIN_WITHOUT_SEAT = preset("admin", seat=False)
ADMIN_WITH_WORKFLOWS = viewer(capabilities=["account_access", "workflow_edit"])
AGENT_WITH_ACCOUNT_ACCESS = viewer(capabilities=["service_access", "account_access"])


@pytest.mark.parametrize(
    ("action", "may", "may_not"),
    [
        (Action.EDIT_PIPELINES, [SUPER, ADMIN_WITH_PROPERTIES], [ADMIN, EDITOR, AGENT, LIGHT]),
        (Action.EDIT_PROPERTIES, [SUPER, ADMIN_WITH_PROPERTIES], [ADMIN, EDITOR, AGENT, LIGHT]),
        (Action.EDIT_PIPELINE_RULES, [SUPER], [ADMIN, ADMIN_WITH_PROPERTIES, EDITOR, AGENT, LIGHT]),
        (Action.EDIT_SLAS, [SUPER], [ADMIN, EDITOR, AGENT, LIGHT]),
        (Action.EDIT_SKILLS, [SUPER], [ADMIN, EDITOR, AGENT, LIGHT]),
        (Action.EDIT_LANES, [SUPER, ADMIN], [EDITOR, AGENT, LIGHT]),
        (Action.EDIT_OBJECT_AUTOMATION, [SUPER, EDITOR, ADMIN_WITH_WORKFLOWS], [ADMIN, AGENT, LIGHT]),
        (Action.EDIT_WORKFLOWS, [SUPER, EDITOR, ADMIN_WITH_WORKFLOWS], [ADMIN, AGENT, LIGHT]),
        (Action.CONNECT_CHANNELS, [SUPER, ADMIN, AGENT_WITH_ACCOUNT_ACCESS], [EDITOR, AGENT, LIGHT]),
        (Action.EDIT_ROUTING, [SUPER, ADMIN, AGENT_WITH_ACCOUNT_ACCESS], [EDITOR, AGENT, LIGHT, ADMIN_WITHOUT_SEAT]),
        (Action.REPLY, [SUPER, ADMIN, AGENT, LIGHT], [EDITOR]),
        (Action.TAKE_ASSIGNMENTS, [SUPER, ADMIN, EDITOR, AGENT], [SUPER_UNSEATED, ADMIN_WITHOUT_SEAT, LIGHT]),
        (Action.SEE_ALL_VIEWS, [SUPER, SUPER_UNSEATED, ADMIN, AGENT], [EDITOR, LIGHT]),
        (Action.EDIT_TASK_QUEUES, [SUPER, SUPER_UNSEATED, ADMIN, AGENT], [ADMIN_WITHOUT_SEAT, LIGHT, EDITOR]),
        (Action.EDIT_SEGMENTS, [SUPER, SUPER_UNSEATED, ADMIN, EDITOR, AGENT], [ADMIN_WITHOUT_SEAT, LIGHT]),
        (Action.EDIT_CUSTOM_VIEWS, [SUPER, ADMIN, AGENT], [SUPER_UNSEATED, EDITOR, LIGHT]),
    ],
)  # fmt: skip
def test_the_capability_table_holds(action: Action, may: list[Viewer], may_not: list[Viewer]):
    """R-PERM-14, R-PERM-6 to R-PERM-13, R-SEAT-1, R-ROUTE-10."""
    assert all(can(one, action) for one in may)
    assert not any(can(one, action) for one in may_not)


def test_every_action_has_a_rule():
    assert set(policy.RULES) == set(Action)


@pytest.mark.parametrize("capability", list(permissions.Capability))
def test_each_capability_opens_something_that_is_closed_without_it(capability: str):
    opened = {action for action in Action if can(viewer(capabilities=[capability]), action)}

    assert opened - {action for action in Action if can(viewer(), action)}


def test_availability_of_others_takes_its_permission():
    """R-AVAIL-11, R-PERM-10."""
    assert can(viewer(capabilities=["availability_management"]), "availability.change_of_others")
    assert not can(AGENT, "availability.change_of_others")


def test_pipeline_rules_are_passed_by_super_admins_and_property_editors_only():
    """R-RULE-4."""
    assert can(SUPER, Action.BYPASS_PIPELINE_RULES)
    assert can(viewer(capabilities=["property_settings"]), Action.BYPASS_PIPELINE_RULES)
    assert not can(ADMIN, Action.BYPASS_PIPELINE_RULES)


def test_require_refuses_in_words():
    require(SUPER, Action.EDIT_SLAS)
    with pytest.raises(Forbidden, match="permission"):
        require(AGENT, Action.EDIT_SLAS)


def test_an_action_that_does_not_exist_is_an_error_and_not_a_refusal():
    with pytest.raises(ValueError, match="paint"):
        can(SUPER, "slas.paint")


def test_t_perm_1_without_the_unassigned_box_tickets_without_owner_are_hidden():
    """T-PERM-1, R-PERM-1."""
    without = visible(viewer(teams={3}, records={"ticket": {"view": "team"}}), "ticket")
    ticked = visible(viewer(teams={3}, records={"ticket": {"view": "team", "unassigned": True}}), "ticket")

    assert not without.allows(None)
    assert ticked.allows(None)


@pytest.mark.parametrize(
    ("reach", "own", "of_team", "of_others"),
    [("all", True, True, True), ("team", True, True, False), ("own", True, False, False), ("none", False, False, False)],
)  # fmt: skip
def test_a_reach_goes_as_far_as_it_says(reach: str, own: bool, of_team: bool, of_others: bool):
    """R-PERM-1."""
    seen = visible(viewer(teams={3}, records={"ticket": {"view": reach}}), "ticket")

    assert seen.allows(7) is own
    assert seen.allows(8, [3]) is of_team
    assert seen.allows(8, [4]) is of_others


def test_what_is_not_named_is_not_allowed():
    """R-PERM-5."""
    assert visible(viewer(), "ticket").reach is Reach.NONE
    assert visible(viewer(records={"ticket": {"view": "all"}}), "ticket", Verb.DELETE).reach is Reach.NONE
    assert visible(viewer(records={"ticket": {"view": "all"}}), "deal").reach is Reach.NONE


def test_nobody_changes_what_they_can_not_see():
    role = {"ticket": {"view": "own", "edit": "all"}}

    assert visible(viewer(records=role), "ticket", Verb.EDIT).reach is Reach.OWN


def test_a_star_stands_for_the_types_not_named():
    role = {"*": {"view": "all"}, "deal": {"view": "own"}}

    assert visible(viewer(records=role), "contact").reach is Reach.ALL
    assert visible(viewer(records=role), "deal").reach is Reach.OWN


def test_super_admins_reach_everything():
    """R-PERM-6."""
    assert visible(SUPER, "ticket", Verb.DELETE).reach is Reach.ALL


def test_names_of_tables_only_are_taken_as_alias():
    with pytest.raises(ValueError, match="not the name"):
        visible(AGENT, "ticket").sql("t; drop table x")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rows": {}}, "permissions"),
        ({"capabilities": ["superpowers"]}, "capabilities"),
        ({"records": {"ticket": {"watch": "all"}}}, "ticket"),
        ({"records": {"ticket": {"view": "most"}}}, "ticket.view"),
        ({"records": {"ticket": {"view": True}}}, "ticket.view"),
        ({"records": {"ticket": {"view": "own", "unassigned": "yes"}}}, "ticket.unassigned"),
    ],
)
def test_a_role_with_a_mistake_is_refused_by_name(given: dict, field: str):
    with pytest.raises(Invalid) as refused:
        permissions.check(given)

    assert refused.value.field == field


@pytest.mark.parametrize("name", list(permissions.PRESETS))
def test_the_presets_are_well_formed(name: str):
    permissions.check(permissions.PRESETS[name])


# ── loading a viewer ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ada(db) -> Membership:
    account = Account.objects.create(slug="nordlys", name="Nordlys")
    user = User.objects.create(username="ada", email="ada@nordlys.example", name="Ada Lovelace")
    with account_scope(account.pk):
        stored = {"records": {"ticket": {"view": "team"}}, "capabilities": ["account_access"]}
        role = Role.objects.create(account=account, name="Support", permissions=stored)
        member = Membership.objects.create(account=account, user=user, role=role)
        top = Team.objects.create(account=account, name="Support")
        below = Team.objects.create(account=account, name="Second line", parent=top)
        Team.objects.create(account=account, name="Night", parent=below)
        extra = Team.objects.create(account=account, name="Billing")
        Team.objects.create(account=account, name="Dunning", parent=extra)
        TeamMember.objects.create(account=account, team=top, user=user, is_main=True)
        TeamMember.objects.create(account=account, team=extra, user=user, is_main=False)
    return member


def names(account_id: int, ids: frozenset[int]) -> set[str]:
    with account_scope(account_id):
        return set(Team.objects.filter(id__in=ids).values_list("name", flat=True))


def test_a_viewer_brings_role_seat_and_teams_in_one_query(ada, django_assert_num_queries):
    with account_scope(ada.account_id), django_assert_num_queries(1):
        seen = viewer_for(ada.account_id, ada.user_id)

    assert can(seen, Action.EDIT_LANES)
    assert seen.has_seat
    assert names(ada.account_id, frozenset({seen.main_team_id})) == {"Support"}
    assert names(ada.account_id, seen.extra_team_ids) == {"Billing"}


def test_the_team_reach_counts_the_main_team_and_those_below_it(ada):
    """R-TEAM-3, R-TEAM-4."""
    seen = viewer_for(ada.account_id, ada.user_id)

    assert names(ada.account_id, seen.reach_team_ids) == {"Support", "Second line", "Night"}


def test_the_team_reach_counts_extra_teams_where_the_role_says_so(ada):
    """R-TEAM-4."""
    with account_scope(ada.account_id):
        ada.role.permissions["extra_teams"] = True
        ada.role.save(update_fields=["permissions"])

    seen = viewer_for(ada.account_id, ada.user_id)

    assert names(ada.account_id, seen.reach_team_ids) == {
        "Support",
        "Second line",
        "Night",
        "Billing",
        "Dunning",
    }


def test_a_changed_role_holds_from_the_next_look(ada):
    """R-PERM-4."""
    assert can(viewer_for(ada.account_id, ada.user_id), Action.EDIT_LANES)

    with account_scope(ada.account_id):
        Role.objects.update(permissions={})

    assert not can(viewer_for(ada.account_id, ada.user_id), Action.EDIT_LANES)


def test_a_member_without_a_role_may_nothing(ada):
    ada.role = None
    ada.save(update_fields=["role"])

    assert visible(viewer_for(ada.account_id, ada.user_id), "ticket").reach is Reach.NONE


def test_a_stranger_a_deactivated_member_and_a_deactivated_user_are_no_viewers(ada):
    other = Account.objects.create(slug="other", name="Other")
    with pytest.raises(NotFound):
        viewer_for(other.pk, ada.user_id)

    Membership.objects.update(is_active=False)
    with pytest.raises(NotFound):
        viewer_for(ada.account_id, ada.user_id)

    Membership.objects.update(is_active=True)
    User.objects.update(is_active=False)
    with pytest.raises(NotFound):
        viewer_for(ada.account_id, ada.user_id)


# ── giving it to others ──────────────────────────────────────────────────────────────────────────────────────────────

HALF = {"records": {"*": {"view": "team", "edit": "own"}}, "capabilities": ["service_access"]}


@pytest.mark.parametrize(
    ("given", "is_allowed"),
    [
        (HALF, True),
        ({}, True),
        ({"records": {"*": {"view": "own"}}}, True),
        ({"records": {"*": {"view": "all"}}}, False),
        ({"records": {"*": {"view": "team", "delete": "own"}}}, False),
        ({"records": {"*": {"view": "team"}, "2-7": {"view": "all"}}}, False),
        ({"records": {"*": {"view": "team", "unassigned": True}}}, False),
        ({"capabilities": ["service_access", "workflow_edit"]}, False),
        ({**HALF, "extra_teams": True}, False),
    ],
)
def test_nobody_gives_away_more_than_they_have(given, is_allowed):
    """R-PERM-14"""
    half = Viewer(1, 1, False, True, permissions.parse(HALF))
    boss = Viewer(1, 2, True, True, permissions.parse({}))

    assert policy.may_give(half, permissions.parse(given)) is is_allowed
    assert policy.may_give(boss, permissions.parse(given))


def test_what_is_kept_for_one_kind_counts_for_it():
    """Who sees all tickets but only their own of everything else gives away just that."""
    mixed = Viewer(
        1, 1, False, True, permissions.parse({"records": {"ticket": {"view": "all"}, "*": {"view": "own"}}})
    )

    assert policy.may_give(mixed, permissions.parse({"records": {"ticket": {"view": "all"}}}))
    assert not policy.may_give(mixed, permissions.parse({"records": {"*": {"view": "all"}}}))
    assert not policy.may_give(
        mixed, permissions.parse({"records": {"ticket": {"view": "all"}, "*": {"view": "team"}}})
    )


def test_who_reaches_all_reaches_what_is_nobodys():
    wide = Viewer(1, 1, False, True, permissions.parse({"records": {"*": {"view": "all"}}}))

    assert policy.may_give(wide, permissions.parse({"records": {"*": {"view": "team", "unassigned": True}}}))

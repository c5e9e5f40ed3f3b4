import pytest
from django.db import IntegrityError, connection, transaction

from deskhand.accounts import accounts, plans
from deskhand.accounts.models import Account, AuditEntry, Membership, Plan, Role, Team, TeamMember
from deskhand.accounts.plans import Feature, has_feature
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid


def test_a_new_account_has_everything_and_the_roles_of_the_capability_table(account, scope):
    """R-TIER-1, R-PERM-14. What is risky no plan brings: the account switches it on."""
    assert {feature for feature in Feature if not has_feature(account, feature)} == plans.OPT_IN
    assert set(Role.objects.values_list("key", "name")) == {
        ("admin", "Admin"),
        ("workflow_editor", "Workflow editor"),
        ("agent", "Agent"),
        ("light_agent", "Light agent"),
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", ""), ("slug", "Nordlys"), ("slug", "-nordlys"), ("slug", "a" * 64), ("slug", "nord lys"),
        ("name", ""), ("name", "n" * 201), ("zone", "Oslo"), ("locale", "xx"), ("plan", "gold"),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_taken_is_named_with_what_is_allowed(db, field: str, value: str):
    with pytest.raises(Invalid) as refused:
        accounts.create(**{"slug": "nordlys", "name": "Nordlys", field: value})

    assert (refused.value.field, refused.value.value) == (field, value)
    assert refused.value.hint


def test_a_slug_is_given_once(account):
    with pytest.raises(Conflict, match="nordlys"):
        accounts.create(slug="nordlys", name="Another")

    assert Account.objects.count() == 1


def test_a_change_of_plan_takes_features_away_at_once(account, by_ada):
    """R-TIER-1."""
    accounts.update(account.pk, plan="starter", by=by_ada)

    assert Feature.ROUTING not in plans.features_of(account.pk)
    assert Feature.STATUS_FROM_EMAILS in plans.features_of(account.pk)


def test_a_feature_that_does_not_exist_can_not_be_switched(account, by_ada):
    with pytest.raises(Invalid, match="telepathy"):
        accounts.update(account.pk, features={"telepathy": True}, by=by_ada)


@pytest.mark.parametrize(
    ("feature", "starts_with"),
    [
        ("tickets_from_channels", "free"), ("close_date", "free"), ("working_hours", "free"),
        ("status_from_emails", "starter"), ("lane_emails", "starter"), ("extra_ticket_pipelines", "starter"),
        ("assigned_teams", "starter"), ("lane_actions", "professional"), ("pipeline_rules", "professional"),
        ("routing", "professional"), ("sla", "professional"), ("round_robin", "professional"),
        ("capacity", "professional"), ("out_of_office", "professional"), ("customer_agent", "professional"),
        ("custom_object_automation", "enterprise"), ("sla_by_properties", "enterprise"), ("skills", "enterprise"),
        ("spaces", "enterprise"), ("default_notifications", "enterprise"), ("webhooks", "everything"),
        ("lane_custom_emails", "everything"), ("random_split", "free"),
    ],
)  # fmt: skip
def test_t_stat_14_a_feature_starts_with_its_plan(feature: str, starts_with: str):
    """R-TIER-1, T-STAT-14."""
    order = ["free", "starter", "professional", "enterprise", "everything"]

    with_it = [plan for plan in order if feature in plans.features(plan, {})]

    assert with_it == order[order.index(starts_with) :]


def test_a_switch_of_the_account_wins_over_its_plan():
    assert Feature.SKILLS in plans.features("free", {"skills": True})
    assert Feature.SKILLS not in plans.features("everything", {"skills": False})


@pytest.mark.parametrize("plan", Plan)
@pytest.mark.parametrize("switch", [None, True, False])
def test_a_query_reads_features_as_they_are(account, by_ada, plan, switch):
    """R-TIER-1: the condition in SQL says what `features_of` says."""
    switches = {} if switch is None else {Feature.CAPACITY.value: switch, Feature.SKILLS.value: switch}
    accounts.update(account.pk, by=by_ada, plan=plan, features=switches)

    for feature in (Feature.CAPACITY, Feature.SKILLS, Feature.CUSTOM_CODE):
        found = sql.row(f"select {plans.has_in_sql(feature, '%s')}", [account.pk])
        assert found == (feature in plans.features_of(account.pk),)


def test_a_feature_nobody_knows_is_an_error(account):
    with pytest.raises(ValueError, match="telepathy"):
        has_feature(account, "telepathy")


# ── the walls ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_teams_and_roles_of_another_account_are_not_there(account, ada):
    """S9: the database itself hides them, and all of them where no account is named."""
    other = accounts.create(slug="other", name="Other")
    with account_scope(account.pk):
        Team.objects.create(account=account, name="Support")

    assert not Team.objects.exists()
    with account_scope(other.pk):
        assert not Team.objects.exists()
        assert not Role.objects.exclude(account_id=other.pk).exists()
    with account_scope(account.pk):
        assert Team.objects.count() == 1


@pytest.fixture
def strangers_team(account) -> Team:
    other = accounts.create(slug="other", name="Other")
    with account_scope(other.pk):
        return Team.objects.create(account=other, name="Support")


@pytest.fixture
def checked_at_once(db) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")


def test_nobody_can_be_put_in_a_team_of_another_account(account, ada, strangers_team, checked_at_once, scope):
    """S9: a constraint, not only a check."""
    with pytest.raises(IntegrityError, match="team_member_same_account"), transaction.atomic():
        TeamMember.objects.create(account=account, team_id=strangers_team.pk, user=ada)


def test_nobody_can_get_a_role_of_another_account(account, ada, checked_at_once):
    other = accounts.create(slug="other", name="Other")
    with account_scope(other.pk):
        role = Role.objects.first()

    with pytest.raises(IntegrityError, match="membership_role_same_account"), transaction.atomic():
        Membership.objects.filter(account=account, user=ada).update(role_id=role.pk)


def test_nobody_can_be_in_a_team_without_being_a_member(account, strangers_team, ada, checked_at_once):
    with account_scope(strangers_team.account_id):
        with pytest.raises(IntegrityError, match="team_member_is_member"), transaction.atomic():
            TeamMember.objects.create(account_id=strangers_team.account_id, team=strangers_team, user=ada)


def test_each_account_has_an_audit_of_its_own(account, ada, bob):
    """S9."""
    other = accounts.create(slug="other", name="Other")

    with account_scope(other.pk):
        assert list(AuditEntry.objects.values_list("number", "action")) == [(1, "account.created")]
    with account_scope(account.pk):
        assert list(AuditEntry.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]

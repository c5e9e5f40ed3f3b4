import pytest

from deskhand.accounts import queries, teams
from deskhand.accounts.models import Team, TeamMember
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.usefixtures("scope")


def names_in(account, user) -> tuple[str | None, list[str]]:
    found = TeamMember.objects.filter(user=user).values_list("team__name", "is_main").order_by("team__name")
    return next((name for name, is_main in found if is_main), None), [
        n for n, is_main in found if not is_main
    ]


@pytest.fixture
def support(account) -> Team:
    return teams.create(account.pk, "Support", by=SYSTEM)


@pytest.fixture
def billing(account) -> Team:
    return teams.create(account.pk, "Billing", by=SYSTEM)


def test_a_user_has_one_main_team_and_extra_ones(account, ada, support, billing, by_ada):
    """R-TEAM-1."""
    teams.set_teams_of(account.pk, ada.pk, main_id=support.pk, extra_ids=[billing.pk], by=by_ada)
    assert names_in(account, ada) == ("Support", ["Billing"])

    teams.set_teams_of(account.pk, ada.pk, main_id=billing.pk, by=by_ada)
    assert names_in(account, ada) == ("Billing", [])

    teams.set_teams_of(account.pk, ada.pk, main_id=None, by=by_ada)
    assert names_in(account, ada) == (None, [])


def test_a_team_is_main_or_extra_and_not_both(account, ada, support, by_ada):
    """R-TEAM-1."""
    with pytest.raises(Invalid):
        teams.set_teams_of(account.pk, ada.pk, main_id=support.pk, extra_ids=[support.pk], by=by_ada)


def test_the_database_keeps_a_second_main_team_out(account, ada, support, billing):
    """R-TEAM-1."""
    from django.db import IntegrityError, transaction

    TeamMember.objects.create(account=account, team=support, user=ada)
    with pytest.raises(IntegrityError, match="one_main_team"), transaction.atomic():
        TeamMember.objects.create(account=account, team=billing, user=ada)


def test_teams_of_another_account_and_strangers_are_not_found(account, ada, bob, support, by_ada, db):
    """S9."""
    with pytest.raises(NotFound):
        teams.set_teams_of(account.pk, ada.pk, main_id=support.pk + 10_000, by=by_ada)
    with pytest.raises(NotFound):
        teams.set_teams_of(account.pk, ada.pk + 10_000, main_id=support.pk, by=by_ada)
    with pytest.raises(NotFound):
        teams.rename(account.pk, support.pk + 10_000, "X", by=by_ada)


def test_teams_nest_but_never_in_a_circle(account, support, by_ada):
    """R-TEAM-3."""
    second = teams.create(account.pk, "Second line", parent_id=support.pk, by=by_ada)
    third = teams.create(account.pk, "Third line", parent_id=second.pk, by=by_ada)

    with pytest.raises(Invalid, match="under itself"):
        teams.move(account.pk, support.pk, parent_id=third.pk, by=by_ada)
    with pytest.raises(Invalid, match="under itself"):
        teams.move(account.pk, support.pk, parent_id=support.pk, by=by_ada)

    teams.move(account.pk, third.pk, parent_id=None, by=by_ada)
    teams.move(account.pk, support.pk, parent_id=third.pk, by=by_ada)
    assert Team.objects.get(pk=support.pk).parent_id == third.pk


def test_teams_below_a_deleted_one_move_up_and_its_members_stay_members(account, ada, support, by_ada):
    """R-TEAM-5."""
    second = teams.create(account.pk, "Second line", parent_id=support.pk, by=by_ada)
    third = teams.create(account.pk, "Third line", parent_id=second.pk, by=by_ada)
    teams.set_teams_of(account.pk, ada.pk, main_id=second.pk, by=by_ada)

    teams.delete(account.pk, second.pk, by=by_ada)

    assert Team.objects.get(pk=third.pk).parent_id == support.pk
    assert queries.find_member(account.pk, ada.pk).main_team_id is None


def test_two_teams_can_not_have_one_name(account, support, billing, by_ada):
    with pytest.raises(Conflict, match="Support"):
        teams.rename(account.pk, billing.pk, "Support", by=by_ada)


@pytest.mark.parametrize("name", ["", "  ", "n" * 101])
def test_a_team_needs_a_name(account, name: str, by_ada):
    with pytest.raises(Invalid):
        teams.create(account.pk, name, by=by_ada)

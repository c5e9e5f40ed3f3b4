import threading

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.db import IntegrityError, connection, transaction

from deskhand.accounts import accounts, queries, roles, sessions, teams, users
from deskhand.accounts.models import Membership, User
from deskhand.accounts.policy import Action, can, viewer_for
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound

PASSWORD = "correct horse battery"


def test_an_address_is_one_person_however_it_is_written(ada):
    """S11."""
    with pytest.raises(Conflict):
        users.create(email=" ADA@Nordlys.Example ", name="Another Ada")

    assert users.find_by_email("Ada@NORDLYS.example") == ada


@pytest.mark.parametrize(
    "email", ["", " ", "ada", "ada@", "@nordlys.example", "ada@nordlys", "a b@nordlys.example"]
)
def test_what_is_no_address_is_refused(db, email: str):
    """S11."""
    with pytest.raises(Invalid) as refused:
        users.create(email=email, name="Ada")

    assert refused.value.field == "email"


@pytest.mark.parametrize(
    "values", [{"email": "ADA@x.example"}, {"username": "ada@x.example"}, {"username": "Ada"}, {"email": ""}]
)
def test_the_database_refuses_names_that_would_be_ambiguous_at_sign_in(ada, values: dict):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ada.pk).update(**values)


def test_user_names_are_made_from_the_address_and_never_twice(db):
    made = [
        users.create(email=f"Ada.L+x@{host}.example", name="Ada").username for host in ("one", "two", "three")
    ]

    assert made == ["ada.l-x", "ada.l-x-2", "ada.l-x-3"]


def test_an_address_without_letters_still_gets_a_user_name(db):
    assert users.create(email="__@nordlys.example", name="Nobody").username == "user"


def test_a_weak_password_is_refused_in_words(db):
    with pytest.raises(Invalid, match="10 characters"):
        users.create(email="ada@nordlys.example", name="Ada", password="short")

    assert not User.objects.exists()


def test_names_sort_alike_whatever_their_case_and_marks(db):
    assert sorted(["Øystein", "éva", "Zoe", "Eva", "eve"], key=users.sort_key) == [
        "Eva",
        "éva",
        "eve",
        "Zoe",
        "Øystein",
    ]


def test_a_member_without_a_role_given_becomes_an_agent_or_a_light_agent(account, ada, bob):
    """R-PERM-14."""
    nils = users.create(email="nils@nordlys.example", name="Nils Bohr")
    users.add_to_account(account.pk, nils.pk, has_seat=False)

    assert can(viewer_for(account.pk, bob.pk), Action.TAKE_ASSIGNMENTS)
    assert can(viewer_for(account.pk, nils.pk), Action.REPLY)
    assert not can(viewer_for(account.pk, nils.pk), Action.TAKE_ASSIGNMENTS)


def test_a_user_is_a_member_once(account, bob):
    with pytest.raises(Conflict):
        users.add_to_account(account.pk, bob.pk)


def test_a_lost_seat_ends_new_assignments_and_nothing_else(account, ada, bob, by_ada):
    """R-SEAT-2."""
    users.set_seat(account.pk, bob.pk, has_seat=False, by=by_ada)

    seen = viewer_for(account.pk, bob.pk)
    assert not can(seen, Action.TAKE_ASSIGNMENTS)
    assert can(seen, Action.REPLY)


def test_a_role_of_another_account_can_not_be_given(account, ada, bob, by_ada):
    """S9."""
    other = accounts.create(slug="other", name="Other")
    with account_scope(other.pk):
        stranger = roles.preset(other.pk, "admin")

    with pytest.raises(NotFound):
        users.set_role(account.pk, bob.pk, role_id=stranger.pk, by=by_ada)


def test_the_last_super_admin_can_neither_leave_nor_step_down(account, ada, bob, by_ada):
    with pytest.raises(Conflict, match="super admin"):
        users.deactivate(account.pk, ada.pk, by=by_ada)
    with pytest.raises(Conflict, match="super admin"):
        users.set_super_admin(account.pk, ada.pk, is_super_admin=False, by=by_ada)

    users.set_super_admin(account.pk, bob.pk, is_super_admin=True, by=by_ada)
    users.deactivate(account.pk, ada.pk, by=by_ada)

    assert viewer_for(account.pk, bob.pk).is_super_admin


def test_a_role_in_use_is_not_deleted(account, ada, bob, by_ada, scope):
    role = roles.preset(account.pk, "agent")

    with pytest.raises(Conflict, match="role"):
        roles.delete(account.pk, role.pk, by=by_ada)

    users.set_role(account.pk, bob.pk, role_id=None, by=by_ada)
    users.set_role(account.pk, ada.pk, role_id=None, by=by_ada)
    roles.delete(account.pk, role.pk, by=by_ada)
    assert roles.preset(account.pk, "agent") is None


def test_a_role_is_changed_for_everybody_who_has_it(account, ada, bob, by_ada, scope):
    """R-PERM-4."""
    role = roles.preset(account.pk, "agent")

    roles.update(account.pk, role.pk, given={"capabilities": ["workflow_edit"]}, by=by_ada)

    assert can(viewer_for(account.pk, bob.pk), Action.EDIT_WORKFLOWS)
    assert not can(viewer_for(account.pk, bob.pk), Action.REPLY)


def test_two_roles_can_not_have_one_name(account, by_ada, scope):
    with pytest.raises(Conflict, match="Agent"):
        roles.create(account.pk, " Agent ", {}, by=by_ada)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_two_super_admins_who_leave_at_once_one_stays():
    account = accounts.create(slug="nordlys", name="Nordlys")
    pair = [users.create(email=f"{name}@nordlys.example", name=name) for name in ("ada", "grace")]
    for user in pair:
        users.add_to_account(account.pk, user.pk, is_super_admin=True)
    start, refused = threading.Barrier(2), []

    def leave(user: User) -> None:
        start.wait()
        try:
            users.deactivate(account.pk, user.pk, by=Actor.user(user.pk))
        except Conflict:
            refused.append(user)
        finally:
            connection.close()

    threads = [threading.Thread(target=leave, args=[user]) for user in pair]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert len(refused) == 1
    assert Membership.objects.filter(is_super_admin=True, is_active=True).count() == 1


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def session_of(user: User) -> dict:
    user.refresh_from_db()
    return {SESSION_KEY: str(user.pk), HASH_SESSION_KEY: user.get_session_auth_hash()}


def test_a_new_password_ends_every_session(account, ada):
    """S13."""
    before = session_of(ada)

    users.set_password(ada, "another long password")

    assert sessions.is_over(before, account.pk)
    assert not sessions.is_over(session_of(ada), account.pk)


def test_a_deactivated_user_is_out_at_once_and_in_again_only_after_signing_in(account, ada, bob, by_ada):
    """S13."""
    before = session_of(bob)

    users.deactivate(account.pk, bob.pk, by=by_ada)
    assert sessions.is_over(before, account.pk)
    assert sessions.membership({}, bob.pk) is None

    users.reactivate(account.pk, bob.pk, by=by_ada)
    assert sessions.is_over(before, account.pk)
    assert not sessions.is_over(session_of(bob), account.pk)


def test_a_session_without_anybody_is_over(account):
    assert sessions.is_over({}, account.pk)


def test_a_session_works_in_the_first_account_until_another_is_chosen(
    account, bob, django_assert_num_queries
):
    other = accounts.create(slug="other", name="Other")
    users.add_to_account(other.pk, bob.pk)
    session: dict = {}

    with django_assert_num_queries(1):
        assert sessions.membership(session, bob.pk).account == account
    sessions.choose(session, bob.pk, other.pk)
    assert sessions.membership(session, bob.pk).account == other


def test_a_session_falls_back_when_its_account_is_lost(account, bob):
    other = accounts.create(slug="other", name="Other")
    users.add_to_account(other.pk, bob.pk)
    session = {sessions.ACCOUNT_KEY: other.pk}

    Membership.objects.filter(account=other).update(is_active=False)

    assert sessions.membership(session, bob.pk).account == account


def test_nobody_chooses_an_account_of_others(account, bob):
    """S9."""
    other = accounts.create(slug="other", name="Other")

    with pytest.raises(NotFound):
        sessions.choose({}, bob.pk, other.pk)


# ── who is here ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("people", [2, 20])
def test_members_and_teams_are_read_with_one_query_however_many(
    account, people: int, scope, django_assert_num_queries
):
    team = teams.create(account.pk, "Support", by=SYSTEM)
    for number in range(people):
        user = users.create(email=f"user{number}@nordlys.example", name=f"User {number:02}")
        users.add_to_account(account.pk, user.pk, has_seat=number != 0)
        teams.set_teams_of(account.pk, user.pk, main_id=team.pk, by=SYSTEM)

    with django_assert_num_queries(1):
        members = queries.members(account.pk)
    with django_assert_num_queries(1):
        assert len(queries.seated_members(account.pk)) == people - 1
    with django_assert_num_queries(1):
        support = queries.teams(account.pk)[0]

    assert [one.name for one in members] == [f"User {number:02}" for number in range(people)]
    assert {one.main_team_id for one in members} == {team.pk}
    assert support.main_user_ids == tuple(one.user_id for one in members)
    assert support.seated_user_ids == support.main_user_ids[1:]


def test_members_of_two_accounts_are_told_apart(account, bob, by_ada):
    """S9."""
    other = accounts.create(slug="other", name="Other")
    users.add_to_account(other.pk, bob.pk, has_seat=False)
    with account_scope(other.pk):
        there = teams.create(other.pk, "There", by=SYSTEM)
        teams.set_teams_of(other.pk, bob.pk, main_id=there.pk, by=SYSTEM)

    with account_scope(account.pk):
        here = queries.find_member(account.pk, bob.pk)

    assert here.has_seat
    assert here.main_team_id is None

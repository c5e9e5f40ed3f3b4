"""Inviting people by mail: the link lets one in, once, and nothing is there of who has not joined."""

from datetime import timedelta

import pytest

from deskhand.accounts import invitations, policy, queries, teams, users
from deskhand.accounts.models import AuditEntry, Membership, User
from deskhand.accounts.queries import Standing
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound

PASSWORD = "correct horse battery"


def link(member_id, signature):
    return f"https://desk.example/{member_id}/{signature}"


@pytest.fixture
def invite(account, by_ada, scope):
    def act(email="mette@nordlys.example", **more):
        values = {"name": "Mette Krogh", "link": link, "by": by_ada} | more
        return invitations.invite(account.pk, email=email, **values)

    return act


def mailed():
    """Member and signature of the newest mail's link."""
    text = OutboxEntry.objects.order_by("-id").first().payload["text"]
    found = text.split("https://desk.example/")[1].split()[0].split("/")
    return int(found[0]), found[1]


def join(password=PASSWORD, now=None):
    return invitations.accept(*mailed(), password=password, now=now or clock.now())


def test_who_is_invited_gets_a_mail_and_is_not_in_yet(account, invite):
    member = invite()

    entry = OutboxEntry.objects.get()
    assert entry.recipients == ["mette@nordlys.example"]
    assert "Ada Lovelace invited you to the help desk of Nordlys." in entry.payload["text"]
    assert not member.is_active
    assert member.user_id not in [one.user_id for one in queries.seated_members(account.pk)]  # R-ROT-4
    with pytest.raises(NotFound):
        policy.viewer_for(account.pk, member.user_id)


def test_the_link_lets_in_once(account, invite):
    member = invite()
    asked = mailed()

    user = join()

    assert user.check_password(PASSWORD)
    assert policy.viewer_for(account.pk, user.pk).has_seat
    assert AuditEntry.objects.filter(action="user.joined", actor_id=user.pk).exists()
    assert queries.person(account.pk, member.user_id).standing is Standing.ACTIVE
    with pytest.raises(NotFound):
        invitations.accept(*asked, password="another good password", now=clock.now())
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_a_weak_password_lets_nobody_in(account, invite):
    member = invite()

    with pytest.raises(Invalid):
        join("short")

    member.refresh_from_db()
    assert not member.is_active


@pytest.mark.parametrize("days", [7, 8])
def test_a_link_is_good_for_seven_days(invite, days):
    invite()

    with pytest.raises(NotFound):
        join(now=clock.now() + timedelta(days=days))
    assert join(now=clock.now() + timedelta(days=7, minutes=-1))


def test_a_link_for_one_is_none_for_another(invite):
    first = invite()
    _member, first_signature = mailed()
    second = invite("per@nordlys.example")

    for member, signature in ((second, first_signature), (first, "x"), (first, "")):
        with pytest.raises(NotFound):
            invitations.find(member.pk, signature, clock.now())


def test_a_new_link_ends_the_former(account, invite, by_ada):
    member = invite()
    former = mailed()

    Membership.objects.filter(pk=member.pk).update(invited_at=clock.now() - timedelta(days=6))
    invitations.send_again(account.pk, member.user_id, link=link, by=by_ada)

    with pytest.raises(NotFound):
        invitations.find(*former, clock.now())
    assert invitations.find(*mailed(), clock.now()).pk == member.pk
    assert AuditEntry.objects.filter(action="user.invited_again").count() == 1


def test_what_is_withdrawn_leaves_nothing(account, invite, by_ada):
    team = teams.create(account.pk, "Support", by=by_ada)
    member = invite(main_team_id=team.pk)
    asked = mailed()

    invitations.withdraw(account.pk, member.user_id, by=by_ada)

    assert not User.objects.filter(email="mette@nordlys.example").exists()
    assert queries.teams(account.pk)[0].main_user_ids == ()
    with pytest.raises(NotFound):
        invitations.find(*asked, clock.now())
    noted = AuditEntry.objects.get(action="user.invitation_withdrawn")
    assert noted.before == {"email": "mette@nordlys.example"}
    invite()  # the address is free again


def test_who_is_known_elsewhere_keeps_name_and_password(account, invite, by_ada):
    known = users.create(email="mette@nordlys.example", name="Mette K", password=PASSWORD)
    member = invite()

    assert not invitations.needs_password(invitations.find(*mailed(), clock.now()))
    join("another good password")

    known.refresh_from_db()
    assert known.check_password(PASSWORD)
    assert known.name == "Mette K"
    assert member.user_id == known.pk


def test_withdrawing_does_not_delete_who_is_known_elsewhere(account, invite, by_ada):
    known = users.create(email="mette@nordlys.example", name="Mette K", password=PASSWORD)
    invite()

    invitations.withdraw(account.pk, known.pk, by=by_ada)

    assert User.objects.filter(pk=known.pk).exists()


def test_nobody_is_invited_twice_nor_who_is_in(account, invite, bob, by_ada):
    member = invite()
    for email in ("mette@nordlys.example", "METTE@nordlys.example", bob.email):
        with pytest.raises(Conflict):
            invite(email)
    for verb in (invitations.withdraw, lambda *a, by: invitations.send_again(*a, link=link, by=by)):
        with pytest.raises(NotFound):
            verb(account.pk, bob.pk, by=by_ada)
    with pytest.raises(Conflict):
        users.reactivate(account.pk, member.user_id, by=SYSTEM)


@pytest.mark.parametrize(("email", "name"), [("no address", "X"), ("", "X"), ("a@x.example", " ")])
def test_an_invitation_needs_an_address_and_a_name(invite, email, name):
    with pytest.raises(Invalid):
        invite(email, name=name)
    assert not OutboxEntry.objects.exists()


def test_ending_sessions_is_written_down(account, bob, by_ada, scope):
    """S13"""
    former = bob.get_session_auth_hash()

    users.end_sessions(account.pk, bob.pk, by=by_ada)

    bob.refresh_from_db()
    assert bob.get_session_auth_hash() != former
    assert AuditEntry.objects.filter(action="user.sessions_ended", target_id=bob.pk).exists()
    with pytest.raises(NotFound):
        users.end_sessions(account.pk, 10**9, by=by_ada)

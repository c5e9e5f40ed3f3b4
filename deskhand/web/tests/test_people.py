"""Users in the settings: who is in, what they may do, how they come and go."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from deskhand.accounts import invitations, queries, users
from deskhand.accounts.models import AuditEntry, Membership, Role, User
from deskhand.accounts.queries import Standing
from deskhand.crm.records import tickets
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.routing import rules
from deskhand.routing.types import Option, Reroute
from deskhand.testing.world import make_user
from deskhand.web.people import users as pages
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

USERS = "/settings/users"


@pytest.fixture
def admin(office, sign_in):
    """A super admin."""
    return sign_in(office.world.ada)


@pytest.fixture
def manager(office, sign_in):
    """May add and edit users, and is no super admin."""
    office.role(office.world.grace, "admin")
    return sign_in(office.world.grace)


def role_of(office, key):
    with office.inside():
        return Role.objects.get(account=office.world.account, key=key)


def form(office, key="agent", **more):
    values = {"role": role_of(office, key).pk, "has_seat": "1", "main_team": office.world.team.pk} | more
    return {name: value for name, value in values.items() if value is not None}


def member(office, user):
    with office.inside() as world:
        return Membership.objects.select_related("role").get(account=world.account, user=user)


def actions(office):
    with office.inside():
        return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


def test_the_list_says_who_is_in(office, admin):
    shown = texts(admin.get(USERS))

    for part in ("Ada Lovelace", "ada@nordlys.example", "Super admin", "Light agent", "Support", "Never"):
        assert part in shown
    assert shown.index("Ada Lovelace") < shown.index("Bob Noyce") < shown.index("Eve Curie")


def test_the_search_looks_into_names_and_addresses(office, admin):
    for word in ("noyce", "BOB@"):
        shown = texts(admin.get(USERS, {"q": word}))
        assert "Bob Noyce" in shown
        assert "Eve Curie" not in shown
    assert "Nobody fits" in texts(admin.get(USERS, {"q": "%"}))


def test_the_list_can_be_asked_for_a_role(office, admin):
    shown = texts(admin.get(USERS, {"role": role_of(office, "light_agent").pk}))

    assert "Nils Bohr" in shown
    assert "Bob Noyce" not in shown
    assert "Role: Light agent" in shown


def test_long_lists_come_a_page_at_a_time(office, admin):
    with office.inside() as world:
        for n in range(pages.SHOWN):
            make_user(world.account, f"Same{n} Name")
        User.objects.filter(username__startswith="same").update(name="Same Name", sort_key="same")
    first = admin.get(USERS).content.decode()
    more = re.search(r'href="(/settings/users\?[^"]*after=\d+)"', first)[1].replace("&amp;", "&")
    rest = admin.get(more).content.decode()

    ids = re.findall(r'href="/settings/users/(\d+)"', first + rest)
    assert len(ids) == len(set(ids)) == pages.SHOWN + 5


@pytest.mark.parametrize("asked", ["standing=x", "role=x", "role=999999", "after=x", "after=99999999999999999999", "q=%00", "after=٣"])  # fmt: skip
def test_nonsense_in_the_address_is_no_error(admin, asked):
    assert admin.get(f"{USERS}?{asked}").status_code == 200


def test_it_asks_as_often_however_many_there_are(office, admin):
    counts = []
    for round in range(2):
        counts.append(queries_of(admin, USERS))
        with office.inside() as world:
            for n in range(10):
                make_user(world.account, f"More{round}{n} People", team=world.team)
    assert counts[0] == counts[1]


def test_role_seat_teams_and_super_admin_are_saved_and_written_down(office, admin):
    bob = office.world.bob

    answer = admin.post(
        f"{USERS}/{bob.pk}/save",
        form(
            office,
            "light_agent",
            has_seat=None,
            main_team="",
            extra_teams=office.world.team.pk,
            is_super_admin="1",
        ),
    )

    assert answer.headers["Location"] == f"{USERS}/{bob.pk}"
    now = member(office, bob)
    assert (now.has_seat, now.role.key, now.is_super_admin) == (False, "light_agent", True)
    with office.inside() as world:
        here = queries.find_member(world.account.pk, bob.pk)
    assert (here.main_team_id, here.extra_team_ids) == (None, (office.world.team.pk,))
    assert actions(office) == [
        "user.role_changed",
        "user.seat_changed",
        "user.teams_changed",
        "user.super_admin_changed",
    ]


def test_saving_what_is_so_already_changes_nothing(office, admin):
    admin.post(f"{USERS}/{office.world.bob.pk}/save", form(office))

    assert actions(office) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"role": "999999"}, "Choose a role."),
        ({"role": "x"}, "Choose a role."),
        ({"main_team": "999999"}, "This choice is not there any more."),
        ({"extra_teams": "same"}, "The main team can&#39;t be an extra team too."),
    ],
)
def test_what_is_refused_stays_in_the_form_and_nothing_is_saved(office, admin, wrong, said):
    bob = office.world.bob
    wrong = {name: office.world.team.pk if value == "same" else value for name, value in wrong.items()}

    answer = admin.post(f"{USERS}/{bob.pk}/save", form(office, has_seat=None) | wrong)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'name="has_seat" value="1" checked' not in answer.content.decode()
    assert member(office, bob).has_seat
    assert actions(office) == []


def test_the_last_super_admin_stays_one(office, admin):
    """Nobody locks an account out."""
    ada = office.world.ada

    answer = admin.post(f"{USERS}/{ada.pk}/save", form(office, "light_agent"))

    assert answer.status_code == 409
    assert "The account needs an active super admin" in answer.content.decode()
    assert member(office, ada).is_super_admin
    assert member(office, ada).role.key == "agent"


def test_only_super_admins_make_or_change_super_admins(office, manager):
    """R-PERM-6, R-PERM-11"""
    ada, bob = office.world.ada, office.world.bob

    assert 'name="is_super_admin"' not in manager.get(f"{USERS}/{bob.pk}").content.decode()
    manager.post(f"{USERS}/{bob.pk}/save", form(office, is_super_admin="1"))
    assert not member(office, bob).is_super_admin

    page = manager.get(f"{USERS}/{ada.pk}").content.decode()
    assert "Only super admins can change a super admin." in page
    assert "<form" not in page[page.index('class="people-head"') : page.index("</main>")]
    for what in ("save", "deactivate", "reactivate", "sessions/end"):
        assert manager.post(f"{USERS}/{ada.pk}/{what}", form(office)).status_code == 403
    assert manager.get(f"{USERS}/{ada.pk}/leave").status_code == 403
    assert member(office, ada).is_active


def test_nobody_gives_away_more_than_they_have(office, manager):
    """R-PERM-14: an administrator does not make a workflow editor, of themselves least of all."""
    grace = office.world.grace
    page = manager.get(f"{USERS}/{grace.pk}").content.decode()

    assert ">Workflow editor<" not in page
    assert ">Light agent<" in page
    answer = manager.post(f"{USERS}/{grace.pk}/save", form(office, "workflow_editor"))
    assert answer.status_code == 422
    assert member(office, grace).role.key == "admin"


def test_what_somebody_has_already_may_stay(office, manager):
    office.role(office.world.bob, "workflow_editor")

    answer = manager.post(
        f"{USERS}/{office.world.bob.pk}/save", form(office, "workflow_editor", has_seat=None)
    )

    assert answer.status_code == 302
    assert not member(office, office.world.bob).has_seat


def test_sessions_are_ended(office, admin, sign_in):
    """S13"""
    bob = sign_in(office.world.bob)
    assert bob.get("/inbox/all-open").status_code == 200

    admin.post(f"{USERS}/{office.world.bob.pk}/sessions/end")

    assert bob.get("/inbox/all-open").status_code == 302


def own(office, number, *, reroute=None):
    """Bob owns open tickets of the channel."""
    with office.inside() as world:
        if reroute:
            rules.set_rule(world.account.pk, world.channel.pk, Option.NONE, reroute=reroute, by=SYSTEM)
    made = [office.mail(f"Ticket {n}") for n in range(number)]
    with office.inside() as world:
        for ticket in made:
            tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)


@pytest.mark.parametrize(
    ("reroute", "said"),
    [
        (None, "2 open tickets stay with them until somebody takes them."),
        (Reroute.AT_ONCE, "2 open tickets go to others at once."),
        (Reroute.ON_REPLY, "2 open tickets go to others when the customers write again."),
    ],
)
def test_before_somebody_goes_it_is_said_what_becomes_of_their_tickets(office, admin, reroute, said):
    """R-ROUTE-54"""
    own(office, 2, reroute=reroute)

    assert said in texts(admin.get(f"{USERS}/{office.world.bob.pk}/leave"))


def test_who_owns_nothing_leaves_nothing(office, admin):
    assert "They own no open ticket." in texts(admin.get(f"{USERS}/{office.world.bob.pk}/leave"))


def test_deactivating_and_bringing_back(office, admin, sign_in):
    bob = office.world.bob
    signed_in = sign_in(bob)
    assert signed_in.get("/inbox/all-open").status_code == 200

    admin.post(f"{USERS}/{bob.pk}/deactivate")

    assert signed_in.get("/inbox/all-open").status_code == 302
    assert "Bob Noyce" not in texts(admin.get(USERS)).replace("Bob Noyce is deactivated.", "")
    assert "Bob Noyce" in texts(admin.get(USERS, {"standing": "deactivated"}))
    admin.post(f"{USERS}/{bob.pk}/reactivate")
    assert member(office, bob).is_active
    assert actions(office) == ["user.deactivated", "user.reactivated"]


def test_nobody_deactivates_themselves(office, admin, manager):
    assert admin.post(f"{USERS}/{office.world.ada.pk}/deactivate").status_code == 403
    assert manager.post(f"{USERS}/{office.world.grace.pk}/deactivate").status_code == 403
    assert "another administrator can" in texts(admin.get(f"{USERS}/{office.world.ada.pk}"))


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def invite(client, office, email="mette@nordlys.example", **more):
    return client.post(f"{USERS}/invite/send", form(office, email=email, name="Mette Krogh", **more))


def link():
    text = OutboxEntry.objects.order_by("-id").first().payload["text"]
    return re.search(r"http\S+?(/account/invitation/\S+)", text)[1]


def test_somebody_is_invited_joins_and_works(office, admin):
    answer = invite(admin, office)

    assert answer.headers["Location"] == f"{USERS}?standing=invited"
    shown = texts(admin.get(answer.headers["Location"]))
    assert "mette@nordlys.example" in shown
    assert "Mette Krogh" not in shown  # who they are elsewhere is nobody's business

    client = Client()
    assert "Set a password." in texts(client.get(link()))
    weak = client.post(f"{link()}/join", {"password": "short"})
    assert weak.status_code == 422
    assert "too short" in weak.content.decode()
    client.post(f"{link()}/join", {"password": "a good long password"})

    assert "Mette Krogh" in client.get("/inbox/all-open").content.decode()
    with office.inside() as world:
        mette = queries.find_member(world.account.pk, User.objects.get(name="Mette Krogh").pk)
    assert (mette.has_seat, mette.role, mette.main_team_id) == (True, "Agent", office.world.team.pk)
    assert Client().get(link()).status_code == 404
    assert Client().post(f"{link()}/join", {"password": "another long password"}).status_code == 404


def test_who_has_a_password_keeps_it_and_signs_in(office, admin):
    known = users.create(email="mette@nordlys.example", name="Mette K", password="a good long password")
    invite(admin, office)
    client = Client()

    assert "as you always do" in texts(client.get(link()))
    answer = client.post(f"{link()}/join", {"password": "stolen password"})

    assert answer.headers["Location"] == "/account/login/"
    known.refresh_from_db()
    assert known.check_password("a good long password")
    assert member(office, known).is_active
    assert client.get("/inbox/all-open").status_code == 302


@pytest.mark.parametrize(
    ("given", "status"),
    [({"email": "x"}, 422), ({"email": ""}, 422), ({"email": "bob@nordlys.example"}, 409), ({"role": ""}, 422), ({"email": "a\x00@x"}, 422)],
)  # fmt: skip
def test_a_refused_invitation_keeps_what_was_typed(office, admin, given, status):
    answer = admin.post(
        f"{USERS}/invite/send", form(office, email="mette@nordlys.example", name="Mette Krogh") | given
    )

    assert answer.status_code == status
    assert 'value="Mette Krogh"' in answer.content.decode()
    assert not OutboxEntry.objects.exists()
    assert not User.objects.filter(name="Mette Krogh").exists()


def test_an_invitation_is_sent_again_or_withdrawn(office, admin):
    invite(admin, office)
    former, user = link(), User.objects.get(email="mette@nordlys.example")

    with clock.stopped(office.at + timedelta(hours=1)):
        admin.post(f"{USERS}/{user.pk}/invitation/send")
    assert Client().get(former).status_code == 404
    assert Client().get(link()).status_code == 200

    admin.post(f"{USERS}/{user.pk}/invitation/withdraw")
    assert Client().get(link()).status_code == 404
    assert "No open invitations" in texts(admin.get(USERS, {"standing": "invited"}))


def test_who_is_invited_has_no_page_yet(office, admin):
    invite(admin, office)
    user = User.objects.get(email="mette@nordlys.example")

    assert admin.get(f"{USERS}/{user.pk}").status_code == 409
    assert admin.post(f"{USERS}/{user.pk}/reactivate").status_code == 409
    assert not member(office, user).is_active


def test_an_administrator_invites_no_super_admin(office, manager):
    invite(manager, office, is_super_admin="1")

    assert not member(office, User.objects.get(email="mette@nordlys.example")).is_super_admin


def test_links_of_invitations_lead_to_the_configured_host(office, admin, settings):
    """S15: never to the host that a request claims."""
    settings.SITE_URL, settings.ALLOWED_HOSTS = "https://desk.example", ["*"]
    admin.post(
        f"{USERS}/invite/send",
        form(office, email="mette@nordlys.example", name="Mette"),
        headers={"Host": "evil.example"},
    )

    text = OutboxEntry.objects.get().payload["text"]
    assert "https://desk.example/account/invitation/" in text
    assert "evil" not in text


def test_pages_of_an_invitation_are_kept_nowhere(office, admin):
    invite(admin, office)

    assert "no-store" in Client().get(link()).headers["Cache-Control"]
    with office.inside() as world:
        assert queries.how_many(world.account.pk)[Standing.INVITED] == 1
    assert f"for {invitations.DAYS} days" in texts(admin.get(f"{USERS}/invite"))


# ── names and addresses ──────────────────────────────────────────────────────────────────────────────────────────────


def rename(client, office, user, **more):
    return client.post(f"{USERS}/{user.pk}/save", form(office, name=user.name, email=user.email) | more)


def test_an_admin_changes_a_name_and_an_address(admin, office):
    bob = office.world.bob
    assert f'value="{bob.email}"' in admin.get(f"{USERS}/{bob.pk}").content.decode()

    assert rename(admin, office, bob, name="Robert Noyce", email="Robert@Nordlys.example").status_code == 302

    now = User.objects.get(pk=bob.pk)
    assert (now.name, now.email, now.sort_key) == (
        "Robert Noyce", "robert@nordlys.example", users.sort_key("Robert Noyce"),
    )  # fmt: skip
    with office.inside():
        entry = AuditEntry.objects.get(action="user.updated")
        assert entry.before == {"name": "Bob Noyce", "email": "bob@nordlys.example"}
        assert entry.after == {"name": "Robert Noyce", "email": "robert@nordlys.example"}
    assert "changed the name or the address of Robert Noyce" in texts(admin.get("/settings/audit"))


def test_the_former_address_is_told(admin, office):
    bob = office.world.bob
    rename(admin, office, bob, email="robert@nordlys.example")

    sent = OutboxEntry.objects.get()
    assert sent.recipients == ["bob@nordlys.example"]
    assert "Ada Lovelace changed the address that you sign in with to robert@nordlys.example." in str(
        sent.payload
    )


def test_a_name_alone_and_no_change_at_all_send_nothing(admin, office):
    rename(admin, office, office.world.bob)
    assert "user.updated" not in actions(office)
    rename(admin, office, office.world.bob, name="Robert Noyce")

    assert actions(office).count("user.updated") == 1
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize(
    ("more", "field"),
    [({"name": " "}, "name"), ({"email": "nobody"}, "email"), ({"name": "x" * 201}, "name")],
)
def test_a_name_or_an_address_that_is_none_is_refused_at_its_field(admin, office, more, field):
    refused = rename(admin, office, office.world.bob, **more)

    assert refused.status_code == 422
    assert f'id="{field}-error"' in refused.content.decode()
    assert User.objects.get(pk=office.world.bob.pk).email == "bob@nordlys.example"


def test_an_address_of_somebody_else_is_refused_and_nothing_of_the_form_is_kept(admin, office):
    bob = office.world.bob
    given = form(office, name=bob.name, email=office.world.eve.email, has_seat=None)
    refused = admin.post(f"{USERS}/{bob.pk}/save", given)

    assert refused.status_code == 409
    assert "There is a user with this e-mail address" in texts(refused)
    assert member(office, office.world.bob).has_seat


def test_who_is_known_elsewhere_keeps_name_and_address(admin, office, neighbour):
    bob = office.world.bob
    users.add_to_account(neighbour.world.account.pk, bob.pk)

    assert "They belong to other help desks too" in texts(admin.get(f"{USERS}/{bob.pk}"))
    rename(admin, office, bob, email="taken-over@nordlys.example")
    assert User.objects.get(pk=bob.pk).email == "bob@nordlys.example"


def test_nobody_takes_over_somebody_who_may_do_more(manager, office):
    """A new address is a new way in."""
    office.role(office.world.grace, capabilities=["add_edit_users"])
    office.role(office.world.bob, "admin")

    assert "Their role allows more than yours" in texts(manager.get(f"{USERS}/{office.world.bob.pk}"))
    rename(manager, office, office.world.bob, email="taken-over@nordlys.example")
    assert User.objects.get(pk=office.world.bob.pk).email == "bob@nordlys.example"
    assert rename(manager, office, office.world.ada, email="x@nordlys.example").status_code == 403

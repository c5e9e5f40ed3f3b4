"""Snippets, tokens, and what the reply form offers while somebody types."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import policy
from deskhand.accounts.models import AuditEntry, Team, TeamMember
from deskhand.crm.records import tickets
from deskhand.desk import fillings, mentions, snippets
from deskhand.desk.models import Audience, Mention, Snippet
from deskhand.desk.snippets import NewSnippet
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.testing.world import make_user
from deskhand.web.tests.conftest import queries_of

HTMX = {"HX-Request": "true"}


def write(office, user, shortcut="refund", audience=Audience.PRIVATE, **more):
    with office.inside() as world:
        viewer = policy.viewer_for(world.account.pk, user.pk)
        values = {"name": f"About {shortcut}", "body": "It is on its way."} | more
        return snippets.create(viewer, NewSnippet(shortcut=shortcut, audience=audience, **values))


def offered(client, ticket, sign):
    return client.get(f"/tickets/{ticket.pk}/picks").json()[sign]


def test_one_has_ones_own_ones_teams_and_everybodys(office, sign_in):
    """R-WORK-1"""
    ticket, world = office.mail(), office.world
    write(office, world.grace, "own")
    write(office, world.grace, "ours", Audience.TEAM, team_id=world.team.pk)
    write(office, world.grace, "all", Audience.EVERYONE)
    with office.inside():
        TeamMember.objects.filter(user=world.bob).delete()

    seen = {
        user.username: [one["hint"] for one in offered(sign_in(user), ticket, "/")]
        for user in (world.grace, world.eve, world.bob)
    }

    assert seen == {
        world.grace.username: ["/all", "/ours", "/own"],
        world.eve.username: ["/all", "/ours"],
        world.bob.username: ["/all"],
    }
    assert "/own" not in sign_in(world.bob).get("/settings/snippets").content.decode()


def test_a_snippet_is_written_changed_and_deleted_by_form(office, sign_in):
    client = sign_in(office.world.grace)
    form = {
        "name": "Refund",
        "shortcut": "/Refund",
        "body": "Hi {{ contact.first_name }}",
        "audience": "EVERYONE",
    }

    assert client.post("/settings/snippets/create", form).status_code == 302
    with office.inside():
        made = Snippet.objects.get()
    url = f"/settings/snippets/{made.pk}"
    assert 'value="refund"' in client.get(url).content.decode()
    client.post(f"{url}/save", form | {"name": "Refunds"})
    assert "Refunds" in client.get("/settings/snippets").content.decode()
    client.post(f"{url}/delete")

    with office.inside():
        assert not Snippet.objects.exists()
        actions = AuditEntry.objects.filter(target_type="snippet").order_by("number")
        assert [entry.action for entry in actions] == [
            "snippet.created",
            "snippet.updated",
            "snippet.deleted",
        ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "Give it a name"),
        ({"shortcut": "two words"}, "one word"),
        ({"shortcut": "taken"}, "already"),
        ({"body": ""}, "Write the text"),
        ({"body": "Hi {{ contact.fist_name }}"}, "{{ contact.fist_name }} is no token."),
        ({"audience": "NOBODY"}, "Choose who has it."),
        ({"audience": "TEAM", "team": "99999"}, "Choose a team of yours."),
        ({"audience": "TEAM", "team": "x" * 40}, "Choose a team of yours."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(office, sign_in, change, said):
    write(office, office.world.bob, "taken", Audience.EVERYONE)
    form = {"name": "Refund", "shortcut": "refund", "body": "Some text", "audience": "PRIVATE"} | change

    page = sign_in(office.world.grace).post("/settings/snippets/create", form)

    assert page.status_code == 422
    assert said in page.content.decode()
    assert form["body"] in page.content.decode()


def test_what_is_shared_is_changed_by_its_writer_and_by_administrators(office, sign_in):
    made = write(office, office.world.grace, audience=Audience.EVERYONE)
    form = {"name": "Mine", "shortcut": "refund", "body": "Text", "audience": "EVERYONE"}
    url = f"/settings/snippets/{made.pk}/save"

    assert sign_in(office.world.bob).post(url, form).status_code == 403
    assert (
        f"/settings/snippets/{made.pk}"
        not in sign_in(office.world.bob).get("/settings/snippets").content.decode()
    )
    assert sign_in(office.world.ada).post(url, form).status_code == 302


def test_a_private_text_is_not_in_the_audit(office):
    write(office, office.world.grace, body="My secret words")

    with office.inside():
        assert "secret" not in str(AuditEntry.objects.get(action="snippet.created").after)


def test_the_list_is_paged_and_asks_no_more_for_more(office, sign_in, monkeypatch):
    monkeypatch.setattr(snippets, "PAGE", 3)
    client = sign_in(office.world.grace)
    write(office, office.world.grace, "a")
    few = queries_of(client, "/settings/snippets")
    for shortcut in ("b", "c", "d-1"):
        write(office, office.world.grace, shortcut)

    assert queries_of(client, "/settings/snippets") == few
    page = client.get("/settings/snippets").content.decode()
    assert "/d-1" not in page
    following = page.split("snippets?after=")[1].split('"')[0]
    assert "/d-1" in client.get(f"/settings/snippets?after={following}").content.decode()
    assert client.get("/settings/snippets?after=nonsense").status_code == 404


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

VALUES = {"contact.first_name": "Astrid", "ticket.number": "7", "company.name": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hi {{ contact.first_name }}, #{{ticket.number}}", "Hi Astrid, #7"),
        ('at {{ company.name | default: "your company" }}', "at your company"),
        ("at {{ company.name }}", "at {{ company.name }}"),
        ("{{ contact.password }} {% if x %} { one }", "{{ contact.password }} {% if x %} { one }"),
    ],
)
def test_tokens_become_the_tickets_words(text, filled):
    assert fillings.fill(text, VALUES) == filled


def test_what_is_filled_in_is_not_filled_in_again():
    assert (
        fillings.fill("{{ ticket.subject }}", {"ticket.subject": "{{ agent.name }}", "agent.name": "G"})
        == "{{ agent.name }}"
    )


@pytest.mark.parametrize("text", ["{{ company.name }}", "{{ contact.fist_name }}", "{{ a b }}", "{{}}"])
def test_braces_that_are_left_are_refused(text):
    with pytest.raises(Invalid):
        fillings.refuse_unfilled(f"Hi {text}")


def test_a_reply_is_filled_and_what_is_unknown_blocks_it(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)
    url = f"/inbox/all-open/{ticket.pk}/answer"

    refused = client.post(url, {"body": "Hi {{ contact.fist_name }}"})
    assert refused.status_code == 422
    assert "{{ contact.fist_name }} is no token. Write the words yourself" in refused.content.decode()
    assert (
        "{{ company.name }} is empty here."
        in client.post(url, {"body": "{{ company.name }}"}).content.decode()
    )
    client.post(url, {"body": "Hi {{ contact.first_name }}, I am {{ agent.first_name }}"})

    assert office.messages(ticket)[-1].text == "Hi Astrid, I am Grace"


def test_snippets_are_offered_with_the_tickets_own_words(office, sign_in):
    ticket = office.mail()
    write(
        office,
        office.world.grace,
        body='Hi {{ contact.first_name }} of {{ company.name | default: "yours" }}',
    )

    (one,) = offered(sign_in(office.world.grace), ticket, "/")

    assert one == {"name": "About refund", "hint": "/refund", "text": "Hi Astrid of yours"}


# ── colleagues ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_who_may_see_the_ticket_can_be_called(office, sign_in):
    """R-WORK-4, R-WORK-5, R-PERM-1"""
    ticket, world = office.mail(), office.world
    office.role(world.bob, records={"ticket": {"view": "own"}}, capabilities=["service_access"])
    with office.inside():
        tickets.assign(ticket.pk, owner_id=world.eve.pk, by=SYSTEM)
    client = sign_in(world.grace)

    names = [one["name"] for one in offered(client, ticket, "@")]
    text = " ".join(f"@{user.username}" for user in (world.bob, world.eve, world.eve, world.grace))
    client.post(f"/inbox/all-open/{ticket.pk}/answer", {"mode": "comment", "body": text})

    assert names[:3] == ["Ada Lovelace", "Eve Curie", "Nils Bohr"]
    with office.inside():
        assert [mention.user_id for mention in Mention.objects.all()] == [world.eve.pk]
        ((said,),) = sql.rows("select data->'mentioned' from events_event where kind = 'comment.added'")
        assert sql.loads(said) == [world.eve.pk]
    assert f'href="/inbox/mentions/{ticket.pk}"' in sign_in(world.eve).get("/inbox/mentions").content.decode()


def test_all_viewers_are_those_that_are_loaded_one_by_one(office):
    with office.inside() as world:
        everybody = policy.viewers_of(world.account.pk)

        assert len(everybody) == 5
        assert everybody == [policy.viewer_for(world.account.pk, one.user_id) for one in everybody]


def test_what_is_offered_asks_as_often_for_many_colleagues(office, sign_in):
    ticket, client = office.mail(), sign_in(office.world.grace)
    with CaptureQueriesContext(connection) as few:
        offered(client, ticket, "@")
    with office.inside() as world:
        for name in ("Mia Ray", "Leo Ray", "Kim Ray"):
            make_user(world.account, name, team=world.team)
    with CaptureQueriesContext(connection) as many:
        assert len(offered(client, ticket, "@")) == 8  # and their team

    assert len(few) == len(many)


def test_a_team_is_called_by_its_name_and_each_who_may_see_the_ticket_is_told_once(office, sign_in):
    """R-WORK-4, R-WORK-5"""
    world = office.world
    with office.inside():
        team = Team.objects.create(account=world.account, name="Økonomi & lager")
        Team.objects.create(account=world.account, name="Nobody's")
        for user in (world.eve, world.bob, world.grace):
            TeamMember.objects.create(account=world.account, team=team, user=user, is_main=False)
    office.role(world.bob, records={"ticket": {"view": "own"}}, capabilities=["service_access"])
    ticket, client = office.mail(), sign_in(world.grace)

    teams = {one["name"]: one["text"] for one in offered(client, ticket, "@")}
    assert teams["Økonomi & lager"] == "@økonomi-lager "
    assert "Nobody's" not in teams

    answer = f"/inbox/all-open/{ticket.pk}/answer"
    client.post(
        answer, {"mode": "comment", "body": f"@Økonomi-lager. and @{world.eve.username}, please look"}
    )
    with office.inside():
        assert [mention.user_id for mention in Mention.objects.all()] == [world.eve.pk]
    page = client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert '<b class="mention">@Økonomi-lager.</b>' in page

    refused = client.post(answer, {"mode": "reply", "body": "Hi @økonomi-lager"})
    assert "it calls Økonomi &amp; lager." in refused.content.decode()


def test_where_a_person_and_a_team_have_one_word_it_is_the_persons(office):
    with office.inside() as world:
        Team.objects.create(account=world.account, name=world.eve.username)

        assert mentions.called(f"@{world.eve.username}", but=world.ada.pk).names == [world.eve.name]

"""Settings › Routing: skills, and the parts of people's and teams' pages about them (§17)."""

from __future__ import annotations

import pytest

from deskhand.accounts.models import Account, Membership
from deskhand.events.types import SYSTEM
from deskhand.routing import skills
from deskhand.routing.models import Skill, SkillCategory
from deskhand.web.tests.conftest import queries_of, text_of

PAGE = "/settings/routing/skills"


@pytest.fixture
def client(office, sign_in):
    with office.inside() as world:
        Membership.objects.filter(user=world.ada).update(is_super_admin=True)
    return sign_in(office.world.ada)


def made(office, *names, category=""):
    with office.inside() as world:
        own = (
            skills.create_category(world.account.pk, category, by=SYSTEM)
            if category
            else skills.ensure_languages(world.account.pk)
        )
        return [one.pk for one in skills.create(world.account.pk, own.pk, names, by=SYSTEM)]


def test_skills_are_added_several_at_once_and_stand_with_who_has_them(office, client):
    """R-SKILL-4, R-SKILL-5, R-SKILL-16."""
    assert client.get("/settings/routing").url == PAGE
    client.get(PAGE)
    with office.inside():
        category = SkillCategory.objects.get().pk

    client.post(f"{PAGE}/categories/{category}/skills", {"names": "German, Danish;\nNorwegian"})
    client.post(f"{PAGE}/categories/add", {"name": "Products"})
    with office.inside() as world:
        german = Skill.objects.get(name="German").pk
        skills.set_of_user(world.account.pk, world.bob.pk, {german: True}, by=SYSTEM)

    page = text_of(client.get(PAGE).content.decode())
    assert "Danish 0" in page
    assert "German 1 , 1 person has it" in page
    assert "Products" in page


def test_what_is_refused_stands_where_it_was_typed(office, client):
    """R-SKILL-4."""
    made(office, "German")
    with office.inside():
        category = SkillCategory.objects.get().pk

    refused = client.post(f"{PAGE}/categories/{category}/skills", {"names": "Danish, Deutsch"})

    assert refused.status_code == 422
    assert 'value="Danish, Deutsch"' in refused.content.decode()
    assert "There is “German” already." in refused.content.decode()
    refused = client.post(f"{PAGE}/categories/{category}/save", {"name": " "})
    assert (refused.status_code, refused.content.decode().count('<details class="outside-more" open')) == (
        422,
        1,
    )


def test_a_skill_is_renamed_and_deleted_once_nobody_has_it(office, client):
    """R-SKILL-5, R-SKILL-6: before, its page says who has it, and the way there."""
    [german] = made(office, "German")
    with office.inside() as world:
        skills.set_of_user(world.account.pk, world.bob.pk, {german: True}, by=SYSTEM)

    client.post(f"{PAGE}/{german}/save", {"name": "High German"})
    page = client.get(f"{PAGE}/{german}").content.decode()
    assert f"/settings/users/{office.world.bob.pk}" in page
    assert "has “High German”. Take it from them first." in page
    assert "Delete skill" not in page
    refused = client.post(f"{PAGE}/{german}/delete")
    assert (refused.status_code, "Take it from them first." in refused.content.decode()) == (409, True)

    with office.inside() as world:
        skills.set_of_user(world.account.pk, world.bob.pk, {}, by=SYSTEM)
    assert "Delete skill" in client.get(f"{PAGE}/{german}").content.decode()
    client.post(f"{PAGE}/{german}/delete")
    with office.inside():
        assert not Skill.objects.exists()


def test_a_user_gets_languages_and_skills_on_their_page(office, client):
    """R-SKILL-3, R-SKILL-8: and sees those of their team."""
    german, danish = made(office, "German", "Danish")
    billing, returns = made(office, "Billing", "Returns", category="Subjects")
    bob, team = office.world.bob.pk, office.world.team.pk

    client.post(f"/settings/teams/{team}/skills", {"skills": [returns]})
    client.post(
        f"/settings/users/{bob}/skills",
        {f"language-{german}": "main", f"language-{danish}": "second", "skills": [billing]},
    )

    with office.inside() as world:
        assert skills.of_user(world.account.pk, bob) == {german: True, danish: False, billing: True}
        assert skills.of_team(world.account.pk, team) == {returns}
        in_team = Membership.objects.filter(account=world.account, user_id=bob).exists()
    assert in_team
    page = client.get(f"/settings/users/{bob}").content.decode()
    assert '<option value="second" selected>' in page
    assert f'value="{billing}" checked' in page
    assert f'value="{returns}" checked' in client.get(f"/settings/teams/{team}").content.decode()


def test_a_plan_without_skills_has_no_pages_about_them(office, client):
    """R-SKILL-1."""
    made(office, "German")
    assert f'href="{PAGE}"' in client.get("/settings/capacity").content.decode()
    with office.inside() as world:
        Account.objects.filter(pk=world.account.pk).update(plan="professional")

    assert client.get(PAGE).status_code == 404
    assert "Skills" not in text_of(client.get(f"/settings/users/{office.world.bob.pk}").content.decode())
    capacity = client.get("/settings/routing", follow=True)
    assert "Capacity" in text_of(capacity.content.decode())
    assert f'href="{PAGE}"' not in capacity.content.decode()


def test_the_page_takes_as_many_queries_for_many_skills(office, client):
    """R-SKILL-5."""
    made(office, "German")
    few = queries_of(client, PAGE)
    made(office, *(f"S{number}" for number in range(40)), category="Subjects")

    assert queries_of(client, PAGE) == few

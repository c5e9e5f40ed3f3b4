"""Settings › Routing › Rules: sets of skill rules, and the form of one (§17)."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from deskhand.accounts.models import Account, Membership, Plan, Team
from deskhand.crm.filters import as_json
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema import properties
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.routing import rules, skill_sets, skills
from deskhand.routing.models import RoutingRule, SkillRule, SkillRuleSet
from deskhand.routing.skill_sets import NewRule
from deskhand.routing.types import Option
from deskhand.web.tests.conftest import queries_of, text_of

PAGE = "/settings/routing/rules"
HIGH = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
FIELD = json.dumps(as_json.to_json(HIGH))


@pytest.fixture
def client(office, sign_in):
    with office.inside() as world:
        Membership.objects.filter(user=world.ada).update(is_super_admin=True)
    return sign_in(office.world.ada)


@pytest.fixture
def known(office):
    with office.inside() as world:
        languages = skills.ensure_languages(world.account.pk)
        made = skills.create(world.account.pk, languages.pk, ["German", "Danish"], by=SYSTEM)
    return {one.name: one.pk for one in made}


@pytest.fixture
def mail(office, known):
    """A set with one rule."""
    with office.inside() as world:
        made = skill_sets.create(world.account.pk, "Mail", by=SYSTEM)
        new = NewRule("Germans", HIGH, [known["German"]], [known["Danish"]])
        skill_sets.add_rule(world.account.pk, made.pk, new, by=SYSTEM)
    return made


def rules_of(office):
    with office.inside():
        return list(SkillRule.objects.order_by("place"))


def test_a_set_is_made_with_a_rule_whose_filters_are_set_step_by_step(office, client, known):
    """R-SKILL-9, R-SKILL-10, R-SKILL-16: the form of workflows' conditions, by plain posts."""
    to = client.post(f"{PAGE}/create", {"name": "Mail"}).url
    form = {"name": "Germans", "needed": [known["German"]], "when-f": "", "when-edit": ""}

    opened = client.post(f"{to}/add", form | {"redraw": "when or"}).content.decode()
    assert 'name="when-prop"' in opened
    asked = {
        "when-edit": "0.0",
        "when-prop": "ticket.hs_ticket_priority",
        "when-op": "any_of",
        "when-value": "HIGH",
    }
    done = client.post(f"{to}/add", form | asked | {"redraw": "when done"}).content.decode()
    assert "Priority" in text_of(done)
    assert not rules_of(office)
    assert client.post(f"{to}/add", form | asked).url == to

    [rule] = rules_of(office)
    assert (rule.name, rule.needed_ids) == ("Germans", [known["German"]])
    assert rule.condition["any"][0]["all"] == [as_json.to_json(HIGH)]


def test_rules_stand_as_sentences_and_are_changed_ordered_and_deleted(office, client, known, mail):
    """R-SKILL-11, R-SKILL-12."""
    to = f"{PAGE}/{mail.pk}"
    both = {"needed": list(known.values()), "any_will_do": "1", "when-f": FIELD, "when-edit": ""}
    client.post(f"{to}/add", {"name": "Second", **both})
    page = text_of(client.get(to).content.decode())
    assert "needs German; wishes Danish" in page
    assert "needs one of German, Danish" in page

    first, second = rules_of(office)
    client.post(f"{to}/order", {"row": [first.pk, second.pk], "move": f"up:{second.pk}"})
    assert [one.pk for one in rules_of(office)] == [second.pk, first.pk]
    client.post(f"{to}/{second.pk}/save", {"name": "Any", **both})
    client.post(f"{to}/{first.pk}/delete")
    assert [(one.pk, one.name) for one in rules_of(office)] == [(second.pk, "Any")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "Give it a name"),
        ({"when-f": ""}, "A rule needs at least one filter."),
        ({"when-f": "nonsense"}, "These filters can't be read."),
        ({"needed": []}, "Choose what the ticket needs."),
        ({"needed": ["999"]}, "There is no such skill."),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_and_what_was_typed_stays(office, client, known, mail, wrong, said):
    """R-SKILL-9."""
    form = {"name": "Rule", "needed": [known["German"]], "when-f": FIELD, "when-edit": ""} | wrong
    refused = client.post(f"{PAGE}/{mail.pk}/add", form)

    page = refused.content.decode()
    assert refused.status_code == 422
    assert said in text_of(page)
    assert f'value="{form["name"]}"' in page
    assert len(rules_of(office)) == 1


def test_a_set_is_copied_renamed_and_deleted_once_no_channel_follows_it(office, client, mail):
    """R-SKILL-10."""
    with office.inside() as world:
        _rule, _made = RoutingRule.objects.update_or_create(
            account_id=world.account.pk, channel_account_id=world.channel.pk,
            defaults={"skill_rule_set_id": mail.pk, "updated_at": office.at},
        )  # fmt: skip
        name = world.channel.name
    copied = client.post(f"{PAGE}/{mail.pk}/copy", {"name": "Chat"}).url
    client.post(f"{copied}/save", {"name": "Forms"})

    assert f"Followed by {name}" in text_of(client.get(PAGE).content.decode())
    assert client.post(f"{PAGE}/{mail.pk}/delete").status_code == 409
    assert client.post(f"{copied}/delete").url == PAGE
    assert client.post(f"{PAGE}/{mail.pk}/copy", {"name": "mail"}).status_code == 422
    with office.inside():
        assert [one.name for one in SkillRuleSet.objects.all()] == ["Mail"]


def test_a_rule_about_something_deleted_says_so(office, client, mail):
    """R-PIPE-10."""
    lost = Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, ("999999",))
    with office.inside():
        SkillRule.objects.update(condition=as_json.to_json(lost))

    for page in (f"{PAGE}/{mail.pk}", f"{PAGE}/{mail.pk}/{rules_of(office)[0].pk}"):
        assert "a status or a pipeline that was deleted" in text_of(client.get(page).content.decode())


def test_the_page_takes_as_many_queries_for_many_rules(office, client, known, mail):
    """R-SKILL-11."""
    few = queries_of(client, f"{PAGE}/{mail.pk}")
    with office.inside() as world:
        for number in range(8):
            new = NewRule(f"R{number}", HIGH, [known["Danish"]])
            skill_sets.add_rule(world.account.pk, mail.pk, new, by=SYSTEM)

    assert queries_of(client, f"{PAGE}/{mail.pk}") == few


def test_a_channel_chooses_the_rules_that_it_follows(office, client, mail):
    """R-SKILL-10: and what is chosen stays chosen."""
    with office.inside() as world:
        channel = world.channel.pk
    form = {"option": "NONE", "strategy": "LOAD_BALANCED", "reroute": "NEVER", "only_available": "1"}

    client.post(f"/settings/channels/{channel}/routing", form | {"skill_rule_set_id": mail.pk})
    page = client.get(f"/settings/channels/{channel}/automation").content.decode()
    assert f'<option value="{mail.pk}" selected>Mail</option>' in page
    for wrong in ("999", "x"):
        refused = client.post(f"/settings/channels/{channel}/routing", form | {"skill_rule_set_id": wrong})
        assert refused.status_code == 422
    with office.inside():
        assert RoutingRule.objects.get(channel_account_id=channel).skill_rule_set_id == mail.pk


def test_what_a_rule_asks_for_is_said_before_it_goes(office, client, mail, known):
    """R-SKILL-9: of the user who is deactivated, the team that is deleted, the property that is archived."""
    with office.inside() as world:
        owner = Filter("hubspot_owner_id", Kind.REF, Operator.ANY_OF, (world.bob.pk,))
        team = Filter("hs_assigned_team_ids", Kind.REFS, Operator.ANY_OF, (world.team.pk,))
        own = properties.create("ticket", "shelf", "Shelf", Kind.TEXT, is_filterable=True)
        shelf = Filter("shelf", Kind.TEXT, Operator.CONTAINS, ("A",))
        for name, when in (("Of Bob", owner), ("Of the team", team), ("Of the shelf", shelf)):
            skill_sets.add_rule(world.account.pk, mail.pk, NewRule(name, when, [known["German"]]), by=SYSTEM)

    def said(address):
        return text_of(client.get(address).content.decode())

    kept = "It stays as it is until somebody changes it."
    bob = said(f"/settings/users/{office.world.bob.pk}/leave")
    assert f"The skill rule “Mail: Of Bob” asks for Bob Noyce. {kept}" in bob
    assert "Of the team" not in bob
    assert "The skill rule" not in said(f"/settings/users/{office.world.grace.pk}/leave")
    gone = said(f"/settings/teams/{office.world.team.pk}/leave")
    assert f"The skill rule “Mail: Of the team” asks for {office.world.team.name}. {kept}" in gone
    assert "Of Bob" not in gone
    assert "Skill rule “Of the shelf”" in said(reverse("property-archive", args=["tickets", own.pk]))


def test_a_rule_about_people_is_not_told_as_one_about_a_team(office, client, mail, known):
    """R-SKILL-9: where somebody has the number of a team."""
    with office.inside() as world:
        team = Team.objects.create(pk=world.bob.pk, account=world.account, name="Night")
        for name, asked in (
            ("Offered", "hs_waitlist_routing_targets"),
            ("Had it", "hs_user_ids_of_all_owners"),
        ):
            when = Filter(asked, Kind.REFS, Operator.ANY_OF, (world.bob.pk,))
            skill_sets.add_rule(world.account.pk, mail.pk, NewRule(name, when, [known["German"]]), by=SYSTEM)

    def said(address):
        return text_of(client.get(address).content.decode())

    assert "The skill rule" not in said(f"/settings/teams/{team.pk}/leave")
    leaves = said(f"/settings/users/{office.world.bob.pk}/leave")
    assert "Mail: Offered” asks for Bob Noyce" in leaves
    assert "Mail: Had it” asks for Bob Noyce" in leaves


def test_a_plan_without_skills_says_nothing_of_their_rules(office, client, mail, known):
    """R-SKILL-9: they rest, and nobody there can change them."""
    with office.inside() as world:
        owner = Filter("hubspot_owner_id", Kind.REF, Operator.ANY_OF, (world.bob.pk,))
        team = Filter("hs_assigned_team_ids", Kind.REFS, Operator.ANY_OF, (world.team.pk,))
        for name, when in (("Of Bob", owner), ("Of the team", team)):
            skill_sets.add_rule(world.account.pk, mail.pk, NewRule(name, when, [known["German"]]), by=SYSTEM)
        Account.objects.update(plan=Plan.PROFESSIONAL)

    for address in (f"users/{office.world.bob.pk}", f"teams/{office.world.team.pk}"):
        assert "The skill rule" not in text_of(client.get(f"/settings/{address}/leave").content.decode())


def test_a_channel_says_that_skills_come_first(office, client, mail):
    """R-SKILL-10: where they do, which they do not before teams without an owner."""

    def said(option, **more):
        with office.inside() as world:
            rules.set_rule(world.account.pk, world.channel.pk, option, by=SYSTEM, **more)
        return text_of(client.get("/settings/channels").content.decode())

    words = "Skills come first, by the rules “Mail”."
    assert f"until somebody takes it. {words}" in said(Option.NONE, skill_rule_set_id=mail.pk)
    assert words not in said(Option.NONE)
    teams = {"team_ids": [office.world.team.pk], "skill_rule_set_id": mail.pk}
    assert words not in said(Option.TEAMS, **teams)
    assert words in said(Option.USERS_AND_TEAMS, **teams)
    with office.inside() as world:
        Account.objects.filter(pk=world.account.pk).update(plan=Plan.PROFESSIONAL)
    assert words not in said(Option.USERS_AND_TEAMS, **teams)  # nor does routing ask them

"""Skills: their categories, who has them, and what keeps them (§17)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import teams
from deskhand.accounts.models import AuditEntry
from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.routing import skill_sets, skills
from deskhand.routing.models import Skill, SkillCategory
from deskhand.routing.skill_sets import NewRule

URGENT = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("URGENT",))


def languages(desk, *names):
    made = skills.create(desk.id, skills.ensure_languages(desk.id).pk, names, by=SYSTEM)
    return [one.pk for one in made]


def subjects(desk, *names):
    category = skills.create_category(desk.id, "Subjects", by=SYSTEM)
    return [one.pk for one in skills.create(desk.id, category.pk, names, by=SYSTEM)]


def names_of(desk):
    return {one.name: [skill.name for skill in one.skills] for one in skills.categories(desk.id)}


def test_every_account_has_a_category_of_languages(desk):
    """R-SKILL-3: also one that was made before there were skills, and only one of them."""
    assert names_of(desk) == {"Languages": []}

    skills.ensure_languages(desk.id)
    assert SkillCategory.objects.filter(account_id=desk.id, is_language=True).count() == 1
    with pytest.raises(Conflict):
        skills.delete_category(desk.id, skills.ensure_languages(desk.id).pk, by=SYSTEM)


def test_a_category_that_has_the_name_already_becomes_that_of_languages(desk):
    """R-SKILL-3."""
    own = skills.create_category(desk.id, "Languages", by=SYSTEM)

    assert skills.ensure_languages(desk.id).pk == own.pk


def test_skills_are_made_several_at_once_and_renamed(desk):
    """R-SKILL-4, R-SKILL-5."""
    german, _danish = languages(desk, "German", " danish ", "Danish")
    subjects(desk, "Billing")

    skills.rename(desk.id, german, "Deutsch", by=SYSTEM)
    skills.rename_category(desk.id, Skill.objects.get(name="Billing").category_id, "Topics", by=SYSTEM)

    assert names_of(desk) == {
        "Languages": ["Danish", "Deutsch"],
        "Topics": ["Billing"],
    }
    assert AuditEntry.objects.filter(action="skill.created").count() == 3


@pytest.mark.parametrize("name", ["German", "GERMAN", "Deutsch", "tysk"])
def test_a_language_is_there_once_whatever_it_is_called(desk, name):
    """R-SKILL-3: in each of our languages."""
    languages(desk, "German")

    with pytest.raises(Invalid):
        languages(desk, name)


@pytest.mark.parametrize("names", [[], ["x" * 101], [f"S{number}" for number in range(101)]])
def test_what_can_t_be_a_skill_is_refused(desk, names):
    """R-SKILL-4."""
    with pytest.raises(Invalid):
        subjects(desk, *names)


def test_a_category_goes_when_it_is_empty(desk):
    """R-SKILL-5."""
    [billing] = subjects(desk, "Billing")
    category = Skill.objects.get(pk=billing).category_id
    with pytest.raises(Conflict):
        skills.delete_category(desk.id, category, by=SYSTEM)

    skills.delete(desk.id, billing, by=SYSTEM)
    skills.delete_category(desk.id, category, by=SYSTEM)

    assert names_of(desk) == {"Languages": []}


def test_t_route_28_a_skill_that_somebody_has_is_not_deleted(desk):
    """T-ROUTE-28, R-SKILL-6: it is said who has it."""
    [german] = languages(desk, "German")
    skills.set_of_user(desk.id, desk.ada, {german: True}, by=SYSTEM)

    with pytest.raises(Conflict, match="Ada"):
        skills.delete(desk.id, german, by=SYSTEM)

    skills.set_of_user(desk.id, desk.ada, {}, by=SYSTEM)
    skills.delete(desk.id, german, by=SYSTEM)
    assert not Skill.objects.exists()


def test_a_skill_of_a_team_stays_until_the_team_is_gone(desk):
    """R-SKILL-6, R-SKILL-8."""
    [billing] = subjects(desk, "Billing")
    skills.set_of_team(desk.id, desk.teams["X"], [billing], by=SYSTEM)
    with pytest.raises(Conflict, match="X"):
        skills.delete(desk.id, billing, by=SYSTEM)

    teams.delete(desk.id, desk.teams["X"], by=SYSTEM)
    skills.delete(desk.id, billing, by=SYSTEM)

    assert not Skill.objects.exists()


def test_a_skill_that_a_rule_asks_for_is_not_deleted(desk):
    """R-SKILL-7: needed or wished, and it is said by which rule."""
    needed, wished = subjects(desk, "Billing", "Returns")
    rules = skill_sets.create(desk.id, "Mail", by=SYSTEM)
    rule = skill_sets.add_rule(
        desk.id, rules.pk, NewRule("Urgent ones", URGENT, [needed], [wished]), by=SYSTEM
    )

    for pk in (needed, wished):
        with pytest.raises(Conflict, match="Urgent ones"):
            skills.delete(desk.id, pk, by=SYSTEM)
    assert [one.pk for one in skills.uses_of(desk.id, wished).rules] == [rule.pk]

    skill_sets.delete_rule(desk.id, rules.pk, rule.pk, by=SYSTEM)
    skills.delete(desk.id, needed, by=SYSTEM)


def test_what_somebody_knows_is_set_whole_and_told_in_the_audit_log(desk):
    """R-SKILL-8: a second language is told apart, another skill is not."""
    german, danish = languages(desk, "German", "Danish")
    [billing] = subjects(desk, "Billing")

    skills.set_of_user(desk.id, desk.ada, {german: True, danish: False, billing: False}, by=SYSTEM)
    skills.set_of_user(desk.id, desk.ada, {german: True, danish: False, billing: True}, by=SYSTEM)
    assert skills.of_user(desk.id, desk.ada) == {german: True, danish: False, billing: True}

    skills.set_of_user(desk.id, desk.ada, {danish: True}, by=SYSTEM)
    assert skills.of_user(desk.id, desk.ada) == {danish: True}
    first, second = AuditEntry.objects.filter(action="user.skills_changed").order_by("number")
    assert first.after == {"skills": ["Billing", "German"], "second_languages": ["Danish"]}
    assert second.after == {"skills": ["Danish"]}


def test_only_what_is_there_is_given_to_who_is_there(desk):
    """R-SKILL-8."""
    with pytest.raises(Invalid):
        skills.set_of_user(desk.id, desk.ada, {999: True}, by=SYSTEM)
    with pytest.raises(Invalid):
        skills.set_of_team(desk.id, desk.teams["X"], [999], by=SYSTEM)
    with pytest.raises(NotFound):
        skills.set_of_user(desk.id, 999, {}, by=SYSTEM)
    with pytest.raises(NotFound):
        skills.set_of_team(desk.id, 999, [], by=SYSTEM)


def test_it_is_counted_who_has_what(desk):
    """R-SKILL-5, in a fixed number of queries."""
    german, danish = languages(desk, "German", "Danish")
    for name in ("ada", "bob"):
        skills.set_of_user(desk.id, desk.users[name], {german: True, danish: True}, by=SYSTEM)
    skills.set_of_team(desk.id, desk.teams["X"], [german], by=SYSTEM)

    with CaptureQueriesContext(connection) as seen:
        [category] = skills.categories(desk.id)

    assert [(one.name, one.people, one.teams) for one in category.skills] == [
        ("Danish", 2, 0),
        ("German", 2, 1),
    ]
    assert len(seen) == 2
    uses = skills.uses_of(desk.id, german)
    assert [name for _id, name in uses.people] == ["Ada", "Bob"]
    assert [name for _id, name in uses.teams] == ["X"]


def test_giving_many_skills_takes_as_many_queries_as_giving_one(desk):
    """R-SKILL-8."""
    made = subjects(desk, *(f"S{number}" for number in range(30)))

    def queries(user_id, given):
        with CaptureQueriesContext(connection) as seen:
            skills.set_of_user(desk.id, user_id, dict.fromkeys(given, True), by=SYSTEM)
        return len(seen)

    assert queries(desk.ada, made[:1]) == queries(desk.bob, made)

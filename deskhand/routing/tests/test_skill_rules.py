"""Routing by skills: what tickets ask for, and who gets them (§17)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from deskhand.accounts import accounts
from deskhand.accounts.models import Plan
from deskhand.crm.filters.types import AllOf, Associated, Filter, MemberOf, Operator
from deskhand.crm.records import associations, contacts
from deskhand.crm.records.contacts import Person
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.routing import explain, replaying, skill_rules, skill_sets, skills
from deskhand.routing import rules as routing_rules
from deskhand.routing.models import Decision, RoutingRule, SkillRule
from deskhand.routing.skill_rules import Holders
from deskhand.routing.skill_sets import NewRule
from deskhand.routing.types import Option, Reason, Status

from .conftest import MAIL

AWAY = Status.AWAY


def priority(*values):
    return Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, values)


@pytest.fixture
def known(desk):
    """Skills by name: German and Danish are languages, Billing and Returns subjects; a set of rules is followed by mail."""
    languages = skills.create(desk.id, skills.ensure_languages(desk.id).pk, ["German", "Danish"], by=SYSTEM)
    category = skills.create_category(desk.id, "Subjects", by=SYSTEM)
    subjects = skills.create(desk.id, category.pk, ["Billing", "Returns"], by=SYSTEM)
    return {one.name: one.pk for one in (*languages, *subjects)}


@pytest.fixture
def rules(desk, known):
    """The channel's own choice is Eve."""
    made = skill_sets.create(desk.id, "Mail", by=SYSTEM)
    desk.rule(user_ids=[desk.eve], skill_rule_set_id=made.pk)
    return made


def knows(desk, known, name, *main, second=()):
    given = {known[one]: True for one in main} | {known[one]: False for one in second}
    skills.set_of_user(desk.id, desk.users[name], given, by=SYSTEM)


def asks(desk, rules, known, *needed, wished=(), when=None, any_will_do=False, name="Rule"):
    new = NewRule(
        name, when or priority("HIGH"), [known[one] for one in needed], [known[one] for one in wished], any_will_do
    )  # fmt: skip
    return skill_sets.add_rule(desk.id, rules.pk, new, by=SYSTEM)


def arrival(desk, **columns):
    [pk] = desk.tickets(1, **({"priority": "HIGH"} | columns))
    return desk.route([pk])[0]


def given_up(desk):
    """What the latest decision says of skills that could not be had (R-SKILL-14)."""
    return dict(explain.explain(Decision.objects.latest("id")).details).get("Given up")


def test_t_route_27_only_german_speakers_get_a_german_ticket_else_the_channel_s_own(desk, known, rules):
    """T-ROUTE-27, R-SKILL-12, R-SKILL-14."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")
    knows(desk, known, "bob", "Danish")

    assert arrival(desk).user_id == desk.ada
    assert given_up(desk) is None
    desk.set(AWAY, "ada")
    assert arrival(desk).user_id == desk.eve
    all_of_it = "All of it: nobody who has these skills could take it, so the channel's own choice was asked."
    assert given_up(desk) == all_of_it
    desk.set(AWAY, "eve")
    assert (arrival(desk).user_id, arrival(desk).reason) == (None, Reason.ALL_DROPPED)


def test_rules_rest_where_the_plan_has_no_skills_and_count_again_with_it(desk, known, rules):
    """R-SKILL-1, R-TIER-1: without one more query."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")
    accounts.update(desk.id, by=SYSTEM, plan=Plan.PROFESSIONAL)
    with CaptureQueriesContext(connection) as without:
        assert arrival(desk).user_id == desk.eve

    accounts.update(desk.id, by=SYSTEM, plan=Plan.ENTERPRISE)

    assert arrival(desk).user_id == desk.ada
    assert not [one for one in without if 'FROM "accounts_account"' in one["sql"]]


def test_a_ticket_that_meets_no_rule_goes_where_the_channel_says(desk, known, rules):
    """R-SKILL-10, R-SKILL-14."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")

    assert arrival(desk, priority="LOW").user_id == desk.eve


def test_the_first_rule_that_is_met_counts(desk, known, rules):
    """R-SKILL-11: and their order can be changed."""
    first = asks(desk, rules, known, "German", name="First")
    second = asks(desk, rules, known, "Billing", name="Second", when=priority("HIGH", "LOW"))
    knows(desk, known, "ada", "German")
    knows(desk, known, "bob", "Billing")
    assert arrival(desk).user_id == desk.ada
    assert arrival(desk, priority="LOW").user_id == desk.bob

    skill_sets.order(desk.id, rules.pk, [second.pk, first.pk], by=SYSTEM)

    assert arrival(desk).user_id == desk.bob


def test_all_skills_are_needed_unless_one_is_enough(desk, known, rules):
    """R-SKILL-12."""
    rule = asks(desk, rules, known, "German", "Billing")
    knows(desk, known, "ada", "German")
    knows(desk, known, "bob", "German", "Billing")
    assert {arrival(desk).user_id for _ in range(3)} == {desk.bob}

    both = [known["German"], known["Billing"]]
    skill_sets.change_rule(
        desk.id, rules.pk, rule.pk, NewRule("Rule", priority("HIGH"), both, (), True), by=SYSTEM
    )

    assert {arrival(desk).user_id for _ in range(6)} == {desk.ada, desk.bob}


def test_wishes_are_given_up_first(desk, known, rules):
    """R-SKILL-14."""
    asks(desk, rules, known, "German", wished=["Billing"])
    knows(desk, known, "ada", "German")
    knows(desk, known, "bob", "German", "Billing")
    assert {arrival(desk).user_id for _ in range(3)} == {desk.bob}

    desk.set(AWAY, "bob")
    assert arrival(desk).user_id == desk.ada
    assert given_up(desk) == "What was wished: nobody who has that too could take it."


def test_a_main_language_comes_before_a_second_one_on_equal_loads(desk, known, rules):
    """R-SKILL-15: who has less to do gets it all the same."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", second=["German"])
    knows(desk, known, "bob", "German")

    assert [arrival(desk).user_id for _ in range(4)] == [desk.bob, desk.ada, desk.bob, desk.ada]


def test_the_skills_of_a_team_are_those_of_its_main_members(desk, known, rules):
    """R-SKILL-8: an extra member has none of them."""
    asks(desk, rules, known, "Billing")
    skills.set_of_team(desk.id, desk.teams["X"], [known["Billing"]], by=SYSTEM)

    assert {arrival(desk).user_id for _ in range(6)} == {desk.ada, desk.bob, desk.cat}


def test_a_rule_may_ask_about_the_contact(desk, known, rules):
    """R-SKILL-9."""
    of_spree = Filter("email", Kind.TEXT, Operator.CONTAINS, ("spree.example",))
    asks(desk, rules, known, "German", when=Associated("contact", of_spree))
    knows(desk, known, "ada", "German")
    made = contacts.create(Person("heike@spree.example", "Heike Sommer"), by=SYSTEM)
    theirs, other = desk.tickets(2)
    associations.link_many([("ticket", theirs, "contact", made.pk)], clock.now())

    assert [one.user_id for one in desk.route([theirs, other])] == [desk.ada, desk.eve]


def test_skills_come_before_the_contact_s_owner_and_not_before_teams_alone(desk, known, rules):
    """R-SKILL-10: a channel whose tickets go to teams gives them to nobody."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")
    kept = RoutingRule.objects.filter(account_id=desk.id, channel_account_id=MAIL)

    kept.update(option=Option.CONTACT_OWNER)
    assert arrival(desk).user_id == desk.ada
    kept.update(option=Option.TEAMS, team_ids=[desk.teams["X"]])
    assert arrival(desk).user_id is None


def test_a_rule_about_a_deleted_status_is_never_met_and_the_others_hold(desk, known, rules):
    """R-SKILL-11, R-PIPE-10."""
    asks(
        desk,
        rules,
        known,
        "Billing",
        when=Filter("hs_pipeline_stage", Kind.ENUM, Operator.ANY_OF, ("999999",)),
    )
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")
    knows(desk, known, "bob", "Billing")

    assert arrival(desk).user_id == desk.ada


def test_a_rule_that_can_t_be_asked_any_more_is_passed_over_and_told(desk, known, rules):
    """R-SKILL-11: as when a property is gone."""
    broken = asks(desk, rules, known, "Billing")
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")
    gone = {**broken.condition, "property": "gone"}
    SkillRule.objects.filter(pk=broken.pk).update(condition=gone)
    broken.condition = gone

    assert arrival(desk).user_id == desk.ada
    assert skill_sets.problem_of(broken)


@pytest.mark.parametrize(
    ("needed", "when"),
    [
        ((), priority("HIGH")),
        (("German",), AllOf(())),
        (("German",), Filter("gone", Kind.TEXT, Operator.ANY_OF, ("x",))),
    ],
)
def test_a_rule_that_could_never_be_followed_is_refused(desk, known, rules, needed, when):
    """R-SKILL-9, R-SKILL-12."""
    with pytest.raises(Invalid):
        skill_sets.add_rule(
            desk.id, rules.pk, NewRule("Rule", when, [known[one] for one in needed]), by=SYSTEM
        )
    with pytest.raises(Invalid):
        skill_sets.add_rule(desk.id, rules.pk, NewRule("Rule", priority("HIGH"), [999]), by=SYSTEM)


def test_a_set_is_copied_and_stays_while_a_channel_follows_it(desk, known, rules):
    """R-SKILL-10."""
    asks(desk, rules, known, "German", wished=["Billing"])
    made = skill_sets.copy(desk.id, rules.pk, "Chat", by=SYSTEM)

    found = skill_sets.rules_of(desk.id, [rules.pk, made.pk])
    assert [(one.name, one.needed_ids, one.wished_ids, one.condition) for one in found[made.pk]] == [
        (one.name, one.needed_ids, one.wished_ids, one.condition) for one in found[rules.pk]
    ]
    with pytest.raises(Conflict):
        skill_sets.delete(desk.id, rules.pk, by=SYSTEM)
    skill_sets.delete(desk.id, made.pk, by=SYSTEM)
    assert [one.name for one in skill_sets.sets(desk.id)] == ["Mail"]


def test_what_a_rule_asks_for_says_so_before_it_goes(desk, known, rules):
    """R-SKILL-9: segments, labels of links, kinds of linked records."""
    spree = Associated("contact", Filter("email", Kind.TEXT, Operator.CONTAINS, ("spree",)), type_id=77)
    asks(desk, rules, known, "German", name="Of the segment", when=MemberOf("segment", (5,)))
    asks(desk, rules, known, "German", name="Of the label", when=spree)

    named = {
        pk: [one.name for one in uses] for pk, uses in skill_sets.asking_for_segments(desk.id, [5, 6]).items()
    }
    assert named == {5: ["Of the segment"]}
    assert list(skill_sets.asking_for_labels(desk.id, [77, 78])) == [77]
    assert [one.name for one in skill_sets.asking_for_kind(desk.id, "contact")] == ["Of the label"]


def test_a_channel_follows_only_rules_that_are_there(desk, rules):
    """R-SKILL-10."""
    kept = routing_rules.set_rule(desk.id, MAIL, Option.NONE, skill_rule_set_id=rules.pk, by=SYSTEM)

    assert kept.skill_rule_set_id == rules.pk
    with pytest.raises(Invalid):
        routing_rules.set_rule(desk.id, MAIL, Option.NONE, skill_rule_set_id=999, by=SYSTEM)


def test_rules_close_up_when_one_goes(desk, known, rules):
    """R-SKILL-11."""
    first, second, third = (asks(desk, rules, known, "German", name=name) for name in "abc")
    skill_sets.order(desk.id, rules.pk, [third.pk, 999], by=SYSTEM)
    skill_sets.delete_rule(desk.id, rules.pk, first.pk, by=SYSTEM)

    found = skill_sets.rules_of(desk.id, [rules.pk])[rules.pk]
    assert [(one.pk, one.place) for one in found] == [(third.pk, 0), (second.pk, 1)]


def test_many_tickets_ask_in_as_many_queries_as_one(desk, known, rules):
    """R-SKILL-9: and rules and holders cost none either."""
    asks(desk, rules, known, "German")
    knows(desk, known, "ada", "German")

    def queries(ticket_ids):
        with CaptureQueriesContext(connection) as seen:
            skill_rules.asked(desk.id, {rules.pk: ticket_ids}, clock.now())
        return len(seen)

    one = queries(desk.tickets(1, priority="HIGH"))
    for name in ("bob", "cat"):
        knows(desk, known, name, "German", "Billing")
    for _ in range(5):
        asks(desk, rules, known, "Billing", when=priority("LOW"))
    assert queries([*desk.tickets(20, priority="HIGH"), *desk.tickets(20, priority="LOW")]) == one


def test_a_decision_by_skills_is_made_again_from_what_is_kept(desk, known, rules):
    """R-ROUTE-70, R-SKILL-14: with the skills as they were, whoever has them since."""
    asks(desk, rules, known, "German", wished=["Billing"])
    knows(desk, known, "ada", second=["German"])
    knows(desk, known, "bob", "German", "Billing")
    made = [arrival(desk) for _ in range(3)]
    desk.set(AWAY, "bob")
    made += [arrival(desk) for _ in range(2)]
    for name in ("ada", "bob"):
        knows(desk, known, name)

    for one in made:
        kept = Decision.objects.get(pk=one.decision_id)
        assert replaying.replay(kept).chosen.user_id == kept.user_id


# -- Who fits ----------------------------------------------------------------------------------------------------

PEOPLE, LANGUAGES = range(1, 7), frozenset({1, 2})
ids = st.lists(st.integers(1, 5), unique=True, max_size=3)


@given(
    needed=ids,
    wished=ids,
    any_will_do=st.booleans(),
    has=st.dictionaries(st.integers(1, 5), st.dictionaries(st.sampled_from(PEOPLE), st.booleans())),
)
def test_exactly_those_who_fit_are_asked(needed, wished, any_will_do, has):
    """R-SKILL-12, R-SKILL-14, R-SKILL-15, by the letter."""
    has = {
        pk: {user: is_main or pk not in LANGUAGES for user, is_main in own.items()} for pk, own in has.items()
    }
    order = {user: place for place, user in enumerate(reversed(PEOPLE))}
    rule = SkillRule(pk=1, name="Rule", needed_ids=needed, wished_ids=wished, any_will_do=any_will_do)
    by_skill = {pk: has.get(pk, {}) for pk in {*needed, *wished}}

    made = skill_rules.ask(rule, Holders(by_skill, LANGUAGES, order), {})

    def knows(user, pk):
        return user in has.get(pk, {})

    def fits(user):
        found = [knows(user, pk) for pk in needed]
        return any(found) if any_will_do and needed else all(found)

    def wishes(user):
        return all(knows(user, pk) for pk in wished)

    in_order = list(reversed(PEOPLE))
    full = [user for user in in_order if (needed or wished) and fits(user) and wishes(user)]
    relaxed = [user for user in in_order if fits(user)] if needed else full
    assert (list(made.user_ids), list(made.relaxed_user_ids)) == (full, relaxed)
    if not any_will_do:
        spoken = LANGUAGES.intersection((*needed, *wished))
        assert made.second == {
            user for user in relaxed if any(has.get(pk, {}).get(user) is False for pk in spoken)
        }

"""Kept decisions: made again to the same end, and told in words."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.filters.types import Filter, Operator
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.routing import capacity, explain, loads, queries, replaying, skill_sets, skills
from deskhand.routing.models import Decision, RoutingRule
from deskhand.routing.skill_sets import NewRule
from deskhand.routing.types import Option, Status, Strategy

from .conftest import CHAT, MAIL, NOON

AWAY = Status.AWAY


def told(desk, ticket):
    return explain.explain(queries.decision_for_ticket(desk.id, ticket))


def arrive(desk, **more):
    [ticket] = desk.tickets(1)
    desk.route([ticket], **more)
    return told(desk, ticket)


@pytest.mark.parametrize("strategy", Strategy)
def test_every_decision_can_be_made_again(desk, strategy):
    """R-ROUTE-70."""
    desk.rule(team_ids=[desk.teams["X"]], strategy=strategy, fallback_user_ids=[desk.eve])
    desk.rule(CHAT, user_ids=[desk.eve, desk.ada], strategy=strategy)

    desk.route(desk.tickets(7))
    desk.set(AWAY, "bob")
    desk.route(desk.tickets(5), channel=CHAT)
    desk.route(desk.tickets(6))
    desk.set(AWAY, "ada", "cat")
    desk.route(desk.tickets(2))

    kept = list(Decision.objects.order_by("id"))
    assert len(kept) == 20
    assert [replaying.replay(one).chosen.user_id for one in kept] == [one.user_id for one in kept]


def test_it_says_who_had_least_to_do_and_who_was_passed_over(desk):
    desk.rule(team_ids=[desk.teams["X"]])
    desk.set(AWAY, "cat")
    loads.reconcile(
        desk.id,
        desk.tickets(2, owner_id=desk.ada, owner_assigned_at=desk.account.created_at),
        desk.account.created_at,
    )

    why = arrive(desk)

    assert why.headline == "Assigned to Bob, who had the fewest open tickets."
    assert ("Open tickets", "Bob 0, Ada 2") in why.details
    assert ("Could take it", "2 of 5 people") in why.details
    assert ("Rule", "Specific users and teams, only if available") in why.details
    assert ("Team", "X") in why.details
    assert [(passed.name, passed.reason) for passed in why.dropped] == [
        ("Cat", "away"),
        ("Nils", "has no seat"),
        ("Eve", "only an extra member of the team"),
    ]


def test_it_says_how_a_tie_was_broken(desk):
    """R-ROUTE-31."""
    desk.rule(user_ids=[desk.ada, desk.bob])

    first, second = arrive(desk), arrive(desk)
    third = arrive(desk)

    assert ("Tie", "Ada had as much to do as Bob and stands first in the rule.") in first.details
    assert second.headline == "Assigned to Bob, who had the fewest open tickets."
    assert ("Tie", "Ada had as much to do as Bob and had waited longer.") in third.details
    assert first.headline == "Assigned to Ada, the first of those with the least to do."
    assert third.headline == "Assigned to Ada, who had waited longest of those with the least to do."


def test_it_says_that_someone_new_comes_first(desk):
    desk.rule(user_ids=[desk.ada])
    ticket = desk.tickets(1)
    desk.route(ticket)
    desk.rule(CHAT, user_ids=[desk.ada, desk.bob], only_available=False)
    loads.reconcile(
        desk.id,
        desk.tickets(1, owner_id=desk.bob, owner_assigned_at=desk.account.created_at),
        desk.account.created_at,
    )

    why = arrive(desk, channel=CHAT)

    assert ("Tie", "Bob had as much to do as Ada and had never been given a ticket.") in why.details


@pytest.mark.parametrize(
    ("strategy", "headline"),
    [
        (Strategy.ROUND_ROBIN, "Assigned to Ada, whose turn it was."),
        (Strategy.RANDOM, "drawn at random."),
    ],
)
def test_it_says_by_which_strategy(desk, strategy, headline):
    desk.rule(user_ids=[desk.ada, desk.bob], strategy=strategy)

    assert headline in arrive(desk).headline


def share(desk, name, percent):
    capacity.set_shares(desk.id, [desk.users[name]], percent, by=SYSTEM)


def busy(desk, **tickets):
    """Open tickets that they have already."""
    own = [
        desk.tickets(count, owner_id=desk.users[name], owner_assigned_at=NOON)
        for name, count in tickets.items()
    ]
    loads.reconcile(desk.id, [pk for some in own for pk in some], NOON)


def weigh(desk):
    capacity.set_settings(
        desk.id, capacity.Settings(weighs=True, types={"EMAIL_OTHER": 3}), by=SYSTEM, now=NOON
    )


BY_LOAD = (
    (False, False, "who had the fewest open tickets", "Open tickets", "Bob 1, Ada 2"),
    (True, False, "whose open tickets had the fewest points", "Points of open tickets", "Bob 3, Ada 6"),
    (False, True, "who had the fewest open tickets for their share of the work", "Open tickets", "Ada 2, Bob 1"),
    (
        True, True, "whose open tickets had the fewest points for their share of the work", "Points of open tickets",
        "Ada 6, Bob 3",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("weighs", "shares", "words", "label", "figures"), BY_LOAD)
def test_it_says_what_was_counted_and_that_shares_were(desk, weighs, shares, words, label, figures):
    """R-ROUTE-30, R-ROUTE-70: Bob has fewer, and more than Ada for a quarter of the work; foreseen as it then happens."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    if weighs:
        weigh(desk)
    if shares:
        share(desk, "bob", 25)
    busy(desk, ada=2, bob=1)
    who = "Ada" if shares else "Bob"

    seen = explain.foresee(desk.id, MAIL, clock.now())
    why = arrive(desk)

    assert why.headline == f"Assigned to {who}, {words}."
    now = words.replace("had", "have") if weighs else words.replace("who had", "with")
    assert (seen.headline, seen.weighs) == (f"{who} would get it, {now}.", weighs)
    assert (label, figures) in why.details
    assert ("Share of the work" in dict(why.details)) is shares
    assert "Tie" not in dict(why.details)


def test_it_tells_the_shares(desk):
    desk.rule(user_ids=[desk.ada, desk.bob])
    share(desk, "bob", 25)

    assert ("Share of the work", "Ada 100 %, Bob 25 %") in arrive(desk).details


def test_loads_that_weigh_the_same_by_share_are_a_tie(desk):
    """R-ROUTE-31: one of a half, two of the whole."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    share(desk, "bob", 50)
    busy(desk, ada=2, bob=1)

    why = arrive(desk)

    assert why.headline == "Assigned to Ada, the first of those with the least to do."
    assert ("Tie", "Ada had as much to do as Bob and stands first in the rule.") in why.details


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (Strategy.ROUND_ROBIN, "whose turn it was."),
        (Strategy.RANDOM, "drawn at random, each by their share of the work."),
    ],
)
def test_turns_and_lots_go_by_shares_too(desk, strategy, words):
    """R-ROUTE-32, R-ROUTE-38."""
    desk.rule(user_ids=[desk.ada, desk.bob], strategy=strategy)
    share(desk, "bob", 50)

    why = arrive(desk)

    assert why.headline.endswith(words)
    assert set(dict(why.details)["Share of the work"].split(", ")) == {"Ada 100 %", "Bob 50 %"}
    assert "Open tickets" not in dict(why.details)


@pytest.fixture
def speakers(desk):
    """Who mails waits for somebody with German: the main language of Bob and Cat, the second one of Ada and Eve."""
    [german] = skills.create(desk.id, skills.ensure_languages(desk.id).pk, ["German"], by=SYSTEM)
    for name in ("ada", "bob", "cat", "eve"):
        skills.set_of_user(desk.id, desk.users[name], {german.pk: name in ("bob", "cat")}, by=SYSTEM)
    made = skill_sets.create(desk.id, "Mail", by=SYSTEM)
    no_priority = Filter("hs_ticket_priority", Kind.ENUM, Operator.UNKNOWN)
    skill_sets.add_rule(desk.id, made.pk, NewRule("German", no_priority, [german.pk]), by=SYSTEM)
    desk.rule(skill_rule_set_id=made.pk)
    return desk


def test_a_tie_that_language_broke_is_told_so(speakers):
    """R-SKILL-15, R-ROUTE-31: then the wait, then the order by name; whatever separated whom."""
    busy(speakers, cat=1)

    first = arrive(speakers)
    assert first.headline == "Assigned to Bob, who knew the language best of those with the least to do."
    assert ("Tie", "Bob had as much to do as Ada and Eve and knew the language better.") in first.details

    busy(speakers, ada=1, eve=1)
    second = arrive(speakers)
    assert second.headline == "Assigned to Cat, who had waited longest of those with the least to do."
    told = dict(second.details)["Tie"]
    assert told == (
        "Cat had as much to do as Ada and Eve and knew the language better. "
        "Cat had as much to do as Bob and had never been given a ticket."
    )


def test_who_have_the_skills_stand_in_the_order_of_their_names(speakers):
    """R-ROUTE-31: no rule says who of them is first."""
    speakers.set(AWAY, "ada", "eve")

    why = arrive(speakers)

    assert why.headline == "Assigned to Bob, the first of those with the least to do."
    assert ("Tie", "Bob had as much to do as Cat and comes first by name.") in why.details


def test_of_several_the_only_one_with_room_is_the_only_one(desk):
    """R-CAP-6: by whatever strategy."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    capacity.set_limits(desk.id, [desk.ada], total=0, by=SYSTEM)

    seen = explain.foresee(desk.id, MAIL, clock.now())
    why = arrive(desk)

    assert why.headline == "Assigned to Bob, the only one who could take it."
    assert seen.headline == "Bob would get it, the only one who can take it."
    assert ("Could take it", "1 of 2 people") in why.details


def test_who_had_no_room_in_an_earlier_pool_is_not_taken_from_a_later_one(desk):
    """R-ROUTE-70: two are full, so the fallback is asked."""
    desk.rule(user_ids=[desk.ada, desk.bob], fallback_user_ids=[desk.cat])
    capacity.set_limits(desk.id, [desk.ada, desk.bob], total=0, by=SYSTEM)

    assert ("Could take it", "1 of 1 person") in arrive(desk).details


def test_who_has_no_room_is_foreseen_though_the_fallback_is_away(desk):
    """R-ROUTE-70: of all who are asked, as the decision tells it then."""
    desk.rule(user_ids=[desk.ada], fallback_user_ids=[desk.cat])
    desk.set(Status.AWAY, "cat")
    capacity.set_limits(desk.id, [desk.ada], total=0, by=SYSTEM)

    seen = explain.foresee(desk.id, MAIL, clock.now())
    why = arrive(desk)

    assert seen.headline == "Nobody would get it: nobody who is there has room for it."
    assert why.headline == "Nobody was assigned: nobody who was there had room for it."
    assert (
        {one.user_id for one in seen.dropped} == {one.user_id for one in why.dropped} == {desk.ada, desk.cat}
    )


def test_what_did_not_fit_is_told_in_points(desk):
    """R-CAP-6: there may be room, and not enough of it."""
    desk.rule(user_ids=[desk.ada])
    weigh(desk)
    busy(desk, ada=1)
    capacity.set_limits(desk.id, [desk.ada], total=5, by=SYSTEM)

    [passed] = explain.foresee(desk.id, MAIL, clock.now()).dropped
    why = arrive(desk)

    assert passed.reason == "no room: 3 of 5 points are taken, and this ticket counts 3"
    assert why.dropped == (passed,)
    assert dict(why.details)["What would have helped"] == (
        "Room with Ada for a ticket that counts 3: 3 of 5 points were taken."
    )


def test_it_says_that_there_was_only_one(desk):
    desk.rule(user_ids=[desk.ada, desk.bob])
    desk.set(AWAY, "bob")

    assert arrive(desk).headline == "Assigned to Ada, the only one who could take it."


def test_it_says_that_the_contact_has_an_owner_or_none(desk):
    desk.rule(option=Option.CONTACT_OWNER)

    assert arrive(desk, contact_owner_id=desk.ada).headline == "Assigned to Ada, the contact's owner."
    assert arrive(desk).headline == "Nobody was assigned: the contact has no owner."


def test_it_says_that_the_fallback_was_asked(desk):
    desk.rule(user_ids=[desk.ada], fallback_user_ids=[desk.bob])
    desk.set(AWAY, "ada")

    why = arrive(desk)

    assert why.headline == "Assigned to Bob, the only one who could take it."
    assert "Fallback" in dict(why.details)
    assert [passed.name for passed in why.dropped] == ["Ada"]


def test_it_says_why_nobody(desk):
    """R-ROUTE-46, R-ROUTE-70."""
    desk.rule(team_ids=[desk.teams["X"]])
    desk.rule(CHAT, user_ids=[desk.nils])
    desk.set(AWAY, "ada", "bob", "cat")

    assert arrive(desk).headline == "Nobody was assigned: nobody in the rule could take it."
    assert arrive(desk, channel=CHAT).dropped[0].reason == "has no seat"
    assert arrive(desk, channel=99).headline == "Nobody was assigned: this channel has no routing rule."


def test_it_says_that_all_were_away(desk):
    desk.rule(user_ids=[desk.ada, desk.bob])
    desk.set(AWAY, "ada", "bob")

    assert arrive(desk).headline == "Nobody was assigned: everybody in the rule was away."


def test_an_owner_who_was_away_is_told_as_the_contacts_owner(desk):
    """R-ROUTE-60, R-ROUTE-70: the rule names nobody but the fallback."""
    desk.rule(option=Option.CONTACT_OWNER)
    desk.set(AWAY, "ada", "bob")

    def of_adas():
        return arrive(desk, contact_owner_id=desk.ada).headline

    assert of_adas() == "Nobody was assigned: the contact's owner was away."
    RoutingRule.objects.update(fallback_user_ids=[desk.bob])
    assert of_adas() == (
        "Nobody was assigned: the contact's owner was away, and so were all others in the rule."
    )
    assert arrive(desk).headline == "Nobody was assigned: everybody in the rule was away."


@pytest.mark.parametrize(
    ("option", "headline"),
    [
        (Option.NONE, "Nobody was assigned: this channel leaves new tickets unassigned."),
        (Option.TEAMS, "Left to the team: this channel's rule names teams only."),
    ],
)
def test_it_says_what_the_rule_wanted(desk, option, headline):
    desk.rule(option=option, team_ids=[desk.teams["X"]])

    assert arrive(desk).headline == headline


@pytest.mark.drifts
def test_it_says_that_somebody_had_it_already(desk):
    """R-ROUTE-71."""
    desk.rule(user_ids=[desk.ada])
    [ticket] = desk.tickets(1, owner_id=desk.bob)
    desk.route([ticket])

    assert told(desk, ticket).headline == "Left as it was: the ticket had an owner before routing."


def test_an_empty_rule_is_said_to_be_empty(desk):
    """R-TEAM-5."""
    desk.rule(team_ids=[12345])

    assert arrive(desk).headline == "Nobody was assigned: there is nobody left in the rule."


def test_a_ticket_never_routed_has_no_decision(desk):
    assert queries.decision_for_ticket(desk.id, desk.tickets(1)[0]) is None


# -- Who would get the next one -----------------------------------------------------------------------------------


def test_the_next_one_is_foreseen_as_it_then_happens(desk):
    """R-ROUTE-70: with the loads of this moment, and nothing written."""
    desk.rule(user_ids=[desk.ada, desk.bob, desk.cat])
    assert desk.arrivals(2) == [desk.ada, desk.bob]

    seen = explain.foresee(desk.id, MAIL, clock.now())

    assert seen.user_id == desk.cat
    assert "Cat" in seen.headline
    assert seen.takers == ((desk.ada, "Ada", 1), (desk.bob, "Bob", 1), (desk.cat, "Cat", 0))
    assert Decision.objects.count() == 2
    assert desk.arrivals() == [desk.cat]


def test_a_turn_is_foreseen_and_not_consumed(desk):
    """R-ROUTE-32, R-ROUTE-36"""
    desk.rule(user_ids=[desk.ada, desk.bob], strategy="ROUND_ROBIN")
    desk.arrivals()

    assert [explain.foresee(desk.id, MAIL, clock.now()).user_id for _ in range(2)] == [desk.bob, desk.bob]
    assert desk.arrivals() == [desk.bob]


def test_no_name_is_foreseen_of_a_lot_before_it_is_drawn(desk):
    """R-ROUTE-38, R-ROUTE-70"""
    desk.rule(user_ids=[desk.ada, desk.bob], strategy="RANDOM")
    seen = explain.foresee(desk.id, MAIL, clock.now())
    assert (seen.user_id, len(seen.takers)) == (None, 2)
    assert seen.headline == "One of those who can take it would get it, drawn at random."

    RoutingRule.objects.update(user_ids=[desk.bob])
    assert explain.foresee(desk.id, MAIL, clock.now()).user_id == desk.bob, "one alone needs no lot"


def test_who_would_be_passed_over_is_foreseen_with_the_reason(desk):
    """R-ROUTE-46, R-ROUTE-70"""
    desk.rule(team_ids=[desk.teams["X"]])
    desk.set(Status.AWAY, "ada", "bob", "cat")

    seen = explain.foresee(desk.id, MAIL, clock.now())

    assert seen.user_id is None
    assert seen.headline == "Nobody would get it: nobody in the rule can take it."
    assert {(one.name, one.reason) for one in seen.dropped} >= {("Ada", "away"), ("Nils", "has no seat")}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("NONE", "Nobody would get it: new tickets stay unassigned."),
        ("TEAMS", "It would go to the team, without an owner."),
        ("CONTACT_OWNER", "It would go to the owner of the contact who writes; without one, to nobody."),
    ],
)
def test_each_option_is_foreseen_in_words(desk, option, words):
    """R-ROUTE-18, R-ROUTE-19, R-ROUTE-60"""
    desk.rule(option=option, team_ids=[desk.teams["X"]])

    assert explain.foresee(desk.id, MAIL, clock.now()).headline == words
    if option == "TEAMS":
        desk.person("ida")
        desk.team("Two", main=["ida"])
        RoutingRule.objects.update(team_ids=[desk.teams["X"], desk.teams["Two"]])
        several = explain.foresee(desk.id, MAIL, clock.now()).headline
        assert several == "It would go to the teams, without an owner."
    assert (
        explain.foresee(desk.id, 999, clock.now()).headline
        == "Nobody would get it: new tickets stay unassigned."
    )


def test_foreseeing_asks_as_much_for_many_as_for_few(desk, django_assert_num_queries):
    desk.rule(user_ids=[desk.ada])
    with CaptureQueriesContext(connection) as few:
        explain.foresee(desk.id, MAIL, clock.now())
    texts = [one["sql"] for one in few]
    assert len(texts) == len(set(texts)), "nothing is asked twice"
    for n in range(12):
        desk.person(f"more{n}")
    RoutingRule.objects.update(user_ids=list(desk.users.values()))

    with django_assert_num_queries(len(few)):
        explain.foresee(desk.id, MAIL, clock.now())


# -- What would have helped ---------------------------------------------------------------------------------------


def helped(desk, **more):
    return dict(arrive(desk, **more).details)["What would have helped"]


def test_it_says_that_one_more_place_would_have_been_enough(desk):
    """The nearest change: of those without room, who is the least over."""
    desk.rule(user_ids=[desk.ada, desk.bob, desk.cat])
    desk.set(AWAY, "cat")
    by = Actor.user(desk.ada)
    capacity.set_limits(desk.id, [desk.ada], total=1, by=by)
    capacity.set_limits(desk.id, [desk.bob], total=2, by=by)
    theirs = [
        desk.tickets(count, owner_id=owner, owner_assigned_at=NOON)
        for count, owner in ((3, desk.ada), (2, desk.bob))
    ]
    loads.reconcile(desk.id, [pk for own in theirs for pk in own], NOON)

    why = arrive(desk)

    assert why.headline == "Nobody was assigned: nobody who was there had room for it."
    assert ("What would have helped", "Room for one more with Bob, who had 2 of 2.") in why.details
    assert {(passed.name, passed.reason) for passed in why.dropped} == {
        ("Ada", "full: 3 of 1"), ("Bob", "full: 2 of 2"), ("Cat", "away"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choices", "away", "words"),
    [
        ({"user_ids": "ada bob"}, "ada bob", "Ada or Bob being available, or a rule that does not ask for it."),
        ({"user_ids": "nils"}, "", "A seat for Nils."),
        ({"option": Option.NONE}, "", "A rule of the channel that says who gets its tickets."),
        ({"option": Option.CONTACT_OWNER}, "", "An owner of the contact, or a fallback in the rule."),
        ({"hours_zone": "UTC", "hours_blocks": [[6, 0, 60]], "user_ids": "ada"}, "", "Hours of the channel that include this one."),
    ],
    ids=["away", "seat", "none", "contact owner", "closed"],
)  # fmt: skip
def test_it_says_what_would_have_helped(desk, choices, away, words):
    users = [desk.users[name] for name in choices.get("user_ids", "").split()]
    desk.rule(**{**choices, "user_ids": users})
    desk.set(AWAY, *away.split())

    assert helped(desk) == words


def test_who_is_given_one_needs_no_help(desk):
    desk.rule(user_ids=[desk.ada])

    assert "What would have helped" not in dict(arrive(desk).details)

"""Kept decisions: made again to the same end, and told in words."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.routing import capacity, explain, loads, queries, replaying
from deskhand.routing.models import Decision, RoutingRule
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

    assert ("Tie", "Ada had as many as Bob and stands first in the rule.") in first.details
    assert second.headline == "Assigned to Bob, who had the fewest open tickets."
    assert ("Tie", "Ada had as many as Bob and had waited longest.") in third.details


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

    assert ("Tie", "Bob had as many as Ada and had never been given a ticket.") in why.details


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
    assert (
        explain.foresee(desk.id, 999, clock.now()).headline
        == "Nobody would get it: new tickets stay unassigned."
    )


def test_foreseeing_asks_as_much_for_many_as_for_few(desk, django_assert_num_queries):
    desk.rule(user_ids=[desk.ada])
    with CaptureQueriesContext(connection) as few:
        explain.foresee(desk.id, MAIL, clock.now())
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

    assert why.headline == "Nobody was assigned: who was there had as many tickets as they may be given."
    assert ("What would have helped", "Room for one more with Bob, who had 2 of 2.") in why.details
    assert {(passed.name, passed.reason) for passed in why.dropped} == {
        ("Ada", "full: 3 of 1"), ("Bob", "full: 2 of 2"), ("Cat", "away"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("choices", "away", "words"),
    [
        ({"user_ids": "ada bob"}, "ada bob", "Ada, Bob being available, or a rule that does not ask for it."),
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

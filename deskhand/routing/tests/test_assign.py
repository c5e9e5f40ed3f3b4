"""Routing against the database: T-ROUTE of the behaviour catalogue, by number."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership, Team, TeamMember, User
from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Ticket
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.routing import assign, loads
from deskhand.routing.models import AgentLoad, Decision, RosterSnapshot, RoundRobinState
from deskhand.routing.types import Drop, NewTicket, Option, Reason, Status, Strategy

from .conftest import CHAT, MAIL, NOON

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY


def own(desk, name, count, *, kind="EMAIL_OTHER", at=NOON, **columns):
    """Open tickets that `name` has already, counted."""
    ids = desk.tickets(count, owner_id=desk.users[name], owner_assigned_at=at, ticket_type=kind, **columns)
    loads.reconcile(desk.id, ids, clock.now())
    return ids


def served_at(desk, name, turn):
    AgentLoad.objects.update_or_create(
        account_id=desk.id, user_id=desk.users[name], ticket_type="EMAIL_OTHER", defaults={"last_turn": turn}
    )


def dropped(made):
    kept = RosterSnapshot.objects.get(pk=Decision.objects.get(pk=made.decision_id).snapshot_ids[0])
    return dict(kept.content["dropped"]) if kept else {}


# -- Options ------------------------------------------------------------------------------------------------------


def test_without_a_rule_nobody_gets_it(desk):
    """T-ROUTE-1, R-ROUTE-1."""
    [made] = desk.route(desk.tickets(1))

    assert (made.user_id, made.team_ids, made.reason) == (None, (), Reason.NO_RULE)


def test_the_option_none_leaves_it_unassigned(desk):
    """R-ROUTE-18."""
    desk.rule(option=Option.NONE)

    [made] = desk.route(desk.tickets(1))

    assert (made.user_id, made.team_ids, made.reason) == (None, (), Reason.OPTION_NONE)


def test_teams_only_leaves_it_to_the_team(desk):
    """T-ROUTE-13, R-ROUTE-19."""
    desk.rule(option=Option.TEAMS, team_ids=[desk.teams["X"]])

    [ticket] = desk.tickets(1)
    desk.route([ticket])

    kept = Ticket.objects.get(pk=ticket)
    assert (kept.owner_id, kept.assigned_team_ids) == (None, [desk.teams["X"]])


def test_a_deleted_team_is_passed_over(desk):
    """R-TEAM-5."""
    empty = desk.team("Empty")
    desk.rule(option=Option.TEAMS, team_ids=[empty, desk.teams["X"]])
    Team.objects.get(pk=empty).delete()

    assert desk.route(desk.tickets(1))[0].team_ids == (desk.teams["X"],)


def test_rules_are_of_their_channel_alone(desk):
    """R-ROUTE-15."""
    desk.rule(MAIL, user_ids=[desk.ada])
    desk.rule(CHAT, user_ids=[desk.bob])

    assert desk.arrivals(channel=CHAT) == [desk.bob]


def test_the_owner_brings_their_main_team(desk):
    """R-ROUTE-50."""
    desk.team("Y", extra=["ada"])
    desk.rule(user_ids=[desk.ada])

    assert desk.route(desk.tickets(1))[0].team_ids == (desk.teams["X"],)


@pytest.mark.drifts
def test_removing_the_owner_keeps_the_teams(desk):
    """T-ROUTE-18, R-ROUTE-51."""
    desk.rule(user_ids=[desk.ada])
    [ticket] = desk.tickets(1)
    desk.route([ticket])

    tickets.assign(ticket, owner_id=None, by=Actor.user(desk.bob))

    assert Ticket.objects.get(pk=ticket).assigned_team_ids == [desk.teams["X"]]


# -- Load balanced ------------------------------------------------------------------------------------------------


@pytest.fixture
def abc(desk):
    desk.rule(user_ids=[desk.ada, desk.bob, desk.cat])
    return desk


def test_t_route_2_of_the_least_loaded_who_waited_longest_gets_it(abc):
    """T-ROUTE-2, R-ROUTE-30, R-ROUTE-31."""
    own(abc, "ada", 3), own(abc, "bob", 1), own(abc, "cat", 1)
    served_at(abc, "bob", 90), served_at(abc, "cat", 80)

    assert abc.arrivals() == [abc.cat]


def test_t_route_3_tickets_of_another_type_do_not_count(desk):
    """T-ROUTE-3, R-ROUTE-20, R-ROUTE-22."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    own(desk, "ada", 5, kind="MESSAGE"), own(desk, "bob", 1)

    assert desk.arrivals() == [desk.ada]


@pytest.mark.parametrize(
    ("age", "counts"),
    [(timedelta(days=31), False), (timedelta(days=30, microseconds=1), False), (timedelta(days=30), True)],
)
def test_t_route_4_tickets_count_for_thirty_days_to_the_microsecond(desk, age, counts):
    """T-ROUTE-4, R-ROUTE-22, R-ROUTE-23."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    own(desk, "ada", 9, at=NOON - age), own(desk, "bob", 1)

    assert desk.arrivals() == [desk.bob if counts else desk.ada]


@pytest.mark.drifts
def test_what_counted_stops_counting_when_its_time_is_over(desk):
    """R-ROUTE-22: at the moment of routing, not at some nightly hour."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    own(desk, "ada", 9), own(desk, "bob", 1, at=NOON + timedelta(days=1))

    with clock.stopped(NOON + timedelta(days=30)):
        assert desk.arrivals() == [desk.bob]
    with clock.stopped(NOON + timedelta(days=30, microseconds=1)):
        assert desk.arrivals() == [desk.ada]


@pytest.mark.parametrize(
    "change",
    [
        {"is_closed": True},
        {"is_spam": True},
        {"archived_at": NOON},
        {"in_help_desk": False},
        {"owner_id": None},
    ],
)
def test_t_route_5_tickets_that_are_done_with_do_not_count(desk, change):
    """T-ROUTE-5, R-ROUTE-22, R-ROUTE-24."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    ids = own(desk, "ada", 3)
    own(desk, "bob", 1)

    Ticket.objects.filter(pk__in=ids).update(**change)
    loads.reconcile(desk.id, ids, NOON)

    assert desk.arrivals() == [desk.ada]


def test_a_merged_ticket_does_not_count(desk):
    """R-ROUTE-24."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    ids = own(desk, "ada", 2)
    own(desk, "bob", 1)

    Ticket.objects.filter(pk=ids[0]).update(merged_into_id=ids[1])
    Ticket.objects.filter(pk=ids[1]).update(is_closed=True)
    loads.reconcile(desk.id, ids, NOON)

    assert desk.arrivals() == [desk.ada]


def test_t_route_20_two_mails_at_once_go_to_different_users(desk):
    """T-ROUTE-20, R-ROUTE-26; the race test shows it for several workers."""
    desk.rule(user_ids=[desk.ada, desk.bob])

    made = desk.route(desk.tickets(2))

    assert {one.user_id for one in made} == {desk.ada, desk.bob}


def test_a_batch_is_spread_like_single_arrivals(abc):
    own(abc, "ada", 2)

    batch = [one.user_id for one in abc.route(abc.tickets(7))]

    assert Counter(batch) == {abc.ada: 1, abc.bob: 3, abc.cat: 3}
    assert batch == [abc.bob, abc.cat, abc.bob, abc.cat, abc.ada, abc.bob, abc.cat]


# -- Round robin and random ---------------------------------------------------------------------------------------


@pytest.fixture
def in_turn(desk):
    desk.rule(user_ids=[desk.ada, desk.bob, desk.cat], strategy=Strategy.ROUND_ROBIN)
    return desk


def test_t_route_6_who_was_away_at_their_turn_gets_the_next_one(in_turn):
    """T-ROUTE-6, R-ROUTE-34, R-ROUTE-35."""
    in_turn.set(AWAY, "bob")
    first = in_turn.arrivals(2)
    in_turn.set(AVAILABLE, "bob")

    assert first + in_turn.arrivals(2) == [in_turn.ada, in_turn.cat, in_turn.bob, in_turn.ada]


def test_t_route_7_an_assignment_by_hand_takes_no_turn(in_turn):
    """T-ROUTE-7, R-ROUTE-36."""
    [by_hand] = in_turn.tickets(1)
    tickets.assign(by_hand, owner_id=in_turn.ada, by=Actor.user(in_turn.bob))
    loads.reconcile(in_turn.id, [by_hand], NOON)

    assert in_turn.arrivals(2) == [in_turn.ada, in_turn.bob]


def test_the_cycle_is_kept_per_rule(in_turn):
    """R-ROUTE-37."""
    other = in_turn.rule(CHAT, user_ids=[in_turn.ada, in_turn.bob], strategy=Strategy.ROUND_ROBIN)
    in_turn.arrivals(2)

    assert in_turn.arrivals(channel=CHAT) == [in_turn.ada]
    assert in_turn.arrivals(2) == [in_turn.cat, in_turn.ada]
    assert RoundRobinState.objects.get(rule=other).served_user_ids == [in_turn.ada]


def test_the_order_is_the_rules_with_teams_by_name_and_nobody_twice(desk):
    """R-ROUTE-33, R-ROUTE-40."""
    desk.rule(user_ids=[desk.cat], team_ids=[desk.teams["X"]], strategy=Strategy.ROUND_ROBIN)

    assert desk.arrivals(4) == [desk.cat, desk.ada, desk.bob, desk.cat]


def test_a_seeded_draw_can_be_repeated(desk):
    """R-ROUTE-38."""
    desk.rule(user_ids=[desk.ada, desk.bob, desk.cat], strategy=Strategy.RANDOM)

    got = Counter(one.user_id for one in desk.route(desk.tickets(60), seed=5))

    assert set(got) == {desk.ada, desk.bob, desk.cat}


# -- Who may get it -----------------------------------------------------------------------------------------------


def test_with_everybody_away_the_teams_see_it(desk):
    """T-ROUTE-9, R-ROUTE-46, R-ROUTE-49."""
    desk.rule(team_ids=[desk.teams["X"]])
    desk.set(AWAY, "ada", "bob", "cat")

    [made] = desk.route(desk.tickets(1))

    assert (made.user_id, made.team_ids, made.reason) == (None, (desk.teams["X"],), Reason.ALL_DROPPED)


def test_with_the_box_off_the_away_get_it_too(desk):
    """T-ROUTE-10, R-ROUTE-47."""
    desk.rule(team_ids=[desk.teams["X"]], only_available=False)
    desk.set(AWAY, "ada", "bob", "cat")

    assert desk.arrivals() == [desk.ada]


def test_an_extra_member_is_not_the_teams(desk):
    """T-ROUTE-11, R-ROUTE-12."""
    desk.rule(team_ids=[desk.teams["X"]])
    desk.set(AWAY, "ada", "bob", "cat")

    [made] = desk.route(desk.tickets(1))

    assert made.user_id is None
    assert dropped(made)[desk.eve] == Drop.EXTRA_MEMBER


def test_extra_members_are_eligible_where_the_rule_says_so(desk):
    """R-ROUTE-13."""
    desk.rule(team_ids=[desk.teams["X"]], include_extra_members=True)
    desk.set(AWAY, "ada", "bob", "cat")

    assert desk.arrivals() == [desk.eve]


def test_an_extra_member_may_be_chosen_by_name(desk):
    desk.rule(team_ids=[desk.teams["X"]], user_ids=[desk.eve])

    assert desk.arrivals() == [desk.eve]


@pytest.mark.parametrize(
    ("change", "drop"),
    [
        ({"has_seat": False}, Drop.NO_SEAT),
        ({"is_active": False}, Drop.INACTIVE),
        ({"role": None}, Drop.NO_ACCESS),
    ],
)
def test_who_lost_seat_state_or_access_is_skipped(desk, change, drop):
    """T-ROUTE-12, R-ROUTE-11, R-ROUTE-14."""
    desk.rule(user_ids=[desk.ada, desk.bob])
    Membership.objects.filter(account_id=desk.id, user_id=desk.ada).update(**change)

    [made] = desk.route(desk.tickets(1))

    assert made.user_id == desk.bob
    assert dropped(made) == {desk.ada: drop}


def test_a_person_switched_off_for_good_is_skipped(desk):
    desk.rule(user_ids=[desk.ada])
    User.objects.filter(pk=desk.ada).update(is_active=False)

    assert desk.arrivals() == [None]


def test_who_left_the_account_is_skipped(desk):
    desk.rule(user_ids=[desk.ada, desk.bob])
    TeamMember.objects.filter(user_id=desk.ada).delete()
    Membership.objects.filter(user_id=desk.ada).delete()

    assert desk.arrivals() == [desk.bob]


def test_the_fallback_is_asked_when_nobody_else_can(desk):
    """§14.8, step 10."""
    desk.rule(user_ids=[desk.ada], fallback_user_ids=[desk.bob])
    desk.set(AWAY, "ada")

    [made] = desk.route(desk.tickets(1))

    tried = Decision.objects.get(pk=made.decision_id).snapshot_ids
    own, fallback = (RosterSnapshot.objects.get(pk=pk).content for pk in tried)
    assert made.user_id == desk.bob
    assert (own["dropped"], fallback["eligible"]) == (
        [[desk.ada, "AWAY"]],
        [desk.bob],
    )


def test_left_unassigned_it_shows_all_teams_that_were_meant(desk):
    """R-ROUTE-49: of teams, users and fallback."""
    for name in ("dan", "fay"):
        desk.person(name)
    first, second = desk.team("First", main=["dan"]), desk.team("Second", main=["fay"])
    desk.rule(team_ids=[desk.teams["X"]], user_ids=[desk.dan], fallback_team_ids=[second])
    desk.set(AWAY, "ada", "bob", "cat")

    assert desk.route(desk.tickets(1))[0].team_ids == (desk.teams["X"], first, second)


# -- Contact owner ------------------------------------------------------------------------------------------------


def test_the_contacts_owner_gets_it(desk):
    """T-ROUTE-15, R-ROUTE-60."""
    desk.rule(option=Option.CONTACT_OWNER)

    assert desk.arrivals(contact_owner_id=desk.ada) == [desk.ada]


def test_without_a_contact_owner_it_stays_unassigned_or_falls_back(desk):
    """T-ROUTE-15, R-ROUTE-63."""
    rule = desk.rule(option=Option.CONTACT_OWNER)
    [alone] = desk.route(desk.tickets(1))
    rule.fallback_user_ids = [desk.bob]
    rule.save(update_fields=["fallback_user_ids"])

    assert (alone.user_id, alone.reason) == (None, Reason.NO_CONTACT_OWNER)
    assert desk.arrivals() == [desk.bob]


def test_a_contact_owner_without_seat_is_as_none(desk):
    """R-ROUTE-64."""
    desk.rule(option=Option.CONTACT_OWNER)

    [made] = desk.route(desk.tickets(1), contact_owner_id=desk.nils)

    assert (made.user_id, made.team_ids, made.reason) == (None, (), Reason.ALL_DROPPED)


def test_a_contact_owner_who_is_away_is_passed_over(desk):
    """R-ROUTE-65."""
    rule = desk.rule(option=Option.CONTACT_OWNER)
    desk.set(AWAY, "ada")
    [boxed] = desk.route(desk.tickets(1), contact_owner_id=desk.ada)
    rule.only_available = False
    rule.save(update_fields=["only_available"])

    assert (boxed.user_id, boxed.team_ids) == (None, (desk.teams["X"],))
    assert desk.arrivals(contact_owner_id=desk.ada) == [desk.ada]


@pytest.mark.drifts
def test_tickets_by_contact_owner_count_for_load(desk):
    """R-ROUTE-22: within the batch and after it."""
    desk.rule(CHAT, option=Option.CONTACT_OWNER)
    desk.rule(MAIL, user_ids=[desk.ada, desk.bob])
    first, second, third = desk.tickets(3)

    made = assign.route(
        desk.id,
        [NewTicket(first, CHAT, "EMAIL_OTHER", desk.ada), NewTicket(second, MAIL, "EMAIL_OTHER")],
        NOON,
    )

    assert [one.user_id for one in made] == [desk.ada, desk.bob]
    assert AgentLoad.objects.get(user_id=desk.ada).n == 1
    assert desk.route([third])[0].user_id == desk.ada


# -- Which tickets ------------------------------------------------------------------------------------------------


@pytest.mark.drifts
def test_a_ticket_with_an_owner_keeps_it(desk):
    """R-ROUTE-71."""
    desk.rule(user_ids=[desk.ada])

    [made] = desk.route(desk.tickets(1, owner_id=desk.bob, owner_assigned_at=NOON))

    assert (made.user_id, made.reason) == (None, Reason.ALREADY_OWNED)


@pytest.mark.parametrize("state", [{"is_spam": True}, {"archived_at": NOON}])
def test_spam_and_archived_tickets_are_not_routed(desk, state):
    """§14.8, step 2."""
    desk.rule(user_ids=[desk.ada])

    assert desk.route(desk.tickets(1, **state)) == []


def test_a_rule_after_workflows_waits_for_its_moment(desk):
    """R-ROUTE-71."""
    desk.rule(user_ids=[desk.ada], after_workflows=True)
    new = desk.tickets(1)

    assert desk.route(new) == []
    assert desk.route(new, after_workflows=True)[0].user_id == desk.ada


def test_routing_nothing_is_nothing(desk):
    assert assign.route(desk.id, [], NOON) == []


# -- What it costs and keeps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.drifts
def test_a_hundred_tickets_take_as_many_queries_as_two(desk, strategy):
    desk.rule(team_ids=[desk.teams["X"]], strategy=strategy)
    few, many = desk.tickets(2), desk.tickets(100)
    desk.arrivals()

    def queries(ids):
        with CaptureQueriesContext(
            connection,
        ) as caught:
            assign.route(desk.id, [NewTicket(pk, MAIL, "EMAIL_OTHER") for pk in ids], NOON)
        return len(caught)

    assert queries(few) == queries(many) <= 20


def test_an_unchanged_roster_is_kept_once(desk):
    desk.rule(team_ids=[desk.teams["X"]])

    desk.arrivals(5)

    assert RosterSnapshot.objects.count() == 2  # the pool, and the users of the load vector
    assert Decision.objects.count() == 5


def test_a_contact_stays_for_so_long_with_who_had_to_do_with_them(desk):
    """By the hours of the rule, and while that person may get it."""
    desk.rule(user_ids=[desk.ada, desk.bob], strategy=Strategy.ROUND_ROBIN, sticky_hours=1)
    contact = contacts.create(Person("heike@spree.example", "Heike Sommer"), by=SYSTEM).pk

    def arrival():
        return desk.route(desk.tickets(1, contact_id=contact))[0].user_id

    assert [arrival(), arrival()] == [desk.ada, desk.ada]
    Ticket.objects.filter(contact_id=contact).update(sort_at=NOON - timedelta(minutes=61))
    assert arrival() == desk.bob
    desk.set(AWAY, "bob")
    assert arrival() == desk.ada

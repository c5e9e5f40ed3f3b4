"""Open tickets whose owner is no longer there (R-ROUTE-54)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts.models import Membership
from deskhand.crm.records.models import Ticket
from deskhand.events.types import SYSTEM
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing import assign, availability, explain, loads, queries, replaying, rerouting
from deskhand.routing.models import Decision, RoutingRule
from deskhand.routing.types import Leaving, Left, NewTicket, Option, Reroute, Status, Strategy

from .conftest import MAIL, NOON, write_owners

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def office(desk):
    """Ada and Bob take the tickets; what Ada owns goes on when she does."""
    desk.rule(user_ids=[desk.ada, desk.bob], reroute=Reroute.AT_ONCE)
    return desk


def own(desk, name, count=1, **columns):
    ids = desk.tickets(count, owner_id=desk.users[name], **{"owner_assigned_at": NOON, **columns})
    loads.reconcile(desk.id, ids, NOON)
    return ids


def hand_on(desk, name, now=LATER, after=0):
    asked = rerouting.owned_by(desk.id, {desk.users[name]: after}, now)
    return give(desk, assign.route(desk.id, asked, now, after_workflows=None), now)


def give(desk, made, now=LATER):
    write_owners([one for one in made if one.user_id], now)
    loads.reconcile(desk.id, [one.ticket_id for one in made], now)
    return {one.ticket_id: one.user_id for one in made}


def told(desk, ticket):
    return explain.explain(queries.decision_for_ticket(desk.id, ticket)).headline


def test_who_goes_away_hands_on_their_open_tickets(office):
    """R-ROUTE-54: and the record says why."""
    tickets = own(office, "ada", 2)
    [closed] = own(office, "ada", is_closed=True)
    [spam] = own(office, "ada", is_spam=True)
    [other] = own(office, "ada", channel_account_id=99)
    office.set(AWAY, "ada", now=LATER)

    assert hand_on(office, "ada") == dict.fromkeys(tickets, office.bob)
    owners = dict(Ticket.objects.values_list("pk", "owner_id"))
    assert {owners[pk] for pk in (closed, spam, other)} == {office.ada}
    assert told(office, tickets[0]) == (
        "Re-routed because Ada went away. Assigned to Bob, the only one who could take it."
    )
    assert loads.recount(office.id, LATER) == {}


def test_nobody_else_is_there_so_the_owner_keeps_it(office):
    """R-ROUTE-54: no ticket loses its owner, and that is kept once."""
    [ticket] = own(office, "ada")
    office.set(AWAY, "ada", "bob", now=LATER)

    assert hand_on(office, "ada") == {ticket: None}
    assert hand_on(office, "ada") == {}
    assert Ticket.objects.get(pk=ticket).owner_id == office.ada
    assert Decision.objects.count() == 1
    assert told(office, ticket) == "Stays with Ada, who went away: nobody else could take it."

    office.set(AVAILABLE, "bob", now=LATER)
    assert hand_on(office, "ada") == {ticket: office.bob}


def test_the_wait_list_is_for_tickets_without_an_owner(office):
    RoutingRule.objects.update(wait_list=True)
    [ticket] = own(office, "ada")
    office.set(AWAY, "ada", "bob", now=LATER)
    hand_on(office, "ada")

    assert "Wait-list" not in dict(explain.explain(queries.decision_for_ticket(office.id, ticket)).details)


def test_out_of_office_and_deactivated_are_told_as_such(office):
    """R-ROUTE-54."""
    [first] = own(office, "ada")
    availability.set_out_of_office(
        office.id, office.ada, LATER, LATER + timedelta(days=1), by=SYSTEM, now=LATER
    )
    hand_on(office, "ada")
    assert told(office, first).startswith("Re-routed because Ada is out of office. ")

    [second] = own(office, "bob")
    Membership.objects.filter(user_id=office.bob).update(is_active=False)
    hand_on(office, "bob")
    assert told(office, second) == "Stays with Bob, who was deactivated: nobody else could take it."


def test_whose_day_is_over_keeps_their_tickets(office):
    """R-ROUTE-54: working hours end each evening; nobody went away by that."""
    own(office, "ada")
    evening = NOON.replace(hour=20)
    availability.set_hours(
        office.id,
        office.ada,
        WeeklyHours("UTC", tuple(Block(day, 8 * 60, 16 * 60) for day in range(7))),
        by=SYSTEM,
        now=NOON,
    )
    assert availability.states(office.id, [office.ada], evening)[office.ada].status is AWAY

    assert hand_on(office, "ada", now=evening) == {}


@pytest.mark.parametrize("reroute", [Reroute.NEVER, Reroute.ON_REPLY])
def test_at_once_is_off_by_default(office, reroute):
    """R-ROUTE-54."""
    RoutingRule.objects.update(reroute=reroute)
    own(office, "ada")
    office.set(AWAY, "ada", now=LATER)

    assert hand_on(office, "ada") == {}
    assert rerouting.is_wanted(office.id) is False


def test_an_answer_hands_on_what_its_owner_cannot_read(office):
    """R-ROUTE-54: on the next customer reply; only that ticket, only if its owner is gone."""
    RoutingRule.objects.update(reroute=Reroute.ON_REPLY)
    answered, _quiet = own(office, "ada", 2)
    [of_bob] = own(office, "bob")
    office.set(AWAY, "ada", now=LATER)

    asked = rerouting.answered(office.id, [answered, of_bob], LATER)
    made = assign.route(office.id, asked, LATER, after_workflows=None)

    assert give(office, made) == {answered: office.bob}


def test_an_answer_hands_on_nothing_where_the_rule_says_never(office):
    RoutingRule.objects.update(reroute=Reroute.NEVER)
    [ticket] = own(office, "ada")
    office.set(AWAY, "ada", now=LATER)

    assert rerouting.answered(office.id, [ticket], LATER) == []


def test_what_somebody_was_given_while_away_is_theirs(office):
    """R-ROUTE-7, R-ROUTE-54."""
    office.set(AWAY, "ada", now=LATER)
    own(office, "ada", owner_assigned_at=LATER + timedelta(seconds=1))

    assert hand_on(office, "ada", now=LATER + timedelta(minutes=5)) == {}


def test_who_is_back_keeps_everything(office):
    own(office, "ada")
    office.set(AWAY, "ada", now=LATER)
    asked = rerouting.owned_by(office.id, {office.ada: 0}, LATER)
    office.set(AVAILABLE, "ada", now=LATER)

    assert len(asked) == 1
    assert assign.route(office.id, asked, LATER, after_workflows=None) == []
    assert not Decision.objects.exists()


@pytest.mark.parametrize("done", [{"owner_id": None}, {"owner_id": 5}, {"is_closed": True}])
@pytest.mark.drifts
def test_what_somebody_took_care_of_in_the_meantime_stays_as_it_is(office, done):
    [ticket] = own(office, "ada")
    office.set(AWAY, "ada", now=LATER)
    asked = rerouting.owned_by(office.id, {office.ada: 0}, LATER)
    Ticket.objects.filter(pk=ticket).update(**done)

    assert assign.route(office.id, asked, LATER, after_workflows=None) == []


def test_even_a_rule_for_everybody_hands_on_to_nobody_who_is_away(office):
    """R-ROUTE-54: without the box "only available" Ada and Bob could be chosen again."""
    RoutingRule.objects.update(only_available=False)
    [ticket] = own(office, "ada")
    office.set(AWAY, "ada", "bob", now=LATER)

    assert hand_on(office, "ada") == {ticket: None}


def test_a_rule_that_names_teams_only_leaves_owners_alone(office):
    RoutingRule.objects.update(option=Option.TEAMS, team_ids=[office.teams["X"]])
    own(office, "ada")
    office.set(AWAY, "ada", now=LATER)

    assert hand_on(office, "ada") == {}


def test_loads_are_shared_among_those_who_stay(office):
    """R-ROUTE-26, R-ROUTE-30."""
    RoutingRule.objects.update(user_ids=[office.ada, office.bob, office.cat])
    own(office, "bob", 3)
    own(office, "ada", 5)
    office.set(AWAY, "ada", now=LATER)

    got = list(hand_on(office, "ada").values())

    assert (got.count(office.cat), got.count(office.bob)) == (4, 1)
    assert loads.recount(office.id, LATER) == {}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_choice_can_be_made_again(office, strategy):
    """R-ROUTE-70."""
    RoutingRule.objects.update(strategy=strategy, user_ids=[office.ada, office.bob, office.cat])
    own(office, "ada", 4)
    office.set(AWAY, "ada", now=LATER)
    hand_on(office, "ada")

    for decision in Decision.objects.all():
        assert replaying.replay(decision).chosen.user_id == decision.user_id


def test_a_batch_goes_on_where_it_stopped(office, monkeypatch):
    monkeypatch.setattr(rerouting, "BATCH", 2)
    tickets = own(office, "ada", 3)
    office.set(AWAY, "ada", "bob", now=LATER)

    assert list(hand_on(office, "ada")) == tickets[:2]
    assert list(hand_on(office, "ada", after=tickets[1])) == tickets[2:]


def test_the_number_of_queries_does_not_grow_with_the_tickets(office):
    def count(tickets):
        own(office, "ada", tickets)
        with CaptureQueriesContext(
            connection,
        ) as queries_made:
            asked = rerouting.owned_by(office.id, {office.ada: 0}, LATER)
            made = assign.route(office.id, asked, LATER, after_workflows=None, seed=1)
        assert len(made) == tickets
        give(office, made)
        return len(queries_made)

    office.set(AWAY, "ada", now=LATER)
    count(1)
    assert count(2) == count(40)


def test_a_ticket_nobody_owns_any_more_leaves_nobody(office):
    """The caller's word is checked under the lock."""
    [ticket] = own(office, "bob")
    office.set(AWAY, "ada", now=LATER)
    asked = NewTicket(ticket, MAIL, "EMAIL_OTHER", None, Leaving(office.ada, Left.AWAY))

    assert assign.route(office.id, [asked], LATER, after_workflows=None) == []

"""Wait-lists and nested teams: options that are off unless somebody chooses them (R-ROUTE-53, R-TEAM-3)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import Team
from deskhand.crm.records.models import Ticket
from deskhand.routing import assign, explain, queries, waiting
from deskhand.routing.models import Decision, WaitingTicket
from deskhand.routing.types import Option, Status

from .conftest import CHAT, NOON

AVAILABLE, AWAY = Status.AVAILABLE, Status.AWAY


@pytest.fixture
def lonely(desk):
    """The rule names Ada, who is away; tickets wait for her."""
    desk.set(AWAY, "ada")
    desk.rule(user_ids=[desk.ada], wait_list=True)
    return desk


def again(desk):
    asked = waiting.in_order(desk.id, NOON)
    made = assign.route(desk.id, asked, NOON, after_workflows=None, is_retry=True)
    return [(one.ticket_id, one.user_id) for one in made]


def test_without_the_option_nobody_waits(desk):
    """R-ROUTE-46."""
    desk.set(AWAY, "ada")
    desk.rule(user_ids=[desk.ada])
    desk.route(desk.tickets(1))

    assert waiting.in_order(desk.id, NOON) == []


@pytest.mark.drifts
def test_who_nobody_could_take_waits_for_the_first_who_can(lonely):
    """R-ROUTE-53."""
    [ticket] = lonely.tickets(1)
    lonely.route([ticket])
    why = explain.explain(queries.decision_for_ticket(lonely.id, ticket))
    place = "Number 1 in the list since 12:00: who becomes available or has room gets it in turn."
    assert ("Wait-list", place) in why.details

    assert again(lonely) == []
    assert Decision.objects.count() == 1

    lonely.set(AVAILABLE, "ada")
    assert again(lonely) == [(ticket, lonely.ada)]


def test_the_place_is_told_by_priority_then_age(lonely):
    """R-ROUTE-53: each on its own channel's list."""
    lonely.rule(CHAT, user_ids=[lonely.ada], wait_list=True)
    first, second, urgent = lonely.tickets(3)
    [other] = lonely.tickets(1, channel_account_id=CHAT)
    lonely.route([first, second, urgent])
    lonely.route([other], channel=CHAT)
    Ticket.objects.filter(pk=urgent).update(priority="URGENT")

    places = [waiting.standing(lonely.id, ticket) for ticket in (first, second, urgent, other, other + 1)]

    assert [place and place[:2] for place in places] == [(2, NOON), (3, NOON), (1, NOON), (1, NOON), None]


def test_only_those_wait_whose_rule_names_somebody(desk):
    """A ticket without a rule, for teams only, or left unassigned on purpose waits for nobody."""
    desk.rule(1, Option.TEAMS, team_ids=[desk.teams["X"]], wait_list=True)
    desk.rule(2, Option.NONE, wait_list=True)
    for channel in (1, 2, 3):
        desk.route(desk.tickets(1), channel=channel)

    assert not WaitingTicket.objects.exists()


def test_the_urgent_come_first_and_then_the_oldest(lonely):
    """R-ROUTE-53."""
    late, plain, urgent, low = lonely.tickets(4)
    lonely.route([plain, urgent, low], now=NOON)
    lonely.route([late], now=NOON + timedelta(minutes=1))
    Ticket.objects.filter(pk=urgent).update(priority="URGENT")
    Ticket.objects.filter(pk=low).update(priority="LOW")

    assert [one.ticket_id for one in waiting.in_order(lonely.id, NOON)] == [urgent, low, plain, late]


def test_who_waits_at_one_channel_stands_in_nobodys_way_at_another(lonely, monkeypatch):
    monkeypatch.setattr(waiting, "BATCH", 2)
    lonely.rule(CHAT, user_ids=[lonely.ada], wait_list=True)
    first, second, _third = lonely.tickets(3)
    [other] = lonely.tickets(1, channel_account_id=CHAT)
    lonely.route([first, second, _third])
    lonely.route([other], channel=CHAT, now=NOON + timedelta(minutes=1))

    assert [one.ticket_id for one in waiting.in_order(lonely.id, NOON)] == [first, second, other]


@pytest.mark.parametrize(
    "done", [{"owner_id": 1}, {"is_closed": True}, {"is_spam": True}, {"archived_at": NOON}]
)
@pytest.mark.drifts
def test_who_is_taken_care_of_leaves_the_list(lonely, done):
    """R-ROUTE-53."""
    gone, stays = lonely.tickets(2)
    lonely.route([gone, stays])
    Ticket.objects.filter(pk=gone).update(**done)

    waiting.leave(lonely.id, [gone, stays])

    assert list(WaitingTicket.objects.values_list("ticket_id", flat=True)) == [stays]


@pytest.mark.parametrize("with_nested", [False, True])
def test_a_parent_team_brings_its_nested_teams_only_when_asked(desk, with_nested):
    """R-TEAM-3."""
    desk.person("dan")
    desk.set(AVAILABLE, "dan")
    child = desk.team("Y", main=["dan"])
    middle = Team.objects.create(account=desk.account, name="M", parent_id=desk.teams["X"])
    Team.objects.filter(pk=child).update(parent_id=middle.pk)
    desk.set(AWAY, "ada", "bob", "cat")
    desk.rule(team_ids=[desk.teams["X"]], include_nested_teams=with_nested)

    assert desk.arrivals() == [desk.dan if with_nested else None]

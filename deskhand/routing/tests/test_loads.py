"""Counters by difference: idempotent, exact, and repaired by a recount."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records.models import Ticket
from deskhand.routing import loads, queries
from deskhand.routing.models import AgentLoad, LoadDelta, TicketLoad

from .conftest import NOON

KIND = "EMAIL_OTHER"


def counted(desk, name, now=NOON):
    loads.lock(desk.id, [KIND])
    loads.fold(desk.id, [KIND], now)
    ledgers, _held = loads.ledgers(desk.id, [KIND], [desk.users[name]], now)
    return ledgers[KIND].loads.get(desk.users[name], 0)


@pytest.fixture
def three(desk):
    """Ada's three open tickets."""
    return desk.tickets(3, owner_id=desk.ada, owner_assigned_at=NOON)


def test_reconciling_twice_counts_once(desk, three):
    loads.reconcile(desk.id, three, NOON)
    loads.reconcile(desk.id, three, NOON)

    assert counted(desk, "ada") == 3


def test_a_ticket_handed_over_moves_from_one_count_to_the_other(desk, three):
    loads.reconcile(desk.id, three, NOON)
    Ticket.objects.filter(pk=three[0]).update(owner_id=desk.bob, owner_assigned_at=NOON)
    loads.reconcile(desk.id, three, NOON)

    assert (counted(desk, "ada"), counted(desk, "bob")) == (2, 1)


@pytest.mark.drifts
def test_a_ticket_given_back_to_the_same_owner_only_grows_younger(desk, three):
    loads.reconcile(desk.id, three, NOON)
    LoadDelta.objects.all().delete()
    Ticket.objects.filter(pk=three[0]).update(owner_assigned_at=NOON + timedelta(days=1))
    loads.reconcile(desk.id, three, NOON + timedelta(days=1))

    assert not LoadDelta.objects.exists()
    assert TicketLoad.objects.get(ticket_id=three[0]).assigned_at == NOON + timedelta(days=1)


def test_reconciling_many_takes_as_many_queries_as_few(desk):
    few = desk.tickets(2, owner_id=desk.ada, owner_assigned_at=NOON)
    many = desk.tickets(50, owner_id=desk.bob, owner_assigned_at=NOON)

    with CaptureQueriesContext(connection) as small:
        loads.reconcile(desk.id, few, NOON)
    with CaptureQueriesContext(connection) as large:
        loads.reconcile(desk.id, many, NOON)

    assert len(small) == len(large) == 3


@pytest.mark.drifts
def test_old_tickets_stop_counting_at_the_fold(desk, three):
    """R-ROUTE-22, R-ROUTE-23."""
    loads.reconcile(desk.id, three, NOON)
    loads.expire(desk.id, KIND, NOON + loads.WINDOW)
    assert counted(desk, "ada", NOON + loads.WINDOW) == 3

    loads.expire(desk.id, KIND, NOON + loads.WINDOW + timedelta(microseconds=1))

    assert not TicketLoad.objects.filter(load_until__isnull=False).exists()
    assert AgentLoad.objects.get(user_id=desk.ada).n == 0


def test_a_recount_of_right_counters_finds_nothing(desk, three):
    loads.reconcile(desk.id, three, NOON)

    assert loads.recount(desk.id, NOON) == {}
    assert counted(desk, "ada") == 3


def test_a_recount_repairs_and_reports_drift(desk, three):
    loads.reconcile(desk.id, three, NOON)
    counted(desk, "ada")
    AgentLoad.objects.filter(user_id=desk.ada).update(n=7)
    Ticket.objects.filter(pk=three[0]).update(is_closed=True)  # and nobody reconciled

    drift = loads.recount(desk.id, NOON)

    assert drift == {(desk.ada, KIND): (-5 + 1, 0)}
    assert counted(desk, "ada") == 2


def test_drift_is_seen_without_mending_it(desk, three):
    """Tickets that count wrongly, and counters that are not their sum; two queries."""
    loads.reconcile(desk.id, three, NOON)
    counted(desk, "ada")
    assert not loads.drift(desk.id, NOON)
    AgentLoad.objects.filter(user_id=desk.ada).update(held=7)
    Ticket.objects.filter(pk=three[0]).update(is_closed=True)

    with CaptureQueriesContext(connection) as made:
        found = loads.drift(desk.id, NOON)

    assert found == loads.Drift((three[0],), ((desk.ada, KIND),)) == loads.drift(desk.id, NOON)
    assert len(made) == 2
    loads.recount(desk.id, NOON)
    assert not loads.drift(desk.id, NOON)


def test_the_owner_picker_shows_what_is_counted_now(desk, three):
    """R-ROUTE-7: folded, not folded and expired alike, in one query."""
    loads.reconcile(desk.id, three[:2], NOON)
    counted(desk, "ada")
    loads.reconcile(desk.id, three[2:], NOON)

    with CaptureQueriesContext(connection) as caught:
        agents = queries.agents_with_state(desk.id, NOON)

    assert len(caught) == 1
    assert [(agent.name, agent.open_tickets, agent.is_available) for agent in agents[:2]] == [
        ("Ada", 3, True),
        ("Bob", 0, True),
    ]
    later = queries.agents_with_state(desk.id, NOON + loads.WINDOW + timedelta(days=1))
    assert later[0].open_tickets == 0

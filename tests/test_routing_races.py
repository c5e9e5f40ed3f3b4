"""Tickets that arrive at once, people who come, go and get done, routers that are killed: limits hold, and nothing is lost.

`deskhand bench routing-races --seeds 200` is the same with a thousand tickets a round, for longer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from django.db import connection

from deskhand import wiring
from deskhand.bench import routing_races as races
from deskhand.crm.records.models import Ticket
from deskhand.kernel.database.scope import account_scope
from deskhand.routing.models import AgentLoad, WaitingTicket

SEEDS = 5
TICKETS = 200  # a fifth of the command's

pytestmark = [pytest.mark.race, pytest.mark.faults]


@pytest.fixture
def no_pool(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[None]:
    """Each process has one connection of its own."""
    connection.close()
    connection.close_pool()
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "OPTIONS", options)
        yield
        connection.close()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("no_pool")
def test_t_route_20_many_arrivals_break_no_limit_and_forget_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """R-ROUTE-26, R-ROUTE-53, R-CAP-6; and the check notices what was given twice, forgotten, and counted wrong."""
    monkeypatch.setattr(races, "TICKETS", TICKETS)
    wiring.connect()
    killed, violations = 0, []
    for seed in range(SEEDS):
        count, found = races.storm(seed)
        killed += count
        violations += found

    assert violations == []
    assert killed >= SEEDS

    office = races.lay_out(SEEDS, random.Random(SEEDS))
    with account_scope(office.account_id):
        waits, owned, *_rest = office.tickets
        AgentLoad.objects.create(
            account_id=office.account_id, user_id=office.agents[0], ticket_type="CALL", n=1
        )
        Ticket.objects.filter(account_id=office.account_id).exclude(pk__in=[waits, owned]).update(
            is_closed=True
        )
        Ticket.objects.filter(pk=owned).update(owner_id=office.agents[0])
    found = races.check(office)
    assert any("was not given once" in what for what in found)
    assert f"ticket {waits} is forgotten" in found
    assert any(what.startswith("counters: ") for what in found)
    assert not WaitingTicket.objects.filter(ticket_id=waits).exists()

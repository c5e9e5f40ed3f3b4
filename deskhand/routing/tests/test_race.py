"""Many workers, one truth: loads are spread exactly however many route at once (R-ROUTE-26)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from deskhand.accounts.models import Membership, User
from deskhand.crm.records.models import Ticket
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.models import Timer
from deskhand.kernel.timers import DueTimer
from deskhand.routing import assign, availability, loads, queries, rerouting, strategies
from deskhand.routing.models import AgentLoad, Availability, Decision
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import NewTicket, Reroute, Status, Strategy
from deskhand.testing.races import until_somebody_waits

from .conftest import CHAT, MAIL, NOON, make_desk, write_owners

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

KIND = "EMAIL_OTHER"
WORKERS, AGENTS, TICKETS = 8, 40, 600


@pytest.fixture
def crowd():
    """A desk of forty agents, all free; everything committed."""
    with clock.stopped(NOON):
        desk = make_desk()
        with account_scope(desk.id):
            users = User.objects.bulk_create(
                [
                    User(username=f"agent{n}", email=f"agent{n}@nordlys.example", name=f"Agent {n}")
                    for n in range(AGENTS)
                ]
            )
            Membership.objects.bulk_create(
                [Membership(account=desk.account, user=user, role=desk.role) for user in users]
            )
            Availability.objects.bulk_create(
                [
                    Availability(
                        account_id=desk.id, user_id=user.pk, status="AVAILABLE", source="MANUAL", since=NOON
                    )
                    for user in users
                ]
            )
            desk.agents = [user.pk for user in users]
        yield desk


def at_once(work: Sequence[Callable[[], None]]) -> None:
    """Run each in its own thread and connection; the first error is raised here."""

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        finally:
            connection.close()

    connection.close()
    with ThreadPoolExecutor(len(work)) as workers:
        for done in [workers.submit(run, one) for one in work]:
            done.result()


def route(desk, channel: int, ids: Sequence[int]) -> None:
    with account_scope(desk.id):
        made = assign.route(desk.id, [NewTicket(pk, channel, KIND) for pk in ids], NOON)
        write_owners(made, NOON)
        loads.reconcile(desk.id, ids, NOON)


def shares(ids: Sequence[int], dice: random.Random) -> list[list[Sequence[int]]]:
    """The tickets dealt to the workers in batches of one to nine."""
    dealt: list[list[Sequence[int]]] = [[] for _ in range(WORKERS)]
    at = 0
    while at < len(ids):
        size = dice.randint(1, 9)
        dealt[dice.randrange(WORKERS)].append(ids[at : at + size])
        at += size
    return dealt


def owned(desk) -> Counter[int]:
    with account_scope(desk.id):
        return Counter(Ticket.objects.exclude(owner_id=None).values_list("owner_id", flat=True))


def spread(desk) -> int:
    counts = [owned(desk)[user_id] for user_id in desk.agents]
    return max(counts) - min(counts)


@pytest.mark.parametrize("strategy", [Strategy.LOAD_BALANCED, Strategy.ROUND_ROBIN])
def test_eight_workers_spread_tickets_evenly(crowd, strategy):
    """R-ROUTE-26, R-ROUTE-30, R-ROUTE-32."""
    with account_scope(crowd.id):
        crowd.rule(MAIL, user_ids=crowd.agents, strategy=strategy)
        ids = crowd.tickets(TICKETS + 7)

    work = shares(ids, random.Random(11))
    at_once([lambda batches=batches: [route(crowd, MAIL, batch) for batch in batches] for batches in work])

    assert sum(owned(crowd).values()) == TICKETS + 7
    assert spread(crowd) == 1
    with account_scope(crowd.id):
        assert dict(AgentLoad.objects.values_list("user_id", "n")) == dict(owned(crowd))
        assert loads.recount(crowd.id, NOON) == {}


@pytest.mark.drifts
def test_without_the_lock_the_same_check_fails(crowd):
    """The control: everyone reads, then everyone writes, and all choose the same agent."""
    with account_scope(crowd.id):
        ids = crowd.tickets(WORKERS)
    everyone_has_read = threading.Barrier(WORKERS, timeout=30)

    def check_then_update(ticket: int) -> None:
        with account_scope(crowd.id):
            ledger = Ledger(
                dict(Counter(Ticket.objects.exclude(owner_id=None).values_list("owner_id", flat=True)))
            )
            choice = strategies.load_balanced(strategies.candidates(crowd.agents, ledger, Room()))
            everyone_has_read.wait()
            Ticket.objects.filter(pk=ticket).update(owner_id=choice.user_id)

    at_once([lambda ticket=ticket: check_then_update(ticket) for ticket in ids])

    assert spread(crowd) == WORKERS


def test_overlapping_pools_are_routed_as_if_one_after_another(crowd):
    """R-ROUTE-26: the kept order of decisions, played through a sequential model, gives the same owners."""
    pools = {MAIL: crowd.agents[:25], CHAT: crowd.agents[15:], 73: crowd.agents[10:30]}
    with account_scope(crowd.id):
        for channel, users in pools.items():
            crowd.rule(channel, user_ids=users)
        ids = crowd.tickets(TICKETS // 2)
    dice = random.Random(5)
    work = [[(dice.choice(list(pools)), batch) for batch in batches] for batches in shares(ids, dice)]

    at_once([lambda batches=batches: [route(crowd, *batch) for batch in batches] for batches in work])

    model, expected = Ledger(), []
    with account_scope(crowd.id):
        kept = list(Decision.objects.order_by("id").values_list("id", "channel_account_id", "user_id"))
    for turn, channel, _ in kept:
        choice = strategies.load_balanced(strategies.candidates(pools[channel], model, Room()))
        model.give(choice.user_id, turn)
        expected.append(choice.user_id)
    assert [user_id for *_, user_id in kept] == expected
    assert len(kept) == TICKETS // 2


def test_tickets_of_who_went_away_spread_among_those_that_arrive(crowd):
    """R-ROUTE-26, R-ROUTE-54: a hand-over and new tickets, at once, under one lock."""
    gone, *there = crowd.agents
    with account_scope(crowd.id):
        crowd.rule(MAIL, user_ids=crowd.agents, reroute=Reroute.AT_ONCE)
        old, new = crowd.tickets(120, owner_id=gone, owner_assigned_at=NOON), crowd.tickets(195)
        loads.reconcile(crowd.id, old, NOON)
        Availability.objects.filter(user_id=gone).update(status="AWAY")
        asked = rerouting.owned_by(crowd.id, {gone: 0}, NOON)

    def hand_on(part: Sequence[NewTicket]) -> None:
        for at in range(0, len(part), 7):
            with account_scope(crowd.id):
                made = assign.route(crowd.id, part[at : at + 7], NOON, after_workflows=None)
                write_owners(made, NOON)
                loads.reconcile(crowd.id, [one.ticket_id for one in made], NOON)

    def arrive(ids: Sequence[int]) -> None:
        for at in range(0, len(ids), 5):
            route(crowd, MAIL, ids[at : at + 5])

    movers = [lambda part=part: hand_on(asked[part::2]) for part in (0, 1)]
    again = [lambda: hand_on(asked)]  # as if a timer were told twice
    at_once([*movers, *again, *(lambda part=part: arrive(new[part::3]) for part in range(3))])

    counts = owned(crowd)
    assert counts[gone] == 0
    assert max(counts[user] for user in there) - min(counts[user] for user in there) <= 1
    with account_scope(crowd.id):
        assert Decision.objects.filter(left_user_id=gone).count() == len(old)
        assert loads.recount(crowd.id, NOON) == {}


def test_closing_tickets_while_others_route_neither_blocks_nor_miscounts(crowd):
    """Deltas are appended without the lock, and folded once."""
    with account_scope(crowd.id):
        crowd.rule(MAIL, user_ids=crowd.agents)
        old, new = crowd.tickets(120), crowd.tickets(200)
    for at in range(0, 120, 20):
        route(crowd, MAIL, old[at : at + 20])

    def close(ids: Sequence[int]) -> None:
        for ticket in ids:
            with account_scope(crowd.id):
                Ticket.objects.filter(pk=ticket).update(is_closed=True)
                loads.reconcile(crowd.id, [ticket], NOON)

    def arrive(ids: Sequence[int]) -> None:
        for at in range(0, len(ids), 5):
            route(crowd, MAIL, ids[at : at + 5])

    closers = [lambda part=part: close(old[part::3]) for part in range(3)]
    routers = [lambda part=part: arrive(new[part::3]) for part in range(3)]
    at_once([*closers, *routers])

    with account_scope(crowd.id):
        still_open = Counter(Ticket.objects.filter(is_closed=False).values_list("owner_id", flat=True))
        assert loads.recount(crowd.id, NOON) == {}
        assert +Counter(dict(AgentLoad.objects.values_list("user_id", "n"))) == still_open


def test_a_status_set_while_its_edge_is_worked_waits_for_it():
    """Both would otherwise hold what the other one needs: the timer and the status."""
    with clock.stopped(NOON):
        desk = make_desk()
        lunch = WeeklyHours("UTC", (Block(NOON.weekday(), 12 * 60, 13 * 60),))
        availability.set_hours(desk.id, desk.ada, lunch, by=SYSTEM)
        timer = Timer.objects.get(account_id=desk.id, kind=availability.EDGE, key=str(desk.ada))
        taken = threading.Event()

        def ring() -> None:
            with account_scope(desk.id):
                Timer.objects.filter(pk=timer.pk).delete()
                taken.set()
                until_somebody_waits()
                due = DueTimer(timer.pk, desk.id, timer.kind, timer.key, timer.due_at, {})
                availability.on_edges(desk.id, [due])

        def set_away() -> None:
            taken.wait(10)
            availability.set_by_hand(desk.id, desk.ada, Status.AWAY, by=SYSTEM)

        at_once([ring, set_away])

    with account_scope(desk.id):
        assert not queries.is_available(desk.id, desk.ada, NOON)

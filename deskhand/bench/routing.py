"""Routing: tickets a second, chosen, given and committed, by how many may get them, how, and how many processes route at once.

Beside it, in the same run and on the same tickets: what one would write first, a query a ticket that counts what everybody
has and takes whoever has least; and the same behind an advisory lock, without which two tickets see the same counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from deskhand.bench.harness import Meter, Result, percentiles, scratch, server_pid

AGENTS = (10, 200, 2_000, 10_000)
PROCESSES = (1, 2, 8)
TICKETS, BATCH = 1_000, 50  # of one figure; in one transaction
FLOOR_TICKETS = 200  # of one figure of the others, each in a transaction of its own
CHANNEL = 1
PICKS = 2_000

Spent = tuple[
    int, float, float, float
]  # tickets, seconds of their transaction, those of the choice, those of our CPU


def run(scale: float = 1.0) -> Result:
    """The headline is of 200 agents, balanced, two processes; `details` has every figure."""
    tickets = max(100, int(TICKETS * scale))
    with scratch() as server:
        from deskhand import wiring
        from deskhand.accounts import accounts
        from deskhand.routing.types import Strategy

        wiring.connect()
        figures: dict[str, Any] = {}
        others: dict[str, Any] = {}
        with Meter(server_pid(server)) as meter:
            for agents in AGENTS:
                account_id = accounts.create(slug=f"bench{agents}", name="Bench").pk
                _staff(account_id, agents)
                for strategy in Strategy:
                    _rule(account_id, strategy)
                    for processes in PROCESSES:
                        figures[f"{strategy.value} {agents} {processes}"] = _measure(
                            server_pid(server),
                            account_id,
                            tickets,
                            processes,
                            partial(_route, account_id, BATCH),
                        )
                _rule(account_id, Strategy.LOAD_BALANCED)
                for processes in PROCESSES:
                    for name, work in (
                        ("alone", partial(_route, account_id, 1)),
                        ("bare", partial(_bare, account_id, False)),
                        ("locked", partial(_bare, account_id, True)),
                    ):
                        few = max(50, int(FLOOR_TICKETS * scale))
                        others[f"{name} {agents} {processes}"] = _measure(
                            server_pid(server), account_id, few, processes, work
                        )
        main = figures["LOAD_BALANCED 200 2"]
        floor = others["bare 200 2"]["per_s"]
        ratios = {
            f"{agents} {n}": {
                "to_bare": round(figures[f"LOAD_BALANCED {agents} {n}"]["per_s"] / others[f"bare {agents} {n}"]["per_s"], 1),
                "to_locked": round(figures[f"LOAD_BALANCED {agents} {n}"]["per_s"] / others[f"locked {agents} {n}"]["per_s"], 1),
            }
            for agents in AGENTS for n in PROCESSES
        }  # fmt: skip
        details = {
            "batch": BATCH, "figures": figures, "one_a_transaction": others, "ratios": ratios, "pick_us": _picks(),
        }  # fmt: skip
        return Result(
            "routing", main["per_s"], main["p50_ms"], main["p95_ms"], main["p99_ms"], main["cpu_ms"], meter.peak_mb,
            floor, main["per_s"] / floor, details,
        )  # fmt: skip


def _staff(account_id: int, agents: int) -> None:
    from deskhand.accounts.models import Membership, Role, User
    from deskhand.accounts.permissions import PRESETS
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing.models import Availability

    names = [f"agent{n}.{agents}@bench.example" for n in range(agents)]
    with account_scope(account_id):
        role = Role.objects.create(account_id=account_id, name="Router", permissions=PRESETS["agent"])
        users = User.objects.bulk_create(
            [User(username=name.split("@")[0], email=name, name=name) for name in names]
        )
        Membership.objects.bulk_create(
            [Membership(account_id=account_id, user=user, role=role, has_seat=True) for user in users]
        )
        Availability.objects.bulk_create(
            [
                Availability(account_id=account_id, user_id=user.pk, status="AVAILABLE", source="MANUAL", since=clock.now())
                for user in users
            ]
        )  # fmt: skip
    sql.execute("analyze")  # as any installation that has run for a minute


def _rule(account_id: int, strategy: Any) -> None:
    from deskhand.accounts.models import Membership
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing.models import RoutingRule
    from deskhand.routing.types import Option

    with account_scope(account_id):
        people = (
            Membership.objects.filter(account_id=account_id).order_by("id").values_list("user_id", flat=True)
        )
        RoutingRule.objects.update_or_create(
            account_id=account_id, channel_account_id=CHANNEL,
            defaults={
                "option": Option.USERS_AND_TEAMS, "strategy": strategy, "user_ids": list(people), "updated_at": clock.now()
            },
        )  # fmt: skip


def _measure(
    server: int, account_id: int, tickets: int, processes: int, work: Callable[[Sequence[int]], list[Spent]]
) -> dict[str, float]:
    """Tickets a second over all processes; the times are a ticket's part of its transaction, the CPU ours and the server's."""
    from django.db import connections

    from deskhand.kernel.database import wake

    ids = _arrive(account_id, tickets)
    wake.shut()
    connections.close_all()  # what is open here is not the children's
    with Meter(server) as meter, ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        list(pool.map(_ready, range(processes * 2)))
        parts = list(pool.map(work, [ids[n::processes] for n in range(processes)]))
    warm = [
        part[1:] or part for part in parts
    ]  # a process's first transaction reads what it knows from then on
    rate = sum(sum(one[0] for one in part) / sum(one[1] for one in part) for part in warm)
    spent = [one for part in warm for one in part]
    p50, p95, p99 = percentiles([1000 * seconds / number for number, seconds, _chosen, _cpu in spent])
    choice = percentiles([1000 * chosen / number for number, _seconds, chosen, _cpu in spent])[0]
    cpu = 1000 * (meter.cpu_seconds + sum(one[3] for part in parts for one in part)) / tickets
    found = {"per_s": rate, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "choice_ms": choice, "cpu_ms": cpu}
    return {name: round(figure, 3) for name, figure in found.items()}


def _ready(_nth: int) -> None:
    """A process that has its connection and has read its pipelines."""
    from deskhand.kernel.database import sql

    sql.row("select 1")
    time.sleep(0.05)


def _arrive(account_id: int, count: int) -> list[int]:
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.crm.records.models import Ticket
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    now = clock.now()
    with account_scope(account_id):
        pipeline = pipelines_of("ticket").default
        ids = sql.ids("crm_ticket", count)
        facts = {
            "created_at": now, "updated_at": now, "sort_at": now, "stage_entered_at": now, "subject": "Question",
            "pipeline_id": pipeline.id, "stage_id": pipeline.first_open.id, "channel_account_id": CHANNEL,
        }  # fmt: skip
        Ticket.objects.bulk_create([Ticket(id=pk, number=pk, account_id=account_id, **facts) for pk in ids])
    return ids


def _route(account_id: int, batch: int, ids: Sequence[int]) -> list[Spent]:
    """As the product does: decided and kept, owners, history and events written, counted, committed."""
    from deskhand.crm.records import tickets
    from deskhand.crm.records.store import Change
    from deskhand.events.types import Actor, ActorKind
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.routing import assign, loads
    from deskhand.routing.types import NewTicket

    spent = []
    for at in range(0, len(ids), batch):
        own = ids[at : at + batch]
        began, cpu = time.perf_counter(), time.process_time()
        with account_scope(account_id):
            now = clock.now()
            made = assign.route(account_id, [NewTicket(pk, CHANNEL, loads.MAIL) for pk in own], now)
            chosen = time.perf_counter() - began
            changes = [
                Change(a.ticket_id, {"owner_id": a.user_id}, only_if_empty=("owner_id",)) for a in made
            ]
            tickets.change_many(changes, by=Actor(ActorKind.ROUTING), at=now)
        spent.append((len(own), time.perf_counter() - began, chosen, time.process_time() - cpu))
    return spent


_LEAST = """
select m.user_id from accounts_membership m
join routing_availability a on a.account_id = m.account_id and a.user_id = m.user_id and a.status = 'AVAILABLE'
left join crm_ticket t on t.account_id = m.account_id and t.owner_id = m.user_id and not t.is_closed
    and t.owner_assigned_at >= now() - interval '30 days'
where m.account_id = %s and m.is_active and m.has_seat
group by m.user_id order by count(t.id), m.user_id limit 1
"""


def _bare(account_id: int, is_locked: bool, ids: Sequence[int]) -> list[Spent]:
    """Count, take the least, write the owner, commit; nothing is kept, told or counted."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    spent = []
    for pk in ids:
        began, cpu = time.perf_counter(), time.process_time()
        with account_scope(account_id):
            if is_locked:
                sql.rows("select pg_advisory_xact_lock(%s)", [account_id])
            found = sql.row(_LEAST, [account_id])
            chosen = time.perf_counter() - began
            sql.execute(
                "update crm_ticket set owner_id = %s, owner_assigned_at = now() where account_id = %s and id = %s",
                [found[0] if found else None, account_id, pk],
            )
        spent.append((1, time.perf_counter() - began, chosen, time.process_time() - cpu))
    return spent


def _picks() -> dict[str, dict[str, float]]:
    """Microseconds of one pick of many in a row, by strategy and agents: the heap, the queue and the dice alone."""
    from deskhand.routing.strategies import AtRandom, Field, Ledger, LoadBalanced, Picker, Room, RoundRobin

    def timed(make: Callable[[Field], Picker], agents: int) -> float:
        ledger = Ledger()
        picker = make(Field(tuple(range(agents)), "EMAIL_OTHER", ledger, Room()))
        began = time.perf_counter()
        for turn in range(PICKS):
            user_id = picker.pick(turn)
            if user_id is not None:
                ledger.give(user_id, turn)
        return round(1e6 * (time.perf_counter() - began) / PICKS, 2)

    makers: dict[str, Callable[[Field], Picker]] = {
        "LOAD_BALANCED": LoadBalanced, "ROUND_ROBIN": partial(RoundRobin, served=()), "RANDOM": partial(AtRandom, seed=1),
    }  # fmt: skip
    return {name: {str(agents): timed(make, agents) for agents in AGENTS} for name, make in makers.items()}

"""100,000 tickets walked through under a virtual clock: what the simulator of routing takes, for each strategy."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from deskhand.bench.harness import Meter, Result, percentiles

if TYPE_CHECKING:
    from deskhand.routing.simulating import Arrival, Office
    from deskhand.routing.types import Strategy

TICKETS, AGENTS, DAYS = 100_000, 200, 28
SINCE = datetime(2026, 10, 5, tzinfo=UTC)  # a Monday


def run(scale: float = 1.0) -> Result:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    import django

    django.setup()
    from deskhand.routing.types import Strategy

    tickets = max(500, int(TICKETS * scale))
    details: dict[str, object] = {"tickets": tickets, "agents": AGENTS, "days": DAYS}
    taken, pieces = [], []
    with Meter(os.getpid()) as meter:
        for strategy in Strategy:
            for limit in (None, 25):
                began = time.process_time()
                seconds, steps, waited = _once(tickets, strategy, limit)
                cpu = time.process_time() - began
                name = f"{strategy.value.lower()}{'' if limit is None else ' with limits'}"
                details[name] = f"{seconds:.1f} s, {cpu:.1f} s CPU" + (f" ({waited} waited)" if limit else "")
                taken.append(seconds)
                pieces += steps
    floor = tickets / _floor(tickets)
    p50, p95, p99 = percentiles(pieces)
    rate = tickets / max(taken)
    return Result(
        "routing-simulation", rate, p50, p95, p99, 1000 * meter.cpu_seconds / (tickets * len(taken)), meter.peak_mb, floor,
        rate / floor, {**details, "slowest": f"{max(taken):.1f} s"},
    )  # fmt: skip


def _once(tickets: int, strategy: Strategy, limit: int | None) -> tuple[float, list[float], int]:
    """Walk through all and work out the figures; seconds, milliseconds a step, and how many waited."""
    from deskhand.routing.outcomes import outcome
    from deskhand.routing.simulating import Walk

    office, arrivals = _office(strategy, limit), _arrivals(tickets)
    began = last = time.monotonic()
    walk = Walk(office, arrivals, SINCE, SINCE + timedelta(days=DAYS), seed=7)
    steps = []
    for _ in walk.go():
        steps.append(1000 * (time.monotonic() - last))
        last = time.monotonic()
    found = outcome(walk, ZoneInfo("Europe/Copenhagen"), timedelta(hours=1), {})
    return time.monotonic() - began, steps, found.all.waited


def _office(strategy: Strategy, limit: int | None) -> Office:
    """People with 40 kinds of weeks, a fifth of them also on Saturdays."""
    from deskhand.kernel.calendars import Block, WeeklyHours
    from deskhand.routing.decision import Rule
    from deskhand.routing.edges import Facts
    from deskhand.routing.simulating import Office
    from deskhand.routing.types import Option, Person, Roster, Terms

    users = range(1, AGENTS + 1)
    weeks = [
        WeeklyHours(
            "Europe/Copenhagen",
            tuple(
                Block(day, 360 + 15 * (n % 40), 840 + 15 * (n % 40)) for day in range(6 if n % 5 == 0 else 5)
            ),
        )
        for n in users
    ]
    rule = Rule(1, 1, Option.USERS_AND_TEAMS, strategy, user_ids=tuple(users), wait_list=True)
    return Office(
        {1: rule}, Roster({n: Person(n) for n in users}), {n: Facts(week) for n, week in zip(users, weeks, strict=True)},
        {n: Terms(total=limit) for n in users} if limit else {},
    )  # fmt: skip


def _arrivals(tickets: int) -> list[Arrival]:
    from deskhand.routing.simulating import Arrival

    chance, span = random.Random(1), DAYS * 86_400
    kinds, priorities = ("EMAIL_OTHER", "MESSAGE", "CALL"), ("LOW", "MEDIUM", "HIGH", "URGENT", None)
    return [
        Arrival(
            SINCE + timedelta(seconds=chance.random() * span), 1, chance.choice(kinds),
            timedelta(minutes=chance.expovariate(1 / 240)), chance.choice(priorities),
        )
        for _ in range(tickets)
    ]  # fmt: skip


def _floor(tickets: int) -> float:
    """Seconds for as many bare picks from a heap of as many people, and nothing else."""
    import heapq

    heap = [(0, n) for n in range(AGENTS)]
    began = time.monotonic()
    for _ in range(tickets):
        load, user = heap[0]
        heapq.heapreplace(heap, (load + 1, user))
    return time.monotonic() - began

"""Eight processes file two thousand mails at once; what each strategy promises holds to the ticket (R-ROUTE-26)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from django.db import connection

from deskhand.accounts import roles
from deskhand.accounts.models import Account, Membership, User
from deskhand.channels.email import store
from deskhand.channels.email.models import InboundMail
from deskhand.channels.email.store import Incoming
from deskhand.crm.records.models import Ticket
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import loads, rules, strategies
from deskhand.routing.models import AgentLoad, Availability, Decision
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import Option, Strategy
from deskhand.testing.world import World, make_world

pytestmark = [
    pytest.mark.race,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.django_db(transaction=True),
]

PROCESSES, AGENTS = 8, 40
AWAY = 2  # the last of them, of the mixed company
EACH = 1000  # mails to each of two companies


@dataclass
class Company:
    world: World
    agents: list[int]

    @property
    def account(self) -> Account:
        return self.world.account

    @property
    def id(self) -> int:
        return self.account.pk

    def channel(self, name: str, strategy: Strategy, agents: Sequence[int]) -> ChannelAccount:
        with account_scope(self.id):
            made = inboxes.add_channel_account(
                inboxes.ensure_defaults(self.id),
                channel="email",
                name=name,
                address=f"{name}@{self.account.slug}.example",
            )
            rules.set_rule(
                self.id, made.pk, Option.USERS_AND_TEAMS, strategy=strategy, user_ids=agents, by=SYSTEM
            )
        return made

    def owned(self) -> Counter[int]:
        with account_scope(self.id):
            return Counter(Ticket.objects.values_list("owner_id", flat=True))

    def spread(self, agents: Sequence[int]) -> int:
        owned = self.owned()
        counts = [owned[user_id] for user_id in agents]
        return max(counts) - min(counts)


def make_company(slug: str, away: int = 0) -> Company:
    world = make_world(slug)
    account = world.account
    with account_scope(account.pk):
        users = User.objects.bulk_create(
            User(username=f"{slug}{n}", email=f"agent{n}@{slug}.example", name=f"Agent {n}")
            for n in range(AGENTS)
        )
        role = roles.preset(account.pk, "agent")
        Membership.objects.bulk_create(Membership(account=account, user=user, role=role) for user in users)
        Availability.objects.bulk_create(
            Availability(
                account_id=account.pk,
                user_id=user.pk,
                status="AVAILABLE" if number < AGENTS - away else "AWAY",
                source="MANUAL",
                since=clock.now(),
            )
            for number, user in enumerate(users)
        )
    return Company(world, [user.pk for user in users])


def test_two_thousand_mails_are_spread_exactly_as_the_strategies_say() -> None:
    """R-ROUTE-26, R-ROUTE-30 … R-ROUTE-38, R-ROUTE-45."""
    even, mixed = make_company("even"), make_company("mixed", away=AWAY)
    balanced = even.channel("balanced", Strategy.LOAD_BALANCED, even.agents)
    pools = {
        mixed.channel("balanced", Strategy.LOAD_BALANCED, mixed.agents[:20]).pk: mixed.agents[:20],
        mixed.channel("turns", Strategy.ROUND_ROBIN, mixed.agents[10:30]).pk: mixed.agents[10:30],
        mixed.channel("dice", Strategy.RANDOM, mixed.agents[20:]).pk: mixed.agents[20:],
        mixed.channel("wide", Strategy.LOAD_BALANCED, mixed.agents[5:35]).pk: mixed.agents[5:35],
    }
    store_mails(even, [balanced.pk])
    store_mails(mixed, list(pools))

    with processes(["file"] * PROCESSES) as workers:
        start(workers)
        assert [worker.wait(180) for worker in workers] == [0] * PROCESSES

    assert set(InboundMail.objects.values_list("state", "outcome")) == {("DONE", "created")}
    assert even.owned().total() == mixed.owned().total() == EACH
    assert even.spread(even.agents) <= 1
    assert not set(mixed.owned()) & {None, *mixed.agents[-AWAY:]}
    as_if_one_after_another(mixed, pools)
    for company in (even, mixed):
        with account_scope(company.id):
            assert dict(AgentLoad.objects.filter(n__gt=0).values_list("user_id", "n")) == dict(
                company.owned()
            )
            assert loads.recount(company.id, clock.now()) == {}


def test_the_control_without_a_lock_gives_everything_to_one_agent() -> None:
    """Eight processes that look first and write then: each finds the same agent idle."""
    company = make_company("control")
    with account_scope(company.id):
        tickets = [company.world.ticket(f"Order {n}").pk for n in range(PROCESSES)]

    with processes([f"check-then-update {company.id} {ticket}" for ticket in tickets]) as workers:
        start(workers)
        assert [worker.wait(60) for worker in workers] == [0] * PROCESSES

    assert list(company.owned().values()) == [PROCESSES]


def store_mails(company: Company, channels: Sequence[int]) -> None:
    addresses = dict(ChannelAccount.objects.filter(pk__in=channels).values_list("id", "address"))
    store.store_raw(
        [
            Incoming(
                account_id=company.id,
                channel_account_id=channel,
                transport="lmtp",
                recipient=addresses[channel],
                envelope_from=customer(company.account.slug, n),
                raw=mail(company.account.slug, n, addresses[channel]),
            )
            for n in range(EACH)
            for channel in [channels[n % len(channels)]]
        ]
    )


def customer(slug: str, number: int) -> str:
    return f"c{number}@{slug}-customers.example"


def mail(slug: str, number: int, to: str) -> bytes:
    who = customer(slug, number)
    return (
        f"From: Customer {number} <{who}>\r\nTo: {to}\r\nSubject: Order {number}\r\n"
        f"Message-ID: <{who}>\r\n\r\nWhere is order {number}?\r\n"
    ).encode()


@contextlib.contextmanager
def processes(works: Sequence[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """One process for each work, ready to start; killed at the end if it still runs."""
    database = str(connection.settings_dict["NAME"])
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.flows.filing_process", database, *work.split()],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for work in works
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def start(workers: Sequence[subprocess.Popen[str]]) -> None:
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()


def as_if_one_after_another(company: Company, pools: dict[int, list[int]]) -> None:
    """Play the kept decisions in their order through a model that knows nothing of processes: the same owners."""
    model, served = Ledger(), frozenset[int]()
    away = set(company.agents[-AWAY:])
    with account_scope(company.id):
        kept = list(
            Decision.objects.order_by("id").values_list("id", "channel_account_id", "user_id", "batch__seed")
        )
        strategy_of = dict(rules.RoutingRule.objects.values_list("channel_account_id", "strategy"))
    expected = []
    for turn, channel, _, seed in kept:
        there = [user_id for user_id in pools[channel] if user_id not in away]
        candidates = strategies.candidates(there, model, Room())
        match strategy_of[channel]:
            case Strategy.LOAD_BALANCED:
                choice = strategies.load_balanced(candidates)
            case Strategy.ROUND_ROBIN:
                choice, served, _ = strategies.round_robin(candidates, served)
            case _:
                choice = strategies.at_random(candidates, seed=seed, turn=turn)
        model.give(choice.user_id, turn)
        expected.append(choice.user_id)
    assert [user_id for _, _, user_id, _ in kept] == expected
    assert len(kept) == EACH
    assert set(strategy_of.values()) == set(Strategy)

"""Workers killed between any two statements on the way of an event to an app: it is told, by its one number."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest

from deskhand import wiring
from deskhand.accounts import connected_apps
from deskhand.bench.kills import at_once, dying
from deskhand.delivery.sender import Sender
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.sites import calling_site
from deskhand.testing.world import make_world
from deskhand.webhooks import deliveries, subscriptions, targets
from deskhand.webhooks.models import Delivery
from deskhand.webhooks.subscriptions import Wanted
from tests.test_killed_steps import no_pool

__all__ = ["no_pool"]

SEEDS, TICKETS, KILLS, STATEMENTS = 5, 4, 4, 60


def work(kill_at: int | None = None, after: bool = False) -> None:
    sender = Sender({deliveries.TRANSPORT: deliveries.EventTransport()}, threads=0, jitter=lambda: 0.0)
    with dying(kill_at, after):
        while any([Dispatcher().run_once(), sender.run_once()]):
            pass


def elapse() -> None:
    """All leases and turns are over."""
    sql.execute(
        "update delivery_outboxentry set lease_until = now() - interval '1 second' where state = 'SENDING'"
    )
    sql.execute(
        "update delivery_outboxentry set due_at = now() where state = 'WAITING' and due_at is not null"
    )
    sql.execute("update events_pendingevent set due_at = now() where quarantined_at is null")


def is_open(account_id: int) -> bool:
    pending = sql.rows("select id from events_pendingevent where account_id = %s limit 1", [account_id])
    unsent = sql.rows("select id from delivery_outboxentry where account_id = %s and state in ('WAITING', 'SENDING') and transport = %s limit 1", [account_id, deliveries.TRANSPORT])  # fmt: skip
    return bool(pending or unsent)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("no_pool")
def test_an_event_is_told_once_whoever_dies_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """I4, api.md §2.8: one item of one delivery for each event; told at least once, and as often as tries had no known end."""
    wiring.connect()
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    world = make_world()
    account_id, killed = world.account.pk, 0
    with calling_site() as there:
        with account_scope(account_id):
            app, _secret = connected_apps.create(account_id, name="Shop", by=SYSTEM)
            targets.put(account_id, app.pk, url=there.url, by=SYSTEM)
            subscriptions.arrange(account_id, app.pk, [Wanted("ticket.creation")], by=SYSTEM)
        for seed in range(SEEDS):
            chance, kills = random.Random(seed), 0
            with account_scope(account_id):
                for number in range(TICKETS):
                    world.ticket(f"{seed}.{number}")
            for _round in range(50):
                if not is_open(account_id):
                    break
                fate = (chance.randint(1, STATEMENTS), chance.random() < 0.5) if kills < KILLS else ()
                died = at_once([partial(work, *fate)])
                kills += died
                elapse()
                with account_scope(account_id):
                    Delivery.objects.update(busy_until=None)
            killed += kills
        told = [item["eventId"] for asked in there.asked for item in asked.json]

    assert killed >= SEEDS
    with account_scope(account_id):
        kept = Counter(item["eventId"] for row in Delivery.objects.all() for item in row.events)
    assert len(kept) == SEEDS * TICKETS
    assert set(kept.values()) == {1}
    assert set(told) == set(kept)
    states = sql.rows("select distinct state from delivery_outboxentry where account_id = %s and transport = %s", [account_id, deliveries.TRANSPORT])  # fmt: skip
    assert states == [("SENT",)]

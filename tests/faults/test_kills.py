"""kill -9 of workers, their children, the web process and PostgreSQL under load: the books must balance.

`deskhand bench faults --seconds 600` is the same, for longer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from deskhand.bench import faults, ledgers
from deskhand.bench.faults import Sink
from deskhand.bench.ledgers import Copy, Ledgers
from deskhand.testing.product import Product
from deskhand.testing.session import SHOWN
from tests.turns import turn

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SECONDS = 20.0
#: One of three storms with each commit: `deskhand bench faults` is the same, for longer.
SEEDS = (turn() % 3 + 1,)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with faults.world() as made:
        yield made


@pytest.fixture(scope="module")
def product(sink: Sink) -> Iterator[Product]:
    with faults.office(sink) as made:
        yield made
        print(made.said())  # beside a failure


@pytest.fixture(scope="module")
def storms(product: Product, sink: Sink) -> dict[int, Ledgers]:
    """One after the other; leases of the killed run out once for all."""
    return {seed: faults.storm(product, sink, seed, SECONDS) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_and_nothing_is_done_twice(
    product: Product, storms: dict[int, Ledgers], seed: int, record_property: Callable[[str, str], None]
) -> None:
    """R1, F1, F2, F3, F8; I1–I4, I6, I9: the load is spread evenly too (R-ROUTE-26)."""
    books = storms[seed]
    account = ledgers.check(product, books)

    record_property(SHOWN, "\n".join(account.lines))
    assert account.violations == []
    assert sum(books.kills.values()) >= 4
    assert len(books.offers) >= 20


def test_the_checker_notices_what_is_missing_or_too_much(
    product: Product, storms: dict[int, Ledgers]
) -> None:
    """Last, because it spoils the database."""
    books = storms[SEEDS[-1]]
    lost, doubled, moved = [offer.customer for offer in books.offers][:3]
    assert ledgers.check(product, books).violations == []

    with product.connected() as database:
        database.execute("delete from email_inboundmail where envelope_from = %s", [lost])
        database.execute(
            "update delivery_outboxentry set message_id = '<other@bench.example>' where recipients[1] = %s",
            [moved],
        )
        database.execute(
            "update routing_agentload set n = n + 1 where user_id = (select min(user_id) from routing_agentload)"
        )
    copy = next(copy for copy in books.copies if copy.customer == doubled)
    books = dataclasses.replace(
        books, arrived=[*books.copies, *[copy] * 6, Copy(f"{books.mark}-x@elsewhere.example", "<x>", True)]
    )
    noticed = "\n".join(ledgers.check(product, books).violations)

    assert f"acknowledged but not stored: 1: {lost}" in noticed
    assert f"more copies than unknown ends allow: 1: {doubled}" in noticed
    assert f"another Message-ID: 1: {moved}" in noticed
    assert f"mail nobody asked for: 1: {books.mark}-x@elsewhere.example" in noticed
    assert "load counters" in noticed

"""Pytest fixtures that every area's tests may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from deskhand.kernel import clock
from deskhand.kernel.database import wake
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import World, make_world

NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def noon() -> Iterator[datetime]:
    """The clock stands at Monday noon."""
    with clock.stopped(NOON):
        yield NOON


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """An account with its people, inside its scope."""
    made = make_world()
    with account_scope(made.account.pk):
        yield made


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database can only be dropped when nobody holds it."""
    yield
    wake.shut()


@pytest.fixture
def wired() -> Iterator[None]:
    """All areas plugged together as in the product."""
    from deskhand import wiring

    wiring.connect()
    yield
    wiring.disconnect()


@pytest.fixture
def settle(wired: None) -> Callable[[], None]:
    """Run every queue until nothing is due."""

    def run() -> None:
        from deskhand import wiring

        queues = [make() for make in wiring.QUEUES.values()]
        for _round in range(100):
            if not sum(queue.run_once() for queue in queues):
                return
        raise AssertionError("The queues never come to rest.")

    return run

"""Pytest fixtures that every area's tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.kernel import clock
from deskhand.kernel.database import sql, wake
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
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database can only be dropped when nobody holds it: not a thread, not a process that is still ending."""
    yield
    wake.shut()
    with django_db_blocker.unblock():
        sql.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and usename = current_user"
        )

"""Fixtures for every test. What must happen before the settings are read is in deskhand/testing/session.py."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from deskhand.testing import emptying
from deskhand.testing.counting import counted
from deskhand.testing.fixtures import django_db_setup, noon, world
from tests.mailstack.fixtures import mail_stack
from tests.turns import is_due

#: {kind of server: of how many commits each takes a test once}
SHARES = {"debian": 12, "pgbouncer": 6}

__all__ = ["counted", "django_db_setup", "mail_stack", "noon", "settle", "wired", "world"]


def pytest_configure() -> None:
    emptying.install()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what commits. On a server of its own kind run what touches it; the rest has no other outcome there.

    There, a share of it with each commit; `DESKHAND_SHARES=all` is for `make debian`.
    """
    for item in items:
        if _commits(item):
            item.add_marker("commits")
    server = os.environ.get("DESKHAND_TEST_SERVER")
    if not server:
        return
    shares = 1 if os.environ.get("DESKHAND_SHARES") == "all" else SHARES.get(server, 1)
    left = [item for item in items if not (_touches_a_database(item) and is_due(item.nodeid, shares))]
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def _touches_a_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return bool({"db", "transactional_db"} & set(fixtures) or item.get_closest_marker("django_db"))


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    is_told = marker is not None and (marker.kwargs.get("transaction") or marker.args[:1] == (True,))
    return bool(is_told) or "transactional_db" in getattr(item, "fixturenames", ())


@pytest.fixture
def wired() -> Iterator[None]:
    """All areas plugged together as in the product."""
    from deskhand import wiring

    wiring.connect()
    yield
    wiring.disconnect()


@pytest.fixture(scope="session", autouse=True)
def entries_have_words() -> None:
    """What the product writes into the audit log can be read there; what a test writes may be anything."""
    from deskhand.accounts import audit

    real = audit.record

    def record(action: str, **facts: Any) -> Any:
        entry = real(action, **facts)
        if "/tests/" not in sys._getframe(1).f_code.co_filename:
            from tests import wording  # and with it all pages

            wording.require(entry)
        return entry

    audit.record = record


@pytest.fixture(autouse=True)
def static_files_when_asked_for(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each new test client would list all static files first; a browser has one server for all of its test."""
    if request.node.get_closest_marker("browser"):
        yield
        return
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


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

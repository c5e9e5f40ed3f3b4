"""A real server, and a token for the programs of others that call it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deskhand.accounts import tokens
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import World, make_world
from tests.browser import stage


@dataclass(frozen=True)
class Served:
    """Where the API is, and what a client needs for it."""

    address: str
    token: str
    world: World


@pytest.fixture
def served(transactional_db: None, wired: None) -> Iterator[Served]:
    world = make_world()
    with account_scope(world.account.pk):
        _token, secret = tokens.create(world.account.pk, name="Story", scopes=tokens.SCOPES)
    with stage.server() as address:
        yield Served(address, secret, world)


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: Any) -> None:
    """No proxy of the machine stands between a client and the server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

"""A program with a token, in front of the whole product."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import tokens
from deskhand.kernel.database.scope import account_scope
from deskhand.testing.world import World, make_world


@dataclass
class Program:
    """Calls in the account's name unless its token is somebody's. Answers are (status, body)."""

    world: World
    secret: str
    raises: bool = True  # what breaks breaks the test, too

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        answer = self.raw(method, path, body, **query)
        return answer.status_code, answer.json() if answer.content else None

    def raw(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        client = Client(raise_request_exception=self.raises)
        more: dict[str, Any] = {"headers": {"Authorization": f"Bearer {self.secret}"}}
        if query:
            more["query_params"] = query
        if body is not None:
            more |= {"data": body, "content_type": "application/json"}
        return client.generic(method, path, **_encoded(more))

    def queries(self, *call: Any, **query: Any) -> int:
        """How many statements a call takes."""
        with CaptureQueriesContext(connection) as seen:
            assert self.raw(*call, **query).status_code < 300
        return len(seen)


def _encoded(more: dict[str, Any]) -> dict[str, Any]:
    if "data" in more and not isinstance(more["data"], bytes | str):
        more["data"] = json.dumps(more["data"])
    return more


@pytest.fixture
def world(db: None) -> World:
    """An account with its people; its scope is opened by what calls."""
    return make_world()


@pytest.fixture
def program(world: World) -> Program:
    return of(world)


@pytest.fixture
def program_of(world: World) -> Callable[..., Program]:
    """A program with a token of its own: some scopes, or somebody's."""
    return lambda **more: of(world, **more)


def of(world: World, scopes: Any = tokens.SCOPES, user_id: int | None = None) -> Program:
    with account_scope(world.account.pk):
        _token, secret = tokens.create(world.account.pk, name="Program", scopes=scopes, user_id=user_id)
    return Program(world, secret)

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deskhand.web.finishing import finishing


def messages_seen(given: list[dict[str, Any]], then: float = 0.05) -> list[str]:
    """What an application gets to hear that goes on listening, as Django does."""
    seen: list[str] = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        while True:
            seen.append((await receive())["type"])

    async def steps() -> None:
        waiting = iter(given)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(finishing(django)({}, receive, None), then)

    asyncio.run(steps())
    return seen


def test_who_goes_away_after_asking_is_answered_all_the_same() -> None:
    asked = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b"},
    ]

    assert messages_seen([*asked, {"type": "http.disconnect"}]) == ["http.request", "http.request"]


def test_who_goes_away_in_the_middle_of_asking_has_not_asked() -> None:
    asked = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    assert messages_seen(asked) == ["http.request", "http.disconnect"]

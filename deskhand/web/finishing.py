"""A request that has come in is finished, even if the browser goes away meanwhile.

Django drops what it is doing when the connection closes; a reply sent just before a tab is closed would be rolled
back, and its database connection left to chance. Requests are short here (the stream stands beside Django), so they
are not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


def finishing(django: Application) -> Application:
    async def application(scope: Any, receive: Receive, send: Any) -> None:
        await django(scope, _until_whole(receive), send)

    return application


def _until_whole(receive: Receive) -> Receive:
    """Pass the request on until it is whole, or broken off; then never say anything again."""
    is_over = False

    async def following() -> Message:
        nonlocal is_over
        if is_over:
            await asyncio.Event().wait()
        message = await receive()
        is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return following

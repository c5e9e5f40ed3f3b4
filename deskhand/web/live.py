"""The stream of signals: named server-sent events without content, for every open page of an account.

It stands beside Django, not in it (see asgi.py), so that an open page costs a coroutine and neither a thread nor a
database connection. One LISTEN per process serves all streams. A stream ends after ten minutes, or within CHECK
seconds when its session, user or membership is over (S13); browsers come back by themselves.

Every page says since when it is true (`url`), every signal when it was sent (its id, which browsers bring back), so
that a stream begins with what happened before it was open. When that can't be said any more it begins with RESYNC.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import Error as DatabaseError
from django.db import connection

from deskhand.accounts import sessions
from deskhand.events import live
from deskhand.kernel import clock
from deskhand.kernel.database import wake
from deskhand.kernel.text import whole

log = structlog.get_logger()

PATH = "/live"
LIFE = 600.0  # seconds
CHECK = 4.0  # seconds between two looks whether the session still holds
QUIET = 20.0  # seconds without a signal before HERE keeps proxies from closing the stream
GATHER = 0.25  # seconds in which equal signals are one
RESYNC = "resync"  # signals may have been missed: read everything again
HERE = "here"  # nothing happened; it carries the time, so that who comes back knows since when
KEPT = 60.0  # seconds that signals are remembered for pages whose stream is not open yet, or not any more
MOST = 10_000  # signals remembered at once: some megabytes
OVERLAP = 100  # milliseconds by which the clocks of two machines may differ

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


def beside(django: Application) -> Application:
    """Answer PATH with the stream, everything else with Django."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH:
            await _answer(scope, receive, send)
        else:
            await django(scope, receive, send)

    return application


def url(at: datetime) -> str:
    """Return the stream's address for a page that shows what was true at that time."""
    return f"{PATH}?since={_milliseconds(at)}"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


# ── who ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def account_of(session_key: str) -> int | None:
    """Return the account that a session works in, or None when it is over. Uses a connection and gives it back."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    try:
        session = store(session_key)
        user_id = session.get(SESSION_KEY)
        member = sessions.membership(session, int(user_id)) if user_id else None
        if member is None or sessions.is_over(session, member.account_id):
            return None
        return int(member.account_id)
    finally:
        connection.close()


_account_of = sync_to_async(account_of, thread_sensitive=False)


def _session_key(scope: Scope) -> str:
    cookies: SimpleCookie = SimpleCookie()
    for value in _headers(scope, b"cookie"):
        try:
            cookies.load(value)
        except CookieError:
            return ""
    found = cookies.get(settings.SESSION_COOKIE_NAME)
    return found.value if found else ""


def _since(scope: Scope) -> int | None:
    """Return since when the page is true, in milliseconds: what it heard last, or else when it was made."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("since", [])
    said = [whole(text) for text in (*_headers(scope, b"last-event-id"), *asked)]
    return next((at for at in said if at is not None), None)


def _headers(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


# ── one stream ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Stream:
    """What one open page still has to be told."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self._names: dict[str, None] = {}
        self._filled = asyncio.Event()

    def tell(self, name: str) -> None:
        self._names[name] = None
        self._filled.set()

    async def next(self) -> list[str]:
        """Return the names that came, each once, or none after QUIET seconds."""
        try:
            await asyncio.wait_for(self._filled.wait(), QUIET)
        except TimeoutError:
            return []
        return self.take()

    def take(self) -> list[str]:
        """Return the names that are waiting, without waiting."""
        self._filled.clear()
        names, self._names = list(self._names), {}
        return names


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] != "GET":
        await _refuse(send, 405)
        return
    session_key = _session_key(scope)
    account_id = await _account_of(session_key) if session_key else None
    if account_id is None:
        await _refuse(send, 401)
        return
    stream = Stream(account_id)
    hub = _hub()
    await hub.begun()
    hub.add(stream, _since(scope))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await _until_first(
            _write(stream, send), _watch(session_key, account_id), _gone(receive), asyncio.sleep(LIFE)
        )
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        hub.remove(stream)


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _until_first(*steps: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _write(stream: Stream, send: Send) -> None:
    names = stream.take()
    while True:
        await _send(send, _events(names or [HERE]))
        await asyncio.sleep(GATHER)
        names = await stream.next()


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _events(names: Iterable[str]) -> bytes:
    """With the time in the last one alone: who is cut off before it has not heard all until then."""
    *others, last = [f"event: {name}\ndata: .\n" for name in names]
    return "\n".join([*others, f"{last}id: {_milliseconds(clock.now())}\n\n"]).encode()


async def _watch(session_key: str, account_id: int) -> None:
    while True:
        await asyncio.sleep(CHECK)
        try:
            if await _account_of(session_key) != account_id:
                return
        except DatabaseError as failure:
            log.warning("session not checked", error=str(failure))
            return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# ── what was said ────────────────────────────────────────────────────────────────────────────────────────────────────


class Said:
    """The signals of the last KEPT seconds, each with the last time it was heard, the oldest first."""

    def __init__(self) -> None:
        self._at: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._from: int | None = None  # milliseconds; nothing is known of what was before

    def begin(self, at: int) -> None:
        """Forget all: the listener has just begun, perhaps after a gap."""
        self._at.clear()
        self._from = at

    def hear(self, account_id: int, name: str, at: int) -> None:
        self._at[account_id, name] = at
        self._at.move_to_end((account_id, name))
        while len(self._at) > MOST or next(iter(self._at.values())) < at - KEPT * 1000:
            _, self._from = self._at.popitem(last=False)

    def since(self, account_id: int, at: int) -> list[str] | None:
        """Return the names an account was told at that time or later, or None when they are no longer known."""
        if self._from is None or at <= self._from:
            return None
        told = []
        for (account, name), heard in reversed(self._at.items()):
            if heard < at:
                break
            if account == account_id:
                told.append(name)
        return told[::-1]


# ── all streams of the process ───────────────────────────────────────────────────────────────────────────────────────


class Hub:
    """Hears the database's wake-ups in a thread and tells the streams of the account that is named."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.streams: dict[int, set[Stream]] = {}
        self.said = Said()
        self._begun = asyncio.Event()
        self._stop = threading.Event()
        self.listener = threading.Thread(
            target=wake.listen, args=(self._hear, self._stop), daemon=True, name="live"
        )
        self.listener.start()

    async def begun(self) -> None:
        """Wait until signals are heard, so that an open stream misses none; not for ever, a later start says RESYNC."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), CHECK)

    def add(self, stream: Stream, since: int | None) -> None:
        """Tell a stream from now on, and what was said since its page was true."""
        self.streams.setdefault(stream.account_id, set()).add(stream)
        if since is not None:
            told = self.said.since(stream.account_id, since - OVERLAP)
            for name in [RESYNC] if told is None else told:
                stream.tell(name)

    def remove(self, stream: Stream) -> None:
        left = self.streams.get(stream.account_id, set())
        left.discard(stream)
        if not left:
            self.streams.pop(stream.account_id, None)

    def stop(self) -> None:
        self._stop.set()

    def _hear(self, payload: str) -> None:
        if self.loop.is_closed():
            self.stop()
            return
        self.loop.call_soon_threadsafe(self._tell, payload)

    def _tell(self, payload: str) -> None:
        if not payload:  # the listener has just begun, perhaps after a gap
            self._begun.set()
            self.said.begin(_milliseconds(clock.now()))
            self._tell_all([stream for streams in self.streams.values() for stream in streams], RESYNC)
        elif signal := live.parse(payload):
            account_id, name = signal
            self.said.hear(account_id, name, _milliseconds(clock.now()))
            self._tell_all(self.streams.get(account_id, ()), name)

    @staticmethod
    def _tell_all(streams: Iterable[Stream], name: str) -> None:
        for stream in streams:
            stream.tell(name)


_the_hub: Hub | None = None


def _hub() -> Hub:
    """The process's hub; a new one when the event loop is another (tests)."""
    global _the_hub
    loop = asyncio.get_running_loop()
    if _the_hub is None or _the_hub.loop is not loop:
        if _the_hub is not None:
            _the_hub.stop()
        _the_hub = Hub(loop)
    return _the_hub

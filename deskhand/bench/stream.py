"""Open inboxes on one web process: what the stream of signals takes while changes flow, and how soon they are heard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import urllib.request
from dataclasses import dataclass, field
from importlib import import_module

from deskhand.bench.harness import Meter, Result, free_port, percentiles, process, scratch, wait_for_port

INBOXES, SECONDS = 200, 30
RATE = 10  # changes a second
TICKETS = 40  # that the changes are about
CALM = 2.0  # seconds after the last stream has opened


def run(scale: float = 1.0) -> Result:
    """`per_s` counts what was heard, times run from the commit to an open page, `peak_mb` is the web process."""
    seconds = max(3.0, SECONDS * scale)
    with scratch():
        account_id, cookies = _people(INBOXES)
        port = free_port()
        del os.environ["DATABASE_POOL"]  # the web process pools its connections, as in `deskhand serve`
        with process("web", "--port", str(port)) as web:
            os.environ["DATABASE_POOL"] = "0"
            wait_for_port(port)
            return asyncio.run(_measure(account_id, cookies, port, web.pid, seconds))


@dataclass
class Heard:
    """What the open pages were told, against when it was said."""

    said: dict[str, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)  # milliseconds
    open: int = 0
    lost: int = 0  # streams that ended

    def note(self, name: str) -> None:
        if name in self.said:
            self.delays.append(1000 * (time.perf_counter() - self.said[name]))


async def _measure(account_id: int, cookies: list[str], port: int, web: int, seconds: float) -> Result:
    heard = Heard()
    for cookie in cookies:
        await asyncio.to_thread(_open_page, port, cookie)
    first = asyncio.create_task(_listen(heard, port, cookies[0]))
    await _until_open(heard, 1)
    before = Meter(web).memory_mb()
    others = [asyncio.create_task(_listen(heard, port, cookie)) for cookie in cookies[1:]]
    await _until_open(heard, len(cookies))
    await asyncio.sleep(CALM)
    with Meter(web) as meter:
        changes = await asyncio.to_thread(_change, account_id, heard, seconds)
        await asyncio.sleep(1)
    for task in (first, *others):
        task.cancel()
    await asyncio.gather(first, *others, return_exceptions=True)
    p50, p95, p99 = percentiles(heard.delays)
    told = len(heard.delays)
    return Result(
        "stream", told / seconds, p50, p95, p99, 1000 * meter.cpu_seconds / max(1, told), meter.peak_mb, 0.0, 0.0,
        {
            "inboxes": len(cookies), "changes": changes, "seconds": round(seconds, 1), "lost_streams": heard.lost,
            "mb_with_one": round(before, 1), "kb_an_inbox": round(1024 * (meter.peak_mb - before) / len(cookies), 1),
            "cpu_part_of_a_core": round(meter.cpu_seconds / (seconds + 1), 3),
        },
    )  # fmt: skip


def _open_page(port: int, cookie: str) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/inbox/all-open", headers={"Cookie": cookie})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        if b'id="live"' not in answer.read():
            raise ConnectionError("That was not the inbox.")


async def _until_open(heard: Heard, wanted: int) -> None:
    async with asyncio.timeout(120):
        while heard.open < wanted:
            await asyncio.sleep(0.05)


async def _listen(heard: Heard, port: int, cookie: str) -> None:
    """One open page, as a browser holds it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
        if b" 200 " not in await reader.readline():
            raise ConnectionError("The stream was refused.")
        is_open = False
        while line := await reader.readline():
            if line == b"event: here\n":
                heard.open += not is_open
                is_open = True
            elif line.startswith(b"event: "):
                heard.note(line[7:].decode().strip())
        heard.lost += 1
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _change(account_id: int, heard: Heard, seconds: float) -> int:
    """Say that tickets changed, RATE times a second; returns how often."""
    from django.db import connection, transaction

    from deskhand.events import live
    from deskhand.kernel.database.scope import account_scope

    changes, began = 0, time.perf_counter()
    try:
        while (due := began + changes / RATE) < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            name = f"ticket-{changes % TICKETS}"
            with account_scope(account_id), transaction.atomic():
                live.signal(account_id, [name])
                heard.said[name] = time.perf_counter()
            changes += 1
    finally:
        connection.close()
    return changes


def _people(count: int) -> tuple[int, list[str]]:
    """An account and the cookies of people who are signed in to it."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from deskhand import wiring
    from deskhand.accounts import accounts, users
    from deskhand.events.types import SYSTEM
    from deskhand.kernel.database.scope import account_scope

    wiring.connect()
    account = accounts.create(slug="bench", name="Bench")
    sessions = import_module(settings.SESSION_ENGINE)
    cookies = []
    with account_scope(account.pk):
        for n in range(count):
            user = users.create(email=f"agent{n}@bench.example", name=f"Agent {n:03d}")
            users.add_to_account(account.pk, user.pk, by=SYSTEM)
            session = sessions.SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.save()
            cookies.append(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
    return account.pk, cookies

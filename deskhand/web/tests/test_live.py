from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.db import connection
from django.test import Client

from deskhand.accounts import sessions
from deskhand.accounts.models import Membership, User
from deskhand.events.live import signal
from deskhand.kernel.database import wake
from deskhand.kernel.database.scope import account_scope
from deskhand.web import live
from deskhand.web.tests.conftest import Office, make_office

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def office(transactional_db: None) -> Office:
    return make_office(datetime(2026, 11, 16, 12, tzinfo=UTC), "nordlys")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CHECK", 0.2)
    monkeypatch.setattr(live, "GATHER", 0.1)


@pytest.fixture(autouse=True)
def rest() -> Any:
    yield
    if live._the_hub:
        live._the_hub.stop()
        live._the_hub.listener.join(5)
    wake.shut()


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("The stream is not Django's.")


class Page:
    """An open page's end of the stream."""

    def __init__(self, session: str = "", method: str = "GET") -> None:
        cookie = f"a=b; {settings.SESSION_COOKIE_NAME}={session}".encode()
        scope = {"type": "http", "method": method, "path": live.PATH, "headers": [(b"cookie", cookie)]}
        self.there = ApplicationCommunicator(live.beside(nothing), scope)

    async def open(self) -> dict[str, Any]:
        await self.there.send_input({"type": "http.request", "body": b"", "more_body": False})
        return await self.there.receive_output(10)

    async def next(self) -> str:
        return (await self.there.receive_output(10))["body"].decode()

    async def heard(self, name: str) -> str:
        """Read until a signal of this name comes."""
        while f"event: {name}\n" not in (text := await self.next()):
            if not text:
                raise AssertionError("The stream is over.")
        return text

    async def over(self) -> bool:
        while await self.next():
            pass
        return True

    async def leave(self) -> None:
        await self.there.send_input({"type": "http.disconnect"})
        await self.there.wait(10)


def run(steps: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(steps())


async def meanwhile(step: Callable[..., Any], *given: Any) -> None:
    """Do something with the database in another thread, and leave no connection behind."""

    def do() -> None:
        try:
            step(*given)
        finally:
            connection.close()

    await sync_to_async(do)()


async def tell(office: Office, *names: str) -> None:
    def send() -> None:
        with account_scope(office.world.account.pk):
            signal(office.world.account.pk, names)

    await meanwhile(send)


def test_who_is_not_signed_in_gets_401_and_no_redirect() -> None:
    async def steps() -> Any:
        return (await Page().open())["status"], (await Page("forged").open())["status"]

    assert run(steps) == (401, 401)


def test_only_reading_is_possible() -> None:
    async def steps() -> Any:
        return (await Page(method="POST").open())["status"]

    assert run(steps) == 405


def test_a_page_hears_the_signals_of_its_account_once_they_are_committed(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> tuple[Any, str]:
        page = Page(session)
        opened = await page.open()
        await tell(office, "ticket-7", "views")
        heard = await page.heard("ticket-7")
        if "event: views\n" not in heard:  # perhaps it came a moment later
            heard += await page.heard("views")
        await page.leave()
        return opened, heard

    opened, heard = run(steps)

    assert opened["status"] == 200
    assert (b"x-accel-buffering", b"no") in opened["headers"]
    assert (b"content-type", b"text/event-stream; charset=utf-8") in opened["headers"]
    assert "event: views\n" in heard


def test_another_accounts_signals_are_not_heard(office: Office) -> None:
    fjord = make_office(office.at, "fjord")
    session = session_of(fjord.world.ada)

    async def steps() -> str:
        page = Page(session)
        await page.open()
        await tell(office, "ticket-7")
        await tell(fjord, "views")
        heard = await page.heard("views")
        await page.leave()
        return heard

    assert "ticket-7" not in run(steps)


def test_after_a_gap_pages_are_told_to_read_everything_again(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> str:
        page = Page(session)
        await page.open()
        live._hub()._hear("")  # what a listener says that lost its connection and is back
        heard = await page.heard(live.RESYNC)
        await page.leave()
        return heard

    assert run(steps) == "event: resync\ndata: .\n\n"


def test_equal_signals_are_gathered() -> None:
    async def steps() -> list[str]:
        stream = live.Stream(1)
        for _ in range(50):
            stream.tell("views")
        stream.tell("ticket-1")
        return await stream.next()

    assert run(steps) == ["views", "ticket-1"]


def test_a_quiet_stream_is_kept_open_by_comments(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET", 0.05)
    session = session_of(office.world.ada)

    async def steps() -> str:
        page = Page(session)
        await page.open()
        text = await page.next()
        while "still" not in text:
            text = await page.next()
        await page.leave()
        return text

    assert run(steps).startswith(":")


def test_a_stream_ends_after_its_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LIFE", 0.2)
    session = session_of(office.world.ada)

    async def steps() -> bool:
        page = Page(session)
        await page.open()
        return await page.over()

    assert run(steps)


def deactivate_user(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def end_membership(user: User) -> None:
    Membership.objects.filter(user=user).update(is_active=False)


def change_password(user: User) -> None:
    user.set_password("another long password")
    user.save()


def end_sessions(user: User) -> None:
    sessions.end_all(user.pk)


@pytest.mark.parametrize("end", [deactivate_user, end_membership, change_password, end_sessions])
def test_a_stream_ends_with_its_session(office: Office, end: Callable[[User], None]) -> None:
    """S13: the look is every CHECK seconds, which is less than five."""
    session = session_of(office.world.grace)

    async def steps() -> bool:
        page = Page(session)
        await page.open()
        await meanwhile(end, office.world.grace)
        return await page.over()

    assert run(steps)


def test_the_look_is_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert live.CHECK < 5


def test_signing_out_ends_the_stream(office: Office) -> None:
    client = Client()
    client.force_login(office.world.grace)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value

    async def steps() -> bool:
        page = Page(session)
        await page.open()
        await meanwhile(client.logout)
        return await page.over()

    assert run(steps)


def test_a_stream_that_was_left_is_forgotten(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> Any:
        page = Page(session)
        await page.open()
        await page.next()
        before = len(live._hub().streams)
        await page.leave()
        return before, len(live._hub().streams)

    assert run(steps) == (1, 0)

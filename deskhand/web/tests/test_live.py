from __future__ import annotations

import asyncio
import re
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
from deskhand.kernel import clock
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

    def __init__(self, session: str = "", method: str = "GET", since: object = "", last: object = "") -> None:
        headers = [(b"cookie", f"a=b; {settings.SESSION_COOKIE_NAME}={session}".encode())]
        headers += [(b"last-event-id", str(last).encode())] if last else []
        query = f"since={since}".encode() if since else b""
        scope = {
            "type": "http", "method": method, "path": live.PATH, "query_string": query, "headers": headers,
        }  # fmt: skip
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

    assert run(steps).startswith("event: resync\ndata: .\nid: ")


def milliseconds(later: float = 0) -> int:
    return int((clock.now().timestamp() + later) * 1000)


async def say_before_it_is_open(office: Office, *names: str) -> None:
    """Let the process hear signals while no page of the account listens, and nothing else."""
    await live._hub().begun()
    await tell(office, *names)
    while any(live._hub().said.since(office.world.account.pk, milliseconds(-1)) is None for _ in names):
        await asyncio.sleep(0.01)
    while len(live._hub().said.since(office.world.account.pk, milliseconds(-1)) or []) < len(names):
        await asyncio.sleep(0.01)


async def first(page: Page) -> list[str]:
    """Open it and read what it is told at once."""
    await page.open()
    told = names_in(await page.next())
    await page.leave()
    return told


def names_in(text: str) -> list[str]:
    return re.findall(r"^event: (.+)$", text, re.MULTILINE)


def test_a_page_is_told_what_happened_between_its_drawing_and_its_stream(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> tuple[list[str], list[str]]:
        live._hub()
        await asyncio.sleep(0.3)  # more than the clocks may differ
        drawn = milliseconds()
        await say_before_it_is_open(office, "ticket-7", "views")
        await asyncio.sleep(0.3)
        return await first(Page(session, since=drawn)), await first(Page(session, since=milliseconds()))

    missed, nothing_new = run(steps)

    assert sorted(missed) == ["ticket-7", "views"]
    assert nothing_new == [live.HERE]


def test_who_comes_back_is_told_what_happened_since_the_last_signal(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> tuple[list[str], list[str]]:
        page = Page(session)
        await page.open()
        await tell(office, "ticket-7")
        heard = await page.heard("ticket-7")
        await page.leave()
        last = int(re.findall(r"^id: (\d+)$", heard, re.MULTILINE)[-1])
        await asyncio.sleep(0.3)
        await say_before_it_is_open(office, "ticket-8")
        return await first(Page(session, since=last - 3_600_000, last=last + live.OVERLAP + 1)), names_in(
            heard
        )

    missed, heard = run(steps)

    assert missed == ["ticket-8"]
    assert "ticket-7" in heard


def test_who_was_cut_off_in_the_middle_of_what_is_said_at_once_has_no_mark_yet() -> None:
    """Some of it was heard longer ago than the clocks may differ: with a mark, the rest would be lost."""
    *others, last, end = live._events(["ticket-7", "ticket-8", "views"]).decode().split("\n\n")

    assert others == ["event: ticket-7\ndata: .", "event: ticket-8\ndata: ."]
    assert re.fullmatch(r"event: views\ndata: \.\nid: \d+", last)
    assert end == ""


def test_a_page_from_long_ago_reads_everything_again(office: Office) -> None:
    session = session_of(office.world.ada)

    async def steps() -> list[str]:
        return await first(Page(session, since=milliseconds(-3600)))

    assert run(steps) == [live.RESYNC]


@pytest.mark.parametrize("since", ["yesterday", "-1", "9" * 40])
def test_a_mark_that_nobody_wrote_is_no_mark(office: Office, since: str) -> None:
    session = session_of(office.world.ada)

    async def steps() -> list[str]:
        return await first(Page(session, since=since))

    assert run(steps) == [live.HERE]


def test_the_pages_say_since_when_they_are_true(office: Office) -> None:
    client = Client()
    client.force_login(office.world.ada)
    before = milliseconds()

    page = client.get("/contacts/").content.decode()

    assert before <= int(re.findall(r'hx-sse:connect="/live\?since=(\d+)"', page)[0]) <= milliseconds()


class TestSaid:
    def test_only_what_an_account_was_told_since_is_told(self) -> None:
        said = live.Said()
        said.begin(1_000)
        for name, at in [("a", 1_500), ("b", 2_000), ("c", 2_500), ("a", 3_000)]:
            said.hear(1, name, at)
        said.hear(2, "d", 3_000)

        assert said.since(1, 2_000) == ["b", "c", "a"]
        assert said.since(2, 3_001) == []

    def test_before_the_listener_began_nothing_is_known(self) -> None:
        said = live.Said()
        assert said.since(1, 5_000) is None
        said.begin(1_000)
        said.hear(1, "a", 1_500)

        assert said.since(1, 1_000) is None
        assert said.since(1, 1_001) == ["a"]
        said.begin(2_000)  # a gap
        assert said.since(1, 1_500) is None
        assert said.since(1, 2_001) == []

    def test_it_forgets_what_is_old_and_says_so(self) -> None:
        said = live.Said()
        said.begin(0)
        said.hear(1, "a", 1_000)
        said.hear(1, "b", 2_000)
        said.hear(1, "c", int(1_500 + live.KEPT * 1000))

        assert said.since(1, 1_000) is None
        assert said.since(1, 1_001) == ["b", "c"]

    def test_it_keeps_no_more_than_its_share(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live, "MOST", 3)
        said = live.Said()
        said.begin(0)
        for at in range(1, 6):
            said.hear(1, f"ticket-{at}", at)

        assert said.since(1, 2) is None
        assert said.since(1, 3) == ["ticket-3", "ticket-4", "ticket-5"]


def test_equal_signals_are_gathered() -> None:
    async def steps() -> list[str]:
        stream = live.Stream(1)
        for _ in range(50):
            stream.tell("views")
        stream.tell("ticket-1")
        return await stream.next()

    assert run(steps) == ["views", "ticket-1"]


def test_a_quiet_stream_is_kept_open(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET", 0.05)
    session = session_of(office.world.ada)

    async def steps() -> str:
        page = Page(session)
        await page.open()
        text = await page.next()
        while text.count(f"event: {live.HERE}\n") < 3:
            text += await page.next()
        await page.leave()
        return text

    assert set(names_in(run(steps))) == {live.HERE}


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

"""A browser for the whole run, an office for each test, and tabs for its people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from deskhand.web.tests.conftest import Office, make_office
from tests.browser import stage

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the browser's loop runs in the tests' thread

PASSWORD = "correct horse battery"
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if stage.CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with stage.chromium() as found:
        yield found


@pytest.fixture
def address(transactional_db: None, wired: None) -> Iterator[str]:
    with stage.server() as at:
        yield at


@pytest.fixture
def office(transactional_db: None, wired: None, settings: Any) -> Office:
    settings.UNDO_SEND_SECONDS = 0  # the stories of taking back set it
    made = make_office(datetime.now(UTC), "nordlys")
    for user in (made.world.ada, made.world.grace, made.world.bob):
        user.set_password(PASSWORD)
        user.save()
    return made


@pytest.fixture
def window(browser: Browser, address: str) -> Iterator[Callable[..., BrowserContext]]:
    """Windows of their own, closed afterwards. What goes wrong in a page's scripts fails the test."""
    opened: list[BrowserContext] = []
    trouble: list[str] = []

    def make(**more: Any) -> BrowserContext:
        context = stage.window(browser, address, **more)
        context.on("weberror", lambda error: trouble.append(str(error.error)))
        context.on("console", lambda said: trouble.append(said.text) if is_trouble(said) else None)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert not trouble


def is_trouble(said: Any) -> bool:
    """Scripts that break and policies that are broken; answers that say no are not."""
    return said.type == "error" and "Failed to load resource" not in said.text


@pytest.fixture
def tab(window: Callable[..., BrowserContext]) -> Open:
    """A signed-in tab of somebody."""

    def of(user: Any, path: str = "/", **more: Any) -> Page:
        from django.test import Client

        client = Client()
        client.force_login(user)
        context = window(**more)
        session = client.cookies["sessionid"].value
        page = context.new_page()
        page.goto("/livez")
        context.add_cookies([{"name": "sessionid", "value": session, "url": page.url}])
        page.goto(path)
        if more.get("java_script_enabled", True) and page.locator("#live").count():
            stage.live_is_up(page)
        return page

    return of

"""A real server and a real browser: uvicorn with the whole product on a free port, Debian's Chromium in front of it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--font-render-hinting=none",
]  # fmt: skip
SIZES = {1440: (1440, 900), 390: (390, 844), 320: (320, 720)}  # CSS pixels
PATIENCE = 30.0  # seconds until the server answers
STARTED = "html[data-started], html:not(:has(script[type=module]))"


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Serve the product on a free port, in a thread of this process; yields its address."""
    import uvicorn

    from deskhand.asgi import application

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application, log_level="error", lifespan="off", timeout_graceful_shutdown=1, server_header=False
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([taken],), name="web")
        thread.start()
        try:
            _wait_until(lambda: running.started)
            address = f"http://127.0.0.1:{taken.getsockname()[1]}"
            httpx.get(f"{address}/livez", timeout=PATIENCE)  # the first request loads every page's code
            yield address
        finally:
            running.should_exit = True
            thread.join(PATIENCE)
            _let_go_of_the_database()


def _let_go_of_the_database() -> None:
    from deskhand.kernel.database import wake
    from deskhand.web import live

    if live._the_hub is not None:
        live._the_hub.stop()
        live._the_hub.listener.join(5)
    wake.shut()


def _wait_until(is_true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError("The server did not start.")
        time.sleep(0.02)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def window(
    browser: Browser,
    address: str,
    *,
    width: int = 1440,
    dark: bool = False,
    locale: str = "en-GB",
    **more: Any,
) -> BrowserContext:
    across, down = SIZES[width]
    context = browser.new_context(
        base_url=address,
        viewport={"width": across, "height": down},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        locale=locale,
        has_touch=width < 700,
        **more,
    )
    context.set_default_timeout(10_000)  # milliseconds
    if more.get("java_script_enabled", True):
        new_page = context.new_page
        context.new_page = lambda: patient(new_page())  # type: ignore[method-assign]
    return context


def patient(page: Page) -> Page:
    """Make it wait, wherever it is sent, until the page's scripts are at work: before, it does what it does without."""
    for name in ("goto", "reload"):
        setattr(page, name, _until_started(page, getattr(page, name)))
    return page


def _until_started(page: Page, go: Any) -> Any:
    def goes(*args: Any, **options: Any) -> Any:
        answer = go(*args, **options)
        page.locator(STARTED).wait_for(state="attached")
        return answer

    return goes


def live_is_up(page: Page) -> None:
    """Wait until the stream of signals is open, and until the page has read again what the stream began with."""
    page.locator("html:not(:has(.htmx-request)) #live[data-up]").wait_for(state="attached")

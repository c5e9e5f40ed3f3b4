"""Pictures of the demo's screens for the README and for looking at: `python -m tests.browser.shots [FOLDER] [NAME…]`.

With DATABASE_URL that database is used and seeded if it is empty, without it one of its own that is thrown away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import stage

Step = Callable[[Page], None]


def _settled(page: Page) -> None:
    page.wait_for_load_state("networkidle" if page.url.endswith("/login/") else "load")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)  # frames measure themselves


def sign_in(page: Page) -> None:
    from deskhand.testing.demo import company

    page.goto("/account/login/")
    page.get_by_label("Email or user name").fill("ada")
    page.get_by_label("Password").fill(company.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/inbox/**")


def login(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/account/login/")


def the_list(page: Page) -> None:
    page.goto("/inbox/all-open")


def ticket(page: Page) -> None:
    page.goto("/inbox/all-open")
    page.goto(page.locator(".row-link").nth(2).get_attribute("href") or "")


def comment(page: Page) -> None:
    ticket(page)
    page.locator(".composer-tab", has_text="Comment").click()
    page.get_by_label("Message", exact=True).fill(
        "@mette can you check the parcel number with the warehouse?"
    )


def owner_menu(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=owner-menu]").click()


def status_menu(page: Page) -> None:
    ticket(page)
    page.locator("[popovertarget=status-menu]").click()


def views(page: Page) -> None:
    page.goto("/inbox/all-open")
    if page.locator("[popovertarget=side]").is_visible():
        page.locator("[popovertarget=side]").click()


def details(page: Page) -> None:
    ticket(page)
    if page.locator("[popovertarget=properties]").is_visible():
        page.locator("[popovertarget=properties]").click()


def empty_view(page: Page) -> None:
    page.goto("/inbox/mentions")


def conversations(page: Page) -> None:
    page.goto("/inbox/conversations")


def mailbox(page: Page) -> None:
    page.goto("/mailbox")


def mail(page: Page) -> None:
    page.goto("/mailbox")
    page.locator(".mail-line").first.click()


def not_found(page: Page) -> None:
    page.goto("/inbox/nothing-here")


#: Every state that is looked at and searched for obstacles.
STATES: dict[str, Step] = {
    "login": login,
    "list": the_list,
    "ticket": ticket,
    "comment": comment,
    "owner-menu": owner_menu,
    "status-menu": status_menu,
    "views": views,
    "details": details,
    "empty-view": empty_view,
    "conversations": conversations,
    "mailbox": mailbox,
    "mail": mail,
    "not-found": not_found,
}


@contextmanager
def demo() -> Iterator[str]:
    """The demo company, served."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # the browser's loop runs in this thread
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deskhand.settings")
    os.environ.setdefault("SMTP_URL", "sink:")  # mail is kept, to be read in the mailbox
    from deskhand.testing import session

    session._prepare()
    try:
        import django

        django.setup()
        from django.core.management import call_command

        from deskhand import wiring
        from deskhand.delivery.sender import Sender
        from deskhand.testing.demo import seed

        call_command("migrate", verbosity=0)
        wiring.connect()
        seed.seed(print)
        Sender(wiring.transports()).drain()
        with stage.server() as address:
            yield address
    finally:
        session.pytest_unconfigure(pytest.Config.fromdictargs({}, []))


def main(folder: str = "shots", *names: str) -> int:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with demo() as address, stage.chromium() as browser:
        for width in (1440, 390):
            for dark in (False, True):
                context = stage.window(browser, address, width=width, dark=dark)
                page = context.new_page()
                sign_in(page)
                kept = context.storage_state()["cookies"]
                for name in names or STATES:
                    context.clear_cookies()
                    context.add_cookies(kept)  # type: ignore[arg-type]
                    STATES[name](page)
                    _settled(page)
                    page.screenshot(path=target / f"{name}-{width}-{'dark' if dark else 'light'}.png")
                context.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A new user's first minutes: from the address that the terminal printed to what has to be done next."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect

from deskhand.accounts import first_run
from deskhand.accounts.models import Account
from tests.browser.test_access import OVERFLOW, RULES

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def fill(page: Page) -> None:
    page.get_by_label("Name of the company").fill("Fjällbo Tents")
    page.get_by_label("Your name").fill("Astrid Lind")
    page.get_by_label("Your email").fill("astrid@fjallbo.example")
    page.get_by_label("Password").fill("a long enough one")


def test_an_empty_installation_becomes_a_help_desk(
    window: Callable[..., BrowserContext], address: str
) -> None:
    """R-EXEC-2: the zone is that of the browser until somebody says otherwise."""
    page = window(width=320, timezone_id="Europe/Rome").new_page()
    page.goto(reverse("setup", args=[first_run.new_token()]))
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Rome")
    assert not page.evaluate(OVERFLOW)
    assert Axe().run(page, options=RULES).violations_count == 0

    fill(page)
    page.get_by_role("button", name="Create the help desk").click()

    expect(page.get_by_role("heading", name="Get started")).to_be_visible()
    assert not page.evaluate(OVERFLOW)
    page.get_by_role("link", name="Connect an address").click()
    expect(page.get_by_label("Email address")).to_be_visible()
    made = Account.objects.get()
    assert (made.name, made.zone) == ("Fjällbo Tents", "Europe/Rome")


def test_the_set_up_works_without_scripts(window: Callable[..., BrowserContext], address: str) -> None:
    page = window(java_script_enabled=False).new_page()
    page.goto(reverse("setup", args=[first_run.new_token()]))
    fill(page)
    page.get_by_label("Time zone").select_option("Europe/Oslo")
    page.get_by_role("button", name="Create the help desk").click()

    expect(page.get_by_role("heading", name="Get started")).to_be_visible()

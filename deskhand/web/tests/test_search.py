"""The search page and the palette: what is found leads there, and what one may not see is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records import tickets
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM
from deskhand.web import keys
from deskhand.web.tests.test_inbox import texts

TEMPLATES = Path(__file__).parents[1] / "templates"


@pytest.fixture
def told(wired):
    """Let everybody hear what happened."""

    def tell():
        while Dispatcher().run_once():
            pass

    return tell


@pytest.fixture
def admin(office, sign_in):
    return sign_in(office.world.ada)


def test_a_ticket_is_found_and_leads_to_itself(office, admin, told):
    ticket = office.mail("Refund still missing")
    told()

    page = admin.get("/search", {"q": "refu"}).content.decode()

    assert f'href="/inbox/all-open/{ticket.pk}"' in page
    assert "<mark>Refu</mark>nd still missing" in page
    assert f"#{ticket.number}" in page
    assert 'value="refu"' in page


def test_a_message_is_found_with_what_was_said_around_it(office, admin, told):
    ticket = office.mail(text="The tracking number is 00373500 and nobody answers. <b>Really</b>")
    told()

    page = admin.get("/search", {"q": "00373", "kind": "messages"}).content.decode()

    assert "<mark>00373</mark>500" in page
    assert "&lt;b&gt;Really" in page
    assert f'href="/inbox/all-open/{ticket.pk}#message-{office.messages(ticket)[0].pk}"' in page


def test_the_search_says_what_to_do_when_nothing_was_asked_or_found(office, admin):
    assert "Find any ticket, person or message" in texts(admin.get("/search"))
    assert "Nothing found for “xyzzy”" in texts(admin.get("/search?q=xyzzy"))
    assert "Nothing found for “--”" in texts(admin.get("/search", {"q": " -- "}))


def test_a_page_of_results_has_a_next_one(office, admin, told):
    with office.inside() as world:
        for n in range(25):
            world.ticket(f"Refund {n}")
    told()

    first = admin.get("/search?q=refund").content.decode()
    older = re.search(r'href="([^"]+)">Show older results', first).group(1).replace("&amp;", "&")
    second = admin.get(older).content.decode()

    shown = [set(re.findall(r"</mark> (\d+)</span>", page)) for page in (first, second)]
    assert shown[0] | shown[1] == {str(n) for n in range(25)}
    assert not shown[0] & shown[1]


@pytest.mark.parametrize("query", ["?q=a&after=x", "?q=a&kind=nothing", "?q=a&after=" + "9" * 19])
def test_what_is_no_search_is_not_found(office, admin, query):
    assert admin.get(f"/search{query}").status_code == 404


@pytest.mark.parametrize("query", ["%00", "a" * 5000, "%27%20or%201=1", "%F0%9F%98%80", "*stretch*", "%"])
def test_no_question_is_too_strange(office, admin, query):
    """S16"""
    for path in ("/search", "/search/palette"):
        assert admin.get(f"{path}?q={query}").status_code == 200


def test_what_one_may_not_see_is_in_no_answer(office, sign_in, told):
    """R-PERM-1, S9"""
    ticket = office.mail("Canary 7f3a", text="canary")
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.bob.pk, by=SYSTEM)
    told()
    own = {"ticket": dict.fromkeys(("view", "edit", "delete", "communicate"), "own")}
    office.role(office.world.grace, records=own, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    for path in (
        "/search?q=7f3",
        "/search?q=canary&kind=messages",
        "/search/palette?q=7f3",
        f"/search?q={ticket.number}",
    ):
        assert "7f3a" not in client.get(path).content.decode()
    assert "Companies" not in texts(client.get("/search?q=x"))


def test_another_account_finds_nothing_of_ours(office, neighbour, sign_in, told):
    """S9"""
    office.mail("Canary 7f3a")
    told()
    client = sign_in(neighbour.world.ada)

    assert "Canary" not in client.get("/search?q=canary").content.decode()
    assert "Canary" not in client.get("/search/palette?q=canary").content.decode()


def palette(client, query=""):
    return client.get("/search/palette", {"q": query}).content.decode()


def test_the_palette_begins_with_what_was_looked_at_last(office, admin):
    first, second = office.mail("First lamp"), office.mail("Second lamp")
    for ticket in (second, first):
        admin.get(f"/inbox/all-open/{ticket.pk}")

    shown = palette(admin)

    assert shown.index("First lamp") < shown.index("Second lamp")
    assert shown.index("Second lamp") < shown.index("Inbox")


def test_the_palette_finds_tickets_views_and_settings(office, admin, told):
    office.mail("Unassigned parcel", text="x")
    told()

    shown = palette(admin, "una")
    assert shown.index("parcel") < shown.index('href="/inbox/unassigned"')
    assert 'href="/search?q=una"' in shown
    assert 'href="/settings/system"' in palette(admin, "syst")


def test_the_palette_offers_no_page_that_one_may_not_open(office, sign_in):
    assert "/settings/system" not in palette(sign_in(office.world.grace), "syst")


def test_the_palette_asks_as_often_for_many_as_for_few(office, admin, told):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            palette(admin, "refund")
        return len(queries)

    with office.inside() as world:
        world.ticket("Refund")
    told()
    few = asked()
    with office.inside() as world:
        for n in range(6):
            world.ticket(f"Refund {n}")
    told()
    assert asked() == few


# ── the keyboard map ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_key_that_an_element_takes_is_in_the_map():
    """UI §8.1: the sheet and the palette are made of the same list."""
    taken = {
        sign
        for template in TEMPLATES.rglob("*.html")
        for found in re.findall(r'data-hotkey="([^"{]+)"', template.read_text())
        for sign in found.split()
    }

    assert taken
    assert taken <= keys.signs()


def test_the_sheet_names_each_key_and_leads_to_the_places(office, admin):
    page = admin.get("/inbox/all-open").content.decode()

    assert 'data-sign="r" data-label="Reply"' in page
    assert '<a href="/inbox/unassigned" data-hotkey="g-u">' in page


def test_the_sheet_names_no_place_that_one_may_not_open(office, sign_in):
    office.role(office.world.nils, records={}, capabilities=[])

    page = sign_in(office.world.nils).get("/account/password/change/").content.decode()

    assert 'data-hotkey="g-s"' in page
    assert 'data-hotkey="g-i"' not in page
    assert 'id="palette"' not in page

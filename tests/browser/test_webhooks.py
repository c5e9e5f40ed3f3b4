"""A system of somebody else's is told what happens, by a real request that is signed and tried again (issue 6, api.md §2.8)."""

from __future__ import annotations

from threading import Thread

import pytest
from django.db import connection
from playwright.sync_api import expect

from deskhand import wiring
from deskhand.crm.records import tickets
from deskhand.delivery.sender import Sender
from deskhand.delivery.tests.helpers import time_passes
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import Actor
from deskhand.testing.sites import calling_site
from deskhand.webhooks import signing

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")]


def let_it_out() -> None:
    while Dispatcher().run_once():
        pass
    sending = Thread(target=send)  # the browser's loop runs in this one
    sending.start()
    sending.join()


def send() -> None:
    try:
        Sender(wiring.transports(), threads=0, jitter=lambda: 0.0).drain()
    finally:
        connection.close()


def test_a_moved_ticket_is_told_signed_again_after_a_failure_and_once_more_by_hand(
    tab, office, monkeypatch
) -> None:
    """Issue 6 line 3: make a webhook, fail first, retry, replay."""
    monkeypatch.setenv("ALLOW_PRIVATE_HOSTS", "127.0.0.1")
    ticket = office.mail("Refund still missing")
    let_it_out()
    with calling_site() as there:
        page = tab(office.world.ada, "/settings/webhooks")
        page.get_by_role("link", name="New webhook").first.click()
        page.get_by_label("Name", exact=True).fill("Shop")
        page.get_by_label("Web address").fill(f"{there.url}/hear")
        of_tickets = page.get_by_role("group", name="Tickets")
        of_tickets.get_by_text("Changes of properties").click()
        of_tickets.get_by_label("Ticket status", exact=True).check()
        page.get_by_role("button", name="Make the webhook").click()
        secret = page.get_by_label("Secret", exact=True).input_value()
        page.get_by_role("link", name="I have copied it").click()
        expect(page.get_by_text("Nothing was sent yet")).to_be_visible()

        there.says((500, {}, "Not now"), 200)
        with office.inside() as world:
            tickets.move(ticket.pk, to=world.stage("Closed"), by=Actor.user(world.bob.pk))
        let_it_out()
        page.reload()
        expect(page.get_by_text("Will be tried again")).to_be_visible()
        expect(page.get_by_text("Failing", exact=True)).to_be_visible()

        time_passes()
        let_it_out()
        page.reload()
        expect(page.get_by_text("Delivered")).to_be_visible()
        first, second = there.asked
        assert first.json[0]["eventId"] == second.json[0]["eventId"]
        assert (first.json[0]["attemptNumber"], second.json[0]["attemptNumber"]) == (0, 1)
        assert second.headers["x-hubspot-signature-v3"] == signing.v3(
            secret,
            "POST",
            f"{there.url}/hear",
            second.body.encode(),
            int(second.headers["x-hubspot-request-timestamp"]),
        )

        page.get_by_role("link", name="ticket.propertyChange").click()
        expect(page.get_by_text("Not now")).to_be_visible()
        expect(page.get_by_role("region", name="What is sent")).to_contain_text(str(first.json[0]["eventId"]))
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("1 delivery is sent again.")).to_be_visible()
        let_it_out()
        assert [asked.json[0]["eventId"] for asked in there.asked] == [first.json[0]["eventId"]] * 3

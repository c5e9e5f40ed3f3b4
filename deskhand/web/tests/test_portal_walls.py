"""Who gets what of a customer portal: every address of it, for everybody who is not the customer it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

from deskhand.accounts.models import Account, Plan
from deskhand.channels.portal.models import Portal, Post, Reach, Session
from deskhand.crm.records.models import Ticket
from deskhand.desk import replies
from deskhand.desk.models import Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.kernel import files
from deskhand.web.tests.portals import ASTRID, colleagues, customer, home, open_portal
from deskhand.web.tests.test_walls import PORTAL, TABLE

KEY = "0123456789abcdef"
OTHER, STRANGER = "lars@fjallbo.example", "olga@else.example"


@dataclass(frozen=True)
class Wall:
    """What an address answers to a customer whom its record is not about. `other` None: it names no record."""

    method: str = "GET"
    other: int | None = 404
    needs_customer: bool = True


WALLS = {
    "portal-home": Wall(other=None),
    "portal-new": Wall(other=None),
    "portal-request": Wall(),
    "portal-reply": Wall("POST"),
    "portal-file": Wall(),
    "portal-sign-in": Wall(other=None, needs_customer=False),
    "portal-link": Wall(needs_customer=False),
    "portal-sign-out": Wall("POST", other=None, needs_customer=False),
}
FORM = {"body": "Words", "subject": "Words", "form_key": KEY, "email": STRANGER}


def test_every_address_is_in_the_table():
    assert sorted(WALLS) == sorted(PORTAL)


@pytest.fixture
def places(office) -> dict[str, str]:
    """Every address, naming records of Astrid's; "canary" stands in all of them."""
    open_portal(office, reach=Reach.COMPANY)
    ref = files.put(b"canary bytes")
    kept = StoredFile("canary.txt", "text/plain", ref.size, ref.sha256)
    ticket = office.mail(
        "Canary subject", sender=Mailbox(ASTRID, "Canary Astrid"), text="Canary words", files=(kept,)
    )
    with office.inside() as world:
        replies.reply(NewReply(ticket.pk, "Canary answer"), by=world.grace, at=office.at)
        attachment = Message.objects.order_by("id").first().attachments.get()
    colleagues(office, ASTRID, "mette@fjallbo.example", name="Canary AB")
    colleagues(office, OTHER, STRANGER, name="Else AB")
    slug = office.world.account.slug
    given = {"portal-request": [ticket.pk], "portal-reply": [ticket.pk], "portal-file": [attachment.pk],
             "portal-link": [1, "x" * 43]}  # fmt: skip
    return {name: reverse(name, args=[slug, *given.get(name, [])]) for name in WALLS}


def ask(client: Client, wall: Wall, url: str):
    return client.get(url) if wall.method == "GET" else client.post(url, FORM)


def said(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def is_led_to_the_sign_in(response, office) -> bool:
    """At once, or beside what was typed."""
    sign_in = f"{home(office)}sign-in"
    if response.status_code == 401:
        return f'href="{sign_in}' in response.content.decode()
    return bool(response.headers.get("Location", "").startswith(sign_in))


def breaches(
    client: Client, places: dict[str, str], expected: Callable[[Wall], int | None]
) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, wall in WALLS.items():
        if name == "portal-sign-out":
            continue
        response = ask(client, wall, places[name])
        status = expected(wall)
        if status is not None and response.status_code != status:
            found[name] = response.status_code
        if b"anary" in said(response):
            found[name] = "shows a record"
    return found


def test_the_customer_themselves_sees_it(places, office):
    client = customer(office)
    assert b"Canary answer" in said(client.get(places["portal-request"]))
    assert said(client.get(places["portal-file"])) == b"canary bytes"
    assert client.post(places["portal-reply"], FORM).status_code == 302


def test_who_is_not_signed_in_is_led_to_the_sign_in(places, office):
    found = {}
    for name, wall in WALLS.items():
        response = ask(Client(), wall, places[name])
        if wall.needs_customer and not is_led_to_the_sign_in(response, office):
            found[name] = response.status_code
        if b"anary" in said(response):
            found[name] = "shows a record"

    assert not found


def test_a_customer_of_another_company_gets_nothing(places, office):
    """R-POR-3: also where everybody sees all of their company."""
    assert not breaches(customer(office, STRANGER), places, lambda wall: wall.other)


def test_a_customer_of_another_account_gets_nothing(places, office, neighbour):
    """S9: their session is no session here, with the same address, too."""
    open_portal(neighbour, reach=Reach.COMPANY)
    for email in (STRANGER, ASTRID):
        client = customer(neighbour, email)
        client.cookies["portal"]["path"] = "/"  # as if the browser sent it along
        for name, wall in WALLS.items():
            response = ask(client, wall, places[name])
            assert b"anary" not in said(response), name
            assert not wall.needs_customer or is_led_to_the_sign_in(response, office), name


def test_records_of_another_account_are_not_found_in_ones_own_portal(places, office, neighbour):
    """S9: by their ids."""
    open_portal(neighbour, reach=Reach.COMPANY)
    client = customer(neighbour, ASTRID)
    here = office.world.account.slug
    foreign = {
        name: url.replace(f"/{here}/", f"/{neighbour.world.account.slug}/") for name, url in places.items()
    }

    assert not breaches(client, foreign, lambda wall: wall.other)


def test_a_customer_is_no_user_of_the_help_desk(places, office):
    """The help desk's pages lead a customer to its own sign-in, and take none of their forms."""
    client = customer(office)
    client.cookies["portal"]["path"] = "/"
    with office.inside():
        ticket = Ticket.objects.get()
    urls = [
        "/inbox/all-open",
        f"/inbox/all-open/{ticket.pk}",
        "/settings/portal",
        "/settings/portal/contacts",
        "/tickets",
        "/contacts",
    ]
    for url in urls:
        response = client.get(url)
        assert response.headers["Location"].startswith("/account/login/"), url
    with office.inside():
        attachment = Message.objects.order_by("id").first().attachments.get()
    assert client.get(f"/files/{attachment.pk}").headers["Location"].startswith("/account/login/")
    assert client.post("/settings/portal/save", {"is_on": "0"}).status_code == 302
    with office.inside():
        assert Portal.objects.get().is_on


def test_a_user_of_the_help_desk_is_no_customer(places, office, sign_in):
    """A super admin has to ask for a link as anybody else."""
    client = sign_in(office.world.ada)
    for name, wall in WALLS.items():
        response = ask(client, wall, places[name])
        assert b"anary" not in said(response), name
        if wall.needs_customer:
            assert is_led_to_the_sign_in(response, office), name


def test_a_change_without_the_forms_token_is_refused(places, office):
    """S15"""
    client = customer(office, ASTRID, enforce_csrf_checks=False)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["portal"] = client.cookies["portal"].value
    for name in ("portal-reply", "portal-new", "portal-sign-in", "portal-link", "portal-sign-out"):
        response = strict.post(places[name], FORM, headers={"Origin": "https://evil.example"})
        assert response.status_code == 403, name
        assert f'href="{home(office)}"' in response.content.decode(), name
    with office.inside():
        assert Session.objects.count() == 1
        assert not Post.objects.exists()


def test_each_address_answers_its_own_methods(places, office):
    client = customer(office)
    wrong = {
        "portal-home": "POST",
        "portal-request": "POST",
        "portal-file": "POST",
        "portal-reply": "GET",
        "portal-sign-out": "GET",
    }
    for name, method in wrong.items():
        assert ask(client, Wall(method), places[name]).status_code == 405, name


def test_what_others_tried_changed_nothing(places, office, neighbour, sign_in):
    open_portal(neighbour)
    clients = [Client(), customer(office, STRANGER), customer(neighbour, ASTRID), sign_in(office.world.ada)]
    for client in clients:
        ask(client, WALLS["portal-reply"], places["portal-reply"])

    assert not Post.objects.exists()
    with office.inside():
        assert Message.objects.count() == 2


# ── the settings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_for_who_has_the_permission_and_a_plan_with_it(office, sign_in):
    """R-POR-8, R-PERM-12."""
    urls = [
        url for name in TABLE if name in ("portal-settings", "portal-contacts") for url in [reverse(name)]
    ]
    office.role(office.world.grace, records={}, capabilities=["account_access"])
    office.role(
        office.world.bob, records={"contact": {"view": "all"}}, capabilities=["customer_portal_settings"]
    )

    assert [sign_in(office.world.grace).get(url).status_code for url in urls] == [403, 403]
    assert {sign_in(office.world.bob).get(url, follow=True).status_code for url in urls} == {200}
    assert "Customer portal" in sign_in(office.world.bob).get(urls[0]).content.decode()
    Account.objects.filter(pk=office.world.account.pk).update(plan=Plan.STARTER)
    ada = sign_in(office.world.ada)
    assert {ada.get(url).status_code for url in urls} == {404}
    assert "/settings/portal" not in ada.get("/settings/snippets").content.decode()

"""A customer portal in tests: opened by its settings, entered by the link of a real mail."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach
from deskhand.channels.portal.portals import Settings
from deskhand.crm.records import companies, contacts
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact
from deskhand.delivery.models import OutboxEntry
from deskhand.events.types import SYSTEM
from deskhand.web.tests.conftest import Office

ASTRID, LARS = "astrid@fjallbo.example", "lars@fjallbo.example"
LINK = re.compile(r"https?://\S+(/portal/\S+)")


def open_portal(office: Office, **settings: Any) -> Portal:
    with office.inside():
        return portals.change(Settings(**({"is_on": True, "reach": Reach.OWN} | settings)), by=SYSTEM)


def home(office: Office) -> str:
    return f"/portal/{office.world.account.slug}/"


def ask_for_link(office: Office, email: str, client: Client | None = None, **more: str) -> Any:
    return (client or Client()).post(f"{home(office)}sign-in", {"email": email, **more})


def mailed_links(office: Office, email: str) -> list[str]:
    """The paths of all links that were mailed to an address, oldest first."""
    found = OutboxEntry.objects.filter(account_id=office.world.account.pk, recipients=[email]).order_by("id")
    return [path[1] for one in found if (path := LINK.search(one.payload["text"]))]


def customer(office: Office, email: str = ASTRID, **more: Any) -> Client:
    """Somebody who is signed in."""
    client = Client(**more)
    ask_for_link(office, email)
    response = client.post(mailed_links(office, email)[-1])
    assert response.status_code == 302
    return client


def colleagues(office: Office, *emails: str, name: str = "Fjällbo AB") -> list[Contact]:
    """Contacts whose primary company is one and the same."""
    with office.inside():
        company = companies.create(name, by=SYSTEM)
        found = []
        for email in emails:
            pk = contacts.upsert_many([Person(email, email.partition("@")[0].title())], by=SYSTEM)[email]
            companies.add_contact(company.pk, pk, by=SYSTEM)
            found.append(Contact.objects.get(pk=pk))
        return found

"""What a ticket is linked to: shown as far as one may see it, found, linked and parted."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records import archive, associations, companies, contacts, objects, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Association, Ticket
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ticket(office) -> Ticket:
    return office.mail()


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


@pytest.fixture
def fjallbo(office):
    with office.inside():
        return companies.create("Fjällbo AB", domain="fjallbo.example", by=SYSTEM).pk


def url(ticket, rest=""):
    return f"/inbox/all-open/{ticket.pk}/links{rest}"


def beside(client, ticket, rest=""):
    page = client.get(f"/inbox/all-open/{ticket.pk}{rest}").content.decode()
    return page[page.index('id="properties"') :]


def link(client, ticket, kind, record_id, linked="1", **more):
    return client.post(url(ticket), {"kind": kind, "id": record_id, "linked": linked}, **more)


def test_a_company_is_found_linked_and_parted_again(office, ticket, client, fjallbo):
    """R-DM-7"""
    assert "Link a record" in beside(client, ticket)
    found = texts(client.get(url(ticket, "/new"), {"kind": "company", "q": "fjäl"}))
    assert "Fjällbo AB" in found

    assert link(client, ticket, "company", fjallbo).headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    assert f'href="/companies/{fjallbo}"' in beside(client, ticket)
    assert "Nothing else was found." in texts(
        client.get(url(ticket, "/new"), {"kind": "company", "q": "fjäl"})
    )
    told = link(client, ticket, "company", fjallbo, "0", headers=HTMX)
    assert "No longer linked" in texts(told)
    assert f'href="/companies/{fjallbo}"' not in beside(client, ticket)

    history = texts(client.get(f"/inbox/all-open/{ticket.pk}/history"))
    assert "Linked to the company Fjällbo AB" in history
    assert "No longer linked to the company Fjällbo AB" in history
    with office.inside() as world:
        events = EventRow.objects.filter(object_id=ticket.pk, kind__in=("ticket.linked", "ticket.unlinked"))
        assert list(events.order_by("id").values_list("kind", "actor_id")) == [
            ("ticket.linked", world.grace.pk),
            ("ticket.unlinked", world.grace.pk),
        ]


def test_two_tickets_name_each_other(office, ticket, client):
    other = office.mail("Another matter")
    link(client, ticket, "ticket", other.pk)

    for one, there in ((ticket, other), (other, ticket)):
        assert f'id="linked-ticket-{there.pk}"' in beside(client, one)
        assert f"Linked to the ticket {there.subject}" in texts(
            client.get(f"/inbox/all-open/{one.pk}/history")
        )
    assert f"#{other.number}" in texts(
        client.get(url(ticket, "/new"), {"kind": "ticket", "q": str(other.number)})
    )


def test_a_deal_is_shown_and_the_tickets_own_contact_is_on_its_card_alone(office, ticket, client):
    with office.inside():
        deal = objects.create("deal", {"dealname": "200 tents"}, by=SYSTEM)
        associations.link_many([("ticket", ticket.pk, "deal", deal.id)], clock.now())
    found = beside(client, ticket)

    assert f'id="linked-deal-{deal.id}"' in found
    assert "200 tents" in found
    assert "linked-contact-" not in found
    assert link(client, ticket, "contact", ticket.contact_id, "0", headers=HTMX).status_code == 422
    with office.inside():
        assert Association.objects.filter(from_type="ticket", to_type="contact").exists()


def test_a_deal_is_found_by_its_name_as_it_is_now_and_linked(office, ticket, client, settle):
    """R-DM-7"""
    with office.inside():
        deal = objects.create("deal", {"dealname": "200 tents"}, by=SYSTEM)
        gone = objects.create("deal", {"dealname": "Tents of last year"}, by=SYSTEM)
        archive.archive("deal", [gone.id], by=SYSTEM)
    settle()
    assert 'value="deal"' in client.get(url(ticket, "/new")).content.decode()
    found = texts(client.get(url(ticket, "/new"), {"kind": "deal", "q": "tent"}))
    assert "200 tents" in found
    assert "last year" not in found

    assert link(client, ticket, "deal", deal.id).status_code == 302
    assert f'id="linked-deal-{deal.id}"' in beside(client, ticket)

    with office.inside():
        objects.update("deal", deal.id, {"dealname": "300 jackets"}, by=SYSTEM)
        associations.part("ticket", ticket.pk, "deal", deal.id, by=SYSTEM)
    settle()
    part = {"headers": HTMX}
    assert "300 jackets" in texts(client.get(url(ticket, "/new"), {"kind": "deal", "q": "jack"}, **part))
    assert "300 jackets" not in texts(client.get(url(ticket, "/new"), {"kind": "deal", "q": "tent"}, **part))


@pytest.mark.parametrize(("more", "status"), [({"deal": {"view": "own"}}, 200), ({}, 404)])
def test_a_deal_that_one_may_not_see_is_not_found(office, ticket, settle, sign_in, more, status):
    """R-PERM-1"""
    with office.inside() as world:
        objects.create("deal", {"dealname": "Canary"}, by=SYSTEM)
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
    settle()
    ways = {"ticket": {"view": "own", "edit": "own"}, "company": {"view": "all"}}
    office.role(office.world.grace, records=ways | more, capabilities=["service_access"])
    answer = sign_in(office.world.grace).get(url(ticket, "/new"), {"kind": "deal", "q": "canary"})
    assert answer.status_code == status
    assert "Canary" not in answer.content.decode()


def test_what_may_not_be_seen_is_not_there_nor_counted(office, ticket, sign_in, fjallbo):
    """R-PERM-1"""
    with office.inside() as world:
        hidden = office.mail("Canary")
        tickets.assign(hidden.pk, owner_id=world.bob.pk, by=SYSTEM)
        for kind, pk in (("ticket", hidden.pk), ("company", fjallbo)):
            associations.connect("ticket", ticket.pk, kind, pk, by=SYSTEM)
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
    office.role(
        office.world.grace,
        records={"ticket": {"view": "own", "edit": "own"}},
        capabilities=["service_access"],
    )
    client = sign_in(office.world.grace)
    found = beside(client, ticket)

    assert "Canary" not in found
    assert "Fjällbo" not in found
    assert "linked-" not in found
    assert texts(client.get(f"/inbox/all-open/{ticket.pk}/history")).count("Linked to another record") == 2
    for kind, pk in (("ticket", hidden.pk), ("company", fjallbo)):
        for on in ("1", "0"):
            assert link(client, ticket, kind, pk, on).status_code == 404
    assert client.get(url(ticket, "/new"), {"kind": "company", "q": "fj"}).status_code == 404
    assert "Canary" not in texts(client.get(url(ticket, "/new"), {"kind": "ticket", "q": str(hidden.number)}))


def test_who_may_not_change_the_ticket_links_nothing(office, ticket, sign_in, fjallbo):
    office.role(
        office.world.nils,
        records={"ticket": {"view": "all"}, "company": {"view": "all"}},
        capabilities=["service_access"],
    )
    client = sign_in(office.world.nils)
    with office.inside():
        associations.connect("ticket", ticket.pk, "company", fjallbo, by=SYSTEM)

    assert "Fjällbo AB" in beside(client, ticket)
    assert url(ticket) not in beside(client, ticket)
    assert link(client, ticket, "company", fjallbo, "0").status_code == 403
    assert client.get(url(ticket, "/new")).status_code == client.get(url(ticket, "/left")).status_code == 403


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"kind": "nothing"}, 404),
        ({"kind": "company", "id": "x"}, 400),
        ({"kind": "company", "id": "999999"}, 404),
        ({}, 404),
    ],
)
def test_nonsense_is_refused(ticket, client, given, status):
    assert client.post(url(ticket), {"linked": "1", **given}).status_code == status


def test_a_ticket_is_not_linked_to_itself_and_nothing_twice(office, ticket, client, fjallbo):
    assert link(client, ticket, "ticket", ticket.pk, headers=HTMX).status_code == 422
    for _ in range(2):
        link(client, ticket, "company", fjallbo)
    assert "Nothing changed" in texts(link(client, ticket, "company", fjallbo, headers=HTMX))
    with office.inside():
        assert EventRow.objects.filter(kind="ticket.linked").count() == 1


def test_many_links_take_as_many_queries_as_one(office, ticket, client):
    def add(number):
        with office.inside():
            made = contacts.create(Person(f"p{number}@x.example", f"Person {number}"), by=SYSTEM)
            associations.link_many([("ticket", ticket.pk, "contact", made.pk)], clock.now())

    add(0)
    beside(client, ticket)
    with CaptureQueriesContext(connection) as one:
        beside(client, ticket)
    for number in range(1, 20):
        add(number)
    with CaptureQueriesContext(connection) as many:
        assert "Person 19" in beside(client, ticket)

    assert len(many) == len(one)

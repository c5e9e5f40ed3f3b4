"""Which company is the primary one (R-POR-4, R-TRIG-5)."""

from __future__ import annotations

from deskhand.crm.records import associations, companies, contacts, primary, tickets
from deskhand.crm.records.associations import Link
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact
from deskhand.crm.records.tickets import NewTicket
from deskhand.events.types import SYSTEM
from deskhand.kernel import clock


def linked(kind: str, record_id: int, count: int) -> list[Link]:
    found: list[Link] = [
        (kind, record_id, "company", companies.create(f"C{number}", by=SYSTEM).pk) for number in range(count)
    ]
    associations.link_many(found, clock.now())
    return found


def test_of_a_ticket_the_chosen_one_goes_before_the_others_which_keep_their_order(world):
    """R-TRIG-5: workflows take the first one."""
    ticket = tickets.create(NewTicket("Printer"), by=SYSTEM)
    links = linked("ticket", ticket.id, 4)

    for _again in range(2):
        primary.choose([links[2]], by=SYSTEM)
        found = associations.linked_ids("ticket", [ticket.id], "company")[ticket.id]
        assert found == [links[at][3] for at in (2, 0, 1, 3)]


def test_a_contact_gets_a_primary_company_once_and_another_when_that_is_parted(world):
    """R-POR-4"""
    contact = contacts.create(Person(email="ada@x.example"), by=SYSTEM)
    links = linked("contact", contact.pk, 3)

    def company_id() -> int | None:
        return Contact.objects.values_list("company_id", flat=True).get(pk=contact.pk)

    primary.fill(links[1:], by=SYSTEM)
    assert company_id() == links[1][3]
    primary.fill(links, by=SYSTEM)
    primary.clear([links[0]], by=SYSTEM)  # is not the primary one
    assert company_id() == links[1][3]
    associations.unlink_many([links[1]])
    primary.follow_parted([links[1]], by=SYSTEM)
    assert company_id() == links[0][3]
    primary.follow_parted([links[2]], by=SYSTEM)
    assert company_id() == links[0][3]
    primary.clear(links, by=SYSTEM)
    assert company_id() is None

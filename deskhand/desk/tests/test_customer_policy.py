"""The policy for customers says the same as a predicate and as SQL (R-POR-2, R-POR-3)."""

from __future__ import annotations

from itertools import product

import pytest

from deskhand.crm.records import associations, companies, contacts
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Contact, Ticket
from deskhand.desk.customer_policy import Customer, MessageFacts, TicketFacts
from deskhand.desk.models import Message, Thread
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql

MINE, MINE_TOO, COLLEAGUES, OTHERS = "me@a.example", "me2@a.example", "col@a.example", "x@b.example"
PEOPLE = (
    frozenset({MINE}),
    frozenset({MINE_TOO.upper()}),
    frozenset({COLLEAGUES, "s@us.example"}),
    frozenset({OTHERS}),
    frozenset(),
)


@pytest.fixture
def people(world) -> dict[str, Contact]:
    ids = contacts.upsert_many([Person(one) for one in (MINE, COLLEAGUES, OTHERS)], by=SYSTEM)
    company = companies.create("A", by=SYSTEM)
    for email in (MINE, COLLEAGUES):
        companies.add_contact(company.pk, ids[email], by=SYSTEM)
    found = {email: Contact.objects.get(pk=pk) for email, pk in ids.items()}
    found[MINE].addresses.create(account_id=world.account.pk, email=MINE_TOO)
    return found


@pytest.fixture(params=[False, True], ids=["own", "company"])
def customer(request, world, people) -> Customer:
    me = people[MINE]
    return Customer(
        world.account.pk, me.pk, frozenset({MINE, MINE_TOO}), me.company_id if request.param else None
    )


def test_tickets(world, noon, people, customer):
    expected = {}
    for whose, linked, is_spam, is_archived in product(
        [None, *people.values()], [None, *people.values()], [False, True], [False, True]
    ):
        ticket = world.ticket("One", contact_id=whose.pk if whose else None)
        if linked:
            associations.link_many([("ticket", ticket.pk, "contact", linked.pk)], noon)
        Ticket.objects.filter(pk=ticket.pk).update(is_spam=is_spam, archived_at=noon if is_archived else None)
        facts = TicketFacts(
            whose.pk if whose else None, whose.company_id if whose else None,
            frozenset({one.pk for one in (whose, linked) if one}), is_spam, is_archived,
        )  # fmt: skip
        expected[ticket.pk] = customer.sees(facts)

    text, params = customer.sees_sql()
    seen = {pk for (pk,) in sql.rows(f"select t.id from crm_ticket t where {text}", params)}

    assert seen == {pk for pk, is_seen in expected.items() if is_seen}
    assert 0 < len(seen) < len(expected)


def test_messages(world, noon, people, customer):
    expected = {}
    hidden = [{}, {"is_side": True}, {"is_spam": True}, {"archived_at": noon}]
    private = [{}, {"kind": "COMMENT"}, {"is_unverified": True}, {"filtered": {"is_machine": False}}]
    for whose, of_thread, of_message, persons, is_sender in product(
        [None, *people.values()], hidden, private, PEOPLE, [False, True]
    ):
        thread = Thread.objects.create(
            account_id=world.account.pk, inbox_id=world.channel.inbox_id, channel_account=world.channel,
            contact_id=whose.pk if whose else None, created_at=noon, last_message_at=noon, **of_thread,
        )  # fmt: skip
        sender, rest = (
            (sorted(persons)[0], sorted(persons)[1:]) if is_sender and persons else ("", sorted(persons))
        )
        message = Message.objects.create(
            account_id=world.account.pk, thread=thread, actor_kind="user", sender_address=sender, created_at=noon,
            recipients={"to": [{"name": "", "email": one} for one in rest[:1]], "bcc": [{"name": "", "email": one} for one in rest[1:]]},
            **of_message,
        )  # fmt: skip
        further = frozenset({MINE_TOO}) if whose and whose.email == MINE else frozenset()
        facts = MessageFacts(
            frozenset(one.lower() for one in persons), whose.pk if whose else None, whose.company_id if whose else None,
            frozenset({whose.email}) | further if whose else frozenset(), not of_thread and not of_message,
        )  # fmt: skip
        expected[message.pk] = customer.reads(facts)

    text, params = customer.reads_sql()
    read = {
        pk
        for (pk,) in sql.rows(
            f"select m.id from desk_message m join desk_thread h on h.id = m.thread_id where {text}", params
        )
    }

    assert read == {pk for pk, is_read in expected.items() if is_read}
    assert 0 < len(read) < len(expected)

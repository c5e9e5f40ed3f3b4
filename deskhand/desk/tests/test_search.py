"""Search: tickets, contacts, companies and messages by their words; what one may not see is not there."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.accounts import roles
from deskhand.accounts.models import Membership
from deskhand.accounts.policy import viewer_for
from deskhand.crm.records import companies, contacts, tickets
from deskhand.crm.records import search as records
from deskhand.crm.records.contacts import Person
from deskhand.desk import replies, search, threads
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM, Actor, Event
from deskhand.kernel.errors import NotFound


@pytest.fixture
def ada(world):
    return viewer_for(world.account.pk, world.ada.pk)


def viewer_with(world, user, reach, unassigned=False):
    """Somebody whose reach over every kind of record is this."""
    kind = {**dict.fromkeys(("view", "edit", "delete", "communicate"), reach), "unassigned": unassigned}
    role = roles.Role.objects.create(
        account=world.account,
        name=f"{reach} of {user.pk}",
        permissions={"records": {"*": kind}, "capabilities": ["service_access"]},
    )
    Membership.objects.filter(account=world.account, user=user).update(role=role)
    return viewer_for(world.account.pk, user.pk)


def mail(
    world, noon, subject, text="Where is my money?", name="Astrid Lindqvist", address="astrid@fjallbo.example"
):
    message = InboundMessage(
        external_id=f"{subject}@x",
        sender=Mailbox(address, name),
        subject=subject,
        text=text,
        received_at=noon,
    )
    return threads.receive(Incoming(world.channel.pk, message), at=noon)


def subjects(found):
    return [hit.subject for hit in found.hits]


def test_tickets_are_found_by_subject_requester_and_number(world, noon, settle, ada):
    mail(world, noon, "Refund still missing")
    mail(world, noon, "Größe fehlt", name="Søren Ærø", address="soren@storm.example")
    settle()

    for asked in ("grosse", "soren", "STORM", "aer fehl"):
        assert subjects(records.tickets(ada, asked)) == ["Größe fehlt"]
    assert subjects(records.tickets(ada, "nothing")) == []
    assert subjects(records.tickets(ada, " ' ")) == []


def test_the_ticket_with_the_number_comes_first(world, settle, ada):
    made = [world.ticket(f"Parcel {n}") for n in range(3)]
    about = world.ticket(f"About {made[0].number} and more")
    settle()

    assert subjects(records.tickets(ada, f"#{made[0].number}"))[0] == "Parcel 0"
    assert about.subject in subjects(records.tickets(ada, str(made[0].number)))


def test_a_new_subject_takes_the_place_of_the_old_one(world, settle, ada):
    ticket = world.ticket("Refund")
    settle()
    tickets.update(ticket.pk, {"subject": "Parcel"}, by=SYSTEM)
    settle()

    assert subjects(records.tickets(ada, "refund")) == []
    assert subjects(records.tickets(ada, "parcel")) == ["Parcel"]


def test_what_is_put_away_is_not_found_until_it_is_back(world, settle, ada):
    ticket = world.ticket("Refund")
    settle()
    tickets.archive([ticket.pk], by=SYSTEM)
    assert subjects(records.tickets(ada, "refund")) == []
    settle()
    assert subjects(records.tickets(ada, "refund")) == []
    tickets.restore([ticket.pk], by=SYSTEM)
    settle()
    assert subjects(records.tickets(ada, "refund")) == ["Refund"]


def test_contacts_and_companies_are_found_by_all_they_are_called(world, settle, ada):
    company = companies.create("Fjällbo AB", by=SYSTEM, domain="fjallbo.example")
    contacts.create(Person("astrid@fjallbo.example", "Astrid Lindqvist"), by=SYSTEM, company_id=company.pk)
    settle()

    for asked in ("lindq", "Astrid", "fjallbo"):
        assert [hit.email for hit in records.contacts(ada, asked).hits] == ["astrid@fjallbo.example"]
    assert [hit.company_name for hit in records.contacts(ada, "astrid").hits] == ["Fjällbo AB"]
    assert [hit.name for hit in records.companies(ada, "FJÄLL").hits] == ["Fjällbo AB"]
    companies.update(company.pk, {"name": "Storm"}, by=SYSTEM)
    settle()
    assert [hit.name for hit in records.companies(ada, "storm").hits] == ["Storm"]


def test_messages_and_comments_are_found_by_what_was_said_and_by_whom(world, noon, settle, ada):
    received = mail(world, noon, "Refund", "The tracking says it reached your warehouse.")
    replies.comment(received.ticket_id, "Cage seven, says Mette", by=world.grace, at=noon)
    settle()

    [hit] = search.messages(ada, "warehouse reach").hits
    assert (hit.ticket_id, hit.sender, hit.is_comment) == (received.ticket_id, "Astrid Lindqvist", False)
    [comment] = search.messages(ada, "grace cage").hits
    assert comment.is_comment


@pytest.mark.parametrize("reach", ["own", "none"])
def test_what_one_may_not_see_is_not_found(world, noon, settle, reach):
    """R-PERM-1, S9: neither the ticket nor what was said in it, nor its requester."""
    mine, other = mail(world, noon, "Refund mine", "canary"), mail(world, noon, "Refund other", "canary")
    for received, owner in ((mine, world.grace), (other, world.bob)):
        tickets.assign(received.ticket_id, owner_id=owner.pk, by=SYSTEM)
    settle()
    viewer = viewer_with(world, world.grace, reach)

    expected = [mine.ticket_id] if reach == "own" else []
    assert [hit.id for hit in records.tickets(viewer, "refund").hits] == expected
    assert [hit.ticket_id for hit in search.messages(viewer, "canary").hits] == expected
    assert records.contacts(viewer, "astrid").hits == []
    number = tickets.Ticket.objects.get(pk=other.ticket_id).number
    assert other.ticket_id not in [hit.id for hit in records.tickets(viewer, str(number)).hits]


def test_pages_follow_each_other_without_gaps(world, settle, ada, monkeypatch):
    for n in range(7):
        world.ticket(f"Refund {n}")
    settle()

    seen, after = [], ""
    for _page in range(10):
        found = records.tickets(ada, "refund", after=after, limit=2)
        seen += subjects(found)
        after = found.after
        if not after:
            break
    assert seen == [f"Refund {n}" for n in reversed(range(7))]


def test_who_may_see_little_is_led_on_through_what_others_own(world, settle, monkeypatch):
    """A page looks at so many candidates and no more; the next one goes on below them."""
    monkeypatch.setattr(records, "WIDTH", 3)
    own = world.ticket("Refund of mine", owner_id=world.grace.pk)
    for n in range(6):
        world.ticket(f"Refund {n}", owner_id=world.bob.pk)
    settle()
    viewer = viewer_with(world, world.grace, "own")

    first = records.tickets(viewer, "refund")
    second = records.tickets(viewer, "refund", after=first.after)
    third = records.tickets(viewer, "refund", after=second.after)

    assert (first.hits, second.hits) == ([], [])
    assert [hit.id for hit in third.hits] == [own.pk]
    assert third.after == ""


@pytest.mark.parametrize("after", ["x", "-1", "1" * 19, "²"])
def test_a_place_that_is_none_of_ours_is_refused(ada, after):
    with pytest.raises(NotFound):
        records.tickets(ada, "refund", after=after)


def test_a_search_asks_as_often_for_many_as_for_few(world, settle, ada):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            records.tickets(ada, "refund")
            search.messages(ada, "refund")
        return len(queries)

    world.ticket("Refund")
    settle()
    few = asked()
    for n in range(9):
        world.ticket(f"Refund {n}")
    settle()
    assert asked() == few == 2


def test_following_asks_as_often_for_many_as_for_few(world, noon, ada, settle):
    def asked(count):
        received = [mail(world, noon + timedelta(minutes=n), f"{count}.{n}") for n in range(count)]
        events = [
            event
            for one in received
            for event in (
                _event("ticket.created", "ticket", one.ticket_id, {}),
                _event(threads.RECEIVED, "thread", one.thread_id, {"message_id": one.message_id}),
            )
        ]
        with CaptureQueriesContext(connection) as queries:
            records.follow(world.account.pk, events)
            search.follow(world.account.pk, events)
        return len(queries)

    assert asked(2) == asked(6) == 4


def _event(kind, object_type, object_id, data):
    return Event(kind, object_type, object_id, 1, Actor.user(1), None, data, None, 0, 1, 1)

"""The form that moves messages to a new ticket, or copies them there (R-WORK-11)."""

from __future__ import annotations

import re

import pytest

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import spam, threads
from deskhand.desk.models import Message
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ticket(office) -> Ticket:
    """A ticket with two messages of the customer."""
    made = office.mail()
    astrid = Mailbox("astrid@fjallbo.example", "Astrid Lindqvist")
    said = InboundMessage(
        "tent@x",
        astrid,
        "Re: Torn tent",
        "My tent is torn.",
        office.at,
        answers=(f"{made.subject}@fjallbo.example",),
    )
    with office.inside() as world:
        threads.receive(Incoming(world.channel.pk, said), at=office.at)
    return made


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.grace)


def url(office, ticket, rest="", number=1):
    return f"/inbox/all-open/{ticket.pk}/messages/{office.messages(ticket)[number].pk}/split{rest}"


def form(office, ticket, **more):
    with office.inside() as world:
        new = world.stage("New")
    last = office.messages(ticket)[1].pk
    return {"subject": "Torn tent", "status": new, "messages": [last], "copy": "0"} | more


def newest(office):
    with office.inside():
        return Ticket.objects.order_by("-pk")[0]


def test_the_menu_of_a_message_leads_to_a_form_that_knows_what_is_likely(office, ticket, client):
    page = client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert f'href="{url(office, ticket)}"' in page
    assert f'href="{url(office, ticket)}?copy=1"' in page

    moving = client.get(url(office, ticket, number=0)).content.decode()
    assert re.findall(r'name="messages" value="(\d+)" checked', moving) == [
        str(m.pk) for m in office.messages(ticket)
    ]
    copying = client.get(url(office, ticket, "?copy=1")).content.decode()
    assert re.findall(r'name="messages" value="(\d+)" checked', copying) == [
        str(office.messages(ticket)[1].pk)
    ]
    assert 'value="Torn tent"' in copying  # without Re:


@pytest.mark.parametrize("copy", ["0", "1"])
def test_a_new_ticket_is_made_and_the_toast_takes_it_back(office, ticket, client, copy):
    response = client.post(url(office, ticket, "/save"), form(office, ticket, copy=copy))

    new = newest(office)
    assert response.headers["Location"] == f"/inbox/all-open/{new.pk}"
    page = client.get(response.headers["Location"])
    undo = f"/inbox/all-open/{new.pk}/split/undo"
    assert f"{'Copied' if copy == '1' else 'Moved'} to #{new.number}" in texts(page)
    assert f'action="{undo}"' in page.content.decode()
    assert len(office.messages(ticket)) == (2 if copy == "1" else 1)
    word = "copied" if copy == "1" else "moved"
    assert f"1 message {word} to #{new.number}" in texts(client.get(f"/inbox/all-open/{ticket.pk}/history"))
    assert f"of #{ticket.number}" in texts(client.get(f"/inbox/all-open/{new.pk}/history"))
    assert f'id="linked-ticket-{new.pk}"' in client.get(f"/inbox/all-open/{ticket.pk}").content.decode()

    back = client.post(undo, headers=HTMX)
    assert back.headers["HX-Redirect"] == f"/inbox/all-open/{ticket.pk}"
    assert len(office.messages(ticket)) == 2
    assert office.again(new).archived_at


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"subject": ""}, "The ticket needs a subject."),
        ({"messages": []}, "Choose at least one message."),
        ({"messages": ["x"]}, "x is not a number."),
        ({"messages": ["9" * 5000]}, "is not a number."),
        ({"messages": ["²"]}, "² is not a number."),
        ({"status": "x"}, "x is not a number."),
        ({"status": "999999"}, ""),
    ],
)
def test_what_is_refused_stays_typed(office, ticket, client, given, words):
    response = client.post(url(office, ticket, "/save"), form(office, ticket, **given))

    assert response.status_code == 422
    assert words in texts(response)
    assert 'class="field-error"' in response.content.decode()
    if "subject" not in given:
        assert 'value="Torn tent"' in response.content.decode()
    assert newest(office).pk == ticket.pk


def test_a_ticket_is_not_emptied_and_spam_is_not_split(office, ticket, client):
    everything = [m.pk for m in office.messages(ticket)]
    refused = client.post(url(office, ticket, "/save"), form(office, ticket, messages=everything))
    assert "A ticket keeps at least one message." in texts(refused)
    with office.inside():
        spam.mark(ticket.pk, by=SYSTEM)
    assert url(office, ticket) not in client.get(f"/inbox/spam/{ticket.pk}").content.decode()
    answer = client.post(url(office, ticket, "/save"), form(office, ticket), follow=True)
    assert "Take it out of Spam first." in texts(answer)
    assert newest(office).pk == ticket.pk


def test_what_can_not_be_taken_back_says_so(office, ticket, client):
    client.post(url(office, ticket, "/save"), form(office, ticket))
    new = newest(office)
    with office.inside():
        Message.objects.create(
            account_id=new.account_id, thread_id=new.originating_thread_id, ticket_id=new.pk, actor_kind="user",
            created_at=office.at, text="Thanks",
        )  # fmt: skip
    answer = client.post(f"/inbox/all-open/{new.pk}/split/undo", follow=True)

    assert "could not be taken back" in texts(answer)
    assert not office.again(new).archived_at
    assert client.post(f"/inbox/all-open/{ticket.pk}/split/undo").status_code == 404


def test_who_may_not_change_the_ticket_splits_nothing(office, ticket, sign_in):
    office.role(office.world.nils, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.nils)

    assert "/split" not in client.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    assert client.get(url(office, ticket)).status_code == 403
    assert client.post(url(office, ticket, "/save"), form(office, ticket)).status_code == 403


@pytest.mark.parametrize(("view", "status"), [("all", 403), ("own", 404)])
def test_who_may_not_change_where_it_came_from_takes_nothing_back(
    office, ticket, client, sign_in, view, status
):
    """R-PERM-1: the new ticket alone is not enough, its messages would go into the other one."""
    client.post(url(office, ticket, "/save"), form(office, ticket))
    new = newest(office)
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.grace.pk, by=SYSTEM)
        tickets.assign(new.pk, owner_id=world.bob.pk, by=SYSTEM)
    reach = {"view": view, "edit": "own", "delete": "own", "communicate": "own"}
    office.role(office.world.bob, records={"ticket": reach}, capabilities=["service_access"])
    bob = sign_in(office.world.bob)

    assert bob.get(f"/inbox/all-open/{new.pk}").status_code == 200
    assert bob.post(f"/inbox/all-open/{new.pk}/split/undo").status_code == status
    assert len(office.messages(ticket)) == 1
    assert not office.again(new).archived_at


def test_a_message_is_found_at_its_own_ticket_alone(office, ticket, client):
    other = office.mail("Another")
    with office.inside() as world:
        tickets.assign(other.pk, owner_id=world.grace.pk, by=SYSTEM)

    assert (
        client.get(f"/inbox/all-open/{other.pk}/messages/{office.messages(ticket)[0].pk}/split").status_code
        == 404
    )

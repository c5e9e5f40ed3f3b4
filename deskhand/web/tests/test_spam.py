"""Spam on the screens: marking, the view of it, and the way back (R-CC-12, R-SPAM-1)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import spam, threads
from deskhand.desk import views as desk_views
from deskhand.desk.models import Thread
from deskhand.desk.types import InboundMessage, Incoming, Mailbox
from deskhand.events.types import SYSTEM
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true"}
EVE = Mailbox("eve@offers.example", "Eve Oddly")


@pytest.fixture
def arrive(office):
    """Spam arrives; its thread."""

    def _arrive(subject="Cheap watches", *, text="Buy now.\n\nOr regret it.", **more):
        office.at += timedelta(seconds=1)
        message = InboundMessage(f"{subject}@x", EVE, subject, text, office.at, spam_mark="X-Spam", **more)
        with office.inside() as world:
            return threads.receive(Incoming(world.channel.pk, message), at=office.at).thread_id

    return _arrive


def set_spam(client, ticket, value, view="all-open", **more):
    return client.post(f"/inbox/{view}/{ticket.pk}/spam", {"spam": value}, **more)


def test_a_ticket_goes_to_spam_without_scripts_and_comes_back_R_SPAM_1(office, sign_in):
    ticket = office.mail()
    client = sign_in(office.world.grace)
    assert "Mark as spam" in texts(client.get(f"/inbox/all-open/{ticket.pk}"))

    response = set_spam(client, ticket, "1")

    assert response.headers["Location"] == f"/inbox/all-open/{ticket.pk}"
    page = texts(client.get(f"/inbox/spam/{ticket.pk}"))
    assert "This ticket is spam." in page
    assert "Marked as spam · Grace Hopper" in page
    assert "Mark as spam" not in page
    assert "Refund" not in texts(client.get("/inbox/all-open"))
    assert "Refund" in texts(client.get("/inbox/spam"))

    set_spam(client, ticket, "0", "spam")

    assert "Refund" in texts(client.get("/inbox/all-open"))
    assert "What was marked as spam is kept here." in texts(client.get("/inbox/spam"))
    assert "This ticket is spam." not in texts(client.get(f"/inbox/all-open/{ticket.pk}"))


def test_marking_takes_the_row_away_and_offers_to_undo_it(office, sign_in):
    for number in range(desk_views.PAGE + 1):
        office.mail(f"Question {number}")
    ticket = office.mail()
    page = f"http://testserver/inbox/all-open/{ticket.pk}"
    headers = HTMX | {"HX-Current-URL": page}
    client = sign_in(office.world.grace)

    marked = set_spam(client, ticket, "1", headers=headers).content.decode()

    assert f'<hx-partial hx-target="#row-{ticket.pk}" hx-swap="delete">' in marked
    assert f'action="/inbox/all-open/{ticket.pk}/spam"' in marked
    assert "Undo" in marked
    assert 'hx-target="#list"' not in marked  # what was read of a long list stays

    undone = set_spam(client, ticket, "0", headers=headers).content.decode()

    assert '<hx-partial hx-target="#list"' in undone
    assert f'id="row-{ticket.pk}"' in undone
    assert 'id="thread"' in undone


def test_the_last_one_that_is_marked_leaves_an_empty_view(office, sign_in):
    ticket = office.mail()
    headers = HTMX | {"HX-Current-URL": f"http://testserver/inbox/all-open/{ticket.pk}"}

    marked = set_spam(sign_in(office.world.grace), ticket, "1", headers=headers)

    assert "Every open ticket you may see is listed here." in texts(marked)


def test_an_undo_leaves_alone_what_was_opened_meanwhile(office, sign_in):
    ticket, other = office.mail(), office.mail("Another one")
    headers = HTMX | {"HX-Current-URL": f"http://testserver/inbox/all-open/{other.pk}"}

    undone = set_spam(sign_in(office.world.grace), ticket, "0", headers=headers).content.decode()

    assert 'id="thread"' not in undone
    assert f'id="row-{ticket.pk}"' in undone


def test_a_row_leaves_a_view_that_it_is_no_longer_in(office, sign_in):
    ticket = office.mail()
    with office.inside():
        spam.mark(ticket.pk, by=SYSTEM)
    client = sign_in(office.world.grace)

    assert client.get(f"/inbox/all-open/{ticket.pk}/row", headers=HTMX).status_code == 404
    assert client.get(f"/inbox/spam/{ticket.pk}/row", headers=HTMX).status_code == 200


def test_who_may_only_read_marks_nothing_and_sees_no_button(office, sign_in, arrive):
    thread_id, ticket = arrive(), office.mail()
    office.role(office.world.grace, records={"ticket": {"view": "all"}}, capabilities=["service_access"])
    client = sign_in(office.world.grace)

    assert set_spam(client, ticket, "1").status_code == 403
    assert client.post(f"/conversations/{thread_id}/spam", {"spam": "0"}).status_code == 403
    assert "Mark as spam" not in texts(client.get(f"/inbox/all-open/{ticket.pk}"))
    with office.inside():
        assert list(Ticket.objects.values_list("is_spam", flat=True)) == [False]
        spam.mark(ticket.pk, by=SYSTEM)
    assert "Not spam" not in texts(client.get(f"/inbox/spam/{ticket.pk}"))


def test_who_sees_only_their_own_sees_nothing_that_was_filtered(office, sign_in, arrive):
    arrive()
    office.role(office.world.grace, records={"ticket": {"view": "own"}}, capabilities=["service_access"])

    assert "Cheap watches" not in texts(sign_in(office.world.grace).get("/inbox/spam"))


def test_a_conversation_is_no_way_around_to_a_ticket_one_may_not_see(office, sign_in):
    """Its thread's address is known from the time before somebody else made it a ticket."""
    office.role(
        office.world.grace,
        records={"ticket": {"view": "own", "edit": "own", "unassigned": True}},
        capabilities=["service_access"],
    )
    ticket = office.mail()
    with office.inside() as world:
        tickets.assign(ticket.pk, owner_id=world.ada.pk, by=SYSTEM)
        thread_id = Thread.objects.get(ticket_id=ticket.pk).pk
    client = sign_in(office.world.grace)

    assert client.get(f"/inbox/all-open/{ticket.pk}").status_code == 404
    for path, data in (("spam", {"spam": "1"}), ("spam", {"spam": "0"}), ("ticket", {})):
        assert client.post(f"/conversations/{thread_id}/{path}", data).status_code == 404
    with office.inside():
        assert not Ticket.objects.get(pk=ticket.pk).is_spam


def test_what_was_filtered_can_be_read_before_anybody_decides_R_CC_12(office, sign_in, arrive):
    arrive()

    page = texts(sign_in(office.world.grace).get("/inbox/spam"))

    for part in (
        "Conversations",
        "Eve Oddly",
        "eve@offers.example",
        "Cheap watches",
        "Buy now.",
        "Or regret it.",
    ):
        assert part in page
    assert "Nothing here" not in page
    assert "Cheap watches" not in texts(sign_in(office.world.grace).get("/inbox/conversations"))


def test_no_spam_after_all_opens_as_a_ticket_R_CC_12(office, sign_in, arrive):
    thread_id = arrive()
    client = sign_in(office.world.grace)

    response = client.post(f"/conversations/{thread_id}/spam", {"spam": "0"})
    again = client.post(f"/conversations/{thread_id}/spam", {"spam": "0"})

    assert response.headers["Location"] == again.headers["Location"]
    page = texts(client.get(response.headers["Location"]))
    assert "Cheap watches" in page
    assert "This is a ticket now" in page
    assert "Cheap watches" not in texts(client.get("/inbox/spam"))


def test_a_conversation_goes_to_spam_and_back_R_SPAM_1(office, sign_in, arrive):
    with office.inside() as world:
        world.channel.creates_tickets = False
        world.channel.save()
    thread_id = arrive()
    client = sign_in(office.world.grace)

    back = client.post(f"/conversations/{thread_id}/spam", {"spam": "0"}, follow=True)
    assert "Moved to the conversations" in texts(back)
    assert "Cheap watches" in texts(client.get("/inbox/conversations"))

    gone = client.post(f"/conversations/{thread_id}/spam", {"spam": "1"}, follow=True)
    assert "No conversations" in texts(gone)
    with office.inside():
        assert Thread.objects.get().is_spam


def test_filtered_mail_is_paged_with_scripts_and_without(office, sign_in, arrive):
    for number in range(desk_views.PAGE + 2):
        arrive(f"Offer {number}")
    client = sign_in(office.world.grace)

    first = client.get("/inbox/spam").content.decode()
    following = re.search(r'hx-get="(/inbox/filtered/after/[^"]+)"', first)[1]
    rest = client.get(following, headers=HTMX).content.decode()

    shown = re.findall(r'id="thread-(\d+)"', first + rest)
    assert len(shown) == len(set(shown)) == desk_views.PAGE + 2
    assert "csrfmiddlewaretoken" in rest
    assert "<html" not in rest
    assert "<h1" in client.get(following).content.decode()


def test_the_view_of_spam_asks_as_often_whatever_is_in_it(office, sign_in, arrive):
    client = sign_in(office.world.grace)

    def fill(numbers):
        for number in numbers:
            arrive(f"Offer {number}")
            ticket = office.mail(f"Question {number}")
            with office.inside():
                spam.mark(ticket.pk, by=SYSTEM)

    fill(range(2))
    few = queries_of(client, "/inbox/spam")
    fill(range(2, 20))

    assert queries_of(client, "/inbox/spam") == few

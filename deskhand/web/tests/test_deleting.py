"""Tickets that are deleted, and brought back."""

from __future__ import annotations

from datetime import timedelta

from deskhand.crm.records.models import Ticket
from deskhand.desk import later, replies
from deskhand.desk.models import LaterReply, Message
from deskhand.kernel.timers import DueTimer
from deskhand.web.tests.test_bulk import bulk
from deskhand.web.tests.test_inbox import texts

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/inbox/all-open"}


def delete(client, ticket, deleted="1", **more):
    return client.post(f"/inbox/all-open/{ticket.pk}/deleted", {"deleted": deleted}, **more)


def is_deleted(office, ticket) -> bool:
    with office.inside():
        return Ticket.objects.get(pk=ticket.pk).archived_at is not None


def test_a_deleted_ticket_is_only_among_the_deleted(office, ada):
    ticket = office.mail("About the parcel")

    delete(ada, ticket)

    assert is_deleted(office, ticket)
    assert "About the parcel" not in texts(ada.get("/inbox/all-open"))
    assert "About the parcel" in texts(ada.get("/inbox/deleted"))


def test_it_is_read_and_restored_but_not_worked_on(office, ada):
    ticket = office.mail("About the parcel")
    delete(ada, ticket)

    page = ada.get(f"/inbox/deleted/{ticket.pk}")
    answered = ada.post(f"/inbox/deleted/{ticket.pk}/answer", {"mode": "reply", "body": "Hello"})
    closed = ada.post(f"/inbox/deleted/{ticket.pk}/status", {"status": "1"})

    assert "This ticket was deleted." in page.content.decode()
    assert 'id="composer"' not in page.content.decode()
    assert (answered.status_code, closed.status_code) == (409, 409)
    delete(ada, ticket, deleted="0")
    assert not is_deleted(office, ticket)


def test_a_toast_takes_it_back(office, ada):
    ticket = office.mail("About the parcel")

    gone = delete(
        ada, ticket, headers=HTMX | {"HX-Current-URL": f"http://testserver/inbox/all-open/{ticket.pk}"}
    )
    back = delete(ada, ticket, deleted="0", headers=HTMX)

    assert f'action="/inbox/all-open/{ticket.pk}/deleted"' in gone.content.decode()
    assert f'id="row-{ticket.pk}"' in back.content.decode()
    assert not is_deleted(office, ticket)


def test_many_at_once(office, ada):
    """R-WORK-8"""
    tickets = [office.mail(f"Question {number}") for number in range(3)]

    bulk(ada, tickets, deleted="1")
    assert all(is_deleted(office, ticket) for ticket in tickets)
    bulk(ada, tickets, view="deleted", deleted="0")

    assert not any(is_deleted(office, ticket) for ticket in tickets)


def test_who_may_not_delete_is_offered_nothing_and_changes_nothing(office, grace):
    """R-PERM-4"""
    ticket = office.mail("About the parcel")

    page = grace.get(f"/inbox/all-open/{ticket.pk}").content.decode()
    alone = delete(grace, ticket)
    told = bulk(grace, [ticket], deleted="1", headers=HTMX).content.decode()

    assert 'name="deleted"' not in page
    assert alone.status_code == 403
    assert "You may not delete this ticket." in told
    assert grace.get("/inbox/deleted").status_code == 404
    assert not is_deleted(office, ticket)


def test_a_ticket_that_was_merged_is_not_among_the_deleted(office, ada):
    first, second = office.mail("One"), office.mail("Two")
    with office.inside():
        Ticket.objects.filter(pk=second.pk).update(archived_at=office.at, merged_into_id=first.pk)

    bulk(ada, [second], view="deleted", deleted="0")

    assert "Two" not in texts(ada.get("/inbox/deleted"))
    assert is_deleted(office, second)


def test_what_was_merged_is_not_restored(office, ada):
    """R-MERGE-6"""
    first, second = office.mail("One"), office.mail("Two")
    with office.inside():
        Ticket.objects.filter(pk=second.pk).update(archived_at=office.at, merged_into_id=first.pk)

    assert delete(ada, second, deleted="0").status_code == 409
    assert is_deleted(office, second)


def test_a_planned_reply_does_not_leave_from_a_deleted_ticket(office, ada):
    ticket = office.mail("About the parcel")
    with office.inside() as world:
        planned = later.plan(
            replies.NewReply(ticket.pk, "Hello"),
            by=world.ada,
            leaves_at=office.at + timedelta(hours=1),
            is_planned=True,
        )
    delete(ada, ticket)

    with office.inside() as world:
        timer = DueTimer(1, world.account.pk, later.KIND, str(planned.pk), office.at, {})
        later.leave(world.account.pk, [timer])
        kept = LaterReply.objects.get(pk=planned.pk)
        assert kept.error == "This ticket was deleted. Restore it first."
        assert not Message.objects.filter(ticket_id=ticket.pk, direction="OUT").exists()

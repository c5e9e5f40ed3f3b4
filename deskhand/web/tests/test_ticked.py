"""More rows ticked than a form has room for: their ids come as one field, and are in no address (R-WORK-8)."""

from __future__ import annotations

from copy import copy

import pytest

from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import objects
from deskhand.crm.records.models import Deal, Ticket
from deskhand.events.types import SYSTEM
from deskhand.web.tasks import views
from deskhand.web.tests.test_inbox import texts

COUNT = 1500
BULK = "/inbox/all-open/bulk"
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/inbox/all-open"}


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.ada)


def copies(one, count, **numbered):
    """The ids of one record and its copies."""
    made = []
    for step in range(1, count):
        one.pk = None
        for name, start in numbered.items():
            setattr(one, name, start + step)
        made.append(copy(one))
    return [made_.pk for made_ in type(one).objects.bulk_create(made)]


@pytest.fixture
def many(office):
    ticket = office.mail("Refund still missing")
    with office.inside():
        return [ticket.pk, *copies(Ticket.objects.get(pk=ticket.pk), COUNT, number=ticket.number)]


def joined(ids):
    return ",".join(map(str, ids))


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_1500_ticked_tickets_are_changed(office, client, many, headers):
    """R-WORK-8"""
    answer = client.post(BULK, {"ids": joined(many), "priority": "LOW"}, headers=headers)
    assert answer.status_code == (200 if headers else 302)
    with office.inside():
        assert set(Ticket.objects.values_list("priority", flat=True)) == {"LOW"}


def test_1500_ticked_deals_are_moved(office, client):
    """R-WORK-8"""
    with office.inside():
        deal = objects.create("deal", {"dealname": "One"}, by=SYSTEM).id
        ids = [deal, *copies(Deal.objects.get(pk=deal), COUNT)]
        to = pipelines_of("deal").default.stages[1].id
    client.post("/records/deals/table/ticked", {"ids": joined(ids), "status": to})
    with office.inside():
        assert set(Deal.objects.values_list("stage_id", flat=True)) == {to}


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_1500_ticked_tickets_that_are_to_be_merged_or_enrolled_are_in_no_address(client, many, headers):
    """R-EDIT-7: the page that asks offers all of them to the workflow, in one field. R-MERGE-7: no more than 50 are merged."""
    for press, said in (("merge", "Select at most 50 tickets."), ("enroll", "and 1490 more")):
        answer = client.post(BULK, {"ids": joined(many), press: "1"}, headers=headers)
        address = answer.headers.get("HX-Redirect") or answer.headers["Location"]
        assert len(address) < 100
        page = client.get(address)
        assert said in texts(page)
        assert page.content.decode().count('name="ids"') == 1


def test_without_scripts_what_fits_is_done_and_more_is_told(client, many):
    """R-WORK-8: a field for each row; beyond the limit the page says what to do, and nothing is changed."""
    answer = client.post(BULK, {"ids": many[:900], "priority": "LOW"}, follow=True)
    assert "900 tickets: Low" in texts(answer)
    refused = client.post(BULK, {"ids": many, "priority": "HIGH"})
    assert refused.status_code == 413
    assert "go back and tick at most 900 rows." in texts(refused)
    assert not Ticket.objects.filter(priority="HIGH").exists()


def test_more_than_go_at_once_is_told(client, monkeypatch):
    """R-WORK-8: nothing is left out in silence."""
    monkeypatch.setattr(views, "MOST", 2)
    answer = client.post("/tasks/many", {"ids": "1,2,3", "done": "1"})
    assert answer.status_code == 400
    assert "Select at most 2 rows at once." in texts(answer)

"""Labels of links on the screens: set up in the settings, put on links of records (R-DM-7, R-TRIG-5)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Definition, WhenTrue
from deskhand.crm.filters.types import Associated, Filter, Operator
from deskhand.crm.records import labeling
from deskhand.crm.records.associations import Why
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import SYSTEM
from deskhand.web.tests.test_inbox import texts

URL = "/settings/contacts/links"


@pytest.fixture
def client(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def boss(office):
    with office.inside():
        return association_labels.create("contact", "contact", "Manager", "Employee", by=SYSTEM)


def words(office, from_type, to_type):
    with office.inside():
        return [label.label for label in association_labels.own_of(from_type, to_type)]


def test_labels_are_made_alone_and_in_pairs(office, client):
    page = texts(client.get(URL))
    assert "Primary" in page
    assert "The product's own" in page

    client.post(f"{URL}/add", {"to": "contact", "label": "Manager", "inverse": "Employee"})
    answer = client.post(f"{URL}/add", {"to": "deal", "label": "Decision maker", "inverse": ""}, follow=True)

    assert words(office, "contact", "contact") == ["Manager", "Employee"]
    assert words(office, "deal", "contact") == ["Decision maker"]
    page = texts(answer)
    assert "The label is there." in page
    assert "0 links" in page
    assert "decision_maker" in page
    assert "Decision maker" in texts(client.get("/settings/deals/links"))


def test_what_was_refused_stays_in_the_form(office, client, boss):
    answer = client.post(f"{URL}/add", {"to": "contact", "label": "Boss", "inverse": "manager"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "There is a label “manager” between these kinds of records already." in page
    assert 'value="Boss"' in page
    assert 'value="manager"' in page
    answer = client.post(f"{URL}/add", {"to": "house", "label": "Boss"})
    assert answer.status_code == 422


def test_a_label_is_renamed(office, client, boss):
    """R-PIPE-7"""
    url = f"{URL}/contacts/{boss.type_id}/save"

    assert client.post(url, {"label": " ", "inverse": "Report"}).status_code == 422
    client.post(url, {"label": "Head", "inverse": "Report"})

    assert words(office, "contact", "contact") == ["Head", "Report"]


def test_a_label_goes_after_it_was_told_what_bears_it(office, client, boss):
    with office.inside() as world:
        one, two = world.contact("a@x.example").pk, world.contact("b@x.example").pk
        labeling.connect_many({("contact", one, "contact", two): Why()}, [boss.type_id], by=SYSTEM)

    page = texts(client.get(f"{URL}/contacts/{boss.type_id}/delete"))
    assert "1 link bears it. They lose it; the records stay linked." in " ".join(page.split())
    client.post(f"{URL}/contacts/{boss.type_id}/deleted")

    assert words(office, "contact", "contact") == []
    assert client.get(f"{URL}/contacts/{boss.type_id}/delete").status_code == 404


def test_a_label_that_something_asks_for_stays(wired, office, client, boss):
    """What uses it is named, with the way there."""
    asks = Associated("contact", Filter("email", Kind.TEXT, Operator.KNOWN), boss.inverse_id)
    with office.inside() as world:
        flow = workflows.create(world.account.pk, "Greet managers", Definition("contact", WhenTrue(asks)))
        segments.create("contact", "Has a manager", SegmentKind.FILTER, asks, by=SYSTEM)

    page = client.get(f"{URL}/contacts/{boss.type_id}/delete").content.decode()
    assert "Greet managers" in page
    assert f"/workflows/{flow.pk}" in page
    assert "Has a manager" in page
    assert "Delete label" not in page
    answer = client.post(f"{URL}/contacts/{boss.type_id}/deleted")

    assert answer.status_code == 409
    assert "Greet managers" in answer.content.decode()
    assert words(office, "contact", "contact") == ["Manager", "Employee"]


def test_the_page_asks_no_more_for_many_labels(office, client, boss):
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(URL)
        return len(asked)

    few = count()
    with office.inside():
        for n in range(20):
            association_labels.create("contact", "deal", f"Part {n}", by=SYSTEM)

    assert count() == few

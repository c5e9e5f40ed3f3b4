"""Labels of links on the screens: set up in the settings, put on links of records (R-DM-7, R-TRIG-5)."""

from __future__ import annotations

import re

import pytest

from deskhand.accounts.policy import viewer_for
from deskhand.automation import workflows
from deskhand.automation.engine.definition import Definition, WhenTrue
from deskhand.crm.filters.types import AllOf, AnyOf, Associated, Filter, Operator
from deskhand.crm.records import associations, companies, joining, labeling, objects
from deskhand.crm.records.associations import Why
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.types import Kind
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import SYSTEM
from deskhand.web.filters.asked import Asked
from deskhand.web.filters.building import Building
from deskhand.web.tests.conftest import queries_of
from deskhand.web.tests.test_board import cards
from deskhand.web.tests.test_inbox import HTMX, texts

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

    refused = client.post(url, {"label": " ", "inverse": "Report"})
    assert refused.status_code == 422
    assert f'aria-describedby="label-{boss.type_id}-error"' in refused.content.decode()
    assert 'value="Report"' in refused.content.decode()
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


# ── on links ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def vip(office):
    with office.inside():
        return association_labels.create("ticket", "contact", "VIP", "Is VIP of", by=SYSTEM).type_id


def chips(answer) -> list[str]:
    return re.findall(r'<span class="tag">([^<]*)</span>', answer.content.decode())


def on(office, *link):
    with office.inside():
        found = labeling.labels_of_record(*link[:2]).get(link[2:], [])
        return [label.label for label in found]


def test_a_ticket_is_linked_with_labels_and_they_are_changed(office, client, vip):
    ticket = office.mail("Refund")
    with office.inside() as world:
        other = world.contact("ola@x.example", "Ola").pk
    url = f"/inbox/all-open/{ticket.pk}"

    found = client.get(f"{url}/links/new", {"kind": "contact", "q": "ola"}, headers=HTMX).content.decode()
    assert f'type="checkbox" name="label" value="{vip}"' in found
    client.post(f"{url}/links", {"kind": "contact", "id": other, "linked": "1", "label": [vip]})
    page = client.get(url)

    assert on(office, "ticket", ticket.pk, "contact", other) == ["VIP"]
    assert "VIP" in chips(page)
    assert f'name="label" value="{vip}" checked' in page.content.decode()
    answer = client.post(f"{url}/links/labels", {"kind": "contact", "id": other}, headers=HTMX)
    assert "Labels saved" in answer.content.decode()
    assert on(office, "ticket", ticket.pk, "contact", other) == []
    told = texts(client.get(url))
    assert "Label of the link to Ola added: VIP" in told
    assert "Label of the link to Ola removed: VIP" in told


@pytest.mark.parametrize("label", ["x", "16", "99999"])
def test_what_is_no_label_is_refused_and_nothing_is_linked(office, client, vip, label):
    ticket = office.mail("Refund")
    with office.inside() as world:
        other = world.contact("ola@x.example", "Ola").pk
    url = f"/inbox/all-open/{ticket.pk}"

    answer = client.post(f"{url}/links", {"kind": "contact", "id": other, "linked": "1", "label": [label]}, headers=HTMX)  # fmt: skip

    assert answer.status_code in (400, 422)
    with office.inside():
        assert other not in associations.linked_ids("ticket", [ticket.pk], "contact").get(ticket.pk, [])


def test_links_of_a_deal_show_and_take_labels(office, client):
    with office.inside() as world:
        decides = association_labels.create("deal", "contact", "Decision maker", by=SYSTEM).type_id
        deal = objects.create("deal", {"dealname": "Big one"}, by=SYSTEM).id
        person = world.contact("ola@x.example", "Ola").pk
    url = f"/records/deals/{deal}"

    found = client.get(f"{url}/link", {"kind": "contact", "q": "ola"}).content.decode()
    assert f'name="label" value="{decides}"' in found
    client.post(f"{url}/linked", {"kind": "contact", "id": person, "label": [decides]})
    assert "Decision maker" in chips(client.get(url))
    client.post(f"{url}/link/labels", {"kind": "contact", "id": person})

    assert on(office, "deal", deal, "contact", person) == []
    assert chips(client.get(url)) == []
    assert client.post(f"{url}/link/labels", {"kind": "contact", "id": 999999}).status_code == 404


def test_companies_and_contacts_say_what_they_are_to_each_other(office, client):
    with office.inside() as world:
        buyer = association_labels.create("contact", "company", "Buys for", "Buyer", by=SYSTEM)
        person, firm = world.contact("ola@x.example", "Ola").pk, companies.create("Fjällbo", by=SYSTEM).pk
        companies.add_contact(firm, person, by=SYSTEM)

    client.post(f"/contacts/{person}/link/{firm}/labels", {"label": [buyer.type_id]})

    assert chips(client.get(f"/contacts/{person}")) == ["Primary", "Buys for"]
    assert chips(client.get(f"/companies/{firm}")) == ["Buyer"]
    client.post(f"/companies/{firm}/link/{person}/labels")
    assert chips(client.get(f"/contacts/{person}")) == ["Primary"]


def test_people_are_linked_among_themselves_R_DM_7(office, client, boss):
    with office.inside() as world:
        one, two = world.contact("ada@x.example", "Ada").pk, world.contact("ola@x.example", "Ola").pk
    url = f"/contacts/{one}"

    found = client.get(f"{url}/others", {"kind": "contact", "q": "ola"}).content.decode()
    assert f'name="label" value="{boss.type_id}"' in found
    assert f'name="id" value="{two}"' in found
    client.post(f"{url}/others/linked", {"kind": "contact", "id": two, "label": [boss.type_id]})
    page = client.get(url)

    assert chips(page) == ["Manager"]
    assert "Other links" in texts(page)
    assert chips(client.get(f"/contacts/{two}")) == ["Employee"]
    again = client.get(f"{url}/others", {"kind": "contact", "q": "ola"}).content.decode()
    assert f'name="id" value="{two}"' not in again
    client.post(f"{url}/others/labels", {"kind": "contact", "id": two})
    assert chips(client.get(url)) == []
    client.post(f"{url}/others/unlink", {"kind": "contact", "id": two})
    with office.inside():
        assert associations.linked_ids("contact", [one], "contact") == {}


def test_what_is_linked_to_a_merged_contact_is_linked_to_what_it_became_R_MERGE_6(office, client, boss):
    with office.inside() as world:
        buyer = association_labels.create("contact", "company", "Buys for", "Buyer", by=SYSTEM).type_id
        stays, gone, other = (world.contact(f"{name}@x.example").pk for name in ("ada", "ada2", "ola"))
        firm = companies.create("Fjällbo", by=SYSTEM).pk
        companies.add_contact(firm, stays, by=SYSTEM)
        joining.join("contact", stays, gone, by=SYSTEM)
    url, asked = f"/contacts/{gone}/others", {"kind": "contact", "id": other}

    done = client.post(f"{url}/linked", asked)
    assert done.headers["Location"] == f"/contacts/{stays}#others"
    with office.inside():
        assert associations.linked_ids("contact", [stays, gone], "contact") == {stays: [other]}
    client.post(f"{url}/labels", asked | {"label": [boss.type_id]})
    assert on(office, "contact", stays, "contact", other) == ["Manager"]
    client.post(f"{url}/unlink", asked)
    with office.inside():
        assert associations.linked_ids("contact", [stays, gone], "contact") == {}

    client.post(f"/contacts/{gone}/link/{firm}/labels", {"label": [buyer]})
    assert on(office, "contact", stays, "company", firm) == ["Buys for"]


@pytest.mark.parametrize("kind", ["ticket", "company", "house"])
def test_what_has_a_part_of_its_own_is_not_linked_here(office, client, kind):
    with office.inside() as world:
        ids = {"ticket": world.ticket("x").pk, "company": companies.create("Fjällbo", by=SYSTEM).pk}
        person = world.contact("ada@x.example", "Ada").pk

    answer = client.post(f"/contacts/{person}/others/linked", {"kind": kind, "id": ids.get(kind, 1)})

    assert answer.status_code == 404


# ── in filters ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_filter_names_what_linked_records_are_R_TRIG_5(office, client, vip):
    ticket, other = office.mail("Refund"), office.mail("Parcel")
    with office.inside() as world:
        board = f"/pipelines/{world.tickets.default.id}"
        ola = world.contact("ola@x.example", "Ola").pk
        for one, labels in ((ticket.pk, [vip]), (other.pk, [])):
            labeling.connect(("ticket", one, "contact", ola), labels, by=SYSTEM)
    asked = {"edit": "0.0", "prop": "contact.email", "op": "starts_with", "value": "ola", "label": str(vip)}

    form = client.get(f"{board}/filter", asked, headers=HTMX).content.decode()
    assert f'value="{vip}" selected' in form
    assert ">Primary<" in form
    assert "1 ticket" in texts(client.get(f"{board}/matches", asked, headers=HTMX))
    done = client.get(f"{board}/board", asked | {"apply": "1"})
    page = client.get(done.headers["Location"])

    assert "Contact (VIP): Email starts with any of ola" in texts(page)
    assert cards(page.content.decode())["New"] == ["Refund"]
    refused = client.get(f"{board}/board", asked | {"apply": "1", "label": "77777"}).content.decode()
    assert "Choose from the list." in refused


def test_a_condition_of_a_workflow_names_it_too_R_TRIG_5(office, boss):
    with office.inside() as world:
        asked = Asked(viewer_for(world.account.pk, world.ada.pk), "contact")
        typed = {"when-f": [""], "when-edit": ["0.0"], "when-prop": ["contact.email"], "when-label": [str(boss.type_id)],
                 "when-op": ["known"]}  # fmt: skip
        building = Building.of_typed(asked, "when", typed)

        opened = building.field("When").groups[0][0]
        assert [(one.label, one.chosen) for one in opened.labels] == [
            ("The record itself", False), ("Manager", True), ("Employee", False),
        ]  # fmt: skip
        condition = building.condition()

        leaf = Filter("email", Kind.TEXT, Operator.KNOWN)
        assert condition == AnyOf((AllOf((Associated("contact", leaf, boss.type_id),)),))
        assert asked.in_words(condition) == "Contact (Manager): Email is known"
        again = Building(asked, "when", condition)
        again.press("when edit 0.0")
        assert [one.chosen for one in again.field("When").groups[0][0].labels] == [False, True, False]


def test_the_page_asks_no_more_for_many_labels(office, client, boss):
    few = queries_of(client, URL)
    with office.inside():
        for n in range(20):
            association_labels.create("contact", "deal", f"Part {n}", by=SYSTEM)

    assert queries_of(client, URL) == few

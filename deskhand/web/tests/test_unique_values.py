"""Values that only one record may have, as people meet them: refused by name, with the way to the other (decision 0016)."""

import html
import re

import pytest
from django.urls import reverse

from deskhand.automation import workflows
from deskhand.automation.engine.definition import Action, Definition, Edge, Manual, WhenCalled
from deskhand.crm.records import archive, objects, tickets
from deskhand.crm.records.models import Deal, Ticket
from deskhand.crm.schema import layouts, properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor, ActorKind

HTMX = {"HX-Request": "true"}
WORDS = "Another record has the value “a-1” in “Order” already."


def url(name, *args):
    return reverse(name, args=args)


def text(response):
    return html.unescape(response.content.decode())


@pytest.fixture
def ada(office, sign_in):
    return sign_in(office.world.ada)


@pytest.fixture
def order(office):
    with office.inside():
        for kind in ("ticket", "deal"):
            properties.create(kind, "order_no", "Order", Kind.TEXT, has_unique_value=True)


@pytest.fixture
def deals(office, order):
    """One that has the value, and one that is to get it."""
    with office.inside():
        holder = objects.create("deal", {"dealname": "Fjällbo <b>", "order_no": "A-1"}, by=SYSTEM).id
        return holder, objects.create("deal", {"dealname": "Other"}, by=SYSTEM).id


@pytest.fixture
def two(office, order):
    """Tickets, likewise."""
    made = office.mail("About the parcel"), office.mail("About the tent")
    with office.inside():
        tickets.update(made[0].pk, {"order_no": "A-1"}, by=SYSTEM)
    return made


# ── the refusal ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("more", [{"headers": HTMX}, {}], ids=["part", "page"])
@pytest.mark.parametrize(
    ("place", "sent"), [("record-save", {"property": "order_no"}), ("record-cell-save", {})]
)
def test_the_refusal_leads_to_the_record_that_has_it(ada, deals, place, sent, more):
    holder, other = deals
    where = url(place, "deals", other, *([] if sent else ["order_no"]))
    answer = ada.post(where, {"value": "a-1", **sent}, **more)
    assert answer.status_code == 422
    assert WORDS in text(answer)
    assert f'<a class="link" href="{url("record", "deals", holder)}">Fjällbo &lt;b&gt;</a>' in answer.content.decode()  # fmt: skip


def test_the_form_of_a_new_record_says_so_and_makes_none(office, ada, deals):
    with office.inside() as world:
        beside = [layouts.Section("Shop", ("order_no",))]
        layouts.arrange("deal", beside, by=Actor.user(world.ada.pk))
    answer = ada.post(url("record-add", "deals"), {"dealname": "New", "order_no": "a-1"})
    assert answer.status_code == 422
    assert WORDS in text(answer)
    assert f'href="{url("record", "deals", deals[0])}">Fjällbo' in text(answer)
    with office.inside():
        assert not Deal.objects.filter(name="New").exists()


def test_what_a_run_did_stays_where_another_has_it_by_now_and_the_page_says_which(office, ada, two):
    first, second = two
    with office.inside() as world:
        clear = Action("1", "set_property", {"property": "order_no", "value": None, "mode": "clear"})
        flow = workflows.create(
            world.account.pk, "Tidy", Definition("ticket", Manual(), start=Edge("1"), steps=(clear,), next_id=2), by=world.ada.pk
        )  # fmt: skip
        tickets.update(first.pk, {"order_no": None}, by=Actor(ActorKind.WORKFLOW, flow.pk))
        tickets.update(second.pk, {"order_no": "A-1"}, by=SYSTEM)
    page = text(ada.get(url("workflow-undo", flow.pk)))
    assert "What stays" in page
    assert "Another record has what it was, and no two may have the same" in page
    now = re.search(r'name="since" value="([^"]+)".*?name="until" value="([^"]+)"', page, re.DOTALL)
    done = ada.post(url("workflow-undone", flow.pk), {"since": now[1], "until": now[2]}, follow=True)
    assert "1 value stays: another record has what it was" in text(done)


@pytest.mark.parametrize("more", [{"headers": HTMX}, {}], ids=["part", "page"])
def test_beside_a_ticket_and_in_a_table_as_well(ada, two, more):
    holder, other = two
    beside = ada.post(f"/inbox/all-open/{other.pk}/properties/order_no/save", {"value": "a-1"}, **more)
    cell = ada.post(url("cell-save", other.pk, "order_no"), {"value": "a-1", "cols": "order_no"}, **more)
    for answer in (beside, cell):
        assert answer.status_code == 422
        assert WORDS in text(answer)
        assert re.search(rf'<a class="link" href="[^"]*/{holder.pk}">#\d+ About the parcel</a>', text(answer))


def test_who_may_not_see_the_other_record_gets_the_sentence_alone_R_PERM_1(office, sign_in, deals):
    holder, other = deals
    office.role(office.world.bob, records={"deal": {"view": "own", "edit": "own"}})
    with office.inside() as world:
        objects.update("deal", other, {"hubspot_owner_id": world.bob.pk}, by=SYSTEM)
    answer = sign_in(office.world.bob).post(
        url("record-save", "deals", other), {"property": "order_no", "value": "a-1"}, headers=HTMX
    )
    assert answer.status_code == 422
    assert WORDS in text(answer)
    assert "Fjällbo" not in text(answer)
    assert url("record", "deals", holder) not in text(answer)


# ── restored ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("more", [{"headers": HTMX}, {}], ids=["part", "page"])
def test_a_deleted_ticket_whose_value_is_taken_stays_deleted_and_says_so(office, ada, two, more):
    old, new = two
    with office.inside():
        tickets.archive([old.pk], by=SYSTEM)
        tickets.update(new.pk, {"order_no": "A-1"}, by=SYSTEM)
    answer = ada.post(f"/inbox/deleted/{old.pk}/deleted", {"deleted": "0"}, **more)
    if not more:
        answer = ada.get(answer.headers["Location"])
    assert "Another record has the value “A-1” in “Order” already." in text(answer)
    assert re.search(rf'<a class="link" href="[^"]*/{new.pk}">#\d+ About the tent</a>', text(answer))
    with office.inside():
        assert Ticket.objects.get(pk=old.pk).archived_at is not None


def test_a_deleted_record_likewise(office, ada, deals):
    old, new = deals
    with office.inside():
        archive.archive("deal", [old], by=SYSTEM)
        objects.update("deal", new, {"order_no": "A-1"}, by=SYSTEM)
    answer = ada.get(ada.post(url("record-restore", "deals", old)).headers["Location"])
    assert "Another record has the value “A-1” in “Order” already." in text(answer)
    assert f'<a class="link" href="{url("record", "deals", new)}">Other</a>' in text(answer)
    with office.inside():
        assert Deal.objects.get(pk=old).archived_at is not None


# ── the property ─────────────────────────────────────────────────────────────────────────────────────────────────────


def known(office, name="order"):
    with office.inside():
        return PropertyDefinition.objects.get(name=name)


def tick(client, definition, **more):
    where = url("property-save", "tickets", definition.pk)
    return client.post(where, {"label": definition.label, **more})


@pytest.fixture
def plain(office, ada):
    ada.post(url("property-add", "tickets"), {"label": "Order", "type": "string:text"})
    return known(office)


def test_a_property_is_made_unique(office, ada):
    answer = ada.post(url("property-add", "tickets"), {"label": "Order", "type": "string:text", "is_unique": "1"})  # fmt: skip
    assert answer.status_code == 302
    assert known(office).has_unique_value
    page = text(ada.get(url("property", "tickets", known(office).pk)))
    assert re.search(r'name="is_unique" value="1" checked', page)
    assert "A value that one record has can't be given to another." in page
    assert '<span class="tag">Unique</span>' in text(ada.get(url("properties", "tickets")))


def test_a_date_cannot_be_unique_and_the_tick_says_so(ada):
    answer = ada.post(url("property-add", "tickets"), {"label": "Day", "type": "date:date", "is_unique": "1"})  # fmt: skip
    assert answer.status_code == 422
    assert 'id="has_unique_value-error"' in text(answer)
    assert re.search(r'name="is_unique" value="1" checked[^>]*aria-invalid="true"', text(answer))


def test_a_property_becomes_unique_and_is_so_no_more(office, ada, plain):
    assert tick(ada, plain, is_unique="1").status_code == 302
    assert (known(office).has_unique_value, known(office).claimed_at) == (True, None)
    assert "workflows don't find records by it" in text(ada.get(url("property", "tickets", plain.pk)))
    assert tick(ada, plain).status_code == 302
    assert not known(office).has_unique_value


def test_values_of_several_records_stand_in_the_way_with_how_many(office, ada, plain):
    for subject in ("One", "Two"):
        ticket = office.mail(subject)
        with office.inside():
            tickets.update(ticket.pk, {"order": "A-1"}, by=SYSTEM)
    answer = tick(ada, plain, is_unique="1")
    assert answer.status_code == 422
    assert "1 value is that of several records. For example: “A-1”" in text(answer)
    assert re.search(r'name="is_unique" value="1" checked[^>]*aria-invalid="true"', text(answer))
    assert not known(office).has_unique_value


def test_what_ended_the_last_try_is_said_until_the_next(office, ada, plain):
    with office.inside():
        PropertyDefinition.objects.update(twins=2)
    assert "It was given up: 2 values are those of several records." in text(ada.get(url("property", "tickets", plain.pk)))  # fmt: skip
    tick(ada, plain, is_unique="1")
    assert known(office).twins == 0


def test_a_property_by_which_calls_find_records_stays_unique_R_TRIG_21(office, ada, order):
    with office.inside() as world:
        steps = (Action("1", "create_task", {"title": "Look"}),)
        flow = Definition("ticket", WhenCalled("no", "order_no"), start=Edge("1"), steps=steps, next_id=2)
        workflows.create(world.account.pk, "From the shop", flow, by=world.ada.pk)
        definition = PropertyDefinition.objects.get(object_type="ticket", name="order_no")
    answer = tick(ada, definition)
    assert answer.status_code == 422
    assert "Workflows find records by it when they are called: From the shop." in text(answer)
    with office.inside():
        definition.refresh_from_db()
        assert definition.has_unique_value


def test_other_types_have_no_such_tick(office, ada):
    ada.post(url("property-add", "tickets"), {"label": "Day", "type": "date:date"})
    assert 'name="is_unique"' not in text(ada.get(url("property", "tickets", known(office, "day").pk)))
    assert tick(ada, known(office, "day"), is_unique="1").status_code == 302
    assert not known(office, "day").has_unique_value

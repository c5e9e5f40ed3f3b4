"""Properties: the built-in ones, the account's own, and what a value must be."""

from datetime import UTC, datetime

import pytest

from deskhand.crm.records import companies, contacts, store, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Association, Company, Contact, PropertyChange, Ticket
from deskhand.crm.schema import properties
from deskhand.crm.schema.defaults import BUILT_IN, COLUMNS
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.values import normal
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Conflict, Invalid

COLORS = [{"value": "red", "label": "Red"}, {"value": "blue", "label": "Blue"}]


@pytest.mark.parametrize("object_type", BUILT_IN)
def test_every_built_in_name_is_given_once_and_every_column_exists(object_type):
    names = [prop.name for prop in BUILT_IN[object_type]]
    columns = {field.column for field in store.model_of(object_type)._meta.concrete_fields}

    assert len(names) == len(set(names))
    assert {prop.column for prop in BUILT_IN[object_type] if prop.column} <= columns


@pytest.mark.parametrize("object_type", BUILT_IN)
def test_no_property_can_be_taken_for_a_column(object_type):
    assert {field.column for field in store.model_of(object_type)._meta.concrete_fields} == COLUMNS[
        object_type
    ]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (Kind.TEXT, "a\x00b", "ab"),
        (Kind.NUMBER, "12", 12),
        (Kind.NUMBER, "1.5", 1.5),
        (Kind.NUMBER, "", None),
        (Kind.NUMBER, 0, 0),
        (Kind.DATETIME, "1763719200000", datetime(2025, 11, 21, 10, 0, tzinfo=UTC)),
        (Kind.DATETIME, "2026-11-21T10:00:00+01:00", datetime(2026, 11, 21, 9, 0, tzinfo=UTC)),
        (Kind.DATE, "2026-11-21", "2026-11-21"),
        (Kind.BOOL, "TRUE", True),
        (Kind.REFS, "3;1;3", [1, 3]),
        (Kind.REFS, "", []),
    ],
)
def test_values_are_kept_in_one_form(kind, given, kept):
    assert normal(Property("p", "P", kind), given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [(Kind.NUMBER, "many"), (Kind.NUMBER, "nan"), (Kind.NUMBER, True), (Kind.DATETIME, "soon"), (Kind.DATETIME, "9" * 30),
     (Kind.BOOL, "perhaps"), (Kind.REF, "1.5"), (Kind.TEXT, "x" * 70_000)],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_name(kind, given):
    with pytest.raises(Invalid) as refusal:
        normal(Property("amount", "Amount", kind), given)

    assert refusal.value.field == "amount"
    assert refusal.value.hint


def test_a_choice_takes_its_options_in_any_case(world):
    values = tickets.checked("ticket", {"hs_ticket_priority": "urgent"})

    assert values == {"priority": "URGENT"}
    with pytest.raises(Invalid, match="LOW"):
        tickets.checked("ticket", {"hs_ticket_priority": "extreme"})


def test_what_the_product_computes_cannot_be_written_R_PROP_2(world):
    for name in ("createdate", "hs_is_closed", "time_to_close", "hs_ticket_id"):
        with pytest.raises(Invalid) as refusal:
            tickets.checked("ticket", {name: "1"})
        assert refusal.value.field == name


def test_an_own_property_is_set_kept_and_remembered(world):
    properties.create("ticket", "colour", "Colour", Kind.ENUM, options=COLORS)
    ticket = world.ticket()

    tickets.update(ticket.pk, {"colour": "RED"}, by=Actor.user(world.ada.pk))
    tickets.update(ticket.pk, {"colour": None}, by=Actor.user(world.ada.pk))

    assert "colour" not in Ticket.objects.get(pk=ticket.pk).properties
    history = PropertyChange.objects.filter(property="colour").order_by("id")
    assert [(change.old, change.new) for change in history] == [(None, "red"), ("red", None)]
    assert properties_of("ticket")["colour"].is_custom


@pytest.mark.parametrize(
    ("more", "field"),
    [({"name": "Big Name"}, "name"), ({"label": " "}, "label"), ({"options": []}, "options"),
     ({"options": [*COLORS, COLORS[0]]}, "options[2]"), ({"kind": Kind.TEXT}, "options"), ({"field_type": "slider"}, "field_type")],
)  # fmt: skip
def test_an_own_property_that_cannot_work_is_refused(world, more, field):
    given = {"name": "colour", "label": "Colour", "kind": Kind.ENUM, "options": COLORS} | more

    with pytest.raises(Invalid) as refusal:
        properties.create("ticket", given.pop("name"), given.pop("label"), given.pop("kind"), **given)

    assert refusal.value.field == field


def test_a_name_is_taken_once(world):
    properties.create("ticket", "colour", "Colour", Kind.ENUM, options=COLORS)

    for name in ("colour", "subject", "hs_pipeline", "version", "account_id"):
        with pytest.raises(Conflict):
            properties.create("ticket", name, "Again", Kind.TEXT)


def test_an_archived_property_is_gone_but_its_values_stay(world):
    properties.create("ticket", "colour", "Colour", Kind.ENUM, options=COLORS)
    ticket = world.ticket()
    tickets.update(ticket.pk, {"colour": "blue"}, by=SYSTEM)

    properties.archive("ticket", "colour")

    assert "colour" not in properties_of("ticket")
    assert Ticket.objects.get(pk=ticket.pk).properties == {"colour": "blue"}


def test_companies_have_contacts_linked_both_ways(world):
    company = companies.create("Fjällbo AB", by=SYSTEM, domain="Fjallbo.example")
    contact = contacts.create(Person("astrid@fjallbo.example", "Astrid Lindqvist"), by=SYSTEM)

    companies.add_contact(company.pk, contact.pk, by=Actor.user(world.ada.pk))
    companies.update(company.pk, {"name": "Fjällbo Group"}, by=Actor.user(world.ada.pk))

    assert Contact.objects.get(pk=contact.pk).company_id == company.pk
    assert {a.type_id for a in Association.objects.all()} == {279, 280}
    assert Company.objects.get().sort_key.startswith("fjallbo group")


def test_the_same_person_written_twice_at_once_is_one_contact(world):
    found = contacts.upsert_many(
        [Person("Astrid@Fjallbo.example", "Astrid"), Person("astrid@fjallbo.example")], by=SYSTEM
    )

    assert list(found) == ["astrid@fjallbo.example"]
    assert Contact.objects.count() == 1

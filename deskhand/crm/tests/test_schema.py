"""Properties: the built-in ones, the account's own, and what a value must be."""

from datetime import UTC, datetime

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.crm.records import companies, contacts, filterable, store, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Association, Company, Contact, PropertyChange, Ticket
from deskhand.crm.schema import groups, properties
from deskhand.crm.schema.defaults import BUILT_IN, COLUMNS
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.crm.schema.values import normal
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound

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


# ── as people set them up ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ada(world):
    return Actor.user(world.ada.pk)


def actions():
    return list(AuditEntry.objects.order_by("number").values_list("action", flat=True))


def test_every_change_is_kept_with_who_made_it(world, ada):
    made = properties.create("ticket", "colour", "Colour", Kind.ENUM, options=COLORS, by=ada)
    properties.update(made, label="Shade", by=ada)
    properties.update(made, label="Shade", by=ada)  # nothing new
    properties.archive("ticket", "colour", by=ada)
    properties.restore("ticket", "colour", by=ada)

    assert actions() == ["property.created", "property.updated", "property.archived", "property.restored"]
    assert set(AuditEntry.objects.values_list("actor_id", flat=True)) == {ada.id}
    assert properties_of("ticket")["colour"].label == "Shade"


def test_a_restored_property_has_the_values_it_had(world, ada):
    properties.create("ticket", "colour", "Colour", Kind.TEXT)
    ticket = world.ticket(properties={"colour": "red"})

    properties.archive("ticket", "colour")
    assert "colour" not in properties_of("ticket")
    with pytest.raises(NotFound):
        properties.archive("ticket", "colour")
    properties.restore("ticket", "colour")

    ticket.refresh_from_db()
    assert ticket.properties == {"colour": "red"}
    assert "colour" in properties_of("ticket")
    with pytest.raises(NotFound):
        properties.restore("ticket", "colour")


def test_options_are_hidden_not_taken_away(world, ada):
    made = properties.create("ticket", "colour", "Colour", Kind.ENUM, options=COLORS)

    with pytest.raises(Invalid) as refusal:
        properties.update(made, options=COLORS[1:])
    assert refusal.value.field == "options"

    properties.update(made, options=[{**COLORS[0], "hidden": True, "tone": "red"}, *COLORS[1:]])
    found = properties_of("ticket")["colour"].options[0]
    assert (found.is_hidden, found.tone) == (True, "red")


@pytest.mark.parametrize(
    "option",
    [
        {"value": "a", "label": "A", "tone": "black"},
        {"value": "a;b", "label": "A"},
        {"value": "", "label": "A"},
    ],
)
def test_options_need_a_color_that_exists_and_a_value_of_their_own(world, option):
    with pytest.raises(Invalid):
        properties.create("ticket", "colour", "Colour", Kind.ENUM, options=[option])


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Serial number", "serial_number"),
        ("Größe (cm)", "groesse_cm"),
        ("Ønske om farve", "oenske_om_farve"),
        ("3rd party", "rd_party"),
        ("Città", "citta"),
        ("日本", ""),
    ],
)
def test_a_name_is_suggested_by_the_label(label, name):
    assert properties.suggested_name(label) == name


def test_groups_are_made_named_ordered_and_left(world, ada):
    groups.arrange("ticket", [(None, "Shop"), (None, "Shipping")], by=ada)
    shop, shipping = groups.groups_of("ticket")
    made = properties.create("ticket", "colour", "Colour", Kind.TEXT, group="shop")

    groups.arrange("ticket", [(shipping.pk, "Shipping"), (shop.pk, "Store")], by=ada)
    assert [(one.name, one.label) for one in groups.groups_of("ticket")] == [
        ("shipping", "Shipping"),
        ("shop", "Store"),
    ]
    assert properties_of("ticket")["colour"].group == "shop"

    groups.arrange("ticket", [(shipping.pk, "Shipping")], by=ada)
    made.refresh_from_db()
    assert (made.group, properties_of("ticket")["colour"].group) == ("", "")
    assert actions().count("property_groups.updated") == 3
    with pytest.raises(Conflict):
        groups.arrange("ticket", [(shop.pk, "Shop")], by=ada)
    with pytest.raises(Invalid):
        properties.update(made, group="shop")


def test_a_group_is_made_changed_and_left_by_its_name(world, ada):
    """api.md §2.3: what programs ask for, one group at a time."""
    groups.create("ticket", "shop", "Shop", by=ada)
    groups.create("ticket", "parcels", "Shipping", place=4, by=ada)
    made = properties.create("ticket", "colour", "Colour", Kind.TEXT, group="parcels")

    groups.update("ticket", "shop", label="Store", place=9, by=ada)
    assert [(one.label, one.display_order) for one in groups.groups_of("ticket")] == [("Shipping", 4), ("Store", 9)]  # fmt: skip
    for refused in (
        {"name": "Shop", "label": "A"},
        {"name": "b", "label": "store"},
        {"name": "b", "label": "B", "place": -3},
    ):
        with pytest.raises(Invalid):
            groups.create("ticket", **refused, by=ada)
    with pytest.raises(Conflict):
        groups.create("ticket", "shop", "Other", by=ada)

    groups.delete("ticket", "parcels", by=ada)
    made.refresh_from_db()
    assert (made.group, [one.name for one in groups.groups_of("ticket")]) == ("", ["shop"])
    with pytest.raises(NotFound):
        groups.update("ticket", "parcels", label="X", by=ada)
    assert actions().count("property_groups.updated") == 4


def test_properties_have_a_place_and_options_a_description(world, ada):
    """api.md §2.3: those without a place come behind the others; a description that is not given again stays."""
    properties.create("ticket", "first", "First", Kind.TEXT)
    size = properties.create("ticket", "size", "Size", Kind.ENUM, options=[{**COLORS[0], "description": "Warm"}], display_order=2)  # fmt: skip
    properties.create("ticket", "shape", "Shape", Kind.TEXT, display_order=1)

    own = [prop.name for prop in properties_of("ticket").values() if prop.is_custom]
    assert own == ["shape", "size", "first"]
    properties.update(size, options=COLORS, display_order=0, by=ada)
    assert [one.get("description") for one in size.options] == ["Warm", None]
    with pytest.raises(Invalid):
        properties.update(size, display_order=-2, by=ada)


@pytest.mark.parametrize("rows", [[(None, " ")], [(None, "A"), (None, "a")], [(None, "x" * 101)]])
def test_a_group_needs_a_name_of_its_own(world, ada, rows):
    with pytest.raises(Invalid):
        groups.arrange("ticket", rows, by=ada)


def test_how_far_a_property_is_filled(world):
    for _ in range(4):
        last = world.ticket().pk

    assert filterable.progress("ticket", 0) == 0
    assert filterable.progress("ticket", last - 2) == 50
    assert filterable.progress("ticket", last) == 100
    assert filterable.progress("contact", 0) == 100


def test_what_is_hidden_is_offered_to_who_has_it_alone():
    red, blue = Option("red", "Red", is_hidden=True), Option("blue", "Blue")
    prop = Property("color", "Color", Kind.ENUM, options=(red, blue))

    assert prop.offered() == (blue,)
    assert prop.offered(["red"]) == (red, blue)

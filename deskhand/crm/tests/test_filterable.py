"""Filterable properties: their values stand beside the record, always say the same, and filters use an index."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import to_sql, to_where
from deskhand.crm.filters.types import OPERATORS, AllOf, Associated, Filter, Operator
from deskhand.crm.records import associations, filterable, store, tickets
from deskhand.crm.records.models import Contact, PropertyValue, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import formulas, properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import forget, properties_of
from deskhand.crm.schema.types import Kind
from deskhand.crm.tests.test_filters_in_sql import POOLS, values_for
from deskhand.events.types import SYSTEM
from deskhand.kernel.database import sql

ZONE = ZoneInfo("Europe/Copenhagen")
COLORS = [{"value": c, "label": c} for c in ("red", "blue")]


def define(
    world, *kinds: Kind, prefix: str = "a_", is_filterable: bool = True, object_type: str = "ticket"
) -> None:
    PropertyDefinition.objects.bulk_create(
        PropertyDefinition(
            account_id=world.account.pk, object_type=object_type, name=prefix + kind.name.lower(), label="x", kind=kind.value,
            field_type="x", is_filterable=is_filterable, filled_at=world.account.created_at if is_filterable else None,
        )
        for kind in kinds
    )  # fmt: skip
    forget(object_type)


def name_of(kind: Kind) -> str:
    return f"a_{kind.name.lower()}"


def beside(name: str, column: str, object_type: str = "ticket") -> dict[int, list[Any]]:
    """{record: its values in the side table}"""
    found: dict[int, list[Any]] = {}
    definition = properties_of(object_type)[name].definition_id
    for record_id, value in PropertyValue.objects.filter(property_id=definition).values_list(
        "record_id", column
    ):
        found.setdefault(record_id, []).append(value)
    return found


def found_by(world, condition, now) -> list[int]:
    names = {object_type: store.table_of(object_type) for object_type in store.TABLES}
    source = SchemaSource(Tables(world.account.pk, names, properties_of), "ticket", "crm_ticket")
    where = to_where(condition, source, now=now, zone=ZONE)
    return list(
        Ticket.objects.filter(where, account_id=world.account.pk).order_by("id").values_list("id", flat=True)
    )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_kind_stands_in_its_own_column(world, noon):
    define(world, *Kind)
    ticket = world.ticket()
    given = {
        Kind.TEXT: "Straße ÆØÅ", Kind.ENUM: "Red", Kind.MULTI: ["Red", "blue"], Kind.NUMBER: 1.5, Kind.DURATION: 90_000,
        Kind.DATE: "2026-12-01", Kind.DATETIME: noon, Kind.BOOL: False, Kind.REF: 7, Kind.REFS: [7, 8],
    }  # fmt: skip

    tickets.update(ticket.pk, {name_of(kind): value for kind, value in given.items()}, by=SYSTEM)

    for kind, column, kept in [
        (Kind.TEXT, "word", ["straße æøå"]), (Kind.ENUM, "word", ["Red"]), (Kind.MULTI, "word", ["Red", "blue"]),
        (Kind.NUMBER, "number", [1.5]), (Kind.DURATION, "number", [90_000]), (Kind.DATE, "day", [date(2026, 12, 1)]),
        (Kind.DATETIME, "moment", [noon]), (Kind.BOOL, "flag", [False]), (Kind.REF, "ref", [7]), (Kind.REFS, "ref", [7, 8]),
    ]:  # fmt: skip
        assert sorted(beside(name_of(kind), column)[ticket.pk]) == kept, kind


def test_the_side_table_follows_each_change(world):
    properties.create("ticket", "colours", "Colours", Kind.MULTI, options=COLORS, is_filterable=True)
    one, other = world.ticket("one"), world.ticket("other")

    tickets.update(one.pk, {"colours": ["red", "blue"]}, by=SYSTEM)
    tickets.update(other.pk, {"colours": ["red"]}, by=SYSTEM)
    tickets.update(one.pk, {"colours": ["blue"]}, by=SYSTEM)
    assert beside("colours", "word") == {one.pk: ["blue"], other.pk: ["red"]}

    tickets.update(one.pk, {"colours": None}, by=SYSTEM)
    assert beside("colours", "word") == {other.pk: ["red"]}


def test_a_new_record_brings_its_values(world):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)

    made = tickets.create_many(
        [NewTicket("a", properties={"score": 3}), NewTicket("b"), NewTicket("c", properties={"score": None})],
        by=SYSTEM,
    )

    assert beside("score", "number") == {made[0].id: [3]}


def test_a_property_that_is_not_filterable_stays_in_the_record_alone(world):
    properties.create("ticket", "score", "Score", Kind.NUMBER)
    ticket = world.ticket(properties={"score": 1})

    tickets.update(ticket.pk, {"score": 3}, by=SYSTEM)

    assert not PropertyValue.objects.exists()


def test_a_change_that_is_rolled_back_leaves_nothing(world):
    from django.db import transaction

    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    ticket = world.ticket()

    saved = transaction.savepoint()
    tickets.update(ticket.pk, {"score": 3}, by=SYSTEM)
    transaction.savepoint_rollback(saved)

    assert not PropertyValue.objects.exists()


@pytest.mark.parametrize("value", ["much", [1], {"a": 1}, float("inf"), 10**400])
def test_what_is_not_of_the_kind_is_unknown(value):
    assert filterable.rows_of(Kind.NUMBER, value) == []


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


def statements(django_assert_max_num_queries, work) -> int:
    with django_assert_max_num_queries(1000) as seen:
        work()
    return len(seen)


@pytest.fixture
def count(django_assert_max_num_queries):
    return lambda work: statements(django_assert_max_num_queries, work)


def change(tickets_, name: str, value: Any) -> None:
    store.change_many("ticket", [Change(t.pk, {name: value}) for t in tickets_], by=SYSTEM)


def test_only_filterable_properties_cost_statements_and_always_as_many(world, count):
    properties.create("ticket", "plain", "Plain", Kind.NUMBER)
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    many = [world.ticket(str(n)) for n in range(12)]
    properties_of("ticket")

    column = count(lambda: change(many, "priority", "HIGH"))
    assert count(lambda: change(many, "plain", 1)) == column
    assert count(lambda: change(many, "score", 1)) == column + 2
    assert count(lambda: change(many[:1], "score", 2)) == column + 2
    assert count(lambda: change(many, "score", None)) == column + 1  # nothing to insert


def test_new_tickets_with_a_filterable_value_cost_one_statement_more(world, count):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    properties_of("ticket")
    world.ticket()

    def create(number: int, **values: Any) -> None:
        tickets.create_many([NewTicket(str(n), properties=values) for n in range(number)], by=SYSTEM)

    without = count(lambda: create(3))
    assert count(lambda: create(3, score=1)) == without + 1
    assert count(lambda: create(9, score=2)) == without + 1


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_side_table_answers_as_the_record_does(world, noon):
    """Architecture: filterable properties; R-TRIG-2, 3, 6"""
    define(world, *Kind, prefix="plain_", is_filterable=False)
    define(world, *Kind, prefix="side_")
    chance = Random(5)
    for _row in range(60):
        values: dict[str, Any] = {}
        for kind in Kind:
            value = chance.choice(POOLS[kind]) if chance.random() < 0.8 else None
            value = sorted(value) if isinstance(value, frozenset) else value
            values |= {prefix + kind.name.lower(): value for prefix in ("plain_", "side_")}
        tickets.update(world.ticket().pk, values, by=SYSTEM)

    @settings(max_examples=300)
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(list(Kind)))
        usable = [o for o in OPERATORS[kind] if o not in (Operator.EVER, Operator.NEVER)]
        operator = data.draw(st.sampled_from(usable))
        wanted = tuple(data.draw(values_for(kind, OPERATORS[kind][operator])))
        plain, side = (
            found_by(world, Filter(prefix + kind.name.lower(), kind, operator, wanted), noon)
            for prefix in ("plain_", "side_")
        )
        assert side == plain

    agree()


def test_long_texts_are_told_apart_beyond_what_the_index_holds(world, noon):
    properties.create("ticket", "note", "Note", Kind.TEXT, is_filterable=True)
    long = "Æble " * 13_000
    one, other = world.ticket("one"), world.ticket("other")
    tickets.update(one.pk, {"note": long + "one"}, by=SYSTEM)
    tickets.update(other.pk, {"note": long + "other"}, by=SYSTEM)

    assert found_by(world, Filter("note", Kind.TEXT, Operator.ANY_OF, (long.upper() + "ONE",)), noon) == [
        one.pk
    ]
    assert found_by(world, Filter("note", Kind.TEXT, Operator.ENDS_WITH, ("OTHER",)), noon) == [other.pk]


@pytest.mark.parametrize(
    ("operator", "value", "is_found"),
    [
        (Operator.LESS, "0.1000000000000000001", True),
        (Operator.GREATER, "0.0999999999999999999", True),
        (Operator.AT_MOST, "0.0999999999999999999", False),
        (Operator.ANY_OF, "0.1000000000000000001", False),
        (Operator.ANY_OF, "0.1", True),
        (Operator.GREATER, "0.1", False),
    ],
)
def test_numbers_are_compared_to_the_last_digit(world, noon, operator, value, is_found):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    ticket = world.ticket(properties={"score": 0.1})

    found = found_by(world, Filter("score", Kind.NUMBER, operator, (Decimal(value),)), noon)

    assert found == ([ticket.pk] if is_found else [])


def test_filters_on_neighbours_use_it_too(world, noon):
    properties.create("contact", "tier", "Tier", Kind.TEXT, is_filterable=True)
    contact, ticket, _other = world.contact(), world.ticket(), world.ticket()
    store.change("contact", contact.pk, {"tier": "Gold"}, by=SYSTEM)
    associations.link_many([("ticket", ticket.pk, "contact", contact.pk)], noon)
    gold = Filter("tier", Kind.TEXT, Operator.ANY_OF, ("gold",))

    assert found_by(world, Associated("contact", gold), noon) == [ticket.pk]
    assert beside("tier", "word", "contact") == {contact.pk: ["gold"]}


def test_until_the_table_is_full_filters_read_the_record(world, noon):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    ticket = world.ticket(properties={"score": 3})
    PropertyDefinition.objects.update(filled_at=None)
    PropertyValue.objects.all().delete()
    forget("ticket")

    assert found_by(world, Filter("score", Kind.NUMBER, Operator.KNOWN), noon) == [ticket.pk]


@pytest.mark.parametrize(
    ("kind", "column", "value", "operator", "wanted", "index"),
    [
        (Kind.TEXT, "word", "'w' || n", Operator.ANY_OF, "W77", "value_by_word"),
        (Kind.NUMBER, "number", "n", Operator.ANY_OF, Decimal(77), "value_by_number"),
        (Kind.NUMBER, "number", "n", Operator.LESS, Decimal(20), "value_by_number"),
        (Kind.DATE, "day", "date '2000-01-01' + n", Operator.BEFORE, date(2000, 1, 20), "value_by_day"),
        (Kind.REF, "ref", "n", Operator.ANY_OF, 77, "value_by_ref"),
    ],
)
def test_an_index_serves_behind_row_level_security(world, kind, column, value, operator, wanted, index):
    define(world, kind)
    definition = properties_of("ticket")[name_of(kind)].definition_id
    sql.execute(
        f"insert into crm_propertyvalue (account_id, property_id, record_id, {column})"
        f" select %s, %s, n, {value} from generate_series(1, 20000) n",
        [world.account.pk, definition],
    )
    sql.execute("analyze crm_propertyvalue")
    sql.execute("drop index value_of_record")  # quicker among so few tickets
    source = SchemaSource(Tables(world.account.pk, {}, properties_of), "ticket", "crm_ticket")
    condition = AllOf((Filter(name_of(kind), kind, operator, (wanted,)),))
    where = to_sql(condition, source, now=world.account.created_at + timedelta(days=1), zone=ZONE)

    plan = sql.rows(
        f"explain select id from crm_ticket where account_id = %s and {where.text}",
        [world.account.pk, *where.params],
    )

    assert index in str(plan)


def test_another_account_sees_none_of_it(world):
    properties.create("ticket", "score", "Score", Kind.NUMBER, is_filterable=True)
    world.ticket(properties={"score": 3})

    sql.rows("select set_config('deskhand.account', %s, true)", [str(world.account.pk + 1)])

    assert not PropertyValue.objects.exists()


def test_what_a_formula_works_out_is_asked_as_any_value_R_PROP_5(world, noon):
    mine, unknown = world.ticket(), world.ticket()
    Ticket.objects.filter(pk=mine.pk).update(owner_id=world.ada.pk)
    owned = Filter("hs_ticket_owner_type", Kind.ENUM, Operator.ANY_OF, ("HUMAN",))

    assert found_by(world, owned, noon) == [mine.pk]
    assert unknown.pk not in found_by(world, owned, noon)


def test_the_contacts_of_a_ticket_are_read_by_their_ids_R_PROP_5(world, noon):
    """However many others the account has."""
    ticket = world.ticket()
    Contact.objects.bulk_create(
        Contact(
            account_id=world.account.pk,
            email=f"{n}@many.example",
            phone=f"+45 {n}",
            created_at=noon,
            updated_at=noon,
        )
        for n in range(3000)
    )
    sql.execute("analyze crm_contact")

    for name in ("hs_all_associated_contact_emails", "hs_all_associated_contact_phones"):
        formula = formulas.sql_of(name, "ticket", "t")
        asked = f"explain select {formula} from crm_ticket t where t.id = %s"
        plan = [line for (line,) in sql.rows(asked, [ticket.pk])]
        assert any("Index Cond" in line and "id = ANY (" in line for line in plan), (name, plan)

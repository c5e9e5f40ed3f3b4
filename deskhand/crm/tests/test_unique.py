"""Values that only one record may have: found to be free and taken in one go, whoever writes, and however many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from deskhand.crm.records import companies, contacts, joining, objects, store, tickets
from deskhand.crm.records.models import (
    Company,
    Contact,
    Deal,
    PropertyChange,
    Ticket,
    TicketCounter,
    UniqueValue,
)
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema import object_types, properties
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid
from deskhand.testing.races import until_somebody_waits
from deskhand.testing.world import make_world


@pytest.fixture
def order(world):
    for kind in ("ticket", "contact", "company", "deal"):
        properties.create(kind, "order_no", "Order", Kind.TEXT, has_unique_value=True)
    return "order_no"


def of(pk):
    return Ticket.objects.get(pk=pk).properties.get("order_no")


def give(record, value, kind="ticket"):
    return store.change(kind, getattr(record, "pk", record), {"order_no": value}, by=SYSTEM)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("twin", ["A-1", " a-1 ", "A-1\n"])
def test_a_value_of_another_is_refused_by_name_and_nothing_changes(world, order, twin):
    first, second = world.ticket(), world.ticket()
    give(first, "A-1")
    give(second, "B-1")
    with pytest.raises(NotUnique) as refused:
        give(second, twin)

    assert (refused.value.field, refused.value.value, refused.value.holder_id) == ("order_no", twin, first.pk)
    assert "“Order”" in refused.value.message
    assert (of(first.pk), of(second.pk)) == ("A-1", "B-1")
    with pytest.raises(NotUnique):  # what it had is still its own
        give(world.ticket(), "b-1")


def test_what_is_let_go_is_free_and_ones_own_value_may_be_given_again(world, order):
    first, second = world.ticket(), world.ticket()
    give(first, "A-1")
    give(first, "a-1")
    give(first, None)
    give(second, "A-1")
    assert (of(first.pk), of(second.pk)) == (None, "A-1")


def test_empty_values_are_nobodys(world, order):
    for value in (None, "", " ", None, "", " "):
        give(world.ticket(), value)
    assert not UniqueValue.objects.exists()


def test_long_texts_are_told_apart_to_their_end(world, order):
    give(world.ticket(), "x" * 50_000 + "1")
    give(world.ticket(), "x" * 50_000 + "2")
    with pytest.raises(NotUnique):
        give(world.ticket(), "X" * 50_000 + "1")


def test_numbers_are_the_same_however_they_are_written(world):
    properties.create("ticket", "no", "No", Kind.NUMBER, has_unique_value=True)
    tickets.update(world.ticket().pk, {"no": "10"}, by=SYSTEM)
    tickets.update(world.ticket().pk, {"no": "1e300"}, by=SYSTEM)
    tickets.update(world.ticket().pk, {"no": 0}, by=SYSTEM)
    tickets.update(world.ticket().pk, {"no": "0.1"}, by=SYSTEM)
    for twin in (10.0, "1e1", 1e300, "-0.0", 0.1):
        with pytest.raises(NotUnique):
            tickets.update(world.ticket().pk, {"no": twin}, by=SYSTEM)


def test_kinds_of_records_and_accounts_have_their_own(world, order):
    give(world.ticket(), "A-1")
    give(contacts.make({"firstname": "A"}, by=SYSTEM), "A-1", "contact")
    assert UniqueValue.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_values_of_another_account_never_clash():
    for world in (make_world(), make_world(slug="other")):
        with account_scope(world.account.pk):
            properties.create("ticket", "order_no", "Order", Kind.TEXT, has_unique_value=True)
            made = tickets.create(NewTicket("A", properties={"order_no": "A-1"}), by=SYSTEM)
            assert of(made.id) == "A-1"


def test_the_database_itself_keeps_them_apart(world, order):
    give(world.ticket(), "A-1")
    row = UniqueValue.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        UniqueValue.objects.create(
            account_id=row.account_id, property_id=row.property_id, key=row.key, record_id=row.record_id + 1
        )


# ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_record_of_any_kind_is_made_with_a_value_of_another(world, order):
    own = object_types.create("machine", "Machine", "Machines", by=SYSTEM)
    properties.create(own.key, "order_no", "Order", Kind.TEXT, has_unique_value=True)
    value = {"order_no": "A-1"}
    makers = (
        lambda: tickets.create(NewTicket("A", properties=value), by=SYSTEM),
        lambda: contacts.make({"firstname": "A", **value}, by=SYSTEM),
        lambda: companies.make({"name": "A", **value}, by=SYSTEM),
        lambda: objects.create("deal", {"dealname": "A", **value}, by=SYSTEM),
        lambda: objects.create(own.key, {own.primary: "A", **value}, by=SYSTEM),
    )
    for make in makers:
        make()
        with pytest.raises(NotUnique):
            make()

    assert [model.objects.count() for model in (Ticket, Contact, Company, Deal)] == [1, 1, 1, 1]
    assert TicketCounter.objects.get().last_number == Ticket.objects.get().number  # R-GAP-2


def test_two_of_one_set_cannot_have_the_same(world, order):
    twins = [NewTicket("A", properties={"order_no": "A-1"}), NewTicket("B", properties={"order_no": "a-1"})]
    with pytest.raises(NotUnique):
        tickets.create_many(twins, by=SYSTEM)
    assert not Ticket.objects.exists()


# ── sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_a_set_only_those_fail_whose_value_is_anothers(world, order):
    taken, *some = (world.ticket() for _ in range(4))
    give(taken, "A-1")
    give(some[0], "old")
    changes = [Change(t.pk, {"order_no": v}) for t, v in zip(some, ("A-1", "B-1", "old"), strict=True)]
    with pytest.raises(NotUnique):
        store.change_many("ticket", changes, by=SYSTEM)
    assert [of(t.pk) for t in some] == ["old", None, None]

    refused: dict[int, Invalid] = {}
    done = store.change_many("ticket", changes, by=SYSTEM, refused=refused)

    assert [one.record_id for one in done] == [some[1].pk]
    assert refused.keys() == {
        some[0].pk,
        some[2].pk,
    }  # the last one's wish was free only if the first had gone through
    assert [of(t.pk) for t in some] == ["old", "B-1", None]
    with pytest.raises(NotUnique):
        give(some[2], "OLD")


def test_two_records_of_a_set_may_change_places(world, order):
    first, second = world.ticket(), world.ticket()
    give(first, "A")
    give(second, "B")
    store.change_many("ticket", [Change(first.pk, {"order_no": "B"}), Change(second.pk, {"order_no": "A"})], by=SYSTEM)  # fmt: skip
    assert (of(first.pk), of(second.pk)) == ("B", "A")


def test_as_many_queries_for_one_record_as_for_many_and_none_without_such_a_property(world, order):
    def count(name, number):
        changes = [Change(world.ticket().pk, {name: f"{name}{number}-{n}"}) for n in range(number)]
        with CaptureQueriesContext(connection) as asked:
            store.change_many("ticket", changes, by=SYSTEM)
        return asked

    properties.create("ticket", "plain", "Plain", Kind.TEXT)
    count("plain", 1)
    assert len(count("order_no", 1)) == len(count("order_no", 30))
    assert not any("uniquevalue" in one["sql"] for one in count("plain", 2))


# ── at once ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("commits", [True, False])
def test_of_two_at_once_the_second_waits_and_is_refused_unless_the_first_gives_up(commits):
    made = make_world()
    with account_scope(made.account.pk):
        properties.create("ticket", "order_no", "Order", Kind.TEXT, has_unique_value=True)
        first, second = made.ticket(), made.ticket()
    held, may_end = threading.Event(), threading.Event()

    def one():
        try:
            with account_scope(made.account.pk):
                give(first, "A-1")
                held.set()
                may_end.wait(30)
                if not commits:
                    raise RuntimeError
        except RuntimeError:
            pass
        finally:
            connection.close()

    def other():
        try:
            with account_scope(made.account.pk):
                give(second, "a-1")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(one)
        assert held.wait(30)
        waiting = pool.submit(other)
        until_somebody_waits()
        may_end.set()
        running.result(30)
        if commits:
            with pytest.raises(NotUnique):
                waiting.result(30)
        else:
            waiting.result(30)
    with account_scope(made.account.pk):
        assert [of(first.pk), of(second.pk)] == (["A-1", None] if commits else [None, "a-1"])


# ── away and back ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_put_away_keeps_its_value_and_does_not_stand_in_the_way(world, order):
    old, new = world.ticket(), world.ticket()
    give(old, "A-1")
    tickets.archive([old.pk], by=SYSTEM)
    assert of(old.pk) == "A-1"
    give(new, "A-1")
    with pytest.raises(NotUnique) as refused:
        tickets.restore([old.pk], by=SYSTEM)
    assert refused.value.holder_id == new.pk
    assert Ticket.objects.get(pk=old.pk).archived_at is not None

    give(new, None)
    assert tickets.restore([old.pk], by=SYSTEM) == [old.pk]
    with pytest.raises(NotUnique):
        give(new, "A-1")


def test_what_is_written_to_a_record_that_is_away_claims_nothing(world, order):
    away = world.ticket()
    tickets.archive([away.pk], by=SYSTEM)
    give(away, "A-1")
    give(world.ticket(), "A-1")


def test_a_property_out_of_use_keeps_its_values_apart(world, order):
    """Records that came and went meanwhile count when it is back."""
    first, second = world.ticket(), world.ticket()
    give(first, "A-1")
    properties.archive("ticket", order)
    tickets.archive([first.pk], by=SYSTEM)
    tickets.restore([first.pk], by=SYSTEM)
    properties.restore("ticket", order)
    with pytest.raises(NotUnique):
        give(second, "A-1")


# ── merging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["contact", "company"])
def test_the_survivor_takes_over_a_value_and_gives_it_back(world, order, noon, kind):
    """R-MERGE-2"""
    make = contacts.make if kind == "contact" else companies.make
    key = "firstname" if kind == "contact" else "name"
    primary, other = make({key: "A"}, by=SYSTEM), make({key: "B", "order_no": "A-1"}, by=SYSTEM)
    model = Contact if kind == "contact" else Company
    joined = joining.join(kind, primary, other, by=Actor.user(world.ada.pk))
    assert model.objects.get(pk=primary).properties["order_no"] == "A-1"
    assert UniqueValue.objects.get().record_id == primary

    joining.part(joined.pk, by=Actor.user(world.ada.pk))
    assert "order_no" not in model.objects.get(pk=primary).properties
    assert UniqueValue.objects.get().record_id == other


def test_a_value_of_the_merged_one_is_free_and_empty_with_a_line_if_taken_when_parted(world, order):
    primary, other, third = (contacts.make({"firstname": n}, by=SYSTEM) for n in "ABC")
    give(primary, "A-1", "contact")
    give(other, "B-1", "contact")
    joined = joining.join("contact", primary, other, by=Actor.user(world.ada.pk))
    give(third, "B-1", "contact")

    joining.part(joined.pk, by=Actor.user(world.ada.pk))

    assert "order_no" not in Contact.objects.get(pk=other).properties
    line = PropertyChange.objects.filter(record_id=other, property="order_no").latest("id")
    assert (line.old, line.new, line.source) == ("B-1", None, "MERGE")
    held = dict(UniqueValue.objects.values_list("key", "record_id"))
    assert held == {"a-1": primary, "b-1": third}


# ── the definition ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "shown"), [(Kind.BOOL, ""), (Kind.DATE, ""), (Kind.REF, ""), (Kind.TEXT, "textarea"), (Kind.TEXT, "html")]
)  # fmt: skip
def test_only_texts_of_a_line_and_numbers_can_be_unique(world, kind, shown):
    with pytest.raises(Invalid) as refused:
        properties.create("ticket", "x", "X", kind, field_type=shown, has_unique_value=True)
    assert refused.value.field == "has_unique_value"


def test_a_kind_of_record_has_ten_of_them_at_most(world):
    for n in range(10):
        properties.create("ticket", f"x{n}", "X", Kind.TEXT, has_unique_value=True)
    properties.archive("ticket", "x0")
    with pytest.raises(Invalid) as refused:
        properties.create("ticket", "y", "Y", Kind.TEXT, has_unique_value=True)
    assert (refused.value.field, "10" in refused.value.message) == ("has_unique_value", True)
    properties.create("contact", "y", "Y", Kind.TEXT, has_unique_value=True)
    properties.create("ticket", "z", "Z", Kind.TEXT)
    with pytest.raises(Invalid):
        properties.update(properties.PropertyDefinition.objects.get(name="z"), has_unique_value=True)

"""Association labels: their definitions, and the labels on links (R-TRIG-5, R-DM-7)."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from deskhand.accounts.models import AuditEntry
from deskhand.crm.records import associations, labeling
from deskhand.crm.records.associations import Why
from deskhand.crm.records.labeling import Labeling
from deskhand.crm.records.models import Association, PropertyChange
from deskhand.crm.schema import association_labels, object_types
from deskhand.crm.schema.association_labels import create, label_for, labels_of, own_of
from deskhand.crm.schema.models import AssociationLabel
from deskhand.events.models import EventRow
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel.database.scope import current_scope
from deskhand.kernel.errors import Conflict, Invalid, NotFound


def words(from_type: str, to_type: str) -> list[str]:
    return [label.label for label in labels_of(from_type, to_type)]


def on(from_type: str, from_id: int, to_type: str, to_id: int) -> list[str]:
    found = labeling.labels_of_record(from_type, from_id).get((to_type, to_id), [])
    return [label.label for label in found]


# ── definitions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_single_label_has_one_number_both_ways(world):
    made = create("ticket", "company", "Reseller", by=SYSTEM)

    back = association_labels.inverse_of(made)
    assert (made.type_id, made.name, made.category) == (back.type_id, "reseller", "USER_DEFINED")
    assert (back.from_type, back.to_type, back.label) == ("company", "ticket", "Reseller")
    assert made.type_id > 10_000


def test_a_pair_has_a_word_and_a_number_each_way(world):
    boss = create("contact", "contact", "Manager", "Employee", by=SYSTEM)

    worker = association_labels.inverse_of(boss)
    assert (boss.label, worker.label) == ("Manager", "Employee")
    assert boss.type_id != worker.type_id
    assert association_labels.inverse_of(worker) == boss
    assert words("contact", "contact") == ["Manager", "Employee"]


def test_primary_is_there_from_the_start_with_the_numbers_of_the_api(world):
    """R-TRIG-5"""
    assert [(one.type_id, one.label, one.category) for one in labels_of("contact", "company")] == [(1, "Primary", "HUBSPOT_DEFINED")]  # fmt: skip
    assert [one.type_id for one in labels_of("company", "contact")] == [2]
    assert words("ticket", "contact") == ["Primary"]
    assert own_of("ticket", "contact") == ()


def test_labels_of_an_own_kind_of_record(world):
    key = object_types.create("machine", "Machine", "Machines", by=SYSTEM).key

    made = create(key, "contact", "Operator", "Operates", by=SYSTEM)

    assert label_for("contact", key, made.inverse_id).label == "Operates"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("contact", "contact", " ", ""), "label"),
        (("contact", "contact", "x" * 101, ""), "label"),
        (("contact", "contact", "Peer", "x" * 101), "inverse_label"),
        (("contact", "contact", "manager", ""), "label"),
        (("contact", "contact", "Head", "MANAGER"), "inverse_label"),
        (("contact", "company", "Primary", ""), "label"),
        (("contact", "house", "Owner", ""), "to_type"),
    ],
)
def test_a_label_that_can_not_be_is_refused_by_its_field(world, given, field):
    create("contact", "contact", "Manager", "Employee", by=SYSTEM)

    with pytest.raises(Invalid) as refusal:
        create(*given, by=SYSTEM)

    assert refusal.value.field == field


def test_a_name_for_programs_is_made_or_taken(world):
    assert create("contact", "contact", "Åse", by=SYSTEM).name == "aase"
    assert create("contact", "contact", "Aase!", by=SYSTEM).name == "aase_2"
    assert create("contact", "contact", "Città", by=SYSTEM).name == "citta"
    assert create("contact", "contact", "部長", by=SYSTEM).name == "label"
    assert create("contact", "contact", "Boss", "Minion", name="the_boss", by=SYSTEM).name == "the_boss"
    with pytest.raises(Conflict):
        create("contact", "contact", "Other", name="the_boss", by=SYSTEM)
    with pytest.raises(Invalid, match="small letters"):
        create("contact", "contact", "Other", name="The Boss", by=SYSTEM)


def test_there_are_at_most_so_many(world, monkeypatch):
    monkeypatch.setattr(association_labels, "LIMIT", 2)
    create("contact", "contact", "Manager", "Employee", by=SYSTEM)
    create("contact", "contact", "Peer", by=SYSTEM)

    with pytest.raises(Invalid, match="at most 2"):
        create("contact", "contact", "Friend", by=SYSTEM)


def test_a_new_word_leaves_numbers_and_names(world):
    """R-PIPE-7"""
    made = create("contact", "contact", "Manager", "Employee", by=SYSTEM)

    renamed = association_labels.rename("contact", "contact", made.type_id, "Head", by=Actor.user(world.ada.pk))  # fmt: skip

    assert (renamed.type_id, renamed.name, renamed.label) == (made.type_id, "manager", "Head")
    assert words("contact", "contact") == ["Head", "Employee"]
    with pytest.raises(Invalid, match="already"):
        association_labels.rename("contact", "contact", made.type_id, "employee", by=SYSTEM)
    told = AuditEntry.objects.get(action="association_label.renamed")
    assert (told.before["label"], told.after["label"]) == ("Manager / Employee", "Head / Employee")


def test_a_single_label_within_two_kinds_is_renamed_both_ways(world):
    made = create("ticket", "company", "Reseller", by=SYSTEM)

    association_labels.rename("company", "ticket", made.type_id, "Dealer", by=SYSTEM)

    assert [words("ticket", "company"), words("company", "ticket")] == [["Dealer"], ["Dealer"]]


# ── on links ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_bears_several_labels_seen_from_both_sides(world):
    boss = create("contact", "contact", "Manager", "Employee", by=SYSTEM)
    peer = create("contact", "contact", "Peer", by=SYSTEM)
    ada, bo = world.contact("a@x.example").pk, world.contact("b@x.example").pk
    link = ("contact", ada, "contact", bo)

    made = labeling.connect_many({link: Why()}, [boss.type_id, peer.type_id], by=SYSTEM)

    assert made == [link]
    assert (on(*link), on(*link[2:], *link[:2])) == (["Manager", "Peer"], ["Employee", "Peer"])
    assert associations.linked_ids("contact", [ada], "contact") == {ada: [bo]}
    assert associations.linked_ids("contact", [ada], "contact", boss.type_id) == {ada: [bo]}
    assert associations.linked_ids("contact", [bo], "contact", boss.type_id) == {}
    assert labeling.connect_many({link: Why()}, [peer.type_id], by=SYSTEM) == []


def test_labels_are_added_replaced_and_taken_with_events_and_history(world):
    vip, old = (create("ticket", "contact", word, by=SYSTEM) for word in ("VIP", "Old"))
    ticket, contact = world.ticket("x"), world.contact()
    link = ("ticket", ticket.pk, "contact", contact.pk)
    labeling.connect_many({link: Why()}, [old.type_id], by=Actor.user(world.ada.pk))

    assert labeling.relabel(link, Labeling(frozenset({vip.type_id}), replaces=True), by=SYSTEM)
    assert on(*link) == ["VIP"]
    assert not labeling.relabel(link, Labeling(frozenset({vip.type_id})), by=SYSTEM)
    assert labeling.relabel(link, Labeling(remove=frozenset({vip.type_id, old.type_id})), by=SYSTEM)

    assert on(*link) == []
    assert associations.linked_ids("ticket", [ticket.pk], "contact") == {ticket.pk: [contact.pk]}
    told = [event.data for event in EventRow.objects.filter(kind="ticket.relabeled").order_by("id")]
    assert [(data["added"], data["removed"]) for data in told] == [
        ([old.type_id], []), ([vip.type_id], [old.type_id]), ([], [vip.type_id]),
    ]  # fmt: skip
    lines = PropertyChange.objects.filter(object_type="ticket", property="@link").order_by("id")
    assert [line.new.get("added") for line in lines] == [None, ["Old"], ["VIP"], []]
    assert not EventRow.objects.filter(kind="contact.relabeled").exists()


def test_of_people_among_themselves_both_are_told(world):
    boss = create("contact", "contact", "Manager", "Employee", by=SYSTEM)
    ada, bo = world.contact("a@x.example").pk, world.contact("b@x.example").pk

    labeling.connect_many({("contact", ada, "contact", bo): Why()}, [boss.type_id], by=SYSTEM)

    told = EventRow.objects.filter(kind="contact.relabeled").order_by("id")
    assert [(one.object_id, one.data["added"]) for one in told] == [(ada, [boss.type_id]), (bo, [boss.inverse_id])]  # fmt: skip


def test_what_is_not_linked_gets_no_label(world):
    vip = create("ticket", "contact", "VIP", by=SYSTEM)
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)

    assert not labeling.relabel(link, Labeling(frozenset({vip.type_id})), by=SYSTEM)

    assert not Association.objects.filter(label_type_id__isnull=False).exists()


@pytest.mark.parametrize("number", [1, 16, 9001, 99_999_999])
def test_a_number_that_is_no_label_of_the_two_kinds_is_refused(world, number):
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)

    with pytest.raises(Invalid) as refusal:
        labeling.connect_many({link: Why()}, [number], by=SYSTEM)

    assert (refusal.value.field, refusal.value.value) == ("labels", number)


def test_a_hundred_links_cost_what_one_does(world, django_assert_max_num_queries):
    vip = create("ticket", "contact", "VIP", by=SYSTEM)
    contact = world.contact().pk
    links = {("ticket", world.ticket(str(n)).pk, "contact", contact): Why() for n in range(30)}
    associations.connect_many(links, by=SYSTEM)

    with django_assert_max_num_queries(9):
        labeling.relabel_many(links, Labeling(frozenset({vip.type_id})), by=SYSTEM)

    assert labeling.how_many("contact") == {("ticket", vip.type_id): 30}
    boss = create("ticket", "contact", "Boss", by=SYSTEM)
    assert labeling.how_many("contact", vip.type_id) == {("ticket", vip.type_id): 30}
    assert labeling.how_many("contact", boss.type_id) == {("ticket", boss.type_id): 0}


def test_a_label_that_was_made_since_they_were_read_is_left_out(world, monkeypatch):
    """As one that another transaction made, and put on, meanwhile."""
    vip, boss = (create("ticket", "contact", word, by=SYSTEM) for word in ("VIP", "Boss"))
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)
    labeling.connect_many({link: Why()}, [vip.type_id, boss.type_id], by=SYSTEM)
    monkeypatch.setattr(association_labels, "_read", lambda: [boss])
    current_scope().notes.clear()

    assert labeling.labels_of_record(*link[:2]) == {link[2:]: [boss]}


def test_parting_takes_the_labels_too(world):
    vip = create("ticket", "contact", "VIP", by=SYSTEM)
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)
    labeling.connect_many({link: Why()}, [vip.type_id], by=SYSTEM)

    associations.part(*link, by=SYSTEM)

    assert not Association.objects.filter(type_id=vip.type_id).exists()


def test_a_label_goes_from_all_links_and_leaves_them(world, monkeypatch):
    monkeypatch.setattr(labeling, "STEP", 2)
    peer = create("contact", "contact", "Peer", by=SYSTEM)
    ids = [world.contact(f"{n}@x.example").pk for n in range(4)]
    links = {("contact", ids[0], "contact", other): Why() for other in ids[1:]}
    labeling.connect_many(links, [peer.type_id], by=SYSTEM)
    assert labeling.how_many("contact") == {("contact", peer.type_id): 3}

    assert labeling.delete("contact", "contact", peer.type_id, by=SYSTEM) == 3

    assert own_of("contact", "contact") == ()
    assert associations.linked_ids("contact", ids[:1], "contact") == {ids[0]: ids[1:]}
    assert EventRow.objects.filter(kind="contact.relabeled", data__removed=[peer.type_id]).count() == 6
    assert AuditEntry.objects.get(action="association_label.deleted").before["links"] == 3
    with pytest.raises(NotFound):
        labeling.delete("contact", "contact", peer.type_id, by=SYSTEM)


def test_a_label_of_very_many_links_stays(world, monkeypatch):
    monkeypatch.setattr(labeling, "MOST", 0)
    vip = create("ticket", "contact", "VIP", by=SYSTEM)
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)
    labeling.connect_many({link: Why()}, [vip.type_id], by=SYSTEM)

    with pytest.raises(Conflict, match="with a workflow"):
        labeling.delete("ticket", "contact", vip.type_id, by=SYSTEM)

    assert own_of("ticket", "contact") == (vip,)


def test_postgresql_keeps_labels_and_links_together(world):
    vip = create("ticket", "contact", "VIP", by=SYSTEM)
    link = ("ticket", world.ticket("x").pk, "contact", world.contact().pk)
    labeling.connect_many({link: Why()}, [vip.type_id], by=SYSTEM)

    with pytest.raises(IntegrityError), transaction.atomic():
        AssociationLabel.objects.filter(type_id=vip.type_id).update(type_id=15)
    with pytest.raises(IntegrityError, match="association_label_known"):
        lose(vip.type_id)


@transaction.atomic
def lose(number: int) -> None:
    AssociationLabel.objects.filter(type_id=number).delete()
    connection.check_constraints()

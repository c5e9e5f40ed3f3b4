"""Two contacts or companies become one, and two again: T-MERGE-1 and its rules, as they speak of contacts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.accounts.policy import viewer_for
from deskhand.crm.records import (
    archive,
    associations,
    companies,
    contacts,
    directory,
    joining,
    labeling,
    store,
    tasks,
)
from deskhand.crm.records.associations import Why
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Company, Contact, Joined, PropertyChange, Task, Ticket
from deskhand.crm.records.tasks import Wanted
from deskhand.crm.schema import association_labels
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Invalid, NotFound


@pytest.fixture
def pair(world, noon) -> tuple[int, int]:
    """Astrid twice: the second time with another address, and older."""
    with clock.stopped(noon - timedelta(days=9)):
        older = contacts.make({"email": "astrid@gmail.example", "firstname": "A.", "phone": "+47 1", "city": "Oslo"}, by=SYSTEM)  # fmt: skip
    newer = contacts.make({"email": "astrid@fjallbo.example", "firstname": "Astrid", "lastname": "Lindqvist", "city": "Bergen"}, by=SYSTEM)  # fmt: skip
    return newer, older


def contact(pk: int) -> Contact:
    return Contact.objects.get(pk=pk)


def join(pair, world, object_type: str = "contact") -> Joined:
    return joining.join(object_type, *pair, by=Actor.user(world.ada.pk))


def test_t_merge_1_values_are_the_primarys_and_what_it_lacks_the_others(world, pair, noon):
    """T-MERGE-1, R-MERGE-2"""
    join(pair, world)

    row = contact(pair[0])
    assert (row.name, row.first_name, row.email) == ("Astrid Lindqvist", "Astrid", "astrid@fjallbo.example")
    assert (row.phone, row.properties["city"]) == ("+47 1", "Bergen")
    assert row.created_at == noon - timedelta(days=9)
    assert row.properties["hs_additional_emails"] == ["astrid@gmail.example"]


def test_t_merge_1_the_old_id_leads_to_the_survivor_however_often(world, pair):
    """T-MERGE-1, R-MERGE-6"""
    join(pair, world)
    third = contacts.make({"firstname": "Third"}, by=SYSTEM)
    join((third, pair[0]), world)
    viewer = viewer_for(world.account.pk, world.ada.pk)

    assert directory.get(viewer, "contact", pair[1]).pk == third
    assert contact(third).properties["hs_merged_object_ids"] == sorted(pair)
    assert [row.id for row in directory.rows(viewer, "contact").rows] == [third]
    assert directory.rows(viewer, "contact", directory.List.ARCHIVED).rows == ()


def test_mail_from_either_address_is_the_survivors(world, pair):
    """R-MERGE-6"""
    join(pair, world)

    found = contacts.upsert_many(
        [Person("astrid@gmail.example"), Person("astrid@fjallbo.example")], by=SYSTEM
    )

    assert set(found.values()) == {pair[0]}
    viewer = viewer_for(world.account.pk, world.ada.pk)
    assert [row.id for row in directory.find(viewer, "contact", "astrid@gmail")] == [pair[0]]


def test_tickets_tasks_and_links_follow(world, pair, noon):
    """R-MERGE-7"""
    mine, theirs = world.ticket("Mine", contact_id=pair[0]), world.ticket("Theirs", contact_id=pair[1])
    associations.link_many([("ticket", mine.pk, "contact", pair[1])], noon)  # a link of both
    firm = companies.create("Fjällbo AB", by=SYSTEM)
    companies.add_contact(firm.pk, pair[1], by=SYSTEM)
    task_id = tasks.create("contact", pair[1], Wanted("Call"), by=SYSTEM)

    join(pair, world)

    assert set(Ticket.objects.filter(contact_id=pair[0]).values_list("pk", flat=True)) == {mine.pk, theirs.pk}
    linked = associations.linked_ids("contact", list(pair), "ticket")
    assert {pk: sorted(ids) for pk, ids in linked.items()} == {pair[0]: [mine.pk, theirs.pk]}
    assert associations.linked_ids("ticket", [mine.pk, theirs.pk], "contact") == {mine.pk: [pair[0]], theirs.pk: [pair[0]]}  # fmt: skip
    assert associations.linked_ids("company", [firm.pk], "contact") == {firm.pk: [pair[0]]}
    assert contact(pair[0]).company_id == firm.pk
    assert Task.objects.get(pk=task_id).record_id == pair[0]
    assert [task.pk for task in tasks.of("contact", pair[0])] == [task_id]


def test_the_records_of_tasks_follow_a_merge_and_come_back_R_MERGE_7_R_MERGE_8_R_WFA_8(world, pair):
    """Of the one, of the other, of both, as the main record and as a further one."""
    ticket = ("ticket", world.ticket().pk)
    mine, theirs = (("contact", pk) for pk in pair)
    before = {
        tasks.create(*main, Wanted("Call"), by=SYSTEM, also=also): [main, *also]
        for main, also in (
            (theirs, [ticket]), (ticket, [theirs]), (ticket, [mine, theirs]), (theirs, [mine]), (mine, [theirs]), (mine, []),
        )
    }  # fmt: skip
    lost = tasks.create(*ticket, Wanted("Not for her"), by=SYSTEM, also=[theirs])

    joined = join(pair, world)

    ids = [*before, lost]
    united = [{mine if one == theirs else one for one in records} for records in before.values()]
    assert [set(found) for found in tasks.records_of(ids).values()] == [*united, {ticket, mine}]
    mains = {task.pk: (task.object_type, task.record_id) for task in Task.objects.filter(pk__in=ids)}
    assert [mains[pk] for pk in ids] == [mine, ticket, ticket, mine, mine, mine, ticket]
    assert tasks.of(*theirs) == []

    tasks.edit(lost, Wanted("Not for her"), by=SYSTEM, also=[])
    joining.part(joined.pk, by=SYSTEM)

    found = tasks.records_of(ids)
    assert {pk: set(found[pk]) for pk in before} == {pk: set(records) for pk, records in before.items()}
    assert found[lost] == [ticket]  # taken away since
    mains = {task.pk: (task.object_type, task.record_id) for task in Task.objects.filter(pk__in=ids)}
    assert [mains[pk] for pk in ids] == [theirs, ticket, ticket, theirs, mine, mine, ticket]


def test_the_labels_of_links_are_united_and_come_back(world, pair, noon):
    """R-MERGE-7, R-MERGE-8: of links that both had, and of those that only one had"""
    boss = association_labels.create("contact", "contact", "Manager", "Employee", by=SYSTEM)
    peer = association_labels.create("contact", "contact", "Peer", by=SYSTEM)
    gone = association_labels.create("contact", "contact", "Gone soon", by=SYSTEM)
    shared, other = world.contact("shared@x.example"), world.contact("other@x.example")
    link = ("contact", pair[1], "contact", shared.pk)
    labeling.connect_many({link: Why(), (*link[:3], other.pk): Why()}, [boss.type_id, gone.type_id], by=SYSTEM)  # fmt: skip
    labeling.connect_many({("contact", pair[0], "contact", shared.pk): Why()}, [peer.type_id], by=SYSTEM)

    joined = join(pair, world)

    borne = [labeling.labels_of_record("contact", pk) for pk in pair]
    assert borne == [{("contact", shared.pk): [boss, peer, gone], ("contact", other.pk): [boss, gone]}, {}]
    assert len(labeling.labels_of_record("contact", other.pk)["contact", pair[0]]) == 2

    labeling.delete("contact", "contact", gone.type_id, by=SYSTEM)
    joining.part(joined.pk, by=SYSTEM)

    borne = [labeling.labels_of_record("contact", pk) for pk in pair]
    assert borne == [{("contact", shared.pk): [peer]}, {("contact", shared.pk): [boss], ("contact", other.pk): [boss]}]  # fmt: skip
    employee = association_labels.inverse_of(boss)
    assert labeling.labels_of_record("contact", shared.pk)["contact", pair[1]] == [employee]
    assert associations.linked_ids("contact", [pair[0]], "contact") == {pair[0]: [shared.pk]}


def test_contacts_of_a_company_follow(world):
    one, two = (companies.create(name, by=SYSTEM, domain=domain).pk for name, domain in (("One", ""), ("Two", "two.example")))  # fmt: skip
    person = world.contact()
    companies.add_contact(two, person.pk, by=SYSTEM)

    joined = join((one, two), world, "company")

    assert contact(person.pk).company_id == one
    assert Company.objects.get(pk=one).domain == "two.example"
    assert (
        PropertyChange.objects.get(object_type="company", record_id=one, property="domain").source == "MERGE"
    )
    assert associations.linked_ids("contact", [person.pk], "company") == {person.pk: [one]}

    joining.part(joined.pk, by=SYSTEM)
    assert contact(person.pk).company_id == two
    assert Company.objects.get(pk=one).domain == ""
    assert associations.linked_ids("contact", [person.pk], "company") == {person.pk: [two]}


def test_a_merge_is_undone_with_what_it_moved(world, pair, noon):
    """R-MERGE-8"""
    mine, theirs = world.ticket("Mine", contact_id=pair[0]), world.ticket("Theirs", contact_id=pair[1])
    joined = join(pair, world)
    new = world.ticket("New since", contact_id=pair[0])

    joining.part(joined.pk, by=Actor.user(world.ada.pk), at=clock.now() + timedelta(days=30))

    primary, secondary = contact(pair[0]), contact(pair[1])
    assert (secondary.archived_at, secondary.merged_into_id, secondary.email) == (
        None,
        None,
        "astrid@gmail.example",
    )
    assert (primary.phone, primary.created_at.date()) == ("", clock.now().date())
    assert not primary.properties.keys() & {"hs_additional_emails", "hs_merged_object_ids"}
    of_tickets = dict(Ticket.objects.values_list("pk", "contact_id"))
    assert of_tickets == {mine.pk: pair[0], theirs.pk: pair[1], new.pk: pair[0]}
    assert associations.linked_ids("contact", list(pair), "ticket") == {pair[0]: [mine.pk, new.pk], pair[1]: [theirs.pk]}  # fmt: skip
    found = contacts.upsert_many(
        [Person("astrid@gmail.example"), Person("astrid@fjallbo.example")], by=SYSTEM
    )
    assert found == {"astrid@gmail.example": pair[1], "astrid@fjallbo.example": pair[0]}
    actions = list(AuditEntry.objects.filter(target_type="contact").order_by("number").values_list("action", flat=True))  # fmt: skip
    assert actions == ["contact.merged", "contact.unmerged"]


def test_an_address_that_was_taken_goes_back(world):
    nameless = contacts.make({"firstname": "Astrid"}, by=SYSTEM)
    known = contacts.make({"email": "astrid@fjallbo.example"}, by=SYSTEM)
    joined = join((nameless, known), world)
    assert contact(nameless).email == "astrid@fjallbo.example"
    assert contact(nameless).name == "Astrid"

    joining.part(joined.pk, by=SYSTEM)

    assert (contact(nameless).email, contact(known).email) == ("", "astrid@fjallbo.example")


def test_what_was_changed_since_stays(world, pair):
    joined = join(pair, world)
    contacts.update(pair[0], {"phone": "+47 2"}, by=SYSTEM)

    joining.part(joined.pk, by=SYSTEM)

    assert contact(pair[0]).phone == "+47 2"


def test_a_merge_can_not_be_undone_late_twice_or_from_within_another(world, pair):
    joined = join(pair, world)
    with pytest.raises(Conflict, match="30 days"):
        joining.part(joined.pk, by=SYSTEM, at=clock.now() + timedelta(days=30, seconds=1))
    third = contacts.make({"firstname": "Third"}, by=SYSTEM)
    outer = join((third, pair[0]), world)
    with pytest.raises(Conflict, match="Undo that first"):
        joining.part(joined.pk, by=SYSTEM)
    joining.part(outer.pk, by=SYSTEM)
    joining.part(joined.pk, by=SYSTEM)
    with pytest.raises(NotFound):
        joining.part(joined.pk, by=SYSTEM)


def test_what_is_not_two_records_is_not_merged(world, pair):
    with pytest.raises(Invalid):
        joining.join("contact", pair[0], pair[0], by=SYSTEM)
    with pytest.raises(NotFound):
        joining.join("contact", pair[0], 999_999, by=SYSTEM)
    archive.archive("contact", [pair[1]], by=SYSTEM)
    with pytest.raises(NotFound):
        joining.join("contact", *pair, by=SYSTEM)
    assert Joined.objects.count() == 0


def test_two_of_too_many_merges_are_refused(world, pair, monkeypatch):
    """R-MERGE-3: the merges of both count, however deep."""
    monkeypatch.setattr(joining, "MOST", 2)
    third, fourth = (contacts.make({"firstname": name}, by=SYSTEM) for name in ("Third", "Fourth"))
    join(pair, world)
    join((third, pair[0]), world)

    with pytest.raises(Invalid, match="2 merges"):
        join((fourth, third), world)


def test_the_owner_is_the_primarys(world, pair):
    """R-MERGE-7"""
    store.change("contact", pair[1], {"owner_id": world.bob.pk}, by=SYSTEM)
    join(pair, world)

    assert contact(pair[0]).owner_id is None

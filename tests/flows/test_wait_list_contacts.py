"""What waits for the owner of its contact, when the contact gets another one (R-ROUTE-53, R-ROUTE-60)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deskhand import wiring
from deskhand.crm.records import contacts, joining, store, tickets
from deskhand.crm.records.models import Contact, Ticket
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount
from deskhand.events.dispatch import Dispatcher
from deskhand.events.types import SYSTEM, Event
from deskhand.kernel import clock
from deskhand.kernel.database.scope import settle as run_hooks
from deskhand.kernel.models import Timer
from deskhand.routing import availability, rules, waiting
from deskhand.routing.models import WaitingTicket
from deskhand.routing.types import Option, Status


def keep_a_list(world: Any, channel: ChannelAccount, option: Option) -> None:
    rules.set_rule(
        world.account.pk, channel.pk, option, user_ids=[world.bob.pk] if option is Option.USERS_AND_TEAMS else [],
        fallback_user_ids=[world.bob.pk] if option is Option.CONTACT_OWNER else [], wait_list=True, by=SYSTEM,
    )  # fmt: skip


def person(name: str) -> Contact:
    return contacts.create(contacts.Person(f"{name.lower()}@navy.example", name), by=SYSTEM)


def arrive(channel: ChannelAccount, *people: Contact) -> list[int]:
    new = [NewTicket("Help", channel_account_id=channel.pk, contact_id=one.pk) for one in people]
    ids = [made.id for made in tickets.create_many(new, by=SYSTEM)]
    tell()
    Timer.objects.filter(kind=waiting.DRAIN).delete()  # nobody is asked again but by what happens in the test
    return ids


def give(owner_id: int | None, *people: Contact) -> None:
    changes = [Change(one.pk, {"owner_id": owner_id}) for one in people]
    store.change_many("contact", changes, by=SYSTEM)
    tell()


def tell() -> None:
    run_hooks()
    while Dispatcher().run_once():
        pass
    run_hooks()


def owner_of(ticket_id: int) -> int | None:
    return Ticket.objects.get(pk=ticket_id).owner_id


@pytest.fixture
def office(world: Any, wired: None) -> Any:
    """The channel's tickets go to the owners of their contacts, else to Bob, who is away; Grace is there."""
    keep_a_list(world, world.channel, Option.CONTACT_OWNER)
    availability.set_by_hand(world.account.pk, world.grace.pk, Status.AVAILABLE, by=SYSTEM)
    tell()
    yield world
    tell()


def test_what_waits_is_asked_for_when_its_contact_gets_an_owner_who_is_there(office):
    """R-ROUTE-53, R-ROUTE-60: of that contact, and of nobody else."""
    grace, alan = person("Grace"), person("Alan")
    hers, his = arrive(office.channel, grace, alan)

    give(office.grace.pk, grace)

    assert (owner_of(hers), owner_of(his)) == (office.grace.pk, None)
    assert list(WaitingTicket.objects.values_list("ticket_id", flat=True)) == [his]


def test_nobody_is_asked_who_is_away_or_when_the_owner_is_only_taken_from_it(office):
    """R-ROUTE-65."""
    alan = person("Alan")
    [waits] = arrive(office.channel, alan)

    give(office.ada.pk, alan)

    assert owner_of(waits) is None
    assert WaitingTicket.objects.filter(ticket_id=waits).exists()
    nobodys = {"changes": {"hubspot_owner_id": [office.ada.pk, None]}}
    taken = Event("contact.assigned", "contact", alan.pk, 2, SYSTEM, clock.now(), nobodys, id=1)
    with CaptureQueriesContext(connection) as made:
        wiring.route_again(office.account.pk, [taken])
    assert len(made) == 0


def test_what_is_merged_into_a_contact_with_an_owner_is_asked_for(office):
    """R-ROUTE-60, R-MERGE-7."""
    known, alias = person("Grace"), person("Alias")
    give(office.grace.pk, known)
    [waits] = arrive(office.channel, alias)

    joining.join("contact", known.pk, alias.pk, by=SYSTEM)
    tell()

    assert owner_of(waits) == office.grace.pk


def test_what_goes_back_to_a_contact_that_is_parted_again_is_asked_for(office):
    """R-ROUTE-60, R-MERGE-8: it waited for the owner of whom its contact was a part, who is away."""
    known, alias = person("Ada's"), person("Grace's")
    give(office.ada.pk, known)
    give(office.grace.pk, alias)
    availability.set_by_hand(office.account.pk, office.grace.pk, Status.AWAY, by=SYSTEM)
    [waits] = arrive(office.channel, alias)
    joined = joining.join("contact", known.pk, alias.pk, by=SYSTEM)
    tell()
    availability.set_by_hand(office.account.pk, office.grace.pk, Status.AVAILABLE, by=SYSTEM)
    tell()
    assert owner_of(waits) is None

    joining.part(joined.pk, by=SYSTEM)
    tell()

    assert owner_of(waits) == office.grace.pk


def test_where_others_than_owners_are_asked_nobody_is_asked_again(office):
    """R-ROUTE-53: the owner of a contact changes nothing for a channel of users and teams."""
    other = inboxes.add_channel_account(
        office.channel.inbox, channel="email", name="Second", address="second@nordlys.example"
    )
    keep_a_list(office, other, Option.USERS_AND_TEAMS)
    alan = person("Alan")
    arrive(other, alan)

    assert waiting.of_contacts(office.account.pk, [alan.pk]) == []


def test_many_contacts_cost_no_more_queries_than_few_and_are_asked_for_in_parts(office, monkeypatch):
    """R-ROUTE-53: a bulk change of owners is worked in sets; what is beyond a batch follows by a timer."""
    nobody = Event("contact.assigned", "contact", 1, 2, SYSTEM, clock.now(), owner_changed(office), id=1)
    with CaptureQueriesContext(connection) as made:
        wiring.route_again(office.account.pk, [nobody])
    assert len(made) == 1

    counts = []
    for number in (2, 20):
        people = [person(f"P{number}x{n}") for n in range(number)]
        arrive(office.channel, *people)
        events = [
            Event("contact.assigned", "contact", one.pk, 2, SYSTEM, clock.now(), owner_changed(office), id=n)
            for n, one in enumerate(people, 1)
        ]
        with CaptureQueriesContext(connection) as made:
            wiring.route_again(office.account.pk, events)
        counts.append(len(made))
    assert counts[0] == counts[1] <= 23

    monkeypatch.setattr(waiting, "BATCH", 3)
    people = [person(f"Q{n}") for n in range(5)]
    ids = arrive(office.channel, *people)
    urgent = [Change(pk, {"priority": "URGENT"}) for pk in ids]  # before those that wait already
    tickets.change_many(urgent, by=SYSTEM)
    give(office.grace.pk, *people)

    assert [owner_of(pk) for pk in ids] == [office.grace.pk] * 3 + [None] * 2
    assert Timer.objects.filter(kind=waiting.DRAIN, key__startswith="rest:").count() == 1


def owner_changed(world: Any) -> dict[str, Any]:
    return {"changes": {"hubspot_owner_id": [None, world.ada.pk]}}

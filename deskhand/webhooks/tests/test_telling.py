"""What happens here reaches apps as the contract writes it (api.md §2.8)."""

from datetime import timedelta

import pytest

from deskhand.accounts import connected_apps
from deskhand.crm.records import archive, associations, companies, contacts, joining, objects, store, tickets
from deskhand.crm.records.contacts import Person
from deskhand.desk import merging
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.webhooks import hearing, signing, targets
from deskhand.webhooks.models import Delivery
from deskhand.webhooks.subscriptions import Wanted


def test_a_changed_status_is_told_by_its_id_and_signed_over_the_bytes(hook, world):
    """api.md §2.8: shape, and signatures of versions 1 and 3 that receivers can check."""
    hook.wants(Wanted("ticket.propertyChange", "hs_pipeline_stage"))
    ticket = world.ticket("Printer")
    tickets.move(ticket.pk, to=world.stage("Closed"), by=Actor.user(world.bob.pk))
    hook.run()

    (asked,) = hook.there.asked
    (item,) = asked.json
    stage = next(s for p in world.tickets.pipelines for s in p.stages if s.id == world.stage("Closed"))
    assert {name: item[name] for name in ("portalId", "appId", "subscriptionType", "objectId", "propertyName", "propertyValue", "attemptNumber")} == {
        "portalId": world.account.pk, "appId": hook.app.pk, "subscriptionType": "ticket.propertyChange", "objectId": ticket.pk,
        "propertyName": "hs_pipeline_stage", "propertyValue": stage.key, "attemptNumber": 0,
    }  # fmt: skip
    assert (item["changeSource"], item["sourceId"]) == ("CRM_UI", f"userId:{world.bob.pk}")
    body, headers = asked.body.encode(), asked.headers
    assert headers["x-hubspot-signature"] == signing.v1(hook.secret, body)
    assert headers["x-hubspot-signature-v3"] == signing.v3(
        hook.secret, "POST", f"{hook.there.url}/hear?k=1", body, int(headers["x-hubspot-request-timestamp"])
    )


def test_records_are_told_of_from_their_making_to_their_restoring(hook, world):
    """api.md §2.8: creation, deletion, restore; also as "object" events by the kind's number."""
    hook.wants(
        "ticket.creation",
        "ticket.deletion",
        "ticket.restore",
        Wanted("object.creation", object_type="ticket"),
    )
    ticket = world.ticket()
    archive.archive("ticket", [ticket.pk], by=SYSTEM)
    archive.restore("ticket", [ticket.pk], by=SYSTEM)
    hook.run()

    told = [(item["subscriptionType"], item["changeFlag"]) for item in hook.told()]
    assert sorted(told) == [
        ("object.creation", "NEW"), ("ticket.creation", "NEW"), ("ticket.deletion", "DELETED"), ("ticket.restore", "RESTORED"),
    ]  # fmt: skip
    assert {item["objectId"] for item in hook.told()} == {ticket.pk}
    assert hook.told("object.creation")[0]["objectTypeId"] == "0-5"


def test_merges_are_told_with_both_and_an_undone_one_as_a_restore(hook, world):
    """api.md §2.8: merge, of contacts and of tickets."""
    hook.wants("contact.merge", "contact.restore", "ticket.merge")
    one, two = (
        contacts.create(Person(f"{name}@fjallbo.example", name), by=SYSTEM).pk for name in ("ann", "beth")
    )
    joined = joining.join("contact", one, two, by=hook.by)
    joining.part(joined.pk, by=hook.by)
    first, second = world.ticket("One").pk, world.ticket("Two").pk
    merging.merge(first, second, by=hook.by)
    hook.run()

    (merge,) = hook.told("contact.merge")
    assert (merge["objectId"], merge["primaryObjectId"], merge["mergedObjectIds"], merge["newObjectId"]) == (
        one,
        one,
        [two],
        one,
    )
    assert hook.told("contact.restore")[0]["objectId"] == two
    assert hook.told("ticket.merge")[0]["mergedObjectIds"] == [second]


def test_a_link_is_told_to_both_ends(hook, world):
    """api.md §2.8: associationChange, also undone; a ticket's contact hears of it as well."""
    hook.wants("ticket.associationChange", "contact.associationChange")
    ticket, contact = world.ticket().pk, world.contact().pk
    associations.connect("ticket", ticket, "contact", contact, by=SYSTEM)
    associations.part("ticket", ticket, "contact", contact, by=SYSTEM)
    hook.run()

    facts = [
        (i["fromObjectId"], i["toObjectId"], i["associationType"], i["associationRemoved"])
        for i in hook.told()
    ]
    assert sorted(facts, key=str) == sorted(
        [
            (ticket, contact, "TICKET_TO_CONTACT", False), (contact, ticket, "CONTACT_TO_TICKET", False),
            (ticket, contact, "TICKET_TO_CONTACT", True), (contact, ticket, "CONTACT_TO_TICKET", True),
        ],
        key=str,
    )  # fmt: skip


def test_companies_and_deals_are_told_of(hook, world):
    """api.md §2.8: all kinds that have names of their own there."""
    hook.wants("company.creation", "deal.creation", Wanted("deal.propertyChange", "dealname"))
    companies.create("Fjällbo", by=SYSTEM)
    deal = objects.create("deal", {"dealname": "Roof"}, by=SYSTEM)
    objects.update("deal", deal.id, {"dealname": "Two roofs"}, by=SYSTEM)
    hook.run()

    assert [item["propertyValue"] for item in hook.told("deal.propertyChange")] == ["Two roofs"]
    assert len(hook.told("deal.creation")) == 1
    assert len(hook.told("company.creation")) == 1


def test_values_are_texts_as_the_api_writes_them(hook, world):
    """api.md §1.4: nothing is an empty text, owners and numbers are digits."""
    hook.wants(
        Wanted("ticket.propertyChange", "hubspot_owner_id"),
        Wanted("ticket.propertyChange", "hs_ticket_priority"),
    )
    ticket = world.ticket()
    store.change("ticket", ticket.pk, {"owner_id": world.bob.pk, "priority": "HIGH"}, by=SYSTEM)
    store.change("ticket", ticket.pk, {"owner_id": None}, by=SYSTEM)
    hook.run()

    values = [(item["propertyName"], item["propertyValue"]) for item in hook.told()]
    assert sorted(values) == [
        ("hs_ticket_priority", "HIGH"), ("hubspot_owner_id", ""), ("hubspot_owner_id", str(world.bob.pk)),
    ]  # fmt: skip


def test_many_events_go_in_requests_of_a_hundred(hook, world, monkeypatch):
    """api.md §2.8: at most 100 events of a request; each event once, with a number of its own."""
    hook.wants("ticket.creation")
    monkeypatch.setattr(hearing, "AT_ONCE", 3)
    for _ in range(7):
        world.ticket()
    hook.run()

    assert sorted(len(asked.json) for asked in hook.there.asked) == [1, 3, 3]
    assert len({item["eventId"] for item in hook.told()}) == 7
    assert all(0 < item["eventId"] < 2**53 for item in hook.told())


@pytest.mark.parametrize("why", ["paused", "cleared", "revoked", "switched off", "spam"])
def test_nothing_is_told_to_who_does_not_ask(hook, world, why: str):
    """api.md §2.8, R-CC-12: nor of spam."""
    hook.wants("ticket.creation")
    account_id, app_id = world.account.pk, hook.app.pk
    match why:
        case "paused":
            targets.set_paused(account_id, app_id, True, by=hook.by)
        case "cleared":
            targets.clear(account_id, app_id, by=hook.by)
        case "revoked":
            connected_apps.revoke(account_id, app_id, by=hook.by)
        case "switched off":
            hook.wants("ticket.deletion")
    world.ticket(is_spam=True) if why == "spam" else world.ticket()
    hook.run()

    assert hook.there.asked == []
    assert not Delivery.objects.exists()


def test_the_statements_do_not_grow_with_the_events(hook, world, django_assert_max_num_queries):
    """style.md §13: set-based."""
    hook.wants("ticket.creation", "conversation.newMessage")
    from deskhand.events.models import EventRow
    from deskhand.events.queries import of_ids
    from deskhand.kernel.database.scope import settle as run_hooks

    for _ in range(20):
        world.ticket()
    run_hooks()
    events = of_ids(world.account.pk, list(EventRow.objects.values_list("id", flat=True)))

    with django_assert_max_num_queries(8):
        hearing.hear(world.account.pk, events)
    assert Delivery.objects.get().created_at > clock.now() - timedelta(minutes=5)

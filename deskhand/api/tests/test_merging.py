"""Merging through the API (api.md §2.1), and ids of what was merged (R-MERGE-6)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts.models import AuditEntry, Membership, Role
from deskhand.api.tests.test_records import ticket
from deskhand.events.models import EventRow
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

OBJECTS = "/crm/v3/objects"


def made(program: Any, kind: str, **properties: str) -> str:
    status, body = program("POST", f"{OBJECTS}/{kind}", {"properties": properties})
    assert status == 201, body
    return body["id"]  # type: ignore[no-any-return]


def merged(program: Any, kind: str, primary: Any, other: Any) -> tuple[int, Any]:
    body = {"primaryObjectId": primary, "objectIdToMerge": other}
    return program("POST", f"{OBJECTS}/{kind}/merge", body)  # type: ignore[no-any-return]


def test_contacts_become_one_that_both_ids_and_addresses_lead_to(program: Any) -> None:
    """R-MERGE-2, R-MERGE-6, R-MERGE-8: the primary's id and values; old ids and addresses resolve to it."""
    first = made(program, "contacts", email="ada@x.example", lastname="Lovelace")
    other = made(program, "contacts", email="countess@x.example", lastname="King", jobtitle="Countess")

    status, body = merged(program, "contacts", first, other)

    assert (status, body["id"], body["properties"]["lastname"]) == (200, first, "Lovelace")
    read = program("GET", f"{OBJECTS}/contacts/{other}", properties="jobtitle,hs_merged_object_ids")[1]
    assert (read["id"], read["properties"]["jobtitle"]) == (first, "Countess")
    assert read["properties"]["hs_merged_object_ids"] == other
    by_address = program("GET", f"{OBJECTS}/contacts/countess@x.example", idProperty="email")[1]
    assert by_address["id"] == first
    batch = {"inputs": [{"id": other}, {"id": first}]}
    status, body = program("POST", f"{OBJECTS}/contacts/batch/read", batch)
    assert (status, [one["id"] for one in body["results"]]) == (200, [first])


def test_what_is_written_to_an_old_id_reaches_the_record_that_it_is_part_of(program: Any) -> None:
    """R-MERGE-6; but deleting an old id deletes nothing."""
    first, other = made(program, "companies", name="Ada Ltd"), made(program, "companies", name="Ada")
    assert merged(program, "companies", first, other)[0] == 200

    assert program("DELETE", f"{OBJECTS}/companies/{other}")[0] == 204
    _status, changed = program(
        "PATCH", f"{OBJECTS}/companies/{other}", {"properties": {"domain": "x.example"}}
    )

    assert (changed["id"], changed["properties"]["domain"]) == (first, "x.example")
    again = program("GET", f"{OBJECTS}/companies")[1]["results"]
    assert [one["id"] for one in again] == [first]


def test_tickets_become_one_as_on_the_page(program: Any) -> None:
    """R-MERGE-7, T-MERGE-1: owner and values of the primary, with the event that the page's verb leaves."""
    first, other = ticket(program), ticket(program, subject="Second", hs_ticket_priority="LOW")

    status, body = merged(program, "tickets", first["id"], other["id"])

    assert (status, body["id"], body["properties"]["hs_ticket_priority"]) == (200, first["id"], "HIGH")
    assert program("GET", f"{OBJECTS}/tickets/{other['id']}")[1]["id"] == first["id"]
    with account_scope(program.world.account.pk):
        told = EventRow.objects.get(kind="ticket.merged")
        assert (told.object_id, told.data["merged_id"]) == (int(first["id"]), int(other["id"]))
        assert told.actor_kind == "integration"


def test_merging_contacts_is_noted_in_the_audit_log(program: Any) -> None:
    first, other = (
        made(program, "contacts", email="a@x.example"),
        made(program, "contacts", email="b@x.example"),
    )
    merged(program, "contacts", first, other)

    with account_scope(program.world.account.pk):
        assert AuditEntry.objects.filter(action="contact.merged", target_id=first).count() == 1


@pytest.mark.parametrize("kind", ["contacts", "companies", "tickets"])
def test_what_can_t_be_merged_is_refused_and_stays(program: Any, kind: str) -> None:
    """api.md §1.10"""
    one = ticket(program)["id"] if kind == "tickets" else made(program, kind, **NAMES[kind])

    assert merged(program, kind, one, one)[0] == 400
    assert merged(program, kind, one, "999999")[0] == 404
    assert merged(program, kind, "x", one)[0] == 404
    assert merged(program, kind, one, None)[0] == 400
    assert program("POST", f"{OBJECTS}/{kind}/merge", {"primaryObjectId": one})[0] == 400
    assert program("GET", f"{OBJECTS}/{kind}/{one}")[0] == 200


NAMES = {"contacts": {"email": "a@x.example"}, "companies": {"name": "Ada Ltd"}}


def test_deals_can_t_be_merged(program: Any) -> None:
    status, body = merged(program, "deals", "1", "2")

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert body["message"].startswith("Records of the type deal can't be merged")


def test_who_may_not_change_both_merges_nothing(program: Any, program_of: Any, world: Any) -> None:
    """R-PERM-1: as on the page, either one must be theirs to change."""
    allowed = {"records": {"contact": {"view": "all", "edit": "own"}}}
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Own", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    mine = made(program, "contacts", email="a@x.example", hubspot_owner_id=str(world.bob.pk))
    other = made(program, "contacts", email="b@x.example")
    bob = program_of(user_id=world.bob.pk)

    assert merged(bob, "contacts", mine, other)[0] == 403
    assert merged(bob, "contacts", other, mine)[0] == 403
    assert program("GET", f"{OBJECTS}/contacts/{other}")[1]["id"] == other

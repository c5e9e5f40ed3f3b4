"""Up to a hundred records at once (api.md §1.8)."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.accounts.models import Membership, Role
from deskhand.api.tests.test_records import PRINTER, TICKETS, ticket
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

CONTACTS = "/crm/v3/objects/contacts"


def batch(program: Any, do: str, inputs: list[Any], kind: str = TICKETS, **more: Any) -> tuple[int, Any]:
    return program("POST", f"{kind}/batch/{do}", {"inputs": inputs, **more})  # type: ignore[no-any-return]


def test_many_are_made_in_order(program: Any) -> None:
    status, body = batch(
        program, "create", [{"properties": {**PRINTER, "subject": f"{n}"}} for n in range(25)]
    )

    assert (status, body["status"], len(body["results"])) == (201, "COMPLETE", 25)
    assert [one["properties"]["subject"] for one in body["results"]] == [f"{n}" for n in range(25)]
    assert body["startedAt"] <= body["completedAt"]


def test_one_that_is_wrong_refuses_all(program: Any) -> None:
    status, body = batch(program, "create", [{"properties": PRINTER}, {"properties": {"subject": "x"}}])

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert program("GET", TICKETS)[1]["results"] == []


def test_with_traces_each_is_made_that_can_be(program: Any) -> None:
    inputs = [
        {"properties": PRINTER, "objectWriteTraceId": "a"},
        {"properties": {"subject": "x"}, "objectWriteTraceId": "b"},
    ]
    status, body = batch(program, "create", inputs)

    assert (status, len(body["results"]), body["numErrors"]) == (207, 1, 1)
    assert body["errors"][0]["context"]["objectWriteTraceId"] == ["b"]


def test_what_is_missing_is_told_beside_what_was_found(program: Any) -> None:
    made = ticket(program)
    status, body = batch(program, "read", [{"id": made["id"]}, {"id": 999999}], properties=["subject"])

    assert (status, [one["id"] for one in body["results"]]) == (207, [made["id"]])
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"] == {"ids": ["999999"]}
    assert body["errors"][0]["message"].startswith("Could not get some TICKET objects")


def test_contacts_are_read_by_address(program: Any) -> None:
    made = [
        program("POST", CONTACTS, {"properties": {"email": f"{name}@x.example"}})[1]["id"] for name in "ab"
    ]
    status, body = batch(
        program, "read", [{"id": "B@x.example"}, {"id": "a@x.example"}], CONTACTS, idProperty="email", properties=["lastname"]
    )  # fmt: skip

    assert (status, [one["id"] for one in body["results"]]) == (200, made[::-1])


def test_those_that_are_there_are_changed(program: Any) -> None:
    made = ticket(program)
    wanted = [
        {"id": made["id"], "properties": {"subject": "New"}},
        {"id": "999999", "properties": {"subject": "x"}},
    ]
    status, body = batch(program, "update", wanted)

    assert (status, body["numErrors"]) == (207, 1)
    assert [one["properties"]["subject"] for one in body["results"]] == ["New"]


def test_a_wrong_value_leaves_the_others(program: Any) -> None:
    first, second = ticket(program), ticket(program)
    wanted = [
        {"id": first["id"], "properties": {"hs_ticket_priority": "VERY"}},
        {"id": second["id"], "properties": {"subject": "New"}},
    ]
    status, body = batch(program, "update", wanted)

    assert (status, [one["id"] for one in body["results"]]) == (207, [second["id"]])
    assert body["errors"][0]["context"]["ids"] == [first["id"]]
    assert body["errors"][0]["category"] == "VALIDATION_ERROR"


def test_twice_the_same_is_refused(program: Any) -> None:
    made = ticket(program)
    status, body = batch(program, "update", [{"id": made["id"], "properties": {"subject": n}} for n in "ab"])

    assert (status, body["context"]["ids"]) == (400, [made["id"]])


def test_upserts_say_what_is_new(program: Any) -> None:
    program("POST", CONTACTS, {"properties": {"email": "a@x.example"}})
    inputs = [
        {"id": f"{n}@x.example", "idProperty": "email", "properties": {"lastname": n.upper()}} for n in "ab"
    ]
    status, body = batch(program, "upsert", inputs, CONTACTS)

    assert (status, [one["new"] for one in body["results"]]) == (200, [False, True])
    assert [one["properties"]["lastname"] for one in body["results"]] == ["A", "B"]
    again = batch(program, "upsert", inputs, CONTACTS)[1]
    assert [one["new"] for one in again["results"]] == [False, False]


def test_many_are_put_away_and_again(program: Any) -> None:
    made = [{"id": ticket(program)["id"]} for _n in range(3)]

    assert batch(program, "archive", [*made, {"id": "9999"}])[0] == 204
    assert program("GET", TICKETS)[1]["results"] == []
    assert batch(program, "archive", made)[0] == 204


@pytest.mark.parametrize("do", ["read", "create", "update", "upsert", "archive"])
def test_an_empty_batch_and_a_large_one_are_refused(program: Any, do: str) -> None:
    status, body = batch(program, do, [])
    assert (status, body["message"]) == (400, "Batch input provided should have at least one object.")

    many = [{"id": str(number), "properties": {"subject": "x"}} for number in range(101)]
    assert batch(program, do, many)[0] == 400
    assert batch(program, do, many[:1])[0] in (201, 204, 207, 400)


def test_a_hundred_cost_as_many_statements_as_two(program: Any) -> None:
    def made(count: int) -> int:
        body = {"inputs": [{"properties": {**PRINTER, "subject": f"{n}"}} for n in range(count)]}
        return program.queries("POST", f"{TICKETS}/batch/create", body)  # type: ignore[no-any-return]

    made(2)
    assert made(100) == made(2)


def test_a_hundred_contacts_cost_as_many_statements_as_two(program: Any) -> None:
    def made(prefix: str, count: int) -> int:
        body = {"inputs": [{"properties": {"email": f"{prefix}{n}@x.example"}} for n in range(count)]}
        return program.queries("POST", f"{CONTACTS}/batch/create", body)  # type: ignore[no-any-return]

    made("a", 2)
    assert made("b", 100) == made("c", 2)


@pytest.mark.parametrize("kind", [TICKETS, CONTACTS, "/crm/v3/objects/companies", "/crm/v3/objects/deals"])
def test_twenty_changes_cost_as_many_statements_as_two(program: Any, kind: str) -> None:
    """api.md §1.8"""
    name = {CONTACTS: "lastname", TICKETS: "subject", "/crm/v3/objects/deals": "dealname"}.get(kind, "name")
    new = [{"properties": {**(PRINTER if kind == TICKETS else {}), name: f"{n}"}} for n in range(20)]
    made = [one["id"] for one in batch(program, "create", new, kind)[1]["results"]]

    def changed(value: str, ids: list[str]) -> int:
        inputs = [{"id": pk, "properties": {name: f"{value} {pk}"}} for pk in ids]
        return program.queries("POST", f"{kind}/batch/update", {"inputs": inputs})  # type: ignore[no-any-return]

    changed("a", made)
    assert changed("b", made) == changed("c", made[:2])


def test_one_that_the_verb_refuses_leaves_the_others(program: Any) -> None:
    """api.md §1.8: an address that is another contact's is found out only when it is written."""
    made = [
        program("POST", CONTACTS, {"properties": {"email": f"{name}@x.example"}})[1]["id"] for name in "abc"
    ]
    inputs = [
        {"id": made[0], "properties": {"lastname": "A"}},
        {"id": made[1], "properties": {"email": "c@x.example"}},
        {"id": made[2], "properties": {}},
    ]
    status, body = batch(program, "update", inputs, CONTACTS)

    assert (status, [one["properties"]["lastname"] for one in body["results"]]) == (207, ["A"])
    assert {one["context"]["ids"][0]: one["category"] for one in body["errors"]} == {
        made[1]: "CONFLICT",
        made[2]: "VALIDATION_ERROR",
    }


def test_who_may_not_change_some_is_told_which(program: Any, program_of: Any, world: Any) -> None:
    """R-PERM-1: what can't be seen is missing, what can be seen and not be changed is forbidden."""
    allowed = {
        "records": {"ticket": {"view": "own", "edit": "own"}, "contact": {"view": "all", "edit": "own"}}
    }
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Own", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    owner = {"hubspot_owner_id": str(world.bob.pk)}
    mine, other = ticket(program, **owner), ticket(program)
    seen = program("POST", CONTACTS, {"properties": {"lastname": "Seen"}})[1]
    bob = program_of(user_id=world.bob.pk)

    inputs = [{"id": one["id"], "properties": {"subject": "New"}} for one in (mine, other)]
    status, body = batch(bob, "update", inputs)
    assert (status, [one["id"] for one in body["results"]]) == (207, [mine["id"]])
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    status, body = batch(bob, "update", [{"id": seen["id"], "properties": {"lastname": "New"}}], CONTACTS)
    assert (status, body["results"], body["errors"][0]["category"]) == (207, [], "FORBIDDEN")
    assert bob("PATCH", f"{CONTACTS}/{seen['id']}", {"properties": {"lastname": "New"}})[0] == 403

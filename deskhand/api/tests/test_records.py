"""Records through the API: shapes, codes and errors as the contract has them (api.md §1, §2.1)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deskhand.accounts.models import Membership, Role
from deskhand.api import entrance
from deskhand.crm.records.models import Ticket
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

TICKETS = "/crm/v3/objects/tickets"
PRINTER = {"subject": "Printer", "hs_pipeline": "0", "hs_pipeline_stage": "1", "hs_ticket_priority": "HIGH"}


def test_a_ticket_is_made_and_read(program: Any) -> None:
    status, made = program("POST", TICKETS, {"properties": PRINTER})

    assert status == 201
    assert made["properties"].items() >= PRINTER.items()
    assert made["properties"]["hs_object_id"] == made["id"]
    assert made["archived"] is False
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["createdAt"])
    status, read = program("GET", f"{TICKETS}/{made['id']}")
    assert (status, read["properties"]["hs_ticket_category"]) == (200, None)
    assert read["properties"]["createdate"] == made["createdAt"]


def ticket(program: Any, **more: str) -> dict[str, Any]:
    status, made = program("POST", TICKETS, {"properties": {**PRINTER, **more}})
    assert status == 201, made
    return made  # type: ignore[no-any-return]


def wrong(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in the sentence, as clients read it."""
    begins = "Property values were not valid: "
    assert body["message"].startswith(begins), body
    return json.loads(body["message"].removeprefix(begins))  # type: ignore[no-any-return]


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer dhk_unknown", "Basic eDp5", "bearer pat-eu1-x"])
def test_without_a_token_there_is_nothing(client: Any, world: Any, given: str) -> None:
    answer = client.get(TICKETS, headers={"Authorization": given} if given else {})

    assert answer.status_code == 401
    assert answer.json()["category"] == "INVALID_AUTHENTICATION"
    assert answer.json()["message"].startswith("Authentication credentials not found.")


def test_a_token_without_the_scope_is_told_which_it_needs(program_of: Any) -> None:
    status, body = program_of(scopes=["crm.objects.contacts.read"])("GET", TICKETS)

    assert (status, body["category"]) == (403, "MISSING_SCOPES")
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["tickets"]


def test_who_may_read_may_not_write(program_of: Any) -> None:
    reader = program_of(scopes=["crm.objects.contacts.read"])

    assert reader("GET", "/crm/v3/objects/contacts")[0] == 200
    assert reader("POST", "/crm/v3/objects/contacts", {"properties": {"email": "a@b.example"}})[0] == 403


def test_a_token_of_somebody_sees_what_they_see(program_of: Any, program: Any, world: Any) -> None:
    """R-PERM-1: what may not be seen does not exist."""
    allowed = {"records": {"ticket": {"view": "own", "edit": "own"}}}
    with account_scope(world.account.pk):
        role = Role.objects.create(account_id=world.account.pk, name="Own", permissions=allowed)
        Membership.objects.filter(user=world.bob).update(role=role, is_super_admin=False)
    mine, other = ticket(program, hubspot_owner_id=str(world.bob.pk)), ticket(program)
    bob = program_of(user_id=world.bob.pk)

    assert [one["id"] for one in bob("GET", TICKETS)[1]["results"]] == [mine["id"]]
    assert bob("GET", f"{TICKETS}/{other['id']}")[0] == 404
    assert bob("PATCH", f"{TICKETS}/{other['id']}", {"properties": {"subject": "x"}})[0] == 404
    assert bob("DELETE", f"{TICKETS}/{mine['id']}")[0] == 403


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_known_refuses_the_whole_write_and_names_all_of_it(program: Any) -> None:
    given = {
        **PRINTER,
        "colour": "red",
        "createdate": "2026-01-01",
        "hs_ticket_priority": "VERY",
        "hs_pipeline_stage": "99",
    }
    status, body = program("POST", TICKETS, {"properties": given})

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    found = {one["name"]: one["error"] for one in wrong(body)}
    assert found == {
        "colour": "PROPERTY_DOESNT_EXIST", "createdate": "READ_ONLY_VALUE", "hs_ticket_priority": "INVALID_OPTION",
        "hs_pipeline_stage": "INVALID_OPTION",
    }  # fmt: skip
    assert 'Property "colour" does not exist' in body["message"].replace('\\"', '"')
    assert program("GET", TICKETS)[1]["results"] == []


def test_a_ticket_needs_a_status(program: Any) -> None:
    """R-DM-4"""
    status, body = program("POST", TICKETS, {"properties": {"subject": "Printer"}})

    assert status == 400
    assert body["message"] == "Error creating TICKET. Some required properties were not set."
    assert body["errors"][0]["context"]["properties"] == ["hs_pipeline_stage"]


def test_a_status_moves_the_ticket_with_its_dates(program: Any) -> None:
    """R-CLOSE-10"""
    made = ticket(program)
    status, moved = program("PATCH", f"{TICKETS}/{made['id']}", {"properties": {"hs_pipeline_stage": "4"}})

    assert (status, moved["properties"]["hs_pipeline_stage"]) == (200, "4")
    read = program(
        "GET", f"{TICKETS}/{made['id']}", properties="closed_date,hs_v2_date_entered_4,hs_v2_date_entered_77"
    )[1]
    assert read["properties"]["closed_date"] == read["properties"]["hs_v2_date_entered_4"]
    assert read["properties"]["closed_date"]
    assert "hs_v2_date_entered_77" not in read["properties"]


def test_an_empty_text_clears(program: Any) -> None:
    made = ticket(program)
    _status, cleared = program("PATCH", f"{TICKETS}/{made['id']}", {"properties": {"hs_ticket_priority": ""}})

    assert cleared["properties"]["hs_ticket_priority"] is None


def test_an_update_without_anything_is_refused(program: Any) -> None:
    status, body = program("PATCH", f"{TICKETS}/{ticket(program)['id']}", {"properties": {}})

    assert (status, body["message"]) == (400, "No properties found to update, please provide at least one.")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "Invalid input JSON on line 1, column 2"),
        (b"", "Invalid input JSON on line 1, column 1"),
        (b"{}", "Invalid input JSON on line 1, column 1. Some required fields were not set: [properties]"),
        (b'{"properties": 3}', "Invalid input JSON: properties"),
        (b"[]", "Invalid input JSON"),
        (b'{"properties": {"subject": {"a": [1]}}}', "Property values were not valid"),
    ],
)
def test_a_wrong_body_is_told_where(program: Any, body: bytes, said: str) -> None:
    answer = program.raw("POST", TICKETS, body)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)
    assert answer.json()["category"] == "VALIDATION_ERROR"


def test_an_address_is_one_contact_s(program: Any) -> None:
    contacts = "/crm/v3/objects/contacts"
    _status, made = program("POST", contacts, {"properties": {"email": "Ada@Example.com", "lastname": "L"}})
    status, body = program("POST", contacts, {"properties": {"email": "ada@example.com"}})

    assert (status, body["category"]) == (409, "CONFLICT")
    assert body["message"] == f"Contact already exists. Existing ID: {made['id']}"
    assert program("GET", f"{contacts}/ADA@example.com", idProperty="email")[1]["id"] == made["id"]


def test_links_come_with_a_new_record_and_stand_beside_it(program: Any) -> None:
    _status, ada = program("POST", "/crm/v3/objects/contacts", {"properties": {"email": "ada@example.com"}})
    link = {
        "to": {"id": ada["id"]},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}],
    }
    status, made = program("POST", TICKETS, {"properties": PRINTER, "associations": [link]})

    assert status == 201
    read = program("GET", f"{TICKETS}/{made['id']}", associations="contacts,companies")[1]
    assert read["associations"] == {"contacts": {"results": [{"id": ada["id"], "type": "ticket_to_contact"}]}}
    with account_scope(program.world.account.pk):
        assert str(Ticket.objects.get(pk=made["id"]).contact_id) == ada["id"]  # who asks


@pytest.mark.parametrize(
    ("number", "kind", "status"), [("999999", 16, 404), ("1", 4711, 400), ("x", 16, 404)]
)
def test_a_link_to_nothing_refuses_the_record(program: Any, number: str, kind: int, status: int) -> None:
    link = {
        "to": {"id": number},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}],
    }
    answer = program("POST", TICKETS, {"properties": PRINTER, "associations": [link]})

    assert answer[0] == status
    assert program("GET", TICKETS)[1]["results"] == []


# ── putting away ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_archived_is_read_as_archived_only(program: Any) -> None:
    made = ticket(program)

    assert program.raw("DELETE", f"{TICKETS}/{made['id']}").status_code == 204
    assert program("GET", f"{TICKETS}/{made['id']}")[0] == 404
    assert program("GET", TICKETS)[1]["results"] == []
    read = program("GET", f"{TICKETS}/{made['id']}", archived="True")[1]
    assert (read["archived"], read["archivedAt"][-1]) == (True, "Z")
    assert program.raw("DELETE", f"{TICKETS}/{made['id']}").status_code == 204


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_leads_to_the_next_on_our_own_address(program: Any) -> None:
    """api.md §1.6"""
    made = [ticket(program, subject=f"{number}")["id"] for number in range(5)]
    status, first = program(
        "GET", "/crm/objects/2026-03/ticket/", limit="2", properties="subject", archived="False"
    )

    assert status == 200
    assert [one["id"] for one in first["results"]] == made[:2]
    link = first["paging"]["next"]["link"]
    assert link.startswith("http://testserver/crm/objects/2026-03/ticket/?")
    assert "properties=subject" in link
    second = program("GET", link.removeprefix("http://testserver"))[1]
    assert [one["properties"]["subject"] for one in second["results"]] == ["2", "3"]
    assert (
        "paging" not in program("GET", second["paging"]["next"]["link"].removeprefix("http://testserver"))[1]
    )


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"after": "x"}, {"archived": "maybe"}]
)
def test_a_wrong_query_is_named(program: Any, query: dict[str, str]) -> None:
    status, body = program("GET", TICKETS, **query)

    assert (status, body["context"]["parameter"]) == (400, list(query))


def test_the_past_of_a_property_begins_with_the_newest(program: Any) -> None:
    made = ticket(program)
    program("PATCH", f"{TICKETS}/{made['id']}", {"properties": {"hs_pipeline_stage": "2"}})
    read = program(
        "GET", f"{TICKETS}/{made['id']}", propertiesWithHistory="hs_pipeline_stage,hs_ticket_priority"
    )[1]

    past = read["propertiesWithHistory"]
    assert [one["value"] for one in past["hs_pipeline_stage"]] == ["2", "1"]
    assert {one["sourceType"] for one in past["hs_pipeline_stage"]} == {"INTEGRATION"}
    assert [one["value"] for one in past["hs_ticket_priority"]] == ["HIGH"]


def test_a_page_costs_the_same_however_many_records(program: Any) -> None:
    asked = {
        "associations": "contacts",
        "propertiesWithHistory": "subject",
        "properties": "subject,time_to_close",
    }
    ticket(program)
    program("GET", TICKETS, **asked)
    few = program.queries("GET", TICKETS, **asked)
    for number in range(5):
        ticket(program, subject=f"{number}")

    assert program.queries("GET", TICKETS, **asked) == few


@pytest.mark.parametrize(
    ("name", "number"),
    [("ticket", "0-5"), ("TICKETS", "tickets"), ("contact", "0-1"), ("Companies", "0-2"), ("deals", "0-3")],
)
def test_kinds_are_called_in_many_ways(program: Any, name: str, number: str) -> None:
    """api.md §1.2"""
    assert program("GET", f"/crm/v3/objects/{name}") == program("GET", f"/crm/v3/objects/{number}")
    assert program("GET", f"/crm/v3/objects/{name}")[0] == 200


def test_a_kind_that_is_none_is_named(program: Any) -> None:
    status, body = program("GET", "/crm/v3/objects/horses")

    assert (status, body["message"]) == (400, "Unable to infer object type from: horses")


def test_an_address_that_is_none_and_a_method_that_is_none(program: Any) -> None:
    assert program("GET", "/crm/v3/nothing")[0] == 404
    answer = program.raw("PUT", TICKETS, {})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("given", [{"a": 1}, [1, 2], [["x"]]])
def test_a_value_is_one_text(program: Any, given: Any) -> None:
    status, body = program("POST", TICKETS, {"properties": {**PRINTER, "subject": given}})

    assert (status, [one["name"] for one in wrong(body)]) == (400, ["subject"])


def test_a_host_that_is_not_ours_is_the_caller_s_mistake(program: Any, settings: Any) -> None:
    """The address of the next page begins with it."""
    ticket(program)
    ticket(program)
    settings.ALLOWED_HOSTS = ["desk.example"]
    program.raises = False

    assert program("GET", TICKETS, limit="1")[0] == 400


def test_a_body_that_is_too_large_is_refused_with_the_limit(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "MOST_BYTES", 1024 * 1024)
    answer = program.raw("POST", TICKETS, b"x" * (1024 * 1024 + 1))

    assert (answer.status_code, answer.json()["message"]) == (413, "A body has at most 1 MB.")


def test_what_breaks_here_is_told_as_an_error_of_the_contract(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "_who", lambda _token: 1 / 0)
    program.raises = False
    status, body = program("GET", TICKETS)

    assert (status, body["status"], body["category"]) == (500, "error", "INTERNAL_ERROR")
    assert "division" not in body["message"]


def test_links_ask_for_the_scope_of_what_they_lead_to(program, program_of):
    """api.md §1.3: what a token may not read it does not learn by links, and it links to nothing that it may not write."""
    contact = program("POST", "/crm/v3/objects/contacts", {"properties": {"email": "a@b.example"}})[1]["id"]
    tickets = program_of(scopes=["tickets"])
    new = {
        "properties": {"subject": "X", "hs_pipeline_stage": "1"},
        "associations": [
            {
                "to": {"id": contact},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}],
            }
        ],
    }
    by_link = {"propertyName": "associations.contact", "operator": "EQ", "value": contact}

    assert tickets("GET", "/crm/v3/objects/tickets", associations="contacts")[0] == 403
    assert tickets("POST", "/crm/v3/objects/tickets", new)[0] == 403
    assert tickets("POST", "/crm/v3/objects/tickets/batch/create", {"inputs": [new]})[0] == 403
    searched = {"filterGroups": [{"filters": [by_link]}]}
    assert tickets("POST", "/crm/v3/objects/tickets/search", searched)[0] == 403
    assert program("POST", "/crm/v3/objects/tickets/search", searched)[1]["total"] == 0

"""Tasks as records (api.md §3.2): the same as people have them on their pages (R-WFA-8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskhand.api.objects.shapes import FoundPage, Page, RecordWithLinks
from deskhand.api.properties.shapes import Property
from deskhand.api.tests.test_records import ticket
from deskhand.crm.records import tasks
from deskhand.crm.records.models import Task
from deskhand.events.models import EventRow
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

ALL = "/crm/v3/objects/tasks"
CALL_BACK = {"hs_task_subject": "Call back", "hs_timestamp": "2026-12-01T09:00:00.000Z", "hs_task_priority": "HIGH", "hs_task_type": "CALL", "hs_task_body": "About the refund"}  # fmt: skip


def about(record: Any, number: int = 230) -> dict[str, Any]:
    return {"to": {"id": record["id"]}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}]}  # fmt: skip


def made(program: Any, record: Any = None, **more: Any) -> Any:
    properties = {**CALL_BACK, **more}
    links = [about(record or ticket(program))]
    status, body = program("POST", ALL, {"properties": properties, "associations": links})
    assert status == 201, body
    return body


def contact(program: Any) -> Any:
    return program("POST", "/crm/v3/objects/contacts", {"properties": {"email": "astrid@x.example"}})[1]


@pytest.mark.parametrize("name", ["tasks", "task", "0-27", "TASKS"])
def test_a_task_is_made_and_read(program: Any, name: str) -> None:
    """api.md §3.2, §1.2, §1.4."""
    one = made(program, hubspot_owner_id=str(program.world.ada.pk))
    status, read = program("GET", f"/crm/v3/objects/{name}/{one['id']}")

    RecordWithLinks.model_validate(read)
    assert (status, read) == (200, one)
    assert CALL_BACK.items() <= read["properties"].items()
    assert read["properties"]["hs_task_status"] == "NOT_STARTED"
    assert read["properties"]["hubspot_owner_id"] == str(program.world.ada.pk)
    only = program("GET", f"{ALL}/{one['id']}", properties="hs_task_type,nothing")[1]["properties"]
    assert only.keys() == {"hs_task_type", "hs_object_id", "hs_createdate", "hs_lastmodifieddate"}
    with account_scope(program.world.account.pk):
        assert EventRow.objects.filter(kind="task.created", actor_kind="integration").count() == 1


def test_it_is_about_all_records_that_it_is_linked_to(program: Any) -> None:
    """api.md §2.5: the first is the main one."""
    printer, person = ticket(program), contact(program)
    body = {"properties": CALL_BACK, "associations": [about(printer), about(person, 204)]}
    _status, one = program("POST", ALL, body)
    shown = program("GET", f"{ALL}/{one['id']}", associations="ticket,contacts,deals")[1]["associations"]

    assert shown == {
        "tickets": {"results": [{"id": printer["id"], "type": "task_to_ticket"}]},
        "contacts": {"results": [{"id": person["id"], "type": "task_to_contact"}]},
    }
    with account_scope(program.world.account.pk):
        assert Task.objects.get().main == ("ticket", int(printer["id"]))
        assert [found.pk for found in tasks.of("contact", int(person["id"]))] == [int(one["id"])]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"hs_task_status": "WAITING"}, "INVALID_OPTION"), ({"hs_task_priority": "URGENT"}, "INVALID_OPTION"), ({"hs_timestamp": "soon"}, "INVALID_DATE"), ({"nothing\x00": "x"}, "PROPERTY_DOESNT_EXIST"),
        ({"hs_object_id": "1"}, "READ_ONLY_VALUE"), ({"hubspot_owner_id": "Ada"}, "INVALID_LONG"), ({"hs_task_body": {"a": 1}}, "INVALID_VALUE"), ({"hs_timestamp": 10**30}, "INVALID_DATE"),
        ({"hubspot_owner_id": "999999"}, "work here"), ({"hs_task_subject": "x" * 251}, "too long"), ({"hs_queue_membership_ids": "999"}, "no task queue"), ({"hs_task_subject": ""}, ""),
        ({"hs_task_reminders": "2020-01-01T00:00:00Z"}, "past"), ({"hs_task_subject": "\x00"}, "title"), ({"hs_queue_membership_ids": 10**30}, "INVALID_LONG"),
    ],
)  # fmt: skip
def test_what_cannot_be_changes_nothing(program: Any, wrong: Any, code: str) -> None:
    """api.md §1.10."""
    one = made(program)
    links = [about(ticket(program))]
    status, body = program("POST", ALL, {"properties": {**CALL_BACK, **wrong}, "associations": links})
    changed, _body = program("PATCH", f"{ALL}/{one['id']}", {"properties": {"hs_task_type": "EMAIL", **wrong}})  # fmt: skip

    assert (status, changed) == (400, 400)
    assert code in body["message"]
    assert program("GET", ALL)[1]["results"] == [one]


@pytest.mark.parametrize("links", [None, [], [{"to": {"id": "1"}, "types": []}], [{"to": {"id": "1"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 10**30}]}]])  # fmt: skip
def test_a_task_is_about_something(program: Any, links: Any) -> None:
    """R-WFA-8: refused with the reason."""
    body = {"properties": CALL_BACK} | ({"associations": links} if links is not None else {})

    assert program("POST", ALL, body)[0] == 400


def test_what_it_is_about_must_be_there(program: Any) -> None:
    """R-RULE-3: the main record and the further ones."""
    gone = {"id": "999999999"}

    for links in ([about(gone)], [about(ticket(program)), about(gone)]):
        assert program("POST", ALL, {"properties": CALL_BACK, "associations": links})[0] == 404
    assert program("GET", ALL)[1]["results"] == []


def test_a_date_and_a_title_are_needed(program: Any) -> None:
    """api.md §3.2, §1.10."""
    status, body = program("POST", ALL, {"properties": {"hs_task_body": "x"}, "associations": [about(ticket(program))]})  # fmt: skip

    assert (status, body["context"]["properties"]) == (400, ["hs_timestamp", "hs_task_subject"])
    assert body["message"] == "Error creating TASK. Some required properties were not set."


def test_a_task_is_changed_ticked_off_and_deleted(program: Any) -> None:
    """api.md §3.2: with the events of the pages."""
    one = made(program)
    path = f"{ALL}/{one['id']}"
    status, changed = program("PATCH", path, {"properties": {"hs_task_subject": "Write", "hs_timestamp": "", "hs_task_status": "COMPLETED"}})  # fmt: skip
    given = changed["properties"]
    assert (status, given["hs_task_subject"], given["hs_timestamp"], given["hs_task_status"]) == (200, "Write", None, "COMPLETED")  # fmt: skip
    assert given["hs_task_body"] == "About the refund"
    assert program("GET", path, properties="hs_task_completion_date")[1]["properties"]["hs_task_completion_date"]  # fmt: skip
    assert program("PATCH", path, {"properties": {"hs_task_status": "NOT_STARTED"}})[1]["properties"]["hs_task_status"] == "NOT_STARTED"  # fmt: skip
    assert program("PATCH", path, {"properties": {}})[0] == 400

    assert program("DELETE", path) == program("DELETE", path) == (204, None)
    assert program("GET", path)[0] == program("PATCH", path, {"properties": {"hs_task_body": "x"}})[0] == 404
    assert program("GET", ALL)[1]["results"] == []
    [away] = program("GET", ALL, archived="true")[1]["results"]
    assert (away["id"], away["archived"]) == (one["id"], True)
    assert program("GET", path, archived="true")[1]["archivedAt"] == away["archivedAt"]
    with account_scope(program.world.account.pk):
        told = EventRow.objects.filter(object_type="task").order_by("id").values_list("kind", flat=True)
        assert [*told] == ["task.created", "task.edited", "task.done", "task.reopened", "task.deleted"]


def test_pages_follow_each_other(program: Any) -> None:
    """api.md §1.6: `link` is followed as it is."""
    printer = ticket(program)
    ids = [made(program, printer)["id"] for _number in range(5)]
    found, link = [], f"{ALL}?limit=2&properties=hs_task_subject"
    while link:
        status, page = program("GET", link.removeprefix("http://testserver"))
        assert status == 200
        Page.model_validate(page)
        found += [one["id"] for one in page["results"]]
        link = page.get("paging", {}).get("next", {}).get("link")

    assert found == ids


def test_tasks_are_searched(program: Any) -> None:
    """api.md §1.7."""
    printer, person = ticket(program), contact(program)
    first = made(program, printer)
    second = made(
        program, printer, hs_task_subject="Order toner", hs_task_type="TODO", hs_timestamp="2026-12-05"
    )
    body = {"properties": {**CALL_BACK, "hs_task_subject": "Visit"}, "associations": [about(person, 204)]}
    _status, third = program("POST", ALL, body)

    def found(*filters: Any, **more: Any) -> list[str]:
        groups = {"filterGroups": [{"filters": list(filters)}]} if filters else {}
        status, page = program("POST", f"{ALL}/search", {**groups, **more})
        assert status == 200, page
        assert FoundPage.model_validate(page).total >= len(page["results"])
        return [one["id"] for one in page["results"]]

    def on(name: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
        return {"propertyName": name, "operator": operator, "value": value, **more}

    every = [first["id"], second["id"], third["id"]]
    assert found() == every
    assert found(query="toner order") == [second["id"]]
    assert found(on("hs_task_type", "EQ", "CALL")) == [first["id"], third["id"]]
    assert found(on("hs_timestamp", "GT", "2026-12-02")) == [second["id"]]
    assert found(on("associations.contact", "EQ", person["id"])) == [third["id"]]
    assert found(on("associations.ticket", "HAS_PROPERTY")) == every[:2]
    assert found(on("hs_object_id", "IN", values=every[1:])) == every[1:]
    assert found(on("hs_lastmodifieddate", "GTE", first["createdAt"])) == every
    assert found(on("hs_task_status", "NEQ", "NOT_STARTED")) == []
    assert found(sorts=["-hs_timestamp"])[0] == second["id"]
    assert found(sorts=[{"propertyName": "hs_task_subject", "direction": "DESCENDING"}]) == every[::-1]
    assert found(limit=1, after="1") == [second["id"]]
    for wrong in ({"sorts": ["nothing"]}, {"limit": -1}, {"after": "x"}, {"filterGroups": [{"filters": [on("x", "EQ", "1")]}]}, {"filterGroups": [{"filters": [on("associations.task", "EQ", "1")]}]}):  # fmt: skip
        assert program("POST", f"{ALL}/search", wrong)[0] == 400


def test_many_at_once(program: Any) -> None:
    """api.md §1.8: what can't be done is told beside what was."""
    links = [about(ticket(program))]
    good, bad = ({"properties": CALL_BACK, "associations": links}, {"properties": {}, "associations": links})
    status, body = program("POST", f"{ALL}/batch/create", {"inputs": [good, good]})
    assert (status, len(body["results"])) == (201, 2)
    ids = [one["id"] for one in body["results"]]
    assert program("POST", f"{ALL}/batch/create", {"inputs": [good, bad]})[0] == 400
    traced = [{**good, "objectWriteTraceId": "a"}, {**bad, "objectWriteTraceId": "b"}]
    status, body = program("POST", f"{ALL}/batch/create", {"inputs": traced})
    assert (status, len(body["results"]), body["errors"][0]["context"]["objectWriteTraceId"]) == (
        207,
        1,
        ["b"],
    )
    ids.append(body["results"][0]["id"])
    assert [one["id"] for one in program("GET", ALL)[1]["results"]] == ids

    done = {"hs_task_status": "COMPLETED"}
    inputs = [{"id": ids[0], "properties": done}, {"id": ids[1], "properties": {"x": "y"}}, {"id": "999999", "properties": done}]  # fmt: skip
    status, body = program("POST", f"{ALL}/batch/update", {"inputs": inputs})
    assert (status, [one["id"] for one in body["results"]], body["numErrors"]) == (207, ids[:1], 2)
    status, body = program("POST", f"{ALL}/batch/upsert", {"inputs": [{"id": ids[1], "properties": done}]})
    assert (status, body["results"][0]["new"]) == (200, False)
    assert program("POST", f"{ALL}/batch/upsert", {"inputs": [{"id": "a", "idProperty": "hs_task_subject", "properties": done}]})[0] == 400  # fmt: skip
    status, body = program("POST", f"{ALL}/batch/read", {"inputs": [{"id": ids[2]}, {"id": "x"}], "properties": ["hs_task_type"]})  # fmt: skip
    assert (status, body["results"][0]["properties"]["hs_task_type"], body["errors"][0]["context"]) == (207, "CALL", {"ids": ["x"]})  # fmt: skip
    assert program("POST", f"{ALL}/batch/archive", {"inputs": [{"id": one} for one in (*ids, "x")]}) == (204, None)  # fmt: skip
    assert program("GET", ALL)[1]["results"] == []
    assert program("POST", f"{ALL}/batch/read", {"inputs": []})[0] == 400


def test_a_task_is_seen_with_its_records_alone(program: Any, program_of: Callable[..., Any]) -> None:
    """R-RULE-3, R-WFA-8: a token's scopes are a wall, too, in lists, searches and links."""
    printer, person = ticket(program), contact(program)
    one = made(program, printer)
    both = {"properties": CALL_BACK, "associations": [about(printer), about(person, 204)]}
    _status, shared = program("POST", ALL, both)
    other = program_of(scopes=["crm.objects.contacts.write"])

    assert [found["id"] for found in other("GET", ALL, associations="tickets,contacts")[1]["results"]] == [shared["id"]]  # fmt: skip
    assert other("GET", f"{ALL}/{shared['id']}", associations="tickets,contacts")[1]["associations"].keys() == {"contacts"}  # fmt: skip
    assert other("POST", f"{ALL}/search", {})[1]["total"] == 1
    path = f"{ALL}/{one['id']}"
    assert other("GET", path)[0] == other("PATCH", path, {"properties": {"hs_task_body": "x"}})[0] == 404
    assert other("PATCH", f"{ALL}/{shared['id']}", {"properties": {"hs_task_body": "x"}})[0] == 403
    assert other("DELETE", f"{ALL}/{shared['id']}")[0] == 403
    assert other("POST", ALL, both)[0] == 403
    assert program_of(scopes=["forms"])("GET", ALL)[0] == 403
    assert program_of(scopes=["crm.objects.contacts.read"])("POST", ALL, both)[0] == 403


def test_what_a_task_can_have_is_described(program: Any) -> None:
    """api.md §2.3, §5: meltano's tap asks for it."""
    _status, body = program("GET", "/crm/v3/properties/tasks")
    named = {one["name"]: Property.model_validate(one) for one in body["results"]}

    assert {"hs_task_subject", "hs_timestamp", "hubspot_owner_id", "hs_lastmodifieddate"} <= named.keys()
    assert program("GET", "/crm/v3/properties/0-27/hs_task_status")[1]["options"][0]["value"] == "NOT_STARTED"
    assert program("GET", "/crm/v3/properties/tasks", archived="true")[1] == {"results": []}
    assert program("GET", "/crm/v3/properties/tasks/none")[0] == 404


def test_a_page_takes_as_many_statements_for_many(program: Any) -> None:
    """api.md §3.2: with links and dates."""
    printer = ticket(program)
    made(program, printer)
    few = program.queries("GET", ALL, limit="100", associations="tickets")
    for _number in range(20):
        made(program, printer)

    assert program.queries("GET", ALL, limit="100", associations="tickets") == few

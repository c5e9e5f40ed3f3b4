"""Definitions of properties and their groups (api.md §2.3, §2.11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.api.objects.reading import DEFAULTS
from deskhand.api.properties.shapes import OldProperty
from deskhand.api.properties.shapes import Property as Shown
from deskhand.crm.schema import object_types
from deskhand.events.types import SYSTEM
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

ALL = "/crm/v3/properties/tickets"
SIZE = {"name": "size", "label": "Size", "type": "enumeration", "fieldType": "select", "groupName": "ticketinformation",
        "options": [{"label": "Large", "value": "l", "displayOrder": 2}, {"label": "Small", "value": "s", "displayOrder": 1, "hidden": True, "description": "Up to 10"}]}  # fmt: skip
TYPES = [
    ("string", "text"), ("string", "textarea"), ("string", "phonenumber"), ("string", "html"), ("string", "file"),
    ("number", "number"), ("date", "date"), ("datetime", "date"), ("bool", "booleancheckbox"),
]  # fmt: skip


def made(program: Any, name: str = "note_of_mine", path: str = ALL, **more: Any) -> tuple[int, Any]:
    given = {"name": name, "label": "Mine", "type": "string", "fieldType": "text", "groupName": "ticketinformation"}  # fmt: skip
    return program("POST", path, {**given, **more})  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", ["tickets", "contacts", "companies", "deals", "projects"])
def test_what_records_show_by_themselves_is_defined(program: Any, kind: str) -> None:
    """api.md §1.5: dlt refuses to start without them; all keep the shape that is declared."""
    status, body = program("GET", f"/crm/v3/properties/{kind}")
    named = {one["name"]: Shown.model_validate(one) for one in body["results"]}

    own = {"tickets": "ticket", "contacts": "contact", "companies": "company", "deals": "deal", "projects": "project"}[kind]  # fmt: skip
    assert status == 200
    assert set(DEFAULTS[own]) <= named.keys()
    assert {"hs_object_id", "hs_lastmodifieddate", "hubspot_owner_id"} <= named.keys()
    dates = {"contacts": {"createdate", "lastmodifieddate"}, "projects": {"hs_createdate"}}
    assert dates.get(kind, {"createdate"}) <= named.keys()


def test_an_owner_is_chosen_from_outside(program: Any) -> None:
    """api.md §2.3."""
    _status, owner = program("GET", f"{ALL}/hubspot_owner_id")

    assert (owner["type"], owner["externalOptions"], owner["referencedObjectType"]) == ("enumeration", True, "OWNER")  # fmt: skip
    assert owner["hubspotDefined"]
    assert not owner["modificationMetadata"]["archivable"]


def test_pipelines_and_statuses_are_choices(program: Any) -> None:
    """api.md §2.3: by the ids that records carry (R-DM-5)."""
    _status, stage = program("GET", f"{ALL}/hs_pipeline_stage")
    _status, pipelines = program("GET", f"{ALL}/hs_pipeline")

    assert [(one["value"], one["label"]) for one in stage["options"]][:2] == [("1", "New"), ("2", "Waiting on contact")]  # fmt: skip
    assert [one["value"] for one in pipelines["options"]] == ["0"]


def test_clocks_of_statuses_are_called_by_their_ids(program: Any) -> None:
    """api.md §2.1: dlt and tap-hubspot look for the beginning of their names (R-PROP-3)."""
    _status, body = program("GET", ALL)
    found = {one["name"]: one for one in body["results"]}

    assert {"hs_v2_date_entered_1", "hs_v2_date_exited_1", "hs_v2_latest_time_in_1"} <= found.keys()
    entered = found["hs_v2_date_entered_1"]
    assert entered["calculated"]
    assert entered["modificationMetadata"]["readOnlyValue"]
    assert program("GET", f"{ALL}/hs_v2_date_entered_4")[0] == 200


@pytest.mark.parametrize(("type", "field_type"), TYPES)
def test_every_type_is_made_and_read_as_it_was_given(program: Any, type: str, field_type: str) -> None:
    """api.md §2.3."""
    status, body = made(program, type=type, fieldType=field_type, description="What for", displayOrder=3)

    assert status == 201
    assert (body["type"], body["fieldType"], body["displayOrder"], body["description"]) == (type, field_type, 3, "What for")  # fmt: skip
    assert not body["hubspotDefined"]
    assert body["modificationMetadata"]["archivable"]
    assert program("GET", f"{ALL}/note_of_mine") == (200, body)


@pytest.mark.parametrize("field_type", ["select", "radio", "checkbox"])
def test_choices_have_options_in_their_order(program: Any, field_type: str) -> None:
    """api.md §2.3."""
    _status, body = program("POST", ALL, {**SIZE, "fieldType": field_type})

    assert body["fieldType"] == field_type
    assert [(one["value"], one["hidden"], one["description"]) for one in body["options"]] == [("s", True, "Up to 10"), ("l", False, "")]  # fmt: skip


def test_yes_and_no_may_come_with_its_options(program: Any) -> None:
    """api.md §2.3: as other programs describe it."""
    options = [{"label": "Yes", "value": "true"}, {"label": "No", "value": "false"}]
    status, body = made(program, type="enumeration", fieldType="booleancheckbox", options=options)

    assert (status, body["type"]) == (201, "bool")
    assert [one["value"] for one in body["options"]] == ["true", "false"]


def test_people_are_chosen_where_owners_are_meant(program: Any) -> None:
    """api.md §2.3: referencedObjectType."""
    owners = {"type": "enumeration", "fieldType": "select", "externalOptions": True, "referencedObjectType": "OWNER"}  # fmt: skip
    status, body = made(program, **owners)

    assert (status, {key: body[key] for key in owners}) == (201, owners)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "Größe"}, "small letters"), ({"name": ""}, "small letters"), ({"name": "a\x00b"}, "small letters"), ({"label": " "}, "label"),
        ({"groupName": "nowhere\x00"}, "no group"), ({"type": "string", "fieldType": "checkbox"}, "fieldType"), ({"type": "json"}, "type"),
        ({"fieldType": "calculation_equation", "type": "number"}, "formula"), ({"hidden": True}, "hidden"), ({"displayOrder": 10**30}, "displayOrder"), ({"displayOrder": 10**8}, "place"),
        ({"type": "enumeration", "fieldType": "select"}, "option"), ({"options": [{"label": "A", "value": "a"}]}, "options"), ({"name": None}, "name"),
        ({"type": "enumeration", "fieldType": "select", "externalOptions": True}, "owners"), ({"label": ["a"]}, "label"),
        ({"type": "date", "fieldType": "date", "hasUniqueValue": True}, "unique"), ({"type": "enumeration", "fieldType": "select", "options": [{"label": "A", "value": "a"}, {"label": "B", "value": "A"}]}, "option"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_reason(program: Any, wrong: Any, said: str) -> None:
    """api.md §2.3, §1.10."""
    before = program("GET", ALL)
    status, body = made(program, **wrong)

    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert said in body["message"]
    assert program("GET", ALL) == before


@pytest.mark.parametrize("name", ["subject", "hs_tag_ids", "owner_id", "hs_v2_date_entered_1", "note_of_mine"])  # fmt: skip
def test_a_name_is_given_once(program: Any, name: str) -> None:
    """api.md §2.3: neither that of a built-in one, nor of a column, nor of a clock."""
    made(program)

    assert made(program, name)[0] == 409


def test_a_property_is_changed(program: Any) -> None:
    """api.md §2.3; the audit log has it as from the page."""
    program("POST", ALL, SIZE)
    more = [{"label": "Big", "value": "l"}, {"label": "Small", "value": "s"}, {"label": "Tiny", "value": "t"}]
    status, body = program("PATCH", f"{ALL}/size", {"label": "Format", "options": more, "displayOrder": 7})

    assert (status, body["label"], body["displayOrder"]) == (200, "Format", 7)
    assert [one["label"] for one in body["options"]] == ["Big", "Small", "Tiny"]
    assert body["options"][1]["description"] == "Up to 10"
    with account_scope(program.world.account.pk):
        entry = AuditEntry.objects.filter(action="property.updated").latest("id")
        assert (entry.actor_kind, entry.after["label"]) == ("integration", "Format")


@pytest.mark.parametrize(
    "wrong",
    [{"options": [{"label": "L", "value": "l"}]}, {"type": "string", "fieldType": "text"}, {"fieldType": "radio"}, {"groupName": "none"}, {"hidden": True}, {"label": ""}],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(program: Any, wrong: Any) -> None:
    """api.md §2.3: an option that records may have stays, and so does the type that values are stored by."""
    _status, before = program("POST", ALL, SIZE)
    status, _body = program("PATCH", f"{ALL}/size", {"label": "Other", **wrong})

    assert (status, program("GET", f"{ALL}/size")[1]) == (400, before)


def test_an_archived_property_is_apart_and_comes_back_with_its_values(program: Any) -> None:
    """api.md §2.3, §1.5: archived ones are listed by themselves."""
    program("POST", ALL, SIZE)
    ticket = {"subject": "P", "hs_pipeline_stage": "1", "size": "l"}
    _status, one = program("POST", "/crm/v3/objects/tickets", {"properties": ticket})

    assert program("DELETE", f"{ALL}/size") == (204, None)
    assert program("DELETE", f"{ALL}/size") == (204, None)
    assert program("GET", f"{ALL}/size")[0] == 404
    [away] = program("GET", ALL, archived="true")[1]["results"]
    assert (away["name"], away["archived"]) == ("size", True)
    assert away["archivedAt"]
    assert program("GET", f"{ALL}/size", archived="True")[1] == away

    smaller = {**SIZE, "label": "Again", "options": SIZE["options"][1:]}  # type: ignore[index]
    status, back = program("POST", ALL, smaller)
    assert (status, back["label"], back["archived"]) == (201, "Again", False)
    assert [(option["value"], option["hidden"]) for option in back["options"]] == [("s", True), ("l", True)]
    shown = program("GET", f"/crm/v3/objects/tickets/{one['id']}", properties="size")[1]
    assert shown["properties"]["size"] == "l"


def test_one_of_another_type_does_not_come_back(program: Any) -> None:
    """api.md §2.3: its values are kept by their type."""
    made(program)
    program("DELETE", f"{ALL}/note_of_mine")

    assert made(program, type="number", fieldType="number")[0] == 409


@pytest.mark.parametrize(("name", "status"), [("subject", 400), ("hs_tag_ids", 400), ("nothing", 404)])
def test_what_is_built_in_stays(program: Any, name: str, status: int) -> None:
    """api.md §2.3: readOnlyDefinition holds."""
    assert program("DELETE", f"{ALL}/{name}")[0] == status
    assert program("PATCH", f"{ALL}/{name}", {"label": "X"})[0] == status


def test_many_are_read_made_and_archived(program: Any) -> None:
    """api.md §2.3, §1.8: what can't be made is told beside what was."""
    one = {"name": "one", "label": "One", "type": "string", "fieldType": "text", "groupName": "ticketinformation"}  # fmt: skip
    inputs = [one, {**one, "name": "subject"}, {**one, "name": "two", "groupName": "nowhere"}]
    status, body = program("POST", f"{ALL}/batch/create", {"inputs": inputs})
    assert (status, [one["name"] for one in body["results"]], body["numErrors"]) == (207, ["one"], 2)
    assert [(e["category"], e["context"]["name"]) for e in body["errors"]] == [("CONFLICT", ["subject"]), ("VALIDATION_ERROR", ["two"])]  # fmt: skip

    status, body = program("POST", f"{ALL}/batch/create", {"inputs": [{**one, "name": "three"}]})
    assert (status, body["status"]) == (201, "COMPLETE")
    status, body = program("POST", f"{ALL}/batch/read", {"archived": False, "inputs": [{"name": "three"}, {"name": "x"}]})  # fmt: skip
    assert (status, body["results"][0]["name"], body["errors"][0]["context"]["name"]) == (207, "three", ["x"])
    assert program("POST", f"{ALL}/batch/archive", {"inputs": [{"name": "one"}, {"name": "x"}]}) == (204, None)  # fmt: skip
    status, body = program("POST", f"{ALL}/batch/read", {"archived": True, "inputs": [{"name": "one"}]})
    assert (status, body["results"][0]["archived"]) == (200, True)
    assert program("POST", f"{ALL}/batch/read", {"inputs": []})[0] == 400


def test_groups(program: Any) -> None:
    """api.md §2.3: made, read, changed, filled, archived; the product's own stays."""
    path = f"{ALL}/groups"
    assert program("GET", path)[1]["results"] == [{"name": "ticketinformation", "label": "Ticket information", "displayOrder": -1, "archived": False}]  # fmt: skip
    status, group = program("POST", path, {"name": "shipping", "label": "Shipping", "displayOrder": -1})
    assert (status, group) == (201, {"name": "shipping", "label": "Shipping", "displayOrder": 0, "archived": False})  # fmt: skip
    assert program("POST", path, {"name": "shipping", "label": "Other"})[0] == 409
    assert program("POST", path, {"name": "ticketinformation", "label": "Other"})[0] == 409
    assert program("POST", path, {"name": "B\x00", "label": "Other"})[0] == 400
    assert program("POST", path, {"name": "b", "label": "shipping"})[0] == 400
    assert made(program, groupName="shipping")[1]["groupName"] == "shipping"

    status, group = program("PATCH", f"{path}/shipping", {"label": "Parcels", "displayOrder": 5})
    assert (status, group["label"], group["displayOrder"]) == (200, "Parcels", 5)
    assert program("GET", f"{path}/shipping") == (200, group)
    assert program("PATCH", f"{path}/shipping", {"displayOrder": 10**30})[0] == 400
    assert program("DELETE", f"{path}/ticketinformation")[0] == 400
    assert program("DELETE", f"{path}/shipping") == (204, None)
    assert program("GET", f"{path}/shipping")[0] == program("DELETE", f"{path}/shipping")[0] == 404
    assert program("GET", f"{ALL}/note_of_mine")[1]["groupName"] == "ticketinformation"


def test_own_kinds_of_record_have_their_own(program: Any) -> None:
    """api.md §1.2, §2.3: by number and by name."""
    with account_scope(program.world.account.pk):
        car = object_types.create("car", "Car", "Cars", by=SYSTEM)

    status, body = made(program, path="/crm/v3/properties/p_car", groupName="car_information")
    assert (status, body["groupName"]) == (201, "car_information")
    assert program("GET", f"/crm/v3/properties/{car.key}/note_of_mine") == (200, body)


@pytest.mark.parametrize("path", ["/properties/v1/tickets/properties", "/properties/v2/ticket/properties", "/companies/v2/properties"])  # fmt: skip
def test_programs_of_old_read_a_bare_list(program: Any, path: str) -> None:
    """api.md §2.11: what Airbyte and tap-hubspot begin with."""
    status, body = program("GET", path)

    assert status == 200
    assert isinstance(body, list)
    assert {"hs_object_id", "createdate"} <= {OldProperty.model_validate(one).name for one in body}


def test_who_may_not_edit_properties_only_reads(program_of: Callable[..., Any]) -> None:
    """api.md §2.3: a person's token may do what the person may (R-RULE-4)."""
    world = program_of().world
    bob = program_of(user_id=world.bob.pk)

    assert bob("GET", ALL)[0] == 200
    assert made(bob)[0] == 403
    assert bob("POST", f"{ALL}/groups", {"name": "b", "label": "B"})[0] == 403
    assert bob("POST", f"{ALL}/batch/create", {"inputs": [SIZE]})[0] == 403
    assert made(program_of(user_id=world.ada.pk))[0] == 201


def test_scopes(program_of: Callable[..., Any]) -> None:
    """api.md §1.3."""
    contacts = "/crm/v3/properties/contacts"
    reader = program_of(scopes=["crm.objects.contacts.read"])

    assert reader("GET", contacts)[0] == 200
    assert made(reader, path=contacts, groupName="contactinformation")[0] == 403
    assert reader("GET", ALL)[0] == 403
    writer = program_of(scopes=["crm.schemas.contacts.write"])
    assert made(writer, path=contacts, groupName="contactinformation")[0] == 201


def test_a_list_takes_as_many_statements_for_many(program: Any) -> None:
    """api.md §2.3: whatever an account has."""
    made(program)
    few = program.queries("GET", ALL)
    for number in range(20):
        made(program, f"more_{number}")

    assert program.queries("GET", ALL) == few

"""Kinds of records that programs make (api.md §3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deskhand.accounts.models import AuditEntry
from deskhand.api.schemas.shapes import Definition, Schema
from deskhand.kernel.database.scope import account_scope

pytestmark = pytest.mark.django_db

ALL = "/crm-object-schemas/v3/schemas"
PLATE = {"name": "plate", "label": "Plate", "type": "string", "fieldType": "text", "hasUniqueValue": True}
COLOUR = {
    "name": "colour", "label": "Colour", "type": "enumeration", "fieldType": "select",
    "options": [{"label": "Red", "value": "red", "displayOrder": 0}],
}  # fmt: skip
CAR = {
    "name": "car", "labels": {"singular": "Car", "plural": "Cars"}, "properties": [PLATE, COLOUR], "associatedObjects": ["CONTACT", "0-5"],
    "requiredProperties": ["plate", "colour"], "primaryDisplayProperty": "plate", "searchableProperties": ["plate"],
    "secondaryDisplayProperties": ["colour"], "description": "What people drive",
}  # fmt: skip


def made(program: Any, **more: Any) -> Any:
    status, body = program("POST", ALL, {**CAR, **more})
    assert status == 201, body
    return body


def test_a_kind_is_made_with_its_properties(program: Any) -> None:
    """api.md §3.3."""
    car = made(program)

    Schema.model_validate(car)
    assert car["objectTypeId"] == f"2-{car['id']}"
    assert car["fullyQualifiedName"] == f"p{program.world.account.pk}_car"
    given = {key: CAR[key] for key in ("name", "labels", "requiredProperties", "primaryDisplayProperty", "searchableProperties", "secondaryDisplayProperties", "description")}  # fmt: skip
    assert {key: car[key] for key in given} == given
    own = {one["name"]: one["groupName"] for one in car["properties"] if not one["hubspotDefined"]}
    assert own == {"plate": "car_information", "colour": "car_information"}
    ways = {(one["name"], one["fromObjectTypeId"], one["toObjectTypeId"]) for one in car["associations"]}
    assert ("car_to_contact", car["objectTypeId"], "0-1") in ways
    assert ("ticket_to_car", "0-5", car["objectTypeId"]) in ways


def test_it_is_read_under_all_its_names_and_has_records(program: Any) -> None:
    """api.md §1.2, §3.3."""
    car = made(program)

    for name in (car["objectTypeId"], car["fullyQualifiedName"], "p_car", "car", "CAR"):
        assert program("GET", f"{ALL}/{name}") == (200, car)
    assert program("GET", "/crm/v3/schemas") == (200, {"results": [car]})
    path = f"/crm/v3/objects/{car['objectTypeId']}"
    status, record = program("POST", path, {"properties": {"plate": "B-1", "colour": "red"}})
    assert (status, record["properties"]["plate"]) == (201, "B-1")
    assert program("POST", path, {"properties": {"plate": "B-2"}})[0] == 400


@pytest.mark.parametrize("kind", ["contacts", "0-5", "companies", "deals", "projects"])
def test_the_products_kinds_are_read_and_stay(program: Any, kind: str) -> None:
    """api.md §3.3."""
    status, body = program("GET", f"{ALL}/{kind}")

    assert (status, Schema.model_validate(body).archived) == (200, False)
    assert program("PATCH", f"{ALL}/{kind}", {"description": "x"})[0] == 400
    assert program("DELETE", f"{ALL}/{kind}")[0] == 400


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": "1 car"}, 400), ({"name": "ticket"}, 409), ({"labels": {}}, 400), ({"primaryDisplayProperty": "none"}, 400), ({"requiredProperties": ["none\x00"]}, 400),
        ({"searchableProperties": ["none"]}, 400), ({"associatedObjects": ["PARROT"]}, 400), ({"properties": [{**COLOUR, "options": []}]}, 400), ({"description": "x" * 10_001}, 400),
        ({"properties": None}, 400), ({"properties": [PLATE, PLATE]}, 409), ({"primaryDisplayProperty": "hs_object_id"}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_makes_nothing(program: Any, wrong: Any, status: int) -> None:
    """api.md §3.3, §1.10."""
    assert program("POST", ALL, {**CAR, **wrong})[0] == status
    assert program("GET", ALL) == (200, {"results": []})


def test_a_name_is_given_once(program: Any) -> None:
    """api.md §3.3."""
    made(program)

    assert program("POST", ALL, CAR)[0] == 409


def test_a_kind_is_changed(program: Any) -> None:
    """api.md §3.3; the audit log has it as from the page."""
    car = made(program)
    change = {"labels": {"plural": "Vehicles"}, "requiredProperties": ["plate"], "secondaryDisplayProperties": [], "clearDescription": True}  # fmt: skip
    status, body = program("PATCH", f"{ALL}/car", change)

    Definition.model_validate(body)
    assert (status, body["labels"]) == (200, {"singular": "Car", "plural": "Vehicles"})
    assert (body["requiredProperties"], body["secondaryDisplayProperties"], body["description"]) == (["plate"], [], "")  # fmt: skip
    assert body["searchableProperties"] == car["searchableProperties"]
    assert program("PATCH", f"{ALL}/car", {"primaryDisplayProperty": "hs_name"})[1]["primaryDisplayProperty"] == "hs_name"  # fmt: skip
    assert program("PATCH", f"{ALL}/car", {"labels": {"singular": " "}})[0] == 400
    with account_scope(program.world.account.pk):
        kinds = AuditEntry.objects.filter(target_type="object_type").values_list("action", "actor_kind")
        assert {*kinds} == {("object_type.created", "integration"), ("object_type.updated", "integration")}


def test_a_kind_goes_when_nothing_has_it(program: Any) -> None:
    """api.md §3.3, R-PIPE-10: not while there are records, archived ones too; the name is free again."""
    car = made(program)
    path = f"/crm/v3/objects/{car['objectTypeId']}"
    assert program("DELETE", f"{ALL}/car") == (204, None)
    assert program("GET", f"{ALL}/car")[0] == 400
    assert program("GET", path)[0] == 400
    assert program("DELETE", f"{ALL}/{car['objectTypeId']}", archived="true") == (204, None)
    assert program("DELETE", f"{ALL}/{car['fullyQualifiedName']}", archived="true") == (204, None)
    assert program("DELETE", f"{ALL}/parrot", archived="true")[0] == 400

    again = made(program)
    path = f"/crm/v3/objects/{again['objectTypeId']}"
    _status, one = program("POST", path, {"properties": {"plate": "B-1", "colour": "red"}})
    assert program("DELETE", f"{ALL}/car")[0] == 409
    program("DELETE", f"{path}/{one['id']}")
    assert program("DELETE", f"{ALL}/car")[0] == 409


def test_associations_are_labels(program: Any) -> None:
    """api.md §3.3: links without a label are there always."""
    car = made(program)
    number, path = car["objectTypeId"], f"{ALL}/car/associations"
    status, driver = program("POST", path, {"fromObjectTypeId": number, "toObjectTypeId": "0-1", "name": "driver"})  # fmt: skip
    assert (status, driver["name"], driver["fromObjectTypeId"], driver["toObjectTypeId"]) == (201, "driver", number, "0-1")  # fmt: skip
    assert driver in program("GET", f"{ALL}/car")[1]["associations"]
    assert program("POST", path, {"fromObjectTypeId": number, "toObjectTypeId": "contact", "name": "driver"})[0] == 400  # fmt: skip
    status, plain = program("POST", path, {"fromObjectTypeId": number, "toObjectTypeId": "0-1"})
    assert (status, plain["name"]) == (201, "car_to_contact")
    assert program("POST", path, {"fromObjectTypeId": "0-5", "toObjectTypeId": "0-1", "name": "x"})[0] == 400

    assert program("DELETE", f"{path}/{plain['name']}")[0] == 400
    assert program("DELETE", f"{path}/99999999")[0] == program("DELETE", f"{path}/none%00")[0] == 404
    assert program("DELETE", f"{path}/{driver['id']}") == (204, None)
    assert driver not in program("GET", f"{ALL}/car")[1]["associations"]


def test_who_may_not_edit_properties(program_of: Callable[..., Any]) -> None:
    """api.md §3.3: a person's token may do what the person may (R-RULE-4)."""
    world = program_of().world
    car = made(program_of())
    bob = program_of(user_id=world.bob.pk)

    assert bob("POST", ALL, {**CAR, "name": "bike"})[0] == 403
    assert bob("PATCH", f"{ALL}/car", {"description": "x"})[0] == 403
    assert bob("DELETE", f"{ALL}/car")[0] == bob("DELETE", f"{ALL}/car/associations/1")[0] == 403
    assert bob("POST", f"{ALL}/car/associations", {"fromObjectTypeId": car["objectTypeId"], "toObjectTypeId": "0-1"})[0] == 403  # fmt: skip


def test_scopes(program_of: Callable[..., Any]) -> None:
    """api.md §1.3."""
    reader = program_of(scopes=["crm.schemas.custom.read"])

    assert reader("GET", ALL)[0] == 200
    assert reader("POST", ALL, CAR)[0] == 403
    assert program_of(scopes=["tickets"])("GET", ALL)[0] == 403
    made(program_of(scopes=["crm.schemas.custom.write"]))

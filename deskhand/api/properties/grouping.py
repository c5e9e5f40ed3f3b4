"""Groups that properties are shown in (api.md §2.3). The first is the product's: what is in no other is there."""

from __future__ import annotations

from typing import Any

from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.properties.resource import TO_CHANGE, TO_READ, changeable, readable
from deskhand.api.properties.shapes import ChangedGroup, Group, Groups, NewGroup
from deskhand.api.properties.shown import main_group
from deskhand.crm.schema import groups, object_types
from deskhand.crm.schema.models import PropertyGroup
from deskhand.kernel.errors import Conflict

_ALL = "/crm/properties/{objectType}/groups"
_ONE = f"{_ALL}/{{groupName}}"


@operation("GET", _ALL, needs=TO_READ, gives={200: Groups})
def listed(call: Call) -> Any:
    return {"results": list(_all_of(readable(call)).values())}


@operation("POST", _ALL, needs=TO_CHANGE, takes=NewGroup, gives={201: Group})
def create(call: Call) -> Any:
    """Without a place, or with -1, it comes behind the others."""
    object_type, body = changeable(call), call.body
    if body.name == main_group(object_type):
        raise Conflict(f"There is a group {body.name} already.")
    place = None if body.display_order in (None, -1) else body.display_order
    return _shown(groups.create(object_type, body.name, body.label, place=place, by=call.by))


@operation("GET", _ONE, needs=TO_READ, gives={200: Group})
def read(call: Call) -> Any:
    found = _all_of(readable(call)).get(call.parts["groupName"])
    if found is None:
        raise refusals.missing(f"There is no group {call.parts['groupName']}.")
    return found


@operation("PATCH", _ONE, needs=TO_CHANGE, takes=ChangedGroup, gives={200: Group})
def update(call: Call) -> Any:
    """Another label or place; the name stays."""
    object_type, name, body = changeable(call), call.parts["groupName"], call.body
    _refuse_main(object_type, name)
    place = None if body.display_order == -1 else body.display_order
    return _shown(groups.update(object_type, name, label=body.label, place=place, by=call.by))


@operation("DELETE", _ONE, needs=TO_CHANGE, gives={204: None})
def archive(call: Call) -> None:
    """Its properties go to the first group."""
    object_type, name = changeable(call), call.parts["groupName"]
    _refuse_main(object_type, name)
    groups.delete(object_type, name, by=call.by)


def _refuse_main(object_type: str, name: str) -> None:
    if name == main_group(object_type):
        raise refusals.bad(f"The group {name} is a part of the product and stays as it is.")


def _all_of(object_type: str) -> dict[str, dict[str, Any]]:
    name = main_group(object_type)
    label = f"{object_types.labels_of(object_type).singular} information"
    main = {"name": name, "label": label, "displayOrder": -1, "archived": False}
    return {name: main} | {group.name: _shown(group) for group in groups.groups_of(object_type)}


def _shown(group: PropertyGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "label": group.label,
        "displayOrder": group.display_order,
        "archived": False,
    }

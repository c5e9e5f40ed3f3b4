"""What tasks can have, as properties are described (api.md §2.3): all of it is the product's."""

from __future__ import annotations

from typing import Any

from deskhand.api import pages, refusals
from deskhand.api.engagements.fields import PROPERTIES
from deskhand.api.engagements.resource import to_read
from deskhand.api.operations import Call, operation
from deskhand.api.properties.shapes import Properties, Property
from deskhand.api.properties.shown import described

_GROUP = "taskinformation"
_ALL = "/crm/properties/tasks"


@operation("GET", _ALL, needs=to_read, gives={200: Properties}, asks=("archived",))
def listed(call: Call) -> Any:
    """None is ever archived."""
    return {"results": [] if pages.flag(call, "archived") else list(_all().values())}


@operation("GET", f"{_ALL}/{{propertyName}}", needs=to_read, gives={200: Property})
def read(call: Call) -> Any:
    name = call.parts["propertyName"]
    if name not in PROPERTIES:
        raise refusals.missing(f"There is no property {name[:100]}.", context={"propertyName": [name[:100]]})
    return _all()[name]


def _all() -> dict[str, dict[str, Any]]:
    return {name: described("task", prop, name, None, _GROUP) for name, prop in PROPERTIES.items()}

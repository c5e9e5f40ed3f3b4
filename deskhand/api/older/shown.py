"""Values as programs of old read them: each since when it holds, and what it was before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from deskhand.api import pages, refusals
from deskhand.api.objects import links
from deskhand.api.objects.reading import Reader, Wanted, defaults
from deskhand.api.operations import Call
from deskhand.api.shapes import Shape
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.text import whole

ASKED = ("properties", "propertiesWithHistory", "includePropertyVersions")


class Version(Shape):
    name: str
    value: str
    timestamp: int
    source: str
    source_id: str


class Held(Shape):
    value: str
    timestamp: int
    source: str
    source_id: str
    versions: list[Version]


class Old(Shape):
    portal_id: int
    is_deleted: bool
    properties: dict[str, Held]


def page(call: Call, object_type: str, *, default: int, most: int) -> tuple[list[dict[str, Any]], bool, int]:
    """Records by age as the engine shows them, whether there are more, and where those begin. Raises Refusal."""
    offset = offset_of(call, "offset")
    limit = pages.limit(call, default=default, most=most)
    shown, last = Reader(call.viewer, object_type, _wanted(names(call, object_type))).page(offset, limit)
    return (
        shown,
        last is not None,
        last if last is not None else int(shown[-1]["id"]) if shown else offset,
    )


def one(call: Call, object_type: str, part: str, others: Sequence[str] | None = None) -> dict[str, Any]:
    """The record that the address means; `others` are shown where nothing is asked for. Raises Refusal."""
    pk = links.number(call.parts[part])
    wanted = _wanted(names(call, object_type, others))
    found = Reader(call.viewer, object_type, wanted).by_ids([pk]).get(pk)
    if found is None:
        raise refusals.missing()
    return found


def written(call: Call, object_type: str, pk: int, given: Sequence[str]) -> dict[str, Any]:
    """As it is after a write, also where that took it out of the writer's reach."""
    wanted = _wanted([*defaults(object_type), *given])
    return Reader(call.viewer, object_type, wanted).written([pk])[pk]


def all_names(object_type: str) -> list[str]:
    return list(properties_of(object_type))


def names(call: Call, object_type: str, others: Sequence[str] | None = None) -> Sequence[str]:
    asked = [*pages.several(call, "properties"), *pages.several(call, "propertiesWithHistory")]
    return asked or others or defaults(object_type)


def offset_of(call: Call, name: str) -> int:
    given = call.query.get(name, "")
    number = whole(given) if given else 0
    if number is None:
        raise refusals.bad(
            f"{name} must be what the page before gave, or nothing.", context={"parameter": [name]}
        )
    return number


def old(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    history, begin = record.get("propertiesWithHistory", {}), record["createdAt"]
    return {
        "portalId": call.viewer.account_id,
        "isDeleted": record["archived"],
        "properties": {
            name: _held(name, value, history.get(name) or [{"value": value, "timestamp": begin}])
            for name, value in record["properties"].items()
            if value is not None
        },
    }


def _wanted(asked: Sequence[str]) -> Wanted:
    """With their histories: a value of old says since when it holds."""
    known = tuple(dict.fromkeys(asked))
    return Wanted(known, known)


def _held(name: str, value: str, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    versions = [
        {
            "name": name, "value": one["value"], "timestamp": _milliseconds(one["timestamp"]), "source": one.get("sourceType", "CALCULATED"),
            "sourceId": one.get("sourceId", ""),
        }
        for one in history
    ]  # fmt: skip
    newest = {key: versions[0][key] for key in ("timestamp", "source", "sourceId")}
    return {"value": value, **newest, "versions": versions}


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)

"""Tickets as connectors of old ask for them (api.md §2.11, §5): values one by one with their history, over the same engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, RootModel

from deskhand.accounts.types import Verb
from deskhand.api import pages, refusals
from deskhand.api.objects import links
from deskhand.api.objects.reading import Reader, Wanted, defaults
from deskhand.api.objects.resource import MOST
from deskhand.api.objects.writing import Writer
from deskhand.api.operations import Call, Needs, operation
from deskhand.api.shapes import Shape, without_nothing
from deskhand.kernel.text import whole

_ALL, _ONE = "/crm-objects/objects/tickets", "/crm-objects/objects/tickets/{objectId}"
_TICKET = "ticket"
_ASKED = ("properties", "propertiesWithHistory", "includePropertyVersions")


class NamedValue(Shape):
    name: str
    value: Any = None


class NamedValues(RootModel[Annotated[list[NamedValue], Field(max_length=1000)]]):
    """The values of one ticket."""


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


class OldTicket(Shape):
    object_type: str
    portal_id: int
    object_id: int
    properties: dict[str, Held]
    version: int
    is_deleted: bool


class OldTickets(Shape):
    objects: list[OldTicket]
    has_more: bool
    offset: int


def _needs(_parts: object) -> set[str]:
    return {"tickets"}


NEEDS: Needs = _needs


@operation("POST", _ALL, needs=NEEDS, takes=NamedValues, gives={200: OldTicket})
def create(call: Call) -> Any:
    values = _values(call)
    [made] = Writer(call.viewer, call.by, _TICKET).create([(values, ())])
    return _written(call, made, values)


@operation("GET", f"{_ALL}/paged", needs=NEEDS, gives={200: OldTickets}, asks=("limit", "offset", *_ASKED))
def listed(call: Call) -> Any:
    """By age; the next page begins at `offset`, while there is more."""
    offset = _offset(call)
    limit = pages.limit(call, default=MOST, most=MOST)
    reader = Reader(call.viewer, _TICKET, _wanted(_names(call)))
    shown, last = reader.page(offset, limit)
    end = last if last is not None else int(shown[-1]["id"]) if shown else offset
    return {"objects": [_old(call, one) for one in shown], "hasMore": last is not None, "offset": end}


@operation("GET", _ONE, needs=NEEDS, gives={200: OldTicket}, asks=_ASKED)
def read(call: Call) -> Any:
    pk = links.number(call.parts["objectId"])
    found = Reader(call.viewer, _TICKET, _wanted(_names(call))).by_ids([pk]).get(pk)
    if found is None:
        raise refusals.missing()
    return _old(call, found)


@operation("PUT", _ONE, needs=NEEDS, takes=NamedValues, gives={200: OldTicket})
def update(call: Call) -> Any:
    pk, values = links.number(call.parts["objectId"]), _values(call)
    Writer(call.viewer, call.by, _TICKET).update(pk, values)
    return _written(call, pk, values)


@operation("DELETE", _ONE, needs=NEEDS, gives={204: None})
def archive(call: Call) -> None:
    """Safe to repeat: what is gone stays so."""
    pk = links.number(call.parts["objectId"])
    writer = Writer(call.viewer, call.by, _TICKET)
    if Reader(call.viewer, _TICKET, Wanted(("hs_object_id",))).by_ids([pk]):
        writer.require([pk], Verb.DELETE)
    writer.archive([pk])


def _values(call: Call) -> dict[str, Any]:
    """By name; the last one counts. n8n sends an empty text for what it leaves."""
    return {one.name: one.value for one in call.body.root}


def _offset(call: Call) -> int:
    given = call.query.get("offset", "")
    number = whole(given) if given else 0
    if number is None:
        raise refusals.bad(
            "offset must be what the page before gave, or nothing.", context={"parameter": ["offset"]}
        )
    return number


def _names(call: Call) -> Sequence[str]:
    return [*pages.several(call, "properties"), *pages.several(call, "propertiesWithHistory")] or defaults(_TICKET)  # fmt: skip


def _wanted(names: Sequence[str]) -> Wanted:
    """With their histories: a value of old says since when it holds."""
    known = tuple(dict.fromkeys(names))
    return Wanted(known, known)


def _written(call: Call, pk: int, values: Sequence[str] | dict[str, Any]) -> dict[str, Any]:
    """As it is after a write, also where that took it out of the writer's reach."""
    names = [*defaults(_TICKET), *values]
    return _old(call, Reader(call.viewer, _TICKET, _wanted(names)).written([pk])[pk])


def _old(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    history = record.get("propertiesWithHistory", {})
    begin = record["createdAt"]
    return {
        "objectType": "TICKET",
        "portalId": call.viewer.account_id,
        "objectId": int(record["id"]),
        "properties": {
            name: _held(name, value, history.get(name) or [{"value": value, "timestamp": begin}])
            for name, value in record["properties"].items()
            if value is not None
        },
        "version": 1,
        "isDeleted": record["archived"],
    }


def _held(name: str, value: str, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    versions = [
        {
            "name": name, "value": one["value"], "timestamp": _milliseconds(one["timestamp"]), "source": one.get("sourceType", "CALCULATED"),
            "sourceId": one.get("sourceId", ""),
        }
        for one in history
    ]  # fmt: skip
    newest = {key: versions[0][key] for key in ("timestamp", "source", "sourceId")}
    return without_nothing(value=value, **newest, versions=versions)


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)

"""Tickets of old: what n8n's node sends (api.md §5)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, RootModel

from deskhand.accounts.types import Verb
from deskhand.api import kinds
from deskhand.api.objects import links
from deskhand.api.objects.reading import Reader, Wanted
from deskhand.api.objects.resource import MOST
from deskhand.api.objects.writing import Writer
from deskhand.api.older import shown
from deskhand.api.older.shown import ASKED, Old
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import Shape

_ALL, _ONE = "/crm-objects/objects/tickets", "/crm-objects/objects/tickets/{objectId}"
_TICKET = "ticket"
_PARTS = {"objectType": "tickets"}


class NamedValue(Shape):
    name: str
    value: Any = None


class NamedValues(RootModel[Annotated[list[NamedValue], Field(max_length=1000)]]):
    """The values of one ticket."""


class OldTicket(Old):
    object_type: str
    object_id: int
    version: int


class OldTickets(Shape):
    objects: list[OldTicket]
    has_more: bool
    offset: int


def _to_read(_parts: object) -> Any:
    return kinds.to_read()(_PARTS)


def _to_write(_parts: object) -> Any:
    return kinds.to_write()(_PARTS)


@operation("POST", _ALL, needs=_to_write, takes=NamedValues, gives={200: OldTicket})
def create(call: Call) -> Any:
    """Make a ticket of values by their names."""
    values = _values(call)
    [made] = Writer(call.viewer, call.by, _TICKET).create([(values, ())])
    return _old(call, shown.written(call, _TICKET, made, list(values)))


@operation("GET", f"{_ALL}/paged", needs=_to_read, gives={200: OldTickets}, asks=("limit", "offset", *ASKED))  # fmt: skip
def listed(call: Call) -> Any:
    """By age; the next page begins at `offset`, while there is more."""
    found, has_more, offset = shown.page(call, _TICKET, default=MOST, most=MOST)
    return {"objects": [_old(call, one) for one in found], "hasMore": has_more, "offset": offset}


@operation("GET", _ONE, needs=_to_read, gives={200: OldTicket}, asks=ASKED)
def read(call: Call) -> Any:
    return _old(call, shown.one(call, _TICKET, "objectId"))


@operation("PUT", _ONE, needs=_to_write, takes=NamedValues, gives={200: OldTicket})
def update(call: Call) -> Any:
    """What is not named stays."""
    pk, values = links.number(call.parts["objectId"]), _values(call)
    Writer(call.viewer, call.by, _TICKET).update(pk, values)
    return _old(call, shown.written(call, _TICKET, pk, list(values)))


@operation("DELETE", _ONE, needs=_to_write, gives={204: None})
def archive(call: Call) -> None:
    """Safe to repeat: what is gone stays so."""
    pk = links.number(call.parts["objectId"])
    writer = Writer(call.viewer, call.by, _TICKET)
    if Reader(call.viewer, _TICKET, Wanted(("hs_object_id",))).by_ids([pk]):
        writer.require([pk], Verb.DELETE)
    writer.archive([pk])


def _values(call: Call) -> dict[str, Any]:
    """By name; the last one counts."""
    return {one.name: one.value for one in call.body.root}


def _old(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    own = {"objectType": "TICKET", "objectId": int(record["id"]), "version": 1}
    return {**own, **shown.old(call, record)}

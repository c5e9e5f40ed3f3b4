"""Making records of any kind of properties by their API names: for programs, which come with sets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.crm.records import companies, contacts, objects, store, tickets
from deskhand.crm.records.checking import checked
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor, Cause

#: What a new ticket is given by name; other columns are facts of it.
_NAMED = {"subject", "content", "pipeline_id", "stage_id", "owner_id", "priority", "category"}


def make_many(
    object_type: str,
    new: Sequence[Mapping[str, Any]],
    *,
    by: Actor,
    cause: Cause | None = None,
    depth: int = 0,
    at: datetime | None = None,
    source_type: str = "API",
) -> list[int]:
    """Make records in order, with one event each, and return their ids. `source_type` is what tickets came by (R-CC-7).

    Raises Invalid, naming the field, Taken and NotUnique; then none is made.
    """
    more: dict[str, Any] = {"by": by, "cause": cause, "depth": depth, "at": at}
    match object_type:
        case "ticket":
            made = tickets.create_many([_ticket(given, source_type) for given in new], **more)
            return [one.id for one in made]
        case "contact":
            return contacts.make_many(new, **more)
        case "company":
            return companies.make_many(new, **more)
    return [
        one.id
        for one in objects.create_many(object_type, [objects.NewRecord(given) for given in new], **more)
    ]


def _ticket(properties: Mapping[str, Any], source_type: str) -> NewTicket:
    values = checked("ticket", properties)
    stored = {prop.column for prop in properties_of("ticket").values() if prop.column}
    own = {name: value for name, value in values.items() if name not in stored}
    return NewTicket(
        **{"subject": "", **{name: value for name, value in values.items() if name in _NAMED}},
        source_type=source_type, facts={name: value for name, value in values.items() if name in stored - _NAMED},
        properties={name: store.plain(value) for name, value in own.items() if value not in (None, [])},
    )  # fmt: skip

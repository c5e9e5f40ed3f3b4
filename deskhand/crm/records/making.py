"""Making and changing records of any kind by sets of properties by their API names: for programs, which come with sets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from deskhand.crm.records import associations, companies, contacts, objects, store, tickets
from deskhand.crm.records.checking import checked
from deskhand.crm.records.store import Applied, Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor, Cause
from deskhand.kernel import clock

#: What a new ticket is given by name; other columns are facts of it.
_NAMED = {"subject", "content", "pipeline_id", "stage_id", "owner_id", "priority", "category"}


class New(NamedTuple):
    """A record to be, by the API's names, and (kind, id) of the records that it is linked to from the start. A ticket's first
    contact is who asks. `cause` is its own, else the set's."""

    properties: Mapping[str, Any]
    links: Sequence[tuple[str, int]] = ()
    cause: Cause | None = None


def make_many(
    object_type: str,
    new: Sequence[New],
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
    at = at or clock.now()
    new = [one._replace(cause=one.cause or cause) for one in new]
    ids = _made(object_type, new, source_type, {"by": by, "depth": depth, "at": at})
    associations.link_many(
        [(object_type, pk, *link) for pk, one in zip(ids, new, strict=True) for link in one.links], at
    )
    return ids


def _made(object_type: str, new: Sequence[New], source_type: str, more: Mapping[str, Any]) -> list[int]:
    given, causes = [one.properties for one in new], [one.cause for one in new]
    match object_type:
        case "ticket":
            return [
                made.id for made in tickets.create_many([_ticket(one, source_type) for one in new], **more)
            ]
        case "contact":
            return contacts.make_many(given, causes=causes, **more)
        case "company":
            return companies.make_many(given, causes=causes, **more)
    records = [objects.NewRecord(one.properties, cause=one.cause) for one in new]
    return [made.id for made in objects.create_many(object_type, records, **more)]


def update_many(
    object_type: str, changes: Mapping[int, Mapping[str, Any]], *, by: Actor
) -> Sequence[Applied]:
    """Change records by the API's names; those that are gone are left out. Raises for one that can't be, and changes none."""
    match object_type:
        case "ticket":
            return tickets.change_many(
                [Change(pk, checked("ticket", given)) for pk, given in changes.items()], by=by
            )
        case "contact":
            return contacts.update_many(changes, by=by)
        case "company":
            return companies.update_many(changes, by=by)
    return objects.update_many(object_type, changes, by=by)


def _ticket(new: New, source_type: str) -> NewTicket:
    values = checked("ticket", new.properties)
    stored = {prop.column for prop in properties_of("ticket").values() if prop.column}
    own = {name: value for name, value in values.items() if name not in stored}
    return NewTicket(
        **{"subject": "", **{name: value for name, value in values.items() if name in _NAMED}},
        contact_id=next((pk for kind, pk in new.links if kind == "contact"), None), source_type=source_type, cause=new.cause, facts={name: value for name, value in values.items() if name in stored - _NAMED},
        properties={name: store.plain(value) for name, value in own.items() if value not in (None, [])},
    )  # fmt: skip

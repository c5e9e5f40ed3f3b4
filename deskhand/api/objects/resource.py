"""One record, and lists of them (api.md §2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.api import kinds, pages, refusals
from deskhand.api.objects import finding, links
from deskhand.api.objects.links import Given
from deskhand.api.objects.reading import Reader, Wanted, defaults
from deskhand.api.objects.shapes import Changes, LinkOfNew, New, Page, Record, RecordWithLinks
from deskhand.api.objects.writing import Writer
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing

_LIST, _ONE = "/crm/objects/{objectType}", "/crm/objects/{objectType}/{objectId}"
_ASKED = ("properties", "propertiesWithHistory", "associations", "archived")
MOST, MOST_WITH_HISTORY = 100, 50  # records of a page


@operation("GET", _LIST, needs=kinds.to_read(), gives={200: Page}, asks=("limit", "after", *_ASKED))
def listed(call: Call) -> Any:
    object_type = kinds.named(call.parts["objectType"])
    wanted = asked_for(call)
    most = MOST_WITH_HISTORY if wanted.history else MOST
    limit, after = pages.limit(call, default=10, most=most), pages.after(call)
    reader = Reader(call.viewer, object_type, wanted)
    shown, last = reader.page(after, limit, archived=pages.flag(call, "archived"))
    with_links(call, object_type, shown, wanted.associations)
    return without_nothing(results=shown, paging=pages.following(call, last))


@operation("GET", _ONE, needs=kinds.to_read(), gives={200: RecordWithLinks}, asks=(*_ASKED, "idProperty"))
def read(call: Call) -> Any:
    object_type = kinds.named(call.parts["objectType"])
    archived = pages.flag(call, "archived")
    record_id = finding.one(
        call.viewer, object_type, call.parts["objectId"], call.query.get("idProperty"), archived=archived
    )
    wanted = asked_for(call)
    found = Reader(call.viewer, object_type, wanted).by_ids([record_id], archived=archived).get(record_id)
    if found is None:
        raise refusals.missing()
    with_links(call, object_type, [found], wanted.associations)
    return found


@operation("POST", _LIST, needs=kinds.to_write(), takes=New, gives={201: Record})
def create(call: Call) -> Any:
    object_type, body = kinds.named(call.parts["objectType"]), call.body
    given = given_links(call, object_type, body.associations)
    [made] = Writer(call.viewer, call.by, object_type).create([(body.properties, given)])
    return after_write(call, object_type, made, body.properties)


@operation("PATCH", _ONE, needs=kinds.to_write(), takes=Changes, gives={200: Record}, asks=("idProperty",))
def update(call: Call) -> Any:
    object_type = kinds.named(call.parts["objectType"])
    record_id = finding.one(call.viewer, object_type, call.parts["objectId"], call.query.get("idProperty"))
    Writer(call.viewer, call.by, object_type).update(record_id, call.body.properties)
    return after_write(call, object_type, record_id, call.body.properties)


@operation("DELETE", _ONE, needs=kinds.to_write(), gives={204: None})
def archive(call: Call) -> None:
    """Delete a record. Safe to repeat: what is gone stays so."""
    object_type = kinds.named(call.parts["objectType"])
    Writer(call.viewer, call.by, object_type).archive_one(links.number(call.parts["objectId"]))


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def asked_for(call: Call) -> Wanted:
    return Wanted(
        pages.several(call, "properties"),
        pages.several(call, "propertiesWithHistory"),
        pages.several(call, "associations"),
    )


def with_links(call: Call, object_type: str, shown: Sequence[dict[str, Any]], to: Sequence[str]) -> None:
    """Put the links of these records beside them; a kind without any is left out."""
    ids = [int(one["id"]) for one in shown]
    found = {}
    for name in to:
        to_type = kinds.named(name)
        kinds.require_kind(call, to_type, "read")
        page = f"{pages.root(call)}/crm/v4/objects/{kinds.plural(object_type)}/{{}}/associations/{kinds.plural(to_type)}"
        found[kinds.plural(to_type)] = links.beside(call.viewer, object_type, ids, to_type, page)
    for one in shown:
        own = {name: of[int(one["id"])] for name, of in found.items() if int(one["id"]) in of}
        if own:
            one["associations"] = own


def given_links(call: Call, object_type: str, associations: Sequence[LinkOfNew] | None) -> list[Given]:
    """The links that come with a new record. Raises Refusal, also where the token has no scope for the other kind."""
    given = [
        links.read(
            object_type,
            one.to.id,
            [(each.association_category, each.association_type_id) for each in one.types],
        )
        for one in associations or ()
    ]
    for to_type in sorted({one.to_type for one in given}):
        kinds.require_kind(call, to_type, "write")
    return given


def after_write(call: Call, object_type: str, record_id: int, given: Sequence[str]) -> dict[str, Any]:
    """The record as it is now: what its kind always shows, and what was written. Who wrote it away from their own reach
    sees it this once."""
    shown = tuple(dict.fromkeys([*defaults(object_type), *given]))
    return Reader(call.viewer, object_type, Wanted(shown)).written([record_id])[record_id]

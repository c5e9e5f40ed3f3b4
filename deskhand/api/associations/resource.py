"""Links of one record (api.md §2.5). Both sides of a link are stored; the farther record shows it, too."""

from __future__ import annotations

from typing import Any

from deskhand.api import kinds, pages, refusals
from deskhand.api.associations import linking
from deskhand.api.associations.batches import both_ways
from deskhand.api.associations.linking import Asked, Kinds, Linker
from deskhand.api.associations.shapes import BatchOfMadeAs, Labeled, Page, Types
from deskhand.api.objects import links
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing

_ALL = "/crm/objects/{objectType}/{objectId}/associations/{toObjectType}"
_ONE = f"{_ALL}/{{toObjectId}}"
_DEFAULT = "/crm/objects/{objectType}/{objectId}/associations/default/{toObjectType}/{toObjectId}"
MOST = 500  # linked records of a page


@operation("GET", _ALL, needs=kinds.to_read(), gives={200: Page}, asks=("after", "limit"))
def listed(call: Call) -> Any:
    """The records of a kind that this one is linked to, by their ids, with the types of each link."""
    pair = linking.of(call, "objectType", do="read")
    limit, after = pages.limit(call, default=MOST, most=MOST), pages.after(call)
    record_id = _record(call, pair)
    found = links.linked(call.viewer, pair.near, [record_id], pair.far, limit + 1, {record_id: after})
    seen = found.get(record_id, [])
    others = list(dict.fromkeys(one.to_id for one in seen))
    last = others[limit - 1] if len(others) > limit else None
    kept = [one for one in seen if last is None or one.to_id <= last]
    return without_nothing(results=linking.told(call, pair, kept), paging=pages.following(call, last))


@operation("PUT", _ONE, needs=kinds.to_write(), takes=Types, gives={201: Labeled})
def connect(call: Call) -> Any:
    """Link two records with these types, besides those that they have."""
    pair = linking.of(call, "objectType", do="write")
    types = [(one.association_category, one.association_type_id) for one in call.body.root]
    if not types:
        raise refusals.bad("An association needs at least one type.", context={"fields": [""]})
    _connect(call, pair, types)
    return {
        "fromObjectTypeId": kinds.number(pair.near), "fromObjectId": call.parts["objectId"],
        "toObjectTypeId": kinds.number(pair.far), "toObjectId": call.parts["toObjectId"],
        "labels": linking.words(pair, types),
    }  # fmt: skip


@operation("PUT", _DEFAULT, needs=kinds.to_write(), gives={200: BatchOfMadeAs})
def connect_plainly(call: Call) -> Any:
    """Link two records without a label."""
    pair = linking.of(call, "objectType", do="write")
    _connect(call, pair, ())
    return both_ways(pair, [(call.parts["objectId"], call.parts["toObjectId"])], ())


@operation("DELETE", _ONE, needs=kinds.to_write(), gives={204: None})
def part(call: Call) -> None:
    """Undo all that links two records. Safe to repeat."""
    pair = linking.of(call, "objectType", do="write")
    Linker(call, pair).part([Asked(call.parts["objectId"], call.parts["toObjectId"], ())])


def _connect(call: Call, pair: Kinds, types: Any) -> None:
    asked = Asked(call.parts["objectId"], call.parts["toObjectId"], types)
    if missing := Linker(call, pair).connect([asked]).missing:
        raise refusals.missing(context={"ids": missing})


def _record(call: Call, pair: Kinds) -> int:
    given = call.parts["objectId"]
    found = Linker(call, pair).there(pair.near, [given])
    if given not in found:
        raise refusals.missing()
    return found[given]

"""Making one of two records (api.md §2.1): the first keeps its id and what it says (R-MERGE-8); the other's id leads to it."""

from __future__ import annotations

from typing import Any

from deskhand.accounts.types import Verb
from deskhand.api import kinds, refusals
from deskhand.api.objects import links
from deskhand.api.objects.finding import MERGED
from deskhand.api.objects.resource import after_write
from deskhand.api.objects.shapes import Merge, Record
from deskhand.api.objects.writing import Writer
from deskhand.api.operations import Call, operation
from deskhand.crm.records import joining
from deskhand.desk import merging


@operation(
    "POST", "/crm/objects/{objectType}/merge", needs=kinds.to_write(), takes=Merge, gives={200: Record}
)
def merge(call: Call) -> Any:
    """The record `objectIdToMerge` becomes part of `primaryObjectId`, which is answered. Contacts, companies and tickets."""
    object_type = kinds.named(call.parts["objectType"])
    if object_type not in MERGED:
        raise refusals.bad(
            f"Records of the type {kinds.name(object_type)} can't be merged; contacts, companies and tickets can.",
            context={"type": [call.parts["objectType"]]},
        )
    primary_id = links.number(call.body.primary_object_id)
    other_id = links.number(call.body.object_id_to_merge)
    Writer(call.viewer, call.by, object_type).require([primary_id, other_id], Verb.EDIT)
    if object_type == "ticket":
        merging.merge(primary_id, other_id, by=call.by)
    else:
        joining.join(object_type, primary_id, other_id, by=call.by)
    return after_write(call, object_type, primary_id, ())

"""What links between two kinds of records may be (api.md §2.5): their types, and the account's own labels among them."""

from __future__ import annotations

from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import kinds, refusals
from deskhand.api.associations import linking
from deskhand.api.associations.linking import UNTYPED, Kinds
from deskhand.api.associations.shapes import ChangedLabel, NewLabel, TypesOfKinds, TypesWithLabels
from deskhand.api.objects import links
from deskhand.api.operations import Call, operation
from deskhand.crm.records import labeling
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.association_labels import Label
from deskhand.kernel.text import whole

_KINDS = "/crm/associations/{fromObjectType}/{toObjectType}"
_TO_READ, _TO_WRITE = kinds.to_shape("fromObjectType", "read"), kinds.to_shape("fromObjectType", "write")


@operation("GET", f"{_KINDS}/types", needs=_TO_READ, gives={200: TypesOfKinds})
def types(call: Call) -> Any:
    """All types of links from one kind to the other, each with its number and its word."""
    known = links.type_words(*_pair(call))
    return {"results": [{"id": str(number), "name": word} for word, number in known.items()]}


@operation("GET", f"{_KINDS}/labels", needs=_TO_READ, gives={200: TypesWithLabels})
def labels(call: Call) -> Any:
    """All types of links from one kind to the other; the plain one has no label."""
    pair = _pair(call)
    own = {label.type_id: label.category for label in association_labels.own_of(*pair)}
    return {
        "results": [
            linking.spec(pair, number, own.get(number, UNTYPED))
            for number in links.type_words(*pair).values()
        ]
    }


@operation("POST", f"{_KINDS}/labels", needs=_TO_WRITE, takes=NewLabel, gives={200: TypesWithLabels})
def create(call: Call) -> Any:
    """Make a label, or with `inverseLabel` a pair of them. Answers both directions."""
    pair, body = _pair(call), call.body
    _require(call)
    made = association_labels.create(
        *pair, body.label, body.inverse_label or "", name=body.name.strip().lower(), by=call.by
    )
    return {"results": [_told(made), _told(association_labels.inverse_of(made))]}


@operation("PUT", f"{_KINDS}/labels", needs=_TO_WRITE, takes=ChangedLabel, gives={204: None})
def rename(call: Call) -> None:
    """Give a label other words; its number and its name stay."""
    pair, body = _pair(call), call.body
    _require(call)
    association_labels.rename(
        *pair, body.association_type_id, body.label, body.inverse_label or "", by=call.by
    )


@operation("DELETE", f"{_KINDS}/labels/{{associationTypeId}}", needs=_TO_WRITE, gives={204: None})
def delete(call: Call) -> None:
    """Take a label from all links, which stay, and away. Refused while something of the account asks for it."""
    pair, number = _pair(call), whole(call.parts["associationTypeId"])
    _require(call)
    if number is None:
        raise refusals.missing("There is no such label.")
    labeling.delete(*pair, number, by=call.by)


def _pair(call: Call) -> Kinds:
    return Kinds(kinds.named(call.parts["fromObjectType"]), kinds.named(call.parts["toObjectType"]))


def _require(call: Call) -> None:
    policy.require(call.viewer, Action.EDIT_PROPERTIES)


def _told(label: Label) -> dict[str, Any]:
    return {"category": label.category, "typeId": label.type_id, "label": label.label}

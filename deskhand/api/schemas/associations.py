"""What links of a kind of record may be called (api.md §3.3): the account's labels; links without one there are always."""

from __future__ import annotations

from typing import Any

from deskhand.api import kinds, refusals
from deskhand.api.objects import links
from deskhand.api.operations import Call, operation
from deskhand.api.schemas.resource import TO_CHANGE, own_kind
from deskhand.api.schemas.shapes import Association, NewAssociation
from deskhand.api.schemas.shown import association
from deskhand.crm.records import labeling
from deskhand.crm.schema import association_labels
from deskhand.kernel.text import whole

_ALL = "/crm-object-schemas/schemas/{objectType}/associations"


@operation("POST", _ALL, needs=TO_CHANGE, takes=NewAssociation, gives={201: Association})
def create(call: Call) -> Any:
    """With a name of its own it is a label of links both ways; without one it is the type that links have anyway."""
    own, body = own_kind(call), call.body
    pair = kinds.named(body.from_object_type_id), kinds.named(body.to_object_type_id)
    if own.key not in pair:
        raise refusals.bad(
            f"One of the two must be {own.key}.", context={"fields": ["fromObjectTypeId", "toObjectTypeId"]}
        )
    words = links.type_words(*pair)
    plain = links.default_type(*pair)
    plain_word = next(word for word, number in words.items() if number == plain)
    if not body.name or body.name in (plain_word, f"{kinds.name(pair[0])}_to_{kinds.name(pair[1])}"):
        return association(*pair, plain, plain_word)
    made = association_labels.create(*pair, body.name, name=body.name, by=call.by)
    return association(*pair, made.type_id, made.name)


@operation("DELETE", f"{_ALL}/{{associationIdentifier}}", needs=TO_CHANGE, gives={204: None})
def delete(call: Call) -> None:
    """By its number or its name. Links that bear it lose it and stay."""
    own, text = own_kind(call), call.parts["associationIdentifier"]
    found = next(
        (
            label
            for label in association_labels.every_own()
            if own.key in (label.from_type, label.to_type)
            and (label.type_id == whole(text) or label.name == text)
        ),
        None,
    )
    if found is not None:
        labeling.delete(found.from_type, found.to_type, found.type_id, by=call.by)
    elif any(
        text in (word, str(number))
        for other in kinds.every()
        for pair in ((own.key, other), (other, own.key))
        for word, number in links.type_words(*pair).items()
    ):
        raise refusals.bad("Links without a label are a part of the product; they stay.")
    else:
        raise refusals.missing(f"There is no type of association {text[:80]}.")

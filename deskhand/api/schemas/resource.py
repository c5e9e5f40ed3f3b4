"""Kinds of records: the product's to read, the account's own to make, change and delete (api.md §3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import kinds, pages, refusals
from deskhand.api.operations import Call, operation
from deskhand.api.properties import making
from deskhand.api.refusals import Refusal
from deskhand.api.schemas.shapes import ChangedSchema, Definition, NewSchema, Schema, Schemas
from deskhand.api.schemas.shown import definition, qualified, schema
from deskhand.crm.records import objects
from deskhand.crm.schema import object_types
from deskhand.crm.schema.object_types import OwnType

_ALL, _ONE = "/crm-object-schemas/schemas", "/crm-object-schemas/schemas/{objectType}"
TO_READ, TO_CHANGE = kinds.to_shape("objectType", "read"), kinds.to_shape("objectType", "write")
_OF_OWN = {"objectType": "custom"}


@operation("GET", _ALL, needs=lambda _parts: TO_READ(_OF_OWN), gives={200: Schemas}, asks=("archived",))
def listed(call: Call) -> Any:
    """The account's own kinds of records. A deleted one is gone: it had no records."""
    may_edit = policy.can(call.viewer, Action.EDIT_PROPERTIES)
    own = () if pages.flag(call, "archived") else object_types.all_of_them()
    seen = [key for key in own if may_edit or policy.reaches_any(call.viewer, key)]
    return {"results": [schema(key) for key in seen]}


@operation("POST", _ALL, needs=lambda _parts: TO_CHANGE(_OF_OWN), takes=NewSchema, gives={201: Schema})
def create(call: Call) -> Any:
    """Make a kind of record with its properties. Its records can be linked to those of every other kind."""
    policy.require(call.viewer, Action.EDIT_PROPERTIES)
    body = call.body
    for name in body.associated_objects:
        kinds.named(name)
    own = object_types.create(
        body.name.lower(), body.labels.singular or "", body.labels.plural or "", by=call.by
    )
    for one in body.properties:
        if one.name != object_types.NAME:  # each kind has it already
            making.create(own.key, one, by=call.by)
    if body.primary_display_property:
        own = objects.choose_primary(own.key, body.primary_display_property, by=call.by)
    _require_some(call, own, body.required_properties)
    object_types.describe(
        own.key, description=body.description, searchable=body.searchable_properties,
        secondary=body.secondary_display_properties, by=call.by,
    )  # fmt: skip
    return schema(own.key)


@operation("GET", _ONE, needs=TO_READ, gives={200: Schema})
def read(call: Call) -> Any:
    kind = kinds.named(call.parts["objectType"])
    kinds.require_seen(call.viewer, kind)
    return schema(kind)


@operation("PATCH", _ONE, needs=TO_CHANGE, takes=ChangedSchema, gives={200: Definition})
def update(call: Call) -> Any:
    """Change labels, what names records, what they can't be without, and what programs say of them. The name stays."""
    own, body = own_kind(call), call.body
    labels = body.labels
    if labels is not None:
        object_types.update(own.key, singular=labels.singular, plural=labels.plural, by=call.by)
    if body.primary_display_property and body.primary_display_property != own.primary:
        own = objects.choose_primary(own.key, body.primary_display_property, by=call.by)
    if body.required_properties is not None:
        _require_some(call, own, body.required_properties)
    object_types.describe(
        own.key, description="" if body.clear_description else body.description, searchable=body.searchable_properties,
        secondary=body.secondary_display_properties, by=call.by,
    )  # fmt: skip
    return definition(own.key)


@operation("DELETE", _ONE, needs=TO_CHANGE, gives={204: None}, asks=("archived",))
def delete(call: Call) -> None:
    """Refused while there are such records, archived ones too, or something asks for them. With archived=true also for one
    that is gone: nothing is left of it."""
    if pages.flag(call, "archived") and _is_gone(call.parts["objectType"]):
        policy.require(call.viewer, Action.EDIT_PROPERTIES)
        return
    objects.delete_type(own_kind(call).key, by=call.by)


def own_kind(call: Call) -> OwnType:
    """Raises Forbidden, Refusal for a kind that is the product's."""
    policy.require(call.viewer, Action.EDIT_PROPERTIES)
    kind = kinds.named(call.parts["objectType"])
    own = object_types.all_of_them().get(kind)
    if own is None:
        raise refusals.bad(f"{kinds.plural(kind)} are a part of the product; they stay as they are.")
    return own


def _require_some(call: Call, own: OwnType, names: Sequence[str]) -> None:
    """What names a record is required in any case."""
    wanted = [name for name in names if name != own.primary]
    if tuple(wanted) != own.required:
        object_types.update(own.key, required=wanted, by=call.by)


def _is_gone(text: str) -> bool:
    if text in object_types.deleted():
        return True
    try:
        kinds.named(text)
    except Refusal:
        before = (qualified(own).rpartition("-")[0] for own in object_types.deleted().values())
        return text.lower() in before
    return False

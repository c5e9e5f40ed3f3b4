"""Properties of the account's own, made and changed by what programs send; what the product has no place for is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.api import refusals
from deskhand.api.properties.shapes import ChangedProperty, NewProperty, NotKept, OptionGiven
from deskhand.api.properties.shown import OWNER, YES_AND_NO, all_of, definitions, main_group
from deskhand.api.refusals import Refusal
from deskhand.crm.schema import groups, properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict

_KINDS = {
    "string": Kind.TEXT,
    "number": Kind.NUMBER,
    "date": Kind.DATE,
    "datetime": Kind.DATETIME,
    "enumeration": Kind.ENUM,
    "bool": Kind.BOOL,
}
_CHOICES = (Kind.ENUM, Kind.MULTI)


def create(object_type: str, given: NewProperty, *, by: Actor) -> None:
    """One that was archived comes back with what is given now, and with the values it had. Raises Refusal, Invalid, Conflict."""
    _refuse_strange(given)
    kind = _kind(given)
    facts: dict[str, Any] = {
        "label": given.label,
        "group": _group(object_type, given.group_name),
        "description": given.description or "",
        "display_order": -1 if given.display_order is None else given.display_order,
        "options": _options(kind, given.options),
    }
    away = definitions(object_type, archived=True).get(given.name)
    if away is not None:
        _bring_back(away, kind, given, facts, by=by)
        return
    properties.create(
        object_type, given.name, kind=kind, field_type=given.field_type, has_unique_value=bool(given.has_unique_value),
        by=by, **facts,
    )  # fmt: skip


def update(object_type: str, name: str, given: ChangedProperty, *, by: Actor) -> None:
    """Raises Refusal, Invalid."""
    own = require_own(object_type, name)
    _refuse_strange(given)
    kind = Kind(own.kind)
    if (given.type or given.field_type) and _shown_as(kind, own.field_type) != (
        given.type or _shown_as(kind, own.field_type)[0],
        given.field_type or own.field_type,
    ):
        raise refusals.bad(
            f"The type of {name} can't be changed, because values are stored by it. Make another property.",
            context={"propertyName": [name]},
        )
    changes: dict[str, Any] = {}
    if given.label is not None:
        changes["label"] = given.label
    if given.group_name is not None:
        changes["group"] = _group(object_type, given.group_name)
    if given.description is not None:
        changes["description"] = given.description
    if given.display_order is not None:
        changes["display_order"] = given.display_order
    if given.options is not None and kind in _CHOICES:
        changes["options"] = _options(kind, given.options)
    if changes:
        properties.update(own, by=by, **changes)


def archive(object_type: str, name: str, *, by: Actor) -> None:
    """Safe to repeat. Raises Refusal for what there never was, and for what is the product's."""
    if name in definitions(object_type, archived=True):
        return
    require_own(object_type, name)
    properties.archive(object_type, name, by=by)


def require_own(object_type: str, name: str) -> PropertyDefinition:
    """Raises Refusal: 404 for what there is not, 400 for what the product made."""
    own = definitions(object_type).get(name)
    if own is not None:
        return own
    if name in all_of(object_type):
        raise refusals.bad(
            f"The property {name} is a part of the product; its definition can't be changed or archived.",
            context={"propertyName": [name]},
        )
    raise missing(name)


def missing(name: str) -> Refusal:
    return refusals.missing(f"There is no property {name}.", context={"propertyName": [name]})


def _bring_back(
    away: PropertyDefinition, kind: Kind, given: NewProperty, facts: Mapping[str, Any], *, by: Actor
) -> None:
    is_same = (Kind(away.kind), away.field_type, away.has_unique_value) == (
        kind, given.field_type, bool(given.has_unique_value),
    )  # fmt: skip
    if not is_same:
        raise Conflict(
            f"There was a property {away.name} of another type; its values are kept. Choose another name."
        )
    properties.restore(away.object_type, away.name, by=by)
    away.refresh_from_db()
    kept = {one["value"] for one in facts["options"]}
    left = [{**one, "hidden": True} for one in away.options if one["value"] not in kept]
    changes = {**facts, "options": [*facts["options"], *left]} if kind in _CHOICES else dict(facts)
    properties.update(away, by=by, **changes)


def _kind(given: NewProperty) -> Kind:
    """Raises Refusal for a pair of types that the product can't show."""
    kind = _KINDS[given.type]
    if given.external_options or given.referenced_object_type:
        if kind is not Kind.ENUM or given.referenced_object_type != OWNER or given.options:
            raise refusals.bad(
                "Only owners can be chosen from outside a property: give type enumeration, fieldType select and"
                " referencedObjectType OWNER.",
                context={"fields": ["referencedObjectType"]},
            )
        kind = Kind.REF
    elif kind is Kind.ENUM and given.field_type == "checkbox":
        kind = Kind.MULTI
    elif kind is Kind.ENUM and given.field_type == "booleancheckbox":
        kind = Kind.BOOL
    if given.field_type not in properties.FIELD_TYPES[kind]:
        allowed = ", ".join(properties.FIELD_TYPES[kind])
        raise refusals.bad(
            f"fieldType is {given.field_type}; with type {given.type} it must be one of: {allowed}.",
            context={"fields": ["fieldType"]},
        )
    return kind


def _shown_as(kind: Kind, field_type: str) -> tuple[str, str]:
    known = {Kind.MULTI: "enumeration", Kind.REF: "enumeration"}
    return known.get(kind) or kind.value, field_type


def _options(kind: Kind, given: Sequence[OptionGiven] | None) -> list[dict[str, Any]]:
    """In their order; what has no place comes last. Yes and no have no others."""
    found = [one for one in given or () if kind is not Kind.BOOL or one.value not in _YES_NO]
    behind = max((one.display_order or 0 for one in found), default=0) + 1
    found.sort(
        key=lambda one: behind if one.display_order is None or one.display_order < 0 else one.display_order
    )
    return [
        one.model_dump(include={"label", "value", "hidden", "description"}, exclude_none=True)
        for one in found
    ]


_YES_NO = {one.value for one in YES_AND_NO}


def _group(object_type: str, name: str) -> str:
    """Raises Refusal. The kind's main group is none of the account's own."""
    if name in ("", main_group(object_type)):
        return ""
    if all(name != group.name for group in groups.groups_of(object_type)):
        raise refusals.bad(
            f"There is no group {name}. Make it first, or take {main_group(object_type)}.",
            context={"fields": ["groupName"]},
        )
    return name


def _refuse_strange(given: NotKept) -> None:
    if given.hidden:
        raise refusals.bad(
            "A property can't be hidden. Archive it, or leave hidden away.", context={"fields": ["hidden"]}
        )
    if given.calculation_formula or getattr(given, "field_type", None) == "calculation_equation":
        raise refusals.bad(
            "Properties can't be calculated by a formula of their own. Let a workflow write the value.",
            context={"fields": ["calculationFormula"]},
        )

"""Properties as the contract describes them, and its types in ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.api import kinds
from deskhand.api.objects import names
from deskhand.api.shapes import moment, without_nothing
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.queries import everything
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.kernel.database.scope import current_account_id

#: Our kinds as type and field type.
_TYPES: Mapping[Kind, tuple[str, str]] = {
    Kind.TEXT: ("string", "text"),
    Kind.NUMBER: ("number", "number"),
    Kind.DATE: ("date", "date"),
    Kind.DATETIME: ("datetime", "date"),
    Kind.ENUM: ("enumeration", "select"),
    Kind.MULTI: ("enumeration", "checkbox"),
    Kind.BOOL: ("bool", "booleancheckbox"),
    Kind.REF: ("number", "number"),
    Kind.REFS: ("enumeration", "checkbox"),
    Kind.DURATION: ("number", "number"),
}
_LONG = ("content", "description", "hs_description")
#: Made by the product, with options that the account writes; they have a page of their own.
_OPTIONS_OF_ACCOUNT = "hs_tag_ids"
OWNER = "OWNER"
YES_AND_NO = (Option("true", "Yes"), Option("false", "No"))


def main_group(object_type: str) -> str:
    """Where properties are that the account put in no group of its own."""
    return (
        f"{kinds.name(object_type)}information"
        if object_type in BUILT_IN
        else f"{kinds.name(object_type)}_information"
    )


def is_own(prop: Property) -> bool:
    """Whether the account made it and may change it here."""
    return prop.is_custom and prop.name != _OPTIONS_OF_ACCOUNT


def definitions(object_type: str, *, archived: bool = False) -> dict[str, PropertyDefinition]:
    """The account's own by name. One query."""
    found = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, archived_at__isnull=not archived
    )
    return {one.name: one for one in found.order_by("id") if one.name != _OPTIONS_OF_ACCOUNT}


def all_of(object_type: str, *, archived: bool = False) -> dict[str, dict[str, Any]]:
    """All properties of a kind of record by their names in the API, or all archived ones; the same few queries for any
    number."""
    own = definitions(object_type, archived=archived)
    group = main_group(object_type)
    known = map(_of_definition, own.values()) if archived else everything(object_type)
    shown = {}
    for prop in known:
        name = names.theirs(object_type, prop.name)
        shown[name] = described(object_type, prop, name, own.get(prop.name), group)
    return shown


def _of_definition(one: PropertyDefinition) -> Property:
    options = tuple(Option(o["value"], o["label"], is_hidden=bool(o.get("hidden"))) for o in one.options)
    return Property(
        one.name, one.label, Kind(one.kind), options=options, group=one.group, is_custom=True,
        description=one.description, has_unique_value=one.has_unique_value,
    )  # fmt: skip


def described(
    object_type: str, prop: Property, name: str, own: PropertyDefinition | None, group: str
) -> dict[str, Any]:
    """`group` is the kind's main one."""
    kind, field_type = _type(prop)
    is_of_people = prop.is_user or (prop.kind is Kind.REFS and prop.is_of_people)
    is_read_only = prop.read_only or prop.is_computed
    archived_at = own.archived_at if own else None
    return without_nothing(
        name=name,
        label=prop.label,
        type=kind,
        fieldType=own.field_type if own else field_type,
        groupName=prop.group or group,
        description=prop.description,
        options=_options(object_type, prop, own),
        displayOrder=own.display_order if own else -1,
        hasUniqueValue=prop.has_unique_value,
        hidden=False,
        formField=not is_read_only,
        calculated=prop.is_computed,
        externalOptions=is_of_people or prop.kind is Kind.REFS,
        hubspotDefined=own is None,
        modificationMetadata={
            "archivable": own is not None,
            "readOnlyDefinition": own is None,
            "readOnlyValue": is_read_only,
            "readOnlyOptions": own is None,
        },
        referencedObjectType=OWNER if is_of_people else None,
        archived=archived_at is not None,
        archivedAt=moment(archived_at) if archived_at else None,
    )


def _type(prop: Property) -> tuple[str, str]:
    if prop.is_user:
        return "enumeration", "select"
    if prop.kind is Kind.TEXT and prop.name in _LONG:
        return "string", "textarea"
    return _TYPES[prop.kind]


def _options(object_type: str, prop: Property, own: PropertyDefinition | None) -> list[dict[str, Any]]:
    told = {one["value"]: one.get("description") or "" for one in own.options} if own else {}
    found: Sequence[Option] = prop.options
    if prop.is_place:
        found = _places(object_type, prop)
    elif prop.kind is Kind.BOOL:
        found = YES_AND_NO
    return [
        {
            "label": one.label, "value": one.value, "description": told.get(one.value, ""), "displayOrder": place,
            "hidden": one.is_hidden,
        }
        for place, one in enumerate(found)
    ]  # fmt: skip


def _places(object_type: str, prop: Property) -> list[Option]:
    """Pipelines or their statuses by their ids of the API."""
    pipelines = pipelines_of(object_type).pipelines
    if prop.column == "pipeline_id":
        return [Option(one.key, one.label) for one in pipelines]
    return [Option(stage.key, stage.label) for one in pipelines for stage in one.stages]

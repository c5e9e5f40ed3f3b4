"""Kinds of records as the contract describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.api import kinds
from deskhand.api.objects import links
from deskhand.api.properties.shown import all_of
from deskhand.crm.records.checking import required_of
from deskhand.crm.schema import object_types
from deskhand.crm.schema.object_types import OwnType
from deskhand.kernel.database.scope import current_account_id

#: By what records of the product's kinds are called.
_NAMED_BY: Mapping[str, str] = {
    "contact": "email", "company": "name", "deal": "dealname", "ticket": "subject", "project": "hs_name",
}  # fmt: skip


def definition(kind: str) -> dict[str, Any]:
    own = object_types.all_of_them().get(kind)
    labels = object_types.labels_of(kind)
    return {
        "id": str(own.id) if own else kinds.number(kind),
        "objectTypeId": kinds.number(kind),
        "name": own.name if own else kind.upper(),
        "fullyQualifiedName": qualified(own) if own else kind.upper(),
        "labels": {"singular": labels.singular, "plural": labels.plural},
        "description": own.description if own else "",
        "primaryDisplayProperty": own.primary if own else _NAMED_BY[kind],
        "secondaryDisplayProperties": list(own.secondary) if own else [],
        "requiredProperties": list(required_of(kind)),
        "searchableProperties": list(own.searchable) if own else [_NAMED_BY[kind]],
        "portalId": current_account_id(),
        "archived": False,
    }


def schema(kind: str) -> dict[str, Any]:
    return definition(kind) | {
        "properties": list(all_of(kind).values()),
        "associations": associations(kind),
    }


def qualified(own: OwnType) -> str:
    return f"p{current_account_id()}_{own.name}"


def associations(kind: str) -> list[dict[str, Any]]:
    """All types of links to and from such records, those without a label too."""
    pairs = [pair for other in kinds.every() for pair in ((kind, other), (other, kind))]
    return [
        association(*pair, type_id, name)
        for pair in dict.fromkeys(pairs)
        for name, type_id in links.type_words(*pair).items()
    ]


def association(from_type: str, to_type: str, type_id: int, name: str) -> dict[str, Any]:
    return {
        "id": str(type_id),
        "name": name,
        "fromObjectTypeId": kinds.number(from_type),
        "toObjectTypeId": kinds.number(to_type),
    }

"""Reading the schema: built-in properties with the account's own on top."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.kernel.database.scope import current_scope


def properties_of(object_type: str) -> Mapping[str, Property]:
    """All properties of this kind of record in the open account, by name. Read once per transaction."""
    notes = current_scope().notes
    key = f"crm.schema.{object_type}"
    found = notes.get(key)
    if not isinstance(found, dict):
        found = {p.name: p for p in BUILT_IN.get(object_type, BUILT_IN["custom"])}
        found.update(_custom(object_type))
        notes[key] = found
    return found


def forget(object_type: str) -> None:
    current_scope().notes.pop(f"crm.schema.{object_type}", None)


def _custom(object_type: str) -> dict[str, Property]:
    definitions = PropertyDefinition.objects.filter(
        account_id=current_scope().account_id, object_type=object_type, archived_at=None
    ).order_by("display_order", "id")
    return {
        row.name: Property(
            row.name,
            row.label,
            Kind(row.kind),
            options=tuple(Option(option["value"], option["label"]) for option in row.options),
            group=row.group,
            is_custom=True,
            description=row.description,
            has_unique_value=row.has_unique_value,
        )
        for row in definitions
    }

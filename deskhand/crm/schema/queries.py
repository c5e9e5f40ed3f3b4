"""Reading the schema: built-in properties with the account's own on top."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.kernel.database import sql
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
    return {
        name: Property(
            name,
            label,
            Kind(kind),
            options=tuple(
                Option(option["value"], option["label"], option.get("tone", ""), bool(option.get("hidden")))
                for option in sql.loads(options)
            ),
            group=group,
            is_custom=True,
            description=description,
            has_unique_value=is_unique,
            definition_id=definition_id,
            is_filterable=is_filterable,
            is_filled=is_filterable and is_filled,
        )
        for name, label, kind, options, group, description, is_unique, definition_id, is_filterable, is_filled in sql.rows(
            _DEFINITIONS, [current_scope().account_id, object_type]
        )
    }


_DEFINITIONS = """
select name, label, kind, options, "group", description, has_unique_value, id, is_filterable, filled_at is not null
from crm_propertydefinition
where account_id = %s and object_type = %s and archived_at is null order by display_order, id
"""

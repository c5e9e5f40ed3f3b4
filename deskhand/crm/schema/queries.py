"""Reading the schema: built-in properties with the account's own on top, and the clocks of statuses by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.crm.schema import activities, clocks
from deskhand.crm.schema.defaults import BUILT_IN
from deskhand.crm.schema.types import Kind, Option, Property
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_scope


class Schema(dict[str, Property]):
    """The properties of a kind of record by name. The clocks of its statuses are found by name, and not among all.

    There are many of them, and who names none pays nothing for them.
    """

    def __init__(
        self, object_type: str, found: Mapping[str, Property], unique: Mapping[str, Property]
    ) -> None:
        super().__init__(found)
        self._object_type = object_type
        self.unique = unique

    def __missing__(self, name: str) -> Property:
        found = clocks.find(self._object_type, name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self.get(name) is not None)

    def get(self, name: str, default: Any = None) -> Any:
        found = super().get(name)
        if found is None:
            found = clocks.find(self._object_type, name)
        return default if found is None else found


def properties_of(object_type: str) -> Mapping[str, Property]:
    """All properties of this kind of record in the open account, or of activities, by name. Read once per transaction."""
    activity = activities.find(object_type)
    if activity is not None:
        return activity.by_name
    notes = current_scope().notes
    key = f"crm.schema.{object_type}"
    found = notes.get(key)
    if not isinstance(found, Schema):
        known = {p.name: p for p in BUILT_IN.get(object_type, BUILT_IN["custom"]) if not p.is_awaited}
        custom = _custom(object_type)
        known.update({name: prop for name, (prop, is_archived) in custom.items() if not is_archived})
        unique = {name: prop for name, (prop, _archived) in custom.items() if prop.has_unique_value}
        notes[key] = found = Schema(object_type, known, unique)
    return found


def unique_of(object_type: str) -> Mapping[str, Property]:
    """The account's own properties whose values only one record may have, archived ones too: they keep their values."""
    found = properties_of(object_type)
    return found.unique if isinstance(found, Schema) else {}


def everything(object_type: str, *, with_aliases: bool = False) -> list[Property]:
    """All that people choose from: the properties, then the clocks of the statuses; with the names of old, if asked."""
    if activities.find(object_type) is not None:
        return list(properties_of(object_type).values())
    found = [*properties_of(object_type).values(), *clocks.of(object_type)]
    return [*found, *clocks.aliases_of(object_type)] if with_aliases else found


def archived_label(object_type: str, name: str) -> str:
    """What an archived property of the account is called; empty where there is none. One query."""
    found = sql.row(_ARCHIVED, [current_scope().account_id, object_type, name])
    return str(found[0]) if found else ""


def forget(object_type: str) -> None:
    current_scope().notes.pop(f"crm.schema.{object_type}", None)


def _custom(object_type: str) -> dict[str, tuple[Property, bool]]:
    """With whether it is archived; of those only the unique ones are read."""
    return {
        name: (
            Property(
                name,
                label,
                Kind(kind),
                options=tuple(
                    Option(
                        option["value"], option["label"], option.get("tone", ""), bool(option.get("hidden"))
                    )
                    for option in sql.loads(options)
                ),
                group=group,
                is_custom=True,
                description=description,
                has_unique_value=is_unique,
                is_claimed=is_unique and is_claimed,
                definition_id=definition_id,
                is_filterable=is_filterable,
                is_filled=is_filterable and is_filled,
            ),
            is_archived,
        )
        for name, label, kind, options, group, description, is_unique, is_claimed, definition_id, is_filterable, is_filled, is_archived in sql.rows(
            _DEFINITIONS, [current_scope().account_id, object_type]
        )
    }


_ARCHIVED = """
select label from crm_propertydefinition where account_id = %s and object_type = %s and name = %s and archived_at is not null
"""
_DEFINITIONS = """
select name, label, kind, options, "group", description, has_unique_value, claimed_at is not null, id, is_filterable, filled_at is not null, archived_at is not null
from crm_propertydefinition
where account_id = %s and object_type = %s and (archived_at is null or has_unique_value) order by display_order < 0, display_order, id
"""

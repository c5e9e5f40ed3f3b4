"""Which record is meant: by its number, or by a property whose values only one record may have."""

from __future__ import annotations

from collections.abc import Sequence

from deskhand.accounts.types import Viewer
from deskhand.api import refusals
from deskhand.api.objects.links import number
from deskhand.crm.records import contacts, directory
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.kernel.database import sql
from deskhand.kernel.text import whole

#: Built-in properties that a record is found by; those of the account's own say so themselves.
BUILT_IN = {"contact": ("email",), "company": ("domain",), "ticket": ("hs_ticket_id",)}
NUMBERS = ("hs_object_id", "id")
#: Kinds whose records may become part of each other.
MERGED = ("contact", "company", "ticket")


def one(
    viewer: Viewer, object_type: str, value: str, id_property: str | None = None, *, archived: bool = False
) -> int:
    """Its number. Raises Refusal."""
    if not id_property or id_property in NUMBERS:
        found_number = number(value)
        return found_number if archived else _now(object_type, [found_number])[found_number]
    found = several(viewer, object_type, [value], id_property, archived=archived)
    if value not in found:
        raise refusals.missing()
    return found[value]


def several(
    viewer: Viewer,
    object_type: str,
    values: Sequence[str],
    id_property: str | None,
    *,
    archived: bool = False,
) -> dict[str, int]:
    """{value: number} of those that are there. Raises Refusal for a property that tells no records apart. One query."""
    if not id_property or id_property in NUMBERS:
        numbers = {value: int(value) for value in values if value.isdecimal() and len(value) <= 18}
        now = {} if archived else _now(object_type, list(numbers.values()))
        return {value: now.get(pk, pk) for value, pk in numbers.items()}
    prop = properties_of(object_type).get(id_property)
    if prop is None or not (prop.has_unique_value or id_property in BUILT_IN.get(object_type, ())):
        raise refusals.bad(
            f"Property {id_property} of {object_type} can't tell records apart: its values are not unique.",
            context={"idProperty": [id_property]},
        )
    if prop.name == "email" and not archived:
        known = contacts.ids_of([value.strip().lower() for value in values])
        return {value: known[value.strip().lower()] for value in values if value.strip().lower() in known}
    return _by_value(viewer, object_type, prop, values, archived)


def _now(object_type: str, ids: Sequence[int]) -> dict[int, int]:
    """{number: that of the record which it is part of now} (R-MERGE-6). One query, none for what can't be merged."""
    merged = directory.survivors(object_type, ids) if object_type in MERGED else {}
    return {pk: merged.get(pk, pk) for pk in ids}


def _by_value(
    viewer: Viewer, object_type: str, prop: Property, values: Sequence[str], archived: bool
) -> dict[str, int]:
    state = "is not null" if archived else "is null"
    where = f"t.account_id = %s and {of_this_type(object_type)} and t.archived_at {state}"
    if prop.column == "number":
        asked = {value: str(whole(value)) for value in values}
        found = "t.number::text"
    elif prop.column:
        asked = {value: value.strip().lower() for value in values}
        found = f"lower(t.{prop.column})"
    else:
        asked = {value: value.strip().lower() for value in values}
        found = "lower(t.properties ->> %s)"
    params = [] if prop.column else [prop.name]
    rows = sql.rows(
        f"select distinct on (1) {found}, t.id from {table_of(object_type)} t where {where} and {found} = any(%s) order by 1, t.id",
        [*params, viewer.account_id, *params, list(asked.values())],
    )
    known = dict(rows)
    return {value: known[same] for value, same in asked.items() if same in known}

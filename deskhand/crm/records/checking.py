"""Checking what a person or a program wants to write, by the names of the API, for every kind of record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records.tables import model_of
from deskhand.crm.schema.object_types import find
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.values import normal
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

#: Properties that a record can't be without; the account's own kinds say theirs.
REQUIRED: dict[str, tuple[str, ...]] = {
    "ticket": ("subject",), "company": (), "contact": (), "deal": ("dealname",), "project": ("hs_name",),
}  # fmt: skip


def required_of(object_type: str) -> tuple[str, ...]:
    found = REQUIRED.get(object_type)
    if found is not None:
        return found
    own = find(object_type)
    return tuple(dict.fromkeys((own.primary, *own.required)))


def checked(object_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Turn {property: value} into {column or property: normalised value}.

    Raises Invalid, naming the first culprit, for what is unknown, read-only, of the wrong kind, or required and empty.
    """
    known = properties_of(object_type)
    values: dict[str, Any] = {}
    for name, value in properties.items():
        prop = known.get(name)
        if prop is None:
            raise Invalid(
                _('Property "%(name)s" does not exist.') % {"name": name},
                field=name,
                value=value,
                hint=_("Create it in the settings, or check its spelling."),
            )
        if prop.read_only:
            raise Invalid(
                _("%(name)s is set by the product and can't be written.") % {"name": name},
                field=name,
                value=value,
                hint=_("Leave it out."),
            )
        found = _id(prop, value) if _is_id(prop) else normal(prop, value)
        values[prop.column or name] = "" if found is None and _is_never_null(object_type, prop) else found
    for name in required_of(object_type):
        if name in properties:
            require(object_type, name, values[known[name].column or name])
    return values


def require(object_type: str, name: str, value: Any) -> None:
    """Raises Invalid where a property that a record can't be without is empty."""
    if not is_empty(value):
        return
    if object_type == "ticket":
        raise Invalid(_("A ticket needs a subject."), field=name, value=value)
    raise Invalid(cant_be_empty(object_type, name), field=name, value=value)


def is_empty(value: Any) -> bool:
    return (value.strip() if isinstance(value, str) else value) in (None, "", [])


def cant_be_empty(object_type: str, name: str) -> str:
    label = _(properties_of(object_type)[name].label)
    return _("“%(property)s” can't be empty.") % {"property": label}


def refuse_long(text: str, limit: int, *, field: str, message: str) -> None:
    """Raises Invalid, naming the field, for more than `limit` characters."""
    if len(text) > limit:
        raise Invalid(message, field=field, hint=_("Keep it under %(count)s letters.") % {"count": limit})


def _is_never_null(object_type: str, prop: Property) -> bool:
    """Texts in columns of their own are empty, not absent; but for those that may be both."""
    column = columns_of(model_of(object_type)).get(prop.column)
    return prop.kind is Kind.TEXT and column is not None and not column.null


def _is_id(prop: Property) -> bool:
    """Pipelines and statuses are choices whose values are ids, as text or number (R-DM-5)."""
    return prop.kind is Kind.ENUM and prop.column.endswith("_id")


def _id(prop: Property, value: Any) -> Any:
    found = whole(value) if isinstance(value, str) else None
    return normal(prop, value) if found is None else found

"""Verbs on the account's own properties."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.schema import queries
from deskhand.crm.schema.defaults import BUILT_IN, COLUMNS
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind
from deskhand.kernel import clock, jobs
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
#: The slow job that brings the side table in line with a definition; `records/filterable.py` does it.
FILL = "crm.fill_property"
#: What people choose when they make one; the first fits when they don't.
FIELD_TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("text", "textarea", "phonenumber", "html", "file"),
    Kind.NUMBER: ("number", "calculation_equation"),
    Kind.DATE: ("date",),
    Kind.DATETIME: ("date",),
    Kind.ENUM: ("select", "radio"),
    Kind.MULTI: ("checkbox",),
    Kind.BOOL: ("booleancheckbox",),
    Kind.REF: ("select",),
}


def create(
    object_type: str,
    name: str,
    label: str,
    kind: Kind,
    *,
    field_type: str = "",
    options: Sequence[Mapping[str, Any]] = (),
    group: str = "",
    description: str = "",
    has_unique_value: bool = False,
    is_filterable: bool = False,
) -> PropertyDefinition:
    """Make a property of the account's own. Filters find a filterable one by index; each of its values costs a row.

    Raises Invalid, naming the field, for a name, kind or options that can't be taken; Conflict when the name is.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            _("A property's name has small letters, digits and underscores, and begins with a letter."),
            field="name",
            value=name,
        )
    if _is_taken(object_type, name):
        raise Conflict(_("There is a built-in property %(name)s.") % {"name": name})
    if PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, name=name
    ).exists():
        raise Conflict(_("There is a property %(name)s already.") % {"name": name})
    made = PropertyDefinition.objects.create(
        account_id=current_account_id(),
        object_type=object_type,
        name=name,
        label=_label(label),
        kind=_kind(kind).value,
        field_type=_field_type(kind, field_type),
        options=_options(kind, options),
        group=group,
        description=description,
        has_unique_value=has_unique_value,
        is_filterable=is_filterable,
        filled_at=clock.now() if is_filterable else None,  # nothing has a value yet
    )
    queries.forget(object_type)
    return made


def update(definition: PropertyDefinition, **changes: Any) -> PropertyDefinition:
    """Change label, group, description, options or whether filters find it by index; name and kind stay, because values
    are stored by them. Records that have a value already are brought in by a slow job; filters are right all the while.
    """
    kind = Kind(definition.kind)
    readers: dict[str, Callable[[Any], Any]] = {
        "label": _label,
        "group": str,
        "description": str,
        "options": lambda given: _options(kind, given),
        "is_filterable": bool,
    }
    was_filterable = definition.is_filterable
    for name, value in changes.items():
        if name not in readers:
            raise Invalid(
                _("%(name)s of a property can't be changed.") % {"name": name}, field=name, value=value
            )
        setattr(definition, name, readers[name](value))
    if definition.is_filterable != was_filterable:
        changes |= {"filled_to": 0, "filled_at": None}
        definition.filled_to, definition.filled_at = 0, None
        _fill(definition.pk)
    definition.save(update_fields=list(changes))
    queries.forget(definition.object_type)
    return definition


def archive(object_type: str, name: str) -> None:
    """Take a property out of use; its values stay. Raises NotFound."""
    found = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, name=name
    )
    if not found.filter(archived_at=None).update(archived_at=clock.now(), filled_to=0, filled_at=None):
        raise NotFound(_("There is no property %(name)s.") % {"name": name})
    for property_id in found.filter(is_filterable=True).values_list("pk", flat=True):
        _fill(property_id)
    queries.forget(object_type)


def _fill(property_id: int) -> None:
    jobs.enqueue(FILL, {"property": property_id}, one_by_one=str(property_id))


def _is_taken(object_type: str, name: str) -> bool:
    kind = object_type if object_type in BUILT_IN else "custom"
    return name in COLUMNS[kind] or any(prop.name == name for prop in BUILT_IN[kind])


def _label(label: str) -> str:
    if not label.strip():
        raise Invalid(_("A property needs a label."), field="label", value=label)
    return label.strip()


def _kind(kind: Kind) -> Kind:
    if kind not in FIELD_TYPES:
        raise Invalid(_("Properties of this kind can't be made."), field="kind", value=str(kind))
    return kind


def _field_type(kind: Kind, field_type: str) -> str:
    allowed = FIELD_TYPES[_kind(kind)]
    if field_type and field_type not in allowed:
        raise Invalid(
            _("It can be shown as %(allowed)s.") % {"allowed": ", ".join(allowed)},
            field="field_type",
            value=field_type,
        )
    return field_type or allowed[0]


def _options(kind: Kind, options: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Options with values told apart; only choices have them."""
    if kind not in (Kind.ENUM, Kind.MULTI):
        if options:
            raise Invalid(_("Only choices have options."), field="options", value=len(options))
        return []
    if not options:
        raise Invalid(_("A choice needs at least one option."), field="options", value=0)
    seen: set[str] = set()
    read = []
    for position, option in enumerate(options):
        value, label = str(option.get("value") or "").strip(), str(option.get("label") or "").strip()
        if not value or not label or value.lower() in seen:
            raise Invalid(
                _("Each option needs a label and a value of its own."),
                field=f"options[{position}]",
                value=dict(option),
            )
        seen.add(value.lower())
        read.append(
            {"value": value, "label": label, "display_order": position, "hidden": bool(option.get("hidden"))}
        )
    return read

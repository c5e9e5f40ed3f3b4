"""Verbs on the account's own properties."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.crm.schema import clock_names, queries
from deskhand.crm.schema.defaults import BUILT_IN, COLUMNS
from deskhand.crm.schema.models import PropertyDefinition, PropertyGroup
from deskhand.crm.schema.types import Kind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock, jobs
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable

LABEL_LIMIT, OPTIONS_LIMIT, PLACES_LIMIT = 100, 1000, 1_000_000
UNIQUE_LIMIT = 10  # properties of a kind of record whose values only one may have
#: How properties can be shown whose values only one record may have.
UNIQUE_TYPES = ("text", "phonenumber", "number")
OPTION_TONES = ("", "blue", "teal", "green", "lime", "amber", "red", "pink", "violet")
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
#: The slow job that brings the side table in line with a definition; `records/filterable.py` does it.
FILL = "crm.fill_property"
#: The one that claims what records have where a property became unique; `records/claiming.py` does it.
CLAIM = "crm.claim_values"
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
    display_order: int = -1,
    by: Actor = SYSTEM,
) -> PropertyDefinition:
    """Make a property of the account's own. Filters find a filterable one by index; each of its values costs a row.

    `has_unique_value` says that only one record may have a value (decision 0016). Raises Invalid, naming the field, for
    a name, kind, options or uniqueness that can't be taken; Conflict when the name is.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            _("A property's name has small letters, digits and underscores, and begins with a letter."),
            field="name",
            value=name,
        )
    if _is_taken(object_type, name, kind):
        raise Conflict(_("There is a built-in property %(name)s.") % {"name": name})
    if PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, name=name
    ).exists():
        raise Conflict(_("There is a property %(name)s already.") % {"name": name})
    shown_as = _field_type(kind, field_type)
    if has_unique_value:
        _check_unique(object_type, shown_as)
    made = PropertyDefinition.objects.create(
        account_id=current_account_id(),
        object_type=object_type,
        name=name,
        label=_label(label),
        kind=_kind(kind).value,
        field_type=shown_as,
        options=_options(kind, options),
        display_order=_place(display_order),
        group=_group(object_type, group),
        description=storable(description).strip(),
        has_unique_value=has_unique_value,
        claimed_at=clock.now() if has_unique_value else None,
        is_filterable=is_filterable,
        filled_at=clock.now() if is_filterable else None,  # nothing has a value yet
    )
    _changed("property.created", made, by, after={"label": made.label, "kind": made.kind})
    return made


def update(definition: PropertyDefinition, *, by: Actor = SYSTEM, **changes: Any) -> PropertyDefinition:
    """Change label, group, place, description, options, whether filters find it by index or whether only one record may have a
    value; name and kind stay, because values are stored by them. Records that have a value already are brought in by a
    slow job; filters are right all the while. Who makes it unique asks `claiming.refuse_twins` first: the job gives up at
    the first value that several records have.

    Raises Invalid for an option that is left out: records may have it, so it can be hidden, not taken away; and for a
    kind that can't be unique.
    """
    kind = Kind(definition.kind)
    before = {name: getattr(definition, name, None) for name in changes}
    readers: dict[str, Callable[[Any], Any]] = {
        "label": _label,
        "group": lambda given: _group(definition.object_type, given),
        "description": lambda given: storable(given).strip(),
        "options": lambda given: _kept(definition, _options(kind, given)),
        "display_order": _place,
        "is_filterable": bool,
        "has_unique_value": lambda given: _made_unique(definition, bool(given)),
    }
    was_filterable, was_unique = definition.is_filterable, definition.has_unique_value
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
    if definition.has_unique_value != was_unique:
        changes |= {"claimed_to": 0, "claimed_at": None, "twins": 0}
        definition.claimed_to, definition.claimed_at, definition.twins = 0, None, 0
        jobs.enqueue(CLAIM, {"property": definition.pk}, one_by_one=str(definition.pk))
    definition.save(update_fields=list(changes))
    told = {name for name in before if before[name] != getattr(definition, name)}
    if told:
        after = {name: getattr(definition, name) for name in told}
        _changed("property.updated", definition, by, {name: before[name] for name in told}, after)
    queries.forget(definition.object_type)
    return definition


def archive(object_type: str, name: str, *, by: Actor = SYSTEM) -> None:
    """Take a property out of use; its values stay. Raises NotFound."""
    _put(_find(object_type, name, archived=False), clock.now(), "property.archived", by)


def restore(object_type: str, name: str, *, by: Actor = SYSTEM) -> None:
    """Take a property into use again, with the values it had. Raises NotFound."""
    _put(_find(object_type, name, archived=True), None, "property.restored", by)


def _find(object_type: str, name: str, *, archived: bool) -> PropertyDefinition:
    found = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, name=name, archived_at__isnull=not archived
    ).first()
    if found is None:
        raise NotFound(_("There is no property %(name)s.") % {"name": name})
    return found


def _put(definition: PropertyDefinition, archived_at: datetime | None, action: str, by: Actor) -> None:
    definition.archived_at, definition.filled_to, definition.filled_at = archived_at, 0, None
    definition.save(update_fields=["archived_at", "filled_to", "filled_at"])
    if definition.is_filterable:
        _fill(definition.pk)
    _changed(action, definition, by, before={"label": definition.label})


def _changed(
    action: str, definition: PropertyDefinition, by: Actor, before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Keep who changed what, and read the schema anew."""
    name = {"object_type": definition.object_type, "name": definition.name}
    audit.record(
        action, by=by, target_type="property", target_id=definition.pk, before=before and {**name, **before},
        after=name if after is None else {**name, **after},
    )  # fmt: skip
    queries.forget(definition.object_type)


def suggested_name(label: str) -> str:
    """A name for the API out of a label: "Größe (cm)" becomes groesse_cm. Empty when nothing is left of it."""
    plain = unicodedata.normalize("NFKD", label.lower().translate(_SPELT))
    words = re.sub(r"[^a-z0-9]+", "_", plain.encode("ascii", "ignore").decode()).strip("_")
    return re.sub(r"^[0-9_]+", "", words)[:100].strip("_")


_SPELT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"})


def _fill(property_id: int) -> None:
    jobs.enqueue(FILL, {"property": property_id}, one_by_one=str(property_id))


#: Built-in properties whose options are the account's own: its tags.
_OWN_OPTIONS = {("ticket", "hs_tag_ids"): Kind.MULTI}


def _is_taken(object_type: str, name: str, kind_of: Kind) -> bool:
    if _OWN_OPTIONS.get((object_type, name)) is kind_of:
        return False
    kind = object_type if object_type in BUILT_IN else "custom"
    return (
        clock_names.parse(name) is not None
        or name in clock_names.SORTS
        or name in COLUMNS[kind]
        or any(prop.name == name for prop in BUILT_IN[kind])
    )


def _place(place: int) -> int:
    if not -1 <= place <= PLACES_LIMIT:
        raise Invalid(
            _("A place is a number from -1 to %(most)s.") % {"most": PLACES_LIMIT}, field="display_order", value=place
        )  # fmt: skip
    return place


def _label(label: str) -> str:
    label = one_line(label)
    if not label:
        raise Invalid(_("A property needs a label."), field="label", value=label)
    if len(label) > LABEL_LIMIT:
        raise Invalid(_("A name has 1 to 100 characters."), field="label", value=label)
    return label


def _group(object_type: str, name: str) -> str:
    """Empty is the group that the kind of record begins with."""
    known = PropertyGroup.objects.filter(account_id=current_account_id(), object_type=object_type, name=name)
    if name and not known.exists():
        raise Invalid(_("There is no such group."), field="group", value=name)
    return name


def _kept(definition: PropertyDefinition, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left = {option["value"] for option in definition.options} - {option["value"] for option in options}
    if left:
        raise Invalid(
            _("Records may have this option: %(option)s.") % {"option": min(left)},
            field="options",
            value=sorted(left),
            hint=_("Hide it instead of taking it away."),
        )
    told = {
        option["value"]: option["description"] for option in definition.options if "description" in option
    }
    return [
        {"description": told[option["value"]], **option} if option["value"] in told else option
        for option in options
    ]


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


def _made_unique(definition: PropertyDefinition, is_unique: bool) -> bool:
    if is_unique and not definition.has_unique_value:
        _check_unique(definition.object_type, definition.field_type)
    return is_unique


def _check_unique(object_type: str, field_type: str) -> None:
    """Archived ones count: they keep their values, and may come back."""
    if field_type not in UNIQUE_TYPES:
        raise Invalid(
            _("Only single-line texts, phone numbers and numbers can have unique values."),
            field="has_unique_value", value=True, hint=_("Choose another type, or let several records have a value."),
        )  # fmt: skip
    there = PropertyDefinition.objects.filter(
        account_id=current_account_id(), object_type=object_type, has_unique_value=True
    )
    if there.count() >= UNIQUE_LIMIT:
        raise Invalid(
            _("A kind of record can have %(count)s properties with unique values, archived ones included.")
            % {"count": UNIQUE_LIMIT},
            field="has_unique_value", value=True, hint=_("Let several records have a value."),
        )  # fmt: skip


def _options(kind: Kind, options: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Options with values told apart; only choices have them."""
    if kind not in (Kind.ENUM, Kind.MULTI):
        if options:
            raise Invalid(_("Only choices have options."), field="options", value=len(options))
        return []
    if not 0 < len(options) <= OPTIONS_LIMIT:
        raise Invalid(_("A choice needs at least one option."), field="options", value=0)
    seen: set[str] = set()
    read = []
    for position, option in enumerate(options):
        value, label = one_line(str(option.get("value") or "")), one_line(str(option.get("label") or ""))
        tone = str(option.get("tone") or "")
        if not value or not label or value.lower() in seen or ";" in value or tone not in OPTION_TONES:
            raise Invalid(
                _("Each option needs a label and a value of its own."),
                field=f"options[{position}]",
                value=dict(option),
            )
        seen.add(value.lower())
        read.append(
            {"value": value, "label": label, "display_order": position, "hidden": bool(option.get("hidden"))}
            | ({"tone": tone} if tone else {})
            | (
                {"description": storable(str(option["description"])).strip()}
                if option.get("description") is not None
                else {}
            )
        )
    return read

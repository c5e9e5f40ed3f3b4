"""What of a record is given to the outside: properties as the API writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation import tokens
from deskhand.automation.actions.forms import Option
from deskhand.automation.actions.types import Doing
from deskhand.automation.records import LoadedFacts, Row
from deskhand.crm.schema.queries import everything, properties_of


def offered(object_type: str) -> tuple[Option, ...]:
    """The properties to choose from by label, those for machines last."""
    known = sorted(
        everything(object_type),
        key=lambda one: (not tokens.is_common(one), _(one.label).casefold(), one.name),
    )
    return tuple(Option(prop.name, _(prop.label)) for prop in known)


def values(doing: Doing, names: Sequence[str]) -> dict[str, Any]:
    """The named properties of the record, by name; a name that is not known any more is left out."""
    facts, known = LoadedFacts(doing.object_type, doing.record), properties_of(doing.object_type)
    if isinstance(doing.record, Row):
        doing.record.among.prepare(prop for name in names if (prop := known.get(name)) and prop.is_formula)
    return {name: plain(facts.value(name)) for name in names if name in known}


def filled(doing: Doing) -> dict[str, Any]:
    """All that have a value."""
    found = values(doing, list(properties_of(doing.object_type)))
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def plain(value: Any) -> Any:
    """As the API writes it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return list(value) if isinstance(value, set | frozenset | tuple) else value


def as_mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Rows of a form as names and values."""
    return {str(one.get("name") or ""): str(one.get("value") or "") for one in pairs}

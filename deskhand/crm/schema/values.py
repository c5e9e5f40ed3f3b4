"""Checking and normalising one value for one property; errors name the field, the value and the way out."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid

TEXT_LIMIT = 65_536  # characters, as in the API


def normal(prop: Property, value: Any) -> Any:
    """Return `value` as it is stored for `prop`; None and "" clear it. Raises Invalid."""
    if value is None or value == "":
        return [] if prop.kind in (Kind.REFS, Kind.MULTI) else None
    return _READERS[prop.kind](prop, value)


def _refuse(prop: Property, value: Any, wants: str) -> Invalid:
    return Invalid(
        _("%(name)s is %(value)r; it must be %(wanted)s.")
        % {"name": prop.name, "value": value, "wanted": wants},
        field=prop.name,
        value=value,
        hint=_("Give %(wanted)s.") % {"wanted": wants},
    )


def _text(prop: Property, value: Any) -> str:
    text = str(value).replace("\x00", "")
    if len(text) > TEXT_LIMIT:
        raise _refuse(prop, text[:40] + "…", _("at most %(count)s characters") % {"count": TEXT_LIMIT})
    return text


def _number(prop: Property, value: Any) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _refuse(prop, value, _("a number")) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise _refuse(prop, value, _("a number"))
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def _whole(prop: Property, value: Any) -> int:
    number = _number(prop, value)
    if not isinstance(number, int):
        raise _refuse(prop, value, _("a whole number"))
    return number


def _moment(prop: Property, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, int) or str(value).lstrip("-").isdigit():
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise _refuse(
            prop, value, _("a moment such as 2026-11-21T09:30:00Z, or milliseconds since 1970")
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _day(prop: Property, value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return _moment(prop, value).date().isoformat()


def _choice(prop: Property, value: Any) -> Any:
    if not prop.options:
        return value if isinstance(value, int) else _text(prop, value)
    allowed = {option.value.lower(): option.value for option in prop.options}
    found = allowed.get(str(value).lower())
    if found is None:
        raise _refuse(
            prop,
            value,
            _("one of %(values)s") % {"values": ", ".join(option.value for option in prop.options)},
        )
    return found


def _choices(prop: Property, value: Any) -> list[Any]:
    items = value if isinstance(value, list | tuple) else [item for item in str(value).split(";") if item]
    return list(dict.fromkeys(_choice(prop, item) for item in items))


def _bool(prop: Property, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _refuse(prop, value, _("true or false"))


def _refs(prop: Property, value: Any) -> list[int]:
    items = value if isinstance(value, list | tuple) else [item for item in str(value).split(";") if item]
    return sorted({_whole(prop, item) for item in items})


_READERS: dict[Kind, Callable[[Property, Any], Any]] = {
    Kind.TEXT: _text, Kind.NUMBER: _number, Kind.DATE: _day, Kind.DATETIME: _moment, Kind.ENUM: _choice, Kind.MULTI: _choices,
    Kind.BOOL: _bool, Kind.REF: _whole, Kind.REFS: _refs, Kind.DURATION: _whole,
}  # fmt: skip

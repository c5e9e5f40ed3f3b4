"""Values as the API writes them: text or nothing (api.md §1.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from deskhand.api.shapes import moment
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.types import Kind, Property

#: What writes the values of one property.
Writer = Callable[[Any], str | None]


def writer_of(object_type: str, prop: Property) -> Writer:
    """What turns a value of the property, as it is stored, into text; None for what is empty."""
    write = _places(object_type, prop) if prop.is_place else _WRITERS.get(prop.kind, str)
    return lambda value: None if value is None or value == "" or value == [] else write(value)


def _places(object_type: str, prop: Property) -> Writer:
    """Pipelines and statuses by their ids of the API (R-DM-5)."""
    known = pipelines_of(object_type)
    keys: Mapping[int, str] = (
        {pipeline.id: pipeline.key for pipeline in known.pipelines}
        if prop.column == "pipeline_id"
        else {stage.id: stage.key for pipeline in known.pipelines for stage in pipeline.stages}
    )
    return lambda value: keys.get(value, str(value))


def _number(value: Any) -> str:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    return (
        str(int(value))
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53
        else str(value)
    )


def _moment(value: Any) -> str:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return moment(value if value.tzinfo else value.replace(tzinfo=UTC))


def _day(value: Any) -> str:
    return value.isoformat()[:10] if isinstance(value, date) else str(value)[:10]


_WRITERS: Mapping[Kind, Writer] = {
    Kind.NUMBER: _number,
    Kind.DURATION: _number,
    Kind.DATE: _day,
    Kind.DATETIME: _moment,
    Kind.BOOL: lambda value: "true" if value else "false",
    Kind.MULTI: lambda value: ";".join(map(str, value)) if isinstance(value, list) else str(value),
    Kind.REFS: lambda value: ";".join(map(str, value)) if isinstance(value, list) else str(value),
}

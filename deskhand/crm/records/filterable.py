"""The side table of filterable properties, written with the record itself.

Who calls `follow` holds the records' locks, or has just made them; so a record's rows always say what the record says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from math import isfinite
from typing import Any

from deskhand.crm.filters.folding import fold
from deskhand.crm.filters.schema_source import WORD
from deskhand.crm.records.models import PropertyValue
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id

Values = Mapping[int, Mapping[str, Any]]  # by record, by property; None clears


def follow(object_type: str, values: Values, *, are_new: bool = False) -> None:
    """Bring the side table up to what these records have now; properties that are not named stay.

    Two statements for a set, one for new records, none where no filterable property is named.
    """
    if not any(values.values()):
        return
    known = properties_of(object_type)
    named = [
        (record_id, prop, value)
        for record_id, given in values.items()
        for name, value in given.items()
        if (prop := known.get(name)) is not None and prop.is_filterable
    ]
    if named:
        _write(named, are_new)


def _write(named: list[tuple[int, Property, Any]], are_new: bool) -> None:
    account_id = current_account_id()
    if not are_new:
        sql.execute(
            _DELETE,
            [account_id, [prop.definition_id for _, prop, _ in named], [record for record, _, _ in named]],
        )
    bulk.insert(
        PropertyValue,
        [
            {
                **_EMPTY,
                "account_id": account_id,
                "property_id": prop.definition_id,
                "record_id": record_id,
                **row,
            }
            for record_id, prop, value in named
            for row in rows_of(prop.kind, value)
        ],
    )


_DELETE = """
delete from crm_propertyvalue where account_id = %s
and (property_id, record_id) in (select * from unnest(%s::bigint[], %s::bigint[]))
"""
_EMPTY = dict.fromkeys(("word", "rest", "number", "day", "moment", "ref", "flag"))


def rows_of(kind: Kind, value: Any) -> list[dict[str, Any]]:
    """The rows of one value, by column. A value that isn't of its kind has none: filters take it as unknown."""
    if value is None or value == "":
        return []
    try:
        return list(_READERS[kind](value))
    except (TypeError, ValueError, OverflowError):
        return []


def _word(text: str) -> dict[str, Any]:
    return {"word": text[:WORD], "rest": text if len(text) > WORD else None}


def _number(value: Any) -> Iterable[dict[str, Any]]:
    return [{"number": number}] if isfinite(number := float(value)) else []


def _moment(value: Any) -> Iterable[dict[str, Any]]:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return [{"moment": moment if moment.tzinfo else moment.replace(tzinfo=UTC)}]


def _flag(value: Any) -> Iterable[dict[str, Any]]:
    return [{"flag": value}] if isinstance(value, bool) else []


_READERS: dict[Kind, Callable[[Any], Iterable[dict[str, Any]]]] = {
    Kind.TEXT: lambda value: [_word(fold(str(value)))],
    Kind.ENUM: lambda value: [_word(str(value))],
    Kind.MULTI: lambda value: [_word(str(item)) for item in value],
    Kind.NUMBER: _number,
    Kind.DURATION: _number,
    Kind.DATE: lambda value: [{"day": date.fromisoformat(value)}],
    Kind.DATETIME: _moment,
    Kind.BOOL: _flag,
    Kind.REF: lambda value: [{"ref": int(value)}],
    Kind.REFS: lambda value: [{"ref": int(item)} for item in value],
}

"""Filters of a search as conditions (api.md §1.7): groups are joined by or, the filters of one by and."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from deskhand.api import kinds, refusals
from deskhand.api.objects import names
from deskhand.api.objects.shapes import Asked, AskedTogether, Search
from deskhand.crm.filters.folding import fold, word_pattern
from deskhand.crm.filters.types import (
    EARLIEST,
    EVERYTHING,
    LATEST,
    MAX_STARS,
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    Operator,
    Value,
)
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.values import normal
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole

_LINKED = "associations."  # a pseudo-property: to which record it is linked
_TIMES = (Kind.DATE, Kind.DATETIME)
_NUMBERS = (Kind.NUMBER, Kind.DURATION)
_CHOICES = (Kind.ENUM, Kind.MULTI)
_SIGNS = {"GT": Operator.GREATER, "GTE": Operator.AT_LEAST, "LT": Operator.LESS, "LTE": Operator.AT_MOST}
_FIRST = datetime.combine(EARLIEST, time(), UTC)
_LAST = datetime.combine(LATEST, time(), UTC)
_NOWHERE = "-1"  # no pipeline's and no status's number
LONGEST = 200  # letters of a name that are told


def condition(
    object_type: str, groups: Sequence[AskedTogether], known: Mapping[str, Property] | None = None
) -> Condition:
    """Raises Refusal, naming the filter that can't be asked. `known`: what is asked of, where it is no record."""
    found = properties_of(object_type) if known is None else known
    asked = [
        AllOf(tuple(_one(object_type, one, found) for one in group.filters))
        for group in groups
        if group.filters
    ]
    return AnyOf(tuple(asked)) if asked else EVERYTHING


def _one(object_type: str, asked: Asked, known: Mapping[str, Property]) -> Condition:
    name = asked.property_name[:LONGEST]
    try:
        if asked.property_name.startswith(_LINKED):
            return _linked(asked)
        prop = known.get(names.ours(object_type, asked.property_name))
        if prop is None:
            raise refusals.bad(
                f"There was a problem with the request: there is no property {name}.",
                context={"propertyName": [name]},
            )
        return _compared(object_type, prop, asked)
    except Invalid as problem:
        raise refusals.bad(
            f"The filter on {name} can't be asked: {problem.message}",
            context={"propertyName": [name], "operator": [asked.operator]},
        ) from None


def _compared(object_type: str, prop: Property, asked: Asked) -> Condition:
    def filtered(operator: Operator, *values: Value) -> Filter:
        return Filter(prop.name, prop.kind, operator, values)

    match asked.operator:
        case "HAS_PROPERTY":
            return filtered(Operator.KNOWN)
        case "NOT_HAS_PROPERTY":
            return filtered(Operator.UNKNOWN)
        case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN" if prop.kind is Kind.TEXT:
            has = asked.operator == "CONTAINS_TOKEN"
            return filtered(Operator.HAS_WORD if has else Operator.HAS_NO_WORD, *_values(asked))
    read = _reader(object_type, prop)
    match asked.operator:
        case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN" if prop.kind in _CHOICES:
            same = Operator.ANY_OF if asked.operator == "CONTAINS_TOKEN" else Operator.NONE_OF
            return filtered(same, *_with_word(prop, _values(asked)[0], read))
        case "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN":
            raise Invalid(f"{asked.operator} compares texts.")
    values = [read(given) for given in _values(asked)]
    if prop.kind in _TIMES:
        return _of_time(filtered, asked.operator, values)
    match asked.operator:
        case "EQ" | "IN":
            return filtered(Operator.ANY_OF, *values)
        case "NEQ" | "NOT_IN":
            return filtered(Operator.NONE_OF, *values)
        case "BETWEEN":
            return filtered(Operator.BETWEEN, *values)
    return filtered(_SIGNS[asked.operator], *values)


def _with_word(prop: Property, token: str, read: Callable[[str], Value]) -> list[Value]:
    """The values that may be chosen and have the word. Raises Invalid."""
    if token.count("*") > MAX_STARS:
        raise Invalid(f"Words are compared with at most {MAX_STARS} stars.")
    found = [one.value for one in prop.options if re.search(word_pattern(token), fold(one.value))]
    return [*found] or [read(token)]


def _of_time(filtered: Callable[..., Filter], operator: str, values: Sequence[Any]) -> Condition:
    """Moments and days in ranges: of our operators, one has both its ends, and none has one of them. A moment is told in
    milliseconds, and means all that begin with its own."""
    first, last = values[0], _last_of(values[-1])
    begin, end = (_FIRST, _LAST) if isinstance(first, datetime) else (EARLIEST, LATEST)
    match operator:
        case "EQ" | "IN":
            return AnyOf(tuple(filtered(Operator.BETWEEN, one, _last_of(one)) for one in values))
        case "NEQ" | "NOT_IN":
            return AllOf(
                tuple(
                    AnyOf(
                        (
                            filtered(Operator.BEFORE, one),
                            filtered(Operator.AFTER, _last_of(one)),
                            filtered(Operator.UNKNOWN),
                        )
                    )
                    for one in values
                )
            )
        case "GT":
            return filtered(Operator.AFTER, _clamped(last, begin, end))
        case "LT":
            return filtered(Operator.BEFORE, _clamped(first, begin, end))
        case "GTE":
            return filtered(Operator.BETWEEN, _clamped(first, begin, end), end)
        case "LTE":
            return filtered(Operator.BETWEEN, begin, _clamped(last, begin, end))
    return filtered(Operator.BETWEEN, _clamped(first, begin, end), _clamped(last, begin, end))


def _last_of(value: Any) -> Any:
    return value.replace(microsecond=value.microsecond + 999) if isinstance(value, datetime) else value


def _clamped(value: Any, begin: Any, end: Any) -> Any:
    """Programs ask for everything by times that never were or never will be."""
    return max(begin, min(value, end))


def _values(asked: Asked) -> list[str]:
    """As many as the operator takes. Raises Invalid."""
    if asked.operator in ("IN", "NOT_IN"):
        given = asked.values if asked.values is not None else [asked.value] if asked.value is not None else []
    elif asked.operator == "BETWEEN":
        given = [one for one in (asked.value, asked.high_value) if one is not None]
        if len(given) < 2:
            raise Invalid("BETWEEN takes a value and a highValue.")
    else:
        given = [asked.value] if asked.value is not None else list(asked.values or ())[:1]
    if not given or "" in given:
        raise Invalid(f"{asked.operator} takes a value.")
    return [str(one) for one in given]


def _reader(object_type: str, prop: Property) -> Callable[[str], Value]:
    """What turns a value of a filter into one that is compared. Raises Invalid."""
    if prop.is_place:
        keys = _keys(object_type, prop)
        return lambda given: keys.get(given, _NOWHERE)
    match prop.kind:
        case Kind.TEXT:
            return lambda given: given
        case Kind.ENUM | Kind.MULTI:
            known = {option.value.lower(): option.value for option in prop.options}
            return lambda given: known.get(given.lower(), given)  # what is not offered is met by no record
        case Kind.DATE:
            return lambda given: date.fromisoformat(str(normal(prop, given)))
        case Kind.DATETIME:
            return lambda given: _in_milliseconds(normal(prop, given))
        case Kind.REFS:
            return lambda given: _single(prop, normal(prop, given))
    if prop.kind in _NUMBERS:
        return lambda given: Decimal(str(normal(prop, given)))
    return lambda given: normal(prop, given)


def _in_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _single(prop: Property, ids: Sequence[int]) -> int:
    if len(ids) != 1:
        raise Invalid(f"{prop.name} is compared with one number at a time.")
    return ids[0]


def _keys(object_type: str, prop: Property) -> Mapping[str, str]:
    """Ids of the API to ours, as text."""
    known = pipelines_of(object_type).pipelines
    if prop.column == "pipeline_id":
        return {pipeline.key: str(pipeline.id) for pipeline in known}
    return {stage.key: str(stage.id) for pipeline in known for stage in pipeline.stages}


def linked_kinds(search: Search) -> set[str]:
    """The kinds of record by whose links is asked. Raises Refusal."""
    filters = (one for group in search.filter_groups or () for one in group.filters or ())
    return {_other_end(one) for one in filters if one.property_name.startswith(_LINKED)}


def _other_end(asked: Asked) -> str:
    return kinds.named(asked.property_name.removeprefix(_LINKED)[:LONGEST])


def _linked(asked: Asked) -> Condition:
    """`associations.contact` and the number of one. Raises Refusal, or Invalid."""
    to = _other_end(asked)
    match asked.operator:
        case "HAS_PROPERTY" | "NOT_HAS_PROPERTY":
            return Associated(to, EVERYTHING, has=asked.operator == "HAS_PROPERTY")
        case "EQ" | "IN" | "NEQ" | "NOT_IN":
            ids = [whole(given) for given in _values(asked)]
            if None in ids:
                raise Invalid("It takes numbers of records.")
            same = Filter("hs_object_id", Kind.NUMBER, Operator.ANY_OF, tuple(map(Decimal, map(str, ids))))
            return Associated(to, same, has=asked.operator in ("EQ", "IN"))
    raise Invalid(f"{asked.operator} does not compare links.")

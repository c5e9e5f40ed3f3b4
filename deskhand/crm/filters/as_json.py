"""Conditions as JSON, as they are stored and sent. Reading is strict: every refusal names its path.

{"any": [{"all": [{"property": "priority", "kind": "enumeration", "operator": "any_of", "values": ["HIGH"]},
                  {"associated": "contact", "where": {…}},
                  {"associated": "task", "has": false, "where": {…}},
                  {"member_of": "segment", "ids": [7], "is_member": false}]}]}
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from deskhand.crm.filters.types import (
    MAX_DEPTH,
    MAX_VALUES,
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    MemberOf,
    Operator,
    Span,
    Unit,
    Value,
    Window,
)
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading


def to_json(condition: Condition) -> dict[str, Any]:
    match condition:
        case AllOf(parts):
            return {"all": [to_json(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [to_json(part) for part in parts]}
        case Associated(to, where, type_id, has):
            wanted = {} if type_id is None else {"type_id": type_id}
            lacks = {} if has else {"has": False}
            return {"associated": to, **wanted, **lacks, "where": to_json(where)}
        case MemberOf(of, ids, is_member):
            return {"member_of": of, "ids": list(ids), "is_member": is_member}
        case Filter(name, kind, operator, values):
            given = {"values": [_value_to_json(value) for value in values]} if values else {}
            return {"property": name, "kind": kind.value, "operator": operator.value, **given}


def from_json(data: object, path: str = "") -> Condition:
    """Raises Invalid with the path of what is wrong, which starts with `path`."""
    return read(Reading(data, path))


def read(reading: Reading, depth: int = 0) -> Condition:
    if depth > MAX_DEPTH:
        reading.refuse("nested less deeply")
    if reading.has("all"):
        return AllOf(tuple(read(part, depth + 1) for part in reading.fields("all")["all"].items()))
    if reading.has("any"):
        return AnyOf(tuple(read(part, depth + 1) for part in reading.fields("any")["any"].items()))
    if reading.has("associated"):
        fields = reading.fields("associated", "where", optional=("type_id", "has"))
        type_id, has = fields.given("type_id"), fields.given("has")
        return Associated(
            fields["associated"].text(at_most=100),
            read(fields["where"], depth + 1),
            type_id.whole() if type_id else None,
            has.flag() if has else True,
        )
    if reading.has("member_of"):
        fields = reading.fields("member_of", "ids", optional=("is_member",))
        ids = tuple(item.whole() for item in fields["ids"].items(at_least=1, at_most=MAX_VALUES))
        is_member = fields.given("is_member")
        return MemberOf(fields["member_of"].text(at_most=100), ids, is_member.flag() if is_member else True)
    return read_filter(reading)


def read_filter(reading: Reading) -> Filter:
    fields = reading.fields("property", "kind", "operator", optional=("values",))
    kind = fields["kind"].one_of(Kind)
    given = fields.given("values")
    values = tuple(_read_value(kind, item) for item in given.items(at_most=MAX_VALUES)) if given else ()
    name, operator = fields["property"].text(at_most=200), fields["operator"].one_of(Operator)
    try:
        return Filter(name, kind, operator, values)
    except Invalid as refusal:
        raise _at(reading, refusal) from refusal


def _value_to_json(value: Value) -> Any:
    match value:
        case Window():
            return {"window": value.value}
        case Span(amount, unit):
            return {"amount": amount, "unit": unit.value}
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value


def _read_value(kind: Kind, reading: Reading) -> Value:
    if reading.has("window"):
        return reading.fields("window")["window"].one_of(Window)
    if reading.has("amount"):
        return _read_span(reading)
    match kind:
        case Kind.TEXT | Kind.ENUM | Kind.MULTI:
            return reading.text()
        case Kind.NUMBER | Kind.DURATION:
            return _read_number(reading)
        case Kind.BOOL:
            return reading.flag()
        case Kind.REF | Kind.REFS:
            return reading.whole()
        case Kind.DATE | Kind.DATETIME:
            return _read_time(reading)


def _read_span(reading: Reading) -> Span:
    fields = reading.fields("amount", "unit")
    amount, unit = fields["amount"].whole(), fields["unit"].one_of(Unit)
    try:
        return Span(amount, unit)
    except Invalid as refusal:
        raise _at(reading, refusal) from refusal


def _read_number(reading: Reading) -> Decimal:
    if isinstance(reading.value, bool) or not isinstance(reading.value, str | int | float):
        reading.refuse("a number")
    text = str(reading.value)
    try:
        number = Decimal(text) if len(text) <= 100 else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        reading.refuse("a number")
    return number


def _read_time(reading: Reading) -> date | datetime:
    text = reading.text(at_most=40)
    try:
        if len(text) == len("2026-01-31"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        reading.refuse("a date such as 2026-01-31 or a moment such as 2026-01-31T09:00:00Z")
    if moment.tzinfo is None:
        reading.refuse("a moment with its zone, such as 2026-01-31T09:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        reading.refuse("a moment of our times")


def _at(reading: Reading, refusal: Invalid) -> Invalid:
    """The refusal of a part, with the whole path to it."""
    path = (
        f"{reading.path}.{refusal.field}" if reading.path and refusal.field else refusal.field or reading.path
    )
    return Invalid(f"{path}: {refusal.message}", field=path, value=refusal.value, hint=refusal.hint)

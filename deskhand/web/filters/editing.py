"""Filters as the editor knows them: groups joined by or, filters joined by and. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.types import (
    EVERYTHING,
    OPERATORS,
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    Operator,
    Span,
    Takes,
    Unit,
    Value,
    Window,
)
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.filters import membership

LONGEST = 6000  # characters of filters in an address


@dataclass(frozen=True)
class Item:
    """One filter, on the record or on its contact or company."""

    object_type: str
    filter: Filter


Groups = tuple[tuple[Item, ...], ...]


def condition(groups: Groups, root: str = "ticket") -> Condition:
    """`root` is the kind of record that is filtered; others are linked to it."""
    filled = [group for group in groups if group]
    if not filled:
        return EVERYTHING
    return AnyOf(tuple(AllOf(tuple(_part(item, root) for item in group)) for group in filled))


def _part(item: Item, root: str) -> Condition:
    leaf = membership.stored(item.filter)
    return leaf if item.object_type == root else Associated(item.object_type, leaf)


def groups_of(given: Condition, root: str = "ticket") -> Groups:
    """Raises Invalid for conditions that the editor doesn't make."""
    if given == EVERYTHING:
        return ()
    if not isinstance(given, AnyOf) or not all(isinstance(part, AllOf) for part in given.parts):
        raise _unreadable()
    return tuple(
        tuple(_item(part, root) for part in group.parts) for group in given.parts if isinstance(group, AllOf)
    )


def _item(part: Condition, root: str) -> Item:
    to, inner = root, part
    if isinstance(part, Associated) and part.type_id is None:
        to, inner = part.to, part.where
    leaf = membership.shown(inner)
    if leaf is None:
        raise _unreadable()
    return Item(to, leaf)


def _unreadable() -> Invalid:
    return Invalid(_("These filters can't be read."), field="f", hint=_("Begin anew without them."))


def read(text: str, root: str = "ticket") -> Groups:
    """What stands in an address. Raises Invalid."""
    if not text:
        return ()
    try:
        data = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise _unreadable()
    return groups_of(from_json(data, "f"), root)


def write(groups: Groups, root: str = "ticket") -> str:
    filled = tuple(group for group in groups if group)
    return (
        json.dumps(to_json(condition(filled, root)), separators=(",", ":"), ensure_ascii=False)
        if filled
        else ""
    )


@dataclass(frozen=True)
class Spot:
    """Where a filter stands, or is to stand: an index past the end is a new one."""

    group: int
    index: int

    def __str__(self) -> str:
        return f"{self.group}.{self.index}"


def spot_of(text: str) -> Spot | None:
    group, _dot, index = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in (group, index)):
        return None
    return Spot(int(group), int(index))


def put(groups: Groups, spot: Spot, item: Item | None) -> Groups:
    """With the filter there, or without one; empty groups go."""
    made = [list(group) for group in groups]
    if spot.group >= len(made):
        made.append([])
    group = made[min(spot.group, len(made) - 1)]
    group[spot.index : spot.index + 1] = [item] if item else []
    return tuple(tuple(group) for group in made if group)


def at(groups: Groups, spot: Spot) -> Item | None:
    there = spot.group < len(groups) and spot.index < len(groups[spot.group])
    return groups[spot.group][spot.index] if there else None


# ── from the form ────────────────────────────────────────────────────────────────────────────────────────────────────


def made_of(prop: Property, operator: str, values: Sequence[str], amount: str, unit: str) -> Filter:
    """Raises Invalid, naming the field."""
    takes = OPERATORS[prop.kind].get(Operator(operator)) if operator in set(Operator) else None
    if takes is None or (
        prop.name == membership.NAME and Operator(operator) not in membership.OPERATOR_WORDS
    ):
        raise Invalid(_("Choose how to compare."), field="op", value=operator[:40])
    given = [text.strip() for text in values if text.strip()]
    return Filter(prop.name, prop.kind, Operator(operator), _values(prop, takes, given, amount, unit))


def _values(prop: Property, takes: Takes, given: list[str], amount: str, unit: str) -> tuple[Value, ...]:
    if takes is Takes.NOTHING:
        return ()
    if takes is Takes.SPAN:
        return (_span(prop, amount, unit),)
    if not given or (takes is Takes.TWO and len(given) < 2):
        raise Invalid(_("Give a value."), field="value")
    if takes is Takes.WINDOW:
        if given[0] not in set(Window):
            raise Invalid(_("Choose a window."), field="value", value=given[0][:40])
        return (Window(given[0]),)
    if takes is Takes.SOME and prop.kind in (Kind.TEXT, Kind.NUMBER, Kind.DURATION):
        given = [part.strip() for text in given for part in text.split(";") if part.strip()]
    read_all = tuple(_value(prop, text) for text in given)
    if takes is Takes.TWO:
        low, high = read_all[:2]
        if low > high:  # type: ignore[operator]
            raise Invalid(_("The first value must be the smaller one."), field="value")
        return (low, high)
    return read_all if takes is Takes.SOME else read_all[:1]


def _span(prop: Property, amount: str, unit: str) -> Span:
    units = (Unit.DAY, Unit.WEEK) if prop.kind is Kind.DATE else tuple(Unit)
    if not (amount.isascii() and amount.isdigit() and int(amount[:6]) > 0 and len(amount) <= 4):
        raise Invalid(_("Give a whole number from 1 to 9999."), field="amount", value=amount[:40])
    if unit not in units:
        raise Invalid(_("Choose a unit."), field="unit", value=unit[:40])
    return Span(int(amount), Unit(unit))


def _value(prop: Property, text: str) -> Value:
    match prop.kind:
        case Kind.NUMBER | Kind.DURATION:
            return _number(text)
        case Kind.DATE | Kind.DATETIME:
            return _day(text)
        case Kind.BOOL:
            return text == "true"
        case Kind.REF | Kind.REFS:
            if (found := whole(text)) is None:
                raise Invalid(_("Choose from the list."), field="value", value=text[:40])
            return found
    return text


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number.adjusted() > 30:
        raise Invalid(_("This is not a number."), field="value", value=text[:40])
    return number


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        raise Invalid(_("This is not a date."), field="value", value=text[:40]) from None
    if not date(1900, 1, 1) <= day <= date(2999, 12, 31) - timedelta(days=1):
        raise Invalid(_("This is not a date."), field="value", value=text[:40])
    return day

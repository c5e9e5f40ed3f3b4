"""Filters as the editor knows them: groups joined by or, filters joined by and. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import chain, islice, product

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
from deskhand.crm.schema import activities
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import plain, whole
from deskhand.web.filters import membership

LONGEST = 6000  # characters of filters in an address
MOST_GROUPS = 50  # that conditions in conditions may come to


class How(StrEnum):
    """What is asked of activities: whether the record has one that meets the filter, or none, or whether the one of the
    filter before it does so too."""

    HAS = ""
    NONE = "none"
    SAME = "same"


@dataclass(frozen=True)
class Item:
    """One filter, on the record, on a linked one, or on an activity of it (R-TRIG-4); `label` is the number of what a linked
    one must be linked as (R-TRIG-5), `how` is said of activities alone."""

    object_type: str
    filter: Filter
    label: int | None = None
    how: How = How.HAS

    @property
    def name(self) -> str:
        """Of what it asks for, as forms have it: "ticket.subject"."""
        return f"{self.object_type}.{self.filter.property}"


Groups = tuple[tuple[Item, ...], ...]


def condition(groups: Groups, root: str = "ticket") -> Condition:
    """`root` is the kind of record that is filtered; others are linked to it."""
    filled = [group for group in groups if group]
    if not filled:
        return EVERYTHING
    return AnyOf(tuple(AllOf(tuple(_parts(group, root))) for group in filled))


def _parts(group: Sequence[Item], root: str) -> list[Condition]:
    """Filters on the same activity become one part."""
    found: list[Condition] = []
    for item in group:
        last = found[-1] if found else None
        if item.how is How.SAME and isinstance(last, Associated) and last.to == item.object_type:
            before = last.where.parts if isinstance(last.where, AllOf) else (last.where,)
            found[-1] = replace(last, where=AllOf((*before, item.filter)))
        elif activities.find(item.object_type) is not None:
            found.append(Associated(item.object_type, item.filter, has=item.how is not How.NONE))
        else:
            found.append(_part(item, root))
    return found


def _part(item: Item, root: str) -> Condition:
    leaf = membership.stored(item.filter)
    is_own = item.object_type == root and item.label is None
    return leaf if is_own else Associated(item.object_type, leaf, item.label)


def groups_of(given: Condition, root: str = "ticket") -> Groups:
    """Conditions in conditions are told apart until only groups are left (R-TRIG-2). Raises Invalid for what they can't say."""
    return () if given == EVERYTHING else _apart(given, root)


def _apart(part: Condition, root: str) -> Groups:
    match part:
        case AnyOf(parts) if parts:
            found = tuple(group for one in parts for group in _apart(one, root))
        case AllOf(parts) if parts:
            ways = product(*(_apart(one, root) for one in parts))
            found = tuple(_joined(way) for way in islice(ways, MOST_GROUPS + 1))
        case Associated(to, where, None, has) if activities.find(to) is not None:
            found = (_of_activity(to, where, has),)
        case Associated(to, has=has) if not has or activities.find(to) is not None:
            raise _unreadable()
        case Associated(to, AnyOf(parts), label) if parts:
            found = tuple(group for one in parts for group in _apart(Associated(to, one, label), root))
        case Associated(to, AllOf((single,)), label):
            found = _apart(Associated(to, single, label), root)
        case Associated(to, inner, label) if to != root or label is not None:
            found = ((_item(to, inner, label),),)
        case _:
            found = ((_item(root, part),),)
    if len(found) > MOST_GROUPS:
        raise _unreadable()
    return found


def _joined(way: Sequence[tuple[Item, ...]]) -> tuple[Item, ...]:
    """Once what must hold twice; of filters that follow each other on one activity, all."""
    found = tuple(chain(*dict.fromkeys(way)))
    return found if any(item.how is How.SAME for item in found) else tuple(dict.fromkeys(found))


def _of_activity(name: str, where: Condition, has: bool) -> tuple[Item, ...]:
    parts = where.parts if isinstance(where, AllOf) else (where,)
    filters = [part for part in parts if isinstance(part, Filter)]
    if not filters or len(filters) < len(parts):
        raise _unreadable()
    first = How.HAS if has else How.NONE
    return tuple(Item(name, one, how=How.SAME if place else first) for place, one in enumerate(filters))


def _item(object_type: str, part: Condition, label: int | None = None) -> Item:
    leaf = membership.shown(part)
    if leaf is None:
        raise _unreadable()
    return Item(object_type, leaf, label)


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


def before(groups: Groups, spot: Spot) -> Item | None:
    """The filter in front of a place, in its group."""
    return at(groups, Spot(spot.group, spot.index - 1)) if spot.index else None


def at(groups: Groups, spot: Spot) -> Item | None:
    there = spot.group < len(groups) and spot.index < len(groups[spot.group])
    return groups[spot.group][spot.index] if there else None


# ── from the form ────────────────────────────────────────────────────────────────────────────────────────────────────


def made_of(prop: Property, operator: str, values: Sequence[str], amount: str, unit: str) -> Filter:
    """Raises Invalid, naming the field."""
    takes = OPERATORS[prop.kind].get(Operator(operator)) if operator in set(Operator) else None
    if takes is None or (
        prop.name in membership.SORTS and Operator(operator) not in membership.operator_words(prop.name)
    ):
        raise Invalid(_("Choose how to compare."), field="op", value=operator[:40])
    given = [text.strip() for text in values if text.strip()]
    if prop.name in membership.SORTS:
        known = {option.value for option in prop.options}
        if gone := [text for text in given if text not in known]:
            raise Invalid(_("Choose from the list."), field="value", value=gone[0][:40])
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
    read_all = tuple(_value(prop, text, unit) for text in given)
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


def _value(prop: Property, text: str, unit: str = "") -> Value:
    match prop.kind:
        case Kind.NUMBER:
            return _number(text)
        case Kind.DURATION:
            return _number(text) * _in_milliseconds(unit)
        case Kind.DATE | Kind.DATETIME:
            return _day(text)
        case Kind.BOOL:
            return text == "true"
        case Kind.REF | Kind.REFS:
            if (found := whole(text)) is None:
                raise Invalid(_("Choose from the list."), field="value", value=text[:40])
            return found
    return text


#: Milliseconds of each unit, the longest first (R-PROP-1).
_LENGTHS = {
    Unit.WEEK: 7 * 86_400_000, Unit.DAY: 86_400_000, Unit.HOUR: 3_600_000, Unit.MINUTE: 60_000,
}  # fmt: skip


def _in_milliseconds(unit: str) -> int:
    if unit not in set(Unit):
        raise Invalid(_("Choose a unit."), field="unit", value=unit[:40])
    return _LENGTHS[Unit(unit)]


def in_units(milliseconds: Sequence[Decimal]) -> tuple[list[Decimal], Unit]:
    """Durations in the longest unit that all of them are whole of; in minutes where there is none."""
    for unit, length in _LENGTHS.items():
        found = [one / length for one in milliseconds]
        if all(one == one.to_integral_value() for one in found) and any(found):
            return found, unit
    return [one / _LENGTHS[Unit.MINUTE] for one in milliseconds], Unit.MINUTE


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


# ── into the form ────────────────────────────────────────────────────────────────────────────────────────────────────


def input_type(kind: Kind, takes: Takes) -> str:
    if kind in (Kind.DATE, Kind.DATETIME):
        return "date"
    return "number" if kind in (Kind.NUMBER, Kind.DURATION) and takes is not Takes.SOME else "text"


def values_typed(there: Item | None) -> tuple[str, ...]:
    """As they are typed; several texts stand in one line."""
    if there is None:
        return ()
    said = tuple(as_typed(value) for value in to_json(there.filter).get("values", []))
    if there.filter.kind is Kind.DURATION:
        said = tuple(f"{amount.normalize():f}" for amount in in_units(_durations(there))[0])
    in_a_line = there.filter.kind in (Kind.TEXT, Kind.NUMBER, Kind.DURATION)
    if in_a_line and OPERATORS[there.filter.kind][there.filter.operator] is Takes.SOME:
        return ("; ".join(said),)
    return said


def as_typed(value: object) -> str:
    """One value, as the form posts it."""
    return str(value.get("window", "")) if isinstance(value, dict) else plain(value)


def _durations(there: Item) -> list[Decimal]:
    return [value for value in there.filter.values if isinstance(value, Decimal)]


def span_typed(there: Item | None) -> tuple[str, str]:
    """Its amount and its unit; of durations the unit alone."""
    if there and there.filter.kind is Kind.DURATION:
        return "", in_units(_durations(there))[1].value
    written = to_json(there.filter).get("values", [{}]) if there else [{}]
    first = written[0] if written else {}
    if isinstance(first, dict) and "amount" in first:
        return str(first["amount"]), first["unit"]
    return "", Unit.DAY.value

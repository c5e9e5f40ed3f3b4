"""Turns every comparison of dates into one half-open range, which both evaluators then compare with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from deskhand.crm.filters.types import Filter, Operator, Span, Unit, Window
from deskhand.crm.schema.types import Kind
from deskhand.kernel.calendars import local_day, start_of_day

_TICK = timedelta(microseconds=1)  # the finest difference that PostgreSQL and Python keep
_DAY = timedelta(days=1)
_LENGTH = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: _DAY,
    Unit.WEEK: 7 * _DAY,
}


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` up to but not including `end`; None is without end. Days for DATE, moments for DATETIME."""

    start: date | None = None
    end: date | None = None


def range_of(leaf: Filter, now: datetime, zone: ZoneInfo) -> Range:
    """The values of a DATE or DATETIME property that meet the filter."""
    if leaf.operator is Operator.WITHIN:
        return _of_days(leaf.kind, *_window(cast(Window, leaf.values[0]), local_day(zone, now)), zone)
    if isinstance(leaf.values[0], Span):
        return _relative(leaf.operator, leaf.values[0], leaf.kind, now, zone)
    low, high = cast(date, leaf.values[0]), cast(date, leaf.values[-1])
    match leaf.operator:
        case Operator.BEFORE:
            return Range(None, _first(leaf.kind, low, zone))
        case Operator.AFTER:
            return Range(_past(leaf.kind, low, zone), None)
        case _:  # ON, BETWEEN
            return Range(_first(leaf.kind, low, zone), _past(leaf.kind, high, zone))


def _relative(operator: Operator, span: Span, kind: Kind, now: datetime, zone: ZoneInfo) -> Range:
    here: date = local_day(zone, now) if kind is Kind.DATE else now
    tick = _DAY if kind is Kind.DATE else _TICK
    length = span.amount * _LENGTH[span.unit]
    match operator:
        case Operator.LESS_THAN_AGO:
            return Range(here - length + tick, here + tick)
        case Operator.MORE_THAN_AGO:
            return Range(None, here - length)
        case Operator.LESS_THAN_AHEAD:
            return Range(here, here + length)
        case _:  # MORE_THAN_AHEAD
            return Range(here + length + tick, None)


def _first(kind: Kind, value: date, zone: ZoneInfo) -> date:
    """The first value of the kind that is not before `value`."""
    if isinstance(value, datetime):
        return local_day(zone, value) if kind is Kind.DATE else value
    return value if kind is Kind.DATE else start_of_day(zone, value)


def _past(kind: Kind, value: date, zone: ZoneInfo) -> date:
    """The first value of the kind that is after all of `value`."""
    if isinstance(value, datetime):
        return local_day(zone, value) + _DAY if kind is Kind.DATE else value + _TICK
    return value + _DAY if kind is Kind.DATE else start_of_day(zone, value + _DAY)


def _of_days(kind: Kind, first: date, past: date, zone: ZoneInfo) -> Range:
    return Range(_first(kind, first, zone), _first(kind, past, zone))


def _window(window: Window, today: date) -> tuple[date, date]:
    monday, month = today - today.weekday() * _DAY, today.replace(day=1)
    next_month = (month + 31 * _DAY).replace(day=1)
    match window:
        case Window.TODAY:
            return today, today + _DAY
        case Window.YESTERDAY:
            return today - _DAY, today
        case Window.TOMORROW:
            return today + _DAY, today + 2 * _DAY
        case Window.THIS_WEEK:
            return monday, monday + 7 * _DAY
        case Window.LAST_WEEK:
            return monday - 7 * _DAY, monday
        case Window.NEXT_WEEK:
            return monday + 7 * _DAY, monday + 14 * _DAY
        case Window.THIS_MONTH:
            return month, next_month
        case Window.LAST_MONTH:
            return (month - _DAY).replace(day=1), month
        case Window.NEXT_MONTH:
            return next_month, (next_month + 31 * _DAY).replace(day=1)
        case Window.THIS_YEAR:
            return today.replace(month=1, day=1), date(today.year + 1, 1, 1)

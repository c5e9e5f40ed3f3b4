"""When schedules fire: pure arithmetic on the wall clock of the account's zone (R-TRIG-20, R-TRIG-22).

A time that the clocks skip is the moment of the skip; one that comes twice is the first of both. A day that a month
lacks is its last.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from deskhand.automation.engine.definition import Every, WhenDated, WhenScheduled
from deskhand.kernel.calendars import local_day, wall_time

DAY = timedelta(days=1)


def next_fire(trigger: WhenScheduled | WhenDated, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after `after`; None where no day is ever meant. Dates are looked at once a day."""
    today = local_day(zone, after)
    for day in _days(trigger, today):
        at = wall_time(zone, day, trigger.minute)
        if at > after:
            return at
    return None


def _days(trigger: WhenScheduled | WhenDated, today: date) -> Iterator[date]:
    """Days from today on, in order; at least one of them is later than today, if there are any."""
    if isinstance(trigger, WhenDated) or trigger.every is Every.DAY:
        yield from (today, today + DAY)
    elif trigger.every is Every.WEEK:
        yield from (d for n in range(8) if (d := today + n * DAY).weekday() in trigger.weekdays)
    elif trigger.every is Every.MONTH:
        first = today.replace(day=1)
        yield from (d for n in range(2) if (d := _in_month(_months_on(first, n), trigger.day)) >= today)
    else:
        years = (date(today.year + n, trigger.month, 1) for n in range(2))
        yield from (d for first in years if (d := _in_month(first, trigger.day)) >= today)


def _months_on(first: date, months: int) -> date:
    total = first.month - 1 + months
    return date(first.year + total // 12, total % 12 + 1, 1)


def _in_month(first: date, day: int) -> date:
    return first.replace(day=min(day, monthrange(first.year, first.month)[1]))


def days_meant(trigger: WhenDated, last: datetime, at: datetime, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last day that a record's date must be on, of those that fired after `last` up to `at`."""
    first = local_day(zone, last)
    while wall_time(zone, first, trigger.minute) <= last:
        first += DAY
    end = local_day(zone, at)
    if wall_time(zone, end, trigger.minute) > at:
        end -= DAY
    shift = trigger.days * DAY
    return first - shift, end - shift

"""Working hours as pure arithmetic: wall-clock hours of a zone in, moments in UTC out.

A block of hours is the time from the first moment its start shows on the wall to the first moment its end does.
A start or end that the wall skips (clocks put forward) counts as the moment of the skip, so an hour that
does not exist is no working time and an hour that comes twice is worked twice if it lies inside a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import N_

DAY_MINUTES = 24 * 60
#: How far ahead to look for working time before giving up.
HORIZON = timedelta(days=60)
#: How far ahead to look for a change of state; hours that never change in this time have no edge.
EDGE_HORIZON = timedelta(days=366)

Interval = tuple[datetime, datetime]


def _check_minutes(start: int, end: int) -> None:
    if not 0 <= start < end <= DAY_MINUTES:
        raise Invalid(
            N_("Hours must start before they end, within one day."),
            field="hours",
            value=(start, end),
            hint=N_("Split work over midnight into two blocks."),
        )


@dataclass(frozen=True, order=True, slots=True)
class Block:
    """Hours on a weekday (0 is Monday), in minutes since midnight; `end` may be 1440. Night work is two blocks."""

    weekday: int
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise Invalid(N_("A weekday is 0 (Monday) to 6 (Sunday)."), field="weekday", value=self.weekday)
        _check_minutes(self.start, self.end)


@dataclass(frozen=True, order=True, slots=True)
class SpecialDay:
    """A day whose hours differ from its weekday's: (start, end) in minutes since midnight; none means a holiday."""

    day: date
    hours: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        for start, end in self.hours:
            _check_minutes(start, end)


@dataclass(frozen=True)
class WeeklyHours:
    """Hours that repeat every week in `zone` (an IANA name), except on special days."""

    zone: str
    blocks: tuple[Block, ...] = ()
    special_days: tuple[SpecialDay, ...] = ()

    def __post_init__(self) -> None:
        zone_named(self.zone)

    @cached_property
    def _of_weekday(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        return tuple(
            tuple(sorted((block.start, block.end) for block in self.blocks if block.weekday == weekday))
            for weekday in range(7)
        )

    @cached_property
    def _of_day(self) -> dict[date, tuple[tuple[int, int], ...]]:
        return {special.day: tuple(sorted(special.hours)) for special in self.special_days}

    def on(self, day: date) -> tuple[tuple[int, int], ...]:
        """The hours of `day` as (start, end) in minutes since midnight, in order."""
        return self._of_day.get(day, self._of_weekday[day.weekday()])


ALWAYS = tuple(Block(weekday, 0, DAY_MINUTES) for weekday in range(7))


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """Raises Invalid if there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as failure:
        raise Invalid(
            f"{name!r} is not a time zone.",
            field="zone",
            value=name,
            hint=N_("Use a name such as Europe/Copenhagen."),
        ) from failure


def wall_time(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """The moment (UTC) at which `minute` since midnight of `day` first shows on the wall, or is skipped."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    early = wall.replace(tzinfo=zone, fold=0)
    if early.utcoffset() == early.replace(fold=1).utcoffset():
        return early.astimezone(UTC)
    if early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall:
        return early.astimezone(UTC)
    return _skip_around(zone, early)


def start_of_day(zone: ZoneInfo, day: date) -> datetime:
    """The first moment (UTC) of `day` in `zone`."""
    return wall_time(zone, day, 0)


def local_day(zone: ZoneInfo, at: datetime) -> date:
    return at.astimezone(zone).date()


def is_open(hours: WeeklyHours, at: datetime) -> bool:
    """R-AVAIL-3, R-AVAIL-16. A block's end is outside it."""
    around = local_day(zone_named(hours.zone), at)
    return any(
        start <= at < end for shift in (-1, 0, 1) for start, end in _open_on(hours, _shifted(around, shift))
    )


def next_edge(hours: WeeklyHours, at: datetime) -> datetime | None:
    """The first moment after `at` at which open becomes closed or the other way; None if that is over a year away."""
    for start, end in _open_from(hours, at, EDGE_HORIZON):
        edge = start if start > at else end
        return edge if edge <= at + EDGE_HORIZON else None
    return None


def next_open(hours: WeeklyHours, at: datetime) -> datetime:
    """`at` itself if it is open, else the next opening. Raises Invalid if there is none in the next 60 days."""
    return max(_first_interval(hours, at)[0], at)


def add_working(hours: WeeklyHours, start: datetime, span: timedelta) -> datetime:
    """The first moment by which `span` of working time has passed since `start` (R-DELAY-9, R-SLA-24).

    Raises Invalid if it has to cross 60 days without working time.
    """
    if span < timedelta(0):
        raise Invalid(N_("A span of working time can't be negative."), field="span", value=span)
    at, left = start, span
    while left:
        opened, closed = _first_interval(hours, at)
        opened = max(opened, at)
        if closed - opened >= left:
            return opened + left
        left -= closed - opened
        at = closed
    return at


def working_between(hours: WeeklyHours, start: datetime, end: datetime) -> timedelta:
    """Working time from `start` to `end`; zero if `end` is not later."""
    total = timedelta(0)
    if end <= start:
        return total
    for opened, closed in _open_from(hours, start, end - start):
        total += max(min(closed, end) - max(opened, start), timedelta(0))
    return total


def open_between(hours: WeeklyHours, start: datetime, end: datetime) -> list[Interval]:
    """The open intervals from `start` to `end`, in order and cut to these."""
    if end <= start:
        return []
    found = _open_from(hours, start, end - start)
    return [(max(opened, start), min(closed, end)) for opened, closed in found if opened < end]


def _first_interval(hours: WeeklyHours, at: datetime) -> Interval:
    for interval in _open_from(hours, at, HORIZON):
        if interval[0] <= at + HORIZON:
            return interval
    raise Invalid(
        N_("These hours have no working time in the next 60 days."),
        field="hours",
        hint=N_("Add hours to a weekday."),
    )


def _open_from(hours: WeeklyHours, at: datetime, horizon: timedelta) -> Iterator[Interval]:
    """The open intervals that end after `at`, in order, those that touch joined; days up to the horizon are read."""
    first = local_day(zone_named(hours.zone), at)
    pending: Interval | None = None
    for shift in range(-1, horizon.days + 3):
        for start, end in _open_on(hours, _shifted(first, shift)):
            if end <= at:
                continue
            if pending is not None and start <= pending[1]:
                pending = (pending[0], max(pending[1], end))
                continue
            if pending is not None:
                yield pending
            pending = (start, end)
    if pending is not None:
        yield pending


def _open_on(hours: WeeklyHours, day: date) -> list[Interval]:
    zone = zone_named(hours.zone)
    intervals = ((wall_time(zone, day, start), wall_time(zone, day, end)) for start, end in hours.on(day))
    return [(start, end) for start, end in intervals if start < end]


def _skip_around(zone: ZoneInfo, skipped: datetime) -> datetime:
    """The moment at which the clocks of `zone` jump over the wall time `skipped`."""
    after = skipped.astimezone(UTC)
    before = skipped.replace(fold=1).astimezone(UTC)
    offset_after = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset_after:
            after = middle
        else:
            before = middle
    return after


def _shifted(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError as failure:
        raise Invalid(N_("That is beyond the end of the calendar."), field="at", value=day) from failure

"""When actions may run: the window of days and hours, and days of pause (R-EXEC-2…7)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from deskhand.automation.engine.chance import share
from deskhand.automation.engine.definition import Timing
from deskhand.kernel.calendars import (
    ALWAYS,
    HORIZON,
    SpecialDay,
    WeeklyHours,
    is_open,
    local_day,
    next_edge,
    next_open,
    wall_time,
    zone_named,
)

#: After an opening, the actions that waited for it are spread over this time (R-EXEC-5).
SPREAD = timedelta(minutes=15)


def held_until(timing: Timing, zone: str, now: datetime, enrollment_id: int) -> datetime | None:
    """When the action may run, or None for now. The same enrollment always gets the same place in the spread.

    Raises Invalid if the window does not open within 60 days.
    """
    if not timing.window and not timing.pause_days:
        return None
    hours = _hours(timing, zone)
    if is_open(hours, now):
        return None
    if local_day(zone_named(zone), now) in timing.pause_days and is_open(
        _hours_without_pauses(timing, zone), now
    ):
        return _same_time_later(hours, now, enrollment_id)
    return _spread(hours, next_open(hours, now), enrollment_id)


@lru_cache(maxsize=512)
def _hours(timing: Timing, zone: str) -> WeeklyHours:
    return WeeklyHours(zone, timing.window or ALWAYS, tuple(SpecialDay(day) for day in timing.pause_days))


@lru_cache(maxsize=512)
def _hours_without_pauses(timing: Timing, zone: str) -> WeeklyHours:
    return WeeklyHours(zone, timing.window or ALWAYS)


def _same_time_later(hours: WeeklyHours, now: datetime, enrollment_id: int) -> datetime:
    """The same wall time on the next day with hours if it is among them, else that day's opening (R-EXEC-4)."""
    zone = zone_named(hours.zone)
    wall = now.astimezone(zone)
    day = _next_day_with_hours(hours, wall.date())
    same_time = wall_time(zone, day, wall.hour * 60 + wall.minute) + timedelta(
        seconds=wall.second, microseconds=wall.microsecond
    )
    if is_open(hours, same_time):
        return same_time
    return _spread(hours, next_open(hours, max(now, wall_time(zone, day, 0))), enrollment_id)


def _next_day_with_hours(hours: WeeklyHours, day: date) -> date:
    for shift in range(1, HORIZON.days + 1):
        if hours.on(day + timedelta(days=shift)):
            return day + timedelta(days=shift)
    return day  # next_open will say that there is none


def _spread(hours: WeeklyHours, opening: datetime, enrollment_id: int) -> datetime:
    closing = next_edge(hours, opening)
    room = SPREAD if closing is None else min(SPREAD, closing - opening)
    return opening + room * share("window", enrollment_id)

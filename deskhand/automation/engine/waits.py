"""How long each kind of delay waits (R-DELAY-1…9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from deskhand.automation.engine.definition import (
    ForAmount,
    Missed,
    Slot,
    UntilDate,
    UntilProperty,
    UntilTime,
    UntilWeekday,
)
from deskhand.automation.engine.trace import What
from deskhand.crm.filters.evaluate import Facts
from deskhand.kernel.calendars import WeeklyHours, add_working, local_day, wall_time, zone_named
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import N_

TimedWait = ForAmount | UntilDate | UntilProperty | UntilWeekday | UntilTime


@dataclass(frozen=True, slots=True)
class Until:
    at: datetime


@dataclass(frozen=True, slots=True)
class GoOn:
    """There is nothing to wait for; `slot` is the way to take."""

    why: What
    slot: Slot = "next"


def end_of(
    wait: TimedWait, facts: Facts, now: datetime, zone: str, working_hours: WeeklyHours | None = None
) -> Until | GoOn:
    """Without working hours, all time is working time. Raises Invalid if the property holds no date."""
    match wait:
        case ForAmount(amount, is_working_time):
            counted = is_working_time and working_hours is not None
            return Until(
                add_working(working_hours, now, amount) if counted and working_hours else now + amount
            )
        case UntilDate(day, minute, if_past):
            return _until(wall_time(zone_named(zone), day, minute), now, if_past)
        case UntilProperty():
            return _until_property(wait, facts, now, zone)
        case UntilWeekday(days, minute):
            return _until_weekday(days, minute, now, zone)
        case UntilTime(minute):
            return _until_weekday(tuple(range(7)), minute, now, zone)


def _until(moment: datetime, now: datetime, if_past: Missed) -> Until | GoOn:
    return Until(moment) if moment > now else GoOn(What.PAST, if_past.value)


def _until_property(wait: UntilProperty, facts: Facts, now: datetime, zone: str) -> Until | GoOn:
    value = facts.value(wait.property)
    if value is None or value == "":
        return GoOn(What.NO_DATE, wait.if_empty.value)
    if not isinstance(value, date):
        raise Invalid(f"{wait.property} holds {value!r}, which is no date.", field=wait.property, value=value)
    try:
        return _until(_dated(wait, value, zone), now, wait.if_past)
    except OverflowError as failure:
        raise Invalid(f"{wait.property} is too far away.", field=wait.property, value=value) from failure


def _dated(wait: UntilProperty, value: date, zone: str) -> datetime:
    """The property's moment, moved by days of the calendar, set to a time of day, then moved by minutes."""
    later = timedelta(minutes=wait.minutes)
    if isinstance(value, datetime):
        if wait.days == 0 and wait.minute is None:
            return value + later
        wall = value.astimezone(zone_named(zone))
        day, minute = wall.date(), wall.hour * 60 + wall.minute
        if wait.minute is None:
            later += timedelta(seconds=wall.second, microseconds=wall.microsecond)
    else:
        day, minute = value, 0
    minute = minute if wait.minute is None else wait.minute
    return wall_time(zone_named(zone), day + timedelta(days=wait.days), minute) + later


def _until_weekday(days: tuple[int, ...], minute: int | None, now: datetime, zone: str) -> Until | GoOn:
    """Today counts: if no time is given, all of it; else until that minute is over."""
    today = local_day(zone_named(zone), now)
    for shift in range(8):
        day = today + timedelta(days=shift)
        if day.weekday() not in days:
            continue
        start = wall_time(zone_named(zone), day, minute or 0)
        if start > now:
            return Until(start)
        if shift == 0 and (minute is None or now < start + timedelta(minutes=1)):
            return GoOn(What.INSIDE)
    raise Invalid(N_("Choose at least one day of the week."), field="days", value=days)

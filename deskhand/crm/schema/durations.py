"""Spans of time in words. They are stored and compared in milliseconds (R-PROP-1)."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import ngettext

MINUTE = 60_000


def words(milliseconds: int) -> str:
    """About how long: "35 minutes", "7 hours", "3 days"."""
    minutes = milliseconds // MINUTE
    if minutes < 60:
        return _minutes(minutes)
    hours = minutes // 60
    if hours < 48:
        return _hours(hours)
    return _days(hours // 24)


def exactly(amount: timedelta, *, of_working_time: bool = False) -> str:
    """To the minute: days, hours, minutes. Of working time there are only hours: a day of it is no day of 24 hours."""
    minutes = int(amount.total_seconds() // 60)
    days = 0 if of_working_time else minutes // 1440
    hours, rest = minutes // 60 - days * 24, minutes % 60
    parts = (_days, days), (_hours, hours), (_minutes, rest)
    return " ".join(said(number) for said, number in parts if number) or _minutes(0)


def _minutes(number: int) -> str:
    return ngettext("%(num)s minute", "%(num)s minutes", number) % {"num": number}


def _hours(number: int) -> str:
    return ngettext("%(num)s hour", "%(num)s hours", number) % {"num": number}


def _days(number: int) -> str:
    return ngettext("%(num)s day", "%(num)s days", number) % {"num": number}

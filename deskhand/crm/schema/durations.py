"""Spans of time in words. They are stored and compared in milliseconds (R-PROP-1)."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import ngettext

MINUTE = 60_000


def words(milliseconds: int) -> str:
    """About how long: "35 minutes", "7 hours", "3 days"."""
    minutes = milliseconds // MINUTE
    if minutes < 60:
        return ngettext("%(num)s minute", "%(num)s minutes", minutes) % {"num": minutes}
    hours = minutes // 60
    if hours < 48:
        return ngettext("%(num)s hour", "%(num)s hours", hours) % {"num": hours}
    days = hours // 24
    return ngettext("%(num)s day", "%(num)s days", days) % {"num": days}


def exactly(amount: timedelta, *, of_working_time: bool = False) -> str:
    """To the minute: days, hours, minutes. Of working time there are only hours: a day of it is no day of 24 hours."""
    minutes = int(amount.total_seconds() // 60)
    days = 0 if of_working_time else minutes // 1440
    hours, rest = minutes // 60 - days * 24, minutes % 60
    parts = []
    if days:
        parts.append(ngettext("%(n)s day", "%(n)s days", days) % {"n": days})
    if hours:
        parts.append(ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours})
    if rest or not parts:
        parts.append(ngettext("%(n)s minute", "%(n)s minutes", rest) % {"n": rest})
    return " ".join(parts)

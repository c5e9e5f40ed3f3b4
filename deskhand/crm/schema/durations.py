"""Spans of time in words. They are stored and compared in milliseconds (R-PROP-1)."""

from __future__ import annotations

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

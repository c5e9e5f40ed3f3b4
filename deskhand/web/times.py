"""How the screens say when: short in lists, exact on hover, always in the viewer's zone and language."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton, format_time
from django.utils import timezone
from django.utils.translation import gettext, pgettext

from deskhand.kernel import clock, locales


def ago(at: datetime, now: datetime | None = None) -> str:
    """Return 2m, 4h, Yesterday, 14 Nov or 14 Nov 2025."""
    now = now or clock.now()
    seconds = (now - at).total_seconds()
    if seconds < 60:
        return pgettext("age of a message", "now")
    if seconds < 3600:
        return pgettext("age of a message", "%(minutes)sm") % {"minutes": int(seconds // 60)}
    days = (_local(now).date() - _local(at).date()).days
    if days < 1 or seconds < 6 * 3600:
        return pgettext("age of a message", "%(hours)sh") % {"hours": int(seconds // 3600)}
    return gettext("Yesterday") if days == 1 else _day(at, now)


def moment(at: datetime, now: datetime | None = None) -> str:
    """Return Today 11:38, Tue 10:02, or 17 Nov, 09:14."""
    now = now or clock.now()
    local, clock_time = _local(at), format_time(_local(at), "short", locale=locale())
    if local.date() == _local(now).date():
        return gettext("Today %(time)s") % {"time": clock_time}
    if timedelta(0) < now - at < timedelta(days=6):
        return f"{format_datetime(local, 'EEE', locale=locale())} {clock_time}"
    return f"{_day(at, now)}, {clock_time}"


def absolute(at: datetime) -> str:
    local = _local(at)
    day = format_date(local, "full", locale=locale())
    return f"{day} {format_datetime(local, 'HH:mm zzz', locale=locale())}"


FIELD = "%Y-%m-%dT%H:%M"


def field(at: datetime | None) -> str:
    """A moment as a field for day and time holds it, in the reader's zone; "" for none."""
    return _local(at).strftime(FIELD) if at else ""


def typed(text: str) -> datetime:
    """The moment that somebody gave in such a field. Raises ValueError, also for one that no zone could show."""
    found = datetime.fromisoformat(text)
    if not 1 < found.year < 9999:
        raise ValueError(text)
    zoned = found if found.tzinfo else found.replace(tzinfo=timezone.get_current_timezone())
    return zoned.astimezone(UTC)


def iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _day(at: datetime, now: datetime) -> str:
    return locales.day(_local(at), _local(now))


def _local(at: datetime) -> datetime:
    return at.astimezone(timezone.get_current_timezone())


def locale() -> Locale:
    return Locale.parse(locales.of_reader())


def day(on: date) -> str:
    """Return 14 Nov 2026, for what has no hour."""
    return format_skeleton("yMMMd", on, locale=locale())

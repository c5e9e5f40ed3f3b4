"""When a reply may leave: what the form offers, and what it sends back, in the reader's zone."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from django.utils import timezone
from django.utils.translation import gettext as _

from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web import times
from deskhand.web.inbox.rows import PlannedTime

MORNING = 8  # o'clock
FARTHEST = timedelta(days=366)


def offered() -> tuple[PlannedTime, ...]:
    now, zone = clock.now(), timezone.get_current_timezone()
    return (
        PlannedTime("hour", _("In one hour"), times.moment(at("hour", now, zone))),
        PlannedTime("tomorrow", _("Tomorrow morning"), times.moment(at("tomorrow", now, zone))),
        PlannedTime("monday", _("Monday morning"), times.moment(at("monday", now, zone))),
    )


def earliest() -> str:
    return times.field(clock.now() + timedelta(minutes=1))


def at(key: str, now: datetime, zone: tzinfo) -> datetime:
    """The moment that an offer stands for. Raises Invalid for one that is not offered."""
    here = now.astimezone(zone)
    match key:
        case "hour":
            return now + timedelta(hours=1)
        case "tomorrow":
            return _morning(here, 1)
        case "monday":
            return _morning(here, 7 - here.weekday())
    raise Invalid(_("Choose when to send it."), field="later", value=key)


def _morning(here: datetime, days: int) -> datetime:
    day = here.date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, MORNING, tzinfo=here.tzinfo)


def chosen(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The moment of the field. Raises Invalid for one that can't be read, is past, or too far away."""
    try:
        moment = datetime.strptime(text[:16], times.FIELD).replace(tzinfo=zone)
    except ValueError as wrong:
        raise Invalid(
            _("Choose a day and a time."),
            field="leaves_at",
            value=text,
            hint=_("For example 2026-12-24 08:00."),
        ) from wrong
    if moment <= now:
        raise Invalid(_("This moment is past."), field="leaves_at", value=text, hint=_("Choose a later one."))
    if moment > now + FARTHEST:
        raise Invalid(
            _("This is more than a year away."),
            field="leaves_at",
            value=text,
            hint=_("Choose an earlier one."),
        )
    return moment

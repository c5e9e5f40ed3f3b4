"""Availability in words: until when, and why."""

from __future__ import annotations

from datetime import datetime

from babel.dates import format_datetime, format_time
from django.utils import timezone
from django.utils.translation import gettext as _

from deskhand.events.types import ActorKind
from deskhand.kernel import clock
from deskhand.kernel.calendars import Interval
from deskhand.routing.models import AvailabilityChange
from deskhand.routing.queries import DayPlan, Standing
from deskhand.routing.types import Source, Status
from deskhand.web import times
from deskhand.web.choices import joined
from deskhand.web.hours.rows import Now
from deskhand.web.inbox.rows import Label


def label_of(status: Status, way: str = "") -> Label:
    if status is Status.AVAILABLE:
        return Label(_("Available"), "green")
    return Label(way or _("Away"), "amber")


def now_of(standing: Standing) -> Now:
    return Now(label_of(standing.status, standing.way), _until(standing), _why(standing))


def _until(standing: Standing) -> str:
    if standing.until is None:
        return _("Until it is changed by hand.")
    time = moment_ahead(standing.until)
    if standing.status is Status.AVAILABLE:
        return _("Now: available until %(time)s.") % {"time": time}
    return _("Now: away until %(time)s.") % {"time": time}


def _why(standing: Standing) -> str:
    if standing.note:
        return standing.note
    match standing.source:
        case Source.HOURS if standing.status is Status.AVAILABLE:
            return _("Within working hours")
        case Source.HOURS:
            return _("Outside working hours")
        case Source.OUT_OF_OFFICE if standing.status is Status.AWAY:
            return _("Out of office")
        case Source.OUT_OF_OFFICE:
            return _("Back from an absence")
        case Source.MANUAL:
            return _("Set by hand") if standing.until else ""  # else the sentence says it
        case _:
            return _("Never set")


def of_change(change: AvailabilityChange, names: dict[int, str]) -> str:
    """Why a status changed, and through whom (R-AVAIL-18)."""
    by = names.get(change.actor_id or 0, "") if change.actor_kind == ActorKind.USER else ""
    match Source(change.source):
        case Source.HOURS:
            why = _("Working hours, changed by %(name)s") if by else _("Working hours")
        case Source.OUT_OF_OFFICE:
            why = _("Out of office, entered by %(name)s") if by else _("Out of office")
        case _:
            why = _("Set by %(name)s") if by else _("Set by hand")
    return why % {"name": by} if by else why


def day_text(plan: DayPlan) -> str:
    """Somebody's day in words."""
    if plan.work:
        text = joined(span(one) for one in plan.work)
    else:
        text = _("Not working today") if plan.has_hours else _("No working hours")
    if plan.away:
        text += " · " + _("out of office %(times)s") % {"times": joined(span(one) for one in plan.away)}
    return text


def span(interval: Interval) -> str:
    return "–".join(time(at) for at in interval)


def time(at: datetime) -> str:
    local = at.astimezone(timezone.get_current_timezone())
    return str(format_time(local, "short", locale=times.locale()))


def moment_ahead(at: datetime) -> str:
    """17:00 today, Mon 09:00 within a week, else the day as well."""
    local = at.astimezone(timezone.get_current_timezone())
    now = clock.now().astimezone(timezone.get_current_timezone())
    time = format_time(local, "short", locale=times.locale())
    if local.date() == now.date():
        return time
    if (local.date() - now.date()).days < 7:
        return f"{format_datetime(local, 'EEE', locale=times.locale())} {time}"
    return times.moment(at)

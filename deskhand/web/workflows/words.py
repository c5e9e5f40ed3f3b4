"""Workflows in words: of which records they are, what starts them, how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import time

from babel.dates import format_time, get_day_names, get_month_names
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from deskhand.automation import triggers
from deskhand.automation.emptying import Progress as Left
from deskhand.automation.engine.definition import (
    Definition,
    Delay,
    Every,
    ForAmount,
    Manual,
    Missed,
    UntilEvent,
    UntilProperty,
    Wait,
    WhenCalled,
    WhenDated,
    WhenEvent,
    WhenScheduled,
    WhenTrue,
    has_second_way,
)
from deskhand.automation.enrolling.baseline import Progress
from deskhand.automation.models import Workflow
from deskhand.crm.filters.types import Filter, leaves
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.web import times
from deskhand.web.choices import in_short
from deskhand.web.inbox.rows import Label

#: By the end of an event's kind.
EVENTS: dict[str, str | Promise] = {
    "created": gettext_lazy("Created"),
    "updated": gettext_lazy("A property changed"),
    "moved": gettext_lazy("Status changed"),
    "closed": gettext_lazy("Closed"),
    "reopened": gettext_lazy("Reopened"),
    "assigned": gettext_lazy("Owner changed"),
    "merged": gettext_lazy("Merged"),
    "snoozed": gettext_lazy("Snoozed"),
    "woken": gettext_lazy("Woken"),
    "received": gettext_lazy("Message received"),
    "sent": gettext_lazy("Reply sent"),
    "commented": gettext_lazy("Comment written"),
}


def type_labels() -> dict[str, str]:
    """What all kinds of records are called (R-OBJ-5), the account's own last."""
    return {one: type_label(one) for one in object_types.every()}


def type_label(object_type: str) -> str:
    return _(object_types.labels_of(object_type).plural)


def state(workflow: Workflow, opening: Progress | None = None) -> Label:
    """How it stands; `opening` while it is being switched on."""
    if workflow.archived_at is not None:
        return Label(pgettext("a workflow", "Archived"))
    if workflow.is_paused:
        return Label(pgettext("a workflow", "Paused"), "amber")
    if opening is not None:
        return Label(_("Being switched on: %(percent)s %%") % {"percent": opening.percent}, "blue")
    return Label(_("On"), "green") if workflow.is_on else Label(_("Off"))


def how_far(opening: Progress | None) -> str:
    """How far the switching on of a workflow is; empty when it is through."""
    if opening is None:
        return ""
    if opening.total is None:
        return _("Being switched on: records are being counted")
    named = {one: number_format(getattr(opening, one), force_grouping=True) for one in ("seen", "total")}
    if opening.is_change:
        return _("New filters: %(seen)s of %(total)s records looked at") % named
    return _("Being switched on: %(seen)s of %(total)s records looked at") % named


def leaving(left: Left | None) -> str:
    """How far the emptying of an archived workflow is; empty when it is through."""
    if left is None:
        return ""
    named = {one: number_format(getattr(left, one), force_grouping=True) for one in ("done", "total")}
    return _("Records are leaving: %(done)s of %(total)s") % named


def lane(place: tuple[str, str]) -> str:
    """The status that a lane belongs to, with its pipeline."""
    pipeline, stage = place
    if not stage:
        return _("A status that was deleted")
    return _("%(pipeline)s › %(status)s") % {"pipeline": _(pipeline), "status": _(stage)}


def trigger(definition: Definition | None, place: tuple[str, str] | None = None) -> str:
    """What starts the workflow, in one line."""
    if definition is None:
        return _("This version of the workflow can't be read.")
    if place is not None and place[1]:
        return _("When it reaches “%(status)s” in %(pipeline)s") % {
            "status": _(place[1]), "pipeline": _(place[0]),
        }  # fmt: skip
    match definition.trigger:
        case Manual():
            return _("Started by hand or by another workflow")
        case WhenTrue(condition):
            return _when_true(
                definition.object_type, [one for one in leaves(condition) if isinstance(one, Filter)]
            )
        case WhenEvent(events):
            said = [event(one.kind, definition.object_type) for one in events]
            return _("Event: %(events)s") % {"events": in_short(list(dict.fromkeys(said)))}
        case WhenScheduled() as found:
            return _schedule(found)
        case WhenDated(_condition, name, days, minute):
            return _dated(definition.object_type, name, days, minute)
        case WhenCalled():
            return _("When another system calls its address")


def event(kind: str, object_type: str = "") -> str:
    """As people choose it where it can be chosen; else by what it is in the log."""
    subject, _dot, did = kind.partition(".")
    chosen = triggers.choice(object_type or subject, kind).label
    return str(chosen if chosen != kind else EVENTS.get(did, kind))


def property_label(object_type: str, name: str) -> str:
    prop = properties_of(object_type).get(name)
    return _(prop.label) if prop else name


def _when_true(object_type: str, filters: list[Filter]) -> str:
    names = list(dict.fromkeys(property_label(object_type, one.property) for one in filters))
    if not names:
        return _("When filters are met")
    return _("When filters on %(properties)s are met") % {"properties": in_short(names)}


def _schedule(found: WhenScheduled) -> str:
    at = clock_time(found.minute)
    match found.every:
        case Every.DAY:
            return _("Every day at %(time)s") % {"time": at}
        case Every.WEEK:
            return _("Every week: %(days)s at %(time)s") % {"days": weekdays(found.weekdays), "time": at}
        case Every.MONTH:
            return _("Every month on day %(day)s at %(time)s") % {"day": found.day, "time": at}
        case Every.YEAR:
            month = get_month_names("wide", locale=times.locale())[found.month]
            return _("Every year on %(day)s %(month)s at %(time)s") % {
                "day": found.day, "month": month, "time": at,
            }  # fmt: skip


def _dated(object_type: str, name: str, days: int, minute: int) -> str:
    said = {"num": abs(days), "property": property_label(object_type, name), "time": clock_time(minute)}
    if days == 0:
        return _("On the day of “%(property)s”, at %(time)s") % said
    if days < 0:
        return ngettext(
            "%(num)s day before “%(property)s”, at %(time)s", "%(num)s days before “%(property)s”, at %(time)s", -days
        ) % said  # fmt: skip
    return ngettext(
        "%(num)s day after “%(property)s”, at %(time)s", "%(num)s days after “%(property)s”, at %(time)s", days
    ) % said  # fmt: skip


def clock_time(minute: int) -> str:
    return format_time(time(*divmod(minute % 1440, 60)), "short", locale=times.locale())


def weekdays(days: tuple[int, ...]) -> str:
    names = get_day_names("wide", locale=times.locale())
    return in_short([names[day] for day in days])


#: What the list can be narrowed to.
STATES: dict[str, str | Promise] = {
    "": gettext_lazy("All states"),
    "on": gettext_lazy("On"),
    "off": gettext_lazy("Off"),
    "paused": pgettext_lazy("a workflow", "Paused"),
    "review": gettext_lazy("Needs a look"),
}
SORTS: dict[str, str | Promise] = {
    "name": gettext_lazy("By name"),
    "changed": gettext_lazy("Changed last"),
    "created": gettext_lazy("Newest first"),
}


# ── the ways of delays ───────────────────────────────────────────────────────────────────────────────────────────────


def next_name(wait: Wait) -> str:
    """What the way is called on which a delay goes on when it is over, where it has two."""
    if isinstance(wait, UntilEvent):
        return _("It happened")
    return _("Time is up") if isinstance(wait, ForAmount) else _("The date came")


def otherwise_name(step: Delay) -> str:
    """What the other way of a delay is called (R-DELAY-3 … R-DELAY-5)."""
    if step.cancel_if is not None and step.if_cancelled is Missed.OTHERWISE:
        return _("Cancelled") if not has_second_way(replace(step, cancel_if=None)) else _("Otherwise")
    match step.wait:
        case UntilEvent():
            return _("Time is up")
        case UntilProperty(if_past=if_past, if_empty=if_empty):
            if if_past is Missed.OTHERWISE and if_empty is Missed.OTHERWISE:
                return _("Past or no date")
            return _("Past already") if if_past is Missed.OTHERWISE else _("No date")
        case _:
            return _("Past already")


def untold(names: Sequence[str]) -> str:
    """Who was called in a comment and is not told of it."""
    if not names:
        return ""
    said = ngettext("%(names)s may not open this page and was not told.", "%(names)s may not open this page and were not told.", len(names))  # fmt: skip
    return said % {"names": in_short(names)}

"""Clocks of statuses in forms, of filters, columns and layouts: what is asked of a status is the property there, and the status is
chosen beside it (R-PROP-3). What is kept names both: "hs_v2_date_entered_7"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from deskhand.crm.filters import gone
from deskhand.crm.schema import clock_names, clocks
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice, ChoiceGroup, all_statuses, gone_said
from deskhand.web.filters.editing import Item


def apart(name: str) -> tuple[str, str]:
    """What a form has for "ticket.hs_v2_date_entered_7": the property without its status, and the status. Other names stay whole."""
    object_type, _dot, own_name = name.partition(".")
    if clock_names.parse(own_name) is None:
        return name, ""
    begins, status = clock_names.split(own_name)
    return f"{object_type}.{begins}", status


def asks_status(prop: Property) -> bool:
    """Whether the property of a form is asked of a status that is chosen beside it."""
    return prop.name in clock_names.SORTS


def statuses(object_type: str, chosen: str) -> tuple[ChoiceGroup, ...]:
    """By pipeline; behind them the chosen one, if it was deleted."""
    found = all_statuses(chosen, of=object_type)
    is_there = any(choice.chosen for group in found for choice in group.choices)
    if is_there or whole(chosen) is None:
        return found
    former = gone.status(chosen)
    said = gone_said("" if former == chosen else former, chosen)
    return (*found, ChoiceGroup("", (Choice(chosen, said, True),)))


def with_status(object_type: str, prop: Property, status: str, there: Item | None) -> Property:
    """The property of a form with the status that was chosen beside it. `there` is what the form changes: of a deleted status
    it may stay. Raises Invalid, naming the field."""
    if not asks_status(prop):
        return prop
    if not status:
        raise Invalid(_("Choose a status."), field="status")
    name = f"{prop.name}_{status}"
    if there is not None and (there.object_type, there.filter.property) == (object_type, name):
        return replace(prop, name=name)
    found: Property | None = properties_of(object_type).get(name)
    if found is None:
        raise Invalid(_("Choose from the list."), field="status", value=status[:40])
    return found


@dataclass(frozen=True)
class Picker:
    """What asks for one more column or line. Nothing to choose from where there are no statuses."""

    times: tuple[Choice, ...] = ()
    statuses: tuple[ChoiceGroup, ...] = ()


def picker(object_type: str) -> Picker:
    times = tuple(Choice(prop.name, _(prop.label)) for prop in clocks.sorts(object_type))
    return Picker(times, all_statuses(of=object_type)) if times else Picker()


def picked(request: HttpRequest) -> list[str]:
    """The time by status that was picked, if one was; who picked only half of it is told so."""
    time, status = request.POST.get("time", ""), request.POST.get("status", "")
    if bool(time) is not bool(status):
        messages.error(request, _("A time by status needs both: which time, and of which status."))
    return [f"{time}_{status}"] if time and status else []


def columns(request: HttpRequest) -> list[str]:
    """Those that are ticked, and the one that was picked."""
    return [*request.POST.getlist("cols"), *picked(request)]

"""An event as part of a form: which one, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from deskhand.automation import triggers
from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.engine.definition import Delay, EventMatch, UntilEvent, WhenEvent
from deskhand.crm.filters.types import Value
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid
from deskhand.web.automation.fields import fields_of, with_refusal
from deskhand.web.filters.building import Building, Typed
from deskhand.web.workflows.editor import events
from deskhand.web.workflows.editor.events import AskedOfEvent
from deskhand.web.workflows.editor.rows import Part
from deskhand.web.workflows.editor.surroundings import Surroundings


class Eventful:
    """`name` begins the names of its fields."""

    def __init__(
        self, opened: Surroundings, name: str, event: EventMatch | None, typed: Typed | None
    ) -> None:
        self.opened, self.name = opened, name
        self.object_type = opened.definition.object_type
        self.is_typed = typed is not None and f"{name}-kind" in typed
        self.typed: Typed = typed if typed is not None and self.is_typed else self._typed_of(event)
        if f"{name}-property" in self.typed.get("redraw", ()):  # the values are those of another property
            self.typed = {**self.typed, f"{name}-before": (), f"{name}-after": ()}
        asked = AskedOfEvent(opened.viewer, self.object_type, self.kind)
        is_same = event is not None and event.kind == self.kind
        if typed is not None and self.is_typed and next(iter(typed.get(f"{name}-was", ())), "") == self.kind:
            self.about = Building.of_typed(asked, f"{name}-about", typed)
        else:
            self.about = Building(
                asked,
                f"{name}-about",
                event.about if event is not None and is_same and not self.asks_property else None,
            )

    def _typed_of(self, event: EventMatch | None) -> Typed:
        if event is None:
            return {}
        name, before, after = events.change_of(event) or ("", None, None)
        return {
            f"{self.name}-kind": [event.kind],
            f"{self.name}-property": [name],
            f"{self.name}-before": events.values_typed(before),
            f"{self.name}-after": events.values_typed(after),
        }

    @property
    def kind(self) -> str:
        return next(iter(self.typed.get(f"{self.name}-kind", ())), "")

    @property
    def asks_property(self) -> bool:
        return bool(self.kind) and events.asks_property(self.kind, self.object_type)

    @property
    def property(self) -> Property | None:
        """Whose change is meant."""
        return properties_of(self.object_type).get(
            next(iter(self.typed.get(f"{self.name}-property", ())), "")
        )

    def press(self, what: str) -> None:
        self.about.press(what)

    def names(self, field: str) -> bool:
        return field.startswith(f"{self.name}-")

    def settings(self) -> tuple[Setting, ...]:
        offered = events.options(self.object_type)
        if self.kind and self.kind not in {one.value for one in offered}:
            offered = (*offered, Option(self.kind, events.label_of(self.kind, self.object_type)))
        help_text = events.about(self.kind, self.object_type) if self.kind else ""
        found = [
            Setting(
                f"{self.name}-kind",
                _("What happens"),
                Input.CHOICE,
                required=True,
                redraws=True,
                options=offered,
                help=help_text,
            )
        ]
        if not self.asks_property:
            return tuple(found)
        asked = self.opened.asked
        told = (prop for prop in asked.offered(self.object_type) if not prop.is_computed)
        properties = tuple(Option(prop.name, _(prop.label)) for prop in told)
        found.append(
            Setting(
                f"{self.name}-property",
                _("Which property"),
                Input.CHOICE,
                required=True,
                redraws=True,
                options=properties,
            )
        )
        if prop := self.property:
            found += [one for side in _sides() if (one := self._side(prop, side)) is not None]
        return tuple(found)

    def _side(self, prop: Property, side: Side) -> Setting | None:
        """What its value was, or is: chosen where there is a choice, else written; of dates a day."""
        name = f"{self.name}-{side.name}"
        if prop.kind in (Kind.DATE, Kind.DATETIME):
            day = replace(prop, kind=Kind.DATE, options=())
            return Setting(name, side.day, Input.VALUE, prop=day, help=side.if_empty)
        if prop.kind in (Kind.TEXT, Kind.NUMBER, Kind.DURATION):
            return Setting(name, side.label, help=side.if_written)
        found = self.opened.asked.chosen_of(self.object_type, prop, self._stood(prop))
        options = tuple(Option(one.value, one.label) for one in found)
        return Setting(name, side.label, Input.MANY, options=options, help=side.if_none) if options else None

    def _stood(self, prop: Property) -> list[str]:
        """All values of the property that events of the workflow ask for: what is gone of them stays until it is unticked."""
        definition = self.opened.definition
        asked = [*definition.trigger.events] if isinstance(definition.trigger, WhenEvent) else []
        waits = (step.wait for step in definition.steps if isinstance(step, Delay))
        asked += [wait.event for wait in waits if isinstance(wait, UntilEvent)]
        changes = [found for event in asked if (found := events.change_of(event)) is not None]
        sides = [side for name, *both in changes if name == prop.name for side in both]
        return [value for side in sides for value in events.values_typed(side)]

    def parts(self, refusal: Invalid | None = None) -> tuple[Part, ...]:
        own = refusal if refusal is not None and self.names(refusal.field) else None
        found = fields_of(self.settings(), self.typed, reading.around(self.object_type))
        found = with_refusal(found, own) if own else found
        parts: tuple[Part, ...] = (*found, f"{self.name}-was={self.kind}")
        if self.kind and not self.asks_property and self.about.asked.offered(self.object_type):
            error = own.message if own and own.field == self.about.name else ""
            return (
                *parts,
                self.about.field(
                    _("Only if"),
                    help=_("What the event itself tells. Empty: whenever it happens."),
                    error=error,
                ),
            )
        return parts

    def read(self) -> EventMatch:
        """Raises Invalid, naming the field."""
        given = reading.read(self.settings(), self.typed)
        prop = self.property
        if self.asks_property and prop is not None:
            values = (self._read(prop, side.name) for side in _sides())
            return EventMatch(*triggers.property_changed(self.object_type, prop, *values))
        return EventMatch(given[f"{self.name}-kind"], self.about.optional())

    def _read(self, prop: Property, side: str) -> tuple[Value, ...]:
        name = f"{self.name}-{side}"
        try:
            return events.values_of(prop, self.typed.get(name, ()))
        except Invalid as refusal:
            raise Invalid(refusal.message, field=name, value=refusal.value, hint=refusal.hint) from refusal


@dataclass(frozen=True)
class Side:
    """Before or after a change, in words."""

    name: str
    label: str
    day: str
    if_none: str
    if_empty: str
    if_written: str


def _sides() -> tuple[Side, Side]:
    return (
        Side(
            "before", _("From one of these"), _("From this day"), _("None chosen: from any value."), _("Empty: from any value."),
            _("Several are separated by semicolons. Empty: from any value."),
        ),
        Side(
            "after", _("To one of these"), _("To this day"), _("None chosen: to any value."), _("Empty: to any value."),
            _("Several are separated by semicolons. Empty: to any value."),
        ),
    )  # fmt: skip

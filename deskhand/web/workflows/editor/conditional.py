"""An event as part of a form: which one, and what is asked of it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.engine.definition import EventMatch
from deskhand.crm.schema.queries import properties_of
from deskhand.kernel.errors import Invalid
from deskhand.web.automation.fields import fields_of, with_refusal
from deskhand.web.filters.building import Building, Typed
from deskhand.web.workflows.editor import events
from deskhand.web.workflows.editor.events import AskedOfEvent
from deskhand.web.workflows.editor.opened import Opened
from deskhand.web.workflows.editor.rows import Part


class Eventful:
    """`name` begins the names of its fields."""

    def __init__(self, opened: Opened, name: str, event: EventMatch | None, typed: Typed | None) -> None:
        self.opened, self.name = opened, name
        self.object_type = opened.definition.object_type
        self.is_typed = typed is not None and f"{name}-kind" in typed
        self.typed: Typed = typed if typed is not None and self.is_typed else self._typed_of(event)
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
        name, before, after = events.change_of(event) or ("", (), ())
        return {
            f"{self.name}-kind": [event.kind],
            f"{self.name}-property": [name],
            f"{self.name}-before": [*before],
            f"{self.name}-after": [*after],
        }

    @property
    def kind(self) -> str:
        return next(iter(self.typed.get(f"{self.name}-kind", ())), "")

    @property
    def asks_property(self) -> bool:
        return bool(self.kind) and events.asks_property(self.kind, self.object_type)

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
        properties = tuple(Option(prop.name, _(prop.label)) for prop in asked.offered(self.object_type))
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
        prop = properties_of(self.object_type).get(
            next(iter(self.typed.get(f"{self.name}-property", ())), "")
        )
        values = asked.choices_of(self.object_type, prop) if prop else []
        if values:
            options = tuple(Option(one.value, one.label) for one in values)
            found.append(
                Setting(
                    f"{self.name}-before",
                    _("From one of these"),
                    Input.MANY,
                    options=options,
                    help=_("None chosen: from any value."),
                )
            )
            found.append(
                Setting(
                    f"{self.name}-after",
                    _("To one of these"),
                    Input.MANY,
                    options=options,
                    help=_("None chosen: to any value."),
                )
            )
        return tuple(found)

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
        if self.asks_property:
            kind, about = events.changed(
                self.object_type,
                given[f"{self.name}-property"],
                given.get(f"{self.name}-before") or (),
                given.get(f"{self.name}-after") or (),
            )
            return EventMatch(kind, about)
        return EventMatch(given[f"{self.name}-kind"], self.about.optional())

"""What may happen to a record, and what an event tells of itself, in words and as fields of a form."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from deskhand.accounts.types import Viewer
from deskhand.automation import kinds, triggers
from deskhand.automation.actions.forms import Option
from deskhand.automation.engine.definition import EventMatch
from deskhand.crm.filters.types import AllOf, Filter, Operator, Value
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.schema.types import Option as PropertyOption
from deskhand.kernel.text import N_
from deskhand.web.choices import Choice, ChoiceGroup, in_short
from deskhand.web.filters import editing
from deskhand.web.filters.asked import Asked, Said

_RAW = {"moved": N_("Status changed"), "updated": N_("Property changed"), "assigned": N_("Owner changed")}


def options(object_type: str) -> tuple[Option, ...]:
    return tuple(Option(one.kind, str(one.label)) for one in triggers.choices(object_type))


def about(kind: str, object_type: str) -> str:
    """What the event is, in a sentence."""
    return str(triggers.choice(object_type, kind).about)


def label_of(kind: str, object_type: str) -> str:
    label = str(triggers.choice(object_type, kind).label)
    if label != kind:
        return label
    return _(_RAW.get(kind.partition(".")[2], kind))


def _options(fact: triggers.Fact, object_type: str) -> tuple[PropertyOption, ...]:
    if fact.name == triggers.TO_TYPE:
        return tuple(PropertyOption(kind, kinds.label(kind)) for kind in kinds.told_of(object_type))
    return tuple(PropertyOption(one.value, str(one.label)) for one in fact.options)


class AskedOfEvent(Asked):
    """For conditions on what an event tells."""

    def __init__(self, viewer: Viewer, object_type: str, kind: str) -> None:
        super().__init__(viewer, object_type)
        facts = triggers.choice(object_type, kind).facts
        self.of = {fact.name: fact.of for fact in facts if fact.of}
        self.facts = {
            fact.name: Property(fact.name, str(fact.label), fact.kind, options=_options(fact, object_type))
            for fact in facts
        }

    @property
    def record_types(self) -> list[str]:
        return [self.object_type]

    def offered(self, object_type: str) -> list[Property]:
        return list(self.facts.values())

    def clocks(self, object_type: str) -> list[Property]:
        return []

    def find(self, object_type: str, name: str) -> Property | None:
        return self.facts.get(name) or properties_of(object_type).get(name)

    def is_offered(self, prop: Property) -> bool:
        return prop.name in self.facts

    def property_groups(self) -> tuple[ChoiceGroup, ...]:
        found = (Choice(f"{self.object_type}.{name}", _(fact.label)) for name, fact in self.facts.items())
        return (ChoiceGroup("", tuple(found)),)

    def choices_of(self, object_type: str, prop: Property) -> list[Choice]:
        stands_for = properties_of(object_type).get(self.of.get(prop.name, ""))
        return super().choices_of(object_type, stands_for or prop)


# ── a property that changed ──────────────────────────────────────────────────────────────────────────────────────────


def asks_property(kind: str, object_type: str) -> bool:
    return triggers.choice(object_type, kind).asks_property


def change_of(event: EventMatch) -> tuple[str, Filter | None, Filter | None] | None:
    """The property, and what is asked of its values before and after, of "this property changed"; None for another condition."""
    parts = event.about.parts if isinstance(event.about, AllOf) else (event.about,) if event.about else ()
    name, before, after = "", None, None  # type: tuple[str, Filter | None, Filter | None]
    for part in parts:
        if not isinstance(part, Filter) or part.operator not in (Operator.ANY_OF, Operator.ON):
            return None
        if part.property == triggers.CHANGED and len(part.values) == 1:
            name = str(part.values[0])
        elif triggers.is_before(part.property):
            before = part
        else:
            after = part
    return (name, before, after) if name else None


def change_said(event: EventMatch, asked: Asked) -> Said | None:
    """“Priority” changed from … to …"""
    found = change_of(event)
    if found is None:
        return None
    name, before, after = found
    prop = properties_of(asked.object_type).get(name)
    if prop is None:
        return Said(name, _("changed"), "")
    values = [value for one in (before, after) if one for value in one.values]
    labels = asked.labels(asked.object_type, prop, values)
    came_from, to = (
        in_short([asked.value_said(value, labels) for value in one.values]) if one else ""
        for one in (before, after)
    )
    if before and after:
        said = _("from %(before)s to %(after)s") % {"before": came_from, "after": to}
    elif before:
        said = _("from %(before)s") % {"before": came_from}
    else:
        said = _("to %(after)s") % {"after": to} if after else ""
    return Said(_(prop.label), _("changed"), said)


def values_typed(asked: Filter | None) -> list[str]:
    """The values of one side of a change, as its field has them."""
    return list(editing.values_typed(editing.Item("", asked) if asked else None))


def values_of(prop: Property, typed: Sequence[str]) -> tuple[Value, ...]:
    """What is typed for one side of a change. Raises Invalid."""
    if not any(text.strip() for text in typed):
        return ()
    operator = Operator.ON if prop.kind in (Kind.DATE, Kind.DATETIME) else Operator.ANY_OF
    return editing.made_of(prop, operator, typed, "", "").values

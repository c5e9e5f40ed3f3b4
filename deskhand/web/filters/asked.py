"""What conditions may ask of a kind of record and of those around it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.crm.filters.types import EVERYTHING, Condition
from deskhand.crm.schema import activities, durations, object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, ChoiceGroup, in_short
from deskhand.web.filters import membership
from deskhand.web.filters.editing import Item, groups_of
from deskhand.web.filters.words import Words, operator_words

#: Ids that are chosen from a list of names: the columns, and what is worked out.
_LISTED = ("owner_id", "assigned_team_ids", "inbox_id", "channel_account_id")
_MADE_BY = ("hs_created_by_user_id", "hs_updated_by_user_id")


@dataclass(frozen=True)
class Said:
    """A filter as a sentence in three parts."""

    property: str
    operator: str
    values: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.property, self.operator, self.values) if part)


class Asked(Words):
    """For conditions on records of one kind. Associated records are asked about by who may see all of them."""

    def __init__(self, viewer: Viewer, object_type: str) -> None:
        super().__init__(viewer, object_type)
        self.object_type = object_type

    @property
    def record_types(self) -> list[str]:
        """The kind itself first."""
        others = object_types.every()
        around = [one.name for one in activities.of(self.object_type)]
        return [
            self.object_type,
            *around,
            *(one for one in others if one != self.object_type and self._may(one)),
        ]

    def may_ask(self, object_type: str) -> bool:
        return object_type in self.record_types

    def _may(self, object_type: str) -> bool:
        return visible(self.viewer, object_type).reach is Reach.ALL

    def offered(self, object_type: str) -> list[Property]:
        activity = activities.find(object_type)
        if activity is not None:
            return list(activity.properties)
        found = (prop for prop in properties_of(object_type).values() if _is_askable(prop))
        return sorted((*found, *self.clocks(object_type)), key=lambda prop: _(prop.label).casefold())

    def property(self, name: str) -> tuple[str, Property]:
        object_type, _dot, own_name = name.partition(".")
        found = self.find(object_type, own_name) if object_type in self.record_types else None
        if found is None or not (activities.find(object_type) or self.is_offered(found)):
            raise Invalid(_("Choose a property."), field="prop", value=name[:80])
        return object_type, found

    def find(self, object_type: str, name: str) -> Property | None:
        if name in membership.SORTS:
            return self._membership(object_type, name)
        return properties_of(object_type).get(name)

    def is_offered(self, prop: Property) -> bool:
        return _is_askable(prop) or prop.name in membership.SORTS

    @cached_property
    def segments(self) -> list[tuple[int, str]]:
        """That such records may be in."""
        return self._segments.get(self.object_type, [])

    def memberships(self, object_type: str) -> list[Property]:
        """What such records may be in, if there is any; of linked ones that is segments alone."""
        names = membership.SORTS if object_type == self.object_type else ("*segment",)
        found = (self._membership(object_type, name) for name in names)
        return [prop for prop in found if prop.options]

    def property_groups(self) -> tuple[ChoiceGroup, ...]:
        """All that may be asked, by kind of record; the values are "ticket.subject"."""
        return tuple(
            ChoiceGroup(
                self.type_label(one),
                tuple(
                    Choice(f"{one}.{prop.name}", _(prop.label))
                    for prop in (*self.offered(one), *self.memberships(one))
                ),
            )
            for one in self.record_types
        )

    def line_of(self, item: Item) -> Said:
        prop = self.find(item.object_type, item.filter.property) or self.lost(item)
        operator = str(operator_words(item.filter.property)[item.filter.operator])
        if prop is None:
            return Said(item.filter.property, operator, "")
        labels = self.labels(item.object_type, prop, item.filter.values)
        said = self.chosen_said(prop, item.filter, labels)
        return Said(self.label(item.object_type, prop, item.label, item.how), operator, said)

    def values_said(self, object_type: str, name: str, found: Any) -> str:
        """What a record has there, or in all it is a member of; empty for nothing."""
        prop = self.find(object_type, name)
        several = (
            found if isinstance(found, list | tuple | set | frozenset) else [] if found is None else [found]
        )
        labels = {choice.value: choice.label for choice in self.choices_of(object_type, prop)} if prop else {}
        if prop and prop.kind is Kind.DURATION:
            return in_short([durations.words(int(value)) for value in several])
        return in_short([self.value_said(value, labels) for value in several])

    def groups_said(self, condition: Condition | None) -> tuple[tuple[Said, ...], ...]:
        """Groups of which one must hold; in each, all must. What no form makes is told as one sentence."""
        if condition is None or condition == EVERYTHING:
            return ()
        try:
            groups = groups_of(condition, self.object_type)
        except Invalid:
            return ((Said(_("A condition that was not made in a form"), "", ""),),)
        return tuple(tuple(self.line_of(item) for item in group) for group in groups)

    def in_words(self, condition: Condition | None) -> str:
        """In one line."""
        groups = [pgettext("between filters that must hold", " and ").join(map(str, group)) for group in self.groups_said(condition)]  # fmt: skip
        return pgettext("between groups of which one must hold", ", or ").join(groups)


def _is_askable(prop: Property) -> bool:
    """It has values whose changes are told, and they can be typed or chosen."""
    if not (prop.column or prop.is_custom or prop.follows):
        return False
    if prop.kind in (Kind.REF, Kind.REFS):
        return prop.column in _LISTED or prop.name in _MADE_BY
    if prop.kind in (Kind.ENUM, Kind.MULTI):
        return bool(prop.options) or prop.is_place
    return True

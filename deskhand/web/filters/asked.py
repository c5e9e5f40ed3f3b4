"""What conditions may ask of a kind of record and of those around it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.crm.filters.types import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Associated,
    Condition,
    Filter,
    Operator,
)
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.schema import object_types
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.filters.editing import Groups, Item
from deskhand.web.filters.words import OPERATOR_WORDS, Words

TYPE_NAMES = {
    "ticket": (gettext_lazy("Ticket"), gettext_lazy("Tickets")),
    "contact": (gettext_lazy("Contact"), gettext_lazy("Contacts")),
    "company": (gettext_lazy("Company"), gettext_lazy("Companies")),
    "deal": (gettext_lazy("Deal"), gettext_lazy("Deals")),
    "project": (gettext_lazy("Project"), gettext_lazy("Projects")),
}
_PEOPLE, _TEAMS = "owner_id", "assigned_team_ids"  # ids that are chosen from a list of names


def type_names(object_type: str) -> tuple[str, str]:
    """What one and several such records are called (R-OBJ-5)."""
    if object_type in TYPE_NAMES:
        one, several = TYPE_NAMES[object_type]
        return str(one), str(several)
    own = object_types.all_of_them().get(object_type)
    return (own.singular, own.plural) if own else (object_type, object_type)


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
        super().__init__(viewer)
        self.object_type = object_type

    @property
    def record_types(self) -> list[str]:
        """The kind itself first."""
        others = [*TYPE_NAMES, *object_types.all_of_them()]
        return [self.object_type, *(one for one in others if one != self.object_type and self._may(one))]

    def _may(self, object_type: str) -> bool:
        return visible(self.viewer, object_type).reach is Reach.ALL

    def offered(self, object_type: str) -> list[Property]:
        return sorted((p for p in properties_of(object_type).values() if _is_askable(p)), key=lambda p: _(p.label).casefold())  # fmt: skip

    def property(self, name: str) -> tuple[str, Property]:
        object_type, _dot, own_name = name.partition(".")
        found = self.find(object_type, own_name) if object_type in self.record_types else None
        if found is None or not self.is_offered(found):
            raise Invalid(_("Choose a property."), field="prop", value=name[:80])
        return object_type, found

    def find(self, object_type: str, name: str) -> Property | None:
        return properties_of(object_type).get(name)

    def is_offered(self, prop: Property) -> bool:
        return _is_askable(prop)

    def label(self, object_type: str, prop: Property) -> str:
        if object_type == self.object_type:
            return _(prop.label)
        return _("%(kind)s: %(property)s") % {"kind": type_names(object_type)[0], "property": _(prop.label)}

    def property_groups(self, chosen: str = "", *, kinds: Sequence[Kind] = (), own_only: bool = False) -> tuple[ChoiceGroup, ...]:  # fmt: skip
        """All that may be asked, by kind of record; the values are "ticket.subject"."""
        return tuple(
            ChoiceGroup(
                type_names(one)[0],
                tuple(
                    Choice(f"{one}.{prop.name}", _(prop.label), f"{one}.{prop.name}" == chosen)
                    for prop in self.offered(one)
                    if not kinds or prop.kind in kinds
                ),
            )
            for one in (self.record_types[:1] if own_only else self.record_types)
        )

    def choices_of(self, object_type: str, prop: Property) -> list[Choice]:
        """What may be chosen; nothing where one writes."""
        if prop.column in ("stage_id", "pipeline_id"):
            found = pipelines_of(object_type).pipelines
            if prop.column == "pipeline_id":
                return [Choice(str(one.id), _(one.label)) for one in found]
            return [
                Choice(
                    str(stage.id), f"{_(stage.label)} ({_(one.label)})" if len(found) > 1 else _(stage.label)
                )
                for one in found
                for stage in one.stages
            ]
        if prop.kind in (Kind.REF, Kind.REFS):
            return self._teams if prop.column == _TEAMS else self._members
        return super().choices(prop)

    def line_of(self, item: Item) -> Said:
        prop = self.find(item.object_type, item.filter.property)
        operator = str(OPERATOR_WORDS[item.filter.operator])
        if prop is None:
            return Said(item.filter.property, operator, "")
        labels = {choice.value: choice.label for choice in self.choices_of(item.object_type, prop)}
        values = [self._value(value, labels) for value in item.filter.values]
        if item.filter.operator is Operator.BETWEEN:
            joined = _("%(low)s and %(high)s") % {"low": values[0], "high": values[1]}
        else:
            joined = self.listed(values)
        return Said(self.label(item.object_type, prop), operator, joined)

    def listed(self, parts: Sequence[str]) -> str:
        shown = list(parts[:3])
        if len(parts) > len(shown):
            shown.append(_("%(count)s more") % {"count": len(parts) - len(shown)})
        return pgettext("between the parts of a list", ", ").join(shown)

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
    """Stored with the record, and its values can be typed or chosen."""
    if prop.is_computed or not (prop.column or prop.is_custom):
        return False
    if prop.kind in (Kind.REF, Kind.REFS):
        return prop.column in (_PEOPLE, _TEAMS)
    if prop.kind in (Kind.ENUM, Kind.MULTI):
        return bool(prop.options) or prop.column in ("stage_id", "pipeline_id")
    return True


# ── conditions as groups of filters ──────────────────────────────────────────────────────────────────────────────────


def condition_of(groups: Groups, object_type: str) -> Condition:
    """Of which one group must hold; without any, it always holds."""
    filled = [group for group in groups if group]
    if not filled:
        return EVERYTHING
    return AnyOf(
        tuple(
            AllOf(tuple(item.filter if item.object_type == object_type else Associated(item.object_type, item.filter) for item in group))
            for group in filled
        )
    )  # fmt: skip


def groups_of(condition: Condition, object_type: str) -> Groups:
    """Raises Invalid for what groups of filters can't say."""
    if condition == EVERYTHING:
        return ()
    parts = condition.parts if isinstance(condition, AnyOf) else (condition,)
    return tuple(tuple(_items(part, object_type)) for part in parts)


def _items(part: Condition, object_type: str) -> Iterator[Item]:
    match part:
        case AllOf(parts):
            for one in parts:
                yield from _items(one, object_type)
        case AnyOf((single,)):
            yield from _items(single, object_type)
        case Filter():
            yield Item(object_type, part)
        case Associated(to, Filter() as leaf, None):
            yield Item(to, leaf)
        case _:
            raise Invalid(_("These filters can't be read."), field="f", hint=_("Begin anew without them."))

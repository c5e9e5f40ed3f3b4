"""Filters in words: what one may filter by, how, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import queries as people
from deskhand.accounts.types import Viewer
from deskhand.automation import listing
from deskhand.crm.filters import gone
from deskhand.crm.filters.types import OPERATORS, Filter, Operator, Span, Unit, Value, Window
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.selecting import associated_with, may_filter_by, may_filter_by_workflows
from deskhand.crm.schema import activities, association_labels, clock_names, clocks, object_types
from deskhand.crm.schema.queries import archived_label, properties_of
from deskhand.crm.schema.types import Kind, Property
from deskhand.crm.segments import segments
from deskhand.crm.segments.looks import SEGMENT
from deskhand.desk import inboxes
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web import times
from deskhand.web.choices import Choice, gone_said, in_short
from deskhand.web.filters import editing, membership
from deskhand.web.filters.editing import How, Item, as_typed

OPERATOR_WORDS = {
    Operator.KNOWN: gettext_lazy("is known"),
    Operator.UNKNOWN: gettext_lazy("is unknown"),
    Operator.ANY_OF: gettext_lazy("is any of"),
    Operator.NONE_OF: gettext_lazy("is none of"),
    Operator.ALL_OF: gettext_lazy("has all of"),
    Operator.EVER: gettext_lazy("has ever been any of"),
    Operator.NEVER: gettext_lazy("has never been any of"),
    Operator.CONTAINS: gettext_lazy("contains any of"),
    Operator.NOT_CONTAINS: gettext_lazy("contains none of"),
    Operator.STARTS_WITH: gettext_lazy("starts with any of"),
    Operator.ENDS_WITH: gettext_lazy("ends with any of"),
    Operator.HAS_WORD: gettext_lazy("has any of the words"),
    Operator.HAS_NO_WORD: gettext_lazy("has none of the words"),
    Operator.GREATER: gettext_lazy("is greater than"),
    Operator.AT_LEAST: gettext_lazy("is at least"),
    Operator.LESS: gettext_lazy("is less than"),
    Operator.AT_MOST: gettext_lazy("is at most"),
    Operator.BETWEEN: gettext_lazy("is between"),
    Operator.ON: gettext_lazy("is on"),
    Operator.BEFORE: gettext_lazy("is before"),
    Operator.AFTER: gettext_lazy("is after"),
    Operator.LESS_THAN_AGO: gettext_lazy("is at most this long ago"),
    Operator.MORE_THAN_AGO: gettext_lazy("is longer ago than"),
    Operator.LESS_THAN_AHEAD: gettext_lazy("is at most this far ahead"),
    Operator.MORE_THAN_AHEAD: gettext_lazy("is further ahead than"),
    Operator.WITHIN: gettext_lazy("is within"),
}
WINDOW_WORDS = {
    Window.TODAY: gettext_lazy("today"),
    Window.YESTERDAY: gettext_lazy("yesterday"),
    Window.TOMORROW: gettext_lazy("tomorrow"),
    Window.THIS_WEEK: gettext_lazy("this week"),
    Window.LAST_WEEK: gettext_lazy("last week"),
    Window.NEXT_WEEK: gettext_lazy("next week"),
    Window.THIS_MONTH: gettext_lazy("this month"),
    Window.LAST_MONTH: gettext_lazy("last month"),
    Window.NEXT_MONTH: gettext_lazy("next month"),
    Window.THIS_YEAR: gettext_lazy("this year"),
}
UNIT_WORDS = {
    Unit.MINUTE: gettext_lazy("minutes"), Unit.HOUR: gettext_lazy("hours"),
    Unit.DAY: gettext_lazy("days"), Unit.WEEK: gettext_lazy("weeks"),
}  # fmt: skip
#: What or who made a record (R-TRIG-4: there are no imports from files yet, so no source says that).
_MADE_BY = ("hs_object_source", "hs_created_by_user_id")
#: Built-in properties that one may filter by; the account's own come after them.
OFFERED = {
    "ticket": (
        "hs_pipeline_stage", "hubspot_owner_id", "hs_assigned_team_ids", "hs_ticket_priority", "hs_is_closed", "source_type",
        "hs_ticket_category", "hs_resolution", "subject", "content", "createdate", "closed_date", "hs_last_message_received_at",
        "hs_last_message_sent_at", "hs_last_message_from_visitor", "hs_first_agent_message_sent_at", "hs_ticket_reopened_at",
        "hs_num_times_contacted", "hs_ticket_id", "time_to_close", "time_to_first_agent_reply", "hs_time_to_first_assign",
        "hs_time_to_first_rep_assignment", "hs_is_one_touch_ticket", "hs_outbound_ticket", "hs_current_generic_channel_id",
        "hs_last_email_type", "hs_last_email_details", "hs_lastactivitydate", "hs_nextactivitydate", "hs_num_associated_conversations",
        "hs_inbox_id", "hs_in_waitlist", "hs_added_to_waitlist_at", "hs_waitlist_routing_targets", "hs_originating_channel_instance_id", "hs_originating_generic_channel_id", *_MADE_BY,
    ),
    "contact": (
        "email", "firstname", "lastname", "hubspot_owner_id", "phone", "jobtitle", "city", "country", "hs_language",
        "hs_marketable_status", "createdate", "lastmodifieddate", *_MADE_BY,
    ),
    "company": (
        "name", "domain", "hubspot_owner_id", "industry", "city", "country", "numberofemployees", "annualrevenue", "createdate",
        *_MADE_BY,
    ),
    "deal": (
        "dealstage", "hubspot_owner_id", "hs_assigned_team_ids", "dealname", "amount", "closedate", "hs_is_closed", "description",
        "deal_currency_code", "createdate", "hs_lastmodifieddate", *_MADE_BY,
    ),
    "project": (
        "hs_pipeline_stage", "hubspot_owner_id", "hs_assigned_team_ids", "hs_name", "hs_start_date", "hs_target_due_date",
        "hs_is_closed", "hs_description", "hs_createdate", "hs_lastmodifieddate", *_MADE_BY,
    ),
}  # fmt: skip
_OWN_KINDS = (
    "hs_pipeline_stage", "hubspot_owner_id", "hs_assigned_team_ids", "hs_name", "hs_is_closed", "hs_createdate", "hs_lastmodifieddate",
    *_MADE_BY,
)  # fmt: skip
_UNLISTED = (Kind.REF, Kind.REFS)  # the account's own with ids in them can't be chosen from a list


class Words:
    """For one viewer; people and teams are read when a filter names them."""

    def __init__(self, viewer: Viewer, root: str = "ticket") -> None:
        """`root` is the kind of record that is filtered."""
        self._lost: dict[tuple[str, str], str] = {}
        self.viewer, self.root = viewer, root
        self.types = (root, *(one.name for one in activities.of(root)), *associated_with(root))

    def type_label(self, object_type: str) -> str:
        activity = activities.find(object_type)
        if activity is not None:
            return _(activity.label)
        return _(object_types.labels_of(object_type).singular)

    @cached_property
    def _members(self) -> list[Choice]:
        return [Choice(str(m.user_id), m.name) for m in people.members(self.viewer.account_id)]

    @cached_property
    def _teams(self) -> list[Choice]:
        return [Choice(str(team.id), team.name) for team in people.teams(self.viewer.account_id)]

    @cached_property
    def _inboxes(self) -> list[Choice]:
        return [Choice(str(pk), name) for pk, name in inboxes.names(self.viewer.account_id)]

    @cached_property
    def _channels(self) -> list[Choice]:
        return [Choice(str(pk), name) for pk, name in inboxes.channel_names(self.viewer.account_id)]

    def named(self, prop: Property) -> list[Choice]:
        """What the ids of a property may be of: inboxes, channels, teams or people."""
        match prop.column:
            case "inbox_id":
                return self._inboxes
            case "channel_account_id":
                return self._channels
        return self._teams if prop.kind is Kind.REFS and not prop.is_of_people else self._members

    @cached_property
    def _segments(self) -> dict[str, list[tuple[int, str]]]:
        return segments.names()

    @cached_property
    def _workflows(self) -> dict[str, list[tuple[int, str]]]:
        return listing.names(self.viewer.account_id)

    def offered(self, object_type: str) -> list[Property]:
        activity = activities.find(object_type)
        if activity is not None:
            return list(activity.properties)
        if not may_filter_by(self.viewer, object_type, self.root):
            return []
        known = properties_of(object_type)
        own = [p for p in known.values() if p.is_custom and p.kind not in _UNLISTED]
        built_in = [known[name] for name in OFFERED.get(object_type, _OWN_KINDS) if name in known]
        inside = membership.property_in(self._segments, object_type)
        if object_type == self.root and may_filter_by_workflows(self.viewer):
            inside += membership.of_workflows(self._workflows.get(object_type, ()))
        return [*built_in, *own, *inside]

    def clocks(self, object_type: str) -> Sequence[Property]:
        """What one may filter by of the statuses of such records; which status, the form of a filter asks (R-PROP-3)."""
        return clocks.sorts(object_type) if self.may_ask(object_type) else ()

    def may_ask(self, object_type: str) -> bool:
        """Whether filters may look at such records."""
        return object_type in self.types and may_filter_by(self.viewer, object_type, self.root)

    def of_form(self, name: str) -> tuple[str, Property]:
        """What a form asks for by "ticket.subject", or without a status by "ticket.hs_v2_date_entered". Raises Invalid."""
        object_type, _dot, own_name = name.partition(".")
        asked = clocks.sort_of(object_type, own_name) if self.clocks(object_type) else None
        return (object_type, asked) if asked else self.property(name)

    def property(self, name: str) -> tuple[str, Property]:
        """By "ticket.subject". Raises Invalid."""
        object_type, _dot, own_name = name.partition(".")
        offered = self.offered(object_type) if object_type in self.types else []
        found = next((prop for prop in offered if prop.name == own_name), None)
        if found is None and clock_names.parse(own_name) and self.may_ask(object_type):
            found = properties_of(object_type).get(own_name)
        if found is None and self._may_ask_in(object_type, own_name):
            found = self._membership(object_type, own_name)
        if found is None:
            raise Invalid(_("You may not filter by this."), field="prop", value=name[:80])
        return object_type, found

    def _may_ask_in(self, object_type: str, name: str) -> bool:
        """Also where nothing is left to choose from: the last one was deleted."""
        if name in membership.OF_WORKFLOWS:
            return object_type == self.root and may_filter_by_workflows(self.viewer)
        return name in membership.SORTS and self.may_ask(object_type)

    def _membership(self, object_type: str, name: str) -> Property:
        found = self._workflows if name in membership.OF_WORKFLOWS else self._segments
        return membership.property_of(found.get(object_type, ()), membership.SORTS[name])

    def shown(self, item: Item) -> Property:
        """What a filter asks for, also where that was deleted. Raises Invalid for what is not offered to this viewer."""
        lost = self.lost(item)
        return lost or self.property(item.name)[1]

    def lost(self, item: Item) -> Property | None:
        """What a filter asks for and was deleted: the clock of a status, or a property of the account's own (R-PIPE-10). No
        record meets it."""
        name, of_records = item.filter.property, activities.find(item.object_type) is None
        if not of_records or name in membership.SORTS or not self.may_ask(item.object_type):
            return None
        if name in properties_of(item.object_type):
            return None
        key = item.object_type, name
        if key not in self._lost:
            self._lost[key] = _lost_label(*key)
        label = self._lost[key]
        return Property(name, gone_said(label, name), item.filter.kind) if label else None

    def label(
        self, object_type: str, prop: Property, linked_as: int | None = None, how: How = How.HAS
    ) -> str:
        """`linked_as` is the number of the label that the record must be linked as, `how` is of activities."""
        label = _(prop.label)
        activity = activities.find(object_type)
        if activity is not None:
            kind = {How.HAS: activity.label, How.NONE: activity.none, How.SAME: activity.same}[how]
            return _("%(kind)s: %(property)s") % {"kind": _(kind), "property": label}
        if object_type == self.root and linked_as is None:
            return label
        names = {"kind": self.linked_label(object_type, linked_as), "property": label}
        return _("%(kind)s: %(property)s") % names

    def linked_label(self, object_type: str, linked_as: int | None) -> str:
        """What linked records are called: "Contact", or "Contact (Manager)"."""
        kind = self.type_label(object_type)
        if linked_as is None:
            return kind
        known = association_labels.label_for(self.root, object_type, linked_as)
        return _("%(kind)s (%(labels)s)") % {
            "kind": kind,
            "labels": _(known.label) if known else f"#{linked_as}",
        }

    def menus(
        self, object_type: str, typed: str | None, there: Item | None, before: Item | None
    ) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
        """What a linked record may be linked as, and what may be asked of an activity. `typed` is what the form sent, None
        before that; `there` stands at the place, `before` in front of it."""
        label = whole(typed) if typed is not None else there.label if there else None
        if typed is not None:
            how = How(typed) if typed in set(How) else How.HAS
        else:
            how = there.how if there else _first_how(object_type, before)
        return self.linked_choices(object_type, label), self.hows(object_type, how, before)

    def linked_choices(self, object_type: str, chosen: int | None) -> tuple[Choice, ...]:
        """What such a record may be linked as; nothing where there is nothing to choose."""
        if activities.find(object_type) is not None:
            return ()
        found = association_labels.labels_of(self.root, object_type)
        if not found:
            return ()
        every = _("The record itself") if object_type == self.root else _("Any label, or none")
        labels = (Choice(str(one.type_id), _(one.label), one.type_id == chosen) for one in found)
        return (Choice("", every, chosen is None), *labels)

    def hows(self, object_type: str, chosen: How, before: Item | None) -> tuple[Choice, ...]:
        """What may be asked of an activity, behind the filter before it; nothing of records."""
        activity = activities.find(object_type)
        if activity is None:
            return ()
        words = {How.HAS: _("At least one"), How.NONE: _(activity.none)}
        if before is not None and before.object_type == object_type:
            words[How.SAME] = _(activity.same)
        return tuple(Choice(one.value, said, one is chosen) for one, said in words.items())

    def made(self, object_type: str, made: Filter, typed: str, before: Item | None) -> Item:
        """A filter of the form; `typed` is what a record is linked as, or what is asked of an activity. Raises Invalid."""
        hows = self.hows(object_type, How.HAS, before)
        if not hows:
            return Item(object_type, made, self.linked_as(object_type, typed))
        if typed not in {one.value for one in hows}:
            raise Invalid(_("Choose from the list."), field="label", value=typed[:40])
        return Item(object_type, made, how=How(typed))

    def linked_as(self, object_type: str, typed: str) -> int | None:
        """The number that was chosen. Raises Invalid for none of them."""
        if not typed:
            return None
        number = whole(typed)
        if number is None or association_labels.label_for(self.root, object_type, number) is None:
            raise Invalid(_("Choose from the list."), field="label", value=typed[:40])
        return number

    def choices_of(self, object_type: str, prop: Property) -> list[Choice]:
        """What may be chosen; nothing where one writes."""
        if prop.name in membership.SORTS:
            return [Choice(option.value, option.label) for option in prop.options]
        if prop.is_place:
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
        if prop.kind is Kind.BOOL:
            return [Choice("true", _("Yes")), Choice("false", _("No"))]
        if prop.kind in (Kind.REF, Kind.REFS):
            return self.named(prop)
        return [Choice(option.value, _(option.label)) for option in prop.options]

    def chosen_of(self, object_type: str, prop: Property, values: Iterable[str]) -> list[Choice]:
        """What may be chosen, and behind it those of the values that can be chosen no more, marked so: a condition that
        names one keeps it until somebody takes it out."""
        found = self.choices_of(object_type, prop)
        known = {choice.value for choice in found}
        lost = [value for value in dict.fromkeys(values) if value not in known]
        if not lost or not _is_chosen(prop):
            return found
        names = self._former_of(prop, lost)
        return [*found, *(Choice(value, gone_said(names.get(value, ""), value)) for value in lost)]

    def _former_of(self, prop: Property, values: Sequence[str]) -> Mapping[str, str]:
        if self._is_of_people(prop):
            return self._former
        return segments.names_of(values) if membership.SORTS.get(prop.name) == SEGMENT else {}

    def _is_of_people(self, prop: Property) -> bool:
        return prop.kind in (Kind.REF, Kind.REFS) and self.named(prop) is self._members

    @cached_property
    def _former(self) -> dict[str, str]:
        """Also of those who left."""
        found = people.members(self.viewer.account_id, active_only=False)
        return {str(one.user_id): one.name for one in found}

    def labels(self, object_type: str, prop: Property, values: Iterable[Value]) -> dict[str, str]:
        found = self.chosen_of(object_type, prop, [as_typed(value) for value in values])
        return {choice.value: choice.label for choice in found}

    def has_gone(self, item: Item) -> bool:
        """Whether what it asks for was deleted, or one of its values (R-PIPE-10). Who left still has records."""
        prop, is_lost = self.shown(item), self.lost(item) is not None
        if is_lost or not _is_chosen(prop) or self._is_of_people(prop):
            return is_lost
        known = {choice.value for choice in self.choices_of(item.object_type, prop)}
        return any(as_typed(value) not in known for value in item.filter.values)

    def operators(self, prop: Property, chosen: Operator) -> list[Choice]:
        words = operator_words(prop.name)
        return [Choice(one.value, str(words[one]), one is chosen) for one in _in_order(prop) if one in words]

    def values(self, item: Item) -> str:
        """What was chosen, as it is read."""
        prop = self.shown(item)
        return self.chosen_said(prop, item.filter, self.labels(item.object_type, prop, item.filter.values))

    def chosen_said(self, prop: Property, chosen: Filter, labels: dict[str, str]) -> str:
        said = [said_of(prop, value) or self.value_said(value, labels) for value in chosen.values]
        if chosen.operator is Operator.BETWEEN:
            return _("%(low)s and %(high)s") % {"low": said[0], "high": said[1]}
        return in_short(said)

    def sentence(self, item: Item) -> str:
        """A filter as it is read. Raises Invalid for what is not offered to this viewer."""
        kind, prop = item.object_type, self.shown(item)
        operator = next(one.label for one in self.operators(prop, item.filter.operator) if one.chosen)
        parts = (self.label(kind, prop, item.label, item.how), operator, self.values(item))
        return " ".join(part for part in parts if part)

    def value_said(self, value: Value, labels: dict[str, str]) -> str:
        match value:
            case Window():
                return str(WINDOW_WORDS[value])
            case Span(amount, unit):
                return span_words(amount, unit)
            case bool():
                return labels["true" if value else "false"]
            case datetime() | date():
                return times.day(value)
            case Decimal():
                return formats.number_format(value.normalize())
        return labels.get(str(value), str(value))

    def require(self, items: Iterable[Item]) -> None:
        """Raise Invalid for filters on what is not offered to this viewer."""
        for item in items:
            prop = self.shown(item)
            if prop.kind is not item.filter.kind:
                raise Invalid(_("You may not filter by this."), field="prop", value=prop.name)
            if item.label is not None:
                self.linked_as(item.object_type, str(item.label))


def _is_chosen(prop: Property) -> bool:
    """Its values are chosen from a list; of others any may be written."""
    listed = prop.options or prop.name in membership.SORTS or prop.is_place
    return prop.kind in (Kind.REF, Kind.REFS) or (prop.kind in (Kind.ENUM, Kind.MULTI) and bool(listed))


def _lost_label(object_type: str, name: str) -> str:
    clock = clock_names.parse(name)
    return clocks.label_of(clock.sort, gone.status(str(clock.stage_id))) if clock else archived_label(object_type, name)  # fmt: skip


def _in_order(prop: Property) -> Sequence[Operator]:
    """Known and unknown come last. Of what is worked out there is no past."""
    last = (Operator.KNOWN, Operator.UNKNOWN)
    without = (*last, Operator.EVER, Operator.NEVER) if prop.is_computed else last
    return [*(one for one in OPERATORS[prop.kind] if one not in without), *last]


def operator_words(name: str) -> Mapping[Operator, Promise]:
    """How the property may be compared."""
    return membership.operator_words(name) if name in membership.SORTS else OPERATOR_WORDS


def units_of(prop: Property, chosen: str) -> tuple[Choice, ...]:
    """In which a time from now is told; of a day, none that are shorter."""
    units = (Unit.DAY, Unit.WEEK) if prop.kind is Kind.DATE else tuple(Unit)
    return tuple(
        Choice(one.value, str(UNIT_WORDS[one]), one.value == (chosen or Unit.DAY.value)) for one in units
    )


def _first_how(object_type: str, before: Item | None) -> How:
    """What a new filter asks at first: who names an activity twice mostly means the same one."""
    return How.SAME if before is not None and before.object_type == object_type else How.HAS


def default_operator(prop: Property) -> Operator:
    return Operator.CONTAINS if prop.kind is Kind.TEXT else _in_order(prop)[0]


def said_of(prop: Property, value: Value) -> str:
    """A duration in the largest unit that it is whole of; "" for values of other kinds."""
    if prop.kind is not Kind.DURATION or not isinstance(value, Decimal):
        return ""
    amount, unit = editing.in_units([value])
    if amount[0] == amount[0].to_integral_value():
        return span_words(int(amount[0]), unit)
    return f"{formats.number_format(amount[0].normalize())} {UNIT_WORDS[unit]}"


def span_words(amount: int, unit: Unit) -> str:
    match unit:
        case Unit.MINUTE:
            return ngettext("%(num)s minute", "%(num)s minutes", amount) % {"num": amount}
        case Unit.HOUR:
            return ngettext("%(num)s hour", "%(num)s hours", amount) % {"num": amount}
        case Unit.DAY:
            return ngettext("%(num)s day", "%(num)s days", amount) % {"num": amount}
        case Unit.WEEK:
            return ngettext("%(num)s week", "%(num)s weeks", amount) % {"num": amount}

"""The form of one filter, the same in the bar and among the conditions of other forms: what it sent, and what it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deskhand.crm.filters.types import OPERATORS, Operator, Takes, Unit, Window
from deskhand.crm.schema.types import Kind
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.filters import editing, timed
from deskhand.web.filters.editing import Groups, Item, Spot
from deskhand.web.filters.words import WINDOW_WORDS, Words, default_operator, units_of


@dataclass(frozen=True)
class Sent:
    """What came of it, as it was typed. Before it was sent there is no operator; it may have had no status and no unit."""

    name: str  # of the property: "ticket.subject"
    operator: str | None = None
    status: str | None = None
    values: Sequence[str] = ()
    amount: str = ""
    unit: str | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """`takes` is the operator's own word."""

    operators: tuple[Choice, ...] = ()
    takes: str = ""
    input_type: str = "text"  # text, number, date
    choices: tuple[Choice, ...] = ()
    units: tuple[Choice, ...] = ()
    has_unit: bool = False  # what is typed is in one of the units
    statuses: tuple[ChoiceGroup, ...] = ()  # of which one is asked for
    values: tuple[str, ...] = ()
    amount: str = ""
    labels: tuple[Choice, ...] = ()  # what a linked record may be linked as
    hows: tuple[Choice, ...] = ()  # what may be asked of an activity


class FormOf:
    """Of the filter at a place. Raises Invalid for a property that may not be asked for."""

    def __init__(self, words: Words, groups: Groups, spot: Spot, sent: Sent) -> None:
        self.words, self.sent = words, sent
        self.name, stood = timed.apart(sent.name)
        self.status = stood if sent.status is None else sent.status
        self.object_type, self.prop = words.of_form(self.name)
        there = editing.at(groups, spot)
        self.there = there if there and timed.apart(there.name)[0] == self.name else None
        self.before = editing.before(groups, spot)

    @property
    def label(self) -> str:
        return self.words.label(self.object_type, self.prop)

    def item(self) -> Item:
        """The filter that was sent. Raises Invalid, naming the field."""
        prop, sent = timed.with_status(self.object_type, self.prop, self.status, self.there), self.sent
        operator = sent.operator or default_operator(prop).value
        made = editing.made_of(prop, operator, sent.values, sent.amount, sent.unit or "")
        return self.words.made(self.object_type, made, sent.label, self.before)

    def fields(self) -> Fields:
        """As they were sent, else as they stand there."""
        prop, sent, there = self.prop, self.sent, self.there
        is_sent = sent.operator is not None
        operator = there.filter.operator if there else default_operator(prop)
        if sent.operator in OPERATORS[prop.kind]:
            operator = Operator(sent.operator)
        takes = OPERATORS[prop.kind][operator]
        values = tuple(sent.values) if is_sent or there is None else editing.values_typed(there)
        amount, unit = self._span()
        choices = self.words.chosen_of(self.object_type, prop, editing.values_typed(there))
        if takes is Takes.WINDOW:
            choices = [Choice(one.value, str(WINDOW_WORDS[one])) for one in Window]
        labels, hows = self.words.menus(self.object_type, sent.label if is_sent else None, there, self.before)
        return Fields(
            operators=tuple(self.words.operators(prop, operator)), takes=takes.name,
            input_type=editing.input_type(prop.kind, takes),
            choices=tuple(replace(one, chosen=one.value in values) for one in choices),
            units=units_of(prop, unit), has_unit=prop.kind is Kind.DURATION,
            statuses=timed.statuses(self.object_type, self.status) if timed.asks_status(prop) else (),
            values=values, amount=amount, labels=labels, hows=hows,
        )  # fmt: skip

    def _span(self) -> tuple[str, str]:
        """The amount and its unit."""
        if self.sent.unit is not None or self.there is None:
            return self.sent.amount, self.sent.unit or Unit.DAY.value
        return editing.span_typed(self.there)

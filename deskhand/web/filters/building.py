"""A condition as part of a form: groups of filters as sentences, one of which is open at a time.

All of its state travels in the form, so it works by plain posts; `do` names the button that was pressed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.types import EVERYTHING, OPERATORS, Condition, Operator, Takes, Window
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice, ChoiceGroup
from deskhand.web.filters import editing, timed
from deskhand.web.filters.asked import Asked, Said
from deskhand.web.filters.editing import Groups, Item, Spot
from deskhand.web.filters.words import WINDOW_WORDS, default_operator, units_of
from deskhand.web.refusals import words_of

LONGEST = 60_000  # characters of one condition

#: What was typed, by field.
Typed = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Line:
    """A filter. `spot` is "0.1": its group, its place there."""

    spot: str
    said: Said


@dataclass(frozen=True)
class OpenLine:
    """The filter that is being set; without a property, that is asked for first."""

    spot: str
    property: str
    label: str
    properties: tuple[ChoiceGroup, ...] = ()
    operators: tuple[Choice, ...] = ()
    takes: str = ""  # the operator's own word
    input_type: str = "text"
    choices: tuple[Choice, ...] = ()
    units: tuple[Choice, ...] = ()
    has_unit: bool = False  # what is typed is in one of the units
    statuses: tuple[ChoiceGroup, ...] = ()  # of which one is asked for
    values: tuple[str, ...] = ()
    amount: str = ""
    labels: tuple[Choice, ...] = ()  # what a linked record may be linked as
    hows: tuple[Choice, ...] = ()  # what may be asked of an activity


@dataclass(frozen=True)
class ConditionField:
    """`name` begins the names of all its fields. `stored` is the condition as it travels in the form."""

    name: str
    label: str
    stored: str
    groups: tuple[tuple[Line | OpenLine, ...], ...]
    edit: str = ""
    help: str = ""
    error: str = ""
    is_readable: bool = True

    @property
    def is_open(self) -> bool:
        return any(isinstance(line, OpenLine) for group in self.groups for line in group)


class Building:
    """One condition of a form."""

    def __init__(self, asked: Asked, name: str, condition: Condition | None = None) -> None:
        self.asked, self.name = asked, name
        self.raw: Condition = condition if condition is not None else EVERYTHING
        self.spot: Spot | None = None
        self.typed: Typed = {}
        self.error = ""
        self.is_readable = True
        self.groups: Groups = ()
        try:
            self.groups = editing.groups_of(self.raw, asked.object_type)
        except Invalid:
            self.is_readable = False

    @classmethod
    def of(cls, asked: Asked, name: str, condition: Condition | None, typed: Typed | None) -> Building:
        """As it was sent, else as it stands."""
        if typed is not None and f"{name}-f" in typed:
            return cls.of_typed(asked, name, typed)
        return cls(asked, name, condition)

    @classmethod
    def of_typed(cls, asked: Asked, name: str, typed: Typed) -> Building:
        """As it was sent. Raises Invalid for what no form of ours sends."""
        stored = _one(typed, f"{name}-f")
        made = cls(asked, name, _stored(stored) if stored else None)
        made.typed = typed
        spot = editing.spot_of(_one(typed, f"{name}-edit"))
        made.spot = spot if spot and made.is_readable else None
        return made

    def press(self, do: str) -> None:
        """What a button of this field does; those of other fields leave it as it is. Refusals stand in `error`."""
        name, _space, rest = do.partition(" ")
        if name != self.name:
            return
        verb, _space, where = rest.partition(" ")
        spot = editing.spot_of(where)
        if verb == "draw":
            return
        if verb == "cancel":
            self.spot, self.typed = None, {}
            return
        if verb == "anew":
            self.raw, self.groups, self.is_readable = EVERYTHING, (), True
            return
        if verb == "remove" and spot is not None:
            self.groups, self.spot, self.typed = editing.put(self.groups, spot, None), None, {}
            return
        if not self.settle():
            return
        if verb == "edit" and spot is not None:
            self.spot = spot
        elif verb == "add" and where.isascii() and where.isdigit() and int(where[:4]) < len(self.groups):
            self.spot = Spot(int(where), len(self.groups[int(where)]))
        elif verb == "or":
            self.spot = Spot(len(self.groups), 0)

    def settle(self) -> bool:
        """Put the open filter into its place; whether that could be done."""
        if self.spot is None or not _one(self.typed, f"{self.name}-prop"):
            self.spot = None
            return True
        try:
            self.groups = editing.put(self.groups, self.spot, self._typed_item())
        except Invalid as refusal:
            self.error = words_of(refusal)
            return False
        self.spot, self.typed = None, {}
        return True

    def condition(self) -> Condition:
        """Raises Invalid, naming the field."""
        if not self.settle():
            raise Invalid(self.error, field=self.name)
        return self.standing

    @property
    def standing(self) -> Condition:
        """Without the filter that is open."""
        return editing.condition(self.groups, self.asked.object_type) if self.is_readable else self.raw

    def optional(self) -> Condition | None:
        """None for one that always holds."""
        found = self.condition()
        return None if found == EVERYTHING else found

    def _typed_item(self) -> Item:
        name, status = timed.apart(_one(self.typed, f"{self.name}-prop"))
        object_type, prop = self.asked.of_form(name)
        there = editing.at(self.groups, self.spot) if self.spot else None
        prop = timed.with_status(object_type, prop, self._status(status), there)
        operator = _one(self.typed, f"{self.name}-op") or default_operator(prop).value
        made = editing.made_of(
            prop, operator, self.typed.get(f"{self.name}-value", ()), _one(self.typed, f"{self.name}-amount"), _one(self.typed, f"{self.name}-unit")
        )  # fmt: skip
        before = editing.before(self.groups, self.spot) if self.spot else None
        return self.asked.made(object_type, made, _one(self.typed, f"{self.name}-label"), before)

    def _status(self, stood: str) -> str:
        """That was chosen, else the one that stood there."""
        return _one(self.typed, f"{self.name}-status") if f"{self.name}-status" in self.typed else stood

    # ── as it is drawn ───────────────────────────────────────────────────────────────────────────────────────────────

    def field(self, label: str, *, help: str = "", error: str = "") -> ConditionField:
        condition = self.standing
        stored = "" if condition == EVERYTHING else json.dumps(to_json(condition), separators=(",", ":"))
        groups: list[tuple[Line | OpenLine, ...]] = [
            tuple(self._line(item, Spot(g, i)) for i, item in enumerate(group))
            for g, group in enumerate(self.groups)
        ]
        if self.spot is not None:
            groups = self._with_open(groups, self.spot)
        if not self.is_readable:
            groups = [(Line("", self.asked.groups_said(self.raw)[0][0]),)]
        return ConditionField(
            self.name,
            label,
            stored,
            tuple(groups),
            str(self.spot or ""),
            help,
            self.error or error,
            self.is_readable,
        )

    def _line(self, item: Item, spot: Spot) -> Line:
        return Line(str(spot), self.asked.line_of(item))

    def _with_open(
        self, groups: list[tuple[Line | OpenLine, ...]], spot: Spot
    ) -> list[tuple[Line | OpenLine, ...]]:
        opened = self._open(spot)
        if spot.group >= len(groups):
            return [*groups, (opened,)]
        group = list(groups[spot.group])
        group[spot.index : spot.index + 1] = [opened]
        return [tuple(group) if place == spot.group else one for place, one in enumerate(groups)]

    def _open(self, spot: Spot) -> OpenLine:
        there = editing.at(self.groups, spot)
        name, status = timed.apart(_one(self.typed, f"{self.name}-prop") or (there.name if there else ""))
        try:
            object_type, prop = self.asked.of_form(name)
        except Invalid:
            return OpenLine(str(spot), "", "", self.asked.property_groups())
        if there is not None and name != timed.apart(there.name)[0]:
            there = None
        stood = editing.values_typed(there)
        typed_operator = _one(self.typed, f"{self.name}-op")
        operator = there.filter.operator if there else default_operator(prop)
        if typed_operator in OPERATORS[prop.kind]:
            operator = Operator(typed_operator)
        if (
            there is not None
            and there.filter.operator is not operator
            and not _alike(prop.kind, there.filter.operator, operator)
        ):
            there = None
        takes = OPERATORS[prop.kind][operator]
        is_sent = f"{self.name}-op" in self.typed
        values = tuple(self.typed.get(f"{self.name}-value", ())) if is_sent else editing.values_typed(there)
        amount, unit = (
            (_one(self.typed, f"{self.name}-amount"), _one(self.typed, f"{self.name}-unit"))
            if is_sent
            else editing.span_typed(there)
        )
        typed = _one(self.typed, f"{self.name}-label") if is_sent else None
        labels, hows = self.asked.menus(object_type, typed, there, editing.before(self.groups, spot))
        choices = self.asked.chosen_of(object_type, prop, stood)
        if takes is Takes.WINDOW:
            choices = [Choice(one.value, str(WINDOW_WORDS[one])) for one in Window]
        return OpenLine(
            str(spot), name, self.asked.label(object_type, prop), operators=tuple(self.asked.operators(prop, operator)), takes=takes.name,
            input_type=editing.input_type(prop.kind, takes), choices=tuple(replace(one, chosen=one.value in values) for one in choices),
            units=units_of(prop, unit), values=values, amount=amount, has_unit=prop.kind is Kind.DURATION,
            statuses=timed.statuses(object_type, self._status(status)) if timed.asks_status(prop) else (), labels=labels, hows=hows,
        )  # fmt: skip


def _stored(text: str) -> Condition:
    try:
        data = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Invalid(_("These filters can't be read."), field="f", hint=_("Begin anew without them."))
    return from_json(data, "f")


def _alike(kind: Kind, one: Operator, other: Operator) -> bool:
    return OPERATORS[kind][one] is OPERATORS[kind][other]


def _one(typed: Typed, name: str) -> str:
    return next(iter(typed.get(name, ())), "")

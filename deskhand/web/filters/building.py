"""A condition as part of a form: groups of filters as sentences, one of which is open at a time.

All of its state travels in the form, so it works by plain posts; `do` names the button that was pressed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from deskhand.crm.filters.as_json import from_json, to_json
from deskhand.crm.filters.types import EVERYTHING, Condition
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import ChoiceGroup
from deskhand.web.filters import editing
from deskhand.web.filters.asked import Asked, Said
from deskhand.web.filters.editing import Groups, Item, Spot
from deskhand.web.filters.form import Fields, FormOf, Sent
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
class OpenLine(Fields):
    """The filter that is being set; without a property, that is asked for first."""

    spot: str
    property: str = ""
    label: str = ""
    properties: tuple[ChoiceGroup, ...] = ()


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
        if self.spot is None or not self._one("prop"):
            self.spot = None
            return True
        try:
            self.groups = editing.put(self.groups, self.spot, self._form(self.spot).item())
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

    def _form(self, spot: Spot) -> FormOf:
        """Of the filter there, as it was sent, else as it stands. Raises Invalid where no property is chosen that may be asked."""
        there = editing.at(self.groups, spot)
        sent = Sent(
            self._one("prop") or (there.name if there else ""), self._sent("op"), self._sent("status"),
            self.typed.get(f"{self.name}-value", ()), self._one("amount"), self._sent("unit"), self._one("label"),
        )  # fmt: skip
        return FormOf(self.asked, self.groups, spot, sent)

    def _sent(self, field: str) -> str | None:
        """None where the form had no such field."""
        return self._one(field) if f"{self.name}-{field}" in self.typed else None

    def _one(self, field: str) -> str:
        return _one(self.typed, f"{self.name}-{field}")

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
        try:
            form = self._form(spot)
        except Invalid:
            return OpenLine(str(spot), properties=self.asked.property_groups())
        return OpenLine(str(spot), form.name, form.label, **vars(form.fields()))


def _stored(text: str) -> Condition:
    try:
        data = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Invalid(_("These filters can't be read."), field="f", hint=_("Begin anew without them."))
    return from_json(data, "f")


def _one(typed: Typed, name: str) -> str:
    return next(iter(typed.get(name, ())), "")

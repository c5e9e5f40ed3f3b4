"""The forms of forks: branches by condition, by value, by chance. Their ways are rows that can be added, copied, put in order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from deskhand.automation.actions import reading
from deskhand.automation.actions.forms import Input, Option, Setting
from deskhand.automation.actions.reading import Typed
from deskhand.automation.engine import edit
from deskhand.automation.engine.definition import (
    Branch,
    Case,
    Definition,
    IfThen,
    OutputOf,
    Part,
    RandomSplit,
    Slot,
    Step,
    ValueEquals,
    edges_of,
)
from deskhand.automation.engine.edit import Place
from deskhand.automation.engine.validate import Limits
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Kind
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line, whole
from deskhand.web.automation.fields import Field, fields_of, with_refusal
from deskhand.web.choices import Choice, gone_said
from deskhand.web.filters.building import Building
from deskhand.web.workflows import told
from deskhand.web.workflows.editor import rows
from deskhand.web.workflows.editor.rows import WayField
from deskhand.web.workflows.editor.stepforms import FORMS, StepForm, outputs_before
from deskhand.web.workflows.editor.surroundings import Surroundings
from deskhand.web.workflows.looks import LOOKS

LIMITS = Limits()
NAME = 200


@dataclass
class WayRow:
    """A way as it is edited. `origin` is the old way whose steps it carries on, `copies` the one whose steps it copies."""

    number: int
    origin: str = ""
    copies: str = ""
    name: str = ""
    value: str = ""
    when: Building | None = None
    error: str = field(default="")


class ForkForm(StepForm):
    limit = LIMITS.branches
    sort: type = IfThen

    def __init__(
        self, opened: Surroundings, old: Step | None, typed: Typed | None, place: Place | None
    ) -> None:
        super().__init__(opened, old, typed, place)
        title, self.icon, self.tone = LOOKS[self.sort]
        self.title = str(title)
        self.ways = self._typed_ways() if self.is_typed else self.told_ways()

    @abstractmethod
    def told_ways(self) -> list[WayRow]:
        """The old step's ways, or what a new one begins with."""

    @abstractmethod
    def way_field(self, row: WayRow) -> WayField: ...

    def heads(self) -> tuple[rows.Part, ...]:
        """Fields above the ways."""
        return ()

    def tails(self) -> tuple[rows.Part, ...]:
        return ()

    def one(self, name: str) -> str:
        return next(iter(self.typed.get(name, ())), "")

    def _typed_ways(self) -> list[WayRow]:
        numbers = [found for text in self.typed.get("way", ()) if (found := whole(text)) is not None]
        return [self._typed_way(number) for number in list(dict.fromkeys(numbers))[: self.limit]]

    def _typed_way(self, number: int) -> WayRow:
        begin = f"way{number}"
        when = self.opened.building(f"{begin}-when", None, self.typed) if self.sort is IfThen else None
        return WayRow(
            number, self.one(f"{begin}-origin"), self.one(f"{begin}-copies"), one_line(self.one(f"{begin}-name"))[:NAME],
            one_line(self.one(f"{begin}-value"))[:NAME], when,
        )  # fmt: skip

    # ── buttons ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def press(self, what: str) -> None:
        verb, _space, rest = what.partition(" ")
        if verb != "ways":
            for row in self.ways:
                if row.when is not None:
                    row.when.press(what)
            return
        act, _space, text = rest.partition(" ")
        place = next((n for n, row in enumerate(self.ways) if str(row.number) == text), None)
        if act == "add":
            self.ways.append(self.fresh(self._next_number()))
        elif act == "all":
            self.add_all()
        elif place is None:
            return
        elif act == "remove" and len(self.ways) > 1:
            del self.ways[place]
        elif act == "copy":
            self.ways.insert(place + 1, self._copy(self.ways[place]))
        elif act in ("up", "down"):
            other = place + (1 if act == "down" else -1)
            if 0 <= other < len(self.ways):
                self.ways[place], self.ways[other] = self.ways[other], self.ways[place]
        del self.ways[self.limit :]

    def add_all(self) -> None:
        """A way for every value there is."""

    def fresh(self, number: int) -> WayRow:
        return WayRow(number)

    def _next_number(self) -> int:
        return max((row.number for row in self.ways), default=-1) + 1

    def _copy(self, row: WayRow) -> WayRow:
        number = self._next_number()
        when = None
        if row.when is not None:
            row.when.settle()
            when = Building(
                self.opened.asked,
                f"way{number}-when",
                row.when.condition() if not row.when.error else EVERYTHING,
            )
        name = _("%(name)s (copy)") % {"name": row.name} if row.name else ""
        return replace(row, number=number, origin="", copies=row.origin, name=name[:NAME], when=when)

    # ── as it is drawn ───────────────────────────────────────────────────────────────────────────────────────────────

    def parts(self, refusal: Invalid | None = None) -> tuple[rows.Part, ...]:
        if refusal is not None:
            for row in self.ways:
                if refusal.field.startswith(f"way{row.number}"):
                    row.error = f"{_(refusal.message)} {_(refusal.hint)}".strip()
        heads = self.heads()
        if refusal is not None and not any(row.error for row in self.ways):
            own = [one for one in heads if isinstance(one, Field)]
            heads = (
                (*with_refusal(own, refusal),)
                if own
                else (*heads, rows.Alert(f"{_(refusal.message)} {_(refusal.hint)}".strip()))
            )
        return (*heads, tuple(self._counted(row) for row in self.ways), *self.tails())

    def _counted(self, row: WayRow) -> WayField:
        edge = edges_of(self.old).get(row.origin) if self.old is not None and row.origin else None
        count = (
            len(edit.branch_below(self.opened.definition, edge.to))
            if edge is not None and not edge.is_goto
            else 0
        )
        return replace(self.way_field(row), count=count, copies=row.copies)

    # ── as it is kept ────────────────────────────────────────────────────────────────────────────────────────────────

    def grown(self, definition: Definition) -> tuple[Definition, str]:
        made = self.step()
        if self.old is None:
            return edit.insert(definition, made, self.place or edit.START)
        step_id = self.old.id
        before = edges_of(self.old)
        origins: dict[Slot, Slot] = {
            str(n): row.origin for n, row in enumerate(self.ways) if row.origin in before
        }
        if "default" in before:
            origins["default"] = "default"
        grown = edit.update(definition, replace(made, id=step_id), origins)
        for n, row in enumerate(self.ways):
            edge = before.get(row.copies) if row.copies and row.origin not in before else None
            if edge is not None and not edge.is_goto and edge.to in grown.by_id:
                grown, _copied = edit.clone(grown, edge.to, Place(step_id, str(n)), with_following=True)
        return grown, step_id


# ── if/then ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class IfThenForm(ForkForm):
    """R-BR-1, R-BR-2, R-BR-3"""

    sort = IfThen

    def told_ways(self) -> list[WayRow]:
        if not isinstance(self.old, IfThen):
            return [self.fresh(0)]
        return [
            WayRow(n, str(n), name=branch.name, when=Building(self.opened.asked, f"way{n}-when", branch.when))
            for n, branch in enumerate(self.old.branches)
        ]

    def fresh(self, number: int) -> WayRow:
        return WayRow(number, when=Building(self.opened.asked, f"way{number}-when"))

    def way_field(self, row: WayRow) -> WayField:
        assert row.when is not None
        return WayField(row.number, row.origin, row.name, condition=row.when.field(_("If")), error=row.error)

    @property
    def default_name(self) -> str:
        return (
            one_line(self.one("default_name"))[:NAME]
            if self.is_typed
            else self.old.default_name
            if isinstance(self.old, IfThen)
            else ""
        )

    def tails(self) -> tuple[rows.Part, ...]:
        return (
            Field(
                "default_name",
                _("Name of the way for all others"),
                value=self.default_name,
                help=_("Empty: “None met”."),
            ),
        )

    def step(self) -> Step:
        branches = []
        for row in self.ways:
            assert row.when is not None
            condition = row.when.condition()
            if condition == EVERYTHING:
                raise Invalid(_("Add at least one filter."), field=f"way{row.number}")
            branches.append(Branch(row.name, condition))
        if not branches:
            raise Invalid(_("Add at least one branch."), field="branches")
        return IfThen("", tuple(branches), default_name=self.default_name)


# ── by value ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class ValueForm(ForkForm):
    """R-BR-4"""

    sort, limit = ValueEquals, LIMITS.cases

    def told_ways(self) -> list[WayRow]:
        cases = self.old.cases if isinstance(self.old, ValueEquals) else ()
        return [WayRow(n, str(n), value=case.value) for n, case in enumerate(cases)]

    @property
    def of(self) -> str:
        """A property's name, or "output:3:outcome"."""
        if self.is_typed:
            return self.one("of")
        if not isinstance(self.old, ValueEquals):
            return ""
        return (
            f"output:{self.old.of.step_id}:{self.old.of.name}"
            if isinstance(self.old.of, OutputOf)
            else self.old.of
        )

    def _setting(self) -> Setting:
        object_type = self.opened.definition.object_type
        properties = [
            Option(prop.name, _(prop.label), _("Properties"))
            for prop in self.opened.asked.offered(object_type)
            if prop.kind not in (Kind.MULTI, Kind.REFS) and not prop.is_computed
        ]
        told = [
            Option(f"output:{step}:{name}", label, _("Results of earlier actions"))
            for step, name, label in outputs_before(self.opened, self.place, self.old)
        ]
        return Setting(
            "of", _("Compare"), Input.CHOICE, required=True, redraws=True, options=(*properties, *told)
        )

    def heads(self) -> tuple[rows.Part, ...]:
        return fields_of(
            [self._setting()],
            {"of": [self.of], "redraw": self.typed.get("redraw", ())},
            reading.around(self.opened.definition.object_type),
        )

    def _values(self) -> list[Choice]:
        """All that it can be, if they are few."""
        kind, _colon, rest = self.of.partition(":")
        if kind == "output":
            step_id, _colon, name = rest.partition(":")
            outputs = told.outputs(self.opened.definition.by_id.get(step_id))
            return [
                Choice(value, label) for one in outputs if one.name == name for value, label in one.values
            ]
        prop = properties_of(self.opened.definition.object_type).get(self.of)
        return self.opened.asked.choices_of(self.opened.definition.object_type, prop) if prop else []

    def add_all(self) -> None:
        there = {row.value for row in self.ways}
        for choice in self._values():
            if choice.value not in there:
                self.ways.append(WayRow(self._next_number(), value=choice.value))

    def way_field(self, row: WayRow) -> WayField:
        name, values = f"way{row.number}-value", self._values()
        if values:
            known = [Choice(one.value, one.label, one.value == row.value) for one in values]
            if row.value and row.value not in {one.value for one in values}:
                known.append(Choice(row.value, gone_said("", row.value), True))
            chosen = Field(name, _("Value"), "choice", choices=(Choice("", _("Choose one")), *known))
        else:
            chosen = Field(name, _("Value"), value=row.value)
        return WayField(row.number, row.origin, value=chosen, error=row.error)

    def tails(self) -> tuple[rows.Part, ...]:
        return (rows.AllValues(),) if self._values() and self.of else ()

    def step(self) -> Step:
        of = self.of
        if of not in {one.value for one in self._setting().options}:
            raise Invalid(_("Choose what is compared."), field="of", value=of[:40])
        values: list[str] = []
        for row in self.ways:
            if not row.value:
                raise Invalid(_("Choose a value, or remove this line."), field=f"way{row.number}")
            if row.value in values:
                raise Invalid(
                    _("Each value can have only one branch."), field=f"way{row.number}", value=row.value
                )
            values.append(row.value)
        if not values:
            raise Invalid(_("Add at least one value."), field="of")
        source: Any = of
        if of.startswith("output:"):
            _kind, step_id, name = of.split(":", 2)
            source = OutputOf(step_id, name)
        return ValueEquals("", source, tuple(Case(value) for value in values))


# ── by chance ────────────────────────────────────────────────────────────────────────────────────────────────────────


class SplitForm(ForkForm):
    """R-BR-5"""

    sort, limit = RandomSplit, LIMITS.parts

    def told_ways(self) -> list[WayRow]:
        parts: Sequence[Part] = self.old.parts if isinstance(self.old, RandomSplit) else (Part(50), Part(50))
        is_old = isinstance(self.old, RandomSplit)
        return [
            WayRow(n, str(n) if is_old else "", name=part.name, value=str(part.weight))
            for n, part in enumerate(parts)
        ]

    def fresh(self, number: int) -> WayRow:
        return WayRow(number, value="50")

    def heads(self) -> tuple[rows.Part, ...]:
        return (
            rows.Alert(
                _(
                    "Each record takes one of these ways by chance, in these shares; the same run always takes the same one."
                ),
                "info",
            ),
        )

    def way_field(self, row: WayRow) -> WayField:
        share = Field(f"way{row.number}-value", _("Share"), "number", value=row.value)
        return WayField(row.number, row.origin, row.name, value=share, error=row.error)

    def step(self) -> Step:
        parts = tuple(Part(_weight(row), row.name) for row in self.ways)
        if len(parts) < 2 or all(part.weight == 0 for part in parts):
            raise Invalid(
                _("A random split needs at least two parts, one with weight."),
                field=f"way{self.ways[-1].number}" if self.ways else "parts",
            )
        return RandomSplit("", parts)


def _weight(row: WayRow) -> int:
    number = whole(row.value.strip())
    if number is None or number > 1_000_000:
        raise Invalid(
            _("%(value)s is not a whole number.") % {"value": row.value[:40] or "–"}, field=f"way{row.number}"
        )
    return number


FORMS.update({"if-then": IfThenForm, "value-equals": ValueForm, "random-split": SplitForm})

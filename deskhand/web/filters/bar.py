"""The bar of filters above a board or a table, and the form in which one filter is set. Its state is the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from deskhand.crm.filters.types import AnyOf, Condition
from deskhand.crm.schema import clock_names
from deskhand.crm.schema.types import Property
from deskhand.kernel.errors import Invalid
from deskhand.web.choices import Choice
from deskhand.web.filters import editing, membership
from deskhand.web.filters.editing import Groups, Item, Spot
from deskhand.web.filters.form import Fields, FormOf, Sent
from deskhand.web.filters.words import Words
from deskhand.web.refusals import words_of

#: What of an address belongs to the form and goes when it is done.
OWN = ("f", "edit", "prop", "status", "op", "value", "amount", "unit", "label", "apply", "shown", "after")


@dataclass(frozen=True)
class Chip:
    property: str
    operator: str
    values: str
    edit_url: str  # empty where there is nothing left to change
    remove_url: str
    is_edited: bool
    is_gone: bool = False  # what it asks for was deleted


@dataclass(frozen=True)
class Offer:
    label: str
    url: str


@dataclass(frozen=True)
class Offers:
    label: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class Editor(Fields):
    """`hidden` is what the form carries along."""

    property: str
    hidden: tuple[tuple[str, str], ...]
    cancel_url: str
    error: str = ""
    error_field: str = ""


@dataclass(frozen=True)
class Bar:
    groups: tuple[tuple[Chip, ...], ...]
    offers: tuple[Offers, ...]  # of one more filter that must hold, too
    or_offers: tuple[Offers, ...]  # of a group that may hold instead
    url: str
    editor_url: str
    count_url: str
    clear_url: str
    save_url: str  # empty where views can't be saved
    editor: Editor | None = None


class BarOf:
    """Filters from an address. Raises Invalid for filters that can't be read or may not be asked."""

    def __init__(self, words: Words, query: QueryDict, path: str, parts: Mapping[str, str]) -> None:
        self.words, self.query, self.path, self.parts = words, query, path, parts
        self.root = words.root
        self.groups: Groups = editing.read(query.get("f", ""), self.root)
        words.require(item for group in self.groups for item in group)
        self.spot = editing.spot_of(query.get("edit", ""))

    def url(self, groups: Groups, **more: str) -> str:
        kept = [(name, value) for name, values in self.query.lists() if name not in OWN for value in values]
        written = editing.write(groups, self.root)
        asked = [*kept, *([("f", written)] if written else []), *more.items()]
        return f"{self.path}?{urlencode(asked)}" if asked else self.path

    def applied(self) -> Groups:
        """With the form's filter in its place. Raises Invalid, naming the field."""
        form = self._form() if self.query.get("prop") else None
        return editing.put(self.groups, self.spot, form.item()) if self.spot and form else self.groups

    def asked(self, groups: Groups) -> Condition:
        """What these filters ask for. No record meets one on what was deleted, so a group with such a one finds nothing."""
        there = tuple(group for group in groups if not any(map(self.words.lost, group)))
        return AnyOf(()) if groups and not there else editing.condition(there, self.root)

    def answer(self, request: HttpRequest) -> tuple[HttpResponse | None, Invalid | None]:
        """Where the form of a filter leads when it is done, or what is wrong with it."""
        if request.method != "GET" or not self.query.get("apply"):
            return None, None
        try:
            return redirect(self.url(self.applied())), None
        except Invalid as refusal:
            return None, refusal

    def _form(self) -> FormOf | None:
        """Of the filter that is set. Raises Invalid for one that may not be asked."""
        if self.spot is None:
            return None
        there, q = editing.at(self.groups, self.spot), self.query
        name = q.get("prop", "") or (there.name if there and self._opens(there) else "")
        sent = Sent(
            name, q.get("op"), q.get("status"), q.getlist("value"), q.get("amount", ""), q.get("unit"), q.get("label", "")
        )  # fmt: skip
        return FormOf(self.words, self.groups, self.spot, sent) if name else None

    def bar(self, refusal: Invalid | None = None) -> Bar:
        last = max(len(self.groups) - 1, 0)
        size = len(self.groups[last]) if self.groups else 0
        return Bar(
            groups=tuple(
                tuple(self._chip(item, Spot(g, i)) for i, item in enumerate(group)) for g, group in enumerate(self.groups)
            ),
            offers=self._offers(Spot(last, size)), or_offers=self._offers(Spot(last + 1, 0)) if self.groups else (),
            url=self.path, editor_url=self.parts["editor"], count_url=self.parts["count"], clear_url=self.url(()),
            save_url=self._save_url(),
            editor=self.editor(refusal),
        )  # fmt: skip

    def _save_url(self) -> str:
        if "save" not in self.parts:
            return ""
        asked = [("f", editing.write(self.groups, self.root)), ("sort", self.query.get("sort", ""))]
        return f"{self.parts['save']}&{urlencode([pair for pair in asked if pair[1]])}"

    def lost(self) -> tuple[Item, ...]:
        """The filters that nothing can meet any more: what they ask for was deleted (R-PIPE-10)."""
        return tuple(item for group in self.groups for item in group if self.words.lost(item))

    def without(self, items: Sequence[Item]) -> str:
        """The address without these filters."""
        kept = (tuple(item for item in group if item not in items) for group in self.groups)
        return self.url(tuple(group for group in kept if group))

    def _chip(self, item: Item, spot: Spot) -> Chip:
        prop, operator = self.words.shown(item), item.filter.operator
        return Chip(
            self.words.label(item.object_type, prop, item.label, item.how), dict_of(self.words.operators(prop, operator))[operator.value],
            self.words.values(item), self.url(self.groups, edit=str(spot)) if self._opens(item) else "", self.url(editing.put(self.groups, spot, None)),
            spot == self.spot, is_gone=self.words.has_gone(item),
        )  # fmt: skip

    def _opens(self, item: Item) -> bool:
        """In a form: also what asks for the times of a deleted status, where another one can be chosen."""
        if self.words.lost(item) is not None:
            is_clock = clock_names.parse(item.filter.property) is not None
            return is_clock and bool(self.words.clocks(item.object_type))
        return item.filter.property not in membership.SORTS or bool(self.words.shown(item).options)

    def _offers(self, spot: Spot) -> tuple[Offers, ...]:
        found: list[Offers] = []
        for object_type in self.words.types:
            label = self.words.type_label(object_type)
            times = _("%(kind)s: times by status") % {"kind": label}
            found.append(self._offer(label, object_type, self.words.offered(object_type), spot))
            found.append(self._offer(times, object_type, self.words.clocks(object_type), spot))
        return tuple(one for one in found if one.offers)

    def _offer(self, label: str, object_type: str, properties: Sequence[Property], spot: Spot) -> Offers:
        names = ((_(prop.label), f"{object_type}.{prop.name}") for prop in properties)
        return Offers(
            label,
            tuple(Offer(said, self.url(self.groups, edit=str(spot), prop=name)) for said, name in names),
        )

    def editor(self, refusal: Invalid | None = None) -> Editor | None:
        form = self._form()
        if form is None:
            return None
        kept = [(n, v) for n, vs in self.query.lists() if n not in OWN for v in vs]
        hidden = [
            ("f", editing.write(self.groups, self.root)),
            ("edit", str(self.spot)),
            ("prop", form.name),
        ]
        return Editor(
            property=form.label, hidden=(*kept, *hidden), cancel_url=self.url(self.groups),
            error=words_of(refusal) if refusal else "", error_field=refusal.field if refusal else "", **vars(form.fields()),
        )  # fmt: skip


def dict_of(choices: list[Choice]) -> dict[str, str]:
    return {choice.value: choice.label for choice in choices}

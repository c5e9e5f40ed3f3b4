"""Which properties stand beside a record: sections and properties in the order of the form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.schema import layouts
from deskhand.crm.schema.layouts import Layout, Section
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web.choices import Choice
from deskhand.web.filters import timed
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.properties import allowed, show
from deskhand.web.objects.rows import LayoutSection
from deskhand.web.objects.tabs import Sort
from deskhand.web.refusals import words_of

_LINE = re.compile(r"section:[0-9]{1,3}|property:[a-z][a-z0-9_]{0,99}")
LINES_LIMIT = 500


@dataclass(frozen=True)
class Line:
    """A heading or a property, as the form sends them one after the other."""

    key: str
    label: str = ""

    @property
    def is_section(self) -> bool:
        return self.key.startswith("section:")

    @property
    def name(self) -> str:
        return self.key.partition(":")[2]


def _page(
    request: AccountRequest, sort: Sort, layout: Layout, status: int = 200, error: str = ""
) -> HttpResponse:
    known = properties_of(sort.object_type)
    used = {name for section in layout.sections for name in section.properties}
    offers = sorted((prop for prop in known.values() if prop.name not in used), key=lambda prop: _(prop.label).casefold())  # fmt: skip
    return show(
        request, sort, "layout", status, tab="layout", error=error, is_own=layout.is_own,
        sections=tuple(
            LayoutSection(
                str(place), _(section.label),
                tuple(Choice(name, _(known[name].label)) for name in section.properties if name in known),
            )
            for place, section in enumerate(layout.sections)
        ),
        offers=tuple(Choice(prop.name, _(prop.label)) for prop in offers), picker=timed.picker(sort.object_type),
        save_url=reverse("layout-save", args=[sort.key]), reset_url=reverse("layout-reset", args=[sort.key]),
    )  # fmt: skip


@require_GET
def layout(request: AccountRequest, key: str) -> HttpResponse:
    sort = allowed(request, key)
    return _page(request, sort, layouts.layout_of(request.viewer.account_id, sort.object_type))


@require_POST
def save(request: AccountRequest, key: str) -> HttpResponse:
    """What stands in the form, after the button that was pressed: move, remove, add a property or a section."""
    sort = allowed(request, key)
    stored = layouts.layout_of(request.viewer.account_id, sort.object_type)
    lines = _read(request.POST, stored.sections)
    lines = moved(lines, request.POST.get("move", ""))
    lines = [line for line in lines if line.key != request.POST.get("remove") or line.is_section]
    sections = _added(_sections(lines, request.POST.get("remove", "")), request.POST, timed.picked(request))
    try:
        layouts.arrange(sort.object_type, sections, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, sort, Layout(tuple(sections), stored.is_own), 422, words_of(refusal))
    messages.success(request, _("The layout is saved."))
    return redirect("layout", key)


@require_POST
def reset(request: AccountRequest, key: str) -> HttpResponse:
    sort = allowed(request, key)
    layouts.reset(sort.object_type, by=Actor.user(request.user.pk))
    messages.success(request, _("The product's own layout is back."))
    return redirect("layout", key)


def _read(form: QueryDict, stored: Sequence[Section]) -> list[Line]:
    """Raises Invalid for what no form of ours sends. A heading that was left as it is shown stays as it is stored."""
    keys = form.getlist("line")
    if len(keys) > LINES_LIMIT or not all(map(_LINE.fullmatch, keys)) or (keys and not keys[0].startswith("section:")):  # fmt: skip
        raise Invalid(_("The form is out of date."), field="line", hint=_("Load the page again."))
    kept = {str(place): section.label for place, section in enumerate(stored)}
    found = []
    for key in keys:
        line = Line(key)
        label = form.get(f"label-{line.name}", "").strip() if line.is_section else ""
        if line.is_section and line.name in kept and label == _(kept[line.name]):
            label = kept[line.name]
        found.append(Line(key, label))
    return found


def moved(lines: Sequence[Line], wish: str) -> list[Line]:
    """The lines after a press of "up:<key>" or "down:<key>"; a heading takes its properties along."""
    direction, _colon, key = wish.partition(":")
    blocks = [[line] for line in lines]
    if key.startswith("section:"):
        blocks = _blocks(lines)
    place = next((n for n, block in enumerate(blocks) if block[0].key == key), None)
    first = 0 if key.startswith("section:") else 1  # a property stays below the first heading
    if place is None or direction not in ("up", "down"):
        return list(lines)
    other = place + (1 if direction == "down" else -1)
    if first <= other < len(blocks):
        blocks[place], blocks[other] = blocks[other], blocks[place]
    return [line for block in blocks for line in block]


def _blocks(lines: Sequence[Line]) -> list[list[Line]]:
    blocks: list[list[Line]] = []
    for line in lines:
        if line.is_section:
            blocks.append([])
        blocks[-1].append(line)
    return blocks


def _sections(lines: Sequence[Line], removed: str) -> list[Section]:
    """Without the section whose button was pressed; its properties go with it."""
    return [
        Section(block[0].label, tuple(line.name for line in block[1:]))
        for block in _blocks(lines) if block[0].key != removed
    ]  # fmt: skip


def _added(sections: list[Section], form: QueryDict, times: Sequence[str]) -> list[Section]:
    """With the property and the time by status that were chosen, each in its section, and a new section if one was named."""
    for names, place in (([form.get("add", "")], "add_to"), (times, "time_to")):
        number = whole(form.get(place, ""))
        if any(names) and number is not None and number < len(sections):
            chosen = sections[number]
            sections[number] = Section(chosen.label, (*chosen.properties, *names))
    label = form.get("new_section", "").strip()
    if label:
        sections.append(Section(label, ()))
    return sections

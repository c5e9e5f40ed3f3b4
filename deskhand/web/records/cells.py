"""Rows of a table of records in words, and their cells while they are changed in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import queries as accounts
from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import computed, listing, objects
from deskhand.crm.records.store import Applied
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.events.types import Actor
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.web import labels, moving
from deskhand.web.asked import number
from deskhand.web.board.cells import is_number
from deskhand.web.board.rows import Cell, Row
from deskhand.web.choices import ChoiceGroup, statuses
from deskhand.web.contacts import values as typed_values
from deskhand.web.contacts.rows import Control
from deskhand.web.contacts.values import OWNER, Names
from deskhand.web.entering import Entering, Way
from deskhand.web.frame import framed
from deskhand.web.holders import words_for
from deskhand.web.inbox.panel_rows import Editor
from deskhand.web.inbox.property_values import Typed
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values
from deskhand.web.records.columns import chosen_columns, name_of
from deskhand.web.records.kinds import area, kind_of, url
from deskhand.web.shell import Person
from deskhand.web.workflows import card

_KINDS: dict[str, Any] = {"area": "long", "choice": "select", "choices": "checks"}


def is_editable(kind: Sort, prop: Property) -> bool:
    """Where it stands is one of a list here; on the record's page it has a way of its own."""
    return values.is_editable(prop) or (prop.column == "stage_id" and kind.has_pipelines)


def told(kind: Sort, prop: Property, value: Any, names: Names) -> Cell:
    """A value as it is read."""
    name, text = prop.name, values.spoken(kind.object_type, prop, value, names)
    return Cell(
        name, _(prop.label), (value or _("No name")) if name == name_of(kind) else text,
        status=labels.status(pipelines_of(kind.object_type).stage(value)) if prop.column == "stage_id" and value else None,
        priority=values.priority(value) if name == values.PRIORITY else None,
        person=Person.named(text) if name == OWNER and value in names.users else None, is_number=is_number(prop),
    )  # fmt: skip


class Cells:
    """Rows in words, whatever page they are on. People are read once, also those who left."""

    def __init__(self, request: AccountRequest, kind: Sort, columns: tuple[str, ...]) -> None:
        self.kind, self.columns, self.known = kind, columns, properties_of(kind.object_type)
        self.viewer = request.viewer
        account_id = request.viewer.account_id
        self.names = Names(
            {one.user_id: one.name for one in accounts.members(account_id, active_only=False)}, {}, {one.id: one.name for one in accounts.teams(account_id)}
        )  # fmt: skip
        self._edits = visible(request.viewer, kind.object_type, Verb.EDIT)
        self.may_enroll = card.may_choose(request.viewer, request.account, kind.object_type)

    def may_edit(self, record: Any) -> bool:
        return record.archived_at is None and self._edits.reaches(record)

    def rows(self, found: Sequence[Any]) -> tuple[Row, ...]:
        computed.attach(self.kind.object_type, found, self.columns)
        return tuple(self._row(one) for one in found)

    def row(self, record: Any, editing: str = "", typed: Typed | None = None) -> Row:
        computed.attach(self.kind.object_type, [record], self.columns)
        return self._row(record, editing, typed)

    def _row(self, record: Any, editing: str = "", typed: Typed | None = None) -> Row:
        may_edit = self.may_edit(record)
        cells = tuple(self._cell(record, name, may_edit, name == editing, typed) for name in self.columns)
        may_tick = record.archived_at is None and (self.may_enroll or (self.kind.has_pipelines and may_edit))
        return Row(record.pk, "", cells, record.name or _("No name"), may_tick)

    def _cell(self, record: Any, name: str, may_edit: bool, is_edited: bool, typed: Typed | None) -> Cell:
        prop = self.known[name]
        value = typed_values.value_of(record, prop)
        may_edit = may_edit and is_editable(self.kind, prop)
        return replace(
            told(self.kind, prop, value, self.names),
            edit_url=url(self.kind, "record-cell", record.pk, name) if may_edit else "",
            link_url=url(self.kind, "record", record.pk) if name == name_of(self.kind) else "",
            editor=self._editor(record, prop, value, typed) if is_edited and may_edit else None,
        )  # fmt: skip

    def _editor(self, record: Any, prop: Property, value: Any, typed: Typed | None) -> Editor:
        urls = (
            url(self.kind, "record-cell-save", record.pk, prop.name),
            url(self.kind, "record-row", record.pk),
        )
        error = typed.error if typed else ""
        if prop.column == "stage_id":
            chosen = typed.values[0] if typed and typed.values else str(value)
            pipeline = pipelines_of(self.kind.object_type).pipeline(record.pipeline_id)
            reasons = moving.reasons(self.viewer, pipeline, record.stage_id)
            return Editor("select", *urls, chosen, (ChoiceGroup("", statuses(pipeline, chosen, reasons=reasons)),), error)  # fmt: skip
        control: Control = typed_values.control(
            prop, value, typed=typed.values if typed else None, error=error
        )
        groups = (ChoiceGroup("", control.choices),) if control.choices else ()
        return Editor(_KINDS.get(control.kind, control.kind), *urls, control.value, groups, error)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cells(request: AccountRequest, kind: Sort) -> Cells:
    given = request.POST if request.method == "POST" else request.GET
    return Cells(request, kind, chosen_columns(kind, given.getlist("cols")))


def _table_url(kind: Sort, record: Any) -> str:
    return url(kind, "records-table") + (f"?pipeline={record.pipeline_id}" if kind.has_pipelines else "")


def _row(request: AccountRequest, kind: Sort, record: Any, editing: str = "", typed: Typed | None = None, status: int = 200) -> HttpResponse:  # fmt: skip
    built = _cells(request, kind).row(record, editing, typed)
    return render(request, "board/fragments/row.html", {"row": built}, status=status)


@require_GET
def row(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """A row as it stands."""
    kind = kind_of(request.viewer, key)
    record = listing.get(request.viewer, kind.object_type, record_id)
    return _row(request, kind, record) if wants_fragment(request) else redirect(_table_url(kind, record))


def _editable(request: AccountRequest, kind: Sort, record_id: int, name: str) -> tuple[Any, Property]:
    record = listing.get(request.viewer, kind.object_type, record_id)
    prop = properties_of(kind.object_type).get(name)
    if not _cells(request, kind).may_edit(record):
        raise Forbidden(_("You may not change this."))
    if prop is None or not is_editable(kind, prop):
        raise NotFound(_("This property can't be set here."))
    return record, prop


@require_GET
def edit(request: AccountRequest, key: str, record_id: int, name: str) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    record, prop = _editable(request, kind, record_id, name)
    return (
        _row(request, kind, record, name) if wants_fragment(request) else _page(request, kind, record, prop)
    )


def _page(request: AccountRequest, kind: Sort, record: Any, prop: Property, typed: Typed | None = None, status: int = 200) -> HttpResponse:  # fmt: skip
    """Without scripts: one cell on a page of its own."""
    built = Cells(request, kind, (prop.name,)).row(record, prop.name, typed)
    context = {
        "cell": built.cells[0], "label": _(prop.label), "subject": built.subject, "back_url": _table_url(kind, record),
    }  # fmt: skip
    return framed(request, area(kind), "board/cell.html", context, status)


@require_POST
def save(request: AccountRequest, key: str, record_id: int, name: str) -> HttpResponse:
    """What was refused is given back with the reason beside it (422)."""
    kind = kind_of(request.viewer, key)
    record, prop = _editable(request, kind, record_id, name)
    given = request.POST.getlist("value")
    try:
        done = _write(request, kind, record, prop, given)
    except Invalid as refusal:
        typed = Typed(given, words_for(request.viewer, refusal))
        if wants_fragment(request):
            return _row(request, kind, record, name, typed, 422)
        return _page(request, kind, record, prop, typed, 422)
    if isinstance(done, HttpResponse):
        return done
    if not wants_fragment(request):
        return redirect(_table_url(kind, record))
    found = listing.seen(
        request.viewer, kind.object_type, [record_id]
    )  # who gives it away may lose sight of it
    return _row(request, kind, found[0]) if found else HttpResponse("")


def _write(
    request: AccountRequest, kind: Sort, record: Any, prop: Property, given: list[str]
) -> Applied | HttpResponse:
    """Or the form of what the status asks for, where the cell says where the record stands. Raises Invalid."""
    by = Actor.user(request.user.pk)
    if prop.column != "stage_id":
        value = {
            prop.name: typed_values.read(
                kind.object_type, prop.name, given, typed_values.value_of(record, prop)
            )
        }
        return objects.update(kind.object_type, record.pk, value, by=by)
    stage = pipelines_of(kind.object_type).stage(number(given[0] if given else "", prop.name))
    way = Way(
        request.get_full_path(), _table_url(kind, record), area(kind), f"#ticket-{record.pk}", "outerHTML"
    )
    return Entering(request, kind.object_type, [(record, stage)], way).enter(
        lambda typed: objects.update(kind.object_type, record.pk, {**typed, prop.name: stage.id}, by=by)
    )

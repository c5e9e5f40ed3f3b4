"""Putting the table of a pipeline into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import queries as accounts
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.records import computed
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.sorting import Sort
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.tags import TAGS
from deskhand.crm.schema.types import Kind, Property
from deskhand.desk import preferences, table
from deskhand.desk.custom_views import SavedView, What
from deskhand.desk.table import COMPANY, CONTACT
from deskhand.kernel.errors import Invalid
from deskhand.web import labels
from deskhand.web.board.page import BoardOf, columns_and_sort
from deskhand.web.board.rows import PipelineLink, ViewBar
from deskhand.web.choices import Tab
from deskhand.web.filters.bar import OWN, Bar
from deskhand.web.filters.editing import condition
from deskhand.web.inbox import property_values
from deskhand.web.inbox.panel_rows import Editor
from deskhand.web.inbox.property_values import OWNER, STATUS, TEAMS, People, Typed
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort as RecordSort
from deskhand.web.shell import Person

#: Shorter than the property's own label, where it heads a column.
SHORT = {
    "hs_ticket_id": gettext_lazy("Number"), CONTACT: gettext_lazy("Contact"), COMPANY: gettext_lazy("Company"),
    STATUS: gettext_lazy("Status"), "createdate": gettext_lazy("Created"),
    "hs_helpdesk_sort_timestamp": gettext_lazy("Latest activity"), TEAMS: gettext_lazy("Team"),
}  # fmt: skip


@dataclass(frozen=True)
class Head:
    name: str
    label: str
    sort_url: str = ""
    direction: str = ""  # ascending, descending, or empty
    is_number: bool = False


@dataclass(frozen=True)
class Cell:
    name: str
    label: str
    text: str
    edit_url: str = ""
    link_url: str = ""
    status: Label | None = None
    priority: Label | None = None
    person: Person | None = None
    editor: Editor | None = None
    is_number: bool = False
    tags: tuple[Label, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.text == property_values.DASH


@dataclass(frozen=True)
class Row:
    id: int
    url: str
    cells: tuple[Cell, ...]
    subject: str
    form: str = ""  # that the row can be ticked for

    @property
    def is_edited(self) -> bool:
        return any(cell.editor for cell in self.cells)


@dataclass(frozen=True)
class ColumnChoice:
    name: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class TablePage:
    sort: RecordSort
    title: str
    pipelines: tuple[PipelineLink, ...]
    url: str  # the board
    table_url: str
    automate_url: str
    create_url: str
    bar: Bar
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    more_url: str
    columns: tuple[ColumnChoice, ...]
    columns_url: str
    kept: tuple[tuple[str, str], ...] = field(default_factory=tuple)  # of the address
    view: ViewBar | None = None
    text: str = ""  # that is looked for, where names can be searched
    lists: tuple[Tab, ...] = ()
    search_url: str = ""
    enroll: tuple[tuple[str, str], ...] = ()  # of the form that enrolls rows: what it carries along


def is_number(prop: Property) -> bool:
    """What is compared digit by digit, so that it stands at the end of its column; ids and numbers of tickets are names."""
    return prop.kind in (Kind.NUMBER, Kind.DURATION) and prop.name not in ("hs_ticket_id", "hs_object_id")


def label_of(name: str) -> str:
    return str(SHORT[name]) if name in SHORT else _(properties_of("ticket")[name].label)


class Cells:
    """Rows of tickets in words, whatever table they are in. People are read once."""

    def __init__(self, request: AccountRequest, columns: tuple[str, ...]) -> None:
        account_id = request.viewer.account_id
        self.columns, self.viewer = columns, request.viewer
        self.people = People(
            {member.user_id: member.name for member in accounts.members(account_id)},
            {team.id: team.name for team in accounts.teams(account_id)},
        )

    def rows(self, found: Sequence[table.Row]) -> tuple[Row, ...]:
        computed.attach("ticket", [one.ticket for one in found], self.columns)
        return tuple(self._row(one) for one in found)

    def row(self, found: table.Row, editing: str = "", typed: Typed | None = None) -> Row:
        computed.attach("ticket", [found.ticket], self.columns)
        return self._row(found, editing, typed)

    def _row(self, found: table.Row, editing: str = "", typed: Typed | None = None) -> Row:
        ticket = found.ticket
        return Row(
            ticket.pk, reverse("table-row", args=[ticket.pk]),
            tuple(self._cell(found, name, typed if name == editing else None, name == editing) for name in self.columns),
            ticket.subject,
        )  # fmt: skip

    def _cell(self, found: table.Row, name: str, typed: Typed | None, is_edited: bool) -> Cell:
        ticket, label = found.ticket, label_of(name)
        if name in (CONTACT, COMPANY):
            return Cell(name, label, _who(ticket, name) or property_values.DASH)
        prop = properties_of("ticket")[name]
        value = property_values.value_of(ticket, prop)
        may_edit = found.may_edit and property_values.is_editable(prop)
        urls = (reverse("cell-save", args=[ticket.pk, name]), reverse("table-row", args=[ticket.pk]))
        text = property_values.words(prop, value, self.people)
        return Cell(
            name, label, f"#{value}" if name == "hs_ticket_id" else text,
            edit_url=reverse("cell-edit", args=[ticket.pk, name]) if may_edit else "",
            link_url=reverse("inbox-ticket", args=["all-open", ticket.pk]) if name == "subject" else "",
            status=labels.status(pipelines_of("ticket").stage(value)) if name == STATUS else None,
            priority=labels.priority(value) if name == "hs_ticket_priority" else None,
            person=Person.named(text) if name == OWNER and value in self.people.users else None,
            editor=property_values.editor(self.viewer, prop, ticket, self.people, urls, typed) if is_edited and may_edit else None,
            is_number=is_number(prop), tags=labels.tags(value or ()) if name == TAGS else (),
        )  # fmt: skip


def _who(ticket: Ticket, name: str) -> str:
    contact = ticket.contact
    if contact is None:
        return ""
    if name == CONTACT:
        return contact.name or contact.email
    return contact.company.name if contact.company else ""


class TableOf(BoardOf):
    """One pipeline as a table, with a fixed number of queries."""

    def __init__(self, request: AccountRequest, pipeline: PipelineValue) -> None:
        super().__init__(request, pipeline, "table")
        own = columns_and_sort(self.view) if self.view else None
        self.sort = table.sort_of(request.GET.get("sort") or (own[1] if own else table.DEFAULT_SORT))
        self.key = f"pipeline-{pipeline.id}"
        kept = own[0] if own else preferences.of(self.viewer).columns.get(self.key, [])
        self.columns = table.chosen_columns(request.GET.getlist("cols") or kept)
        self.cells = Cells(request, self.columns)

    def table(self, after: str = "", refusal: Invalid | None = None) -> TablePage:
        found, following = table.rows(self.viewer, self.selection, self.sort, after=after)
        pipeline_id = self.pipeline.id
        board = self.page_frame()
        return TablePage(
            **board, bar=self.filters.bar(refusal), heads=tuple(self._head(name) for name in self.columns),
            rows=self.cells.rows(found),
            more_url=self._url("table-more", pipeline_id, following) if following else "",
            columns=tuple(ColumnChoice(n, label_of(n), n in self.columns) for n in table.columns_offered()),
            columns_url=reverse("table-columns", args=[pipeline_id]),
            kept=tuple((n, v) for n, vs in self.request.GET.lists() if n not in (*OWN[1:], "cols") for v in vs),
        )  # fmt: skip

    def shows(self, view: SavedView) -> What:
        return What(self.pipeline.id, condition(self.filters.groups), tuple(self.columns), str(self.sort))

    def _head(self, name: str) -> Head:
        known = properties_of("ticket")
        if name not in table.SORTS:
            return Head(name, label_of(name), is_number=name in known and is_number(known[name]))
        is_current = self.sort.name == name
        turned = Sort(name, not (is_current and self.sort.is_descending))
        kept = [(n, v) for n, vs in self.request.GET.lists() if n not in (*OWN[1:], "sort") for v in vs]
        url = f"{reverse('table', args=[self.pipeline.id])}?{urlencode([*kept, ('sort', str(turned))])}"
        direction = ("descending" if self.sort.is_descending else "ascending") if is_current else ""
        return Head(name, label_of(name), url, direction, is_number(known[name]))

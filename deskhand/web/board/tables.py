"""Putting the table of a pipeline into words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse

from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.records.sorting import Sort
from deskhand.crm.schema.queries import properties_of
from deskhand.desk import preferences, table
from deskhand.desk.custom_views import SavedView, What
from deskhand.kernel.errors import Invalid
from deskhand.web.board.cells import Cells, is_number, label_of
from deskhand.web.board.page import BoardOf, columns_and_sort
from deskhand.web.board.rows import PipelineLink, Row, StatusOption, ViewBar
from deskhand.web.choices import Tab
from deskhand.web.filters import timed
from deskhand.web.filters.bar import OWN, Bar
from deskhand.web.filters.editing import condition
from deskhand.web.filters.timed import Picker
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort as RecordSort


@dataclass(frozen=True)
class Head:
    name: str
    label: str
    sort_url: str = ""
    direction: str = ""  # ascending, descending, or empty
    is_number: bool = False


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
    picker: Picker
    ticked_url: str = ""  # takes what is done with the rows that are ticked
    statuses: tuple[StatusOption, ...] = ()  # that they can be moved to
    enrolls: bool = False
    kept: tuple[tuple[str, str], ...] = field(default_factory=tuple)  # of the address
    view: ViewBar | None = None
    text: str = ""  # that is looked for, where names can be searched
    lists: tuple[Tab, ...] = ()
    search_url: str = ""


def column_choices(
    offered: Sequence[str], chosen: Sequence[str], label: Callable[[str], str]
) -> tuple[ColumnChoice, ...]:
    """What is offered, and behind it what else was chosen."""
    return tuple(ColumnChoice(name, label(name), name in chosen) for name in dict.fromkeys((*offered, *chosen)))  # fmt: skip


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
            columns=column_choices(table.columns_offered(), self.columns, label_of),
            columns_url=reverse("table-columns", args=[pipeline_id]), picker=timed.picker("ticket"),
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

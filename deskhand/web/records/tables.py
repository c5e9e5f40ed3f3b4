"""Putting a kind of records as a table into words."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts.policy import reaches_any
from deskhand.accounts.types import Verb
from deskhand.crm.records import listing
from deskhand.crm.records.selecting import Which
from deskhand.crm.records.sorting import Sort as Order
from deskhand.crm.schema.queries import properties_of
from deskhand.desk import preferences
from deskhand.kernel.errors import Invalid
from deskhand.web import labels
from deskhand.web.board.cells import is_number
from deskhand.web.board.rows import StatusOption
from deskhand.web.board.tables import Head, TablePage, column_choices
from deskhand.web.choices import Tab
from deskhand.web.filters import timed
from deskhand.web.filters.timed import Picker
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records.boards import ScreenOf
from deskhand.web.records.cells import Cells
from deskhand.web.records.columns import chosen_columns, columns_offered, name_of, preference
from deskhand.web.records.kinds import url

_LISTS = {
    Which.ALL: gettext_lazy("All"), Which.MINE: gettext_lazy("Mine"), Which.UNASSIGNED: gettext_lazy("Without an owner"),
    Which.DELETED: gettext_lazy("Deleted"),
}  # fmt: skip
_CREATED = ("createdate", "hs_createdate")


class TableOf(ScreenOf):
    """One pipeline, or all records of a kind without any, with a fixed number of queries."""

    def __init__(self, request: AccountRequest, kind: Sort) -> None:
        super().__init__(request, kind, "records-table")
        self.order = listing.sort_of(request.GET.get("sort") or listing.DEFAULT_SORT)
        kept = preferences.of(self.viewer).columns.get(preference(kind), [])
        self.columns = chosen_columns(kind, request.GET.getlist("cols") or kept)
        self.known = properties_of(kind.object_type)
        self.cells = Cells(request, kind, self.columns)

    def table(self, after: int | None = None, refusal: Invalid | None = None) -> TablePage:
        found, following = listing.rows(self.viewer, self.selection, self.order, after=after)
        more = f"{url(self.kind, 'records-table-more', following)}?{urlencode(self.kept())}" if following else ""  # fmt: skip
        return TablePage(
            **self.frame(), bar=self.filters.bar(refusal), heads=tuple(self._head(name) for name in self.columns),
            rows=self.cells.rows(found), more_url=more, columns_url=url(self.kind, "records-columns"),
            columns=column_choices(columns_offered(self.kind), self.columns, self._label),
            picker=timed.picker(self.kind.object_type) if self.kind.has_pipelines else Picker(),
            kept=tuple(self.kept("cols")), text=self.text, lists=self._lists(), search_url=url(self.kind, "records-table"),
            **self._ticked(),
        )  # fmt: skip

    def _ticked(self) -> dict[str, Any]:
        """What can be done with rows: enrolled by hand (R-EDIT-7), moved (R-REQ-3)."""
        if self.which is Which.DELETED:
            return {}
        may_move = self.pipeline is not None and reaches_any(self.viewer, self.kind.object_type, Verb.EDIT)
        stages = self.pipeline.stages if self.pipeline and may_move else ()
        statuses = tuple(StatusOption(one.id, labels.status(one), False) for one in stages)
        enrolls = self.cells.may_enroll
        here = url(self.kind, "records-ticked") + (f"?{urlencode(self.kept())}" if self.kept() else "")
        return {"ticked_url": here if statuses or enrolls else "", "statuses": statuses, "enrolls": enrolls}

    def _lists(self) -> tuple[Tab, ...]:
        kept = self.kept("list")
        return tuple(
            Tab(
                str(label),
                f"{url(self.kind, 'records-table')}?{urlencode([*kept, ('list', which.value)])}",
                which is self.which,
            )
            for which, label in _LISTS.items()
        )

    def _label(self, name: str) -> str:
        return _(self.known[name].label)

    def _head(self, name: str) -> Head:
        by = "name" if name == name_of(self.kind) else "createdate" if name in _CREATED else ""
        if not by:
            return Head(name, self._label(name), is_number=is_number(self.known[name]))
        is_current = self.order.name == by
        turned = Order(by, not self.order.is_descending if is_current else by == "createdate")
        address = f"{url(self.kind, 'records-table')}?{urlencode([*self.kept('sort'), ('sort', str(turned))])}"  # fmt: skip
        direction = ("descending" if self.order.is_descending else "ascending") if is_current else ""
        return Head(name, self._label(name), address, direction)

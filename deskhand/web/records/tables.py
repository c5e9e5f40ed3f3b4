"""Putting a kind of records as a table into words."""

from __future__ import annotations

from functools import cached_property
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deskhand.accounts import queries as accounts
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import listing
from deskhand.crm.records.checking import required_of
from deskhand.crm.records.selecting import Which
from deskhand.crm.records.sorting import Sort as Order
from deskhand.crm.schema.queries import properties_of
from deskhand.desk import preferences
from deskhand.kernel.errors import Invalid
from deskhand.web import labels
from deskhand.web.board.tables import Cell, ColumnChoice, Head, Row, TablePage
from deskhand.web.choices import Tab
from deskhand.web.contacts.values import OWNER, Names, value_of
from deskhand.web.filters.words import OFFERED
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values
from deskhand.web.records.boards import ScreenOf
from deskhand.web.records.kinds import url
from deskhand.web.shell import Person
from deskhand.web.workflows import card

_COMMON = ("hs_pipeline_stage", "dealstage", "amount", "closedate", "hs_target_due_date", OWNER, "hs_assigned_team_ids", "createdate", "hs_createdate")  # fmt: skip
_LISTS = {
    Which.ALL: gettext_lazy("All"), Which.MINE: gettext_lazy("Mine"), Which.UNASSIGNED: gettext_lazy("Without an owner"),
    Which.DELETED: gettext_lazy("Deleted"),
}  # fmt: skip
_CREATED = ("createdate", "hs_createdate")


def name_of(kind: Sort) -> str:
    """The property whose value names a record."""
    return required_of(kind.object_type)[0]


def columns_offered(kind: Sort) -> list[str]:
    known = properties_of(kind.object_type)
    own = [name for name, prop in known.items() if prop.is_custom and not prop.is_computed]
    listed = [name_of(kind), *_COMMON, *OFFERED.get(kind.object_type, ()), "hs_is_closed", *own]
    listed = [name for name in listed if name != "hs_createdate" or "createdate" not in known]
    return [name for name in dict.fromkeys(listed) if name in known and (kind.has_pipelines or known[name].column not in values.PLACE)]  # fmt: skip


def chosen_columns(kind: Sort, asked: list[str]) -> tuple[str, ...]:
    """In the order of what is offered; the name is always there. Unknown ones are passed over."""
    offered = columns_offered(kind)
    wanted = {*asked, name_of(kind)} if asked else {name_of(kind), *_COMMON, *_own(kind)[:3]}
    return tuple(name for name in offered if name in wanted)


def _own(kind: Sort) -> list[str]:
    return [name for name, prop in properties_of(kind.object_type).items() if prop.is_custom]


class TableOf(ScreenOf):
    """One pipeline, or all records of a kind without any, with a fixed number of queries."""

    def __init__(self, request: AccountRequest, kind: Sort) -> None:
        super().__init__(request, kind, "records-table")
        self.order = listing.sort_of(request.GET.get("sort") or listing.DEFAULT_SORT)
        kept = preferences.of(self.viewer).columns.get(preference(kind), [])
        self.columns = chosen_columns(kind, request.GET.getlist("cols") or kept)
        self.known = properties_of(kind.object_type)
        members = {one.user_id: one.name for one in accounts.members(self.viewer.account_id)}
        self.names = Names(members, {}, {team.id: team.name for team in accounts.teams(self.viewer.account_id)})  # fmt: skip

    def table(self, after: int | None = None, refusal: Invalid | None = None) -> TablePage:
        found, following = listing.rows(self.viewer, self.selection, self.order, after=after)
        more = f"{url(self.kind, 'records-table-more', following)}?{urlencode(self.kept())}" if following else ""  # fmt: skip
        return TablePage(
            **self.frame(), bar=self.filters.bar(refusal), heads=tuple(self._head(name) for name in self.columns),
            rows=tuple(self._row(one) for one in found), more_url=more, columns_url=url(self.kind, "records-columns"),
            columns=tuple(ColumnChoice(n, self._label(n), n in self.columns) for n in columns_offered(self.kind)),
            kept=tuple(self.kept("cols")), text=self.text, lists=self._lists(), search_url=url(self.kind, "records-table"), enroll=self.enroll,
        )  # fmt: skip

    @cached_property
    def enroll(self) -> tuple[tuple[str, str], ...]:
        """What the form carries along that enrolls rows by hand (R-EDIT-7); nothing for who may not."""
        here = self.address("records-table")
        may = self.which is not Which.DELETED and card.may_choose(
            self.viewer, self.request.account, self.kind.object_type
        )
        return (("type", self.kind.object_type), ("back", here)) if may else ()

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
            return Head(name, self._label(name))
        is_current = self.order.name == by
        turned = Order(by, not self.order.is_descending if is_current else by == "createdate")
        address = f"{url(self.kind, 'records-table')}?{urlencode([*self.kept('sort'), ('sort', str(turned))])}"  # fmt: skip
        direction = ("descending" if self.order.is_descending else "ascending") if is_current else ""
        return Head(name, self._label(name), address, direction)

    def _row(self, record: object) -> Row:
        there = url(self.kind, "record", record.pk)  # type: ignore[attr-defined]
        cells = tuple(self._cell(record, name, there) for name in self.columns)
        return Row(record.pk, "", cells, cells[0].text, "enroll" if self.enroll else "")  # type: ignore[attr-defined]

    def _cell(self, record: object, name: str, there: str) -> Cell:
        prop = self.known[name]
        value = value_of(record, prop)  # type: ignore[arg-type]
        text = values.spoken(self.kind.object_type, prop, value, self.names)
        is_name = name == name_of(self.kind)
        is_status = prop.column == "stage_id" and value
        return Cell(
            name, self._label(name), (value or _("No name")) if is_name else text, link_url=there if is_name else "",
            status=labels.status(pipelines_of(self.kind.object_type).stage(value)) if is_status else None,
            person=Person.named(text) if name == OWNER and value in self.names.users else None,
            is_number=prop.kind == "number",
        )  # fmt: skip


def preference(kind: Sort) -> str:
    return f"records-{kind.object_type}"

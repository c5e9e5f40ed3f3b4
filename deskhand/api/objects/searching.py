"""Searches: by words, by filters, in any order, and how many there are (api.md §1.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.api import kinds, refusals
from deskhand.api.objects import asking, names
from deskhand.api.objects.asking import LONGEST
from deskhand.api.objects.reading import Reader, Wanted
from deskhand.api.objects.shapes import FoundPage, Search, SortBy
from deskhand.api.operations import Call, operation
from deskhand.api.shapes import without_nothing
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import Column, Link, Sql, to_sql
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.records import search as words
from deskhand.crm.records.selecting import Selection, where
from deskhand.crm.records.tables import model_of, table_of, tables_of
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.kernel import clock
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.text import whole

MOST, FARTHEST = 200, 10_000  # records of a page, and of all pages
WORDS = 3_000  # letters of a question


@operation(
    "POST", "/crm/objects/{objectType}/search", needs=kinds.to_read(), takes=Search, gives={200: FoundPage}
)
def search(call: Call) -> Any:
    """Records that meet one of the groups of filters, all filters of a group, and have all words of the question."""
    object_type, body = kinds.named(call.parts["objectType"]), call.body
    begin = _begin(body.after)
    limit = min(_limit(body.limit), FARTHEST - begin)
    for linked in asking.linked_kinds(body):
        kinds.require_kind(call, linked, "read")
    text, params = _where(call.viewer, object_type, body)
    order, by = _order(call.viewer, object_type, body.sorts or ())
    table = table_of(object_type)
    found = sql.rows(
        f"select t.id from {table} t where {text} order by {order} limit %s offset %s",
        [*params, *by, limit, begin],
    )
    total = sql.row(f"select count(*) from {table} t where {text}", params)
    ids = [pk for (pk,) in found]
    shown = Reader(call.viewer, object_type, Wanted(tuple(body.properties or ()))).by_ids(ids)
    count = int(total[0]) if total else 0
    following = begin + len(ids)
    more = ids and following < min(count, FARTHEST)
    return without_nothing(
        total=count,
        results=[shown[pk] for pk in ids if pk in shown],
        paging={"next": {"after": str(following)}} if more else None,
    )


def _limit(given: int | None) -> int:
    if given is None:
        return 10
    if not 0 <= given <= MOST:
        raise refusals.bad(
            f"limit is {given}; it must be a number from 0 to {MOST}.", context={"limit": [str(given)]}
        )
    return given


def _begin(given: str | None) -> int:
    found = whole(given) if given else 0
    if found is None:
        raise refusals.bad(f"after is {(given or '')[:80]!r}; it must be what the page before gave.", context={"after": [str(given)[:80]]})  # fmt: skip
    if found >= FARTHEST:
        raise refusals.bad(
            f"A search leads to {FARTHEST:,} records at most: after is {found}. Narrow it by a filter.",
            context={"after": [str(found)]},
        )
    return found


def _where(viewer: Viewer, object_type: str, body: Search) -> tuple[str, list[Any]]:
    query = (body.query or "").replace("\x00", " ").strip()[:WORDS]
    finds = words.finder(viewer.account_id, object_type, query) if query else None
    zone = zone_named("UTC")  # a moment is a moment everywhere, and a day a day
    by_name = query if finds is None else ""
    text, params = where(viewer, Selection(object_type, zone, text=by_name))
    asked = asking.condition(object_type, body.filter_groups or ())
    if asked != EVERYTHING:
        found = to_sql(asked, _Walled(viewer, _source(viewer, object_type)), now=clock.now(), zone=zone)
        text, params = f"{text} and {found.text}", [*params, *found.params]
    if finds is not None:
        text, params = f"{text} and t.id = any(array({finds[0]}))", [*params, *finds[1]]
    return text, params


def _source(viewer: Viewer, object_type: str) -> SchemaSource:
    return SchemaSource(tables_of(viewer.account_id), object_type, "t")


@dataclass(frozen=True)
class _Walled:
    """What `records` know; of linked ones, only those that are there for the viewer."""

    viewer: Viewer
    records: SchemaSource

    def column(self, property: str, now: datetime) -> Column | None:
        return self.records.column(property, now)

    def link(self, to: str, type_id: int | None) -> Link | None:
        link = self.records.link(to, type_id)
        if link is None or not isinstance(link.source, SchemaSource):
            return None
        reach, params = visible(self.viewer, to).sql(link.source.alias)
        before = Sql(f"{link.before.text}{reach} AND ", (*link.before.params, *params))
        return Link(_Walled(self.viewer, link.source), before, link.after)

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        return None


def _order(viewer: Viewer, object_type: str, sorts: Sequence[str | SortBy]) -> tuple[str, list[Any]]:
    """SQL of the order: as asked, then by age; what is not known comes last. Raises Refusal for what is no property."""
    known, parts, params = properties_of(object_type), list[str](), list[Any]()
    source, now = _source(viewer, object_type), clock.now()
    for one in sorts:
        name, is_back = _sort(one)
        prop = known.get(names.ours(object_type, name))
        value = _sorted_by(source, prop, now) if prop else None
        if prop is None or value is None:
            raise refusals.bad(
                f"Records can't be sorted by {name[:LONGEST]}.", context={"sorts": [name[:LONGEST]]}
            )
        # An index is read backwards where there is nothing unknown.
        last = " nulls last" if _may_be_unknown(object_type, prop) else ""
        parts.append(f"{value.text} {'desc' if is_back else 'asc'}{last}")
        params += value.params
    back = " desc" if sorts and _sort(sorts[-1])[1] else ""
    return ", ".join([*parts, f"t.id{back}"]), params


def _sorted_by(source: SchemaSource, prop: Property, now: datetime) -> Sql | None:
    if not prop.is_computed:
        return source.stored(prop)
    column = source.column(prop.name, now)
    return column.value if column and column.rows is None else None


def _may_be_unknown(object_type: str, prop: Property) -> bool:
    return not prop.column or bool(vars(model_of(object_type)._meta.get_field(prop.column))["null"])


def _sort(given: str | SortBy) -> tuple[str, bool]:
    if isinstance(given, SortBy):
        return given.property_name, given.direction == "DESCENDING"
    return given.removeprefix("-"), given.startswith("-")

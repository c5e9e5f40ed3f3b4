"""Searches of tasks (api.md §1.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.accounts.policy import visible
from deskhand.api import refusals
from deskhand.api.engagements.fields import FIELDS, PROPERTIES
from deskhand.api.engagements.reading import kinds_of, reach
from deskhand.api.objects import asking
from deskhand.api.objects.searching import FARTHEST, MOST, WORDS
from deskhand.api.objects.shapes import Search, SortBy
from deskhand.api.operations import Call
from deskhand.crm.filters.schema_source import SchemaSource
from deskhand.crm.filters.sql import Column, Link, Sql, to_sql
from deskhand.crm.filters.types import EVERYTHING
from deskhand.crm.records.tables import is_there, of_this_type, table_of, tables_of
from deskhand.kernel import clock
from deskhand.kernel.calendars import zone_named
from deskhand.kernel.database import sql
from deskhand.kernel.text import whole


def found_by(call: Call, body: Search) -> tuple[list[int], int, int | None]:
    """A page of tasks, how many there are, and where the next page begins. Raises Refusal."""
    limit = 10 if body.limit is None else body.limit
    begin = whole(body.after) if body.after else 0
    if not 0 <= limit <= MOST:
        raise refusals.bad(f"limit is {limit}; it must be a number from 0 to {MOST}.", context={"limit": [str(limit)]})  # fmt: skip
    if begin is None or begin >= FARTHEST:
        raise refusals.bad(
            f"after is {(body.after or '')[:80]!r}; it must be what the page before gave, below {FARTHEST}.",
            context={"after": [(body.after or "")[:80]]},
        )
    text, params = _where(call, body)
    rows = sql.rows(
        f"select k.id from crm_task k where {text} order by {_order(body.sorts or ())} limit %s offset %s",
        [*params, min(limit, FARTHEST - begin), begin],
    )
    total = sql.row(f"select count(*) from crm_task k where {text}", params)
    ids, count = [pk for (pk,) in rows], int(total[0]) if total else 0
    following = begin + len(ids)
    return ids, count, following if ids and following < min(count, FARTHEST) else None


def _where(call: Call, body: Search) -> tuple[str, list[Any]]:
    text, params = reach(call)
    asked = asking.condition("task", body.filter_groups or (), PROPERTIES)
    if asked != EVERYTHING:
        found = to_sql(asked, _Tasks(call), now=clock.now(), zone=zone_named("UTC"))
        text, params = f"{text} and {found.text}", [*params, *found.params]
    for word in (body.query or "").replace("\x00", " ")[:WORDS].split():
        text += " and strpos(lower(k.title || ' ' || k.notes), lower(%s)) > 0"
        params.append(word)
    return text, params


@dataclass(frozen=True)
class _Tasks:
    """What may be asked of tasks; of their records, those that are there for the token."""

    call: Call

    def column(self, property: str, now: datetime) -> Column | None:
        field = FIELDS.get(property)
        return Column(field.prop.kind, Sql(field.sql)) if field else None

    def link(self, to: str, type_id: int | None) -> Link | None:
        if to not in kinds_of(self.call):
            return None
        within, params = visible(self.call.viewer, to).sql("t")
        before = (
            f"EXISTS (SELECT 1 FROM crm_tasklink about JOIN {table_of(to)} t ON t.account_id = about.account_id AND t.id = about.record_id"
            f" WHERE about.account_id = k.account_id AND about.task_id = k.id AND about.object_type = %s AND {is_there(to)}"
            f" AND {of_this_type(to)} AND {within} AND "
        )  # fmt: skip
        source = SchemaSource(tables_of(self.call.viewer.account_id), to, "t")
        return Link(source, Sql(before, (to, *params)))

    def members(self, of: str, ids: Sequence[int]) -> Sql | None:
        return None


def _order(sorts: Sequence[str | SortBy]) -> str:
    """As asked, then by age; what is not known comes last. Raises Refusal for what is no property."""
    parts = []
    for given in sorts:
        if isinstance(given, SortBy):
            name, is_back = given.property_name, given.direction == "DESCENDING"
        else:
            name, is_back = given.removeprefix("-"), given.startswith("-")
        field = FIELDS.get(name)
        if field is None:
            raise refusals.bad(
                f"Tasks can't be sorted by {name[: asking.LONGEST]}.",
                context={"sorts": [name[: asking.LONGEST]]},
            )
        parts.append(f"{field.sql} {'desc' if is_back else 'asc'} nulls last")
    return ", ".join([*parts, "k.id"])

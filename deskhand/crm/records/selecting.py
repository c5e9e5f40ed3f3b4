"""Which records of a kind somebody asks for: those in reach that meet their filters, as SQL on the kind's table as `t`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.policy import visible
from deskhand.accounts.types import Reach, Viewer
from deskhand.crm.filters.schema_source import SchemaSource, Tables
from deskhand.crm.filters.sql import Sql, to_sql
from deskhand.crm.filters.types import EVERYTHING, Condition, Filter, MemberOf, looked_at
from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.crm.schema import activities
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments.looks import SEGMENT
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid

CAP = 1000  # a count stops here and says 999+
ASSOCIATED = ("contact", "company")
_AROUND_PEOPLE = ("contact", "company", "ticket", "deal")


def associated_with(object_type: str) -> tuple[str, ...]:
    """The kinds whose properties may be asked for beside those of this one."""
    around = _AROUND_PEOPLE if object_type in ASSOCIATED else ASSOCIATED
    return tuple(one for one in around if one != object_type)


class Which(StrEnum):
    ALL = "all"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    DELETED = "deleted"


@dataclass(frozen=True)
class Selection:
    """`zone` is the account's: its days are the days of filters. `text` is a part of the name."""

    object_type: str
    zone: ZoneInfo
    pipeline_id: int | None = None
    condition: Condition = EVERYTHING
    text: str = ""
    which: Which = Which.ALL


def where(viewer: Viewer, selection: Selection) -> tuple[str, list[Any]]:
    """Raises Invalid for filters on what is not there, or on records that the viewer doesn't see all of."""
    reach, params = visible(viewer, selection.object_type).sql("t")
    parts = [f"t.account_id = %s and {of_this_type(selection.object_type)} and {reach}"]
    params = [viewer.account_id, *params]
    parts.append("t.archived_at is not null" if selection.which is Which.DELETED else "t.archived_at is null")
    if selection.which is Which.MINE:
        parts.append("t.owner_id = %s")
        params.append(viewer.user_id)
    if selection.which is Which.UNASSIGNED:
        parts.append("t.owner_id is null")
    if selection.pipeline_id is not None:
        parts.append("t.pipeline_id = %s")
        params.append(selection.pipeline_id)
    if selection.text:
        parts.append("t.name ilike %s")
        params.append(sql.containing(selection.text))
    if selection.condition != EVERYTHING:
        made = condition_sql(viewer, selection.object_type, selection.condition, selection.zone)
        parts.append(made.text)
        params += made.params
    return " and ".join(parts), params


def condition_sql(viewer: Viewer, object_type: str, condition: Condition, zone: ZoneInfo) -> Sql:
    require_in_reach(viewer, object_type, condition)
    names = {kind: table_of(kind) for kind in (object_type, *associated_with(object_type))}
    source = SchemaSource(Tables(viewer.account_id, names, properties_of), object_type, "t")
    return to_sql(condition, source, now=clock.now(), zone=zone)


def may_filter_by(viewer: Viewer, object_type: str, of: str) -> bool:
    """Who doesn't see all contacts could find out about the others by filtering records `of` another kind by them."""
    return object_type == of or (
        object_type in associated_with(of) and visible(viewer, object_type).reach is Reach.ALL
    )


def may_filter_by_workflows(viewer: Viewer) -> bool:
    """Who doesn't see workflows could find out who is in which."""
    return policy.can(viewer, policy.Action.VIEW_WORKFLOWS)


def require_in_reach(viewer: Viewer, of: str, condition: Condition) -> None:
    for way, leaf in looked_at(condition):
        path, _activity = activities.split(way)  # who sees a record sees what was done around it
        object_type = path[-1] if path else of
        is_of_workflows = isinstance(leaf, MemberOf) and leaf.of != SEGMENT
        if not all(may_filter_by(viewer, one, of) for one in path) or (
            is_of_workflows and not may_filter_by_workflows(viewer)
        ):
            raise Invalid(
                _("You may not filter by this."),
                field="filter",
                value=leaf.property if isinstance(leaf, Filter) else object_type,
            )


def count(viewer: Viewer, selection: Selection) -> int:
    """How many there are, none counted past CAP."""
    text, params = where(viewer, selection)
    table = table_of(selection.object_type)
    found = sql.row(f"select count(*) from (select 1 from {table} t where {text} limit {CAP}) n", params)
    return int(found[0]) if found else 0

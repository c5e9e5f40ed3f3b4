"""The columns that the table of a kind may have, and those that somebody chose."""

from __future__ import annotations

from deskhand.crm.records.checking import required_of
from deskhand.crm.schema import clocks
from deskhand.crm.schema.queries import properties_of
from deskhand.web.contacts.values import OWNER
from deskhand.web.filters.words import OFFERED
from deskhand.web.objects.tabs import Sort
from deskhand.web.records import values

_COMMON = ("hs_pipeline_stage", "dealstage", "amount", "closedate", "hs_target_due_date", OWNER, "hs_assigned_team_ids", "createdate", "hs_createdate")  # fmt: skip


def name_of(kind: Sort) -> str:
    """The property whose value names a record."""
    return required_of(kind.object_type)[0]


def columns_offered(kind: Sort) -> list[str]:
    """Without the clocks of statuses, which are chosen by their statuses."""
    known = properties_of(kind.object_type)
    own = [name for name, prop in known.items() if prop.is_custom]
    listed = [
        name_of(kind),
        *_COMMON,
        *OFFERED.get(kind.object_type, ()),
        values.PRIORITY,
        "hs_is_closed",
        *own,
    ]
    listed = [name for name in listed if name != "hs_createdate" or "createdate" not in known]
    return [name for name in dict.fromkeys(listed) if name in known and (kind.has_pipelines or not known[name].is_place)]  # fmt: skip


def chosen_columns(kind: Sort, asked: list[str]) -> tuple[str, ...]:
    """In the order of what is offered, the times by status last; the name is always there. Unknown ones are passed over."""
    offered = columns_offered(kind)
    wanted = {*asked, name_of(kind)} if asked else {name_of(kind), *_COMMON, *_own(kind)[:3]}
    times = clocks.among(kind.object_type, wanted) if kind.has_pipelines else []
    return (*(name for name in offered if name in wanted), *times)


def _own(kind: Sort) -> list[str]:
    return [name for name, prop in properties_of(kind.object_type).items() if prop.is_custom]


def preference(kind: Sort) -> str:
    return f"records-{kind.object_type}"

"""Which tickets somebody asks for: those they may see and that meet their filters, as SQL on `crm_ticket t`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Viewer
from deskhand.crm.filters.types import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Operator,
)
from deskhand.crm.records import selecting
from deskhand.crm.records.selecting import CAP
from deskhand.kernel.database import sql

__all__ = ["CAP", "KEPT", "Selection", "condition_sql", "count", "where"]

KEPT = "not t.is_spam and t.archived_at is null"


@dataclass(frozen=True)
class Selection:
    """`zone` is the account's: its days are the days of filters."""

    zone: ZoneInfo
    pipeline_id: int | None = None
    condition: Condition = EVERYTHING


def where(viewer: Viewer, selection: Selection) -> tuple[str, list[Any]]:
    """Raises Invalid for filters on what is not there, or on records that the viewer doesn't see all of."""
    reach, params = visible(viewer, "ticket").sql("t")
    parts = [f"t.account_id = %s and {KEPT} and {reach}"]
    params = [viewer.account_id, *params]
    if selection.pipeline_id is not None:
        parts.append("t.pipeline_id = %s")
        params.append(selection.pipeline_id)
    if selection.condition != EVERYTHING:
        text, more = condition_sql(viewer, selection.condition, selection.zone)
        parts.append(text)
        params += more
    return " and ".join(parts), params


def condition_sql(viewer: Viewer, condition: Condition, zone: ZoneInfo) -> tuple[str, list[Any]]:
    """The condition alone. One that only open tickets meet says so first, in the words of the indexes."""
    selecting.require_in_reach(viewer, "ticket", condition)
    is_open = _asks_for_open(condition)
    made = selecting.condition_sql(viewer, "ticket", _the_rest(condition) if is_open else condition, zone)
    return (f"not t.is_closed and {made.text}" if is_open else made.text), list(made.params)


def _the_rest(condition: Condition) -> Condition:
    """What is asked beside being open. Asked twice, it would seem rarer to PostgreSQL than it is."""
    if isinstance(condition, AllOf):
        return AllOf(tuple(_the_rest(part) for part in condition.parts))
    return EVERYTHING if _is_open(condition) else condition


def _asks_for_open(condition: Condition) -> bool:
    match condition:
        case AllOf(parts):
            return any(_asks_for_open(part) for part in parts)
        case AnyOf(parts):
            return bool(parts) and all(_asks_for_open(part) for part in parts)
    return _is_open(condition)


def _is_open(condition: Condition) -> bool:
    match condition:
        case Filter("hs_is_closed", _, Operator.ANY_OF, values):
            return set(values) == {False}
    return False


def count(viewer: Viewer, selection: Selection) -> int:
    """How many there are, none counted past CAP."""
    text, params = where(viewer, selection)
    found = sql.row(f"select count(*) from (select 1 from crm_ticket t where {text} limit {CAP}) n", params)
    return int(found[0]) if found else 0

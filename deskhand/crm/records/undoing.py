"""Taking back what somebody did to records a moment ago, from the history that it left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from deskhand.crm.records import store
from deskhand.crm.records.store import Change
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

#: The cause of what comes back; the rules of a pipeline bind no correction (R-RULE-9).
RULE = "taken_back"
#: The cause of what comes back of an automation; nothing is automated because of it.
RUN_UNDONE = "run_undone"
#: What can be taken back, by property of a ticket: its column.
UNDOABLE = {
    "hs_pipeline_stage": "stage_id",
    "hubspot_owner_id": "owner_id",
    "hs_assigned_team_ids": "assigned_team_ids",
    "hs_ticket_priority": "priority",
}
#: What a move brings along: taken back with it, as if it had never been.
DATES = {
    "closed_date": "closed_at",
    "hs_last_closed_date": "last_closed_at",
    "hs_ticket_reopened_at": "reopened_at",
}

_HISTORY = """
select record_id, property, old, new from crm_propertychange
where account_id = %s and object_type = 'ticket' and record_id = any(%s) and actor_kind = %s and actor_id = %s and changed_at = %s
"""
_NOW = """
select id, stage_id, owner_id, assigned_team_ids, priority, closed_at, last_closed_at, reopened_at
from crm_ticket where account_id = %s and id = any(%s) order by id for no key update
"""


def undo(ticket_ids: Sequence[int], *, made_at: datetime, by: Actor, at: datetime) -> list[int]:
    """Give these tickets back the status, owner, teams and priority that `by` changed at `made_at`.

    What has changed again since stays as it is. Returns the ids of those that came back.
    """
    account_id = current_account_id()
    olds: dict[int, dict[str, Any]] = defaultdict(dict)
    news: dict[int, dict[str, Any]] = defaultdict(dict)
    for record_id, name, old, new in sql.rows(
        _HISTORY, [account_id, sorted(set(ticket_ids)), ActorKind.USER, by.id, made_at]
    ):
        olds[record_id][name], news[record_id][name] = sql.loads(old), sql.loads(new)
    names = ["id", *UNDOABLE.values(), *DATES.values()]
    now = {row[0]: dict(zip(names, row, strict=True)) for row in sql.rows(_NOW, [account_id, sorted(olds)])}
    back = {pk: _values(olds[pk], news[pk], stands) for pk, stands in now.items()}
    back = {pk: values for pk, values in back.items() if values}
    store.change_many("ticket", [Change(pk, values, rule=RULE) for pk, values in back.items()], by=by, at=at)
    moved = [
        Change(pk, dates(olds[pk], now[pk])) for pk, values in sorted(back.items()) if "stage_id" in values
    ]
    store.change_many("ticket", moved, by=by, at=at)
    return sorted(back)


def _values(old: Mapping[str, Any], new: Mapping[str, Any], stands: Mapping[str, Any]) -> dict[str, Any]:
    return {
        column: old[name]
        for name, column in UNDOABLE.items()
        if name in old and (stands[column] or None) == (new[name] or None)
    }


def dates(old: Mapping[str, Any], stood: Mapping[str, Any]) -> dict[str, datetime | None]:
    """As they were before the move: what it changed as the history has it, the rest as it stood before coming back."""
    return {
        column: _moment(old[name]) if name in old else stood[column]
        for name, column in DATES.items()
        if column in stood
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

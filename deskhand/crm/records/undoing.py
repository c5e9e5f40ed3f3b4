"""Taking back what somebody did to records a moment ago, from the history that it left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from deskhand.crm.records import store
from deskhand.crm.records.store import Change
from deskhand.crm.records.tables import model_of, of_this_type, table_of
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.database import sql
from deskhand.kernel.database.bulk import columns_of
from deskhand.kernel.database.scope import current_account_id

#: The cause of what comes back; the rules of a pipeline bind no correction (R-RULE-9).
RULE = "taken_back"
#: The cause of what comes back of an automation; nothing is automated because of it.
RUN_UNDONE = "run_undone"
#: The columns that can be taken back.
UNDOABLE = {"stage_id", "owner_id", "assigned_team_ids", "priority"}
#: What a move brings along: taken back with it, as if it had never been.
DATES = {
    "closed_date": "closed_at",
    "hs_last_closed_date": "last_closed_at",
    "hs_ticket_reopened_at": "reopened_at",
}

_HISTORY = """
select record_id, property, old, new from crm_propertychange
where account_id = %s and object_type = %s and record_id = any(%s) and actor_kind = %s and actor_id = %s and changed_at = %s
"""


def undo(
    record_ids: Sequence[int], *, made_at: datetime, by: Actor, at: datetime, object_type: str = "ticket"
) -> list[int]:
    """Give these records back the status, owner, teams and priority that `by` changed at `made_at`.

    What has changed again since stays as it is. Returns the ids of those that came back.
    """
    account_id = current_account_id()
    olds: dict[int, dict[str, Any]] = defaultdict(dict)
    news: dict[int, dict[str, Any]] = defaultdict(dict)
    asked = [account_id, object_type, sorted(set(record_ids)), ActorKind.USER, by.id, made_at]
    for record_id, name, old, new in sql.rows(_HISTORY, asked):
        olds[record_id][name], news[record_id][name] = sql.loads(old), sql.loads(new)
    undoable = {
        name: prop.column
        for name, prop in properties_of(object_type).items()
        if prop.column and prop.column in UNDOABLE
    }
    now = _locked(object_type, sorted(olds), {*undoable.values(), *DATES.values()})
    back = {pk: _values(undoable, olds[pk], news[pk], stands) for pk, stands in now.items()}
    back = {pk: values for pk, values in back.items() if values}
    changes = [Change(pk, values, rule=RULE) for pk, values in back.items()]
    store.change_many(object_type, changes, by=by, at=at)
    moved = [
        Change(pk, dates(olds[pk], now[pk])) for pk, values in sorted(back.items()) if "stage_id" in values
    ]
    store.change_many(object_type, moved, by=by, at=at)
    return sorted(back)


def _locked(object_type: str, record_ids: Sequence[int], columns: Set[str]) -> dict[int, dict[str, Any]]:
    """As they stand, by id, locked in the order of their ids."""
    names = ["id", *sorted(columns & columns_of(model_of(object_type)).keys())]
    found = sql.rows(
        f"select {', '.join(names)} from {table_of(object_type)} t where account_id = %s and id = any(%s) and {of_this_type(object_type)}"
        " order by id for no key update",
        [current_account_id(), record_ids],
    )
    return {row[0]: dict(zip(names, row, strict=True)) for row in found}


def _values(
    undoable: Mapping[str, str], old: Mapping[str, Any], new: Mapping[str, Any], stands: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        column: old[name]
        for name, column in undoable.items()
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

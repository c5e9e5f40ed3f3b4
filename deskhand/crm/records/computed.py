"""Values made from others whenever they are read, so that they are never late (R-PROP-5). Durations are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

MILLISECOND = timedelta(milliseconds=1)

#: Property → the column whose moment ends the span that began with the record (R-PROP-1).
_SINCE_CREATION = {
    "time_to_close": "closed_at",
    "time_to_first_agent_reply": "first_agent_reply_at",
    "hs_time_to_first_assign": "first_assigned_at",
    "hs_time_to_first_rep_assignment": "first_assigned_at",
}


def value(name: str, columns: Mapping[str, Any]) -> int | None:
    """The computed property `name` of a record with these columns; None while it is not known."""
    until = columns[_SINCE_CREATION[name]] if name in _SINCE_CREATION else None
    return None if until is None else (until - columns["created_at"]) // MILLISECOND


#: The clocks of a stage by the beginning of their names; the second ones are older names of the same (R-PROP-3, B16).
_CLOCKS = (
    ("hs_v2_date_entered", "hs_date_entered"),
    ("hs_v2_date_exited", "hs_date_exited"),
    ("hs_v2_latest_time_in", ""),
    ("hs_v2_cumulative_time_in", "hs_time_in"),
)

_STAGE_TIMES = """
select c.record_id, s.key, c.entered_at, c.exited_at, c.latest_ms, case when c.latest_ms is not null then c.cumulative_ms end
from crm_stagetime c join crm_stage s on s.account_id = c.account_id and s.id = c.stage_id
where c.account_id = %s and c.object_type = %s and c.record_id = any(%s)
"""


def clocks_of(object_type: str, record_ids: Sequence[int]) -> dict[int, dict[str, datetime | int | None]]:
    """{record: {clock property: value}} of every stage the record was in; by the stage's id of the API. One query."""
    found: dict[int, dict[str, datetime | int | None]] = {record_id: {} for record_id in record_ids}
    for record_id, key, *values in sql.rows(
        _STAGE_TIMES, [current_account_id(), object_type, list(record_ids)]
    ):
        for names, clock in zip(_CLOCKS, values, strict=True):
            found[record_id].update((f"{name}_{key}", clock) for name in names if name)
    return found

"""Values made from others whenever they are read, so that they are never late (R-PROP-5). Durations are milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

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

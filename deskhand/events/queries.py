"""Reading the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deskhand.kernel.database import sql


def rules_of(account_id: int, event_ids: Sequence[int]) -> dict[int, str]:
    """{event id: the rule that caused it}, for events that a rule caused."""
    if not event_ids:
        return {}
    return dict(
        sql.rows(
            "select id, cause->>'rule' from events_event where account_id = %s and id = any(%s) and cause ? 'rule'",
            [account_id, list(event_ids)],
        )
    )


def causes_of(account_id: int, event_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """{event id: its cause as it is stored}, for events that something caused."""
    if not event_ids:
        return {}
    found = sql.rows(
        "select id, cause from events_event where account_id = %s and id = any(%s) and cause is not null",
        [account_id, list(event_ids)],
    )
    return {event_id: sql.loads(cause) for event_id, cause in found}

"""Reading the log."""

from __future__ import annotations

from collections.abc import Sequence

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

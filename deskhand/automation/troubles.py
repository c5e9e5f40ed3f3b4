"""That steps failed: the workflow asks for a look (R-LOG-7), and those who can set it right are told (R-EXEC-9)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from deskhand.events import log as events
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel.database import sql

FAILED = "workflow.failed"


class Troubles:
    """All that failed in one transaction."""

    def __init__(self) -> None:
        self.why: dict[int, str] = {}
        self.times: Counter[int] = Counter()

    def add(self, workflow_id: int, why: str) -> None:
        self.why[workflow_id] = why
        self.times[workflow_id] += 1

    def tell(self, account_id: int, at: datetime) -> None:
        """One event a workflow, however many records it failed for; with its owner, who may want to hear of it."""
        if not self.why:
            return
        found = sql.rows(_REVIEW, [list(self.why), list(self.why.values()), account_id])
        events.record_many(
            [
                NewEvent(
                    FAILED, "workflow", pk, 0, SYSTEM, at,
                    {"name": name, "number": self.times[pk]} | ({"owner_id": owner} if owner and is_wanted else {}),
                )
                for pk, name, owner, is_wanted in sorted(found)
            ]
        )  # fmt: skip


_REVIEW = """
update automation_workflow w set needs_review = x.why from unnest(%s::bigint[], %s::text[]) x(id, why)
where w.account_id = %s and w.id = x.id returning w.id, w.name, w.owner_id, coalesce(w.alerts->>'errors', 'true') <> 'false'
"""

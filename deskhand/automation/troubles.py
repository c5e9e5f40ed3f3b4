"""That steps failed: the workflow asks for a look (R-LOG-7), and those who can set it right are told (R-EXEC-9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from deskhand.events import log as events
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel.database import sql

FAILED = "workflow.failed"


class Troubles:
    """All that failed in one transaction."""

    def __init__(self) -> None:
        self.why: dict[int, str] = {}
        self.failed: list[tuple[int, str]] = []  # workflow and name, for each step that failed

    def add(self, workflow_id: int, name: str, why: str) -> None:
        self.why[workflow_id] = why
        self.failed.append((workflow_id, name))

    def tell(self, account_id: int, at: datetime) -> None:
        if self.failed:
            sql.execute(_REVIEW, [list(self.why), list(self.why.values()), account_id])
            tell_failed(self.failed, at)


_REVIEW = """
update automation_workflow w set needs_review = x.why from unnest(%s::bigint[], %s::text[]) x(id, why)
where w.account_id = %s and w.id = x.id
"""


def tell_failed(failed: Iterable[tuple[int, str]], at: datetime) -> None:
    """One event a workflow, however many records it failed for. `failed`: the workflow and its name, for each step."""
    events.record_many(
        [
            NewEvent(FAILED, "workflow", pk, 0, SYSTEM, at, {"name": name, "number": number})
            for (pk, name), number in sorted(Counter(failed).items())
        ]
    )

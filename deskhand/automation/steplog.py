"""What each step did for one record, and why: lines of a whole batch in one statement (R-LOG-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from deskhand.automation.models import StepStatus
from deskhand.kernel.database import sql


class Going(Protocol):
    """A run, as far as its log names it."""

    @property
    def id(self) -> int: ...

    @property
    def workflow_id(self) -> int: ...

    @property
    def object_type(self) -> str: ...

    @property
    def record_id(self) -> int: ...

    @property
    def revision(self) -> int: ...


class LogLine(NamedTuple):
    run: Going
    step_id: str
    kind: str
    status: StepStatus
    message: str = ""
    data: Mapping[str, Any] = {}


def write(account_id: int, lines: Sequence[LogLine], at: datetime) -> None:
    if not lines:
        return
    rows = [
        (
            line.run.workflow_id, line.run.id, line.run.object_type, line.run.record_id, line.run.revision, line.step_id,
            line.kind, line.status.value, line.message, sql.dumps(line.data) if line.data else "{}",
        )
        for line in lines
    ]  # fmt: skip
    sql.execute(_LOG, [account_id, at, *[list(column) for column in zip(*rows, strict=True)]])


_LOG = """
insert into automation_steplog (account_id, at, workflow_id, enrollment_id, object_type, record_id, revision_number, step_id, kind, status, message, data)
select %s, %s::timestamptz, x.* from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::jsonb[]) x
"""

"""Where the hour's budget goes: what each workflow sent of late, and what is held because it is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.automation.budget import HOUR, hour_of
from deskhand.kernel.database import sql

HOURS = 24
MOST = 50  # workflows that are named


@dataclass(frozen=True)
class Spent:
    """What a workflow sent, hour by hour, the present one last. Without a name it was deleted."""

    workflow_id: int
    name: str
    by_hour: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.by_hour)


@dataclass(frozen=True)
class Held:
    workflow_id: int
    name: str
    count: int


def lately(account_id: int, now: datetime) -> list[Spent]:
    """Of the last HOURS hours, who sent most first. One query."""
    first = hour_of(now) - (HOURS - 1) * HOUR
    found: dict[int, tuple[str, list[int]]] = {}
    for workflow_id, name, hour, count in sql.rows(_LATELY, [account_id, first]):
        _name, counts = found.setdefault(workflow_id, (name, [0] * HOURS))
        counts[min((hour - first) // HOUR, HOURS - 1)] += count
    spent = [Spent(workflow_id, name, counts) for workflow_id, (name, counts) in found.items()]
    return sorted(spent, key=lambda one: (-one.total, one.workflow_id))


def held(account_id: int) -> list[Held]:
    """Runs that wait for the budget; those of a paused workflow wait for that. One query."""
    return [Held(*row) for row in sql.rows(_HELD, [account_id, MOST])]


_LATELY = """
select s.workflow_id, coalesce(w.name, ''), s.hour, s.count from automation_sendinghour s
left join automation_workflow w on w.account_id = s.account_id and w.id = s.workflow_id
where s.account_id = %s and s.hour >= %s
"""
_HELD = """
select w.id, w.name, count(*) from automation_enrollment e
join automation_workflow w on w.account_id = e.account_id and w.id = e.workflow_id
where e.account_id = %s and e.state = 'HELD' and not w.is_paused group by w.id, w.name order by count(*) desc, w.id limit %s
"""

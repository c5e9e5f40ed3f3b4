"""How records stand to workflows, as conditions ask for it: inside, ever inside, finished, its goal met (R-TRIG-4).

Of a record's runs one is enough. What runs were is never forgotten (`retention.py`), so "never" means never.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from deskhand.crm.filters import memberships
from deskhand.crm.filters.sql import Sql
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id

INSIDE, EVER, FINISHED, GOAL = "workflow", "workflow_ever", "workflow_finished", "workflow_goal"
#: What of a run tells each.
_TESTS = {
    INSIDE: "run.state <> 'ENDED'",
    EVER: "TRUE",
    FINISHED: "run.state = 'ENDED' AND run.end_reason = 'completed'",
    GOAL: "run.state = 'ENDED' AND run.end_reason = 'goal'",
}
ALL = tuple(_TESTS)

#: {record: workflows}, by how they stand.
Standings = dict[str, dict[int, set[int]]]


def tell_filters() -> None:
    """Conditions may ask from now on. At start-up."""
    for of in ALL:
        memberships.add(of, partial(_ask, _TESTS[of]))


def _ask(test: str, account_id: int, object_type: str, alias: str, ids: Sequence[int]) -> Sql:
    return Sql(
        "EXISTS (SELECT 1 FROM automation_enrollment run WHERE run.account_id = %s AND run.object_type = %s"
        f' AND run.record_id = "{alias}".id AND run.workflow_id = ANY(%s::bigint[]) AND {test})',
        (account_id, object_type, list(ids)),
    )


def of_records(object_type: str, record_ids: Collection[int]) -> Standings:
    """How these records stand to the workflows that they were in. One query."""
    return _read(_NOW, [current_account_id(), object_type, list(record_ids)])


def of_records_at(object_type: str, record_ids: Collection[int], at: datetime) -> Standings:
    """How they stood at a moment, by when their runs began and ended. One query."""
    given = {"account": current_account_id(), "type": object_type, "ids": list(record_ids), "at": at}
    return _read(_THEN, given)


def _read(query: str, params: sql.Params) -> Standings:
    found: Standings = {of: {} for of in ALL}
    for record_id, workflow_id, *told in sql.rows(query, params):
        for of, is_so in zip(ALL, told, strict=True):
            if is_so:
                found[of].setdefault(record_id, set()).add(workflow_id)
    return found


_NOW = f"""
select run.record_id, run.workflow_id, {", ".join(f"bool_or({test})" for test in _TESTS.values())}
from automation_enrollment run where run.account_id = %s and run.object_type = %s and run.record_id = any(%s) group by 1, 2
"""
_OVER = "coalesce(run.ended_at <= %(at)s, false)"
_THEN = f"""
select run.record_id, run.workflow_id, bool_or(not {_OVER}), true, bool_or({_OVER} and run.end_reason = 'completed'),
    bool_or({_OVER} and run.end_reason = 'goal')
from automation_enrollment run where run.account_id = %(account)s and run.object_type = %(type)s and run.record_id = any(%(ids)s)
and run.enrolled_at <= %(at)s group by 1, 2
"""

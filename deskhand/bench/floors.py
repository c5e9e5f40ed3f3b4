"""What PostgreSQL alone takes for the writes of steps: the same rows in the same tables, by plain SQL in sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deskhand.bench.mix import Way

SET = 500  # rows of one transaction


def steps(account_id: int, ways: Mapping[int, Way], sessions: int) -> float:
    """Do what is due as the steps do it; returns how many runs a second, in so many sessions beside each other.

    `ways`: what runs of each workflow walk. Rows are copied from the newest that the steps have written: they must have been done before.
    """
    from django.db import connection

    sample = _Samples.found(account_id)
    done: list[int] = []

    def work() -> None:
        try:
            while count := _set(account_id, ways, sample):
                done.append(count)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(sessions)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - started)


@dataclass(frozen=True)
class _Samples:
    """By table and what it is about: the statement that copies the newest row for other records."""

    copies: Mapping[tuple[str, str], str]

    @classmethod
    def found(cls, account_id: int) -> _Samples:
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope

        found: dict[tuple[str, str], str] = {}
        with account_scope(account_id):
            for (table, about), (newest, changed) in _TABLES.items():
                (row,) = sql.rows(
                    f"select max(id) from {table} where account_id = %s and {newest}", [account_id]
                )
                if row[0] is None:
                    raise RuntimeError(f"The steps have left no {about} in {table}.")
                found[table, about] = _copying(table, row[0], changed)
        return cls(found)

    def copy(self, table: str, about: str, rows: list[tuple[int, int]]) -> None:
        """`rows` are ids of events (or of nothing) and records."""
        from deskhand.kernel.database import sql

        if rows:
            first, second = (list(column) for column in zip(*rows, strict=True))
            sql.execute(self.copies[table, about], [first, second])


#: {table and what: (which row is copied, what differs in the copy)}; x has `own` and `record`.
_TABLES: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {
    ("automation_steplog", "set_property"): ("kind = 'set_property'", {"enrollment_id": "x.own", "record_id": "x.record", "at": "now()"}),
    ("automation_steplog", "delay"): ("kind = 'delayed'", {"enrollment_id": "x.own", "record_id": "x.record", "at": "now()"}),
    ("automation_steplog", "send_email"): ("kind = 'send_email'", {"enrollment_id": "x.own", "record_id": "x.record", "at": "now()"}),
    ("automation_steplog", "create_task"): ("kind = 'create_task'", {"enrollment_id": "x.own", "record_id": "x.record", "at": "now()"}),
    ("automation_steplog", "branch"): ("kind = 'branch'", {"enrollment_id": "x.own", "record_id": "x.record", "at": "now()"}),
    ("events_event", "set_property"): ("kind = 'ticket.updated'", {"id": "x.own", "object_id": "x.record", "occurred_at": "now()"}),
    ("events_event", "send_email"): ("kind = 'message.sent'", {"id": "x.own", "object_id": "x.record", "occurred_at": "now()"}),
    ("events_event", "create_task"): ("kind = 'task.created'", {"id": "x.own", "object_id": "x.record", "occurred_at": "now()"}),
    ("crm_propertychange", "set_property"): (
        "property = 'hs_ticket_priority'", {"event_id": "x.own", "record_id": "x.record", "changed_at": "now()"},
    ),
    ("crm_propertychange", "create_task"): (
        "property = '@task'", {"event_id": "x.own", "record_id": "x.record", "changed_at": "now()"},
    ),
    ("desk_message", "send_email"): (
        "is_automatic", {"ticket_id": "x.record", "external_id": "'floor.' || x.own || '@bench.example'", "created_at": "now()"},
    ),
    ("delivery_outboxentry", "send_email"): (
        "reference_type = 'desk.message'",
        {"idempotency_key": "'floor:' || x.own", "message_id": "'<floor.' || x.own || '@bench.example>'", "created_at": "now()"},
    ),
    ("crm_task", "create_task"): (
        "true", {"record_id": "x.record", "creation_key": "'floor:' || x.own", "created_at": "now()"},
    ),
    ("crm_tasklink", "create_task"): ("true", {"task_id": "x.own", "record_id": "x.record"}),
}  # fmt: skip


def _copying(table: str, row_id: int, changed: Mapping[str, str]) -> str:
    from deskhand.kernel.database import sql

    columns = [
        name
        for (name,) in sql.rows(
            "select column_name from information_schema.columns where table_schema = 'public' and table_name = %s", [table]
        )
        if name != "id" or name in changed
    ]  # fmt: skip
    values = ", ".join(changed.get(name, f's."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"""
        insert into {table} ({names}) select {values} from (select * from {table} where id = {row_id}) s,
        unnest(%s::bigint[], %s::bigint[]) x(own, record)"""


def _set(account_id: int, ways: Mapping[int, Way], sample: _Samples) -> int:
    """One set: claimed, done, logged, ended; then what hears of its events."""
    from deskhand.automation import runner
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    told: list[tuple[str, int]] = []
    with account_scope(account_id):
        claimed = [(row[0], row[1], row[3]) for row in sql.rows(runner.CLAIM, [account_id, None, None, SET])]
        if not claimed:
            return 0
        sql.rows(_LOCK, [account_id, sorted({record for _run, _workflow, record in claimed})])
        by_kind: dict[str, list[tuple[int, int]]] = {}
        for run, workflow_id, record in claimed:
            for kind in ways[workflow_id]:
                by_kind.setdefault(kind, []).append((run, record))
        for kind, runs in by_kind.items():
            sample.copy("automation_steplog", kind, runs)
            if kind not in _TELLING:
                continue
            drawn = sql.rows("select nextval('events_event_id_seq') from generate_series(1, %s)", [len(runs)])
            rows = [(event, record) for (event,), (_run, record) in zip(drawn, runs, strict=True)]
            if kind == "set_property":
                sql.execute(_SET_PROPERTY, [account_id, [record for _run, record in runs]])
            for table in _TELLING[kind]:
                sample.copy(table, kind, rows)
            sql.execute(
                _PENDING, [account_id, [event for event, _record in rows], [record for _run, record in runs]]
            )
            told += [(kind, event) for event, _record in rows]
        waiting = {run for run, _record in by_kind.get("delay", ())}
        ids = [run for run, _workflow, _record in claimed]
        sql.execute(_KEEP, [ids, [run in waiting for run in ids], account_id])
    with account_scope(account_id):
        sql.rows(_HEAR, [account_id, [event for _kind, event in told]])
        sql.execute(_TOLD, [account_id, [event for _kind, event in told]])
    return len(claimed)


#: What the steps of a kind write beside the log.
_TELLING = {
    "set_property": ("events_event", "crm_propertychange"),
    "send_email": ("events_event", "desk_message", "delivery_outboxentry"),
    "create_task": ("events_event", "crm_task", "crm_tasklink", "crm_propertychange"),
}

_LOCK = "select id from crm_ticket where account_id = %s and id = any(%s) order by id for no key update"

_SET_PROPERTY = """
update crm_ticket set priority = case when priority = 'LOW' then 'HIGH' else 'LOW' end, version = version + 1, updated_at = now()
where account_id = %s and id = any(%s)
"""

_PENDING = """
insert into events_pendingevent (account_id, id, object_type, object_id, occurred_at, due_at, attempts, error)
select %s, x.id, 'ticket', x.record, now(), now(), 0, '' from unnest(%s::bigint[], %s::bigint[]) x(id, record)
"""

_KEEP = """
update automation_enrollment e set state = case when x.waits then 'DUE' else 'ENDED' end, acted = 1,
    due_at = case when x.waits then now() + interval '1 day' end, position = '1>next',
    ended_at = case when not x.waits then now() end, end_reason = case when x.waits then '' else 'completed' end
from unnest(%s::bigint[], %s::boolean[]) x(id, waits) where e.account_id = %s and e.id = x.id
"""

_HEAR = """
select e.id, e.kind, e.data, e.cause from events_pendingevent p join events_event e on e.id = p.id and e.occurred_at = p.occurred_at
where p.account_id = %s and p.id = any(%s) order by p.id for update of p skip locked
"""

_TOLD = "delete from events_pendingevent where account_id = %s and id = any(%s)"

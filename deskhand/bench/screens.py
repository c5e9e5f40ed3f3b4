"""Boards, tables, views with filters, search and the lists of people, beside a million tickets and their requesters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from deskhand.bench.harness import Meter, Result, percentiles, scratch, server_pid
from deskhand.bench.lists import filled

if TYPE_CHECKING:
    from deskhand.accounts.types import Viewer

TICKETS, ROUNDS = 1_000_000, 20  # of each case, for each viewer
#: One of so many tickets is about money, and one of so many has a high priority.
RARE, HIGH = 50_000, 20


def run(scale: float = 1.0) -> Result:
    """`details` has the 95th percentile of each case, its CPU time, ours and the database's, and its queries."""
    count = max(1000, int(TICKETS * scale))
    with scratch() as server:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from deskhand.kernel.database.scope import account_scope

        account_id, viewers = filled(count)
        _dress(account_id, count)
        with account_scope(account_id):
            cases = _cases(account_id)
        times: dict[str, list[float]] = {case: [] for case in cases}
        queries: dict[str, int] = {}
        for case, ask in cases.items():  # also what is only done once
            with account_scope(account_id), CaptureQueriesContext(connection) as found:
                ask(viewers["admin"])
            queries[case] = len(found)
        cpu: dict[str, float] = {}  # seconds, ours and the database's
        peak_mb = 0.0
        for case, ask in cases.items():
            with Meter(server_pid(server), os.getpid()) as meter:
                for _round in range(ROUNDS):
                    times[case] += [_timed(account_id, ask, viewer) for viewer in viewers.values()]
            cpu[case], peak_mb = meter.cpu_seconds, max(peak_mb, meter.peak_mb)
        every = [ms for found in times.values() for ms in found]
        p50, p95, p99 = percentiles(every)
        return Result(
            "screens", 1000 * len(every) / sum(every), p50, p95, p99, 1000 * sum(cpu.values()) / len(every), peak_mb, 0.0, 0.0,
            {
                "tickets": count, "queries": queries,
                "cpu_ms_of": {case: round(1000 * cpu[case] / len(ms), 1) for case, ms in times.items()},
                "p95_ms_of": {case: round(percentiles(ms)[1], 1) for case, ms in times.items()},
            },
        )  # fmt: skip


def _timed(account_id: int, ask: Callable[[Viewer], Any], viewer: Viewer) -> float:
    from deskhand.kernel.database.scope import account_scope

    started = time.perf_counter()
    with account_scope(account_id):
        ask(viewer)
    return 1000 * (time.perf_counter() - started)


def _cases(account_id: int) -> dict[str, Callable[[Viewer], Any]]:
    from deskhand.crm.filters.types import AllOf, Filter, Operator
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.crm.records import directory, search
    from deskhand.crm.schema.types import Kind
    from deskhand.desk import board, customers, table
    from deskhand.desk import search as said
    from deskhand.desk.selection import Selection, count

    pipeline = pipelines_of("ticket").default
    stages = [stage.id for stage in pipeline.stages]
    zone = ZoneInfo("UTC")
    whole = Selection(zone, pipeline.id)
    high = Filter("hs_ticket_priority", Kind.ENUM, Operator.ANY_OF, ("HIGH",))
    is_open = Filter("hs_is_closed", Kind.BOOL, Operator.ANY_OF, (False,))
    urgent = Selection(zone, pipeline.id, AllOf((high, is_open)))
    every_high = Selection(zone, None, high)

    def list_of(sort: directory.Sort) -> Callable[[Viewer], Any]:
        def ask(viewer: Viewer) -> None:
            page = directory.rows(viewer, "contact", sort=sort)
            customers.standings(viewer, "contact", [row.id for row in page.rows])

        return ask

    def palette(viewer: Viewer) -> None:
        for find in (search.tickets, search.contacts, search.companies):
            find(viewer, "refund 47", limit=6)

    return {
        "board": lambda viewer: (
            board.cards(viewer, whole, dict.fromkeys(stages, board.PAGE)),
            board.counts(viewer, whole, stages),
        ),
        "table": lambda viewer: table.rows(viewer, whole, table.sort_of(table.DEFAULT_SORT)),
        "table by age": lambda viewer: table.rows(viewer, whole, table.sort_of("createdate")),
        "view of urgent": lambda viewer: (
            table.rows(viewer, urgent, table.sort_of(table.DEFAULT_SORT)), count(viewer, urgent)
        ),
        "view of high, closed too": lambda viewer: (
            table.rows(viewer, every_high, table.sort_of(table.DEFAULT_SORT)), count(viewer, every_high)
        ),
        "search, a word of all": lambda viewer: search.tickets(viewer, "ticket"),
        "search, a rare word": lambda viewer: search.tickets(viewer, "refund"),
        "search, messages": lambda viewer: said.messages(viewer, "refund"),
        "palette": palette,
        **{f"contacts, {sort.value}": list_of(sort) for sort in directory.Sort},
        "contacts, found": lambda viewer: directory.find(viewer, "contact", "c 4711"),
        "contacts, counted": lambda viewer: directory.count(viewer, "contact"),
    }  # fmt: skip


def _dress(account_id: int, count: int) -> None:
    """Statuses, priorities and subjects that differ, and the words that all of it is found by."""
    from deskhand.crm.pipelines.queries import pipelines_of
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope
    from deskhand.kernel.search import STRETCH

    with account_scope(account_id):
        stages = pipelines_of("ticket").default.stages
        sql.execute(
            "update crm_ticket set stage_id = case when is_closed then %s else (%s::bigint[])[1 + number %% %s] end,"
            " priority = case when number %% %s = 0 then 'HIGH' end,"
            " subject = case when number %% %s = 0 then 'Refund ' else 'Ticket ' end || number where account_id = %s",
            [
                next(s.id for s in stages if not s.is_open),
                [s.id for s in stages if s.is_open],
                sum(s.is_open for s in stages),
                HIGH,
                RARE,
                account_id,
            ],
        )
        with _without_index("search_by_word"):
            for kind, table, text in (("T", "crm_ticket", "subject"), ("C", "crm_contact", "sort_key")):
                sql.execute(
                    "insert into kernel_searchentry (account_id, kind, record_id, words)"
                    f" select account_id, '{kind}', id, array_to_tsvector(array(select distinct %(account)s || '{kind}' || to_hex(id / %(stretch)s) || ':' || word"
                    f" from unnest(string_to_array(lower({text}), ' ')) word)) from {table} where account_id = %(account)s",
                    {"account": account_id, "stretch": STRETCH},
                )
        sql.execute(
            "insert into crm_recordword (account_id, object_type, record_id, word)"
            " select account_id, 'contact', id, unnest(array['c', last_name, email, 'bench.example']) from crm_contact where account_id = %s",
            [account_id],
        )
    for table in ("crm_ticket", "crm_contact", "kernel_searchentry", "crm_recordword"):
        sql.execute(f"vacuum analyze {table}")


@contextmanager
def _without_index(name: str) -> Iterator[None]:
    """Much is written sooner before its index than into it."""
    from deskhand.kernel.database import sql

    made = sql.row("select indexdef from pg_indexes where indexname = %s", [name])
    assert made is not None
    sql.execute(f"drop index {name}")
    yield
    sql.execute(made[0])

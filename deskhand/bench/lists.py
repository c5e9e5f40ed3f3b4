"""A view's page of 50 tickets out of a million."""

from __future__ import annotations

import time

from deskhand.bench.harness import Meter, Result, percentiles, scratch, server_pid

TICKETS, ROUNDS = 1_000_000, 200


def run(scale: float = 1.0) -> Result:
    count = max(1000, int(TICKETS * scale))
    with scratch() as server:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from deskhand.accounts import users
        from deskhand.accounts.models import Membership
        from deskhand.accounts.policy import viewer_for
        from deskhand.bench.automation import fill
        from deskhand.bench.ingest import company
        from deskhand.desk import views
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope

        account_id = company()
        fill(account_id, count)
        user_id = users.create(email="ada@bench.example", name="Ada").pk
        users.add_to_account(account_id, user_id, is_super_admin=True)
        owners = list(Membership.objects.filter(account_id=account_id).values_list("user_id", flat=True))
        with account_scope(account_id):
            sql.execute(
                "update crm_ticket set owner_id = (%s::bigint[])[1 + number %% %s], is_closed = number %% 10 < 8,"
                " sort_at = now() - number * interval '7 seconds' where account_id = %s",
                [owners, len(owners), account_id],
            )
        sql.execute("vacuum analyze crm_ticket")
        times: list[float] = []
        floors: list[float] = []
        viewer = viewer_for(account_id, user_id)
        with Meter(server_pid(server)) as meter:
            for round_ in range(ROUNDS):
                view = views.VIEWS[round_ % len(views.VIEWS)]
                started = time.perf_counter()
                with account_scope(account_id):
                    views.rows(viewer, view)
                times.append(1000 * (time.perf_counter() - started))
                started = time.perf_counter()
                with account_scope(account_id):
                    sql.rows(
                        "select id from crm_ticket where account_id = %s and not is_closed and not is_spam and archived_at is null"
                        " order by sort_at desc, id desc limit 51", [account_id],
                    )  # fmt: skip
                floors.append(1000 * (time.perf_counter() - started))
        with account_scope(account_id), CaptureQueriesContext(connection) as queries:
            views.rows(viewer, views.VIEWS[0])
            views.counters(viewer, views.VIEWS)
        started = time.perf_counter()
        with account_scope(account_id):
            views.counters(viewer, views.VIEWS)
        counters = 1000 * (time.perf_counter() - started)
        p50, p95, p99 = percentiles(times)
        rate, floor = 1000 * len(times) / sum(times), 1000 * len(floors) / sum(floors)
        return Result(
            "lists", rate, p50, p95, p99, 1000 * meter.cpu_seconds / len(times), meter.peak_mb, floor, rate / floor,
            {"tickets": count, "views": len(views.VIEWS), "queries": len(queries), "counters_ms": counters},
        )  # fmt: skip

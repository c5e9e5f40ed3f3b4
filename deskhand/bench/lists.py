"""A view's page of 50 tickets out of a million, for those who see everything, their team's, or only their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deskhand.bench.harness import Meter, Result, percentiles, scratch, server_pid

if TYPE_CHECKING:
    from deskhand.accounts.types import Viewer

TICKETS, ROUNDS, TEAMS = 1_000_000, 300, 20
#: Two tickets in a hundred are open: twenty thousand of a million.
OPEN_PERCENT = 2


def run(scale: float = 1.0) -> Result:
    count = max(1000, int(TICKETS * scale))
    with scratch() as server:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from deskhand.desk import views
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope

        account_id, viewers = filled(count)
        times: dict[str, list[float]] = {who: [] for who in viewers}
        counters: dict[str, float] = {}
        floors: list[float] = []
        with Meter(server_pid(server)) as meter:
            for round_ in range(ROUNDS):
                who = list(viewers)[round_ % len(viewers)]
                view = views.VIEWS[round_ // len(viewers) % len(views.VIEWS)]
                started = time.perf_counter()
                with account_scope(account_id):
                    views.rows(viewers[who], view)
                times[who].append(1000 * (time.perf_counter() - started))
                started = time.perf_counter()
                with account_scope(account_id):
                    sql.rows(
                        "select id from crm_ticket where account_id = %s and not is_closed and not is_spam and archived_at is null"
                        " order by sort_at desc, id desc limit 51", [account_id],
                    )  # fmt: skip
                floors.append(1000 * (time.perf_counter() - started))
        with account_scope(account_id), CaptureQueriesContext(connection) as queries:
            views.rows(viewers["admin"], views.VIEWS[0])
            views.counters(viewers["admin"], views.VIEWS)
        for who, viewer in viewers.items():
            started = time.perf_counter()
            with account_scope(account_id):
                views.counters(viewer, views.VIEWS)
            counters[who] = 1000 * (time.perf_counter() - started)
        every = [ms for who in times.values() for ms in who]
        p50, p95, p99 = percentiles(every)
        rate, floor = 1000 * len(every) / sum(every), 1000 * len(floors) / sum(floors)
        return Result(
            "lists", rate, p50, p95, p99, 1000 * meter.cpu_seconds / len(every), meter.peak_mb, floor, rate / floor,
            {
                "tickets": count, "views": len(views.VIEWS), "queries": len(queries),
                "p95_ms_of": {who: round(percentiles(ms)[1], 1) for who, ms in times.items()},
                "counters_ms_of": {who: round(ms, 1) for who, ms in counters.items()},
            },
        )  # fmt: skip


def filled(count: int) -> tuple[int, dict[str, Viewer]]:
    """An account with so many tickets, and who looks at them."""
    from deskhand.bench.automation import fill
    from deskhand.bench.ingest import company

    account_id = company()
    fill(account_id, count)
    viewers = _viewers_of(account_id)
    _spread(account_id)
    return account_id, viewers


def _viewers_of(account_id: int) -> dict[str, Viewer]:
    """An admin, an agent who sees their team's tickets, one who sees their own, and one who has none yet."""
    from deskhand.accounts import roles, teams, users
    from deskhand.accounts.policy import viewer_for
    from deskhand.events.types import SYSTEM

    team = teams.create(account_id, "One of many", by=SYSTEM)
    found = {}
    for who in ("admin", "team", "own", "new"):
        user = users.create(email=f"{who}@bench.example", name=who)
        reach = {"view": "team" if who == "team" else "own", "unassigned": who == "team"}
        role = roles.create(account_id, who, {"records": {"ticket": reach}}, by=SYSTEM)
        users.add_to_account(
            account_id, user.pk, is_super_admin=who == "admin", role_id=None if who == "admin" else role.pk
        )
        if who == "team":
            teams.set_teams_of(account_id, user.pk, main_id=team.pk, by=SYSTEM)
        found[who] = viewer_for(account_id, user.pk)
    return found


def _spread(account_id: int) -> None:
    """Over agents and teams, open and closed, along two years."""
    from deskhand.accounts.models import Membership, Team
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    with account_scope(account_id):
        people = list(
            Membership.objects.filter(account_id=account_id)
            .order_by("user_id")
            .values_list("user_id", flat=True)
        )
        owners = people[:-1]  # the last one is new
        own = list(Team.objects.filter(account_id=account_id).order_by("id").values_list("id", flat=True))[-1]
        sql.execute(
            "update crm_ticket set owner_id = case when number %% 30 = 0 then null else (%s::bigint[])[1 + number %% %s] end,"
            " assigned_team_ids = case when number %% %s = 7 then array[%s::bigint] else array[(1000000 + number %% %s)::bigint] end,"
            " is_closed = number / 7 %% 100 >= %s, sort_at = now() - number * interval '63 seconds' where account_id = %s",
            [owners, len(owners), TEAMS, own, TEAMS, OPEN_PERCENT, account_id],
        )
    sql.execute("vacuum analyze crm_ticket")

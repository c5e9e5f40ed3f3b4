"""A workflow replayed over a month of events: from the log to the stored lines beside what happened."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from deskhand.bench.harness import Meter, Result, percentiles, scratch, server_pid

if TYPE_CHECKING:
    from deskhand.automation.engine.definition import Definition

EVENTS, TICKETS = 100_000, 10_000


def run(scale: float = 1.0) -> Result:
    tickets = max(200, int(TICKETS * scale))
    events = max(tickets * 2, int(EVENTS * scale))
    with scratch() as server:
        from deskhand.bench.automation import fill
        from deskhand.bench.ingest import company
        from deskhand.kernel.database import sql
        from deskhand.kernel.database.scope import account_scope

        account_id = company()
        fill(account_id, tickets)
        with account_scope(account_id):
            _live(account_id, tickets, events)
        sql.execute("vacuum analyze")
        floor = _floor(account_id)
        pages: list[float] = []
        with Meter(os.getpid(), server_pid(server)) as meter:
            started = time.monotonic()
            found = _replay(account_id, pages)
            elapsed = time.monotonic() - started
        p50, p95, p99 = percentiles(pages)
        rate = found["events"] / elapsed
        return Result(
            "replay", rate, p50, p95, p99, 1000 * meter.cpu_seconds / found["events"], meter.peak_mb, floor, rate / floor,
            {**found, "seconds": elapsed, "per_minute": round(60 * rate)},
        )  # fmt: skip


def _live(account_id: int, tickets: int, events: int) -> None:
    """A month: tickets are made, then they get another priority or category again and again, by people."""
    from deskhand.kernel import clock
    from deskhand.kernel.database import sql

    facts = {
        "account": account_id, "tickets": tickets, "events": events, "until": clock.now() - timedelta(hours=1), "span": timedelta(days=29),
    }  # fmt: skip
    sql.execute(_EVENTS, facts)
    sql.execute(_HISTORY, facts)
    sql.execute(_STANDING, facts)


# The n-th event is about ticket n mod tickets: first it is made, then its priority and its category change by turns.
_EVENTS = """
with own as (select id, row_number() over (order by id) - 1 as place from crm_ticket where account_id = %(account)s),
told as (
    select g, g / %(tickets)s as turn, own.id,
        %(until)s::timestamptz - %(span)s::interval + %(span)s::interval * g / %(events)s as at
    from generate_series(0, %(events)s - 1) g join own on own.place = g %% %(tickets)s
)
insert into events_event (account_id, kind, object_type, object_id, version, actor_kind, actor_id, depth, data, occurred_at)
select %(account)s, case turn when 0 then 'ticket.created' else 'ticket.updated' end, 'ticket', id, turn + 1, 'user', 1, 0,
    case when turn = 0 then '{}'::jsonb
         when turn %% 2 = 1 then jsonb_build_object('changes', jsonb_build_object('hs_ticket_priority', jsonb_build_array(
             null, (array['LOW', 'MEDIUM', 'HIGH'])[1 + (g + turn) %% 3])))
         else jsonb_build_object('changes', jsonb_build_object('hs_ticket_category', jsonb_build_array(
             null, (array['BILLING_ISSUE', 'PRODUCT_ISSUE'])[1 + (g + turn / 2) %% 2]))) end, at
from told order by g
"""
_HISTORY = """
insert into crm_propertychange (account_id, object_type, record_id, property, old, new, source, actor_kind, actor_id, event_id, changed_at)
select account_id, 'ticket', object_id, c.key, c.value->0, c.value->1, 'CRM_UI', 'user', 1, e.id, occurred_at
from events_event e cross join lateral jsonb_each(e.data->'changes') c
where account_id = %(account)s and kind = 'ticket.updated' order by e.id
"""
_STANDING = """
update crm_ticket t set priority = coalesce(h.priority, t.priority), category = coalesce(h.category, t.category)
from (select record_id, (array_agg(new #>> '{}' order by id desc) filter (where property = 'hs_ticket_priority'))[1] as priority,
             (array_agg(new #>> '{}' order by id desc) filter (where property = 'hs_ticket_category'))[1] as category
      from crm_propertychange where account_id = %(account)s group by 1) h
where t.account_id = %(account)s and t.id = h.record_id
"""


def _replay(account_id: int, pages: list[float]) -> dict[str, int]:
    """The slow job, as a worker does it."""
    from deskhand.automation import workflows
    from deskhand.automation.models import Replay, ReplayEffect
    from deskhand.automation.replay import replays
    from deskhand.automation.replay.play import Page, Play
    from deskhand.kernel import clock
    from deskhand.kernel.database.scope import account_scope
    from deskhand.kernel.jobs import Job

    class Timed(Play):
        def page(self) -> Page:
            began = time.monotonic()
            found = super().page()
            pages.append(1000 * (time.monotonic() - began))
            return found

    replays.Play = Timed  # type: ignore[attr-defined]
    with account_scope(account_id):
        flow = workflows.create(account_id, "Bench", _definition())
        found = replays.start(
            flow, workflows.definition_of(flow), days=30, is_draft=False, by=1, now=clock.now()
        )
    replays.run(Job(0, account_id, {"replay": found.pk}, threading.Event()))
    with account_scope(account_id):
        done = Replay.objects.get(pk=found.pk)
        if done.state != "DONE":
            raise RuntimeError(f"The replay is {done.state}: {done.error}")
        lines = ReplayEffect.objects.filter(replay=done).count()
        return {"events": done.events, "runs": done.runs, "lines": lines}


def _definition() -> Definition:
    """High priority enrolls, again each time; four hours later a branch by category leads to a change or to a task."""
    from deskhand.automation import triggers
    from deskhand.automation.engine.definition import (
        Action,
        Branch,
        Definition,
        Delay,
        Edge,
        EventMatch,
        ForAmount,
        IfThen,
        Reenrollment,
        WhenEvent,
    )
    from deskhand.crm.filters.types import Filter, Operator
    from deskhand.crm.schema.defaults import BUILT_IN
    from deskhand.crm.schema.types import Kind

    priority = next(one for one in BUILT_IN["ticket"] if one.name == "hs_ticket_priority")
    billing = Filter("hs_ticket_category", Kind.ENUM, Operator.ANY_OF, ("BILLING_ISSUE",))
    kind, about = triggers.property_changed("ticket", priority, after=["HIGH"])
    steps = (
        Delay("1", ForAmount(timedelta(hours=4)), Edge("2")),
        IfThen("2", (Branch("Billing", billing, Edge("3")),), Edge("4")),
        Action("3", "set_property", {"property": "hs_resolution", "value": "ISSUE_FIXED"}),
        Action("4", "create_task", {"title": "Call about {{ ticket.subject }}"}),
    )
    return Definition(
        "ticket", WhenEvent((EventMatch(kind, about),)), Reenrollment(is_on=True), start=Edge("1"), steps=steps, next_id=5
    )  # fmt: skip


def _floor(account_id: int) -> float:
    """The same log read in the same pages by plain SQL, and nothing done with it."""
    from deskhand.kernel.database import sql
    from deskhand.kernel.database.scope import account_scope

    count = last = 0
    with account_scope(account_id):
        started = time.monotonic()
        while True:
            rows = sql.rows(
                "select id, kind, object_id, data, occurred_at from events_event where account_id = %s and id > %s order by id limit 2000",
                [account_id, last],
            )
            if not rows:
                return count / (time.monotonic() - started)
            count, last = count + len(rows), rows[-1][0]

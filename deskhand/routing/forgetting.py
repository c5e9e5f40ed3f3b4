"""How long decisions are kept, with the batches and rosters that make them again (R-ROUTE-70), and simulations.

The newest decision of a ticket stays as long as the ticket, and so do those before it in its call: without them it could
not be made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from deskhand.kernel import clock, jobs, timers
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.jobs import Job
from deskhand.kernel.timers import DueTimer
from deskhand.routing import loads, simulations

NIGHTLY = "routing.nightly"
FORGET = "routing.forget"
STEP = 5000


def nightly(account_id: int, due: Sequence[DueTimer]) -> None:
    """What is too old goes in a slow job."""
    jobs.enqueue(FORGET, {}, one_by_one=str(account_id))
    timers.set_timer(account_id, NIGHTLY, "", clock.now() + timedelta(days=1))


def forget(job: Job) -> None:
    """A set a transaction, until nothing old is left. Safe to repeat."""
    now = clock.now()
    with account_scope(job.account_id):
        simulations.forget_old(job.account_id, now)
    for _ in forget_older(job.account_id, now - timedelta(days=settings.ROUTING_DECISION_DAYS)):
        job.give_way()


def forget_older(account_id: int, before: datetime) -> Iterator[int]:
    """Forget the decisions from before then, then the batches that none is left of, then the rosters that nothing names.

    Says after each set how many it took; what it breaks off at, another one finds again. One query a set, three for
    rosters.
    """
    for statement in (_DECISIONS, _BATCHES):
        yield from _in_sets(account_id, before, statement)
    yield from _rosters(account_id, before)


def _in_sets(account_id: int, before: datetime, statement: str) -> Iterator[int]:
    """Going on behind the last one looked at: what has to stay is not looked at twice."""
    after: int | None = 0
    while after is not None:
        facts = {"account": account_id, "before": before, "after": after, "step": STEP}
        with account_scope(account_id):
            after, taken = sql.row(statement, facts) or (None, 0)
        yield taken


# Of a ticket that is there, or was put away since: who restores it finds the decision.
_STAYS = """
exists (select from crm_ticket t where t.account_id = %(account)s and t.id = {d}.ticket_id
        and (t.archived_at is null or t.archived_at >= %(before)s))
and not exists (select from routing_decision n where n.account_id = %(account)s and n.ticket_id = {d}.ticket_id and n.id > {d}.id)
"""

# A call goes at once, even where it reaches beyond the set: half of it could not be made again.
_DECISIONS = f"""
with old as materialized (
    select id, batch_id from routing_decision
    where account_id = %(account)s and id > %(after)s and at < %(before)s order by id limit %(step)s
), whole as materialized (
    select b.call, d.id, d.ticket_id, d.position
    from (select distinct b.call from old join routing_routingbatch b on b.account_id = %(account)s and b.id = old.batch_id) calls
    join routing_routingbatch b on b.account_id = %(account)s and b.call = calls.call
    join routing_decision d on d.account_id = %(account)s and d.batch_id = b.id
    union all
    select null, d.id, d.ticket_id, 0 from old join routing_decision d on d.id = old.id where d.batch_id is null
), looked_at as materialized (
    select w.id, w.call, w.position, {_STAYS.format(d="w")} as stays from whole w
), gone as (
    delete from routing_decision where account_id = %(account)s and id in (
        select l.id from looked_at l
        left join (select call, max(position) as until from looked_at where stays group by call) needed on needed.call = l.call
        where not l.stays and (needed.until is null or l.position > needed.until)
    ) returning id
)
select (select max(id) from old), (select count(*)::int from gone)
"""

_BATCHES = """
with old as materialized (
    select id from routing_routingbatch
    where account_id = %(account)s and id > %(after)s and at < %(before)s order by id limit %(step)s
), gone as (
    delete from routing_routingbatch b using old where b.account_id = %(account)s and b.id = old.id
        and not exists (select from routing_decision d where d.account_id = %(account)s and d.batch_id = b.id)
    returning b.id
)
select (select max(id) from old), (select count(*)::int from gone)
"""


# -- Rosters ------------------------------------------------------------------------------------------------------

_NEWEST = """
select coalesce((select max(id) from routing_decision where account_id = %(account)s), 0),
    coalesce((select max(id) from routing_routingbatch where account_id = %(account)s), 0)
"""

_UNNAMED = """
with named as materialized (
    select distinct unnest(snapshot_ids) as id from routing_decision where account_id = %(account)s
    union select distinct roster_id from routing_routingbatch where account_id = %(account)s
)
select s.id from routing_rostersnapshot s where s.account_id = %(account)s and s.created_at < %(before)s
  and not exists (select from named where named.id = s.id)
order by s.id
"""

_FORGET_ROSTERS = """
with named as materialized (
    select unnest(snapshot_ids) as id from routing_decision where account_id = %(account)s and id > %(decision)s
    union select roster_id from routing_routingbatch where account_id = %(account)s and id > %(batch)s
)
delete from routing_rostersnapshot s where s.account_id = %(account)s and s.id = any(%(rosters)s)
  and not exists (select from named where named.id = s.id)
"""


def _rosters(account_id: int, before: datetime) -> Iterator[int]:
    """A roster is named again whenever the same people are met again, by who holds a lock of the loads.

    So what nobody names is looked for without a lock, and under it only what was decided since is looked at: all that
    came before is committed by the time the locks are held for the first time.
    """
    facts = {"account": account_id, "before": before}
    with account_scope(account_id):
        loads.lock(account_id, loads.TYPES)
        decision, batch = sql.row(_NEWEST, facts) or (0, 0)
    with account_scope(account_id):
        found = [pk for (pk,) in sql.rows(_UNNAMED, facts)]
    for first in range(0, len(found), STEP):
        some = facts | {"rosters": found[first : first + STEP], "decision": decision, "batch": batch}
        with account_scope(account_id):
            loads.lock(account_id, loads.TYPES)
            taken = sql.execute(_FORGET_ROSTERS, some)
        yield taken

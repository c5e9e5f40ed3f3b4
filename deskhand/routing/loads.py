"""How many tickets count for whom (R-ROUTE-22..24), kept by difference so that nobody counts them while routing.

A ticket that starts or stops counting changes its TicketLoad row and appends a ±1 delta, without any lock on a
counter. Whoever holds the lock of a ticket type folds deltas and aged tickets into AgentLoad before it reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deskhand.crm.records.models import TicketType
from deskhand.crm.records.tickets import hold
from deskhand.kernel.database import sql
from deskhand.routing.strategies import NEVER, Ledger

#: A ticket counts while its owner was assigned no longer ago than this, the boundary included (R-ROUTE-23).
WINDOW = timedelta(days=30)
TYPES = list(TicketType.values)
CALL = TicketType.CALL.value  # what phones ring for (R-ROUTE-96)
MAIL = TicketType.EMAIL_OTHER.value  # what a mail becomes (R-ROUTE-20)

Key = tuple[int, str]  # user, ticket type

#: Until when a ticket counts that counts for ever.
FOREVER = datetime(9000, 1, 1, tzinfo=UTC)

# What counts is written once; snoozed tickets do, spam, archived and merged ones do not (R-ROUTE-24). What of them is no
# load any more may count for limits still, which know no thirty days (R-CAP-3, R-CAP-4).
_COUNTS = """
t.in_help_desk and not t.is_closed and not t.is_spam and t.archived_at is null and t.merged_into_id is null
"""

# The settings of the account, or what counts without them (R-CAP-9).
_SETTINGS = """
select s.excludes_from_load, s.weighs, s.points, s.excluded_stage_ids, s.excluded_after_days from (select 1) one
left join routing_routingsettings s on s.account_id = %(account)s
"""


def _wanted(
    which: str, *, owned: str = "t.owner_id is not null", assigned: str = "t.owner_assigned_at"
) -> str:
    """What counts at `now`, and until when; `assigned` is when the ticket became its owner's."""
    return f"""
select w.id, w.owner_id, w.ticket_type, w.assigned_at, w.points,
    case when w.load_until >= %(now)s then w.load_until end as load_until,
    case when w.held_until >= %(now)s then w.held_until end as held_until
from (
    select t.id, t.owner_id, t.ticket_type, coalesce({assigned}, t.created_at) as assigned_at,
        case when s.weighs then greatest(0,
            coalesce((s.points->'channels'->>(t.channel_account_id::text))::int, (s.points->'types'->>t.ticket_type)::int, 1)
            + coalesce((s.points->'priorities'->>t.priority)::int, 0)) else 1 end as points,
        case when s.excludes_from_load and x.is_out then null
             when s.excludes_from_load then case when {assigned} is not null then least({assigned} + %(window)s, x.until) end
             else {assigned} + %(window)s end as load_until,
        case when x.is_out then null else x.until end as held_until
    from crm_ticket t cross join ({_SETTINGS}) s cross join lateral (
        select coalesce(t.stage_id = any(s.excluded_stage_ids), false) as is_out,
               coalesce(t.created_at + make_interval(days => s.excluded_after_days), %(forever)s) as until) x
    where t.account_id = %(account)s {which} and {owned} and {_COUNTS}
) w where w.load_until >= %(now)s or w.held_until >= %(now)s
"""


_OF_TICKETS = "and t.id = any(%(tickets)s)"
_WANTED = _wanted(_OF_TICKETS)
_ROW = "(l.user_id, l.ticket_type, l.assigned_at, l.points, l.load_until, l.held_until)"
_WANTED_ROW = "(w.owner_id, w.ticket_type, w.assigned_at, w.points, w.load_until, w.held_until)"

#: What a row of TicketLoad adds to its user's: tickets and points of load, and those that limits count.
_ADDS = """
(load_until is not null)::int, case when load_until is not null then points else 0 end,
(held_until is not null)::int, case when held_until is not null then points else 0 end
"""

_STOP = f"""
delete from routing_ticketload l where l.account_id = %(account)s and l.ticket_id = any(%(tickets)s)
  and not exists (select from ({_WANTED}) w where w.id = l.ticket_id and {_ROW} is not distinct from {_WANTED_ROW})
returning l.user_id, l.ticket_type, {_ADDS}
"""

_START = f"""
insert into routing_ticketload (account_id, ticket_id, user_id, ticket_type, assigned_at, points, load_until, held_until)
select %(account)s, w.* from ({_WANTED}) w
on conflict (account_id, ticket_id) do nothing
returning user_id, ticket_type, {_ADDS}
"""

_APPEND = """
insert into routing_loaddelta (account_id, user_id, ticket_type, change, points, held, held_points)
select %s, * from unnest(%s::bigint[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[])
"""

Amount = tuple[int, int, int, int]  # tickets, their points; those that limits count, their points


def _facts(account_id: int, now: datetime, **more: Any) -> dict[str, Any]:
    return {"account": account_id, "now": now, "window": WINDOW, "forever": FOREVER, **more}


def reconcile(account_id: int, ticket_ids: Collection[int], now: datetime) -> None:
    """Make the tickets count for whom they should. Safe to repeat; three statements however many tickets.

    Call it in the transaction that changed the tickets, while their rows are locked.
    """
    if not ticket_ids:
        return
    facts = _facts(account_id, now, tickets=sorted(set(ticket_ids)))
    changes: dict[Key, Amount] = {}
    for sign, statement in ((-1, _STOP), (1, _START)):
        for user_id, kind, *amount in sql.rows(statement, facts):
            before = changes.get((user_id, kind), (0, 0, 0, 0))
            n, points, held, held_points = (old + sign * one for old, one in zip(before, amount, strict=True))
            changes[user_id, kind] = (n, points, held, held_points)
    append(account_id, changes)


def append(account_id: int, changes: Mapping[Key, Amount]) -> None:
    """Append the deltas that are not zero, for the router to fold."""
    new = [(*key, *amount) for key, amount in sorted(changes.items()) if any(amount)]
    if new:
        sql.execute(_APPEND, [account_id, *(list(column) for column in zip(*new, strict=True))])


def counts_by_more(account_id: int) -> bool:
    """Whether the status or the priority of a ticket changes how much it counts (R-CAP-9). One query."""
    found = sql.row(
        "select 1 from routing_routingsettings where account_id = %s and (weighs or excluded_stage_ids <> '{}')", [account_id]
    )  # fmt: skip
    return found is not None


def lock(account_id: int, ticket_types: Iterable[str]) -> None:
    """Take the lock of each type until the transaction ends, one statement each, in a fixed order (R-ROUTE-26).

    What is read in a later statement then includes all that earlier holders committed. Take it after the tickets'
    row locks, and last of all.
    """
    for ticket_type in sorted(set(ticket_types)):
        sql.rows(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"routing.load:{account_id}:{ticket_type}"],
        )


# Tickets just being changed by others are skipped, not waited for; `ledgers` leaves them out by their age.
_FOLD = """
with folded as (
    delete from routing_loaddelta where account_id = %(account)s and ticket_type = any(%(types)s)
    returning user_id, ticket_type, change, points, held, held_points
), aged as (
    select id, load_until < %(now)s as is_no_load, held_until < %(now)s as is_not_held from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) and (load_until < %(now)s or held_until < %(now)s)
    for update skip locked
), over as (
    select l.id, l.user_id, l.ticket_type, l.points,
        coalesce(a.is_no_load, false) as is_no_load, coalesce(a.is_not_held, false) as is_not_held,
        (l.load_until is null or a.is_no_load) and (l.held_until is null or a.is_not_held) as is_gone
    from aged a join routing_ticketload l on l.account_id = %(account)s and l.id = a.id
), gone as (
    delete from routing_ticketload l using over o where l.account_id = %(account)s and l.id = o.id and o.is_gone
), less as (
    update routing_ticketload l set load_until = case when o.is_no_load then null else l.load_until end,
        held_until = case when o.is_not_held then null else l.held_until end
    from over o where l.account_id = %(account)s and l.id = o.id and not o.is_gone
), changes as (
    table folded
    union all
    select user_id, ticket_type, -is_no_load::int, -is_no_load::int * points, -is_not_held::int, -is_not_held::int * points
    from over
)
insert into routing_agentload as a (account_id, user_id, ticket_type, n, points, held, held_points)
select %(account)s, user_id, ticket_type, sum(change), sum(points), sum(held), sum(held_points) from changes
group by user_id, ticket_type
having sum(change) <> 0 or sum(points) <> 0 or sum(held) <> 0 or sum(held_points) <> 0
on conflict (account_id, ticket_type, user_id) do update
set n = a.n + excluded.n, points = a.points + excluded.points, held = a.held + excluded.held,
    held_points = a.held_points + excluded.held_points
"""


def fold(account_id: int, ticket_types: Collection[str], now: datetime) -> None:
    """Bring AgentLoad up to date with deltas and age. Only while holding the lock of each type."""
    sql.execute(_FOLD, {"account": account_id, "types": sorted(ticket_types), "now": now})


def expire(account_id: int, ticket_type: str, now: datetime) -> None:
    """Fold in what has grown too old to count, outside any routing. Safe to repeat."""
    lock(account_id, [ticket_type])
    fold(account_id, [ticket_type], now)


_LEDGER = """
select a.user_id, a.ticket_type, case when %(weighs)s then a.points - coalesce(late.points, 0) else a.n - coalesce(late.n, 0) end,
    case when %(weighs)s then a.held_points - coalesce(late.held_points, 0) else a.held - coalesce(late.held, 0) end,
    coalesce(a.last_turn, %(never)s)
from routing_agentload a
left join (
    select user_id, ticket_type,
        count(*) filter (where load_until < %(now)s)::int as n, sum(points) filter (where load_until < %(now)s)::int as points,
        count(*) filter (where held_until < %(now)s)::int as held,
        sum(points) filter (where held_until < %(now)s)::int as held_points
    from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) and (load_until < %(now)s or held_until < %(now)s)
    group by user_id, ticket_type
) late using (user_id, ticket_type)
where a.account_id = %(account)s and a.ticket_type = any(%(types)s) and a.user_id = any(%(users)s)
"""


def ledgers(
    account_id: int,
    ticket_types: Collection[str],
    user_ids: Collection[int],
    now: datetime,
    *,
    weighs: bool = False,
) -> tuple[dict[str, Ledger], dict[Key, int]]:
    """Return loads and last turns by ticket type, and what limits count, as of the last `fold` under the same locks.

    All in tickets, or in points where the account `weighs` them.
    """
    found = {ticket_type: Ledger() for ticket_type in ticket_types}
    held: dict[Key, int] = {}
    facts = {
        "account": account_id, "types": sorted(ticket_types), "users": sorted(user_ids), "now": now, "never": NEVER,
        "weighs": weighs,
    }  # fmt: skip
    for user_id, ticket_type, load, holds, last_turn in sql.rows(_LEDGER, facts):
        found[ticket_type].loads[user_id] = load
        found[ticket_type].turns[user_id] = last_turn
        held[user_id, ticket_type] = holds
    return found, held


# Deltas not folded yet are added, and nothing is locked or written: what a page shows.
_PRESENT = """
select user_id, ticket_type, sum(n)::int, sum(points)::int, sum(held)::int, sum(held_points)::int, max(turn) from (
    select user_id, ticket_type, n, points, held, held_points, coalesce(last_turn, %(never)s) as turn from routing_agentload
    where account_id = %(account)s and ticket_type = any(%(types)s) and user_id = any(%(users)s)
    union all select user_id, ticket_type, change, points, held, held_points, %(never)s from routing_loaddelta
    where account_id = %(account)s and ticket_type = any(%(types)s) and user_id = any(%(users)s)
    union all select user_id, ticket_type, -coalesce(load_until < %(now)s, false)::int,
        -coalesce(load_until < %(now)s, false)::int * points, -coalesce(held_until < %(now)s, false)::int,
        -coalesce(held_until < %(now)s, false)::int * points, %(never)s from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) and user_id = any(%(users)s)
      and (load_until < %(now)s or held_until < %(now)s)
) x group by user_id, ticket_type
"""


def present(
    account_id: int,
    user_ids: Collection[int],
    now: datetime,
    *,
    ticket_types: Collection[str] = TYPES,
    weighs: bool = False,
) -> tuple[dict[str, Ledger], dict[Key, int]]:
    """As `ledgers`, of this moment and without a lock: another decision may come before one made from them."""
    facts = {
        "account": account_id, "types": list(ticket_types), "users": sorted(user_ids), "now": now, "never": NEVER,
    }  # fmt: skip
    ledgers = {kind: Ledger() for kind in ticket_types}
    held: dict[Key, int] = {}
    for user_id, kind, n, points, holds, held_points, turn in sql.rows(_PRESENT, facts):
        ledgers[kind].loads[user_id] = points if weighs else n
        held[user_id, kind] = held_points if weighs else holds
        if turn != NEVER:
            ledgers[kind].turns[user_id] = turn
    return ledgers, held


# Their owners are written by the caller, a moment later.
_COUNT_TICKETS = f"""
insert into routing_ticketload (account_id, ticket_id, user_id, ticket_type, assigned_at, points, load_until, held_until)
select %(account)s, w.id, p.user_id, w.ticket_type, w.assigned_at, w.points, w.load_until, w.held_until
from unnest(%(tickets)s::bigint[], %(users)s::bigint[]) p(ticket_id, user_id)
join ({_wanted(_OF_TICKETS, owned="true", assigned="%(now)s::timestamptz")}) w on w.id = p.ticket_id
on conflict (account_id, ticket_id) do nothing
returning user_id, ticket_type, {_ADDS}
"""

_RAISE = """
insert into routing_agentload as a (account_id, user_id, ticket_type, n, points, held, held_points, last_turn, last_assigned_at)
select %s, x.user_id, x.ticket_type, x.n, x.points, x.held, x.held_points, x.turn, %s
from unnest(%s::bigint[], %s::text[], %s::int[], %s::int[], %s::int[], %s::int[], %s::bigint[])
    x(user_id, ticket_type, n, points, held, held_points, turn)
on conflict (account_id, ticket_type, user_id) do update
set n = a.n + excluded.n, points = a.points + excluded.points, held = a.held + excluded.held,
    held_points = a.held_points + excluded.held_points, last_turn = excluded.last_turn,
    last_assigned_at = excluded.last_assigned_at
"""


def count_picks(account_id: int, picks: Sequence[tuple[int, int, str, int]], now: datetime) -> None:
    """Count (ticket, user, type, turn) picks for their users at once. Only while holding the lock of each type."""
    if not picks:
        return
    tickets, users, _, _ = (list(column) for column in zip(*picks, strict=True))
    counted: dict[Key, list[int]] = {}
    for user_id, kind, *amount in sql.rows(
        _COUNT_TICKETS, _facts(account_id, now, tickets=tickets, users=users)
    ):
        so_far = counted.get((user_id, kind), [0, 0, 0, 0])
        counted[user_id, kind] = [old + one for old, one in zip(so_far, amount, strict=True)]
    last_turns = {(user_id, kind): turn for _, user_id, kind, turn in picks}
    rows = [
        (user_id, kind, *counted.get((user_id, kind), (0, 0, 0, 0)), turn)
        for (user_id, kind), turn in sorted(last_turns.items())
    ]
    sql.execute(_RAISE, [account_id, now, *(list(column) for column in zip(*rows, strict=True))])


# Both sides of each comparison are read by one statement, so from one moment.
_WRONG = f"""
select coalesce(w.id, l.ticket_id)
from ({_wanted("")}) w
full join (
    select ticket_id, user_id, ticket_type, assigned_at, points, case when load_until >= %(now)s then load_until end as load_until,
        case when held_until >= %(now)s then held_until end as held_until
    from routing_ticketload where account_id = %(account)s and (load_until >= %(now)s or held_until >= %(now)s)
) l on l.ticket_id = w.id
where {_WANTED_ROW} is distinct from {_ROW}
order by 1
"""

_RECOUNT = f"""
with folded as (
    delete from routing_loaddelta where account_id = %(account)s and ticket_type = any(%(types)s)
    returning user_id, ticket_type, change, points, held, held_points
), known as (
    select user_id, ticket_type, sum(n)::int as n, sum(points)::int as points, sum(held)::int as held,
        sum(held_points)::int as held_points
    from (table folded union all select user_id, ticket_type, n, points, held, held_points from routing_agentload
          where account_id = %(account)s and ticket_type = any(%(types)s)) x(user_id, ticket_type, n, points, held, held_points)
    group by user_id, ticket_type
), counted as (
    select user_id, ticket_type, sum(n)::int as n, sum(p)::int as points, sum(h)::int as held, sum(hp)::int as held_points
    from routing_ticketload cross join lateral (select {_ADDS}) x(n, p, h, hp)
    where account_id = %(account)s and ticket_type = any(%(types)s) group by user_id, ticket_type
), written as (
    insert into routing_agentload as a (account_id, user_id, ticket_type, n, points, held, held_points)
    select %(account)s, user_id, ticket_type, coalesce(c.n, 0), coalesce(c.points, 0), coalesce(c.held, 0),
        coalesce(c.held_points, 0)
    from counted c full join known using (user_id, ticket_type)
    on conflict (account_id, ticket_type, user_id) do update
    set n = excluded.n, points = excluded.points, held = excluded.held, held_points = excluded.held_points
)
select user_id, ticket_type, coalesce(c.n, 0) - coalesce(k.n, 0), coalesce(c.held, 0) - coalesce(k.held, 0)
from counted c full join known k using (user_id, ticket_type)
where (coalesce(c.n, 0), coalesce(c.points, 0), coalesce(c.held, 0), coalesce(c.held_points, 0))
    <> (coalesce(k.n, 0), coalesce(k.points, 0), coalesce(k.held, 0), coalesce(k.held_points, 0))
"""


_OFF = f"""
with known as (
    select user_id, ticket_type, sum(n)::int as n, sum(points)::int as points, sum(held)::int as held,
        sum(held_points)::int as held_points
    from (select user_id, ticket_type, n, points, held, held_points from routing_agentload where account_id = %(account)s
          union all select user_id, ticket_type, change, points, held, held_points from routing_loaddelta
          where account_id = %(account)s) x group by user_id, ticket_type
), counted as (
    select user_id, ticket_type, sum(n)::int as n, sum(p)::int as points, sum(h)::int as held, sum(hp)::int as held_points
    from routing_ticketload cross join lateral (select {_ADDS}) x(n, p, h, hp) where account_id = %(account)s
    group by user_id, ticket_type
)
select user_id, ticket_type from counted c full join known k using (user_id, ticket_type)
where (coalesce(c.n, 0), coalesce(c.points, 0), coalesce(c.held, 0), coalesce(c.held_points, 0))
    <> (coalesce(k.n, 0), coalesce(k.points, 0), coalesce(k.held, 0), coalesce(k.held_points, 0))
order by 1, 2
"""


@dataclass(frozen=True)
class Drift:
    """What a recount would mend: tickets that count wrongly, and counters that are not the sum of what counts."""

    tickets: tuple[int, ...] = ()
    counters: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tickets or self.counters)


def drift(account_id: int, now: datetime) -> Drift:
    """Compare without a lock, and change nothing: each statement sees a moment between transactions. Two queries."""
    wrong = tuple(found[0] for found in sql.rows(_WRONG, _facts(account_id, now)))
    return Drift(wrong, tuple((user_id, kind) for user_id, kind in sql.rows(_OFF, {"account": account_id})))


def recount(account_id: int, now: datetime) -> dict[Key, tuple[int, int]]:
    """Count everything anew and return by how much each counter had drifted, as load and for limits; empty when all was
    right."""
    facts = _facts(account_id, now)
    wrong = [found[0] for found in sql.rows(_WRONG, facts)]
    if wrong:
        hold(account_id, wrong)
        reconcile(account_id, wrong, now)
    lock(account_id, TYPES)
    found = sql.rows(_RECOUNT, {"account": account_id, "types": TYPES})
    fold(account_id, TYPES, now)
    return {(user_id, kind): (int(by), int(held)) for user_id, kind, by, held in found}

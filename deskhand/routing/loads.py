"""How many tickets count for whom (R-ROUTE-22..24), kept by difference so that nobody counts them while routing.

A ticket that starts or stops counting changes its TicketLoad row and appends a ±1 delta, without any lock on a
counter. Whoever holds the lock of a ticket type folds deltas and aged tickets into AgentLoad before it reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from deskhand.crm.records.models import TicketType
from deskhand.kernel.database import sql
from deskhand.routing.strategies import NEVER, Ledger

#: A ticket counts while its owner was assigned no longer ago than this, the boundary included (R-ROUTE-23).
WINDOW = timedelta(days=30)
TYPES = list(TicketType.values)
MAIL = TicketType.EMAIL_OTHER.value  # what a mail becomes (R-ROUTE-20)

Key = tuple[int, str]  # user, ticket type

# What counts is written once; snoozed tickets do, spam, archived and merged ones do not (R-ROUTE-24).
_COUNTS = """
t.owner_id is not null and t.in_help_desk and not t.is_closed and not t.is_spam and t.archived_at is null
and t.merged_into_id is null and t.owner_assigned_at >= %(oldest)s
"""

_WANTED = f"""
select t.id, t.owner_id, t.ticket_type, t.owner_assigned_at from crm_ticket t
where t.account_id = %(account)s and t.id = any(%(tickets)s) and {_COUNTS}
"""

_STOP = f"""
delete from routing_ticketload l where l.account_id = %(account)s and l.ticket_id = any(%(tickets)s)
  and not exists (select from ({_WANTED}) w where w.id = l.ticket_id and w.owner_id = l.user_id
                  and w.ticket_type = l.ticket_type and w.owner_assigned_at = l.assigned_at)
returning l.user_id, l.ticket_type
"""

_START = f"""
insert into routing_ticketload (account_id, ticket_id, user_id, ticket_type, assigned_at)
select %(account)s, w.* from ({_WANTED}) w
on conflict (account_id, ticket_id) do nothing
returning user_id, ticket_type
"""

_APPEND = """
insert into routing_loaddelta (account_id, user_id, ticket_type, change)
select %s, * from unnest(%s::bigint[], %s::text[], %s::int[])
"""


def reconcile(account_id: int, ticket_ids: Collection[int], now: datetime) -> None:
    """Make the tickets count for whom they should. Safe to repeat; three statements however many tickets.

    Call it in the transaction that changed the tickets, while their rows are locked.
    """
    if not ticket_ids:
        return
    facts = {"account": account_id, "tickets": sorted(set(ticket_ids)), "oldest": now - WINDOW}
    changes: Counter[Key] = Counter()
    changes.subtract((user_id, kind) for user_id, kind in sql.rows(_STOP, facts))
    changes.update((user_id, kind) for user_id, kind in sql.rows(_START, facts))
    append(account_id, changes)


def append(account_id: int, changes: Counter[Key]) -> None:
    """Append the deltas that are not zero, for the router to fold."""
    new = [(user_id, kind, change) for (user_id, kind), change in sorted(changes.items()) if change]
    if new:
        users, kinds, amounts = zip(*new, strict=True)
        sql.execute(_APPEND, [account_id, list(users), list(kinds), list(amounts)])


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


# Tickets just being changed by others are skipped, not waited for; `ledger` leaves them out by their age.
_FOLD = """
with folded as (
    delete from routing_loaddelta where account_id = %(account)s and ticket_type = any(%(types)s)
    returning user_id, ticket_type, change
), aged as (
    select id from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) and assigned_at < %(oldest)s
    for update skip locked
), expired as (
    delete from routing_ticketload l using aged where l.account_id = %(account)s and l.id = aged.id
    returning l.user_id, l.ticket_type, -1 as change
)
insert into routing_agentload as a (account_id, user_id, ticket_type, n)
select %(account)s, user_id, ticket_type, sum(change) from (table folded union all table expired) x
group by user_id, ticket_type having sum(change) <> 0
on conflict (account_id, ticket_type, user_id) do update set n = a.n + excluded.n
"""


def fold(account_id: int, ticket_types: Collection[str], now: datetime) -> None:
    """Bring AgentLoad up to date with deltas and age. Only while holding the lock of each type."""
    sql.execute(_FOLD, {"account": account_id, "types": sorted(ticket_types), "oldest": now - WINDOW})


def expire(account_id: int, ticket_type: str, now: datetime) -> None:
    """Fold in what has grown too old to count, outside any routing. Safe to repeat."""
    lock(account_id, [ticket_type])
    fold(account_id, [ticket_type], now)


_LEDGER = """
select a.user_id, a.ticket_type, a.n - coalesce(late.n, 0), coalesce(a.last_turn, %(never)s)
from routing_agentload a
left join (
    select user_id, ticket_type, count(*)::int as n from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) and assigned_at < %(oldest)s
    group by user_id, ticket_type
) late using (user_id, ticket_type)
where a.account_id = %(account)s and a.ticket_type = any(%(types)s) and a.user_id = any(%(users)s)
"""


def ledgers(
    account_id: int, ticket_types: Collection[str], user_ids: Collection[int], now: datetime
) -> dict[str, Ledger]:
    """Return loads and last turns by ticket type, as of the last `fold` under the same lock."""
    found = {ticket_type: Ledger() for ticket_type in ticket_types}
    facts = {
        "account": account_id,
        "types": sorted(ticket_types),
        "users": sorted(user_ids),
        "oldest": now - WINDOW,
        "never": NEVER,
    }
    for user_id, ticket_type, load, last_turn in sql.rows(_LEDGER, facts):
        found[ticket_type].loads[user_id] = load
        found[ticket_type].turns[user_id] = last_turn
    return found


# Deltas not folded yet are added, and nothing is locked or written: what a page shows.
_PRESENT = """
select user_id, sum(n)::int, max(turn) from (
    select user_id, n, coalesce(last_turn, %(never)s) as turn from routing_agentload
    where account_id = %(account)s and ticket_type = %(type)s and user_id = any(%(users)s)
    union all select user_id, change, %(never)s from routing_loaddelta
    where account_id = %(account)s and ticket_type = %(type)s and user_id = any(%(users)s)
    union all select user_id, -1, %(never)s from routing_ticketload
    where account_id = %(account)s and ticket_type = %(type)s and user_id = any(%(users)s) and assigned_at < %(oldest)s
) x group by user_id
"""


def present(account_id: int, ticket_type: str, user_ids: Collection[int], now: datetime) -> Ledger:
    """Loads and last turns of this moment, without a lock: another decision may come before one made from them."""
    facts = {
        "account": account_id, "type": ticket_type, "users": sorted(user_ids), "oldest": now - WINDOW, "never": NEVER,
    }  # fmt: skip
    found = sql.rows(_PRESENT, facts)
    turns = {user_id: turn for user_id, _, turn in found if turn != NEVER}
    return Ledger({user_id: load for user_id, load, _ in found}, turns)


_COUNT_TICKETS = """
insert into routing_ticketload (account_id, ticket_id, user_id, ticket_type, assigned_at)
select %s, x.*, %s from unnest(%s::bigint[], %s::bigint[], %s::text[]) x
on conflict (account_id, ticket_id) do nothing
returning user_id, ticket_type
"""

_RAISE = """
insert into routing_agentload as a (account_id, user_id, ticket_type, n, last_turn, last_assigned_at)
select %s, x.user_id, x.ticket_type, x.n, x.turn, %s from unnest(%s::bigint[], %s::text[], %s::int[], %s::bigint[])
    x(user_id, ticket_type, n, turn)
on conflict (account_id, ticket_type, user_id) do update
set n = a.n + excluded.n, last_turn = excluded.last_turn, last_assigned_at = excluded.last_assigned_at
"""


def count_picks(account_id: int, picks: Sequence[tuple[int, int, str, int]], now: datetime) -> None:
    """Count (ticket, user, type, turn) picks for their users at once. Only while holding the lock of each type."""
    if not picks:
        return
    tickets, users, kinds, _ = (list(column) for column in zip(*picks, strict=True))
    counted = Counter(sql.rows(_COUNT_TICKETS, [account_id, now, tickets, users, kinds]))
    last_turns = {(user_id, kind): turn for _, user_id, kind, turn in picks}
    rows = [
        (user_id, kind, counted[(user_id, kind)], turn)
        for (user_id, kind), turn in sorted(last_turns.items())
    ]
    sql.execute(_RAISE, [account_id, now, *(list(column) for column in zip(*rows, strict=True))])


# Both sides of each comparison are read by one statement, so from one moment.
_WRONG = f"""
select coalesce(t.id, l.ticket_id)
from (select t.id, t.owner_id, t.ticket_type, t.owner_assigned_at from crm_ticket t
      where t.account_id = %(account)s and {_COUNTS}) t
full join (select * from routing_ticketload where account_id = %(account)s and assigned_at >= %(oldest)s) l
    on l.ticket_id = t.id
where (t.id, t.owner_id, t.ticket_type, t.owner_assigned_at)
    is distinct from (l.ticket_id, l.user_id, l.ticket_type, l.assigned_at)
order by 1
"""

_RECOUNT = """
with folded as (
    delete from routing_loaddelta where account_id = %(account)s and ticket_type = any(%(types)s)
    returning user_id, ticket_type, change
), known as (
    select user_id, ticket_type, n + coalesce((
        select sum(change) from folded f where f.user_id = a.user_id and f.ticket_type = a.ticket_type), 0) as n
    from routing_agentload a where account_id = %(account)s and ticket_type = any(%(types)s)
), counted as (
    select user_id, ticket_type, count(*)::int as n from routing_ticketload
    where account_id = %(account)s and ticket_type = any(%(types)s) group by user_id, ticket_type
), written as (
    insert into routing_agentload as a (account_id, user_id, ticket_type, n)
    select %(account)s, user_id, ticket_type, coalesce(counted.n, 0)
    from counted full join known using (user_id, ticket_type)
    on conflict (account_id, ticket_type, user_id) do update set n = excluded.n
)
select user_id, ticket_type, coalesce(counted.n, 0) - coalesce(known.n, fresh.n, 0)
from counted full join known using (user_id, ticket_type)
left join (select user_id, ticket_type, sum(change) as n from folded group by 1, 2) fresh using (user_id, ticket_type)
where coalesce(counted.n, 0) <> coalesce(known.n, fresh.n, 0)
"""


def recount(account_id: int, now: datetime) -> dict[Key, int]:
    """Count everything anew and return by how much each counter had drifted; empty when all was right."""
    wrong = [found[0] for found in sql.rows(_WRONG, {"account": account_id, "oldest": now - WINDOW})]
    if wrong:
        sql.rows(
            "select id from crm_ticket where account_id = %s and id = any(%s) order by id for no key update",
            [account_id, wrong],
        )
        reconcile(account_id, wrong, now)
    lock(account_id, TYPES)
    found = sql.rows(_RECOUNT, {"account": account_id, "types": TYPES})
    drift = Counter({(user_id, kind): int(by) for user_id, kind, by in found})
    fold(account_id, TYPES, now)
    return dict(drift)

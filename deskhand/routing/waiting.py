"""The wait-list (R-ROUTE-53): tickets whose rule found nobody who could take them, for the next who can.

And the tickets that wait a moment because workflows go first (R-ROUTE-71).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from deskhand.kernel.database import sql
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import NewTicket

BATCH = 500


def add(account_id: int, ticket_ids: Sequence[int], now: datetime) -> None:
    """Put tickets on the list; who waits already keeps their place."""
    if ticket_ids:
        sql.execute(
            "insert into routing_waitingticket (account_id, ticket_id, added_at)"
            " select %s, x.id, %s from unnest(%s::bigint[]) x(id) on conflict (account_id, ticket_id) do nothing",
            [account_id, now, list(ticket_ids)],
        )


_LEAVE = """
delete from routing_waitingticket w using crm_ticket t
where w.account_id = %s and w.ticket_id = any(%s) and t.account_id = w.account_id and t.id = w.ticket_id
  and (t.owner_id is not null or t.is_closed or t.is_spam or t.archived_at is not null)
"""


def leave(account_id: int, ticket_ids: Collection[int]) -> None:
    """Take off the list what has an owner now, or is closed, spam or put away. Safe to repeat."""
    sql.execute(_LEAVE, [account_id, sorted(ticket_ids)])


_RANK = "array_position(array['URGENT', 'HIGH', 'MEDIUM', 'LOW'], t.priority) nulls last, w.added_at, t.id"

# No more than BATCH of one channel: those of another one must not wait behind them.
_WAITING = f"""
select id, channel_account_id, ticket_type, owner_id from (
    select t.id, t.channel_account_id, t.ticket_type, c.owner_id, row_number() over (order by {_RANK}) as place,
        row_number() over (partition by t.channel_account_id order by {_RANK}) as place_in_channel
    from routing_waitingticket w
    join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
    left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
    where w.account_id = %s and t.owner_id is null and not t.is_closed
) x where place_in_channel <= %s order by place
"""


def in_order(account_id: int) -> list[NewTicket]:
    """Who waits: by priority, then the longest first; at most BATCH of each channel."""
    return [NewTicket(*row) for row in sql.rows(_WAITING, [account_id, BATCH])]


def channels_after_workflows(account_id: int, channel_account_ids: Collection[int]) -> set[int]:
    """Which of these channels let workflows set the owner first (R-ROUTE-71)."""
    own = {"account_id": account_id, "channel_account_id__in": sorted(channel_account_ids)}
    found = RoutingRule.objects.filter(**own, after_workflows=True)
    return set(found.values_list("channel_account_id", flat=True))


_AS_THEY_STAND = """
select t.id, t.channel_account_id, t.ticket_type, c.owner_id from crm_ticket t
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
where t.account_id = %s and t.id = any(%s) and t.channel_account_id is not null order by t.id
"""


def as_they_stand(account_id: int, ticket_ids: Collection[int]) -> list[NewTicket]:
    """These tickets, to be asked for now; by id."""
    return [NewTicket(*row) for row in sql.rows(_AS_THEY_STAND, [account_id, sorted(ticket_ids)])]


_OF_NOBODY = """
select t.id from crm_ticket t where t.account_id = %s and t.id = any(%s) and t.owner_id is null and not t.is_closed
  and (t.assigned_team_ids = '{}' or exists (
    select 1 from routing_decision d where d.account_id = t.account_id and d.ticket_id = t.id and d.user_id is null
      and d.team_ids @> t.assigned_team_ids and d.team_ids <@ t.assigned_team_ids))
order by t.id
"""


def of_nobody(account_id: int, ticket_ids: Collection[int]) -> list[int]:
    """Those of these tickets that are open and have no owner, nor a team that somebody chose for them; by id."""
    return [ticket_id for (ticket_id,) in sql.rows(_OF_NOBODY, [account_id, sorted(ticket_ids)])]

"""Open tickets whose owner is no longer there, to be routed again where their channel's rule says so (R-ROUTE-54).

Only what somebody owned before they went counts: who is given a ticket while away was meant to get it (R-ROUTE-7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from deskhand.kernel.database import sql
from deskhand.routing import availability, loads, rosters
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Leaving, Left, NewTicket, Reroute, Source, Status

GONE = "routing.gone"  # the timer's kind; its key is the user's id
BATCH = 500


@dataclass(frozen=True)
class Gone:
    """Somebody who is no longer there."""

    because: Left
    since: datetime


def is_wanted(account_id: int) -> bool:
    """Whether some rule routes again at once when an owner goes."""
    return RoutingRule.objects.filter(account_id=account_id, reroute=Reroute.AT_ONCE).exists()


_MEMBERS = """
select x.id, coalesce(m.is_active and u.is_active, false), a.status, a.since, a.until
from unnest(%s::bigint[]) x(id)
left join accounts_membership m on m.account_id = %s and m.user_id = x.id
left join accounts_user u on u.id = m.user_id
left join routing_availability a on a.account_id = %s and a.user_id = x.id
"""


def gone(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, Gone]:
    """Who of these is not there at `now`. Those who never said where they are went nowhere, and neither did those
    whose day is over: else everything would move each evening."""
    if not user_ids:
        return {}
    states = availability.states(account_id, user_ids, now)
    found: dict[int, Gone] = {}
    members = sql.rows(_MEMBERS, [sorted(user_ids), account_id, account_id])
    for user_id, is_active, stored, since, until in members:
        state = states[user_id]
        if not is_active:
            found[user_id] = Gone(Left.DEACTIVATED, now)
        elif stored is not None and state.status is Status.AWAY and state.source is not Source.HOURS:
            is_out = state.source is Source.OUT_OF_OFFICE
            went = since if stored == Status.AWAY else until or now  # else an edge has passed unnoticed
            found[user_id] = Gone(Left.OUT_OF_OFFICE if is_out else Left.AWAY, went)
    return found


_THEIRS = """
select t.id, t.channel_account_id, t.ticket_type, c.owner_id, t.owner_id, exists (
    select 1 from routing_decision d
    where d.account_id = t.account_id and d.ticket_id = t.id and d.left_user_id = t.owner_id and d.user_id is null
      and d.at >= coalesce(t.owner_assigned_at, t.created_at)
)
from unnest(%(users)s::bigint[], %(since)s::timestamptz[], %(after)s::bigint[]) x(user_id, since, after)
join crm_ticket t on t.account_id = %(account)s and t.owner_id = x.user_id and t.id > x.after
join routing_routingrule r on r.account_id = t.account_id and r.channel_account_id = t.channel_account_id
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
where r.reroute = any(%(when)s) and coalesce(t.owner_assigned_at, t.created_at) <= x.since
  and not t.is_closed and not t.is_spam and t.archived_at is null and t.merged_into_id is null {of_these}
order by t.id limit %(limit)s
"""


def owned_by(account_id: int, users: Mapping[int, int], now: datetime) -> list[NewTicket]:
    """What these users own still although they are gone, where it goes to others at once; at most BATCH, by id.

    `users` maps each to the last ticket that was asked for already, 0 at first.
    """
    left = gone(account_id, users, now)
    return _theirs(account_id, left, [users[user_id] for user_id in left], [Reroute.AT_ONCE])


@dataclass(frozen=True)
class Outlook:
    """What becomes of somebody's open tickets when they go (R-ROUTE-54)."""

    stay: int
    on_reply: int
    at_once: int


_OUTLOOK = """
select coalesce(r.reroute, %(never)s), count(*) from crm_ticket t
left join routing_routingrule r on r.account_id = t.account_id and r.channel_account_id = t.channel_account_id
where t.account_id = %(account)s and t.owner_id = %(user)s
  and not t.is_closed and not t.is_spam and t.archived_at is null and t.merged_into_id is null
group by 1
"""


def outlook(account_id: int, user_id: int) -> Outlook:
    """One query."""
    found = sql.rows(_OUTLOOK, {"account": account_id, "user": user_id, "never": Reroute.NEVER})
    counts: dict[str, int] = dict(found)
    return Outlook(*(counts.get(one, 0) for one in (Reroute.NEVER, Reroute.ON_REPLY, Reroute.AT_ONCE)))


_OWNERS = """
select distinct t.owner_id from crm_ticket t
join routing_routingrule r on r.account_id = t.account_id and r.channel_account_id = t.channel_account_id
where t.account_id = %s and t.id = any(%s) and t.owner_id is not null and r.reroute <> %s
"""


def answered(account_id: int, ticket_ids: Collection[int], now: datetime) -> list[NewTicket]:
    """Those of these tickets, which their customers wrote to, whose owners are gone; by id.

    What goes to others at once is asked for here as well, if nobody could take it then.
    """
    owners = [row[0] for row in sql.rows(_OWNERS, [account_id, sorted(ticket_ids), Reroute.NEVER])]
    left = gone(account_id, owners, now)
    when = [Reroute.AT_ONCE, Reroute.ON_REPLY]
    return _theirs(account_id, left, [0] * len(left), when, sorted(ticket_ids))


_REOPENED = """
select t.id, t.channel_account_id, t.ticket_type, c.owner_id, t.owner_id from crm_ticket t
left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
where t.account_id = %s and t.id = any(%s) and t.channel_account_id is not null
  and not t.is_closed and not t.is_spam and t.archived_at is null and t.merged_into_id is null
order by t.id
"""


def reopened(account_id: int, ticket_ids: Collection[int], now: datetime) -> list[NewTicket]:
    """Those of these tickets, which are open again, that have no owner, or one who can't own tickets any more, whatever their
    channels' rules say of owners who are gone; by id (R-REOPEN-2, R-REOPEN-3). Who is only away keeps theirs here."""
    found = sql.rows(_REOPENED, [account_id, sorted(ticket_ids)])
    roster = rosters.read(account_id, {row[4] for row in found if row[4]}, (), now)
    asked = []
    for ticket_id, channel, kind, of_contact, owner_id in found:
        if owner_id is None:
            asked.append(NewTicket(ticket_id, channel, kind, of_contact, has_rung=kind == loads.CALL))
        elif not (owner := roster.person(owner_id)).can_own:
            is_here = owner.is_member and owner.is_active
            leaving = Leaving(owner_id, Left.UNABLE if is_here else Left.DEACTIVATED, is_reopened=True)
            asked.append(NewTicket(ticket_id, channel, kind, of_contact, leaving))
    return asked


def _theirs(
    account_id: int,
    left: Mapping[int, Gone],
    after: Collection[int],
    when: Collection[Reroute],
    ticket_ids: Collection[int] | None = None,
) -> list[NewTicket]:
    if not left:
        return []
    facts = {
        "account": account_id,
        "users": list(left),
        "since": [one.since for one in left.values()],
        "after": list(after),
        "when": list(when),
        "tickets": list(ticket_ids or ()),
        "limit": BATCH if ticket_ids is None else len(ticket_ids),
    }
    found = sql.rows(
        _THEIRS.format(of_these="" if ticket_ids is None else "and t.id = any(%(tickets)s)"), facts
    )
    return [
        NewTicket(ticket_id, channel, kind, of_contact, Leaving(owner_id, left[owner_id].because, is_told))
        for ticket_id, channel, kind, of_contact, owner_id, is_told in found
    ]

"""The wait-list (R-ROUTE-53): tickets whose rule found nobody who could take them, for the next who can.

And the tickets that wait a moment because workflows go first (R-ROUTE-71).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from deskhand.accounts.plans import Feature, has_in_sql
from deskhand.crm.records.tickets import hold
from deskhand.kernel import calendars, timers
from deskhand.kernel.database import sql
from deskhand.routing import availability, capacity, hours, loads
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import NewTicket, Option, Status

BATCH = 500  # of each channel at a time
#: Timers: of tickets just put on the list, of what one batch left over, and of channels that open.
DRAIN = "routing.drain"
#: A ticket put on the list is asked for once more after so long, together with the others of that moment.
ONCE_MORE = timedelta(seconds=1)

Place = tuple[int, datetime, int]  # urgency, since when, ticket


def add(account_id: int, ticket_ids: Sequence[int], now: datetime, *, turn: int) -> None:
    """Put tickets on the list; who waits already keeps their place.

    All of them are asked for once more when this transaction is over: whoever came, or had room again, after it read who
    is there has found nobody on the list. The timer's key is the `turn` of this call: who sets one must not wait for its
    handler, which waits for the locks held here.
    """
    if ticket_ids:
        sql.execute(
            "insert into routing_waitingticket (account_id, ticket_id, added_at)"
            " select %s, x.id, %s from unnest(%s::bigint[]) x(id) on conflict (account_id, ticket_id) do nothing",
            [account_id, now, list(ticket_ids)],
        )
        timers.set_timer(account_id, DRAIN, f"new:{turn}", now + ONCE_MORE, {"tickets": list(ticket_ids)})


# There are people to wait for, as decision.Rule.may_pick says; skill rules name none where the plan has no skills.
_HAS_PEOPLE = (
    "(r.option in ('USERS_AND_TEAMS', 'CONTACT_OWNER')"
    " or (r.option = 'AI_AGENT' and (r.fallback_user_ids <> '{}' or r.fallback_team_ids <> '{}'))"
    f" or (r.option <> 'TEAMS' and r.skill_rule_set_id is not null and {has_in_sql(Feature.SKILLS, 'r.account_id')}))"
)
# A list that is given up takes nobody any more, and whom it took while it was given up goes, too.
_IS_KEPT = f"""
select from routing_routingrule r where r.account_id = t.account_id and r.channel_account_id = t.channel_account_id
  and r.wait_list and {_HAS_PEOPLE}
"""
_LEAVE = f"""
delete from routing_waitingticket w using crm_ticket t
where w.account_id = %s and w.ticket_id = any(%s) and t.account_id = w.account_id and t.id = w.ticket_id
  and (t.owner_id is not null or t.is_closed or t.is_spam or t.archived_at is not null or t.merged_into_id is not null
    or t.ai_agent <> '' or t.id = any(%s) or not exists ({_IS_KEPT}))
returning w.ticket_id
"""


def leave(account_id: int, ticket_ids: Collection[int], *, at_once: Collection[int] = ()) -> list[int]:
    """Take off the list what has an owner now, or an agent, is closed, spam, put away or part of another, or waits by a rule
    that keeps no list; those of `at_once` whatever they are. Returns who was on it. Safe to repeat."""
    return [pk for (pk,) in sql.rows(_LEAVE, [account_id, sorted(ticket_ids), sorted(at_once)])]


_OF_CHANNEL = """
select t.id from routing_waitingticket w join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
where w.account_id = %s and t.channel_account_id = %s and (%s or w.kept_for is not null)
"""
_KEEP_NOTHING = "update routing_waitingticket set kept_for = null, kept_until = null where account_id = %s and ticket_id = any(%s)"


def _held(rule: RoutingRule, *, is_all: bool) -> list[int]:
    """What waits on the channel, or is kept for somebody there; who leaves the list is locked before its place."""
    found = sql.rows(_OF_CHANNEL, [rule.account_id, rule.channel_account_id, is_all])
    ids = [pk for (pk,) in found]
    hold(rule.account_id, ids)
    return ids


def leave_if_not_kept(rule: RoutingRule) -> list[int]:
    """The list of a channel is given up with the wish for one, or with the people whom it waits for. Returns who was on it.

    And what is kept for somebody is everybody's: it is dealt anew among the people of the new rule.
    """
    has_people = (
        f"select 1 from routing_routingrule r where r.account_id = %s and r.id = %s and {_HAS_PEOPLE}"
    )
    if rule.wait_list and sql.row(has_people, [rule.account_id, rule.pk]) is not None:
        if kept := _held(rule, is_all=False):
            sql.execute(_KEEP_NOTHING, [rule.account_id, kept])
        return []
    found = _held(rule, is_all=True)
    return leave(rule.account_id, found) if found else []


_FOR_NOBODY = f"""
select t.id from routing_waitingticket w join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
where w.account_id = %s and not exists ({_IS_KEPT})
"""


def for_nobody(account_id: int) -> list[int]:
    """What waits in a list that has no people any more, as one by skill rules alone has none without skills in the plan."""
    return [pk for (pk,) in sql.rows(_FOR_NOBODY, [account_id])]


def is_anybody(account_id: int) -> bool:
    """Whether some ticket waits. One indexed query."""
    return (
        sql.row("select 1 from routing_waitingticket where account_id = %s limit 1", [account_id]) is not None
    )


_URGENCY = "coalesce(array_position(array['URGENT', 'HIGH', 'MEDIUM', 'LOW'], t.priority), 5)"
_RANK = f"{_URGENCY}, w.added_at, t.id"

# No more than BATCH of one channel: those of another one must not wait behind them.
_WAITING = f"""
select id, channel_account_id, ticket_type, owner_id, kept_for, may_be_kept from (
    select t.id, t.channel_account_id, t.ticket_type, c.owner_id, case when w.kept_until > %(now)s then w.kept_for end as kept_for,
        w.kept_until is null and t.priority is distinct from 'URGENT' as may_be_kept, row_number() over (order by {_RANK}) as place,
        row_number() over (partition by t.channel_account_id order by {_RANK}) as place_in_channel
    from routing_waitingticket w
    join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
    join routing_routingrule r on r.account_id = t.account_id and r.channel_account_id = t.channel_account_id and r.wait_list
    left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
    where w.account_id = %(account)s and t.owner_id is null and not t.is_closed
      and (w.kept_until is null or w.kept_until <= %(now)s or w.kept_for <> all(%(absent)s))
      and (%(only)s::bigint[] is null or t.id = any(%(only)s))
      and (%(channel)s::bigint is null or t.channel_account_id = %(channel)s)
      and (%(urgency)s::int is null or ({_RANK}) > (%(urgency)s::int, %(since)s::timestamptz, %(id)s::bigint))
) x where place_in_channel <= %(most)s order by place
"""


def in_order(
    account_id: int,
    now: datetime,
    *,
    only: Collection[int] | None = None,
    channel: int | None = None,
    after: Place | None = None,
) -> list[NewTicket]:
    """Who waits: by priority, then the longest first; at most BATCH of each channel. Of one channel, behind a place.

    What is kept for somebody who is still not there is left out.
    """
    urgency, since, ticket_id = after or (None, None, None)
    facts = {
        "account": account_id, "only": None if only is None else sorted(only), "channel": channel, "most": BATCH,
        "urgency": urgency, "since": since, "id": ticket_id, "now": now, "absent": _awaited(account_id, now),
    }  # fmt: skip
    return [
        NewTicket(pk, of_channel, kind, owner, kept_for=kept_for, may_be_kept=may_be_kept)
        for pk, of_channel, kind, owner, kept_for, may_be_kept in sql.rows(_WAITING, facts)
    ]


def _awaited(account_id: int, now: datetime) -> list[int]:
    """For whom something is kept, and who is not there yet. One query, one more when anything is kept."""
    kept = "select distinct kept_for from routing_waitingticket where account_id = %s and kept_until > %s and kept_for is not null"
    users = [user_id for (user_id,) in sql.rows(kept, [account_id, now])]
    states = availability.states(account_id, users, now) if users else {}
    return [user_id for user_id in users if states[user_id].status is not Status.AVAILABLE]


_OF_CONTACTS = """
select t.id from routing_waitingticket w
join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
join routing_routingrule r on r.account_id = t.account_id and r.channel_account_id = t.channel_account_id
where w.account_id = %s and t.contact_id = any(%s) and r.option = 'CONTACT_OWNER'
"""


def of_contacts(account_id: int, contact_ids: Collection[int]) -> list[int]:
    """Whose turn may have come because these contacts have another owner (R-ROUTE-60). One query."""
    return [pk for (pk,) in sql.rows(_OF_CONTACTS, [account_id, sorted(contact_ids)])]


_KEPT = """
select t.id, t.channel_account_id, t.ticket_type, w.kept_for from routing_waitingticket w
join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
where w.account_id = %s and w.kept_until > %s and w.kept_for = any(%s)
"""


def kept(account_id: int, user_ids: Collection[int], now: datetime) -> list[NewTicket]:
    """What is kept for these people. One query."""
    found = sql.rows(_KEPT, [account_id, now, sorted(user_ids)])
    return [NewTicket(pk, of_channel, kind, kept_for=user_id) for pk, of_channel, kind, user_id in found]


_KEEP = """
update routing_waitingticket w set kept_for = x.user_id, kept_until = %s
from unnest(%s::bigint[], %s::bigint[]) x(ticket_id, user_id) where w.account_id = %s and w.ticket_id = x.ticket_id
"""


def keep(account_id: int, channel_account_id: int, dealt: Mapping[int, int], until: datetime) -> None:
    """Keep each ticket for its user; what is left of it at the end is for everybody."""
    if dealt:
        sql.execute(_KEEP, [until, list(dealt), list(dealt.values()), account_id])
        key = f"landed:{channel_account_id}:{max(dealt)}:{until.isoformat()}"
        _set(account_id, key, until, channel_account_id, None)


_STILL = """
select w.ticket_id, case when w.kept_until > %s then w.kept_for end, w.kept_until is null from routing_waitingticket w
where w.account_id = %s and w.ticket_id = any(%s)
"""


def still(account_id: int, tickets: Sequence[NewTicket], now: datetime) -> list[NewTicket]:
    """Those of these tickets, which the caller holds, that wait still, and for whom they are kept now. One query."""
    found = {
        pk: rest for pk, *rest in sql.rows(_STILL, [now, account_id, [one.ticket_id for one in tickets]])
    }
    return [
        replace(
            one, kept_for=found[one.ticket_id][0], may_be_kept=one.may_be_kept and found[one.ticket_id][1]
        )
        for one in tickets
        if one.ticket_id in found
    ]


def go_on(
    account_id: int, asked: Sequence[NewTicket], given: Collection[int], cause: int | None, now: datetime
) -> None:
    """Set the timers for what is still to be asked: what stands behind a full batch, and channels that are closed now.

    Behind a batch of which nobody got anything there is nothing to give either, unless a rule asks each ticket anew whom it
    is for, or tickets weigh unlike.
    """
    of_channels: dict[int, list[int]] = defaultdict(list)
    for one in asked:
        of_channels[one.channel_account_id or 0].append(one.ticket_id)
    kept_in = {one.channel_account_id for one in asked if one.kept_for is not None}
    rules = RoutingRule.objects.filter(account_id=account_id, channel_account_id__in=list(of_channels))
    weighs: bool | None = None
    known: set[str] | None = None
    for rule in rules:
        own = of_channels[rule.channel_account_id]
        week = hours.of_rule(rule)
        if week is not None and not calendars.is_open(week, now):
            opens = calendars.next_edge(week, now)
            # Set once: to move one that rings at this moment is to wait for its handler, which waits for the locks held here.
            known = set(timers.keys(account_id, DRAIN)) if known is None else known
            key = f"open:{rule.pk}:{opens.isoformat()}" if opens is not None else ""
            if opens is not None and key not in known:
                _set(account_id, key, opens, rule.channel_account_id, cause)
            continue
        if len(own) < BATCH:
            continue
        is_asking_each = (
            rule.option == Option.CONTACT_OWNER
            or rule.skill_rule_set_id is not None
            or rule.channel_account_id in kept_in
        )
        if weighs is None and not is_asking_each:
            weighs = capacity.binding(account_id).weighs
        if is_asking_each or weighs or any(ticket_id in given for ticket_id in own):
            place = places(account_id, own[-1:]).get(own[-1])
            if place is not None:
                key = f"rest:{rule.pk}:{own[-1]}:{cause or 0}:{now.isoformat()}"
                _set(account_id, key, now, rule.channel_account_id, cause, (*place, own[-1]))


def _set(
    account_id: int, key: str, at: datetime, channel: int, cause: int | None, after: Place | None = None
) -> None:
    place = [after[0], after[1].isoformat(), after[2]] if after else None
    timers.set_timer(account_id, DRAIN, key, at, {"channel": channel, "event": cause, "after": place})


def place_of(payload: Mapping[str, Any]) -> Place | None:
    """Where the timer goes on."""
    kept = payload.get("after")
    return (kept[0], datetime.fromisoformat(kept[1]), kept[2]) if kept else None


_PLACES = f"""
select t.id, {_URGENCY}, w.added_at from routing_waitingticket w
join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
where w.account_id = %s and w.ticket_id = any(%s) order by t.id
"""


def places(account_id: int, ticket_ids: Collection[int]) -> dict[int, tuple[int, datetime]]:
    """How urgent those of these tickets are that wait, and since when. One query, none for no tickets."""
    found = sql.rows(_PLACES, [account_id, sorted(ticket_ids)]) if ticket_ids else []
    return {ticket_id: (urgency, since) for ticket_id, urgency, since in found}


_STANDING = f"""
select place, added_at, kept_for, kept_until from (
    select t.id, w.added_at, w.kept_for, w.kept_until, row_number() over (order by {_RANK}) as place
    from routing_waitingticket w join crm_ticket t on t.account_id = w.account_id and t.id = w.ticket_id
    where w.account_id = %(account)s and t.owner_id is null and not t.is_closed and t.channel_account_id = (
        select own.channel_account_id from routing_waitingticket x
        join crm_ticket own on own.account_id = x.account_id and own.id = x.ticket_id
        where x.account_id = %(account)s and x.ticket_id = %(ticket)s)
) x where id = %(ticket)s
"""


class Standing(NamedTuple):
    """A ticket's place on its channel's list, from 1, since when it waits, and for whom it is kept until when."""

    place: int
    since: datetime
    kept_for: int | None
    kept_until: datetime | None


def standing(account_id: int, ticket_id: int) -> Standing | None:
    """None for one that doesn't wait. One query."""
    found = sql.row(_STANDING, {"account": account_id, "ticket": ticket_id})
    return Standing(*found) if found else None


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
    """These tickets, to be asked for now; by id. Phones have rung for a call, and don't again (R-ROUTE-95)."""
    found = [NewTicket(*row) for row in sql.rows(_AS_THEY_STAND, [account_id, sorted(ticket_ids)])]
    return [replace(one, has_rung=one.ticket_type == loads.CALL) for one in found]


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

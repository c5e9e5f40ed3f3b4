"""Reading rules, decisions, and who is there with how much to do."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models import Q

from deskhand.accounts import permissions, policy
from deskhand.accounts.models import Team
from deskhand.accounts.types import Permissions, Viewer
from deskhand.events.types import ActorKind
from deskhand.kernel import calendars, clock
from deskhand.kernel.calendars import Interval
from deskhand.kernel.database import sql
from deskhand.routing import availability, away_states, edges, loads, rosters, strategies
from deskhand.routing.capacity import IN_PLAN, Hold
from deskhand.routing.models import AvailabilityChange, Decision, OutOfOffice, RoutingRule
from deskhand.routing.types import Drop, Source, Status


@dataclass(frozen=True)
class Agent:
    """A possible owner. `open_tickets` are those that routing counts, of all types (R-ROUTE-7).

    `held` is what their limit counts, in points where the account `weighs` tickets; of limits by type, the one nearest to
    being reached. By hand it may be exceeded (R-CAP-7, R-CAP-10).
    """

    user_id: int
    name: str
    is_available: bool
    open_tickets: int
    held: int = 0
    limit: int | None = None
    weighs: bool = False

    @property
    def is_full(self) -> bool:
        return Hold(self.held, self.limit).is_full


# Deltas not folded yet are added and tickets grown too old are left out, so the figures are of this moment. Of limits by
# type the one that is nearest to being reached is shown, and what is held of that type.
_LOADS = """
with counts as (
    select user_id, ticket_type, sum(n) as n, sum(held) as held, sum(held_points) as held_points from (
        select user_id, ticket_type, n, held, held_points from routing_agentload where account_id = %(account)s {only}
        union all select user_id, ticket_type, change, held, held_points from routing_loaddelta where account_id = %(account)s {only}
        union all select user_id, ticket_type, -coalesce(load_until < %(now)s, false)::int,
            -coalesce(held_until < %(now)s, false)::int, -coalesce(held_until < %(now)s, false)::int * points
            from routing_ticketload where account_id = %(account)s and ticket_type = any(%(types)s)
              and (load_until < %(now)s or held_until < %(now)s) {only}
    ) x group by user_id, ticket_type
), loads as (
    select user_id, sum(n)::int as n,
        sum(case when s.weighs then held_points else held end)::int as total,
        coalesce(sum(case when s.weighs then held_points else held end) filter (where ticket_type = 'CALL'), 0)::int as call,
        coalesce(sum(case when s.weighs then held_points else held end) filter (where ticket_type = 'MESSAGE'), 0)::int as message,
        coalesce(sum(case when s.weighs then held_points else held end) filter (where ticket_type = 'EMAIL_OTHER'), 0)::int
            as email_other
    from counts left join routing_routingsettings s on s.account_id = %(account)s and {in_plan} group by user_id
)
"""
_HOLDING = f"""
left join loads l on l.user_id = m.user_id
left join routing_capacity c on c.account_id = m.account_id and c.user_id = m.user_id and {IN_PLAN}
cross join lateral (
    select x.held, x.most from (
        select coalesce(l.total, 0) as held, case when c.measure = 'TOTAL' then c.total end as most, 1 as place
        union all select coalesce(l.call, 0), c.call, 2 where c.measure = 'BY_TYPE' and c.call is not null
        union all select coalesce(l.message, 0), c.message, 3 where c.measure = 'BY_TYPE' and c.message is not null
        union all select coalesce(l.email_other, 0), c.email_other, 4 where c.measure = 'BY_TYPE' and c.email_other is not null
    ) x order by x.most is null, x.most - x.held, x.place limit 1
) nearest
"""

_AGENTS = f"""
{_LOADS.format(only="", in_plan=IN_PLAN)}
select m.user_id, u.name, a.status, a.until, coalesce(l.n, 0), nearest.held, nearest.most,
    coalesce((select weighs from routing_routingsettings where account_id = %(account)s and {IN_PLAN}), false),
    m.is_super_admin, m.has_seat, r.permissions::text
from accounts_membership m
join accounts_user u on u.id = m.user_id and u.is_active
left join accounts_role r on r.account_id = m.account_id and r.id = m.role_id
left join routing_availability a on a.account_id = m.account_id and a.user_id = m.user_id
{_HOLDING}
where m.account_id = %(account)s and m.is_active
order by u.sort_key, u.name, m.user_id
"""


def agents_with_state(account_id: int, now: datetime | None = None) -> list[Agent]:
    """Return the active members who may see tickets, by name (R-DM-9).

    One query, and four more when an edge has passed unnoticed.
    """
    now = now or clock.now()
    found = sql.rows(_AGENTS, {"account": account_id, "types": loads.TYPES, "now": now})
    found = [row[:8] for row in found if _sees_tickets(account_id, row[0], *row[8:])]
    stale = [user_id for user_id, _, _, until, *_ in found if until is not None and until <= now]
    fresh = availability.states(account_id, stale, now) if stale else {}
    return [
        Agent(
            user_id, name, (fresh[user_id].status if user_id in fresh else status) == Status.AVAILABLE, count, held, limit, weighs
        )
        for user_id, name, status, _, count, held, limit, weighs in found
    ]  # fmt: skip


_OWN = f"""
{_LOADS.format(only="and user_id = %(user)s", in_plan=IN_PLAN)}
select nearest.held, nearest.most from accounts_membership m {_HOLDING}
where m.account_id = %(account)s and m.user_id = %(user)s
"""


def own_hold(account_id: int, user_id: int, now: datetime | None = None) -> Hold:
    """What somebody holds and may hold, as `Agent` says it (R-CAP-10). One query."""
    facts = {"account": account_id, "user": user_id, "types": loads.TYPES, "now": now or clock.now()}
    found = sql.row(_OWN, facts)
    return Hold(*found) if found else Hold(0, None)


def is_available(account_id: int, user_id: int, now: datetime | None = None) -> bool:
    state = availability.states(account_id, [user_id], now or clock.now())[user_id]
    return state.status is Status.AVAILABLE


def may_own(account_id: int, user_id: int) -> bool:
    """Whether tickets may be given to this user by hand (R-DM-9)."""
    return any(agent.user_id == user_id for agent in agents_with_state(account_id))


def _sees_tickets(
    account_id: int, user_id: int, is_super_admin: bool, has_seat: bool, stored: str | None
) -> bool:
    viewer = Viewer(account_id, user_id, is_super_admin, has_seat, _permissions(stored or "{}"))
    return policy.reaches_any(viewer, "ticket")


@lru_cache(maxsize=256)
def _permissions(stored: str) -> Permissions:
    return permissions.parse(json.loads(stored))


@dataclass(frozen=True)
class OwnStatus:
    """What people see of their own status. `set_by` tells of a colleague who set it, while that holds (R-AVAIL-11)."""

    is_available: bool
    set_by: SetBy | None = None


@dataclass(frozen=True)
class SetBy:
    """Who changed somebody else's status, when, and what it was before."""

    name: str
    at: datetime
    change_id: int
    was_available: bool


_SET_BY = """
select u.name, c.at, c.id, c.from_status = %s, c.source, c.actor_kind = %s and c.actor_id <> c.user_id
from routing_availabilitychange c left join accounts_user u on u.id = c.actor_id
where c.account_id = %s and c.user_id = %s order by c.at desc, c.id desc limit 1
"""


def own_status(account_id: int, user_id: int, now: datetime | None = None) -> OwnStatus:
    """One query, and a second one for a status that people set, by hand or with an absence."""
    state = availability.states(account_id, [user_id], now or clock.now())[user_id]
    is_available = state.status is Status.AVAILABLE
    if state.source not in (Source.MANUAL, Source.OUT_OF_OFFICE):
        return OwnStatus(is_available)
    last = sql.row(_SET_BY, [Status.AVAILABLE, ActorKind.USER, account_id, user_id])
    if last is None or last[4] != state.source or not last[5]:
        return OwnStatus(is_available)
    return OwnStatus(is_available, SetBy(last[0] or "", *last[1:4]))


@dataclass(frozen=True)
class Standing:
    """Somebody's status as it stands. `until` None: no edge within a year; `way` names how somebody is away."""

    status: Status = Status.AWAY
    source: Source = Source.NONE
    until: datetime | None = None
    away_state_id: int | None = None
    way: str = ""
    note: str = ""


def standings(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, Standing]:
    """The status of each, until when, and why. Two queries, three more when some edge has passed unnoticed."""
    states, ends = availability.states_and_ends(account_id, user_ids, now)
    ways = away_states.names(account_id)
    return {
        user_id: Standing(
            state.status, state.source, ends.get(user_id), state.away_state_id, ways.get(state.away_state_id or 0, ""),
            state.note,
        )
        for user_id, state in states.items()
    }  # fmt: skip


@dataclass(frozen=True)
class DayPlan:
    """Somebody's day: when they work, when they are out of office, and when their status is next another one."""

    has_hours: bool
    work: tuple[Interval, ...]
    away: tuple[Interval, ...]
    changes_at: datetime | None

    @property
    def there(self) -> tuple[Interval, ...]:
        """The work without the absences."""
        return tuple(_without(self.work, self.away))


def day_plans(
    account_id: int, user_ids: Collection[int], start: datetime, end: datetime, now: datetime
) -> dict[int, DayPlan]:
    """The time from `start` to `end` as hours and absences have it (R-AVAIL-13). Four queries at most."""
    plans = {}
    for user_id, facts in availability.facts_of(account_id, user_ids).items():
        work = calendars.open_between(facts.hours, start, end) if facts.hours else ()
        away = [(max(one.start, start), min(one.end, end)) for one in facts.absences]
        shown = tuple((opened, closed) for opened, closed in away if opened < closed)
        plans[user_id] = DayPlan(facts.hours is not None, tuple(work), shown, edges.next_change(facts, now))
    return plans


def _without(work: Sequence[Interval], away: Sequence[Interval]) -> Iterator[Interval]:
    for opened, closed in work:
        for start, end in sorted(away):
            if start < closed and end > opened:
                if opened < start:
                    yield opened, start
                opened = max(opened, end)
        if opened < closed:
            yield opened, closed


def absences(account_id: int, user_id: int, now: datetime) -> list[OutOfOffice]:
    """The absences that run or are to come, the next one first."""
    own = OutOfOffice.objects.filter(account_id=account_id, user_id=user_id, ends_at__gt=now)
    return list(own.order_by("starts_at", "id"))


def changes(
    account_id: int, user_id: int, *, before: int | None = None, limit: int
) -> list[AvailabilityChange]:
    """What changed, newest first (R-AVAIL-18); `before` is the id of the last one seen."""
    own = AvailabilityChange.objects.filter(account_id=account_id, user_id=user_id)
    last = own.filter(pk=before).first() if before else None
    if before and last is None:
        return []
    if last is not None:
        own = own.filter(Q(at__lt=last.at) | Q(at=last.at, pk__lt=last.pk))
    return list(own.order_by("-at", "-id")[:limit])


def rule_for(account_id: int, channel_account_id: int) -> RoutingRule | None:
    return RoutingRule.objects.filter(account_id=account_id, channel_account_id=channel_account_id).first()


_DELETED_TEAMS = """
select r.channel_account_id, count(distinct x.team_id)
from routing_routingrule r cross join unnest(r.team_ids || r.fallback_team_ids) x(team_id)
where r.account_id = %s and r.channel_account_id = any(%s)
  and not exists (select 1 from accounts_team t where t.account_id = r.account_id and t.id = x.team_id)
group by 1
"""


def deleted_teams(account_id: int, channel_account_ids: Collection[int]) -> dict[int, int]:
    """How many teams each channel's rule names that are not there any more; without those that name none (R-TEAM-5)."""
    return dict(sql.rows(_DELETED_TEAMS, [account_id, sorted(channel_account_ids)]))


def channels_naming_team(account_id: int, team_id: int) -> list[int]:
    """The channel accounts whose rules name the team, in the rule itself or as its fallback (R-TEAM-5)."""
    named = Q(team_ids__contains=[team_id]) | Q(fallback_team_ids__contains=[team_id])
    found = RoutingRule.objects.filter(named, account_id=account_id)
    return list(found.values_list("channel_account_id", flat=True))


def unfit(account_id: int, user_ids: Collection[int], now: datetime | None = None) -> dict[int, Drop]:
    """Who of these users can't be routed to at all, and why: not to be chosen, or marked in a rule (R-ROUTE-14)."""
    roster = rosters.read(account_id, user_ids, (), now or clock.now())
    people = [roster.person(user_id) for user_id in user_ids]
    return dict(strategies.sift(people, only_available=False).dropped)


def selectable_teams(account_id: int) -> list[Team]:
    """Teams with at least one active member who has a seat (R-ROUTE-19), by name."""
    return list(
        Team.objects.raw(
            "select distinct t.* from accounts_team t"
            " join accounts_teammember tm on tm.account_id = t.account_id and tm.team_id = t.id"
            " join accounts_membership m on m.account_id = t.account_id and m.user_id = tm.user_id"
            " join accounts_user u on u.id = m.user_id"
            " where t.account_id = %s and m.has_seat and m.is_active and u.is_active order by t.name, t.id",
            [account_id],
        )
    )


def decision_for_ticket(account_id: int, ticket_id: int) -> Decision | None:
    """The newest decision about the ticket."""
    found = Decision.objects.select_related("batch__roster")
    return found.filter(account_id=account_id, ticket_id=ticket_id).order_by("-id").first()

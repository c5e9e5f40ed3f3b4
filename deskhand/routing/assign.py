"""Routing a batch of tickets: rules, lock, roster and loads in; owners or teams with kept decisions out.

The caller writes owners and events. Whoever holds the lock of a ticket type is alone with its loads until commit,
so two tickets that arrive at once never see the same load (R-ROUTE-26).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from deskhand.crm.schema.defaults import AGENT_STATUS, ESCALATED
from deskhand.kernel import calendars
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.routing import (
    agents,
    availability,
    capacity,
    hours,
    landing,
    loads,
    rosters,
    skill_rules,
    waiting,
    waitmarks,
)
from deskhand.routing.decision import Batch, Cycle, Draft, Rule, Turns, content_key
from deskhand.routing.models import RoutingRule
from deskhand.routing.simulating import Office
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import (
    Asked,
    Assignment,
    Drop,
    Measure,
    NewTicket,
    Option,
    Reason,
    Reroute,
    Roster,
    Strategy,
)

_dice = random.SystemRandom()


def route(
    account_id: int,
    tickets: Sequence[NewTicket],
    now: datetime,
    *,
    after_workflows: bool | None = False,
    is_retry: bool = False,
    seed: int | None = None,
) -> list[Assignment]:
    """Decide who gets each ticket, in order, and keep the decisions; one answer per ticket that is routed now.

    Left out are spam, archived, merged and missing tickets, and those whose rule routes at another moment than
    `after_workflows` says (None: any). A retry leaves out, and keeps no decision of, those that nobody gets again.
    A ticket with an owner keeps it (R-ROUTE-71), unless it leaves somebody who owns it still and is still not there:
    then those are asked who are available, and who owns it keeps it when nobody can take it (R-ROUTE-54). New tickets
    and leaving ones go in calls of their own. Assignments without user and teams ask
    for no change. Call it as the last step of the transaction; the number of queries doesn't grow with the tickets.
    """
    if not tickets:
        return []
    with account_scope(account_id):
        rules = rules_of(account_id, {ticket.channel_account_id for ticket in tickets})
        due = [ticket for ticket in tickets if _is_due(rules, ticket, after_workflows)]
        locked = _lock_tickets(account_id, [ticket.ticket_id for ticket in due])
        due = [
            # Who waits waits for people.
            replace(ticket, is_handed_off=is_retry or locked[ticket.ticket_id].is_handed_off)
            for ticket in due
            if ticket.ticket_id in locked and _is_meant(rules, ticket, locked)
        ]
        due = waiting.still(account_id, due, now) if is_retry and due else due
        if not due:
            return []
        leaving = {ticket.ticket_id for ticket in due if ticket.leaving}
        # From who is away to nobody who is.
        if any(one.leaving and not one.leaving.is_reopened for one in due):
            rules = {channel: replace(rule, only_available=True) for channel, rule in rules.items()}
        has_owner = frozenset(pk for pk, one in locked.items() if one.owner_id and pk not in leaving)
        to_pick = [t for t in due if _may_pick(rules, t) and t.ticket_id not in has_owner]
        binding = capacity.binding(account_id) if to_pick else capacity.Binding(False, False, False)
        kinds = {ticket.ticket_type for ticket in to_pick}
        kinds = set(loads.TYPES) if kinds and binding.has_totals else kinds
        loads.lock(account_id, kinds)
        to_pick = _with_facts(account_id, rules, to_pick, binding, now)
        batch = _prepare(account_id, rules, to_pick, has_owner, kinds, binding, now, seed)
        known = {ticket.ticket_id: ticket for ticket in to_pick}
        due = [known.get(one.ticket_id, one) for one in due if not _is_back(batch.roster, one)]
        if is_retry:
            due = _land(account_id, batch, due, binding, now)
        return _decide_and_keep(account_id, batch, due, now, is_retry) if due else []


def _is_due(rules: dict[int, Rule], ticket: NewTicket, after_workflows: bool | None) -> bool:
    rule = rules.get(ticket.channel_account_id or 0)
    return after_workflows in (None, rule is not None and rule.after_workflows)


def _may_pick(rules: dict[int, Rule], ticket: NewTicket) -> bool:
    rule = rules.get(ticket.channel_account_id or 0)
    return rule is not None and rule.may_pick


def _is_meant(rules: dict[int, Rule], ticket: NewTicket, locked: Mapping[int, _Locked]) -> bool:
    """A ticket that leaves somebody is open, theirs, and of a rule that names people and wants it so, if it is asked."""
    if ticket.leaving is None:
        return True
    owner_id, is_closed, _is_handed_off = locked[ticket.ticket_id]
    rule = rules.get(ticket.channel_account_id or 0)
    return (
        owner_id == ticket.leaving.user_id
        and not is_closed
        and rule is not None
        and rule.may_pick
        and (ticket.leaving.is_reopened or rule.reroute is not Reroute.NEVER)
    )


def _is_back(roster: Roster, ticket: NewTicket) -> bool:
    """Whom the ticket leaves is there again, or can own it again, now that the locks are held."""
    if ticket.leaving is None:
        return False
    person = roster.person(ticket.leaving.user_id)
    if ticket.leaving.is_reopened:
        return person.can_own
    return person.is_member and person.is_active and person.is_available


# -- Reading ------------------------------------------------------------------------------------------------------


def rules_of(account_id: int, channel_account_ids: Iterable[int | None]) -> dict[int, Rule]:
    """The rules of these channel accounts as values, by channel account. Two queries."""
    wanted = [channel for channel in channel_account_ids if channel is not None]
    found = RoutingRule.objects.filter(account_id=account_id, channel_account_id__in=wanted) if wanted else []
    deep = {
        team for row in found if row.include_nested_teams for team in (*row.team_ids, *row.fallback_team_ids)
    }
    nested = rosters.nested(account_id, deep)
    return {row.channel_account_id: _rule_value(row, nested) for row in found}


def _rule_value(row: RoutingRule, nested: Mapping[int, Sequence[int]]) -> Rule:
    def teams(chosen: Sequence[int]) -> tuple[int, ...]:
        return rosters.with_nested(chosen, nested if row.include_nested_teams else {})

    return Rule(
        row.pk, row.channel_account_id, Option(row.option), Strategy(row.strategy), row.only_available, tuple(row.user_ids),
        teams(row.team_ids), row.include_extra_members, tuple(row.fallback_user_ids), teams(row.fallback_team_ids),
        row.after_workflows, row.wait_list, row.landing_minutes, Reroute(row.reroute), row.skill_rule_set_id, row.sticky_hours, row.agent_key, hours.of_rule(row),
    )  # fmt: skip


class _Locked(NamedTuple):
    """A ticket as it stands under the lock."""

    owner_id: int | None
    is_closed: bool
    is_handed_off: bool  # by an automatic agent, and so people's from now on (R-AI-14)


# In id order, as everywhere; nobody may give these tickets an owner until this transaction ends. What an automatic agent
# answers is nobody else's to route.
_LOCK_TICKETS = f"""
select id, owner_id, is_closed, coalesce(properties->>'{AGENT_STATUS}' = '{ESCALATED}', false) from crm_ticket
where account_id = %s and id = any(%s) and not is_spam and archived_at is null and merged_into_id is null and ai_agent = ''
order by id for no key update
"""


def _lock_tickets(account_id: int, ticket_ids: Collection[int]) -> dict[int, _Locked]:
    """Lock the tickets that can be routed; say of each who owns it, and whether it is closed."""
    if not ticket_ids:
        return {}
    found = sql.rows(_LOCK_TICKETS, [account_id, sorted(ticket_ids)])
    return {ticket_id: _Locked(*facts) for ticket_id, *facts in found}


_LAST_OWNERS = """
select x.ticket_id, last.owner_id
from unnest(%(tickets)s::bigint[], %(hours)s::int[]) x(ticket_id, hours)
join crm_ticket t on t.account_id = %(account)s and t.id = x.ticket_id and t.contact_id is not null
cross join lateral (
    select o.owner_id from crm_ticket o
    where o.account_id = t.account_id and o.contact_id = t.contact_id and o.id <> t.id and o.owner_id is not null
      and o.archived_at is null and not o.is_spam and o.sort_at >= %(now)s - make_interval(hours => x.hours)
    order by o.sort_at desc limit 1
) last
"""


def _with_facts(
    account_id: int,
    rules: Mapping[int, Rule],
    tickets: Sequence[NewTicket],
    binding: capacity.Binding,
    now: datetime,
) -> list[NewTicket]:
    """What some rules ask about tickets besides: what they are worth, and who had to do with their contacts last."""
    tickets = capacity.weighed(account_id, tickets) if binding.weighs else tickets
    found = {ticket.ticket_id: ticket for ticket in tickets}
    hours = {
        ticket.ticket_id: rules[ticket.channel_account_id or 0].sticky_hours
        for ticket in tickets
        if ticket.leaving is None and rules[ticket.channel_account_id or 0].sticky_hours
    }
    if hours:
        facts = {"account": account_id, "tickets": list(hours), "hours": list(hours.values()), "now": now}
        for ticket_id, owner_id in sql.rows(_LAST_OWNERS, facts):
            found[ticket_id] = replace(found[ticket_id], last_owner_id=owner_id)
    return list(found.values())


def _prepare(
    account_id: int,
    rules: dict[int, Rule],
    to_pick: Sequence[NewTicket],
    owned: frozenset[int],
    kinds: Collection[str],
    binding: capacity.Binding,
    now: datetime,
    seed: int | None,
) -> Batch:
    """Read all that the decisions need. The locks are held already, so what is read stays true."""
    picking = {rule.id: rule for rule in (rules[ticket.channel_account_id or 0] for ticket in to_pick)}
    asked = _asked(account_id, rules, to_pick, now)
    roster = _roster(account_id, rules, picking, to_pick, asked, now)
    ledgers: dict[str, Ledger] = {}
    room = Room()
    if kinds:
        loads.fold(account_id, kinds, now)
        ledgers, held = loads.ledgers(account_id, kinds, roster.people, now, weighs=binding.weighs)
        room = capacity.room(account_id, roster.people, held, now)
    turning = [rule.id for rule in picking.values() if rule.strategy is Strategy.ROUND_ROBIN]
    seed = _dice.getrandbits(62) if seed is None else seed
    return Batch(
        rules, roster, ledgers, room, _served(account_id, turning), seed, owned, asked, _closed(rules, now), frozenset(agents.known),
        weighs=binding.weighs,
    )  # fmt: skip


def _roster(
    account_id: int,
    rules: Mapping[int, Rule],
    picking: Mapping[int, Rule],
    to_pick: Sequence[NewTicket],
    asked: Mapping[int, Asked],
    now: datetime,
) -> Roster:
    owners = {ticket.contact_owner_id for ticket in to_pick if ticket.contact_owner_id is not None}
    owners = owners if any(rule.option is Option.CONTACT_OWNER for rule in picking.values()) else set()
    owners |= {ticket.leaving.user_id for ticket in to_pick if ticket.leaving}
    owners |= {ticket.last_owner_id for ticket in to_pick if ticket.last_owner_id is not None}
    owners |= {ticket.kept_for for ticket in to_pick if ticket.kept_for is not None}
    # Whose channel is closed now picks nobody, but asks for the teams of its users.
    return _read_roster(account_id, rules, owners, asked.values(), now)


def _read_roster(
    account_id: int,
    rules: Mapping[int, Rule],
    users: Collection[int],
    asked: Iterable[Asked],
    now: datetime,
) -> Roster:
    """All whom these rules and what is asked of tickets name, and these users."""
    named = {user_id for rule in rules.values() for user_id in (*rule.user_ids, *rule.fallback_user_ids)}
    able = {user_id for one in asked for user_id in (*one.user_ids, *one.relaxed_user_ids)}
    teams = {team_id for rule in rules.values() for team_id in (*rule.team_ids, *rule.fallback_team_ids)}
    return rosters.read(account_id, {*users, *named, *able}, teams, now)


def _closed(rules: Mapping[int, Rule], now: datetime) -> frozenset[int]:
    """The rules whose channels are closed now."""
    return frozenset(
        rule.id for rule in rules.values() if rule.hours and not calendars.is_open(rule.hours, now)
    )


def _asked(
    account_id: int, rules: Mapping[int, Rule], tickets: Sequence[NewTicket], now: datetime
) -> dict[int, Asked]:
    """What skill rules ask of these tickets (R-SKILL-10); those that leave somebody are asked of again."""
    by_set: dict[int, list[int]] = defaultdict(list)
    for ticket in tickets:
        rule_set = rules[ticket.channel_account_id or 0].skill_rule_set_id
        if rule_set is not None:
            by_set[rule_set].append(ticket.ticket_id)
    return skill_rules.asked(account_id, by_set, now) if by_set else {}


def office(
    account_id: int,
    rules: Mapping[int, Rule],
    now: datetime,
    owners: Iterable[int] = (),
    asked: Iterable[Asked] = (),
) -> Office:
    """What the simulator walks through: these rules, whom they and the tickets name, and how much each may be given."""
    roster = _read_roster(account_id, rules, set(owners), asked, now)
    facts = availability.facts_of(account_id, roster.people)
    return Office(rules, roster, facts, capacity.terms_of(account_id, roster.people, now))


def foresee(
    account_id: int, channel_account_id: int, now: datetime, ticket_type: str = loads.MAIL
) -> tuple[Draft, Ledger, Room, bool]:
    """What would become of a new ticket of this type at this moment, with the loads it was decided by and whether tickets
    are weighed (R-ROUTE-70).

    Nothing is locked, kept or counted; the contact is one without an owner and without a past, the ticket asks for no
    skills. The number of queries is fixed.
    """
    with account_scope(account_id):
        rules = rules_of(account_id, [channel_account_id])
        picking = {rule.id: rule for rule in rules.values()}
        roster = _roster(account_id, rules, picking, (), {}, now)
        weighs = capacity.binding(account_id).weighs
        ledgers, held = loads.present(account_id, roster.people, now, weighs=weighs)
        room = capacity.room(account_id, roster.people, held, now)
        shown = ledgers[ticket_type].copy(), room.copy()
        served = _read_cycles(account_id, list(picking), is_locked=False)
        batch = Batch(
            rules, roster, ledgers, room, served, _dice.getrandbits(62), closed=_closed(rules, now), agents=frozenset(agents.known),
            weighs=weighs,
        )  # fmt: skip
        points = (
            capacity.settings_of(account_id).points(ticket_type, channel_account_id, None) if weighs else 1
        )
        [draft] = batch.decide([(NewTicket(0, channel_account_id, ticket_type, points=points), 0)])
        return draft, *shown, weighs


def _served(account_id: int, rule_ids: Sequence[int]) -> dict[Cycle, Turns]:
    """The cycles of the rules, locked: two types of ticket may share a rule."""
    return _read_cycles(account_id, rule_ids, is_locked=True) if rule_ids else {}


def _read_cycles(account_id: int, rule_ids: Sequence[int], *, is_locked: bool) -> dict[Cycle, Turns]:
    found = sql.rows(
        "select rule_id, step, served_user_ids, number from routing_roundrobinstate"
        f" where account_id = %s and rule_id = any(%s) order by rule_id, step {'for update' if is_locked else ''}",
        [account_id, sorted(rule_ids)],
    )
    return {(rule_id, step): (served, number) for rule_id, step, served, number in found}


# -- Soft landing -------------------------------------------------------------------------------------------------


def _land(
    account_id: int, batch: Batch, due: Sequence[NewTicket], binding: capacity.Binding, now: datetime
) -> list[NewTicket]:
    """Deal out what waits where a rule wants so; keep what falls to who is still to come, and return the rest.

    Without anybody to come, or with a single ticket, there is nothing to deal. Six queries at most where a rule wants it.
    """
    found = list(due)
    for rule in batch.rules.values():
        own = [one for one in found if one.channel_account_id == rule.channel_account_id]
        free = {one.ticket_id: one for one in own if one.may_be_kept and one.kept_for is None}
        if not rule.lands or rule.id in batch.closed or len(free) < 2:
            continue
        until = now + timedelta(minutes=rule.landing_minutes)
        away = batch.away(rule, free.values())
        expected = landing.coming(availability.facts_of(account_id, away), now, until) if away else ()
        if not expected:
            continue
        own_ids = {one.ticket_id for one in own}
        kept = [one for one in waiting.kept(account_id, expected, now) if one.ticket_id not in own_ids]
        kept = capacity.weighed(account_id, kept) if binding.weighs and kept else kept
        dealt = landing.deal(batch, rule, own, expected, kept)
        to_keep = {pk: dealt[pk] for pk in free if dealt.get(pk) in expected}
        waiting.keep(account_id, rule.channel_account_id, to_keep, until + landing.LATE)
        found = [
            replace(one, kept_for=dealt.get(one.ticket_id)) if one.ticket_id in free else one
            for one in found
            if one.ticket_id not in to_keep
        ]
    return found


# -- Deciding and keeping -----------------------------------------------------------------------------------------


def _decide_and_keep(
    account_id: int, batch: Batch, due: Sequence[NewTicket], now: datetime, is_retry: bool
) -> list[Assignment]:
    """Ids are drawn under the lock, so a later decision has a greater one: it is the turn."""
    before = Start.of(batch)
    ids = sql.ids("routing_decision", len(due))
    drafts = batch.decide(zip(due, ids, strict=True))
    picked = [draft for draft in drafts if draft.reason is Reason.ASSIGNED]
    waits = {draft.ticket.ticket_id: _targets(draft) for draft in drafts if _waits(batch, draft)}
    if not is_retry:
        waiting.add(account_id, list(waits), now, turn=ids[0])
    waitmarks.mark(account_id, waits, now)
    drafts = [draft for draft in drafts if draft.user_id is not None or not (is_retry or _is_told(draft))]
    if not drafts:
        return []
    keep_decisions(account_id, batch, before, drafts, now)
    _keep_cycles(account_id, batch.cycles())
    loads.count_picks(
        account_id,
        [
            (d.ticket.ticket_id, d.user_id, d.ticket.ticket_type, d.turn)
            for d in picked
            if d.user_id is not None
        ],
        now,
    )
    return [
        Assignment(
            draft.ticket.ticket_id, draft.user_id, draft.team_ids, draft.turn, draft.reason, draft.rule_id, draft.agent_key,
            _offline_owner(draft),
        )
        for draft in drafts
    ]  # fmt: skip


def _offline_owner(draft: Draft) -> int | None:
    """R-ROUTE-62"""
    dropped = [one for pool in draft.pools if pool.is_contact_owner for one in pool.sifted.dropped]
    return next((user_id for user_id, drop in dropped if drop is Drop.AWAY), None)


def _waits(batch: Batch, draft: Draft) -> bool:
    """R-ROUTE-53: there are people in the rule, and none could take it."""
    rule = batch.rules.get(draft.ticket.channel_account_id or 0)
    is_kept = draft.ticket.leaving is not None
    return rule is not None and rule.wait_list and not is_kept and draft.reason is Reason.ALL_DROPPED


def _targets(draft: Draft) -> list[int]:
    """Who gets it when they come or have room (R-ROUTE-52)."""
    sifted = [pool.sifted for pool in draft.pools]
    away = (user_id for one in sifted for user_id, drop in one.dropped if drop is Drop.AWAY)
    return sorted({*away, *(user_id for one in sifted for user_id in one.eligible)})


def _is_told(draft: Draft) -> bool:
    return draft.ticket.leaving is not None and draft.ticket.leaving.is_told


@dataclass(frozen=True)
class Start:
    """What a batch starts from, before it moves on."""

    ledgers: Mapping[str, Ledger]
    room: Room

    @classmethod
    def of(cls, batch: Batch) -> Start:
        return cls({kind: ledger.copy() for kind, ledger in batch.ledgers.items()}, batch.room.copy())


def keep_decisions(
    account_id: int, batch: Batch, before: Start, drafts: Sequence[Draft], now: datetime
) -> None:
    """Write them with all that makes the choice again: pools, loads and limits `before`, and whose turn it was."""
    chose = [draft for draft in drafts if draft.pools]
    vectors = {kind: _vector(kind, chose) for kind in sorted({draft.ticket.ticket_type for draft in chose})}
    vectors = {kind: users for kind, users in vectors.items() if users}
    contents = {pool.key: pool.content for draft in drafts for pool in draft.pools}
    rosters_of = {kind: {"users": users} for kind, users in vectors.items()}
    keys = {kind: content_key(content) for kind, content in rosters_of.items()}
    contents |= {keys[kind]: partial(dict, content) for kind, content in rosters_of.items()}
    snapshots = _keep_snapshots(account_id, contents, now)
    batch_ids = dict(zip(vectors, sql.ids("routing_routingbatch", len(vectors)), strict=True))
    tried = {(draft.rule_id or 0, pool.cycle) for draft in chose for pool in draft.pools}
    turns = {
        f"{rule}:{cycle}": facts for (rule, cycle), facts in batch.served.items() if (rule, cycle) in tried
    }
    served = {key: list(users) for key, (users, _) in turns.items()}
    cycles = {key: number for key, (_, number) in turns.items() if number}
    if vectors:
        call = min(batch_ids.values())
        _insert_batches(account_id, [
            (
                batch_ids[kind], kind, now, batch.seed, snapshots[keys[kind]], sql.Jsonb(served), sql.Jsonb(cycles), call,
                batch.weighs, *_standings(before, kind, users),
            )
            for kind, users in vectors.items()
        ])  # fmt: skip
    _insert_decisions(account_id, drafts, batch_ids, snapshots, now)


def _standings(before: Start, kind: str, users: Sequence[int]) -> Iterator[str]:
    """Loads, turns, what is held, limits, measures and shares of the users, each as an array."""
    ledger, room = before.ledgers.get(kind, Ledger()), before.room
    yield _array(ledger.standing(user_id)[0] for user_id in users)
    yield _array(ledger.standing(user_id)[1] for user_id in users)
    if not room.terms:
        yield from ["{}"] * 4
        return
    standings = [room.standing(user_id, kind) for user_id in users]
    yield _array(held for held, _ in standings)
    yield _array(-1 if limit is None else limit for _, limit in standings)
    yield _array(int(room.of(user_id).measure is Measure.TOTAL) for user_id in users)
    yield _array(room.of(user_id).share for user_id in users)


def _vector(ticket_type: str, chose: Sequence[Draft]) -> list[int]:
    """The users whose loads and limits could matter for the decisions about this type."""
    pools = {
        pool.key: pool for draft in chose if draft.ticket.ticket_type == ticket_type for pool in draft.pools
    }.values()
    return sorted({user_id for pool in pools for user_id in pool.sifted.eligible})


def _array(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL writes it: unnest would take arrays of arrays apart."""
    return "{" + ",".join(map(str, numbers)) + "}"


_INSERT_SNAPSHOTS = """
insert into routing_rostersnapshot (account_id, hash, content, created_at)
select %s, x.hash, x.content, %s from unnest(%s::text[], %s::jsonb[]) x(hash, content) order by x.hash
on conflict (account_id, hash) do nothing
"""


def _keep_snapshots(
    account_id: int, contents: Mapping[str, Callable[[], dict[str, Any]]], now: datetime
) -> dict[str, int]:
    """Store each content once, ever; return its id by key. Contents that are known are not built."""
    if not contents:
        return {}
    find = "select hash, id from routing_rostersnapshot where account_id = %s and hash = any(%s)"
    known: dict[str, int] = dict(sql.rows(find, [account_id, list(contents)]))
    new = [key for key in contents if key not in known]
    if new:
        sql.execute(_INSERT_SNAPSHOTS, [account_id, now, new, [sql.Jsonb(contents[key]()) for key in new]])
        known |= dict(sql.rows(find, [account_id, new]))
    return known


_INSERT_BATCHES = """
insert into routing_routingbatch (account_id, id, ticket_type, at, seed, roster_id, served, cycles, call, weighs, loads, turns,
    held, limits, measures, shares)
select %s, x.id, x.kind, x.at, x.seed, x.roster, x.served, x.cycles, x.call, x.weighs, x.loads::int[], x.turns::bigint[],
    x.held::int[], x.limits::int[], x.measures::smallint[], x.shares::smallint[]
from unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::jsonb[], %s::jsonb[], %s::bigint[],
            %s::boolean[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    x(id, kind, at, seed, roster, served, cycles, call, weighs, loads, turns, held, limits, measures, shares)
"""

_INSERT_DECISIONS = """
insert into routing_decision (account_id, at, id, ticket_id, channel_account_id, rule_id, reason, user_id, team_ids,
    left_user_id, left_because, batch_id, position, points, cycle, snapshot_ids)
select %s, %s, x.id, x.ticket, x.channel, x.rule, x.reason, x.owner, x.teams::bigint[], x.leaves, x.because, x.batch,
    x.position, x.points, x.cycle, x.snapshots::bigint[]
from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::bigint[],
            %s::text[], %s::bigint[], %s::int[], %s::int[], %s::bigint[], %s::text[])
    x(id, ticket, channel, rule, reason, owner, teams, leaves, because, batch, position, points, cycle, snapshots)
"""


def _insert_batches(account_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    sql.execute(_INSERT_BATCHES, [account_id, *(list(column) for column in zip(*rows, strict=True))])


def _insert_decisions(
    account_id: int,
    drafts: Sequence[Draft],
    batch_ids: dict[str, int],
    snapshots: dict[str, int],
    now: datetime,
) -> None:
    rows = []
    for position, draft in enumerate(drafts):
        batch_id = batch_ids.get(draft.ticket.ticket_type) if draft.pools else None
        leaving = draft.ticket.leaving
        leaves, because = (leaving.user_id, leaving.because.value) if leaving else (None, "")
        rows.append((
            draft.turn, draft.ticket.ticket_id, draft.ticket.channel_account_id, draft.rule_id or None, draft.reason.value,
            draft.user_id, _array(draft.team_ids), leaves, because, batch_id, position, draft.ticket.points, draft.cycle,
            _array(snapshots[pool.key] for pool in draft.pools),
        ))  # fmt: skip
    sql.execute(_INSERT_DECISIONS, [account_id, now, *(list(column) for column in zip(*rows, strict=True))])


_KEEP_CYCLES = """
insert into routing_roundrobinstate (account_id, rule_id, step, served_user_ids, number)
select %s, x.rule, x.step, x.served::bigint[], x.number
from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[]) x(rule, step, served, number) order by x.rule, x.step
on conflict (account_id, rule_id, step) do update set served_user_ids = excluded.served_user_ids, number = excluded.number
"""


def _keep_cycles(account_id: int, cycles: Mapping[Cycle, tuple[Sequence[int], int]]) -> None:
    if not cycles:
        return
    rows = [(rule_id, step, _array(users), number) for (rule_id, step), (users, number) in cycles.items()]
    sql.execute(_KEEP_CYCLES, [account_id, *(list(column) for column in zip(*rows, strict=True))])

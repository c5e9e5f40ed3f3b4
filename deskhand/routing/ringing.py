"""Whom a call rings, for how long, and what the caller hears when nobody answers (R-ROUTE-90..96).

Deciding is pure; the telephone carries it out. It tells who is on a call already, since only it knows. Who answers
becomes the owner; the ticket of a call that nobody answered is routed as one that people were rung for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.kernel import calendars
from deskhand.routing import capacity, hours, loads, queries, rosters, strategies
from deskhand.routing.models import RoutingRule
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import Drop, Option, Person

CALL = loads.CALL


@dataclass(frozen=True)
class Ring:
    """These phones ring together for so many seconds."""

    user_ids: tuple[int, ...]
    seconds: int


@dataclass(frozen=True)
class Plan:
    """`rings` follow one another until somebody answers; then comes the voicemail, after `message` if there is one."""

    is_open: bool
    rings: tuple[Ring, ...] = ()
    dropped: tuple[tuple[int, Drop | None], ...] = ()  # None: is on a call
    message: str = ""


@dataclass(frozen=True)
class Ringing:
    """How people are rung, and what callers hear before they may leave a message (R-ROUTE-92..94)."""

    at_once: bool = False
    seconds: int = 20
    unanswered: str = ""
    closed: str = ""

    @classmethod
    def of(cls, rule: RoutingRule) -> Ringing:
        return cls(rule.ring_all, rule.ring_seconds, rule.unanswered_message, rule.closed_message)


def plan(
    way: Ringing,
    people: Sequence[Person],
    busy: Collection[int],
    ledger: Ledger,
    room: Room,
    *,
    is_open: bool,
) -> Plan:
    """Ring who is there and idle, the least loaded first, one after another or all at once (R-ROUTE-94)."""
    if not is_open:
        return Plan(False, message=way.closed)
    sifted = strategies.sift(people, only_available=True)
    idle = [user_id for user_id in sifted.eligible if user_id not in busy]
    able = [user_id for user_id in idle if room.fits(user_id, CALL, 1)]
    dropped = (
        *sifted.dropped,
        *((user_id, None) for user_id in sifted.eligible if user_id in busy),
        *((user_id, Drop.FULL) for user_id in idle if user_id not in able),
    )
    in_order = [one.user_id for one in strategies.in_order(strategies.candidates(able, ledger, room))]
    groups = [tuple(in_order)] if way.at_once else [(user_id,) for user_id in in_order]
    rings = tuple(Ring(group, way.seconds) for group in groups if group)
    return Plan(True, rings, dropped, way.unanswered)


def of_call(account_id: int, channel_account_id: int, busy: Collection[int], now: datetime) -> Plan:
    """The plan for a call that comes in now, by the channel's rule. A fixed number of queries; nothing is locked."""
    rule = queries.rule_for(account_id, channel_account_id) or RoutingRule()
    way = Ringing.of(rule)
    opens = hours.of_rule(rule)
    is_open = opens is None or calendars.is_open(opens, now)
    if not is_open or rule.option != Option.USERS_AND_TEAMS:
        return plan(way, (), (), Ledger(), Room(), is_open=is_open)
    deep = rosters.nested(account_id, rule.team_ids if rule.include_nested_teams else ())
    teams = rosters.with_nested(rule.team_ids, deep)
    roster = rosters.read(account_id, rule.user_ids, teams, now)
    people = roster.pool(rule.user_ids, teams, with_extra=rule.include_extra_members)
    weighs = capacity.binding(account_id).weighs
    ledgers, held = loads.present(account_id, roster.people, now, weighs=weighs)
    room = capacity.room(account_id, roster.people, held, now)
    return plan(way, people, busy, ledgers[CALL], room, is_open=True)

"""Giving records to people in turn, as a step of a workflow asks (R-ROT-1 … R-ROT-10).

Tickets are given by the same loads, filters and locks as routing gives them, and the decision is kept and explained
alike. Other records are given by how many of their kind people own; of those no decision is kept.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.crm.records.tables import of_this_type, table_of
from deskhand.kernel.database import sql
from deskhand.routing import assign, capacity, loads, rosters
from deskhand.routing.assign import Start
from deskhand.routing.decision import Batch, Draft, Rule, Turns
from deskhand.routing.models import Rotation
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import Drop, NewTicket, Option, Reason, Strategy

_dice = random.SystemRandom()
#: Stands for the channel and the rule that a rotation has not.
_NONE = 0


@dataclass(frozen=True)
class Targets:
    """Among whom, and how. `key` names the cycle of the turns; only main members of the teams count (R-ROT-5)."""

    key: str
    strategy: Strategy
    user_ids: tuple[int, ...] = ()
    team_ids: tuple[int, ...] = ()
    only_available: bool = False  # R-ROT-7


@dataclass(frozen=True)
class Turn:
    """Who gets a record; nobody leaves it as it is. `dropped` are those passed over, and why."""

    record_id: int
    user_id: int | None
    team_ids: tuple[int, ...]
    reason: Reason
    dropped: tuple[tuple[int, Drop], ...] = ()


def rotate(
    account_id: int,
    object_type: str,
    record_ids: Sequence[int],
    targets: Targets,
    now: datetime,
    *,
    keeps: bool = True,
    seed: int | None = None,
) -> list[Turn]:
    """Decide who gets each record, in order. The caller holds their rows and writes the owners.

    `keeps` the decisions of tickets, to be explained on them. The number of queries does not grow with the records.
    """
    if not record_ids:
        return []
    is_ticket = object_type == "ticket"
    kinds = _ticket_types(account_id, record_ids) if is_ticket else dict.fromkeys(record_ids, object_type)
    asked = [NewTicket(pk, None, kinds[pk]) for pk in record_ids if pk in kinds]
    binding = capacity.binding(account_id) if is_ticket else capacity.Binding(False, False, False)
    locked = set(loads.TYPES) if binding.has_totals else set(kinds.values())
    loads.lock(account_id, locked)
    asked = capacity.weighed(account_id, asked) if binding.weighs else asked
    batch = _prepare(account_id, object_type, locked, targets, binding, now, seed)
    before = Start.of(batch)
    drafts = batch.decide(zip(asked, sql.ids("routing_decision", len(asked)), strict=True))
    picked = [draft for draft in drafts if draft.user_id is not None]
    if is_ticket and keeps:
        assign.keep_decisions(account_id, batch, before, drafts, now)
        loads.count_picks(account_id, [(d.ticket.ticket_id, d.user_id, d.ticket.ticket_type, d.turn) for d in picked if d.user_id is not None], now)  # fmt: skip
    _keep_cycle(account_id, targets, batch)
    return [_turn(draft) for draft in drafts]


def _turn(draft: Draft) -> Turn:
    dropped = draft.pools[0].sifted.dropped if draft.pools else ()
    if draft.user_id is None and draft.pools:  # who could take it otherwise had no room
        dropped += tuple((user_id, Drop.FULL) for user_id in draft.pools[0].sifted.eligible)
    return Turn(
        draft.ticket.ticket_id, draft.user_id, draft.team_ids if draft.user_id else (), draft.reason, dropped
    )


def _ticket_types(account_id: int, record_ids: Sequence[int]) -> dict[int, str]:
    return dict(
        sql.rows(
            "select id, ticket_type from crm_ticket where account_id = %s and id = any(%s)",
            [account_id, list(record_ids)],
        )
    )


def _prepare(
    account_id: int,
    object_type: str,
    kinds: set[str],
    targets: Targets,
    binding: capacity.Binding,
    now: datetime,
    seed: int | None,
) -> Batch:
    """The locks are held already, so what is read stays true."""
    roster = rosters.read(account_id, targets.user_ids, targets.team_ids, now)
    if object_type == "ticket":
        loads.fold(account_id, kinds, now)
        ledgers, held = loads.ledgers(account_id, kinds, roster.people, now, weighs=binding.weighs)
        room = capacity.room(account_id, roster.people, held, now)  # R-ROT-6
    else:
        ledgers = {object_type: Ledger(_owned(account_id, object_type, list(roster.people)))}
        room = Room()
    rule = Rule(
        _NONE, _NONE, Option.USERS_AND_TEAMS, targets.strategy, targets.only_available, targets.user_ids, targets.team_ids
    )  # fmt: skip
    served = {(_NONE, 0): _served(account_id, targets)}
    seed = _dice.getrandbits(62) if seed is None else seed
    return Batch({_NONE: rule}, roster, ledgers, room, served, seed, weighs=binding.weighs)


def _owned(account_id: int, object_type: str, user_ids: list[int]) -> dict[int, int]:
    """How many open records of the kind each of them owns."""
    is_open = "" if object_type in ("contact", "company") else "and not t.is_closed"
    return dict(
        sql.rows(
            f"select t.owner_id, count(*)::int from {table_of(object_type)} t where t.account_id = %s and t.owner_id = any(%s)"
            f" and t.archived_at is null and {of_this_type(object_type)} {is_open} group by t.owner_id",
            [account_id, user_ids],
        )
    )


def _served(account_id: int, targets: Targets) -> Turns:
    if targets.strategy is not Strategy.ROUND_ROBIN:
        return (), 0
    found = sql.row(
        "select served_user_ids, number from routing_rotation where account_id = %s and key = %s for update",
        [account_id, targets.key],
    )
    return (found[0], found[1]) if found else ((), 0)


def _keep_cycle(account_id: int, targets: Targets, batch: Batch) -> None:
    for served, number in batch.cycles().values():
        Rotation.objects.update_or_create(
            account_id=account_id, key=targets.key, defaults={"served_user_ids": served, "number": number}
        )

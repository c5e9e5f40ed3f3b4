"""A kept decision made again from what is stored with it alone (R-ROUTE-70): the very code that decides, on the loads, limits
and turns that its call started from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from deskhand.routing import strategies
from deskhand.routing.decision import Pool
from deskhand.routing.models import Decision, RosterSnapshot, RoutingBatch
from deskhand.routing.strategies import NEVER, Ledger, Room
from deskhand.routing.types import Candidate, Measure, Strategy, Terms


@dataclass(frozen=True)
class Replay:
    """The choice made again: the candidates as they stood, and who came out."""

    pool: Pool
    candidates: tuple[Candidate, ...]
    chosen: Candidate | None
    full: tuple[int, ...]  # who had no room for it (R-CAP-6)
    room: Room
    ticket_type: str


def replay(decision: Decision) -> Replay | None:
    """Make the choice again; None for a decision that looked among nobody. A fixed number of queries."""
    if decision.batch is None:
        return None
    earlier = _of_call(decision.account_id, decision.batch.call, before=decision.position)
    again = _Again(pools_of_many([decision]))
    for one in earlier:
        again.follow(one)
    return again.choose(decision)


def replay_call(account_id: int, call: int) -> Iterator[tuple[Decision, Replay | None]]:
    """All decisions of a call made again, in their order. Two queries for all."""
    kept = list(_of_call(account_id, call))
    again = _Again(pools_of_many(kept))
    for decision in kept:
        yield decision, again.choose(decision)
        again.follow(decision)


def pools_of(decision: Decision) -> list[Pool]:
    """Those that were tried, in order. One query."""
    return pools_of_many([decision]).get(decision.pk, [])


def pools_of_many(decisions: Iterable[Decision]) -> dict[int, list[Pool]]:
    """Of each decision. One query."""
    asked = {decision.pk: decision for decision in decisions}
    ids = {pk for decision in asked.values() for pk in decision.snapshot_ids}
    found = {
        snapshot.pk: Pool.from_content(snapshot.content)
        for snapshot in RosterSnapshot.objects.filter(pk__in=ids, account_id__in={d.account_id for d in asked.values()})
    } if ids else {}  # fmt: skip
    return {
        decision.pk: [found[pk] for pk in decision.snapshot_ids if pk in found] for decision in asked.values()
    }


def _of_call(account_id: int, call: int, *, before: int | None = None) -> Iterable[Decision]:
    found = Decision.objects.filter(account_id=account_id, batch__call=call).select_related("batch__roster")
    return (
        found.order_by("position")
        if before is None
        else found.filter(position__lt=before).order_by("position")
    )


@dataclass
class _Again:
    """How a call stands after the decisions that were followed."""

    pools: Mapping[int, list[Pool]]
    _ledgers: dict[int, Ledger] = field(default_factory=dict)  # by batch
    _rooms: dict[int, Room] = field(default_factory=dict)
    _cycles: dict[str, tuple[frozenset[int], int]] = field(default_factory=dict)
    _given: list[tuple[int, str, int]] = field(default_factory=list)

    def choose(self, decision: Decision) -> Replay | None:
        batch, pools = decision.batch, self.pools.get(decision.pk)
        if batch is None or not pools:
            return None
        ledger, room, pool = self._ledger(batch), self._room(batch), pools[-1]
        served, number = self._turns(batch, _cycle(decision, pool.cycle))
        able = [one for one in pool.sifted.eligible if room.fits(one, batch.ticket_type, decision.points)]
        place = {user_id: order for order, user_id in enumerate(pool.sifted.eligible)}
        candidates = [
            replace(one, order=place[one.user_id]) for one in strategies.candidates(able, ledger, room, pool.second)
        ]  # fmt: skip
        full = tuple(one for tried in pools for one in tried.sifted.eligible if one not in able)
        chosen = _choose(pool, candidates, served, number, batch.seed, decision.pk)
        return Replay(pool, tuple(candidates), chosen, tuple(dict.fromkeys(full)), room, batch.ticket_type)

    def follow(self, decision: Decision) -> None:
        """Whoever got it has one more, and had their turn."""
        batch, user_id = decision.batch, decision.user_id
        if batch is None or user_id is None:
            return
        self._ledger(batch).give(user_id, decision.pk, decision.points)
        self._room(batch)
        for room in self._rooms.values():
            room.take(user_id, batch.ticket_type, decision.points)
        self._given.append((user_id, batch.ticket_type, decision.points))
        cycle = _cycle(decision, decision.cycle or 0)
        share = self._room(batch).of(user_id).share
        self._cycles[cycle] = strategies.after_turn(user_id, share, *self._turns(batch, cycle))

    def _turns(self, batch: RoutingBatch, cycle: str) -> tuple[frozenset[int], int]:
        if cycle not in self._cycles:
            self._cycles[cycle] = frozenset(batch.served.get(cycle, ())), batch.cycles.get(cycle, 0)
        return self._cycles[cycle]

    def _ledger(self, batch: RoutingBatch) -> Ledger:
        if batch.pk not in self._ledgers:
            users = batch.roster.content["users"]
            turns = {pk: turn for pk, turn in zip(users, batch.turns, strict=True) if turn != NEVER}
            self._ledgers[batch.pk] = Ledger(dict(zip(users, batch.loads, strict=True)), turns)
        return self._ledgers[batch.pk]

    def _room(self, batch: RoutingBatch) -> Room:
        """Each batch kept what its type's limits count; what others of the call took since counts there, too."""
        if batch.pk not in self._rooms:
            self._rooms[batch.pk] = _room_of(batch)
            for user_id, kind, points in self._given:
                self._rooms[batch.pk].take(user_id, kind, points)
        return self._rooms[batch.pk]


def _cycle(decision: Decision, cycle: int) -> str:
    return f"{decision.rule_id or 0}:{cycle}"


def _room_of(batch: RoutingBatch) -> Room:
    terms: dict[int, Terms] = {}
    held: dict[tuple[int, str], int] = {}
    if not batch.limits:
        return Room()
    kind, users = batch.ticket_type, batch.roster.content["users"]
    facts = zip(users, batch.held, batch.limits, batch.measures, batch.shares, strict=True)
    for user_id, holds, limit, is_total, share in facts:
        at_most = None if limit < 0 else limit
        of_type = {} if is_total else {kind: at_most}
        measure = Measure.TOTAL if is_total else Measure.BY_TYPE
        terms[user_id] = Terms(measure, at_most if is_total else None, of_type, share)
        held[user_id, kind] = holds
    return Room(terms, held)


def _choose(
    pool: Pool, candidates: list[Candidate], served: frozenset[int], number: int, seed: int, turn: int
) -> Candidate | None:
    if pool.is_of_one:
        return candidates[0] if candidates else None
    match pool.strategy:
        case Strategy.LOAD_BALANCED:
            return strategies.load_balanced(candidates)
        case Strategy.ROUND_ROBIN:
            return strategies.round_robin(candidates, served, number)[0]
        case Strategy.RANDOM:
            return strategies.at_random(candidates, seed=seed, turn=turn)

"""Who of several gets the next ticket. Pure: facts in, a choice out.

Each strategy stands here twice: as a function that makes one choice over candidates, and as a picker that makes
many in a row over one ledger. A test proves that a batch is the same as single choices one after another.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from deskhand.routing.types import Candidate, Drop, Person, Sifted

NEVER = -1  # before any turn

# -- Filters ------------------------------------------------------------------------------------------------------

_FILTERS: tuple[tuple[Drop, Callable[[Person], bool]], ...] = (
    (Drop.GONE, lambda person: person.is_member),
    (Drop.INACTIVE, lambda person: person.is_active),
    (Drop.NO_SEAT, lambda person: person.has_seat),
    (Drop.NO_ACCESS, lambda person: person.has_access),
    (Drop.EXTRA_MEMBER, lambda person: not person.is_extra_only),
)
_AVAILABLE: tuple[Drop, Callable[[Person], bool]] = (Drop.AWAY, lambda person: person.is_available)


def sift(pool: Iterable[Person], *, only_available: bool) -> Sifted:
    """Part the pool into who may get the ticket and who was dropped by which filter first.

    R-ROUTE-11, R-ROUTE-12, R-ROUTE-45..47, R-ROUTE-70.
    """
    filters = (*_FILTERS, _AVAILABLE) if only_available else _FILTERS
    eligible: list[int] = []
    dropped: list[tuple[int, Drop]] = []
    for person in pool:
        failed = next((drop for drop, passes in filters if not passes(person)), None)
        if failed is None:
            eligible.append(person.user_id)
        else:
            dropped.append((person.user_id, failed))
    return Sifted(tuple(eligible), tuple(dropped))


# -- One choice ---------------------------------------------------------------------------------------------------


def load_balanced(candidates: Iterable[Candidate]) -> Candidate | None:
    """Choose the smallest load (R-ROUTE-30).

    Ties go to the longest since an automatic assignment, never first; then order in the rule; then id (R-ROUTE-31).
    """
    return min(candidates, key=_load_then_wait, default=None)


def round_robin(
    candidates: Sequence[Candidate], served: Collection[int]
) -> tuple[Candidate | None, frozenset[int]]:
    """Choose the first in order who had no turn in this cycle; return them and who has had one now.

    When all candidates had theirs a new cycle begins. Who can't be chosen stays due (R-ROUTE-32..35).
    """
    in_order = sorted(candidates, key=lambda candidate: (candidate.order, candidate.user_id))
    for candidate in in_order:
        if candidate.user_id not in served:
            return candidate, frozenset(served) | {candidate.user_id}
    if not in_order:
        return None, frozenset(served)
    return in_order[0], frozenset({in_order[0].user_id})


def at_random(candidates: Sequence[Candidate], *, seed: int, turn: int) -> Candidate | None:
    """Choose uniformly; the same seed and turn choose the same (R-ROUTE-38)."""
    if not candidates:
        return None
    return candidates[_throw(seed, turn, len(candidates))]


def _load_then_wait(candidate: Candidate) -> tuple[int, int, int, int]:
    last_turn = NEVER if candidate.last_turn is None else candidate.last_turn
    return candidate.load, last_turn, candidate.order, candidate.user_id


def _throw(seed: int, turn: int, sides: int) -> int:
    return random.Random(f"{seed}:{turn}").randrange(sides)


# -- Many choices in a row ----------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Loads and last turns of one ticket type, as they grow during a batch. Shared by all pools of the batch."""

    loads: dict[int, int] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)

    def standing(self, user_id: int) -> tuple[int, int]:
        return self.loads.get(user_id, 0), self.turns.get(user_id, NEVER)

    def give(self, user_id: int, turn: int) -> None:
        self.loads[user_id] = self.loads.get(user_id, 0) + 1
        self.turns[user_id] = turn

    def candidates(self, eligible: Sequence[int]) -> list[Candidate]:
        return [
            Candidate(user_id, self.loads.get(user_id, 0), self.turns.get(user_id), order)
            for order, user_id in enumerate(eligible)
        ]


class Picker(Protocol):
    """Picks from one pool again and again; the caller enters each pick in the ledger under its `turn`."""

    def pick(self, turn: int) -> int | None: ...


class LoadBalanced:
    """Water-filling: the smallest load from a heap, O(log n) a pick.

    Loads and turns only grow, by this pool's picks or another's, so an outdated top is put back at its present
    place and the next top is looked at.
    """

    def __init__(self, eligible: Sequence[int], ledger: Ledger) -> None:
        self._ledger = ledger
        self._heap = [(ledger.standing(user_id), order, user_id) for order, user_id in enumerate(eligible)]
        heapq.heapify(self._heap)

    def pick(self, turn: int) -> int | None:
        if not self._heap:
            return None
        standing, order, user_id = self._heap[0]
        while standing != self._ledger.standing(user_id):
            heapq.heapreplace(self._heap, (self._ledger.standing(user_id), order, user_id))
            standing, order, user_id = self._heap[0]
        return user_id


class RoundRobin:
    def __init__(self, eligible: Sequence[int], served: Collection[int]) -> None:
        self._eligible = tuple(eligible)
        self.served = set(served)
        self._due = deque(user_id for user_id in eligible if user_id not in self.served)

    def pick(self, turn: int) -> int | None:
        if not self._eligible:
            return None
        if not self._due:
            self.served.clear()
            self._due.extend(self._eligible)
        user_id = self._due.popleft()
        self.served.add(user_id)
        return user_id


class AtRandom:
    def __init__(self, eligible: Sequence[int], seed: int) -> None:
        self._eligible, self._seed = tuple(eligible), seed

    def pick(self, turn: int) -> int | None:
        if not self._eligible:
            return None
        return self._eligible[_throw(self._seed, turn, len(self._eligible))]


def spread(picker: Picker, ledger: Ledger, turns: Iterable[int]) -> list[int | None]:
    """Pick once for each turn."""
    return [_pick_and_give(picker, ledger, turn) for turn in turns]


def _pick_and_give(picker: Picker, ledger: Ledger, turn: int) -> int | None:
    user_id = picker.pick(turn)
    if user_id is not None:
        ledger.give(user_id, turn)
    return user_id


# -- Why ----------------------------------------------------------------------------------------------------------


def equal_loads(candidates: Iterable[Candidate], chosen: Candidate) -> list[Candidate]:
    """The others who had the same load as the chosen one, in order of the rule: the tie that was broken."""
    return [other for other in candidates if other.load == chosen.load and other.user_id != chosen.user_id]

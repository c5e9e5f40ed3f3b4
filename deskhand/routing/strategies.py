"""Who of several gets the next ticket. Pure: facts in, a choice out.

Each strategy stands here twice: as a function that makes one choice over candidates, and as a picker that makes
many in a row over one ledger. A test proves that a batch is the same as single choices one after another.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Protocol

from deskhand.routing.types import Candidate, Drop, Measure, Person, Sifted, Terms

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
    """Choose the smallest load, each counted against its share (R-ROUTE-30).

    Ties go to who speaks the language best (R-SKILL-15), then to the longest since an automatic assignment, never first;
    then order in the rule; then id (R-ROUTE-31).
    """
    return min(candidates, key=_load_then_wait, default=None)


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """All of them as `load_balanced` would choose them one after another, were nothing given (R-ROUTE-94)."""
    return sorted(candidates, key=_load_then_wait)


def round_robin(
    candidates: Sequence[Candidate], served: Collection[int], number: int = 0
) -> tuple[Candidate | None, frozenset[int], int]:
    """Choose the first in order who is due in this cycle; return them, who has had a turn now, and the cycle's number.

    When all candidates had theirs a new cycle begins. Who can't be chosen stays due (R-ROUTE-32..35). Who has a share of a
    half is due in every other cycle.
    """
    in_order = sorted(candidates, key=lambda candidate: (candidate.order, candidate.user_id))
    if not in_order:
        return None, frozenset(served), number
    while True:
        for candidate in in_order:
            if candidate.user_id not in served and is_due(candidate.share, number):
                return candidate, frozenset(served) | {candidate.user_id}, number
        served, number = (), number + 1


def is_due(share: int, number: int) -> bool:
    """Whether somebody with a share, in percent, has a turn in the cycle of this number; within 100 cycles all have."""
    return (number + 1) * share // 100 > number * share // 100


def after_turn(user_id: int, share: int, served: Collection[int], number: int) -> tuple[frozenset[int], int]:
    """Who has had a turn, and the cycle's number, once `round_robin` has chosen this user."""
    if user_id not in served and is_due(share, number):
        return frozenset(served) | {user_id}, number
    number += 1
    while not is_due(share, number):
        number += 1
    return frozenset({user_id}), number


def at_random(candidates: Sequence[Candidate], *, seed: int, turn: int) -> Candidate | None:
    """Choose by share, uniformly where all are equal; the same seed and turn choose the same (R-ROUTE-38)."""
    if not candidates:
        return None
    bounds = _bounds([candidate.share for candidate in candidates])
    return candidates[_drawn(len(candidates), bounds, seed, turn)]


#: A load is compared against its share in whole numbers, so that equal shares tie.
_FINE = 100 * 100


def _load_then_wait(candidate: Candidate) -> tuple[int, bool, int, int, int]:
    last_turn = NEVER if candidate.last_turn is None else candidate.last_turn
    load = candidate.load * _FINE // candidate.share
    return load, candidate.is_second, last_turn, candidate.order, candidate.user_id


def _bounds(shares: Sequence[int]) -> list[int]:
    """Where each one's part ends; nothing where all are equal."""
    return [] if len(set(shares)) <= 1 else list(accumulate(shares))


def _drawn(number: int, bounds: Sequence[int], seed: int, turn: int) -> int:
    """The place of who is drawn among so many."""
    return bisect_right(bounds, _throw(seed, turn, bounds[-1])) if bounds else _throw(seed, turn, number)


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

    def give(self, user_id: int, turn: int, points: int = 1) -> None:
        self.loads[user_id] = self.loads.get(user_id, 0) + points
        self.turns[user_id] = turn

    def take_back(self, user_id: int, points: int = 1) -> None:
        """A ticket of theirs is done with; for who goes on with the same ledger."""
        self.loads[user_id] -= points

    def copy(self) -> Ledger:
        return Ledger(dict(self.loads), dict(self.turns))


NO_TERMS = Terms()


@dataclass
class Room:
    """What people's limits leave, of all ticket types, as it shrinks during a batch (R-CAP-6). `held` by user and type."""

    terms: Mapping[int, Terms] = field(default_factory=dict)
    held: dict[tuple[int, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_bound = any(
            terms.total is not None if terms.measure is Measure.TOTAL else any(v is not None for v in terms.by_type.values())
            for terms in self.terms.values()
        )  # fmt: skip
        #: Who took something or gave it back, in this order; pickers keep up with it.
        self.moved: list[int] = []
        self._totals: dict[int, int] = {}
        for (user_id, _), number in self.held.items():
            self._totals[user_id] = self._totals.get(user_id, 0) + number

    def of(self, user_id: int) -> Terms:
        return self.terms.get(user_id, NO_TERMS)

    def standing(self, user_id: int, ticket_type: str) -> tuple[int, int | None]:
        """What somebody holds of what their limit for this type counts, and the limit."""
        terms = self.of(user_id)
        is_total = terms.measure is Measure.TOTAL
        held = self._totals.get(user_id, 0) if is_total else self.held.get((user_id, ticket_type), 0)
        return held, terms.limit(ticket_type)

    def fits(self, user_id: int, ticket_type: str, points: int) -> bool:
        """Whether another one is within the limit. Who has none may get one that is heavier than their limit, but for 0."""
        held, limit = self.standing(user_id, ticket_type)
        return limit is None or (held < limit and (held == 0 or held + points <= limit))

    def is_full(self, user_id: int, ticket_type: str) -> bool:
        """Nothing at all fits, nor will: what somebody holds only grows during a batch, unless it is taken back."""
        held, limit = self.standing(user_id, ticket_type)
        return limit is not None and held >= limit

    def take(self, user_id: int, ticket_type: str, points: int) -> None:
        self.held[user_id, ticket_type] = self.held.get((user_id, ticket_type), 0) + points
        self._totals[user_id] = self._totals.get(user_id, 0) + points
        self.moved.append(user_id)

    def take_back(self, user_id: int, ticket_type: str, points: int) -> None:
        self.take(user_id, ticket_type, -points)

    def copy(self) -> Room:
        return Room(self.terms, dict(self.held))


def candidates(
    eligible: Iterable[int], ledger: Ledger, room: Room, second: Collection[int] = ()
) -> list[Candidate]:
    return [
        Candidate(
            user_id, ledger.loads.get(user_id, 0), ledger.turns.get(user_id), order, room.of(user_id).share, user_id in second
        )
        for order, user_id in enumerate(eligible)
    ]  # fmt: skip


@dataclass(frozen=True)
class Field:
    """Among whom a picker picks, for tickets of one type."""

    eligible: tuple[int, ...]
    ticket_type: str
    ledger: Ledger
    room: Room
    second: frozenset[int] = frozenset()

    def fits(self, user_id: int, points: int) -> bool:
        return not self.room.is_bound or self.room.fits(user_id, self.ticket_type, points)


#: Load against share, language, turn; then place, user, share, language again.
_Entry = tuple[int, bool, int, int, int, int, bool]


class Picker(Protocol):
    """Picks from one pool again and again, passing over whose limit leaves no room; the caller enters each pick in ledger
    and room under its `turn`."""

    def pick(self, turn: int, points: int = 1) -> int | None: ...


class LoadBalanced:
    """Water-filling: the smallest load from a heap, O(log n) a pick.

    Loads and turns only grow during a batch, by this pool's picks or another's, so an outdated top is put back at its
    present place and the next top is looked at. Who is full leaves the heap until `look_again`.
    """

    def __init__(self, field: Field) -> None:
        self._field = field
        self._latest: dict[int, _Entry] = {
            one.user_id: (*_load_then_wait(one), one.share, one.is_second)
            for one in candidates(field.eligible, field.ledger, field.room, field.second)
        }
        self._heap = list(self._latest.values())
        heapq.heapify(self._heap)

    def _standing(self, user_id: int, share: int, is_second: bool) -> tuple[int, bool, int]:
        load, turn = self._field.ledger.standing(user_id)
        return load * _FINE // share, is_second, turn

    def look_again(self, user_id: int) -> None:
        """They have less to do than before."""
        known = self._latest.get(user_id)
        if known is not None:
            _, second, _, order, _, share, _ = known
            self._latest[user_id] = (*self._standing(user_id, share, second), order, user_id, share, second)
            heapq.heappush(self._heap, self._latest[user_id])

    def pick(self, turn: int, points: int = 1) -> int | None:
        heap, aside, found = self._heap, [], None
        while heap:
            top = heap[0]
            load, second, last, order, user_id, share, is_second = top
            if self._latest[user_id] is not top:  # looked at again since
                heapq.heappop(heap)
                continue
            standing = self._standing(user_id, share, is_second)
            if standing != (load, second, last):
                self._latest[user_id] = (*standing, order, user_id, share, is_second)
                heapq.heapreplace(heap, self._latest[user_id])
            elif self._field.fits(user_id, points):
                found = user_id
                break
            else:
                heapq.heappop(heap)
                if not self._field.room.is_full(user_id, self._field.ticket_type):
                    aside.append(top)  # a lighter ticket may fit
        for one in aside:
            heapq.heappush(heap, one)
        return found


class RoundRobin:
    """Each in turn, O(1) a pick unless people are full or have unlike shares."""

    def __init__(self, field: Field, served: Collection[int], number: int = 0) -> None:
        self._field = field
        self._fields = {field.ticket_type: field}
        self.served, self.number = set(served), number
        self._due = self._due_now()

    def for_type(self, ticket_type: str) -> RoundRobin:
        """The same cycle for tickets of this type: whether somebody is full may depend on it."""
        if ticket_type not in self._fields:
            self._fields[ticket_type] = replace(self._field, ticket_type=ticket_type)
        self._field = self._fields[ticket_type]
        return self

    def _due_now(self) -> deque[int]:
        share = self._field.room.of
        return deque(
            user_id
            for user_id in self._field.eligible
            if user_id not in self.served and is_due(share(user_id).share, self.number)
        )

    def pick(self, turn: int, points: int = 1) -> int | None:
        user_id = self._next(self._due, points)
        if user_id is None:
            if self._next(self._field.eligible, points) is None:
                return None
            while user_id is None:
                self.served.clear()
                self.number += 1
                self._due = self._due_now()
                user_id = self._next(self._due, points)
        self._due.remove(user_id)
        self.served.add(user_id)
        return user_id

    def _next(self, users: Iterable[int], points: int) -> int | None:
        return next((one for one in users if self._field.fits(one, points)), None)


class AtRandom:
    """By lot, O(log n) a pick. Who has room is listed once; after that only whose standing moved is looked at again."""

    def __init__(self, field: Field, seed: int) -> None:
        self._field, self._seed = field, seed
        self._shares = [field.room.of(user_id).share for user_id in field.eligible]
        self._bounds = _bounds(self._shares)
        self._places = {user_id: place for place, user_id in enumerate(field.eligible)}
        self._able: dict[int, _Able] = {}  # by points

    def pick(self, turn: int, points: int = 1) -> int | None:
        eligible = self._field.eligible
        if not self._field.room.is_bound:
            return eligible[_drawn(len(eligible), self._bounds, self._seed, turn)] if eligible else None
        able = self._able_now(points)
        if not able.places:
            return None
        return eligible[able.places[_drawn(len(able.places), able.bounds, self._seed, turn)]]

    def _able_now(self, points: int) -> _Able:
        moved = self._field.room.moved
        able = self._able.get(points)
        if able is None:
            fitting = [
                n for n, user_id in enumerate(self._field.eligible) if self._field.fits(user_id, points)
            ]
            able = self._able[points] = _Able(fitting, self._bounds_of(fitting), len(moved))
        elif able.seen < len(moved):
            is_other = False
            for user_id in self._places.keys() & set(moved[able.seen :]):
                is_other |= able.put(self._places[user_id], self._field.fits(user_id, points))
            if is_other and self._bounds:
                able.bounds = self._bounds_of(able.places)
            able.seen = len(moved)
        return able

    def _bounds_of(self, places: Iterable[int]) -> list[int]:
        return _bounds([self._shares[place] for place in places]) if self._bounds else []


@dataclass(slots=True)
class _Able:
    """The places of who has room, in order, as it was when so many had moved."""

    places: list[int]
    bounds: list[int]
    seen: int

    def put(self, place: int, is_able: bool) -> bool:
        """Whether that is another than before."""
        at = bisect_left(self.places, place)
        was_able = at < len(self.places) and self.places[at] == place
        if is_able and not was_able:
            self.places.insert(at, place)
        elif was_able and not is_able:
            del self.places[at]
        return is_able != was_able


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
    """The others whose load weighs as much as the chosen one's, in order of the rule: the tie that was broken."""
    least = _load_then_wait(chosen)[0]
    return [one for one in candidates if _load_then_wait(one)[0] == least and one.user_id != chosen.user_id]

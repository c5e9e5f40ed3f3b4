"""What another rule, roster or limit would come to: arrivals are walked through under a virtual clock. Pure.

Every choice is made by `decision.Batch`, the code that routes live. What changes between two choices is what time brings:
people come and go at the edges of their hours, tickets are done with and make room, who becomes free is given what
waits, and what waited lands softly where the rule says so. Not walked through are workflows, automatic agents, and tickets
that leave an owner who went away.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter

from deskhand.routing import edges, landing
from deskhand.routing.decision import Batch, Cycle, Draft, Pool, Rule, Turns
from deskhand.routing.edges import Facts
from deskhand.routing.loads import TYPES, WINDOW
from deskhand.routing.strategies import Ledger, Room
from deskhand.routing.types import Asked, NewTicket, Option, Reason, Roster, Status, Terms

STEP = 2_000  # arrivals between two words on how far it is
_RANKS = {"URGENT": 0, "HIGH": 1, "MEDIUM": 2, "LOW": 3}
_ROSTERS_KEPT = 2_000
_DEALT = 500  # at a time, as live

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A ticket that comes. `work` is the time from having an owner to being done with, whoever that is."""

    at: datetime
    channel_account_id: int
    ticket_type: str
    work: timedelta
    priority: str | None = None
    contact_id: int | None = None
    contact_owner_id: int | None = None
    points: int = 1
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Off:
    """Somebody is away from `start` until `end`, whatever their hours say."""

    user_id: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Office:
    """Rules by channel account, people, when each is there, and how much each may be given."""

    rules: Mapping[int, Rule]
    roster: Roster
    facts: Mapping[int, Facts]
    terms: Mapping[int, Terms] = field(default_factory=dict)
    off: tuple[Off, ...] = ()


@dataclass(slots=True)
class Fate:
    """What became of an arrival. Who has no owner and did not wait was given to nobody for good."""

    user_id: int | None = None
    given_at: datetime | None = None
    has_waited: bool = False


@dataclass(slots=True)
class Hand:
    """What one person had to do."""

    count: int = 0
    points: int = 0
    in_hand: int = 0
    most: int = 0
    most_at: datetime | None = None


# ── when people are there ────────────────────────────────────────────────────────────────────────────────────────────


def there(facts: Facts, since: datetime, until: datetime) -> list[Interval]:
    """The times between these at which somebody is available."""
    found: list[Interval] = []
    came = since if edges.state_at(facts, since).status is Status.AVAILABLE else None
    for edge, state in edges.passed(facts, since, until):
        is_available = state.status is Status.AVAILABLE
        if is_available and came is None:
            came = edge
        elif not is_available and came is not None:
            found.append((came, edge))
            came = None
    return found if came is None or came >= until else [*found, (came, until)]


def without(times: Sequence[Interval], off: Sequence[Interval]) -> list[Interval]:
    """What is left of `times`."""
    left = list(times)
    for start, end in off:
        left = [
            part
            for begin, stop in left
            for part in ((begin, min(stop, start)), (max(begin, end), stop))
            if part[0] < part[1]
        ]
    return left


def attendance(office: Office, since: datetime, until: datetime) -> dict[int, list[Interval]]:
    """When each person of the roster is there."""
    known: dict[Facts, list[Interval]] = {}
    off: dict[int, list[Interval]] = defaultdict(list)
    for one in office.off:
        off[one.user_id].append((one.start, one.end))
    found = {}
    for user_id in office.roster.people:
        facts = office.facts.get(user_id, Facts())
        if facts not in known:
            known[facts] = there(facts, since, until)
        found[user_id] = without(known[facts], off[user_id])
    return found


@dataclass(slots=True)
class _Edge:
    """Who comes, who goes, and the rules whose channels open or close, at one moment."""

    came: list[int] = field(default_factory=list)
    went: list[int] = field(default_factory=list)
    opens: list[int] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)


#: Channel, type, points, contact's owner, skill rule, last owner: tickets that ask for the same.
_Line = tuple[int, str, int, int | None, int | None, int | None]

# ── walking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Walk:
    """Arrivals, in the order of time, through an office. At the end `fates` tells what became of each.

    Nobody has anything to do at first. The same seed makes the same choices; turns are numbered from `first_turn` on.
    """

    def __init__(
        self,
        office: Office,
        arrivals: Sequence[Arrival],
        since: datetime,
        until: datetime,
        *,
        seed: int = 0,
        first_turn: int = 1,
    ) -> None:
        self.office, self.since, self.until = office, since, until
        self.arrivals = sorted(arrivals, key=attrgetter("at"))
        self.fates = [Fate() for _ in self.arrivals]
        self.hands: dict[int, Hand] = defaultdict(Hand)
        self.attendance = attendance(office, since, until)
        self._asked = {n: one.asked for n, one in enumerate(self.arrivals) if one.asked is not None}
        self._seed, self._turn = seed, first_turn
        self._ledgers = {kind: Ledger() for kind in TYPES}
        self._room = Room(office.terms)
        self._served: dict[Cycle, Turns] = {}
        self._rosters: dict[frozenset[int], tuple[Roster, dict[tuple[int, int, int], Pool]]] = {}
        self._batch: Batch | None = None
        self._there: set[int] = set()
        self._closed: set[int] = set()
        #: Done with: when, arrival, whether it is load, whether limits count it, and the last that is left of it.
        self._ends: list[tuple[datetime, int, bool, bool]] = []
        self._waiting: dict[_Line, list[tuple[int, datetime, int]]] = {}
        #: Lines for whose first nobody was found, and nobody has come since.
        self._stuck: set[_Line] = set()
        #: What is kept for whom and until when, the line it came from, and all that ever was kept (routing.landing).
        self._kept: dict[int, dict[int, _Line]] = defaultdict(dict)
        self._landings: list[tuple[datetime, int, int]] = []
        self._was_kept: set[int] = set()
        self._last_owners: dict[int, tuple[datetime, int]] = {}
        self._comings = sorted(
            (start, user_id) for user_id, times in self.attendance.items() for start, _ in times
        )
        self._edges = self._all_edges()
        self._edge = 0

    def go(self) -> Iterator[int]:
        """Walk, and tell now and then how many have arrived."""
        for n, one in enumerate(self.arrivals):
            self._let_pass(one.at)
            self._arrive(n, one)
            if (n + 1) % STEP == 0:
                yield n + 1
        self._let_pass(self.until)
        yield len(self.arrivals)

    def _all_edges(self) -> list[tuple[datetime, _Edge]]:
        found: dict[datetime, _Edge] = defaultdict(_Edge)
        for user_id, times in self.attendance.items():
            for start, end in times:
                found[start].came.append(user_id)
                found[end].went.append(user_id)
        for rule in self.office.rules.values():
            if rule.hours is not None:
                self._closed.add(rule.id)
                for start, end in there(Facts(rule.hours), self.since, self.until):
                    found[start].opens.append(rule.id)
                    found[end].closes.append(rule.id)
        return sorted(found.items(), key=lambda one: one[0])

    def _let_pass(self, now: datetime) -> None:
        """All that happens up to this moment, in its order."""
        while True:
            edge = self._edges[self._edge][0] if self._edge < len(self._edges) else None
            end = self._ends[0][0] if self._ends else None
            over = self._landings[0][0] if self._landings else None
            moment = min((one for one in (edge, end, over) if one is not None), default=None)
            if moment is None or moment > now:
                return
            is_new = self._cross() if moment == edge else False
            freed = self._finish(moment)
            is_over = self._end_landings(moment)
            has_room = bool(freed) and self._room.is_bound
            if is_new or has_room or is_over:
                if is_new or has_room:
                    self._give_kept(moment)
                if self._waiting:
                    self._land(moment)
                    self._serve(moment, freed)

    def _cross(self) -> bool:
        """The next edge; whether somebody has come, or a channel has opened."""
        edge = self._edges[self._edge][1]
        self._edge += 1
        self._there.difference_update(edge.went)
        self._there.update(edge.came)
        self._closed.difference_update(edge.opens)
        self._closed.update(edge.closes)
        self._stuck.clear()
        if self._batch is not None:
            self._served |= self._batch.cycles()
            self._batch = None
        return bool(edge.came or edge.opens)

    def _finish(self, moment: datetime) -> set[int]:
        """What is done with by now makes room; for whom."""
        freed = set()
        while self._ends and self._ends[0][0] <= moment:
            at, n, is_load, is_held = heapq.heappop(self._ends)
            one, user_id = self.arrivals[n], self.fates[n].user_id
            assert user_id is not None
            self._now().take_back(user_id, one.ticket_type, one.points, load=is_load, held=is_held)
            if is_held:
                self.hands[user_id].in_hand -= 1
                freed.add(user_id)
                if one.contact_id is not None:
                    self._last_owners[one.contact_id] = (at, user_id)
        return freed

    def _now(self) -> Batch:
        """A batch of decisions as things stand; it goes on until the next edge."""
        if self._batch is None:
            key = frozenset(self._there)
            if key not in self._rosters:
                if len(self._rosters) >= _ROSTERS_KEPT:
                    self._rosters.clear()
                people = {
                    user_id: replace(person, is_available=user_id in key)
                    for user_id, person in self.office.roster.people.items()
                }
                self._rosters[key] = Roster(people, self.office.roster.teams), {}
            roster, pools = self._rosters[key]
            self._batch = Batch(
                self.office.rules, roster, self._ledgers, self._room, self._served, self._seed, asked=self._asked,
                closed=frozenset(self._closed), pools=pools,
            )  # fmt: skip
        return self._batch

    # ── one ticket ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrive(self, n: int, one: Arrival) -> None:
        rule = self.office.rules.get(one.channel_account_id)
        last_owner_id = self._last_owner(rule, one)
        owner_id = one.contact_owner_id if rule and rule.option is Option.CONTACT_OWNER else None
        asks = one.asked.rule_id if one.asked else None
        key = (one.channel_account_id, one.ticket_type, one.points, owner_id, asks, last_owner_id)
        if key not in self._stuck:
            draft = self._ask(n, last_owner_id)
            if draft.user_id is not None:
                self._give(n, draft.user_id, one.at)
                return
            if rule is None or not rule.wait_list or draft.reason is not Reason.ALL_DROPPED:
                return
            self._stuck.add(key)
        self.fates[n].has_waited = True
        heapq.heappush(self._waiting.setdefault(key, []), self._entry(n))

    def _last_owner(self, rule: Rule | None, one: Arrival) -> int | None:
        """Who had to do with the contact last, if the rule wants to know."""
        if rule is None or not rule.sticky_hours or one.contact_id not in self._last_owners:
            return None
        at, user_id = self._last_owners[one.contact_id]
        return user_id if at >= one.at - timedelta(hours=rule.sticky_hours) else None

    def _ask(self, n: int, last_owner_id: int | None, kept_for: int | None = None) -> Draft:
        [draft] = self._now().decide([(self._ticket(n, last_owner_id, kept_for), self._turn)])
        self._turn += 1
        return draft

    def _ticket(self, n: int, last_owner_id: int | None, kept_for: int | None = None) -> NewTicket:
        one = self.arrivals[n]
        return NewTicket(
            n, one.channel_account_id, one.ticket_type, one.contact_owner_id, points=one.points, last_owner_id=last_owner_id,
            kept_for=kept_for,
        )  # fmt: skip

    def _give(self, n: int, user_id: int, now: datetime) -> None:
        one, fate, hand = self.arrivals[n], self.fates[n], self.hands[user_id]
        fate.user_id, fate.given_at = user_id, now
        hand.count += 1
        hand.points += one.points
        hand.in_hand += 1
        if hand.in_hand > hand.most:
            hand.most, hand.most_at = hand.in_hand, now
        if one.contact_id is not None:
            self._last_owners[one.contact_id] = (now, user_id)
        if one.work > WINDOW:  # R-ROUTE-23: it is no load any more before it is done with
            heapq.heappush(self._ends, (now + WINDOW, n, True, False))
        heapq.heappush(self._ends, (now + one.work, n, one.work <= WINDOW, True))

    def _serve(self, now: datetime, freed: Collection[int]) -> None:
        """Who waits is asked for again: by priority, then the longest (R-ROUTE-53).

        Tickets that ask for the same wait in one line: where its first finds nobody, nobody behind it does, until
        somebody comes or one of the `freed` has room.
        """
        heads = [(line[0], key) for key, line in self._waiting.items()]
        heapq.heapify(heads)
        while heads:
            (_rank, _at, n), key = heapq.heappop(heads)
            if key in self._stuck and not any(self._room.fits(user_id, key[1], key[2]) for user_id in freed):
                continue
            draft = self._ask(n, key[-1])
            if draft.user_id is None:
                self._stuck.add(key)
                continue
            self._stuck.discard(key)
            self._give(n, draft.user_id, now)
            line = self._waiting[key]
            heapq.heappop(line)
            if line:
                heapq.heappush(heads, (line[0], key))
            else:
                del self._waiting[key]

    # ── soft landing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _land(self, now: datetime) -> None:
        """What waits is dealt out where a rule wants so, and kept for who is still to come; as `assign` does it live."""
        for channel, rule in self.office.rules.items():
            if not rule.lands or rule.id in self._closed:
                continue
            until = now + timedelta(minutes=rule.landing_minutes)
            first, last = (bisect_right(self._comings, one, key=itemgetter(0)) for one in (now, until))
            expected = {user_id for _start, user_id in self._comings[first:last]} - self._there
            lines = {key: line for key, line in self._waiting.items() if key[0] == channel}
            heads = heapq.nsmallest(_DEALT, ((entry, key) for key, line in lines.items() for entry in line))
            free = {entry[2] for entry, _ in heads if entry[0] > 0} - self._was_kept
            if not expected or len(free) < 2:
                continue
            tickets = {entry[2]: self._ticket(entry[2], key[-1]) for entry, key in heads}
            expected &= self._now().away(rule, [tickets[n] for n in free])
            if not expected:
                continue
            kept = [self._ticket(n, None, user_id) for user_id, own in self._kept.items() for n in own]
            dealt = landing.deal(self._now(), rule, list(tickets.values()), expected, kept)
            gone = set()
            for (_rank, _at, n), key in heads:
                user_id = dealt.get(n) if n in free else None
                if user_id in expected:
                    self._keep(n, user_id, key, until + landing.LATE)
                    gone.add(n)
                elif user_id is not None and self._offer(n, key, now, user_id):
                    gone.add(n)
            self._take_out(gone, lines)

    def _keep(self, n: int, user_id: int, key: _Line, until: datetime) -> None:
        self._kept[user_id][n] = key
        self._was_kept.add(n)
        heapq.heappush(self._landings, (until, n, user_id))

    def _offer(self, n: int, key: _Line, now: datetime, user_id: int) -> bool:
        """To whom it was dealt, or to another who is there, as live."""
        draft = self._ask(n, key[-1], kept_for=user_id)
        if draft.user_id is not None:
            self._give(n, draft.user_id, now)
        return draft.user_id is not None

    def _take_out(
        self, gone: Collection[int], lines: Mapping[_Line, list[tuple[int, datetime, int]]]
    ) -> None:
        for key, line in lines.items():
            line[:] = [entry for entry in line if entry[2] not in gone]
            heapq.heapify(line)
            if not line:
                del self._waiting[key]

    def _give_kept(self, now: datetime) -> None:
        """Who is there gets what is kept for them, as far as they have room."""
        for user_id in self._there & self._kept.keys():
            own = self._kept[user_id]
            for n in sorted(own, key=self._entry):
                if self._offer(n, own[n], now, user_id):
                    del own[n]
            if not own:
                del self._kept[user_id]

    def _end_landings(self, now: datetime) -> bool:
        """What is still kept when its time is over waits for everybody again; whether anything does."""
        found = False
        while self._landings and self._landings[0][0] <= now:
            _until, n, user_id = heapq.heappop(self._landings)
            key = self._kept.get(user_id, {}).pop(n, None)
            if key is not None:
                heapq.heappush(self._waiting.setdefault(key, []), self._entry(n))
                self._stuck.discard(key)
                found = True
        return found

    def _entry(self, n: int) -> tuple[int, datetime, int]:
        one = self.arrivals[n]
        return _RANKS.get(one.priority or "", len(_RANKS)), one.at, n

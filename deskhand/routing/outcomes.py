"""What a walk through arrivals came to, in figures. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.kernel import calendars
from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.errors import Invalid
from deskhand.routing.simulating import Arrival, Fate, Walk


@dataclass(frozen=True)
class Figures:
    """Of a day, or of all: tickets, and how long they were without an owner, in seconds.

    One that nobody would ever be asked for again has no wait; one that waits at the end has waited until then.
    `late` had no owner within the target.
    """

    count: int = 0
    at_once: int = 0
    from_list: int = 0
    never: int = 0
    median: int = 0
    p90: int = 0
    longest: int = 0
    total: int = 0
    late: int = 0

    @property
    def waited(self) -> int:
        """Those that did not get an owner at once."""
        return self.from_list + self.never


@dataclass(frozen=True)
class Agent:
    """What one person had; `most` tickets at the same time, `seconds` of being available."""

    user_id: int
    count: int
    points: int
    most: int
    most_at: str
    seconds: int


@dataclass(frozen=True)
class Outcome:
    """`hours` are the mean waits, in seconds, of what came in each hour of the day; `fairness` is Jain's index."""

    all: Figures
    days: Mapping[str, Figures]
    hours: tuple[int, ...]
    agents: tuple[Agent, ...]
    fairness: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Outcome:
        return cls(
            Figures(**told["all"]), {day: Figures(**one) for day, one in told["days"].items()}, tuple(told["hours"]),
            tuple(Agent(**one) for one in told["agents"]), told["fairness"],
        )  # fmt: skip


@dataclass(slots=True)
class _One:
    at: datetime
    fate: Fate
    waited: int | None  # None: nobody will ever be asked
    is_late: bool


def outcome(
    walk: Walk, zone: ZoneInfo, target: timedelta, hours: Mapping[int, WeeklyHours | None]
) -> Outcome:
    """`target` counts in the hours of the ticket's channel account, by the clock where it has none."""
    deadlines = _Deadlines(target, hours)
    by_day: dict[date, list[_One]] = defaultdict(list)
    by_hour: list[list[int]] = [[] for _ in range(24)]
    everything = []
    for arrival, fate in zip(walk.arrivals, walk.fates, strict=True):
        one = _One(arrival.at, fate, _waited(arrival, fate, walk.until), False)
        if one.waited != 0:
            deadline = deadlines.of(arrival)
            one.is_late = deadline < (fate.given_at or walk.until)
        local = arrival.at.astimezone(zone)
        by_day[local.date()].append(one)
        if one.waited is not None:
            by_hour[local.hour].append(one.waited)
        everything.append(one)
    return Outcome(
        _figures(everything), {day.isoformat(): _figures(those) for day, those in sorted(by_day.items())},
        tuple(round(sum(waits) / len(waits)) if waits else 0 for waits in by_hour), tuple(_agents(walk)),
        fairness([walk.hands[user_id].count for user_id, times in walk.attendance.items() if times or walk.hands[user_id].count]),
    )  # fmt: skip


class _Deadlines:
    """When a ticket should have an owner. Those of one channel that come outside its hours share theirs."""

    def __init__(self, target: timedelta, hours: Mapping[int, WeeklyHours | None]) -> None:
        self._target, self._hours = target, hours
        self._known: dict[tuple[int, datetime], datetime] = {}

    def of(self, one: Arrival) -> datetime:
        hours = self._hours.get(one.channel_account_id)
        if hours is None:
            return one.at + self._target
        minute = one.at.replace(second=0, microsecond=0)
        key = one.channel_account_id, minute
        if key not in self._known:
            try:
                self._known[key] = calendars.add_working(hours, minute, self._target)
            except Invalid:  # hours without any time in them
                self._known[key] = minute + self._target
        return self._known[key]


def _waited(arrival: Arrival, fate: Fate, until: datetime) -> int | None:
    if fate.given_at is None and not fate.has_waited:
        return None
    return int(((fate.given_at or until) - arrival.at).total_seconds())


def _figures(those: Sequence[_One]) -> Figures:
    waits = sorted(one.waited for one in those if one.waited is not None)
    return Figures(
        len(those), sum(one.fate.user_id is not None and not one.fate.has_waited for one in those),
        sum(one.fate.user_id is not None and one.fate.has_waited for one in those), sum(one.fate.user_id is None for one in those),
        _part(waits, 0.5), _part(waits, 0.9), waits[-1] if waits else 0, sum(waits), sum(one.is_late for one in those),
    )  # fmt: skip


def _part(ordered: Sequence[int], share: float) -> int:
    """The wait that this share of them stayed within."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0


def _agents(walk: Walk) -> Iterable[Agent]:
    for user_id in walk.office.roster.people:
        times, hand = walk.attendance[user_id], walk.hands[user_id]
        seconds = sum((end - start).total_seconds() for start, end in times)
        most_at = hand.most_at.isoformat() if hand.most_at else ""
        yield Agent(user_id, hand.count, hand.points, hand.most, most_at, int(seconds))


def fairness(counts: Sequence[int]) -> float:
    """Jain's index: 1 where all have the same, 1/n where one of n has everything. 1 where there is nothing to share."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 1.0

"""What shall be other than today in a simulation, and the office as it would be then. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.kernel import calendars
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.routing.decision import Rule
from deskhand.routing.edges import Facts
from deskhand.routing.simulating import Off, Office
from deskhand.routing.types import Measure, Option, Person, Roster, Strategy, Terms

PAST, MADE_UP = "past", "made_up"
ALL_DAYS = "all"
_WORKDAYS = range(5)


@dataclass(frozen=True)
class Wish:
    """Empty and None leave things as they are. Hours are minutes since midnight, Monday to Friday, of everybody."""

    since: datetime
    until: datetime
    source: str = PAST  # past tickets, or made-up ones like them
    a_day: int = 0  # made-up ones on a working day; 0: as many as usual
    percent: int = 100  # of the traffic
    people: tuple[int, ...] = ()  # whom `off` and `share` are about
    off: str = ""  # the weekday on which they are away, or all of them
    share: int | None = None  # percent of what others get
    strategy: str = ""
    only_available: bool | None = None
    wait_list: bool | None = None
    limit: int | None = None  # tickets that anybody may have at the same time
    begins: int | None = None
    ends: int | None = None
    opens: int | None = None  # the channels'
    closes: int | None = None
    more: int = 0  # new colleagues
    target: int = 60  # minutes within which a ticket should have an owner
    seed: int = 1

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        return told | {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "people": list(self.people),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Wish:
        known = {one.name: told[one.name] for one in fields(cls) if one.name in told}
        since, until = (datetime.fromisoformat(told[name]) for name in ("since", "until"))
        return cls(**known | {"since": since, "until": until, "people": tuple(told["people"])})

    @property
    def changes(self) -> bool:
        """Whether anything is other than today."""
        plain = Wish(
            self.since,
            self.until,
            self.source,
            self.a_day,
            people=self.people,
            target=self.target,
            seed=self.seed,
        )
        return self != plain


def changed(office: Office, wish: Wish, zone: str, hours: WeeklyHours | None) -> Office:
    """The office as the wish has it; new colleagues work by `hours`, or like whoever is named first."""
    own = _week(zone, wish.begins, wish.ends)
    facts = {
        user_id: replace(one, hours=own, manual=None) if own else one for user_id, one in office.facts.items()
    }
    new = tuple(range(-1, -wish.more - 1, -1))
    like = own or hours or next((one.hours for one in facts.values() if one.hours), None)
    people = office.roster.people | {user_id: Person(user_id) for user_id in new}
    facts |= {user_id: Facts(like or _ALWAYS) for user_id in new}
    rules = {channel: _rule(rule, wish, zone, new) for channel, rule in office.rules.items()}
    terms = {user_id: _terms(office.terms.get(user_id, Terms()), user_id, wish) for user_id in people}
    return Office(
        rules, Roster(people, office.roster.teams), facts, terms, (*office.off, *_off(wish, ZoneInfo(zone)))
    )


_ALWAYS = WeeklyHours("UTC", tuple(Block(day, 0, 24 * 60) for day in range(7)))


def _week(zone: str, start: int | None, end: int | None) -> WeeklyHours | None:
    if start is None or end is None:
        return None
    return WeeklyHours(zone, tuple(Block(day, start, end) for day in _WORKDAYS))


def _rule(rule: Rule, wish: Wish, zone: str, new: tuple[int, ...]) -> Rule:
    names_people = rule.option is Option.USERS_AND_TEAMS
    return replace(
        rule,
        strategy=Strategy(wish.strategy) if wish.strategy else rule.strategy,
        only_available=rule.only_available if wish.only_available is None else wish.only_available,
        wait_list=rule.wait_list if wish.wait_list is None else wish.wait_list,
        hours=_week(zone, wish.opens, wish.closes) or rule.hours,
        user_ids=(*rule.user_ids, *new) if names_people else rule.user_ids,
    )


def _terms(terms: Terms, user_id: int, wish: Wish) -> Terms:
    if wish.limit is not None:
        terms = replace(terms, measure=Measure.TOTAL, total=wish.limit)
    return replace(terms, share=wish.share) if wish.share is not None and user_id in wish.people else terms


def _off(wish: Wish, zone: ZoneInfo) -> Iterator[Off]:
    """Whole days in the account's zone."""
    if not wish.off:
        return
    day, last = calendars.local_day(zone, wish.since), calendars.local_day(zone, wish.until)
    while day <= last:
        if wish.off in (ALL_DAYS, str(day.weekday())):
            start, end = (calendars.start_of_day(zone, one) for one in (day, day + timedelta(days=1)))
            yield from (Off(user_id, start, end) for user_id in wish.people)
        day += timedelta(days=1)

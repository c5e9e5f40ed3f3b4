"""Tickets to walk through: the account's own of some days, or made-up ones like them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from statistics import median
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from deskhand.kernel.database import sql
from deskhand.kernel.errors import Invalid
from deskhand.routing import capacity, loads, skill_rules
from deskhand.routing.decision import Rule
from deskhand.routing.simulating import Arrival
from deskhand.routing.types import Asked

MOST = 200_000
WORK = timedelta(hours=4)  # where nothing is known
HOUR = timedelta(hours=1)
_OPEN = range(8, 17)  # the hours over which so many a day are spread, Monday to Friday
_SET = 5_000

#: By weekday and hour of the day in the account's zone: how many come in that hour.
Rates = Mapping[tuple[int, int], float]

# A ticket is its owner's until it is closed; of one that is open still, until it was answered.
_PAST = """
select t.id, t.created_at, t.channel_account_id, t.ticket_type, t.priority, t.contact_id, c.owner_id,
    extract(epoch from coalesce(t.closed_at, t.first_agent_reply_at) - t.owner_assigned_at)::float
from crm_ticket t left join crm_contact c on c.account_id = t.account_id and c.id = t.contact_id
where t.account_id = %s and t.created_at >= %s and t.created_at < %s and t.channel_account_id = any(%s)
  and t.in_help_desk and not t.is_spam and t.archived_at is null and t.merged_into_id is null
order by t.created_at, t.id limit %s
"""


def past(
    account_id: int, rules: Mapping[int, Rule], since: datetime, until: datetime, now: datetime
) -> list[Arrival]:
    """The account's tickets of this time. How long one was worked on and is not known is its channel's median.

    What skill rules ask is asked of the tickets as they are today. Raises Invalid for more than can be walked through.
    """
    rows = sql.rows(_PAST, [account_id, since, until, sorted(rules), MOST + 1])
    within(len(rows))
    known: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row[7] is not None and row[7] > 0:
            known[row[2]].append(row[7])
    usual = {channel: timedelta(seconds=median(times)) for channel, times in known.items()}
    asked = _asked(account_id, rules, [(row[0], row[2]) for row in rows], now)
    weighs = capacity.binding(account_id).weighs
    settings = capacity.settings_of(account_id) if weighs else capacity.Settings()
    return [
        Arrival(
            at, channel, kind, timedelta(seconds=worked) if worked is not None and worked > 0 else usual.get(channel, WORK), priority,
            contact_id, owner_id, settings.points(kind, channel, priority), asked.get(pk),
        )
        for pk, at, channel, kind, priority, contact_id, owner_id, worked in rows
    ]  # fmt: skip


def _asked(
    account_id: int, rules: Mapping[int, Rule], tickets: Sequence[tuple[int, int]], now: datetime
) -> dict[int, Asked]:
    found: dict[int, Asked] = {}
    for first in range(0, len(tickets), _SET):
        by_set: dict[int, list[int]] = defaultdict(list)
        for ticket_id, channel in tickets[first : first + _SET]:
            rule_set_id = rules[channel].skill_rule_set_id
            if rule_set_id is not None:
                by_set[rule_set_id].append(ticket_id)
        if by_set:
            found |= skill_rules.asked(account_id, by_set, now)
    return found


# ── more, fewer, made up ─────────────────────────────────────────────────────────────────────────────────────────────


def within(number: float) -> None:
    """Raises Invalid for more than can be walked through."""
    if number > MOST:
        raise Invalid(
            _("There are more tickets in that time than can be walked through. Choose fewer days."),
            field="days",
        )


def scaled(arrivals: Sequence[Arrival], percent: int, seed: int) -> list[Arrival]:
    """So many percent of them: some left out, or some twice, the second time within half an hour of the first."""
    within(len(arrivals) * percent / 100)
    chance, found = random.Random(f"{seed}:scaled"), []
    for one in arrivals:
        copies, rest = divmod(percent, 100)
        for copy in range(copies + (chance.randrange(100) < rest)):
            late = timedelta(seconds=chance.randrange(1800)) if copy else timedelta(0)
            found.append(replace(one, at=one.at + late))
    return sorted(found, key=attrgetter("at"))


def rates_of(arrivals: Sequence[Arrival], since: datetime, until: datetime, zone: ZoneInfo) -> Rates:
    """How many came in each hour of the week, on the average of the time."""
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for one in arrivals:
        local = one.at.astimezone(zone)
        counts[local.weekday(), local.hour] += 1
    weeks = max((until - since) / timedelta(days=7), 1.0)
    return {hour: count / weeks for hour, count in counts.items()}


def rates_of_days(a_day: int) -> Rates:
    """So many on each day from Monday to Friday, spread evenly over the day."""
    return {(day, hour): a_day / len(_OPEN) for day in range(5) for hour in _OPEN}


def plain(rules: Mapping[int, Rule], at: datetime) -> list[Arrival]:
    """What made-up tickets are like where there are no real ones: mails of each channel."""
    return [Arrival(at, channel, loads.MAIL, WORK) for channel in sorted(rules)]


def made_up(
    rates: Rates, like: Sequence[Arrival], since: datetime, until: datetime, zone: ZoneInfo, seed: int
) -> list[Arrival]:
    """Tickets that come by chance (Poisson) at these rates, each like one of `like`. The same for the same seed."""
    within(sum(rates.values()) * ((until - since) / timedelta(days=7)))
    chance = random.Random(f"{seed}:made up")
    return (
        [replace(chance.choice(like), at=at) for at in _moments(rates, since, until, zone, chance)]
        if like
        else []
    )


def _moments(
    rates: Rates, since: datetime, until: datetime, zone: ZoneInfo, chance: random.Random
) -> Iterator[datetime]:
    hour = since
    while hour < until:
        local = hour.astimezone(zone)
        rate = rates.get((local.weekday(), local.hour), 0.0)
        gone = chance.expovariate(rate) if rate else 1.0
        while gone < 1:
            if hour + gone * HOUR < until:
                yield hour + gone * HOUR
            gone += chance.expovariate(rate)
        hour += HOUR

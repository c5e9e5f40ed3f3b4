"""Simulations of routing: begun by people, worked out by a slow job, the newest kept. Only their own rows are ever written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account
from deskhand.kernel import clock, jobs
from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.database.scope import account_scope, read_only
from deskhand.kernel.errors import Conflict, DeskhandError, Invalid
from deskhand.kernel.jobs import Job
from deskhand.routing import assign, default_hours, edges, traffic
from deskhand.routing.decision import Rule
from deskhand.routing.edges import Facts, Manual
from deskhand.routing.models import RoutingRule, Simulation
from deskhand.routing.outcomes import Outcome, outcome
from deskhand.routing.simulating import Arrival, Office, Walk
from deskhand.routing.types import Strategy
from deskhand.routing.wishes import ALL_DAYS, MADE_UP, PAST, Wish, changed

JOB = "routing.simulation"
SPANS = (7, 14, 30, 90)  # days that can be chosen
KEPT = 50
KEPT_FOR = timedelta(days=90)  # they name people and what they had to do
LOOKED_BACK = timedelta(days=90)  # for what is usual
DAY = 24 * 60


# ── beginning and stopping ───────────────────────────────────────────────────────────────────────────────────────────


def start(account_id: int, wish: Wish, *, by: int, now: datetime) -> Simulation:
    """Let a slow job walk through it. Raises Invalid, naming the field, and Conflict while another goes on."""
    check(wish)
    with account_scope(account_id):
        if not RoutingRule.objects.filter(account_id=account_id).exists():
            raise Invalid(
                _("No channel has a routing rule yet, so there is nothing to try out."), field="days"
            )
        Account.objects.select_for_update(no_key=True).filter(pk=account_id).first()  # one at a time
        if going(account_id) is not None:
            raise Conflict(_("A simulation is going on already. Wait for it, or stop it."))
        made = Simulation.objects.create(
            account_id=account_id, made_by_id=by, made_at=now, wish=wish.as_json()
        )
        old = list(
            Simulation.objects.filter(account_id=account_id)
            .order_by("-id")
            .values_list("pk", flat=True)[KEPT:]
        )
        Simulation.objects.filter(account_id=account_id, pk__in=old).delete()
        jobs.enqueue(JOB, {"simulation": made.pk}, one_by_one="simulation")
    return made


def check(wish: Wish) -> None:
    """Raises Invalid, naming the field."""
    days = round((wish.until - wish.since) / timedelta(days=1))
    _require(days in SPANS and wish.source in (PAST, MADE_UP), "days", days, _("Choose one of the times."))
    _within("a_day", wish.a_day, 0, 10_000)
    _within("percent", wish.percent, 10, 1000)
    _within("share", wish.share, 1, 100)
    _within("limit", wish.limit, 0, 100_000)
    _within("more", wish.more, 0, 50)
    _within("target", wish.target, 1, 10_080)
    known = ("", *(one.value for one in Strategy))
    _require(wish.strategy in known, "strategy", wish.strategy, _("Choose one of the ways to distribute."))
    days_off = ("", ALL_DAYS, *map(str, range(7)))
    _require(wish.off in days_off, "off", wish.off, _("Choose one of the days."))
    if wish.off or wish.share is not None:
        _require(bool(wish.people), "people", "", _("Choose who is meant."))
    for first, second in (("begins", "ends"), ("opens", "closes")):
        start, end = getattr(wish, first), getattr(wish, second)
        if (start, end) != (None, None):
            fits = start is not None and end is not None and 0 <= start < end <= DAY
            _require(fits, first, start, _("Give a time from and a later time until."))
    _require(
        wish.changes,
        "people",
        "",
        _("Choose something that is different, so that there is something to compare."),
    )


def _within(name: str, number: int | None, least: int, most: int) -> None:
    words = _("Give a whole number from %(least)s to %(most)s.") % {"least": least, "most": most}
    _require(number is None or least <= number <= most, name, number, words)


def _require(holds: bool, field: str, value: object, words: str) -> None:
    if not holds:
        raise Invalid(words, field=field, value=value)


def newest(account_id: int, most: int = KEPT) -> list[Simulation]:
    """The newest first; what came of one is read when it is asked for."""
    return list(Simulation.objects.filter(account_id=account_id).defer("result").order_by("-id")[:most])


def going(account_id: int) -> Simulation | None:
    return Simulation.objects.filter(account_id=account_id, ended_at=None).first()


def cancel(account_id: int, now: datetime) -> bool:
    """Stop the one that goes on; False when none does."""
    return bool(Simulation.objects.filter(account_id=account_id, ended_at=None).update(ended_at=now))


def note_given_up(account_id: int, kind: str, args: Mapping[str, Any]) -> None:
    """The job was tried too often: nobody waits for its simulation any more."""
    if kind == JOB:
        own = Simulation.objects.filter(account_id=account_id, pk=args["simulation"], ended_at=None)
        with translation.override(Account.objects.values_list("locale", flat=True).get(pk=account_id)):
            own.update(ended_at=clock.now(), error=_("It could not be worked out."))


def forget_old(account_id: int, now: datetime) -> int:
    """Nightly: those that are older than three months, but the one that goes on; returns how many."""
    old = Simulation.objects.filter(account_id=account_id, made_at__lt=now - KEPT_FOR, ended_at__isnull=False)
    return old.delete()[0]


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Prepared:
    """All that is read for it: today and then, each with its traffic."""

    wish: Wish
    zone: ZoneInfo
    today: Office
    then: Office
    arrivals: list[Arrival]
    scaled: list[Arrival]
    hours: Mapping[int, WeeklyHours | None]  # in which the target counts, by channel account


def run(job: Job) -> None:
    """Everything is worked out anew when it was begun before: what it comes to is the same."""
    with account_scope(job.account_id):
        row = Simulation.objects.filter(
            account_id=job.account_id, pk=job.args["simulation"], ended_at=None
        ).first()
        if row is None:
            return
        account = Account.objects.get(pk=job.account_id)
        try:
            with translation.override(account.locale), read_only():
                found = prepare(job.account_id, Wish.from_json(row.wish), account.zone, row.made_at)
        except DeskhandError as refusal:
            _end(row, error=str(refusal))
            return
        _own(row).update(done=0, total=len(found.arrivals) + len(found.scaled))
    outcomes, done = [], 0
    for office, arrivals in ((found.today, found.arrivals), (found.then, found.scaled)):
        walk = Walk(office, arrivals, found.wish.since, found.wish.until, seed=found.wish.seed)
        for reached in walk.go():
            job.give_way()
            with account_scope(job.account_id):
                if not _own(row).update(done=done + reached):
                    return  # somebody stopped it
        done += len(arrivals)
        outcomes.append(outcome(walk, found.zone, timedelta(minutes=found.wish.target), found.hours))
    with account_scope(job.account_id):
        today, then = (one.as_json() for one in outcomes)
        _end(row, result={"today": today, "then": then})


def prepare(account_id: int, wish: Wish, zone: str, now: datetime) -> Prepared:
    """Rules, people and tickets. The number of queries grows with the tickets by the thousand at most."""
    channels = RoutingRule.objects.filter(account_id=account_id).values_list("channel_account_id", flat=True)
    rules = assign.rules_of(account_id, channels)
    arrivals = list(_arrivals(account_id, wish, ZoneInfo(zone), now, rules))
    owners = {one.contact_owner_id for one in arrivals if one.contact_owner_id is not None}
    asked = {one.asked.rule_id: one.asked for one in arrivals if one.asked is not None}
    today = assign.office(account_id, rules, now, owners, asked.values())
    facts = {user_id: _lasting(one, wish.since, now) for user_id, one in today.facts.items()}
    today = replace(today, facts=facts)
    own = default_hours.of(account_id)
    then = changed(today, wish, zone, own)
    hours = {channel: rule.hours or own for channel, rule in rules.items()}
    return Prepared(
        wish, ZoneInfo(zone), today, then, arrivals, traffic.scaled(arrivals, wish.percent, wish.seed), hours
    )


def _lasting(facts: Facts, since: datetime, now: datetime) -> Facts:
    """Who has no working hours is all the time as they are now; of who has, the hours count, and absences."""
    if facts.hours is not None:
        return replace(facts, manual=None)
    return replace(facts, manual=Manual(edges.state_at(facts, now).status, since))


def _arrivals(
    account_id: int, wish: Wish, zone: ZoneInfo, now: datetime, rules: Mapping[int, Rule]
) -> Iterator[Arrival]:
    if wish.source == PAST:
        yield from traffic.past(account_id, rules, wish.since, wish.until, now)
        return
    usual = traffic.past(account_id, rules, now - LOOKED_BACK, now, now)
    rates = (
        traffic.rates_of_days(wish.a_day)
        if wish.a_day
        else traffic.rates_of(usual, now - LOOKED_BACK, now, zone)
    )
    yield from traffic.made_up(
        rates, usual or traffic.plain(rules, wish.since), wish.since, wish.until, zone, wish.seed
    )


def _own(row: Simulation) -> QuerySet[Simulation]:
    return Simulation.objects.filter(account_id=row.account_id, pk=row.pk, ended_at=None)


def _end(row: Simulation, **values: object) -> None:
    _own(row).update(ended_at=clock.now(), **values)


def outcomes_of(row: Simulation) -> tuple[Outcome, Outcome] | None:
    """Today and then; None where it did not come to an end."""
    if not row.result:
        return None
    return Outcome.from_json(row.result["today"]), Outcome.from_json(row.result["then"])

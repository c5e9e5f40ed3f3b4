"""The board of who is available: everybody's status and day, and how the day is covered, in the viewer's zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deskhand.accounts import queries as people
from deskhand.kernel import calendars, clock
from deskhand.kernel.calendars import Interval
from deskhand.kernel.text import whole
from deskhand.routing import queries
from deskhand.routing.queries import Agent, DayPlan, Standing
from deskhand.routing.types import Status
from deskhand.web.choices import Choice, Tab, joined
from deskhand.web.holding import load_text
from deskhand.web.hours import words
from deskhand.web.hours.rows import Bar, Board, Coverage, Day24, Line, Now
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person

MARKS = (0, 6, 12, 18)  # hours that are named under the day
STATES = {"available": True, "away": False}


def today(now: datetime) -> Interval:
    """The viewer's day."""
    zone = calendars.zone_named(timezone.get_current_timezone_name())
    day = calendars.local_day(zone, now)
    return calendars.start_of_day(zone, day), calendars.start_of_day(zone, day + timedelta(days=1))


def own_day(account_id: int, user_id: int) -> Day24:
    """Somebody's day today, as the viewer's clock has it."""
    now = clock.now()
    start, end = today(now)
    plan = queries.day_plans(account_id, [user_id], start, end, now)[user_id]
    return replace(day_of(plan, start, end), now=share(now, start, end))


def board_url(request: AccountRequest) -> str:
    """Where the board is as the address asks for it."""
    given = {name: request.GET[name][:40] for name in ("team", "state") if request.GET.get(name)}
    return _address(dict(given))


def board(request: AccountRequest) -> Board:
    """As `team` and `state` of the address ask for it; a fixed number of queries."""
    account_id, now = request.viewer.account_id, clock.now()
    teams = people.teams(account_id)
    chosen = next((one for one in teams if one.id == whole(request.GET.get("team", ""))), None)
    state = request.GET.get("state", "") if request.GET.get("state", "") in STATES else ""
    among = {member.user_id for member in people.seated_members(account_id)}
    if chosen:
        among &= {*chosen.main_user_ids, *chosen.extra_user_ids}
    agents = [agent for agent in queries.agents_with_state(account_id, now) if agent.user_id in among]
    ids = [agent.user_id for agent in agents]
    start, end = today(now)
    standings = queries.standings(account_id, ids, now)
    plans = queries.day_plans(account_id, ids, start, end, now)
    agents.sort(key=lambda one: _order(standings[one.user_id], plans[one.user_id], now))
    on = [agent for agent in agents if standings[agent.user_id].status is Status.AVAILABLE]
    team: dict[str, object] = {"team": chosen.id} if chosen else {}
    asked = team | ({"state": state} if state else {})
    return Board(
        url=_address(asked),
        teams=tuple(Choice(str(one.id), one.name, one is chosen) for one in teams),
        state=state,
        tabs=_tabs(team, state, len(on), len(agents) - len(on)),
        on_text=_on_text(len(on), len(agents)),
        next_text=_next_text([agent for agent in agents if agent not in on], plans),
        coverage=_coverage(plans.values(), start, end, now) if agents else None,
        lines=tuple(
            _line(agent, standings[agent.user_id], plans[agent.user_id], start, end, asked)
            for agent in agents
            if STATES.get(state) in (None, standings[agent.user_id].status is Status.AVAILABLE)
        ),
        is_filtered=bool(asked),
    )


def _order(standing: Standing, plan: DayPlan, now: datetime) -> tuple[bool, float]:
    """Who is on first, the others as they come back; within these as before, by name."""
    if standing.status is Status.AVAILABLE:
        return False, 0
    return True, (plan.changes_at - now).total_seconds() if plan.changes_at else float("inf")


def _address(asked: dict[str, object]) -> str:
    return reverse("availability-team") + (f"?{urlencode(asked)}" if asked else "")


def _tabs(team: dict[str, object], state: str, on: int, away: int) -> tuple[Tab, ...]:
    return (
        Tab(_("Everybody"), _address(team), not state, str(on + away)),
        Tab(_("Available"), _address({**team, "state": "available"}), state == "available", str(on)),
        Tab(_("Away"), _address({**team, "state": "away"}), state == "away", str(away)),
    )


def _on_text(on: int, of: int) -> str:
    words = ngettext("%(num)s of %(all)s is available now.", "%(num)s of %(all)s are available now.", on)
    return words % {"num": on, "all": of}


def _next_text(away: Sequence[Agent], plans: dict[int, DayPlan]) -> str:
    """Who comes next; they stand in the order in which they come."""
    first = next(iter(away), None)
    at = plans[first.user_id].changes_at if first else None
    if first is None or at is None:
        return ""
    return _("Next to come: %(name)s, %(time)s.") % {"name": first.name, "time": words.moment_ahead(at)}


def _line(
    agent: Agent, standing: Standing, plan: DayPlan, start: datetime, end: datetime, asked: dict[str, object]
) -> Line:
    is_on = standing.status is Status.AVAILABLE
    now = words.now_of(standing)
    open_text = ngettext("%(num)s open ticket", "%(num)s open tickets", agent.open_tickets) % {
        "num": agent.open_tickets
    }
    status_url = reverse("availability-status", args=[agent.user_id])
    return Line(
        agent.user_id, Person.named(agent.name, available=is_on), reverse("availability-person", args=[agent.user_id]),
        Now(now.label, _until(plan, is_on), now.why), open_text if agent.limit is None else f"{open_text} · {load_text(agent)}",
        f"{status_url}?{urlencode(asked)}" if asked else status_url, is_on, day_of(plan, start, end),
    )  # fmt: skip


def _until(plan: DayPlan, is_on: bool) -> str:
    if plan.changes_at is None:
        return _("Until it is changed by hand.")
    said = _("until %(time)s") if is_on else _("back %(time)s")
    return said % {"time": words.moment_ahead(plan.changes_at)}


# ── a day as a line ──────────────────────────────────────────────────────────────────────────────────────────────────


def day_of(plan: DayPlan, start: datetime, end: datetime) -> Day24:
    """Somebody's hours and absences (R-AVAIL-13)."""
    bars = [_bar(one, start, end, is_away=False) for one in plan.work]
    bars += [_bar(one, start, end, is_away=True) for one in plan.away]
    return Day24(tuple(bars), words.day_text(plan))


def _bar(
    interval: Interval, start: datetime, end: datetime, *, is_away: bool = False, level: int = 100
) -> Bar:
    return Bar(share(interval[0], start, end), share(interval[1], start, end), is_away, level)


def share(at: datetime, start: datetime, end: datetime) -> float:
    """How much of the day has passed, in percent."""
    return round((at - start) / (end - start) * 100, 2)


def _coverage(plans: Iterable[DayPlan], start: datetime, end: datetime, now: datetime) -> Coverage:
    """How many work when, by hours and absences."""
    pieces = list(_covered([one for plan in plans for one in plan.there]))
    most = max((count for *_interval, count in pieces), default=1)
    bars = [
        _bar((opened, closed), start, end, level=30 + 70 * count // most) for opened, closed, count in pieces
    ]
    return Coverage(
        tuple(bars), _gap_text(_gaps(pieces, start, end), start, end), share(now, start, end),
        tuple((share(at, start, end), words.time(at)) for at in _marks(start)),
    )  # fmt: skip


def _covered(intervals: Sequence[Interval]) -> Iterator[tuple[datetime, datetime, int]]:
    """Pieces of the day with how many are there, without those with nobody."""
    steps: dict[datetime, int] = {}
    for opened, closed in intervals:
        steps[opened] = steps.get(opened, 0) + 1
        steps[closed] = steps.get(closed, 0) - 1
    count, since = 0, None
    for at in sorted(steps):
        if count and since is not None:
            yield since, at, count
        count, since = count + steps[at], at


def _gaps(pieces: Sequence[tuple[datetime, datetime, int]], start: datetime, end: datetime) -> list[Interval]:
    found, at = [], start
    for opened, closed, _count in pieces:
        if at < opened:
            found.append((at, opened))
        at = closed
    return [*found, (at, end)] if at < end else found


def _gap_text(gaps: Sequence[Interval], start: datetime, end: datetime) -> str:
    if not gaps:
        return _("Working hours cover the whole day.")
    if list(gaps) == [(start, end)]:
        return _("Nobody has working hours today.")
    return _("Not covered by working hours today: %(times)s.") % {
        "times": joined(words.span(one) for one in gaps)
    }


def _marks(start: datetime) -> Iterator[datetime]:
    zone = timezone.get_current_timezone()
    day = calendars.local_day(zone, start)
    yield from (calendars.wall_time(zone, day, hour * 60) for hour in MARKS)

"""What a user's status is at a moment, and when it may change next. Pure.

A status set by hand holds until the next edge: a start or end of working hours or of an absence (R-AVAIL-6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from deskhand.kernel import calendars
from deskhand.kernel.calendars import WeeklyHours
from deskhand.routing.types import Source, Status


@dataclass(frozen=True, order=True, slots=True)
class Absence:
    """Out of office from `start`; back at `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Manual:
    status: Status
    at: datetime
    away_state_id: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a status follows from. `hours` None means no working hours are defined."""

    hours: WeeklyHours | None = None
    absences: tuple[Absence, ...] = ()
    manual: Manual | None = None


@dataclass(frozen=True, slots=True)
class State:
    """`away_state_id` tells in which way of the account's own somebody is away, `note` why (R-AVAIL-17)."""

    status: Status = Status.AWAY
    source: Source = Source.NONE
    away_state_id: int | None = None
    note: str = ""


def state_at(facts: Facts, now: datetime) -> State:
    """R-AVAIL-2..9, R-AVAIL-14, R-AVAIL-16."""
    manual = facts.manual
    if manual is not None and manual.at <= now and not _edge_between(facts, manual.at, now):
        return State(manual.status, Source.MANUAL, manual.away_state_id, manual.note)
    if any(absence.start <= now < absence.end for absence in facts.absences):
        return State(Status.AWAY, Source.OUT_OF_OFFICE)
    if facts.hours is not None:  # also at the end of an absence (R-AVAIL-8)
        is_open = calendars.is_open(facts.hours, now)
        return State(Status.AVAILABLE if is_open else Status.AWAY, Source.HOURS)
    if any(absence.end <= now for absence in facts.absences):
        return State(Status.AVAILABLE, Source.OUT_OF_OFFICE)  # R-AVAIL-7
    return State()


def next_edge(facts: Facts, after: datetime) -> datetime | None:
    """The first edge later than `after`; None if there is none within a year."""
    edges = [edge for absence in facts.absences for edge in (absence.start, absence.end) if edge > after]
    if facts.hours is not None:
        of_hours = calendars.next_edge(facts.hours, after)
        edges += [of_hours] if of_hours else []
    return min(edges, default=None)


def next_change(facts: Facts, now: datetime) -> datetime | None:
    """When the status is next another one: edges may pass that change none. None if that is over a year away."""
    status, edge = state_at(facts, now).status, next_edge(facts, now)
    while edge is not None and edge <= now + calendars.EDGE_HORIZON:
        if state_at(facts, edge).status is not status:
            return edge
        running = [absence.end for absence in facts.absences if absence.start <= edge < absence.end]
        edge = max(running) if running else next_edge(facts, edge)
    return None


def passed(facts: Facts, since: datetime, now: datetime) -> Iterator[tuple[datetime, State]]:
    """The edges after `since` up to and including `now`, each with the state it brought."""
    edge = next_edge(facts, since)
    while edge is not None and edge <= now:
        yield edge, state_at(facts, edge)
        edge = next_edge(facts, edge)


def _edge_between(facts: Facts, after: datetime, now: datetime) -> bool:
    edge = next_edge(facts, after)
    return edge is not None and edge <= now

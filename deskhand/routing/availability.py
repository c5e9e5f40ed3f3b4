"""Availability by hand, working hours and out of office: one status per user and account (R-AVAIL-10).

The stored status is true until its next edge. A timer carries it over the edge; whoever reads it later than that,
before the timer ran, works it out from the facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts import plans, policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.events import log
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import calendars, clock, timers
from deskhand.kernel.calendars import WeeklyHours
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.kernel.timers import DueTimer
from deskhand.routing import away_states, edges
from deskhand.routing.edges import Absence, Facts, Manual, State
from deskhand.routing.hours import of_blocks
from deskhand.routing.models import (
    Availability,
    AvailabilityChange,
    DefaultHours,
    OutOfOffice,
    WorkingHours,
)
from deskhand.routing.types import Source, Status

CHANGED = "availability.changed"
EDGE = "availability.edge"  # the timer's kind; its key is the user's id

# -- Verbs --------------------------------------------------------------------------------------------------------


def set_by_hand(
    account_id: int,
    user_id: int,
    status: Status,
    *,
    by: Actor,
    away_state_id: int | None = None,
    note: str = "",
    now: datetime | None = None,
) -> State:
    """Set a status that holds until the next edge (R-AVAIL-6, R-AVAIL-9). Safe to repeat.

    Who is away may say in which of the account's own ways, and why (R-AVAIL-17). Raises Invalid for a way that can't
    be chosen, and for one of somebody who is available.
    """
    now, note = now or clock.now(), note.strip()
    with account_scope(account_id):
        if away_state_id is not None or note:
            away_states.check(account_id, status, away_state_id)
        current = _locked(account_id, user_id, now)
        _carry_over_edges(current, _facts_of(account_id, user_id), now)
        current.manual_status, current.manual_at = Status(status), now
        current.manual_away_state_id, current.manual_note = away_state_id, note
        return _settle(current, _facts_of(account_id, user_id, current), by, now)


def switch_back(
    account_id: int, user_id: int, change_id: int, *, by: Actor | None = None, now: datetime | None = None
) -> State:
    """Undo, by hand, what a colleague made of one's status (R-AVAIL-11); `by` oneself unless somebody is named.

    Raises Conflict when it has changed since.
    """
    with account_scope(account_id):
        _locked(account_id, user_id, now or clock.now())
        changes = AvailabilityChange.objects.filter(account_id=account_id, user_id=user_id)
        made, before = (*changes.order_by("-at", "-id")[:2], None, None)[:2]
        if made is None or made.pk != change_id:
            raise Conflict(_("Your status has changed since."))
        status, way = Status(made.from_status), None
        if before is not None and before.away_state_id in {one.pk for one in away_states.present(account_id)}:
            way = before.away_state_id
        note = before.note if before is not None and status is Status.AWAY else ""
        return set_by_hand(
            account_id, user_id, status, by=by or Actor.user(user_id), away_state_id=way, note=note, now=now
        )


def set_hours(
    account_id: int, user_id: int, hours: WeeklyHours | None, *, by: Actor, now: datetime | None = None
) -> State:
    """Set the working week in the user's own zone (R-AVAIL-3); None or no blocks means by hand only (R-AVAIL-14).

    Who takes the hours away, the account's among them, keeps the present status, as if set by hand.
    """
    now = now or clock.now()
    with account_scope(account_id):
        current, facts = _locked(account_id, user_id, now), _facts_of(account_id, user_id)
        _carry_over_edges(current, facts, now)
        if hours is None or not hours.blocks:
            _forget_hours(account_id, user_id)
            if facts.hours is not None:
                current.manual_status, current.manual_at = current.status, now
                current.manual_away_state_id, current.manual_note = current.away_state_id, current.note
        else:
            WorkingHours.objects.update_or_create(
                account_id=account_id,
                user_id=user_id,
                defaults={"zone": hours.zone, "blocks": stored(hours)},
            )
        return _settle(current, _facts_of(account_id, user_id, current), by, now)


def _forget_hours(account_id: int, user_id: int) -> None:
    """An empty week says "by hand only" where the account's hours would count otherwise."""
    if default_hours(account_id) is None:
        WorkingHours.objects.filter(account_id=account_id, user_id=user_id).delete()
        return
    WorkingHours.objects.update_or_create(
        account_id=account_id, user_id=user_id, defaults={"zone": "UTC", "blocks": []}
    )


def work_out(account_id: int, user_id: int, *, by: Actor, now: datetime) -> State:
    """Bring the status up to what follows from the facts now, after some of them have changed."""
    with account_scope(account_id):
        current = _locked(account_id, user_id, now)
        return _settle(current, _facts_of(account_id, user_id, current), by, now)


def set_out_of_office(
    account_id: int,
    user_id: int,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: Actor,
    now: datetime | None = None,
) -> int:
    """Enter an absence and return its id; away from its start, back at its end (R-AVAIL-7).

    One that has begun already ends a status set by hand.
    Raises Invalid unless it starts before it ends and ends in the future, Forbidden where the plan has no absences
    (R-AVAIL-15).
    """
    now = now or clock.now()
    if plans.Feature.OUT_OF_OFFICE not in plans.features_of(account_id):
        raise Forbidden(_("The account's plan has no absences."))
    if starts_at >= ends_at:
        raise Invalid(
            _("An absence must start before it ends."),
            field="ends_at",
            value=ends_at,
            hint=_("Give a later end."),
        )
    if ends_at <= now:
        raise Invalid(
            _("That absence is over already."), field="ends_at", value=ends_at, hint=_("Give a later end.")
        )
    with account_scope(account_id):
        current = _locked(account_id, user_id, now)
        _carry_over_edges(current, _facts_of(account_id, user_id), now)
        if starts_at <= now:
            current.manual_status = current.manual_at = None
            current.manual_away_state_id, current.manual_note = None, ""
        absence = OutOfOffice.objects.create(
            account_id=account_id, user_id=user_id, starts_at=starts_at, ends_at=ends_at
        )
        _settle(current, _facts_of(account_id, user_id, current), by, now)
        return absence.pk


def cancel_out_of_office(
    account_id: int, absence_id: int, *, by: Actor, now: datetime | None = None
) -> State:
    """End a running absence now, or drop a future one. Raises NotFound when there is none."""
    now = now or clock.now()
    with account_scope(account_id):
        absence = OutOfOffice.objects.filter(account_id=account_id, pk=absence_id).first()
        if absence is None or absence.ends_at <= now:
            raise NotFound(_("There is no absence %(absence_id)s to cancel.") % {"absence_id": absence_id})
        current = _locked(account_id, absence.user_id, now)
        _carry_over_edges(current, _facts_of(account_id, absence.user_id), now)
        if absence.starts_at < now:
            absence.ends_at = now
            absence.save(update_fields=["ends_at"])
        else:
            absence.delete()
        return _settle(current, _facts_of(account_id, absence.user_id, current), by, now)


def on_edges(account_id: int, due: Sequence[DueTimer]) -> None:
    """Carry users over the edges that have come (R-AVAIL-4, R-AVAIL-5, R-AVAIL-7). Safe to repeat."""
    now = clock.now()
    with account_scope(account_id):
        for user_id in sorted({int(timer.key) for timer in due}):
            current = _locked(account_id, user_id, now)
            facts = _facts_of(account_id, user_id, current)
            _carry_over_edges(current, facts, now)
            _settle(current, facts, SYSTEM, now)


def may_set_status(viewer: Viewer, user_id: int) -> bool:
    """One's own always; others' with the Availability Management permission (R-AVAIL-11)."""
    return viewer.user_id == user_id or policy.can(viewer, Action.CHANGE_AVAILABILITY_OF_OTHERS)


def may_set_hours(viewer: Viewer, user_id: int) -> bool:
    """R-AVAIL-12."""
    return viewer.user_id == user_id or viewer.is_super_admin


# -- Reading ------------------------------------------------------------------------------------------------------

_STORED = """
select user_id, status, source, until, away_state_id, note from routing_availability where account_id = %s and user_id = any(%s)
"""


def states(account_id: int, user_ids: Collection[int], now: datetime) -> dict[int, State]:
    """Return the state of each user at `now`. One query, three or four more when some edge has passed unnoticed."""
    return states_and_ends(account_id, user_ids, now)[0]


def away(account_id: int, user_ids: Collection[int]) -> set[int]:
    """Which of them are away for a reason; who never had a status is not."""
    found = states(account_id, user_ids, clock.now())
    return {pk for pk, one in found.items() if one.status is Status.AWAY and one.source is not Source.NONE}


def states_and_ends(
    account_id: int, user_ids: Collection[int], now: datetime
) -> tuple[dict[int, State], dict[int, datetime]]:
    """The same, with when each may next change of itself, for those where it may."""
    ends: dict[int, datetime] = {}
    found = dict.fromkeys(user_ids, State())
    stale = []
    alike: dict[tuple[str, str, int | None, str], State] = {}
    for user_id, status, source, until, away, note in sql.rows(_STORED, [account_id, sorted(user_ids)]):
        stored = status, source, away, note
        if stored not in alike:
            alike[stored] = State(Status(status), Source(source), away, note)
        found[user_id] = alike[stored]
        if until is not None:
            ends[user_id] = until
            if until <= now:
                stale.append(user_id)
    if stale:
        facts = _facts(account_id, stale)
        found.update({user_id: edges.state_at(facts[user_id], now) for user_id in stale})
        new_ends = {user_id: edges.next_edge(facts[user_id], now) for user_id in stale}
        ends = {user_id: end for user_id, end in {**ends, **new_ends}.items() if end is not None}
    return found, ends


def facts_of(account_id: int, user_ids: Collection[int]) -> dict[int, Facts]:
    """All that their statuses follow from. Four queries at most."""
    return _facts(account_id, user_ids)


def hours_of(account_id: int, user_id: int) -> WeeklyHours | None:
    """Those that count for somebody: their own, else the account's."""
    return _facts_of(account_id, user_id).hours


def has_own_hours(account_id: int, user_id: int) -> bool:
    """Whether somebody decided for themselves, be it for none."""
    return WorkingHours.objects.filter(account_id=account_id, user_id=user_id).exists()


def default_hours(account_id: int) -> WeeklyHours | None:
    row = DefaultHours.objects.filter(account_id=account_id).first()
    return of_blocks(row.zone, row.blocks) if row else None


def _facts_of(account_id: int, user_id: int, current: Availability | None = None) -> Facts:
    """The stored facts; of `current`, not yet saved, the status set by hand."""
    facts = _facts(account_id, [user_id])[user_id]
    return facts if current is None else Facts(facts.hours, facts.absences, _manual(current))


def _facts(account_id: int, user_ids: Collection[int]) -> dict[int, Facts]:
    own = {"account_id": account_id, "user_id__in": list(user_ids)}
    hours = {row.user_id: of_blocks(row.zone, row.blocks) for row in WorkingHours.objects.filter(**own)}
    without = default_hours(account_id) if set(user_ids) - hours.keys() else None
    manual = {row.user_id: _manual(row) for row in Availability.objects.filter(**own)}
    absences: dict[int, list[Absence]] = defaultdict(list)
    for row in OutOfOffice.objects.filter(**own).order_by("starts_at", "id"):
        absences[row.user_id].append(Absence(row.starts_at, row.ends_at))
    return {
        user_id: Facts(hours.get(user_id, without), tuple(absences[user_id]), manual.get(user_id))
        for user_id in user_ids
    }


def _manual(row: Availability) -> Manual | None:
    if not (row.manual_status and row.manual_at):
        return None
    return Manual(Status(row.manual_status), row.manual_at, row.manual_away_state_id, row.manual_note)


def stored(hours: WeeklyHours) -> list[list[int]]:
    calendars.zone_named(hours.zone)
    return [[block.weekday, block.start, block.end] for block in sorted(hours.blocks)]


# -- Changing -----------------------------------------------------------------------------------------------------


def _locked(account_id: int, user_id: int, now: datetime) -> Availability:
    """The user's row, locked after their timer; made if it is missing."""
    timers.hold_timer(account_id, EDGE, str(user_id))
    sql.execute(
        "insert into routing_availability (account_id, user_id, status, source, since, version, note, manual_note)"
        " values (%s, %s, %s, %s, %s, 0, '', '') on conflict do nothing",
        [account_id, user_id, Status.AWAY, Source.NONE, now],
    )
    return Availability.objects.select_for_update().get(account_id=account_id, user_id=user_id)


def _carry_over_edges(current: Availability, facts: Facts, now: datetime) -> None:
    """Note what changed at the edges since the row was last settled (R-AVAIL-18)."""
    if current.until is None or current.until > now:
        return
    since = edges.state_at(facts, current.until)
    _change(current, since, current.until, SYSTEM, now)
    for edge, state in edges.passed(facts, current.until, now):
        _change(current, state, edge, SYSTEM, now)


_SETTLED = [
    "status", "source", "since", "until", "away_state_id", "note",
    "manual_status", "manual_at", "manual_away_state_id", "manual_note", "version",
]  # fmt: skip


def _settle(current: Availability, facts: Facts, by: Actor, now: datetime) -> State:
    """Write the state that follows from the facts at `now`, and set the timer for the next edge."""
    state = edges.state_at(facts, now)
    _change(current, state, now, by, now)
    current.until = edges.next_edge(facts, now)
    current.save(update_fields=_SETTLED)
    if current.until is None:
        timers.drop_timer(current.account_id, EDGE, str(current.user_id))
    else:
        timers.set_timer(current.account_id, EDGE, str(current.user_id), current.until)
    return state


def _change(current: Availability, state: State, at: datetime, by: Actor, now: datetime) -> None:
    """Take on the state; a new status, or way of being away, is logged and told as an event (R-AVAIL-18)."""
    before, was = Status(current.status), (current.status, current.away_state_id, current.note)
    current.status, current.source = state.status, state.source
    current.away_state_id, current.note = state.away_state_id, state.note
    if was == (state.status, state.away_state_id, state.note):
        return
    current.since = current.since if before is state.status else at
    current.version += 1
    AvailabilityChange.objects.create(
        account_id=current.account_id,
        user_id=current.user_id,
        from_status=before,
        to_status=state.status,
        away_state_id=state.away_state_id,
        note=state.note,
        source=state.source,
        actor_kind=by.kind.value,
        actor_id=by.id,
        at=at,
        noted_at=now,
    )
    way = {"away_state_id": state.away_state_id} if state.away_state_id else {}
    log.record(
        CHANGED,
        object_type="user",
        object_id=current.user_id,
        version=current.version,
        by=by,
        at=at,
        data={"from": before.value, "to": state.status.value, "source": state.source.value} | way,
    )

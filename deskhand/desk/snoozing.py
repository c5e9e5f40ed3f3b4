"""Tickets that are looked at later: by one person or the whole account, until a moment or until the customer writes

(R-WORK-9). Whatever the moment, a customer's reply wakes them. They go on counting as work (R-ROUTE-24).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records.models import Ticket
from deskhand.desk import threads
from deskhand.desk.models import Snooze
from deskhand.desk.types import Automatic
from deskhand.events import log
from deskhand.events.types import SYSTEM, Actor, Event, NewEvent
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.timers import DueTimer

KIND = "desk.snooze"
SNOOZED, WOKEN = "ticket.snoozed", "ticket.woken"
FARTHEST = timedelta(days=366)


def snooze(
    ticket_id: int, *, user_id: int | None, until: datetime | None, by: Actor, at: datetime | None = None
) -> None:
    """Put a ticket off for one person, or with None for everybody; until None is until the customer replies.

    Safe to repeat: the last word counts. Raises NotFound, and Invalid for a moment that is past or too far away.
    """
    at = at or clock.now()
    if until is not None and not at < until <= at + FARTHEST:
        raise Invalid(_("Choose a moment within the next year."), field="until", value=until.isoformat())
    account_id = current_account_id()
    if until is None:
        timers.drop_timer(account_id, KIND, _key(ticket_id, user_id))
    else:
        timers.set_timer(account_id, KIND, _key(ticket_id, user_id), until)
    Snooze.objects.update_or_create(
        account_id=account_id, ticket_id=ticket_id, user_id=user_id,
        defaults={"until": until, "set_by": by.id or 0, "set_at": at},
    )  # fmt: skip
    _tell(SNOOZED, {ticket_id: {"until": until.isoformat() if until else None}}, by, at)


def wake(ticket_id: int, *, user_id: int, by: Actor, at: datetime | None = None) -> None:
    """Look at a ticket again: what one put off oneself, and what is put off for everybody. Safe to repeat."""
    mine = Snooze.objects.filter(account_id=current_account_id(), ticket_id=ticket_id)
    found = [one for one in mine if one.user_id in (None, user_id)]
    _end(found, by, at or clock.now())


def on_due(account_id: int, due: Sequence[DueTimer]) -> None:
    """Timers: their moment has come."""
    now = clock.now()
    asked = {timer.key for timer in due}
    tickets = {int(key.partition(":")[0]) for key in asked}
    found = Snooze.objects.filter(account_id=account_id, ticket_id__in=tickets, until__lte=now)
    _end([one for one in found if _key(one.ticket_id, one.user_id) in asked], SYSTEM, now, is_due=True)


def hear(account_id: int, events: Sequence[Event]) -> None:
    """A customer's own words wake their ticket. Safe to repeat."""
    heard = {event.data["ticket_id"] for event in events if _is_reply(event)}
    if heard:
        found = list(Snooze.objects.filter(account_id=account_id, ticket_id__in=heard))
        _end(found, SYSTEM, clock.now())


def _is_reply(event: Event) -> bool:
    said = event.data
    return (
        event.kind == threads.RECEIVED
        and bool(said["ticket_id"])
        and not said["unverified"]
        and said["automatic"] == Automatic.NO
    )


def _end(asked: Sequence[Snooze], by: Actor, at: datetime, *, is_due: bool = False) -> None:
    """Timers before the rest, as their loop has them; what has ended meanwhile is not told again."""
    if not asked:
        return
    account_id = current_account_id()
    keys = [_key(one.ticket_id, one.user_id) for one in asked]
    timers.hold_timers(account_id, KIND, keys)
    own = Snooze.objects.filter(account_id=account_id, pk__in=[one.pk for one in asked])
    found = list(own.order_by("id").select_for_update())
    own.delete()
    timers.drop_timers(account_id, KIND, keys)
    woken: dict[int, dict[str, Any]] = {}
    for one in found:
        data = woken.setdefault(one.ticket_id, {"users": [], "for_all": False, "due": is_due})
        if one.user_id is None:
            data["for_all"] = True
        else:
            data["users"].append(one.user_id)
    _tell(WOKEN, woken, by, at)


def _key(ticket_id: int, user_id: int | None) -> str:
    return f"{ticket_id}:{user_id or 0}"


def _tell(kind: str, told: Mapping[int, dict[str, Any]], by: Actor, at: datetime) -> None:
    """`told`: what is said of each ticket."""
    account_id = current_account_id()
    found = Ticket.objects.filter(account_id=account_id, pk__in=list(told)).order_by("id")
    versions = dict(found.values_list("pk", "version"))
    if len(versions) < len(told):
        raise NotFound(_("There is no such ticket."))
    log.record_many(
        [NewEvent(kind, "ticket", pk, version, by, at, told[pk]) for pk, version in versions.items()]
    )

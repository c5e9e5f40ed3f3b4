"""Who follows a ticket. A "no" is kept as well: it beats whatever would make somebody follow by itself (R-WORK-10)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from deskhand.crm.records.models import Ticket
from deskhand.desk.models import Follower
from deskhand.events import log
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id

FOLLOWED, UNFOLLOWED = "ticket.followed", "ticket.unfollowed"


def follow(ticket_id: int, user_id: int, on: bool, *, by: Actor, at: datetime | None = None) -> bool:
    """Let somebody follow a ticket, or follow it no more. Safe to repeat; returns whether something changed."""
    account_id = current_account_id()
    found = Follower.objects.filter(account_id=account_id, ticket_id=ticket_id, user_id=user_id).first()
    if found is not None and found.follows is on:
        return False
    Follower.objects.update_or_create(
        account_id=account_id, ticket_id=ticket_id, user_id=user_id, defaults={"follows": on}
    )
    version = Ticket.objects.values_list("version", flat=True).get(account_id=account_id, pk=ticket_id)
    log.record(
        FOLLOWED if on else UNFOLLOWED, object_type="ticket", object_id=ticket_id, version=version, by=by,
        data={"user_id": user_id}, at=at or clock.now(),
    )  # fmt: skip
    return True


def followers(ticket_id: int) -> Collection[int]:
    """The users who follow a ticket."""
    found = Follower.objects.filter(account_id=current_account_id(), ticket_id=ticket_id, follows=True)
    return set(found.values_list("user_id", flat=True))

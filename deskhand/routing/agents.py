"""The automatic agents that may answer a channel's customers first (R-AI-1), as routing sees them. Wiring says which there
are; without any, the option is on no screen (R-AI-16)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from deskhand.crm.records import agents as on_tickets
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope


class Agent(Protocol):
    """Answers tickets that are given to it until it hands them to people. Told by `ticket.updated` events like anybody."""

    key: str
    name: str  # in the reader's language


#: By key; filled by wiring.
known: dict[str, Agent] = {}


def hand_off(
    account_id: int, ticket_ids: Collection[int], *, by: Actor, at: datetime | None = None
) -> list[int]:
    """Give up these tickets, as a bot's “send to team member” does: people get them by the channel's rule in the same
    transaction (R-AI-14, R-ROUTE-82). Returns those that an agent had; safe to repeat."""
    at = at or clock.now()
    with account_scope(account_id):
        had = Ticket.objects.filter(account_id=account_id, pk__in=ticket_ids).exclude(ai_agent="")
        ids = sorted(had.values_list("pk", flat=True))
        values = on_tickets.handed_to_people(at)
        tickets.change_many([Change(pk, values) for pk in ids], by=by, at=at)
        return ids

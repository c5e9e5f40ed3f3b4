"""Why a ticket got its owner, or none (R-ROUTE-70)."""

from __future__ import annotations

from typing import Any

from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape, moment, without_nothing
from deskhand.crm.records import listing
from deskhand.routing import explain, queries


class Detail(Shape):
    label: str
    value: str


class PassedOver(Shape):
    user_id: str
    name: str
    reason: str


class DecisionShown(Shape):
    """`reason` is for programs; the headline, the details and why somebody was passed over are for people."""

    id: str
    ticket_id: str
    at: str
    reason: str
    owner_id: str | None = None
    team_ids: list[str]
    channel_account_id: str | None = None
    headline: str
    details: list[Detail]
    passed_over: list[PassedOver]


@operation(
    "GET",
    "/api/deskhand/tickets/{ticketId}/routing-decision",
    needs=lambda _parts: {"tickets", *asked.to_read(_parts)},
    gives={200: DecisionShown},
)
def read(call: Call) -> Any:
    """The newest decision of routing about a ticket: who got it and why, and who was passed over."""
    account_id, ticket_id = call.viewer.account_id, asked.part(call, "ticketId")
    if not listing.reached(call.viewer, "ticket", [ticket_id]).filter(archived_at=None).exists():
        raise refusals.missing()
    decision = queries.decision_for_ticket(account_id, ticket_id)
    if decision is None:
        raise refusals.missing("Routing has not decided about this ticket.")
    told = explain.explain(decision)
    channel = decision.channel_account_id
    return without_nothing(
        id=str(decision.pk),
        ticketId=str(ticket_id),
        at=moment(decision.at),
        reason=decision.reason,
        ownerId=None if decision.user_id is None else str(decision.user_id),
        teamIds=[str(pk) for pk in decision.team_ids],
        channelAccountId=None if channel is None else str(channel),
        headline=str(told.headline),
        details=[{"label": str(label), "value": str(value)} for label, value in told.details],
        passedOver=[
            {"userId": str(one.user_id), "name": one.name, "reason": one.reason} for one in told.dropped
        ],
    )

"""Soft landing: what waits is dealt out among those who are there and those whose hours begin soon.

Without it the first who comes in the morning is given all that came in the night. What falls to somebody who is still to
come is kept for them until the landing is over; then the list is everybody's again. Nothing is kept twice, and what is
urgent is not kept at all. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from deskhand.routing import edges
from deskhand.routing.decision import Batch, Rule
from deskhand.routing.edges import Facts
from deskhand.routing.strategies import Ledger
from deskhand.routing.types import NewTicket, Roster, Status, Strategy

#: Who comes at the last moment still gets what is kept for them, whichever timer rings first.
LATE = timedelta(minutes=1)


def coming(facts: Mapping[int, Facts], now: datetime, until: datetime) -> frozenset[int]:
    """Who is to become available after `now`, at `until` at the latest."""
    will: dict[Facts, bool] = {}
    for one in facts.values():
        if one not in will:
            will[one] = any(state.status is Status.AVAILABLE for _, state in edges.passed(one, now, until))
    return frozenset(user_id for user_id, one in facts.items() if will[one])


def deal(
    batch: Batch,
    rule: Rule,
    tickets: Sequence[NewTicket],
    expected: Collection[int],
    kept: Iterable[NewTicket] = (),
) -> dict[int, int]:
    """Who should get which of these tickets of the rule, in their order, were the expected there already.

    By shares, as even as limits and skills let it be; what people have to do already counts for their limits only. Of two
    who are equal the one who is there goes first. `kept` is kept for somebody already. Moves nothing on.
    """
    people = {
        user_id: replace(one, is_available=one.is_available or user_id in expected)
        for user_id, one in batch.roster.people.items()
    }
    ledgers = {kind: Ledger(turns=dict.fromkeys(expected, 0)) for kind in batch.ledgers}
    room = batch.room.copy()
    for ticket in kept:
        if ticket.kept_for is not None:
            room.take(ticket.kept_for, ticket.ticket_type, ticket.points)
    evenly = replace(rule, strategy=Strategy.LOAD_BALANCED)
    dealt = replace(
        batch, rules={rule.channel_account_id: evenly}, roster=Roster(people, batch.roster.teams), ledgers=ledgers, room=room,
        served={}, pools={}, _pickers={},
    )  # fmt: skip
    drafts = dealt.decide((ticket, 1 + place) for place, ticket in enumerate(tickets))
    return {draft.ticket.ticket_id: draft.user_id for draft in drafts if draft.user_id is not None}

"""What tickets say of the wait-list (R-ROUTE-52): that they wait, since when, where they stand and for whom.

`waiting` keeps the list; the ticket's properties say the same from the same transaction on, with history and events, so
that views, filters, workflows and the API see it. Everything is done for a set at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deskhand.crm.records import tickets
from deskhand.crm.records.store import Change
from deskhand.crm.schema.defaults import (
    ADDED_TO_WAIT_LIST,
    AGENT_STATUS,
    IN_WAIT_LIST,
    WAIT_LIST_SORT,
    WAIT_LIST_TARGETS,
)
from deskhand.events.types import Actor, ActorKind, Cause, Event
from deskhand.kernel import clock
from deskhand.routing import waiting

#: The cause of such a change.
RULE = "wait_list"
#: Changes after which a ticket may wait no more.
_LEAVING = {"hubspot_owner_id", "hs_is_closed", "is_spam", AGENT_STATUS}
_TEAMS, _PRIORITY = "hs_assigned_team_ids", "hs_ticket_priority"
_NO_MARKS: Mapping[str, Any] = dict.fromkeys(
    (IN_WAIT_LIST, ADDED_TO_WAIT_LIST, WAIT_LIST_SORT, WAIT_LIST_TARGETS)
)
_ROUTING = Actor(ActorKind.ROUTING)
_MOST = 1000  # tickets in one change
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sort_value(urgency: int, since: datetime) -> int:
    """The lower, the sooner it is its turn: by urgency, then by when it came, in milliseconds."""
    return urgency * 10**13 + (since - _EPOCH) // timedelta(milliseconds=1)


def mark(account_id: int, targets: Mapping[int, Sequence[int]], now: datetime) -> None:
    """Those of these tickets that are on the list say so, and for whom they wait; what they say already is no change.

    Two queries for any number, and the writing of what is new.
    """
    changes = []
    for ticket_id, (urgency, since) in waiting.places(account_id, targets).items():
        values = {
            IN_WAIT_LIST: True,
            ADDED_TO_WAIT_LIST: since.astimezone(UTC).isoformat(),
            WAIT_LIST_SORT: sort_value(urgency, since),
            WAIT_LIST_TARGETS: sorted(targets[ticket_id]) or None,
        }
        changes.append(Change(ticket_id, values, rule=RULE))
    tickets.change_many(changes, by=_ROUTING, at=now)


def unmark(ticket_ids: Collection[int], now: datetime, causes: Mapping[int, Cause] | None = None) -> None:
    """These have left the list."""
    causes = causes or {}
    ids = sorted(ticket_ids)
    for start in range(0, len(ids), _MOST):
        changes = [
            Change(pk, _NO_MARKS, rule=RULE, cause=causes.get(pk)) for pk in ids[start : start + _MOST]
        ]
        tickets.change_many(changes, by=_ROUTING, at=now)


def leave(account_id: int, ticket_ids: Collection[int], now: datetime) -> None:
    """Those of these tickets that wait for nobody any more leave the list, and say so. The caller holds them. Safe to repeat."""
    if ticket_ids:
        unmark(waiting.leave(account_id, ticket_ids), now)


def follow(account_id: int, events: Sequence[Event]) -> None:
    """Before commit: whoever is assigned, closed, spam, put away or part of another leaves the list, and so does what
    anybody but routing gave to a team; a new priority is a new place."""
    now = clock.now()
    changed = [e for e in events if e.object_type == "ticket" and e.kind != tickets.CREATED]
    going = {e.object_id: e for e in changed if _may_leave(e)}
    if going:
        of_teams = [e.object_id for e in changed if _is_given_to_team(e)]
        left = waiting.leave(account_id, going, at_once=of_teams)
        unmark(left, now, {pk: Cause(event_id=going[pk].id) for pk in left})
    moved = {e.object_id: e for e in changed if _PRIORITY in e.data.get("changes", {})}
    if moved:
        places = waiting.places(account_id, moved)
        changes = [
            Change(pk, {WAIT_LIST_SORT: sort_value(*place)}, rule=RULE, cause=Cause(event_id=moved[pk].id))
            for pk, place in places.items()
        ]
        tickets.change_many(changes, by=_ROUTING, at=now)


def _may_leave(event: Event) -> bool:
    if event.kind == "ticket.archived":  # whoever becomes part of another is, too
        return True
    return bool(_LEAVING & set(event.data.get("changes", ()))) or _is_given_to_team(event)


def _is_given_to_team(event: Event) -> bool:
    """A person, a workflow or an integration chose a team as owner (R-ROUTE-6), so nobody else waits for it."""
    return event.by.kind is not ActorKind.ROUTING and bool(
        event.data.get("changes", {}).get(_TEAMS, [[], []])[1]
    )

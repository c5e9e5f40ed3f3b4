"""Who is available, until when, and setting it (R-AVAIL-10, R-AVAIL-11)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from deskhand.accounts import policy
from deskhand.accounts import queries as people
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Member
from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape, moment, without_nothing
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden
from deskhand.kernel.text import one_line
from deskhand.routing import availability, queries
from deskhand.routing.queries import Standing
from deskhand.routing.types import Source, Status

_LIST, _ONE = "/api/deskhand/availability", "/api/deskhand/availability/{userId}"
NOTE = 200  # characters


class StatusInput(Shape):
    status: Status
    away_state_id: str | None = None
    note: Annotated[str | None, Field(max_length=NOTE)] = None


class Revert(Shape):
    change_id: str


class AwayStateShown(Shape):
    id: str
    name: str


class PresenceShown(Shape):
    """`until` is the next edge of working hours or of an absence, where there is one. `change_id` is given by who changed it."""

    user_id: str
    name: str
    status: Status
    source: Source
    until: str | None = None
    away_state: AwayStateShown | None = None
    note: str
    change_id: str | None = None


class PresenceList(Shape):
    results: list[PresenceShown]


@operation("GET", _LIST, needs=asked.to_read, gives={200: PresenceList})
def listed(call: Call) -> Any:
    """Everybody with a seat, by name, with their status."""
    policy.require(call.viewer, Action.CHANGE_AVAILABILITY_OF_OTHERS)
    members = people.seated_members(call.viewer.account_id)
    found = queries.standings(call.viewer.account_id, [one.user_id for one in members], clock.now())
    return {"results": [_shown(one, found[one.user_id]) for one in members]}


@operation("GET", _ONE, needs=asked.to_read, gives={200: PresenceShown})
def read(call: Call) -> Any:
    """Somebody's status."""
    member = _seated(call)
    return _shown(member, _standing(call, member))


@operation("PUT", _ONE, needs=asked.to_write, takes=StatusInput, gives={200: PresenceShown})
@asked.in_our_words()
def update(call: Call) -> Any:
    """Set a status that holds until the next edge. Where it is a change, `changeId` is what takes it back."""
    member, body = _seated(call), call.body
    before = _newest(call, member)
    way = None if body.away_state_id is None else asked.number("awayStateId", body.away_state_id)
    availability.set_by_hand(
        call.viewer.account_id, member.user_id, body.status, by=call.by, away_state_id=way, note=one_line(body.note or "")
    )  # fmt: skip
    newest = _newest(call, member)
    told = _shown(member, _standing(call, member))
    return told if newest in (None, before) else {**told, "changeId": str(newest)}


@operation("POST", f"{_ONE}/revert", needs=asked.to_write, takes=Revert, gives={200: PresenceShown})
def revert(call: Call) -> Any:
    """Take a change of the status back, if nothing has changed it since."""
    member = _seated(call)
    change_id = asked.number("changeId", call.body.change_id)
    availability.switch_back(call.viewer.account_id, member.user_id, change_id, by=call.by)
    return _shown(member, _standing(call, member))


def _seated(call: Call) -> Member:
    """Oneself, or a colleague for who may change others' status. Raises Forbidden, and Refusal."""
    user_id = asked.part(call, "userId")
    if not availability.may_set_status(call.viewer, user_id):
        raise Forbidden("You don't have permission to do this.")
    found = people.find_member(call.viewer.account_id, user_id)
    if found is None or not (found.is_active and found.has_seat):
        raise refusals.missing("There is no such colleague with a seat.", context={"userId": [str(user_id)]})
    return found


def _standing(call: Call, member: Member) -> Standing:
    return queries.standings(call.viewer.account_id, [member.user_id], clock.now())[member.user_id]


def _newest(call: Call, member: Member) -> int | None:
    found = queries.changes(call.viewer.account_id, member.user_id, limit=1)
    return found[0].pk if found else None


def _shown(member: Member, standing: Standing) -> dict[str, Any]:
    way = standing.away_state_id
    return without_nothing(
        userId=str(member.user_id),
        name=member.name,
        status=standing.status.value,
        source=standing.source.value,
        until=moment(standing.until) if standing.until else None,
        awayState=None if way is None else {"id": str(way), "name": standing.way},
        note=standing.note,
    )

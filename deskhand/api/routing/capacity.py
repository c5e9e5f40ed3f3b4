"""How many tickets people hold and may be given (R-CAP-5, R-CAP-10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Member
from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape, without_nothing
from deskhand.kernel import clock
from deskhand.routing import capacity
from deskhand.routing.capacity import Hold
from deskhand.routing.models import Capacity
from deskhand.routing.types import Measure

_LIST, _ONE = "/api/deskhand/routing/capacity", "/api/deskhand/routing/capacity/{userId}"


class LimitsInput(Shape):
    """The limits as a whole: what is left out does not bind; `total` counts with TOTAL, the others with BY_TYPE. A share that
    is left out stays."""

    measure: Measure = Measure.TOTAL
    total: int | None = None
    call: int | None = None
    message: int | None = None
    email_other: int | None = None
    share: int | None = None


class Held(Shape):
    """`type` is left out of what counts all tickets."""

    type: str | None = None
    held: int
    limit: int | None = None


class LimitsShown(LimitsInput):
    user_id: str
    name: str
    holds: list[Held]


class LimitsList(Shape):
    results: list[LimitsShown]


@operation("GET", _LIST, needs=asked.to_read, gives={200: LimitsList})
def listed(call: Call) -> Any:
    """Everybody with a seat, by name: what limits them and what they hold."""
    _require(call)
    members = people.seated_members(call.viewer.account_id)
    ids = [one.user_id for one in members]
    limits = capacity.limits_of(call.viewer.account_id, ids)
    holds = capacity.holds_of(call.viewer.account_id, ids, clock.now())
    return {"results": [_shown(one, limits.get(one.user_id), holds[one.user_id]) for one in members]}


@operation("GET", _ONE, needs=asked.to_read, gives={200: LimitsShown})
def read(call: Call) -> Any:
    """What limits somebody, and what they hold."""
    _require(call)
    member, account_id = _seated(call), call.viewer.account_id
    limits = capacity.limits_of(account_id, [member.user_id]).get(member.user_id)
    return _shown(
        member, limits, capacity.holds_of(account_id, [member.user_id], clock.now())[member.user_id]
    )


@operation("PUT", _ONE, needs=asked.to_write, takes=LimitsInput, gives={200: LimitsShown})
@asked.in_our_words()
def replace(call: Call) -> Any:
    """Set somebody's limits; 0 lets nothing through."""
    _require(call)
    body = call.body
    capacity.set_limits(
        call.viewer.account_id,
        [_seated(call).user_id],
        by=call.by,
        measure=body.measure,
        total=body.total,
        by_type={kind.value: getattr(body, column) for kind, column in capacity.BY_TYPE.items()},
        share=body.share,
    )
    return read(call)


def _require(call: Call) -> None:
    asked.require(call, Action.EDIT_USERS, Feature.CAPACITY)


def _seated(call: Call) -> Member:
    user_id = asked.part(call, "userId")
    found = people.find_member(call.viewer.account_id, user_id)
    if found is None or not (found.is_active and found.has_seat):
        raise refusals.missing("There is no such colleague with a seat.", context={"userId": [str(user_id)]})
    return found


def _shown(member: Member, limits: Capacity | None, holds: Mapping[str, Hold]) -> dict[str, Any]:
    row = limits or Capacity()
    return without_nothing(
        userId=str(member.user_id),
        name=member.name,
        measure=str(Measure(row.measure).value),
        total=row.total,
        call=row.call,
        message=row.message,
        emailOther=row.email_other,
        share=row.share,
        holds=[
            without_nothing(type=kind or None, held=one.held, limit=one.limit) for kind, one in holds.items()
        ],
    )

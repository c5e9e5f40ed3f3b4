"""The simulator of routing: past or made-up tickets with another roster, rule, limit or hours, beside today's."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from pydantic import Field

from deskhand.accounts import policy
from deskhand.accounts import queries as people
from deskhand.accounts.models import Account
from deskhand.accounts.policy import Action
from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape, moment, without_nothing
from deskhand.kernel import calendars, clock
from deskhand.kernel.errors import Invalid
from deskhand.routing import simulations
from deskhand.routing.models import Simulation
from deskhand.routing.types import Strategy
from deskhand.routing.wishes import PAST, Wish

_LIST, _ONE = "/api/deskhand/routing/simulations", "/api/deskhand/routing/simulations/{simulationId}"
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]


class WishInput(Shape):
    """What shall be other than today. Times are minutes since midnight, Monday to Friday; `off` is a weekday from "0", Monday,
    or "all", on which `people` are away; `share` is theirs, too, in percent of what others get."""

    source: Literal["past", "made_up"] = "past"
    days: Number = 30
    a_day: Number = 0
    percent: Number = 100
    people: Annotated[list[str], Field(max_length=1000)] = []
    off: str = ""
    share: Number | None = None
    strategy: Literal["", "LOAD_BALANCED", "ROUND_ROBIN", "RANDOM"] = ""
    only_available: bool | None = None
    wait_list: bool | None = None
    limit: Number | None = None
    begins: Number | None = None
    ends: Number | None = None
    opens: Number | None = None
    closes: Number | None = None
    more: Number = 0
    target: Number = 60
    seed: Number = 1


class SimulationShown(Shape):
    """`result` has the figures of today and of then, once it is worked out."""

    id: str
    state: Literal["RUNNING", "DONE", "FAILED", "STOPPED"]
    made_at: str
    ended_at: str | None = None
    done: int
    total: int
    error: str | None = None
    wish: dict[str, Any]
    result: dict[str, Any] | None = None


class SimulationList(Shape):
    results: list[SimulationShown]


@operation("GET", _LIST, needs=asked.to_read, gives={200: SimulationList})
def listed(call: Call) -> Any:
    """The newest simulations, without their results."""
    policy.require(call.viewer, Action.EDIT_ROUTING)
    newest = _own(call).defer("result").order_by("-pk")[: simulations.KEPT]
    return {"results": [_shown(one, None) for one in newest]}


@operation("POST", _LIST, needs=asked.to_write, takes=WishInput, gives={201: SimulationShown})
@asked.in_our_words()
def start(call: Call) -> Any:
    """Begin one; read it until it is DONE. One at a time goes on."""
    policy.require(call.viewer, Action.EDIT_ROUTING)
    made = simulations.start(call.viewer.account_id, _wish(call), by=call.viewer.user_id, now=clock.now())
    return _shown(made, None)


@operation("GET", _ONE, needs=asked.to_read, gives={200: SimulationShown})
def read(call: Call) -> Any:
    """How far one is, and what came of it."""
    one = _find(call)
    return _shown(one, one.result)


@operation("DELETE", _ONE, needs=asked.to_write, gives={204: None})
def stop(call: Call) -> None:
    """Stop one that goes on; one that has ended stays as it is."""
    if _find(call).ended_at is None:
        simulations.cancel(call.viewer.account_id, clock.now())


def _wish(call: Call) -> Wish:
    """Raises Invalid."""
    body: WishInput = call.body
    if body.days not in simulations.SPANS:
        known = ", ".join(map(str, simulations.SPANS))
        raise Invalid("Choose one of the times.", field="days", value=body.days, hint=f"One of: {known}.")
    seated = {one.user_id for one in people.seated_members(call.viewer.account_id)}
    chosen = asked.numbers("people", body.people)
    if not seated.issuperset(chosen):
        raise Invalid(
            "Somebody of these can't be given tickets.", field="people", hint="Name people with a seat."
        )
    zone = ZoneInfo(Account.objects.values_list("zone", flat=True).get(pk=call.viewer.account_id))
    today = calendars.start_of_day(zone, calendars.local_day(zone, clock.now()))
    span = timedelta(days=body.days)
    since = today - span if body.source == PAST else today + timedelta(days=1)
    same = body.model_dump(exclude={"days", "people"})
    same["strategy"] = Strategy(body.strategy).value if body.strategy else ""
    return Wish(since=since, until=since + span, people=tuple(dict.fromkeys(chosen)), **same)


def _find(call: Call) -> Any:
    """Raises Forbidden, and Refusal."""
    policy.require(call.viewer, Action.EDIT_ROUTING)
    found = _own(call).filter(pk=asked.part(call, "simulationId")).first()
    if found is None:
        raise refusals.missing("There is no such simulation.")
    return found


def _own(call: Call) -> QuerySet[Any]:
    """Each with whether something came of it, which is read without what that is."""
    is_there = ExpressionWrapper(Q(result__isnull=False), BooleanField())
    return Simulation.objects.filter(account_id=call.viewer.account_id).annotate(has_result=is_there)


def _shown(one: Any, result: Any) -> dict[str, Any]:
    return without_nothing(
        id=str(one.pk),
        state=_state(one),
        madeAt=moment(one.made_at),
        endedAt=moment(one.ended_at) if one.ended_at else None,
        done=one.done,
        total=one.total,
        error=one.error or None,
        wish=one.wish,
        result=result,
    )


def _state(one: Any) -> str:
    """What was stopped has neither a result nor an error."""
    if one.ended_at is None:
        return "RUNNING"
    if one.error:
        return "FAILED"
    return "DONE" if one.has_result else "STOPPED"

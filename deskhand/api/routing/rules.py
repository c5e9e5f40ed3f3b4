"""Whom the new tickets of each channel go to (R-ROUTE-10, R-ROUTE-15): what the Automation tab of a channel has."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.api import refusals
from deskhand.api.operations import Call, operation
from deskhand.api.routing import asked
from deskhand.api.shapes import Shape, moment, without_nothing
from deskhand.desk.models import ChannelAccount
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import storable
from deskhand.routing import hours as kept_hours
from deskhand.routing import queries, rules
from deskhand.routing.models import RoutingRule
from deskhand.routing.ringing import Ringing
from deskhand.routing.types import Option, Reroute, Strategy

_LIST, _ONE = "/api/deskhand/routing/rules", "/api/deskhand/routing/rules/{channelAccountId}"
_IDS = ("user_ids", "team_ids", "fallback_user_ids", "fallback_team_ids")
_PLAIN = (
    "option", "strategy", "only_available", "include_extra_members", "include_nested_teams", "after_workflows", "wait_list",
    "landing_minutes", "reroute", "sticky_hours", "agent_key",
)  # fmt: skip
Ids = Annotated[list[str], Field(max_length=1000)]


class Hours(Shape):
    """On a weekday (0 is Monday), in minutes since midnight."""

    weekday: int
    start: int
    end: int


class Week(Shape):
    zone: str
    blocks: Annotated[list[Hours], Field(max_length=200)]


class Ring(Shape):
    at_once: bool = False
    seconds: int = Ringing.seconds
    unanswered: str = ""
    closed: str = ""


class RuleInput(Shape):
    """A rule as a whole: what is left out is as in a new one. Users and teams are asked in their order."""

    option: Option
    strategy: Strategy = Strategy.LOAD_BALANCED
    only_available: bool = True
    user_ids: Ids = []
    team_ids: Ids = []
    include_extra_members: bool = False
    include_nested_teams: bool = False
    fallback_user_ids: Ids = []
    fallback_team_ids: Ids = []
    after_workflows: bool = False
    wait_list: bool = False
    landing_minutes: int = 0
    reroute: Reroute = Reroute.NEVER
    sticky_hours: int = 0
    agent_key: str = ""
    skill_rule_set_id: str | None = None
    hours: Week | None = None
    ringing: Ring | None = None


class RuleShown(RuleInput):
    """Without `updated_at` nobody has made one yet. Without hours the channel is always open."""

    channel_account_id: str
    channel: str
    name: str
    updated_at: str | None = None


class RuleList(Shape):
    results: list[RuleShown]


@operation("GET", _LIST, needs=asked.to_read, gives={200: RuleList})
def listed(call: Call) -> Any:
    """The rules of all channels."""
    policy.require(call.viewer, Action.CONNECT_CHANNELS)
    kept = {
        one.channel_account_id: one for one in RoutingRule.objects.filter(account_id=call.viewer.account_id)
    }
    return {"results": [_shown(one, kept.get(one.pk)) for one in _channels(call).order_by("pk")]}


@operation("GET", _ONE, needs=asked.to_read, gives={200: RuleShown})
def read(call: Call) -> Any:
    """The rule of one channel."""
    channel = _channel(call)
    return _shown(channel, queries.rule_for(channel.account_id, channel.pk))


@operation("PUT", _ONE, needs=asked.to_write, takes=RuleInput, gives={200: RuleShown})
@asked.in_our_words()
def replace(call: Call) -> Any:
    """Write the rule of a channel anew; what that kind of channel does not offer is refused."""
    channel, body = _channel(call), call.body
    policy.require(call.viewer, Action.EDIT_ROUTING)
    rule_set = body.skill_rule_set_id
    chosen: dict[str, Any] = {name: getattr(body, name) for name in _PLAIN}
    chosen |= {name: asked.numbers(name, getattr(body, name)) for name in _IDS}
    chosen["skill_rule_set_id"] = None if rule_set is None else asked.number("skill_rule_set_id", rule_set)
    chosen |= {"hours": _week(body.hours), "ringing": _ring(body.ringing)}
    made = rules.set_rule(channel.account_id, channel.pk, kind=channel.channel, by=call.by, **chosen)
    return _shown(channel, made)


def _week(given: Week | None) -> WeeklyHours | None:
    """Raises Invalid."""
    if given is None:
        return None
    if not given.blocks:
        raise Invalid(
            "Say when it is open.", field="hours", hint="Leave the hours out where it is always open."
        )
    return WeeklyHours(given.zone, tuple(Block(one.weekday, one.start, one.end) for one in given.blocks))


def _ring(given: Ring | None) -> Ringing | None:
    if given is None:
        return None
    return Ringing(given.at_once, given.seconds, storable(given.unanswered), storable(given.closed))


def _channels(call: Call) -> Any:
    return ChannelAccount.objects.filter(account_id=call.viewer.account_id, archived_at=None)


def _channel(call: Call) -> ChannelAccount:
    """For who may connect channels. Raises Forbidden, and Refusal."""
    policy.require(call.viewer, Action.CONNECT_CHANNELS)
    found: ChannelAccount | None = _channels(call).filter(pk=asked.part(call, "channelAccountId")).first()
    if found is None:
        raise refusals.missing("There is no such channel account.")
    return found


def _shown(channel: ChannelAccount, rule: RoutingRule | None) -> dict[str, Any]:
    kept = rule or RoutingRule()
    week, rings = kept_hours.of_rule(kept), Ringing.of(kept)
    facts: dict[str, Any] = {name: getattr(kept, name) for name in (*_PLAIN, "skill_rule_set_id")}
    facts |= {name: [str(pk) for pk in getattr(kept, name)] for name in _IDS}
    if week is not None:
        blocks = [{"weekday": one.weekday, "start": one.start, "end": one.end} for one in week.blocks]
        facts["hours"] = {"zone": week.zone, "blocks": blocks}
    if rings != Ringing():
        facts["ringing"] = asdict(rings)
    told = RuleInput.model_validate(facts)
    return without_nothing(
        channelAccountId=str(channel.pk),
        channel=channel.channel,
        name=channel.name,
        updatedAt=moment(rule.updated_at) if rule else None,
        **told.model_dump(mode="json", by_alias=True, exclude_none=True),
    )

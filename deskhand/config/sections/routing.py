"""Whom the new tickets of a channel go to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.desk.models import ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel.calendars import Block, WeeklyHours
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading
from deskhand.routing import rules, skills
from deskhand.routing.availability import stored
from deskhand.routing.hours import of_rule
from deskhand.routing.models import RoutingRule
from deskhand.routing.ringing import Ringing
from deskhand.routing.types import Option, Reroute, Strategy

_CHOICES = {"option": Option, "strategy": Strategy, "reroute": Reroute}
_FLAGS = (
    "only_available",
    "include_extra_members",
    "include_nested_teams",
    "after_workflows",
    "wait_list",
    "ring_all",
)
_NUMBERS = {
    "landing_minutes": rules.LONGEST_LANDING,
    "sticky_hours": rules.MOST_STICKY,
    "ring_seconds": rules.RING_SECONDS[1],
}
_TEXTS = {"agent_key": 80, "unanswered_message": rules.MESSAGE, "closed_message": rules.MESSAGE}
_LISTS = {
    "users": ("user_ids", Thing.USER), "teams": ("team_ids", Thing.TEAM),
    "fallback_users": ("fallback_user_ids", Thing.USER), "fallback_teams": ("fallback_team_ids", Thing.TEAM),
}  # fmt: skip


class Routing(Section):
    name = "routing"

    def export(self, names: Names) -> list[Item]:
        found = [_item(rule, names) for rule in RoutingRule.objects.filter(account_id=current_account_id())]
        return sorted(found, key=self.key)

    def key(self, item: Item) -> str:
        return str(item["channel"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields(
            "channel", optional=(*_CHOICES, *_FLAGS, *_NUMBERS, *_TEXTS, *_LISTS, "hours", "skills")
        )
        channel = names.back(Thing.CHANNEL, given["channel"].text(at_most=320), given["channel"].path)
        name = names.out(Thing.CHANNEL, channel)
        item: Item = dict(before.get(name) or _item(RoutingRule(channel_account_id=channel), names))
        for field, choices in _CHOICES.items():
            if field in given:
                item[field] = given[field].one_of(choices).value
        for field in _FLAGS:
            if field in given:
                item[field] = given[field].flag()
        for field, most in _NUMBERS.items():
            if field in given:
                item[field] = given[field].whole(at_least=0, at_most=most)
        for field, most in _TEXTS.items():
            if field in given:
                item[field] = given[field].text(at_most=most, may_be_empty=True)
        if "skills" in given:
            said = given["skills"].text(at_most=skills.NAME, may_be_empty=True)
            item["skills"] = said and names.out(
                Thing.SKILL_RULES, names.back(Thing.SKILL_RULES, said, given["skills"].path)
            )
        if "hours" in given:
            item["hours"] = _said(_hours(hours)) if (hours := given.given("hours")) else None
        for field, (_column, thing) in _LISTS.items():
            if field in given:
                chosen = given[field].items()
                item[field] = [
                    names.out(thing, names.back(thing, c.text(at_most=320), c.path)) for c in chosen
                ]
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        lists: dict[str, Any] = {
            column: [names.back(thing, one, f"{self.name}.{field}") for one in item[field]]
            for field, (column, thing) in _LISTS.items()
        }
        channel = names.back(Thing.CHANNEL, item["channel"], self.name)
        kind = ChannelAccount.objects.values_list("channel", flat=True).get(
            account_id=current_account_id(), pk=channel
        )
        ringing = Ringing(
            item["ring_all"], item["ring_seconds"], item["unanswered_message"], item["closed_message"]
        )
        hours = item["hours"]
        rules.set_rule(
            current_account_id(), channel, Option(item["option"]), by=by, kind=kind, strategy=Strategy(item["strategy"]),
            skill_rule_set_id=names.back(Thing.SKILL_RULES, item["skills"], f"{self.name}.skills") if item["skills"] else None,
            reroute=Reroute(item["reroute"]), sticky_hours=item["sticky_hours"], landing_minutes=item["landing_minutes"], agent_key=item["agent_key"], ringing=ringing,
            hours=_hours(Reading(hours, f"{self.name}.hours")) if hours else None, **lists,
            **{name: item[name] for name in _FLAGS if name != "ring_all"},
        )  # fmt: skip

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        """A channel without a rule gives its tickets to nobody."""
        channel = names.back(Thing.CHANNEL, before["channel"], self.name)
        self.put(_item(RoutingRule(channel_account_id=channel), names), before, names, by)

    def may_drop(self, before: Item) -> bool:
        return bool(before["option"] != Option.NONE or before["skills"])


def _item(rule: RoutingRule, names: Names) -> Item:
    return {
        "channel": names.out(Thing.CHANNEL, rule.channel_account_id),
        **{name: str(getattr(rule, name)) for name in _CHOICES},
        **{name: getattr(rule, name) for name in (*_FLAGS, *_NUMBERS, *_TEXTS)},
        "skills": names.out(Thing.SKILL_RULES, rule.skill_rule_set_id) if rule.skill_rule_set_id else "",
        "hours": _said(of_rule(rule)),
        **{
            name: [names.out(thing, pk) for pk in getattr(rule, column)]
            for name, (column, thing) in _LISTS.items()
        },
    }


def _said(hours: WeeklyHours | None) -> dict[str, Any] | None:
    return {"zone": hours.zone, "blocks": stored(hours)} if hours else None


def _hours(reading: Reading) -> WeeklyHours:
    """Blocks are [weekday, start, end], in minutes since midnight."""
    given = reading.fields("zone", "blocks")
    blocks = [
        [one.whole() for one in block.items(at_least=3, at_most=3)]
        for block in given["blocks"].items(at_most=7 * 24)
    ]
    return WeeklyHours(given["zone"].text(at_most=64), tuple(Block(*block) for block in blocks))

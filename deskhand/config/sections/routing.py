"""Whom the new tickets of a channel go to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading
from deskhand.routing import rules
from deskhand.routing.models import RoutingRule
from deskhand.routing.types import Option, Reroute, Strategy

_CHOICES = {"option": Option, "strategy": Strategy, "reroute": Reroute}
_FLAGS = ("only_available", "include_extra_members", "include_nested_teams", "after_workflows", "wait_list")
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
        given = reading.fields("channel", optional=(*_CHOICES, *_FLAGS, *_LISTS))
        channel = names.back(Thing.CHANNEL, given["channel"].text(at_most=320), given["channel"].path)
        name = names.out(Thing.CHANNEL, channel)
        item: Item = dict(before.get(name) or _item(RoutingRule(channel_account_id=channel), names))
        for field, choices in _CHOICES.items():
            if field in given:
                item[field] = given[field].one_of(choices).value
        for field in _FLAGS:
            if field in given:
                item[field] = given[field].flag()
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
        rules.set_rule(
            current_account_id(), names.back(Thing.CHANNEL, item["channel"], self.name), Option(item["option"]), by=by,
            strategy=Strategy(item["strategy"]), reroute=Reroute(item["reroute"]), **lists, **{name: item[name] for name in _FLAGS},
        )  # fmt: skip

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        """A channel without a rule gives its tickets to nobody."""
        channel = names.back(Thing.CHANNEL, before["channel"], self.name)
        self.put(_item(RoutingRule(channel_account_id=channel), names), before, names, by)

    def may_drop(self, before: Item) -> bool:
        return bool(before["option"] != Option.NONE)


def _item(rule: RoutingRule, names: Names) -> Item:
    return {
        "channel": names.out(Thing.CHANNEL, rule.channel_account_id),
        **{name: str(getattr(rule, name)) for name in _CHOICES},
        **{name: getattr(rule, name) for name in _FLAGS},
        **{
            name: [names.out(thing, pk) for pk in getattr(rule, column)]
            for name, (column, thing) in _LISTS.items()
        },
    }

"""The skill rules that channels follow, in their order."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading
from deskhand.routing import skill_sets, skills
from deskhand.routing.models import SkillRule
from deskhand.routing.skill_sets import NewRule

_LISTS = {"needs": "needed_ids", "wishes": "wished_ids"}


class SkillRules(Section):
    name = "skill_rules"

    def export(self, names: Names) -> list[Item]:
        account_id = current_account_id()
        found = skill_sets.sets(account_id)
        rules = skill_sets.rules_of(account_id, [one.pk for one in found])
        return [
            {"name": one.name, "rules": [_rule(rule, names) for rule in rules.get(one.pk, ())]}
            for one in found
        ]

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=("rules",))
        name = given["name"].text(at_most=skills.NAME)
        item: Item = dict(before.get(name) or {"name": name, "rules": []})
        if "rules" in given:
            item["rules"] = [_read(one, names) for one in given["rules"].items(at_most=skill_sets.MOST_RULES)]
        return item

    def compared(self, item: Item, names: Names) -> Item:
        rules = [
            {**one, "condition": definitions.condition_compared(one["condition"], "ticket", names)}
            for one in item["rules"]
        ]
        return {**item, "rules": rules}

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        account_id = current_account_id()
        if before is None:
            skill_sets.create(account_id, item["name"], by=by)
            names.forget()
        set_id = names.back(Thing.SKILL_RULES, item["name"], self.name)
        path = f"{self.name} {item['name']}.rules"
        skill_sets.set_rules(account_id, set_id, [_new(one, names, path) for one in item["rules"]], by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        skill_sets.delete(
            current_account_id(), names.back(Thing.SKILL_RULES, before["name"], self.name), by=by
        )

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        return [] if after is None else ["new tickets of channels that follow them are given by these rules"]


def _rule(rule: SkillRule, names: Names) -> Item:
    return {
        "name": rule.name,
        "condition": definitions.condition_out(rule.condition, "ticket", names),
        **{
            name: [names.out(Thing.SKILL, pk) for pk in getattr(rule, column)]
            for name, column in _LISTS.items()
        },
        "any_will_do": rule.any_will_do,
    }


def _read(reading: Reading, names: Names) -> Item:
    given = reading.fields("name", "condition", optional=(*_LISTS, "any_will_do"))
    lists = {
        name: [
            names.out(Thing.SKILL, names.back(Thing.SKILL, one.text(at_most=2 * skills.NAME + 1), one.path))
            for one in (given[name].items() if name in given else ())
        ]
        for name in _LISTS
    }
    return {
        "name": given["name"].text(at_most=skills.NAME), "condition": given["condition"].mapping(), **lists,
        "any_will_do": given["any_will_do"].flag() if "any_will_do" in given else False,
    }  # fmt: skip


def _new(item: Item, names: Names, path: str) -> NewRule:
    needed, wished = ([names.back(Thing.SKILL, one, path) for one in item[name]] for name in _LISTS)
    condition = definitions.condition_back(item["condition"], "ticket", names, f"{path}.condition")
    return NewRule(item["name"], condition, needed, wished, item["any_will_do"])

"""The rules of tags: which tickets wear a tag by themselves. Tags themselves are options of a property."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.crm.filters import as_json
from deskhand.crm.schema import tags
from deskhand.crm.segments import tag_rules
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading


class TagRules(Section):
    name = "tag_rules"

    def export(self, names: Names) -> list[Item]:
        rules = tag_rules.rules()
        return [
            {"tag": one.label, "condition": definitions.condition_out(as_json.to_json(rules[one.value].condition), "ticket", names)}
            for one in tags.tags() if one.value in rules and not one.is_hidden
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["tag"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("tag", "condition")
        return {"tag": given["tag"].text(at_most=tags.LABEL_LIMIT), "condition": given["condition"].mapping()}

    def compared(self, item: Item, names: Names) -> Item:
        return {**item, "condition": definitions.condition_compared(item["condition"], "ticket", names)}

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        path = f"{self.name} {item['tag']}.condition"
        condition = definitions.condition_back(item["condition"], "ticket", names, path)
        tag_rules.set_rule(_value_of(item["tag"]), condition, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        tag_rules.drop_rule(_value_of(before["tag"]), by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        if after is None:
            return ["tickets that wear the tag keep it, and people put it on from now on"]
        return ["all tickets are looked at, and wear the tag or lose it"]


def _value_of(label: str) -> str:
    """Raises Invalid for a tag that there is not."""
    found = next((one.value for one in tags.tags() if one.label == label), None)
    if found is None:
        raise Invalid(
            f"tag_rules.tag: there is no tag “{label}”.", field="tag_rules.tag", value=label,
            hint="Name it as an option of the property ticket.hs_tag_ids.",
        )  # fmt: skip
    return found

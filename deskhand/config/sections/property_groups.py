"""The groups that properties are kept in, a list for each kind of record."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config.names import BUILT_IN, Names
from deskhand.config.sections.types import Item, Section
from deskhand.crm.schema import groups, object_types
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading


class PropertyGroups(Section):
    name = "property_groups"

    def export(self, names: Names) -> list[Item]:
        kinds = [*sorted(BUILT_IN), *object_types.all_of_them()]
        found = [
            {"of": names.type_out(kind), "groups": [_item(g.name, g.label) for g in groups.groups_of(kind)]}
            for kind in kinds
        ]
        return [item for item in found if item["groups"]]

    def key(self, item: Item) -> str:
        return str(item["of"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("of", "groups")
        found = []
        for one in given["groups"].items():
            fields = one.fields("name", "label")
            found.append(_item(fields["name"].text(at_most=100), fields["label"].text(at_most=100)))
        return {"of": given["of"].text(at_most=100), "groups": found}

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        object_type = names.type_back(item["of"], f"{self.name}.of")
        ids = {group.name: group.pk for group in groups.groups_of(object_type)}
        rows = [(ids.get(group["name"]), group["label"]) for group in item["groups"]]
        groups.arrange(object_type, rows, by=by)
        made = [group.name for group in groups.groups_of(object_type)]
        for wanted, name in zip(item["groups"], made, strict=True):
            if wanted["name"] != name:
                raise Invalid(
                    f"{self.name}: a group “{wanted['label']}” is named “{name}”, not “{wanted['name']}”.",
                    field=self.name, value=wanted["name"], hint=f"Write name: {name}.",
                )  # fmt: skip

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        groups.arrange(names.type_back(before["of"], self.name), [], by=by)


def _item(name: str, label: str) -> Item:
    return {"name": name, "label": label}

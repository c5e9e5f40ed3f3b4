"""Kinds of records of the account's own, and what it calls others (R-OBJ-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.crm.records import objects
from deskhand.crm.schema import object_types
from deskhand.events.types import Actor
from deskhand.kernel.strict_json import Reading

_LABELS = ("singular", "plural")


class ObjectTypes(Section):
    name = "object_types"
    needs = "properties"

    def export(self, names: Names) -> list[Item]:
        return [
            {
                "name": own.name, "singular": own.singular, "plural": own.plural, "primary": own.primary,
                "required": list(own.required), "has_pipelines": own.has_pipelines, "icon": own.icon,
            }
            for own in object_types.all_of_them().values()
        ] + [
            {"name": kind, "singular": said.singular, "plural": said.plural}
            for kind in object_types.RENAMABLE
            if object_types.is_renamed(kind) and (said := object_types.labels_of(kind))
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=(*_LABELS, "primary", "required", "has_pipelines", "icon"))
        name = given["name"].text(at_most=100)
        if name in object_types.RENAMABLE:
            reading.fields("name", *_LABELS)
            return {"name": name, **{field: given[field].text(at_most=100) for field in _LABELS}}
        old = before.get(name) or {
            "name": name, "singular": name, "plural": name, "primary": object_types.NAME, "required": [], "has_pipelines": False,
            "icon": object_types.ICONS[0],
        }  # fmt: skip
        item = dict(old)
        for field in (*_LABELS, "primary", "icon"):
            if field in given:
                item[field] = given[field].text(at_most=100)
        if "required" in given:
            item["required"] = [one.text(at_most=100) for one in given["required"].items()]
        if "has_pipelines" in given:
            item["has_pipelines"] = given["has_pipelines"].flag()
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        """What names properties waits until these are there."""
        if item["name"] in object_types.RENAMABLE:
            object_types.rename(item["name"], item["singular"], item["plural"], by=by)
            return
        if before is None:
            object_types.create(item["name"], item["singular"], item["plural"], by=by)
        elif (before["singular"], before["plural"]) != (item["singular"], item["plural"]):
            key = names.type_back(item["name"], self.name)
            object_types.update(key, singular=item["singular"], plural=item["plural"], by=by)
        key = names.type_back(item["name"], self.name)
        if item["has_pipelines"] != (before or {}).get("has_pipelines", False):
            objects.switch_pipelines(key, item["has_pipelines"], by=by)
        if item["icon"] != object_types.find(key).icon:
            object_types.set_icon(key, item["icon"], by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        if before["name"] in object_types.RENAMABLE:
            object_types.rename(before["name"], "", "", by=by)
        else:
            objects.delete_type(names.type_back(before["name"], self.name), by=by)

    def finish(self, items: Sequence[Item], names: Names, by: Actor) -> None:
        for item in items:
            if item["name"] in object_types.RENAMABLE:
                continue
            key = names.type_back(item["name"], self.name)
            own = object_types.find(key)
            if list(own.required) != item["required"]:
                object_types.update(key, required=item["required"], by=by)
            if own.primary != item["primary"]:
                objects.choose_primary(key, item["primary"], by=by)

"""Labels of links between records: a word for both ways, or a pair of them."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.crm.records import labeling
from deskhand.crm.schema import association_labels
from deskhand.crm.schema.association_labels import Label
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict
from deskhand.kernel.strict_json import Reading


class AssociationLabels(Section):
    name = "association_labels"

    def export(self, names: Names) -> list[Item]:
        found: dict[frozenset[int], Item] = {}
        for label in association_labels.every_own():  # the way that each was made comes first
            item = {
                "from": names.type_out(label.from_type), "to": names.type_out(label.to_type), "name": label.name, "label": label.label,
                "inverse_label": association_labels.inverse_of(label).label if label.is_paired else "",
            }  # fmt: skip
            found.setdefault(frozenset({label.type_id, label.inverse_id}), item)
        return list(found.values())

    def key(self, item: Item) -> str:
        return f"{item['from']}/{item['to']}/{item['name']}"

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("from", "to", "name", optional=("label", "inverse_label"))
        item: Item = {field: given[field].text(at_most=100) for field in ("from", "to", "name")}
        for kind in ("from", "to"):
            names.type_back(item[kind], f"{reading.path}.{kind}")
        item |= {"label": item["name"], "inverse_label": ""}
        item |= before.get(self.key(item), {})
        for field in ("label", "inverse_label"):
            if field in given:
                item[field] = given[field].text(at_most=association_labels.LABEL_LIMIT, may_be_empty=True)
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        from_type, to_type = self._kinds(item, names)
        if before is None:
            association_labels.create(
                from_type, to_type, item["label"], item["inverse_label"], name=item["name"], by=by
            )
        elif bool(before["inverse_label"]) != bool(item["inverse_label"]):
            raise Conflict("A label stays single or one of a pair. Make another one under a name of its own.")
        else:
            label = self._found(item, names)
            association_labels.rename(from_type, to_type, label.type_id, item["label"], item["inverse_label"], by=by)  # fmt: skip

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        label = self._found(before, names)
        labeling.delete(label.from_type, label.to_type, label.type_id, by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        if after is not None:
            return []
        label = self._found(before, names)
        count = labeling.how_many(label.from_type, label.type_id)[label.to_type, label.type_id]
        return [f"{count} links lose it"] if count else []

    def _kinds(self, item: Item, names: Names) -> tuple[str, str]:
        return names.type_back(item["from"], self.name), names.type_back(item["to"], self.name)

    def _found(self, item: Item, names: Names) -> Label:
        from_type, to_type = self._kinds(item, names)
        return next(
            label for label in association_labels.own_of(from_type, to_type) if label.name == item["name"]
        )

"""Segments: what they ask for, and that there are those which people fill. Who is in them is no configuration."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.segments import segments
from deskhand.crm.segments.models import SegmentKind
from deskhand.events.types import Actor
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading


class Segments(Section):
    name = "segments"

    def export(self, names: Names) -> list[Item]:
        found = segments.segments().order_by("pk")
        return [
            {
                "of": names.type_out(row.object_type), "name": row.name, "kind": str(row.kind),
                "condition": definitions.condition_out(row.condition, row.object_type, names) if row.condition else {},
            }
            for row in found
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("of", "name", optional=("kind", "condition"))
        name = given["name"].text(at_most=200)
        item = dict(
            before.get(name)
            or {"of": given["of"].text(), "name": name, "kind": str(SegmentKind.STATIC), "condition": {}}
        )
        item["of"] = given["of"].text(at_most=100)
        if "kind" in given:
            item["kind"] = given["kind"].one_of(SegmentKind).value
        if "condition" in given:
            item["condition"] = given["condition"].mapping()
        return item

    def compared(self, item: Item, names: Names) -> Item:
        object_type = names.type_back(item["of"], f"{self.name}.of")
        return {**item, "condition": definitions.condition_compared(item["condition"], object_type, names)}

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        object_type, path = names.type_back(item["of"], f"{self.name}.of"), f"{self.name} {item['name']}"
        kind, condition = SegmentKind(item["kind"]), None
        if kind == SegmentKind.FILTER:
            condition = definitions.condition_back(item["condition"], object_type, names, f"{path}.condition")
        if before is None:
            segments.create(object_type, item["name"], kind, condition, by=by)
            names.forget()
            return
        if (before["of"], before["kind"]) != (item["of"], item["kind"]):
            raise Invalid(
                f"{path}: of and kind can't be changed.",
                field=f"{path}.kind",
                value=item["kind"],
                hint="Give it another name.",
            )
        if condition is not None:
            segments.change_condition(names.back(Thing.SEGMENT, item["name"], path), condition, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        segments.archive(names.back(Thing.SEGMENT, before["name"], self.name), by=by)

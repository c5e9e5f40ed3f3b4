"""Properties that the account made, and its changes to built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.config.document import exact
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.crm.records import claiming
from deskhand.crm.schema import properties
from deskhand.crm.schema.models import PropertyDefinition
from deskhand.crm.schema.types import Kind
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading

_TEXTS = ("label", "field_type", "group", "description")
_FLAGS = ("has_unique_value", "is_filterable")
_FIXED = ("kind", "field_type")


class Properties(Section):
    name = "properties"

    def export(self, names: Names) -> list[Item]:
        found = PropertyDefinition.objects.filter(account_id=current_account_id(), archived_at=None)
        return [
            {
                "of": names.type_out(row.object_type), "name": row.name, "label": row.label, "kind": row.kind, "field_type": row.field_type,
                "group": row.group, "description": row.description, "options": row.options,
                "has_unique_value": row.has_unique_value, "is_filterable": row.is_filterable,
            }
            for row in found.order_by("object_type", "display_order", "name")
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return f"{item['of']}.{item['name']}"

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("of", "name", optional=("kind", "options", *_TEXTS, *_FLAGS))
        of, name = given["of"].text(at_most=100), given["name"].text(at_most=100)
        old = before.get(f"{of}.{name}")
        item: Item = dict(old) if old else {"of": of, "name": name, **_NEW, "label": name}
        if "kind" in given:
            item["kind"] = given["kind"].one_of(Kind).value
        if old is None and "field_type" not in given:
            item["field_type"] = properties.FIELD_TYPES.get(Kind(item["kind"]), ("text",))[0]
        for field in _TEXTS:
            if field in given:
                item[field] = given[field].text(may_be_empty=True)
        for field in _FLAGS:
            if field in given:
                item[field] = given[field].flag()
        if "options" in given:
            item["options"] = [_option(one, place) for place, one in enumerate(given["options"].items())]
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        object_type = names.type_back(item["of"], f"{self.name}.of")
        if before is None:
            self._create(object_type, item, by)
            return
        for field in _FIXED:
            if item[field] != before[field]:
                raise Invalid(
                    f"{field} can't be changed, because values are stored by it.", field=field, value=item[field],
                    hint=f"Leave it as {exact(before[field])}, or make another property.",
                )  # fmt: skip
        changed = {
            field: item[field]
            for field in ("label", "group", "description", "options", *_FLAGS)
            if item[field] != before[field]
        }
        row = PropertyDefinition.objects.get(
            account_id=current_account_id(), object_type=object_type, name=item["name"]
        )
        if changed.get("has_unique_value"):
            claiming.refuse_twins(row)
        properties.update(row, by=by, **changed)

    def _create(self, object_type: str, item: Item, by: Actor) -> None:
        """One that was put away comes back, with the values it had."""
        away = PropertyDefinition.objects.filter(
            account_id=current_account_id(),
            object_type=object_type,
            name=item["name"],
            archived_at__isnull=False,
        ).first()
        if away is not None:
            properties.restore(object_type, item["name"], by=by)
            kept = {field: getattr(away, field) for field in (*_FIXED, "has_unique_value")}
            self.put(item, {**item, **kept, "label": "", "options": None}, Names(), by)
            return
        more = {name: item[name] for name in (*_TEXTS[1:], *_FLAGS, "options")}
        properties.create(object_type, item["name"], item["label"], Kind(item["kind"]), by=by, **more)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        properties.archive(names.type_back(before["of"], self.name), before["name"], by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        if after is None:
            return ["values that records have are kept, and are back with the property"]
        if before["has_unique_value"] and not after["has_unique_value"]:
            return ["several records may have a value from then on, and calls from outside find none by it"]
        return []


_NEW: dict[str, Any] = {
    "label": "", "kind": Kind.TEXT.value, "field_type": "text", "group": "", "description": "", "options": [],
    "has_unique_value": False, "is_filterable": False,
}  # fmt: skip


def _option(reading: Reading, place: int) -> dict[str, Any]:
    given = reading.fields("value", optional=("label", "display_order", "hidden", "tone", "description"))
    value = given["value"].text(at_most=200)
    tone = given["tone"].text(may_be_empty=True) if "tone" in given else ""
    return {
        "value": value,
        "label": given["label"].text(at_most=200) if "label" in given else value,
        "display_order": given["display_order"].whole() if "display_order" in given else place,
        "hidden": given["hidden"].flag() if "hidden" in given else False,
        **({"tone": tone} if tone else {}),
        **({"description": given["description"].text(may_be_empty=True)} if "description" in given else {}),
    }

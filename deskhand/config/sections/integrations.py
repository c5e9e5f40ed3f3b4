"""Actions that other systems perform. Of the secret that signs their calls, only its name is told."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.automation import integrations
from deskhand.automation.integrations import FIELDS
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading

_TEXTS = ("description", "url", "secret")
_ROWS = ("inputs", "outputs", "messages")


class Integrations(Section):
    name = "integrations"

    def export(self, names: Names) -> list[Item]:
        return [
            {"name": one.name, **{field: getattr(one, field) for field in FIELDS}, "object_types": [names.type_out(kind) for kind in one.object_types]}
            for one in integrations.known(current_account_id())
        ]  # fmt: skip

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=FIELDS)
        name = given["name"].text(at_most=integrations.LONGEST_NAME)
        item = dict(before.get(name) or {"name": name, **dict.fromkeys(_TEXTS, ""), "object_types": [], **{field: [] for field in _ROWS}})  # fmt: skip
        for field in _TEXTS:
            if field in given:
                item[field] = given[field].text(may_be_empty=True)
        if "object_types" in given:
            item["object_types"] = [one.text() for one in given["object_types"].items()]
        for field in _ROWS:
            if field in given:
                rows = [one.fields("name", "value") for one in given[field].items()]
                item[field] = [{"name": row["name"].text(), "value": row["value"].text()} for row in rows]
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        kinds = [names.type_back(kind, f"{self.name}.object_types") for kind in item["object_types"]]
        names.need_secrets([item["secret"]] if item["secret"] else [], f"{self.name} {item['name']}.secret")
        account_id, values = current_account_id(), {**item, "object_types": kinds}
        known = integrations.named(account_id, item["name"])
        if known is None:
            integrations.add(account_id, item["name"], values, by=by)
            return
        integrations.change(account_id, known.pk, values, by=by)
        if known.archived_at is not None:
            integrations.set_archived(account_id, known.pk, False, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        found = integrations.named(current_account_id(), before["name"])
        if found is not None:
            integrations.set_archived(current_account_id(), found.pk, True, by=by)

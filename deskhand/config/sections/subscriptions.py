"""Kinds of mail that people may choose to get or not."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.records import subscriptions
from deskhand.crm.records.models import SubscriptionType
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading


class Subscriptions(Section):
    name = "kinds_of_mail"

    def export(self, names: Names) -> list[Item]:
        return [
            {"name": row.name, "description": row.description}
            for row in subscriptions.kinds(current_account_id())
        ]

    def key(self, item: Item) -> str:
        return str(item["name"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("name", optional=("description",))
        name = given["name"].text(at_most=200)
        item = dict(before.get(name) or {"name": name, "description": ""})
        if "description" in given:
            item["description"] = given["description"].text(may_be_empty=True)
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        if before is not None:
            type_id = names.back(Thing.SUBSCRIPTION, item["name"], self.name)
            subscriptions.change_kind(type_id, item["name"], item["description"], by=by)
            return
        away = SubscriptionType.objects.filter(
            account_id=current_account_id(), name=item["name"], archived_at__isnull=False
        ).first()
        if away is None:
            subscriptions.add_kind(item["name"], item["description"], by=by)
        else:
            subscriptions.set_archived(away.pk, False, by=by)
            subscriptions.change_kind(away.pk, item["name"], item["description"], by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        subscriptions.set_archived(names.back(Thing.SUBSCRIPTION, before["name"], self.name), True, by=by)

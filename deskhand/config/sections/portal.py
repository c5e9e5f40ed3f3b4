"""The customer portal: whether it is open, what it is called, who sees what. There is one, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.channels.portal import portals
from deskhand.channels.portal.models import Portal, Reach
from deskhand.channels.portal.portals import Settings
from deskhand.config import definitions
from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.filters.types import EVERYTHING
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading

_FLAGS = ("is_on", "takes_strangers")
_TEXTS = ("name", "accent", "accent_dark")


class CustomerPortal(Section):
    name = "portal"

    def export(self, names: Names) -> list[Item]:
        return [_item(one, names) for one in Portal.objects.filter(account_id=current_account_id())]

    def key(self, item: Item) -> str:
        return self.name

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields(optional=(*_FLAGS, *_TEXTS, "reach", "channel", "condition", "statuses"))
        item = dict(before.get(self.name) or _item(Portal(), names))
        for field in _FLAGS:
            if field in given:
                item[field] = given[field].flag()
        for field in _TEXTS:
            if field in given:
                item[field] = given[field].text(at_most=200, may_be_empty=True)
        if "reach" in given:
            item["reach"] = given["reach"].one_of(Reach).value
        if "channel" in given:
            address = given["channel"].text(at_most=320, may_be_empty=True)
            found = names.back(Thing.CHANNEL, address, given["channel"].path) if address else None
            item["channel"] = names.out(Thing.CHANNEL, found) if found else ""
        if "condition" in given:
            item["condition"] = given["condition"].mapping()
        if "statuses" in given:
            item["statuses"] = _sorted(_status(one, names) for one in given["statuses"].items())
        return item

    def compared(self, item: Item, names: Names) -> Item:
        return {**item, "condition": definitions.condition_compared(item["condition"], "contact", names)}

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        stages = {
            str(names.back(Thing.STAGE, one["status"], f"{self.name}.statuses", "ticket")): {
                "label": one["label"], "is_hidden": one["is_hidden"],
            }
            for one in item["statuses"]
        }  # fmt: skip
        channel = (
            names.back(Thing.CHANNEL, item["channel"], f"{self.name}.channel") if item["channel"] else None
        )
        portals.change(
            Settings(
                **{field: item[field] for field in (*_FLAGS, *_TEXTS)}, reach=item["reach"], channel_account_id=channel,
                stages=stages,
            ),
            by=by,
        )  # fmt: skip
        asked, path = item["condition"], f"{self.name}.condition"
        condition = definitions.condition_back(asked, "contact", names, path) if asked else EVERYTHING
        portals.change_condition(condition, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        """Customers find it no more; who was signed in stays so, for when it is opened again."""
        self.put(_item(Portal(), names), before, names, by)

    def may_drop(self, before: Item) -> bool:
        return bool(before["is_on"])

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        is_on = bool(after and after["is_on"])
        if before["is_on"] and not is_on:
            return ["customers find the portal no more"]
        if after and after["reach"] != before["reach"] and after["reach"] != Reach.OWN:
            return ["customers see requests of their colleagues"]
        return []


def _status(reading: Reading, names: Names) -> dict[str, Any]:
    given = reading.fields("status", optional=("label", "is_hidden"))
    stage = names.back(Thing.STAGE, given["status"].text(at_most=200), given["status"].path, "ticket")
    label = given["label"].text(at_most=200, may_be_empty=True) if "label" in given else ""
    is_hidden = given["is_hidden"].flag() if "is_hidden" in given else False
    return {"status": names.out(Thing.STAGE, stage, "ticket"), "label": label, "is_hidden": is_hidden}


def _sorted(statuses: Any) -> list[dict[str, Any]]:
    """Those that say something."""
    return sorted(
        (one for one in statuses if one["label"] or one["is_hidden"]), key=lambda one: one["status"]
    )


def _item(portal: Portal, names: Names) -> Item:
    channel = portal.channel_account_id
    condition = portal.condition
    connected = {one.pk for one in portals.channels(current_account_id())}
    return {
        **{field: getattr(portal, field) for field in (*_FLAGS, *_TEXTS)}, "reach": str(portal.reach),
        "channel": "" if channel is None or channel not in connected else names.out(Thing.CHANNEL, channel),
        "condition": definitions.condition_out(condition, "contact", names) if condition else {},
        "statuses": _sorted(
            {"status": names.out(Thing.STAGE, int(stage), "ticket"), "label": said["label"], "is_hidden": said["is_hidden"]}
            for stage, said in portal.stages.items()
        ),
    }  # fmt: skip

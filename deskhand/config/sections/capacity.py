"""How much people may be given, and what counts how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.config.names import Names
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.records.models import TicketType
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.strict_json import Reading
from deskhand.routing import capacity
from deskhand.routing.capacity import MOST, MOST_POINTS, Settings
from deskhand.routing.models import Capacity
from deskhand.routing.types import Measure

_LIMITS = ("total", "call", "message", "email_other")
_GONE = "gone: "  # as Names.out says it


class Limits(Section):
    """Of each person who has any, or a share that is not the whole."""

    name = "capacity"

    def export(self, names: Names) -> list[Item]:
        found = [_item(row, names) for row in Capacity.objects.filter(account_id=current_account_id())]
        there = [item for item in found if not item["user"].startswith(_GONE) and _differs(item)]
        return sorted(there, key=self.key)

    def key(self, item: Item) -> str:
        return str(item["user"])

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields("user", optional=("measure", *_LIMITS, "share"))
        user = names.back(Thing.USER, given["user"].text(at_most=320), given["user"].path)
        name = names.out(Thing.USER, user)
        item: Item = dict(before.get(name) or _item(Capacity(user_id=user), names))
        if "measure" in given:
            item["measure"] = given["measure"].one_of(Measure).value
        for field in _LIMITS:
            if field in given:
                number = given.given(field)
                item[field] = number.whole(at_least=0, at_most=MOST) if number else None
        if "share" in given:
            item["share"] = given["share"].whole(at_least=1, at_most=100)
        unused = _LIMITS[1:] if item["measure"] == Measure.TOTAL else _LIMITS[:1]
        return item | dict.fromkeys(unused)

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        user = names.back(Thing.USER, item["user"], self.name)
        by_type = {kind.value: item[column] for kind, column in capacity.BY_TYPE.items()}
        capacity.set_limits(
            current_account_id(), [user], by=by, measure=Measure(item["measure"]), total=item["total"], by_type=by_type,
            share=item["share"],
        )  # fmt: skip

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        user = names.back(Thing.USER, before["user"], self.name)
        capacity.set_limits(current_account_id(), [user], by=by, share=100)


def _item(row: Capacity, names: Names) -> Item:
    columns = ("measure", *_LIMITS, "share")
    return {"user": names.out(Thing.USER, row.user_id), **{name: getattr(row, name) for name in columns}} | {
        "measure": str(row.measure)
    }


def _differs(item: Item) -> bool:
    return item["share"] != 100 or any(item[name] is not None for name in _LIMITS)


class Effort(Section):
    """What limits leave out, what tickets are worth, how newcomers begin. There is one, or none."""

    name = "effort"

    def export(self, names: Names) -> list[Item]:
        settings = capacity.settings_of(current_account_id())
        return [] if settings == Settings() else [_said(settings, names)]

    def key(self, item: Item) -> str:
        return self.name

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        item = dict(before.get(self.name) or _said(Settings(), names))
        given = reading.fields(optional=tuple(item))
        if "excluded_statuses" in given:
            item["excluded_statuses"] = sorted(
                names.out(
                    Thing.STAGE, names.back(Thing.STAGE, one.text(at_most=320), one.path, "ticket"), "ticket"
                )
                for one in given["excluded_statuses"].items()
            )
        if "excluded_after_days" in given:
            days = given.given("excluded_after_days")
            item["excluded_after_days"] = days.whole(at_least=1, at_most=3_650) if days else None
        for flag in ("excludes_from_load", "weighs"):
            if flag in given:
                item[flag] = given[flag].flag()
        for field, (least, most) in {"ramp_days": (0, 365), "ramp_from": (1, 100)}.items():
            if field in given:
                item[field] = given[field].whole(at_least=least, at_most=most)
        for field, known in {"types": TicketType.values, "priorities": capacity.PRIORITIES}.items():
            if field in given:
                points = given[field].fields(optional=tuple(known))
                item[field] = {key: points[key].whole(at_most=MOST_POINTS) for key in points}
        if "channels" in given:
            item["channels"] = dict(_channels(given["channels"], names))
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        stages = item["excluded_statuses"]
        path = f"{self.name}.excluded_statuses"
        settings = Settings(
            tuple(sorted(names.back(Thing.STAGE, one, path, "ticket") for one in stages)), item["excluded_after_days"],
            item["excludes_from_load"], item["weighs"], dict(item["types"]),
            {names.back(Thing.CHANNEL, one, f"{self.name}.channels"): n for one, n in item["channels"].items()},
            dict(item["priorities"]), item["ramp_days"], item["ramp_from"],
        )  # fmt: skip
        capacity.set_settings(current_account_id(), settings, by=by)

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        capacity.set_settings(current_account_id(), Settings(), by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        return ["what everybody holds is counted anew, which takes seconds with many tickets"]


def _channels(given: Reading, names: Names) -> list[tuple[str, int]]:
    found = []
    for address, number in given.mapping().items():
        path = f"{given.path}.{address}"
        channel = names.out(Thing.CHANNEL, names.back(Thing.CHANNEL, address, path))
        found.append((channel, Reading(number, path).whole(at_least=0, at_most=MOST_POINTS)))
    return sorted(found)


def _said(settings: Settings, names: Names) -> dict[str, Any]:
    stages = [names.out(Thing.STAGE, pk, "ticket") for pk in settings.excluded_stage_ids]
    channels = {names.out(Thing.CHANNEL, pk): number for pk, number in settings.channels.items()}
    return {
        "excluded_statuses": sorted(one for one in stages if not one.startswith(_GONE)),
        "excluded_after_days": settings.excluded_after_days,
        "excludes_from_load": settings.excludes_from_load,
        "weighs": settings.weighs,
        "types": dict(settings.types),
        "channels": {name: n for name, n in sorted(channels.items()) if not name.startswith(_GONE)},
        "priorities": dict(settings.priorities),
        "ramp_days": settings.ramp_days,
        "ramp_from": settings.ramp_from,
    }

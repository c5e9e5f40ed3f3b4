"""Pipelines with their statuses, what they demand of people, and what they do by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deskhand.automation import uses
from deskhand.automation.models import Workflow
from deskhand.config.names import BUILT_IN, Names, bare
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.pipelines import cards, pipelines, rules
from deskhand.crm.pipelines.models import Pipeline, Stage, StageState
from deskhand.crm.pipelines.pipelines import NewStage, StageRow
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.rules import Ask, Rules
from deskhand.crm.pipelines.types import PipelineValue
from deskhand.crm.records import refiling
from deskhand.crm.schema import object_types
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.strict_json import Reading

_SWITCHES = ("sets_close_date", "moves_on_sent", "moves_on_reply")
_TARGETS = {"sent_status": "sent_stage_id", "reply_status": "reply_stage_id"}
_RULES = ("limits_creation", "forbids_skipping", "forbids_going_back")


class Pipelines(Section):
    name = "pipelines"
    only_said = frozenset({"moved"})

    def export(self, names: Names) -> list[Item]:
        kinds = [*_ORDER, *(key for key, own in object_types.all_of_them().items() if own.has_pipelines)]
        return [_item(one, names) for kind in kinds for one in pipelines_of(kind).pipelines]

    def key(self, item: Item) -> str:
        return f"{item['of']} {item['id']}"

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields(
            "of", "id", optional=("label", "statuses", "moved", "automation", "rules", "cards")
        )
        of, key = given["of"].text(at_most=100), given["id"].text(at_most=100)
        old = before.get(f"{of} {key}")
        item: Item = dict(old) if old else {"of": of, "id": key, "label": key, "statuses": []}
        if "label" in given:
            item["label"] = given["label"].text(at_most=100)
        if "statuses" in given:
            item["statuses"] = [_status(one, item["statuses"]) for one in given["statuses"].items(at_least=1)]
        if "automation" in given and of == "ticket":
            item["automation"] = _automation(given["automation"], item.get("automation", {}))
        if "rules" in given:
            item["rules"] = _rules(given["rules"], item.get("rules", {}))
        if "cards" in given:
            item["cards"] = [one.text(at_most=200) for one in given["cards"].items()]
        if "moved" in given:
            item["moved"] = {old_id: str(new_id) for old_id, new_id in given["moved"].mapping().items()}
        return item

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        object_type = names.type_back(item["of"], f"{self.name}.of")
        if before is None and not _row(object_type, item["id"]):
            stages = [
                NewStage(one["label"], StageState(one["state"]), one["tone"], one["id"])
                for one in item["statuses"]
            ]
            pipelines.create(current_account_id(), object_type, item["label"], stages, key=item["id"], by=by)
        names.forget()
        row = _locked(object_type, item["id"])
        if row.label != item["label"]:
            pipelines.rename(row, item["label"], by=by)
        self._arrange(row, item, names, by)
        names.forget()
        if "automation" in item:
            _set_policy(row, object_type, item["automation"], names, by)
        if "cards" in item:
            pipelines.set_cards(row, item["cards"], by=by)
        pipelines.set_rules(row, _rules_of(object_type, item.get("rules", {}), names), by=by)

    def _arrange(self, row: Pipeline, item: Item, names: Names, by: Actor) -> None:
        """New statuses and changed ones first, so that records of those that go have somewhere to go to."""
        stages = {stage.key: stage for stage in row.stages.all()}
        wanted = [
            StageRow(one["label"], StageState(one["state"]), one["tone"], _id(stages, one["id"]), one["id"])
            for one in item["statuses"]
        ]
        kept = {one["id"] for one in item["statuses"]}
        going = [stage for key, stage in stages.items() if key not in kept]
        staying = [StageRow(s.label, StageState(s.state), s.tone, s.pk, s.key) for s in going]
        refiling.arrange(row, [*wanted, *staying], by=by)
        names.forget()
        for stage in going:
            to = item.get("moved", {}).get(stage.key)
            path = f"{self.name} {self.key(item)}.moved"
            target = names.back(Thing.STAGE, to, path, row.object_type) if to else None
            try:
                refiling.delete_stage(stage, move_to=target, by=by)
            except Conflict as full:
                hint = f'Say where they go: moved: {{"{stage.key}": "…"}}.'
                raise Invalid(str(full), field="moved", value=stage.key, hint=hint) from full

    def compared(self, item: Item, names: Names) -> Item:
        automation, demands = dict(item.get("automation", {})), dict(item.get("rules", {}))
        for name in _TARGETS:
            automation[name] = _bare(automation.get(name))
        if isinstance(reopen := automation.get("options", {}).get("reopen"), dict):
            reopen = {**reopen, **({"status": _bare(reopen["status"])} if reopen.get("status") else {})}
            automation["options"] = {**automation["options"], "reopen": reopen}
        demands["creation"] = [_bare(one) for one in demands.get("creation", ())]
        demands["asks"] = {_bare(status): asks for status, asks in demands.get("asks", {}).items()}
        return {**item, "automation": automation, "rules": demands}

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        row = _locked(names.type_back(before["of"], self.name), before["id"])
        refiling.delete_pipeline(row, by=by)

    def finish(self, items: Sequence[Item], names: Names, by: Actor) -> None:
        """The order in which they stand in the document; those it does not name come after."""
        by_type: dict[str, list[str]] = {}
        for item in items:
            by_type.setdefault(names.type_back(item["of"], self.name), []).append(item["id"])
        for object_type, keys in by_type.items():
            found = {one.key: one.id for one in pipelines_of(object_type).pipelines}
            first = [found[key] for key in keys]
            pipelines.order(object_type, [*first, *(pk for pk in found.values() if pk not in first)], by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        """How many records stand where something changes, and which workflows name what goes (R-PIPE-10)."""
        object_type = names.type_back(before["of"], self.name)
        row = _row(object_type, before["id"])
        if row is None:
            return []
        stages = {stage.key: stage.pk for stage in row.stages.all()}
        counts = refiling.counts(object_type, list(stages.values()))
        kept = {one["id"]: one for one in after["statuses"]} if after else {}
        told = []
        for one in before["statuses"]:
            number = counts.get(stages.get(one["id"], 0), 0)
            if number and one["id"] not in kept:
                to = bare(Thing.STAGE, (after or {}).get("moved", {}).get(one["id"], ""))
                where = f"go to “{kept[to]['label']}”" if to in kept else "have nowhere to go"
                told.append(f"{_many(number)} in “{one['label']}” {where}")
            elif number and kept[one["id"]]["state"] != one["state"]:
                verb = "are closed" if kept[one["id"]]["state"] == StageState.CLOSED else "are opened again"
                told.append(f"{_many(number)} in “{one['label']}” {verb}")
        gone = [pk for key, pk in stages.items() if key not in kept]
        own = dict(
            Workflow.objects.filter(origin_stage_id__in=gone, archived_at=None).values_list("pk", "name")
        )
        told += [f"the automation “{name}” goes with its status" for name in sorted(own.values())]
        named = {use for found in uses.stages(row.account_id, gone).values() for use in found}
        naming = sorted({use.name for use in named if use.id not in own})
        told += [f"the workflow “{name}” names a status that goes, and asks for a look" for name in naming]
        if after and after.get("rules") != before.get("rules"):
            told.append(f"the rules hold for {_many(sum(counts.values()))} from their next move on")
        return told


_ORDER = ("ticket", "deal", "project")
assert set(_ORDER) <= BUILT_IN


def _many(number: int) -> str:
    shown = "more than 1,000" if number > 1000 else str(number)
    return f"{shown} record" if number == 1 else f"{shown} records"


def _id(stages: Mapping[str, Stage], key: str) -> int | None:
    return stages[key].pk if key in stages else None


def _bare(status: Any) -> str | None:
    return bare(Thing.STAGE, status) if status else None


def _row(object_type: str, key: str) -> Pipeline | None:
    return Pipeline.objects.filter(
        account_id=current_account_id(), object_type=object_type, key=key, archived_at=None
    ).first()


def _locked(object_type: str, key: str) -> Pipeline:
    row = _row(object_type, key)
    assert row is not None
    return pipelines.find(object_type, row.pk)


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _item(one: PipelineValue, names: Names) -> Item:
    item: Item = {
        "of": names.type_out(one.object_type), "id": one.key, "label": one.label,
        "statuses": [
            {"id": s.key, "label": s.label, "state": "OPEN" if s.is_open else "CLOSED", "tone": s.tone} for s in one.stages
        ],
    }  # fmt: skip
    if one.object_type == "ticket":
        item["automation"] = {
            "sets_close_date": one.sets_close_date,
            "moves_on_sent": one.moves_on_sent, "sent_status": _stage_out(one.sent_stage_id, one, names),
            "moves_on_reply": one.moves_on_reply, "reply_status": _stage_out(one.reply_stage_id, one, names),
            "options": _options_out(one, names),
        }  # fmt: skip
    found = rules.parse(one.rules)
    item["rules"] = {
        **{name: getattr(found, name) for name in _RULES},
        "creation": [_stage_out(pk, one, names) for pk in found.creation],
        "asks": {
            str(_stage_out(pk, one, names)): [{"property": a.property, "required": a.is_required} for a in asks]
            for pk, asks in found.asks.items() if asks
        },
    }  # fmt: skip
    item["cards"] = list(cards.shown(one))
    return item


def _stage_out(stage_id: int | None, of: PipelineValue, names: Names) -> str | None:
    return names.out(Thing.STAGE, stage_id, of.object_type) if stage_id else None


def _options_out(one: PipelineValue, names: Names) -> dict[str, Any]:
    options = dict(one.options)
    reopen = options.get("reopen")
    if isinstance(reopen, dict) and reopen.get("stage_id"):
        rest = {name: value for name, value in reopen.items() if name != "stage_id"}
        options["reopen"] = rest | {"status": _stage_out(reopen["stage_id"], one, names)}
    return options


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _status(reading: Reading, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given = reading.fields("id", optional=("label", "state", "tone"))
    key = given["id"].text(at_most=100)
    old = next((one for one in before if one["id"] == key), None)
    status = dict(old or {"id": key, "label": key, "state": StageState.OPEN.value, "tone": "blue"})
    if "label" in given:
        status["label"] = given["label"].text(at_most=100)
    if "state" in given:
        status["state"] = given["state"].one_of(StageState).value
    if "tone" in given:
        status["tone"] = given["tone"].text(at_most=20)
    return status


def _automation(reading: Reading, before: Mapping[str, Any]) -> dict[str, Any]:
    given = reading.fields(optional=(*_SWITCHES, *_TARGETS, "options"))
    found = dict(before)
    for name in _SWITCHES:
        if name in given:
            found[name] = given[name].flag()
    for name in _TARGETS:
        if name in given:
            found[name] = given[name].text(at_most=300) if given[name].value is not None else None
    if "options" in given:
        found["options"] = given["options"].mapping()
    return found


def _rules(reading: Reading, before: Mapping[str, Any]) -> dict[str, Any]:
    given = reading.fields(optional=(*_RULES, "creation", "asks"))
    found = {**dict.fromkeys(_RULES, False), "creation": [], "asks": {}, **before}
    for name in _RULES:
        if name in given:
            found[name] = given[name].flag()
    if "creation" in given:
        found["creation"] = [one.text(at_most=300) for one in given["creation"].items()]
    if "asks" in given:
        found["asks"] = {
            status: [_ask(one) for one in Reading(asks, f"{given['asks'].path}.{status}").items()]
            for status, asks in given["asks"].mapping().items()
        }
    return found


def _ask(reading: Reading) -> dict[str, Any]:
    given = reading.fields("property", optional=("required",))
    return {
        "property": given["property"].text(at_most=200),
        "required": given["required"].flag() if "required" in given else False,
    }


def _rules_of(object_type: str, item: Mapping[str, Any], names: Names) -> Rules:
    path = "pipelines.rules"
    return Rules(
        **{name: bool(item.get(name)) for name in _RULES},
        creation=tuple(names.back(Thing.STAGE, one, f"{path}.creation", object_type) for one in item.get("creation", ())),
        asks={
            names.back(Thing.STAGE, status, f"{path}.asks", object_type): tuple(
                Ask(ask["property"], ask["required"]) for ask in asks
            )
            for status, asks in item.get("asks", {}).items()
        },
    )  # fmt: skip


def _set_policy(row: Pipeline, object_type: str, item: Mapping[str, Any], names: Names, by: Actor) -> None:
    path = "pipelines.automation"
    wanted: dict[str, Any] = {name: item[name] for name in _SWITCHES if name in item}
    for name, column in _TARGETS.items():
        if item.get(name):
            wanted[column] = names.back(Thing.STAGE, item[name], f"{path}.{name}", object_type)
    if "options" in item:
        wanted["options"] = _options_back(item["options"], object_type, names)
    changes = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if changes:
        pipelines.set_policy(row, by=by, **changes)


def _options_back(options: Mapping[str, Any], object_type: str, names: Names) -> dict[str, Any]:
    reopen = options.get("reopen")
    if not isinstance(reopen, dict) or "status" not in reopen:
        return dict(options)
    rest = {name: value for name, value in reopen.items() if name != "status"}
    if not reopen["status"]:
        return {**options, "reopen": rest}
    stage_id = names.back(
        Thing.STAGE, reopen["status"], "pipelines.automation.options.reopen.status", object_type
    )
    return {**options, "reopen": rest | {"stage_id": stage_id}}

"""Workflows and lanes, with their newest revision; drafts and what has run are no configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from deskhand.automation import folders, keeping, secrets, timing, workflows
from deskhand.automation.engine.definition import Definition
from deskhand.automation.models import Workflow, WorkflowFolder
from deskhand.config import definitions
from deskhand.config.names import Names, bare, numbered
from deskhand.config.sections.types import Item, Section
from deskhand.config.things import Thing
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid
from deskhand.kernel.strict_json import Reading

_TEXTS = ("description", "folder", "owner")
_FLAGS = ("is_on", "is_paused", "is_pinned")


class Workflows(Section):
    """A lane is told from others by its status, another workflow by its name, and by a number if that stands twice."""

    name = "workflows"

    def export(self, names: Names) -> list[Item]:
        found = list(_rows())
        revisions = {row.workflow_id: row for row in workflows.newest_revisions(current_account_id(), found)}
        items = []
        for row, key in zip(found, _keys(found), strict=True):
            of = names.type_out(row.object_type)
            lane = names.out(Thing.STAGE, row.origin_stage_id, row.object_type) if row.origin_stage_id else ""
            items.append(
                {
                    "of": of, **({"lane": lane} if lane else {"id": key}), "name": row.name, "description": row.description,
                    "folder": row.folder.name if row.folder else "", "owner": names.out(Thing.USER, row.owner_id) if row.owner_id else "",
                    **{name: getattr(row, name) for name in _FLAGS}, "alerts": {"errors": True} | row.alerts,
                    "definition": definitions.out(revisions[row.pk].definition, names),
                }
            )  # fmt: skip
        return sorted(items, key=lambda item: ("lane" not in item, self.key(item)))

    def key(self, item: Item) -> str:
        lane = str(item.get("lane", "")).partition(" (")[0]
        return f"{item['of']} lane {lane}" if lane else f"{item['of']} {item['id']}"

    def read(self, reading: Reading, before: Mapping[str, Item], names: Names) -> Item:
        given = reading.fields(
            "of", optional=("id", "lane", "name", "alerts", "definition", *_TEXTS, *_FLAGS)
        )
        if ("id" in given) == ("lane" in given):
            reading.refuse("given an id, or a lane's status")
        of = given["of"].text(at_most=100)
        told = given["lane"] if "lane" in given else given["id"]
        start: Item = {"of": of, "lane" if "lane" in given else "id": told.text(at_most=300)}
        item = dict(before.get(self.key(start)) or _new(start))
        for field in ("name", *_TEXTS):
            if field in given:
                item[field] = given[field].text(may_be_empty=field != "name")
        for field in _FLAGS:
            if field in given:
                item[field] = given[field].flag()
        if "alerts" in given:
            item["alerts"] = _alerts(given["alerts"], item["alerts"])
        if "definition" in given:
            item["definition"] = given["definition"].mapping()
        elif "definition" not in item:
            given_path = Reading(None, f"{reading.path}.definition")
            given_path.refuse("given")
        return item

    def prepare(self, items: Sequence[Item], before: Mapping[str, Item], names: Names, by: Actor) -> None:
        """Empty ones, so that each may name the others; then what the definitions leave out is as it begins."""
        for item in items:
            if self.key(item) in before:
                continue
            object_type = names.type_back(item["of"], f"{self.name}.of")
            pipeline_id, stage_id = _origin(item, object_type, names)
            workflows.create(
                current_account_id(), item["name"], Definition(object_type), by=_user(by), pipeline_id=pipeline_id, stage_id=stage_id
            )  # fmt: skip
        names.forget()
        for item in items:
            item["definition"] = definitions.out(_definition(item, self.key(item), names).to_json(), names)

    def put(self, item: Item, before: Item | None, names: Names, by: Actor) -> None:
        row = self._row(item, names)
        path = f"{self.name} {self.key(item)}"
        definition = _definition(item, self.key(item), names)
        if definition.object_type != row.object_type:
            raise Invalid(
                f"{path}: the definition is about another type.", field=f"{path}.of", value=item["of"]
            )
        if item["is_on"]:
            names.need_secrets(secrets.named_in(definition.to_json()), f"{path}.definition")
        is_other = before is None or _differ(before, item, names)
        if item["is_on"] and (is_other or not row.is_on):
            _check(definition, path)
        if is_other:
            row = workflows.save(row, definition, by=_user(by))
        owner_id = names.back(Thing.USER, item["owner"], f"{path}.owner") if item["owner"] else None
        keeping.describe(
            row, name=item["name"], description=item["description"], owner_id=owner_id, folder_id=_folder(item["folder"], by), by=by
        )  # fmt: skip
        timing.alert(row, by=by, **item["alerts"])
        workflows.pin(row, item["is_pinned"], by=_user(by))
        (workflows.pause if item["is_paused"] else workflows.resume)(row, by=_user(by))
        workflows.switch(row, item["is_on"], by=_user(by))

    def compared(self, item: Item, names: Names) -> Item:
        lane = {"lane": bare(Thing.STAGE, item["lane"])} if "lane" in item else {}
        return {**item, **lane, "definition": definitions.compared(item["definition"], names)}

    def drop(self, before: Item, names: Names, by: Actor) -> None:
        keeping.archive(self._row(before, names), by=by)

    def effects(self, before: Item, after: Item | None, names: Names) -> list[str]:
        """How many records are inside, and what becomes of them."""
        if after and not _differ(before, after, names):
            return []
        number = keeping.inside(self._row(before, names))
        if not number:
            return []
        many = "1 record" if number == 1 else f"{number} records"
        if after is None:
            return [f"{many} inside: their runs end"]
        return [f"{many} inside: they keep what they began with" if after["is_pinned"] else f"{many} inside: they go on in the new revision"]  # fmt: skip

    def _row(self, item: Item, names: Names) -> Workflow:
        object_type = names.type_back(item["of"], self.name)
        if "lane" in item:
            _pipeline, stage_id = _origin(item, object_type, names)
            return _rows().get(object_type=object_type, origin_stage_id=stage_id)
        found = list(_rows())
        for row, key in zip(found, _keys(found), strict=True):
            if key == item["id"] and row.object_type == object_type and not row.origin_stage_id:
                return row
        return next(row for row in reversed(found) if row.name == item["name"] and not row.origin_stage_id)


def _definition(item: Item, key: str, names: Names) -> Definition:
    """Raises Invalid, naming the workflow and the place in it."""
    path = f"{Workflows.name} {key}"
    data = definitions.back(item["definition"], names, f"{path}.definition")
    try:
        return Definition.from_json(data)
    except Invalid as refusal:
        raise Invalid(
            f"{path}: {refusal.message}", field=f"{path}.definition.{refusal.field}", value=refusal.value, hint=refusal.hint
        ) from refusal  # fmt: skip


def _differ(before: Item, after: Item, names: Names) -> bool:
    """Whether they do something else."""
    old, new = (definitions.compared(one["definition"], names) for one in (before, after))
    return old != new


def _check(definition: Definition, path: str) -> None:
    """Raises Invalid, naming the workflow and the step, for what can't work."""
    try:
        workflows.refuse_what_cannot_work(definition)
    except Invalid as refusal:
        at = f"{path} step {refusal.value}" if str(refusal.value or "").isdigit() else path
        raise Invalid(
            f"{at}: {refusal.message}", field=f"{path}.definition.{refusal.field}", value=refusal.value, hint=refusal.hint
        ) from refusal  # fmt: skip


def _rows() -> QuerySet[Workflow]:
    return (
        Workflow.objects.filter(account_id=current_account_id(), archived_at=None)
        .select_related("folder")
        .order_by("created_at", "pk")
    )


def _keys(rows: Sequence[Workflow]) -> list[str]:
    """As others name them, among those of their kind of record; lanes have none."""
    keys: dict[int, str] = {}
    for object_type in {row.object_type for row in rows}:
        alone = [row for row in rows if row.object_type == object_type and not row.origin_stage_id]
        keys |= zip((row.pk for row in alone), numbered(row.name for row in alone), strict=True)
    return [keys.get(row.pk, "") for row in rows]


def _new(start: Item) -> Item:
    name = start.get("id") or start["lane"]
    return {
        **start,
        "name": name,
        "description": "",
        "folder": "",
        "owner": "",
        **dict.fromkeys(_FLAGS, False),
        "alerts": {"errors": True},
    }


def _origin(item: Item, object_type: str, names: Names) -> tuple[int | None, int | None]:
    if "lane" not in item:
        return None, None
    stage_id = names.back(Thing.STAGE, item["lane"], "workflows.lane", object_type)
    return pipelines_of(object_type).of_stage(stage_id).id, stage_id


def _alerts(reading: Reading, before: Mapping[str, Any]) -> dict[str, Any]:
    most = {"rate_per_hour": timing.MOST_PER_HOUR, "rate_change": timing.MOST_PERCENT}
    given = reading.fields(optional=("errors", *most))
    found = dict(before)
    if "errors" in given:
        found["errors"] = given["errors"].flag()
    for name in most.keys() & given.keys():
        if given[name].value is None:
            found.pop(name, None)
        else:
            found[name] = given[name].whole(at_least=1, at_most=most[name])
    return found


def _folder(name: str, by: Actor) -> int | None:
    if not name:
        return None
    found = WorkflowFolder.objects.filter(account_id=current_account_id(), name=name).first()
    return (found or folders.create(current_account_id(), name, by=by)).pk


def _user(by: Actor) -> int | None:
    return by.id if by.kind is ActorKind.USER else None

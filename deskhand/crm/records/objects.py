"""Verbs on deals, projects and the account's own kinds of record: one engine for all of them (R-OBJ-8).

Everything is named by the API's property names and checked against the schema; whether the caller may is asked above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.pipelines import pipelines
from deskhand.crm.pipelines.pipelines import CLOSED, OPEN, NewStage
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import (
    PipelineSet,
    PipelineValue,
    StageValue,
    pipeline_property,
    stage_property,
)
from deskhand.crm.records import associations, beginning, guard, labeling, store
from deskhand.crm.records.checking import cant_be_empty, checked, is_empty, required_of
from deskhand.crm.records.store import FILED, Applied, Change
from deskhand.crm.records.tables import TABLES, of_this_type
from deskhand.crm.schema import association_labels, object_types
from deskhand.crm.schema.object_types import OwnType
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.segments import segments
from deskhand.crm.segments.segments import Use
from deskhand.events import log
from deskhand.events.types import Actor, Cause, Event, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Incomplete, Invalid

BATCH = 1000


@dataclass(frozen=True)
class NewRecord:
    """A record to be, by property names. Without a status it begins in its pipeline's first open one, without a
    pipeline in the default one. `links` are (kind, id) of records to link it to, `cause` is its own, else the set's."""

    properties: Mapping[str, Any]
    links: Sequence[tuple[str, int]] = field(default_factory=tuple)
    cause: Cause | None = None


@dataclass(frozen=True)
class Created:
    id: int
    event: Event


def create_many(
    object_type: str,
    new: Sequence[NewRecord],
    *,
    by: Actor,
    cause: Cause | None = None,
    depth: int = 0,
    at: datetime | None = None,
) -> list[Created]:
    """Create records in order, with clocks, links and one event each. Raises Invalid, naming the first culprit."""
    if object_type in TABLES.keys() - {"deal", "project"}:
        raise ValueError(f"A {object_type} has verbs of its own.")
    if not new:
        return []
    at = at or clock.now()
    values = [_values(object_type, item.properties, by, at) for item in new]
    rows = beginning.rows(object_type, values, _begin(object_type, at), by=by, at=at)
    for row in rows.values():
        _require_whole(object_type, {**row["properties"], **row}, by)
    beginning.insert(object_type, rows)
    filed = [(record_id, row["stage_id"]) for record_id, row in rows.items() if row["stage_id"]]
    if filed:
        store.start_clocks(object_type, [f[0] for f in filed], [f[1] for f in filed], at)
    associations.link_many(
        [
            (object_type, record_id, *link)
            for record_id, item in zip(rows, new, strict=True)
            for link in item.links
        ],
        at,
    )
    events = log.record_many(
        [
            NewEvent(
                f"{object_type}.created", object_type, record_id, 1, by, at,
                {name: row[name] for name in ("pipeline_id", "stage_id", "owner_id")}, item.cause or cause, depth,
            )
            for (record_id, row), item in zip(rows.items(), new, strict=True)
        ]
    )  # fmt: skip
    return [Created(*made) for made in zip(rows, events, strict=True)]


def create(object_type: str, properties: Mapping[str, Any], *, by: Actor, **more: Any) -> Created:
    return create_many(object_type, [NewRecord(properties)], by=by, **more)[0]


def update(
    object_type: str, record_id: int, properties: Mapping[str, Any], *, by: Actor, **more: Any
) -> Applied:
    """Set properties by their API names; None clears. Raises Invalid, NotFound."""
    return store.the_one(
        object_type, record_id, update_many(object_type, {record_id: properties}, by=by, **more)
    )


def update_many(
    object_type: str, changes: Mapping[int, Mapping[str, Any]], *, by: Actor, **more: Any
) -> list[Applied]:
    """The same for several; those that are gone are left out. Raises for one that can't be, and changes none."""
    wanted = []
    for record_id, properties in changes.items():
        values = checked(object_type, properties)
        if ("stage_id" in values or "pipeline_id" in values) and not _is_filed(object_type):
            raise _no_pipelines(object_type)
        wanted.append(Change(record_id, named(object_type, values)))
    return store.change_many(object_type, wanted, by=by, **more)


def move(object_type: str, record_id: int, *, to: int, by: Actor, **more: Any) -> Applied:
    """Move a record to stage `to`, with its dates and clocks (R-OBJ-1). No event when it stands there already."""
    if not _is_filed(object_type):
        raise _no_pipelines(object_type)
    return store.change(object_type, record_id, {"stage_id": to}, by=by, **more)


# ── working out a new record ─────────────────────────────────────────────────────────────────────────────────────────


def _values(object_type: str, properties: Mapping[str, Any], by: Actor, at: datetime) -> dict[str, Any]:
    """By column or property, with the place where the record begins."""
    values = named(object_type, checked(object_type, properties))
    return values | _place(object_type, values, by, at)


def named(object_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to write. A record of one of the account's own kinds is named by its primary property, and by nothing else."""
    primary = object_types.NAME if object_type in TABLES else object_types.find(object_type).primary
    if primary == object_types.NAME:
        return dict(values)
    name = {"name": str(values[primary])} if primary in values else {}
    return {key: value for key, value in values.items() if key != "name"} | name


def _begin(object_type: str, at: datetime) -> dict[str, Any]:
    own = {} if object_type in TABLES else {"object_type_id": object_types.find(object_type).id}
    return {**own, "name": "", "sort_at": at}


def _require_whole(object_type: str, row: Mapping[str, Any], by: Actor) -> None:
    """Raises Incomplete, naming all that is missing: what such a record can't be without, and what its status asks of people."""
    known = properties_of(object_type)
    missing = {
        name: cant_be_empty(object_type, name)
        for name in required_of(object_type)
        if is_empty(row.get(known[name].column or name))
    }
    if row["stage_id"] is not None:
        stage = pipelines_of(object_type).stage(row["stage_id"])
        missing |= guard.asked_at_birth(object_type, stage, row, by)
    if missing:
        raise Incomplete(missing)


def _place(object_type: str, values: Mapping[str, Any], by: Actor, at: datetime) -> dict[str, Any]:
    """Where the record begins (R-DM-1, R-DM-4, R-OBJ-1)."""
    pipeline_id, stage_id = values.get("pipeline_id"), values.get("stage_id")
    if not _is_filed(object_type):
        if pipeline_id is not None or stage_id is not None:
            raise _no_pipelines(object_type)
        return {"pipeline_id": None, "stage_id": None, "is_closed": False, "stage_entered_at": None}
    pipeline, stage = _beginning(pipelines_of(object_type), pipeline_id, stage_id, by)
    return {
        "pipeline_id": pipeline.id, "stage_id": stage.id, "is_closed": not stage.is_open, "stage_entered_at": at,
        "closed_at": at if not stage.is_open and pipeline.sets_close_date else None,  # R-CLOSE-9
        "last_closed_at": None if stage.is_open else at,
    }  # fmt: skip


def _beginning(
    known: PipelineSet, pipeline_id: Any, stage_id: Any, by: Actor
) -> tuple[PipelineValue, StageValue]:
    """Raises Invalid, too, where people may not create records in this status (R-RULE-5)."""
    pipeline = known.default
    if pipeline_id is not None:
        named = next((pipeline for pipeline in known.pipelines if pipeline.id == pipeline_id), None)
        if named is None:
            raise Invalid(
                _("There is no pipeline %(pipeline_id)s.") % {"pipeline_id": pipeline_id},
                field=pipeline_property(known.object_type),
                value=pipeline_id,
            )
        pipeline = named
    if stage_id is None:
        return pipeline, guard.first_stage(pipeline, by)
    stage = pipeline.stage(known.stage(stage_id).id)
    if stage is None:  # R-DM-6: a status of another pipeline needs its pipeline named
        raise Invalid(
            _("That status is not in this pipeline."),
            field=stage_property(known.object_type),
            value=stage_id,
            hint=_("Choose one of its statuses."),
        )
    guard.check_creation(pipeline, stage, by)
    return pipeline, stage


def _is_filed(object_type: str) -> bool:
    return object_type in FILED or object_types.find(object_type).has_pipelines


def _no_pipelines(object_type: str) -> Invalid:
    return Invalid(
        _("Records of this type stand in no pipeline."),
        field=stage_property(object_type),
        hint=_("Switch pipelines on for the type first."),
    )


# ── the account's own kinds ──────────────────────────────────────────────────────────────────────────────────────────


def switch_pipelines(key: str, on: bool, *, by: Actor) -> OwnType:
    """Let records of this kind stand in pipelines, or no more.

    Switched on, there is a default pipeline, and records without a status go to its first one. Switched off, they keep
    theirs unseen, and have them again when it is on again.
    """
    own = object_types.set_pipelines(key, on, by=by)
    if not on:
        return own
    if not pipelines_of(key).pipelines:
        stages = [NewStage(_("New"), OPEN), NewStage(_("Closed"), CLOSED, "green")]
        pipelines.create(current_account_id(), key, own.plural, stages, by=by)
    first = pipelines_of(key).default.first_open
    homeless = _ids(key, "t.stage_id is null")
    for start in range(0, len(homeless), BATCH):
        changes = [Change(record_id, {"stage_id": first.id}) for record_id in homeless[start : start + BATCH]]
        store.change_many(key, changes, by=by)
    return own


def choose_primary(key: str, property: str, *, by: Actor) -> OwnType:
    """Name records of this kind by another property; those that there are get their new names at once."""
    own = object_types.set_primary(key, property, by=by)
    if not properties_of(key)[property].column:
        sql.execute(
            f"update crm_customobject t set name = coalesce(t.properties ->> %s, '') where t.account_id = %s and {of_this_type(key)}",
            [property, current_account_id()],
        )
    return own


def delete_type(key: str, *, by: Actor) -> None:
    """Take a kind away, with the labels of links to its records.

    Raises Conflict while there are such records, archived ones too, and while something asks for them (R-PIPE-10).
    """
    own, in_use = object_types.find(key), len(_ids(key, "true"))
    segments.refuse_used(own.plural, used_by(key))
    if not in_use:
        for label in association_labels.every_own():
            place = label.from_type, label.to_type, label.type_id
            # Its other side may have taken it along.
            if key in place and association_labels.label_for(*place):
                labeling.delete(*place, by=by)
    object_types.archive(key, in_use=in_use, by=by)


#: (account id, kind of record) → what asks for it. Filled by wiring with the areas above.
users: list[Callable[[int, str], list[Use]]] = []


def used_by(key: str) -> list[Use]:
    """What is about records of this kind, or looks at linked ones, makes or changes them."""
    return [*segments.asking_for_kind(key), *(use for ask in users for use in ask(current_account_id(), key))]


def _ids(key: str, where: str) -> list[int]:
    return [
        record_id
        for (record_id,) in sql.rows(
            f"select t.id from crm_customobject t where t.account_id = %s and {of_this_type(key)} and {where} order by t.id",
            [current_account_id()],
        )
    ]

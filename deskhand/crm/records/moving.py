"""Moving many records into a status at once: each is asked for itself whether it may go, and told why not (R-REQ-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.pipelines.types import StageValue
from deskhand.crm.records import guard, listing, objects, store
from deskhand.crm.records.checking import checked
from deskhand.crm.records.store import Change
from deskhand.crm.records.tables import model_of
from deskhand.events.types import Actor
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid


@dataclass(frozen=True)
class Stays:
    """A record that was left as it is, and why."""

    id: int
    name: str
    why: str


@dataclass(frozen=True)
class Moved:
    changed: tuple[int, ...]
    refused: tuple[Stays, ...]


def move_many(
    viewer: Viewer,
    object_type: str,
    ids: Sequence[int],
    stage_id: int,
    *,
    at: datetime,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> Moved:
    """Move deals, projects or own kinds of records that the viewer may change; what the viewer may not see is not spoken of.

    `given`, by property, goes to those that lack it, in the same change. Raises Invalid for a status that there is not.
    """
    found = {record.pk: record for record in listing.seen(viewer, object_type, ids)}
    changes, why = _planned(viewer, object_type, found.values(), stage_id)
    by = Actor.user(viewer.user_id)
    changes = filled_in(object_type, changes, given)
    for record_id, reason in kept_back(object_type, changes.values(), by).items():
        why[record_id] = reason
        del changes[record_id]
    taken: dict[int, Invalid] = {}  # what was given, and only one may have
    done = store.change_many(object_type, list(changes.values()), by=by, at=at, refused=taken)
    why |= {record_id: refusal.message for record_id, refusal in taken.items()}
    refused = tuple(Stays(pk, found[pk].name, why[pk]) for pk in sorted(why))
    return Moved(tuple(one.record_id for one in done if one.changes), refused)


def moves(
    viewer: Viewer, object_type: str, ids: Sequence[int], stage_id: int
) -> list[tuple[Any, StageValue]]:
    """Those that would move, and where to; without those that a rule keeps back."""
    found = sorted(listing.seen(viewer, object_type, ids), key=lambda record: record.pk)
    changes, _why = _planned(viewer, object_type, found, stage_id)
    return going(object_type, [record for record in found if record.pk in changes], dict.fromkeys(changes, stage_id), Actor.user(viewer.user_id))  # fmt: skip


def _planned(
    viewer: Viewer, object_type: str, found: Iterable[Any], stage_id: int
) -> tuple[dict[int, Change], dict[int, str]]:
    """By record: how it is to change; or why it stays as it is."""
    reach, pipeline = visible(viewer, object_type, Verb.EDIT), pipelines_of(object_type).of_stage(stage_id)
    changes, why = dict[int, Change](), dict[int, str]()
    for record in found:
        if not reach.reaches(record):
            why[record.pk] = _("You may not change this.")
        elif record.pipeline_id != pipeline.id:
            why[record.pk] = _("It is in another pipeline.")
        else:
            changes[record.pk] = Change(record.pk, {"stage_id": stage_id})
    return changes, why


# ── of any kind ──────────────────────────────────────────────────────────────────────────────────────────────────────


def going(
    object_type: str, records: Iterable[Any], wanted: Mapping[int, int], by: Actor
) -> list[tuple[Any, StageValue]]:
    """The records that may go where they are wanted, by id, with their status to be."""
    stages, barred = pipelines_of(object_type), dict[tuple[int, int], Mapping[int, Any]]()

    def why_not(record: Any) -> Mapping[int, Any]:
        place = record.pipeline_id, record.stage_id
        if place not in barred:
            barred[place] = guard.barred(stages.pipeline(record.pipeline_id), record.stage_id, by)
        return barred[place]

    return [
        (record, stages.stage(wanted[record.pk]))
        for record in records
        if wanted[record.pk] not in why_not(record)
    ]


def kept_back(object_type: str, changes: Iterable[Change], by: Actor) -> dict[int, str]:
    """By record: why a rule of the pipeline, or what its new status asks for, keeps it where it is (R-RULE-12)."""
    refusals = store.refusals(object_type, list(changes), by=by)
    return {pk: f"{one.message} {one.hint}".strip() for pk, one in refusals.items()}


def filled_in(object_type: str, changes: Mapping[int, Change], given: Mapping[str, Any]) -> dict[int, Change]:
    """With what is given, where the record lacks it and its new status asks for it. The rows are locked, so that nothing is overwritten.

    Raises Invalid for what is given and is none.
    """
    if not given:
        return dict(changes)
    filled, stages = dict(changes), pipelines_of(object_type)
    values = checked(object_type, given)
    mine = model_of(object_type)._default_manager.filter(
        account_id=current_account_id(), pk__in=list(changes)
    )
    for record in mine.order_by("id").select_for_update(no_key=True):
        to = changes[record.pk].values.get("stage_id")
        if to is None or to == getattr(record, "stage_id", None):
            continue
        lacking = guard.lacking(object_type, stages.stage(to), {**record.properties, **vars(record)})
        keys = {prop.column or prop.name for prop in lacking}
        more = objects.named(object_type, {key: value for key, value in values.items() if key in keys})
        filled[record.pk] = Change(record.pk, {**changes[record.pk].values, **more})
    return filled

"""Who changed pipelines and stages: entries of the audit log as the contract writes them. They are for who may read that log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from deskhand.accounts import policy
from deskhand.accounts.models import AuditEntry
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.api.shapes import moment, without_nothing
from deskhand.crm.pipelines.models import Pipeline, Stage
from deskhand.events.types import ActorKind

MOST = 500  # of the newest entries that are looked at
_ACTIONS = {"created": "CREATE", "deleted": "DELETE"}
Facts = Mapping[str, Any]


def of_pipeline(viewer: Viewer, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Raises Forbidden."""
    keys = dict(pipeline.stages.values_list("pk", "key"))
    return [
        _told(
            entry, pipeline.key, {"before": _of_all(entry.before, keys), "after": _of_all(entry.after, keys)}
        )
        for entry in _entries(viewer, Q(target_type="pipeline", target_id=pipeline.pk))
    ]


def of_stage(viewer: Viewer, stage: Stage) -> list[dict[str, Any]]:
    """Stages are arranged together with their pipeline: of its entries, those that changed this one. Raises Forbidden."""
    own = Q(target_type="stage", target_id=stage.pk)
    around = Q(target_type="pipeline", target_id=stage.pipeline_id, action="pipeline.updated")
    found = []
    for entry in _entries(viewer, own | around):
        if entry.target_type == "stage":
            found.append(
                _told(entry, stage.key, {"before": _label(entry.before), "after": _label(entry.after)})
            )
            continue
        before, after = _of_one(entry.before, stage.pk), _of_one(entry.after, stage.pk)
        if before != after and before is not None:
            found.append(_told(entry, stage.key, {"before": before, "after": after or {}}))
    return found


def _entries(viewer: Viewer, which: Q) -> list[AuditEntry]:
    policy.require(viewer, Action.READ_AUDIT)
    found = AuditEntry.objects.filter(which, account_id=viewer.account_id)
    return list(found.order_by("-number")[:MOST])


def _told(entry: AuditEntry, identifier: str, raw: Facts) -> dict[str, Any]:
    return without_nothing(
        portalId=entry.account_id,
        identifier=identifier,
        action=_ACTIONS.get(entry.action.rpartition(".")[2], "UPDATE"),
        timestamp=moment(entry.at),
        message=entry.action,
        fromUserId=entry.actor_id if entry.actor_kind == ActorKind.USER else None,
        rawObject=raw,
    )


def _of_all(facts: Facts, keys: Mapping[int, str]) -> dict[str, Any]:
    """Name and stages, with their ids of the API."""
    told = _label(facts)
    if facts.get("stages") and isinstance(facts["stages"][0], dict):
        told["stages"] = [{**one, "id": keys.get(one["id"], str(one["id"]))} for one in facts["stages"]]
    return told


def _label(facts: Facts) -> dict[str, Any]:
    return {"label": facts["label"]} if "label" in facts else {}


def _of_one(facts: Facts, stage_id: int) -> dict[str, Any] | None:
    for one in facts.get("stages", ()):
        if isinstance(one, dict) and one["id"] == stage_id:
            return {name: value for name, value in one.items() if name != "id"}
    return None

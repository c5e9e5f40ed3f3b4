"""Records at an action, without a workflow around them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deskhand.automation import records
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.actions.types import Doing, Done
from deskhand.kernel import clock


def doings(
    account_id: int,
    kind: str,
    settings: dict[str, Any],
    ids: list[int],
    object_type: str = "ticket",
    **more: Any,
) -> list[Doing]:
    rows = records.load(object_type, ids, lock=True)
    if ACTIONS[kind].meets(settings):
        records.add_people(object_type, rows.values())
    outputs, now, depth = more.get("outputs", {}), more.get("now", clock.now()), more.get("depth", 0)
    assert isinstance(now, datetime)
    return [
        Doing(
            account_id, number, 7, 1, "3", settings, object_type, pk, rows[pk], outputs, None, depth, 0, now
        )
        for number, pk in enumerate(ids, start=more.get("first", 1))
    ]


def do(
    account_id: int,
    kind: str,
    settings: dict[str, Any],
    ids: list[int],
    object_type: str = "ticket",
    **more: Any,
) -> list[Done]:
    return ACTIONS[kind].run(doings(account_id, kind, settings, ids, object_type, **more))

"""One record at one action, for tests that ask an action alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.automation import records
from deskhand.automation.actions.types import Doing
from deskhand.kernel import clock


def doing_of(
    world: Any, record: Any, settings: Mapping[str, Any], *, object_type: str = "ticket", **more: Any
) -> Doing:
    rows = records.load(object_type, [record.pk])
    records.add_people(object_type, rows.values())
    facts = {
        "account_id": world.account.pk, "enrollment_id": 1, "workflow_id": 1, "revision": 1, "step_id": "1", "settings": settings,
        "object_type": object_type, "record_id": record.pk, "record": rows[record.pk], "outputs": {}, "event_id": None, "depth": 0,
        "acted": 0, "now": clock.now(),
    }  # fmt: skip
    return Doing(**(facts | more))

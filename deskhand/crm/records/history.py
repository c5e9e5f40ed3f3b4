"""What happened around a record without one of its properties changing: told in its history beside those (R-DM-13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.crm.records.models import PropertyChange
from deskhand.crm.records.store import SOURCES
from deskhand.events.types import Actor
from deskhand.kernel.database import bulk
from deskhand.kernel.database.scope import current_account_id

#: Where a change names its property; no property can be called so.
TASK, LINK, SPLIT, NOTE = "@task", "@link", "@split", "@note"


@dataclass(frozen=True)
class Line:
    """`what` happened, in the words of the area that writes it: {"did": "created", "title": …}."""

    object_type: str
    record_id: int
    about: str
    what: dict[str, Any]
    by: Actor
    event_id: int | None = None


def note_many(lines: Sequence[Line], at: datetime) -> None:
    bulk.insert(
        PropertyChange,
        [
            {
                "account_id": current_account_id(), "object_type": line.object_type, "record_id": line.record_id, "property": line.about,
                "old": None, "new": line.what, "source": SOURCES[line.by.kind], "actor_kind": line.by.kind.value, "actor_id": line.by.id,
                "event_id": line.event_id, "changed_at": at,
            }
            for line in lines
        ],
    )  # fmt: skip

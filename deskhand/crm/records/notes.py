"""Notes: what people write down about a record for each other, and workflows for them. They stand in its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.records import history
from deskhand.crm.records.checking import refuse_long
from deskhand.crm.records.history import Line
from deskhand.crm.records.tables import table_of
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import storable

TEXT = 10_000  # characters


@dataclass(frozen=True)
class NewNote:
    """A note to be; its text as `checked` gives it back."""

    object_type: str
    record_id: int
    text: str
    by: Actor
    cause: Cause | None = None
    depth: int = 0


def add(object_type: str, record_id: int, text: str, *, by: Actor, at: datetime | None = None) -> None:
    """Raises Invalid for an empty or too long one, NotFound where there is no such record."""
    if not add_many([NewNote(object_type, record_id, checked(text), by)], at=at or clock.now()):
        raise NotFound(_("There is no such record."))


def checked(text: str) -> str:
    """The text as it is kept. Raises Invalid for an empty or too long one."""
    text = storable(text).strip()
    if not text:
        raise Invalid(_("The note is empty."), field="text", hint=_("Write something first."))
    refuse_long(text, TEXT, field="text", message=_("The note is too long."))
    return text


def add_many(new: Sequence[NewNote], *, at: datetime) -> int:
    """Add a set, an event each; returns how many, for records that are gone get none. One query a kind of record."""
    versions = {kind: _versions(kind, new) for kind in dict.fromkeys(one.object_type for one in new)}
    there = [one for one in new if one.record_id in versions[one.object_type]]
    if not there:
        return 0
    events = log.record_many(
        [
            NewEvent(
                f"{one.object_type}.noted", one.object_type, one.record_id, versions[one.object_type][one.record_id], one.by, at,
                cause=one.cause, depth=one.depth,
            )
            for one in there
        ]
    )  # fmt: skip
    lines = [
        Line(
            one.object_type, one.record_id, history.NOTE, {"did": "noted", "text": one.text}, one.by, event.id
        )
        for one, event in zip(there, events, strict=True)
    ]
    history.note_many(lines, at)
    return len(there)


def _versions(object_type: str, new: Sequence[NewNote]) -> dict[int, int]:
    ids = sorted({one.record_id for one in new if one.object_type == object_type})
    return dict(
        sql.rows(
            f"select id, version from {table_of(object_type)} where account_id = %s and id = any(%s)",
            [current_account_id(), ids],
        )
    )

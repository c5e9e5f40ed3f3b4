"""Notes: what people write down about a record for each other. They stand in its history."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.records import history
from deskhand.crm.records.checking import refuse_long
from deskhand.crm.records.history import Line
from deskhand.crm.records.tables import table_of
from deskhand.events import log
from deskhand.events.types import Actor, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import storable

TEXT = 10_000  # characters


def add(object_type: str, record_id: int, text: str, *, by: Actor, at: datetime | None = None) -> None:
    """Raises Invalid for an empty or too long one, NotFound where there is no such record."""
    at, text = at or clock.now(), storable(text).strip()
    if not text:
        raise Invalid(_("The note is empty."), field="text", hint=_("Write something first."))
    refuse_long(text, TEXT, field="text", message=_("The note is too long."))
    found = sql.row(
        f"select version from {table_of(object_type)} where account_id = %s and id = %s",
        [current_account_id(), record_id],
    )
    if found is None:
        raise NotFound(_("There is no such record."))
    [event] = log.record_many([NewEvent(f"{object_type}.noted", object_type, record_id, found[0], by, at)])
    line = Line(object_type, record_id, history.NOTE, {"did": "noted", "text": text}, by, event.id)
    history.note_many([line], at)

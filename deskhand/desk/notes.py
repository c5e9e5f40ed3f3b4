"""Internal comments that no person writes: they stand in the conversation as a colleague's do, and reach no customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.desk import replies
from deskhand.desk.models import Message, MessageKind, Thread
from deskhand.desk.replies import COMMENTED
from deskhand.desk.types import StoredFile
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.text import storable


@dataclass(frozen=True)
class Note:
    ticket_id: int | None  # None: in `thread_id`, which belongs to no ticket
    text: str
    by: Actor
    cause: Cause | None = None
    depth: int = 0
    author: str = ""  # whom people read as its writer
    html: str = ""  # sanitised
    files: Sequence[StoredFile] = ()
    thread_id: int | None = None  # a conversation of the ticket; None: its latest one
    send_key: str | None = None


def add_many(notes: Sequence[Note], *, at: datetime) -> list[int | None]:
    """Add a set to the tickets' latest conversations; the messages' ids in order, None where there is none to begin."""
    if not notes:
        return []
    threads = _threads([note.ticket_id for note in notes if note.thread_id is None], at)
    placed = [note.thread_id or threads.get(note.ticket_id or 0) for note in notes]
    there = [(note, thread_id) for note, thread_id in zip(notes, placed, strict=True) if thread_id]
    ids = sql.ids("desk_message", len(there))
    rows = [_row(note, thread_id, pk, at) for (note, thread_id), pk in zip(there, ids, strict=True)]
    if rows:
        bulk.insert(Message, rows)
    replies.attach({pk: note.files for (note, _thread), pk in zip(there, ids, strict=True)})
    log.record_many(
        [
            NewEvent(
                COMMENTED, "thread", thread_id, pk, note.by, at,
                {"message_id": pk, "ticket_id": note.ticket_id, "thread_id": thread_id, "mentioned": []}, note.cause, note.depth,
            )
            for (note, thread_id), pk in zip(there, ids, strict=True)
        ]
    )  # fmt: skip
    made = iter(ids)
    return [next(made) if thread_id else None for thread_id in placed]


def _threads(ticket_ids: Sequence[int | None], at: datetime) -> dict[int, int]:
    """{ticket: conversation}; a ticket without one begins it, if the account has an address for it."""
    wanted = [pk for pk in dict.fromkeys(ticket_ids) if pk is not None]
    latest = (
        Thread.objects.filter(account_id=current_account_id(), ticket_id__in=wanted, is_side=False)
        .order_by("ticket_id", "-last_message_at", "-id")
        .distinct("ticket_id")
    )
    found = {thread.ticket_id: thread.pk for thread in latest if thread.ticket_id}
    lacking = [pk for pk in wanted if pk not in found]
    if lacking and replies.default_channel_if_any(current_account_id()):
        found |= replies.threads_for(dict.fromkeys(lacking, ()), at=at)
    return found


def _row(note: Note, thread_id: int, message_id: int, at: datetime) -> dict[str, object]:
    return {
        "id": message_id, "account_id": current_account_id(), "thread_id": thread_id, "ticket_id": note.ticket_id,
        "kind": MessageKind.COMMENT, "actor_kind": note.by.kind.value, "actor_id": note.by.id, "text": storable(note.text), "sender_name": storable(note.author),
        "html": storable(note.html), "send_key": note.send_key,
        "cause": note.cause.as_json() if note.cause else None, "created_at": at,
    }  # fmt: skip

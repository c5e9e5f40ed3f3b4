"""Conversations without a ticket: threads of channels whose ticket switch is off (R-CC-3), and whose they are (R-DM-10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.queries import can_own
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.records import tickets
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk.models import Direction, Message, MessageKind, Thread
from deskhand.desk.threads import first_ticket
from deskhand.events import log
from deskhand.events.types import Actor, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Forbidden, Invalid, NotFound

ASSIGNED = "thread.assigned"
UPDATED = "thread.updated"

#: Beside a thread `h` without a ticket: whose it is, in the columns that the policy asks of records; like a ticket's, its
#: team is the owner's main one (R-ROUTE-50).
OWNED = """cross join lateral (select h.assignee_id as owner_id, array(
    select m.team_id from accounts_teammember m where m.account_id = h.account_id and m.user_id = h.assignee_id and m.is_main
) as assigned_team_ids) mine"""


def reach(viewer: Viewer, verb: Verb = Verb.VIEW) -> tuple[str, list[Any]]:
    """A condition on `h` beside OWNED, and its parameters: what the viewer may do with tickets, they may do with
    conversations without one; their own they always see."""
    text, params = policy.visible(viewer, "ticket", verb).sql("mine")
    if verb is not Verb.VIEW:
        return text, params
    return f"({text} or h.assignee_id = %s)", [*params, viewer.user_id]


def require(viewer: Viewer, thread_id: int, verb: Verb, *, archived: bool = False) -> None:
    """The right to do this with a conversation without a ticket. Raises NotFound where it can't be seen, and Forbidden."""
    sees, seen_by = reach(viewer)
    may, may_by = reach(viewer, verb)
    found = sql.row(
        f"select {may} from desk_thread h {OWNED} where h.account_id = %s and h.id = %s and h.ticket_id is null"
        f" and (h.archived_at is not null) = %s and {sees}",
        [*may_by, viewer.account_id, thread_id, archived, *seen_by],
    )
    if found is None:
        raise NotFound(_("There is no such conversation."))
    if not found[0]:
        raise Forbidden(_("You may not change this conversation."))


@dataclass(frozen=True)
class Owner:
    """Whose a conversation shall be; None: nobody's."""

    thread_id: int
    user_id: int | None
    by: Actor
    cause: Cause | None = None
    depth: int = 0


def assign_many(wanted: Sequence[Owner], *, at: datetime | None = None) -> list[int]:
    """Give conversations without a ticket to somebody; returns the ids of those that changed hands. One update for all.

    Of a ticket's conversations the ticket has the owner, so they stay. Safe to repeat.
    """
    at, by_id = at or clock.now(), {one.thread_id: one for one in wanted}
    held = sql.rows(_HOLD, [current_account_id(), sorted(by_id)]) if by_id else []
    changed = {pk: before for pk, before in held if before != by_id[pk].user_id}
    if not changed:
        return []
    sql.execute(_ASSIGN, [list(changed), [by_id[pk].user_id for pk in changed], current_account_id()])
    log.record_many([_assigned(by_id[pk], before, at) for pk, before in changed.items()])
    return list(changed)


_HOLD = """
select id, assignee_id from desk_thread
where account_id = %s and id = any(%s) and ticket_id is null and archived_at is null order by id for no key update
"""
_ASSIGN = """
update desk_thread h set assignee_id = x.user_id from unnest(%s::bigint[], %s::bigint[]) x(id, user_id)
where h.account_id = %s and h.id = x.id
"""


def _assigned(one: Owner, before: int | None, at: datetime) -> NewEvent:
    data = {"thread_id": one.thread_id, "changes": {"assignee_id": [before, one.user_id]}}
    return NewEvent(ASSIGNED, "thread", one.thread_id, 0, one.by, at, data, one.cause, one.depth)


def close(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Nobody has anything to do about it until its customer writes again. Safe to repeat, like the next three; raises
    NotFound for a conversation that has a ticket, whose status is the ticket's."""
    at = at or clock.now()
    _set(thread_id, "is_open", by, at, {"is_open": False, "closed_at": at})


def reopen(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    _set(thread_id, "is_open", by, at or clock.now(), {"is_open": True, "closed_at": None})


def put_away(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Into the bin; what its customer writes then brings it back."""
    at = at or clock.now()
    _set(thread_id, "archived_at", by, at, {"archived_at": at})


def bring_back(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    _set(thread_id, "archived_at", by, at or clock.now(), {"archived_at": None})


def _set(thread_id: int, told: str, by: Actor, at: datetime, values: Mapping[str, Any]) -> None:
    found = Thread.objects.select_for_update().filter(
        account_id=current_account_id(), pk=thread_id, ticket_id=None
    )
    thread = found.first()
    if thread is None:
        raise NotFound(_("There is no such conversation."))
    before, after = bool(getattr(thread, told)), bool(values[told])
    if before == after:
        return
    for name, value in values.items():
        setattr(thread, name, value)
    thread.save(update_fields=list(values))
    data = {"thread_id": thread.pk, "changes": {told.replace("archived_at", "is_archived"): [before, after]}}
    log.record(
        UPDATED,
        object_type="thread",
        object_id=thread.pk,
        version=thread.message_count,
        by=by,
        data=data,
        at=at,
    )


def open_of_contacts(contact_ids: Sequence[int]) -> dict[int, list[tuple[int, int | None]]]:
    """{contact: their open conversations without a ticket, each with whose it is}. One query."""
    found: dict[int, list[tuple[int, int | None]]] = {}
    for contact_id, thread_id, assignee_id in sql.rows(_OPEN, [current_account_id(), sorted(contact_ids)]):
        found.setdefault(contact_id, []).append((thread_id, assignee_id))
    return found


_OPEN = """
select contact_id, id, assignee_id from desk_thread
where account_id = %s and contact_id = any(%s) and ticket_id is null and is_open and not is_spam and archived_at is null order by id
"""


def make_ticket(thread_id: int, *, by: Actor, at: datetime | None = None) -> int:
    """Open a ticket for a conversation, with all that was said, and return its id.

    Safe to repeat: a conversation that has a ticket keeps it. Raises NotFound, and Invalid for an empty conversation.
    """
    account_id = current_account_id()
    thread = (
        Thread.objects.select_for_update(of=("self",))
        .select_related("channel_account", "inbox")
        .filter(account_id=account_id, pk=thread_id, archived_at=None)
        .first()
    )
    if thread is None:
        raise NotFound(_("There is no such conversation."))
    if thread.ticket_id is not None:
        return int(thread.ticket_id)
    if thread.is_spam:
        raise Invalid(_("This conversation is spam."), field="thread", value=thread_id)
    said = Message.objects.filter(account_id=account_id, thread=thread, kind=MessageKind.MESSAGE)
    first = said.order_by("id").first()
    if first is None:
        raise Invalid(_("Nothing was said in this conversation yet."), field="thread", value=thread_id)
    ticket = _ticket_of(thread, first, said.order_by("-id")[0], at or clock.now())
    made = tickets.create(replace(ticket, owner_id=_owner_of(thread)), by=by, at=at)
    Message.objects.filter(account_id=account_id, thread=thread).update(ticket_id=made.id)
    thread.ticket_id, thread.assignee_id = made.id, None
    thread.save(update_fields=["ticket_id", "assignee_id"])
    return made.id


def _owner_of(thread: Thread) -> int | None:
    """Whose the ticket will be: who had the conversation, if they can own tickets still (R-WFA-9)."""
    owner = thread.assignee_id
    return owner if owner and can_own(thread.account_id, [owner]) else None


def ticket_of(thread_id: int) -> int | None:
    """The ticket that owns a conversation, if one does. Raises NotFound."""
    found = Thread.objects.filter(account_id=current_account_id(), pk=thread_id, archived_at=None)
    row = found.values_list("ticket_id").first()
    if row is None:
        raise NotFound(_("There is no such conversation."))
    ticket_id: int | None = row[0]
    return ticket_id


def _ticket_of(thread: Thread, first: Message, last: Message, at: datetime) -> NewTicket:
    return first_ticket(
        thread.channel_account,
        thread.inbox,
        subject=thread.subject,
        text=first.text,
        writer=first.sender_address,
        contact_id=thread.contact_id,
        facts={
            "originating_thread_id": thread.pk,
            "originating_message_id": first.pk,
            "preview": thread.preview,
            "message_count": thread.message_count,
            "sort_at": at,
            "last_received_at": thread.last_received_at,
            "last_sent_at": thread.last_sent_at,
            "last_message_from_visitor": last.direction == Direction.IN,
        },
    )

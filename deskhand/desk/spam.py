"""Into Spam and out of it: a ticket with all its threads, or a thread that is no ticket (R-SPAM-1, R-CC-12)."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.store import Change
from deskhand.desk import conversations
from deskhand.desk.models import Direction, Message, MessageKind, Thread
from deskhand.events import log
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import NotFound

THREAD_UPDATED = "thread.updated"


def mark(ticket_id: int, *, by: Actor, at: datetime | None = None) -> bool:
    """Move a ticket to Spam: out of open views, loads, wait-lists and automatic mail. Its status and owner stay.

    Returns whether it was not there yet. Raises NotFound.
    """
    return _set(ticket_id, True, by, at)


def unmark(ticket_id: int, *, by: Actor, at: datetime | None = None) -> bool:
    """Take a ticket out of Spam, back to where it stood. One that belongs to nobody is routed again.

    Returns whether it was spam. Raises NotFound.
    """
    return _set(ticket_id, False, by, at)


def _set(ticket_id: int, is_spam: bool, by: Actor, at: datetime | None) -> bool:
    done = tickets.change_many([Change(ticket_id, {"is_spam": is_spam})], by=by, at=at)
    if not done:
        raise NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})
    Thread.objects.filter(account_id=current_account_id(), ticket_id=ticket_id).exclude(
        is_spam=is_spam
    ).update(is_spam=is_spam)
    return bool(done[0].changes)


def mark_thread(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Move a conversation to Spam, and with it the ticket it belongs to. Safe to repeat. Raises NotFound."""
    thread = _loose(thread_id)
    if thread.ticket_id is not None:
        mark(thread.ticket_id, by=by, at=at)
    elif not thread.is_spam:
        _set_thread(thread, True, by, at)


def unmark_thread(thread_id: int, *, by: Actor, at: datetime | None = None) -> int | None:
    """Take a conversation out of Spam; where its channel creates tickets it becomes one, now that it may (R-CC-12).

    Returns its ticket's id; None for a conversation that stays one. Safe to repeat. Raises NotFound.
    """
    thread = _loose(thread_id)
    if thread.ticket_id is not None:
        unmark(thread.ticket_id, by=by, at=at)
    elif thread.is_spam:
        thread.contact_id = thread.contact_id or _contact_of(thread, by, at)
        _set_thread(thread, False, by, at)
        if thread.channel_account.creates_tickets:
            return conversations.make_ticket(thread_id, by=by, at=at)
    return thread.ticket_id


def _loose(thread_id: int) -> Thread:
    """The thread, locked unless it is a ticket's: its ticket is locked first then, as everywhere."""
    found = Thread.objects.filter(account_id=current_account_id(), pk=thread_id, archived_at=None)
    loose = found.filter(ticket_id=None).select_related("channel_account")
    thread = loose.select_for_update(of=("self",)).first() or found.first()
    if thread is None:
        raise NotFound(_("There is no such conversation."))
    return thread


def _contact_of(thread: Thread, by: Actor, at: datetime | None) -> int | None:
    """Whoever wrote first; what arrives as spam makes no contact."""
    first = (
        Message.objects.filter(
            account_id=thread.account_id, thread=thread, kind=MessageKind.MESSAGE, direction=Direction.IN
        )
        .order_by("id")
        .first()
    )
    if first is None or not first.sender_address:
        return None
    email = first.sender_address.lower()
    return contacts.upsert_many([Person(email, first.sender_name)], by=by, at=at).get(email)


def _set_thread(thread: Thread, is_spam: bool, by: Actor, at: datetime | None) -> None:
    thread.is_spam = is_spam
    thread.save(update_fields=["is_spam", "contact_id"])
    log.record(
        THREAD_UPDATED,
        object_type="thread",
        object_id=thread.pk,
        version=thread.message_count,
        by=by,
        data={"changes": {"is_spam": [not is_spam, is_spam]}},
        at=at or clock.now(),
    )

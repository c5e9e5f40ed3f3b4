"""Conversations without a ticket: threads of channels whose ticket switch is off (R-CC-3)."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.crm.records import tickets
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk.models import Direction, Message, MessageKind, Thread
from deskhand.desk.threads import first_ticket
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound


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
    made = tickets.create(_ticket_of(thread, first, said.order_by("-id")[0], at or clock.now()), by=by, at=at)
    Message.objects.filter(account_id=account_id, thread=thread).update(ticket_id=made.id)
    thread.ticket_id = made.id
    thread.save(update_fields=["ticket_id"])
    return made.id


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

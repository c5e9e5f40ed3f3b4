"""Into Spam and out of it: a ticket with all its threads, or a thread that is no ticket (R-SPAM-1, R-CC-12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deskhand.crm.pipelines.policy import IncomingReply, Sender, after_reply
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import contacts, tickets
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.desk import conversations
from deskhand.desk.models import Message, Thread
from deskhand.desk.threads import preview_of, standing_of
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import NotFound

THREAD_UPDATED = conversations.UPDATED


def mark(ticket_id: int, *, by: Actor, at: datetime | None = None) -> bool:
    """Move a ticket to Spam: out of open views, loads, wait-lists and automatic mail. Its status and owner stay.

    Returns whether it was not there yet. Raises NotFound.
    """
    _require(ticket_id)
    return bool(mark_many([ticket_id], by=by, at=at))


def mark_many(ticket_ids: Sequence[int], *, by: Actor, at: datetime | None = None) -> list[int]:
    """The same of many; returns the ids of those that were not there yet."""
    return _set(ticket_ids, True, by, at)


def unmark(ticket_id: int, *, by: Actor, at: datetime | None = None) -> bool:
    """Take a ticket out of Spam, back to where it stood. One that belongs to nobody is routed again, and what the
    customer wrote meanwhile is heard now: it may open the ticket again.

    Returns whether it was spam. Raises NotFound.
    """  # fmt: skip
    _require(ticket_id)
    return bool(unmark_many([ticket_id], by=by, at=at))


def unmark_many(ticket_ids: Sequence[int], *, by: Actor, at: datetime | None = None) -> list[int]:
    """The same of many; returns the ids of those that were spam."""
    at = at or clock.now()
    were_spam = _set(ticket_ids, False, by, at)
    filtered = _filtered(ticket_id__in=list(ticket_ids))
    last = (
        filtered.filter(is_automatic=False, is_unverified=False, actor_kind=ActorKind.VISITOR)
        .select_related("thread__channel_account")
        .order_by("ticket_id", "-id")
        .distinct("ticket_id")
    )
    heard = {message.ticket_id: message for message in last}
    found = Ticket.objects.filter(account_id=current_account_id(), pk__in=heard)
    changes = [_hear(heard[ticket.pk], ticket, at) for ticket in found]
    tickets.change_many(changes, by=Actor(ActorKind.SYSTEM), at=at)
    filtered.update(filtered=None)
    return were_spam


def _hear(message: Message, ticket: Ticket, at: datetime) -> Change:
    reply = IncomingReply(
        sender=Sender.CONTACT,
        is_automatic=False,
        is_forward=message.is_forward,
        on_originating_thread=ticket.originating_thread_id in (None, message.thread_id),
        on_side_thread=message.thread.is_side,
        is_email=message.thread.channel_account.channel == "email",
    )
    pipeline = pipelines_of("ticket").pipeline(ticket.pipeline_id)
    _effect, move = after_reply(reply, standing_of(ticket), pipeline, at)
    is_answered = ticket.last_sent_at is not None and ticket.last_sent_at > message.created_at
    facts = {
        "last_received_at": message.created_at,
        "last_message_from_visitor": not is_answered,
        "sort_at": at,
        "preview": preview_of(message.text),
    }
    if move is None or is_answered:
        return Change(ticket.pk, {}, facts)
    return Change(ticket.pk, {"stage_id": move.stage_id}, facts, rule=move.rule)


def _require(ticket_id: int) -> None:
    if not Ticket.objects.filter(account_id=current_account_id(), pk=ticket_id).exists():
        raise NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})


def _set(ticket_ids: Sequence[int], is_spam: bool, by: Actor, at: datetime | None) -> list[int]:
    done = tickets.change_many([Change(pk, {"is_spam": is_spam}) for pk in ticket_ids], by=by, at=at)
    threads = Thread.objects.filter(account_id=current_account_id(), ticket_id__in=list(ticket_ids))
    threads.exclude(is_spam=is_spam).update(is_spam=is_spam)
    return [one.record_id for one in done if one.changes]


def _filtered(**where: Any) -> QuerySet[Message]:
    """What arrived into Spam."""
    return Message.objects.filter(account_id=current_account_id(), filtered__isnull=False, **where)


def mark_thread(thread_id: int, *, by: Actor, at: datetime | None = None) -> None:
    """Move a conversation to Spam, and with it the ticket it belongs to. Safe to repeat. Raises NotFound."""
    thread = _loose(thread_id)
    if thread.ticket_id is not None:
        mark(thread.ticket_id, by=by, at=at)
    elif not thread.is_spam:
        _set_thread(thread, True, by, at)


def unmark_thread(thread_id: int, *, by: Actor, at: datetime | None = None) -> int | None:
    """Take a conversation out of Spam. What arrived there becomes the ticket that it would have been (R-CC-12).

    Returns its ticket's id; None for a conversation that stays one. Safe to repeat. Raises NotFound.
    """
    thread = _loose(thread_id)
    if thread.ticket_id is not None:
        unmark(thread.ticket_id, by=by, at=at)
        return thread.ticket_id
    if not thread.is_spam:
        return None
    filtered = _filtered(thread_id=thread_id)
    first = filtered.filter(filtered__is_machine=False).order_by("id").first()  # machines open nothing
    if first is not None and thread.contact_id is None:
        thread.contact_id = _contact_of(first, by, at)
    filtered.update(filtered=None)
    _set_thread(thread, False, by, at)
    if first is not None and thread.channel_account.creates_tickets:
        return conversations.make_ticket(thread_id, by=by, at=at)
    return None


def _loose(thread_id: int) -> Thread:
    """The thread, locked unless it is a ticket's: its ticket is locked first then, as everywhere."""
    found = Thread.objects.filter(account_id=current_account_id(), pk=thread_id, archived_at=None)
    loose = found.filter(ticket_id=None).select_related("channel_account")
    thread = loose.select_for_update(of=("self",)).first() or found.first()
    if thread is None:
        raise NotFound(_("There is no such conversation."))
    return thread


def _contact_of(message: Message, by: Actor, at: datetime | None) -> int | None:
    """Whose request it is; what arrives as spam makes no contact."""
    asks = (message.filtered or {})["requester"]
    email = asks["email"].lower()
    return contacts.upsert_many([Person(email, asks["name"])], by=by, at=at).get(email) if email else None


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

"""Mail to a contact that belongs to no ticket: it begins a conversation of its own and moves nothing (R-STAT-4).

When the contact answers, the conversation is one of its channel like any other: `unanswered` finds those that want a
ticket now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts.models import User
from deskhand.crm.records.models import Contact
from deskhand.delivery import outbox
from deskhand.desk import outgoing
from deskhand.desk.models import ChannelAccount, Delivery, Direction, Message, MessageKind, Thread
from deskhand.desk.replies import SENT
from deskhand.desk.threads import preview_of
from deskhand.desk.types import Mailbox
from deskhand.events import log
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, storable

SUBJECT_LIMIT = 250


@dataclass(frozen=True)
class NewLetter:
    """A mail to be: from one of our addresses to one of the contact's."""

    contact_id: int
    channel_account_id: int
    to: str
    subject: str
    text: str
    html: str = ""  # the same with formatting
    #: The same key never sends twice: the first message is returned again.
    send_key: str | None = None


def channels(account_id: int) -> list[ChannelAccount]:
    """The addresses that mail may leave from, the default one first."""
    found = ChannelAccount.objects.select_related("inbox").filter(
        account_id=account_id, channel="email", archived_at=None
    )
    return list(found.order_by("-is_default", "id"))


def write(new: NewLetter, *, by: User, at: datetime | None = None) -> Message:
    """Begin a conversation with a contact: thread, message and send in one transaction.

    No ticket is touched. Raises Invalid, naming the field, and NotFound.
    """
    at, account_id = at or clock.now(), current_account_id()
    text, subject = storable(new.text), one_line(storable(new.subject))[:SUBJECT_LIMIT]
    contact = Contact.objects.filter(account_id=account_id, pk=new.contact_id, archived_at=None).first()
    if contact is None:
        raise NotFound(_("There is no contact %(contact_id)s.") % {"contact_id": new.contact_id})
    if new.send_key:
        twin = Message.objects.filter(account_id=account_id, send_key=storable(new.send_key)).first()
        if twin:
            return twin
    to, channel = _address(contact, new.to), _channel(account_id, new.channel_account_id)
    if not subject:
        raise Invalid(_("The mail needs a subject."), field="subject", hint=_("Say what it is about."))
    if not text.strip():
        raise Invalid(_("The mail is empty."), field="body", hint=_("Write something first."))
    thread = Thread.objects.create(
        account_id=account_id, inbox_id=channel.inbox_id, channel_account=channel, contact_id=contact.pk, subject=subject,
        assignee_id=by.pk, created_at=at, last_message_at=at, last_sent_at=at, preview=preview_of(text), message_count=1,
        participants=[to.key],
    )  # fmt: skip
    message = _message(new, thread, by, text, subject, at)
    message.recipients = {"to": [vars(to)], "cc": [], "bcc": []}
    message.external_id = outgoing.message_id(channel, thread.pk, message.pk)
    Message.objects.bulk_create([message])
    outbox.enqueue(
        [outgoing.send(message, channel, to=[to], writer=by.name, signature=channel.signature, is_new=True)]
    )
    log.record(
        SENT, object_type="thread", object_id=thread.pk, version=message.pk, by=Actor.user(by.pk), at=at,
        data={"message_id": message.pk, "ticket_id": None, "thread_id": thread.pk, "automatic": False},
    )  # fmt: skip
    return message


def _message(new: NewLetter, thread: Thread, by: User, text: str, subject: str, at: datetime) -> Message:
    (message_id,) = sql.ids("desk_message", 1)
    return Message(
        id=message_id, account_id=thread.account_id, thread=thread, kind=MessageKind.MESSAGE, direction=Direction.OUT,
        actor_kind="user", actor_id=by.pk, sender_name=by.name, sender_address=by.email, text=text, html=storable(new.html), subject=subject,
        delivery=Delivery.QUEUED, created_at=at, send_key=storable(new.send_key) if new.send_key else None,
    )  # fmt: skip


def begin_many(asked: Sequence[tuple[ChannelAccount, int, Mailbox, str]], at: datetime) -> list[int]:
    """A conversation for each automatic mail to a contact: its channel, contact, address and subject. One statement.

    They are closed until somebody answers: nobody has anything to do about them.
    """
    ids = sql.ids("desk_thread", len(asked)) if asked else []
    Thread.objects.bulk_create(
        Thread(
            id=thread_id, account_id=channel.account_id, inbox_id=channel.inbox_id, channel_account=channel, contact_id=contact_id,
            subject=subject[:SUBJECT_LIMIT], created_at=at, last_message_at=at, last_sent_at=at, preview="", message_count=1, is_open=False, closed_at=at,
            participants=[to.key],
        )
        for thread_id, (channel, contact_id, to, subject) in zip(ids, asked, strict=True)
    )  # fmt: skip
    return ids


def addresses(contact: Contact) -> list[str]:
    """All addresses of a contact, the first one first."""
    more = contact.addresses.filter(account_id=contact.account_id).order_by("email")
    found = [contact.email, *more.values_list("email", flat=True)]
    return list(dict.fromkeys(email for email in found if email))


def _address(contact: Contact, to: str) -> Mailbox:
    known = addresses(contact)
    if not known:
        raise Invalid(
            _("This contact has no email address."), field="to", hint=_("Give the contact one first.")
        )
    if to not in known:
        raise Invalid(_("Choose one of the contact's addresses."), field="to", value=to)
    return Mailbox(to, contact.name if contact.name != to else "")


def _channel(account_id: int, channel_account_id: int) -> ChannelAccount:
    found = next((one for one in channels(account_id) if one.pk == channel_account_id), None)
    if found is None:
        raise Invalid(
            _("Choose the address that the mail leaves from."), field="channel", value=channel_account_id
        )
    return found


def wanting_tickets(thread_ids: Collection[int]) -> list[int]:
    """Of these threads those that we began, on channels that make tickets, and that have none yet (R-CC-2)."""
    if not thread_ids:
        return []
    return [
        found[0] for found in sql.rows(_WANTING, {"account": current_account_id(), "ids": sorted(thread_ids)})
    ]


_WANTING = """
select h.id from desk_thread h join desk_channelaccount a on a.account_id = h.account_id and a.id = h.channel_account_id and a.creates_tickets
where h.account_id = %(account)s and h.id = any(%(ids)s) and h.ticket_id is null and not h.is_spam and h.archived_at is null
and (select m.direction from desk_message m where m.account_id = h.account_id and m.thread_id = h.id order by m.id limit 1) = 'OUT'
order by h.id
"""

"""What our side says in a conversation that belongs to no ticket: it moves nothing, and is its writer's if it was nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts.models import User
from deskhand.crm.records.models import Contact
from deskhand.delivery import outbox
from deskhand.desk import conversations, outgoing, quoting, replies
from deskhand.desk.channels import EMAIL
from deskhand.desk.conversations import Owner
from deskhand.desk.models import Delivery, Direction, Message, MessageKind, Thread
from deskhand.desk.quoting import Quote
from deskhand.desk.replies import COMMENTED, SENT
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, storable


@dataclass(frozen=True)
class NewAnswer:
    """Without `to` it goes to whom the conversation's last message came from. The same key never sends twice."""

    thread_id: int
    text: str
    html: str = ""
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    files: tuple[StoredFile, ...] = ()
    subject: str = ""
    channel_account_id: int | None = None
    send_key: str | None = None


def reply(new: NewAnswer, *, by: User, at: datetime | None = None) -> Message:
    """Answer by mail. Raises Invalid for an empty text, a channel that agents can't answer on, or nobody to write to; NotFound."""
    at = at or clock.now()
    thread = _lock(new.thread_id)
    if twin := replies.sent_before(new.send_key):
        return twin
    if not new.text.strip() and not new.html.strip():
        raise Invalid(_("The reply is empty."), field="body", hint=_("Write something first."))
    if thread.channel_account.channel != EMAIL:
        raise Invalid(_("Choose the address that the mail leaves from."), field="channel", value=thread.channel_account.channel)  # fmt: skip
    channel = replies.channel_to_send_by(thread, new.channel_account_id)
    to = new.to or _whom(thread)
    message = _message(thread, new.text, new.html, by, at, new.send_key)
    message.recipients = {
        line: [vars(box) for box in boxes] for line, boxes in (("to", to), ("cc", new.cc), ("bcc", new.bcc))
    }
    message.subject = one_line(storable(new.subject or thread.subject))
    message.direction, message.delivery = Direction.OUT, Delivery.QUEUED
    message.external_id = outgoing.message_id(channel, thread.pk, message.pk)
    said_before = replies.references_of([thread.pk])[thread.pk]
    readers = (*to, *new.cc, *new.bcc)
    quote = quoting.history(thread.pk, channel, readers) if channel.quotes_history else Quote()
    message.quoted = quote.text
    Message.objects.bulk_create([message])
    replies.attach({message.pk: new.files})
    outbox.enqueue(
        [
            outgoing.send(
                message, channel, to=to, cc=new.cc, bcc=new.bcc, references=said_before, files=new.files,
                writer=by.name, signature=channel.signature, quote=(quote.text, quote.html), is_new=True,
            )
        ]
    )  # fmt: skip
    replies.touch_thread(thread, message, [box.key for box in (*to, *new.cc)])
    _tell(SENT, message, by, {"automatic": False})
    if thread.assignee_id is None:
        conversations.assign_many([Owner(thread.pk, by.pk, Actor.user(by.pk))], at=at)
    return message


def comment(
    thread_id: int,
    text: str,
    *,
    by: User,
    html: str = "",
    files: tuple[StoredFile, ...] = (),
    send_key: str | None = None,
    at: datetime | None = None,
) -> Message:
    """Say something among ourselves. Nobody is called by it: there is no ticket to be led to. Raises Invalid, NotFound."""
    thread = _lock(thread_id)
    if twin := replies.sent_before(send_key):
        return twin
    if not text.strip():
        raise Invalid(_("The comment is empty."), field="body", hint=_("Write something first."))
    message = _message(thread, text, html, by, at or clock.now(), send_key)
    message.kind = MessageKind.COMMENT
    Message.objects.bulk_create([message])
    replies.attach({message.pk: files})
    _tell(COMMENTED, message, by, {"mentioned": []})
    return message


def _lock(thread_id: int) -> Thread:
    found = Thread.objects.select_for_update(of=("self",)).select_related("channel_account")
    thread = found.filter(
        account_id=current_account_id(), pk=thread_id, ticket_id=None, archived_at=None
    ).first()
    if thread is None:
        raise NotFound(_("There is no such conversation."))
    return thread


def _whom(thread: Thread) -> tuple[Mailbox, ...]:
    """Never a stranger, a machine or a colleague, as in tickets."""
    heard = Message.objects.filter(
        account_id=thread.account_id,
        thread=thread,
        direction=Direction.IN,
        is_unverified=False,
        is_automatic=False,
    )
    last = heard.exclude(sender_address="").exclude(actor_kind=ActorKind.USER.value).order_by("-id").first()
    if last is not None:
        return (Mailbox(last.sender_address, last.sender_name),)
    contact = Contact.objects.filter(
        account_id=thread.account_id, pk=thread.contact_id or 0, archived_at=None
    ).first()
    if contact is not None and contact.email:
        return (Mailbox(contact.email, contact.name),)
    sent = Message.objects.filter(account_id=thread.account_id, thread=thread, direction=Direction.OUT)
    first = sent.order_by("id").first()
    if first is None or not first.recipients.get("to"):
        raise Invalid(_("Give an address."), field="to")
    return tuple(Mailbox(**box) for box in first.recipients["to"])


def _message(thread: Thread, text: str, html: str, by: User, at: datetime, send_key: str | None) -> Message:
    (message_id,) = sql.ids("desk_message", 1)
    return Message(
        id=message_id, account_id=thread.account_id, thread=thread, actor_kind="user", actor_id=by.pk,
        sender_name=by.name, sender_address=by.email, text=storable(text), html=storable(html), created_at=at,
        send_key=send_key,
    )  # fmt: skip


def _tell(kind: str, message: Message, by: User, more: dict[str, object]) -> None:
    log.record(
        kind, object_type="thread", object_id=message.thread_id, version=message.pk, by=Actor.user(by.pk),
        at=message.created_at,
        data={"message_id": message.pk, "ticket_id": None, "thread_id": message.thread_id, **more},
    )  # fmt: skip

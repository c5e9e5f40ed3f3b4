"""What our side says in a ticket: replies to the customer, internal comments, and mail that automation sends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deskhand.accounts.models import User
from deskhand.crm.pipelines.policy import Move, after_sending
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.checking import checked
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.delivery import outbox
from deskhand.delivery.types import Answered, NewSend
from deskhand.desk import drafts, mentions, outgoing, quoting, texts
from deskhand.desk.channels import EMAIL, Texted
from deskhand.desk.models import (
    Attachment,
    ChannelAccount,
    Delivery,
    Direction,
    Message,
    MessageKind,
    Thread,
)
from deskhand.desk.quoting import Quote
from deskhand.desk.threads import preview_of, standing_of
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable

SENT = "message.sent"
COMMENTED = "comment.added"


@dataclass(frozen=True)
class NewReply:
    """A reply to be. Without `to` it goes to whom the thread's last incoming message came from."""

    ticket_id: int
    text: str
    html: str = ""
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    files: tuple[StoredFile, ...] = ()
    stage_id: int | None = None  # "send and set status" (R-WORK-7)
    #: What that status asks for, by property (R-REQ-1): set with it.
    properties: Mapping[str, Any] = field(default_factory=dict)
    #: The last message the writer had seen; a newer public one refuses the send (R-WORK-3).
    last_seen_message_id: int | None = None
    #: The same key never sends twice: the first message is returned again.
    send_key: str | None = None
    #: Which of the ticket's conversations by mail it goes on; else, and where this is none of them, the latest one.
    thread_id: int | None = None
    channel_account_id: int | None = None  # the address of ours it leaves from; else the conversation's
    subject: str = ""  # else the conversation's


def reply(new: NewReply, *, by: User, at: datetime | None = None, drops_draft: bool = True) -> Message:
    """Answer the customer: message, send, status and owner in one transaction.

    Assigns an unassigned ticket to the writer (R-ROUTE-3); another's stays theirs (R-ROUTE-4). Raises Invalid for an
    empty text or when there is nobody to write to, Conflict when the thread moved on, NotFound.
    """
    at, new = at or clock.now(), cleaned(new)
    ticket = lock(new.ticket_id)
    twin = sent_before(new.send_key)
    if twin:
        return twin
    _refuse_when_deleted(ticket)
    refuse_when_moved_on(new)
    thread = _thread_to_answer(ticket, at, new.thread_id)
    channel = channel_to_send_by(thread, new.channel_account_id)
    to = new.to or _whom_to_answer(ticket, thread)
    if not to:
        raise _nobody()
    message = _own_message(thread, ticket, at, text=new.text, html=new.html, sender=by)
    message.recipients = {
        "to": [vars(b) for b in to],
        "cc": [vars(b) for b in new.cc],
        "bcc": [vars(b) for b in new.bcc],
    }
    message.subject = outgoing.answer_subject(new.subject or thread.subject or ticket.subject, ticket.number)
    message.direction, message.delivery = Direction.OUT, Delivery.QUEUED
    message.external_id = outgoing.message_id(channel, thread.pk, message.pk)
    message.send_key = new.send_key
    said_before = references_of([thread.pk])[thread.pk]
    readers = (*to, *new.cc, *new.bcc)
    quote = quoting.history(thread.pk, channel, readers) if channel.quotes_history else Quote()
    message.quoted = quote.text
    Message.objects.bulk_create([message])
    attach({message.pk: new.files})
    outbox.enqueue(
        [
            outgoing.send(
                message, channel, to=to, cc=new.cc, bcc=new.bcc, references=said_before, files=new.files,
                writer=by.name, signature=channel.signature, quote=(quote.text, quote.html), is_new=True,
            )
        ]
    )  # fmt: skip
    touch_thread(thread, message, [box.key for box in (*to, *new.cc)])
    event = log.record(
        SENT, object_type="thread", object_id=thread.pk, version=message.pk, by=Actor.user(by.pk), at=at,
        data={"message_id": message.pk, "ticket_id": ticket.pk, "thread_id": thread.pk, "automatic": False},
    )  # fmt: skip
    _move_and_assign(ticket, new, by, event.id, at, message)
    if drops_draft:
        drafts.drop(ticket.account_id, by.pk, ticket.pk, "reply")
    return message


def comment(
    ticket_id: int,
    text: str,
    *,
    by: User,
    html: str = "",
    files: Sequence[StoredFile] = (),
    thread_id: int | None = None,
    send_key: str | None = None,
    at: datetime | None = None,
    drops_draft: bool = True,
) -> Message:
    """Add an internal comment. It never reaches the customer, assigns nobody and moves nothing (R-WORK-4, R-ROUTE-5, R-STAT-19).

    It stands in this conversation of the ticket, else in the latest one by mail; the same key adds it once.
    """
    at, text = at or clock.now(), storable(text)
    if not text.strip():
        raise Invalid(_("The comment is empty."), field="body", hint=_("Write something first."))
    ticket = lock(ticket_id)
    twin = sent_before(send_key)
    if twin:
        return twin
    _refuse_when_deleted(ticket)
    own = Thread.objects.filter(account_id=ticket.account_id, ticket_id=ticket.pk, pk=thread_id or 0)
    thread = own.first() or _thread_to_answer(ticket, at)
    message = _own_message(thread, ticket, at, text=text, html=storable(html), sender=by)
    message.kind, message.send_key = MessageKind.COMMENT, send_key
    Message.objects.bulk_create([message])
    attach({message.pk: files})
    mentioned = mentions.note(message, ticket, by)
    log.record(
        COMMENTED, object_type="thread", object_id=thread.pk, version=message.pk, by=Actor.user(by.pk), at=at,
        data={"message_id": message.pk, "ticket_id": ticket.pk, "thread_id": thread.pk, "mentioned": mentioned},
    )  # fmt: skip
    if drops_draft:
        drafts.drop(ticket.account_id, by.pk, ticket.pk, "comment")
    return message


# ── the parts of a reply ─────────────────────────────────────────────────────────────────────────────────────────────


def cleaned(new: NewReply) -> NewReply:
    """What can be stored of it. Raises Invalid for an empty text."""
    if not new.text.strip() and not new.html.strip():
        raise Invalid(_("The reply is empty."), field="body", hint=_("Write something first."))
    return replace(
        new,
        text=storable(new.text),
        html=storable(new.html),
        subject=one_line(storable(new.subject)),
        send_key=new.send_key and storable(new.send_key),
    )


def sent_before(send_key: str | None) -> Message | None:
    """What was said with this key. Ask it under a lock that whoever says it holds, too."""
    if not send_key:
        return None
    return Message.objects.filter(account_id=current_account_id(), send_key=send_key).first()


def lock(ticket_id: int) -> Ticket:
    found = (
        Ticket.objects.select_for_update(no_key=True)
        .filter(account_id=current_account_id(), pk=ticket_id)
        .first()
    )
    if found is None:
        raise _no_ticket(ticket_id)
    return found


def _no_ticket(ticket_id: int) -> NotFound:
    return NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})


def _refuse_when_deleted(ticket: Ticket) -> None:
    """Merged ones too; who has such a page open still is led on by it."""
    if ticket.archived_at is not None:
        raise Conflict(_("This ticket was deleted. Restore it first."))


def refuse_when_moved_on(new: NewReply) -> None:
    if new.last_seen_message_id is None:
        return
    newer = Message.objects.filter(
        account_id=current_account_id(),
        ticket_id=new.ticket_id,
        kind=MessageKind.MESSAGE,
        pk__gt=new.last_seen_message_id,
        is_automatic=False,
    )
    latest = newer.order_by("-id").first()
    if latest:
        name = latest.sender_name or latest.sender_address
        raise Conflict(_("%(name)s wrote in the meantime.") % {"name": name})


def whom_to_answer(ticket: Ticket) -> tuple[Mailbox, ...]:
    """To whom a reply goes that names nobody. Raises Invalid when there is nobody, or no address to write from."""
    thread = _latest_thread(ticket)
    _connected(_channel_of(thread, ticket.account_id))
    to = _whom_to_answer(ticket, thread)
    if not to:
        raise _nobody()
    return to


def quotes(ticket: Ticket) -> bool:
    """Whether a reply carries what was said before, as far as those it goes to had it."""
    thread = _latest_thread(ticket)
    if thread is None:
        return False
    channel = _channel_of(thread, ticket.account_id)
    return bool(channel and channel.quotes_history) and quoting.is_begun(thread.pk, ticket.account_id)


def _nobody() -> Invalid:
    return Invalid(_("This ticket has nobody to write to."), field="to", hint=_("Give an address."))


def _latest_thread(ticket: Ticket) -> Thread | None:
    return _latest_threads([ticket.pk]).select_related("channel_account").first()


def _latest_threads(ticket_ids: Collection[int]) -> QuerySet[Thread]:
    return _by_mail(ticket_ids).order_by("ticket_id", "-last_message_at", "-id").distinct("ticket_id")


def _by_mail(ticket_ids: Collection[int]) -> QuerySet[Thread]:
    """In which agents answer; what automation wrote to the customer's phone is no place for it."""
    return Thread.objects.filter(
        account_id=current_account_id(),
        ticket_id__in=ticket_ids,
        is_side=False,
        channel_account__channel=EMAIL,
    )


def _thread_to_answer(ticket: Ticket, at: datetime, chosen: int | None = None) -> Thread:
    """The chosen one of the ticket's threads by mail, its latest one, or a new one on the account's default address."""
    own = _by_mail([ticket.pk]).select_related("channel_account")
    found = own.filter(pk=chosen).first() if chosen else None
    return found or _latest_thread(ticket) or _begin([ticket], {}, at)[0]


def _begin(begun: Sequence[Ticket], people: Mapping[int, Collection[str]], at: datetime) -> list[Thread]:
    """A thread for each ticket, on the default address, with its people. Raises Invalid where there is no address."""
    channel = default_channel(current_account_id())
    made = [
        Thread(
            id=thread_id, account_id=ticket.account_id, inbox_id=channel.inbox_id, channel_account=channel, ticket_id=ticket.pk,
            contact_id=ticket.contact_id, subject=ticket.subject, created_at=at, last_message_at=at,
            participants=list(dict.fromkeys(people.get(ticket.pk, ()))),
        )
        for ticket, thread_id in zip(begun, sql.ids("desk_thread", len(begun)), strict=True)
    ]  # fmt: skip
    Thread.objects.bulk_create(made)
    sql.execute(_ORIGINATE, [current_account_id(), [t.ticket_id for t in made], [t.pk for t in made]])
    return made


_ORIGINATE = """
update crm_ticket t set originating_thread_id = x.thread_id
from (select %s::bigint as account_id, u.* from unnest(%s::bigint[], %s::bigint[]) u(ticket_id, thread_id)) x
where t.account_id = x.account_id and t.id = x.ticket_id and t.originating_thread_id is null
"""


def _channel_of(thread: Thread | None, account_id: int) -> ChannelAccount | None:
    """The thread's own address; where it was disconnected the default one, which answers find their way back to."""
    own = thread and thread.channel_account
    return own if own and own.archived_at is None else default_channel_if_any(account_id)


def channel_to_send_by(thread: Thread, chosen: int | None = None) -> ChannelAccount:
    """The chosen address of ours, else the thread's own. Raises Invalid."""
    if chosen is None:
        return _connected(_channel_of(thread, thread.account_id))
    ours = ChannelAccount.objects.filter(account_id=thread.account_id, channel=EMAIL, archived_at=None)
    found = ours.filter(pk=chosen).first()
    if found is None:
        raise Invalid(
            _("Choose the address that the mail leaves from."), field="channelAccountId", value=chosen
        )
    return found


def thread_for(ticket_id: int, *, at: datetime) -> int:
    """The conversation in which to write about a ticket, begun if there is none. Raises NotFound, and Invalid without an address."""
    return threads_for({ticket_id: ()}, at=at)[ticket_id]


def threads_for(people: Mapping[int, Collection[str]], *, at: datetime) -> dict[int, int]:
    """{ticket: the conversation in which to write about it}, begun with these people where there is none.

    People are named by their addresses, in lower case. Raises as `thread_for`. As many statements for a hundred as for one.
    """
    held = Ticket.objects.filter(account_id=current_account_id(), pk__in=people).order_by("id")
    known = {ticket.pk: ticket for ticket in held.select_for_update(no_key=True)}
    for ticket_id in people:
        if ticket_id not in known:
            raise _no_ticket(ticket_id)
    found = {
        ticket_id: thread_id
        for ticket_id, thread_id in _latest_threads(known).values_list("ticket_id", "pk")
        if ticket_id
    }
    lacking = [ticket for ticket in known.values() if ticket.pk not in found]
    if lacking:
        begun = _begin(lacking, people, at)
        found |= {ticket.pk: thread.pk for ticket, thread in zip(lacking, begun, strict=True)}
    return found


def default_channel(account_id: int) -> ChannelAccount:
    """The address that mail leaves from when the ticket has none of its own (R-MAIL-10)."""
    return _connected(default_channel_if_any(account_id))


def default_channel_if_any(account_id: int) -> ChannelAccount | None:
    channels = ChannelAccount.objects.filter(account_id=account_id, channel=EMAIL, archived_at=None)
    return channels.order_by("-is_default", "id").first()


def _connected(found: ChannelAccount | None) -> ChannelAccount:
    if found is None:
        raise Invalid(
            _("No e-mail address is connected."), field="channel", hint=_("Connect one in the settings.")
        )
    return found


def _whom_to_answer(ticket: Ticket, thread: Thread | None) -> tuple[Mailbox, ...]:
    last = thread and (
        Message.objects.filter(account_id=ticket.account_id, thread=thread, direction=Direction.IN, is_unverified=False, is_automatic=False)
        .exclude(sender_address="").exclude(actor_kind=ActorKind.USER.value).order_by("-id").first()
    )  # fmt: skip
    if last and thread and last.sender_address.lower() in thread.participants:
        return (Mailbox(last.sender_address, last.sender_name),)
    if ticket.contact and ticket.contact.email:
        return (Mailbox(ticket.contact.email, ticket.contact.name),)
    return ()


def _own_message(
    thread: Thread, ticket: Ticket, at: datetime, *, text: str, html: str, sender: User
) -> Message:
    (message_id,) = sql.ids("desk_message", 1)
    return Message(
        id=message_id, account_id=ticket.account_id, thread=thread, ticket_id=ticket.pk, actor_kind="user", actor_id=sender.pk,
        sender_name=sender.name, sender_address=sender.email, text=text, html=html, created_at=at,
    )  # fmt: skip


def attach(files: Mapping[int, Sequence[StoredFile]]) -> None:
    """{message: what goes along with it}; one statement."""
    Attachment.objects.bulk_create(
        Attachment(
            account_id=current_account_id(), message_id=message_id, position=n, name=f.name, content_type=f.content_type,
            size=f.size, sha256=f.sha256, content_id=f.content_id, is_inline=f.is_inline,
        )
        for message_id, some in files.items() for n, f in enumerate(some)
    )  # fmt: skip


def touch_thread(thread: Thread, message: Message, people: Sequence[str]) -> None:
    thread.participants = list(dict.fromkeys([*thread.participants, *people]))
    thread.last_message_at = thread.last_sent_at = message.created_at
    thread.message_count += 1
    thread.preview = preview_of(message.text)
    thread.save(update_fields=["participants", "last_message_at", "last_sent_at", "message_count", "preview"])


def _move_and_assign(
    ticket: Ticket, new: NewReply, by: User, event_id: int, at: datetime, message: Message
) -> None:
    values: dict[str, Any] = {}
    rule = None
    if new.stage_id:
        move: Move | None = Move(new.stage_id, "chosen_with_reply")
    else:
        move = after_sending(standing_of(ticket), pipelines_of("ticket").pipeline(ticket.pipeline_id))
    if move:
        values["stage_id"], rule = move.stage_id, move.rule
    if new.stage_id:
        values |= checked("ticket", new.properties)
    if ticket.owner_id is None and "owner_id" not in values:
        values |= {"owner_id": by.pk, "assignment_method": "reply"}
    facts: dict[str, Any] = {
        "last_sent_at": at, "message_count": ticket.message_count + 1, "last_message_from_visitor": False, "sort_at": at,
        "preview": preview_of(message.text), "last_message_failed": False,
    }  # fmt: skip
    if ticket.first_agent_reply_at is None:
        facts |= {"first_agent_reply_at": at, "first_agent_reply_by": by.pk}
    tickets.change_many(
        [Change(ticket.pk, values, facts, rule=rule)],
        by=Actor.user(by.pk),
        cause=Cause(event_id=event_id),
        at=at,
    )


def references_of(thread_ids: Sequence[int]) -> dict[int, list[str]]:
    """{thread: Message-IDs said in it, oldest first}, at most the newest twenty each."""
    found: dict[int, list[str]] = {thread_id: [] for thread_id in thread_ids}
    for thread_id, external_id in sql.rows(
        "select x.id, m.external_id from unnest(%s::bigint[]) x(id) cross join lateral ("
        " select id, external_id from desk_message where account_id = %s and thread_id = x.id and external_id <> '' order by id desc limit %s) m"
        " order by m.id",
        [list(thread_ids), current_account_id(), outgoing.REFERENCES + 1],
    ):
        found[thread_id].append(external_id)
    return found


# ── automatic mail ───────────────────────────────────────────────────────────────────────────────────────────────────


class AutomaticMessage(NamedTuple):
    """What a rule or workflow sends to a customer; `ticket_id` None in a conversation that belongs to no ticket.

    A mail's words may be made when it is sent: `filling` is what of (`unwritten`). `key` makes it leave once. Mail:
    `unsubscribe` is the address by which its reader gets no more of the kind (RFC 8058). To a phone: `texted` says how it
    leaves.
    """

    ticket_id: int | None
    thread_id: int
    channel: ChannelAccount
    to: Mailbox
    cause: Cause
    by: Actor
    subject: str = ""
    text: str = ""
    html: str = ""
    depth: int = 0
    template: str = ""
    key: str = ""
    about: str = ""  # the record, where that is no ticket
    unsubscribe: str = ""
    filling: Mapping[str, Any] | None = None
    texted: Texted | None = None


def send_automatic(mails: Sequence[AutomaticMessage], *, at: datetime) -> list[int]:
    """Send a set. Not an agent's reply: it assigns nobody, moves nothing and stops no clock (R-MAIL-13, R-STAT-20)."""
    if not mails:
        return []
    ids = sql.ids("desk_message", len(mails))
    references = references_of([mail.thread_id for mail in mails])
    rows = [_automatic_message(mail, message_id, at) for mail, message_id in zip(mails, ids, strict=True)]
    bulk.insert(Message, rows)
    outbox.enqueue(
        [
            _automatic_send(mail, row, references[mail.thread_id])
            for mail, row in zip(mails, rows, strict=True)
        ]
    )
    log.record_many(
        [
            NewEvent(
                SENT, "thread", mail.thread_id, message_id, mail.by, at,
                {"message_id": message_id, "ticket_id": mail.ticket_id, "thread_id": mail.thread_id, "automatic": True}, mail.cause, mail.depth,
            )
            for mail, message_id in zip(mails, ids, strict=True)
        ]
    )  # fmt: skip
    return ids


def _automatic_message(mail: AutomaticMessage, message_id: int, at: datetime) -> dict[str, Any]:
    return {
        "id": message_id, "account_id": mail.channel.account_id, "thread_id": mail.thread_id, "ticket_id": mail.ticket_id,
        "kind": MessageKind.MESSAGE, "direction": Direction.OUT, "actor_kind": mail.by.kind.value, "actor_id": mail.by.id,
        "sender_name": mail.channel.name, "sender_address": mail.channel.address, "recipients": {"to": [vars(mail.to)]},
        "subject": mail.subject, "text": mail.text, "html": mail.html, "filling": mail.filling,
        "external_id": "" if mail.texted else outgoing.message_id(mail.channel, mail.thread_id, message_id),
        "cause": {**mail.cause.as_json(), "template": mail.template, **({"about": mail.about} if mail.about else {})}, "is_automatic": True, "delivery": Delivery.QUEUED, "created_at": at,
    }  # fmt: skip


def _automatic_send(mail: AutomaticMessage, row: dict[str, Any], references: list[str]) -> NewSend:
    if mail.texted:
        return texts.send(row["id"], mail.channel, mail.to, mail.texted, mail.key)
    written = outgoing.Written(
        row["id"], mail.thread_id, mail.subject, mail.text, mail.html, row["external_id"]
    )
    return outgoing.send(
        written, mail.channel, to=[mail.to], references=references, automatic="auto-replied" if mail.ticket_id else "auto-generated",
        unsubscribe=mail.unsubscribe, key=mail.key, is_unwritten=mail.filling is not None,
    )  # fmt: skip


# ── how far it came ──────────────────────────────────────────────────────────────────────────────────────────────────

_FINAL = {"SENT": Delivery.SENT, "FAILED": Delivery.FAILED}
_WAITING = {"WAITING", "HELD"}


def note_answers(answers: Sequence[Answered]) -> None:
    """Show on each message how its send ended, or why it waits. Called in the transaction that records the answers.

    Safe to repeat.
    """
    _note_waiting(
        [a for a in answers if a.entry.reference_type == outgoing.REFERENCE and a.state in _WAITING]
    )
    final = [a for a in answers if a.entry.reference_type == outgoing.REFERENCE and a.state in _FINAL]
    if not final:
        return
    sql.execute(
        "update desk_message m set delivery = x.state, delivery_error = x.error, sent_at = case when x.state = 'SENT' then x.at end"
        " from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[]) x(account_id, id, state, error, at)"
        " where m.account_id = x.account_id and m.id = x.id and m.delivery <> 'BOUNCED'",
        [
            [a.entry.account_id for a in final], [a.entry.reference_id for a in final], [_FINAL[a.state].value for a in final],
            [a.error or "; ".join(a.refused.values()) for a in final], [a.at for a in final],
        ],
    )  # fmt: skip
    sql.execute(_FAILING, [[a.entry.account_id for a in final], [a.entry.reference_id for a in final]])


def _note_waiting(waiting: Sequence[Answered]) -> None:
    if waiting:
        sql.execute(
            "update desk_message m set delivery_error = x.error"
            " from unnest(%s::bigint[], %s::bigint[], %s::text[]) x(account_id, id, error)"
            " where m.account_id = x.account_id and m.id = x.id and m.delivery = 'QUEUED' and m.delivery_error <> x.error",
            [
                [a.entry.account_id for a in waiting], [a.entry.reference_id for a in waiting], [a.error for a in waiting],
            ],
        )  # fmt: skip


#: A ticket fails to reach its customer while its newest outgoing message does.
_FAILING = """
update crm_ticket t set last_message_failed = newest.delivery in ('FAILED', 'BOUNCED')
from unnest(%s::bigint[], %s::bigint[]) x(account_id, message_id)
join desk_message m on m.account_id = x.account_id and m.id = x.message_id
cross join lateral (
    select delivery from desk_message n where n.account_id = m.account_id and n.ticket_id = m.ticket_id and n.direction = 'OUT'
    order by n.id desc limit 1) newest
where t.account_id = m.account_id and t.id = m.ticket_id
"""


def signals_of(answers: Sequence[Answered]) -> list[str]:
    """The pages that show these messages."""
    ids = [
        a.entry.reference_id
        for a in answers
        if a.entry.reference_type == outgoing.REFERENCE and a.state in {*_FINAL, *_WAITING}
    ]
    found = Message.objects.filter(account_id=current_account_id(), pk__in=ids).values_list(
        "ticket_id", flat=True
    )
    return [f"ticket-{ticket_id}" for ticket_id in dict.fromkeys(found) if ticket_id]

"""Filing what arrives: a set of incoming messages joins or opens threads, and with them tickets, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from deskhand.accounts.models import Account
from deskhand.crm.pipelines.policy import IncomingReply, Move, ReplyEffect, Sender, Standing, after_reply
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import associations, contacts, labeling, tickets
from deskhand.crm.records.associations import Why
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.models import Ticket, TicketType
from deskhand.crm.records.store import Change
from deskhand.crm.records.tickets import NewTicket
from deskhand.crm.schema import association_labels
from deskhand.desk import acknowledgements, blocking, senders, tokens
from deskhand.desk.models import (
    Attachment,
    ChannelAccount,
    Direction,
    Inbox,
    InboxKind,
    Message,
    MessageKind,
    Thread,
)
from deskhand.desk.types import Automatic, InboundMessage, Incoming, Mailbox, Outcome, Received
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind, Cause, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database import bulk, sql
from deskhand.kernel.database.scope import current_account_id

RECEIVED = "message.received"
FILTERED = "message.filtered"  # received into Spam: nobody is called
FOLLOW_UP = "follow_up_of"  # the label between a new ticket and the closed one; the rule that made the link
KEEPS_CLOSED = "keeps_closed"  # in a message's cause: it only says thanks (R-REOPEN-2)
PREVIEW = 140  # characters shown in lists

SOURCE_OF_CHANNEL = {
    "email": "EMAIL",
    "form": "FORM",
    "chat": "CHAT",
    "messenger": "CHAT",
    "calling": "PHONE",
    "whatsapp": "WHATSAPP",
}
#: Where people wait for an answer on the spot, but for calls; other kinds of channel are such, too (R-ROUTE-20, R-ROUTE-21).
_NOT_LIVE = ("email", "form", "portal")


def type_of_channel(channel: str) -> TicketType:
    """What load a channel's tickets count as; a kind that is not known is somebody's own channel of messages."""
    if channel == "calling":
        return TicketType.CALL
    return TicketType.EMAIL_OTHER if channel in _NOT_LIVE else TicketType.MESSAGE


def receive_many(
    incoming: Sequence[Incoming], *, cause: Cause | None = None, at: datetime | None = None
) -> list[Received]:
    """File messages in the order given, in the open scope; answers are in the same order.

    Not for twins: the channel has refused those (R-CC-13). A message that answers another one of the same set is
    filed in a following round, when that one's thread exists.
    """
    at = at or clock.now()
    answered, tickets_of = _hold([item.message for item in incoming])
    answers: list[Received] = []
    for batch in _rounds(incoming, answered, tickets_of):
        messages = [item.message for item in batch]
        # A later round looks anew: it may answer what an earlier one has filed.
        found = _threads_answered(messages) if answers else answered[: len(batch)]
        answers += _Round(batch, found, cause, at).file()
    return answers


def receive(incoming: Incoming, **more: Any) -> Received:
    return receive_many([incoming], **more)[0]


def _hold(messages: Sequence[InboundMessage]) -> tuple[list[int | None], dict[int | None, int]]:
    """For each message the thread it answers, and {thread: ticket}, whose tickets are locked, in id order.

    Who split or merged them meanwhile may have moved what is answered, so look until it stands where it was found.
    """
    held: set[int] = set()
    while True:
        answered = _threads_answered(messages)
        tickets_of = _tickets_of({thread_id for thread_id in answered if thread_id})
        wanted = set(tickets_of.values())
        if wanted <= held:
            return answered, tickets_of
        _lock_tickets(wanted - held)
        held |= wanted


def _rounds(
    incoming: Sequence[Incoming], answered: Sequence[int | None], tickets_of: Mapping[int | None, int]
) -> Iterable[list[Incoming]]:
    """Cut the set before every message whose conversation an earlier one of the cut is part of."""
    batch: list[Incoming] = []
    in_batch: set[int] = set()
    conversations: dict[object, int] = {}  # what names a conversation → its number in this set
    for number, (item, thread_id) in enumerate(zip(incoming, answered, strict=True)):
        named = (item.message.external_id, *item.message.answers, thread_id)
        names: set[object] = {name for name in named if name}
        if thread_id in tickets_of:  # a ticket may own several threads
            names.add(("ticket", tickets_of[thread_id]))
        met = {conversations[name] for name in names if name in conversations}
        if met & in_batch:
            yield batch
            batch, in_batch = [], set()
        batch.append(item)
        in_batch.add(number)
        conversations |= dict.fromkeys(names, number)
        if met:
            conversations = {name: number if n in met else n for name, n in conversations.items()}
    if batch:
        yield batch


@dataclass
class _Known:
    """A thread that a message joins, with its ticket as it stands."""

    thread: Thread
    ticket: Ticket | None

    @property
    def is_deleted(self) -> bool:
        return self.ticket is not None and self.ticket.archived_at is not None

    @property
    def is_spam(self) -> bool:
        return self.thread.is_spam if self.ticket is None else self.ticket.is_spam


@dataclass
class _Case:
    """One message on its way: what was found out about it, then the ids it gets."""

    incoming: Incoming
    channel: ChannelAccount
    known: _Known | None = None
    sender: Sender = Sender.CONTACT
    contact_id: int | None = None
    move: Move | None = None
    follow_up_of: int | None = None
    why: str = ""
    outcome: Outcome = Outcome.CREATED
    is_blocked: bool = False
    is_spam: bool = False  # it stays in Spam: filed and counted, and causes nothing (R-CC-12)
    keeps_closed: bool = False  # it only says thanks (R-REOPEN-2)
    thread_id: int = 0
    message_id: int = 0
    ticket_id: int | None = None

    @property
    def message(self) -> InboundMessage:
        return self.incoming.message

    @property
    def is_unverified(self) -> bool:
        return self.known is not None and self.sender is Sender.STRANGER

    @property
    def is_report_or_answer(self) -> bool:
        """Whether a machine only says how it went: it opens nothing."""
        return self.message.automatic in (Automatic.ANSWER, Automatic.REPORT)

    @property
    def is_heard(self) -> bool:
        """Whether it is news in its thread; answers of machines, strangers and spam are not (B8, T4)."""
        return not self.is_report_or_answer and not self.is_unverified and not self.is_spam

    @property
    def requester(self) -> Mailbox:
        """Whose request it is: the writer, or whom a colleague's forward names (R-EM-7)."""
        if self.sender is Sender.COLLEAGUE and self.message.original_sender:
            return self.message.original_sender
        return self.message.sender


@dataclass
class _Round:
    batch: list[Incoming]
    answered: Sequence[int | None]  # threads, by message
    cause: Cause | None
    at: datetime
    cases: list[_Case] = field(default_factory=list)
    own: set[str] = field(default_factory=set)  # our addresses

    def file(self) -> list[Received]:
        self._gather()
        for case in self.cases:
            self._decide(case)
        self._find_contacts()
        self._draw_ids()
        self._create_tickets()
        self._create_threads()
        self._create_messages()
        self._touch_threads()
        events = self._record()
        self._touch_tickets(events)
        self._give_answered(events)
        self._link_follow_ups(events)
        return [Received(c.outcome, c.message_id, c.thread_id, c.ticket_id, c.why) for c in self.cases]

    # ── finding out ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _gather(self) -> None:
        account_id = current_account_id()
        channels = {
            c.pk: c for c in ChannelAccount.objects.select_related("inbox").filter(account_id=account_id)
        }
        self.own = {channel.address for channel in channels.values()}
        self.cases = [_Case(item, channels[item.channel_account_id]) for item in self.batch]
        known = _load_known({thread_id for thread_id in self.answered if thread_id})
        blocked = blocking.blocked({case.message.sender.key for case in self.cases})
        for case, thread_id in zip(self.cases, self.answered, strict=True):
            case.known = known.get(thread_id) if thread_id else None
            case.is_blocked = case.message.sender.key in blocked
        who = senders.of([(case.message, case.known.thread if case.known else None) for case in self.cases])
        for case, sender in zip(self.cases, who, strict=True):
            case.sender = sender

    # ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, case: _Case) -> None:
        was_spam = case.known is not None and case.known.is_spam
        if case.known and case.known.is_deleted and not case.is_report_or_answer:
            # Nobody looks there any more: who writes again is heard anew.
            case.known, case.sender = None, case.sender if case.sender is Sender.COLLEAGUE else Sender.CONTACT
        if case.is_blocked:
            self._filter(case, "a blocked sender")
            return
        if was_spam or (case.known is None and case.message.spam_mark):
            self._filter(case, "answers spam" if was_spam else "")
            return
        if case.known is None:
            self._decide_new(case)
            return
        case.outcome, case.why = Outcome.JOINED, "answers a known thread"
        if case.message.automatic is Automatic.ANSWER:
            case.outcome, case.why = Outcome.AUTO_REPLY, case.message.automatic_reason
        elif case.message.automatic is Automatic.REPORT:
            case.outcome, case.why = Outcome.BOUNCE, case.message.automatic_reason
        elif case.is_unverified:
            case.why = "answers a known thread, from outside and unverified"
        elif case.known.ticket is not None:
            self._decide_move(case, case.known.thread, case.known.ticket)

    @staticmethod
    def _filter(case: _Case, why: str = "") -> None:
        case.is_spam, case.outcome = True, Outcome.SPAM
        case.why = why or f"marked as spam by {case.message.spam_mark}"

    def _decide_move(self, case: _Case, thread: Thread, ticket: Ticket) -> None:
        reply = IncomingReply(
            sender=case.sender,
            is_automatic=case.message.automatic is not Automatic.NO,
            is_forward=case.message.is_forward,
            on_originating_thread=ticket.originating_thread_id in (None, thread.pk),
            on_side_thread=thread.is_side,
            is_email=case.message.is_email,
            is_acknowledgement=ticket.is_closed and _only_says_thanks(case.message),
        )
        effect, case.move = after_reply(
            reply, standing_of(ticket), pipelines_of("ticket").pipeline(ticket.pipeline_id), self.at
        )
        if effect is ReplyEffect.ACKNOWLEDGED:
            case.keeps_closed, case.why = True, "only says thanks, so the closed ticket stays closed"
        if effect is not ReplyEffect.FOLLOW_UP:
            return
        case.known = None
        if case.message.spam_mark:
            self._filter(case)
        else:
            case.follow_up_of = ticket.pk
            case.outcome, case.why = Outcome.CREATED, f"follows up closed ticket #{ticket.number}"

    def _decide_new(self, case: _Case) -> None:
        automatic = case.message.automatic
        if automatic is Automatic.ANSWER:
            case.outcome, case.why = Outcome.AUTO_REPLY, case.message.automatic_reason
        elif automatic is Automatic.REPORT:
            case.outcome, case.why = Outcome.BOUNCE, case.message.automatic_reason
        elif not case.channel.creates_tickets and not case.message.source_type:
            case.outcome, case.why = Outcome.THREADED, "the channel's ticket switch is off"
        else:
            case.why = "a new conversation"

    # ── contacts and ids ─────────────────────────────────────────────────────────────────────────────────────────────

    def _find_contacts(self) -> None:
        people = [Person(c.requester.key, c.requester.name) for c in self.cases if self._wants_contact(c)]
        found = contacts.upsert_many(people, by=Actor(ActorKind.VISITOR), at=self.at)
        for case in self.cases:
            case.contact_id = found.get(case.requester.key) if self._wants_contact(case) else None

    @staticmethod
    def _wants_contact(case: _Case) -> bool:
        """Machines, spam, and strangers on known threads make no contacts (T4)."""
        colleague = case.sender is Sender.COLLEAGUE and case.message.original_sender is None
        return (
            bool(case.requester.email)
            and not case.is_report_or_answer
            and not case.is_unverified
            and not case.is_spam
            and not (case.known and colleague)
        )

    def _draw_ids(self) -> None:
        message_ids = sql.ids("desk_message", len(self.cases))
        for case, message_id in zip(self.cases, message_ids, strict=True):
            case.message_id = message_id
        new = [case for case in self.cases if case.known is None]
        for case, thread_id in zip(new, sql.ids("desk_thread", len(new)), strict=True):
            case.thread_id = thread_id
        for case in self.cases:
            if case.known:
                case.thread_id, case.ticket_id = case.known.thread.pk, case.known.thread.ticket_id

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _create_tickets(self) -> None:
        opening = [case for case in self.cases if case.known is None and case.outcome is Outcome.CREATED]
        made = tickets.create_many(
            [self._new_ticket(case) for case in opening],
            by=Actor(ActorKind.VISITOR),
            cause=self.cause,
            at=self.at,
        )
        for case, ticket in zip(opening, made, strict=True):
            case.ticket_id = ticket.id

    def _new_ticket(self, case: _Case) -> NewTicket:
        message = case.message
        return first_ticket(
            case.channel,
            case.channel.inbox,
            subject=message.subject,
            text=message.text,
            writer=case.requester.email,
            contact_id=case.contact_id,
            source_type=message.source_type,
            facts={
                "originating_thread_id": case.thread_id, "originating_message_id": case.message_id,
                "preview": preview_of(message.text), "message_count": 1, "sort_at": self.at,
                "last_received_at": message.received_at, "last_message_from_visitor": True,
            },
        )  # fmt: skip

    def _create_threads(self) -> None:
        bulk.insert(
            Thread,
            [
                {
                    "id": case.thread_id, "account_id": current_account_id(), "inbox_id": case.channel.inbox_id,
                    "channel_account_id": case.channel.pk, "ticket_id": case.ticket_id, "contact_id": case.contact_id,
                    "subject": case.message.subject, "created_at": self.at, "last_message_at": self.at, "last_received_at": self.at,
                    "preview": preview_of(case.message.text), "message_count": 1, "participants": _participants(case, self.own),
                    "is_spam": case.is_spam,
                }
                for case in self.cases if case.known is None
            ],
        )  # fmt: skip

    def _create_messages(self) -> None:
        bulk.insert(Message, [self._message(case) for case in self.cases])
        bulk.insert(
            Attachment,
            [
                {
                    "account_id": current_account_id(), "message_id": case.message_id, "position": position, "name": f.name,
                    "content_type": f.content_type, "size": f.size, "sha256": f.sha256, "content_id": f.content_id, "is_inline": f.is_inline,
                }
                for case in self.cases for position, f in enumerate(case.message.files)
            ],
        )  # fmt: skip

    def _message(self, case: _Case) -> dict[str, Any]:
        m = case.message
        actor = (
            Actor(ActorKind.USER)
            if case.sender is Sender.COLLEAGUE
            else Actor(ActorKind.VISITOR, case.contact_id)
        )
        return {
            "id": case.message_id, "account_id": current_account_id(), "thread_id": case.thread_id, "ticket_id": case.ticket_id,
            "kind": MessageKind.MESSAGE, "direction": Direction.IN, "actor_kind": actor.kind.value, "actor_id": actor.id,
            "sender_name": m.sender.name, "sender_address": m.sender.email,
            "recipients": {"to": [vars(box) for box in m.to], "cc": [vars(box) for box in m.cc]}, "subject": m.subject, "text": m.text,
            "quoted": m.quoted, "html": m.html, "external_id": m.external_id, "in_reply_to": m.answers[0] if m.answers else "",
            "is_automatic": m.automatic is not Automatic.NO, "is_forward": m.is_forward, "is_unverified": case.is_unverified,
            "cause": _told_along(case), "created_at": self.at, "date_text": m.date_text,
            "filtered": {"requester": vars(case.requester), "is_machine": case.is_report_or_answer} if case.is_spam else None,
        }  # fmt: skip

    def _touch_threads(self) -> None:
        joined = [case for case in self.cases if case.known]
        if not joined:
            return
        newcomers = [
            [] if case.is_unverified or case.is_spam else _participants(case, self.own) for case in joined
        ]
        sql.execute(
            _TOUCH_THREADS,
            [
                self.at, self.at, current_account_id(), [c.thread_id for c in joined], [preview_of(c.message.text) for c in joined],
                [sql.array(people) for people in newcomers], [c.is_heard for c in joined],
            ],
        )  # fmt: skip

    def _record(self) -> dict[int, int]:
        """One event a message; returns {message id: event id}, the cause of what follows."""
        new = [
            NewEvent(
                FILTERED if case.is_spam else RECEIVED, "thread", case.thread_id, case.message_id, Actor(ActorKind.VISITOR, case.contact_id), self.at,
                {
                    "message_id": case.message_id, "ticket_id": case.ticket_id, "thread_id": case.thread_id,
                    "channel_account_id": case.channel.pk, "automatic": case.message.automatic.value, "sender": case.sender.value,
                    "opened": case.known is None, "unverified": case.is_unverified, "forward": case.message.is_forward,
                    **({"answered_by": case.message.answered_by} if case.message.answered_by else {}),
                },
                self.cause,
            )
            for case in self.cases
        ]  # fmt: skip
        return {
            case.message_id: event.id for case, event in zip(self.cases, log.record_many(new), strict=True)
        }

    def _link_follow_ups(self, events: dict[int, int]) -> None:
        """New tickets with the closed ones that they follow up; both say so (R-REOPEN-2)."""
        links = {
            ("ticket", case.ticket_id, "ticket", case.follow_up_of): Why(Cause(events[case.message_id], rule=FOLLOW_UP))
            for case in self.cases if case.ticket_id and case.follow_up_of
        }  # fmt: skip
        if not links:
            return
        by = Actor(ActorKind.SYSTEM)
        locale = Account.objects.values_list("locale", flat=True).get(pk=current_account_id())
        with translation.override(locale):
            label = association_labels.ensure(
                "ticket", "ticket", FOLLOW_UP, _("Follow-up of"), _("Followed up by"), by=by
            )
        labeling.connect_many(links, [label.type_id] if label else (), by=by, at=self.at)

    def _give_answered(self, events: dict[int, int]) -> None:
        """A call belongs to who picked up, if it is nobody's yet (R-ROUTE-95)."""
        by_user: dict[int, list[Change]] = defaultdict(list)
        for case in self.cases:
            answered_by = case.message.answered_by
            if case.ticket_id and answered_by and not case.is_spam:
                cause = Cause(event_id=events[case.message_id])
                change = Change(
                    case.ticket_id,
                    {"owner_id": answered_by},
                    only_if_empty=("owner_id",),
                    cause=cause,
                )
                by_user[answered_by].append(change)
        for user_id, changes in sorted(by_user.items()):
            tickets.change_many(changes, by=Actor.user(user_id), at=self.at)

    def _touch_tickets(self, events: dict[int, int]) -> None:
        changes = [
            self._change(case, case.known.ticket, events[case.message_id])
            for case in self.cases
            if case.known and case.known.ticket
        ]
        tickets.change_many(changes, by=Actor(ActorKind.SYSTEM), cause=self.cause, at=self.at)
        _link_newcomers(
            [case for case in self.cases if case.known and case.known.ticket and case.contact_id], self.at
        )

    def _change(self, case: _Case, ticket: Ticket, event_id: int) -> Change:
        facts: dict[str, Any] = {"message_count": ticket.message_count + 1}
        if (
            case.message.automatic is Automatic.NO
            and not case.is_unverified
            and not case.is_spam
            and case.sender is Sender.CONTACT
        ):
            facts |= {
                "last_received_at": case.message.received_at, "last_message_from_visitor": True, "sort_at": self.at,
                "preview": preview_of(case.message.text),
            }  # fmt: skip
        if case.move is None:
            return Change(ticket.pk, {}, facts)
        cause = Cause(event_id=event_id)
        return Change(ticket.pk, {"stage_id": case.move.stage_id}, facts, rule=case.move.rule, cause=cause)


_TOUCH_THREADS = """
update desk_thread t set last_message_at = %s, message_count = t.message_count + 1,
    last_received_at = case when x.heard then %s else t.last_received_at end, is_open = x.heard or t.is_open,
    closed_at = case when x.heard then null else t.closed_at end,
    archived_at = case when x.heard then null else t.archived_at end, preview = case when x.heard then x.preview else t.preview end,
    participants = (select coalesce(array_agg(distinct p), '{}') from unnest(t.participants || x.newcomers::text[]) p)
from (select %s::bigint as account_id, u.*
      from unnest(%s::bigint[], %s::text[], %s::text[], %s::boolean[]) u(id, preview, newcomers, heard)) x
where t.account_id = x.account_id and t.id = x.id
"""


def standing_of(ticket: Ticket) -> Standing:
    return Standing(ticket.stage_id, ticket.is_closed, ticket.reopened_at is not None, ticket.last_closed_at)


def first_ticket(
    channel: ChannelAccount,
    inbox: Inbox,
    *,
    subject: str,
    text: str,
    writer: str,
    contact_id: int | None,
    facts: dict[str, Any],
    source_type: str = "",
) -> NewTicket:
    """The ticket of a conversation that began on `channel`: where it stands and what it is called (R-CC-11)."""
    return NewTicket(
        subject=subject or preview_of(text) or writer or _("(no subject)"),
        content=text,
        pipeline_id=channel.pipeline_id,
        stage_id=channel.stage_id,
        contact_id=contact_id,
        source_type=source_type or SOURCE_OF_CHANNEL.get(channel.channel, "CUSTOM_CHANNEL"),
        ticket_type=type_of_channel(channel.channel),
        in_help_desk=inbox.kind == InboxKind.HELP_DESK,
        inbox_id=inbox.pk,
        channel_account_id=channel.pk,
        facts=facts,
    )


def _threads_answered(messages: Sequence[InboundMessage]) -> list[int | None]:
    """For each message the thread it answers: a verified token first, then the nearest id we know (T1).

    A token names the conversation as it was; where messages were split off from it, the answered one says where they are.
    """
    ids = {external_id for message in messages for external_id in message.answers}
    known: dict[str, int] = {}
    if ids:
        known = dict(
            sql.rows(
                "select external_id, max(thread_id) from desk_message where account_id = %s and external_id = any(%s) and external_id <> ''"
                " group by external_id",
                [current_account_id(), list(ids)],
            )
        )
    nearest = [
        next((known[external_id] for external_id in message.answers if external_id in known), None)
        for message in messages
    ]
    named = [message.thread_id for message in messages]
    relatives = _first_threads(
        {pk for pair in zip(named, nearest, strict=True) if _differ(*pair) for pk in pair if pk}
    )
    return [
        found
        if token is None or (found and _differ(token, found) and relatives.get(token) == relatives.get(found))
        else token
        for token, found in zip(named, nearest, strict=True)
    ]


def _differ(named: int | None, nearest: int | None) -> bool:
    return named is not None and nearest is not None and named != nearest


def _first_threads(thread_ids: set[int]) -> dict[int, int]:
    """{thread: the one that it was split off from, or itself}; none for none."""
    if not thread_ids:
        return {}
    return dict(
        sql.rows(
            "select id, coalesce(split_from_id, id) from desk_thread where account_id = %s and id = any(%s)",
            [current_account_id(), sorted(thread_ids)],
        )
    )


def _tickets_of(thread_ids: set[int]) -> dict[int | None, int]:
    if not thread_ids:
        return {}
    found = sql.rows(
        "select id, ticket_id from desk_thread where account_id = %s and id = any(%s) and ticket_id is not null",
        [current_account_id(), list(thread_ids)],
    )
    return dict(found)


def _lock_tickets(ticket_ids: set[int]) -> dict[int, Ticket]:
    found = Ticket.objects.filter(account_id=current_account_id(), pk__in=ticket_ids).order_by("id")
    return {ticket.pk: ticket for ticket in found.select_for_update(no_key=True)}


def _load_known(thread_ids: set[int]) -> dict[int, _Known]:
    """The threads with their tickets, which are held; threads without one are locked, for they may be given one this moment."""
    if not thread_ids:
        return {}
    account_id = current_account_id()
    threads = list(Thread.objects.filter(account_id=account_id, pk__in=thread_ids))
    loose = [thread.pk for thread in threads if thread.ticket_id is None]
    if loose:
        threads = [thread for thread in threads if thread.ticket_id is not None]
        threads += (
            Thread.objects.filter(account_id=account_id, pk__in=loose)
            .order_by("id")
            .select_for_update(no_key=True)
        )
    by_id = _lock_tickets({thread.ticket_id for thread in threads if thread.ticket_id})
    return {
        thread.pk: _Known(thread, by_id.get(thread.ticket_id) if thread.ticket_id else None)
        for thread in threads
    }


def _told_along(case: _Case) -> dict[str, Any] | None:
    """What its reader learns besides its words: what could not be read, how it came if not by its channel account, and why
    it did not reopen its ticket."""
    message = case.message
    told: dict[str, Any] = {"notices": list(message.notices)} if message.notices else {}
    told |= {"source": message.source_type} if message.source_type else {}
    return told | ({KEEPS_CLOSED: True} if case.keeps_closed else {}) or None


def _only_says_thanks(message: InboundMessage) -> bool:
    is_text = all(file.is_inline for file in message.files)
    return is_text and acknowledgements.is_acknowledgement(message.text, name=message.sender.name)


def _participants(case: _Case, own: set[str]) -> list[str]:
    """The writer and whom they wrote to, without our own addresses (R-EM-10)."""
    people = [case.requester, *case.message.to, *case.message.cc]
    keys = dict.fromkeys(box.key for box in people if box.email)
    return [key for key in keys if not _is_ours(key, own)]


def our_addresses(account_id: int) -> set[str]:
    return set(ChannelAccount.objects.filter(account_id=account_id).values_list("address", flat=True))


def people_of(message: Message, own: Collection[str]) -> list[str]:
    """Who takes part in a conversation by this message of it, without our own addresses (R-EM-10)."""
    if message.kind != MessageKind.MESSAGE:
        return []
    boxes = [box["email"] for name in ("to", "cc") for box in message.recipients.get(name, ())]
    if message.direction == Direction.IN:
        boxes.append(message.sender_address)
    keys = dict.fromkeys(box.lower() for box in boxes if box)
    return [key for key in keys if not _is_ours(key, own)]


def _is_ours(address: str, own: Collection[str]) -> bool:
    local, _, domain = address.rpartition("@")
    return any(f"{name}@{domain}" in own for name in tokens.untagged(local))


def _link_newcomers(cases: Sequence[_Case], at: datetime) -> None:
    """Somebody new in a ticket's thread becomes one of its contacts."""
    associations.link_many(
        [("ticket", c.ticket_id, "contact", c.contact_id) for c in cases if c.ticket_id and c.contact_id], at
    )


def preview_of(text: str) -> str:
    """The first words of a text on one line, for lists."""
    line = " ".join(text[: PREVIEW * 4].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1].rstrip() + "…"

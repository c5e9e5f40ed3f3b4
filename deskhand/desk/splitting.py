"""Messages of a ticket become a ticket of their own, or are copied into one (R-WORK-11).

What is moved takes its files, its mentions and its identity along: who answers it is heard in the new ticket (`threads`
goes by the message that is answered). A copy is words and files alone: answers to the original stay where that is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from deskhand.crm.records import associations, contacts, history, tickets
from deskhand.crm.records.checking import refuse_long
from deskhand.crm.records.contacts import Person
from deskhand.crm.records.history import Line
from deskhand.crm.records.models import Contact, Ticket, TicketType
from deskhand.crm.records.tickets import NewTicket
from deskhand.desk.models import (
    Attachment,
    Delivery,
    Direction,
    LaterReply,
    Mention,
    Message,
    MessageKind,
    Split,
    Thread,
)
from deskhand.desk.threads import our_addresses, people_of, preview_of
from deskhand.events import log
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.database import sql
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable

SPLIT, COPIED, TAKEN_BACK = "ticket.split", "ticket.copied", "ticket.split_taken_back"
BACK_WITHIN = timedelta(minutes=10)
MOST = 200  # messages at once


@dataclass(frozen=True)
class Wanted:
    """Which messages go into which new ticket."""

    subject: str
    stage_id: int
    message_ids: tuple[int, ...]
    is_copy: bool = False


@dataclass(frozen=True)
class Made:
    ticket_id: int
    number: int


def split(ticket_id: int, wanted: Wanted, *, by: Actor, at: datetime | None = None) -> Made:
    """Open a ticket with these messages: moved there, or copied. It keeps the owner of the old one, and is linked to it.

    Raises NotFound, Invalid that names subject, status or messages, and Conflict for a ticket that is spam or was merged.
    """
    at, account_id = at or clock.now(), current_account_id()
    old = _locked(ticket_id)
    subject = one_line(storable(wanted.subject))
    if not subject:
        raise Invalid(_("The ticket needs a subject."), field="subject", hint=_("Say what it is about."))
    refuse_long(subject, tickets.SUBJECT, field="subject", message=_("The subject is too long."))
    chosen = _chosen(old, wanted)
    threads = _Threads(account_id, chosen, wanted.is_copy)
    contact = _contact_of(old, chosen, threads.people(), at)
    new = tickets.create(
        _ticket_of(old, subject, wanted.stage_id, contact, chosen, threads, by, at), by=by, at=at
    )
    # Not at its creation: the channel's rule would choose an owner for what has one.
    Ticket.objects.filter(account_id=account_id, pk=new.id).update(channel_account_id=old.channel_account_id)
    moved = threads.write(new.id, contact.pk if contact else None, subject, at)
    moved["originating"] = _originating(old)
    made = Split.objects.create(
        account_id=account_id,
        from_id=old.pk,
        to_id=new.id,
        is_copy=wanted.is_copy,
        at=at,
        by_id=by.id,
        moved=moved,
    )
    associations.link_many([("ticket", new.id, "ticket", old.pk)], at)
    if not wanted.is_copy:
        _count_again(account_id, old.pk, threads.touched)
        _begin_anew(old)
    _tell(made, old, new.number, by, at)
    return Made(new.id, new.number)


# ── what may be split ────────────────────────────────────────────────────────────────────────────────────────────────


def _locked(ticket_id: int) -> Ticket:
    found = (
        Ticket.objects.select_for_update(no_key=True, of=("self",))
        .select_related("contact", "merged_into")
        .filter(account_id=current_account_id(), pk=ticket_id)
        .first()
    )
    if found is None:
        raise NotFound(_("There is no such ticket."))
    if found.merged_into is not None:
        raise Conflict(_("This ticket is part of #%(number)s now.") % {"number": found.merged_into.number})
    if found.archived_at is not None:
        raise NotFound(_("There is no such ticket."))
    if found.is_spam:
        raise Conflict(_("This ticket is spam. Take it out of Spam first."))
    return found


def _chosen(old: Ticket, wanted: Wanted) -> list[Message]:
    ids = sorted(set(wanted.message_ids))
    if not ids:
        raise Invalid(_("Choose at least one message."), field="messages", value="")
    if len(ids) > MOST:
        raise Invalid(
            _("Choose at most %(count)s messages.") % {"count": MOST}, field="messages", value=len(ids)
        )
    said = Message.objects.filter(account_id=old.account_id, ticket_id=old.pk).exclude(kind=MessageKind.EVENT)
    found = list(said.filter(pk__in=ids).select_for_update(no_key=True).order_by("id"))
    if len(found) < len(ids):
        raise Conflict(_("A message is in this ticket no more. Look again."))
    if not wanted.is_copy and not said.exclude(pk__in=ids).exists():
        raise Invalid(
            _("A ticket keeps at least one message."), field="messages", value="",
            hint=_("Leave one here, or copy them instead."),
        )  # fmt: skip
    return found


def _is_doubtful(message: Message) -> bool:
    """Whether a stranger, a machine or a blocked sender wrote it: nobody gets known by that (T4)."""
    return message.direction == Direction.IN and (
        message.is_unverified or message.is_automatic or message.filtered is not None
    )


def _contact_of(
    old: Ticket, chosen: Sequence[Message], people: Collection[str], at: datetime
) -> Contact | None:
    """Whose request it is: who wrote the first message that came in; else the old ticket's contact.

    Strangers only where they take part in the new ticket; machines only where they were a contact already.
    """
    came = [m for m in chosen if m.direction == Direction.IN and m.actor_kind != ActorKind.USER.value]
    for message in sorted(came, key=_is_doubtful):
        if _is_doubtful(message) and message.sender_address.lower() not in people:
            continue
        if message.actor_kind == ActorKind.VISITOR.value and message.actor_id:
            known = Contact.objects.filter(
                account_id=old.account_id, pk=message.actor_id, archived_at=None
            ).first()
            if known:
                return known
        if message.sender_address and not message.is_automatic:
            person = Person(message.sender_address, message.sender_name)
            found = contacts.upsert_many([person], by=Actor(ActorKind.VISITOR), at=at)
            return Contact.objects.get(account_id=old.account_id, pk=found[message.sender_address.lower()])
    return old.contact


def _ticket_of(
    old: Ticket, subject: str, stage_id: int, contact: Contact | None, chosen: Sequence[Message], threads: _Threads, by: Actor, at: datetime
) -> NewTicket:  # fmt: skip
    first = chosen[0]
    return NewTicket(
        subject, first.text, stage_id=stage_id, contact_id=contact.pk if contact else None,
        company_id=contact.company_id if contact else None, owner_id=old.owner_id, source_type=old.source_type,
        ticket_type=TicketType(old.ticket_type), in_help_desk=old.in_help_desk, inbox_id=old.inbox_id,
        properties={"hs_copied_from_ticket": old.pk, "hs_copied_at": at.isoformat(), "hs_copied_by_user": by.id},
        facts={
            "assigned_team_ids": list(old.assigned_team_ids), "originating_thread_id": threads.of(first),
            "originating_message_id": threads.message_id(first), "sort_at": at, **facts_of(chosen),
        },
    )  # fmt: skip


def facts_of(said: Sequence[Message]) -> dict[str, Any]:
    """What a ticket knows of what was said in it."""
    public = [m for m in said if m.kind == MessageKind.MESSAGE]
    heard = [m for m in public if m.direction == Direction.OUT or not (m.is_automatic or m.is_unverified)]
    came = [m.created_at for m in heard if m.direction == Direction.IN]
    left = [m for m in heard if m.direction == Direction.OUT]
    by_agents = [m for m in left if m.actor_kind == ActorKind.USER.value]
    return {
        "message_count": len(public), "preview": preview_of(heard[-1].text) if heard else "",
        "last_received_at": max(came, default=None), "last_sent_at": max((m.created_at for m in left), default=None),
        "last_message_from_visitor": heard[-1].direction == Direction.IN if heard else None,
        "first_agent_reply_at": by_agents[0].created_at if by_agents else None,
        "first_agent_reply_by": by_agents[0].actor_id if by_agents else None,
        "last_message_failed": bool(left) and left[-1].delivery in (Delivery.FAILED, Delivery.BOUNCED),
    }  # fmt: skip


# ── moving and copying ───────────────────────────────────────────────────────────────────────────────────────────────


class _Threads:
    """Where the chosen messages of each conversation go: a new one; a conversation that is chosen whole goes itself."""

    def __init__(self, account_id: int, chosen: Sequence[Message], is_copy: bool) -> None:
        self.account_id, self.chosen, self.is_copy = account_id, chosen, is_copy
        self.touched = sorted({message.thread_id for message in chosen})
        self.known = Thread.objects.in_bulk(self.touched)
        whole = set() if is_copy else self._whole()
        parts = [thread_id for thread_id in self.touched if thread_id not in whole]
        self.new = dict(zip(parts, sql.ids("desk_thread", len(parts)), strict=True))
        self.whole = sorted(whole)
        copies = sql.ids("desk_message", len(chosen)) if is_copy else [m.pk for m in chosen]
        self.ids = dict(zip((m.pk for m in chosen), copies, strict=True))
        self.own = our_addresses(account_id)
        said = [m for m in chosen if m.kind == MessageKind.MESSAGE]
        self.heard = [m for m in said if not _is_doubtful(m)] or said

    def _whole(self) -> set[int]:
        ids = [message.pk for message in self.chosen]
        rest = Message.objects.filter(account_id=self.account_id, thread_id__in=self.touched).exclude(
            pk__in=ids
        )
        return set(self.touched) - set(rest.values_list("thread_id", flat=True))

    def of(self, message: Message) -> int:
        return self.new.get(message.thread_id, message.thread_id)

    def message_id(self, message: Message) -> int:
        return self.ids[message.pk]

    def people(self, thread_id: int | None = None) -> set[str]:
        """Who takes part by what goes, of one conversation or of all; strangers and machines only where nobody else does."""
        heard = [m for m in self.heard if thread_id is None or m.thread_id == thread_id]
        return {key for message in heard for key in people_of(message, self.own)}

    def write(self, ticket_id: int, contact_id: int | None, subject: str, at: datetime) -> dict[str, Any]:
        """Returns what it takes to undo it."""
        said = {old: [m for m in self.chosen if m.thread_id == old] for old in self.new}
        Thread.objects.bulk_create(
            self._thread(self.known[old], new, ticket_id, contact_id, subject, said[old], at)
            for old, new in self.new.items()
        )
        if self.is_copy:
            self._copy(ticket_id)
        else:
            self._move(ticket_id)
        return {
            "messages": sorted(self.ids.values()), "whole": self.whole, "threads": {str(new): old for old, new in self.new.items()},
        }  # fmt: skip

    def _thread(
        self, old: Thread, new_id: int, ticket_id: int, contact_id: int | None, subject: str, said: Sequence[Message],
        at: datetime,
    ) -> Thread:  # fmt: skip
        facts = facts_of(said)
        return Thread(
            id=new_id, account_id=self.account_id, inbox_id=old.inbox_id, channel_account_id=old.channel_account_id,
            ticket_id=ticket_id, contact_id=contact_id, subject=subject, is_side=old.is_side,
            created_at=at, last_message_at=said[-1].created_at, last_received_at=facts["last_received_at"],
            last_sent_at=facts["last_sent_at"], preview=facts["preview"], message_count=facts["message_count"],
            participants=sorted(self.people(old.pk)), split_from_id=None if self.is_copy else old.split_from_id or old.pk,
        )  # fmt: skip

    def _move(self, ticket_id: int) -> None:
        mine = {"account_id": self.account_id}
        for old, new in self.new.items():
            ids = [m.pk for m in self.chosen if m.thread_id == old]
            Message.objects.filter(**mine, pk__in=ids).update(thread_id=new, ticket_id=ticket_id)
        Thread.objects.filter(**mine, pk__in=self.whole).update(ticket_id=ticket_id)
        Message.objects.filter(**mine, thread_id__in=self.whole).update(ticket_id=ticket_id)
        Mention.objects.filter(**mine, message_id__in=list(self.ids)).update(ticket_id=ticket_id)

    def _copy(self, ticket_id: int) -> None:
        files = Attachment.objects.filter(account_id=self.account_id, message_id__in=list(self.ids))
        copied = [(file, self.ids[file.message_id]) for file in files.order_by("message_id", "position")]
        Message.objects.bulk_create(self._again(message, ticket_id) for message in self.chosen)
        for file, message_id in copied:
            file.pk, file.message_id = None, message_id
        Attachment.objects.bulk_create(file for file, _id in copied)

    def _again(self, message: Message, ticket_id: int) -> Message:
        """The same words in the new ticket; no answer is to find them, and nothing of them is to be sent."""
        values = {f.attname: getattr(message, f.attname) for f in Message._meta.concrete_fields}
        delivery = Delivery.NONE if message.delivery == Delivery.QUEUED else message.delivery
        return Message(
            **values | {
                "id": self.ids[message.pk], "thread_id": self.new[message.thread_id], "ticket_id": ticket_id, "external_id": "",
                "send_key": None, "delivery": delivery, "filling": None,
            }
        )  # fmt: skip


def _originating(old: Ticket) -> dict[str, int | None]:
    """What the ticket began with (R-STAT-5)."""
    return {
        "originating_thread_id": old.originating_thread_id, "originating_message_id": old.originating_message_id,
    }  # fmt: skip


def _begin_anew(old: Ticket) -> None:
    """A ticket begins with the first of what is left in it."""
    said = Message.objects.filter(account_id=old.account_id, ticket_id=old.pk, kind=MessageKind.MESSAGE)
    first = said.order_by("id").first()
    if first is None or said.filter(pk=old.originating_message_id or 0).exists():
        return
    Ticket.objects.filter(account_id=old.account_id, pk=old.pk).update(
        originating_thread_id=first.thread_id, originating_message_id=first.pk
    )


def said_in(account_id: int, ticket_ids: Sequence[int]) -> dict[int, list[Message]]:
    """What was said in each of these tickets, oldest first, with what `facts_of` asks for. One query."""
    found: dict[int, list[Message]] = {pk: [] for pk in ticket_ids}
    said = Message.objects.filter(account_id=account_id, ticket_id__in=found).exclude(kind=MessageKind.EVENT)
    light = ("ticket_id", "thread_id", "kind", "direction", "actor_kind", "actor_id", "is_automatic", "is_unverified", "text", "filling", "delivery", "created_at")  # fmt: skip
    for message in said.only("id", *light).order_by("id"):
        found[message.ticket_id or 0].append(message)
    return found


def _count_again(account_id: int, ticket_id: int, thread_ids: Sequence[int]) -> None:
    """Let a ticket and its conversations know what is left in them."""
    of_ticket = said_in(account_id, [ticket_id])[ticket_id]
    of_threads: dict[int, list[Message]] = {pk: [] for pk in thread_ids}
    for message in of_ticket:
        of_threads.setdefault(message.thread_id, []).append(message)
    Ticket.objects.filter(account_id=account_id, pk=ticket_id).update(**facts_of(of_ticket))
    names = ("message_count", "preview", "last_received_at", "last_sent_at")
    for pk, said in of_threads.items():
        if pk in thread_ids:
            facts = facts_of(said)
            Thread.objects.filter(account_id=account_id, pk=pk).update(
                **{name: facts[name] for name in names}
            )


# ── and back ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def origin_of(ticket_id: int) -> int:
    """The ticket that this one was split or copied from. Raises NotFound for one that was made otherwise."""
    made = Split.objects.filter(account_id=current_account_id(), to_id=ticket_id, undone_at=None).first()
    if made is None:
        raise _nothing_to_take_back()
    return int(made.from_id)


def _nothing_to_take_back() -> NotFound:
    return NotFound(_("There is nothing to take back."))


def take_back(ticket_id: int, *, by: Actor, at: datetime | None = None) -> int:
    """Undo the split or copy that made this ticket, moments ago; returns the old ticket's id.

    Raises NotFound for a ticket that was made otherwise, and Conflict once something more was said in it.
    """
    at, account_id = at or clock.now(), current_account_id()
    made = (
        Split.objects.select_for_update()
        .filter(account_id=account_id, to_id=ticket_id, undone_at=None)
        .first()
    )
    if made is None:
        raise _nothing_to_take_back()
    both = Ticket.objects.filter(account_id=account_id, pk__in=[made.from_id, made.to_id], archived_at=None)
    found = {ticket.pk: ticket for ticket in both.order_by("id").select_for_update(no_key=True)}
    if at > made.at + BACK_WITHIN or len(found) < 2 or _moved_on(account_id, made):
        raise Conflict(_("This has changed since and could not be taken back."))
    if not made.is_copy:
        _move_back(account_id, made)
    tickets.archive([made.to_id], by=by, at=at)
    # Nothing to bring back: its number leads to where it came from.
    Ticket.objects.filter(account_id=account_id, pk=made.to_id).update(merged_into_id=made.from_id)
    associations.unlink("ticket", made.to_id, "ticket", made.from_id)
    made.undone_at = at
    made.save(update_fields=["undone_at"])
    old = found[made.from_id]
    event = log.record(
        TAKEN_BACK, object_type="ticket", object_id=old.pk, version=old.version, by=by, at=at,
        data={"ticket_id": old.pk, "split_id": made.to_id},
    )  # fmt: skip
    what = {"did": "back", "number": found[made.to_id].number}
    history.note_many([Line("ticket", old.pk, history.SPLIT, what, by, event.id)], at)
    return int(made.from_id)


def _moved_on(account_id: int, made: Split) -> bool:
    """What a workflow sent at once is no reason; it comes along."""
    mine = {"account_id": account_id, "ticket_id": made.to_id}
    said = Message.objects.filter(**mine).exclude(pk__in=made.moved["messages"])
    said = said.exclude(direction=Direction.OUT, is_automatic=True)
    return said.exists() or LaterReply.objects.filter(**mine).exists()


def _move_back(account_id: int, made: Split) -> None:
    mine, back = {"account_id": account_id}, {"ticket_id": made.from_id}
    threads: Mapping[str, int] = made.moved["threads"]
    for new, old in threads.items():
        gone = Message.objects.filter(**mine, thread_id=int(new), pk__in=made.moved["messages"])
        gone.update(thread_id=old, **back)
    Message.objects.filter(**mine, ticket_id=made.to_id).update(**back)
    new_threads = Thread.objects.filter(**mine, ticket_id=made.to_id)
    left = Message.objects.filter(**mine, thread_id__in=[int(new) for new in threads])
    talking = set(left.values_list("thread_id", flat=True))
    new_threads.filter(pk__in=[int(new) for new in threads if int(new) not in talking]).delete()
    new_threads.update(**back)
    Mention.objects.filter(**mine, message_id__in=made.moved["messages"]).update(**back)
    _count_again(account_id, made.from_id, [*threads.values(), *made.moved["whole"]])
    Ticket.objects.filter(account_id=account_id, pk=made.from_id).update(**made.moved["originating"])


def _tell(made: Split, old: Ticket, number: int, by: Actor, at: datetime) -> None:
    """One event, and a line in both histories that names the other ticket."""
    message_ids, count = made.moved["messages"], len(made.moved["messages"])
    kind, did = (COPIED, "copied") if made.is_copy else (SPLIT, "moved")
    event = log.record(
        kind, object_type="ticket", object_id=old.pk, version=old.version, by=by, at=at,
        data={"ticket_id": old.pk, "split_id": made.to_id, "message_ids": message_ids},
    )  # fmt: skip
    to = {"did": did, "number": number, "count": count}
    origin = {"did": f"{did}_from", "number": old.number, "count": count}
    history.note_many(
        [Line("ticket", old.pk, history.SPLIT, to, by, event.id), Line("ticket", made.to_id, history.SPLIT, origin, by, event.id)], at
    )  # fmt: skip

"""Replies that leave at a moment: in some seconds, so that they can be taken back, or when somebody has planned it.

Until a reply leaves, nothing has happened: no message, no status, no owner, no automation (R-STAT-4 speaks of mail that
is sent). When its moment comes it is an ordinary reply of its writer, with the rights they have then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb, Viewer
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import store
from deskhand.crm.records.checking import checked
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.store import Change
from deskhand.desk import addresses, drafts, replies, uploads
from deskhand.desk.models import LaterReply, Message
from deskhand.desk.replies import NewReply
from deskhand.desk.types import Mailbox, StoredFile
from deskhand.events import live
from deskhand.events.types import Actor
from deskhand.kernel import clock, timers
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Conflict, DeskhandError, Forbidden, Invalid

KIND = "desk.later_reply"
LINES = ("to", "cc", "bcc")


def plan(new: NewReply, *, by: User, leaves_at: datetime, is_planned: bool) -> LaterReply | None:
    """Let a reply leave at a moment. None: the same form has sent it already. Raises what `replies.reply` raises."""
    new = replies.cleaned(new)
    ticket = replies.lock(new.ticket_id)
    if new.send_key:
        mine = {"account_id": ticket.account_id, "send_key": new.send_key}
        if Message.objects.filter(**mine).exists():
            return None
        twin = LaterReply.objects.filter(**mine).first()
        if twin:
            return twin
    replies.refuse_when_moved_on(new)
    to = new.to or replies.whom_to_answer(ticket)
    _refuse_status(ticket, new, by)
    later = LaterReply.objects.create(
        account_id=ticket.account_id, ticket_id=ticket.pk, user_id=by.pk, text=new.text, html=new.html,
        recipients={"to": [vars(b) for b in to], "cc": [vars(b) for b in new.cc], "bcc": [vars(b) for b in new.bcc]},
        files=[asdict(file) for file in new.files], stage_id=new.stage_id, send_key=new.send_key,
        properties=dict(new.properties), is_planned=is_planned, leaves_at=leaves_at, created_at=clock.now(),
    )  # fmt: skip
    timers.set_timer(ticket.account_id, KIND, str(later.pk), leaves_at)
    drafts.drop(ticket.account_id, by.pk, ticket.pk, "reply")
    _tell(later)
    return later


def _refuse_status(ticket: Ticket, new: NewReply, by: User) -> None:
    """What the pipeline would refuse when the reply leaves is refused while its writer is still there."""
    stage_id = new.stage_id
    if not stage_id:
        return
    stages = pipelines_of("ticket").pipeline(ticket.pipeline_id).stages
    if stage_id not in {stage.id for stage in stages}:
        raise Invalid(_("There is no such status."), field="set_status", value=stage_id)
    move = Change(
        ticket.pk, {**checked("ticket", new.properties), "stage_id": stage_id}, rule="chosen_with_reply"
    )
    for refusal in store.refusals("ticket", [move], by=Actor.user(by.pk)).values():
        raise refusal


def of_ticket(account_id: int, ticket_id: int) -> list[LaterReply]:
    """Those that have not left, in the order in which they leave."""
    found = LaterReply.objects.filter(account_id=account_id, ticket_id=ticket_id)
    return list(found.order_by("leaves_at", "id"))


def take_back(ticket_id: int, later_id: int, *, by: Viewer) -> None:
    """Make it a draft of `by` again, with its people and files. Raises Conflict when it has left."""
    later = _held(by.account_id, ticket_id, later_id)
    mine = (by.account_id, by.user_id, ticket_id)
    lines = {line: ", ".join(map(addresses.written, _boxes(later, line))) for line in LINES}
    drafts.put_back(*mine, {"body": later.text, "html": later.html, "recipients": lines})
    uploads.put_back(*mine, _files(later))
    _end(later)


def send_now(ticket_id: int, later_id: int, *, by: Viewer) -> None:
    """Let it leave at once. Raises Conflict when it has left, and what `replies.reply` raises."""
    later = _held(by.account_id, ticket_id, later_id)
    _reply(later, clock.now())
    _end(later)


def leave(account_id: int, due: Sequence[timers.DueTimer]) -> None:
    """What is due leaves; what cannot stays, and says why. Safe to repeat."""
    ids = [int(timer.key) for timer in due]
    found = LaterReply.objects.select_for_update().filter(account_id=account_id, pk__in=ids)
    for later in found.order_by("leaves_at", "id"):
        try:
            with attempt():
                _reply(later, clock.now())
                later.delete()
        except DeskhandError as refusal:
            later.error = str(refusal)
            later.save(update_fields=["error"])
        _tell(later)


def _held(account_id: int, ticket_id: int, later_id: int) -> LaterReply:
    """The timer first, as the loop does that lets it leave."""
    timers.hold_timer(account_id, KIND, str(later_id))
    later = (
        LaterReply.objects.select_for_update()
        .filter(account_id=account_id, ticket_id=ticket_id, pk=later_id)
        .first()
    )
    if later is None:
        raise Conflict(_("This reply has left already."))
    return later


def _end(later: LaterReply) -> None:
    timers.drop_timer(later.account_id, KIND, str(later.pk))
    later.delete()
    _tell(later)


def _reply(later: LaterReply, at: datetime) -> None:
    _require_may_write(later)
    replies.reply(
        NewReply(
            ticket_id=later.ticket_id, text=later.text, html=later.html, to=_boxes(later, "to"), cc=_boxes(later, "cc"),
            bcc=_boxes(later, "bcc"), files=_files(later), stage_id=later.stage_id, properties=later.properties, send_key=later.send_key,
        ),
        by=User.objects.get(pk=later.user_id),
        at=at,
        drops_draft=False,
    )  # fmt: skip


def _require_may_write(later: LaterReply) -> None:
    """The writer's rights of this moment; raises NotFound for who has left the account."""
    writer = policy.viewer_for(later.account_id, later.user_id)
    policy.require(writer, Action.REPLY)
    ticket = Ticket.objects.get(account_id=later.account_id, pk=later.ticket_id)
    verbs = [Verb.COMMUNICATE, Verb.EDIT] if later.stage_id else [Verb.COMMUNICATE]
    for verb in verbs:
        if not policy.visible(writer, "ticket", verb).reaches(ticket):
            raise Forbidden(_("Who wrote this may not write here any more."))


def _boxes(later: LaterReply, line: str) -> tuple[Mailbox, ...]:
    return tuple(Mailbox(**box) for box in later.recipients.get(line, ()))


def _files(later: LaterReply) -> tuple[StoredFile, ...]:
    return tuple(StoredFile(**file) for file in later.files)


def _tell(later: LaterReply) -> None:
    live.signal(later.account_id, [f"ticket-{later.ticket_id}"])

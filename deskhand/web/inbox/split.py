"""Moving messages of a ticket to a new one, or copying them there (R-WORK-11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.desk import splitting
from deskhand.desk.models import Message, MessageKind
from deskhand.desk.outgoing import bare_subject
from deskhand.desk.splitting import Wanted
from deskhand.desk.threads import preview_of
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.asked import number
from deskhand.web.choices import ChoiceGroup, all_statuses
from deskhand.web.files import stands_inline
from deskhand.web.frame import UNDO, shell
from deskhand.web.inbox import common
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.shell import Person


@dataclass(frozen=True)
class Line:
    id: int
    person: Person
    text: str
    at: datetime
    is_comment: bool
    files: int
    chosen: bool


@dataclass(frozen=True)
class SplitPage:
    """POST subject, status, messages and copy=1|0 to `save_url`. `errors` by field."""

    title: str
    lead: str
    button: str
    save_url: str
    back_url: str
    is_copy: bool
    subject: str
    statuses: tuple[ChoiceGroup, ...]
    lines: tuple[Line, ...]
    errors: dict[str, str]


@dataclass(frozen=True)
class Typed:
    subject: str
    status: str
    chosen: frozenset[int]


@require_GET
def ask(request: AccountRequest, view: str, ticket_id: int, message_id: int) -> HttpResponse:
    """With `copy` 1 this message is to be copied, else it and those after it in its conversation are to be moved."""
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    first = _message(ticket, message_id)
    is_copy = request.GET.get("copy") == "1"
    pipeline = pipelines_of("ticket").pipeline(ticket.pipeline_id)
    subject = bare_subject(first.subject) or ticket.subject
    chosen = (
        {first.pk} if is_copy else {m.pk for m in _after(ticket, first) if m.thread_id == first.thread_id}
    )
    typed = Typed(subject, str(pipeline.first_open.id), frozenset(chosen))
    return _page(request, view, ticket, first, is_copy, typed)


def _message(ticket: Ticket, message_id: int) -> Message:
    said = Message.objects.exclude(kind=MessageKind.EVENT)
    found = said.filter(account_id=ticket.account_id, ticket_id=ticket.pk, pk=message_id).first()
    if found is None:
        raise NotFound(_("There is no such message."))
    return found


def _after(ticket: Ticket, first: Message) -> list[Message]:
    said = Message.objects.exclude(kind=MessageKind.EVENT)
    found = said.filter(account_id=ticket.account_id, ticket_id=ticket.pk, pk__gte=first.pk)
    return list(found.prefetch_related("attachments").order_by("id")[: splitting.MOST])


def _page(
    request: AccountRequest,
    view: str,
    ticket: Ticket,
    first: Message,
    is_copy: bool,
    typed: Typed,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    here = [view, ticket.pk]
    page = SplitPage(
        title=_("Copy to a new ticket") if is_copy else _("Move to a new ticket"),
        lead=_("The messages stay here as well. What the customer answers to them arrives here.") if is_copy
        else _("The messages leave this ticket with their files. What the customer answers to them arrives in the new one."),
        button=_("Copy to a new ticket") if is_copy else _("Move to a new ticket"),
        save_url=reverse("ticket-split-save", args=[*here, first.pk]), is_copy=is_copy,
        back_url=f"{reverse('inbox-ticket', args=here)}#message-{first.pk}",
        subject=typed.subject, statuses=all_statuses(typed.status), errors=errors or {},
        lines=tuple(_line(message, message.pk in typed.chosen) for message in _after(ticket, first)),
    )  # fmt: skip
    context = {"page": page, "shell": shell(request, view=view)}
    return render(request, "inbox/split.html", context, status=422 if errors else 200)


def _line(message: Message, chosen: bool) -> Line:
    name = message.sender_name or message.sender_address or _("Unknown sender")
    files = sum(not stands_inline(message, file) for file in message.attachments.all())
    is_comment = message.kind == MessageKind.COMMENT
    return Line(
        message.pk,
        Person.named(name),
        preview_of(message.text),
        message.created_at,
        is_comment,
        files,
        chosen,
    )


@require_POST
def save(request: AccountRequest, view: str, ticket_id: int, message_id: int) -> HttpResponse:
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    form = request.POST
    is_copy = form.get("copy") == "1"
    try:
        ids = tuple(number(one, "messages") for one in form.getlist("messages"))
        wanted = Wanted(form.get("subject", ""), number(form.get("status", ""), "status"), ids, is_copy)
        made = splitting.split(ticket_id, wanted, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        field = {"hs_pipeline_stage": "status"}.get(refusal.field, refusal.field)
        chosen = frozenset(filter(None, map(whole, form.getlist("messages"))))
        typed = Typed(form.get("subject", ""), form.get("status", ""), chosen)
        known = field if field in ("subject", "messages") else "status"
        return _page(
            request, view, ticket, _message(ticket, message_id), is_copy, typed, {known: words_of(refusal)}
        )
    except Conflict as refusal:
        messages.error(request, str(refusal))
        return redirect("inbox-ticket", view, ticket_id)
    text = _("Copied to #%(number)s") if is_copy else _("Moved to #%(number)s")
    undo = reverse("ticket-split-undo", args=[view, made.ticket_id])
    messages.info(request, text % {"number": made.number}, extra_tags=f"{UNDO}{undo}")
    return redirect("inbox-ticket", view, made.ticket_id)


@require_POST
def undo(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Put the messages back where they came from, and the ticket that was made of them away. It changes both."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    common.doable(request, view, splitting.origin_of(ticket_id), Verb.EDIT)
    try:
        back = splitting.take_back(ticket_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        messages.error(request, str(refusal))
        return common.back_to(request, view, ticket_id)
    messages.info(request, _("Taken back"))
    return common.back_to(request, view, back)

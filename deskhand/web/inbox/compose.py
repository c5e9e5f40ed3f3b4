"""What is written in a ticket: replies and comments, their drafts and files, and what waits to leave."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records.models import Ticket
from deskhand.desk import addresses, checks, drafts, later, mentions, preferences, replies, uploads, writing
from deskhand.desk import views as desk_views
from deskhand.desk.models import LaterReply
from deskhand.desk.replies import NewReply
from deskhand.desk.types import StoredFile
from deskhand.kernel import clock
from deskhand.kernel.database.scope import attempt
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.written import Written
from deskhand.web.asked import number
from deskhand.web.entering import Entering
from deskhand.web.files import stored
from deskhand.web.inbox import common, composing, later_times, picks
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.composing import Mode, Typed
from deskhand.web.inbox.rows import Notice
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest, keeping_writes
from deskhand.web.refusals import words_of
from deskhand.web.shell import Toast

#: How a reply is to leave: what was pressed, and which doubts were dispelled. "Send anyway" brings it along.
HOW = ("set_status", "later", "leaves_at", "checked", "anyway")


def _form(request: AccountRequest) -> QueryDict:
    """What is posted, with how the reply was to leave when it was held back, in `again`."""
    form = request.POST.copy()
    before = QueryDict(form.get("again", ""))
    form.update({name: before[name] for name in HOW if name in before})
    return form


def _again(form: QueryDict, dispelled: str) -> str:
    return urlencode({name: form[name] for name in HOW if form.get(name)} | {dispelled: "1"})


def _mode(form: QueryDict) -> Mode:
    return "comment" if form.get("mode") == "comment" or form.get("as_comment") else "reply"


def _body(form: QueryDict) -> str:
    return str(form.get("body", "")).replace("\r\n", "\n")


def _written(form: QueryDict) -> Written:
    """What the editor wrote, or the plain field. Raises Invalid."""
    markup = str(form.get("html", ""))
    return writing.read(markup) if markup.strip() else Written(_body(form))


def _kept_as(form: QueryDict) -> set[str]:
    return {*form.get("kept_as", "").split()} & {"reply", "comment"}


def _lines(form: QueryDict) -> dict[str, str]:
    return {line: str(form[line]) for line in drafts.LINES if line in form}


@require_POST
def answer(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Reply or comment. What was typed is never lost: 409 and 422 give it back with the reason."""
    form = _form(request)
    mode = _mode(form)
    ticket = common.changeable(request, view, ticket_id, Verb.COMMUNICATE if mode == "reply" else Verb.VIEW)
    entering = None
    if mode == "reply":
        policy.require(request.viewer, Action.REPLY)
        if form.get("set_status"):
            common.changeable(request, view, ticket_id, Verb.EDIT)
    try:
        words = _written(form)
        for upload in request.FILES.getlist("file"):
            _keep(request, ticket_id, upload)
        if form.get("attach"):
            return _only_attached(request, view, ticket_id, words)
        if mode == "reply" and form.get("set_status"):
            entering = _entering(request, view, ticket, number(form.get("set_status", ""), "set_status"))
        with attempt():
            waiting = _say(request, form, ticket_id, words, entering.given() if entering else {})
            if not isinstance(waiting, Notice):
                if entering:
                    entering.require_asked()
                drafts.forget(request.viewer, ticket_id, _kept_as(form) - {mode})
    except (Conflict, Invalid) as refusal:
        asks = entering.answer(refusal) if entering and isinstance(refusal, Invalid) else None
        if asks:
            _save(request, ticket_id, words)  # who leaves the form finds what they wrote
            return keeping_writes(asks)
        is_collision = isinstance(refusal, Conflict)
        again = _again(form, "anyway") if is_collision else ""
        return _not_sent(request, view, ticket_id, Notice("collision" if is_collision else "error", _said(refusal), again))  # fmt: skip
    if isinstance(waiting, Notice):
        return _not_sent(request, view, ticket_id, waiting)
    more: dict[str, Any] = {"toast": _undo(view, waiting)} if waiting else {}
    return common.thread_parts(request, view, ticket_id, "sent", **more)


def _entering(request: AccountRequest, view: str, ticket: Ticket, to: int) -> Entering:
    """The status that is set with the reply. What it asks for is asked when nothing else keeps the reply back."""
    return common.entering(request, view, ticket, to, title=_("Send and set the status"), label=_("Send"))


def _said(refusal: Conflict | Invalid) -> str:
    """With the way out, but for a form that was simply empty."""
    is_more = isinstance(refusal, Invalid) and (refusal.field != "body" or refusal.value)
    return words_of(refusal) if is_more else str(refusal)


def _say(
    request: AccountRequest, form: QueryDict, ticket_id: int, words: Written, properties: Mapping[str, Any]
) -> LaterReply | Notice | None:
    """Say it now, let it leave in a moment or later, or hold it back because something seems to be missing."""
    if "{{" in words.text + words.html:
        words = writing.filled(words, picks.values_of(picks.ticket_of(request, ticket_id), request.user))
    along = uploads.stored(uploads.of_draft(request.viewer, ticket_id))
    if _mode(form) == "comment":
        replies.comment(ticket_id, words.text, html=words.html, by=request.user, files=along)
        return None
    new = _new_reply(request, form, ticket_id, words, along, properties)
    doubt = None if form.get("checked") else _doubt(request, new, _again(form, "checked"))
    if doubt:
        return doubt
    planned = _planned(form)
    if planned is None and not settings.UNDO_SEND_SECONDS:
        replies.reply(new, by=request.user)
        return None
    moment = planned or clock.now() + timedelta(seconds=settings.UNDO_SEND_SECONDS)
    return later.plan(new, by=request.user, leaves_at=moment, is_planned=planned is not None)


def _new_reply(
    request: AccountRequest, form: QueryDict, ticket_id: int, words: Written, along: tuple[StoredFile, ...],
    properties: Mapping[str, Any],
) -> NewReply:  # fmt: skip
    seen, status, key = form.get("last_seen_message_id"), form.get("set_status"), form.get("send_key")
    to, cc, bcc = (addresses.read(form.get(line, ""), line) for line in drafts.LINES)
    return NewReply(
        ticket_id=ticket_id,
        text=words.text,
        html=words.html,
        to=to,
        cc=cc,
        bcc=bcc,
        files=along,
        stage_id=number(status, "set_status") if status else None,
        properties=properties,
        last_seen_message_id=number(seen, "last_seen_message_id")
        if seen and not form.get("anyway")
        else None,
        send_key=f"{request.viewer.user_id}:{key[:64]}" if key else None,
    )


def _doubt(request: AccountRequest, new: NewReply, again: str) -> Notice | None:
    if not new.files and checks.speaks_of_a_file(new.text):
        return Notice("file", _("You write of an attachment, but there is no file."), again)
    names = ", ".join(mentions.called(new.text, but=request.user.pk).names)
    if names:
        said = _("This reply goes to the customer, and it calls %(names)s.") % {"names": names}
        return Notice("mention", said, again)
    return None


def _planned(form: QueryDict) -> datetime | None:
    key = form.get("later", "")
    if not key:
        return None
    now, zone = clock.now(), timezone.get_current_timezone()
    if key == "chosen":
        return later_times.chosen(form.get("leaves_at", ""), now, zone)
    return later_times.at(key, now, zone)


def _undo(view: str, waiting: LaterReply) -> Toast:
    place = reverse("ticket-later-take-back", args=[view, waiting.ticket_id, waiting.pk])
    text = _("The reply is planned") if waiting.is_planned else _("The reply is being sent")
    return Toast(text, undo_url=place)


def _not_sent(request: AccountRequest, view: str, ticket_id: int, notice: Notice) -> HttpResponse:
    """What was attached stays attached."""
    status = 409 if notice.kind == "collision" else 422
    if wants_fragment(request):
        return keeping_writes(
            render(
                request,
                "inbox/fragments/not_sent.html",
                {"notice": notice, "ticket_id": ticket_id},
                status=status,
            )
        )
    form = request.POST
    typed = Typed(_mode(form), _body(form), _lines(form), notice, str(form.get("html", "")))
    built = pages.ticket_page(request, view, ticket_id, typed=typed)
    return keeping_writes(common.page(request, view, common.with_list(request, view, built), status))


# ── drafts and files ─────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def save_draft(request: AccountRequest, ticket_id: int) -> HttpResponse:
    _require_open(request, ticket_id)
    _save(request, ticket_id, _written(request.POST))
    return HttpResponse(status=204)


def _save(request: AccountRequest, ticket_id: int, words: Written) -> None:
    form = request.POST
    drafts.save(
        request.viewer, ticket_id, mode=_mode(form), body=words.text, html=words.html, recipients=_lines(form),
        kept_as=_kept_as(form),
    )  # fmt: skip


@require_POST
def set_rich(request: AccountRequest) -> HttpResponse:
    """`rich` is 1 or 0: whether what one writes begins with formatting."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    preferences.set_rich(request.viewer, request.POST.get("rich") == "1")
    return HttpResponse(status=204)


def _require_open(request: AccountRequest, ticket_id: int) -> None:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.row(request.viewer, ticket_id)


def _only_attached(request: AccountRequest, view: str, ticket_id: int, words: Written) -> HttpResponse:
    _save(request, ticket_id, words)
    return redirect(f"{reverse('inbox-ticket', args=[view, ticket_id])}#composer")


@require_POST
def add_files(request: AccountRequest, ticket_id: int) -> HttpResponse:
    """Keep files with the draft; answers with all of them."""
    _require_open(request, ticket_id)
    for upload in request.FILES.getlist("file"):
        _keep(request, ticket_id, upload)
    return _draft_files(request, ticket_id)


@require_POST
def remove_file(request: AccountRequest, ticket_id: int, file_id: int) -> HttpResponse:
    _require_open(request, ticket_id)
    uploads.remove(request.viewer, ticket_id, file_id)
    if "body" in request.POST and not wants_fragment(request):
        _save(request, ticket_id, _written(request.POST))
    return _draft_files(request, ticket_id)


def _draft_files(request: AccountRequest, ticket_id: int) -> HttpResponse:
    if not wants_fragment(request):
        return redirect(f"{reverse('inbox-ticket', args=['all-open', ticket_id])}#composer")
    found = composing.draft_files(request.viewer, ticket_id)
    return render(request, "inbox/fragments/draft_files.html", {"files": found})


def _keep(request: AccountRequest, ticket_id: int, upload: UploadedFile) -> None:
    uploads.refuse_too_large(upload.name or "", upload.size or 0)
    uploads.add(request.viewer, ticket_id, stored(upload))


# ── what waits to leave ──────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def take_back(request: AccountRequest, view: str, ticket_id: int, later_id: int) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.COMMUNICATE)
    later.take_back(ticket_id, later_id, by=request.viewer)
    if wants_fragment(request) and common.shown(request)[1] != ticket_id:
        return common.back_to(request, view, ticket_id)
    return common.thread_parts(request, view, ticket_id, "sent")


@require_POST
def send_now(request: AccountRequest, view: str, ticket_id: int, later_id: int) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.COMMUNICATE)
    later.send_now(ticket_id, later_id, by=request.viewer)
    return common.thread_parts(request, view, ticket_id)

"""A customer's requests: the list, one of them with its conversation, its files, answering, and opening a new one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from urllib.parse import urlencode

import structlog
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from deskhand.channels.portal import portals, posting, reading
from deskhand.channels.portal.posting import Given
from deskhand.channels.portal.reading import Asked, Page, Request
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.desk import uploads
from deskhand.desk.models import Direction, Message
from deskhand.desk.types import StoredFile
from deskhand.kernel import clock
from deskhand.kernel.database.scope import account_scope
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, paragraphs
from deskhand.web import files
from deskhand.web.choices import Tab, offered
from deskhand.web.inbox import composing, words
from deskhand.web.inbox.rows import Label
from deskhand.web.jinja import render
from deskhand.web.portal.door import PortalRequest, for_customers, for_posts
from deskhand.web.portal.rows import ListPage, RequestLine, RequestPage, Said, WriteForm
from deskhand.web.refusals import words_of
from deskhand.web.shell import Person

log = structlog.get_logger()

STATES = {"open": gettext_lazy("Open"), "closed": gettext_lazy("Closed"), "all": gettext_lazy("All")}
IS_CLOSED = {"open": False, "closed": True, "all": None}
TEXT = 100  # characters of a search


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@for_customers
@require_GET
def index(request: PortalRequest) -> HttpResponse:
    given, customer = request.GET, request.visitor.customer
    state = given.get("state", "open")
    state = state if state in STATES else "open"
    text = one_line(given.get("q", ""))[:TEXT]
    of_company = given.get("of") == "company" and customer.company_id is not None
    after = given.get("after", "")
    found = reading.requests(customer, Asked(of_company, IS_CLOSED[state], text, after))
    asked = {"of": "company" if of_company else "", "state": state, "q": text}
    page = ListPage(
        title=_("Requests of your company") if of_company else _("Your requests"),
        lines=tuple(_line(request, one, of_company) for one in found.requests),
        states=offered(STATES, state), scopes=_scopes(request, of_company), text=text, of=asked["of"],
        more_url=_url(request, asked | {"after": found.following}) if found.following else "",
        first_url=_url(request, asked) if after else "",
        all_url=_all_url(request, found, asked),
        notice=_("Your message has arrived. You will get an answer by mail.") if "sent" in given else "",
    )  # fmt: skip
    return render(request, "portal/list.html", {"portal": request.portal_frame, "page": page})


def _url(request: PortalRequest, asked: dict[str, str]) -> str:
    wanted = urlencode({name: value for name, value in asked.items() if value})
    return f"{request.portal_frame.home_url}?{wanted}" if wanted else request.portal_frame.home_url


def _all_url(request: PortalRequest, found: Page, asked: dict[str, str]) -> str:
    """From an empty list to where there may be something."""
    is_narrow = asked["q"] or asked["state"] != "all"
    return _url(request, {"of": asked["of"], "state": "all"}) if not found.requests and is_narrow else ""


def _scopes(request: PortalRequest, of_company: bool) -> tuple[Tab, ...]:
    company = request.visitor.contact.company
    if request.visitor.customer.company_id is None or company is None:
        return ()
    home = request.portal_frame.home_url
    return (
        Tab(_("Your requests"), home, not of_company),
        Tab(company.name, f"{home}?of=company", of_company),
    )


def _line(request: PortalRequest, one: Request, of_company: bool) -> RequestLine:
    return RequestLine(
        one.subject, f"#{one.number}", reverse("portal-request", args=[request.account.slug, one.id]),
        _status(request, one.stage_id, one.is_closed), one.at, one.asked_by if of_company else "",
    )  # fmt: skip


def _status(request: PortalRequest, stage_id: int, is_closed: bool) -> Label:
    """Of a hidden one the color would tell what its word does not (R-POR-10)."""
    stage = pipelines_of("ticket").find(stage_id)
    said = portals.status_words(request.portal, stage, is_closed=is_closed)
    is_shown = stage is not None and not portals.is_hidden(request.portal, stage)
    return Label(said, words.tone(stage) if stage and is_shown else None)


# ── one of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


@for_customers
@require_GET
def show(request: PortalRequest, ticket_id: int) -> HttpResponse:
    customer = request.visitor.customer
    try:
        ticket = reading.request(customer, ticket_id)
    except NotFound:
        survivor = reading.became(customer, ticket_id)
        if survivor is None:
            raise
        return redirect("portal-request", request.account.slug, survivor)
    return _show(request, ticket, _reply_form(request, ticket_id))


def _reply_form(request: PortalRequest, ticket_id: int) -> WriteForm:
    return _form(reverse("portal-reply", args=[request.account.slug, ticket_id]))


def _show(request: PortalRequest, ticket: Ticket, form: WriteForm) -> HttpResponse:
    contact = ticket.contact
    is_own = contact is None or contact.pk == request.visitor.contact.pk
    page = RequestPage(
        subject=ticket.subject, number=f"#{ticket.number}", status=_status(request, ticket.stage_id, ticket.is_closed),
        opened_at=ticket.created_at, asked_by="" if is_own or contact is None else contact.name,
        items=tuple(_said(request, one) for one in reading.conversation(request.visitor.customer, ticket)),
        form=form, back_url=request.portal_frame.home_url, is_closed=ticket.is_closed,
        is_sent="sent" in request.GET,
    )  # fmt: skip
    context = {"portal": request.portal_frame, "page": page}
    return render(request, "portal/request.html", context, status=422 if form.errors else 200)


def _said(request: PortalRequest, m: Message) -> Said:
    """What came by mail is shown by its words: nobody else's markup stands in these pages."""
    is_out = m.direction == Direction.OUT
    name = m.sender_name or m.sender_address or _("Unknown sender")
    return Said(
        id=m.pk, author=Person.named(name), at=m.created_at,
        is_own=not is_out and m.sender_address.lower() in request.visitor.customer.emails,
        paragraphs=paragraphs(m.text), html=composing.own_markup(m.html) if is_out else None,
        files=tuple(
            composing.file_row(one.name, one.content_type, one.size, reverse("portal-file", args=[request.account.slug, one.pk]))
            for one in reading.files_of(m)
        ),
        is_automatic=is_out and m.is_automatic,
    )  # fmt: skip


@for_customers
@require_GET
def file(request: PortalRequest, attachment_id: int) -> HttpResponseBase:
    """Never out of a cache: who comes next at the same machine may be somebody else."""
    response = files.answer_with(reading.file(request.visitor.customer, attachment_id))
    response.headers["Cache-Control"] = "private, no-store"
    return response


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@for_posts
@require_POST
def reply(request: PortalRequest, ticket_id: int) -> HttpResponse:
    with account_scope(request.account.pk):
        ticket = reading.request(request.visitor.customer, ticket_id)
    try:
        filed = _send(request, ticket_id)
    except Invalid as refusal:
        form = _refused(request, _reply_form(request, ticket_id), refusal)
        with account_scope(request.account.pk):
            return _show(request, ticket, form)
    return _sent(request, filed)


@for_posts
@require_http_methods(["GET", "POST"])
def new(request: PortalRequest) -> HttpResponse:
    form = _form(request.portal_frame.new_url)
    if request.method == "POST":
        try:
            return _sent(request, _send(request, None))
        except Invalid as refusal:
            form = _refused(request, form, refusal)
    context = {"portal": request.portal_frame, "form": form}
    return render(request, "portal/new.html", context, status=422 if form.errors else 200)


def _form(url: str) -> WriteForm:
    return WriteForm(url, secrets.token_hex(16), largest_text=filesizeformat(uploads.largest()))


def _refused(request: PortalRequest, form: WriteForm, refusal: Invalid) -> WriteForm:
    """The form again, with all that was typed; a browser gives no file back."""
    errors = [(refusal.field or "body", words_of(refusal))]
    if request.FILES and refusal.field != "file":
        errors.append(("file", _("Choose your files once more.")))
    given = request.POST
    return replace(form, body=given.get("body", ""), subject=given.get("subject", ""), errors=tuple(errors))


def _send(request: PortalRequest, ticket_id: int | None) -> int | None:
    """Keep what was sent, then file it. Returns the ticket; None while that is not done. Raises Invalid."""
    form = request.POST
    given = posting.checked(
        Given(form.get("form_key", ""), form.get("body", ""), form.get("subject", ""), ticket_id)
    )
    post_id = posting.keep(request.visitor, replace(given, files=_files(request)), clock.now())
    try:
        return posting.file(request.account.pk, post_id)
    except Exception:
        # It is kept: the worker tries again, and whoever sent it need not know.
        log.exception("post of the portal not filed at once", post=post_id)
        return None


def _files(request: PortalRequest) -> tuple[StoredFile, ...]:
    found = request.FILES.getlist("file")
    if len(found) > uploads.MOST:
        raise Invalid(
            ngettext("%(count)s file is the most.", "%(count)s files are the most.", uploads.MOST) % {"count": uploads.MOST},
            field="file", value=len(found), hint=_("Send the others in another message."),
        )  # fmt: skip
    taken = 0
    for one in found:
        taken += one.size or 0
        if not one.size:
            raise Invalid(
                _("%(name)s is empty.") % {"name": one.name}, field="file", hint=_("Choose another file.")
            )
        uploads.refuse_too_large(one.name or "", taken)
    return tuple(files.stored(one) for one in found)


def _sent(request: PortalRequest, ticket_id: int | None) -> HttpResponse:
    """To where it can be read now."""
    slug = request.account.slug
    with account_scope(request.account.pk):
        try:
            reading.request(request.visitor.customer, ticket_id or 0)
        except NotFound:  # not filed yet, or kept from the help desk by its filters
            return redirect(f"{request.portal_frame.home_url}?sent")
    return redirect(f"{reverse('portal-request', args=[slug, ticket_id])}?sent#sent")

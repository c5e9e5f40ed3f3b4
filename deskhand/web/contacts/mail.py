"""Writing mail to a contact: a conversation of its own, no ticket (R-STAT-4)."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_urlsafe

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records.models import Contact
from deskhand.desk import letters, preferences, writing
from deskhand.desk.letters import NewLetter
from deskhand.kernel.errors import Forbidden, Invalid
from deskhand.kernel.text import whole
from deskhand.kernel.written import Written
from deskhand.web.choices import Choice
from deskhand.web.contacts.actions import changeable
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.rows import MailPage
from deskhand.web.contacts.views import kind_of, show
from deskhand.web.contacts.words import KINDS
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

FIELDS = ("to", "channel", "subject", "body", "html")


@require_GET
def write(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    contact = _writable(request, kind, record_id)
    return show(request, "mail", mail_page(request, contact, {}), KINDS[kind])


@require_POST
def send(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """What is refused stays as it was typed."""
    contact = _writable(request, kind, record_id)
    typed = {name: request.POST.get(name, "") for name in (*FIELDS, "send_key")}
    try:
        words = writing.read(typed["html"]) if typed["html"].strip() else Written(typed["body"])
        letters.write(_letter(contact, typed, words), by=request.user)
    except Invalid as refusal:
        said = words_of(refusal)
        page = mail_page(request, contact, typed, {refusal.field: said})
        return show(request, "mail", page, KINDS[kind], status=422)
    messages.success(request, _("The mail is on its way."))
    return redirect(KINDS[kind].url("", contact.pk))


def _letter(contact: Contact, typed: Mapping[str, str], words: Written) -> NewLetter:
    return NewLetter(
        contact.pk, whole(typed["channel"]) or 0, typed["to"], typed["subject"], words.text, words.html, typed["send_key"][:100] or None,
    )  # fmt: skip


def _writable(request: AccountRequest, kind: str, record_id: int) -> Contact:
    """A contact that the viewer may write to; one who was put away gets no mail."""
    policy.require(request.viewer, Action.REPLY)
    contact = changeable(request, kind_of(request, kind), record_id, Verb.COMMUNICATE)
    assert isinstance(contact, Contact)
    if contact.archived_at is not None:
        raise Forbidden(_("This contact is archived."))
    return contact


def mail_page(
    request: AccountRequest,
    contact: Contact,
    typed: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
) -> MailPage:
    name = named(contact.name or contact.email).name
    known = letters.addresses(contact)
    channels = letters.channels(contact.account_id)
    return MailPage(
        title=_("Email to %(name)s") % {"name": name}, url=KINDS["contact"].url("send", contact.pk), back_url=KINDS["contact"].url("", contact.pk),
        back_label=name, to=tuple(Choice(one, one, one == typed.get("to")) for one in known),
        channels=tuple(Choice(str(one.pk), f"{one.name} <{one.address}>", str(one.pk) == typed.get("channel")) for one in channels),
        subject=typed.get("subject", ""), body=typed.get("body", ""), html=typed.get("html", ""),
        is_rich=bool(typed.get("html")) or preferences.of(request.viewer).writes_rich, send_key=typed.get("send_key") or token_urlsafe(12),
        errors=dict(errors or {}),
        notice="" if channels and known else _("This contact has no email address.") if channels else _("No email address is connected."),
    )  # fmt: skip

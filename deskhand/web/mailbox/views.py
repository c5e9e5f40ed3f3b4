"""The built-in mailbox in the browser, for administrators."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts import policy as permissions
from deskhand.accounts.policy import Action
from deskhand.delivery import queries
from deskhand.delivery.models import SinkMail as Stored
from deskhand.web.frame import framed
from deskhand.web.mailbox.rows import SinkMail, SinkRow
from deskhand.web.middleware import AccountRequest

SHOWN = 100


@require_GET
def mails(request: AccountRequest) -> HttpResponse:
    permissions.require(request.viewer, Action.EDIT_ACCOUNT)
    found = queries.sink_mails(request.viewer.account_id, limit=SHOWN)
    return framed(request, "mailbox", "mailbox/list.html", {"mails": [_row(mail) for mail in found]})


def _row(mail: Stored) -> SinkRow:
    url = reverse("mailbox-mail", args=[mail.pk])
    return SinkRow(url, ", ".join(mail.recipients), mail.subject or _("(no subject)"), mail.received_at)


@require_GET
def mail(request: AccountRequest, mail_id: int) -> HttpResponse:
    permissions.require(request.viewer, Action.EDIT_ACCOUNT)
    found = queries.sink_mail(request.viewer.account_id, mail_id)
    if found is None:
        raise Http404
    return framed(request, "mailbox", "mailbox/mail.html", {"mail": _mail(found)})


def _mail(found: Stored) -> SinkMail:
    """Our own mail, so the standard library reads it."""
    read = message_from_bytes(bytes(found.raw), policy=policy.default)
    assert isinstance(read, EmailMessage)
    body = read.get_body(("plain",))
    return SinkMail(
        back_url=reverse("mailbox"),
        subject=found.subject or _("(no subject)"),
        sender=str(read.get("From", found.envelope_from)),
        recipient=", ".join(found.recipients),
        at=found.received_at,
        headers=tuple((name, str(value)) for name, value in read.items()),
        text=str(body.get_content()) if body is not None else "",
    )

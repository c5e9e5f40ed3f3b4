"""The mails that automations send: list, write, try, archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.automation import lanes, templates
from deskhand.automation.models import MailTemplate
from deskhand.crm.records import subscriptions
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.kernel.text import one_line, storable, whole
from deskhand.web.frame import framed
from deskhand.web.mails import page as pages
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of


def _mail(request: AccountRequest, mail_id: int) -> MailTemplate:
    lanes.require(request.viewer, "ticket")
    found = MailTemplate.objects.filter(account_id=request.viewer.account_id, pk=mail_id).first()
    if found is None:
        raise NotFound(_("There is no such mail."))
    return found


def _show(request: AccountRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return framed(request, "mail-templates", template, context, status)


@require_GET
def mails(request: AccountRequest) -> HttpResponse:
    lanes.require(request.viewer, "ticket")
    return _list(request)


def _list(request: AccountRequest, status: int = 200, *, name: str = "", error: str = "") -> HttpResponse:
    lines = pages.lines(request.viewer, request.account)
    return _show(request, "mails/list.html", {"lines": lines, "name": name, "error": error}, status)


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    lanes.require(request.viewer, "ticket")
    name = one_line(request.POST.get("name", ""))[:120]
    try:
        made = templates.create(request.viewer.account_id, name, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _list(request, 422, name=name, error=words_of(refusal))
    return redirect("mail-template", made.pk)


@require_GET
def mail(request: AccountRequest, mail_id: int) -> HttpResponse:
    found = _mail(request, mail_id)
    typed = {
        "name": found.name,
        "subject": found.subject,
        "body": found.body,
        "reach": pages.reach_of(found),
        "ticket": "",
    }
    return _editor(request, found, typed)


def _editor(
    request: AccountRequest, found: MailTemplate, typed: Mapping[str, str], status: int = 200, **more: Any
) -> HttpResponse:
    shown = pages.mail_page(found, request.viewer, request.account, typed, **more)
    return _show(request, "mails/mail.html", {"page": shown}, status)


@require_POST
def save(request: AccountRequest, mail_id: int) -> HttpResponse:
    """Save (R-MAIL-1), or with `preview` only show how it would look, or with `test` mail what is typed to oneself."""
    found = _mail(request, mail_id)
    typed = {
        name: storable(request.POST.get(name, "")) for name in ("name", "subject", "body", "reach", "ticket")
    }
    typed["name"] = one_line(request.POST.get("name", found.name))[:120]
    if "preview" in request.POST:
        return _editor(request, found, typed)
    try:
        if "test" in request.POST:
            return _test(request, found, typed)
        if request.POST.get("revision") != str(found.revision):
            notice = _("Somebody else changed this mail in the meantime.")
            again = " ".join((notice, _("Save again to keep your version.")))
            return _editor(request, found, typed, 409, notice=again)
        by = Actor.user(request.user.pk)
        templates.rename(found, typed["name"], by=by)
        kind = (
            whole(typed["reach"].removeprefix(pages.KIND)) if typed["reach"].startswith(pages.KIND) else None
        )
        templates.edit(
            found, subject=typed["subject"], body=typed["body"], is_transactional=typed["reach"] != pages.MARKETING and not kind,
            subscription_type_id=subscriptions.kind(kind).pk if kind else None, by=by,
        )  # fmt: skip
    except Invalid as refusal:
        return _editor(request, found, typed, 422, refusal=refusal)
    messages.success(request, _("The mail is saved."))
    return redirect("mail-template", mail_id)


def _test(request: AccountRequest, found: MailTemplate, typed: Mapping[str, str]) -> HttpResponse:
    """What is typed stays on the page, unsaved. Raises Invalid."""
    record = pages.record_of(request.viewer, typed["ticket"])
    rendered = pages.filled(found.name, typed["subject"], typed["body"], record)
    templates.send_test(request.viewer.account_id, rendered, request.user)
    messages.info(request, _("A test is on its way to %(address)s.") % {"address": request.user.email})
    return _editor(request, found, typed)


@require_POST
def archive(request: AccountRequest, mail_id: int) -> HttpResponse:
    found, on = _mail(request, mail_id), request.POST.get("on") == "1"
    try:
        templates.set_archived(found, on, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        messages.error(request, str(refusal))
        return redirect("mail-template", mail_id)
    said = _("“%(mail)s” is archived.") if on else _("“%(mail)s” can be chosen again.")
    messages.info(request, said % {"mail": found.name})
    return redirect("mail-templates")

"""The system page: every failure is seen by an administrator, with a way to run it again."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import audit, policy
from deskhand.accounts.policy import Action
from deskhand.automation import budget
from deskhand.channels.email import inbound
from deskhand.delivery import outbox
from deskhand.events.types import Actor
from deskhand.kernel import clock, jobs
from deskhand.kernel.errors import Conflict, NotFound
from deskhand.kernel.text import whole
from deskhand.notifications import reading
from deskhand.notifications.types import Kind
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.system import page

AT_ONCE = 1000  # rows that one press sends on its way


@require_GET
def system(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    reading.mark_about(request.viewer, clock.now(), [Kind.SENDING, Kind.QUARANTINE, Kind.WORK, Kind.BUDGET])
    parts = page.parts(
        request, mails_before=_id(request, "mails"), quarantine_before=_id(request, "quarantine")
    )
    return framed(request, "system", "system/page.html", {"parts": parts})


def _id(request: AccountRequest, name: str) -> int | None:
    """A place in a list; what is none is the beginning."""
    return whole(request.GET.get(name, ""))


@require_POST
def mail_again(request: AccountRequest, entry_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    try:
        outbox.retry(request.viewer.account_id, entry_id)
    except Conflict as problem:
        messages.error(request, str(problem))
    else:
        _tried(request, "outbox_entry.retried", 1, entry_id)
    return redirect("system")


@require_POST
def release_mails(request: AccountRequest) -> HttpResponse:
    """Let the account's held mail go. A fence stays: it is for all accounts, and only the command line takes it down."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    _tried(request, "outbox_entry.released", outbox.release(request.viewer.account_id))
    return redirect("system")


@require_POST
def resume_automation(request: AccountRequest) -> HttpResponse:
    """Let go on what was held because an hour's budget was used up."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    budget.resume(request.viewer.account_id, by=Actor.user(request.viewer.user_id))
    messages.info(request, _("Automation sends again."))
    return redirect(
        "automation-sending" if request.POST.get("back") == reverse("automation-sending") else "system"
    )


@require_GET
def quarantined(request: AccountRequest, mail_id: int) -> HttpResponse:
    """The mail as it came, as a file."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    mail = inbound.quarantined([mail_id]).filter(account_id=request.viewer.account_id).first()
    if mail is None or not mail.raw:
        raise Http404
    response = HttpResponse(bytes(mail.raw), content_type="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="mail-{mail.pk}.eml"'
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@require_POST
def process_again(request: AccountRequest, mail_id: int | None = None) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    account_id = request.viewer.account_id
    every = inbound.quarantined(None if mail_id is None else [mail_id]).filter(account_id=account_id)
    ids = list(every.values_list("id", flat=True)[:AT_ONCE])
    if mail_id is not None and not ids:
        raise NotFound(_("There is no such mail in quarantine."))
    _tried(request, "inbound_mail.processed_again", inbound.process_again(account_id, ids), mail_id)
    return redirect("system")


@require_POST
def run_again(request: AccountRequest, job_id: int | None = None) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    ids = [job.id for job in jobs.failed() if job_id in (None, job.id)][:AT_ONCE]
    if job_id is not None and not ids:
        raise NotFound(_("There is no such work that was given up."))
    _tried(request, "job.retried", jobs.run_again(ids), job_id)
    return redirect("system")


def _tried(request: AccountRequest, action: str, number: int, target_id: int | None = None) -> None:
    """Write down who asked for it, and say how many are tried."""
    if number:
        audit.record(
            action,
            by=Actor.user(request.user.pk),
            target_type=action.partition(".")[0] if target_id else "account",
            target_id=target_id or request.viewer.account_id,
            after={"number": number},
        )
    said = ngettext("%(num)s is tried again.", "%(num)s are tried again.", number) % {"num": number}
    messages.info(request, said if number else _("There was nothing to try again."))

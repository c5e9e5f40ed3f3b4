"""Building the system page: mail and calls that have not left, the quarantine, and slow jobs that were given up."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.accounts import policy
from deskhand.automation import budget, emptying, enroll, pausing, retention, undo, waking, webcalls
from deskhand.automation.enrolling import baseline, schedules
from deskhand.automation.models import Enrollment, StepCall, Workflow
from deskhand.automation.replay import replays
from deskhand.channels.email import inbound
from deskhand.channels.email.models import NOT_FETCHED, InboundMail
from deskhand.crm.records.models import Ticket
from deskhand.crm.schema import properties
from deskhand.crm.segments import segments
from deskhand.delivery import calls, push, queries
from deskhand.delivery.models import OutboxEntry, State
from deskhand.desk.models import Message
from deskhand.desk.outgoing import REFERENCE
from deskhand.kernel import jobs
from deskhand.notifications import pages
from deskhand.routing import capacity, forgetting, simulations
from deskhand.web import times, troubles
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.system.rows import Line, Part
from deskhand.web.troubles import Trouble
from deskhand.webhooks import deliveries

SHOWN = 50
UNSENT = (State.WAITING, State.SENDING, State.HELD, State.FAILED)
STATES = {
    State.WAITING: (gettext_lazy("Waiting"), "blue"),
    State.SENDING: (gettext_lazy("Being sent"), "blue"),
    State.HELD: (gettext_lazy("Held"), "amber"),
    State.FAILED: (gettext_lazy("Failed"), "red"),
}
JOBS = {
    enroll.INCLUDE_PRESENT: gettext_lazy("Taking in those who were in a status already"),
    emptying.JOB: gettext_lazy("Letting records leave a workflow that was archived"),
    baseline.TAKE: gettext_lazy("Switching on a workflow: who meets its filters already"),
    baseline.FORGET: gettext_lazy("Forgetting who met filters that are not listened to any more"),
    pausing.RELEASE: gettext_lazy("Letting go on what automation held"),
    waking.RECALCULATE: gettext_lazy("Counting a delay anew"),
    retention.FORGET: gettext_lazy("Forgetting old lines of the workflows' log"),
    capacity.CHANGE_SETTINGS: gettext_lazy("Counting what everybody holds by other settings"),
    forgetting.FORGET: gettext_lazy("Forgetting old decisions of routing"),
    simulations.JOB: gettext_lazy("Simulating routing"),
    replays.JOB: gettext_lazy("Replaying a workflow"),
    undo.JOB: gettext_lazy("Taking back what a workflow did"),
    schedules.FIRE: gettext_lazy("Letting records enter a workflow on its schedule"),
    segments.FILL: gettext_lazy("Filling a segment"),
    properties.FILL: gettext_lazy("Making a property ready for filters"),
    properties.CLAIM: gettext_lazy("Looking whether the values of a property are unique"),
}


def parts(request: AccountRequest, *, mails_before: int | None, quarantine_before: int | None) -> list[Part]:
    found = [_queue(request, mails_before), _quarantine(request, quarantine_before), _jobs()]
    stopped = _automation(request)
    return [stopped, *found] if stopped else found


def _automation(request: AccountRequest) -> Part | None:
    """Only where the hour's budget was used up: a workflow may have sent what nobody wanted."""
    found = budget.of(request.viewer.account_id)
    if found.stopped_at is None:
        return None
    workflow = Workflow.objects.filter(
        account_id=request.viewer.account_id, pk=found.stopped_by_id or 0
    ).first()
    text = _("“%(name)s” would have sent more than %(limit)s messages and calls within an hour. What workflows would send is held until you let it go on; switch the workflow off first if it should not.")  # fmt: skip
    told = text % {"name": workflow.name if workflow else "", "limit": number_format(budget.per_hour(found), force_grouping=True)}  # fmt: skip
    return Part(
        "automation", _("Automation"), _("Nothing of it is lost."), "", all_url=reverse("system-automation-resume"),
        all_label=_("Let it go on"), notice=Trouble(told),
    )  # fmt: skip


# ── mail and calls that have not left ────────────────────────────────────────────────────────────────────────────────


def _queue(request: AccountRequest, before: int | None) -> Part:
    account_id = request.viewer.account_id
    found = queries.queue(account_id, UNSENT, before=before, limit=SHOWN + 1)
    counts = queries.counts(account_id)
    about = _subjects(request, found) | _workflows(request, found)
    held, fence = counts.get(State.HELD, 0), queries.fence()
    return Part(
        "mails", _("Outgoing mail and calls"), _("All mail and all calls have left."), _("Try now"),
        lines=tuple(_mail(entry, *about.get(entry.pk, ("", ""))) for entry in found[:SHOWN]),
        count_text=_count(sum(counts.values())),
        all_url=reverse("system-mails-release") if held else "",
        all_label=_("Send what is held (%(num)s)") % {"num": _count(held)},
        notice=troubles.of_fence(fence.reason) if fence else troubles.NOTHING,
        more_url=_more("mails", found[SHOWN - 1].pk) if len(found) > SHOWN else "",
    )  # fmt: skip


def _mail(entry: OutboxEntry, subject: str, url: str) -> Line:
    text, tone = STATES[State(entry.state)]
    is_call = entry.transport in (calls.TRANSPORT, push.TRANSPORT, deliveries.TRANSPORT)
    more = [_("Call to another system")] if is_call else []
    more += [tries] if (tries := _tries(entry)) else []
    return Line(
        entry.pk, ", ".join(entry.recipients), _why(entry), entry.created_at,
        state=Label(str(text), tone),  # type: ignore[arg-type]
        about=subject, url=url, more=" · ".join(more), sign="webhook" if is_call else "mail",
        again_url=reverse("system-mail-again", args=[entry.pk]) if entry.state != State.SENDING else "",
    )  # fmt: skip


def _why(entry: OutboxEntry) -> Trouble:
    return troubles.of_delivery(entry.held_reason or entry.error or entry.last_answer)


def _tries(entry: OutboxEntry) -> str:
    if not entry.attempts:
        return ""
    tries = ngettext("%(num)s try", "%(num)s tries", entry.attempts) % {"num": entry.attempts}
    if entry.state != State.WAITING or entry.due_at is None:
        return tries
    return _("%(tries)s, the next: %(time)s") % {"tries": tries, "time": times.moment(entry.due_at)}


def _subjects(request: AccountRequest, entries: Sequence[OutboxEntry]) -> dict[int, tuple[str, str]]:
    """{entry: subject and address of its message's ticket}, of those the viewer may see."""
    ids = [entry.reference_id for entry in entries if entry.reference_type == REFERENCE]
    said = Message.objects.filter(account_id=request.viewer.account_id, pk__in=ids, ticket_id__isnull=False)
    ticket_of = dict(said.values_list("id", "ticket_id"))
    reach = policy.visible(request.viewer, "ticket").q()
    seen = Ticket.objects.filter(
        reach, account_id=request.viewer.account_id, pk__in=set(ticket_of.values()), archived_at=None
    )
    about = {
        pk: (f"#{number} {subject}", reverse("inbox-ticket", args=["all-open", pk]))
        for pk, number, subject in seen.values_list("id", "number", "subject")
    }
    seen_of = {message: about[ticket] for message, ticket in ticket_of.items() if ticket in about}
    return {
        entry.pk: seen_of[entry.reference_id]
        for entry in entries
        if entry.reference_type == REFERENCE and entry.reference_id in seen_of
    }


def _workflows(request: AccountRequest, entries: Sequence[OutboxEntry]) -> dict[int, tuple[str, str]]:
    """{entry: name and address of the workflow that calls}."""
    calling = {
        entry.reference_id: entry.pk for entry in entries if entry.reference_type == webcalls.REFERENCE
    }
    if not calling:
        return {}
    account_id = request.viewer.account_id
    runs = dict(
        StepCall.objects.filter(account_id=account_id, pk__in=calling).values_list("id", "enrollment_id")
    )
    found = Enrollment.objects.filter(account_id=account_id, pk__in=runs.values())
    about = {
        pk: (name, pages.workflow(workflow))
        for pk, workflow, name in found.values_list("id", "workflow_id", "workflow__name")
    }
    return {calling[call]: about[run] for call, run in runs.items() if run in about}


# ── mail that could not be filed ─────────────────────────────────────────────────────────────────────────────────────


def _quarantine(request: AccountRequest, before: int | None) -> Part:
    every = inbound.quarantined().filter(account_id=request.viewer.account_id)
    found = list((every.filter(pk__lt=before) if before else every).defer("raw")[: SHOWN + 1])
    count = every[: queries.COUNT_CAP].count() if found else 0
    return Part(
        "quarantine", _("Quarantine"), _("All mail that arrived could be filed."), _("Process again"),
        lines=tuple(_kept(mail) for mail in found[:SHOWN]), count_text=_count(count),
        all_url=reverse("system-quarantine-again") if len(found) > 1 else "", all_label=_("Process all again"),
        more_url=_more("quarantine", found[SHOWN - 1].pk) if len(found) > SHOWN else "",
    )  # fmt: skip


def _kept(mail: InboundMail) -> Line:
    has_bytes = mail.outcome != NOT_FETCHED
    kilobytes = number_format(-(-mail.size // 1000), force_grouping=True)
    way = _("From %(sender)s to %(recipient)s") % {
        "sender": mail.envelope_from or "<>", "recipient": mail.recipient,
    }  # fmt: skip
    return Line(
        mail.pk, way, troubles.of_quarantine(mail.outcome_detail, is_kept=has_bytes), mail.received_at,
        more=_("%(size)s kB") % {"size": kilobytes} if has_bytes else "",
        file_url=reverse("system-quarantined", args=[mail.pk]) if has_bytes else "",
        again_url=reverse("system-quarantine-one-again", args=[mail.pk]),
    )  # fmt: skip


# ── slow jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _jobs() -> Part:
    found = jobs.failed()
    return Part(
        "jobs", _("Background work"), _("All background work was done."), _("Try again"),
        lines=tuple(_job(job) for job in found[:SHOWN]), count_text=_count(len(found)),
        all_url=reverse("system-jobs-again") if len(found) > 1 else "", all_label=_("Try all again"),
    )  # fmt: skip


def _job(job: jobs.FailedJob) -> Line:
    return Line(
        job.id, str(JOBS.get(job.kind, job.kind)), troubles.of_job(job.error), job.failed_at,
        more=ngettext("%(num)s try", "%(num)s tries", job.tries) % {"num": job.tries},
        again_url=reverse("system-job-again", args=[job.id]),
    )  # fmt: skip


def _count(number: int) -> str:
    return "999+" if number >= queries.COUNT_CAP else str(number) if number else ""


def _more(part: str, last: int) -> str:
    return f"{reverse('system')}?{part}={last}#{part}"

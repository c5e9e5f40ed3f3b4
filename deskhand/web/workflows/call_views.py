"""Calls from outside: what came, what became of it, and once more with those that could not be used (R-TRIG-21)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.automation import access, history, hooks
from deskhand.automation.history import Named
from deskhand.automation.models import CallState, HookCall
from deskhand.kernel.text import whole
from deskhand.web import ticked
from deskhand.web.choices import Choice
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.workflows import told, ways
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.list_views import back, editable
from deskhand.web.workflows.rows import CallLine, CallsPage, RecordName

SHOWN = 30
UNUSED = "unused"


@require_GET
def listed(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """The bodies are for who may edit the workflow: they may say anything about anybody."""
    workflow = seen(request, workflow_id)
    only_unused, before = request.GET.get("state") == UNUSED, whole(request.GET.get("before", ""))
    found = hooks.calls_of(workflow, only_unused=only_unused, before=before, limit=SHOWN + 1)
    may_read = access.may_edit(request.viewer, workflow)
    state = UNUSED if only_unused else ""
    more = ways.with_query("workflow-calls", [workflow.pk], state=state, before=found[SHOWN - 1].pk) if len(found) > SHOWN else ""  # fmt: skip
    may_repeat = may_read and workflow.archived_at is None
    unused = set(hooks.unused(workflow).exclude(body=b"").values_list("state", flat=True).distinct()) if may_repeat else set()  # fmt: skip
    kind = workflow.object_type
    names = history.named(request.viewer, {(kind, one.record_id) for one in found[:SHOWN] if one.record_id})
    page = CallsPage(
        tuple(_line(one, _record(one, names.get((kind, one.record_id or 0))), may_read=may_read) for one in found[:SHOWN]), more,
        (Choice("", _("All calls"), not only_unused), Choice(UNUSED, _("Not used or refused"), only_unused)),
        bool(unused), CallState.FAILED in unused, may_read,
        ways.with_query("workflow-calls", [workflow.pk], state=state),
    )  # fmt: skip
    return one_page(request, workflow, "calls", "workflows/calls.html", page=page)


def state_of(call: HookCall) -> Label:
    match call.state:
        case CallState.DONE:
            return Label(pgettext("a call", "Used"), "green")
        case CallState.FAILED:
            return Label(_("Not used"), "red")
        case CallState.REFUSED:
            return Label(pgettext("a call", "Refused"), "amber")
    return Label(_("Waits"), "blue")


def _record(call: HookCall, found: Named | None) -> RecordName | None:
    if call.record_id is None:
        return None
    return told.record_name(found) if found else RecordName(_("A record that you may not see"), "")


def _line(call: HookCall, record: RecordName | None, *, may_read: bool) -> CallLine:
    body, is_unused = bytes(call.body), call.state in (CallState.FAILED, CallState.REFUSED)
    return CallLine(
        call.pk, call.received_at, state_of(call), record, _(call.error) if call.error else "",
        hooks.body_of(call) if may_read else "",
        ngettext("%(num)s byte", "%(num)s bytes", len(body)) % {"num": len(body)}, may_read and is_unused and bool(body),
    )  # fmt: skip


@require_POST
def again(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """`do=all` that could not be used, or those in `ids`."""
    workflow = editable(request, workflow_id)
    ids = None if request.POST.get("do") == "all" else ticked.ids_of(request.POST, hooks.MOST_AGAIN)
    number = hooks.repeat(workflow, ids, by=request.user.pk)
    said = ngettext("%(num)s call is read again.", "%(num)s calls are read again.", number) % {"num": number}
    messages.success(request, said if number else _("There was nothing to do."))
    return redirect(back(request))

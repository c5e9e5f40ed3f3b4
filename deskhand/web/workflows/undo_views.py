"""Taking back what one run, or a workflow's bad hour, did to records: first looked at, then done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import queries
from deskhand.automation import access, history, undo
from deskhand.automation.actions.registry import ACTIONS
from deskhand.automation.history import Named
from deskhand.automation.models import Workflow
from deskhand.automation.undo import Extent, Reversal, Why
from deskhand.crm.schema.queries import properties_of
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import lists, told
from deskhand.web.workflows.history_views import one_page, seen
from deskhand.web.workflows.rows import RecordName

SHOWN = 100  # lines of each list
LONGEST = timedelta(days=31)
WHYS: dict[Why, str | Promise] = {
    Why.CHANGED_SINCE: gettext_lazy("Changed since"),
    Why.STATUS_GONE: gettext_lazy("The status it had is deleted"),
    Why.PERSON_GONE: gettext_lazy("Whose it was can't have it any more"),
    Why.RECORD_GONE: gettext_lazy("The record is deleted"),
    Why.TAKEN: gettext_lazy("Another record has what it was, and no two may have the same"),
}


@dataclass(frozen=True)
class Line:
    record: RecordName
    property: str
    now: str
    back: str
    why: str = ""


@dataclass(frozen=True)
class Left:
    """What can't be taken back."""

    action: str
    icon: str
    count: str
    messages: tuple[str, ...]


@dataclass(frozen=True)
class UndoPage:
    url: str
    hidden: tuple[tuple[str, str], ...]
    since: str  # of a bad hour, as its fields have it
    until: str
    run: RecordName | None
    coming_back: tuple[Line, ...]
    staying: tuple[Line, ...]
    left: tuple[Left, ...]
    label: str
    has_more: bool
    back_url: str
    error: str = ""


@require_GET
def ask(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """What one run did with `?run=`; else what the workflow did between two moments, the last hour if none are given."""
    workflow = _allowed(request, workflow_id)
    try:
        extent, error = _extent(request, workflow, request.GET), ""
    except Invalid as refusal:
        extent, error = _last_hour(workflow), words_of(refusal)
    page = _page(request, workflow, extent, error)
    return one_page(request, workflow, "history", "workflows/undo.html", 422 if error else 200, page=page)


@require_POST
def do(request: AccountRequest, workflow_id: int) -> HttpResponse:
    workflow = _allowed(request, workflow_id)
    extent = _extent(request, workflow, request.POST)
    done = undo.undo(extent, by=Actor.user(request.user.pk), at=clock.now())
    if done.has_more:
        messages.success(request, _("The first values are back; the others follow."))
    else:
        said = ngettext("%(num)s value is back.", "%(num)s values are back.", done.back)
        messages.success(request, said % {"num": lists.number(done.back)})
    if done.taken:
        said = ngettext(
            "%(num)s value stays: another record has what it was, and no two may have the same.",
            "%(num)s values stay: other records have what they were, and no two may have the same.",
            done.taken,
        )
        messages.warning(request, said % {"num": lists.number(done.taken)})
    return redirect(_back_url(workflow, extent))


def _allowed(request: AccountRequest, workflow_id: int) -> Workflow:
    workflow = seen(request, workflow_id)
    access.require_edit(request.viewer, workflow)
    return workflow


def _back_url(workflow: Workflow, extent: Extent) -> str:
    if extent.enrollment_id:
        return reverse("workflow-run", args=[workflow.pk, extent.enrollment_id])
    return reverse("workflow-history", args=[workflow.pk])


# ── which ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _last_hour(workflow: Workflow) -> Extent:
    now = clock.now()
    return Extent(workflow.pk, now - timedelta(hours=1), now)


def _extent(request: AccountRequest, workflow: Workflow, given: dict[str, str]) -> Extent:
    """Raises NotFound for a run beyond the viewer's reach, Invalid for moments that can't be."""
    if given.get("run"):
        run_id = whole(given["run"])
        if run_id is None:
            raise NotFound(_("There is no such run."))
        found = history.run(request.viewer, workflow, run_id)
        return undo.extent_of_run(workflow.pk, found, clock.now())
    if not (given.get("since") or given.get("until")):
        return _last_hour(workflow)
    since, until = _moment("since", given.get("since", "")), _moment("until", given.get("until", ""))
    if until <= since:
        raise Invalid(_("The end must be after the beginning."), field="until", value=given.get("until"))
    if until - since > LONGEST:
        raise Invalid(
            _("At most a month can be taken back at a time."), field="since", value=given.get("since")
        )
    return Extent(workflow.pk, since, until)


def _moment(field: str, text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or not 1970 < found.year < 3000:
        raise Invalid(_("Enter a day and a time."), field=field, value=text)
    return found if timezone.is_aware(found) else timezone.make_aware(found)


# ── what ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(request: AccountRequest, workflow: Workflow, extent: Extent, error: str) -> UndoPage:
    found = undo.look(extent)
    names = history.named(request.viewer, [(one.object_type, one.record_id) for one in found.reversals])
    people = queries.names_of(
        [one.by.id for one in found.staying if one.by and one.by.id and one.by.kind is ActorKind.USER]
    )
    coming_back, staying = (
        tuple(_line(one, names, people) for one in some[:SHOWN])
        for some in (found.coming_back, found.staying)
    )
    number = len(found.coming_back)
    run = None
    if extent.enrollment_id:
        run = told.record_name(history.run(request.viewer, workflow, extent.enrollment_id).record)
    since, until = (
        timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S") for at in (extent.since, extent.until)
    )
    return UndoPage(
        url=reverse("workflow-undone", args=[workflow.pk]),
        hidden=(("run", str(extent.enrollment_id)),) if extent.enrollment_id else (("since", extent.since.isoformat()), ("until", extent.until.isoformat())),
        since=since, until=until, run=run, coming_back=coming_back, staying=staying,
        left=tuple(_left(one) for one in undo.stays(extent)),
        label=ngettext("Take back %(num)s value", "Take back %(num)s values", number) % {"num": lists.number(number)} if number else "",
        has_more=found.next is not None or number > SHOWN, back_url=_back_url(workflow, extent), error=error,
    )  # fmt: skip


def _line(one: Reversal, names: dict[tuple[str, int], Named], people: dict[int, str]) -> Line:
    record = names.get((one.object_type, one.record_id))
    prop = properties_of(one.object_type)[one.property]
    why = str(WHYS[one.why]) if one.why else ""
    who = people.get(one.by.id or 0) if one.by and one.by.kind is ActorKind.USER else None
    if one.why is Why.CHANGED_SINCE and who:
        why = _("Changed since by %(name)s") % {"name": who}
    if record is None:
        return Line(RecordName(_("A record that you may not see")), _(prop.label), "", "", why)
    return Line(
        told.record_name(record), _(prop.label), told.value_words(one.object_type, prop, one.now),
        told.value_words(one.object_type, prop, one.back), why,
    )  # fmt: skip


def _left(one: undo.Stays) -> Left:
    action = ACTIONS[one.kind]
    return Left(str(action.label), action.icon, lists.number(one.count), one.messages)

"""What is done with rows of a table that are ticked: moved into a status, taken back, enrolled by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from deskhand.accounts.policy import visible
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import listing, moving
from deskhand.crm.records.moving import Moved
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web import ticked
from deskhand.web.asked import number
from deskhand.web.entering import Entering, Way
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.moving import taken_back
from deskhand.web.objects.tabs import Sort
from deskhand.web.records.kinds import area, kind_of, url
from deskhand.web.records.tables import TableOf
from deskhand.web.refusals import listed
from deskhand.web.shell import Toast
from deskhand.web.workflows import card


@require_POST
def change(request: AccountRequest, key: str) -> HttpResponse:
    """Do it to the records `ids`: `status` moves them, `at` takes back the viewer's move of that moment, `enroll` asks for the workflow.

    Each record that can't be moved is told with the reason; the others are moved (R-REQ-3), and a toast takes them back.
    """
    kind = kind_of(request.viewer, key)
    ids = ticked.ids_of(request.POST)
    if not ids:
        raise Invalid(_("Choose records first."), field="ids", value="")
    if "enroll" in request.POST:
        return card.lead_to(request, kind.object_type, ids, _table(request, kind))
    if "at" in request.POST:
        return _taken_back(request, kind, ids)
    to, at = number(request.POST.get("status", ""), "status"), clock.now()
    moves = moving.moves(request.viewer, kind.object_type, ids, to)
    way = Way(request.get_full_path(), _table(request, kind), area(kind), "#table-part", "outerHTML")
    done = Entering(request, kind.object_type, moves, way, is_many=True).enter(
        lambda given: moving.move_many(request.viewer, kind.object_type, ids, to, at=at, given=given)
    )
    return (
        done
        if isinstance(done, HttpResponse)
        else _answer(request, kind, *_told(request, kind, to, at, done))
    )


def _taken_back(request: AccountRequest, kind: Sort, ids: Sequence[int]) -> HttpResponse:
    """What changed again since stays."""
    reach = visible(request.viewer, kind.object_type, Verb.EDIT)
    mine = [one.pk for one in listing.seen(request.viewer, kind.object_type, ids) if reach.reaches(one)]
    back = taken_back(request.viewer, kind.object_type, mine, request.POST["at"])
    text = _("Taken back") if back else _("This has changed since and could not be taken back.")
    return _answer(request, kind, Toast(text), None)


def _told(
    request: AccountRequest, kind: Sort, to: int, at: datetime, done: Moved
) -> tuple[Toast, Toast | None]:
    status, count = _(pipelines_of(kind.object_type).stage(to).label), len(done.changed)
    text = ngettext("%(num)s record: %(what)s", "%(num)s records: %(what)s", count) % {
        "num": count,
        "what": status,
    }
    fields = (("at", at.isoformat()), ("ids", ",".join(map(str, done.changed))))
    toast = (
        Toast(text, undo_url=request.get_full_path(), undo_fields=fields)
        if count
        else Toast(_("Nothing changed"))
    )
    return toast, Toast(_refusals(done), "error") if done.refused else None


def _refusals(done: Moved) -> str:
    """The records that stay as they are, each with its reason."""
    count = len(done.refused)
    head = ngettext("%(num)s record was not changed.", "%(num)s records were not changed.", count) % {
        "num": count
    }
    return listed(head, [f"{one.name or _('No name')}: {one.why}" for one in done.refused])


def _answer(request: AccountRequest, kind: Sort, toast: Toast, refusal: Toast | None) -> HttpResponse:
    if not wants_fragment(request):
        messages.info(request, toast.text)
        if refusal:
            messages.error(request, refusal.text)
        return redirect(_table(request, kind))
    context = {"page": TableOf(request, kind).table(), "toast": toast, "refusal": refusal}
    return render(request, "records/fragments/ticked.html", context)


def _table(request: AccountRequest, kind: Sort) -> str:
    kept = request.GET.urlencode()
    return url(kind, "records-table") + (f"?{kept}" if kept else "")

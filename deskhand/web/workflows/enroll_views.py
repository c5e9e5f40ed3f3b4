"""Enrolling by hand: from a record, from several, and from a workflow (R-EDIT-7, R-RE-8)."""

from __future__ import annotations

from collections import Counter

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts.types import Verb
from deskhand.automation import access, history, listing
from deskhand.automation.enrolling import by_hand
from deskhand.automation.enrolling.by_hand import Outcome
from deskhand.automation.models import Workflow
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import storable, whole
from deskhand.web import ticked
from deskhand.web.frame import shell
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import card, lists, picking, told, words
from deskhand.web.workflows.history_views import one_page
from deskhand.web.workflows.list_views import back, editable
from deskhand.web.workflows.rows import EnrollPage, PickPage

NAMED = 10  # records whose names are shown
OFFERED = 500  # workflows to choose from


@require_GET
def choose(request: AccountRequest) -> HttpResponse:
    """Which workflow the records in `?ids=` go into, else those that were ticked last."""
    access.require_open(request.viewer, request.account)
    kind = request.GET.get("type", "")
    ids = _ids(request.GET["ids"]) if "ids" in request.GET else ticked.kept(request, ticked.to_enroll(kind))
    return _choose(request, kind, ids)


@require_POST
def from_list(request: AccountRequest) -> HttpResponse:
    """Leads on with the records that are ticked in a list; `type` and `back` stand in the address."""
    access.require_open(request.viewer, request.account)
    kind, ids = request.GET.get("type", ""), ticked.ids_of(request.POST)
    if kind not in words.type_labels():
        raise NotFound(_("There are no such records."))
    if not ids:
        messages.info(request, _("Choose records first."))
        return redirect(back(request))
    return card.lead_to(request, kind, ids, back(request))


def _ids(text: str) -> list[int]:
    found = [whole(part) for part in text.split(",")]
    return list(dict.fromkeys(pk for pk in found if pk))[: by_hand.MOST]


def _choose(request: AccountRequest, kind: str, ids: list[int], error: str = "") -> HttpResponse:
    if kind not in words.type_labels():
        raise NotFound(_("There are no such records."))
    if not card.url_for(request.viewer, request.account, kind, ids, ""):
        raise Forbidden(_("You don't have permission to do this."))
    found = history.within(request.viewer, kind, ids, Verb.EDIT)
    if not found:
        raise NotFound(_("There are no such records."))
    more = len(found) - NAMED
    page = EnrollPage(
        _("Enroll in workflow"), tuple(told.record_name(one) for one in found[:NAMED]),
        ngettext("and %(num)s more", "and %(num)s more", more) % {"num": more} if more > 0 else "",
        tuple(one.id for one in found), _offered(request, kind), back(request), reverse("workflow-enrolled"), error,
    )  # fmt: skip
    context = {"page": page, "kind": kind, "shell": shell(request, area="workflows", view="all")}
    return render(request, "workflows/enroll.html", context, status=422 if error else 200)


def _offered(request: AccountRequest, kind: str) -> tuple[tuple[int, str, str], ...]:
    """Workflows that are on and that the viewer may enroll into, by name."""
    on = Workflow.objects.filter(
        account_id=request.viewer.account_id, object_type=kind, is_on=True, archived_at=None
    )
    mine = [one for one in on.order_by("name", "id")[:OFFERED] if access.may_edit(request.viewer, one)]
    places = listing.places(request.viewer.account_id, mine)
    rows = listing.rows_of(request.viewer.account_id, [one.pk for one in mine], clock.now())
    return tuple(
        (row.workflow.pk, row.workflow.name, words.trigger(row.definition, places.get(row.workflow.pk)))
        for row in rows
    )


@require_POST
def enrolled(request: AccountRequest) -> HttpResponse:
    access.require_open(request.viewer, request.account)
    ids = [pk for text in request.POST.getlist("ids") for pk in _ids(text)]
    workflow_id = whole(request.POST.get("workflow", ""))
    if workflow_id is None:
        return _choose(request, request.POST.get("type", ""), ids, _("Choose a workflow."))
    workflow = editable(request, workflow_id)
    if not ids:
        messages.info(request, _("Choose records first."))
        return redirect(back(request))
    try:
        _say(request, by_hand.enroll_by_hand(request.viewer, workflow.pk, ids), workflow)
        ticked.forget(request, ticked.to_enroll(workflow.object_type), ids)
    except Invalid as refusal:
        messages.error(request, words_of(refusal))
    return redirect(back(request))


def _say(request: AccountRequest, outcome: Outcome, workflow: Workflow) -> None:
    if number := len(outcome.enrolled):
        said = ngettext(
            "%(num)s record is in “%(name)s” now.", "%(num)s records are in “%(name)s” now.", number
        )
        messages.success(request, said % {"num": lists.number(number), "name": workflow.name})
    reasons = Counter(outcome.refused.values())
    first = {why: pk for pk, why in reversed(list(outcome.refused.items()))}
    for why, count in reasons.most_common(3):
        left = ngettext(
            "%(num)s record is not enrolled. %(why)s", "%(num)s records are not enrolled. %(why)s", count
        )
        messages.error(request, left % {"num": lists.number(count), "why": outcome.sentence(first[why])})


@require_GET
def pick(request: AccountRequest, workflow_id: int) -> HttpResponse:
    """Which records go into this workflow: search for them."""
    workflow = editable(request, workflow_id)
    text = storable(request.GET.get("q", "")).strip()[: lists.LONGEST_SEARCH]
    found = picking.found(request.viewer, workflow.object_type, text)
    page = PickPage(
        text, tuple((one.id, told.record_name(one).title) for one in found), reverse("workflow-enroll", args=[workflow.pk])
    )  # fmt: skip
    return one_page(request, workflow, "history", "workflows/pick.html", page=page)

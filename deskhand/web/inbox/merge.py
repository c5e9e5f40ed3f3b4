"""Merging tickets, and parting them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import search
from deskhand.crm.records.models import Ticket
from deskhand.desk import merging
from deskhand.desk import views as desk_views
from deskhand.desk.models import Merge
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid, NotFound
from deskhand.web import ticked
from deskhand.web.asked import number
from deskhand.web.frame import shell
from deskhand.web.inbox import common, words
from deskhand.web.inbox.rows import Label
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest

SHOWN = 20
TOGETHER = 50  # tickets that are merged at once


@dataclass(frozen=True)
class Candidate:
    id: int
    number: str
    subject: str
    contact: str
    preview: str
    at: datetime
    status: Label


@dataclass(frozen=True)
class MergePage:
    """`candidates` are what was found for `text`; without one, the contact's other tickets."""

    url: str
    merge_url: str
    ticket: Candidate
    text: str
    candidates: tuple[Candidate, ...]
    back_url: str
    chosen: int = 0
    error: str = ""


@require_GET
def choose(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    return _page(request, view, ticket, request.GET.get("q", "").strip()[:200])


def _page(
    request: AccountRequest,
    view: str,
    ticket: Ticket,
    text: str,
    *,
    chosen: int = 0,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    here = [view, ticket.pk]
    page = MergePage(
        url=reverse("ticket-merge", args=here), merge_url=reverse("ticket-merged", args=here), text=text,
        ticket=next(iter(_candidates(request, [ticket.pk]))), candidates=tuple(_offered(request, ticket, text)),
        back_url=reverse("inbox-ticket", args=here), chosen=chosen, error=error,
    )  # fmt: skip
    context = {"page": page, "shell": shell(request, view=view)}
    return render(request, "inbox/merge.html", context, status=status)


def _offered(request: AccountRequest, ticket: Ticket, text: str) -> Iterable[Candidate]:
    if text:
        ids = [hit.id for hit in search.tickets(request.viewer, text, limit=SHOWN).hits]
    else:
        others = (
            _mergeable(request).filter(contact_id=ticket.contact_id)
            if ticket.contact_id
            else Ticket.objects.none()
        )
        ids = list(others.order_by("-sort_at", "-id").values_list("pk", flat=True)[: SHOWN + 1])
    return _candidates(request, [pk for pk in ids if pk != ticket.pk][:SHOWN])


def _mergeable(request: AccountRequest):  # type: ignore[no-untyped-def]  # a queryset of tickets
    reach = policy.visible(request.viewer, "ticket", Verb.EDIT).q()
    return Ticket.objects.filter(reach, account_id=request.viewer.account_id, archived_at=None)


def _candidates(request: AccountRequest, ids: list[int]) -> Iterable[Candidate]:
    """Those that the viewer may edit, latest first."""
    for one in _mergeable(request).filter(pk__in=ids).select_related("contact").order_by("-sort_at", "-id"):
        yield Candidate(
            one.pk, f"#{one.number}", one.subject, (one.contact.name or one.contact.email) if one.contact else "",
            one.preview, one.sort_at, words.status(pipelines_of("ticket").stage(one.stage_id)),
        )  # fmt: skip


@require_POST
def merge(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`other` goes into this ticket, or with `keep` other this one into it."""
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    text = request.POST.get("q", "")[:200]
    if not request.POST.get("other"):
        return _page(request, view, ticket, text, error=_("Choose a ticket."), status=422)
    other = common.changeable(request, view, number(request.POST["other"], "other"), Verb.EDIT)
    primary, gone = (other, ticket) if request.POST.get("keep") == "other" else (ticket, other)
    try:
        merging.merge(primary.pk, gone.pk, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, view, ticket, text, chosen=other.pk, error=str(refusal), status=422)
    numbers = {"gone": f"#{gone.number}", "primary": f"#{primary.number}"}
    messages.info(request, _("%(gone)s is now part of %(primary)s") % numbers)
    return redirect("inbox-ticket", view, primary.pk)


@dataclass(frozen=True)
class ManyPage:
    """Several tickets of which one goes on. POST ids and keep to `merge_url`; `left` are numbers of those that stay out."""

    merge_url: str
    back_url: str
    ids: str
    tickets: tuple[Candidate, ...]
    chosen: int
    button: str
    left: int = 0
    error: str = ""


@require_GET
def choose_one(request: AccountRequest, view: str) -> HttpResponse:
    """Which of the tickets that were ticked in a list last goes on."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    return _many(request, view, ticked.kept(request, ticked.TO_MERGE))


def _many(
    request: AccountRequest, view: str, ids: list[int], chosen: int = 0, error: str = "", status: int = 200
) -> HttpResponse:
    found = tuple(_candidates(request, ids[:TOGETHER]))
    if not error and len(found) < 2:
        error = _("Select at least two tickets that you may change.")
    if not error and len(ids) > TOGETHER:
        error = _("Select at most %(count)s tickets.") % {"count": TOGETHER}
    oldest = min((one.id for one in found), default=0)
    text = ngettext("Merge %(num)s ticket", "Merge %(num)s tickets", len(found)) % {"num": len(found)}
    page = ManyPage(
        merge_url=reverse("inbox-merged", args=[view]), back_url=reverse("inbox-view", args=[view]),
        ids=",".join(str(one.id) for one in found), tickets=found, chosen=chosen or oldest, button=text,
        left=len(set(ids)) - len(found), error=error,
    )  # fmt: skip
    context = {"page": page, "shell": shell(request, view=view)}
    return render(request, "inbox/merge_many.html", context, status=status)


@require_POST
def merge_selected(request: AccountRequest, view: str) -> HttpResponse:
    """The tickets `ids` go into the one of them that `keep` names."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    ids = ticked.ids_of(request.POST)
    keep = number(request.POST.get("keep", ""), "keep")
    allowed = {one.id: one for one in _candidates(request, ids)}
    if keep not in ids or len(ids) < 2 or len(ids) > TOGETHER or len(allowed) < len(ids):
        return _many(request, view, ids, error=_("These tickets have changed. Look again."), status=422)
    try:
        merging.merge_many(keep, [pk for pk in ids if pk != keep], by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _many(request, view, ids, keep, str(refusal), 422)
    ticked.forget(request, ticked.TO_MERGE, ids)
    count = len(ids) - 1
    text = ngettext(
        "%(num)s ticket is now part of %(primary)s", "%(num)s tickets are now part of %(primary)s", count
    )
    messages.info(request, text % {"num": count, "primary": allowed[keep].number})
    return redirect("inbox-ticket", view, keep)


@require_POST
def part(request: AccountRequest, view: str, ticket_id: int, merge_id: int) -> HttpResponse:
    """Make two tickets of them again (R-MERGE-8)."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    ours = Merge.objects.filter(account_id=request.viewer.account_id, survivor_id=ticket_id, pk=merge_id)
    if not ours.exists():
        raise NotFound(_("There is no such merge."))
    try:
        back = merging.unmerge(merge_id, by=Actor.user(request.user.pk))
    except Conflict as refusal:
        messages.error(request, str(refusal))
        return redirect("inbox-ticket", view, ticket_id)
    messages.info(request, _("These are two tickets again"))
    return redirect("inbox-ticket", view, back if common.may_see(request, back) else ticket_id)

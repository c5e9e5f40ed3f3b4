"""Linking a contact or a company to what `linked.kinds` names, and parting them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import associations, labeling
from deskhand.kernel.errors import Forbidden, NotFound
from deskhand.web.choices import Choice
from deskhand.web.contacts import linked
from deskhand.web.contacts.actions import actor, changeable
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.views import kind_of
from deskhand.web.contacts.words import Kind
from deskhand.web.frame import shell
from deskhand.web.inbox import links
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.rows import LinkPage


@require_GET
def choose(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """What can be linked: of a `kind`, found by `q`."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    offered = [one for one in linked.kinds(found).values() if links.may_see_any(request.viewer, one)]
    asked = request.GET.get("kind", "")
    chosen = next((one for one in offered if one.key == asked), offered[0] if offered else None)
    if chosen is None:
        raise Forbidden(_("You don't have permission to do this."))
    text = request.GET.get("q", "").strip()[: links.LONGEST]
    there = linked.linked_ids(found, record.pk, request.viewer.account_id)
    taken = {*there.get(chosen.key, ()), *([record.pk] if chosen.key == kind else [])}
    ids = [pk for pk in (chosen.find(request.viewer, text) if text else []) if pk not in taken]
    name = named(record.name or getattr(record, "email", "")).name
    page = LinkPage(
        _("Link to %(name)s") % {"name": name}, found.url("others", record.pk), found.url("others-linked", record.pk),
        found.url("", record.pk), name, text, tuple(Choice(one.key, str(one.title), one is chosen) for one in offered),
        links.lines(request.viewer, chosen, ids), links.label_choices(kind, chosen.key),
    )  # fmt: skip
    context = {"shell": shell(request, area="contacts", view=f"{kind}-all"), "page": page}
    return render(request, "records/link.html", context)


@require_POST
def link(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    found, asked = _link(request, kind, record_id)
    labeling.connect(asked, links.label_numbers(request.POST), by=actor(request))
    return _back(request, found, asked[1], _("Linked"))


@require_POST
def unlink(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    found, asked = _link(request, kind, record_id)
    associations.part(*asked, by=actor(request))
    return _back(request, found, asked[1], _("No longer linked"))


@require_POST
def label(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """What the linked record is to this one from now on: all of `label`."""
    found, asked = _link(request, kind, record_id)
    is_new = links.relabel(asked, request.POST, actor(request))
    return _back(request, found, asked[1], _("Labels saved") if is_new else _("Nothing changed"))


def _link(request: AccountRequest, kind: str, record_id: int) -> tuple[Kind, associations.Link]:
    """To the record `id` of `kind`, which must be in sight; from what a merged one has become (R-MERGE-6)."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    other, other_id = links.asked(request.viewer, request.POST)
    if other.key not in linked.kinds(found):
        raise NotFound(_("There is nothing at this address."))
    return found, (kind, record.pk, other.key, other_id)


def _back(request: AccountRequest, kind: Kind, record_id: int, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect(f"{kind.url('', record_id)}#others")

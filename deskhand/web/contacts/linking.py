"""Linking a contact or a company to what `linked.kinds` names, and parting them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records import associations, labeling
from deskhand.kernel.errors import NotFound
from deskhand.web.contacts import linked
from deskhand.web.contacts.actions import actor, changeable
from deskhand.web.contacts.lists import named
from deskhand.web.contacts.views import kind_of
from deskhand.web.contacts.words import Kind
from deskhand.web.frame import shell
from deskhand.web.inbox import links
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.records.linking import Urls, link_page


@require_GET
def choose(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """What can be linked: of a `kind`, found by `q`."""
    found = kind_of(request, kind)
    record = changeable(request, found, record_id)
    there = linked.linked_ids(found, record.pk, request.viewer.account_id)
    name = named(record.name or getattr(record, "email", "")).name
    urls = Urls(
        found.url("others", record.pk), found.url("others-linked", record.pk), found.url("", record.pk)
    )
    kinds = linked.kinds(found).values()
    page = link_page(request.viewer, request.GET, kinds, (kind, record.pk), there, name, urls)
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

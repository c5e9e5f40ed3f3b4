"""Reading contacts and companies: lists, records, parts of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from deskhand.accounts import policy
from deskhand.kernel.errors import Forbidden, NotFound
from deskhand.web.contacts import lists
from deskhand.web.contacts.page import RecordPageOf
from deskhand.web.contacts.words import KINDS, Kind
from deskhand.web.frame import shell
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest


def kind_of(request: AccountRequest, kind: str) -> Kind:
    """Raises Forbidden for who may see no record of this kind."""
    if not policy.reaches_any(request.viewer, kind):
        raise Forbidden(_("You don't have permission to do this."))
    return KINDS[kind]


def show(
    request: AccountRequest, template: str, page: Any, kind: Kind, *, which: str = "all", status: int = 200, **more: Any
) -> HttpResponse:  # fmt: skip
    """A whole page in the frame. What answers with an error changes nothing."""
    frame = shell(request, area="contacts", view=f"{kind.key}-{which}")
    context = {"shell": frame, "page": page, "kind": kind, **more}
    return render(request, f"contacts/{template}.html", context, status=status)


def part(request: AccountRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, f"contacts/fragments/{template}.html", context, status=status)


@require_GET
def listing(request: AccountRequest, kind: str) -> HttpResponse:
    found = kind_of(request, kind)
    page = lists.list_page(request, found)
    if wants_fragment(request):
        template = "more_rows" if request.GET.get("after") else "rows"
        return part(request, template, {"page": page, "kind": found})
    return show(request, "list", page, found, which=page.which)


@require_GET
def record(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """What became part of another record leads to that one (R-MERGE-6)."""
    found = kind_of(request, kind)
    asked = request.GET
    page = RecordPageOf(request, found, record_id, opened=asked.get("open", ""), after=asked.get("after", ""))
    if page.record.pk != record_id:
        return redirect(found.url("", page.record.pk))
    return show(request, "record", page.build(), found)


@require_GET
def timeline(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """More of what happened; without JavaScript as a page of its own."""
    found = kind_of(request, kind)
    page = RecordPageOf(request, found, record_id, after=request.GET.get("after", ""))
    if not wants_fragment(request):
        return show(request, "record", page.build(), found)
    return part(request, "timeline", {"timeline": page.timeline()})


@require_GET
def property_line(request: AccountRequest, kind: str, record_id: int) -> HttpResponse:
    """One line of facts, open for a change when asked to be."""
    found = kind_of(request, kind)
    name = request.GET.get("name", "")
    opened = name if "open" in request.GET else ""
    page = RecordPageOf(request, found, record_id, opened=opened, has_timeline=False)
    if name not in page.known:
        raise NotFound(_("There is no such property."))
    if not wants_fragment(request):
        return redirect(page.url + (f"?open={opened}" if opened else ""))
    return part(request, "property", {"property": page.line(page.known[name])})

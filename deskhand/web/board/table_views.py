"""The table of a pipeline: its pages, its columns, and cells that are changed in place."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk import preferences
from deskhand.desk import table as tables
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.web.board.cells import Cells, label_of
from deskhand.web.board.page import pipeline_of
from deskhand.web.board.tables import TableOf
from deskhand.web.board.views import AREA
from deskhand.web.entering import Way
from deskhand.web.filters import timed
from deskhand.web.frame import framed, shell
from deskhand.web.inbox import property_values
from deskhand.web.inbox.panel_views import set_property, why
from deskhand.web.inbox.property_values import Typed
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest


@require_GET
def table(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of = TableOf(request, pipeline_of(pipeline_id))
    answer, refusal = of.filters.answer(request)
    return answer or _page(request, of, refusal=refusal)


def _page(
    request: AccountRequest, of: TableOf, after: str = "", refusal: Invalid | None = None
) -> HttpResponse:
    return framed(
        request, AREA, "board/table.html", {"page": of.table(after, refusal)}, 422 if refusal else 200
    )


@require_GET
def more(request: AccountRequest, pipeline_id: int, after: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of = TableOf(request, pipeline_of(pipeline_id))
    if not wants_fragment(request):
        return _page(request, of, after)
    return render(request, "board/fragments/rows.html", {"page": of.table(after)})


@require_POST
def set_columns(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """`cols` are kept for this pipeline, and the address goes on without them; those of a view go on in the address."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    pipeline = pipeline_of(pipeline_id)
    chosen = tables.chosen_columns(timed.columns(request))
    kept = [(name, value) for name in ("view", "f", "sort") for value in request.POST.getlist(name) if value]
    if request.POST.get("view"):
        kept += [("cols", name) for name in chosen]
    else:
        preferences.set_columns(request.viewer, f"pipeline-{pipeline.id}", chosen)
    return redirect(reverse("table", args=[pipeline.id]) + (f"?{urlencode(kept)}" if kept else ""))


# ── cells ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cells(request: AccountRequest) -> Cells:
    given = request.POST if request.method == "POST" else request.GET
    return Cells(request, tables.chosen_columns(given.getlist("cols")))


@require_GET
def row(request: AccountRequest, ticket_id: int) -> HttpResponse:
    """A row as it stands."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = tables.row(request.viewer, ticket_id)
    if not wants_fragment(request):
        return redirect("table", found.ticket.pipeline_id)
    return _row(request, found)


def _row(
    request: AccountRequest,
    found: tables.Row,
    editing: str = "",
    typed: Typed | None = None,
    status: int = 200,
) -> HttpResponse:
    built = _cells(request).row(found, editing, typed)
    return render(request, "board/fragments/row.html", {"row": built}, status=status)


def _editable(request: AccountRequest, ticket_id: int, name: str) -> tuple[tables.Row, Property]:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    found = tables.row(request.viewer, ticket_id)
    if not found.may_edit:
        raise Forbidden(_("You may not change this ticket."))
    prop = properties_of("ticket").get(name)
    if prop is None or not property_values.is_editable(prop):
        raise NotFound(_("This property can't be set here."))
    return found, prop


@require_GET
def edit(request: AccountRequest, ticket_id: int, name: str) -> HttpResponse:
    found, prop = _editable(request, ticket_id, name)
    return _row(request, found, name) if wants_fragment(request) else _cell_page(request, found, prop)


def _cell_page(
    request: AccountRequest, found: tables.Row, prop: Property, typed: Typed | None = None, status: int = 200
) -> HttpResponse:
    """Without scripts: one cell on a page of its own."""
    cell = next(c for c in Cells(request, (prop.name,)).row(found, prop.name, typed).cells)
    context = {
        "cell": cell, "label": label_of(prop.name), "subject": found.ticket.subject, "shell": shell(request, area=AREA),
        "back_url": reverse("table", args=[found.ticket.pipeline_id]),
    }  # fmt: skip
    return render(request, "board/cell.html", context, status=status)


@require_POST
def save(request: AccountRequest, ticket_id: int, name: str) -> HttpResponse:
    """What was refused is given back with the reason beside it (422)."""
    found, prop = _editable(request, ticket_id, name)
    back = reverse("table", args=[found.ticket.pipeline_id])
    way = Way(request.get_full_path(), back, AREA, f"#ticket-{ticket_id}", "outerHTML")
    try:
        done = set_property(request, found.ticket, prop, way, by=Actor.user(request.user.pk), at=clock.now())
    except Invalid as refusal:
        typed = Typed(request.POST.getlist("value"), why(request, refusal))
        if wants_fragment(request):
            return _row(request, found, name, typed, 422)
        return _cell_page(request, found, prop, typed, 422)
    if isinstance(done, HttpResponse):
        return done
    if not wants_fragment(request):
        return redirect("table", found.ticket.pipeline_id)
    try:
        return _row(request, tables.row(request.viewer, ticket_id))
    except NotFound:  # who gives a ticket away may lose sight of it
        return HttpResponse("")

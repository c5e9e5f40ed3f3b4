"""Reading deals, projects and own kinds of records: boards, tables, records, parts of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.crm.records.selecting import CAP, count
from deskhand.desk import preferences
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.web.board.page import keep_collapsed, shown_of, stage_of
from deskhand.web.filters import timed
from deskhand.web.frame import framed
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.objects.tabs import Sort
from deskhand.web.records.boards import BoardOf, ScreenOf
from deskhand.web.records.columns import chosen_columns, preference
from deskhand.web.records.kinds import area, kind_of, url
from deskhand.web.records.page import RecordPageOf
from deskhand.web.records.tables import TableOf
from deskhand.web.shell import Toast


def show(request: AccountRequest, kind: Sort, template: str, page: Any, status: int = 200, **more: Any) -> HttpResponse:  # fmt: skip
    """A whole page in the frame."""
    return framed(
        request, area(kind), f"records/{template}.html", {"page": page, "kind": kind, **more}, status
    )


@require_GET
def home(request: AccountRequest, key: str) -> HttpResponse:
    """The board, or the table of records that stand in no pipeline."""
    kind = kind_of(request.viewer, key)
    return redirect("records-board" if kind.has_pipelines else "records-table", key)


# ── the board ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def board(request: AccountRequest, key: str) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    return show_board(request, kind, BoardOf(request, kind))


def show_board(request: AccountRequest, kind: Sort, of: BoardOf, toast: Toast | None = None) -> HttpResponse:  # fmt: skip
    answer, refusal = of.filters.answer(request)
    if answer:
        return answer
    context = {"page": of.page(shown_of(request), refusal), "menu": of.menu(), "toast": toast}
    status = 422 if refusal else 200
    if wants_fragment(request):
        return render(request, "board/fragments/board.html", context, status=status)
    return framed(request, area(kind), "board/board.html", context, status)


@require_POST
def collapse(request: AccountRequest, key: str) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    of = BoardOf(request, kind)
    keep_collapsed(request.viewer, of.own, request.POST)
    return show_board(request, kind, of) if wants_fragment(request) else redirect(of.address("records-board"))


@require_GET
def more_cards(request: AccountRequest, key: str, stage_id: int, after: int) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    of = BoardOf(request, kind)
    column = of.more(stage_of(of.own, stage_id), after, shown_of(request).get(stage_id, 0))
    if wants_fragment(request):
        return render(request, "board/fragments/more.html", {"column": column})
    return framed(request, area(kind), "board/column.html", {"column": column, "page": of.page()})


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def table(request: AccountRequest, key: str) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    of = TableOf(request, kind)
    answer, refusal = of.filters.answer(request)
    if answer:
        return answer
    return framed(request, area(kind), "records/table.html", {"page": of.table(refusal=refusal)}, 422 if refusal else 200)  # fmt: skip


@require_GET
def more_rows(request: AccountRequest, key: str, after: int) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    page = TableOf(request, kind).table(after)
    if wants_fragment(request):
        return render(request, "board/fragments/rows.html", {"page": page})
    return framed(request, area(kind), "records/table.html", {"page": page})


@require_POST
def set_columns(request: AccountRequest, key: str) -> HttpResponse:
    """They are remembered for the viewer."""
    kind = kind_of(request.viewer, key)
    preferences.set_columns(request.viewer, preference(kind), chosen_columns(kind, timed.columns(request)))  # fmt: skip
    kept = [(n, v) for n in ("pipeline", "list", "q", "f", "sort") for v in request.POST.getlist(n) if v]
    return redirect(with_query(url(kind, "records-table"), kept))


def with_query(address: str, asked: list[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(asked)}" if asked else address


@require_GET
def filter_editor(request: AccountRequest, key: str) -> HttpResponse:
    """The form of one filter again, for another way to compare."""
    of = ScreenOf(request, kind_of(request.viewer, key), "records-table")
    return render(request, "filters/editor_fragment.html", {"bar": of.filters.bar()})


@require_GET
def filter_count(request: AccountRequest, key: str) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    of = ScreenOf(request, kind, "records-table")
    context: dict[str, object] = {"cap": CAP, "count": 0, "reason": "", "sort": kind}
    try:
        context["count"] = count(request.viewer, of.select(of.filters.applied()))
    except Invalid as refusal:
        context["reason"] = _(refusal.message)
    return render(request, "filters/count_fragment.html", context)


# ── one record ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def record(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    kind = kind_of(request.viewer, key)
    asked = request.GET
    page = RecordPageOf(request, kind, record_id, opened=asked.get("open", ""), before=whole(asked.get("before", "")), task=whole(asked.get("task", "")))  # fmt: skip
    return show(request, kind, "record", page.build())


@require_GET
def timeline(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """More of what happened; without JavaScript as a page of its own."""
    kind = kind_of(request.viewer, key)
    page = RecordPageOf(request, kind, record_id, before=whole(request.GET.get("before", "")))
    if not wants_fragment(request):
        return show(request, kind, "record", page.build())
    return render(request, "contacts/fragments/timeline.html", {"timeline": page.timeline()})


@require_GET
def property_line(request: AccountRequest, key: str, record_id: int) -> HttpResponse:
    """One line of facts, open for a change when asked to be."""
    kind = kind_of(request.viewer, key)
    name = request.GET.get("name", "")
    opened = name if "open" in request.GET else ""
    page = RecordPageOf(request, kind, record_id, opened=opened)
    if name not in page.known:
        raise NotFound(_("There is no such property."))
    if not wants_fragment(request):
        return redirect(page.url() + (f"?open={opened}" if opened else ""))
    return render(request, "contacts/fragments/property.html", {"property": page.line(page.known[name])})

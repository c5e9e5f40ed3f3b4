"""Custom views: saved from a board or a table, listed, renamed, shared, put in order, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts import queries as accounts
from deskhand.accounts.policy import Action
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk import custom_views, preferences
from deskhand.desk import table as tables
from deskhand.desk.custom_views import SavedView, What, Wish
from deskhand.desk.models import Sharing
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import whole
from deskhand.web import gone
from deskhand.web.board.page import address_of, pipeline_of
from deskhand.web.board.views import AREA
from deskhand.web.choices import Choice, offered
from deskhand.web.filters import editing
from deskhand.web.filters.words import Words
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

WORDS = {Sharing.PRIVATE: gettext_lazy("Only me"), Sharing.EVERYONE: gettext_lazy("Everyone")}


@dataclass(frozen=True)
class Line:
    id: int
    name: str
    shared: str
    url: str
    table_url: str
    edit_url: str
    move_url: str
    is_usable: bool
    gone: str


@dataclass(frozen=True)
class FormPage:
    title: str
    url: str
    back_url: str
    name: str
    sharing: tuple[Choice, ...]
    hidden: tuple[tuple[str, str], ...] = ()
    delete_url: str = ""
    error: str = ""
    error_field: str = ""


def _shared(request: AccountRequest, chosen: str) -> tuple[Choice, ...]:
    teams = [(f"TEAM:{team.id}", team.name) for team in accounts.teams(request.viewer.account_id)]
    pairs = [(Sharing.PRIVATE.value, str(WORDS[Sharing.PRIVATE])), *teams, (Sharing.EVERYONE.value, str(WORDS[Sharing.EVERYONE]))]  # fmt: skip
    return offered(pairs, chosen)


def _chosen(one: SavedView) -> str:
    return f"TEAM:{one.team_id}" if one.sharing == Sharing.TEAM else one.sharing.value


def _wish(request: AccountRequest) -> Wish:
    sharing, _colon, team = request.POST.get("sharing", "").partition(":")
    return Wish(request.POST.get("name", ""), sharing, whole(team))


def _require(request: AccountRequest) -> None:
    policy.require(request.viewer, Action.EDIT_CUSTOM_VIEWS)


@require_GET
def listed(request: AccountRequest) -> HttpResponse:
    _require(request)
    usable, words = custom_views.usable(request.viewer), Words(request.viewer)
    labels = {choice.value: choice.label for choice in _shared(request, "")}
    lines = [
        Line(
            one.id, one.name, labels.get(_chosen(one), ""), reverse("inbox-view", args=[one.key]), reverse("view-table", args=[one.id]) if _opens(words, one) else "",
            reverse("view-edit", args=[one.id]) if custom_views.may_change(request.viewer, one) else "",
            reverse("view-move", args=[one.id]), one in usable, gone.said(one),
        )
        for one in custom_views.of(request.viewer)
    ]  # fmt: skip
    return framed(request, AREA, "board/views.html", {"lines": lines})


def _opens(words: Words, one: SavedView) -> bool:
    """Whether a table shows it: also what asks for something deleted, which can be taken out there."""
    try:
        words.require(item for group in editing.groups_of(one.selection.condition) for item in group)
    except Invalid:
        return False
    return True


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    _require(request)
    return _form(request, _new_page(request, "", Sharing.PRIVATE.value))


def _new_page(request: AccountRequest, name: str, sharing: str, refusal: Invalid | None = None) -> FormPage:
    given = request.POST if request.method == "POST" else request.GET
    pipeline = pipeline_of(_number(given.get("pipeline", "")))
    kept = [(key, value) for key in ("f", "sort", "cols") for value in given.getlist(key) if value]
    editing.read(given.get("f", ""))
    back = reverse("table", args=[pipeline.id]) + (f"?{urlencode(kept)}" if kept else "")
    hidden = (("pipeline", str(pipeline.id)), *kept)
    return _with(
        FormPage(_("Save as view"), reverse("view-create"), back, name, _shared(request, sharing), hidden),
        refusal,
    )  # fmt: skip


def _number(text: str) -> int:
    number = whole(text)
    return pipelines_of("ticket").default.id if number is None else number


def _with(page: FormPage, refusal: Invalid | None) -> FormPage:
    if refusal is None:
        return page
    error = words_of(refusal)
    return FormPage(**(vars(page) | {"error": error, "error_field": refusal.field}))


def _form(request: AccountRequest, page: FormPage, status: int = 200) -> HttpResponse:
    return framed(request, AREA, "board/view_form.html", {"page": page}, status)


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    """Lands on the view in the inbox."""
    _require(request)
    wish, what = _wish(request), _what(request)
    try:
        view_id = custom_views.create(request.viewer, wish, what)
    except Invalid as refusal:
        return _form(request, _new_page(request, wish.name, request.POST.get("sharing", ""), refusal), 422)
    return redirect("inbox-view", f"custom-{view_id}")


def _what(request: AccountRequest) -> What:
    """As the page shows it. Raises Invalid and NotFound."""
    form = request.POST
    pipeline = pipeline_of(_number(form.get("pipeline", "")))
    kept = preferences.of(request.viewer).columns.get(f"pipeline-{pipeline.id}", [])
    columns = tables.chosen_columns(form.getlist("cols")) if "cols" in form else kept
    sort = str(tables.sort_of(form.get("sort") or tables.DEFAULT_SORT))
    return What(pipeline.id, editing.condition(editing.read(form.get("f", ""))), tuple(columns), sort)


@require_POST
def keep(request: AccountRequest, view_id: int) -> HttpResponse:
    """Let the view show what the page shows, and go back to it."""
    _require(request)
    what, found = _what(request), custom_views.find(request.viewer, view_id)
    screen = "board" if request.POST.get("screen") == "board" else "table"
    try:
        custom_views.show_otherwise(request.viewer, view_id, what)
    except Invalid:  # what a filter asks for is deleted meanwhile: the page says which one, and takes it out
        messages.error(request, _("The view “%(view)s” is not saved.") % {"view": found.name})
        return redirect(_as_sent(request, what, view_id, screen))
    messages.success(request, _("The view “%(view)s” is saved.") % {"view": found.name})
    return redirect(address_of(custom_views.find(request.viewer, view_id), screen))


def _as_sent(request: AccountRequest, what: What, view_id: int, screen: str) -> str:
    sent = [(name, value) for name in ("f", "sort", "cols") for value in request.POST.getlist(name) if value]
    return f"{reverse(screen, args=[what.pipeline_id])}?{urlencode([('view', str(view_id)), *sent])}"


@require_GET
def edit(request: AccountRequest, view_id: int) -> HttpResponse:
    _require(request)
    found = custom_views.find(request.viewer, view_id)
    return _form(request, _edit_page(request, found, found.name, _chosen(found)))


def _edit_page(
    request: AccountRequest, found: SavedView, name: str, sharing: str, refusal: Invalid | None = None
) -> FormPage:
    may = custom_views.may_change(request.viewer, found)
    page = FormPage(
        found.name, reverse("view-save", args=[found.id]), reverse("views"), name, _shared(request, sharing),
        delete_url=reverse("view-delete", args=[found.id]) if may else "",
    )  # fmt: skip
    return _with(page, refusal)


@require_POST
def save(request: AccountRequest, view_id: int) -> HttpResponse:
    _require(request)
    found, wish = custom_views.find(request.viewer, view_id), _wish(request)
    try:
        custom_views.change(request.viewer, view_id, wish)
    except Invalid as refusal:
        page = _edit_page(request, found, wish.name, request.POST.get("sharing", ""), refusal)
        return _form(request, page, 422)
    return redirect("views")


@require_POST
def move(request: AccountRequest, view_id: int) -> HttpResponse:
    """`step` is -1 or 1."""
    _require(request)
    custom_views.move(request.viewer, view_id, -1 if request.POST.get("step") == "-1" else 1)
    return redirect("views")


@require_POST
def delete(request: AccountRequest, view_id: int) -> HttpResponse:
    _require(request)
    name = custom_views.find(request.viewer, view_id).name
    custom_views.delete(request.viewer, view_id)
    messages.info(request, _("The view “%(view)s” is deleted.") % {"view": name})
    return redirect("views")


@require_GET
def table(request: AccountRequest, view_id: int) -> HttpResponse:
    """The view as a table, with its own columns and order."""
    _require(request)
    return redirect(address_of(custom_views.find(request.viewer, view_id)))

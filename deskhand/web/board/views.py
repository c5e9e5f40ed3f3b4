"""The board of a pipeline, and moving what is on it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.desk import board as boards
from deskhand.desk import new_tickets
from deskhand.desk.selection import CAP, Selection, count
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.web import moving
from deskhand.web.asked import number
from deskhand.web.board import creating
from deskhand.web.board.page import BoardOf, keep_collapsed, pipeline_of, shown_of, stage_of
from deskhand.web.entering import Entering, Way
from deskhand.web.frame import framed, shell
from deskhand.web.jinja import go_to, render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast

AREA = "tickets"


@require_GET
def home(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return redirect("board", pipelines_of("ticket").default.id)


@require_GET
def board(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return _board(request, BoardOf(request, pipeline_of(pipeline_id)))


def _board(request: AccountRequest, of: BoardOf, toast: Toast | None = None) -> HttpResponse:
    answer, refusal = of.filters.answer(request)
    if answer:
        return answer
    context = {"page": of.page(shown_of(request), refusal), "menu": of.menu(), "toast": toast}
    status = 422 if refusal else 200
    if wants_fragment(request):
        return render(request, "board/fragments/board.html", context, status=status)
    return render(request, "board/board.html", context | {"shell": shell(request, area=AREA)}, status=status)


@require_POST
def collapse(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    pipeline = pipeline_of(pipeline_id)
    keep_collapsed(request.viewer, pipeline, request.POST)
    of = BoardOf(request, pipeline)
    if wants_fragment(request):
        return _board(request, of)
    return redirect(reverse("board", args=[pipeline_id]) + of.query)


@require_GET
def filter_editor(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """The form of one filter again, for another way to compare."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of = BoardOf(request, pipeline_of(pipeline_id))
    return render(request, "filters/editor_fragment.html", {"bar": of.filters.bar()})


@require_GET
def filter_count(request: AccountRequest, pipeline_id: int) -> HttpResponse:
    """How many tickets the filters find with what stands in the form."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of = BoardOf(request, pipeline_of(pipeline_id))
    context: dict[str, object] = {"cap": CAP, "count": 0, "reason": ""}
    try:
        context["count"] = count(request.viewer, of.select(of.filters.applied()))
    except Invalid as refusal:
        context["reason"] = _(refusal.message)
    return render(request, "filters/count_fragment.html", context)


@require_GET
def more(request: AccountRequest, pipeline_id: int, stage_id: int, after: str) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of = BoardOf(request, pipeline_of(pipeline_id))
    column = of.more(stage_of(of.pipeline, stage_id), after, shown_of(request).get(stage_id, 0))
    if wants_fragment(request):
        return render(request, "board/fragments/more.html", {"column": column})
    return framed(request, AREA, "board/column.html", {"column": column, "page": of.page()})


@require_GET
def ask_move(request: AccountRequest, ticket_id: int) -> HttpResponse:
    """Without scripts: the statuses that one ticket may go to."""
    of, card, _ticket = _card(request, ticket_id)
    return framed(request, AREA, "board/move.html", {"page": of.move_page(card)})


def _card(request: AccountRequest, ticket_id: int) -> tuple[BoardOf, boards.Card, Ticket]:
    """A card that may be moved. Raises NotFound when the viewer may not see it, Forbidden when it is not theirs to move."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    reach = policy.visible(request.viewer, "ticket")
    found = Ticket.objects.filter(reach.q(), account_id=request.viewer.account_id, pk=ticket_id).first()
    if found is None:
        raise NotFound(_("There is no ticket %(ticket_id)s.") % {"ticket_id": ticket_id})
    if not policy.visible(request.viewer, "ticket", Verb.EDIT).reaches(found):
        raise Forbidden(_("You may not change this ticket."))
    of = BoardOf(request, pipeline_of(found.pipeline_id))
    everything = Selection(of.selection.zone, found.pipeline_id)
    card = boards.card(request.viewer, everything, ticket_id)
    if card is None:
        raise NotFound(_("This ticket is not on the board."))
    return of, card, found


@require_POST
def move(request: AccountRequest, ticket_id: int) -> HttpResponse:
    """`status` is where to, `from` where it was seen; `part` says what a script wants back: a toast, or the board.

    With `at` the viewer's move of that moment is taken back.
    """
    of, _found, ticket = _card(request, ticket_id)
    back = reverse("board", args=[of.pipeline.id]) + of.query
    if "at" in request.POST:
        moving.take_back(request.viewer, "ticket", ticket_id, request.POST["at"])
        return _board(request, of) if wants_fragment(request) else redirect(back)
    to, seen_in = number(request.POST.get("status", ""), "status"), request.POST.get("from")
    stage = pipelines_of("ticket").stage(to)
    at, by, since = clock.now(), Actor.user(request.user.pk), number(seen_in, "from") if seen_in else None
    way = Way(request.get_full_path(), back, AREA, "#board", include="#board [name=shown]")
    done = Entering(request, "ticket", [(ticket, stage)], way).enter(
        lambda given: tickets.move(ticket_id, to=to, seen_in=since, properties=given, by=by, at=at)
    )
    if isinstance(done, HttpResponse):
        return done
    if not wants_fragment(request):
        return redirect(back)
    toast = Toast(
        _("Moved to %(status)s") % {"status": _(stage.label)},
        undo_url=reverse("card-moved", args=[ticket_id]) + of.query,
        undo_fields=(("at", at.isoformat()),),
    )
    if request.POST.get("part") == "toast":
        return render(request, "board/fragments/moved.html", {"toast": toast})
    return _board(request, of, toast if "asked" in request.POST else None)


# ── new tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    _require_creating(request)
    return _form(request, creating.page(request, creating.typed_in(request)))


def _require_creating(request: AccountRequest) -> None:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    if not new_tickets.may_create(request.viewer):
        raise Forbidden(_("You may not create tickets."))


def _form(request: AccountRequest, page: creating.CreatePage, status: int = 200) -> HttpResponse:
    context = {"page": page}
    if wants_fragment(request):
        return render(request, "board/fragments/create.html", context, status=status)
    return render(request, "board/create.html", context | {"shell": shell(request, area=AREA)}, status=status)


@require_POST
def create(request: AccountRequest) -> HttpResponse:
    """Lands on the ticket; who may not see it, because it is somebody else's then, on its board.

    With `redraw` nothing is made: another status asks for other things.
    """
    _require_creating(request)
    typed = creating.typed_in(request)
    if request.POST.get("redraw") == "status":
        return _form(request, creating.page(request, typed, is_drawn_again=True))
    try:
        asked = creating.asked(request, typed)
        made = new_tickets.create(asked, request.viewer)
    except Invalid as refusal:
        return _form(request, creating.page(request, typed, refusal), 422)
    url = reverse("inbox-ticket", args=["all-open", made.id])
    teams = [asked.team_id] if asked.team_id else []
    if not policy.visible(request.viewer, "ticket").allows(asked.owner_id, teams):
        messages.info(
            request, _("Ticket #%(number)s is created. You may not see it.") % {"number": made.number}
        )
        url = creating.back_url(typed["status"])
    return go_to(request, url)

"""Handing tickets over: those that are ticked in a list, or all open ones of somebody who goes away (R-ROUTE-54)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts import queries as people
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records.models import Ticket
from deskhand.desk import handover
from deskhand.desk import views as desk_views
from deskhand.desk.bulk import Done
from deskhand.desk.handover import Receivers
from deskhand.kernel import clock
from deskhand.kernel.errors import Forbidden, Invalid, NotFound
from deskhand.kernel.text import storable, whole
from deskhand.routing import availability
from deskhand.routing import queries as routing
from deskhand.web import moving, ticked
from deskhand.web.asked import number, numbers
from deskhand.web.choices import Choice, joined, offered
from deskhand.web.frame import UNDO, shell
from deskhand.web.inbox import words
from deskhand.web.inbox.merge import Candidate
from deskhand.web.jinja import go_to, render
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import listed, words_of
from deskhand.web.shell import Person

HANDED = "handed_over"  # in the session: what was handed over last, to be taken back
#: Tickets with a box of their own; the others have one together, for a form holds no thousand fields.
SHOWN = 200


@dataclass(frozen=True)
class Colleague:
    id: int
    person: Person
    load_text: str
    chosen: bool


@dataclass(frozen=True)
class Offer:
    """Tickets with what to do with them. `owner` is named when they are all of one person who is not looking."""

    title: str
    tickets: tuple[Candidate, ...]
    rest: tuple[int, ...]  # those that are not shown one by one
    most: str  # what says that there are more than go at once
    chosen: frozenset[int]
    colleagues: tuple[Colleague, ...]
    teams: tuple[Choice, ...]
    note: str
    of: int | None
    view: str
    shown_at: str
    back_url: str
    error: str = ""
    error_field: str = ""


def lead_to(request: AccountRequest, view: str, ids: Sequence[int]) -> HttpResponse:
    """To the page that asks, with what was ticked in a list."""
    ticked.keep(request, ticked.TO_HAND_OVER, ids)
    return go_to(request, f"{reverse('hand-over')}?{urlencode({'view': view})}")


@require_GET
def ask(request: AccountRequest) -> HttpResponse:
    """All open tickets `of` somebody, or those that were ticked in a list last."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    return _page(request, request.GET)


def _page(request: AccountRequest, given: QueryDict, refusal: Invalid | None = None) -> HttpResponse:
    of, view, shown_at = _of(request, given), _view(request, given), clock.now()
    if of:
        ids = handover.open_tickets(request.viewer, of)
    else:
        ids = numbers(given.getlist("all"), "ids") if refusal else ticked.kept(request, ticked.TO_HAND_OVER)
    found = _open(request, ids[: handover.MOST])
    chosen = frozenset(numbers(given.getlist("ids"), "ids") if refusal else found)
    if refusal:  # whoever wrote meanwhile: those that share a box are all ticked, or none of them is
        on, off = [pk for pk in found if pk in chosen], [pk for pk in found if pk not in chosen]
        found = off + on if len(off) <= SHOWN else on + off
    shown, rest = tuple(_candidates(request, found[:SHOWN])), tuple(found[SHOWN:])
    page = Offer(
        title=_title(request, of), tickets=shown, rest=rest, most=_too_many(ids), chosen=chosen,
        colleagues=_colleagues(request, given, of),
        teams=offered([(str(team.id), team.name) for team in people.teams(request.viewer.account_id)], given.get("team", "")),
        note=given.get("note", "")[: handover.NOTE], of=of, view=view,
        shown_at=shown_at.isoformat(), back_url=_back_url(request, of, view),
        error=words_of(refusal) if refusal else "", error_field=refusal.field if refusal else "",
    )  # fmt: skip
    context = {"page": page, "shell": shell(request)}
    return render(request, "inbox/handover.html", context, status=422 if refusal else 200)


def _too_many(ids: Sequence[int]) -> str:
    if len(ids) <= handover.MOST:
        return ""
    return _("These are the %(count)s that can be handed over at once. More are open.") % {
        "count": handover.MOST
    }


def _of(request: AccountRequest, given: QueryDict) -> int | None:
    """Whose tickets: one's own, or a colleague's for who may set their status. Raises Forbidden, NotFound."""
    if not given.get("of"):
        return None
    user_id = number(str(given["of"]), "of")
    if not availability.may_set_status(request.viewer, user_id):
        raise Forbidden(_("You don't have permission to do this."))
    if people.find_member(request.viewer.account_id, user_id) is None:
        raise NotFound(_("There is no such colleague."))
    return user_id


def _view(request: AccountRequest, given: QueryDict) -> str:
    """The list that the tickets were ticked in. Raises NotFound."""
    key = given.get("view", "")
    return desk_views.view_of(request.viewer, key).key if key else ""


def _back_url(request: AccountRequest, of: int | None, view: str) -> str:
    if of and of == request.viewer.user_id:
        return reverse("availability-mine")
    if of:
        return reverse("availability-person", args=[of])
    return reverse("inbox-view", args=[view or desk_views.DEFAULT])


def _title(request: AccountRequest, of: int | None) -> str:
    if of and of != request.viewer.user_id:
        return _("Hand over the tickets of %(name)s") % {"name": people.names_of([of]).get(of, "")}
    return _("Hand over tickets")


def _open(request: AccountRequest, ids: Sequence[int]) -> list[int]:
    """Those that are open and that the viewer may give to others, who wrote last first."""
    reach = policy.visible(request.viewer, "ticket", Verb.EDIT).q()
    found = Ticket.objects.filter(
        reach, account_id=request.viewer.account_id, archived_at=None, is_closed=False, pk__in=ids
    )
    return list(found.order_by("-sort_at", "-id").values_list("pk", flat=True))


def _candidates(request: AccountRequest, ids: Sequence[int]) -> list[Candidate]:
    found = Ticket.objects.filter(account_id=request.viewer.account_id, pk__in=ids)
    return [
        Candidate(
            one.pk, f"#{one.number}", one.subject, (one.contact.name or one.contact.email) if one.contact else "",
            one.preview, one.sort_at, words.status(pipelines_of("ticket").stage(one.stage_id)),
        )
        for one in found.select_related("contact").order_by("-sort_at", "-id")
    ]  # fmt: skip


def _colleagues(request: AccountRequest, given: QueryDict, of: int | None) -> tuple[Colleague, ...]:
    """Who may own tickets, who is there first; not who hands them over."""
    leaving = of or request.viewer.user_id
    agents = [one for one in routing.agents_with_state(request.viewer.account_id) if one.user_id != leaving]
    return tuple(
        Colleague(
            one.user_id, Person.named(one.name, available=one.is_available),
            _("%(count)s open") % {"count": one.open_tickets}, str(one.user_id) in given.getlist("to"),
        )
        for one in sorted(agents, key=lambda one: not one.is_available)
    )  # fmt: skip


# ── doing it ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def hand_over(request: AccountRequest) -> HttpResponse:
    """Every ticket with its comment, or none of them."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    of, view, at = _of(request, request.POST), _view(request, request.POST), clock.now()
    try:
        ids = ticked.ids_of(request.POST)
        if not ids:
            raise Invalid(_("Select a ticket first."), field="ids", value="")
        if of:  # what they have given away since stays where it is
            own = Ticket.objects.filter(account_id=request.viewer.account_id, owner_id=of, pk__in=ids)
            theirs = set(own.values_list("pk", flat=True))
            ids = [pk for pk in ids if pk in theirs]
        to, note = _receivers(request), storable(request.POST.get("note", "")).replace("\r\n", "\n")
        with transaction.atomic():
            done, counts = handover.hand_over(
                request.viewer, ids, to, note, at=at, shown_at=_shown_at(request)
            )
    except Invalid as refusal:
        return _page(request, request.POST, refusal)
    back_url = _back_url(request, of, view)
    if done.changed:  # a second click leaves the way back to the first
        request.session[HANDED] = {"at": at.isoformat(), "ids": list(done.changed), "back": back_url}
        if not of:  # nobody offers them again, now that they are others'
            ticked.forget(request, ticked.TO_HAND_OVER, ids)
    _tell(request, done, counts, to)
    return redirect(back_url)


def _shown_at(request: AccountRequest) -> datetime | None:
    """When the page that is sent was shown, None for what is no moment."""
    try:
        found = datetime.fromisoformat(request.POST.get("shown", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _receivers(request: AccountRequest) -> Receivers:
    """Raises Invalid for who may not own tickets, and for what is no team's number."""
    chosen = list(dict.fromkeys(numbers(request.POST.getlist("to"), "to")))
    team = whole(request.POST.get("team", ""))
    if chosen and request.POST.get("team"):
        raise Invalid(_("Choose colleagues or a team, not both."), field="to", value="")
    if request.POST.get("team") and team is None:
        raise Invalid(_("There is no such team."), field="to", value=request.POST["team"][:40])
    owners = (
        {one.user_id for one in routing.agents_with_state(request.viewer.account_id)} if chosen else set()
    )
    if unfit := [user_id for user_id in chosen if user_id not in owners]:
        raise Invalid(_("This person may not see tickets."), field="to", value=unfit[0])
    return Receivers(tuple(chosen), team)


def _tell(request: AccountRequest, done: Done, counts: dict[int, int], to: Receivers) -> None:
    if done.changed:
        text = ngettext(
            "%(num)s ticket handed over: %(to)s", "%(num)s tickets handed over: %(to)s", len(done.changed)
        ) % {"num": len(done.changed), "to": _named(request, counts, to)}
        messages.info(request, text, extra_tags=UNDO + reverse("hand-over-undo"))
    else:
        messages.info(request, _("Nothing changed"))
    if done.refused:
        count = len(done.refused)
        head = ngettext("%(num)s ticket was not changed.", "%(num)s tickets were not changed.", count)
        lines = [f"#{one.number} {one.subject}: {one.why}" for one in done.refused]
        messages.error(request, listed(head % {"num": count}, lines))


def _named(request: AccountRequest, counts: dict[int, int], to: Receivers) -> str:
    """The team; or each colleague, with the number where there are several."""
    if to.team_id:
        return next(one.name for one in people.teams(request.viewer.account_id) if one.id == to.team_id)
    names = people.names_of(counts)
    return joined(f"{names[pk]} ({count})" if len(counts) > 1 else names[pk] for pk, count in counts.items())


@require_POST
def undo(request: AccountRequest) -> HttpResponse:
    """Give back what the viewer has just handed over; the comments stay, for it was done."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    handed = request.session.pop(HANDED, None) or {"at": "", "ids": [], "back": reverse("inbox")}
    reach = policy.visible(request.viewer, "ticket", Verb.EDIT).q()
    ours = Ticket.objects.filter(reach, account_id=request.viewer.account_id, pk__in=handed["ids"])
    ids = list(ours.values_list("pk", flat=True))
    back = moving.taken_back(request.viewer, "ticket", ids, handed["at"]) if ids else []
    text = _("Taken back") if back else _("This has changed since and could not be taken back.")
    messages.info(request, text)
    return go_to(request, handed["back"])

"""The panel beside a ticket: its properties edited in place, pinned, and all of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
from deskhand.crm.records.store import Applied
from deskhand.crm.records.unique import NotUnique
from deskhand.crm.schema.layouts import SECTIONS_LIMIT
from deskhand.crm.schema.queries import properties_of
from deskhand.crm.schema.types import Property
from deskhand.desk import preferences
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.web.asked import number
from deskhand.web.contacts.values import chosen_teams
from deskhand.web.entering import Entering, Way
from deskhand.web.holders import words_for
from deskhand.web.inbox import common, property_values
from deskhand.web.inbox import page as pages
from deskhand.web.inbox.panel import LAYOUT, Editing, Wish
from deskhand.web.inbox.property_values import OWNER, PIPELINE, STATUS, TEAMS, Typed
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest

SECTIONS = {
    "tasks", "links", "merged", "followers", "pinned", "ticket", "rest", "why", "others", "history", "contact", "times",
    *(f"{LAYOUT}{number}" for number in range(SECTIONS_LIMIT)),
}  # fmt: skip


@require_GET
def properties(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """Every property of the ticket."""
    return with_panel(request, view, ticket_id, Wish(is_all=True))


@require_GET
def history(request: AccountRequest, view: str, ticket_id: int, before: int | None = None) -> HttpResponse:
    """Every change of the ticket with what did it, a page at a time."""
    return with_panel(request, view, ticket_id, Wish(is_history=True, before=before))


@require_GET
def edit(request: AccountRequest, view: str, ticket_id: int, name: str) -> HttpResponse:
    common.changeable(request, view, ticket_id, Verb.EDIT)
    _settable(name)
    return _line(request, view, ticket_id, Editing(name))


@require_GET
def shown(request: AccountRequest, view: str, ticket_id: int, name: str) -> HttpResponse:
    """The value as it stands, when its editor is left."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    common.see(request, view, ticket_id)
    _property(name)
    if not wants_fragment(request):
        return redirect("inbox-ticket", view, ticket_id)
    return _line(request, view, ticket_id, None, name)


def _line(
    request: AccountRequest, view: str, ticket_id: int, editing: Editing | None, name: str = ""
) -> HttpResponse:
    """One line of the panel for htmx; else the whole page with it."""
    wish = Wish(editing=editing)
    if not wants_fragment(request):
        return with_panel(request, view, ticket_id, wish)
    panel = pages.TicketPageOf(request, view, ticket_id, wish).panel_of
    context = {"line": panel.line(editing.name if editing else name)}
    return render(request, "inbox/fragments/property.html", context)


def with_panel(
    request: AccountRequest, view: str, ticket_id: int, wish: Wish, status: int = 200
) -> HttpResponse:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    built = pages.ticket_page(request, view, ticket_id, wish=wish)
    if wants_fragment(request):
        return render(request, "inbox/fragments/panel.html", {"ticket": built})
    return common.page(request, view, common.with_list(request, view, built), status)


def _property(name: str) -> Property:
    found = properties_of("ticket").get(name)
    if found is None:
        raise NotFound(_("There is no such property."))
    return found


def _settable(name: str) -> Property:
    prop = _property(name)
    if not property_values.is_editable(prop):
        raise NotFound(_("This property can't be set here."))
    return prop


@require_POST
def save(request: AccountRequest, view: str, ticket_id: int, name: str) -> HttpResponse:
    """Set one property. What was refused is given back with the reason beside it (422)."""
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    prop = _settable(name)
    at, by = clock.now(), Actor.user(request.user.pk)
    way = Way(request.get_full_path(), reverse("inbox-ticket", args=[view, ticket_id]))
    try:
        done = set_property(request, ticket, prop, way, by=by, at=at)
    except Invalid as refusal:
        return _refused(request, view, ticket_id, name, refusal)
    if isinstance(done, HttpResponse):
        return done
    if not common.may_see(request, ticket_id):
        return common.leave(request, view)
    return common.changed(request, view, ticket_id, done, at, template="property_saved", name=name)


def set_property(
    request: AccountRequest, ticket: Ticket, prop: Property, way: Way, *, by: Actor, at: datetime
) -> Applied | HttpResponse:
    """Write what an editor was filled with; or answer with the form of what a status asks for. Raises Invalid."""
    ticket_id, value = ticket.pk, property_values.read(prop, request.POST)
    if prop.name in (PIPELINE, STATUS):  # R-PIPE-11: a status brings its pipeline along
        stage = pipelines_of("ticket").stage(number(str(value), prop.name))
        return Entering(request, "ticket", [(ticket, stage)], way).enter(
            lambda given: tickets.move(ticket_id, to=stage.id, properties=given, by=by, at=at)
        )
    if prop.name == OWNER:
        return tickets.assign(
            ticket_id,
            owner_id=common.agent(request, value, OWNER, ticket.owner_id) if value else None,
            by=by,
            at=at,
        )
    return tickets.update(
        ticket_id,
        {prop.name: _checked(request, prop, value, property_values.value_of(ticket, prop))},
        by=by,
        at=at,
    )


def _checked(request: AccountRequest, prop: Property, value: Any, kept: Any) -> Any:
    """`kept` is what the ticket has: it may stay, though it could be chosen no more."""
    if prop.is_user and value:
        return common.agent(request, value, prop.name, kept)
    return chosen_teams(value, kept or ()) if prop.name == TEAMS else value


def why(request: AccountRequest, refusal: Invalid) -> str:
    """What an editor of a property says beside it."""
    if isinstance(refusal, NotUnique):
        return words_for(request.viewer, refusal)
    return refusal.hint or refusal.message


def _refused(request: AccountRequest, view: str, ticket_id: int, name: str, refusal: Invalid) -> HttpResponse:
    typed = Typed(request.POST.getlist("value"), why(request, refusal))
    wish = Wish(editing=Editing(name, typed))
    if not wants_fragment(request):
        return with_panel(request, view, ticket_id, wish, 422)
    panel = pages.TicketPageOf(request, view, ticket_id, wish).panel_of
    context = {"line": panel.line(name)}
    return render(request, "inbox/fragments/property_refused.html", context, status=422)


@require_POST
def pin(request: AccountRequest, view: str, ticket_id: int, name: str) -> HttpResponse:
    """`pinned` is 1 or 0: keep the property at the top of one's own panel."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    common.see(request, view, ticket_id)
    _property(name)
    preferences.pin(request.viewer, name, request.POST.get("pinned") == "1")
    is_all = request.POST.get("all") == "1"
    if not wants_fragment(request):
        where = "ticket-properties" if is_all else "inbox-ticket"
        return redirect(reverse(where, args=[view, ticket_id]))
    return with_panel(request, view, ticket_id, Wish(is_all=is_all))


@require_POST
def fold(request: AccountRequest) -> HttpResponse:
    """Remember that a section is folded (`folded` 1), or open."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    section = request.POST.get("section", "")
    if section not in SECTIONS:
        raise Invalid(_("There is no such section."), field="section", value=section[:40])
    preferences.fold(request.viewer, section, request.POST.get("folded") == "1")
    return HttpResponse(status=204)

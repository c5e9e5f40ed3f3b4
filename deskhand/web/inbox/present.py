"""Who else is in a ticket: what pages say of themselves, and what they show of others."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Viewer
from deskhand.desk import presence
from deskhand.desk import views as desk_views
from deskhand.desk.presence import State
from deskhand.kernel import clock
from deskhand.web.inbox import rows
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person

SHOWN = 4  # avatars
DOES = {
    State.VIEWING: gettext_lazy("%(name)s is looking at this"),
    State.REPLYING: gettext_lazy("%(name)s is writing a reply"),
    State.COMMENTING: gettext_lazy("%(name)s is writing a comment"),
    State.IDLE: gettext_lazy("%(name)s has this open"),
}
WRITING = (State.REPLYING, State.COMMENTING)


def room(viewer: Viewer, ticket_id: int) -> rows.Room:
    """All but the viewer, in words."""
    found = presence.others(viewer, ticket_id, clock.now())
    writing = [one for one in found if one.state in WRITING]
    more = len(found) - SHOWN
    return rows.Room(
        ticket_id=ticket_id, url=reverse("ticket-room", args=[ticket_id]), say_url=reverse("ticket-presence", args=[ticket_id]),
        people=tuple(
            rows.InRoom(Person.named(one.name), one.state.value, DOES[one.state] % {"name": one.name}) for one in found[:SHOWN]
        ),
        more=f"+{more}" if more > 0 else "",
        writing=tuple(Person.named(one.name) for one in writing[:SHOWN]), writing_text=_writing(writing),
    )  # fmt: skip


def _writing(found: list[presence.Present]) -> str:
    if not found:
        return ""
    if len(found) == 1:
        return DOES[found[0].state] % {"name": found[0].name}
    text = ngettext("%(count)s colleague is writing", "%(count)s colleagues are writing", len(found))
    return text % {"count": len(found)}


def _require_open(request: AccountRequest, ticket_id: int) -> None:
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.row(request.viewer, ticket_id)


@require_POST
def say(request: AccountRequest, ticket_id: int) -> HttpResponse:
    _require_open(request, ticket_id)
    presence.note(request.viewer, ticket_id, request.POST.get("state", ""), clock.now())
    return HttpResponse(status=204)


@require_GET
def others(request: AccountRequest, ticket_id: int) -> HttpResponse:
    _require_open(request, ticket_id)
    found = room(request.viewer, ticket_id)
    return render(request, "inbox/fragments/room.html", {"room": found})

"""Whose a conversation without a ticket is: choosing, and what became of it so far (R-DM-10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import names_of
from deskhand.accounts.types import Verb
from deskhand.desk import conversations
from deskhand.desk import views as desk_views
from deskhand.desk.conversations import ASSIGNED, Owner
from deskhand.desk.models import Thread
from deskhand.events import queries as events
from deskhand.events.types import Actor, ActorKind
from deskhand.kernel.errors import Conflict
from deskhand.routing import queries as routing
from deskhand.web.choices import offered, with_kept
from deskhand.web.frame import shell
from deskhand.web.holding import named
from deskhand.web.inbox import causes, common
from deskhand.web.jinja import render
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Person

LINES = 10


@dataclass(frozen=True)
class Line:
    """One change of hands. `by` is a person, or what did it."""

    at: datetime
    before: str
    after: str
    by: str


@require_GET
def ask(request: AccountRequest, thread_id: int) -> HttpResponse:
    thread = _thread(request, thread_id)
    agents = routing.agents_with_state(request.viewer.account_id)
    owner = str(thread.assignee_id or "")
    names = {str(pk): name for pk, name in names_of([thread.assignee_id or 0]).items()}
    people = {
        "": _("No owner"),
        **with_kept({str(one.user_id): named(one) for one in agents}, [owner], names),
    }
    context = {
        "url": reverse("thread-owner-save", args=[thread_id]), "back_url": reverse("inbox-view", args=[desk_views.CONVERSATIONS]),
        "subject": thread.subject or _("(no subject)"), "lines": _lines(thread), "shell": shell(request, view=desk_views.CONVERSATIONS),
        "choices": offered({f"user:{pk}" if pk else "": name for pk, name in people.items()}, f"user:{owner}" if owner else ""),
    }  # fmt: skip
    return render(request, "inbox/thread_owner.html", context)


@require_POST
def save(request: AccountRequest, thread_id: int) -> HttpResponse:
    """`owner` is user:<id> or empty."""
    thread = _thread(request, thread_id)
    text = request.POST.get("owner", "")
    user_id = common.agent(request, text.removeprefix("user:"), "owner", thread.assignee_id) if text else None
    conversations.assign_many([Owner(thread_id, user_id, Actor.user(request.user.pk))])
    said = _("Assigned to %(name)s") % {"name": names_of([user_id])[user_id]} if user_id else ""
    messages.info(request, said or _("It has no owner now"))
    return redirect("inbox-view", desk_views.CONVERSATIONS)


def _thread(request: AccountRequest, thread_id: int) -> Thread:
    """To be changed. Raises NotFound where the viewer may not see it, Forbidden, and Conflict for one that is a ticket by now."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    ticket_id = conversations.ticket_of(thread_id)
    if ticket_id is not None:
        common.changeable(request, "all-open", ticket_id, Verb.EDIT)
        raise Conflict(_("This conversation is a ticket now: it belongs to the ticket's owner."))
    conversations.require(request.viewer, thread_id, Verb.EDIT)
    return Thread.objects.get(account_id=request.viewer.account_id, pk=thread_id)


def _lines(thread: Thread) -> list[Line]:
    """The last changes of hands, the latest first."""
    found = events.of_record(thread.account_id, "thread", thread.pk, ASSIGNED, limit=LINES)
    names = names_of(pk for one in found for pk in (one.by.id, *one.data["changes"]["assignee_id"]) if pk)
    did = causes.of_events(thread.account_id, [one.id for one in found if one.by.kind is ActorKind.WORKFLOW])
    left = _("Somebody who left")

    def spoken(user_id: int | None) -> str:
        return names.get(user_id, left) if user_id else _("No owner")

    lines = []
    for one in found:
        before, after = one.data["changes"]["assignee_id"]
        lines.append(Line(one.at, spoken(before), spoken(after), did.get(one.id) or spoken(one.by.id)))
    return lines


def people_of(ids: set[int]) -> dict[int, Person]:
    """{user: how lists show them}. One query."""
    return {pk: Person.named(name) for pk, name in names_of(ids).items()}

"""What an agent does to an open ticket from the bar over it. Each change is one verb of an area below."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import Team
from deskhand.accounts.policy import Action
from deskhand.accounts.types import Verb
from deskhand.crm.records import tickets
from deskhand.crm.records.models import Ticket
from deskhand.crm.records.unique import NotUnique
from deskhand.desk import spam
from deskhand.desk import views as desk_views
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web import moving, ticked
from deskhand.web.asked import number
from deskhand.web.holders import words_for
from deskhand.web.inbox import common
from deskhand.web.inbox import page as pages
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.shell import Toast


@require_POST
def set_status(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`then` next: who closes a ticket goes on with the one below it."""
    ticket = common.changeable(request, view, ticket_id, Verb.EDIT)
    to = number(request.POST.get("status", ""), "status")
    beside = _beside(request, view, ticket_id)
    at, by = clock.now(), Actor.user(request.user.pk)
    try:
        entering = common.entering(request, view, ticket, to)
        done = entering.enter(lambda given: tickets.move(ticket_id, to=to, properties=given, by=by, at=at))
    except Invalid as refusal:  # a rule of the pipeline, as a rule
        return common.refused(request, refusal)
    if isinstance(done, HttpResponse):
        return done
    then = request.user.after_close if request.POST.get("then") == "next" else ""
    if then == "list":
        return go_on(request, view, ticket_id, None, common.undo_toast(view, done, at))
    if then == "next" and desk_views.view_of(request.viewer, view).only_open:
        return go_on(request, view, ticket_id, beside, common.undo_toast(view, done, at))
    return common.changed(request, view, ticket_id, done, at)


def _beside(request: AccountRequest, view: str, ticket_id: int) -> int | None:
    """The ticket to go on with: the one below, or the one above the last."""
    row = desk_views.row(request.viewer, ticket_id)
    above, below = desk_views.neighbours(request.viewer, desk_views.view_of(request.viewer, view), row)
    return below or above


def go_on(
    request: AccountRequest,
    view: str,
    closed_id: int,
    beside: int | None,
    toast: Toast | None,
    refusal: Toast | None = None,
) -> HttpResponse:
    """Leave the ticket that was open, for the one `beside` or for none."""
    where = ["inbox-ticket", view, beside] if beside else ["inbox-view", view]
    url = reverse(str(where[0]), args=where[1:])
    if not wants_fragment(request):
        if toast:
            messages.info(request, toast.text)
        return redirect(url)
    context: dict[str, Any] = {"toast": toast, "refusal": refusal, "closed_id": closed_id, "ticket": None}
    if beside:
        common.look_at(request, beside)
        context["ticket"] = pages.ticket_page(request, view, beside)
    else:
        context["tickets"] = pages.ticket_list(request, view)
    answer = render(request, "inbox/fragments/closed.html", context)
    for name, value in (
        ("HX-Retarget", f"#ticket[data-ticket='{closed_id}']"),
        ("HX-Reswap", "outerHTML"),
        ("HX-Push-Url", url),
    ):
        answer.headers[name] = value
    return answer


@require_POST
def set_priority(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`priority` is one of the schema's, or empty."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    at = clock.now()
    chosen = {"hs_ticket_priority": request.POST.get("priority", "")}
    done = tickets.update(ticket_id, chosen, by=Actor.user(request.user.pk), at=at)
    return common.changed(request, view, ticket_id, done, at)


@require_POST
def set_owner(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`owner` is user:<id>, team:<id> or empty (R-ROUTE-2, 6, 7, 51)."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    at = clock.now()
    done = tickets.assign(ticket_id, **chosen_owner(request), by=Actor.user(request.user.pk), at=at)
    if not common.may_see(request, ticket_id):
        return common.leave(request, view)
    return common.changed(request, view, ticket_id, done, at)


def chosen_owner(request: AccountRequest) -> dict[str, Any]:
    """Whom the form names, as `owner_id` and perhaps `team_ids`. Raises Invalid."""
    kind, _colon, text = request.POST.get("owner", "").partition(":")
    match kind:
        case "user":
            return {"owner_id": common.agent(request, text, "owner")}
        case "team":
            return {"owner_id": None, "team_ids": [_team(request, number(text, "owner"))]}
        case "":
            return {"owner_id": None}
        case _:
            raise Invalid(_("Choose a person or a team."), field="owner", value=kind)


def _team(request: AccountRequest, team_id: int) -> int:
    if not Team.objects.filter(account_id=request.viewer.account_id, pk=team_id).exists():
        raise Invalid(_("There is no such team."), field="owner", value=team_id)
    return team_id


@require_POST
def set_spam(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`spam` is 1 or 0 (R-SPAM-1). A toast offers the way back."""
    common.changeable(request, view, ticket_id, Verb.EDIT)
    is_spam = request.POST.get("spam") == "1"
    change = spam.mark if is_spam else spam.unmark
    change(ticket_id, by=Actor.user(request.user.pk))
    toast = Toast(
        _("Marked as spam") if is_spam else _("Marked as not spam"),
        undo_url=reverse("ticket-spam", args=[view, ticket_id]),
        undo_fields=(("spam", "0" if is_spam else "1"),),
    )
    shown, current = common.shown(request)
    more: dict[str, Any] = {"toast": toast, "tickets": None}
    where = next((one for one in desk_views.views_of(request.viewer) if one.key == shown), None)
    if where:
        listed = pages.ticket_list(request, shown, current=current)
        is_short = not listed.more_url  # of a long one the row goes alone, and what was read so far stays
        if is_short or not desk_views.row(request.viewer, ticket_id).leaves(where):
            more["tickets"] = listed
    if wants_fragment(request) and (shown, current) != (view, ticket_id):
        return common.elsewhere(request, current, **more)
    return common.thread_parts(request, view, ticket_id, **more)


@require_POST
def set_deleted(request: AccountRequest, view: str, ticket_id: int) -> HttpResponse:
    """`deleted` is 1 or 0. Who deletes goes on as after closing; a toast offers the way back."""
    common.refuse_merged(common.doable(request, view, ticket_id, Verb.DELETE))
    by = Actor.user(request.user.pk)
    if request.POST.get("deleted") != "1":
        try:
            tickets.restore([ticket_id], by=by)
        except NotUnique as refusal:
            if wants_fragment(request):
                return common.refused(request, refusal)
            messages.error(request, words_for(request.viewer, refusal))
            return common.back_to(request, view, ticket_id)
        shown, current = common.shown(request)
        if (shown, current) == (view, ticket_id) or not wants_fragment(request):
            return common.back_to(request, view, ticket_id)
        listed = common.list_of(request, shown, current)
        return common.elsewhere(request, current, toast=Toast(_("Restored")), tickets=listed)
    beside = _beside(request, view, ticket_id)
    tickets.archive([ticket_id], by=by)
    toast = Toast(
        _("Deleted"),
        undo_url=reverse("ticket-delete", args=[view, ticket_id]),
        undo_fields=(("deleted", "0"),),
    )
    return go_on(request, view, ticket_id, beside if request.user.after_close == "next" else None, toast)


@require_POST
def undo(request: AccountRequest, view: str) -> HttpResponse:
    """Take back what one did to the tickets `ids` at the moment `at`; what changed again since stays."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    ids = ticked.ids_of(request.POST)
    reach = policy.visible(request.viewer, "ticket", Verb.EDIT).q()
    mine = Ticket.objects.filter(reach, account_id=request.viewer.account_id, pk__in=ids)
    back = moving.taken_back(request.viewer, "ticket", list(mine.values_list("pk", flat=True)), request.POST.get("at", ""))  # fmt: skip
    text = _("Taken back") if back else _("This has changed since and could not be taken back.")
    if not wants_fragment(request):
        messages.info(request, text)
        return redirect("inbox-view", view)
    shown, current = common.shown(request)
    listed = common.list_of(request, shown, current)
    if current in back:
        return common.thread_parts(request, shown, current, toast=Toast(text), tickets=listed)
    return common.elsewhere(request, current, toast=Toast(text), tickets=listed)

"""Work on many tickets of a list at once, and how the list looks to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from deskhand.accounts import policy
from deskhand.accounts.models import User
from deskhand.accounts.policy import Action
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.crm.records import tickets as verbs
from deskhand.desk import bulk as desk_bulk
from deskhand.desk import preferences
from deskhand.desk import views as desk_views
from deskhand.desk.bulk import Done
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web import ticked
from deskhand.web.asked import number
from deskhand.web.entering import Entering, Way
from deskhand.web.inbox import actions, common, handover, words
from deskhand.web.inbox import page as pages
from deskhand.web.jinja import go_to, render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import listed
from deskhand.web.shell import Toast
from deskhand.web.workflows import card


@require_POST
def change(request: AccountRequest, view: str) -> HttpResponse:
    """One change to the tickets `ids`, or with `all` to those of the view, at most desk_views.CAP.

    The form names what: status, owner, priority, tag, untag, close, spam, deleted or seen (each 1 or 0), or merge, handover and enroll,
    which ask further. Each ticket that may not be changed is told with the reason; one toast takes the others back.
    """
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    where = desk_views.view_of(request.viewer, view)
    if request.POST.get("all") == "1":
        ids = desk_views.ids(request.viewer, where, desk_views.CAP)
    else:
        ids = ticked.ids_of(request.POST)
    if not ids:
        raise Invalid(_("Select a ticket first."), field="ids", value="")
    if "merge" in request.POST:
        ticked.keep(request, ticked.TO_MERGE, ids)
        return go_to(request, reverse("inbox-merge", args=[view]))
    if "handover" in request.POST:
        return handover.lead_to(request, view, ids)
    if "enroll" in request.POST:
        here = reverse("inbox-view", args=[view])
        return card.lead_to(request, "ticket", ids, here)
    try:
        done = _do(request, view, ids)
    except Invalid as refusal:
        return common.refused(request, refusal)
    return done if isinstance(done, HttpResponse) else _answer(request, view, ids, *done)


def _do(request: AccountRequest, view: str, ids: Sequence[int]) -> tuple[Toast, str] | HttpResponse:
    at, form = clock.now(), request.POST
    if "seen" in form:
        desk_views.mark_many(request.viewer, ids, at if form["seen"] == "1" else None)
        return Toast(_("Marked as read") if form["seen"] == "1" else _("Marked as unread")), ""
    if "spam" in form:
        is_spam = form["spam"] == "1"
        done = desk_bulk.set_spam(request.viewer, ids, is_spam, at=at)
        back = (("spam", "0" if is_spam else "1"), ("ids", _joined(done)))
        return _toast(
            _told_of_spam(done, is_spam), done, reverse("inbox-bulk", args=[view]), back
        ), _refusals(done)
    if "deleted" in form:
        is_deleted = form["deleted"] == "1"
        done = desk_bulk.set_deleted(request.viewer, ids, is_deleted, at=at)
        back = (("deleted", "0" if is_deleted else "1"), ("ids", _joined(done)))
        text = _told_of_deletion(len(done.changed), is_deleted)
        return _toast(text, done, reverse("inbox-bulk", args=[view]), back), _refusals(done)
    plan, told = _plan(request)
    moves = desk_bulk.moves(request.viewer, ids, plan) if {"status", "close"} & form.keys() else []
    way = Way(request.get_full_path(), reverse("inbox-view", args=[view]))
    changed = Entering(request, "ticket", moves, way, is_many=True).enter(
        lambda given: desk_bulk.change(request.viewer, ids, plan, at=at, given=given)
    )
    if isinstance(changed, HttpResponse):
        return changed
    back = (("at", at.isoformat()), ("ids", _joined(changed)))
    count = len(changed.changed)
    text = ngettext("%(num)s ticket: %(what)s", "%(num)s tickets: %(what)s", count) % {
        "num": count,
        "what": told,
    }
    return _toast(text, changed, reverse("inbox-undo", args=[view]), back), _refusals(changed)


def _plan(request: AccountRequest) -> tuple[desk_bulk.Plan, str]:
    """What the form asks for, and how it is told when it is done. Raises Invalid."""
    form = request.POST
    if "close" in form:
        return desk_bulk.to_closed, _("Closed")
    if "status" in form:
        stage_id = number(form["status"], "status")
        plan = desk_bulk.to_status(stage_id)
        return plan, words.status(pipelines_of("ticket").stage(stage_id)).text
    if "owner" in form:
        chosen = actions.chosen_owner(request)
        return desk_bulk.to_values(_as_columns(chosen)), _told_of_owner(form["owner"], chosen["owner_id"])
    if "priority" in form:
        label = words.priority(form["priority"])
        values = verbs.checked("ticket", {"hs_ticket_priority": form["priority"]})
        return desk_bulk.to_values(values), label.text if label else _("No priority")
    for name, is_on in (("tag", True), ("untag", False)):
        if name in form:
            label = next(iter(words.tags([form[name]])), None)
            told = _("Tagged “%(tag)s”") if is_on else _("No longer tagged “%(tag)s”")
            return desk_bulk.to_tag(form[name], is_on), told % {"tag": label.text if label else ""}
    raise Invalid(_("Choose what to do with the tickets."), field="ids", value="")


def _as_columns(chosen: dict[str, Any]) -> dict[str, Any]:
    teams = {"assigned_team_ids": chosen["team_ids"]} if "team_ids" in chosen else {}
    return {"owner_id": chosen["owner_id"], **teams}


def _told_of_owner(given: str, owner_id: int | None) -> str:
    owner = User.objects.filter(pk=owner_id).first() if owner_id else None
    if owner:
        return _("Assigned to %(name)s") % {"name": owner.name}
    return _("Teams changed") if given else _("Owner removed")


def _told_of_spam(done: Done, is_spam: bool) -> str:
    count = len(done.changed)
    if is_spam:
        return ngettext("%(num)s ticket marked as spam", "%(num)s tickets marked as spam", count) % {
            "num": count
        }
    text = ngettext("%(num)s ticket marked as not spam", "%(num)s tickets marked as not spam", count)
    return text % {"num": count}


def _told_of_deletion(count: int, is_deleted: bool) -> str:
    if is_deleted:
        return ngettext("%(num)s ticket deleted", "%(num)s tickets deleted", count) % {"num": count}
    return ngettext("%(num)s ticket restored", "%(num)s tickets restored", count) % {"num": count}


def _joined(done: Done) -> str:
    return ",".join(map(str, done.changed))


def _toast(text: str, done: Done, url: str, fields: tuple[tuple[str, str], ...]) -> Toast:
    if not done.changed:
        return Toast(_("Nothing changed"))
    return Toast(text, undo_url=url, undo_fields=fields)


def _refusals(done: Done) -> str:
    """The tickets that stay as they are, each with its reason."""
    if not done.refused:
        return ""
    count = len(done.refused)
    head = ngettext("%(num)s ticket was not changed.", "%(num)s tickets were not changed.", count) % {
        "num": count
    }
    return listed(head, [f"#{one.number} {one.subject}: {one.why}" for one in done.refused])


def _answer(
    request: AccountRequest, view: str, ids: Sequence[int], toast: Toast, refused: str
) -> HttpResponse:
    if not wants_fragment(request):
        messages.info(request, toast.text)
        if refused:
            messages.error(request, refused)
        return redirect("inbox-view", view)
    shown, current = common.shown(request)
    listed = common.list_of(request, shown, current)
    refusal = Toast(refused, "error") if refused else None
    if current and current in ids and "deleted" in request.POST:
        return actions.go_on(request, shown, current, None, toast, refusal)
    if current and current in ids and common.may_see(request, current) and "seen" not in request.POST:
        return common.thread_parts(request, shown, current, toast=toast, tickets=listed, refusal=refusal)
    return common.elsewhere(request, current, toast=toast, tickets=listed, refusal=refusal)


@require_POST
def set_density(request: AccountRequest, view: str) -> HttpResponse:
    """`compact` is 1 or 0: how much of each ticket one's lists show."""
    policy.require(request.viewer, Action.OPEN_HELP_DESK)
    desk_views.view_of(request.viewer, view)
    preferences.set_compact(request.viewer, request.POST.get("compact") == "1")
    if not wants_fragment(request):
        return redirect("inbox-view", view)
    _shown, current = common.shown(request)
    context = {
        "tickets": pages.ticket_list(request, view, current=current),
        "pane": "ticket" if current else "list",
    }
    return render(request, "inbox/fragments/list.html", context)

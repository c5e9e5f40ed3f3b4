"""Who is there: one's own status, hours and absences, the colleagues', and the account's ways of being away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import plans, policy
from deskhand.accounts import queries as people
from deskhand.accounts.plans import Feature
from deskhand.accounts.policy import Action
from deskhand.accounts.queries import Member
from deskhand.desk import handover
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from deskhand.kernel.text import one_line, whole
from deskhand.routing import availability, away_states, capacity, default_hours, queries
from deskhand.routing.queries import Standing
from deskhand.routing.types import Status
from deskhand.web import times
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.holding import Bar, bars_of
from deskhand.web.hours import board as boards
from deskhand.web.hours import week, words
from deskhand.web.hours.rows import Absence, AwayState, Change, Handover, StatusForm
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.me.views import keep_told
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

NOTE = 200  # characters
SHOWN = 25  # changes at once
STATUSES = {"available": Status.AVAILABLE, "away": Status.AWAY}


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def _member(request: AccountRequest, user_id: int) -> Member:
    """Oneself, or a colleague for who may change others' status. Raises Forbidden, NotFound."""
    if not availability.may_set_status(request.viewer, user_id):
        raise Forbidden(_("You don't have permission to do this."))
    found = people.find_member(request.viewer.account_id, user_id)
    if found is None or not found.is_active:
        raise NotFound(_("There is no such colleague."))
    return found


def _seated(request: AccountRequest, user_id: int) -> Member:
    member = _member(request, user_id)
    if not member.has_seat:
        raise Forbidden(_("Only people with a seat have a status."))
    return member


def _back(request: AccountRequest, user_id: int, part: str = "") -> HttpResponse:
    is_on_board = request.POST.get("from") == "team"
    if is_on_board and policy.can(request.viewer, Action.CHANGE_AVAILABILITY_OF_OTHERS):
        return _team(request) if wants_fragment(request) else redirect(boards.board_url(request))
    if user_id == request.viewer.user_id:
        return redirect(f"{reverse('availability-mine')}{part}")
    return redirect(f"{reverse('availability-person', args=[user_id])}{part}")


# ── one person ───────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def mine(request: AccountRequest) -> HttpResponse:
    member = _member(request, request.viewer.user_id)
    if not member.has_seat:
        return framed(request, "my-availability", "hours/none.html", {})
    return _person(request, member)


@require_GET
def person(request: AccountRequest, user_id: int) -> HttpResponse:
    return _person(request, _seated(request, user_id))


def _person(request: AccountRequest, member: Member, status: int = 200, **more: Any) -> HttpResponse:
    account_id, now = request.viewer.account_id, clock.now()
    is_own = member.user_id == request.viewer.user_id
    standing = queries.standings(account_id, [member.user_id], now)[member.user_id]
    hours = availability.hours_of(account_id, member.user_id)
    is_own_week, has_default = _whose_week(account_id, member.user_id)
    zone = _zone(request, member.user_id)
    context = {
        "title": _("Availability") if is_own else member.name,
        "is_own": is_own,
        "now": words.now_of(standing),
        "day": boards.own_day(account_id, member.user_id),
        "bars": _bars(request, member, now),
        "status": _status_form(member.user_id, standing, away_states.present(account_id)),
        "may_set_hours": availability.may_set_hours(request.viewer, member.user_id),
        "week": more.get("week")
        or week.form(_hours_url(member), week.of_hours(hours, zone), is_set=hours is not None),
        "follows": has_default and not is_own_week,
        "follow_url": _follow_url(request, member) if has_default and is_own_week else "",
        "default_url": reverse("default-hours") if policy.can(request.viewer, Action.EDIT_ACCOUNT) else "",
        "absences": _absences(account_id, member.user_id, now),
        "has_absences": plans.Feature.OUT_OF_OFFICE in plans.features_of(account_id),
        "absence_url": reverse("availability-absence", args=[member.user_id]),
        "typed": more.get("typed", {"starts_at": "", "ends_at": ""}),
        "absence_error": more.get("absence_error", ""),
        "handover": _handover(request, member),
        "viewers_zone": timezone.get_current_timezone_name(),
        **_history(request, member.user_id),
    }
    return framed(
        request, "my-availability" if is_own else "availability-team", "hours/person.html", context, status
    )


def _handover(request: AccountRequest, member: Member) -> Handover | None:
    """The way to give away somebody's open tickets, for who may."""
    if not policy.can(request.viewer, Action.OPEN_HELP_DESK):
        return None
    count = min(len(handover.open_tickets(request.viewer, member.user_id)), handover.MOST)
    if not count:
        return None
    text = ngettext("Hand over %(num)s open ticket", "Hand over %(num)s open tickets", count) % {"num": count}
    return Handover(text, f"{reverse('hand-over')}?of={member.user_id}")


def _bars(request: AccountRequest, member: Member, now: datetime) -> tuple[Bar, ...]:
    """What they hold and may hold (R-CAP-10)."""
    if not plans.has_feature(request.account, Feature.CAPACITY):
        return ()
    holds = capacity.holds_of(request.account.pk, [member.user_id], now)[member.user_id]
    return bars_of(holds, weighs=capacity.binding(request.account.pk).weighs)


def _whose_week(account_id: int, user_id: int) -> tuple[bool, bool]:
    """Whether somebody has hours of their own, and whether the account has some."""
    return availability.has_own_hours(account_id, user_id), default_hours.of(account_id) is not None


def _follow_url(request: AccountRequest, member: Member) -> str:
    may = availability.may_set_hours(request.viewer, member.user_id)
    return reverse("availability-hours-follow", args=[member.user_id]) if may else ""


def _zone(request: AccountRequest, user_id: int) -> str:
    return people.zone_of(request.viewer.account_id, user_id)


def _hours_url(member: Member) -> str:
    return reverse("availability-hours", args=[member.user_id])


def _status_form(user_id: int, standing: Standing, ways: list[Any]) -> StatusForm:
    is_available = standing.status is Status.AVAILABLE
    choices = (
        Choice("available", _("Available"), is_available),
        Choice("away", _("Away"), not is_available and standing.away_state_id is None),
        *(
            Choice(f"away:{one.pk}", one.name, not is_available and standing.away_state_id == one.pk)
            for one in ways
        ),
    )
    return StatusForm(reverse("availability-status", args=[user_id]), is_available, choices, standing.note)


def _absences(account_id: int, user_id: int, now: datetime) -> tuple[Absence, ...]:
    return tuple(
        Absence(
            one.starts_at,
            one.ends_at,
            one.starts_at <= now,
            reverse("availability-absence-end", args=[user_id, one.pk]),
        )
        for one in queries.absences(account_id, user_id, now)
    )


def _history(request: AccountRequest, user_id: int) -> dict[str, Any]:
    before = whole(request.GET.get("before", ""))
    found = queries.changes(request.viewer.account_id, user_id, before=before, limit=SHOWN + 1)
    names = people.names_of(one.actor_id for one in found if one.actor_id)
    ways = away_states.names(request.viewer.account_id)
    shown = tuple(
        Change(
            one.at, words.label_of(Status(one.to_status), ways.get(one.away_state_id or 0, "")),
            " · ".join(part for part in (words.of_change(one, names), one.note) if part),
        )
        for one in found[:SHOWN]
    )  # fmt: skip
    more = (
        f"{request.path}?before={found[SHOWN - 1].pk}#history"
        if len(found) > SHOWN and request.method == "GET"
        else ""
    )
    return {"history": shown, "more_url": more}


@require_POST
def set_status(request: AccountRequest, user_id: int) -> HttpResponse:
    """R-AVAIL-6, R-AVAIL-9, R-AVAIL-11, R-AVAIL-17"""
    member = _seated(request, user_id)
    chosen, _colon, way = request.POST.get("availability", "").partition(":")
    status, way_id = STATUSES.get(chosen), whole(way)
    if status is None or (way and way_id is None):
        raise Invalid(_("Choose available or away."), field="availability", value=chosen[:40])
    note = one_line(request.POST.get("note", ""))[:NOTE] if status is Status.AWAY else ""
    availability.set_by_hand(
        request.viewer.account_id,
        user_id,
        status,
        by=_by(request),
        away_state_id=way_id,
        note=note,
    )
    if user_id == request.viewer.user_id:
        keep_told(request)
    elif not wants_fragment(request):  # the board shows it
        messages.info(request, _("The status of %(name)s is set.") % {"name": member.name})
    return _back(request, user_id)


@require_POST
def set_hours(request: AccountRequest, user_id: int) -> HttpResponse:
    """R-AVAIL-3, R-AVAIL-12; with one of the form's buttons nothing is saved yet."""
    member = _seated(request, user_id)
    if not availability.may_set_hours(request.viewer, user_id):
        raise Forbidden(_("Only a super admin can change somebody else's hours."))
    typed, is_set = week.of_post(request.POST), "clear" not in request.POST
    if is_set and (changed := week.changed(typed, request.POST)) is not None:
        notice = _("Save the hours to keep this.")
        return _person(
            request, member, week=week.form(_hours_url(member), changed, is_set=True, notice=notice)
        )
    try:
        hours = week.hours(typed) if is_set else None
    except Invalid as refusal:
        return _person(
            request, member, 422, week=week.form(_hours_url(member), typed, is_set=True, refusal=refusal)
        )
    availability.set_hours(request.viewer.account_id, user_id, hours, by=_by(request))
    messages.info(request, _("The working hours are saved."))
    return _back(request, user_id, "#hours")


@require_POST
def follow_hours(request: AccountRequest, user_id: int) -> HttpResponse:
    """Work by the account's hours again."""
    _seated(request, user_id)
    if not availability.may_set_hours(request.viewer, user_id):
        raise Forbidden(_("Only a super admin can change somebody else's hours."))
    default_hours.follow(request.viewer.account_id, user_id, by=_by(request))
    messages.info(request, _("The account's working hours count from now on."))
    return _back(request, user_id, "#hours")


# ── absences ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def add_absence(request: AccountRequest, user_id: int) -> HttpResponse:
    """R-AVAIL-7; the times are of the viewer's zone."""
    member = _seated(request, user_id)
    typed = {name: one_line(request.POST.get(name, ""))[:30] for name in ("starts_at", "ends_at")}
    try:
        starts_at, ends_at = (_moment(name, text) for name, text in typed.items())
        availability.set_out_of_office(
            request.viewer.account_id, user_id, starts_at, ends_at, by=_by(request)
        )
    except Invalid as refusal:
        error = words_of(refusal)
        return _person(request, member, 422, typed=typed, absence_error=error)
    messages.info(request, _("The absence is entered."))
    return _back(request, user_id, "#absences")


def _moment(field: str, text: str) -> datetime:
    try:
        return times.typed(text)
    except ValueError as failure:
        raise Invalid(_("Give a day and a time for both."), field=field, value=text) from failure


@require_POST
def end_absence(request: AccountRequest, user_id: int, absence_id: int) -> HttpResponse:
    _seated(request, user_id)
    if absence_id not in [
        one.pk for one in queries.absences(request.viewer.account_id, user_id, clock.now())
    ]:
        raise NotFound(_("There is no such absence."))
    availability.cancel_out_of_office(request.viewer.account_id, absence_id, by=_by(request))
    messages.info(request, _("The absence is ended."))
    return _back(request, user_id, "#absences")


# ── everybody ────────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def team(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.CHANGE_AVAILABILITY_OF_OTHERS)
    return _team(request)


def _team(request: AccountRequest, status: int = 200, **more: Any) -> HttpResponse:
    if wants_fragment(request):
        return render(request, "hours/board.html", {"board": boards.board(request)})
    context = {
        "board": boards.board(request),
        "may_edit_ways": policy.can(request.viewer, Action.EDIT_ACCOUNT),
        "ways": tuple(
            AwayState(
                one.pk,
                one.name,
                reverse("away-state-rename", args=[one.pk]),
                reverse("away-state-archive", args=[one.pk]),
            )
            for one in away_states.present(request.viewer.account_id)
        ),
        "way_error": more.get("way_error", ""),
        "way_typed": more.get("way_typed", ""),
    }
    return framed(request, "availability-team", "hours/team.html", context, status)


# ── ways of being away ───────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def add_way(request: AccountRequest) -> HttpResponse:
    """R-AVAIL-17"""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    name = one_line(request.POST.get("name", ""))[:60]
    try:
        away_states.define(request.viewer.account_id, name, by=_by(request))
    except (Invalid, Conflict) as refusal:
        if not policy.can(request.viewer, Action.CHANGE_AVAILABILITY_OF_OTHERS):
            raise
        return _team(request, 422, way_error=words_of(refusal), way_typed=name)
    return redirect(f"{reverse('availability-team')}#ways")


@require_POST
def rename_way(request: AccountRequest, way_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    try:
        away_states.rename(
            request.viewer.account_id, way_id, one_line(request.POST.get("name", ""))[:60], by=_by(request)
        )
    except (Invalid, Conflict) as refusal:
        messages.error(request, words_of(refusal))
    return redirect(f"{reverse('availability-team')}#ways")


@require_POST
def archive_way(request: AccountRequest, way_id: int) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    away_states.archive(request.viewer.account_id, way_id, by=_by(request))
    return redirect(f"{reverse('availability-team')}#ways")

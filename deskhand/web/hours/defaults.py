"""The account's working hours, for whoever has none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.routing import default_hours
from deskhand.web import times
from deskhand.web.choices import Choice, offered
from deskhand.web.frame import framed
from deskhand.web.hours import week
from deskhand.web.hours.rows import Week
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

COMING = 5  # holidays that are named


@dataclass(frozen=True)
class Holidays:
    """The form for public holidays. `coming` are the next ones, as chosen."""

    countries: tuple[Choice, ...]
    regions: tuple[Choice, ...]
    coming: tuple[str, ...]
    drawn_by: str = ""  # the control that had the form drawn again
    error: str = ""
    error_field: str = ""

    def attributes(self, name: str) -> dict[str, str]:
        """What a control says about its error; what is wrong, or was chosen, has focus on a new page."""
        if name == self.error_field:
            return {"aria-invalid": "true", "aria-describedby": f"{name}-error", "autofocus": ""}
        return {"autofocus": ""} if self.drawn_by == name else {}


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    return _page(request, _week(request))


def _week(request: AccountRequest) -> Week:
    hours = default_hours.of(request.viewer.account_id)
    return week.form(_url(), week.of_hours(hours, request.account.zone), is_set=hours is not None)


def _url() -> str:
    return reverse("default-hours-save")


def _page(
    request: AccountRequest, shown: Week, status: int = 200, holidays: Holidays | None = None
) -> HttpResponse:
    observed = default_hours.observed(request.viewer.account_id)
    context = {"week": shown, "holidays": holidays or _holidays(request, *observed)}
    return framed(request, "default-hours", "hours/defaults.html", context, status)


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    """With one of the form's buttons nothing is saved yet."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed, is_set = week.of_post(request.POST), "clear" not in request.POST
    if is_set and (changed := week.changed(typed, request.POST)) is not None:
        notice = _("Save the hours to keep this.")
        return _page(request, week.form(_url(), changed, is_set=True, notice=notice))
    try:
        hours = week.hours(typed) if is_set else None
    except Invalid as refusal:
        return _page(request, week.form(_url(), typed, is_set=True, refusal=refusal), 422)
    default_hours.change(request.viewer.account_id, hours, by=Actor.user(request.user.pk))
    messages.info(request, _("The working hours are saved."))
    return redirect("default-hours")


# ── public holidays ──────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
def save_holidays(request: AccountRequest) -> HttpResponse:
    """With `redraw` nothing is saved: another country has other regions, and both have other days."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    country, region = request.POST.get("country", "")[:40], request.POST.get("region", "")[:40]
    if "redraw" in request.POST:
        kept = region if region in default_hours.regions(country) else ""
        drawn = replace(_holidays(request, country, kept), drawn_by=request.POST["redraw"])
        return _page(request, _week(request), holidays=drawn)
    try:
        default_hours.observe(request.viewer.account_id, country, region, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        wrong = replace(
            _holidays(request, country, region), error=words_of(refusal), error_field=refusal.field
        )
        return _page(request, _week(request), 422, wrong)
    messages.info(request, _("Saved"))
    return redirect("default-hours")


def _holidays(request: AccountRequest, country: str, region: str) -> Holidays:
    names = times.locale().territories
    known = sorted(
        ((code, names.get(code, code)) for code in default_hours.countries()), key=lambda one: one[1]
    )
    regions = sorted(default_hours.regions(country).items(), key=lambda one: one[1])
    return Holidays(
        offered([("", _("No public holidays")), *known], country),
        offered([("", _("Those of the whole country")), *regions], region) if regions else (), tuple(_coming(request, country, region)),
    )  # fmt: skip


def _coming(request: AccountRequest, country: str, region: str) -> Iterator[str]:
    if country not in default_hours.countries() or (region and region not in default_hours.regions(country)):
        return
    today = timezone.localtime(clock.now(), ZoneInfo(request.account.zone)).date()
    days = [day for day in default_hours.days_off(country, region, today.year) if day >= today]
    yield from (times.day(day) for day in days[:COMING])

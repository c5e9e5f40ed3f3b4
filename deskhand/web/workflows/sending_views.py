"""What workflows may send within an hour, what they sent of late, and what is held because that is used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.automation import budget, spending
from deskhand.automation.models import Workflow
from deskhand.automation.spending import Spent
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.web.asked import number
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of
from deskhand.web.workflows import lists, ways

BAR, GAP, HEIGHT = 5, 2, 22  # of the picture of a day


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class SpentLine:
    name: str
    url: str
    total: str
    most: str  # within one hour
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class HeldLine:
    name: str
    runs: str
    url: str


@dataclass(frozen=True)
class SendingPage:
    used: int
    limit: int
    used_text: str
    limit_text: str
    begins_anew: datetime
    stopped_at: datetime | None
    stopped_by: str
    held: tuple[HeldLine, ...]
    spent: tuple[SpentLine, ...]
    total: str
    default: str  # what holds where nothing is set
    typed: str
    most: str
    error: str = ""
    width: int = spending.HOURS * (BAR + GAP) - GAP
    height: int = HEIGHT


@require_GET
def page(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    return _page(request)


def _page(request: AccountRequest, typed: str | None = None, error: str = "") -> HttpResponse:
    account_id, now = request.viewer.account_id, clock.now()
    kept = budget.of(account_id)
    spent, held = spending.lately(account_id, now), spending.held(account_id)
    highest = max((max(one.by_hour) for one in spent), default=0)
    stopped_by = Workflow.objects.filter(account_id=account_id, pk=kept.stopped_by_id or 0).first()
    used, limit = budget.used(kept, now), budget.per_hour(kept)
    shown = SendingPage(
        used, limit, lists.number(used), lists.number(limit), budget.begins_anew(now), kept.stopped_at,
        stopped_by.name if stopped_by else "",
        tuple(HeldLine(one.name, _runs(one.count), ways.with_query("workflow-history", [one.workflow_id], state="inside")) for one in held),
        tuple(_spent(one, highest) for one in spent[: spending.MOST]), lists.number(sum(one.total for one in spent)),
        lists.number(int(settings.AUTOMATION_SENDS_PER_HOUR)),
        ("" if kept.per_hour is None else str(kept.per_hour)) if typed is None else typed, lists.number(budget.HIGHEST), error,
    )  # fmt: skip
    return framed(request, "sending", "workflows/sending.html", {"page": shown}, 422 if error else 200)


def _runs(count: int) -> str:
    return ngettext("%(count)s run", "%(count)s runs", count) % {"count": lists.number(count)}


def _spent(one: Spent, highest: int) -> SpentLine:
    url = ways.with_query("workflow-log", [one.workflow_id]) if one.name else ""
    return SpentLine(
        one.name or _("A workflow that was deleted"), url, lists.number(one.total), lists.number(max(one.by_hour)), _bars(one.by_hour, highest)
    )  # fmt: skip


def _bars(by_hour: Sequence[int], highest: int) -> tuple[Bar, ...]:
    """All workflows to one scale; an hour in which anything was sent is seen."""
    heights = [-(-count * HEIGHT // highest) if highest else 0 for count in by_hour]
    return tuple(
        Bar(place * (BAR + GAP), HEIGHT - height, height) for place, height in enumerate(heights) if height
    )


@require_POST
def save(request: AccountRequest) -> HttpResponse:
    """An empty field takes what the installation says."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    typed = request.POST.get("per_hour", "").strip()
    try:
        limit = number(typed, "per_hour") if typed else None
        budget.change(request.viewer.account_id, limit, by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _page(request, typed[:20], words_of(refusal))
    messages.info(request, _("Saved"))
    return redirect("automation-sending")

"""The bell: its list, marking as read, and what one is told by which way."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import NotFound
from deskhand.kernel.text import whole
from deskhand.notifications import reading, wishes
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Ways
from deskhand.web.frame import framed, shell
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest
from deskhand.web.notifications import page


@require_GET
def notifications(request: AccountRequest) -> HttpResponse:
    found = page.bell(request.viewer, before=_place(request.GET.get("before", "")))
    return framed(request, "notifications", "notifications/page.html", {"bell": found})


def _place(text: str) -> int:
    if not text:
        return 0
    if (found := whole(text)) is None:
        raise NotFound(_("There is no such page."))
    return found


@require_GET
def bell(request: AccountRequest) -> HttpResponse:
    return _bell(request)


def _bell(request: AccountRequest) -> HttpResponse:
    context = {"bell": page.bell(request.viewer, limit=page.IN_BELL)}
    return render(request, "notifications/bell.html", context)


@require_POST
def read_all(request: AccountRequest) -> HttpResponse:
    reading.mark_read(request.viewer, clock.now())
    return _bell(request) if wants_fragment(request) else redirect("notifications")


@require_POST
def read_one(request: AccountRequest, ticket_id: int) -> HttpResponse:
    reading.require(request.viewer, ticket_id)
    reading.mark_read(request.viewer, clock.now(), ticket_id)
    return _bell(request) if wants_fragment(request) else redirect("notifications")


@require_POST
def read_failure(request: AccountRequest, kind: str, object_id: int) -> HttpResponse:
    reading.require_about(request.viewer, kind, object_id)
    reading.mark_about(request.viewer, clock.now(), [kind], [object_id])
    return _bell(request) if wants_fragment(request) else redirect("notifications")


@require_GET
def settings(request: AccountRequest) -> HttpResponse:
    context = {
        "topics": page.topics(request.viewer),
        "is_quiet": wishes.is_quiet(request.viewer.account_id, request.viewer.user_id),
    }
    return _settings(request, "settings", "notification-settings", context)


def _settings(request: AccountRequest, template: str, name: str, context: dict[str, object]) -> HttpResponse:
    frame = {
        "shell": shell(request, area="my-notifications"),
        "tabs": page.tabs(request.viewer, request.account, name),
    }
    return render(request, f"notifications/{template}.html", frame | context)


@require_POST
def save_settings(request: AccountRequest) -> HttpResponse:
    """`bell` and `mail` name the topics that are switched on; the others that are offered are off."""
    chosen = _chosen(request, page.offered(request.viewer))
    wishes.choose(request.viewer.account_id, request.viewer.user_id, chosen)
    wishes.keep_quiet(request.viewer.account_id, request.viewer.user_id, "quiet" in request.POST)
    messages.info(request, _("Saved"))
    return redirect("notification-settings")


def _chosen(request: AccountRequest, offered: Iterable[Topic]) -> dict[Topic, Ways]:
    bell, mail = set(request.POST.getlist("bell")), set(request.POST.getlist("mail"))
    return {topic: Ways(topic.value in bell, topic.value in mail) for topic in offered}


# ── for everybody ────────────────────────────────────────────────────────────────────────────────────────────────────


def _require_defaults(request: AccountRequest) -> None:
    """R-NOT-3. Raises Forbidden, and NotFound where the plan does not have it."""
    policy.require(request.viewer, Action.EDIT_DEFAULT_NOTIFICATIONS)
    if not page.may_set_defaults(request.viewer, request.account):
        raise NotFound(_("There is no such page."))


@require_GET
def defaults(request: AccountRequest) -> HttpResponse:
    _require_defaults(request)
    topics = page.default_topics(request.viewer.account_id)
    return _settings(request, "defaults", "notification-defaults", {"topics": topics})


@require_POST
def save_defaults(request: AccountRequest) -> HttpResponse:
    """As `save_settings`, for who chose nothing themselves."""
    _require_defaults(request)
    wishes.set_defaults(
        request.viewer.account_id, _chosen(request, page.TOPICS), by=Actor.user(request.user.pk)
    )
    messages.info(request, _("Saved"))
    return redirect("notification-defaults")

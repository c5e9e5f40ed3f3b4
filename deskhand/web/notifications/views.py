"""The bell: its list, marking as read, and what one is told by which way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.delivery.push import Browser
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import whole
from deskhand.notifications import limits, reaching, reading, wishes
from deskhand.notifications.types import Topic
from deskhand.notifications.wishes import Default, Way, Ways
from deskhand.web import assets
from deskhand.web.frame import framed, shell
from deskhand.web.jinja import render, wants_fragment
from deskhand.web.middleware import AccountRequest, for_everybody
from deskhand.web.notifications import browsers, page
from deskhand.web.notifications.rows import ReachedPage


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
    return _mine(request, page.reached(request.viewer))


def _mine(request: AccountRequest, reached: ReachedPage, status: int = 200) -> HttpResponse:
    mine = wishes.for_all(request.viewer.account_id, request.viewer.user_id)
    topics = page.topics(request.viewer)
    context = {
        "topics": topics,
        "ways": page.ways(mine.off),
        "is_quiet": mine.is_quiet,
        "has_locked": any(topic.is_locked for topic in topics),
        "reached": reached,
    }
    answer = _settings(request, "settings", "notification-settings", context)
    answer.status_code = status
    return answer


def _settings(request: AccountRequest, template: str, name: str, context: dict[str, object]) -> HttpResponse:
    frame = {
        "shell": shell(request, area="my-notifications"),
        "tabs": page.tabs(request.viewer, request.account, name),
    }
    return render(request, f"notifications/{template}.html", frame | context)


@require_POST
def save_settings(request: AccountRequest) -> HttpResponse:
    """Each way names the topics that it brings; the others that are offered are off."""
    account_id, user_id = request.viewer.account_id, request.viewer.user_id
    wishes.choose(account_id, user_id, _chosen(request, page.offered(request.viewer)))
    wishes.set_quiet(account_id, user_id, "quiet" in request.POST)
    return _saved(request, "notification-settings")


def _chosen(request: AccountRequest, offered: Iterable[Topic]) -> dict[Topic, Ways]:
    given = {way.value: set(request.POST.getlist(way.value)) for way in Way}
    return {topic: Ways.of(way for way, topics in given.items() if topic in topics) for topic in offered}


def _saved(request: AccountRequest, name: str) -> HttpResponse:
    messages.info(request, _("Saved"))
    return redirect(name)


@require_POST
def clear_settings(request: AccountRequest) -> HttpResponse:
    """No topic by any way (R-NOT-5)."""
    wishes.clear(request.viewer.account_id, request.viewer.user_id, page.offered(request.viewer))
    return _saved(request, "notification-settings")


@require_POST
def forget_settings(request: AccountRequest) -> HttpResponse:
    """As the account has it, as if one had never chosen."""
    wishes.forget(request.viewer.account_id, request.viewer.user_id)
    return _saved(request, "notification-settings")


@require_POST
def switch_way(request: AccountRequest, way: str) -> HttpResponse:
    """Switch one way on or off for all topics (R-NOT-5); `on` says which."""
    if way not in set(Way):
        raise NotFound(_("There is no such page."))
    wishes.switch(request.viewer.account_id, request.viewer.user_id, Way(way), is_on="on" in request.POST)
    return redirect("notification-settings")


# ── browsers and chat ────────────────────────────────────────────────────────────────────────────────────────────────


@for_everybody
@require_safe
def push_worker(request: HttpRequest) -> HttpResponse:
    """The script that browsers keep, to show what is pushed; at the root, so that it holds for all pages."""
    answer = HttpResponse(assets.push_worker(), content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@require_POST
def add_browser(request: AccountRequest) -> HttpResponse:
    given = request.POST
    browser = Browser(given.get("endpoint", ""), given.get("key", ""), given.get("secret", ""))
    name = browsers.name_of(request.headers.get("user-agent", ""))
    try:
        reaching.add(request.viewer.account_id, request.viewer.user_id, browser, name, clock.now())
    except Invalid as refusal:
        return _mine(request, replace(page.reached(request.viewer), browser_error=refusal.message), 422)
    return _saved(request, "notification-settings")


@require_POST
def remove_browser(request: AccountRequest, browser_id: int) -> HttpResponse:
    reaching.remove(request.viewer.account_id, request.viewer.user_id, browser_id)
    return _saved(request, "notification-settings")


@require_POST
def try_browser(request: AccountRequest, browser_id: int) -> HttpResponse:
    reaching.try_browser(request.viewer.account_id, request.viewer.user_id, browser_id)
    return _on_its_way(request)


def _on_its_way(request: AccountRequest) -> HttpResponse:
    messages.info(request, _("A test is on its way."))
    return redirect("notification-settings")


@require_POST
def save_chat(request: AccountRequest) -> HttpResponse:
    service, address = request.POST.get("service", ""), request.POST.get("address", "")
    try:
        reaching.set_chat(request.viewer.account_id, request.viewer.user_id, service, address)
    except Invalid as refusal:
        known = replace(page.reached(request.viewer), service=service, error=refusal.message)
        return _mine(request, known, 422)
    return _saved(request, "notification-settings")


@require_POST
def remove_chat(request: AccountRequest) -> HttpResponse:
    reaching.forget_chat(request.viewer.account_id, request.viewer.user_id)
    return _saved(request, "notification-settings")


@require_POST
def try_chat(request: AccountRequest) -> HttpResponse:
    reaching.try_chat(request.viewer.account_id, request.viewer.user_id)
    return _on_its_way(request)


# ── for everybody ────────────────────────────────────────────────────────────────────────────────────────────────────


def _require_defaults(request: AccountRequest) -> None:
    """R-NOT-3. Raises Forbidden, and NotFound where the plan does not have it."""
    policy.require(request.viewer, Action.EDIT_DEFAULT_NOTIFICATIONS)
    if not page.may_set_defaults(request.viewer, request.account):
        raise NotFound(_("There is no such page."))


@require_GET
def defaults(request: AccountRequest) -> HttpResponse:
    _require_defaults(request)
    return _defaults(request, str(limits.hourly(request.viewer.account_id)))


def _defaults(request: AccountRequest, hourly: str, error: str = "") -> HttpResponse:
    topics = page.default_topics(request.viewer.account_id)
    context: dict[str, object] = {"topics": topics, "hourly": hourly, "error": error}
    answer = _settings(request, "defaults", "notification-defaults", context)
    answer.status_code = 422 if error else 200
    return answer


@require_POST
def save_limit(request: AccountRequest) -> HttpResponse:
    """How many mails one by one (R-NOT-7)."""
    _require_defaults(request)
    given = request.POST.get("hourly", "").strip()
    try:
        limits.set_hourly(request.viewer.account_id, whole(given), by=Actor.user(request.user.pk))
    except Invalid as refusal:
        return _defaults(request, given, refusal.message)
    return _saved(request, "notification-defaults")


@require_POST
def save_defaults(request: AccountRequest) -> HttpResponse:
    """As `save_settings`, for who chose nothing themselves; `locked` names the topics of which nobody chooses (R-NOT-12)."""
    _require_defaults(request)
    locked = set(request.POST.getlist("locked"))
    wanted = {topic: Default(ways, topic in locked) for topic, ways in _chosen(request, page.TOPICS).items()}
    wishes.set_defaults(request.viewer.account_id, wanted, by=Actor.user(request.user.pk))
    return _saved(request, "notification-defaults")

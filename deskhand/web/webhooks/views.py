"""Webhooks: which there are, what each is told of, and what became of it. They pass every wall, so super admins set them up."""

from __future__ import annotations

import json
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import connected_apps, policy
from deskhand.accounts.models import App
from deskhand.accounts.policy import Action
from deskhand.delivery.calls import Call
from deskhand.events.types import Actor
from deskhand.kernel.errors import Conflict, Invalid
from deskhand.kernel.text import whole
from deskhand.web import times
from deskhand.web.frame import framed
from deskhand.web.inbox.rows import Label
from deskhand.web.middleware import AccountRequest
from deskhand.web.people import reading
from deskhand.web.system.page import STATES
from deskhand.web.webhooks import picking
from deskhand.web.webhooks.rows import DeliveryPage, Facts, Form, HookPage, HookRow, LogLine, TryLine
from deskhand.webhooks import deliveries, hearing, subscriptions, targets
from deskhand.webhooks.deliveries import Logged
from deskhand.webhooks.models import MOST_AT_ONCE, Target

SHOWN = 30


@require_GET
def index(request: AccountRequest) -> HttpResponse:
    account_id = _account(request)
    counts = subscriptions.counted(account_id)
    rows = [
        HookRow(
            target.app.name, Call("POST", target.url).place, _events(counts.get(target.app_id, 0)), _state(target),
            reverse("webhook", args=[target.app_id]),
        )
        for target in targets.known(account_id)
    ]  # fmt: skip
    return framed(request, "webhooks", "webhooks/list.html", {"rows": rows})


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    _account(request)
    return _form(request, Form(save_url=reverse("webhook-add"), groups=picking.groups(())))


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    account_id = _account(request)
    try:
        wanted, at_once = _wanted(request), _at_once(request)
        targets.checked_url(_typed(request, "url"))
        app, secret = connected_apps.create(account_id, name=_typed(request, "name"), by=_by(request))
        targets.put(account_id, app.pk, url=_typed(request, "url"), max_concurrent=at_once, by=_by(request))
        subscriptions.arrange(account_id, app.pk, wanted, by=_by(request))
    except Invalid as refusal:
        return _again(request, reverse("webhook-add"), "", refusal)
    return _secret(request, app, secret)


@require_GET
def one(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id = _account(request)
    target, app = targets.of(account_id, app_id), connected_apps.get(account_id, app_id)
    before = reading.number(request.GET, "before")
    found = deliveries.log_of(account_id, app_id, before=before, limit=SHOWN + 1)
    last = found[SHOWN - 1].delivery.pk if len(found) > SHOWN else 0
    page = HookPage(
        facts=Facts(app.name, app_id, target.url, target.max_concurrent, _state(target), target.paused_at is not None, target.failing_since),
        events=tuple(subscriptions.said(account_id, app_id)),
        lines=tuple(_line(one) for one in found[:SHOWN]),
        failed=len(deliveries.failed(account_id, app_id)),
        more_url=f"{reverse('webhook', args=[app_id])}?before={last}" if last else "",
    )  # fmt: skip
    return framed(request, "webhooks", "webhooks/one.html", {"page": page})


@require_GET
def edit(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id = _account(request)
    target, app = targets.of(account_id, app_id), connected_apps.get(account_id, app_id)
    chosen = subscriptions.said(account_id, app_id)
    return _form(
        request,
        Form(
            title=app.name, name=app.name, url=target.url, at_once=str(target.max_concurrent), groups=picking.groups(chosen),
            save_url=reverse("webhook-save", args=[app_id]), back_url=reverse("webhook", args=[app_id]),
        ),
    )  # fmt: skip


@require_POST
def save(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id, by = _account(request), _by(request)
    app = connected_apps.get(account_id, app_id)
    try:
        wanted, at_once = _wanted(request), _at_once(request)
        targets.checked_url(_typed(request, "url"))
        connected_apps.update(
            account_id,
            app_id,
            name=_typed(request, "name"),
            redirect_urls=app.redirect_urls,
            scopes=app.scopes,
            by=by,
        )
        targets.put(account_id, app_id, url=_typed(request, "url"), max_concurrent=at_once, by=by)
        subscriptions.arrange(account_id, app_id, wanted, by=by)
    except Invalid as refusal:
        return _again(
            request,
            reverse("webhook-save", args=[app_id]),
            app.name,
            refusal,
            reverse("webhook", args=[app_id]),
        )
    messages.success(request, _("What you changed is saved, and holds at once."))
    return redirect("webhook", app_id)


@require_POST
def pause(request: AccountRequest, app_id: int) -> HttpResponse:
    on = request.POST.get("on") == "1"
    targets.set_paused(_account(request), app_id, on, by=_by(request))
    said = _("It is paused: what happens now is not sent.") if on else _("It goes on.")
    messages.info(request, said)
    return redirect("webhook", app_id)


@require_POST
def test(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id = _account(request)
    deliveries.send_test(account_id, app_id, [hearing.example(account_id, app_id)])
    messages.info(request, _("A test is on its way. What came of it stands in the log in a moment."))
    return redirect("webhook", app_id)


@require_POST
def rotate(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id = _account(request)
    secret = connected_apps.rotate_secret(account_id, app_id, by=_by(request))
    return _secret(request, connected_apps.get(account_id, app_id), secret)


@require_POST
def again(request: AccountRequest, app_id: int) -> HttpResponse:
    """One delivery, or all that were given up."""
    account_id = _account(request)
    connected_apps.get(account_id, app_id)
    given = whole(request.POST.get("delivery", ""))
    if given is not None:
        ids = [deliveries.one(account_id, app_id, given).delivery.pk]
    else:
        ids = deliveries.failed(account_id, app_id)
    try:
        number = deliveries.send_again(account_id, ids, by=_by(request)) if ids else 0
    except Conflict as refusal:
        messages.error(request, str(refusal))
    else:
        said = ngettext("%(num)s delivery is sent again.", "%(num)s deliveries are sent again.", number)
        messages.info(request, said % {"num": number})
    return redirect("webhook", app_id)


@require_POST
def remove(request: AccountRequest, app_id: int) -> HttpResponse:
    account_id = _account(request)
    name = connected_apps.get(account_id, app_id).name
    targets.clear(account_id, app_id, by=_by(request))
    connected_apps.revoke(account_id, app_id, by=_by(request))
    messages.info(request, _("%(name)s is told nothing any more.") % {"name": name})
    return redirect("webhooks")


@require_GET
def delivery(request: AccountRequest, app_id: int, delivery_id: int) -> HttpResponse:
    account_id = _account(request)
    app = connected_apps.get(account_id, app_id)
    found = deliveries.one(account_id, app_id, delivery_id)
    page = DeliveryPage(
        app.name, app_id, _line(found), found.error,
        tuple(
            TryLine(datetime.fromisoformat(one["at"]), one["attempt"], _answer(one["status"]), one["text"]) for one in reversed(found.delivery.tries)
        ),
        json.dumps(found.delivery.events, indent=2, ensure_ascii=False),
    )  # fmt: skip
    return framed(request, "webhooks", "webhooks/delivery.html", {"page": page})


def _account(request: AccountRequest) -> int:
    policy.require(request.viewer, Action.EDIT_TOKENS)
    return request.viewer.account_id


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def _typed(request: AccountRequest, name: str) -> str:
    return reading.plain(request.POST.get(name, ""))


def _wanted(request: AccountRequest) -> list[subscriptions.Wanted]:
    wanted = picking.read(request.POST.getlist("events"))
    if not wanted:
        raise Invalid(_("Choose at least one event."), field="event_type")
    for one in wanted:
        subscriptions.check(one)
    return wanted


def _at_once(request: AccountRequest) -> int:
    found = whole(_typed(request, "max_concurrent"))
    if found is None:
        raise Invalid(
            _("It takes 1 to %(num)s requests at once.") % {"num": MOST_AT_ONCE}, field="max_concurrent"
        )
    return found


def _again(
    request: AccountRequest, save_url: str, title: str, refusal: Invalid, back_url: str = ""
) -> HttpResponse:
    field = refusal.field if refusal.field in ("name", "url", "max_concurrent") else "events"
    form = Form(
        title=title, name=_typed(request, "name"), url=_typed(request, "url"), at_once=_typed(request, "max_concurrent"),
        groups=picking.groups(request.POST.getlist("events")), save_url=save_url, back_url=back_url or reverse("webhooks"),
        errors={field: f"{refusal.message} {refusal.hint if field == 'url' else ''}".strip()},
    )  # fmt: skip
    return _form(request, form, 422)


def _form(request: AccountRequest, form: Form, status: int = 200) -> HttpResponse:
    return framed(request, "webhooks", "webhooks/form.html", {"page": form}, status)


def _secret(request: AccountRequest, app: App, secret: str) -> HttpResponse:
    """The answer itself shows it: nothing keeps it readable, so it can't be shown a second time."""
    shown = {"name": app.name, "secret": secret, "app_id": app.pk}
    response = framed(request, "webhooks", "webhooks/secret.html", {"page": shown})
    response.headers["Cache-Control"] = "no-store"
    return response


def _events(number: int) -> str:
    return ngettext("%(num)s event", "%(num)s events", number) % {"num": number}


def _state(target: Target) -> Label:
    if target.paused_at is not None:
        return Label(_("Paused"), "amber")
    return Label(_("Failing"), "red") if target.failing_since else Label(_("Active"), "green")


def _line(one: Logged) -> LogLine:
    row = one.delivery
    text, tone = STATES.get(one.state, (_("Delivered"), "green"))  # type: ignore[call-overload]
    if one.state == "WAITING" and one.last:
        text = _("Will be tried again")
    parts = [_("Test") if row.is_test else _events(len(row.events))]
    if one.last:
        parts += [
            _answer(one.last["status"]),
            ngettext("%(num)s try", "%(num)s tries", len(row.tries)) % {"num": len(row.tries)},
        ]
    if one.state == "WAITING" and one.last and one.due_at is not None:
        parts.append(_("the next: %(time)s") % {"time": times.moment(one.due_at)})
    return LogLine(
        row.pk, row.created_at, Label(str(text), tone), " · ".join(parts), _types(row.events),
        reverse("webhook-delivery", args=[row.app_id, row.pk]), may_go_again=one.state != "SENDING",
    )  # fmt: skip


def _types(events: list[dict[str, object]]) -> str:
    return ", ".join(sorted({str(one["subscriptionType"]) for one in events}))


def _answer(status: int | None) -> str:
    return _("Answer %(status)s") % {"status": status} if status else _("No answer")

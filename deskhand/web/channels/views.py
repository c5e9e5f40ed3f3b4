"""The channels' settings: connect an address, try its servers, say who gets its mail, and how we sign.

A trial of a server comes before anything is written, so that nobody waits for a lock while a server takes its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import policy
from deskhand.accounts.policy import Action
from deskhand.channels.email import accounts as email
from deskhand.channels.email import trial
from deskhand.channels.email.causes import Cause
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.channels.email.trial import Outcome
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk import inboxes
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid, NotFound
from deskhand.kernel.text import one_line, storable
from deskhand.notifications import reading
from deskhand.notifications.types import Kind
from deskhand.routing import matrix, rules
from deskhand.routing import queries as routing
from deskhand.web.asked import number
from deskhand.web.channels import page as pages
from deskhand.web.channels import rule as rule_form
from deskhand.web.channels.rows import Input
from deskhand.web.choices import Choice
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest
from deskhand.web.refusals import words_of

RESULT = "channel_trial"  # of the session: what the last trial of a channel came to, told once


def _by(request: AccountRequest) -> Actor:
    return Actor.user(request.user.pk)


def _channel(request: AccountRequest, channel_id: int) -> ChannelAccount:
    """Raises Forbidden for who may not connect channels, NotFound for one that is not theirs."""
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    found = ChannelAccount.objects.select_related("inbox").filter(
        account_id=request.viewer.account_id, pk=channel_id
    )
    channel = found.first()
    if channel is None:
        raise NotFound(_("There is no such channel."))
    return channel


def _mailbox(request: AccountRequest, channel_id: int) -> ChannelAccount:
    """One that is an address: others have no servers and no signature. Raises as `_channel` does."""
    channel = _channel(request, channel_id)
    if channel.channel != matrix.EMAIL:
        raise NotFound(_("There is no such channel."))
    return channel


def _show(request: AccountRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return framed(request, "channels", template, context, status)


def _back(request: AccountRequest, name: str, channel_id: int, part: str = "") -> HttpResponse:
    setup = "?setup=1" if request.POST.get("setup") == "1" else ""
    return redirect(f"{reverse(name, args=[channel_id])}{setup}{part}")


def _is_setup(request: AccountRequest) -> bool:
    return "1" in (request.GET.get("setup"), request.POST.get("setup"))


@require_GET
def channels(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    return _show(request, "channels/list.html", {"lines": pages.lines(request.viewer.account_id)})


# ── a new address ────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def new(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    inputs = pages.new_inputs(request.viewer.account_id, {})
    return _show(request, "channels/new.html", {"inputs": inputs, "steps": pages.steps(0)})


@require_POST
def add(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.CONNECT_CHANNELS)
    typed = {
        name: one_line(request.POST.get(name, "")) for name in ("address", "name", "inbox", "inbox_name")
    }
    try:
        made = email.connect(_inbox(request, typed), typed["address"], typed["name"], by=_by(request))
    except Invalid as refusal:
        inputs = pages.new_inputs(request.viewer.account_id, typed, refusal)
        return _show(request, "channels/new.html", {"inputs": inputs, "steps": pages.steps(0)}, 422)
    return redirect(f"{reverse('channel', args=[made.pk])}?setup=1")


def _inbox(request: AccountRequest, typed: dict[str, str]) -> Inbox:
    account_id = request.viewer.account_id
    if typed["inbox"] == pages.NEW_INBOX:
        return inboxes.add_inbox(account_id, typed["inbox_name"], InboxKind.INBOX, by=_by(request))
    found = Inbox.objects.filter(account_id=account_id, archived_at=None)
    chosen = found.filter(pk=number(typed["inbox"], "inbox")).first() if typed["inbox"] else None
    if chosen is None:
        raise Invalid(_("Choose where its conversations go."), field="inbox", value=typed["inbox"])
    return chosen


# ── how it is read and answered ──────────────────────────────────────────────────────────────────────────────────────


@require_GET
def connection(request: AccountRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    if channel.channel != matrix.EMAIL:
        return redirect("channel-automation", channel.pk)
    reading.mark_about(request.viewer, clock.now(), [Kind.RECEIVING], [channel.pk])
    return _connection(request, channel, _told(request, channel))


def _connection(
    request: AccountRequest,
    channel: ChannelAccount,
    results: dict[str, Outcome],
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    shown = pages.page(
        channel, routing.rule_for(channel.account_id, channel.pk), "channel", is_setup=_is_setup(request)
    )
    context = {
        "page": shown,
        "incoming": more.get("incoming") or pages.incoming(channel, results.get("incoming")),
        "outgoing": more.get("outgoing") or pages.outgoing(channel, results.get("outgoing")),
        "test_url": reverse("channel-test", args=[channel.pk]),
    }
    return _show(request, "channels/connection.html", context, status)


def _tell(request: AccountRequest, channel: ChannelAccount, results: dict[str, Outcome]) -> None:
    """Keep what a trial came to for the next look at the page."""
    kept = {name: asdict(one) for name, one in results.items()}
    request.session[RESULT] = {"channel": channel.pk, **kept}


def _told(request: AccountRequest, channel: ChannelAccount) -> dict[str, Outcome]:
    kept = request.session.get(RESULT)
    if not kept or kept.get("channel") != channel.pk:
        return {}
    del request.session[RESULT]
    return {
        name: Outcome(Cause(kept[name]["cause"]) if kept[name]["cause"] else None, kept[name]["detail"])
        for name in ("incoming", "outgoing") if name in kept
    }  # fmt: skip


def _typed(request: AccountRequest) -> dict[str, str]:
    return {
        name: one_line(request.POST.get(name, "")) for name in request.POST if not name.endswith("password")
    }


def _server(request: AccountRequest, kind: str) -> email.Server:
    """Raises Invalid for a port that is no number, and an encryption that there is not."""
    typed = _typed(request)
    security = typed.get(f"{kind}_security", "")
    if security not in Security.values:
        raise Invalid(_("Choose an encryption."), field=f"{kind}_security", value=security[:40])
    return email.Server(
        typed.get(f"{kind}_host", ""), number(typed.get(f"{kind}_port", ""), f"{kind}_port"), Security(security),
        typed.get(f"{kind}_user", ""), storable(request.POST.get(f"{kind}_password", "")),
    )  # fmt: skip


@require_POST
def save_incoming(request: AccountRequest, channel_id: int) -> HttpResponse:
    """Save how mail comes in, and log in to try it; what is wrong is told and kept all the same."""
    channel = _mailbox(request, channel_id)
    box, results = email.of_channel(channel), {}
    try:
        if request.POST.get("own") == "1":
            folders = [request.POST.get(name, "") for name in ("imap_folder", "processed_folder")]
            box = email.with_incoming(box, _server(request, "imap"), folders[0], folders[1])
            results["incoming"] = trial.try_incoming(box)
        else:
            box = email.without_incoming(box)
    except Invalid as refusal:
        form = pages.incoming(channel, None, _typed(request), refusal)
        return _connection(request, channel, {}, 422, incoming=form)
    return _saved(request, channel, box, results, "#incoming")


@require_POST
def save_outgoing(request: AccountRequest, channel_id: int) -> HttpResponse:
    """Save who sends, and log in to try it."""
    channel = _mailbox(request, channel_id)
    box, results = email.of_channel(channel), {}
    try:
        if request.POST.get("own") == "1":
            box = email.with_outgoing(box, _server(request, "smtp"))
            results["outgoing"] = trial.try_outgoing(email.relay_of(box), channel.address)
        else:
            box = email.without_outgoing(box)
    except Invalid as refusal:
        form = pages.outgoing(channel, None, _typed(request), refusal)
        return _connection(request, channel, {}, 422, outgoing=form)
    return _saved(request, channel, box, results, "#outgoing")


def _saved(
    request: AccountRequest,
    channel: ChannelAccount,
    box: EmailAccount,
    results: dict[str, Outcome],
    part: str,
) -> HttpResponse:
    email.save(box, by=_by(request))
    _tell(request, channel, results)
    if not results:
        messages.info(request, _("The connection is saved."))
    return _back(request, "channel", channel.pk, part)


@require_POST
def test(request: AccountRequest, channel_id: int) -> HttpResponse:
    """Log in to the servers as they are saved. Changes nothing, and sends nothing."""
    channel = _mailbox(request, channel_id)
    box = email.of_channel(channel)
    results = {}
    if box.state != MailboxState.OFF:
        results["incoming"] = trial.try_incoming(box)
    if box.smtp_host:
        results["outgoing"] = _try_outgoing(box, channel.address)
    if not results:
        messages.info(
            request,
            _(
                "There is no server of its own to test: mail is handed to us, and the installation's server sends."
            ),
        )
    _tell(request, channel, results)
    return _back(request, "channel", channel.pk)


def _try_outgoing(box: EmailAccount, address: str) -> Outcome:
    try:
        return trial.try_outgoing(email.relay_of(box), address)
    except Invalid:
        return Outcome(Cause.UNREADABLE_PASSWORD)


@require_POST
def switch(request: AccountRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    change: Callable[..., None] = (
        inboxes.connect_again if request.POST.get("on") == "1" else inboxes.disconnect
    )
    try:
        change(channel, by=_by(request))
    except Invalid as refusal:
        messages.error(request, words_of(refusal))
        return redirect("channel", channel.pk)
    is_on = channel.archived_at is None
    if channel.channel == matrix.EMAIL:
        said = _("%(address)s takes mail again.") if is_on else _("%(address)s takes no mail any more.")
    else:
        said = _("%(address)s is on again.") if is_on else _("%(address)s is off.")
    messages.info(request, said % {"address": channel.address})
    return redirect("channel", channel.pk)


# ── who gets its mail ────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def automation(request: AccountRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    rule = routing.rule_for(channel.account_id, channel.pk)
    return _automation(request, channel, rule_form.of_rule(rule, request.account.zone))


def _automation(
    request: AccountRequest, channel: ChannelAccount, typed: rule_form.Typed, status: int = 200, **more: Any
) -> HttpResponse:
    rule = routing.rule_for(channel.account_id, channel.pk)
    begins = _begins(channel)
    context = {
        "page": pages.page(channel, rule, "channel-automation", is_setup=_is_setup(request)),
        "form": rule_form.form(channel, typed, **more),
        "next": pages.who_is_next(channel)
        if channel.creates_tickets and channel.archived_at is None
        else None,
        "may_edit": policy.can(request.viewer, Action.EDIT_ROUTING),
        "creates_tickets": channel.creates_tickets,
        "begins": begins,
        "tickets_url": reverse("channel-tickets", args=[channel.pk]),
    }
    return _show(request, "channels/automation.html", context, status)


def _begins(channel: ChannelAccount) -> tuple[Choice, ...]:
    """Where its tickets may begin: every status of every pipeline, by `pipeline:status` (R-CC-11)."""
    default = pipelines_of("ticket").default
    pipeline_id = channel.pipeline_id or default.id
    found = [
        Choice(
            "", _("The default pipeline's first open status"), not (channel.pipeline_id or channel.stage_id)
        )
    ]
    for pipeline in pipelines_of("ticket").pipelines:
        for stage in pipeline.stages:
            label = _("%(pipeline)s: %(status)s") % {"pipeline": _(pipeline.label), "status": _(stage.label)}
            is_chosen = pipeline.id == pipeline_id and stage.id == channel.stage_id
            found.append(Choice(f"{pipeline.id}:{stage.id}", label, is_chosen))
    return tuple(found)


@require_POST
def save_tickets(request: AccountRequest, channel_id: int) -> HttpResponse:
    """Whether conversations become tickets, and where those begin (R-CC-2, R-CC-3, R-CC-11)."""
    channel = _channel(request, channel_id)
    chosen = request.POST.get("begins", "")
    if chosen not in [one.value for one in _begins(channel)]:
        raise Invalid(_("This choice is not there any more."), field="begins", value=chosen[:40])
    pipeline, _colon, stage = chosen.partition(":")
    inboxes.change(
        channel, by=_by(request), creates_tickets=request.POST.get("creates_tickets") == "1",
        pipeline_id=int(pipeline) if pipeline else None, stage_id=int(stage) if stage else None,
    )  # fmt: skip
    messages.info(request, _("The tickets of this channel are saved."))
    return _back(request, "channel-automation", channel.pk)


@require_POST
def save_rule(request: AccountRequest, channel_id: int) -> HttpResponse:
    """R-ROUTE-10: for people with a seat. With `up` only the order changes, and nothing is saved yet."""
    channel = _channel(request, channel_id)
    policy.require(request.viewer, Action.EDIT_ROUTING)
    typed = rule_form.of_post(request.POST, routing.rule_for(channel.account_id, channel.pk))
    if rule_form.UP in request.POST:
        notice = _("The order is changed. Save the rule to keep it.")
        return _automation(
            request, channel, rule_form.moved_up(typed, request.POST[rule_form.UP]), notice=notice
        )
    if (changed := rule_form.with_week(typed, request.POST)) is not None:
        notice = _("The hours are changed. Save the rule to keep them.")
        return _automation(request, channel, changed, notice=notice)
    try:
        values = typed.values(matrix.of(channel.channel))
        rules.set_rule(channel.account_id, channel.pk, by=_by(request), kind=channel.channel, **values)
    except Invalid as refusal:
        return _automation(request, channel, typed, 422, refusal=refusal)
    messages.info(request, _("The rule is saved."))
    return _back(request, "channel-automation", channel.pk)


# ── how we sign ──────────────────────────────────────────────────────────────────────────────────────────────────────


@require_GET
def sender(request: AccountRequest, channel_id: int) -> HttpResponse:
    channel = _mailbox(request, channel_id)
    return _sender(request, channel, channel)


def _sender(
    request: AccountRequest,
    channel: ChannelAccount,
    shown: ChannelAccount,
    status: int = 200,
    refusal: Invalid | None = None,
) -> HttpResponse:
    """`shown` is what stands in the form."""
    inputs = (
        Input("name", _("Name of the channel"), value=shown.name, help=_("How you call it among yourselves.")),
        Input("from_name", _("Name that customers see"), value=shown.from_name, help=_("Empty: the name of the channel.")),
        Input("signature", _("Signature"), "long", shown.signature, help=_("Goes under every reply. Mail that automations send has words of its own.")),
    )  # fmt: skip
    context = {
        "page": pages.page(channel, routing.rule_for(channel.account_id, channel.pk), "channel-sender", is_setup=_is_setup(request)),
        "inputs": pages.with_refusal(inputs, refusal),
        "shows_agent": shown.shows_agent,
        "quotes_history": shown.quotes_history,
        "is_default": channel.is_default,
        "writer": request.user.name,
        "seen_name": shown.from_name or shown.name,
        "signature": shown.signature.strip(),
        "save_url": reverse("channel-sender-save", args=[channel.pk]),
    }  # fmt: skip
    return _show(request, "channels/sender.html", context, status)


@require_POST
def save_sender(request: AccountRequest, channel_id: int) -> HttpResponse:
    channel = _mailbox(request, channel_id)
    values = {
        "name": one_line(request.POST.get("name", "")),
        "from_name": one_line(request.POST.get("from_name", "")),
        "signature": storable(request.POST.get("signature", "")).strip(),
        "shows_agent": request.POST.get("shows_agent") == "1",
        "quotes_history": request.POST.get("quotes_history") == "1",
    }
    try:
        inboxes.change(channel, by=_by(request), **values)
    except Invalid as refusal:
        return _sender(request, channel, ChannelAccount(**values), 422, refusal)
    if request.POST.get("is_default") == "1" and channel.archived_at is None:
        inboxes.make_default(channel, by=_by(request))
    messages.info(request, _("The name and the signature are saved."))
    if _is_setup(request):
        return redirect("channels")
    return _back(request, "channel-sender", channel.pk)

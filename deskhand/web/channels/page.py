"""Building the pages of the channels from what the areas below say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from deskhand.channels.email import accounts as email
from deskhand.channels.email.models import EmailAccount, MailboxState, Security
from deskhand.channels.email.trial import Outcome
from deskhand.crm.pipelines.queries import pipelines_of
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind
from deskhand.desk.threads import type_of_channel
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.routing import explain, matrix
from deskhand.routing.models import RoutingRule
from deskhand.web.channels import words
from deskhand.web.channels.rows import Input, Line, Next, Page, Said, Server, Step, Taker
from deskhand.web.choices import Choice, Tab
from deskhand.web.inbox.rows import Label
from deskhand.web.pipelines.page import CHANNEL_ICONS
from deskhand.web.refusals import words_of
from deskhand.web.shell import Person

Typed = Mapping[str, str]
SECURITY = {
    Security.TLS: gettext_lazy("TLS from the first byte"),
    Security.STARTTLS: gettext_lazy("STARTTLS"),
    Security.NONE: gettext_lazy("None, not encrypted"),
}
NEW_INBOX = "new"


def channels_of(account_id: int) -> list[ChannelAccount]:
    """The account's channels, those that are off at the end."""
    found = ChannelAccount.objects.filter(account_id=account_id).select_related("inbox", "email")
    return sorted(found, key=_place_in_list)


def _place_in_list(one: ChannelAccount) -> tuple[bool, bool, str, bool, str, int]:
    """Mail before the others, whose kinds stay together."""
    kind = "" if one.channel == matrix.EMAIL else one.channel
    return (one.archived_at is not None, kind != "", kind, not one.is_default, one.address, one.pk)


def lines(account_id: int) -> list[Line]:
    """A fixed number of queries."""
    found = channels_of(account_id)
    rules = {
        rule.channel_account_id: rule
        for rule in RoutingRule.objects.filter(
            account_id=account_id, channel_account_id__in=[one.pk for one in found]
        )
    }
    named = words.Named(account_id, list(rules.values()))
    return [_line(one, words.sentence(one, rules.get(one.pk), named)) for one in found]


def _line(channel: ChannelAccount, sentence: str) -> Line:
    mailbox: EmailAccount | None = getattr(channel, "email", None)
    said = words.of_mailbox(mailbox) if mailbox and channel.archived_at is None else None
    in_trouble = said is not None and said.tone in ("red", "amber")
    return Line(
        reverse("channel", args=[channel.pk]), channel.name, channel.address, _state(channel, said), sentence,
        _place(channel), channel.is_default, CHANNEL_ICONS.get(channel.channel, "message-square"), said if in_trouble else None,
    )  # fmt: skip


def _state(channel: ChannelAccount, said: Said | None) -> Label:
    if channel.archived_at is not None:
        return Label(_("Off"))
    if said is not None and said.tone == "red":
        return Label(_("Needs attention"), "red")
    if said is not None and said.tone == "amber":
        return Label(_("Tried again"), "amber")
    return Label(_("On"), "green")


def _place(channel: ChannelAccount) -> str:
    """Where its conversations are, and the status its tickets begin in (R-CC-11)."""
    if not channel.creates_tickets:
        return _(channel.inbox.name)
    pipeline = pipelines_of("ticket").pipeline(channel.pipeline_id) if channel.pipeline_id else None
    pipeline = pipeline or pipelines_of("ticket").default
    stage = (pipeline.stage(channel.stage_id) if channel.stage_id else None) or pipeline.first_open
    return _("%(inbox)s, tickets begin in %(pipeline)s as “%(status)s”") % {
        "inbox": _(channel.inbox.name), "pipeline": _(pipeline.label), "status": _(stage.label),
    }  # fmt: skip


# ── one channel ──────────────────────────────────────────────────────────────────────────────────────────────────────


def page(channel: ChannelAccount, rule: RoutingRule | None, tab: str, *, is_setup: bool = False) -> Page:
    query = "?setup=1" if is_setup else ""
    tabs: tuple[tuple[str, str], ...] = (
        ("channel", _("Connection")),
        ("channel-automation", _("Automation")),
        ("channel-sender", _("Name and signature")),
    )
    if channel.channel != matrix.EMAIL:  # no server of ours, and no signature
        tabs = tabs[1:2]
    urls = [reverse(name, args=[channel.pk]) + query for name, _label in tabs]
    place = [name for name, _label in tabs].index(tab)
    after = [*urls, reverse("channels")][place + 1]
    return Page(
        channel.pk, channel.name, channel.address,
        words.sentence(channel, rule, words.Named(channel.account_id, [rule] if rule else [])),
        channel.archived_at is None, reverse("channel-switch", args=[channel.pk]),
        tuple(Tab(label, url, name == tab) for (name, label), url in zip(tabs, urls, strict=True)),
        steps(place + 1) if is_setup else (), channel.channel, after if is_setup else "",
    )  # fmt: skip


def steps(current: int) -> tuple[Step, ...]:
    labels = (_("Address"), _("Connection"), _("Automation"), _("Name and signature"))
    return tuple(
        Step(label, "done" if place < current else "current" if place == current else "next")
        for place, label in enumerate(labels)
    )


def new_inputs(account_id: int, typed: Typed, refusal: Invalid | None = None) -> tuple[Input, ...]:
    """The form of a new address."""
    inboxes = Inbox.objects.filter(account_id=account_id, archived_at=None).order_by(
        "kind", "display_order", "id"
    )
    chosen = typed.get("inbox", "")
    choices = [Choice(str(one.pk), _inbox_label(one), str(one.pk) == chosen) for one in inboxes]
    choices.append(Choice(NEW_INBOX, _("A new inbox without tickets"), chosen == NEW_INBOX))
    inputs = (
        Input("address", _("Email address"), "email", typed.get("address", ""), placeholder=_("support@example.com"),
              help=_("The address that your customers write to.")),
        Input("name", _("Name"), value=typed.get("name", ""), help=_("Customers read it before the address. For example: Nordlys support")),
        Input("inbox", _("Where its conversations go"), "select", choices=tuple(choices)),
        Input("inbox_name", _("Name of the new inbox"), value=typed.get("inbox_name", "")),
    )  # fmt: skip
    return with_refusal(inputs, refusal)


def _inbox_label(inbox: Inbox) -> str:
    if inbox.kind == InboxKind.HELP_DESK:
        return _("%(inbox)s: each new conversation becomes a ticket") % {"inbox": _(inbox.name)}
    return _("%(inbox)s: conversations without tickets") % {"inbox": _(inbox.name)}


def with_refusal(inputs: Sequence[Input], refusal: Invalid | None) -> tuple[Input, ...]:
    """The same with the error under its field; of a field that is not there, under the first."""
    if refusal is None:
        return tuple(inputs)
    names = [one.name for one in inputs]
    wrong = refusal.field if refusal.field in names else names[0]
    text = words_of(refusal)
    return tuple(
        Input(one.name, one.label, one.kind, one.value, one.help, text, one.choices, one.placeholder, one.autocomplete)
        if one.name == wrong else one
        for one in inputs
    )  # fmt: skip


# ── its servers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def incoming(channel: ChannelAccount, result: Outcome | None, typed: Typed | None = None, refusal: Invalid | None = None) -> Server:  # fmt: skip
    box = email.of_channel(channel)
    typed = typed if typed is not None else {
        "own": "1" if box.state != MailboxState.OFF else "0", "imap_host": box.imap_host, "imap_port": str(box.imap_port),
        "imap_security": box.imap_security, "imap_user": box.imap_user or channel.address, "imap_folder": box.imap_folder,
        "processed_folder": box.processed_folder,
    }  # fmt: skip
    inputs = (
        Input("imap_host", _("IMAP server"), value=typed.get("imap_host", ""), placeholder=_("imap.example.com")),
        Input("imap_port", _("Port"), "number", typed.get("imap_port", "")),
        _security("imap_security", typed),
        Input("imap_user", _("User name"), value=typed.get("imap_user", "")),
        _password("imap_password", bool(box.imap_password_sealed)),
        Input("imap_folder", _("Folder to read"), value=typed.get("imap_folder", "")),
        Input("processed_folder", _("Folder for what was taken"), value=typed.get("processed_folder", ""),
              help=_("Mail is moved here once it is safe with us. Empty: it stays where it is.")),
    )  # fmt: skip
    return Server(
        reverse("channel-incoming", args=[channel.pk]), typed.get("own") == "1", with_refusal(inputs, refusal),
        _("Your mail server forwards or hands over the mail of this address, by LMTP or SMTP. Nothing is fetched."),
        words.of_mailbox(box) if channel.archived_at is None and refusal is None else None, words.of_incoming(result) if result else None,
    )  # fmt: skip


def outgoing(channel: ChannelAccount, result: Outcome | None, typed: Typed | None = None, refusal: Invalid | None = None) -> Server:  # fmt: skip
    box = email.of_channel(channel)
    typed = typed if typed is not None else {
        "own": "1" if box.smtp_host else "0", "smtp_host": box.smtp_host, "smtp_port": str(box.smtp_port),
        "smtp_security": box.smtp_security, "smtp_user": box.smtp_user if box.smtp_host else channel.address,
    }  # fmt: skip
    inputs = (
        Input("smtp_host", _("SMTP server"), value=typed.get("smtp_host", ""), placeholder=_("smtp.example.com")),
        Input("smtp_port", _("Port"), "number", typed.get("smtp_port", "")),
        _security("smtp_security", typed),
        Input("smtp_user", _("User name"), value=typed.get("smtp_user", ""), help=_("Empty: no log-in.")),
        _password("smtp_password", bool(box.smtp_password_sealed)),
    )  # fmt: skip
    return Server(
        reverse("channel-outgoing", args=[channel.pk]), typed.get("own") == "1", with_refusal(inputs, refusal),
        words.without_own_server(), None, words.of_outgoing(result) if result else None,
    )  # fmt: skip


def _security(name: str, typed: Typed) -> Input:
    chosen = typed.get(name, "")
    choices = tuple(Choice(one.value, str(label), one.value == chosen) for one, label in SECURITY.items())
    return Input(name, _("Encryption"), "select", choices=choices)


def _password(name: str, is_stored: bool) -> Input:
    text = _("One is stored. Leave this empty to keep it.") if is_stored else ""
    return Input(name, _("Password"), "password", help=text, autocomplete="new-password")


# ── who gets the next one ────────────────────────────────────────────────────────────────────────────────────────────


def who_is_next(channel: ChannelAccount) -> Next:
    now = clock.now()
    if matrix.of(channel.channel).rings:
        title, seen = _("If somebody called now"), explain.foresee_call(channel.account_id, channel.pk, now)
    else:
        title = _("If a mail came now") if channel.channel == matrix.EMAIL else _("If somebody wrote now")
        kind = type_of_channel(channel.channel).value
        seen = explain.foresee(channel.account_id, channel.pk, now, kind)
    takers = tuple(
        Taker(
            Person.named(name, available=None), _to_do(load, seen.weighs), user_id == seen.user_id,
        )
        for user_id, name, load in seen.takers
    )  # fmt: skip
    return Next(title, seen.headline, now, takers, tuple((one.name, one.reason) for one in seen.dropped))


def _to_do(load: int, weighs: bool) -> str:
    if weighs:
        return ngettext("%(num)s point", "%(num)s points", load) % {"num": load}
    return ngettext("%(num)s open ticket", "%(num)s open tickets", load) % {"num": load}

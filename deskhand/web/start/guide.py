"""Get started: what a new help desk needs, each step done when the data say so, not when somebody ticked it off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from deskhand.accounts import first_run, policy
from deskhand.accounts.models import AuditEntry, Membership
from deskhand.accounts.policy import Action
from deskhand.automation.models import Workflow
from deskhand.channels.email.models import EmailAccount, MailboxState
from deskhand.desk.models import ChannelAccount, Direction, Message
from deskhand.events.types import ActorKind
from deskhand.web.frame import framed
from deskhand.web.middleware import AccountRequest

SHOWN = 20  # addresses looked at


@dataclass(frozen=True)
class Step:
    """`state` says how it stands in the data; `picture` names the drawing."""

    key: str
    title: str
    text: str
    state: str
    is_done: bool
    url: str
    label: str
    trouble: bool = False


@require_GET
def guide(request: AccountRequest) -> HttpResponse:
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    addresses = _addresses(request)
    found = [_channel(addresses), _first_mail(request, addresses), _colleagues(request), _automation(request)]
    context = {
        "steps": found,
        "done": sum(step.is_done for step in found),
        "next": next((step.key for step in found if not step.is_done), ""),
        "in_rail": request.member.sees_start,
    }
    return framed(request, "start", "start/guide.html", context)


@require_POST
def show(request: AccountRequest) -> HttpResponse:
    """`shown` 1 keeps it in one's rail, 0 puts it away; the settings lead here all the same."""
    policy.require(request.viewer, Action.EDIT_ACCOUNT)
    is_shown = request.POST.get("shown") == "1"
    first_run.show_guide(request.viewer.account_id, request.viewer.user_id, is_shown)
    return redirect("start" if is_shown else "home")


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _channel(found: Sequence[ChannelAccount]) -> Step:
    done = [one for one in found if _is_read(one)]
    has_trouble, state = False, _("No address is connected yet.")
    url, label = reverse("channel-new"), _("Connect an address")
    if done:
        state = _("%(address)s takes mail.") % {"address": done[0].address}
        url, label = reverse("channels"), _("See the channels")
    elif found:
        has_trouble = True
        box: EmailAccount | None = getattr(found[0], "email", None)
        state = _("%(address)s is entered, and no mail has come in yet. Say how its mail gets here.")
        label = _("Set up the connection")
        if box is not None and box.state != MailboxState.OFF:
            state = _("%(address)s is entered, and no mail has come in yet. Test the log-in to its mailbox.")
            label = _("Test the log-in")
        state = state % {"address": found[0].address}
        url = reverse("channel", args=[found[0].pk]) + "?setup=1"
    return Step(
        "channel", _("Connect the address that your customers write to"),
        _("Their mail becomes tickets here, and your answers leave from the same address. The log-in is tested before anything is read."),
        state, bool(done), url, label, has_trouble,
    )  # fmt: skip


def _addresses(request: AccountRequest) -> list[ChannelAccount]:
    found = ChannelAccount.objects.filter(
        account_id=request.viewer.account_id, channel="email", archived_at=None
    )
    mail = Message.objects.filter(
        account_id=request.viewer.account_id,
        thread__channel_account_id=OuterRef("pk"),
        direction=Direction.IN,
    )
    found = found.select_related("email").annotate(has_mail=Exists(mail))
    return list(found.order_by("-is_default", "id")[:SHOWN])


def _is_read(channel: ChannelAccount) -> bool:
    """Its mailbox was logged in to; or it has none, and mail was handed to us."""
    box: EmailAccount | None = getattr(channel, "email", None)
    has_mail: bool = channel.has_mail  # type: ignore[attr-defined]  # an annotation
    return has_mail or (box is not None and box.state == MailboxState.OK)


def _colleagues(request: AccountRequest) -> Step:
    others = Membership.objects.filter(account_id=request.viewer.account_id).exclude(
        user_id=request.viewer.user_id
    )
    invited = others.exclude(invited_at=None).count()
    joined = others.filter(is_active=True).count()
    state = _("You are the only one here.")
    if joined:
        state = ngettext("%(num)s colleague is in.", "%(num)s colleagues are in.", joined) % {"num": joined}
    elif invited:
        state = ngettext(
            "%(num)s invitation is on its way.", "%(num)s invitations are on their way.", invited
        )
        state = state % {"num": invited}
    is_done = bool(joined or invited)
    url = reverse("users" if is_done else "user-new")
    return Step(
        "people", _("Invite your colleagues"),
        _("Each gets a mail with a link to join. New tickets can then be shared out among those who are available."),
        state, is_done, url, _("See the users") if is_done else _("Invite somebody"),
    )  # fmt: skip


def _automation(request: AccountRequest) -> Step:
    account_id = request.viewer.account_id
    on = Workflow.objects.filter(account_id=account_id, archived_at=None, is_on=True).count()
    changed = AuditEntry.objects.filter(
        account_id=account_id, actor_kind=ActorKind.USER, target_type__in=["pipeline", "stage", "workflow"]
    ).exists()
    state = _("The pipeline is as it came.")
    if on:
        state = ngettext("%(num)s automation is on.", "%(num)s automations are on.", on) % {"num": on}
    elif changed:
        state = _("The pipeline is set up your way.")
    return Step(
        "pipeline", _("Decide what happens by itself"),
        _("A ticket moves through the statuses of a pipeline. Each status can send a mail, assign somebody, or create a task when a ticket reaches it."),
        state, bool(on or changed), reverse("automate-home"), _("See the automation"),
    )  # fmt: skip


def _first_mail(request: AccountRequest, addresses: Sequence[ChannelAccount]) -> Step:
    account_id = request.viewer.account_id
    is_done = Message.objects.filter(account_id=account_id, direction=Direction.IN).exists()
    address = next((one.address for one in addresses), "")
    state, url, label = _("Connect an address first."), "", ""
    if is_done:
        state, label = _("The first mail has arrived."), _("Go to the inbox")
        url = reverse("inbox-view", args=["all-open"])
    elif address:
        state = _(
            "Nothing has come in yet. Write to %(address)s from any other mailbox; within seconds it is here."
        )
        state = state % {"address": address}
        url, label = f"mailto:{address}", _("Write a mail")
    return Step(
        "mail", _("Send yourself a test mail"),
        _("Answer it here, and see your answer arrive: that is the whole way your customers' mail will take."),
        state, is_done, url, label,
    )  # fmt: skip

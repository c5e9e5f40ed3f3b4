"""Verbs on inboxes and the channel accounts in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind
from deskhand.events.types import SYSTEM, Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid


def ensure_defaults(account_id: int) -> Inbox:
    """Give a new account its help desk. Safe to repeat."""
    desk = Inbox.objects.filter(account_id=account_id, kind=InboxKind.HELP_DESK).order_by("id").first()
    return desk or Inbox.objects.create(
        account_id=account_id, name=gettext_noop("Help desk"), kind=InboxKind.HELP_DESK
    )


def add_channel_account(
    inbox: Inbox, *, channel: str, name: str, address: str, **more: Any
) -> ChannelAccount:
    """Connect one of our addresses. Raises Invalid when the address is connected already (in any account)."""
    address = address.strip().lower()
    if ChannelAccount.objects.filter(channel=channel, address=address, archived_at=None).exists():
        raise Invalid(
            _("%(address)s is connected already.") % {"address": address},
            field="address",
            value=address,
            hint=_("Disconnect it first, or use another address."),
        )
    is_first = not ChannelAccount.objects.filter(
        account_id=inbox.account_id, channel=channel, archived_at=None
    ).exists()
    return ChannelAccount.objects.create(
        account_id=inbox.account_id, inbox=inbox, channel=channel, name=name, address=address, is_default=is_first,
        created_at=clock.now(), **more,
    )  # fmt: skip


def set_creates_tickets(account: ChannelAccount, on: bool, *, by: Actor = SYSTEM) -> ChannelAccount:
    """R-CC-3: off stops new tickets from this channel; existing ones stay. Help-desk channels always create (R-CC-6)
    unless the account chose otherwise here."""
    before, account.creates_tickets = account.creates_tickets, on
    if before is not on:
        account.save(update_fields=["creates_tickets"])
        audit.record(
            "channel_account.updated", by=by, target_type="channel_account", target_id=account.pk,
            before={"creates_tickets": before}, after={"creates_tickets": on},
        )  # fmt: skip
    return account


def let_go_of_stages(account_id: int, stage_ids: Collection[int], pipeline_ids: Collection[int]) -> None:
    """Channels whose tickets began in what is deleted go back to the default (R-CC-11)."""
    ours = ChannelAccount.objects.filter(account_id=account_id)
    ours.filter(stage_id__in=stage_ids).update(stage_id=None)
    ours.filter(pipeline_id__in=pipeline_ids).update(pipeline_id=None)

"""Verbs on inboxes and the channel accounts in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from deskhand.accounts import audit
from deskhand.desk.models import ChannelAccount, Inbox, InboxKind
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.errors import Invalid
from deskhand.kernel.text import one_line


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
        raise _taken(address)
    is_first = not ChannelAccount.objects.filter(
        account_id=inbox.account_id, channel=channel, archived_at=None
    ).exists()
    try:
        with transaction.atomic():
            return ChannelAccount.objects.create(
                account_id=inbox.account_id, inbox=inbox, channel=channel, name=name, address=address, is_default=is_first,
                created_at=clock.now(), **more,
            )  # fmt: skip
    except IntegrityError as taken:  # by an account that this one can't see
        raise _taken(address) from taken


def _taken(address: str) -> Invalid:
    return Invalid(
        _("%(address)s is connected already.") % {"address": address},
        field="address",
        value=address,
        hint=_("Disconnect it first, or use another address."),
    )


def add_inbox(account_id: int, name: str, kind: InboxKind, *, by: Actor) -> Inbox:
    """Raises Invalid without a name, or for one that another inbox has."""
    name = one_line(name)
    if not name:
        raise Invalid(_("Give it a name."), field="inbox_name", value=name, hint=_("Enter a name."))
    if Inbox.objects.filter(account_id=account_id, name__iexact=name, archived_at=None).exists():
        raise Invalid(
            _("There is an inbox of this name already."), field="inbox_name", value=name,
            hint=_("Choose it, or use another name."),
        )  # fmt: skip
    made = Inbox.objects.create(account_id=account_id, name=name, kind=kind)
    audit.record(
        "inbox.created", by=by, target_type="inbox", target_id=made.pk, after={"name": name, "kind": kind.value}
    )  # fmt: skip
    return made


def names(account_id: int) -> list[tuple[int, str]]:
    """The inboxes that are there, as people call them. One query."""
    found = Inbox.objects.filter(account_id=account_id, archived_at=None).order_by("display_order", "id")
    return [(pk, _(name)) for pk, name in found.values_list("pk", "name")]


def channel_names(account_id: int) -> list[tuple[int, str]]:
    """The addresses of ours that are connected, by their names. One query."""
    found = ChannelAccount.objects.filter(account_id=account_id, archived_at=None).order_by("name", "id")
    return [
        (pk, name if name == address else f"{name} ({address})")
        for pk, name, address in found.values_list("pk", "name", "address")
    ]


def makes_tickets(inbox: Inbox) -> bool:
    """What a new channel of the inbox does at first (R-CC-6)."""
    return inbox.kind == InboxKind.HELP_DESK


_CHANGEABLE = {
    "name", "from_name", "shows_agent", "signature", "quotes_history", "creates_tickets", "pipeline_id", "stage_id",
}  # fmt: skip


def change(account: ChannelAccount, *, by: Actor, **values: Any) -> ChannelAccount:
    """Change what `_CHANGEABLE` names. Safe to repeat. Raises Invalid for an empty name."""
    wrong = set(values) - _CHANGEABLE
    if wrong:
        raise ValueError(f"A channel has no {', '.join(sorted(wrong))} to change.")
    if "name" in values and not values["name"].strip():
        raise Invalid(_("Give it a name."), field="name", value="", hint=_("Enter a name."))
    before = {name: getattr(account, name) for name in values if getattr(account, name) != values[name]}
    for name in before:
        setattr(account, name, values[name])
    if before:
        account.save(update_fields=list(before))
        _record(account, by, before, {name: values[name] for name in before})
    return account


def make_default(account: ChannelAccount, *, by: Actor) -> None:
    """Mail that has no address of its own leaves from this one (R-MAIL-10)."""
    others = ChannelAccount.objects.filter(account_id=account.account_id, channel=account.channel)
    others.exclude(pk=account.pk).filter(is_default=True).update(is_default=False)
    if not account.is_default:
        account.is_default = True
        account.save(update_fields=["is_default"])
        _record(account, by, {"is_default": False}, {"is_default": True})


def disconnect(account: ChannelAccount, *, by: Actor) -> None:
    """Take no more mail for the address; what was said stays, and answers leave from the default one. Safe to repeat."""
    if account.archived_at is not None:
        return
    account.archived_at, was_default, account.is_default = clock.now(), account.is_default, False
    account.save(update_fields=["archived_at", "is_default"])
    if was_default:
        left = ChannelAccount.objects.filter(
            account_id=account.account_id, channel=account.channel, archived_at=None
        )
        heir = left.order_by("id").first()
        if heir:
            make_default(heir, by=by)
    _record(account, by, {"is_connected": True}, {"is_connected": False})


def connect_again(account: ChannelAccount, *, by: Actor) -> None:
    """Safe to repeat. Raises Invalid when the address is connected anew meanwhile."""
    if account.archived_at is None:
        return
    ours = ChannelAccount.objects.filter(
        account_id=account.account_id, channel=account.channel, archived_at=None
    )
    account.archived_at, account.is_default = None, not ours.exists()
    try:
        with transaction.atomic():
            account.save(update_fields=["archived_at", "is_default"])
    except IntegrityError as taken:
        raise _taken(account.address) from taken
    _record(account, by, {"is_connected": False}, {"is_connected": True})


def _record(account: ChannelAccount, by: Actor, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    audit.record(
        "channel_account.updated", by=by, target_type="channel_account", target_id=account.pk, before=before,
        after=after,
    )  # fmt: skip


def let_go_of_stages(account_id: int, stage_ids: Collection[int], pipeline_ids: Collection[int]) -> None:
    """Channels whose tickets began in what is deleted go back to the default (R-CC-11)."""
    ours = ChannelAccount.objects.filter(account_id=account_id)
    ours.filter(stage_id__in=stage_ids).update(stage_id=None)
    ours.filter(pipeline_id__in=pipeline_ids).update(pipeline_id=None)

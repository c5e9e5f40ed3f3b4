"""Addresses whose mail is spam at once (R-SPAM-2). Blocking is all that happens by itself: nothing is deleted (R-SPAM-5)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext as _

from deskhand.accounts import audit
from deskhand.accounts.models import Membership
from deskhand.desk.models import BlockedSender, ChannelAccount
from deskhand.events.types import Actor
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id
from deskhand.kernel.errors import Invalid, NotFound


def block(address: str, *, by: Actor, at: datetime | None = None) -> BlockedSender:
    """Safe to repeat. Raises Invalid for an empty address, one of ours, or a colleague's."""
    address, account_id = address.strip().lower(), current_account_id()
    if "@" not in address:
        raise Invalid(_("There is no address to block."), field="address", value=address)
    colleagues = Membership.objects.filter(account_id=account_id, is_active=True, user__email=address)
    ours = ChannelAccount.objects.filter(account_id=account_id, address=address, archived_at=None)
    if colleagues.exists() or ours.exists():
        raise Invalid(
            _("%(address)s is one of yours and can't be blocked.") % {"address": address}, field="address", value=address
        )  # fmt: skip
    found, is_new = BlockedSender.objects.get_or_create(
        account_id=account_id,
        address=address,
        defaults={"blocked_at": at or clock.now(), "blocked_by": by.id or 0},
    )
    if is_new:
        audit.record(
            "sender.blocked", by=by, target_type="blocked_sender", target_id=found.pk, after={"address": address}
        )  # fmt: skip
    return found


def unblock(blocked_id: int, *, by: Actor) -> str:
    """Take a sender's mail again (R-SPAM-3), from now on; returns the address. Raises NotFound."""
    found = BlockedSender.objects.filter(account_id=current_account_id(), pk=blocked_id).first()
    if found is None:
        raise NotFound(_("This sender is not blocked."))
    found.delete()
    audit.record(
        "sender.unblocked", by=by, target_type="blocked_sender", target_id=blocked_id, before={"address": found.address}
    )  # fmt: skip
    return found.address


def blocked(addresses: Collection[str]) -> set[str]:
    """Those of the addresses, in lower case, that are blocked. One query."""
    found = BlockedSender.objects.filter(account_id=current_account_id(), address__in=addresses)
    return set(found.values_list("address", flat=True))

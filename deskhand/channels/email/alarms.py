"""What administrators must hear of: facts for the log, in the open account scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from deskhand.desk.models import ChannelAccount
from deskhand.events import log
from deskhand.events.types import SYSTEM, NewEvent
from deskhand.kernel import clock
from deskhand.kernel.database.scope import current_account_id

STOPPED, QUARANTINED, NOT_SENDING = "channel.stopped", "channel.quarantined", "channel.not_sending"


def stopped(channel_id: int) -> None:
    """Its mailbox can't be read."""
    _tell(STOPPED, [channel_id])


def quarantined(channel_ids: Iterable[int]) -> None:
    """Mails to these addresses could not be filed: one id each."""
    _tell(QUARANTINED, channel_ids)


def not_sending(channel_ids: Iterable[int]) -> None:
    """Mails of these channels do not leave: one id each."""
    _tell(NOT_SENDING, channel_ids)


def _tell(kind: str, channel_ids: Iterable[int]) -> None:
    numbers = Counter(channel_ids)
    if not numbers:
        return
    known = ChannelAccount.objects.filter(account_id=current_account_id(), pk__in=numbers)
    at = clock.now()
    log.record_many(
        [
            NewEvent(kind, "channel_account", pk, 0, SYSTEM, at, {"name": address, "number": numbers[pk]})
            for pk, address in known.order_by("id").values_list("id", "address")
        ]
    )

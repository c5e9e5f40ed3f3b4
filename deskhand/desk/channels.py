"""The channels on which we write to somebody's phone number, as the desk sees them. Wiring says which there are.

Our accounts on them are `ChannelAccount`s like those of mail: `channel` is the channel's key, the address our number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from deskhand.delivery.types import Transport
from deskhand.desk.models import ChannelAccount

EMAIL, SMS, WHATSAPP = "email", "sms", "whatsapp"

_BLANK = re.compile(r"\{\{\s*([1-9][0-9]?)\s*\}\}")


@dataclass(frozen=True)
class ApprovedTemplate:
    """A text that may open a conversation (R-WA-2), as who runs the channel has approved it: {{1}}, {{2}} … are blanks."""

    name: str
    text: str

    @property
    def blanks(self) -> int:
        return max((int(number) for number in _BLANK.findall(self.text)), default=0)

    def filled(self, values: Sequence[str]) -> str:
        """What its reader gets; `values` has one for each blank."""
        return _BLANK.sub(lambda found: values[int(found[1]) - 1], self.text)


class Channel(Protocol):
    """One way to phones. Its messages wait in the outbox under the channel's key, with `Texted.payload()`."""

    key: str
    #: How long after the customer's own last message free text is taken (R-WA-2); None: always.
    window: timedelta | None
    longest: int  # characters of one message

    def templates(self, account: ChannelAccount) -> Sequence[ApprovedTemplate]:
        """What may open a conversation; of a channel without a window nothing is asked. Touches only the database."""

    def transport(self) -> Transport:
        """The way out for one process's sender."""


@dataclass(frozen=True)
class Texted:
    """A message to a phone as the outbox keeps it. With a `template`, `text` is what it reads like when filled."""

    sender: str
    text: str
    template: str = ""
    values: tuple[str, ...] = ()

    def payload(self) -> dict[str, object]:
        return {
            "from": self.sender,
            "text": self.text,
            "template": self.template,
            "values": list(self.values),
        }


#: By key; filled by wiring.
known: dict[str, Channel] = {}


def connected(account_id: int, *keys: str) -> list[ChannelAccount]:
    """Our accounts on these channels, or on all that reach phones; of each channel the default one first. One query."""
    of = [key for key in keys or known if key in known]
    if not of:
        return []
    found = ChannelAccount.objects.filter(account_id=account_id, channel__in=of, archived_at=None)
    return list(found.order_by("channel", "-is_default", "id"))
